//! Are the pipeline's definitions those that were reviewed?

mod argo;
mod ci;
mod compare;
mod content;
mod dag;
mod gates;
mod graph;
mod history;
mod places;
#[cfg(test)]
mod tests;
mod triggers;
mod workflow;
mod yaml;

use super::material::{self, Folder, ending};
use super::sighting::{Seen, Sighting, Words};
use super::{python, tree};
use crate::evidence::Role;
use crate::procedure::{About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop};
use workflow::Workflow;

/// The procedure `definition-changes`.
#[derive(Debug)]
pub struct DefinitionChanges;

/// The one instance.
pub static DEFINITION_CHANGES: DefinitionChanges = DefinitionChanges;

static ABOUT: About = About {
    id: "definition-changes",
    title: "Pipeline definition",
    phase: Phase::Triage,
    version: 1,
    question: "Did the pipeline run with the steps, checks, sources and triggers that were reviewed?",
    needs: "the pipeline's folder as reviewed and as found",
    reference: "SLSA v1.0 (build definition); CICD-SEC-1, -4 and -9 of OWASP's CI/CD risks",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../definition_changes.md"),
};

impl Procedure for DefinitionChanges {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        if material::item(case, Role::AsRun).is_none() {
            return Err(Skip("the case names no pipeline as it ran (pipeline.current)".to_owned()));
        }
        material::plan(case, Role::Approved, &[Role::AsRun], 3)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let open = |role| Folder::open(case, role).map_err(Stop::failed);
        let (old, new) = (open(Role::Approved)?, open(Role::AsRun)?);
        let (Some(old), Some(new)) = (old, new) else {
            return Err(Stop::failed("one of the two folders was refused at intake"));
        };
        let before = read(&old, &mut seen, cx)?;
        cx.step(1, plan.units)?;
        let after = read(&new, &mut seen, cx)?;
        compare::compare(&before, &after, &mut seen);
        cx.step(2, plan.units)?;
        history::follow(&old, &new, &mut seen);
        cx.step(plan.units, plan.units)?;
        let steps = |flows: &[Workflow]| flows.iter().map(|w| w.steps.len()).sum::<usize>();
        seen.measure("workflows", vec![before.len(), after.len()]);
        seen.measure("steps", vec![steps(&before), steps(&after)]);
        let kinds: Vec<String> = after.iter().map(|w| format!("{} ({})", w.file, w.kind)).collect();
        seen.measure("definitions", kinds);
        let looked = format!(
            "{} definitions with {} steps were held against {} reviewed ones with {}",
            after.len(),
            steps(&after),
            before.len(),
            steps(&before)
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "fixed rules about what may differ (see the page); renaming, formatting, versions and added steps are notes",
                limits: "What a step is for is told by its name and command. Steps made at run time, definitions included from \
                         elsewhere and templates of a cluster are named and not read. A signature that a commit carries was \
                         not checked. What was reviewed may have been bad already.",
            },
            &plan.inputs,
        ))
    }
}

/// Whether a numeric bar of this name was lowered.
pub(super) fn bar(key: &str, was: &str, is: &str) -> bool {
    let key = key.rsplit('.').next().unwrap_or(key);
    // Among settings, only what is plainly a measure of quality is a bar.
    let measures = [
        "accurac",
        "thresh",
        "f1",
        "auc",
        "drift",
        "toleran",
        "recall",
        "precision",
        "required",
        "quality",
        "coverage",
    ];
    measures.iter().any(|w| key.contains(w)) && gates::loosened(key, was, is).is_some()
}

/// The workflows of a folder.
fn read(folder: &Folder, seen: &mut Seen, cx: &Context) -> Result<Vec<Workflow>, Stop> {
    let mut out = Vec::new();
    let wanted = |name: &str| matches!(ending(name).as_str(), "yaml" | "yml" | "json" | "py");
    for (name, text) in folder.texts(wanted, &mut seen.unread) {
        cx.check()?;
        if ending(&name) == "py" {
            match python::with_module(&text, |m| dag::read(m, &name)) {
                Ok(flow) => out.extend(flow),
                Err(why) => seen.unread.push(format!("{name} ({why})")),
            }
            continue;
        }
        match tree::read(&text) {
            Ok(docs) => out.extend(docs.iter().filter_map(|d| yaml::read(d, &name))),
            // A template is no YAML before it is filled in; that is said and not held against anyone.
            Err(why)
                if (text.contains("{{") && text.contains("}}"))
                    || (text.contains("{%") && text.contains("%}")) =>
            {
                seen.push(Sighting::note(
                    "definition.template",
                    (&name, 0),
                    format!("a template, not read: {why}"),
                ));
            }
            Err(why) => seen.unread.push(format!("{name} ({why})")),
        }
    }
    Ok(out)
}
