//! Opening evidence: read-only, regular files only, once; hashed from the same bytes that are parsed.

use super::{EvidenceError, Limits};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes of one file and their digest.
#[derive(Debug, Clone)]
pub struct Bytes {
    /// Where they came from.
    pub path: PathBuf,
    /// The content.
    pub data: Arc<Vec<u8>>,
    /// Lower-case hex SHA-256 of `data`.
    pub sha256: String,
}

/// Reads a regular file whole (`O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC`), hashing it.
///
/// # Errors
/// Missing, not a regular file, unreadable, or larger than [`Limits::file_bytes`].
pub fn read(path: &Path, limits: &Limits) -> Result<Bytes, EvidenceError> {
    let _ = limits;
    Err(EvidenceError::whole(path, "intake.unread", "not implemented"))
}
