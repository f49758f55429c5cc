//! How an investigation is opened, and what is seen of it while it runs.

use crate::case::SessionError;
use crate::evidence::{CaseFile, Limits};
use crate::figure::Figure;
use crate::jobs::Budget;
use crate::procedure::{Effort, Phase};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
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
    /// What one job may take; a job that takes more fails, the rest goes on.
    pub budget: Budget,
    /// Who works, for the record.
    pub analyst: String,
}

/// Where a session is gone on with: nothing of it changes a result.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Threads that compute; 0: as many as there are cores.
    pub threads: usize,
    /// Caps for readers of foreign bytes.
    pub limits: Limits,
    /// What one job may take; a job that takes more fails, the rest goes on.
    pub budget: Budget,
    /// Who works, for the record.
    pub analyst: String,
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
    /// The system gives no threads to compute with.
    #[error("no threads to compute with: {0}")]
    Threads(std::io::Error),
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
    /// It cannot be journaled (too long): why.
    #[error("{0}")]
    Refused(String),
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
