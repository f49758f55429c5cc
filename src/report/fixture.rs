//! A case made up for tests: every status, hostile names, every kind of figure.

use super::BlobSource;
use crate::case::{CaseState, Moment, Numbered, Planned, ProcedureState, Status};
use crate::evidence::{CaseFile, Format, Item, ItemState, Role, Untrusted};
use crate::figure::{Bar, Body, Figure, Group, Series, Thumbnail};
use crate::procedure::{About, Concern, Confidence, Cost, Effort, Finding, Phase, Record, Severity, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// What an attacker might call a class or a file.
pub const HOSTILE: &str = "<script>alert('x')</script>|\u{202e}gpj.\x1b[31m`](http://e.example/)*_\n# x";

/// Figures by hash.
pub struct Figures(pub BTreeMap<String, Figure>);

impl BlobSource for Figures {
    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.0.get(sha256).cloned().ok_or_else(|| "no such blob".to_owned())
    }
}

macro_rules! about {
    ($name:ident, $id:literal, $title:literal, $phase:ident, $needs:literal, $reference:literal) => {
        static $name: About = About {
            id: $id,
            title: $title,
            phase: Phase::$phase,
            version: 1,
            question: "What does it look like?",
            needs: $needs,
            reference: $reference,
            cost: Cost::Low,
            after: &[],
            page: "",
        };
    };
}
about!(INTEGRITY, "integrity", "Integrity", Triage, "any file", "FIPS 180-4");
about!(
    CLEANSE,
    "neural-cleanse",
    "Neural Cleanse",
    Detection,
    "a model and clean images",
    "Wang et al., S&P 2019"
);
about!(
    CLUSTERS,
    "activation-clustering",
    "Activation clustering",
    Detection,
    "a model and its training data",
    "Chen et al. 2018"
);
about!(STRIP, "strip", "STRIP", Detection, "a model, clean and suspect images", "Gao et al. 2019");
about!(
    REFINE,
    "refine-trigger",
    "Refine trigger",
    Recovery,
    "a model and clean images",
    "Wang et al., S&P 2019"
);
about!(PROBE, "trigger-probe", "Trigger probe", Impact, "a model and clean images", "Wilson 1927");
about!(MATCH, "toolkit-match", "Toolkit match", Attribution, "a recovered trigger", "published defaults");

pub fn known() -> Vec<&'static About> {
    vec![&INTEGRITY, &CLEANSE, &CLUSTERS, &STRIP, &REFINE, &PROBE, &MATCH]
}

fn hash(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn figures() -> BTreeMap<String, Figure> {
    let figure = |title: &str, body| Figure { title: title.to_owned(), body };
    let bars = (0..10).map(|c| Bar {
        label: if c == 3 { HOSTILE.to_owned() } else { format!("{c} speed limit") },
        value: if c == 7 { 4.31 } else { 0.3 + f64::from(c * 7 % 5) * 0.31 },
        flagged: c == 7,
        spread: None,
    });
    let cloud = |cx: f64, n: usize| {
        let at = |i: usize| (i as f64 * 2.4, (i as f64).sqrt() * 0.15);
        (0..n).map(|i| [cx + at(i).1 * at(i).0.cos(), at(i).1 * at(i).0.sin()]).collect()
    };
    let group = |name: &str, flagged, points| Group { name: name.into(), flagged, points, samples: vec![] };
    let square = |label: &str, channels: usize| {
        let lit = |i: usize| i / 28 > 23 && i % 28 > 23;
        let pixels =
            (0..784).flat_map(|i| vec![if lit(i) { 255 } else { (i * 7 % 90) as u8 }; channels]).collect();
        Thumbnail { label: label.into(), height: 28, width: 28, channels, pixels }
    };
    let curve = |f: fn(f64) -> f64| (0..40).map(|i| [f64::from(i) * 25.0, f(f64::from(i))]).collect();
    BTreeMap::from([
        (
            hash(1),
            figure(
                "Anomaly index per class",
                Body::Bars {
                    value_label: "anomaly index (MAD units)".into(),
                    bars: bars.collect(),
                    threshold: Some(2.0),
                },
            ),
        ),
        (
            hash(2),
            figure(
                "Class 7, first two components",
                Body::Scatter {
                    x_label: "component 1".into(),
                    y_label: "component 2".into(),
                    groups: vec![
                        group("larger cluster", false, cloud(0.0, 300)),
                        group("smaller cluster", true, cloud(4.0, 60)),
                    ],
                },
            ),
        ),
        (
            hash(3),
            figure(
                "Recovered trigger of class 7",
                Body::Thumbnails {
                    images: vec![
                        square("mask", 1),
                        square("pattern", 3),
                        square("class 2, stamped", 3),
                        square(HOSTILE, 3),
                    ],
                },
            ),
        ),
        (
            hash(4),
            figure(
                "Trigger refinement",
                Body::Lines {
                    x_label: "step".into(),
                    y_label: "value".into(),
                    series: vec![
                        Series { name: "loss".into(), points: curve(|x| 2.0 / (1.0 + x)) },
                        Series { name: "success rate".into(), points: curve(|x| 1.0 - (-x / 9.0).exp()) },
                    ],
                },
            ),
        ),
    ])
}

fn record(
    verdict: Verdict,
    summary: &str,
    statistic: serde_json::Value,
    threshold: serde_json::Value,
) -> Record {
    Record {
        verdict,
        summary: summary.into(),
        statistic,
        threshold,
        threshold_origin: "the paper's, section 4.2".into(),
        findings: vec![],
        measures: BTreeMap::new(),
        blobs: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: "Triggers that cover most of the image are not found.".into(),
    }
}

fn finding(concern: Concern, severity: Severity, confidence: Confidence, title: &str) -> Finding {
    Finding::new(
        concern,
        severity,
        confidence,
        title,
        format!("{title}: index 4.31 against 2.0 over 10 classes."),
    )
    .class(7)
    .on(&["E1".to_owned()])
}

fn procedure(id: &str, phase: Phase, status: Status) -> ProcedureState {
    let params = if id == "neural-cleanse" { json!({"steps": 1000, "rate": 0.1}) } else { json!({}) };
    ProcedureState { id: id.into(), phase: Some(phase), version: 1, params, status }
}

fn done(record: Record, seconds: f64) -> Status {
    Status::Finished { record: Box::new(record), seconds }
}

fn procedures() -> Vec<ProcedureState> {
    let mut cleanse = record(
        Verdict::Flagged,
        "Class 7 needs a much smaller trigger than the others: anomaly index 4.31, threshold 2.",
        json!(4.31),
        json!(2.0),
    );
    cleanse.measures = BTreeMap::from([
        ("l1".to_owned(), json!([31.0, 44.5, 7.25])),
        ("median".to_owned(), json!(41.0)),
        (HOSTILE.to_owned(), json!(HOSTILE)),
    ]);
    cleanse.figures = BTreeMap::from([("index".to_owned(), hash(1))]);
    cleanse.blobs = BTreeMap::from([("masks".to_owned(), hash(9))]);
    cleanse.findings = vec![finding(Concern::Backdoor, Severity::High, Confidence::High, "small")];
    let mut clusters = record(
        Verdict::Flagged,
        "Class 7 splits in two: 60 of 360 samples stand apart.",
        json!(0.62),
        json!(0.1),
    );
    clusters.figures = BTreeMap::from([("class".to_owned(), hash(2))]);
    let mut refine = record(
        Verdict::Flagged,
        "A 4×4 patch in the bottom-right corner sends 98 % of the images to class 7.",
        json!(0.98),
        json!(0.75),
    );
    refine.figures = BTreeMap::from([
        ("history".to_owned(), hash(4)),
        ("lost".to_owned(), hash(5)),
        ("trigger".to_owned(), hash(3)),
    ]);
    let mut probe = record(
        Verdict::Flagged,
        "The trigger works on 97.0 % of 200 unseen images; a random patch on 2.0 %.",
        json!(0.97),
        json!(0.2),
    );
    probe.measures = BTreeMap::from([
        ("baseline".to_owned(), json!(0.01)),
        ("success_rate".to_owned(), json!(0.97)),
        ("interval".to_owned(), json!([0.936, 0.986])),
        ("control_success_rate".to_owned(), json!(0.02)),
    ]);
    let mut tools = record(
        Verdict::Inconclusive,
        "Consistent with two toolkits that cannot be told apart by pixels.",
        json!(0.4),
        json!(null),
    );
    tools.measures = BTreeMap::from([(
        "candidates".to_owned(),
        json!([{"toolkit": "BackdoorBench", "attack": "badnet", "score": 0.41, "for": ["bottom-right corner"], "against": ["target 7, default 0"]}, {"toolkit": "none of the listed", "attack": "", "score": 0.22, "for": [], "against": []}]),
    )]);
    vec![
        procedure(
            "integrity",
            Phase::Triage,
            done(
                record(Verdict::NothingFound, "2 of 2 published digests match.", json!(null), json!(null)),
                0.02,
            ),
        ),
        procedure("neural-cleanse", Phase::Detection, done(cleanse, 61.254)),
        procedure("activation-clustering", Phase::Detection, done(clusters, 3.5)),
        procedure(
            "strip",
            Phase::Detection,
            Status::Skipped("no suspect images given: add a data set of role 'suspect'".into()),
        ),
        procedure(
            "spectral-signatures",
            Phase::Detection,
            Status::Failed(format!("the training data of {HOSTILE} holds one class")),
        ),
        procedure("refine-trigger", Phase::Recovery, done(refine, 8.0)),
        procedure("trigger-probe", Phase::Impact, done(probe, 1.0)),
        procedure("toolkit-match", Phase::Attribution, done(tools, 0.01)),
        procedure("taxonomy-mapping", Phase::Attribution, Status::Stopped { done: 1, units: 3 }),
    ]
}

fn item(id: &str, role: Role, path: &str, format: Format, state: ItemState) -> Item {
    Item {
        id: id.into(),
        role,
        path: Untrusted::new(path),
        format,
        bytes: 425_112,
        sha256: hash(10),
        files: 1,
        published: (id == "E1").then(|| hash(10)),
        state,
        facts: vec![Untrusted::new("12 nodes, 106 k parameters"), Untrusted::new(HOSTILE)],
    }
}

/// The case: flagged, incomplete, with hostile names everywhere.
pub fn case() -> (CaseState, Figures) {
    let procedures = procedures();
    let mut planned: Vec<_> = procedures
        .iter()
        .map(|p| Planned { id: p.id.clone(), phase: p.phase.unwrap(), version: p.version })
        .collect();
    planned.push(Planned { id: "near-duplicates".into(), phase: Phase::Detection, version: 1 });
    let numbered = |n: usize, procedure: &str, finding| Numbered {
        id: format!("F{n}"),
        procedure: procedure.into(),
        finding,
    };
    let file = CaseFile {
        id: "IR-2026-014".into(),
        title: format!("Traffic sign classifier {HOSTILE}"),
        questions: vec![
            "Is the model backdoored?".into(),
            "Which samples planted it?".into(),
            "What is for lunch?".into(),
        ],
        model: None,
        data: vec![],
        artefacts: vec![],
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec!["pipeline".into(), "deployment".into()],
        text: String::new(),
        root: "cases/it's here".into(),
    };
    let moment = |n: u64, what: &str, kind: &str| Moment {
        n,
        time: format!("2026-11-20T09:{n:02}:00Z"),
        what: what.into(),
        kind: kind.into(),
        who: format!("ana {HOSTILE}"),
        hash: hash(0xa0 + n as u8),
    };
    let state = CaseState {
        case: Some(file),
        tool: "0.1.0".into(),
        build: "x86_64-unknown-linux-gnu".into(),
        seed: 7,
        effort: Effort::Thorough,
        planned,
        evidence: vec![
            item("E1", Role::Model, "model.onnx", Format::Onnx, ItemState::Accepted),
            item("E2", Role::Training, HOSTILE, Format::Safetensors, ItemState::Accepted),
            item(
                "E3",
                Role::Suspect,
                "suspect.npz",
                Format::Npz,
                ItemState::Refused("suspect.npz: member images.npy: cut off at byte 90".into()),
            ),
        ],
        procedures,
        findings: vec![
            numbered(
                1,
                "neural-cleanse",
                finding(
                    Concern::Backdoor,
                    Severity::High,
                    Confidence::High,
                    &format!("Class 7 ({HOSTILE}) has a small universal trigger"),
                ),
            ),
            numbered(
                2,
                "activation-clustering",
                finding(
                    Concern::DataPoisoning,
                    Severity::Medium,
                    Confidence::Medium,
                    "Class 7 holds a second cluster of 60 samples",
                ),
            ),
        ],
        notes: vec![("2026-11-20T09:20:00Z".into(), format!("looked at {HOSTILE}"))],
        timeline: vec![
            moment(0, "case opened", "case_opened"),
            moment(1, &format!("E2 {HOSTILE} accepted"), "evidence_added"),
            moment(9, "neural-cleanse flagged", "job_ended"),
        ],
        events: 31,
        head: hash(0xab),
        ..CaseState::default()
    };
    (state, Figures(figures()))
}
