//! Where sessions live when nobody says: the user's state folder, never beside the evidence.

use super::Usage;
use crate::case::{Session, bundle};
use crate::evidence::CaseFile;
use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The folder of all sessions: `$XDG_STATE_HOME/laocoon/sessions` (or the platform's like).
pub fn home() -> anyhow::Result<PathBuf> {
    let base = etcetera::choose_base_strategy()
        .map_err(|_| Usage("no home folder to keep the session in: name one with --session DIR".into()))?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(state.join("laocoon").join("sessions"))
}

/// The session of a case: the same for the same case file, so that opening it again continues.
pub fn of_case(case: &CaseFile) -> anyhow::Result<PathBuf> {
    Ok(home()?.join(name(case)))
}

/// A session folder for the case that does not exist yet: a batch run never mixes with an earlier one.
pub fn fresh(case: &CaseFile) -> anyhow::Result<PathBuf> {
    let base = of_case(case)?;
    for n in 1..100_000 {
        let dir = base.with_file_name(format!("{}-scan-{n}", name(case)));
        if !dir.exists() {
            return Ok(dir);
        }
    }
    Err(Usage(format!("{}: too many sessions of this case; remove some, or use --session", base.display()))
        .into())
}

/// Whether a folder is a session.
pub fn is_session(path: &Path) -> bool {
    path.join("journal.jsonl").is_file()
}

/// A session that can be read: a folder as it lies, or a bundle unpacked for as long as this lives.
#[derive(Debug)]
pub enum Located {
    /// A folder.
    Folder(PathBuf),
    /// An unpacked bundle.
    Unpacked(tempfile::TempDir),
}

impl Located {
    /// The session folder.
    pub fn path(&self) -> &Path {
        match self {
            Located::Folder(path) => path,
            Located::Unpacked(folder) => folder.path(),
        }
    }
}

/// Finds the session at a path, for reading only.
pub fn located(path: &Path) -> anyhow::Result<Located> {
    if !bundle::is_bundle(path) {
        return Ok(Located::Folder(path.to_owned()));
    }
    let folder = tempfile::tempdir()?;
    bundle::unpack(path, folder.path()).map_err(|e| Usage(e.to_string()))?;
    Ok(Located::Unpacked(folder))
}

/// Unpacks a bundle to where sessions live, to be gone on with; one that was unpacked already is taken as it is.
pub fn adopted(path: &Path) -> anyhow::Result<PathBuf> {
    let Located::Unpacked(folder) = located(path)? else { return Ok(path.to_owned()) };
    let state = Session::open(folder.path()).map_err(|e| Usage(e.to_string()))?.state();
    let id = state.case.as_ref().map_or("case", |case| case.id.as_str());
    let head = state.head.get(..8).unwrap_or_default();
    let to = home()?.join(format!("{}-bundle-{head}", slug(id)));
    if !is_session(&to) {
        // Complete under its name or not there: unpacked beside it, then renamed.
        let parent = home()?;
        std::fs::create_dir_all(&parent)?;
        let beside = tempfile::tempdir_in(&parent)?;
        bundle::unpack(path, &beside.path().join("session")).map_err(|e| Usage(e.to_string()))?;
        std::fs::rename(beside.path().join("session"), &to)?;
    }
    Ok(to)
}

/// Session folders, latest first.
pub fn recent() -> Vec<PathBuf> {
    let Some(entries) = home().ok().and_then(|home| std::fs::read_dir(home).ok()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_session(path))
        .filter_map(|path| Some((std::fs::metadata(path.join("journal.jsonl")).ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

fn slug(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = id.chars().map(plain).take(40).collect();
    slug.trim_matches('-').to_owned()
}

/// A readable name that two different cases do not share: the case's id and a digest of where and what it is.
fn name(case: &CaseFile) -> String {
    let root = std::fs::canonicalize(&case.root).unwrap_or_else(|_| case.root.clone());
    let mut hash = Sha256::new();
    hash.update(root.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(case.text.as_bytes());
    let digest = hash.finalize();
    format!("{}-{:02x}{:02x}{:02x}{:02x}", slug(&case.id), digest[0], digest[1], digest[2], digest[3])
}
