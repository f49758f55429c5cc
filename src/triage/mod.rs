//! Phase 1: what are these files, are they what they claim, can opening them hurt? One file and one page per procedure.

pub mod examine;
mod format_safety;
pub mod inspect;
mod integrity;
pub(crate) mod pipeline;
mod provenance;

pub use examine::{Examined, Reason, Ruling, examine};
pub use format_safety::{FORMAT_SAFETY, FormatSafety};
pub use integrity::{INTEGRITY, Integrity};
pub use pipeline::*;
pub use provenance::{PROVENANCE, Provenance};

use crate::procedure::Procedure;
use std::sync::LazyLock;

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    static ALL: LazyLock<Vec<&'static dyn Procedure>> = LazyLock::new(|| {
        let files: [&dyn Procedure; 3] = [&INTEGRITY, &PROVENANCE, &FORMAT_SAFETY];
        [&files[..], &pipeline::PROCEDURES[..]].concat()
    });
    &ALL
}
