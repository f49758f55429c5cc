//! One portable file of a session: a tar without times or owners, names sorted. Same session, same bytes.

use super::journal::{FILE, TORN};
use super::seal::{CAP as SMALL, SEAL, SIGNATURE, STAMP, blob_names, is_blob};
use super::{Session, SessionError};
use crate::evidence::text::visible;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tar::{Archive, Builder, EntryType, Header};

/// The folder that everything in a bundle lies in.
const ROOT: &str = "session/";
/// Most entries of a bundle read.
const ENTRIES: usize = 200_000;
/// Most bytes of one entry read, and of all of them.
const BYTES: u64 = 16 << 30;

/// Why a bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// No session to bundle.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A file could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An entry that no bundle has.
    #[error("{}: not a bundle of this program: entry '{entry}': {reason}", path.display())]
    Entry {
        /// The bundle.
        path: PathBuf,
        /// Its name, as visible text.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn cannot(path: &Path, reason: impl std::fmt::Display) -> BundleError {
    BundleError::File { path: path.to_owned(), reason: reason.to_string() }
}

/// Names of what is bundled of a session, sorted.
fn names(session: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        blob_names(session)?.into_iter().map(|name| format!("blobs/{name}")).collect();
    for entry in fs::read_dir(session)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && belongs(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a name inside a session folder is part of the session.
fn belongs(name: &str) -> bool {
    let torn =
        name.strip_prefix(TORN).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    torn || [FILE, "case.toml", SEAL, SIGNATURE, STAMP].contains(&name)
        || name.strip_prefix("blobs/").is_some_and(is_blob)
}

/// Writes a session as a bundle.
///
/// # Errors
/// No session there, or the disk does not take it.
pub fn write(session: &Path, out: &mut dyn Write) -> Result<(), BundleError> {
    Session::open(session)?;
    let mut tar = Builder::new(out);
    for name in names(session).map_err(|e| cannot(session, e))? {
        let path = session.join(&name);
        let mut put = || -> io::Result<()> {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_size(size);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            // A file that grows meanwhile is bundled as it was.
            tar.append_data(&mut header, format!("{ROOT}{name}"), file.take(size))
        };
        put().map_err(|e| cannot(&path, e))?;
    }
    tar.into_inner().and_then(std::io::Write::flush).map_err(|e| cannot(session, e))
}

/// Whether a file may be a bundle: a tar whose first entry is where a bundle has it.
pub fn is_bundle(path: &Path) -> bool {
    let start = || -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        File::open(path)?.take(512).read_to_end(&mut head)?;
        Ok(head)
    };
    path.is_file()
        && start().is_ok_and(|head| head.starts_with(ROOT.as_bytes()) && head.get(257..262) == Some(b"ustar"))
}

/// Unpacks a bundle into a folder. Only what a session consists of is taken: no other name, no link, nothing twice.
///
/// # Errors
/// Not a bundle, beyond the caps, or the disk does not take it.
pub fn unpack(path: &Path, into: &Path) -> Result<(), BundleError> {
    let mut archive = Archive::new(File::open(path).map_err(|e| cannot(path, e))?);
    let refuse = |entry: &str, reason: String| BundleError::Entry {
        path: path.to_owned(),
        entry: visible(entry),
        reason,
    };
    fs::create_dir_all(into.join("blobs")).map_err(|e| cannot(into, e))?;
    let mut total = 0u64;
    for (n, entry) in archive.entries().map_err(|e| cannot(path, e))?.enumerate() {
        let mut entry = entry.map_err(|e| cannot(path, e))?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if n >= ENTRIES {
            return Err(refuse(&raw, format!("more entries than a bundle may have ({ENTRIES})")));
        }
        let Some(name) = raw.strip_prefix(ROOT).filter(|name| belongs(name)) else {
            return Err(refuse(&raw, "no part of a session".to_owned()));
        };
        if entry.header().entry_type() != EntryType::Regular {
            return Err(refuse(&raw, "not a regular file".to_owned()));
        }
        let size = entry.size();
        total = total.saturating_add(size);
        let cap = if [SEAL, SIGNATURE, STAMP].contains(&name) { SMALL } else { BYTES };
        if size > cap || total > BYTES {
            return Err(refuse(&raw, format!("larger than it may be ({cap} bytes, {BYTES} in all)")));
        }
        let to = into.join(name);
        let mut put = || -> io::Result<()> {
            let mut file = File::options().write(true).create_new(true).open(&to)?;
            let copied = io::copy(&mut (&mut entry).take(size), &mut file)?;
            if copied < size {
                return Err(io::Error::other(format!("cut off after {copied} of {size} bytes")));
            }
            file.sync_all()
        };
        put().map_err(|e| refuse(&raw, e.to_string()))?;
    }
    Session::open(into)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, TIME};
    use crate::case::journal::Journal;
    use crate::case::seal;
    use crate::case::verify::verify;
    use crate::procedure::Tensor;

    fn session() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let array = Tensor::I64(ndarray::Array::from_iter(0..3).into_dyn());
        let hash = crate::case::Blobs::new(folder.path()).put_tensor("x", &array).unwrap();
        let mut record = fixture::record("x");
        record.blobs.insert("x".into(), hash);
        let mut journal = Journal::open(folder.path()).unwrap().journal.unwrap();
        for event in [fixture::opened("x"), fixture::ended("a", record)] {
            journal.append(TIME, &event).unwrap();
        }
        drop(journal);
        seal::seal(folder.path(), "ana").unwrap();
        fs::write(folder.path().join("note.txt"), "not of the session").unwrap();
        folder
    }

    fn bundle(session: &Path) -> Vec<u8> {
        let mut out = Vec::new();
        write(session, &mut out).unwrap();
        out
    }

    #[test]
    fn a_bundle_is_the_session_and_the_same_bytes_wherever_it_lies() {
        let folder = session();
        let first = bundle(folder.path());
        let other = tempfile::tempdir().unwrap();
        let file = other.path().join("x.tar");
        fs::write(&file, &first).unwrap();
        assert!(is_bundle(&file) && !is_bundle(&folder.path().join(FILE)) && !is_bundle(folder.path()));
        let copy = other.path().join("copy");
        unpack(&file, &copy).unwrap();
        assert_eq!(bundle(&copy), first);
        assert_eq!(verify(&copy).unwrap(), verify(folder.path()).unwrap());
        assert_eq!(Session::open(&copy).unwrap().state(), Session::open(folder.path()).unwrap().state());
        assert!(!copy.join("note.txt").exists());
    }

    #[test]
    fn what_is_no_part_of_a_session_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.tar");
        let pack = |name: &str, kind: EntryType, twice: bool| {
            let mut tar = Builder::new(Vec::new());
            for _ in 0..=usize::from(twice) {
                let mut header = Header::new_ustar();
                header.set_entry_type(kind);
                header.set_size(1);
                let field = &mut header.as_old_mut().name;
                field[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                tar.append(&header, &b"x"[..]).unwrap();
            }
            fs::write(&file, tar.into_inner().unwrap()).unwrap();
            let into = folder.path().join("into");
            let _ = fs::remove_dir_all(&into);
            unpack(&file, &into).unwrap_err().to_string()
        };
        for name in
            ["../escape", "/etc/x", "session/../x", "session/blobs/../journal.jsonl", "session/blobs/x", "x"]
        {
            assert!(pack(name, EntryType::Regular, false).contains("no part of a session"), "{name}");
        }
        assert!(pack("session/journal.jsonl", EntryType::Symlink, false).contains("regular"));
        assert!(pack("session/journal.jsonl", EntryType::Regular, true).contains("exists"));
        assert!(pack("session/journal.jsonl", EntryType::Regular, false).contains("no whole record"));
        let whole = bundle(session().path());
        fs::write(&file, &whole[..700]).unwrap();
        assert!(unpack(&file, &folder.path().join("cut")).is_err());
    }
}
