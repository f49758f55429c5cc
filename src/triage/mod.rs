//! Phase 1: what are these files, are they what they claim, can opening them hurt? One file and one page per procedure.

pub mod examine;
mod format_safety;
mod integrity;
mod manifest;

pub use examine::{Reason, examine};
pub use format_safety::{FORMAT_SAFETY, FormatSafety};
pub use integrity::{INTEGRITY, Integrity};

use crate::procedure::Procedure;

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    static ALL: [&dyn Procedure; 2] = [&INTEGRITY, &FORMAT_SAFETY];
    &ALL
}
