//! Exit codes: what a CI gate may conclude from a state.

use super::CaseState;
use crate::procedure::Severity;

/// What stands between a state and a complete investigation, one line each; empty: complete. A procedure that does not
/// apply is not incompleteness.
pub fn missing(state: &CaseState) -> Vec<String> {
    let _ = state;
    todo!()
}

/// Whether everything planned finished and no evidence was refused or changed.
pub fn complete(state: &CaseState) -> bool {
    missing(state).is_empty()
}

/// The exit code of `scan`: 1 findings at or above `fail_on`, else 3 incomplete (0 with `allow_incomplete`), else 0.
pub fn exit_code(state: &CaseState, fail_on: Severity, allow_incomplete: bool) -> u8 {
    let _ = (state, fail_on, allow_incomplete);
    todo!()
}
