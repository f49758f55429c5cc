//! Exit codes: what a CI gate may conclude from a state.

mod fingerprint;
mod ruling;
mod terms;

pub use fingerprint::{fingerprint, results};
pub use ruling::{Ruled, Ruling, Standing, rule};
pub use terms::{Baseline, LONGEST, Terms, TermsError, Waiver, waivers};

use super::{CaseState, Status};
use crate::evidence::ItemState;
use crate::procedure::Severity;

/// Exit code: nothing at or above the threshold and everything planned finished.
pub const PASS: u8 = 0;
/// Exit code: findings at or above the threshold.
pub const FINDINGS: u8 = 1;
/// Exit code: incomplete.
pub const INCOMPLETE: u8 = 3;

/// What stands between a state and a complete investigation, one visible line each; empty: complete. A procedure that
/// does not apply is not incompleteness; refused or changed evidence, and a procedure that failed, was stopped or never
/// ran, is.
pub fn missing(state: &CaseState) -> Vec<String> {
    let mut all = Vec::new();
    if state.case.is_none() {
        all.push("no case was opened".to_owned());
    }
    for item in &state.evidence {
        if let ItemState::Refused(why) = &item.state {
            all.push(format!("{} ({} {}) was refused: {why}", item.id, item.role.name(), item.path.shown()));
        }
    }
    all.extend(state.changed.iter().map(|(id, detail)| format!("{id} changed during the work: {detail}")));
    for p in &state.procedures {
        let why = match &p.status {
            Status::Finished { .. } | Status::Skipped(_) => continue,
            Status::Queued | Status::Running => "has not finished".to_owned(),
            Status::Stopped { done, units } => format!("was stopped at {done} of {units}"),
            Status::Failed(why) => format!("failed: {why}"),
        };
        all.push(format!("{} {why}", p.id));
    }
    let never = state.planned.iter().filter(|p| state.procedure(&p.id).is_none());
    all.extend(never.map(|p| format!("{} was never run", p.id)));
    if state.planned.is_empty() && state.procedures.is_empty() {
        all.push("nothing was run".to_owned());
    }
    all.iter().map(|line| crate::evidence::text::visible(line)).collect()
}

/// Whether everything planned finished and no evidence was refused or changed.
pub fn complete(state: &CaseState) -> bool {
    missing(state).is_empty()
}

/// The exit code of `scan` without baseline and waivers: [`FINDINGS`] at or above `fail_on`, else [`INCOMPLETE`] unless
/// that is allowed, else [`PASS`].
pub fn exit_code(state: &CaseState, fail_on: Severity, allow_incomplete: bool) -> u8 {
    rule(state, &Terms { fail_on, allow_incomplete, ..Terms::default() }).code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Event;
    use crate::case::fixture::{self, ended};

    fn state(events: &[Event]) -> CaseState {
        let mut state = CaseState::default();
        for (n, e) in [fixture::opened("x"), fixture::planned(&["a", "b"])].iter().chain(events).enumerate() {
            state.apply(n as u64, fixture::TIME, "", e);
        }
        state
    }

    fn code(events: &[Event]) -> u8 {
        exit_code(&state(events), Severity::Medium, false)
    }

    fn nothing(id: &str) -> Event {
        ended(id, fixture::record(""))
    }

    #[test]
    fn only_a_finished_investigation_without_findings_passes() {
        let skipped = || Event::JobSkipped { procedure: "b".into(), reason: "no images".into() };
        assert_eq!(code(&[nothing("a"), skipped()]), PASS, "what does not apply is not incompleteness");
        assert_eq!(code(&[nothing("a"), nothing("b")]), PASS);
        let stopped = Event::JobStopped { procedure: "b".into(), done: 0, units: 2 };
        let failed = Event::JobFailed { procedure: "b".into(), reason: "x".into() };
        let changed = Event::EvidenceChanged { id: "E1".into(), detail: "x".into() };
        let refused =
            Event::EvidenceAdded { item: fixture::item("E1", ItemState::Refused("byte 8: cut off".into())) };
        for extra in [vec![], vec![fixture::queued("b")], vec![stopped], vec![failed]] {
            assert_eq!(code(&[vec![nothing("a")], extra].concat()), INCOMPLETE);
        }
        for extra in [changed, refused] {
            let events = [nothing("a"), skipped(), extra];
            assert_eq!(code(&events), INCOMPLETE);
            assert_eq!(exit_code(&state(&events), Severity::Medium, true), PASS);
        }
        assert_eq!(exit_code(&CaseState::default(), Severity::Low, false), INCOMPLETE);
    }

    #[test]
    fn findings_count_from_the_threshold_on_and_before_incompleteness() {
        let accuse = |s| ended("a", fixture::flagged(1, s));
        assert_eq!(code(&[accuse(Severity::Medium)]), FINDINGS, "although b never ran");
        assert_eq!(code(&[accuse(Severity::Low), nothing("b")]), PASS);
        let low = state(&[accuse(Severity::Low)]);
        assert_eq!(exit_code(&low, Severity::Low, true), FINDINGS);
        assert_eq!(exit_code(&low, Severity::Critical, true), PASS);
    }

    #[test]
    fn what_is_missing_is_named_in_visible_text() {
        let lines = missing(&state(&[Event::EvidenceAdded {
            item: fixture::item("E1", ItemState::Refused("x".into())),
        }]));
        assert_eq!(
            lines,
            ["E1 (model mo\\u{1b}del.onnx) was refused: x", "a was never run", "b was never run"]
        );
    }
}
