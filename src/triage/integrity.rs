//! Is the evidence what was published? Digests against the case file and against manifests.

use crate::evidence::{CaseFile, EvidenceError, Item, Limits, Role, intake, provenance, text};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The procedure `integrity`.
#[derive(Debug)]
pub struct Integrity;

/// The one instance.
pub static INTEGRITY: Integrity = Integrity;

static ABOUT: About = About {
    id: "integrity",
    title: "Integrity",
    phase: Phase::Triage,
    version: 1,
    question: "Is the evidence the files that were published?",
    needs: "any evidence; published digests to compare with",
    reference: "FIPS 180-4 (SHA-256)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("integrity.md"),
};

/// Files named in one finding.
const NAMED: usize = 5;

/// What was compared and how it came out.
#[derive(Default)]
struct Tally {
    compared: usize,
    mismatched: Vec<String>,
    unchecked: Vec<String>,
    findings: Vec<Finding>,
}

impl Procedure for Integrity {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        if case.register.is_empty() {
            return Err(Skip("there is no evidence in the register".to_owned()));
        }
        let units = case.register.len() + manifests(case).len();
        let inputs = case.register.iter().map(|i| i.id.clone()).collect();
        Ok(Plan { params: json!({}), units: units as u64, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut tally = Tally::default();
        let mut done = 0;
        for item in &case.register {
            published(item, &mut tally);
            done += 1;
            cx.step(done, plan.units)?;
        }
        for (item, path) in manifests(case) {
            match listed(case, item, &path, cx) {
                Ok(differences) => tally.take_manifest(item, &path, &differences),
                Err(Trouble::Stopped) => return Err(Stop::Cancelled),
                Err(Trouble::Evidence(e)) => {
                    tally.unchecked.push(format!("{} by its manifest ({e})", item.id));
                }
            }
            done += 1;
            cx.step(done.min(plan.units), plan.units)?;
        }
        Ok(outcome(case, tally))
    }
}

/// Data sets with a manifest: their item, and the manifest as named.
fn manifests(case: &Case) -> Vec<(&Item, PathBuf)> {
    let item = |path: &Path| case.register.iter().find(|i| i.path.raw() == path.to_string_lossy());
    case.file.data.iter().filter_map(|d| Some((item(&d.path)?, d.manifest.clone()?))).collect()
}

/// Compares the digest at intake with the published one.
fn published(item: &Item, tally: &mut Tally) {
    let Some(wanted) = item.published.as_deref() else { return };
    if item.sha256.is_empty() {
        tally.unchecked.push(format!("{} (it could not be read)", item.id));
        return;
    }
    tally.compared += 1;
    if item.sha256 == wanted {
        return;
    }
    tally.mismatched.push(item.id.clone());
    let severity = if item.role == Role::Model { Severity::Critical } else { Severity::High };
    let title = format!("{} is not the {} that was published", item.path.shown(), item.role.name());
    let detail = format!("SHA-256 is {}, {wanted} is published; size {} bytes", item.sha256, item.bytes);
    let finding = Finding::new(Concern::Integrity, severity, Confidence::High, title, detail);
    tally.findings.push(finding.on(std::slice::from_ref(&item.id)));
}

/// How a folder differs from its manifest.
struct Differences {
    compared: usize,
    changed: Vec<PathBuf>,
    missing: Vec<PathBuf>,
    extra: Vec<PathBuf>,
}

enum Trouble {
    Stopped,
    Evidence(EvidenceError),
}

impl From<EvidenceError> for Trouble {
    fn from(e: EvidenceError) -> Self {
        if e.code == "intake.stopped" { Trouble::Stopped } else { Trouble::Evidence(e) }
    }
}

/// Compares the files of an item with its manifest, hashing them now.
fn listed(case: &Case, item: &Item, manifest_path: &Path, cx: &Context) -> Result<Differences, Trouble> {
    let limits = Limits::in_force();
    let go_on = |_, _| cx.check().is_ok();
    let (bytes, _) = intake::read_text(&case.file.locate(manifest_path)?, limits)?;
    let wanted = provenance::parse_manifest(&bytes)?;
    let path = locate(&case.file, item)?;
    let has: BTreeMap<PathBuf, String> = if path.is_dir() && !path.is_symlink() {
        let digest = intake::digest_folder(&path, limits, &go_on)?;
        digest.files.into_iter().map(|f| (f.path, f.sha256)).collect()
    } else {
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        [(name, intake::digest_file(&path, &go_on)?.0)].into()
    };
    // A manifest inside the folder cannot list itself.
    let itself =
        case.file.locate(manifest_path).ok().and_then(|m| m.strip_prefix(&path).map(Path::to_owned).ok());
    let differs = |(path, digest): (&PathBuf, &String)| {
        wanted.get(path).is_some_and(|w| w != digest).then(|| path.clone())
    };
    Ok(Differences {
        compared: has.keys().filter(|p| wanted.contains_key(*p)).count(),
        changed: has.iter().filter_map(differs).collect(),
        missing: wanted.keys().filter(|p| !has.contains_key(*p)).cloned().collect(),
        extra: has
            .keys()
            .filter(|p| !wanted.contains_key(*p) && Some(*p) != itself.as_ref())
            .cloned()
            .collect(),
    })
}

fn locate(case: &CaseFile, item: &Item) -> Result<PathBuf, EvidenceError> {
    case.locate(Path::new(item.path.raw()))
}

impl Tally {
    fn take_manifest(&mut self, item: &Item, manifest: &Path, d: &Differences) {
        self.compared += d.compared;
        let total = d.changed.len() + d.missing.len() + d.extra.len();
        if total == 0 {
            return;
        }
        let part = |what: &str, paths: &[PathBuf]| {
            let names: Vec<String> =
                paths.iter().take(NAMED).map(|p| text::visible(&p.to_string_lossy())).collect();
            let more = if paths.len() > NAMED { ", …" } else { "" };
            (!paths.is_empty()).then(|| format!("{} {what} ({}{more})", paths.len(), names.join(", ")))
        };
        let parts = [part("changed", &d.changed), part("missing", &d.missing), part("not listed", &d.extra)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let each = d.changed.iter().chain(&d.missing).chain(&d.extra);
        self.mismatched.extend(each.map(|p| format!("{}:{}", item.id, text::visible(&p.to_string_lossy()))));
        let manifest = text::visible(&manifest.to_string_lossy());
        let title = format!("{} differs from its manifest in {total} files", item.path.shown());
        let detail = format!("held against {manifest}: {}", parts.join("; "));
        let finding = Finding::new(Concern::Integrity, Severity::High, Confidence::High, title, detail);
        self.findings.push(finding.on(std::slice::from_ref(&item.id)));
    }
}

fn outcome(case: &Case, tally: Tally) -> Outcome {
    let covered = |i: &&Item| i.published.is_some() || manifests(case).iter().any(|(m, _)| m.id == i.id);
    let unpublished: Vec<&str> =
        case.register.iter().filter(|i| !covered(i)).map(|i| i.id.as_str()).collect();
    let (wrong, compared) = (tally.mismatched.len(), tally.compared);
    let verdict = match (wrong, tally.unchecked.is_empty()) {
        (1.., _) => Verdict::Flagged,
        (0, false) => Verdict::Inconclusive,
        (0, true) => Verdict::NothingFound,
    };
    let summary = match verdict {
        Verdict::Flagged => format!("{wrong} of the published digests do not fit what was handed over."),
        Verdict::Inconclusive => format!("Not everything could be compared: {}.", tally.unchecked.join("; ")),
        Verdict::NothingFound if compared == 0 => {
            "No digest is published, so there was nothing to compare; the digests at intake are recorded."
                .to_owned()
        }
        Verdict::NothingFound => format!("All {compared} published digests fit."),
    };
    let mut limits = String::from(
        "An equal digest says that a file is the one published, not that the published one is harmless; whoever can \
         change the case file can change the digests in it.",
    );
    if !unpublished.is_empty() {
        limits = format!("No digest is published for {}. {limits}", unpublished.join(", "));
    }
    let digests: serde_json::Map<String, Value> = case
        .register
        .iter()
        .map(|i| {
            (
                i.id.clone(),
                json!({"sha256": i.sha256, "bytes": i.bytes, "files": i.files, "published": i.published}),
            )
        })
        .collect();
    Outcome {
        verdict,
        summary,
        statistic: Some(wrong as f64),
        threshold: Some(0.0),
        threshold_origin: "any difference counts: two files with one SHA-256 are not known to exist"
            .to_owned(),
        findings: tally.findings,
        measures: BTreeMap::from([
            ("compared".to_owned(), Value::from(compared)),
            ("mismatched".to_owned(), Value::from(tally.mismatched)),
            ("unchecked".to_owned(), Value::from(tally.unchecked)),
            ("unpublished".to_owned(), json!(unpublished)),
            ("digests".to_owned(), Value::Object(digests)),
        ]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::examine::tests::{case_of, run};
    use std::fs;

    #[test]
    fn a_published_digest_that_fits_and_one_that_does_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), b"\x08\x08\x12\x01x\x3a\x00").unwrap();
        let right = intake::sha256(b"\x08\x08\x12\x01x\x3a\x00");
        let toml =
            |digest: &str| format!("[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\nsha256 = \"{digest}\"\n");
        let good = run(&INTEGRITY, &case_of(dir.path(), &toml(&right)));
        assert_eq!((good.verdict, good.statistic), (Verdict::NothingFound, Some(0.0)));
        assert_eq!(good.summary, "All 1 published digests fit.");
        let bad = run(&INTEGRITY, &case_of(dir.path(), &toml(&"0".repeat(64))));
        assert_eq!((bad.verdict, bad.statistic), (Verdict::Flagged, Some(1.0)));
        let finding = &bad.findings[0];
        assert_eq!((finding.concern, finding.severity), (Concern::Integrity, Severity::Critical));
        assert_eq!(finding.evidence, ["E1"]);
        assert!(finding.detail.contains(&right) && !finding.atlas.is_empty());
    }

    #[test]
    fn nothing_published_is_said_in_the_limits() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), b"x").unwrap();
        let out = run(&INTEGRITY, &case_of(dir.path(), "[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\n"));
        assert_eq!(out.verdict, Verdict::NothingFound);
        assert!(out.limits.starts_with("No digest is published for E1."), "{}", out.limits);
    }

    #[test]
    fn a_manifest_finds_what_changed_is_missing_or_was_added() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        for name in ["same", "changed", "extra"] {
            put(&format!("d/{name}"), name.as_bytes());
        }
        let line = |content: &str, name: &str| format!("{}  {name}\n", intake::sha256(content.as_bytes()));
        let text = line("same", "same") + &line("other", "changed") + &line("gone", "missing");
        put("d.sha256", text.as_bytes());
        let toml = "[case]\nid = \"x\"\n[[data]]\nrole = \"clean\"\npath = \"d\"\nmanifest = \"d.sha256\"\n";
        let out = run(&INTEGRITY, &case_of(dir.path(), toml));
        assert_eq!((out.verdict, out.statistic), (Verdict::Flagged, Some(3.0)));
        assert_eq!(
            out.findings[0].detail,
            "held against d.sha256: 1 changed (changed); 1 missing (missing); 1 not listed (extra)"
        );
        put("d.sha256", b"nonsense");
        let out = run(&INTEGRITY, &case_of(dir.path(), toml));
        assert_eq!(out.verdict, Verdict::Inconclusive);
        assert!(out.summary.contains("line 1"), "{}", out.summary);
    }

    #[test]
    fn no_evidence_no_plan() {
        let dir = tempfile::tempdir().unwrap();
        let mut case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nbaseline = \"b\"\n");
        case.register.clear();
        assert!(INTEGRITY.plan(&case).is_err());
    }
}
