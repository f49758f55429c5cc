//! Events for tests.

use super::{Event, InputRef, Judgement, Planned, Topic};
use crate::evidence::{CaseFile, Format, InputSpec, Item, ItemState, ModelEntry, Role, Untrusted};
use crate::procedure::{Concern, Confidence, Effort, Finding, Phase, Record, Severity, Verdict};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A time for records.
pub const TIME: &str = "2026-03-01T12:00:00.000Z";

/// A case file naming a model.
pub fn case_file(id: &str) -> CaseFile {
    CaseFile {
        id: id.into(),
        title: "Signs \u{202e} from a third party".into(),
        questions: vec!["Is the model backdoored?".into()],
        model: Some(ModelEntry {
            path: PathBuf::from("model.onnx"),
            architecture: None,
            sha256: None,
            signature: None,
            key: None,
            labels: None,
            input: Some(InputSpec {
                shape: [3, 32, 32],
                range: [0.0, 1.0],
                mean: vec![0.49],
                std: vec![0.1],
            }),
            analyse_flagged: false,
            external_data: false,
        }),
        data: Vec::new(),
        artefacts: Vec::new(),
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec!["pipeline".into()],
        text: "[case]\nid = \"x\"\n".into(),
        root: PathBuf::from("/evidence"),
    }
}

/// The first event of a session.
pub fn opened(id: &str) -> Event {
    Event::CaseOpened {
        case: case_file(id),
        tool: "0.1.0".into(),
        build: "x86_64-linux".into(),
        analyst: "ana".into(),
        seed: 3,
        effort: Effort::Standard,
        only: Vec::new(),
        phases: Vec::new(),
    }
}

/// A register line.
pub fn item(id: &str, state: ItemState) -> Item {
    Item {
        id: id.into(),
        role: Role::Model,
        path: Untrusted::new("mo\u{1b}del.onnx"),
        format: Format::Onnx,
        bytes: 10,
        sha256: "ab".repeat(32),
        files: 1,
        published: None,
        state,
        facts: vec![Untrusted::new("12 nodes")],
    }
}

/// A plan of detection procedures.
pub fn planned(ids: &[&str]) -> Event {
    let one = |id: &&str| Planned { id: (*id).into(), phase: Phase::Detection, version: 1 };
    Event::Planned { procedures: ids.iter().map(one).collect(), overrides: BTreeMap::new() }
}

/// A queued procedure.
pub fn queued(id: &str) -> Event {
    Event::JobQueued {
        procedure: id.into(),
        version: 1,
        params: json!({"steps": 100, "cost": 1e-3, "nested": [1, null, "x"]}),
        units: 10,
        inputs: vec![InputRef { id: "E1".into(), sha256: "ab".repeat(32) }],
    }
}

/// A record that found nothing.
pub fn record(summary: &str) -> Record {
    Record {
        verdict: Verdict::NothingFound,
        summary: summary.into(),
        statistic: json!(0.1),
        threshold: json!("inf"),
        threshold_origin: "a paper".into(),
        findings: Vec::new(),
        measures: BTreeMap::from([("l1".into(), json!([1.5, 2, -0.0, 1e300]))]),
        blobs: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: "small triggers only".into(),
    }
}

/// A record that accuses a class.
pub fn flagged(class: usize, severity: Severity) -> Record {
    let finding =
        Finding::new(Concern::Backdoor, severity, Confidence::Medium, "class accused", "by 3.7 > 2");
    Record {
        verdict: Verdict::Flagged,
        findings: vec![finding.class(class).on(&["E1".into()])],
        ..record("flagged")
    }
}

/// A finished procedure.
pub fn ended(id: &str, record: Record) -> Event {
    Event::JobEnded { procedure: id.into(), record, seconds: 1.25 }
}

/// Every type of event this version knows, in a possible order.
pub fn one_of_each() -> Vec<Event> {
    vec![
        opened("x"),
        Event::Recovered { bytes: 12, kept: "journal.torn-1".into() },
        planned(&["a", "b"]),
        Event::EvidenceAdded { item: item("E1", ItemState::Accepted) },
        Event::Requested { procedures: vec!["a".into(), "b".into()] },
        queued("a"),
        Event::JobStarted { procedure: "a".into() },
        ended("a", flagged(7, Severity::High)),
        Event::JobSkipped { procedure: "b".into(), reason: "no clean images".into() },
        Event::JobStopped { procedure: "c".into(), done: 3, units: 10 },
        Event::JobFailed { procedure: "d".into(), reason: "out of cheese".into() },
        Event::EvidenceChanged { id: "E1".into(), detail: "other bytes".into() },
        Event::Noted { text: "looks bad\n停 \u{202e}".into() },
        Event::Annotated { about: Topic::Evidence("E1".into()), text: "from the vendor's mirror".into() },
        Event::Judged {
            about: Topic::Finding { procedure: "a".into(), title: "class accused".into() },
            judgement: Judgement::Dismissed,
            reason: "a natural feature of the class".into(),
        },
        Event::Tagged {
            about: Topic::Sample { set: "E2".into(), index: 17 },
            tag: "sticker".into(),
            on: true,
        },
        Event::Undone { event: 15 },
        Event::Exported { format: "html".into(), sha256: "cd".repeat(32) },
        Event::Resumed { tool: "0.1.0".into(), build: "x86_64-linux".into(), analyst: "ben".into() },
        Event::EvidenceChecked { items: vec!["E1".into()], how: "sha256".into() },
        Event::Redacted { what: vec!["paths".into()], head: "ef".repeat(32) },
        Event::Sealed { analyst: "ben".into() },
    ]
}
