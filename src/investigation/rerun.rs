//! Every finished procedure of a session again, on the same evidence with the same parameters and seed: is the answer
//! the same? Nothing is written.

use super::OpenError;
use super::conduct::{earlier_ids, material};
use super::intake::{self, Materials};
use super::plan::List;
use crate::case::{Blobs, CaseState, Event, Session, record_of};
use crate::evidence::{CaseFile, Limits};
use crate::figure::Figure;
use crate::jobs::{self, Budget, Watch};
use crate::procedure::{Context, Monitor, Outcome, Plan, Procedure, Record, Silent, Tensor};
use serde_json::Value;
use std::path::Path;

/// Relative difference of numbers that counts as the same answer: other processors round differently.
pub const TOLERANCE: f64 = 1e-6;

/// How a second run compares with the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Same {
    /// The same record, to the bit.
    Identical,
    /// The same verdict and findings, every number within `TOLERANCE`: which differ.
    WithinTolerance(String),
    /// Another answer: what differs.
    Different(String),
    /// It could not be run again: why.
    Cannot(String),
}

impl Same {
    /// The name used by the contract.
    pub fn name(&self) -> &'static str {
        match self {
            Same::Identical => "identical",
            Same::WithinTolerance(_) => "within-tolerance",
            Same::Different(_) => "different",
            Same::Cannot(_) => "cannot",
        }
    }
}

/// A procedure that was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    /// Procedure id.
    pub procedure: String,
    /// How the two runs compare.
    pub same: Same,
}

/// Runs every finished procedure of a session again. `evidence` is where the evidence lies now, if not where it lay;
/// `told` hears of each result as it comes.
///
/// # Errors
/// There is no session.
pub fn rerun(
    session: &Path,
    evidence: Option<&Path>,
    threads: usize,
    limits: &Limits,
    budget: Budget,
    told: &mut dyn FnMut(&Rerun),
) -> Result<Vec<Rerun>, OpenError> {
    rerun_with(session, evidence, threads, limits, budget, told, crate::registry::all())
}

/// As [`rerun`], with another list of procedures.
///
/// # Errors
/// As [`rerun`].
pub fn rerun_with(
    session: &Path,
    evidence: Option<&Path>,
    threads: usize,
    limits: &Limits,
    budget: Budget,
    told: &mut dyn FnMut(&Rerun),
    list: List,
) -> Result<Vec<Rerun>, OpenError> {
    let session = Session::open(session)?;
    let state = session.state();
    let Some(mut file) = state.case.clone() else { return Ok(Vec::new()) };
    if let Some(folder) = evidence {
        folder.clone_into(&mut file.root);
    }
    let threads = jobs::threads(threads, false);
    let taken = jobs::compute(threads, || intake::take_in(&file, &state, session.blobs(), limits, &Silent));
    let materials = taken.ok().and_then(Result::ok).unwrap_or_default();
    let again = Again {
        list,
        file: &file,
        state: &state,
        materials: &materials,
        blobs: session.blobs(),
        threads,
        budget,
    };
    let mut all = Vec::new();
    for p in state.procedures.iter().map(|p| state.superseded.get(&p.id).unwrap_or(p)) {
        let Some((run, record)) = recorded(&session, &p.id) else { continue };
        let one = Rerun { procedure: p.id.clone(), same: again.compare(&run, record) };
        told(&one);
        all.push(one);
    }
    Ok(all)
}

/// What was run, as journaled.
struct Run {
    id: String,
    version: u32,
    plan: Plan,
}

/// The last outcome of a procedure, and what it was an outcome of.
fn recorded<'a>(session: &'a Session, id: &str) -> Option<(Run, &'a Record)> {
    let (mut queued, mut last) = (None, None);
    for record in &session.records {
        match &record.event {
            Event::JobQueued { procedure, version, params, units, inputs } if procedure == id => {
                let inputs = inputs.iter().map(|i| i.id.clone()).collect();
                let plan = Plan { params: params.clone(), units: *units, inputs };
                queued = Some(Run { id: id.to_owned(), version: *version, plan });
            }
            Event::JobEnded { procedure, record, .. } if procedure == id => {
                last = Some((queued.take(), record));
            }
            _ => {}
        }
    }
    last.and_then(|(run, record)| Some((run?, record)))
}

struct Again<'a> {
    list: List,
    file: &'a CaseFile,
    state: &'a CaseState,
    materials: &'a Materials,
    blobs: &'a Blobs,
    threads: usize,
    budget: Budget,
}

/// Nobody listens; the budget of one procedure may end it.
struct Watched(Watch);

impl Monitor for Watched {
    fn progress(&self, _: u64, _: u64) {}
    fn partial(&self, _: &str, _: Figure) {}
    fn log(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.is_over()
    }
}

impl Again<'_> {
    fn compare(&self, run: &Run, record: &Record) -> Same {
        let procedure = match self.can(run) {
            Ok(procedure) => procedure,
            Err(why) => return Same::Cannot(why),
        };
        let id = procedure.about().id;
        let case = material(self.file, self.state, self.materials, &earlier_ids(self.list, id));
        let watched = Watched(Watch::begin(self.budget));
        let work = || procedure.run(&case, &run.plan, &mut Context::new(self.state.seed, id, &watched));
        let done = jobs::compute(self.threads, work);
        if let Some(why) = watched.0.why() {
            return Same::Cannot(why.to_owned());
        }
        let outcome = match done {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(stop)) => return Same::Different(format!("it fails now: {stop}")),
            Err(why) => return Same::Different(format!("it fails now: {why}")),
        };
        match record_of(&outcome) {
            Ok(now) if now == *record => Same::Identical,
            Ok(now) => near(record, &now, &outcome, self.blobs),
            Err(e) => Same::Different(e.to_string()),
        }
    }

    /// The procedure, if everything it needs is as it was.
    fn can(&self, run: &Run) -> Result<&'static dyn Procedure, String> {
        let procedure = self.list.iter().find(|p| p.about().id == run.id);
        let procedure = procedure.ok_or("this version of laocoon has no such procedure")?;
        let version = procedure.about().version;
        if version != run.version {
            return Err(format!("it was version {} of the method, this is version {version}", run.version));
        }
        for id in &run.plan.inputs {
            let was = self
                .state
                .evidence
                .iter()
                .find(|i| i.id == *id)
                .ok_or_else(|| format!("{id} is not known"))?;
            let now = self.materials.items.iter().find(|i| i.id == *id);
            if now.is_none_or(|now| now.sha256 != was.sha256) {
                return Err(format!("{id} ({}) is not there or not what it was", was.path.shown()));
            }
        }
        Ok(*procedure)
    }
}

/// Compares two records that are not the same to the bit.
fn near(was: &Record, now: &Record, outcome: &Outcome, blobs: &Blobs) -> Same {
    if was.verdict != now.verdict {
        return Same::Different(format!("verdict {} was {}", now.verdict.name(), was.verdict.name()));
    }
    let gist = |r: &Record| -> Vec<_> {
        r.findings.iter().map(|f| (f.concern, f.severity, f.confidence, f.class, f.source_class)).collect()
    };
    if gist(was) != gist(now) {
        return Same::Different("other findings".to_owned());
    }
    let mut apart = Vec::new();
    let numbers = |r: &Record| {
        let mut all: serde_json::Map<String, Value> = r.measures.clone().into_iter().collect();
        all.insert("statistic".to_owned(), r.statistic.clone());
        all.insert("threshold".to_owned(), r.threshold.clone());
        Value::Object(all)
    };
    if let Err(place) = close(&numbers(was), &numbers(now), "", &mut apart) {
        return Same::Different(place);
    }
    if was.blobs.keys().ne(now.blobs.keys()) {
        return Same::Different("other arrays".to_owned());
    }
    for (name, hash) in was.blobs.iter().filter(|(name, hash)| now.blobs.get(*name) != Some(hash)) {
        let before = match blobs.tensor(hash) {
            Ok((_, tensor)) => tensor,
            Err(e) => return Same::Cannot(e.to_string()),
        };
        if !outcome.arrays.get(name).is_some_and(|after| close_arrays(&before, after)) {
            return Same::Different(format!("array {name}"));
        }
        apart.push(format!("array {name}"));
    }
    if apart.is_empty() {
        apart.push("wording or figures".to_owned());
    }
    Same::WithinTolerance(apart.join(", "))
}

fn close_numbers(a: f64, b: f64) -> bool {
    // The same bits: also where there is no difference to take (infinities).
    a.to_bits() == b.to_bits() || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0)
}

/// Whether two values agree within the tolerance; places that differ within it are added to `apart`.
fn close(a: &Value, b: &Value, place: &str, apart: &mut Vec<String>) -> Result<(), String> {
    if a == b {
        return Ok(());
    }
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) if close_numbers(x, y) => {
                apart.push(place.to_owned());
                Ok(())
            }
            _ => Err(format!("{place} is {y}, was {x}")),
        },
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().try_for_each(|(i, (x, y))| close(x, y, &inner(&i.to_string()), apart))
        }
        (Value::Object(x), Value::Object(y)) if x.len() == y.len() => x.iter().try_for_each(|(key, x)| {
            let y = y.get(key).ok_or_else(|| format!("{} is missing", inner(key)))?;
            close(x, y, &inner(key), apart)
        }),
        _ => Err(format!("{place} is another value")),
    }
}

fn close_arrays(a: &Tensor, b: &Tensor) -> bool {
    match (a, b) {
        (Tensor::F32(a), Tensor::F32(b)) => {
            let near = |(x, y): (&f32, &f32)| close_numbers(f64::from(*x), f64::from(*y));
            a.shape() == b.shape() && a.iter().zip(b).all(near)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_may_differ_in_the_last_digits_and_nothing_else_may() {
        let mut apart = Vec::new();
        let a = json!({"l1": [1.0, 2.0], "n": 3, "name": "x"});
        assert_eq!(
            close(&a, &json!({"l1": [1.0, 2.000_000_1], "n": 3, "name": "x"}), "", &mut apart),
            Ok(())
        );
        assert_eq!(apart, ["l1.1"]);
        for other in [
            json!({"l1": [1.0, 2.001], "n": 3, "name": "x"}),
            json!({"l1": [1.0], "n": 3, "name": "x"}),
            json!({"l1": [1.0, 2.0], "n": 4, "name": "x"}),
            json!({"l1": [1.0, 2.0], "n": 3, "name": "y"}),
            json!({"l1": [1.0, 2.0], "m": 3, "name": "x"}),
        ] {
            assert!(close(&a, &other, "", &mut Vec::new()).is_err(), "{other}");
        }
        let t = |x: f32| Tensor::F32(ndarray::arr1(&[1.0, x]).into_dyn());
        assert!(close_arrays(&t(1.0), &t(1.000_000_1)) && !close_arrays(&t(1.0), &t(1.1)));
    }
}
