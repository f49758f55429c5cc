//! Phase 3: what does the trigger look like? One file and one page per procedure.

pub mod candidate;
pub mod refine_trigger;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[&refine_trigger::REFINE_TRIGGER];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
