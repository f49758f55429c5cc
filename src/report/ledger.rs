//! The report as data, for the formats that machines read: the same state as the sections, before it has a format. All
//! texts are visible already, so that a writer escapes for its own sink only.

use super::escape::shell;
use crate::case::gate::{Ruling, Standing, results};
use crate::case::{Assessment, CaseState, Moment, ProcedureState, Status, assess, gate};
use crate::evidence::text::visible;
use crate::evidence::{Format, Handling, ItemState, Role, Untrusted};
use crate::procedure::{About, Effort, Finding, Phase, Record};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

/// Everything a session says, as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// Case id.
    pub case: String,
    /// Case title.
    pub title: String,
    /// What was asked.
    pub questions: Vec<String>,
    /// Who asked, on whose authority.
    pub handling: Handling,
    /// Program version.
    pub tool: String,
    /// Build: target, features, digest of the program's own file.
    pub build: String,
    /// Who worked, or worked last.
    pub analyst: String,
    /// Seed.
    pub seed: u64,
    /// Effort.
    pub effort: Effort,
    /// Time of the first event, RFC 3339 UTC; empty without events.
    pub opened: String,
    /// Time of the last event.
    pub closed: String,
    /// Number of events.
    pub events: u64,
    /// Hash of the last event.
    pub head: String,
    /// Digest over what the procedures found; see [`results`].
    pub results: String,
    /// The command that does the same again.
    pub command: String,
    /// What stands between this and a complete investigation.
    pub open: Vec<String>,
    /// Sections of the case file that were read and not examined.
    pub unexamined: Vec<String>,
    /// The register.
    pub exhibits: Vec<Exhibit>,
    /// Procedures: those of the plan in its order, then others the journal names.
    pub runs: Vec<Run>,
    /// Findings in order, with their place before the gate.
    pub findings: Vec<Accusation>,
    /// What all say together.
    pub assessment: Assessment,
    /// Every event.
    pub moments: Vec<Moment>,
    /// The gate's decision.
    pub ruling: Ruling,
}

/// A line of the evidence register.
#[derive(Debug, Clone, PartialEq)]
pub struct Exhibit {
    /// "E1".
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// Path as named, visible.
    pub path: String,
    /// The same as a relative or `file:` URI, percent-encoded.
    pub uri: String,
    /// What its content is, by the journal's name.
    pub format: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Lower-case hex; empty when it could not be read.
    pub sha256: String,
    /// Files in it.
    pub files: u64,
    /// Whether it is a folder: its digest is then one over the digests of its files, and not that of any file.
    pub folder: bool,
    /// Digest published for it.
    pub published: Option<String>,
    /// Why it was refused.
    pub refused: Option<String>,
    /// What its reader learnt.
    pub facts: Vec<String>,
    /// What differs from intake, if anything does.
    pub changed: Vec<String>,
    /// When and how it was last compared with its intake.
    pub checked: Option<(String, String)>,
}

impl Exhibit {
    /// Last part of the path.
    pub fn name(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A procedure and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Procedure id.
    pub id: String,
    /// What it is, when this version knows it.
    pub about: Option<Said>,
    /// Phase, when known.
    pub phase: Option<Phase>,
    /// Version of the method.
    pub version: u32,
    /// `finished`, `skipped`, `stopped` or `failed`.
    pub status: &'static str,
    /// Why it is not finished.
    pub why: Option<String>,
    /// What it found; also that of an earlier run while it runs again.
    pub record: Option<Record>,
    /// Wall time of the record.
    pub seconds: Option<f64>,
    /// Parameters; null when it never ran.
    pub params: Value,
    /// Planned and never come to.
    pub never: bool,
}

/// What a procedure says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Name for people.
    pub title: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// Where the method comes from.
    pub reference: &'static str,
    /// Its page, Markdown.
    pub page: &'static str,
}

impl Run {
    /// Name for people, or the id.
    pub fn title(&self) -> &str {
        self.about.map_or(self.id.as_str(), |a| a.title)
    }
}

/// A finding with what makes it known again.
#[derive(Debug, Clone, PartialEq)]
pub struct Accusation {
    /// "F1".
    pub id: String,
    /// Procedure id.
    pub procedure: String,
    /// The finding, its texts visible.
    pub finding: Finding,
    /// See [`gate::fingerprint`].
    pub fingerprint: String,
    /// New, known or waived.
    pub standing: Standing,
    /// Whether it alone makes the gate fail.
    pub fails: bool,
}

impl Ledger {
    /// The ledger of a state under a ruling; `known` are the procedures of this program, and paths below `root` become
    /// relative to it (without one, to the folder of the case).
    pub fn of(state: &CaseState, known: &[&'static About], ruling: Ruling, root: Option<&Path>) -> Self {
        let case = state.case.as_ref();
        let text = |t: Option<&String>| t.map(|t| visible(t)).unwrap_or_default();
        let time = |m: Option<&Moment>| m.map(|m| visible(&m.time)).unwrap_or_default();
        let handling = case.and_then(|c| c.handling.as_deref()).cloned().unwrap_or_default();
        let shown = |t: Option<String>| t.map(|t| visible(&t)).filter(|t| !t.trim().is_empty());
        let findings = state.findings.iter().zip(&ruling.findings);
        Self {
            case: text(case.map(|c| &c.id)),
            title: text(case.map(|c| &c.title)),
            questions: case.iter().flat_map(|c| &c.questions).map(|q| visible(q)).collect(),
            handling: Handling {
                requester: shown(handling.requester),
                authority: shown(handling.authority),
                organisation: shown(handling.organisation),
                classification: shown(handling.classification),
            },
            tool: state.tool.clone(),
            build: state.build.clone(),
            analyst: state.analyst.clone(),
            seed: state.seed,
            effort: state.effort,
            opened: time(state.timeline.first()),
            closed: time(state.timeline.last()),
            events: state.events,
            head: visible(&state.head),
            results: results(state),
            command: command(state),
            open: gate::missing(state),
            unexamined: case.iter().flat_map(|c| &c.unexamined).map(|u| visible(u)).collect(),
            exhibits: exhibits(state, root),
            runs: runs(state, known),
            findings: findings
                .map(|(f, ruled)| Accusation {
                    id: f.id.clone(),
                    procedure: visible(&f.procedure),
                    finding: Finding {
                        title: visible(&f.finding.title),
                        detail: visible(&f.finding.detail),
                        evidence: f.finding.evidence.iter().map(|e| visible(e)).collect(),
                        atlas: f.finding.atlas.iter().map(|id| visible(id)).collect(),
                        owasp: f.finding.owasp.iter().map(|id| visible(id)).collect(),
                        ..f.finding.clone()
                    },
                    fingerprint: ruled.fingerprint.clone(),
                    standing: ruled.standing.clone(),
                    fails: ruled.fails,
                })
                .collect(),
            assessment: assess(state),
            moments: state.timeline.clone(),
            ruling,
        }
    }

    /// Items that a finding rests on; all accepted ones, if it names none.
    pub fn rests_on(&self, finding: &Finding) -> Vec<&Exhibit> {
        let named: Vec<_> = self.exhibits.iter().filter(|e| finding.evidence.contains(&e.id)).collect();
        if named.is_empty() { self.exhibits.iter().filter(|e| e.refused.is_none()).collect() } else { named }
    }

    /// ATLAS ids of all findings, sorted.
    pub fn techniques(&self) -> Vec<&str> {
        let mut ids: Vec<_> =
            self.findings.iter().flat_map(|f| &f.finding.atlas).map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The run of a procedure.
    pub fn run(&self, id: &str) -> Option<&Run> {
        self.runs.iter().find(|r| r.id == id)
    }
}

/// A format by the name the journal uses.
pub fn format_name(format: Format) -> String {
    match serde_json::to_value(format) {
        Ok(Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

fn exhibits(state: &CaseState, root: Option<&Path>) -> Vec<Exhibit> {
    let folder = state.case.as_ref().map(|c| c.root.as_path());
    let item = |item: &crate::evidence::Item| Exhibit {
        id: visible(&item.id),
        role: item.role,
        path: item.path.shown(),
        uri: uri(item.path.raw(), folder, root),
        format: format_name(item.format),
        bytes: item.bytes,
        sha256: visible(&item.sha256),
        files: item.files,
        folder: item.files != 1
            || matches!(item.format, Format::Folder | Format::ImageFolder | Format::SavedModel),
        published: item.published.as_ref().map(|p| visible(p)),
        refused: match &item.state {
            ItemState::Accepted => None,
            ItemState::Refused(why) => Some(visible(why)),
        },
        facts: item.facts.iter().map(Untrusted::shown).collect(),
        changed: state
            .changed
            .iter()
            .filter(|(id, _)| *id == item.id)
            .map(|(_, what)| what.clone())
            .collect(),
        checked: state.checked.get(&item.id).cloned(),
    };
    state.evidence.iter().map(item).collect()
}

/// A path as a URI reference: relative to `root` when it lies below it (to the case's folder without a `root`), `file:`
/// when it lies elsewhere. Everything but unreserved characters is percent-encoded.
fn uri(path: &str, folder: Option<&Path>, root: Option<&Path>) -> String {
    let path = Path::new(path);
    let full = match (folder, root) {
        (Some(folder), Some(_)) if path.is_relative() => folder.join(path),
        _ => path.to_owned(),
    };
    let below = root.or(folder).and_then(|root| full.strip_prefix(root).ok());
    let path: PathBuf = below.map_or(full.clone(), Path::to_owned);
    let mut out = String::new();
    if path.is_absolute() {
        out.push_str("file://");
    }
    for part in path.components() {
        if !matches!(part, Component::RootDir | Component::CurDir) {
            if !out.is_empty() {
                out.push('/');
            }
            percent(&mut out, &part.as_os_str().to_string_lossy());
        }
    }
    if out.is_empty() { "unnamed".to_owned() } else { out }
}

/// Percent-encodes a segment of a URI.
pub fn percent(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
}

/// Procedures that were queued or skipped in the order of the plan, then those planned and never come to.
fn runs(state: &CaseState, known: &[&'static About]) -> Vec<Run> {
    let about = |id: &str| {
        known.iter().find(|a| a.id == id).map(|a| Said {
            title: a.title,
            question: a.question,
            reference: a.reference,
            page: a.page,
        })
    };
    let phase = |id: &str| known.iter().find(|a| a.id == id).map(|a| a.phase);
    let came = state.procedures.iter().map(|p| run(p, state.superseded.get(&p.id), about(&p.id)));
    let untouched = state.planned.iter().filter(|p| state.procedure(&p.id).is_none()).map(|p| Run {
        id: visible(&p.id),
        about: about(&p.id),
        phase: Some(p.phase),
        version: p.version,
        status: "stopped",
        why: Some("planned and never run".into()),
        record: None,
        seconds: None,
        params: Value::Null,
        never: true,
    });
    let mut all: Vec<Run> = came.chain(untouched).collect();
    for r in &mut all {
        r.phase = r.phase.or_else(|| phase(&r.id));
    }
    all
}

/// A procedure as it stands; `earlier` is the run whose outcome stands while it runs again.
fn run(p: &ProcedureState, earlier: Option<&ProcedureState>, about: Option<Said>) -> Run {
    let (status, why) = match &p.status {
        Status::Finished { .. } => ("finished", None),
        Status::Skipped(why) => ("skipped", Some(visible(why))),
        Status::Failed(why) => ("failed", Some(visible(why))),
        Status::Stopped { done, units } => {
            ("stopped", Some(format!("stopped after {done} of {units} units")))
        }
        Status::Queued => ("stopped", Some("planned and not started".to_owned())),
        Status::Running => ("stopped", Some("interrupted: no end is recorded".to_owned())),
    };
    let (record, seconds) = match &earlier.unwrap_or(p).status {
        Status::Finished { record, seconds } => (Some(record.as_ref().clone()), Some(*seconds)),
        _ => (None, None),
    };
    Run {
        id: visible(&p.id),
        about,
        phase: p.phase,
        version: p.version,
        status,
        why,
        record,
        seconds,
        params: p.params.clone(),
        never: false,
    }
}

/// The command that does the same investigation again.
fn command(state: &CaseState) -> String {
    let path = state
        .case
        .as_ref()
        .map_or_else(|| "case.toml".to_owned(), |c| c.root.join("case.toml").display().to_string());
    let mut words = vec!["laocoon scan".to_owned(), shell(&path), format!("--seed {}", state.seed)];
    if state.effort != Effort::default() {
        words.push(format!("--effort {}", state.effort.name()));
    }
    if !state.only.is_empty() {
        words.push(format!("--only {}", shell(&state.only.join(","))));
    }
    if !state.phases.is_empty() {
        words.push(format!("--phase {}", shell(&state.phases.join(","))));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_that_cannot_mislead() {
        let (case, root) = (Path::new("/repo/cases/a b"), Path::new("/repo"));
        assert_eq!(uri("model.onnx", Some(case), None), "model.onnx");
        assert_eq!(uri("model.onnx", Some(case), Some(root)), "cases/a%20b/model.onnx");
        assert_eq!(uri("/repo/x/./m.pt", Some(case), Some(root)), "x/m.pt");
        assert_eq!(uri("/else/m.pt", Some(case), Some(root)), "file:///else/m.pt");
        assert_eq!(uri("javascript:alert(1)", None, None), "javascript%3Aalert%281%29");
        assert_eq!(uri("a\n\u{202e}<b>", None, None), "a%0A%E2%80%AE%3Cb%3E");
        assert_eq!(uri("", None, None), "unnamed");
    }
}
