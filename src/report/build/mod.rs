//! From a state to the report: sections in the order a reader needs them.

mod answers;
mod closing;
mod evidence;
mod header;
mod rates;
mod results;
mod summary;

use super::BlobSource;
use super::ledger::Ledger;
use super::model::{Plate, Report};
use crate::case::{Assessment, CaseState, ProcedureState, Status};
use crate::procedure::{About, Phase, Record};
use std::collections::BTreeMap;

/// What every section reads, and the figures numbered so far.
struct Builder<'a> {
    ledger: &'a Ledger,
    state: &'a CaseState,
    blobs: &'a dyn BlobSource,
    known: &'a [&'static About],
    assessment: Assessment,
    missing: Vec<String>,
    /// Number of each figure already shown, by (procedure, name).
    shown: BTreeMap<(String, String), usize>,
    /// Every figure shown, for the tables behind them.
    plates: Vec<Plate>,
}

/// The report of a state; `known` are the procedures of this program.
pub fn report(
    ledger: &Ledger,
    state: &CaseState,
    blobs: &dyn BlobSource,
    known: &[&'static About],
) -> Report {
    let mut b = Builder {
        ledger,
        state,
        blobs,
        known,
        assessment: ledger.assessment.clone(),
        missing: ledger.open.clone(),
        shown: BTreeMap::new(),
        plates: Vec::new(),
    };
    let (tone, headline, basis) = b.headline();
    let facts = b.facts();
    let header = b.header();
    let sections = vec![
        b.summary(),
        b.answers(),
        b.evidence(),
        b.findings(),
        b.results(),
        b.impact(),
        b.attribution(),
        b.actions(),
        b.limits(),
        b.method(),
        b.timeline(),
        b.custody(),
        b.numbers(),
        Builder::glossary(),
    ];
    let title = if ledger.title.is_empty() { &ledger.case } else { &ledger.title };
    Report {
        title: format!("Model forensics report: {title}"),
        case: ledger.case.clone(),
        tone,
        headline,
        basis,
        facts,
        header,
        sections,
        head: ledger.head.clone(),
    }
}

impl<'a> Builder<'a> {
    /// What a procedure is, when this program knows it.
    fn about(&self, id: &str) -> Option<&'static About> {
        self.known.iter().copied().find(|a| a.id == id)
    }

    /// "Neural Cleanse (neural-cleanse)", or the bare id.
    fn name(&self, id: &str) -> String {
        self.about(id).map_or_else(|| id.to_owned(), |a| format!("{} ({id})", a.title))
    }

    /// Procedures with an outcome that stands (that of an earlier run while they run again), in the order of the plan.
    fn finished(&self) -> impl Iterator<Item = (&'a ProcedureState, &'a Record)> + use<'a> {
        let state = self.state;
        let standing = state.procedures.iter().map(|p| state.superseded.get(&p.id).unwrap_or(p));
        standing.filter_map(|p| match &p.status {
            Status::Finished { record, .. } => Some((p, record.as_ref())),
            _ => None,
        })
    }

    fn phase(&self, p: &ProcedureState) -> Option<Phase> {
        p.phase.or_else(|| self.about(&p.id).map(|a| a.phase))
    }

    /// The figure as a numbered plate the first time, `Err(number)` when it was shown before.
    fn plate(&mut self, procedure: &str, name: &str, sha256: &str) -> Result<Plate, usize> {
        let key = (procedure.to_owned(), name.to_owned());
        if let Some(number) = self.shown.get(&key) {
            return Err(*number);
        }
        let plate = Plate {
            number: self.shown.len() + 1,
            procedure: key.0.clone(),
            name: key.1.clone(),
            sha256: sha256.to_owned(),
            figure: self.blobs.figure(sha256),
        };
        self.shown.insert(key, plate.number);
        self.plates.push(plate.clone());
        Ok(plate)
    }
}

/// Where a procedure stands, in a word, and why.
fn standing(status: &Status) -> (&'static str, String) {
    match status {
        Status::Queued => ("waiting", "planned, not started".to_owned()),
        Status::Running => ("interrupted", "started; no end is recorded".to_owned()),
        Status::Finished { .. } => ("finished", String::new()),
        Status::Skipped(reason) => ("skipped", reason.clone()),
        Status::Stopped { done, units } => {
            ("stopped", format!("stopped by the analyst after {done} of {units} units"))
        }
        Status::Failed(reason) => ("failed", reason.clone()),
    }
}

/// A JSON value in a table cell: numbers rounded for reading, long arrays counted.
fn cell(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), crate::figure::label::number),
        Value::Array(items) if items.len() <= 12 && items.iter().all(|i| !i.is_object() && !i.is_array()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => format!("{} entries", items.len()),
        Value::Object(map) => format!("{} fields", map.len()),
        Value::Bool(b) => b.to_string(),
    }
}

/// "1 finding", "2 findings".
fn count(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}
