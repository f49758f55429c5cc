//! The conductor: takes evidence in, plans procedures for a case, runs them as jobs, records what comes back.
//!
//! Everything that happens is an event, on disk before it is folded into the [`CaseState`] that is shown. What is to be
//! done is read off that state: so a session that was killed at any point goes on where it stood when it is opened again.

mod background;
mod conduct;
mod intake;
mod options;
#[cfg(test)]
mod panics;
mod plan;
mod rerun;
mod run;
mod scribe;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod tests;

pub use background::{Background, Seen};
pub use intake::{Loaded, load};
pub use options::{Desk, LiveJob, OpenError, Options, RequestError, Target};
pub use rerun::{Rerun, Same, rerun};

use crate::case::journal::{self, Journal};
use crate::case::{Blobs, CaseState, Event, SessionError};
use crate::evidence::{CaseFile, Limits, text};
use crate::figure::Figure;
use crate::jobs::{self, JobId, Queue, Snapshot};
use crate::procedure::Phase;
use intake::Materials;
use plan::List;
use run::Changed;
use scribe::{NotSaved, Scribe};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// Name of the job that takes the evidence in.
pub const INTAKE: &str = "intake";

/// Result of a job.
#[derive(Debug)]
enum Done {
    Intake(Box<Materials>),
    Ran(run::Ran),
}

/// Where taking in stands.
#[derive(Debug)]
enum Intake {
    /// Not begun.
    Due,
    /// A job is at it.
    Running(JobId),
    /// Done.
    Ready(Box<Materials>),
    /// It could not be done: why.
    Failed(String),
}

/// An investigation at work on one session folder.
pub struct Investigation {
    list: List,
    case: CaseFile,
    session: PathBuf,
    recovered: Vec<(u64, String)>,
    limits: Limits,
    analyst: String,
    scribe: Scribe,
    queue: Queue<Figure, Done>,
    intake: Intake,
    flights: BTreeMap<String, JobId>,
    changes: (Sender<Changed>, Receiver<Changed>),
    warnings: Vec<String>,
}

impl std::fmt::Debug for Investigation {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { case, intake, flights, .. } = self;
        f.debug_struct("Investigation")
            .field("case", &case.id)
            .field("intake", intake)
            .field("flights", flights)
            .finish_non_exhaustive()
    }
}

impl Investigation {
    /// Creates the session folder, or continues the one that is there. Returns at once: hashing, recognising and
    /// loading run as the first background job.
    ///
    /// # Errors
    /// The folder cannot be used, belongs to another case, seed or effort, or `only` names what is not there.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, crate::registry::all())
    }

    /// As [`Self::open`], with another list of procedures, in which each comes after those it is `after`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(options: Options, list: List) -> Result<Self, OpenError> {
        let Options {
            target,
            session,
            seed,
            effort,
            threads,
            only,
            phases,
            overrides,
            limits,
            budget,
            analyst,
        } = options;
        let planned = plan::select(list, &only, &phases)?;
        let cannot = |reason: String| SessionError::Write { path: session.clone(), reason };
        std::fs::create_dir_all(&session).map_err(|e| cannot(e.to_string()))?;
        let opened = Journal::open(&session)?;
        let new = opened.read.records.is_empty();
        if new {
            if let Err(reason) = &opened.journal {
                return Err(SessionError::Empty {
                    path: session.join(journal::FILE),
                    reason: reason.clone(),
                }
                .into());
            }
            write_case(&session, &target).map_err(|e| cannot(format!("case.toml: {e}")))?;
        }
        let mut this =
            Self::start(&session, target, opened, list, Desk { threads, limits, budget, analyst })?;
        if new {
            this.must(Event::CaseOpened {
                case: this.case.clone(),
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                build: crate::case::build(),
                analyst: this.analyst.clone(),
                seed,
                effort,
                only,
                phases: phases.iter().map(|p: &Phase| p.name().to_owned()).collect(),
            })?;
        } else {
            let state = this.state();
            differs(&state, &this.case, seed, effort)
                .map_or(Ok(()), |(what, had)| Err(OpenError::Differs { path: session.clone(), what, had }))?;
            this.resumed();
        }
        if this.state().planned != planned || this.state().overrides != overrides {
            this.tell(Event::Planned { procedures: planned, overrides });
        }
        this.begin(true);
        Ok(this)
    }

    /// Continues an existing session folder from its journal alone: case, seed, effort and restriction are those it
    /// was opened with.
    ///
    /// # Errors
    /// The folder holds no session.
    pub fn resume(session: &Path, desk: Desk) -> Result<Self, OpenError> {
        Self::resume_with(session, desk, crate::registry::all())
    }

    /// As [`Self::resume`], with another list of procedures.
    ///
    /// # Errors
    /// As [`Self::resume`].
    pub fn resume_with(session: &Path, desk: Desk, list: List) -> Result<Self, OpenError> {
        // Says what is wrong without making anything in a folder that holds no session.
        let read = journal::read(&session.join(journal::FILE))?;
        let Some(case) = CaseState::fold(&read.records).case else {
            let (path, reason) = (session.join(journal::FILE), "it names no case".to_owned());
            return Err(SessionError::Empty { path, reason }.into());
        };
        let mut this = Self::start(session, case, Journal::open(session)?, list, desk)?;
        this.resumed();
        let state = this.state();
        if state.planned.is_empty() {
            // It died between its first two records.
            let phases: Vec<Phase> =
                Phase::ALL.into_iter().filter(|p| state.phases.iter().any(|n| n == p.name())).collect();
            this.tell(Event::Planned {
                procedures: plan::select(list, &state.only, &phases)?,
                overrides: BTreeMap::new(),
            });
        }
        this.begin(false);
        Ok(this)
    }

    fn start(
        session: &Path,
        case: CaseFile,
        opened: journal::Opened,
        list: List,
        desk: Desk,
    ) -> Result<Self, OpenError> {
        let Desk { threads, limits, budget, analyst } = desk;
        let warnings = opened.read.warnings();
        let state = CaseState::fold(&opened.read.records);
        let mut this = Self {
            list,
            case,
            session: session.to_owned(),
            recovered: opened.recovered,
            limits,
            analyst,
            scribe: Scribe::new(opened.journal, state, Blobs::new(session)),
            queue: Queue::new(1, jobs::threads(threads, false)).map_err(OpenError::Threads)?,
            intake: Intake::Due,
            flights: BTreeMap::new(),
            changes: mpsc::channel(),
            warnings,
        };
        this.queue.bound(budget);
        if let Some(why) = this.read_only().map(|why| format!("read-only: {why}")) {
            this.warnings.push(why);
        }
        Ok(this)
    }

    fn resumed(&mut self) {
        self.tell(Event::Resumed {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            build: crate::case::build(),
            analyst: self.analyst.clone(),
        });
    }

    /// Posts an event whose failure is shown by [`Self::trouble`] or [`Self::read_only`].
    fn tell(&mut self, event: Event) {
        if let Err(NotSaved::Never(why)) = self.scribe.post(event) {
            self.warnings.push(why);
        }
    }

    /// Posts an event without which there is no session.
    fn must(&mut self, event: Event) -> Result<(), OpenError> {
        self.scribe.post(event).map_err(|why| {
            let (NotSaved::Never(reason) | NotSaved::Later(reason) | NotSaved::ReadOnly(reason)) = why;
            let path = self.session.join(journal::FILE);
            OpenError::Session(SessionError::Write { path, reason })
        })
    }

    /// The session folder.
    pub fn folder(&self) -> &Path {
        &self.session
    }

    /// What is on disk, folded.
    pub fn state(&self) -> Arc<CaseState> {
        Arc::clone(self.scribe.state())
    }

    /// Jobs that wait or run, in order.
    pub fn live(&self) -> Vec<LiveJob> {
        let shots = self.queue.snapshots();
        let requested = self.scribe.state().requested.iter();
        let waiting = requested.filter(|id| !self.flights.contains_key(*id)).map(|id| LiveJob::waiting(id));
        shots.into_iter().map(LiveJob::from).chain(waiting).collect()
    }

    /// Whether nothing waits or runs any more, or nothing can go on because nothing can be saved.
    pub fn finished(&self) -> bool {
        self.queue.is_idle() && (self.scribe.stuck() || self.scribe.state().requested.is_empty())
    }

    /// Figures and arrays by hash.
    pub fn blobs(&self) -> &Blobs {
        self.scribe.blobs()
    }

    /// Why the session cannot be written, if so.
    pub fn read_only(&self) -> Option<&str> {
        self.scribe.read_only()
    }

    /// What is wrong with saving just now (disk full), if anything, in one line for the screen.
    pub fn trouble(&self) -> Option<&str> {
        self.scribe.trouble()
    }

    /// What was wrong or odd when the session was opened, and since.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Takes in what workers report: journals (synced to disk) before folding. Whether anything changed. Writes at most
    /// a few records at a time, so that a screen is never kept waiting.
    pub fn poll(&mut self) -> bool {
        self.conduct(4)
    }

    /// Like [`Self::poll`], but waits until something happens or the time is over.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        if self.conduct(usize::MAX) {
            return true;
        }
        let seen = self.queue.wait(timeout);
        self.conduct(usize::MAX) || seen
    }

    /// Asks for every planned procedure that has no outcome yet.
    ///
    /// # Errors
    /// Read-only, or the request is not on disk yet.
    pub fn run_all(&mut self) -> Result<(), RequestError> {
        let state = self.state();
        let open = state.planned.iter().filter(|p| state.record(&p.id).is_none()).map(|p| p.id.clone());
        self.request(open.collect())
    }

    /// Asks for one procedure (again), and for those it is `after` that have no outcome.
    ///
    /// # Errors
    /// No such procedure; read-only; the request is not on disk yet.
    pub fn run(&mut self, procedure: &str) -> Result<(), RequestError> {
        if !self.list.iter().any(|p| p.about().id == procedure) {
            return Err(RequestError::NoProcedure(text::visible(procedure)));
        }
        let state = self.state();
        let all = plan::closure(self.list, &[procedure]).into_iter();
        self.request(
            all.filter(|id| *id == procedure || state.record(id).is_none()).map(str::to_owned).collect(),
        )
    }

    fn request(&mut self, mut procedures: Vec<String>) -> Result<(), RequestError> {
        procedures.retain(|id| !self.scribe.state().requested.contains(id));
        if procedures.is_empty() {
            return self.read_only().map_or(Ok(()), |why| Err(RequestError::ReadOnly(why.to_owned())));
        }
        self.ask(Event::Requested { procedures })
    }

    fn ask(&mut self, event: Event) -> Result<(), RequestError> {
        self.scribe.post(event).map_err(|why| match why {
            NotSaved::Never(why) => RequestError::Refused(why),
            NotSaved::Later(why) => RequestError::NotSaved(why),
            NotSaved::ReadOnly(why) => RequestError::ReadOnly(why),
        })
    }

    /// Stops a procedure that waits or runs. Stopping the intake stops everything.
    pub fn stop(&mut self, procedure: &str) {
        if procedure == INTAKE {
            // What was asked for would begin it again.
            self.stop_all();
        } else if let Some(id) = self.flights.get(procedure) {
            self.queue.cancel(*id);
        } else if self.scribe.state().requested.iter().any(|id| id == procedure) {
            self.tell(Event::JobStopped { procedure: procedure.to_owned(), done: 0, units: 0 });
        }
    }

    /// Stops everything.
    pub fn stop_all(&mut self) {
        for id in self.scribe.state().requested.clone() {
            self.stop(&id);
        }
        self.queue.cancel_all();
    }

    /// Compares the evidence with what it was at intake: by size, times and inode, or by the digest of the `whole`
    /// content. What differs is journaled, and so is that nothing does.
    pub fn check_evidence(&mut self, whole: bool) {
        let Intake::Ready(materials) = &self.intake else { return };
        if self.scribe.stuck() || materials.prints.is_empty() {
            return;
        }
        let watch = run::Watch {
            file: self.case.clone(),
            prints: Arc::clone(&materials.prints),
            limits: self.limits.clone(),
        };
        let register = self.scribe.state().evidence.clone();
        let items: Vec<String> =
            register.iter().filter(|i| watch.prints.contains_key(&i.id)).map(|i| i.id.clone()).collect();
        let changed = if whole {
            watch.differing(&register, &items)
        } else {
            watch.changed(&register, &items, &|| true)
        };
        for (id, detail) in changed {
            self.evidence_changed(id, detail);
        }
        let how = if whole { "sha256" } else { "attributes" };
        self.tell(Event::EvidenceChecked { items, how: how.to_owned() });
    }

    /// Adds an analyst's note to the journal.
    ///
    /// # Errors
    /// Read-only, too long, or not on disk yet.
    pub fn note(&mut self, text: &str) -> Result<(), RequestError> {
        self.ask(Event::Noted { text: text.to_owned() })
    }

    /// Adds a step of the analyst's own work to the journal: a note on something, a verdict, a tag, or taking one back.
    ///
    /// # Errors
    /// The event is of another kind, or takes back what is no such step; read-only, too long, or not on disk yet.
    pub fn work(&mut self, event: Event) -> Result<(), RequestError> {
        let work = &self.scribe.state().work;
        let fits = match &event {
            Event::Annotated { .. } | Event::Judged { .. } | Event::Tagged { .. } => true,
            Event::Undone { event } => [work.undoable(), work.redoable()].contains(&Some(*event)),
            _ => false,
        };
        if fits {
            self.ask(event)
        } else {
            Err(RequestError::Refused("that cannot be taken back".to_owned()))
        }
    }

    /// Has a procedure that waits begin before the others that wait. What it finds does not depend on it.
    pub fn prefer(&mut self, procedure: &str) {
        if let Some(id) = self.flights.get(procedure) {
            self.queue.prefer(*id);
        }
    }

    /// The training data as taken in, for a look at single samples.
    pub fn training(&self) -> Option<Arc<crate::evidence::DataSet>> {
        let Intake::Ready(materials) = &self.intake else { return None };
        let training = |d: &&crate::procedure::Data| d.role == crate::evidence::Role::Training;
        materials.data.iter().find(training).map(|d| Arc::clone(&d.set))
    }

    /// Journals that a report left the workbench.
    ///
    /// # Errors
    /// Read-only, or not on disk yet.
    pub fn exported(&mut self, format: &str, sha256: &str) -> Result<(), RequestError> {
        self.ask(Event::Exported { format: format.to_owned(), sha256: sha256.to_owned() })
    }
}

impl LiveJob {
    fn waiting(id: &str) -> Self {
        Self {
            procedure: id.to_owned(),
            running: false,
            stopping: false,
            done: 0,
            total: 0,
            elapsed: Duration::ZERO,
            eta: None,
            figures: BTreeMap::new(),
            log: Vec::new(),
        }
    }
}

impl From<Snapshot<Figure>> for LiveJob {
    fn from(shot: Snapshot<Figure>) -> Self {
        Self {
            procedure: shot.label,
            running: shot.status != jobs::Status::Queued,
            stopping: shot.stopping,
            done: shot.done,
            total: shot.total,
            elapsed: shot.elapsed,
            eta: shot.eta,
            figures: shot.partial,
            log: shot.log,
        }
    }
}

/// What a session has that an opening under its name would change.
fn differs(
    state: &CaseState,
    case: &CaseFile,
    seed: u64,
    effort: crate::procedure::Effort,
) -> Option<(&'static str, String)> {
    let had = state.case.as_ref()?;
    // Where the folder lies is no part of the case.
    let same = CaseFile { root: had.root.clone(), ..case.clone() } == *had;
    match () {
        () if !same => Some(("case", format!("case {}", text::visible(&had.id)))),
        () if state.seed != seed => Some(("seed", state.seed.to_string())),
        () if state.effort != effort => Some(("effort", state.effort.name().to_owned())),
        () => None,
    }
}

/// Keeps the case file as read beside the journal.
fn write_case(session: &Path, case: &CaseFile) -> std::io::Result<()> {
    crate::case::write_whole(&session.join("case.toml"), case.text.as_bytes())
}
