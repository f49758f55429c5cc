//! Phase 4: what harm could it do? One file and one page per procedure.

pub mod trigger_probe;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[&trigger_probe::TRIGGER_PROBE];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
