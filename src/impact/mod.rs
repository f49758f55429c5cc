//! Phase 4: what harm could it do? One file and one page per procedure.

use crate::procedure::Procedure;

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    &[]
}
