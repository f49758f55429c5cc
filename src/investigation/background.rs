//! An investigation on a thread of its own: a disk that is slow or full never holds up a screen.

use super::{Investigation, LiveJob};
use crate::case::{Blobs, CaseState};
use crate::evidence::DataSet;
use crate::jobs::Ringer;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest time between two looks at what happened.
const LOOK: Duration = Duration::from_millis(40);
/// How long leaving waits for what is being written; then the process ends over it, and the journal is whole up to
/// the last record that was shown as done.
const PATIENCE: Duration = Duration::from_secs(2);

type Errand = Box<dyn FnOnce(&mut Investigation) + Send>;

/// What a screen may know of an investigation, as of the last look.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is on disk, folded.
    pub state: Arc<CaseState>,
    /// Jobs that wait or run.
    pub live: Vec<LiveJob>,
    /// Why the session cannot be written, if so.
    pub read_only: Option<String>,
    /// What is wrong with saving just now, if anything.
    pub trouble: Option<String>,
    /// What was wrong or odd.
    pub warnings: Vec<String>,
    /// The training data, once it is taken in.
    pub training: Option<Arc<DataSet>>,
}

impl Seen {
    fn of(investigation: &Investigation) -> Self {
        Self {
            state: investigation.state(),
            live: investigation.live(),
            read_only: investigation.read_only().map(str::to_owned),
            trouble: investigation.trouble().map(str::to_owned),
            warnings: investigation.warnings().to_vec(),
            training: investigation.training(),
        }
    }
}

#[derive(Debug)]
struct Board {
    seen: Mutex<Seen>,
    /// Counts the changes.
    edition: AtomicU64,
}

impl Board {
    fn put_up(&self, investigation: &Investigation) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::of(investigation);
        self.edition.fetch_add(1, Ordering::Release);
    }
}

/// An investigation at work elsewhere. When it is dropped, the investigation takes in what ended, compares the
/// evidence with what it was at intake, and ends.
#[derive(Debug)]
pub struct Background {
    errands: Option<Sender<Errand>>,
    ringer: Ringer,
    board: Arc<Board>,
    read: u64,
    folder: PathBuf,
    blobs: Blobs,
    over: Receiver<()>,
}

impl Background {
    /// Sends an investigation to a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn send(investigation: Investigation) -> std::io::Result<Self> {
        let (errands, inbox) = mpsc::channel();
        let (done, over) = mpsc::channel();
        let board =
            Arc::new(Board { seen: Mutex::new(Seen::of(&investigation)), edition: AtomicU64::new(1) });
        let this = Self {
            errands: Some(errands),
            ringer: investigation.queue.ringer(),
            board: Arc::clone(&board),
            read: 0,
            folder: investigation.folder().to_owned(),
            blobs: investigation.blobs().clone(),
            over,
        };
        std::thread::Builder::new().name("laocoon-conductor".into()).spawn(move || {
            conduct(investigation, &inbox, &board);
            // Nobody hears it when the screen has left already.
            let _ = done.send(());
        })?;
        Ok(this)
    }

    /// Whether something changed since the last call.
    pub fn fresh(&mut self) -> bool {
        let edition = self.board.edition.load(Ordering::Acquire);
        std::mem::replace(&mut self.read, edition) != edition
    }

    /// What is known.
    pub fn seen(&self) -> Seen {
        self.board.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The training data, once it is taken in.
    pub fn training(&self) -> Option<Arc<DataSet>> {
        self.board.seen.lock().unwrap_or_else(PoisonError::into_inner).training.clone()
    }

    /// Has something done with the investigation and waits for the answer, but not longer than `patience`: `None` says
    /// that it will still be done.
    pub fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        errand: impl FnOnce(&mut Investigation) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = mpsc::channel();
        let errand = move |investigation: &mut Investigation| drop(answer.send(errand(investigation)));
        self.errands.as_ref()?.send(Box::new(errand)).ok()?;
        self.ringer.ring();
        answered.recv_timeout(patience).ok()
    }

    /// The session folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Figures and arrays by hash.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.errands = None;
        self.ringer.ring();
        let _ = self.over.recv_timeout(PATIENCE);
    }
}

fn conduct(mut investigation: Investigation, inbox: &Receiver<Errand>, board: &Board) {
    let mut shown = (0, None);
    loop {
        let mut changed = investigation.wait(LOOK);
        loop {
            match inbox.try_recv() {
                Ok(errand) => {
                    errand(&mut investigation);
                    changed = true;
                }
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    investigation.poll();
                    investigation.check_evidence(false);
                    return;
                }
            }
        }
        // Trouble comes and goes without an event.
        let stands = (investigation.state().events, investigation.trouble().map(str::to_owned));
        if changed || stands != shown {
            shown = stands;
            board.put_up(&investigation);
        }
    }
}
