//! The conductor: takes evidence in, plans procedures for a case, runs them as jobs, records what comes back.

use crate::case::{Blobs, CaseState, SessionError};
use crate::evidence::{CaseFile, Limits};
use crate::figure::Figure;
use crate::procedure::{Effort, Phase};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What is investigated: a case file, or the one made up from paths on the command line.
pub type Target = CaseFile;

/// How an investigation is to be run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The case.
    pub target: Target,
    /// Session folder; made when it does not exist, continued when it does.
    pub session: PathBuf,
    /// Seed of every random draw.
    pub seed: u64,
    /// Amount of work.
    pub effort: Effort,
    /// Threads that compute; 0: as many as there are cores.
    pub threads: usize,
    /// Only these procedures and those they are `after`; empty: all.
    pub only: Vec<String>,
    /// Only procedures of these phases and those they are `after`; empty: all.
    pub phases: Vec<Phase>,
    /// Parameters by procedure id: a JSON object each.
    pub overrides: BTreeMap<String, Value>,
    /// Caps for readers of foreign bytes.
    pub limits: Limits,
}

/// Why an investigation could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `--only` names something that is not there.
    #[error("no procedure '{asked}'; there are: {known}")]
    NoProcedure {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// The folder holds a session with another case, seed or effort.
    #[error("{}: this session was opened with another {what} (it has {had}); use another --session, or the same {what}", path.display())]
    Differs {
        /// The session folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the session has.
        had: String,
    },
    /// The session folder could not be used.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No such procedure.
    #[error("no procedure '{0}'")]
    NoProcedure(String),
    /// The session cannot be written.
    #[error("this session is read-only: {0}")]
    ReadOnly(String),
    /// It could not be put on disk; it is kept in memory and tried again.
    #[error("not on disk yet: {0}")]
    NotSaved(String),
}

/// A job that waits or runs.
#[derive(Debug, Clone)]
pub struct LiveJob {
    /// Procedure id, or `intake`.
    pub procedure: String,
    /// Whether it runs (else it waits).
    pub running: bool,
    /// Whether it was asked to stop and has not stopped yet.
    pub stopping: bool,
    /// Work units done; below `total` as long as it runs.
    pub done: u64,
    /// Work units planned; 0 when not known yet.
    pub total: u64,
    /// Since it started.
    pub elapsed: Duration,
    /// How long it may still take; `None` in the first seconds and while waiting.
    pub eta: Option<Duration>,
    /// Figures as they stand now.
    pub figures: BTreeMap<String, Figure>,
    /// The last lines of its log, oldest first, as visible text.
    pub log: Vec<String>,
}

/// An investigation at work on one session folder.
#[derive(Debug)]
pub struct Investigation;

impl Investigation {
    /// Creates the session folder, or continues the one that is there. Returns at once: hashing, recognising and
    /// loading run as the first background job.
    ///
    /// # Errors
    /// The folder cannot be used, belongs to another case, or `only` names what is not there.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let _ = options;
        todo!()
    }

    /// Continues an existing session folder from its journal alone: case, seed, effort and restriction are those it
    /// was opened with.
    ///
    /// # Errors
    /// The folder holds no session.
    pub fn resume(session: &Path, threads: usize, limits: Limits) -> Result<Self, OpenError> {
        let _ = (session, threads, limits);
        todo!()
    }

    /// Takes in what workers report: journals (synced to disk) before folding. Whether anything changed.
    pub fn poll(&mut self) -> bool {
        todo!()
    }

    /// Like [`Self::poll`], but waits until something happens or the time is over.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let _ = timeout;
        todo!()
    }

    /// What is on disk, folded.
    pub fn state(&self) -> Arc<CaseState> {
        todo!()
    }

    /// Jobs that wait or run, in order.
    pub fn live(&self) -> Vec<LiveJob> {
        todo!()
    }

    /// Whether nothing waits or runs any more.
    pub fn finished(&self) -> bool {
        todo!()
    }

    /// Asks for every planned procedure that has no outcome yet.
    ///
    /// # Errors
    /// Read-only, or the request is not on disk yet.
    pub fn run_all(&mut self) -> Result<(), RequestError> {
        todo!()
    }

    /// Asks for one procedure (again), and for those it is `after` that have not run.
    ///
    /// # Errors
    /// No such procedure; read-only; the request is not on disk yet.
    pub fn run(&mut self, procedure: &str) -> Result<(), RequestError> {
        let _ = procedure;
        todo!()
    }

    /// Stops a procedure that waits or runs.
    pub fn stop(&mut self, procedure: &str) {
        let _ = procedure;
        todo!()
    }

    /// Stops everything.
    pub fn stop_all(&mut self) {
        todo!()
    }

    /// Adds an analyst's note to the journal.
    ///
    /// # Errors
    /// Read-only, or not on disk yet.
    pub fn note(&mut self, text: &str) -> Result<(), RequestError> {
        let _ = text;
        todo!()
    }

    /// Journals that a report left the workbench.
    ///
    /// # Errors
    /// Read-only, or not on disk yet.
    pub fn exported(&mut self, format: &str, sha256: &str) -> Result<(), RequestError> {
        let _ = (format, sha256);
        todo!()
    }

    /// Figures and arrays by hash.
    pub fn blobs(&self) -> &Blobs {
        todo!()
    }

    /// Why the session cannot be written, if so.
    pub fn read_only(&self) -> Option<&str> {
        todo!()
    }

    /// What is wrong with saving just now (disk full), if anything, in one line for the screen.
    pub fn trouble(&self) -> Option<&str> {
        todo!()
    }

    /// What was wrong or odd when the session was opened.
    pub fn warnings(&self) -> &[String] {
        todo!()
    }
}
