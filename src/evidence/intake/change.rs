//! Noticing later that evidence is no longer what it was: a cheap look at sizes and times, then a new digest.

use super::{Progress, digest_file, digest_folder, list, open};
use crate::evidence::{EvidenceError, Limits};
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Sizes, times and inodes of a file or of all files of a folder, without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Sum of the sizes.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Digest over name, size, times of modification and change, mode and inode of each file. The time of change is what
    /// nobody can set back who writes into a file and restores its modification time.
    stamp: [u8; 32],
}

/// The fingerprint of a file or folder.
///
/// # Errors
/// Missing, neither a regular file nor a folder, or a folder beyond the caps.
pub fn fingerprint(path: &Path, limits: &Limits) -> Result<Fingerprint, EvidenceError> {
    let stat = |p: &Path| {
        std::fs::symlink_metadata(p).map_err(|e| EvidenceError::whole(p, "intake.open", open::describe(&e)))
    };
    let names = if stat(path)?.is_dir() { list(path, limits)?.0 } else { vec![PathBuf::new()] };
    let (mut bytes, mut hash) = (0u64, Sha256::new());
    for name in &names {
        let m = if name.as_os_str().is_empty() { stat(path)? } else { stat(&path.join(name))? };
        bytes = bytes.saturating_add(m.len());
        hash.update((name.as_os_str().len() as u64).to_le_bytes());
        hash.update(name.as_os_str().as_bytes());
        let times = [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()].map(i64::cast_unsigned);
        for field in [m.len(), m.ino(), m.dev(), u64::from(m.mode())].into_iter().chain(times) {
            hash.update(field.to_le_bytes());
        }
    }
    Ok(Fingerprint { bytes, files: names.len() as u64, stamp: hash.finalize().into() })
}

/// The digest that the register has of a file, or of a folder.
///
/// # Errors
/// As [`digest_file`] and [`digest_folder`].
pub fn digest(path: &Path, limits: &Limits, progress: Progress) -> Result<String, EvidenceError> {
    if path.is_dir() {
        digest_folder(path, limits, progress).map(|d| d.sha256)
    } else {
        digest_file(path, progress).map(|d| d.0)
    }
}

/// What differs from intake, in words; `None` when nothing does. Hashes again only when the fingerprint differs.
///
/// `sha256` is the digest at intake: of a folder, the one of [`digest_folder`].
pub fn changed(
    path: &Path,
    before: &Fingerprint,
    sha256: &str,
    limits: &Limits,
    progress: Progress,
) -> Option<String> {
    let now = match fingerprint(path, limits) {
        Ok(now) if now == *before => return None,
        Ok(now) => now,
        Err(e) => return Some(format!("it can no longer be read: {}", e.reason)),
    };
    match digest(path, limits, progress) {
        Ok(digest) if digest == sha256 => None,
        Ok(digest) => Some(format!(
            "it had {} bytes with SHA-256 {sha256} at intake and has {} with {digest} now",
            before.bytes, now.bytes
        )),
        Err(e) => Some(format!("it can no longer be read: {}", e.reason)),
    }
}
