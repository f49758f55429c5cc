//! Puts what happened on disk, and only then into the state that is shown.

use crate::case::journal::{AppendError, Journal};
use crate::case::{Blobs, CaseState, Event, now};
use crate::jobs::clock;
use crate::procedure::Outcome;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait after a failed write before trying again.
const AGAIN: Duration = Duration::from_secs(1);

/// Something that happened and is not on disk yet.
#[derive(Debug)]
enum What {
    Event(Box<Event>),
    /// An outcome whose blobs did not fit on the disk.
    Outcome {
        procedure: String,
        outcome: Box<Outcome>,
        seconds: f64,
    },
}

/// Why something is not on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotSaved {
    /// It never can be: why.
    Never(String),
    /// The disk does not take it now; it is kept in memory and tried again: why.
    Later(String),
    /// The session is read-only: why.
    ReadOnly(String),
}

/// Journal, state, and what waits for the disk.
#[derive(Debug)]
pub(super) struct Scribe {
    journal: Result<Journal, String>,
    state: Arc<CaseState>,
    blobs: Blobs,
    waiting: VecDeque<(String, What)>,
    trouble: Option<String>,
    failed_at: Option<Instant>,
}

impl Scribe {
    pub(super) fn new(journal: Result<Journal, String>, state: CaseState, blobs: Blobs) -> Self {
        let state = Arc::new(state);
        Self { journal, state, blobs, waiting: VecDeque::new(), trouble: None, failed_at: None }
    }

    pub(super) fn state(&self) -> &Arc<CaseState> {
        &self.state
    }

    pub(super) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn read_only(&self) -> Option<&str> {
        self.journal.as_ref().err().map(String::as_str)
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether nothing can be put on disk just now.
    pub(super) fn stuck(&self) -> bool {
        self.journal.is_err() || !self.waiting.is_empty()
    }

    /// Journals an event and folds it in.
    pub(super) fn post(&mut self, event: Event) -> Result<(), NotSaved> {
        self.put(What::Event(Box::new(event)))
    }

    /// Keeps an outcome whose blobs could not be written by the worker.
    pub(super) fn post_outcome(
        &mut self,
        procedure: &str,
        outcome: Box<Outcome>,
        seconds: f64,
    ) -> Result<(), NotSaved> {
        self.put(What::Outcome { procedure: procedure.to_owned(), outcome, seconds })
    }

    fn put(&mut self, what: What) -> Result<(), NotSaved> {
        if let Err(why) = &self.journal {
            return Err(NotSaved::ReadOnly(why.clone()));
        }
        let first = self.waiting.is_empty();
        self.waiting.push_back((now(), what));
        if first || self.due() {
            self.flush()
        } else {
            Err(NotSaved::Later(self.trouble.clone().unwrap_or_default()))
        }
    }

    fn due(&self) -> bool {
        self.failed_at.is_none_or(|at| clock().saturating_duration_since(at) >= AGAIN)
    }

    /// Tries again what waits, if it is time. Whether anything got on disk.
    pub(super) fn retry(&mut self) -> bool {
        let before = self.state.events;
        if !self.waiting.is_empty() && self.due() {
            let _ = self.flush();
        }
        self.state.events > before
    }

    /// Writes what waits, in order. The error is that of the last entry which is not on disk.
    fn flush(&mut self) -> Result<(), NotSaved> {
        let mut result = Ok(());
        while let Some((time, what)) = self.waiting.pop_front() {
            let (event, unkept) = match what {
                What::Event(event) => (*event, None),
                What::Outcome { procedure, outcome, seconds } => match self.blobs.keep(&outcome) {
                    Ok(record) => (Event::JobEnded { procedure, record, seconds }, None),
                    Err(e) => {
                        let event = Event::JobFailed { procedure: procedure.clone(), reason: e.to_string() };
                        (event, Some((What::Outcome { procedure, outcome, seconds }, e.to_string())))
                    }
                },
            };
            if let Some((what, why)) = unkept {
                return self.later(time, what, why);
            }
            let Ok(journal) = &mut self.journal else { return result };
            match journal.append(&time, &event) {
                Ok(record) => {
                    Arc::make_mut(&mut self.state).apply(record.n, &record.time, &record.hash, &record.event);
                    (self.trouble, self.failed_at, result) = (None, None, Ok(()));
                }
                Err(AppendError::Io(why)) => return self.later(time, What::Event(Box::new(event)), why),
                Err(AppendError::Line(why)) => {
                    // An outcome that cannot be journaled is a failure that can.
                    if let Event::JobEnded { procedure, .. } = event {
                        let event = Event::JobFailed { procedure, reason: why.to_string() };
                        self.waiting.push_front((time, What::Event(Box::new(event))));
                    }
                    result = Err(NotSaved::Never(why.to_string()));
                }
                Err(e @ AppendError::Lost(_)) => {
                    self.journal = Err(e.to_string());
                    return Err(NotSaved::ReadOnly(e.to_string()));
                }
            }
        }
        result
    }

    fn later(&mut self, time: String, what: What, why: String) -> Result<(), NotSaved> {
        self.waiting.push_front((time, what));
        self.failed_at = Some(clock());
        self.trouble =
            Some(format!("not saved: {why}; {} steps wait in memory, trying again", self.waiting.len()));
        Err(NotSaved::Later(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Session, fixture};
    use std::fs;

    fn scribe(folder: &std::path::Path) -> Scribe {
        let opened = Journal::open(folder).unwrap();
        Scribe::new(opened.journal, CaseState::fold(&opened.read.records), Blobs::new(folder))
    }

    fn outcome() -> Outcome {
        Outcome {
            verdict: crate::procedure::Verdict::NothingFound,
            summary: String::new(),
            statistic: None,
            threshold: None,
            threshold_origin: String::new(),
            findings: Vec::new(),
            measures: std::collections::BTreeMap::new(),
            arrays: [("x".to_owned(), crate::procedure::Tensor::I64(ndarray::arr1(&[1, 2]).into_dyn()))]
                .into(),
            figures: std::collections::BTreeMap::new(),
            limits: "none".into(),
        }
    }

    #[test]
    fn what_the_disk_does_not_take_is_not_shown_and_is_written_later_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        scribe.post(fixture::opened("x")).unwrap();
        // A file where the folder for blobs should be: blobs cannot be written.
        fs::write(folder.path().join("blobs"), b"").unwrap();
        let refused = scribe.post_outcome("a", Box::new(outcome()), 1.0);
        assert!(matches!(refused, Err(NotSaved::Later(_))));
        assert!(matches!(scribe.post(Event::Noted { text: "n".into() }), Err(NotSaved::Later(_))));
        assert!(scribe.stuck() && scribe.trouble().unwrap().contains("not saved"));
        assert_eq!(scribe.state().events, 1, "nothing is shown that is not on disk");
        fs::remove_file(folder.path().join("blobs")).unwrap();
        scribe.failed_at = None;
        assert!(scribe.retry() && !scribe.stuck() && scribe.trouble().is_none());
        let state = Session::open(folder.path()).unwrap().state();
        assert_eq!(state, **scribe.state());
        assert!(state.record("a").is_some() && state.notes.len() == 1);
    }

    #[test]
    fn an_outcome_too_large_for_a_line_is_a_failure_and_not_silence() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        scribe.post(fixture::opened("x")).unwrap();
        let mut large = outcome();
        large.measures.insert("all".into(), crate::procedure::numbers(&vec![0.123_456_789; 100_000]));
        let _ = scribe.post_outcome("a", Box::new(large), 1.0);
        let status = &scribe.state().procedure("a").unwrap().status;
        assert!(matches!(status, crate::case::Status::Failed(why) if why.contains("1048576")), "{status:?}");
        assert!(!scribe.stuck());
        let note = Event::Noted { text: "x".repeat(2 << 20) };
        assert!(matches!(scribe.post(note), Err(NotSaved::Never(_))));
        assert!(!scribe.stuck(), "what can never be written does not block the rest");
    }
}
