//! Content-addressed results: `blobs/<sha256>.safetensors` (an array under its own name) and `.json` (a figure).

use crate::figure::Figure;
use crate::procedure::Tensor;
use std::path::{Path, PathBuf};

/// Why a blob could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("blob {sha256}: {reason}")]
pub struct BlobError {
    /// Its hash.
    pub sha256: String,
    /// Why.
    pub reason: String,
}

/// The blobs of a session folder.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// The blobs of a session folder (which need not exist yet).
    pub fn new(session: &Path) -> Self {
        Self { folder: session.join("blobs") }
    }

    /// Reads a figure, checking its hash.
    ///
    /// # Errors
    /// Missing, changed, or not a figure.
    pub fn figure(&self, sha256: &str) -> Result<Figure, BlobError> {
        let _ = (sha256, &self.folder);
        todo!()
    }

    /// Reads an array with its name, checking its hash.
    ///
    /// # Errors
    /// Missing, changed, or not a safetensors file of one array.
    pub fn tensor(&self, sha256: &str) -> Result<(String, Tensor), BlobError> {
        let _ = sha256;
        todo!()
    }
}
