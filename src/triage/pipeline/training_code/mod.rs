//! Do the training scripts do what they did when they were reviewed, and nothing besides?

mod calls;
mod flow;
mod names;
mod place;
mod scan;
#[cfg(test)]
mod tests;

use super::material::{self, Folder, ending};
use super::python;
use super::sighting::{Seen, Sighting, Words};
use crate::evidence::Role;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
};
use scan::Scanned;
use std::collections::{BTreeMap, HashSet};

/// The procedure `training-code`.
#[derive(Debug)]
pub struct TrainingCode;

/// The one instance.
pub static TRAINING_CODE: TrainingCode = TrainingCode;

static ABOUT: About = About {
    id: "training-code",
    title: "Training code",
    phase: Phase::Triage,
    version: 1,
    question: "Do the training scripts steer what is learnt, or act besides, in a way that was not reviewed?",
    needs: "the pipeline's folder as found; better with the folder as reviewed",
    reference: "Bagdasaryan & Shmatikov 2021 (blind backdoors in the loss); Clifford et al. 2022 (architectural backdoors)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../training_code.md"),
};

impl Procedure for TrainingCode {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        material::plan(case, Role::AsRun, &[Role::Approved], 2)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let old = read(case, Role::Approved, &mut seen, cx)?;
        cx.step(1, plan.units)?;
        let new = read(case, Role::AsRun, &mut seen, cx)?.unwrap_or_default();
        let reviewed = old.is_some();
        let compared = compare(&old.unwrap_or_default(), &new, reviewed, &mut seen);
        cx.step(plan.units, plan.units)?;
        seen.measure("files", new.len());
        seen.measure("functions_compared", compared);
        let looked = format!(
            "{} Python sources were read{}",
            new.len(),
            if reviewed {
                " and held against those reviewed"
            } else {
                "; there is no reviewed version to hold them against"
            }
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "fixed rules about the source (see the page); what stood in the reviewed sources is a note",
                limits: "Names are followed inside one function; what is decided by data files, by values made elsewhere, in \
                         installed packages, in other languages or by names made at run time is not seen. A rule is a reason to \
                         read the line, not a proof of intent.",
            },
            &plan.inputs,
        ))
    }
}

type Sources = BTreeMap<String, Scanned>;

/// Scans the Python sources of a folder; `None` when the case has no such folder.
fn read(case: &Case, role: Role, seen: &mut Seen, cx: &Context) -> Result<Option<Sources>, Stop> {
    let folder = match Folder::open(case, role) {
        Ok(Some(folder)) => folder,
        Ok(None) => return Ok(None),
        Err(e) => {
            seen.unread.push(e.to_string());
            return Ok(None);
        }
    };
    let mut out = Sources::new();
    let texts =
        folder.texts(|name| matches!(ending(name).as_str(), "py" | "pyw" | "ipynb"), &mut seen.unread);
    for (name, text) in texts {
        cx.check()?;
        let text = if ending(&name) == "ipynb" { python::notebook(&text).unwrap_or_default() } else { text };
        if role == Role::AsRun {
            hidden(&name, &text, seen);
        }
        match python::with_module(&text, scan::scan) {
            Ok(scanned) => {
                if scanned.errors > 0 {
                    let title = format!("{} places are no Python 3; the rest was read", scanned.errors);
                    seen.push(Sighting::note("code.syntax", (&name, 0), title));
                }
                out.insert(name, scanned);
            }
            Err(why) => seen.unread.push(format!("{name} ({why})")),
        }
    }
    Ok(Some(out))
}

/// Characters that make a reader see another program than the interpreter does.
fn hidden(name: &str, text: &str, seen: &mut Seen) {
    let turns = |c: char| matches!(u32::from(c), 0x202a..=0x202e | 0x2066..=0x2069 | 0x200b | 0x2060);
    if let Some(i) = text.lines().position(|l| l.contains(turns)) {
        let title = "characters that show the source in another order than it runs";
        seen.push(
            Sighting::new("code.hidden", Severity::High, Concern::TrainingCode, (name, i + 1), title)
                .because("bidirectional controls or invisible blanks (CVE-2021-42574)"),
        );
    }
}

/// Holds new against old; returns how many functions were compared.
fn compare(old: &Sources, new: &Sources, reviewed: bool, seen: &mut Seen) -> usize {
    let known: HashSet<&str> = old.values().flat_map(|s| s.statements.iter().map(String::as_str)).collect();
    let before: BTreeMap<&str, &str> = old
        .values()
        .flat_map(|s| s.functions.iter().map(|(name, (_, _, text))| (name.as_str(), text.as_str())))
        .collect();
    let mut compared = 0;
    for (file, scanned) in new {
        for f in &scanned.found {
            let is_new = !known.contains(f.key.as_str());
            let at = (file.as_str(), f.line);
            let status = match (reviewed, is_new) {
                (true, true) => "new since the reviewed version",
                (true, false) => "as reviewed",
                (false, _) => "no reviewed version to compare with",
            };
            let detail = format!("{status}: {}", f.excerpt);
            let sighting = match f.severity {
                Some(severity) if is_new => {
                    let sure = if reviewed { Confidence::High } else { Confidence::Medium };
                    Sighting::new(f.code, severity, Concern::TrainingCode, at, &f.what).sure(sure)
                }
                _ => Sighting::note(f.code, at, &f.what),
            };
            seen.push(sighting.because(detail));
        }
        if !reviewed {
            continue;
        }
        if !old.contains_key(file) {
            seen.push(Sighting::note("code.file", (file, 0), "a source that was not among those reviewed"));
        }
        for (name, (line, place, text)) in &scanned.functions {
            compared += 1;
            let what = match before.get(name.as_str()) {
                None => "new",
                Some(was) if was != text => "changed",
                Some(_) => continue,
            };
            let title = format!("{what}: {name}, which does the work of {place}");
            seen.push(Sighting::note("code.changed", (file, *line), title));
        }
    }
    for (file, scanned) in old {
        if !new.contains_key(file) && !scanned.functions.is_empty() {
            seen.push(Sighting::note("code.gone", (file, 0), "a reviewed source is not there any more"));
        }
    }
    compared
}
