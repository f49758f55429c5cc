//! One procedure as a job.

use super::intake::Prints;
use crate::case::Blobs;
use crate::evidence::{CaseFile, Item, Limits, intake, text};
use crate::figure::Figure;
use crate::jobs::{Halt, Worker};
use crate::procedure::{Case, Context, Monitor, Outcome, Plan, Procedure, Record, Stop, Tensor};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What came of a run.
#[derive(Debug)]
pub(super) enum Kept {
    /// Arrays and figures are in blobs.
    Record(Box<Record>),
    /// They did not fit on the disk.
    Outcome(Box<Outcome>),
}

/// A finished run.
#[derive(Debug)]
pub(super) struct Ran {
    /// Its outcome.
    pub(super) kept: Kept,
    /// Its arrays, for procedures that come after.
    pub(super) arrays: BTreeMap<String, Arc<Tensor>>,
}

/// Everything a run needs.
pub(super) struct Task {
    pub(super) procedure: &'static dyn Procedure,
    pub(super) seed: u64,
    pub(super) case: Case,
    pub(super) plan: Plan,
    pub(super) blobs: Blobs,
    pub(super) watch: Watch,
}

/// Notices evidence that is no longer what it was at intake.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) file: CaseFile,
    pub(super) prints: Arc<Prints>,
    pub(super) limits: Limits,
}

impl Watch {
    /// Items among `ids` that changed, with what differs. Cheap unless sizes or times differ.
    pub(super) fn changed(
        &self,
        register: &[Item],
        ids: &[String],
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Vec<Changed> {
        let look = |item: &Item| {
            let print = self.prints.get(&item.id)?;
            let path = self.file.locate(Path::new(item.path.raw())).ok()?;
            let what = intake::changed(&path, print, &item.sha256, &self.limits, &|_, _| goes_on())?;
            Some((item.id.clone(), what))
        };
        // A stop in the middle of hashing is not a change.
        register.iter().filter(|i| ids.contains(&i.id)).filter_map(look).filter(|_| goes_on()).collect()
    }
}

impl Watch {
    /// Items among `ids` whose content has another digest than at intake, or that cannot be read any more.
    pub(super) fn differing(&self, register: &[Item], ids: &[String]) -> Vec<Changed> {
        let look = |item: &Item| {
            let path = self.file.locate(Path::new(item.path.raw()));
            let now = path.and_then(|path| intake::digest(&path, &self.limits, &intake::quiet));
            match now {
                Ok(now) if now == item.sha256 => None,
                Ok(now) => {
                    Some((item.id.clone(), format!("its sha256 was {} and is {now} now", item.sha256)))
                }
                Err(e) => Some((item.id.clone(), format!("it cannot be read any more: {}", e.reason))),
            }
        };
        register.iter().filter(|i| ids.contains(&i.id)).filter_map(look).collect()
    }
}

/// Runs a procedure and puts what it gives into blobs.
pub(super) fn run(task: &Task, worker: &Worker<Figure>, changed: &dyn Fn(Vec<Changed>)) -> Result<Ran, Halt> {
    let Task { procedure, seed, case, plan, blobs, watch } = task;
    let look = || changed(watch.changed(&case.register, &plan.inputs, &|| !worker.cancelled()));
    look();
    let monitor = JobMonitor(worker);
    let mut cx = Context::new(*seed, procedure.about().id, &monitor);
    let outcome = procedure.run(case, plan, &mut cx).map_err(|stop| match stop {
        Stop::Cancelled => Halt::Cancelled,
        Stop::Failed(why) => Halt::Failed(why),
    })?;
    // Also what was changed while it ran: a procedure may have read the file again.
    look();
    if outcome.limits.trim().is_empty() {
        return Err(Halt::Failed("a bug in the program: the outcome does not state its limits".to_owned()));
    }
    let share =
        |arrays: BTreeMap<String, Tensor>| arrays.into_iter().map(|(name, t)| (name, Arc::new(t))).collect();
    Ok(match blobs.keep(&outcome) {
        Ok(record) => Ran { kept: Kept::Record(Box::new(record)), arrays: share(outcome.arrays) },
        Err(_) => Ran { arrays: share(outcome.arrays.clone()), kept: Kept::Outcome(Box::new(outcome)) },
    })
}

/// An item that is no longer what it was at intake: its id, and what differs.
pub(super) type Changed = (String, String);

/// Passes on to a job what a procedure tells.
pub(super) struct JobMonitor<'a>(pub(super) &'a Worker<Figure>);

impl Monitor for JobMonitor<'_> {
    fn progress(&self, done: u64, total: u64) {
        self.0.progress(done, total);
    }

    fn partial(&self, name: &str, figure: Figure) {
        self.0.partial(name, figure);
    }

    fn log(&self, line: &str) {
        self.0.log(text::visible(line));
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
