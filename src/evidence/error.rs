//! One error for everything that can be wrong with evidence: which file, where in it, and why.

use std::path::{Path, PathBuf};

/// Evidence that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}{reason}", super::text::visible(&path.display().to_string()), place_prefix(place))]
pub struct EvidenceError {
    /// The file or folder.
    pub path: PathBuf,
    /// Where in it ("byte 812", "node 'conv1'", "line 4", "tensor 'w'"); empty for the whole file.
    pub place: String,
    /// Why, and what could be done; text from evidence in it is already visible.
    pub reason: String,
    /// Stable dotted reason code (`st.offset.overlap`, `onnx.protobuf`, `case.unknown-key`).
    pub code: &'static str,
}

fn place_prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl EvidenceError {
    /// An error about a place in a file.
    pub fn at(
        path: impl AsRef<Path>,
        place: impl Into<String>,
        code: &'static str,
        reason: impl Into<String>,
    ) -> Self {
        Self { path: path.as_ref().to_owned(), place: place.into(), reason: reason.into(), code }
    }

    /// An error about a whole file.
    pub fn whole(path: impl AsRef<Path>, code: &'static str, reason: impl Into<String>) -> Self {
        Self::at(path, "", code, reason)
    }
}
