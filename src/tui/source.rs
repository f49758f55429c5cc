//! Where the workbench gets its state from. The same panes show a live investigation and a replayed session, because
//! both are a [`Source`].

use crate::case::{CaseState, Session};
use crate::figure::Figure;
use crate::investigation::{Investigation, LiveJob};
use crate::procedure::{About, Procedure};
use crate::registry;
use std::sync::Arc;

/// Something the analyst asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run one procedure (again).
    Run(String),
    /// Run everything planned that has no outcome.
    RunAll,
    /// Stop one procedure.
    Stop(String),
    /// Stop everything.
    StopAll,
    /// Add a note.
    Note(String),
    /// A report left the workbench.
    Exported {
        /// `html`, …
        format: String,
        /// Digest of the file.
        sha256: String,
    },
    /// Move through a replay.
    Step(Step),
}

/// A step through a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One event back.
    Back,
    /// One event on.
    On,
    /// Back to where the number of findings was last different.
    FindingBack,
    /// On to where the number of findings changes.
    FindingOn,
    /// To the first event.
    First,
    /// To the last event.
    Last,
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Events shown.
    pub n: usize,
    /// Events there are.
    pub total: usize,
}

/// What the panes draw, and who takes the analyst's requests.
pub trait Source {
    /// Takes in what happened since; whether anything changed.
    fn poll(&mut self) -> bool;
    /// What is known.
    fn state(&self) -> Arc<CaseState>;
    /// Jobs that wait or run.
    fn live(&self) -> Vec<LiveJob>;
    /// A figure by the hash of its blob.
    ///
    /// # Errors
    /// Why it cannot be shown, in one line.
    fn figure(&self, sha256: &str) -> Result<Figure, String>;
    /// Carries out a request; what was done, in a few words.
    ///
    /// # Errors
    /// Why not, in one line.
    fn ask(&mut self, request: Request) -> Result<String, String>;
    /// Where a replay stands; `None` in live work.
    fn position(&self) -> Option<Position> {
        None
    }
    /// Why nothing can be added, if so.
    fn read_only(&self) -> Option<String> {
        None
    }
    /// What is wrong with saving just now, if anything.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// What was odd when the session was opened.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// What a procedure is.
    fn about(&self, id: &str) -> Option<&'static About> {
        registry::find(id).map(Procedure::about)
    }
}

impl Source for Investigation {
    fn poll(&mut self) -> bool {
        Investigation::poll(self)
    }

    fn state(&self) -> Arc<CaseState> {
        Investigation::state(self)
    }

    fn live(&self) -> Vec<LiveJob> {
        Investigation::live(self)
    }

    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.blobs().figure(sha256).map_err(|e| e.to_string())
    }

    fn ask(&mut self, request: Request) -> Result<String, String> {
        let refused = |e: crate::investigation::RequestError| e.to_string();
        match request {
            Request::Run(id) => self.run(&id).map(|()| format!("{id} asked for")).map_err(refused),
            Request::RunAll => {
                self.run_all().map(|()| "everything planned asked for".into()).map_err(refused)
            }
            Request::Stop(id) => {
                self.stop(&id);
                Ok(format!("stopping {id}"))
            }
            Request::StopAll => {
                self.stop_all();
                Ok("stopping".into())
            }
            Request::Note(text) => self.note(&text).map(|()| "noted".into()).map_err(refused),
            Request::Exported { format, sha256 } => {
                self.exported(&format, &sha256).map(|()| format!("{format} exported")).map_err(refused)
            }
            Request::Step(_) => Err("this is live work: stepping is for `laocoon replay`".into()),
        }
    }

    fn read_only(&self) -> Option<String> {
        Investigation::read_only(self).map(str::to_owned)
    }

    fn trouble(&self) -> Option<String> {
        Investigation::trouble(self).map(str::to_owned)
    }

    fn warnings(&self) -> Vec<String> {
        Investigation::warnings(self).to_vec()
    }
}

/// A saved session at one of its moments.
#[derive(Debug)]
pub struct Replay {
    session: Session,
    n: usize,
    state: Arc<CaseState>,
    moved: bool,
}

impl Replay {
    /// The session after its last event.
    pub fn new(session: Session) -> Self {
        let n = session.len();
        let state = Arc::new(session.state_at(n));
        Self { session, n, state, moved: false }
    }

    /// Goes to the moment after `n` events, or to the nearest there is.
    pub fn go_to(&mut self, n: usize) {
        self.n = n.clamp(1.min(self.session.len()), self.session.len());
        self.state = Arc::new(self.session.state_at(self.n));
        self.moved = true;
    }

    /// The moment a step leads to.
    fn target(&self, step: Step) -> usize {
        let last = self.session.len();
        let findings = |n: usize| self.session.state_at(n).findings.len();
        let here = self.state.findings.len();
        match step {
            Step::Back => self.n.saturating_sub(1).max(1),
            Step::On => (self.n + 1).min(last),
            Step::First => 1.min(last),
            Step::Last => last,
            Step::FindingOn => (self.n + 1..=last).find(|&n| findings(n) != here).unwrap_or(last),
            // The earliest moment that shows as many findings as the one before the last change.
            Step::FindingBack => {
                let Some(before) = (1..self.n).rev().find(|&n| findings(n) != here) else {
                    return 1.min(last);
                };
                let shown = findings(before);
                (1..=before).rev().take_while(|&n| findings(n) == shown).last().unwrap_or(before)
            }
        }
    }
}

impl Source for Replay {
    fn poll(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn state(&self) -> Arc<CaseState> {
        Arc::clone(&self.state)
    }

    fn live(&self) -> Vec<LiveJob> {
        Vec::new()
    }

    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.session.blobs().figure(sha256).map_err(|e| e.to_string())
    }

    fn ask(&mut self, request: Request) -> Result<String, String> {
        match request {
            Request::Step(step) => {
                let n = self.target(step);
                if n != self.n {
                    self.go_to(n);
                }
                Ok(String::new())
            }
            Request::Exported { format, .. } => Ok(format!("{format} exported")),
            _ => Err("a replay is read-only: open the session with `laocoon open` to go on".into()),
        }
    }

    fn position(&self) -> Option<Position> {
        Some(Position { n: self.n, total: self.session.len() })
    }

    fn read_only(&self) -> Option<String> {
        Some("a replay is read-only".into())
    }

    fn warnings(&self) -> Vec<String> {
        self.session.warnings().to_vec()
    }
}
