//! What a running procedure can do besides computing: report progress, notice a cancel, draw seeded randomness,
//! show a partial figure, keep a log.

use crate::figure::Figure;
use rand_chacha::ChaCha8Rng;

/// Who listens to a running procedure. Implemented over a job by `investigation`, and by [`Silent`] for tests.
pub trait Monitor: Sync {
    /// `done` of `total` work units are finished.
    fn progress(&self, done: u64, total: u64);
    /// A figure as it stands now; replaces the earlier one of the same name.
    fn partial(&self, name: &str, figure: Figure);
    /// A line for the job's log.
    fn log(&self, line: &str);
    /// Whether the job was asked to stop.
    fn cancelled(&self) -> bool;
}

/// A monitor that ignores everything and is never cancelled.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Monitor for Silent {
    fn progress(&self, _: u64, _: u64) {}
    fn partial(&self, _: &str, _: Figure) {}
    fn log(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// Why a run ended without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The analyst (or the program's end) asked for it.
    #[error("stopped on request")]
    Cancelled,
    /// It could not finish.
    #[error("{0}")]
    Failed(String),
}

impl Stop {
    /// A failure with its reason.
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Stop::Failed(reason.to_string())
    }
}

/// Handed to [`super::Procedure::run`].
pub struct Context<'a> {
    seed: u64,
    procedure: &'static str,
    monitor: &'a dyn Monitor,
}

impl<'a> Context<'a> {
    /// A context for `procedure` under the case's `seed`.
    pub fn new(seed: u64, procedure: &'static str, monitor: &'a dyn Monitor) -> Self {
        Self { seed, procedure, monitor }
    }

    /// Reports progress and passes on a cancel. Call it often enough that a cancel is seen within 100 ms.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] once the job was asked to stop.
    pub fn step(&mut self, done: u64, total: u64) -> Result<(), Stop> {
        self.monitor.progress(done, total);
        self.check()
    }

    /// Passes on a cancel without reporting progress; also for use inside parallel loops.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] once the job was asked to stop.
    pub fn check(&self) -> Result<(), Stop> {
        if self.monitor.cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// The generator for one purpose, a function of (case seed, procedure, label) alone.
    pub fn rng(&self, label: &str) -> ChaCha8Rng {
        crate::math::rng::seeded(self.seed, self.procedure, label)
    }

    /// Shows a figure as it stands now.
    pub fn partial(&mut self, name: &str, figure: Figure) {
        self.monitor.partial(name, figure);
    }

    /// Adds a line to the job's log.
    pub fn log(&mut self, line: impl AsRef<str>) {
        self.monitor.log(line.as_ref());
    }
}
