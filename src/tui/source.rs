//! Where the workbench gets its state from. The same panes show a live investigation and a replayed session, because
//! both are a [`Source`].

use crate::case::{CaseState, Event};
use crate::evidence::DataSet;
use crate::figure::{Figure, Thumbnail};
use crate::investigation::{Background, Investigation, LiveJob};
use crate::procedure::{About, Procedure};
use crate::registry;
use std::sync::Arc;
use std::time::Duration;

/// Longest time a key press waits for its answer.
const ANSWER: Duration = Duration::from_millis(100);

/// Something the analyst asks for.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, made by a key press")]
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
    /// A note on something, a verdict, a tag, or one of them taken back.
    Work(Event),
    /// Begin a waiting procedure before the others.
    Prefer(String),
    /// A report left the workbench.
    Exported {
        /// `html`, …
        format: String,
        /// Digest of the file.
        sha256: String,
    },
    /// Move through a replay.
    Step(Step),
    /// Go to an event by its number, or to the last one before a time of day or a date and time.
    Go(String),
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
    /// Plays on by itself: at the pace of the work, eight times as fast, stop.
    Play,
}

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Events shown.
    pub n: usize,
    /// Events there are.
    pub total: usize,
    /// How fast it plays by itself; 0 when it stands.
    pub speed: u32,
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
    /// A picture of a training sample, where the evidence is at hand; read from memory, so it may be asked for on every
    /// draw.
    fn sample(&self, _index: usize) -> Option<Thumbnail> {
        None
    }
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

/// As it stands, for text: nothing is waited for.
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

    fn sample(&self, index: usize) -> Option<Thumbnail> {
        thumbnail(&*self.training()?, index)
    }

    fn ask(&mut self, request: Request) -> Result<String, String> {
        carry_out(self, request)
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

/// At work on its own thread, for a screen.
impl Source for Background {
    fn poll(&mut self) -> bool {
        self.fresh()
    }

    fn state(&self) -> Arc<CaseState> {
        self.seen().state
    }

    fn live(&self) -> Vec<LiveJob> {
        self.seen().live
    }

    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.blobs().figure(sha256).map_err(|e| e.to_string())
    }

    fn sample(&self, index: usize) -> Option<Thumbnail> {
        thumbnail(&*self.training()?, index)
    }

    fn ask(&mut self, request: Request) -> Result<String, String> {
        Background::ask(self, ANSWER, |investigation| carry_out(investigation, request))
            .unwrap_or_else(|| Ok("asked; the disk is slow to take it".into()))
    }

    fn read_only(&self) -> Option<String> {
        self.seen().read_only
    }

    fn trouble(&self) -> Option<String> {
        self.seen().trouble
    }

    fn warnings(&self) -> Vec<String> {
        self.seen().warnings
    }
}

fn carry_out(investigation: &mut Investigation, request: Request) -> Result<String, String> {
    let refused = |e: crate::investigation::RequestError| e.to_string();
    match request {
        Request::Run(id) => investigation.run(&id).map(|()| format!("{id} asked for")).map_err(refused),
        Request::RunAll => {
            investigation.run_all().map(|()| "everything planned asked for".into()).map_err(refused)
        }
        Request::Stop(id) => {
            investigation.stop(&id);
            Ok(format!("stopping {id}"))
        }
        Request::StopAll => {
            investigation.stop_all();
            Ok("stopping".into())
        }
        Request::Note(text) => investigation.note(&text).map(|()| "noted".into()).map_err(refused),
        Request::Work(event) => {
            let said = match &event {
                Event::Undone { event } => format!("event {event} taken back, as an event of its own"),
                _ => "written into the journal".to_owned(),
            };
            investigation.work(event).map(|()| said).map_err(refused)
        }
        Request::Prefer(id) => {
            investigation.prefer(&id);
            Ok(format!("{id} begins next"))
        }
        Request::Exported { format, sha256 } => {
            investigation.exported(&format, &sha256).map(|()| format!("{format} exported")).map_err(refused)
        }
        Request::Step(_) | Request::Go(_) => {
            Err("this is live work: stepping is for `laocoon replay`".into())
        }
    }
}

/// A sample as a small picture: three channels in colour, otherwise the first in grey.
fn thumbnail(set: &DataSet, index: usize) -> Option<Thumbnail> {
    if index >= set.len() {
        return None;
    }
    let [channels, height, width] = set.shape()?;
    let image = set.unit(&[index])?;
    let level = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let shown = if channels == 3 { 3 } else { 1 };
    let mut pixels = Vec::with_capacity(height * width * shown);
    for row in 0..height {
        for column in 0..width {
            pixels.extend((0..shown).map(|c| level(image[[0, c, row, column]])));
        }
    }
    Some(Thumbnail { label: format!("sample {index}"), height, width, channels: shown, pixels })
}
