//! One file, looked at without running anything: what it is, whether opening it elsewhere can hurt, whether it is
//! whole, and whether its name says the truth. No case is needed.

mod archives;
mod documents;
mod formats;
mod journal;
mod json;
mod name;
mod npy;
mod odd;
mod onnx;
mod pickles;
mod reason;
mod rules;
#[cfg(test)]
mod rules_tests;
mod scan;
mod torch;

#[cfg(test)]
pub(super) mod tests;

pub use reason::{Reason, Ruling, is_about_the_file};
pub use scan::{Examined, examine};

use crate::evidence::format::CodeRisk;
use crate::evidence::intake::Bytes;
use crate::evidence::{EvidenceError, Format, Limits, format};

/// Why a network in a format that runs code when loaded is not analysed unless the responder says so: what triage holds
/// against the file. `None` for formats that hold numbers only, and for files with nothing against them.
pub fn held_back(bytes: &Bytes, limits: &Limits) -> Option<EvidenceError> {
    let (name, found) = recognise(bytes);
    if format::describe(found).code < CodeRisk::WhenLoaded {
        return None;
    }
    let examined = examine(bytes, &name, found, limits);
    if examined.ruling < Ruling::Reject {
        return None;
    }
    let against = examined.reasons.iter().filter(|r| r.ruling >= Ruling::Reject);
    let codes: std::collections::BTreeSet<&str> = against.map(|r| r.code.as_str()).collect();
    let reason = format!(
        "triage holds against it: {}; nothing of it is run either way, its network is analysed only with --analyse-flagged",
        codes.into_iter().collect::<Vec<_>>().join(", ")
    );
    Some(EvidenceError::whole(&bytes.path, "network.flagged", reason))
}

/// The format of bytes under a name.
pub fn recognise(bytes: &Bytes) -> (String, Format) {
    let name = bytes.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, Some(&name));
    (name, found)
}
