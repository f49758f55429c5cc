//! Where sessions live when nobody says: the user's state folder, never beside the evidence.

use super::Usage;
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

/// A readable name that two different cases do not share: the case's id and a digest of where and what it is.
fn name(case: &CaseFile) -> String {
    let slug: String = case
        .id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let root = std::fs::canonicalize(&case.root).unwrap_or_else(|_| case.root.clone());
    let mut hash = Sha256::new();
    hash.update(root.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(case.text.as_bytes());
    let digest = hash.finalize();
    format!("{}-{:02x}{:02x}{:02x}{:02x}", slug.trim_matches('-'), digest[0], digest[1], digest[2], digest[3])
}
