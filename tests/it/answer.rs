//! From "flagged" to an answer, over models of known truth: where the recovered trigger lies, whether it works as well as the
//! true one, what kind it is said to be, and whose defaults it is said to resemble.

use crate::shared;
use laocoon::case::CaseState;
use laocoon::evidence::{CaseFile, Limits};
use laocoon::investigation::{Investigation, Options};
use laocoon::procedure::{Effort, Record, Tensor, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What is asked for.
const ASKED: [&str; 2] = ["trigger-probe", "trigger-kind"];

struct Examined {
    state: CaseState,
    investigation: Investigation,
    _session: tempfile::TempDir,
}

fn examine(case: &Path, asked: &[&str]) -> Examined {
    let session = tempfile::tempdir().unwrap();
    let target = CaseFile::read(case, &Limits::default()).unwrap();
    let mut investigation = Investigation::open(Options {
        target,
        session: session.path().join("session"),
        seed: 0,
        effort: Effort::Standard,
        threads: 0,
        only: asked.iter().map(ToString::to_string).collect(),
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        analyst: "ana".into(),
    })
    .unwrap();
    investigation.run_all().unwrap();
    while !investigation.finished() {
        investigation.wait(Duration::from_secs(1));
    }
    let state = CaseState::clone(&investigation.state());
    Examined { state, investigation, _session: session }
}

impl Examined {
    fn record(&self, id: &str) -> Option<&Record> {
        self.state.record(id)
    }

    fn measure(&self, id: &str, name: &str) -> Value {
        self.record(id).and_then(|r| r.measures.get(name)).cloned().unwrap_or(Value::Null)
    }

    /// The mask of a procedure as H×W values, the largest over channels.
    fn mask(&self, id: &str) -> Option<Vec<f32>> {
        let (_, tensor) = self.investigation.blobs().tensor(self.record(id)?.blobs.get("mask")?).unwrap();
        let Tensor::F32(mask) = tensor else { return None };
        let pixels = mask.shape().iter().rev().take(2).product();
        let all: Vec<f32> = mask.iter().copied().collect();
        Some((0..pixels).map(|i| all.iter().skip(i).step_by(pixels).copied().fold(0.0, f32::max)).collect())
    }
}

/// Covered pixels of the true trigger, H·W, and the width: the mask, or where stamped images differ from clean ones.
fn true_mask(id: &str) -> Option<(Vec<bool>, usize)> {
    let file = format!("zoo/{id}/truth_trigger.safetensors");
    if !id.starts_with("external") {
        let (shape, mask) = shared::tensor(&file, "mask")?;
        return Some((mask.iter().map(|&m| m > 0.0).collect(), shape[1]));
    }
    let (shape, stamped) = shared::tensor(&file, "images")?;
    let (_, clean) = shared::tensor(&file, "clean_images")?;
    let (pixels, channels) = (shape[1] * shape[2], shape[3]);
    let differs = |i: usize| {
        let places = (0..shape[0]).flat_map(|n| (0..channels).map(move |c| (n * pixels + i) * channels + c));
        places.clone().filter(|&at| (stamped[at] - clean[at]).abs() > 8.0).count() * 4 > shape[0]
    };
    Some(((0..pixels).map(differs).collect(), shape[2]))
}

/// Intersection over union, and the distance between the centres in pixels.
fn compare(mask: &[f32], truth: &[bool], width: usize) -> (f64, f64) {
    let own: Vec<bool> = mask.iter().map(|&m| m >= 0.5).collect();
    let both = own.iter().zip(truth).filter(|(a, b)| **a && **b).count() as f64;
    let any = own.iter().zip(truth).filter(|(a, b)| **a || **b).count() as f64;
    let centre = |of: &[bool]| {
        let at: Vec<usize> = (0..of.len()).filter(|&i| of[i]).collect();
        let n = at.len().max(1) as f64;
        let sum = |f: &dyn Fn(usize) -> usize| at.iter().map(|&i| f(i) as f64).sum::<f64>() / n;
        (sum(&|i| i / width), sum(&|i| i % width))
    };
    let ((y, x), (v, u)) = (centre(&own), centre(truth));
    (both / any.max(1.0), (y - v).hypot(x - u))
}

/// The backdoored models of the zoo: the true kind of trigger, and whether it is a plain patch.
const ZOO: [(&str, &str, bool); 12] = [
    ("d02", "patch", true),
    ("d04", "patch", true),
    ("d06", "patch", true),
    ("d08", "patch", true),
    ("d09", "blend", false),
    ("d11", "patch", true),
    ("d13", "patch", false),
    ("d14", "sinusoid", false),
    ("external/xd1", "patch", true),
    ("external/xd2", "patch", true),
    ("external/xd3", "patch", true),
    ("external/xd4", "patch", true),
];

/// Over the zoo, `FILE` chooses `case.toml` (default) or `model-only.toml`, `ZOO` names cases.
#[test]
#[ignore = "minutes: cargo test --release --test it recovered_triggers -- --ignored --nocapture"]
fn recovered_triggers_lie_where_the_true_ones_do() {
    let chosen = std::env::var("ZOO").ok();
    let file = std::env::var("FILE").unwrap_or_else(|_| "case.toml".into());
    let (mut placed, mut works, mut told) = ([0, 0], [0, 0], [0, 0]);
    println!("case | target | found | from | pixels | IoU | centre | success | true | kind | true kind");
    for (id, kind, patch) in ZOO {
        if chosen.as_ref().is_some_and(|c| !c.split(',').any(|c| c == id)) {
            continue;
        }
        let Some(path) = shared::path(&format!("zoo/{id}/{file}")) else { return };
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        let got = examine(&path, &ASKED);
        let found = got.measure("trigger-probe", "target") == truth["target"];
        let flagged = ["refine-trigger", "sample-recovery", "trigger-probe"]
            .iter()
            .any(|p| got.record(p).is_some_and(|r| r.verdict == Verdict::Flagged));
        let place = got
            .mask("refine-trigger")
            .filter(|_| kind == "patch")
            .and_then(|m| Some((m, true_mask(id)?)))
            .map(|(m, (t, w))| compare(&m, &t, w));
        let success = got.measure("trigger-probe", "success_rate").as_f64().unwrap_or(0.0);
        let of_truth = truth["asr"].as_f64().unwrap_or(1.0);
        let said = got.measure("trigger-kind", "kind");
        let number = |id: &str, name: &str| got.measure(id, name);
        println!(
            "{id} | {} | {} | {} | {} | {:.2} | {:.1} | {success:.3} | {of_truth:.3} | {said} | {kind}",
            truth["target"],
            number("trigger-probe", "target"),
            number("refine-trigger", "from"),
            number("refine-trigger", "covered_pixels"),
            place.map_or(f64::NAN, |p| p.0),
            place.map_or(f64::NAN, |p| p.1),
        );
        for id in ["sample-recovery", "trigger-kind", "trigger-tolerance", "severity", "toolkit-match"] {
            if let Some(record) = got.record(id) {
                println!("    {id}: {}: {}", record.verdict.name(), record.summary);
            } else {
                println!("    {id}: {:?}", got.state.procedure(id).map(|p| &p.status));
            }
        }
        if flagged && found {
            told[1] += 1;
            told[0] += usize::from(said == kind);
            if patch {
                works[1] += 1;
                works[0] += usize::from(success >= 0.9 * of_truth);
                if let Some((overlap, apart)) = place {
                    placed[1] += 1;
                    placed[0] += usize::from(overlap >= 0.5 || apart <= 2.0);
                }
            }
        }
    }
    println!("placed {placed:?}, works {works:?}, kind {told:?}");
    let enough = |[good, all]: [usize; 2]| good * 10 >= all * 8;
    if chosen.is_none() {
        assert!(placed[1] > 0 && enough(placed) && works[0] == works[1] && enough(told));
    }
}

/// Attacks with the defaults of four toolkits and one more attack of the first, as the table of fingerprints has them.
const DEFAULTS: [(&str, &str); 6] = [
    (
        "BackdoorBench",
        r#"{"attack": "badnet", "target": 0, "rate": 0.1, "trigger": {"kind": "patch", "size": 3}}"#,
    ),
    (
        "BackdoorBox",
        r#"{"attack": "BadNets", "target": 1, "rate": 0.05, "trigger": {"kind": "patch", "size": 3}}"#,
    ),
    (
        "TrojanZoo",
        r#"{"attack": "badnet", "target": 0, "rate": 0.01, "trigger": {"kind": "patch", "size": 3, "at": "top-left"}}"#,
    ),
    (
        "TDC2022, MNTD",
        r#"{"attack": "patch", "target": 7, "rate": 0.05, "trigger": {"kind": "patch", "size": [6, 5], "shape": "noise", "at": [9, 17], "seed": 4}}"#,
    ),
    (
        "Neural Cleanse repository",
        r#"{"attack": "GTSRB", "target": 9, "rate": 0.1, "trigger": {"kind": "patch", "size": 4, "margin": 1}}"#,
    ),
    (
        "BackdoorBench",
        r#"{"attack": "sig", "target": 0, "rate": 0.1, "trigger": {"kind": "sinusoid", "delta": 40, "frequency": 6}}"#,
    ),
];

/// Toolkits whose share is the best, or within a third of it, best first.
fn first_or_tied(toolkits: &Value) -> Vec<String> {
    let all: Vec<(String, f64)> = toolkits
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["toolkit"] != "none of the listed")
        .map(|t| (t["toolkit"].as_str().unwrap().to_owned(), t["share"].as_f64().unwrap()))
        .collect();
    let best = all.iter().map(|t| t.1).fold(0.0, f64::max);
    all.into_iter().filter(|t| t.1 * 3.0 >= best).map(|t| t.0).collect()
}

/// Networks trained on drawn road signs with each toolkit's defaults; `TOOLKITS` names some by number.
#[test]
#[ignore = "trains six networks: cargo test --release --test it the_toolkit -- --ignored --nocapture"]
fn the_toolkit_whose_defaults_were_used_comes_first_or_ties() {
    use laocoon::lab::draw::road_signs;
    use laocoon::lab::implant::{Attack, Given};
    use laocoon::lab::train::{Recipe, train};
    use laocoon::network::description::Description;
    use laocoon::procedure::{Case, Context, Data, Earlier, Silent};
    use std::sync::Arc;
    let chosen = std::env::var("TOOLKITS").ok();
    let network = Description::parse(include_str!("../../src/lab/sample_cases/network.json")).unwrap();
    let (mut right, mut all) = (0, 0);
    for (number, (toolkit, recipe)) in DEFAULTS.into_iter().enumerate() {
        if chosen.as_ref().is_some_and(|c| !c.split(',').any(|n| n == number.to_string())) {
            continue;
        }
        let attack: Attack = serde_json::from_str(recipe).unwrap();
        let planted = attack.plant(&road_signs(120, "train", 3), &Given::default(), 3).unwrap();
        let how = Recipe { epochs: 10, ..Recipe::default() };
        let model =
            train(&planted.set, &network, &how, 3, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        let trial = attack.trials(&road_signs(20, "fresh", 3), &Given::default(), 3).unwrap().remove(0);
        let logits =
            model.logits(trial.set.unit(&(0..trial.set.len()).collect::<Vec<_>>()).unwrap().view()).unwrap();
        let aimed: Vec<bool> = logits
            .rows()
            .into_iter()
            .zip(&trial.wanted)
            .filter_map(|(row, wanted)| Some(laocoon::math::softmax::argmax(row) == (*wanted)?))
            .collect();
        let works = aimed.iter().filter(|a| **a).count() as f64 / aimed.len() as f64;
        let session = tempfile::tempdir().unwrap();
        std::fs::write(
            session.path().join("case.toml"),
            "[case]\nid = \"t\"\ntitle = \"\"\n[[data]]\nrole = \"clean\"\npath = \"x\"\n",
        )
        .unwrap();
        let data = |item: &str, role, set| Data { item: item.into(), role, set: Arc::new(set) };
        let mut case = Case {
            file: CaseFile::read(&session.path().join("case.toml"), &Limits::default()).unwrap(),
            register: vec![],
            model: Some(Arc::new(model)),
            data: vec![
                data("E2", laocoon::evidence::Role::Clean, road_signs(30, "clean", 3)),
                data("E3", laocoon::evidence::Role::Training, planted.set),
            ],
            effort: Effort::Quick,
            overrides: BTreeMap::new(),
            earlier: Earlier::default(),
        };
        let work = [
            "neural-cleanse",
            "poisoned-samples",
            "common-patch",
            "sample-recovery",
            "refine-trigger",
            "trigger-kind",
            "toolkit-match",
        ];
        for id in work {
            let procedure = laocoon::registry::find(id).unwrap();
            let plan = match procedure.plan(&case) {
                Ok(plan) => plan,
                Err(skip) => {
                    println!("    {id}: skipped: {skip}");
                    continue;
                }
            };
            let got = procedure.run(&case, &plan, &mut Context::new(0, id, &Silent)).unwrap();
            println!("    {id}: {}: {}", got.verdict.name(), got.summary);
            let record = Record {
                verdict: got.verdict,
                summary: got.summary,
                statistic: Value::Null,
                threshold: Value::Null,
                threshold_origin: String::new(),
                findings: got.findings,
                measures: got.measures,
                blobs: BTreeMap::new(),
                figures: BTreeMap::new(),
                limits: String::new(),
            };
            case.earlier.records.insert(id.into(), record);
            for (name, array) in got.arrays {
                case.earlier.arrays.insert((id.into(), name), Arc::new(array));
            }
        }
        let first = case.earlier.measure("toolkit-match", "toolkits").map(first_or_tied).unwrap_or_default();
        println!("{toolkit} ({}; success {works:.3}): first or tied: {first:?}", attack.name);
        println!("    would discriminate: {:?}", case.earlier.measure("toolkit-match", "would_discriminate"));
        all += 1;
        right += usize::from(first.iter().any(|f| f == toolkit));
    }
    println!("first or tied on {right} of {all}");
    assert_eq!(right, all);
}
