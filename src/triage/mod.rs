//! Phase 1: what are these files, are they what they claim, can opening them hurt? One file and one page per procedure.

use crate::procedure::Procedure;

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    &[]
}
