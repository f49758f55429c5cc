//! A session folder opened for reading: replay, report, verify.

use super::{Blobs, CaseState, JournalRecord, journal};
use std::path::{Path, PathBuf};

/// Why a session folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nothing there that looks like a session.
    #[error("{}: no session here (no readable journal.jsonl: {reason})", path.display())]
    NoSession {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The folder or a file in it could not be made.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not one whole record.
    #[error("{}: the journal holds no whole record: {reason}", path.display())]
    Empty {
        /// The journal.
        path: PathBuf,
        /// What is wrong with the first.
        reason: String,
    },
}

/// A session as it is on disk; nothing in it is changed.
#[derive(Debug)]
pub struct Session {
    /// Every good record, in order.
    pub records: Vec<JournalRecord>,
    blobs: Blobs,
    warnings: Vec<String>,
}

impl Session {
    /// Reads the journal of a session folder. A damaged journal is read up to the damage, which [`Self::warnings`]
    /// names.
    ///
    /// # Errors
    /// No journal there, or not one good record in it.
    pub fn open(path: &Path) -> Result<Self, SessionError> {
        let read = journal::read(&path.join(journal::FILE))?;
        Ok(Self { warnings: read.warnings(), records: read.records, blobs: Blobs::new(path) })
    }

    /// The state after the last event.
    pub fn state(&self) -> CaseState {
        self.state_at(self.records.len())
    }

    /// The state after the first `n` events (all, if there are fewer).
    pub fn state_at(&self, n: usize) -> CaseState {
        CaseState::fold(self.records.iter().take(n))
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Figures and arrays by hash.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// What is wrong or odd about the journal, one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
