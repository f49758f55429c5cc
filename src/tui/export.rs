//! Reports leave the workbench through whoever can write them; the workbench only asks, and waits on a thread of its
//! own so that the screen does not.

use crate::case::CaseState;
use std::path::PathBuf;
use std::sync::Arc;
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
}

/// An export under way.
#[derive(Debug)]
pub struct Pending {
    /// What is being written.
    pub format: &'static str,
    answer: Receiver<Result<Exported, String>>,
}

impl Pending {
    /// Starts writing.
    pub fn start(exporter: &Arc<dyn Exporter>, format: &'static str, state: Arc<CaseState>) -> Self {
        let (send, answer) = channel();
        let exporter = Arc::clone(exporter);
        std::thread::spawn(move || {
            // Nobody listens any more when the workbench was left meanwhile.
            let _ = send.send(exporter.export(format, &state));
        });
        Self { format, answer }
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
