//! Folders: listed without following links, in one order everywhere, and hashed as a whole.

use super::{Progress, digest_file, hex, open};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The digest of one file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Path relative to the folder.
    pub path: PathBuf,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// The digest of a folder of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderDigest {
    /// SHA-256 over the sorted lines `sha256␠␠relative path\n` of its files: what
    /// `cd folder && find . -type f -printf '%P\0' | xargs -0 sha256sum | LC_ALL=C sort | sha256sum` prints.
    pub sha256: String,
    /// Sum of the sizes.
    pub bytes: u64,
    /// The files, sorted by path.
    pub files: Vec<FileDigest>,
    /// What is in the folder but no regular file (links, pipes, devices), relative, sorted: not followed, not hashed.
    pub others: Vec<PathBuf>,
}

/// The regular files below a folder and everything else that is no folder, both relative and sorted by bytes.
///
/// # Errors
/// Not a folder, unreadable, more than [`Limits::folder_files`] entries, or nested deeper than [`Limits::folder_depth`].
pub fn list(folder: &Path, limits: &Limits) -> Result<(Vec<PathBuf>, Vec<PathBuf>), EvidenceError> {
    let kind = std::fs::symlink_metadata(folder)
        .map_err(|e| EvidenceError::whole(folder, "intake.open", open::describe(&e)))?
        .file_type();
    if !kind.is_dir() {
        let what = if kind.is_symlink() { "a symbolic link; links are not followed" } else { "not a folder" };
        return Err(EvidenceError::whole(folder, "intake.not_a_folder", what));
    }
    let (mut files, mut others, mut seen) = (Vec::new(), Vec::new(), 0usize);
    let mut open_folders = vec![(PathBuf::new(), 0usize)];
    while let Some((relative, depth)) = open_folders.pop() {
        let here = folder.join(&relative);
        let failed = |e: std::io::Error| EvidenceError::whole(&here, "intake.open", open::describe(&e));
        for entry in std::fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            seen += 1;
            if seen > limits.folder_files {
                let reason = format!("too many entries: {}", cap!(limits, folder_files));
                return Err(EvidenceError::whole(folder, "intake.folder_files", reason));
            }
            let (path, kind) = (relative.join(entry.file_name()), entry.file_type().map_err(failed)?);
            if kind.is_file() {
                files.push(path);
            } else if !kind.is_dir() {
                others.push(path);
            } else if depth >= limits.folder_depth {
                let reason = format!("folders nested too deep: {}", cap!(limits, folder_depth));
                return Err(EvidenceError::whole(folder, "intake.depth", reason));
            } else {
                open_folders.push((path, depth + 1));
            }
        }
    }
    for list in [&mut files, &mut others] {
        list.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    }
    Ok((files, others))
}

/// Hashes every file below a folder. Progress counts files.
///
/// # Errors
/// As [`list`]; a file that cannot be read; code `intake.stopped` when `progress` says stop.
pub fn digest_folder(
    folder: &Path,
    limits: &Limits,
    progress: Progress,
) -> Result<FolderDigest, EvidenceError> {
    let (files, others) = list(folder, limits)?;
    Ok(FolderDigest { others, ..digest_listed(folder, &files, progress)? })
}

/// Hashes the named files below a folder, in the given order (they should be sorted), several at a time. Progress counts
/// files.
///
/// # Errors
/// A file that cannot be read; code `intake.stopped` when `progress` says stop.
pub fn digest_listed(
    folder: &Path,
    files: &[PathBuf],
    progress: Progress,
) -> Result<FolderDigest, EvidenceError> {
    let (done, total) = (AtomicU64::new(0), files.len() as u64);
    let one = |path: &PathBuf| {
        // Big files inside must notice a stop too.
        let go_on = |_, _| progress(done.load(Ordering::Relaxed), total);
        if !go_on(0, 0) {
            return Err(EvidenceError::whole(folder, "intake.stopped", "reading was stopped"));
        }
        let (sha256, bytes) = digest_file(&folder.join(path), &go_on)?;
        done.fetch_add(1, Ordering::Relaxed);
        Ok(FileDigest { path: path.clone(), sha256, bytes })
    };
    // Nothing behind the first failure so far is begun: everything in front of it is, so that the failure told is the
    // first in order at any number of threads.
    let failed = AtomicUsize::new(usize::MAX);
    let each = |(i, path): (usize, &PathBuf)| {
        if i > failed.load(Ordering::Relaxed) {
            return None;
        }
        let digest = one(path);
        if digest.is_err() {
            failed.fetch_min(i, Ordering::Relaxed);
        }
        Some(digest)
    };
    let hashed: Vec<Option<Result<FileDigest, EvidenceError>>> =
        files.par_iter().enumerate().map(each).collect();
    let out: Vec<FileDigest> = hashed.into_iter().flatten().collect::<Result<_, _>>()?;
    let mut lines: Vec<Vec<u8>> = out.iter().map(line).collect();
    lines.sort();
    let mut hash = Sha256::new();
    for line in &lines {
        hash.update(line);
    }
    let bytes = out.iter().map(|f| f.bytes).sum();
    Ok(FolderDigest { sha256: hex(&hash.finalize()), bytes, files: out, others: Vec::new() })
}

/// `sha256␠␠path\n`, a name with a line break or backslash escaped as `sha256sum` does, so that no name can pass for
/// two files.
fn line(file: &FileDigest) -> Vec<u8> {
    let name = file.path.as_os_str().as_bytes();
    let escaped = name.iter().any(|b| matches!(b, b'\n' | b'\r' | b'\\'));
    let mut out = if escaped { vec![b'\\'] } else { Vec::new() };
    out.extend_from_slice(file.sha256.as_bytes());
    out.extend_from_slice(b"  ");
    for &b in name {
        match b {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b => out.push(b),
        }
    }
    out.push(b'\n');
    out
}
