//! Phase 4: what harm could it do? One file and one page per procedure.

pub mod clean_effect;
pub mod exposure;
pub mod severity;
pub mod trigger_probe;
pub mod trigger_tolerance;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[
    &trigger_probe::TRIGGER_PROBE,
    &trigger_tolerance::TRIGGER_TOLERANCE,
    &clean_effect::CLEAN_EFFECT,
    &exposure::EXPOSURE,
    &severity::SEVERITY,
];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
