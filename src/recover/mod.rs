//! Phase 3: what does the trigger look like? One file and one page per procedure.

pub mod best;
pub mod candidate;
pub mod given;
pub mod refine_trigger;
pub mod sample_recovery;
pub mod spectrum;
pub mod stamping;
pub mod trigger_kind;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] =
    &[&sample_recovery::SAMPLE_RECOVERY, &refine_trigger::REFINE_TRIGGER, &trigger_kind::TRIGGER_KIND];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
