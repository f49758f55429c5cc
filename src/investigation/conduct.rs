//! One round of conducting: take in what happened, then begin what can begin.

use super::intake::{self, Materials};
use super::run::{self, JobMonitor, Kept, Ran, Task, Watch};
use super::{Done, INTAKE, Intake, Investigation, plan};
use crate::case::{CaseState, Event, InputRef, Status};
use crate::evidence::{Item, ItemState, register};
use crate::jobs::{Halt, JobId, Update, guarded};
use crate::procedure::{Case, Earlier, Plan, Procedure};
use std::sync::Arc;
use std::time::Duration;

/// A job that came to an end.
struct End {
    id: JobId,
    result: Result<Done, Halt>,
    done: u64,
    total: u64,
    elapsed: Duration,
}

impl Investigation {
    /// Says what was set aside, and takes the evidence in: at once when the case was given anew, so that what lies there
    /// now is compared with what the session knows; of a session that is only resumed, when something is to be run or
    /// the register has gaps.
    pub(super) fn begin(&mut self, anew: bool) {
        for (bytes, kept) in std::mem::take(&mut self.recovered) {
            self.warnings.push(format!("a torn journal record ({bytes} bytes) was set aside in {kept}"));
            self.tell(Event::Recovered { bytes, kept });
        }
        let known = |id: &str| self.scribe.state().evidence.iter().any(|i| i.id == id);
        let gaps = register::entries(&self.case).iter().any(|e| !known(&e.id));
        if self.scribe.read_only().is_none() && (anew || gaps) {
            self.begin_intake();
        }
    }

    fn begin_intake(&mut self) {
        let (case, state, limits) = (self.case.clone(), self.state(), self.limits.clone());
        let blobs = self.scribe.blobs().clone();
        let id = self.queue.submit(INTAKE, 0, move |worker| {
            let materials = intake::take_in(&case, &state, &blobs, &limits, &JobMonitor(worker))?;
            Ok(Done::Intake(Box::new(materials)))
        });
        self.intake = Intake::Running(id);
    }

    /// One round; writes about `budget` records at most. Whether anything changed.
    pub(super) fn conduct(&mut self, budget: usize) -> bool {
        let before = self.scribe.state().events;
        let mut changed = self.scribe.retry();
        while let Ok((id, detail)) = self.changes.1.try_recv() {
            self.evidence_changed(id, detail);
        }
        for update in self.queue.drain() {
            changed = true;
            match update {
                Update::Started(id) => {
                    if let Some(procedure) = self.flight(id) {
                        self.tell(Event::JobStarted { procedure });
                    }
                }
                Update::Ended { id, result, done, total, elapsed } => {
                    self.ended(End { id, result, done, total, elapsed });
                }
            }
        }
        let used = (self.scribe.state().events - before) as usize;
        self.advance(budget.saturating_sub(used).max(1));
        changed || self.scribe.state().events != before
    }

    fn flight(&self, id: JobId) -> Option<String> {
        self.flights.iter().find(|(_, f)| **f == id).map(|(procedure, _)| procedure.clone())
    }

    pub(super) fn evidence_changed(&mut self, id: String, detail: String) {
        let known = self.scribe.state().changed.iter().any(|(i, d)| *i == id && *d == detail);
        if !known {
            self.tell(Event::EvidenceChanged { id, detail });
        }
    }

    fn ended(&mut self, end: End) {
        if matches!(self.intake, Intake::Running(id) if id == end.id) {
            return self.taken_in(end.result);
        }
        let Some(procedure) = self.flight(end.id) else { return };
        self.flights.remove(&procedure);
        match end.result {
            Ok(Done::Ran(Ran { kept, arrays })) => {
                if let Intake::Ready(materials) = &mut self.intake {
                    materials.arrays.retain(|(p, _), _| *p != procedure);
                    materials
                        .arrays
                        .extend(arrays.into_iter().map(|(name, t)| ((procedure.clone(), name), t)));
                }
                let seconds = end.elapsed.as_secs_f64();
                match kept {
                    Kept::Record(record) => {
                        self.tell(Event::JobEnded { procedure, record: *record, seconds });
                    }
                    // Said by `trouble`, tried again until it is on disk.
                    Kept::Outcome(outcome) => drop(self.scribe.post_outcome(&procedure, outcome, seconds)),
                }
            }
            Ok(Done::Intake(_)) => {}
            Err(Halt::Cancelled) => {
                self.tell(Event::JobStopped { procedure, done: end.done, units: end.total });
            }
            Err(Halt::Failed(reason)) => self.tell(Event::JobFailed { procedure, reason }),
        }
    }

    fn taken_in(&mut self, result: Result<Done, Halt>) {
        match result {
            Ok(Done::Intake(materials)) => {
                for item in &materials.items {
                    self.register(item);
                }
                self.warnings.extend(materials.lost.iter().map(ToString::to_string));
                self.intake = Intake::Ready(materials);
            }
            Err(Halt::Cancelled) => self.intake = Intake::Due,
            Err(Halt::Failed(why)) => {
                self.warnings.push(format!("the evidence could not be taken in: {why}"));
                self.intake = Intake::Failed(why);
            }
            Ok(Done::Ran(_)) => {}
        }
    }

    /// Journals an item, or how it differs from what the session knows of it.
    fn register(&mut self, item: &Item) {
        let state = self.state();
        match state.evidence.iter().find(|i| i.id == item.id) {
            None => self.tell(Event::EvidenceAdded { item: item.clone() }),
            Some(before) if before.sha256 != item.sha256 => {
                let detail = match &item.state {
                    ItemState::Refused(why) if item.sha256.is_empty() => {
                        format!("it cannot be read any more: {why}")
                    }
                    _ => {
                        format!("its sha256 was {} and is {} now; it is not used", before.sha256, item.sha256)
                    }
                };
                self.evidence_changed(item.id.clone(), detail);
            }
            // The same bytes, read by another version or under other caps.
            Some(before) if before.state != item.state => {
                self.tell(Event::EvidenceAdded { item: item.clone() });
            }
            Some(_) => {}
        }
    }

    /// Begins what was asked for and can begin.
    fn advance(&mut self, budget: usize) {
        if self.scribe.stuck() || self.scribe.state().requested.is_empty() {
            return;
        }
        match &self.intake {
            Intake::Due => return self.begin_intake(),
            Intake::Running(_) => return,
            Intake::Ready(_) => {}
            Intake::Failed(why) => {
                let reason = format!("the evidence could not be taken in: {why}");
                for procedure in self.state().requested.clone() {
                    self.tell(Event::JobFailed { procedure, reason: reason.clone() });
                }
                self.intake = Intake::Due;
                return;
            }
        }
        let most = self.scribe.state().events.saturating_add(budget as u64);
        for procedure in self.list {
            let (state, about) = (self.state(), procedure.about());
            let asked = |id: &str| state.requested.iter().any(|r| r == id);
            let waits = about.after.iter().any(|id| asked(id));
            if !asked(about.id) || waits || self.flights.contains_key(about.id) {
                continue;
            }
            if self.scribe.stuck() || state.events >= most {
                return;
            }
            self.launch(*procedure, &state);
        }
        // Asked for by a journal of another version.
        let unknown = |id: &&String| !self.list.iter().any(|p| p.about().id == **id);
        for procedure in self.state().requested.iter().filter(unknown) {
            let reason = "this version of laocoon has no such procedure".to_owned();
            self.tell(Event::JobSkipped { procedure: procedure.clone(), reason });
        }
    }

    fn launch(&mut self, procedure: &'static dyn Procedure, state: &CaseState) {
        let Intake::Ready(materials) = &self.intake else { return };
        let about = procedure.about();
        let id = about.id.to_owned();
        let case = material(&self.case, state, materials, &earlier_ids(self.list, about.id));
        let prints = Arc::clone(&materials.prints);
        let plan = match guarded(|| procedure.plan(&case)) {
            Ok(Ok(plan)) => plan,
            Ok(Err(skip)) => {
                let reason = format!("{skip}{}", because(state, about.after));
                return self.tell(Event::JobSkipped { procedure: id, reason });
            }
            Err(reason) => return self.tell(Event::JobFailed { procedure: id, reason }),
        };
        let units = plan.units.max(1);
        let queued = Event::JobQueued {
            procedure: id.clone(),
            version: about.version,
            params: plan.params.clone(),
            units,
            inputs: inputs(state, &plan),
        };
        self.tell(queued);
        if self.scribe.stuck() || !state_is_queued(self.scribe.state(), &id) {
            return;
        }
        let watch = Watch { file: self.case.clone(), prints, limits: self.limits.clone() };
        let task =
            Task { procedure, seed: state.seed, case, plan, blobs: self.scribe.blobs().clone(), watch };
        let changes = self.changes.0.clone();
        let job = self.queue.submit(about.id, units, move |worker| {
            let tell = |all: Vec<run::Changed>| all.into_iter().for_each(|c| drop(changes.send(c)));
            run::run(&task, worker, &tell).map(Done::Ran)
        });
        self.flights.insert(id, job);
    }
}

fn state_is_queued(state: &CaseState, id: &str) -> bool {
    state.procedure(id).is_some_and(|p| p.status == Status::Queued)
}

/// Ids of what a procedure may read of others: those it is `after`, directly or not.
pub(super) fn earlier_ids(list: plan::List, id: &'static str) -> Vec<&'static str> {
    plan::closure(list, &[id]).into_iter().filter(|other| *other != id).collect()
}

/// What a procedure may see. Only outcomes of procedures it is declared to be after, whatever else has finished: so the
/// order of work does not change a result.
pub(super) fn material(
    file: &crate::evidence::CaseFile,
    state: &CaseState,
    materials: &Materials,
    after: &[&str],
) -> Case {
    let records = after.iter().filter_map(|id| Some(((*id).to_owned(), state.record(id)?.clone())));
    let records: std::collections::BTreeMap<_, _> = records.collect();
    let arrays = materials.arrays.iter().filter(|((p, _), _)| records.contains_key(p));
    let arrays = arrays.map(|(key, t)| (key.clone(), Arc::clone(t))).collect();
    Case {
        file: file.clone(),
        register: state.evidence.clone(),
        model: materials.model.clone(),
        data: materials.data.clone(),
        effort: state.effort,
        overrides: state.overrides.clone(),
        earlier: Earlier { records, arrays },
    }
}

fn inputs(state: &CaseState, plan: &Plan) -> Vec<InputRef> {
    let named = |id: &String| state.evidence.iter().find(|i| i.id == *id);
    let input = |item: &Item| InputRef { id: item.id.clone(), sha256: item.sha256.clone() };
    plan.inputs.iter().filter_map(named).map(input).collect()
}

/// Why procedures that a skipped one is after have no outcome, if they should have.
fn because(state: &CaseState, after: &[&str]) -> String {
    let why = |id: &&str| match &state.procedure(id)?.status {
        Status::Failed(why) => Some(format!("{id} failed: {why}")),
        Status::Stopped { .. } => Some(format!("{id} was stopped")),
        _ => None,
    };
    let all: Vec<String> = after.iter().filter_map(why).collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join("; ")) }
}
