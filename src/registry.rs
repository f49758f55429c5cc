//! The one list of procedures.

use crate::procedure::Procedure;

/// All procedures, in the order of work.
pub fn all() -> &'static [&'static dyn Procedure] {
    &[]
}

/// A procedure by id.
pub fn find(id: &str) -> Option<&'static dyn Procedure> {
    all().iter().copied().find(|p| p.about().id == id)
}
