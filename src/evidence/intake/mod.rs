//! Opening evidence: read-only, regular files only, once; hashed from the same bytes that are parsed. Nothing is ever
//! written, and access times are left alone where the system allows it.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod change;
mod folder;
mod open;

pub use change::{Fingerprint, changed, digest, fingerprint};
pub use folder::{FileDigest, FolderDigest, digest_folder, digest_listed, list};

use super::{EvidenceError, Limits};
use open::Opened;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes read, hashed and reported at a time.
const CHUNK: usize = 1 << 20;

/// Listens to a long read: bytes done and in total; `false` stops it.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// A progress callback that neither reports nor stops.
pub fn quiet(_: u64, _: u64) -> bool {
    true
}

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
/// Missing, not a regular file, unreadable, changed while being read, or larger than [`Limits::file_bytes`].
pub fn read(path: &Path, limits: &Limits) -> Result<Bytes, EvidenceError> {
    read_with(path, limits, &quiet)
}

/// As [`read`], with progress.
///
/// # Errors
/// As [`read`]; code `intake.stopped` when `progress` says stop.
pub fn read_with(path: &Path, limits: &Limits, progress: Progress) -> Result<Bytes, EvidenceError> {
    read_capped(path, limits.file_bytes, "file_bytes", progress)
}

/// The first bytes of a regular file (at most a megabyte) and its size: for telling what it is, not for parsing.
///
/// # Errors
/// As [`read`].
pub fn head(path: &Path) -> Result<(Vec<u8>, u64), EvidenceError> {
    let opened = open::regular(path)?;
    let (mut out, size) = (Vec::new(), opened.size());
    let read = (&opened.file).take(CHUNK as u64).read_to_end(&mut out);
    read.map_err(|e| opened.error("intake.read", e.to_string()))?;
    Ok((out, size))
}

/// Reads a text file: as [`read`], at most [`Limits::text_bytes`], valid UTF-8 without NUL. A byte order mark is
/// dropped from the text, not from the bytes.
///
/// # Errors
/// As [`read`]; not UTF-8 (code `text.utf8`), naming the byte.
pub fn read_text(path: &Path, limits: &Limits) -> Result<(Bytes, String), EvidenceError> {
    let bytes = read_capped(path, limits.text_bytes, "text_bytes", &quiet)?;
    let text = text_of(&bytes)?;
    Ok((bytes, text))
}

/// The text of bytes already read.
///
/// # Errors
/// Not UTF-8, or a NUL in it (code `text.utf8`), naming the byte.
pub fn text_of(bytes: &Bytes) -> Result<String, EvidenceError> {
    let at = |at: usize, what: &str| EvidenceError::at(&bytes.path, format!("byte {at}"), "text.utf8", what);
    let text = std::str::from_utf8(&bytes.data).map_err(|e| at(e.valid_up_to(), "not UTF-8 text"))?;
    match text.find('\0') {
        Some(nul) => Err(at(nul, "a NUL byte, so this is not text")),
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
    }
}

/// As [`read_with`], of at most `cap` bytes, which the message calls by the `name` of its row in the table.
///
/// # Errors
/// As [`read_with`].
pub fn read_capped(path: &Path, cap: u64, name: &str, progress: Progress) -> Result<Bytes, EvidenceError> {
    let opened = open::regular(path)?;
    let size = opened.size_within(cap, name)?;
    let mut data = Vec::new();
    data.try_reserve_exact(size).map_err(|_| {
        EvidenceError::whole(
            path,
            "intake.memory",
            format!("{size} bytes do not fit into this machine's memory"),
        )
    })?;
    let sha256 = stream(opened, progress, &mut |chunk| data.extend_from_slice(chunk))?;
    Ok(Bytes { path: path.to_owned(), data: Arc::new(data), sha256 })
}

/// The digest and size of a regular file, without keeping its bytes.
///
/// # Errors
/// As [`read`], except that size is not capped.
pub fn digest_file(path: &Path, progress: Progress) -> Result<(String, u64), EvidenceError> {
    let opened = open::regular(path)?;
    let size = opened.size();
    Ok((stream(opened, progress, &mut |_| ())?, size))
}

/// Hashes an open file in chunks, handing each chunk on, and checks at the end that it is still the file that was
/// opened.
fn stream(
    mut opened: Opened,
    progress: Progress,
    each: &mut dyn FnMut(&[u8]),
) -> Result<String, EvidenceError> {
    let size = opened.size();
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK).saturating_add(1))];
    let (mut done, mut ended) = (0u64, false);
    loop {
        match opened.file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                done += n as u64;
                if done > size {
                    break;
                }
                ended = n < chunk.len();
                let part = chunk.get(..n).unwrap_or_default();
                hash.update(part);
                each(part);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                return Err(opened.error("intake.read", format!("reading failed after {done} bytes: {e}")));
            }
        }
        if !progress(done, size) {
            return Err(opened.error("intake.stopped", "reading was stopped"));
        }
        // There was room for more and no more came. Had the file grown since, its size below would say so.
        if ended && done == size {
            break;
        }
    }
    opened.check_unchanged(done)?;
    Ok(hex(&hash.finalize()))
}

/// Lower-case hex SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        // Writing to a String cannot fail.
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests;
