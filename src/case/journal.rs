//! The journal: append-only, hash-chained JSON Lines.

use super::{Event, SessionError};
use std::path::Path;

/// Its name in the session folder.
pub const FILE: &str = "journal.jsonl";

/// One line of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRecord {
    /// Number, from 0 without gaps.
    pub n: u64,
    /// RFC 3339 UTC.
    pub time: String,
    /// What happened.
    pub event: Event,
    /// Hash of the record before.
    pub prev: String,
    /// SHA-256 over the bytes of the line up to `,"hash":"`, lower-case hex.
    pub hash: String,
}

/// A journal as read.
#[derive(Debug)]
pub struct Read {
    /// Every good record up to the first bad one.
    pub records: Vec<JournalRecord>,
}

impl Read {
    /// What is wrong or odd, one line each.
    pub fn warnings(&self) -> Vec<String> {
        todo!()
    }
}

/// Reads a journal and checks its chain.
///
/// # Errors
/// No readable journal, or no good record in it.
pub fn read(path: &Path) -> Result<Read, SessionError> {
    let _ = path;
    todo!()
}
