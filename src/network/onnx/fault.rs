//! What is wrong with an ONNX file, before its path is known.

use crate::evidence::{EvidenceError, text::visible};
use crate::network::NetworkError;
use std::path::Path;

/// Place, stable code, reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: String,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn new(place: impl Into<String>, code: &'static str, reason: impl Into<String>) -> Self {
        Self { place: place.into(), code, reason: reason.into() }
    }

    pub(crate) fn at(self, path: &Path) -> EvidenceError {
        EvidenceError::at(path, self.place, self.code, self.reason)
    }
}

impl From<NetworkError> for Fault {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Malformed { place, reason } => Self::new(place, "onnx.graph.shape", reason),
            NetworkError::Limit { ref place, .. } => {
                let text = error.to_string();
                let reason = text.strip_prefix(place.as_str()).and_then(|t| t.strip_prefix(": "));
                Self::new(place.clone(), "onnx.limit", reason.unwrap_or(&text))
            }
            other => Self::new("", "onnx.graph.shape", other.to_string()),
        }
    }
}

/// A name from the file in quotes, short and visible.
pub(crate) fn quoted(name: &str) -> String {
    let mut shown: String = visible(name).chars().take(80).collect();
    if shown.len() < visible(name).len() {
        shown.push('…');
    }
    format!("'{shown}'")
}
