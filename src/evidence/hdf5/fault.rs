//! What is wrong with an HDF5 file, before its path is known.

use crate::evidence::EvidenceError;
use std::path::Path;

/// Where (an offset), stable code, reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: u64,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Fault {
    /// Bytes that are not as the format has them.
    pub(super) fn bad(at: u64, reason: impl Into<String>) -> Self {
        Self { at, code: "hdf5.malformed", reason: reason.into() }
    }

    /// A part of the format that is not read here.
    pub(super) fn unread(at: u64, reason: impl Into<String>) -> Self {
        Self { at, code: "hdf5.unsupported", reason: reason.into() }
    }

    /// Beyond a cap.
    pub(super) fn limit(at: u64, reason: impl Into<String>) -> Self {
        Self { at, code: "hdf5.limit", reason: reason.into() }
    }

    pub(super) fn of(self, path: &Path, what: &str) -> EvidenceError {
        let shown = crate::evidence::text::visible(what);
        let place = if shown.is_empty() {
            format!("byte {}", self.at)
        } else {
            format!("'{shown}', byte {}", self.at)
        };
        EvidenceError::at(path, place, self.code, self.reason)
    }
}
