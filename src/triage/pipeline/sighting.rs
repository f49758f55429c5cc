//! What the procedures of the pipeline saw, graded, and the outcome made of it.

use crate::evidence::text::visible;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{Concern, Confidence, Finding, Outcome, Severity, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Sightings that become findings, and notes that are kept, at most; the rest is counted.
const FINDINGS: usize = 60;
const NOTES: usize = 400;

/// Characters of an excerpt.
const EXCERPT: usize = 240;

/// Something in the material of a pipeline, and what it means.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    /// Stable dotted code (`step.removed`).
    pub code: &'static str,
    /// `None`: a change that a reviewer sees every week, kept as a note.
    pub severity: Option<Severity>,
    pub confidence: Confidence,
    pub concern: Concern,
    /// File as named in its folder.
    pub file: String,
    /// 1-based; 0 for the whole file.
    pub line: usize,
    /// One line.
    pub title: String,
    /// What was seen.
    pub detail: String,
}

impl Sighting {
    /// Something to be accused; texts may come from evidence.
    pub(super) fn new(
        code: &'static str,
        severity: Severity,
        concern: Concern,
        (file, line): (&str, usize),
        title: impl AsRef<str>,
    ) -> Self {
        Self {
            code,
            severity: Some(severity),
            confidence: Confidence::High,
            concern,
            file: visible(file),
            line,
            title: cut(title.as_ref()),
            detail: String::new(),
        }
    }

    /// Something worth knowing and no accusation.
    pub(super) fn note(code: &'static str, at: (&str, usize), title: impl AsRef<str>) -> Self {
        Self { severity: None, ..Self::new(code, Severity::Low, Concern::Pipeline, at, title) }
    }

    #[must_use]
    pub(super) fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    #[must_use]
    pub(super) fn because(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = cut(detail.as_ref());
        self
    }

    /// "train.py:12", or the file alone.
    pub(super) fn place(&self) -> String {
        match (self.file.is_empty(), self.line) {
            (true, _) => String::new(),
            (false, 0) => self.file.clone(),
            (false, line) => format!("{}:{line}", self.file),
        }
    }

    fn json(&self) -> Value {
        json!({"code": self.code, "severity": self.severity, "file": self.file, "line": self.line,
               "title": self.title, "detail": self.detail})
    }
}

/// Visible text of bounded length, on one line.
pub(super) fn cut(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(EXCERPT) {
        Some((at, _)) => format!("{}…", visible(&flat[..at])),
        None => visible(&flat),
    }
}

/// All that a procedure saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub all: Vec<Sighting>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
    /// Numbers and lists of the procedure.
    pub measures: BTreeMap<String, Value>,
    pub figures: BTreeMap<String, Figure>,
}

/// The sentences of an outcome.
pub(super) struct Words {
    /// "12 files were compared": how much was looked at.
    pub looked: String,
    /// Where the weights come from.
    pub origin: &'static str,
    pub limits: &'static str,
}

impl Seen {
    pub(super) fn push(&mut self, sighting: Sighting) {
        self.all.push(sighting);
    }

    pub(super) fn measure(&mut self, name: &str, value: impl Into<Value>) {
        self.measures.insert(name.to_owned(), value.into());
    }

    pub(super) fn figure(&mut self, name: &str, title: impl Into<String>, body: Body) {
        self.figures.insert(name.to_owned(), Figure { title: title.into(), body });
    }

    /// Sightings that accuse.
    pub(super) fn accused(&self) -> impl Iterator<Item = &Sighting> {
        self.all.iter().filter(|s| s.severity.is_some())
    }

    /// The outcome: flagged by the first sighting that accuses at medium or above; notes never flag. `evidence` are the
    /// items it rests on.
    pub(super) fn outcome(mut self, words: &Words, evidence: &[String]) -> Outcome {
        self.all.sort_by(|a, b| {
            (b.severity, &a.file, a.line, a.code).cmp(&(a.severity, &b.file, b.line, b.code))
        });
        let accused: Vec<&Sighting> = self.accused().collect();
        let notes: Vec<&Sighting> = self.all.iter().filter(|s| s.severity.is_none()).collect();
        let worst = accused.first().and_then(|s| s.severity);
        let verdict = match worst {
            Some(worst) if worst >= Severity::Medium => Verdict::Flagged,
            _ if !self.unread.is_empty() => Verdict::Inconclusive,
            _ => Verdict::NothingFound,
        };
        let unread = match self.unread.len() {
            0 => String::new(),
            n => format!(
                " Not read: {}{}.",
                self.unread[..n.min(5)].join("; "),
                if n > 5 { ", …" } else { "" }
            ),
        };
        let summary = match accused.first() {
            Some(first) if verdict == Verdict::Flagged => {
                let place = first.place();
                let at = if place.is_empty() { String::new() } else { format!(" ({place})") };
                let more = match accused.len() {
                    1 => String::new(),
                    n => format!(", and {} more", n - 1),
                };
                format!("{}: {}{at}{more}.{unread}", words.looked, first.title)
            }
            _ if notes.is_empty() => format!("{}; nothing stands out.{unread}", words.looked),
            _ => format!(
                "{}; {} ordinary changes are noted, nothing stands out.{unread}",
                words.looked,
                notes.len()
            ),
        };
        let findings = accused.iter().take(FINDINGS).map(|s| {
            let place = s.place();
            let title = if place.is_empty() { s.title.clone() } else { format!("{place}: {}", s.title) };
            let detail = format!("{} [{}]", s.detail, s.code);
            let severity = s.severity.unwrap_or(Severity::Low);
            Finding::new(s.concern, severity, s.confidence, title, detail.trim_start()).on(evidence)
        });
        let findings = if verdict == Verdict::Flagged { findings.collect() } else { Vec::new() };
        let mut measures = self.measures.clone();
        measures.insert("sightings".into(), accused.iter().take(NOTES).map(|s| s.json()).collect());
        measures.insert("notes".into(), notes.iter().take(NOTES).map(|s| s.json()).collect());
        measures.insert("sighting_count".into(), accused.len().into());
        measures.insert("note_count".into(), notes.len().into());
        measures.insert("unread".into(), json!(self.unread));
        let mut figures = self.figures.clone();
        if !self.all.is_empty() {
            figures.insert("kinds".into(), kinds(&self.all));
        }
        Outcome {
            verdict,
            summary,
            statistic: Some(accused.iter().filter(|s| s.severity >= Some(Severity::Medium)).count() as f64),
            threshold: Some(0.0),
            threshold_origin: words.origin.to_owned(),
            findings,
            measures,
            arrays: BTreeMap::new(),
            figures,
            limits: words.limits.to_owned(),
        }
    }
}

/// Sightings per code; those that accuse are marked.
fn kinds(all: &[Sighting]) -> Figure {
    let mut counts: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for s in all {
        *counts.entry((s.severity.is_none(), s.code)).or_default() += 1;
    }
    let bar = |((note, code), n): (&(bool, &str), &usize)| Bar {
        label: (*code).to_owned(),
        value: *n as f64,
        flagged: !note,
        spread: None,
    };
    let body = Body::Bars {
        value_label: "sightings".into(),
        bars: counts.iter().map(bar).collect(),
        threshold: None,
    };
    Figure { title: "Sightings by kind (marked: accused; others are notes)".into(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words { looked: "2 files were compared".into(), origin: "a table", limits: "much" }
    }

    #[test]
    fn notes_never_flag_and_the_worst_comes_first() {
        let mut seen = Seen::default();
        seen.push(Sighting::note("a.note", ("x.py", 3), "version bumped"));
        let out = seen.outcome(&words(), &[]);
        assert_eq!(out.verdict, Verdict::NothingFound);
        assert!(out.findings.is_empty() && out.summary.contains("1 ordinary changes"), "{}", out.summary);
        let mut seen = Seen::default();
        seen.push(Sighting::new("b.mid", Severity::Medium, Concern::Pipeline, ("x.py", 3), "mid"));
        seen.push(Sighting::new(
            "b.high",
            Severity::High,
            Concern::Pipeline,
            ("y\u{1b}.py", 0),
            "high\u{1b}[2J",
        ));
        let out = seen.outcome(&words(), &["E1".into()]);
        assert_eq!((out.verdict, out.statistic), (Verdict::Flagged, Some(2.0)));
        assert_eq!(out.findings[0].title, "y\\u{1b}.py: high\\u{1b}[2J");
        assert_eq!(out.findings[0].evidence, ["E1"]);
        assert!(!out.findings[0].atlas.is_empty() && !out.findings[0].owasp.is_empty());
    }

    #[test]
    fn what_was_not_read_is_no_pass() {
        let seen = Seen { unread: vec!["a.yaml (too deep)".into()], ..Seen::default() };
        let out = seen.outcome(&words(), &[]);
        assert_eq!(out.verdict, Verdict::Inconclusive);
        assert!(out.summary.contains("too deep"), "{}", out.summary);
    }
}
