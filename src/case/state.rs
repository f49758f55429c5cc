//! The state of a case: a pure fold over its events. Panes, reports and exit codes read this and nothing else.

use super::{Event, JournalRecord, Planned};
use crate::evidence::{CaseFile, Item};
use crate::procedure::{Effort, Finding, Phase, Record};
use std::collections::BTreeMap;

/// Where a procedure stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Planned, waiting.
    Queued,
    /// Running (in a journal read later: interrupted).
    Running,
    /// Has an outcome.
    Finished {
        /// What it found.
        record: Box<Record>,
        /// Wall time.
        seconds: f64,
    },
    /// Does not apply: what is missing.
    Skipped(String),
    /// Stopped by the analyst after `done` of `units`.
    Stopped {
        /// Work units done.
        done: u64,
        /// Work units planned.
        units: u64,
    },
    /// Could not finish: why.
    Failed(String),
}

/// A procedure in a case.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcedureState {
    /// Procedure id.
    pub id: String,
    /// Phase; `None` when this version does not know the procedure.
    pub phase: Option<Phase>,
    /// Version of the method that ran.
    pub version: u32,
    /// Checked parameters of the last run.
    pub params: serde_json::Value,
    /// Where it stands.
    pub status: Status,
}

/// A finding with its number and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// "F1", in the order of the plan: independent of which job ended first.
    pub id: String,
    /// Procedure id.
    pub procedure: String,
    /// The accusation.
    pub finding: Finding,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Journal number.
    pub n: u64,
    /// RFC 3339 UTC.
    pub time: String,
    /// What happened, in one line of visible text.
    pub what: String,
}

/// Everything that is known at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CaseState {
    /// The case as read.
    pub case: Option<CaseFile>,
    /// Program version that opened it.
    pub tool: String,
    /// Build identification.
    pub build: String,
    /// Seed.
    pub seed: u64,
    /// Effort.
    pub effort: Effort,
    /// Restriction to procedures.
    pub only: Vec<String>,
    /// Restriction to phases.
    pub phases: Vec<String>,
    /// What a complete investigation runs, in order.
    pub planned: Vec<Planned>,
    /// Parameters the analyst set, by procedure id.
    pub overrides: BTreeMap<String, serde_json::Value>,
    /// Asked for and not come to an end yet.
    pub requested: Vec<String>,
    /// The register.
    pub evidence: Vec<Item>,
    /// Items that changed during work: id and what differs.
    pub changed: Vec<(String, String)>,
    /// Procedures that were queued or skipped, in the order of the plan.
    pub procedures: Vec<ProcedureState>,
    /// Findings of finished procedures, numbered.
    pub findings: Vec<Numbered>,
    /// Analyst's notes: time and text.
    pub notes: Vec<(String, String)>,
    /// What happened when.
    pub timeline: Vec<Moment>,
    /// Number of events folded.
    pub events: u64,
    /// Hash of the last event.
    pub head: String,
}

impl CaseState {
    /// The state after a sequence of records.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a JournalRecord>) -> Self {
        let mut state = Self::default();
        for r in records {
            state.apply(r.n, &r.time, &r.hash, &r.event);
        }
        state
    }

    /// Adds one event. Pure: no clock, no disk, no registry lookups beyond names.
    pub fn apply(&mut self, n: u64, time: &str, hash: &str, event: &Event) {
        let _ = (n, time, hash, event);
        todo!()
    }

    /// A procedure by id.
    pub fn procedure(&self, id: &str) -> Option<&ProcedureState> {
        self.procedures.iter().find(|p| p.id == id)
    }

    /// The record of a finished procedure.
    pub fn record(&self, id: &str) -> Option<&Record> {
        match &self.procedure(id)?.status {
            Status::Finished { record, .. } => Some(record),
            _ => None,
        }
    }
}
