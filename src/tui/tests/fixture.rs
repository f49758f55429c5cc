//! Cases made up for the tests: nothing yet, at work, gone wrong, complete; and one full of hostile text.

use crate::case::{CaseState, Event, Judgement, Moment, Numbered, Planned, ProcedureState, Status, Topic};
use crate::evidence::{CaseFile, Format, Item, ItemState, Role, Untrusted};
use crate::figure::{Bar, Body, Figure, Group, Series, Thumbnail};
use crate::investigation::LiveJob;
use crate::procedure::{About, Concern, Confidence, Cost, Finding, Phase, Record, Severity, Verdict};
use crate::tui::source::{Position, Request, Source, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A source that holds still.
pub(crate) struct Fixture {
    pub(crate) state: CaseState,
    pub(crate) live: Vec<LiveJob>,
    pub(crate) figures: BTreeMap<String, Figure>,
    pub(crate) position: Option<Position>,
    pub(crate) asked: Vec<Request>,
    pub(crate) log: Option<std::sync::mpsc::Sender<Request>>,
    /// Whether something happened since the last look.
    pub(crate) fresh: bool,
}

impl Source for Fixture {
    fn poll(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }
    fn state(&self) -> Arc<CaseState> {
        Arc::new(self.state.clone())
    }
    fn live(&self) -> Vec<LiveJob> {
        self.live.clone()
    }
    fn figure(&self, sha256: &str) -> Result<Figure, String> {
        self.figures.get(sha256).cloned().ok_or_else(|| format!("blob {sha256}: missing"))
    }
    fn ask(&mut self, request: Request) -> Result<String, String> {
        if let Some(log) = &self.log {
            let _ = log.send(request.clone());
        }
        if let (Request::Step(step), Some(at)) = (&request, &mut self.position) {
            at.n = match step {
                Step::Back | Step::FindingBack => at.n.saturating_sub(1).max(1),
                Step::On | Step::FindingOn => (at.n + 1).min(at.total),
                Step::First => 1,
                Step::Last => at.total,
                Step::Play => at.n,
            };
        }
        if let Request::Work(event) = &request {
            let n = self.state.timeline.last().map_or(0, |m| m.n + 1);
            self.state.apply(n, "2026-03-02T10:31:00Z", "77b0e2", event);
            self.fresh = true;
        }
        if let Request::Stop(id) = &request {
            self.live.retain(|j| j.procedure != *id);
        }
        self.asked.push(request);
        Ok("done".into())
    }
    fn position(&self) -> Option<Position> {
        self.position
    }
    fn read_only(&self) -> Option<String> {
        self.position.map(|_| "a replay is read-only".into())
    }
    fn about(&self, id: &str) -> Option<&'static About> {
        ABOUTS.iter().find(|a| a.id == id)
    }
}

const fn about(id: &'static str, title: &'static str, phase: Phase, question: &'static str) -> About {
    About {
        id,
        title,
        phase,
        version: 1,
        question,
        needs: "a model, clean images",
        reference: "a paper, 2019",
        cost: Cost::Medium,
        after: &[],
        page: "# Looks at\n\nThe smallest change that sends every image to a class.\n\n# Wrong when\n\nThe trigger is large or moves.",
    }
}

static ABOUTS: [About; 9] = [
    about("integrity", "Integrity", Phase::Triage, "Are these the files that were published?"),
    about("format-safety", "Format safety", Phase::Triage, "Can opening these files run code?"),
    about(
        "neural-cleanse",
        "Neural Cleanse",
        Phase::Detection,
        "Is there a class that a small trigger can reach?",
    ),
    about(
        "activation-clustering",
        "Activation clustering",
        Phase::Detection,
        "Do the samples of a class fall in two groups?",
    ),
    about(
        "spectral-signatures",
        "Spectral signatures",
        Phase::Detection,
        "Do some samples leave a trace in the spectrum?",
    ),
    about("refine-trigger", "Trigger refinement", Phase::Recovery, "What does the trigger look like?"),
    about("trigger-probe", "Trigger probe", Phase::Impact, "How often does the trigger work?"),
    about("taxonomy-mapping", "Taxonomy mapping", Phase::Attribution, "Which known techniques are these?"),
    about("toolkit-match", "Toolkit match", Phase::Attribution, "Whose defaults does it resemble?"),
];

fn thumbnail(label: &str, channels: usize, value: impl Fn(usize, usize, usize) -> u8) -> Thumbnail {
    let side = 28;
    let at = |i: usize| (i / channels / side, i / channels % side, i % channels);
    let pixels = (0..side * side * channels).map(|i| {
        let (r, c, k) = at(i);
        value(r, c, k)
    });
    Thumbnail { label: label.into(), height: side, width: side, channels, pixels: pixels.collect() }
}

fn in_patch(r: usize, c: usize) -> bool {
    (23..27).contains(&r) && (23..27).contains(&c)
}

fn digit(r: usize, c: usize) -> u8 {
    let (y, x) = (r as f64 - 13.5, c as f64 - 13.5);
    let ring = ((x * x * 1.6 + y * y).sqrt() - 8.0).abs();
    (255.0 * (1.0 - ring / 2.5).clamp(0.0, 1.0)) as u8
}

pub(crate) fn figures() -> BTreeMap<String, Figure> {
    let anomaly = [0.30, 0.74, 1.19, 0.67, 1.02, 0.21, 0.56, 4.31, 1.45, 0.88];
    let bars = anomaly
        .iter()
        .enumerate()
        .map(|(i, &value)| Bar {
            label: i.to_string(),
            value,
            flagged: value > 2.0,
            spread: Some([0.8 * value, 1.15 * value]),
        })
        .collect();
    let cloud = |n: usize, x: f64, y: f64, spread: f64| -> Vec<[f64; 2]> {
        (0..n)
            .map(|i| {
                let (a, r) = (i as f64 * 2.399_963, (i as f64 / n as f64).sqrt() * spread);
                [x + r * a.cos(), y + r * a.sin() * 0.6]
            })
            .collect()
    };
    let group = |name: &str, flagged, points: Vec<[f64; 2]>| Group {
        name: name.into(),
        flagged,
        points,
        samples: vec![],
    };
    let curve = |name: &str, f: fn(f64) -> f64| Series {
        name: name.into(),
        points: (0..60).map(|i| [f64::from(i) * 5.0, f(f64::from(i) / 59.0)]).collect(),
    };
    let classes: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    let per_source = (0..10)
        .filter(|&i| i != 7)
        .map(|i| Bar {
            label: i.to_string(),
            value: 0.99 - f64::from(i) * 0.011,
            flagged: true,
            spread: None,
        })
        .collect();
    let heat =
        (0..100).map(|i| if i % 10 == 7 { 0.96 } else { f64::from(u8::from(i % 11 == 0)) * 0.03 }).collect();
    let figure = |title: &str, body| Figure { title: title.into(), body };
    [
        (
            "anomaly",
            figure(
                "Anomaly index per class",
                Body::Bars { value_label: "MADs from the median".into(), bars, threshold: Some(2.0) },
            ),
        ),
        (
            "pca/7",
            figure(
                "Class 7 in its first two principal components",
                Body::Scatter {
                    x_label: "component 1".into(),
                    y_label: "component 2".into(),
                    groups: vec![
                        group("cluster 0", false, cloud(540, -2.0, 0.0, 4.0)),
                        group("cluster 1", true, cloud(60, 7.0, 3.0, 1.2)),
                    ],
                },
            ),
        ),
        (
            "trigger",
            figure(
                "Trigger for class 7",
                Body::Thumbnails {
                    images: vec![
                        thumbnail("mask", 1, |r, c, _| if in_patch(r, c) { 250 } else { 0 }),
                        thumbnail("pattern", 3, |r, c, k| if in_patch(r, c) { [255, 220, 0][k] } else { 90 }),
                        thumbnail("original", 3, |r, c, _| digit(r, c)),
                        thumbnail(
                            "stamped",
                            3,
                            |r, c, k| if in_patch(r, c) { [255, 220, 0][k] } else { digit(r, c) },
                        ),
                    ],
                },
            ),
        ),
        (
            "history",
            figure(
                "Loss and success over the steps",
                Body::Lines {
                    x_label: "step".into(),
                    y_label: "loss, share".into(),
                    series: vec![
                        curve("loss", |t| 2.3 * (-4.0 * t).exp() + 0.1),
                        curve("success", |t| 1.0 - (-5.0 * t).exp()),
                    ],
                },
            ),
        ),
        (
            "per-source",
            figure(
                "Success per source class",
                Body::Bars {
                    value_label: "share sent to class 7".into(),
                    bars: per_source,
                    threshold: Some(0.5),
                },
            ),
        ),
        (
            "sources",
            figure(
                "Where stamped images go",
                Body::Heat {
                    row_label: "true class".into(),
                    column_label: "prediction".into(),
                    value_label: "share".into(),
                    rows: classes.clone(),
                    columns: classes,
                    values: heat,
                },
            ),
        ),
    ]
    .into_iter()
    .map(|(name, figure)| (name.to_owned(), figure))
    .collect()
}

fn item(id: &str, role: Role, path: &str, format: Format, bytes: u64, state: ItemState, fact: &str) -> Item {
    Item {
        id: id.into(),
        role,
        path: Untrusted::new(path),
        format,
        bytes,
        sha256: if bytes == 0 {
            String::new()
        } else {
            "3fa90b7d5e6c1122334455667788990011223344556677889900aabbccddeec1".into()
        },
        files: 1,
        published: None,
        state,
        facts: vec![Untrusted::new(fact)],
    }
}

fn case() -> CaseFile {
    CaseFile {
        id: "IR-2026-014".into(),
        title: "Digit classifier from a third party".into(),
        questions: vec!["Is the model backdoored?".into()],
        model: None,
        data: vec![],
        artefacts: vec![],
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec![],
        text: String::new(),
        root: PathBuf::from("."),
    }
}

fn record(
    verdict: Verdict,
    summary: &str,
    statistic: Value,
    threshold: Value,
    measures: Value,
    figures: &[&str],
) -> Status {
    let measures: BTreeMap<String, Value> = measures.as_object().unwrap().clone().into_iter().collect();
    let record = Record {
        verdict,
        summary: summary.into(),
        statistic,
        threshold,
        threshold_origin: "the paper, section 4".into(),
        findings: vec![],
        measures,
        blobs: BTreeMap::new(),
        figures: figures.iter().map(|n| ((*n).to_owned(), (*n).to_owned())).collect(),
        limits: "Triggers larger than a quarter of the image, or that move, are not seen.".into(),
    };
    Status::Finished { record: Box::new(record), seconds: 12.1 }
}

fn fixture(statuses: Vec<(&str, Status)>, evidence: Vec<Item>) -> Fixture {
    let planned = ABOUTS.iter().map(|a| Planned { id: a.id.into(), phase: a.phase, version: 1 }).collect();
    let procedures = statuses
        .into_iter()
        .map(|(id, status)| ProcedureState {
            id: id.into(),
            phase: ABOUTS.iter().find(|a| a.id == id).map(|a| a.phase),
            version: 1,
            params: json!({"steps": 1000, "lambda": 0.001}),
            status,
        })
        .collect();
    let mut state = CaseState { case: Some(case()), planned, procedures, evidence, ..CaseState::default() };
    let says = [
        "case opened, seed 0",
        "evidence E1 accepted: badnet-mnist.onnx",
        "neural-cleanse queued",
        "neural-cleanse started",
    ];
    for (n, what) in says.iter().enumerate() {
        state.timeline.push(Moment {
            n: n as u64,
            time: format!("2026-03-02T10:22:{:02}.125Z", 31 + n),
            what: (*what).into(),
            hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            ..Moment::default()
        });
    }
    state.events = 4;
    Fixture {
        state,
        live: vec![],
        figures: figures(),
        position: None,
        asked: vec![],
        log: None,
        fresh: false,
    }
}

fn register() -> Vec<Item> {
    vec![
        item(
            "E1",
            Role::Model,
            "badnet-mnist.onnx",
            Format::Onnx,
            431_233,
            ItemState::Accepted,
            "ONNX opset 17, 12 nodes, 106 k parameters",
        ),
        item(
            "E2",
            Role::Training,
            "train.safetensors",
            Format::Safetensors,
            47_040_123,
            ItemState::Accepted,
            "6,000 images 28×28×1, 10 classes",
        ),
        item(
            "E3",
            Role::Clean,
            "clean/",
            Format::ImageFolder,
            812_000,
            ItemState::Accepted,
            "1,000 images 28×28×1",
        ),
    ]
}

/// Opened a moment ago: no event but the first.
pub(crate) fn empty() -> Fixture {
    let mut f = fixture(vec![], vec![]);
    f.state = CaseState { timeline: vec![], ..CaseState::default() };
    f
}

/// Evidence is in, jobs run, with partial figures.
pub(crate) fn running() -> Fixture {
    let job = |id: &str, running, done, total, figures: &[&str]| LiveJob {
        procedure: id.into(),
        running,
        stopping: false,
        done,
        total,
        elapsed: Duration::from_secs(27),
        eta: running.then_some(Duration::from_secs(38)),
        figures: self::figures().into_iter().filter(|(n, _)| figures.contains(&n.as_str())).collect(),
        log: vec!["class 4 of 10: mask 31.2 pixels, success 99.1 %".into()],
    };
    let mut f = fixture(
        vec![
            (
                "integrity",
                record(
                    Verdict::NothingFound,
                    "No published digest differs.",
                    Value::Null,
                    Value::Null,
                    json!({}),
                    &[],
                ),
            ),
            (
                "format-safety",
                record(
                    Verdict::NothingFound,
                    "Nothing that runs when loaded.",
                    Value::Null,
                    Value::Null,
                    json!({}),
                    &[],
                ),
            ),
            ("neural-cleanse", Status::Running),
            ("activation-clustering", Status::Running),
            ("spectral-signatures", Status::Queued),
            ("refine-trigger", Status::Running),
            ("trigger-probe", Status::Running),
            ("taxonomy-mapping", Status::Queued),
        ],
        register(),
    );
    f.live = vec![
        job("neural-cleanse", true, 41, 100, &["anomaly"]),
        job("activation-clustering", true, 7, 10, &["pca/7"]),
        job("spectral-signatures", false, 0, 0, &[]),
        job("refine-trigger", true, 120, 300, &["trigger", "history"]),
        job("trigger-probe", true, 3, 40, &[]),
        job("taxonomy-mapping", false, 0, 0, &[]),
    ];
    f
}

/// Refused evidence, failed, stopped, skipped and interrupted procedures.
pub(crate) fn failed() -> Fixture {
    let mut evidence = register();
    evidence[1].state =
        ItemState::Refused("train.safetensors: byte 812: tensor 'images' ends after the file".into());
    evidence[0].published = Some("00ff".into());
    let mut f = fixture(
        vec![
            ("integrity", Status::Failed("badnet-mnist.onnx: changed while it was read".into())),
            ("format-safety", Status::Stopped { done: 1, units: 3 }),
            (
                "neural-cleanse",
                Status::Failed(
                    "node 'conv1': operator 'LSTM' is not supported; export the model without it".into(),
                ),
            ),
            (
                "activation-clustering",
                Status::Skipped("no training data: add it with role = \"training\"".into()),
            ),
            ("spectral-signatures", Status::Stopped { done: 4, units: 10 }),
            ("refine-trigger", Status::Failed("neural-cleanse gave no class to start from".into())),
            ("trigger-probe", Status::Stopped { done: 12, units: 40 }),
            ("taxonomy-mapping", Status::Failed("a worker panicked: index out of bounds".into())),
            ("toolkit-match", Status::Running),
        ],
        evidence,
    );
    f.state.changed.push(("E3".into(), "clean/0017.png: 812 bytes at intake, 0 now".into()));
    f.state.timeline.push(Moment {
        n: 4,
        time: "2026-03-02T10:23:02Z".into(),
        what: "neural-cleanse failed: node 'conv1'".into(),
        hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        ..Moment::default()
    });
    f
}

/// Everything finished.
pub(crate) fn full() -> Fixture {
    let nc = json!({"l1": [71.0, 64.2, 55.1, 66.0, 59.3, 70.0, 67.8, 11.9, 50.2, 61.7], "median": 62.9, "mad": 7.9,
        "anomaly_index": [0.3, 0.74], "success_rate": [1.0, 0.99]});
    let mapping = json!({"mapping": [
        {
            "procedure": "neural-cleanse", "finding": "A small trigger reaches class 7 from every other class", "class": 7,
            "atlas": [
                {"id": "AML.T0018.000", "name": "Manipulate AI Model: Poison AI Model", "tactics": ["Persistence"], "relation": "primary"},
                {"id": "AML.T0043.004", "name": "Craft Adversarial Data: Insert Backdoor Trigger", "tactics": ["AI Attack Staging"], "relation": "related"},
            ],
            "owasp": [{"id": "LLM04:2025", "name": "Data and Model Poisoning"}],
            "nist": [{"id": "NISTAML.023", "name": "Backdoor Poisoning"}], "cwe": [],
            "mitigations": [{"id": "AML.M0014", "name": "Verify AI Artifacts"}],
        },
        {
            "procedure": "activation-clustering", "finding": "60 samples of class 7 stand apart", "class": 7,
            "atlas": [{"id": "AML.T0020", "name": "Poison Training Data", "tactics": ["Resource Development"], "relation": "primary"}],
            "owasp": [{"id": "LLM04:2025", "name": "Data and Model Poisoning"}], "nist": [], "cwe": [], "mitigations": [],
        },
    ]});
    let candidates = json!({"candidates": [
        {"toolkit": "TrojanZoo", "attack": "badnet", "score": 0.62, "likelihood_ratio": 4.1, "source": "defaults read in the code",
            "for": ["3×3 to 4×4 patch (ratio 3.20)", "lower right corner (ratio 2.10)"], "against": ["patch is yellow, the default is white (ratio 0.40)"], "neutral": []},
        {"toolkit": "BackdoorBench", "attack": "badnet", "score": 0.21, "likelihood_ratio": 1.2, "source": "",
            "for": ["patch in the lower right corner (ratio 2.10)"], "against": [], "neutral": []},
        {"toolkit": "none of the listed", "attack": "", "score": 0.17, "likelihood_ratio": 1.0, "source": "", "for": [], "against": [], "neutral": []},
    ]});
    let mut f = fixture(
        vec![
            (
                "integrity",
                record(
                    Verdict::NothingFound,
                    "No published digest differs.",
                    Value::Null,
                    Value::Null,
                    json!({}),
                    &[],
                ),
            ),
            (
                "format-safety",
                record(
                    Verdict::NothingFound,
                    "Nothing that runs when loaded.",
                    Value::Null,
                    Value::Null,
                    json!({}),
                    &[],
                ),
            ),
            (
                "neural-cleanse",
                record(
                    Verdict::Flagged,
                    "Class 7 can be reached by a mask of 11.9 pixels; anomaly index 4.31.",
                    json!(4.31),
                    json!(2.0),
                    nc,
                    &["anomaly"],
                ),
            ),
            (
                "activation-clustering",
                record(
                    Verdict::Flagged,
                    "60 of 600 samples of class 7 stand apart.",
                    json!(0.31),
                    json!(0.15),
                    json!({}),
                    &["pca/7"],
                ),
            ),
            (
                "spectral-signatures",
                record(Verdict::Inconclusive, "Scores overlap.", json!(1.2), Value::Null, json!({}), &[]),
            ),
            (
                "refine-trigger",
                record(
                    Verdict::Flagged,
                    "A 4×4 patch in the lower right corner sends 99.2 % to class 7.",
                    json!(11.2),
                    Value::Null,
                    json!({"target": 7, "l1": 11.2, "success_rate": 0.992}),
                    &["trigger", "history"],
                ),
            ),
            (
                "trigger-probe",
                record(
                    Verdict::Flagged,
                    "The trigger works 97.8 % of the time; a random patch of the same size 2.9 %.",
                    json!(0.978),
                    json!(0.5),
                    json!({"target": 7, "baseline": 0.004, "success_rate": 0.978, "interval": [0.961, 0.989], "control_success_rate": 0.029}),
                    &["per-source", "sources"],
                ),
            ),
            (
                "taxonomy-mapping",
                record(Verdict::Flagged, "3 techniques.", Value::Null, Value::Null, mapping, &[]),
            ),
            (
                "toolkit-match",
                record(Verdict::Inconclusive, "2 candidates.", Value::Null, Value::Null, candidates, &[]),
            ),
        ],
        register(),
    );
    let finding = |concern, severity, title: &str| {
        Finding::new(
            concern,
            severity,
            Confidence::High,
            title,
            "Mask L1 11.9 against a median of 62.9 (MAD 7.9).",
        )
        .class(7)
        .on(&["E1".to_owned()])
    };
    for (n, (procedure, finding)) in [
        (
            "neural-cleanse",
            finding(
                Concern::Backdoor,
                Severity::High,
                "A small trigger reaches class 7 from every other class",
            ),
        ),
        (
            "activation-clustering",
            finding(Concern::DataPoisoning, Severity::Medium, "60 samples of class 7 stand apart"),
        ),
        (
            "trigger-probe",
            finding(Concern::Backdoor, Severity::Critical, "The trigger works 97.8 % of the time"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        f.state.findings.push(Numbered { id: format!("F{}", n + 1), procedure: procedure.into(), finding });
    }
    f.state.notes.push(("2026-03-02T10:30:00Z".into(), "compare with the vendor's release".into()));
    f.state.timeline.push(Moment {
        n: 4,
        time: "2026-03-02T10:24:40Z".into(),
        what: "neural-cleanse finished: flagged".into(),
        hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        ..Moment::default()
    });
    f.state.timeline.push(Moment {
        n: 5,
        time: "2026-03-02T10:30:00Z".into(),
        what: "note: compare with the vendor's release".into(),
        hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        ..Moment::default()
    });
    f
}

/// [`full`], stepped back to some event.
pub(crate) fn replay() -> Fixture {
    let mut f = full();
    f.position = Some(Position { n: 6, total: 9, speed: 0 });
    f
}

/// Text that tries to act on the terminal, wherever text can come from.
pub(crate) const HOSTILE: &str = "\x1b[2J\u{202e}evil\u{200b}\u{9b}31m\r\n\t\u{7f}停e\u{301}\u{301}\u{301}\u{301}\u{301}👩\u{200d}🚀\u{feff}";

/// [`full`] and [`failed`] with every text hostile.
pub(crate) fn hostile(mut f: Fixture) -> Fixture {
    let text = || HOSTILE.repeat(3);
    let mut case = case();
    (case.id, case.title) = (text(), text());
    f.state.case = Some(case);
    for item in &mut f.state.evidence {
        item.id = text();
        item.path = Untrusted::new(text());
        item.sha256 = text();
        item.facts = vec![Untrusted::new(text())];
        item.published = Some(text());
        if let ItemState::Refused(why) = &mut item.state {
            *why = text();
        }
    }
    for p in &mut f.state.procedures {
        p.params = json!({HOSTILE: HOSTILE});
        match &mut p.status {
            Status::Failed(why) | Status::Skipped(why) => *why = text(),
            Status::Finished { record, .. } => {
                (record.summary, record.limits, record.threshold_origin) = (text(), text(), text());
                record.statistic = Value::from(text());
                record.measures.insert(text(), json!({HOSTILE: [HOSTILE, 1, null]}));
                for name in ["mapping", "candidates"] {
                    if let Some(Value::Array(list)) = record.measures.get_mut(name) {
                        list.push(json!({"atlas": [{"id": HOSTILE, "name": HOSTILE, "tactics": [HOSTILE]}], "finding": HOSTILE,
                            "toolkit": HOSTILE, "for": [HOSTILE], "against": HOSTILE, HOSTILE: 1}));
                    }
                }
            }
            _ => {}
        }
    }
    let odd = ProcedureState {
        id: text(),
        phase: None,
        version: 9,
        params: Value::Null,
        status: Status::Failed(text()),
    };
    f.state.procedures.push(odd);
    for n in &mut f.state.findings {
        (n.id, n.finding.title, n.finding.detail) = (text(), text(), text());
        n.finding.evidence.push(text());
    }
    for (n, finding) in f.state.findings.clone().iter().enumerate() {
        let about = Topic::finding(finding);
        let events = [
            Event::Judged { about: about.clone(), judgement: Judgement::Confirmed, reason: text() },
            Event::Tagged { about: about.clone(), tag: text(), on: true },
            Event::Annotated { about, text: text() },
        ];
        for (k, event) in events.iter().enumerate() {
            f.state.apply((100 + 10 * n + k) as u64, &text(), &text(), event);
        }
    }
    for m in &mut f.state.timeline {
        (m.time, m.what, m.hash) = (text(), text(), text());
    }
    for j in &mut f.live {
        j.log.push(text());
    }
    for figure in f.figures.values_mut() {
        figure.title = text();
        match &mut figure.body {
            Body::Bars { bars, value_label, .. } => {
                *value_label = text();
                bars.iter_mut().for_each(|b| b.label = text());
            }
            Body::Scatter { groups, x_label, .. } => {
                *x_label = text();
                groups.iter_mut().for_each(|g| g.name = text());
            }
            Body::Lines { series, y_label, .. } => {
                *y_label = text();
                series.iter_mut().for_each(|s| s.name = text());
            }
            Body::Heat { rows, columns, .. } => rows.iter_mut().chain(columns).for_each(|r| *r = text()),
            Body::Thumbnails { images } => images.iter_mut().for_each(|i| i.label = text()),
            Body::Histogram { .. } => {}
        }
    }
    f.log = None;
    f
}
