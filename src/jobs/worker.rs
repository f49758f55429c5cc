//! What a job's code sees (progress, cancel, partial results, log) and the state its handle keeps.

use super::budget::{Budget, Used};
use super::{Rate, clock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Names a job in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) u64);

/// Why a job's code ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// It was asked to stop.
    Cancelled,
    /// It could not finish, or panicked: why.
    Failed(String),
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for a worker.
    Queued,
    /// Runs.
    Running,
    /// Gave a result.
    Finished,
    /// Ended because it was asked to.
    Stopped,
    /// Ended without a result.
    Failed,
}

impl Status {
    /// The legal transitions. An end is final.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Status::Queued, Status::Running | Status::Stopped)
                | (Status::Running, Status::Finished | Status::Stopped | Status::Failed)
        )
    }
}

/// At most this many lines of a log are kept.
const LOG_LINES: usize = 200;
/// The bell is rung at most this often per job.
const BELL: Duration = Duration::from_millis(50);

/// State shared between a job's code and its handle.
#[derive(Debug)]
pub(super) struct Shared<P> {
    pub(super) label: String,
    pub(super) cancel: AtomicBool,
    pub(super) done: AtomicU64,
    pub(super) total: AtomicU64,
    pub(super) used: Used,
    inner: Mutex<Inner<P>>,
}

#[derive(Debug)]
pub(super) struct Inner<P> {
    status: Status,
    pub(super) started: Option<Instant>,
    rung: Option<Instant>,
    pub(super) rate: Rate,
    pub(super) partial: BTreeMap<String, P>,
    pub(super) log: VecDeque<String>,
}

impl<P> Inner<P> {
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Takes a legal transition; an illegal one is refused.
    pub(super) fn become_(&mut self, next: Status) -> bool {
        let legal = self.status.may_become(next);
        if legal {
            self.status = next;
        }
        legal
    }
}

impl<P> Shared<P> {
    pub(super) fn new(label: &str, budget: Budget) -> Self {
        let inner = Inner {
            status: Status::Queued,
            started: None,
            rung: None,
            rate: Rate::default(),
            partial: BTreeMap::new(),
            log: VecDeque::new(),
        };
        Self {
            label: label.to_owned(),
            cancel: AtomicBool::new(false),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            used: Used::new(budget),
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner<P>> {
        // A panic elsewhere leaves nothing half-written here that matters more than going on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handed to a job's code.
#[derive(Debug)]
pub struct Worker<P> {
    pub(super) shared: Arc<Shared<P>>,
    pub(super) bell: SyncSender<()>,
}

impl<P> Worker<P> {
    /// `done` of `total` units are finished. Cheap: two atomic stores, and at most 20 times a second a lock.
    pub fn progress(&self, done: u64, total: u64) {
        self.shared.done.store(done, Ordering::Relaxed);
        self.shared.total.store(total, Ordering::Relaxed);
        self.ring(|inner, at| inner.rate.update(at, done));
    }

    /// A partial result as it stands now; replaces the earlier one of the same name.
    pub fn partial(&self, name: &str, value: P) {
        self.shared.inner().partial.insert(name.to_owned(), value);
        self.ring(|_, _| ());
    }

    /// A line for the log.
    pub fn log(&self, line: impl Into<String>) {
        let mut inner = self.shared.inner();
        if inner.log.len() == LOG_LINES {
            inner.log.pop_front();
        }
        inner.log.push_back(line.into());
        drop(inner);
        self.ring(|_, _| ());
    }

    /// Whether the job has to stop: it was asked to, or has used up its [`Budget`].
    pub fn cancelled(&self) -> bool {
        self.shared.cancel.load(Ordering::Relaxed) || self.shared.used.check(clock)
    }

    fn ring(&self, also: impl FnOnce(&mut Inner<P>, Duration)) {
        let now = clock();
        // Progress may come from many threads at once: who does not get the lock has nothing to add.
        let Ok(mut inner) = self.shared.inner.try_lock() else { return };
        if inner.rung.is_some_and(|last| now.saturating_duration_since(last) < BELL) {
            return;
        }
        inner.rung = Some(now);
        let at = inner.started.map_or(Duration::ZERO, |s| now.saturating_duration_since(s));
        also(&mut inner, at);
        drop(inner);
        let _ = self.bell.try_send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_transitions_are_taken() {
        use Status::{Failed, Finished, Queued, Running, Stopped};
        let all = [Queued, Running, Finished, Stopped, Failed];
        let legal: Vec<_> =
            all.iter().flat_map(|a| all.map(|b| (*a, b))).filter(|(a, b)| a.may_become(*b)).collect();
        assert_eq!(
            legal,
            [
                (Queued, Running),
                (Queued, Stopped),
                (Running, Finished),
                (Running, Stopped),
                (Running, Failed)
            ]
        );
        let shared = Shared::<()>::new("x", Budget::default());
        assert!(!shared.inner().become_(Finished), "a waiting job cannot finish");
        assert!(shared.inner().become_(Stopped));
        assert!(!shared.inner().become_(Running), "an end is final");
    }
}
