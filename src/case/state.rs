//! The state of a case: a pure fold over its events. Panes, reports and exit codes read this and nothing else.

use super::work::{Casework, Work};
use super::{Event, JournalRecord, Planned, Topic, timeline};
use crate::evidence::{CaseFile, Item, text};
use crate::procedure::{Effort, Finding, Phase, Record};
use serde_json::Value;
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

impl Status {
    /// Whether there is an outcome.
    pub fn is_finished(&self) -> bool {
        matches!(self, Status::Finished { .. })
    }
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
    pub params: Value,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// Journal number.
    pub n: u64,
    /// RFC 3339 UTC.
    pub time: String,
    /// What happened, in one line of visible text.
    pub what: String,
    /// The event's type in the journal.
    pub kind: String,
    /// Who worked, as they or their system name them.
    pub who: String,
    /// Hash of the record, lower-case hex; the next record holds it.
    pub hash: String,
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
    /// Who works, or worked last, as they or their system name them.
    pub analyst: String,
    /// What was taken out of this copy, and the head hash of the session it was made from.
    pub redacted: Option<(Vec<String>, String)>,
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
    pub overrides: BTreeMap<String, Value>,
    /// Asked for and not come to an end yet.
    pub requested: Vec<String>,
    /// The register.
    pub evidence: Vec<Item>,
    /// Items that changed during work: id and what differs.
    pub changed: Vec<(String, String)>,
    /// When and how each item was last compared with its intake.
    pub checked: BTreeMap<String, (String, String)>,
    /// Procedures that were queued or skipped, in the order of the plan.
    pub procedures: Vec<ProcedureState>,
    /// Procedures that are run again, as they stood with their last outcome. It stands until the new run has one: a run
    /// that is stopped or fails does not take a finding back.
    pub superseded: BTreeMap<String, ProcedureState>,
    /// Findings of finished procedures (also of those that are run again), numbered.
    pub findings: Vec<Numbered>,
    /// Analyst's notes that stand: time and text, which names what a note is about unless that is the case as a whole.
    pub notes: Vec<(String, String)>,
    /// The analyst's own work: notes, verdicts, tags.
    pub work: Casework,
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

    /// Adds one event. Pure: no clock, no disk; the registry is asked for the phase of a procedure that no plan names.
    pub fn apply(&mut self, n: u64, time: &str, hash: &str, event: &Event) {
        match event {
            Event::CaseOpened { case, tool, build, seed, effort, only, phases, analyst } => {
                self.case = Some(case.clone());
                self.analyst = text::visible(analyst);
                (self.tool, self.build, self.seed, self.effort) = (tame(tool), tame(build), *seed, *effort);
                (self.only, self.phases) = (only.clone(), phases.clone());
            }
            Event::Resumed { analyst, .. } => {
                self.analyst = text::visible(analyst);
                self.interrupted();
            }
            Event::Planned { procedures, overrides } => self.plan(procedures, overrides),
            Event::Requested { procedures } => {
                for id in procedures {
                    if !self.requested.contains(id) {
                        self.requested.push(id.clone());
                    }
                }
            }
            Event::EvidenceAdded { item } => match self.evidence.iter_mut().find(|i| i.id == item.id) {
                Some(there) => *there = item.clone(),
                None => self.evidence.push(item.clone()),
            },
            Event::EvidenceChanged { id, detail } => self.changed.push((tame(id), tame(detail))),
            Event::JobQueued { procedure, version, params, .. } => self.queue(procedure, *version, params),
            Event::JobStarted { procedure } => self.entry(procedure).status = Status::Running,
            Event::JobEnded { procedure, record, seconds } => {
                self.superseded.remove(procedure);
                let status = Status::Finished { record: Box::new(tamed(record)), seconds: *seconds };
                self.end(procedure, status);
            }
            Event::JobSkipped { procedure, reason } => self.end(procedure, Status::Skipped(tame(reason))),
            Event::JobStopped { procedure, done, units } => {
                self.end(procedure, Status::Stopped { done: *done, units: *units });
            }
            Event::JobFailed { procedure, reason } => self.end(procedure, Status::Failed(tame(reason))),
            Event::Noted { text } => self.work(n, time, &Topic::Case, Work::Note(tame(text))),
            Event::Annotated { about, text } => self.work(n, time, about, Work::Note(tame(text))),
            Event::Judged { about, judgement, reason } => {
                self.work(n, time, about, Work::Judged(*judgement, tame(reason)));
            }
            Event::Tagged { about, tag, on } => {
                self.work(n, time, about, Work::Tag(text::visible(tag), *on));
            }
            Event::Undone { event } => {
                self.work.undo(n, *event);
                self.take_notes();
            }
            Event::Redacted { what, head } => self.redacted = Some((what.clone(), tame(head))),
            Event::EvidenceChecked { items, how } => {
                let when = |id: &String| (tame(id), (time.to_owned(), tame(how)));
                self.checked.extend(items.iter().map(when));
            }
            Event::Exported { .. }
            | Event::Sealed { .. }
            | Event::Recovered { .. }
            | Event::Unknown { .. } => {}
        }
        self.timeline.push(Moment {
            n,
            time: time.to_owned(),
            what: timeline::what(event),
            kind: text::visible(event.kind()),
            who: self.analyst.clone(),
            hash: text::visible(hash),
        });
        self.events += 1;
        hash.clone_into(&mut self.head);
    }

    fn work(&mut self, n: u64, time: &str, about: &Topic, work: Work) {
        let is_note = matches!(work, Work::Note(_));
        let added = self.work.add(n, time, about, work);
        if is_note {
            self.notes.push((time.to_owned(), added.line()));
        }
    }

    fn take_notes(&mut self) {
        let notes = self.work.standing().filter(|e| matches!(e.work, Work::Note(_)));
        self.notes = notes.map(|e| (e.time.clone(), e.line())).collect();
    }

    /// What ran when the program went away waits again.
    fn interrupted(&mut self) {
        for p in &mut self.procedures {
            if p.status == Status::Running {
                p.status = Status::Queued;
            }
        }
    }

    fn plan(&mut self, procedures: &[Planned], overrides: &BTreeMap<String, Value>) {
        self.planned = procedures.to_vec();
        self.overrides.clone_from(overrides);
        let planned = &self.planned;
        let place = |id: &str| planned.iter().position(|p| p.id == id).unwrap_or(usize::MAX);
        self.procedures.sort_by_key(|p| place(&p.id));
        self.number();
    }

    fn queue(&mut self, id: &str, version: u32, params: &Value) {
        let entry = self.entry(id);
        let before = entry.clone();
        (entry.version, entry.status) = (version, Status::Queued);
        entry.params.clone_from(params);
        if before.status.is_finished() {
            self.superseded.insert(id.to_owned(), before);
        }
    }

    fn end(&mut self, id: &str, status: Status) {
        let earlier = self.superseded.remove(id);
        let entry = self.entry(id);
        match earlier {
            Some(earlier) => *entry = earlier,
            // Ended in the planning of a second run: the outcome of the first stands.
            None if entry.status.is_finished() && !status.is_finished() => {}
            None => entry.status = status,
        }
        self.requested.retain(|r| r != id);
        self.number();
    }

    /// The procedure, put where the plan has it when it is new.
    fn entry(&mut self, id: &str) -> &mut ProcedureState {
        let at = self.procedures.iter().position(|p| p.id == id).unwrap_or_else(|| {
            let place = |id: &str| self.planned.iter().position(|p| p.id == id).unwrap_or(usize::MAX);
            let at = self.procedures.partition_point(|p| place(&p.id) <= place(id));
            let planned = self.planned.iter().find(|p| p.id == id);
            let new = ProcedureState {
                id: id.to_owned(),
                phase: planned
                    .map(|p| p.phase)
                    .or_else(|| crate::registry::find(id).map(|p| p.about().phase)),
                version: planned.map_or(0, |p| p.version),
                params: Value::Null,
                status: Status::Queued,
            };
            self.procedures.insert(at, new);
            at
        });
        &mut self.procedures[at]
    }

    fn number(&mut self) {
        let standing = self.procedures.iter().filter_map(|p| {
            let p = self.superseded.get(&p.id).unwrap_or(p);
            match &p.status {
                Status::Finished { record, .. } => Some((&p.id, &record.findings)),
                _ => None,
            }
        });
        let all = standing.flat_map(|(id, findings)| findings.iter().map(move |f| (id, f)));
        self.findings = all
            .enumerate()
            .map(|(k, (id, f))| Numbered {
                id: format!("F{}", k + 1),
                procedure: id.clone(),
                finding: f.clone(),
            })
            .collect();
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

/// Text of a journal, which may come from anywhere: visible, line breaks kept.
fn tame(text: &str) -> String {
    text.split('\n').map(text::visible).collect::<Vec<_>>().join("\n")
}

fn tamed(record: &Record) -> Record {
    let mut record = record.clone();
    for text in [&mut record.summary, &mut record.threshold_origin, &mut record.limits] {
        *text = tame(text);
    }
    for finding in &mut record.findings {
        finding.title = text::visible(&finding.title);
        finding.detail = tame(&finding.detail);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, ended, planned, queued};
    use crate::evidence::ItemState;
    use crate::procedure::Severity;

    fn fold(events: &[Event]) -> CaseState {
        let mut state = CaseState::default();
        for (n, event) in events.iter().enumerate() {
            state.apply(n as u64, fixture::TIME, &format!("h{n}"), event);
        }
        state
    }

    #[test]
    fn every_event_leaves_its_mark() {
        let state = fold(&fixture::one_of_each());
        assert_eq!(
            (state.seed, state.tool.as_str(), state.events, state.head.as_str()),
            (3, "0.1.0", 22, "h21")
        );
        assert_eq!(state.evidence, [fixture::item("E1", ItemState::Accepted)]);
        assert_eq!(state.changed, [("E1".to_owned(), "other bytes".to_owned())]);
        let ids: Vec<_> = state.procedures.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        assert_eq!(state.procedures[0].phase, Some(Phase::Detection));
        assert_eq!(state.procedures[2].phase, None, "not in the plan, not in the registry");
        assert_eq!(state.procedures[1].status, Status::Skipped("no clean images".into()));
        assert_eq!(state.procedures[2].status, Status::Stopped { done: 3, units: 10 });
        assert_eq!(state.procedures[3].status, Status::Failed("out of cheese".into()));
        assert_eq!(state.record("a").unwrap().findings[0].class, Some(7));
        assert_eq!(state.notes[0].1, "looks bad\n停 \\u{202e}", "line breaks stay, bidi is visible");
        assert!(state.requested.is_empty());
        assert_eq!(state.timeline.len(), 22);
        assert_eq!((state.analyst.as_str(), state.redacted.unwrap().0), ("ben", vec!["paths".to_owned()]));
        assert!(state.timeline.iter().all(|m| !m.what.is_empty() && !m.what.chars().any(char::is_control)));
    }

    #[test]
    fn findings_are_numbered_by_the_plan_and_not_by_who_ended_first() {
        let accuse = |id, class| ended(id, fixture::flagged(class, Severity::High));
        let start = [fixture::opened("x"), planned(&["a", "b"]), queued("a"), queued("b")];
        let one = fold(&[&start[..], &[accuse("a", 1), accuse("b", 2)]].concat());
        let other = fold(&[&start[..], &[accuse("b", 2), accuse("a", 1)]].concat());
        assert_eq!(one.findings, other.findings);
        let seen: Vec<_> = one.findings.iter().map(|f| (f.id.as_str(), f.finding.class)).collect();
        assert_eq!(seen, [("F1", Some(1)), ("F2", Some(2))]);
        assert_eq!(one.procedures, other.procedures);
    }

    #[test]
    fn a_second_run_replaces_findings_only_when_it_has_an_outcome() {
        let first = [
            fixture::opened("x"),
            planned(&["a"]),
            queued("a"),
            ended("a", fixture::flagged(1, Severity::High)),
            queued("a"),
            Event::JobStarted { procedure: "a".into() },
        ];
        let running = fold(&first);
        assert_eq!((running.findings.len(), &running.procedures[0].status), (1, &Status::Running));
        let stopped = Event::JobStopped { procedure: "a".into(), done: 1, units: 2 };
        let failed = Event::JobFailed { procedure: "a".into(), reason: "x".into() };
        for end in [stopped, failed] {
            let state = fold(&[&first[..], &[end]].concat());
            assert!(state.record("a").is_some() && state.findings.len() == 1, "the outcome stands");
        }
        let again = fold(&[&first[..], &[ended("a", fixture::flagged(2, Severity::Low))]].concat());
        assert_eq!(again.findings.len(), 1);
        assert_eq!(again.findings[0].finding.class, Some(2));
        let nothing = fold(&[&first[..], &[ended("a", fixture::record("none"))]].concat());
        assert!(nothing.findings.is_empty() && nothing.superseded.is_empty());
    }

    #[test]
    fn what_ran_when_the_program_went_away_waits_again() {
        let events = [
            fixture::opened("x"),
            planned(&["a", "b"]),
            Event::Requested { procedures: vec!["a".into(), "b".into()] },
            queued("a"),
            Event::JobStarted { procedure: "a".into() },
            Event::Resumed { tool: "0.1.0".into(), build: String::new(), analyst: String::new() },
        ];
        let state = fold(&events);
        assert_eq!(state.procedures[0].status, Status::Queued);
        assert_eq!(state.requested, ["a", "b"]);
    }

    #[test]
    fn text_of_a_foreign_journal_is_made_visible() {
        let mut record = fixture::flagged(1, Severity::Low);
        record.summary = "\u{1b}]0;x".into();
        record.findings[0].title = "a\nb\u{1b}".into();
        let state = fold(&[fixture::opened("x"), ended("a\u{1b}", record)]);
        assert_eq!(state.record("a\u{1b}").unwrap().summary, "\\u{1b}]0;x");
        assert_eq!(state.findings[0].finding.title, "a\\nb\\u{1b}");
        assert!(!state.timeline[1].what.contains('\u{1b}'));
    }
}
