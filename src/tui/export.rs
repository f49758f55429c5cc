//! Reports leave the workbench through whoever can write them; the workbench only asks, and waits on a thread of its
//! own so that the screen does not.

use crate::case::CaseState;
use crate::figure::Figure;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// A report that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where it is.
    pub path: PathBuf,
    /// Lower-case hex SHA-256 of the file.
    pub sha256: String,
}

/// Who writes reports.
pub trait Exporter: Send + Sync {
    /// Formats on offer (`html`, `markdown`, `json`), the usual one first.
    fn formats(&self) -> &[&'static str];

    /// Writes the report of a state.
    ///
    /// # Errors
    /// Why not, in one line.
    fn export(&self, format: &str, state: &CaseState) -> Result<Exported, String>;

    /// Writes a picture as `svg`, `png` or `csv`; `name` is what its file is to be called, roughly.
    ///
    /// # Errors
    /// Why not, in one line.
    fn picture(&self, name: &str, format: &str, figure: &Figure) -> Result<Exported, String>;
}

/// An export under way.
#[derive(Debug)]
pub struct Pending {
    /// The format, as the journal names it.
    pub format: &'static str,
    /// What is being written, for the screen.
    pub words: String,
    answer: Receiver<Result<Exported, String>>,
}

impl Pending {
    /// Starts writing on a thread of its own.
    pub fn start(
        format: &'static str,
        words: String,
        write: impl FnOnce() -> Result<Exported, String> + Send + 'static,
    ) -> Self {
        let (send, answer) = channel();
        std::thread::spawn(move || {
            // Nobody listens any more when the workbench was left meanwhile.
            let _ = send.send(write());
        });
        Self { format, words, answer }
    }

    /// The result, once there is one.
    pub fn poll(&self) -> Option<Result<Exported, String>> {
        match self.answer.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("the export broke off".into())),
        }
    }
}
