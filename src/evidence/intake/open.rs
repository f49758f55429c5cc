//! Opening one regular file safely, and noticing that it changed under us.

use crate::evidence::EvidenceError;
use crate::evidence::limits::said;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An open regular file and what it was at that moment.
pub(super) struct Opened {
    path: PathBuf,
    pub file: File,
    at_open: Metadata,
}

/// Opens a regular file. Anything else is refused before it is opened, so that no FIFO blocks and no device acts.
pub(super) fn regular(path: &Path) -> Result<Opened, EvidenceError> {
    let failed = |e: std::io::Error| EvidenceError::whole(path, "intake.open", describe(&e));
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    refuse_special(path, found.file_type())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags).map_err(|e| failed(e.into()))?;
    let at_open = file.metadata().map_err(failed)?;
    refuse_special(path, at_open.file_type())?;
    if (at_open.dev(), at_open.ino()) != (found.dev(), found.ino()) {
        return Err(EvidenceError::whole(
            path,
            "intake.changed",
            "replaced by another file while being opened",
        ));
    }
    Ok(Opened { path: path.to_owned(), file, at_open })
}

/// Opens without touching the access time where that is allowed (own files, on Linux).
fn open(path: &Path, flags: OFlags) -> rustix::io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty()) {
        return Ok(file.into());
    }
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

/// An error for anything that is no regular file.
fn refuse_special(path: &Path, kind: FileType) -> Result<(), EvidenceError> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_symlink() {
        return Err(EvidenceError::whole(
            path,
            "intake.symlink",
            "a symbolic link; links are not followed, name the file it points to",
        ));
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "no regular file"
    };
    Err(EvidenceError::whole(path, "intake.not_a_file", format!("{what}; only regular files are read")))
}

impl Opened {
    pub fn size(&self) -> u64 {
        self.at_open.len()
    }

    /// The size, if it is within a cap.
    pub fn size_within(&self, cap: u64, name: &str) -> Result<usize, EvidenceError> {
        let size = self.size();
        match usize::try_from(size) {
            Ok(fits) if size <= cap => Ok(fits),
            _ => Err(self.error("intake.size", format!("{size} bytes, {}", said(name, cap)))),
        }
    }

    pub fn error(&self, code: &'static str, reason: impl Into<String>) -> EvidenceError {
        EvidenceError::whole(&self.path, code, reason)
    }

    /// Checks, after `done` bytes were read, that the file is what it was when it was opened.
    pub fn check_unchanged(&self, done: u64) -> Result<(), EvidenceError> {
        let now = self.file.metadata().map_err(|e| self.error("intake.read", describe(&e)))?;
        let key = |m: &Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        if done == self.size() && key(&now) == key(&self.at_open) {
            return Ok(());
        }
        let (was, is) = (self.size(), now.len());
        Err(self.error(
            "intake.changed",
            format!("changed while being read ({was} bytes when opened, {done} read, {is} now)"),
        ))
    }
}

/// An I/O error in plain words.
pub(super) fn describe(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        _ => e.to_string(),
    }
}
