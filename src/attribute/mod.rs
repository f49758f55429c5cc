//! Phase 5: which techniques, and whose tools does it resemble? Hypotheses, never a named actor.

use crate::procedure::Procedure;

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    &[]
}
