//! `laocoon replay SESSION --plain`: a saved session as text, event by event.

use crate::case::{CaseState, Session, assess, gate};
use std::io::{self, Write};

/// Prints every event in order, each finding where it appears or goes, and what is known at the end.
///
/// # Errors
/// `out` does not take it.
pub fn plain(session: &Session, out: &mut dyn Write) -> io::Result<()> {
    let mut state = CaseState::default();
    let mut shown: Vec<String> = Vec::new();
    for r in &session.records {
        state.apply(r.n, &r.time, &r.hash, &r.event);
        if let Some(moment) = state.timeline.last() {
            writeln!(out, "{:>5}  {}  {}", moment.n, moment.time, moment.what)?;
        }
        let now: Vec<String> = state.findings.iter().map(|f| finding(f, &state)).collect();
        for gone in shown.iter().filter(|line| !now.contains(line)) {
            writeln!(out, "       - {gone}")?;
        }
        for new in now.iter().filter(|line| !shown.contains(line)) {
            writeln!(out, "       ! {new}")?;
        }
        shown = now;
    }
    writeln!(out)?;
    standing(&state, out)
}

fn finding(f: &crate::case::Numbered, state: &CaseState) -> String {
    let of = &f.finding;
    let items: Vec<&str> = state
        .evidence
        .iter()
        .map(|i| i.id.as_str())
        .filter(|id| of.evidence.iter().any(|e| e == id))
        .collect();
    let on = if items.is_empty() { String::new() } else { format!(" ({})", items.join(", ")) };
    format!("{} by {}: {}{on}", name(of.severity), f.procedure, of.title)
}

/// A unit variant's name as in JSON.
pub(super) fn name(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What is known: answer, findings, what is missing, and the head hash that anchors it all.
pub(super) fn standing(state: &CaseState, out: &mut dyn Write) -> io::Result<()> {
    for f in &state.findings {
        let of = &f.finding;
        let (severity, confidence) = (name(of.severity), name(of.confidence));
        writeln!(out, "{} {severity}, confidence {confidence}, {}: {}", f.id, f.procedure, of.title)?;
    }
    let missing = gate::missing(state);
    for line in &missing {
        writeln!(out, "missing: {line}")?;
    }
    let assessment = assess(state);
    let complete = if missing.is_empty() { "complete" } else { "incomplete" };
    writeln!(out, "verdict {}, {complete}, {} findings", assessment.verdict.name(), state.findings.len())?;
    if !assessment.target_classes.is_empty() {
        let classes: Vec<String> = assessment.target_classes.iter().map(ToString::to_string).collect();
        writeln!(out, "accused target classes: {}", classes.join(", "))?;
    }
    writeln!(out, "journal: {} events, head {}", state.events, state.head)
}
