//! From "flagged" to an answer, over models of known truth: where the recovered trigger lies, whether it works as well as the
//! true one, what kind it is said to be, and whose defaults it is said to resemble.

use crate::shared;
use laocoon::evidence::dataset::Pixels;
use laocoon::evidence::{CaseFile, DataSet, Limits, Role};
use laocoon::network::{Model, onnx};
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Outcome, Record, Silent, Tensor};
use laocoon::registry;
use ndarray::Array4;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is run, in the order of work; `FULL` adds the other searches over the model and the fused verdict.
const WORK: [&str; 11] = [
    "neural-cleanse",
    "poisoned-samples",
    "common-patch",
    "sample-recovery",
    "refine-trigger",
    "trigger-kind",
    "trigger-probe",
    "trigger-tolerance",
    "clean-effect",
    "severity",
    "toolkit-match",
];
const FULL: [&str; 4] = ["universal-perturbation", "feature-perturbation", "warp-search", "model-verdict"];

fn images(file: &str) -> Option<Arc<DataSet>> {
    let (shape, values) = shared::tensor(file, "images")?;
    let values: Vec<u8> = values.iter().map(|&x| x as u8).collect();
    let nhwc = Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), values).unwrap();
    let nchw = nhwc.permuted_axes([0, 3, 1, 2]).as_standard_layout().into_owned();
    let labels = shared::integers(file, "labels")?;
    Some(Arc::new(DataSet { images: Some(Pixels::U8(nchw)), labels, ..DataSet::default() }))
}

fn blank(file: &Path, model: Model, data: Vec<Data>) -> Case {
    Case {
        file: CaseFile::read(file, &Limits::default()).unwrap(),
        register: vec![],
        model: Some(Arc::new(model)),
        data,
        effort: Effort::Standard,
        // The twin only weighs verdicts; masks are the same without it.
        overrides: BTreeMap::from([("neural-cleanse".to_owned(), json!({"twin": 0}))]),
        earlier: Earlier::default(),
    }
}

/// A case of the zoo, with or without its training data.
fn zoo(id: &str, training: bool) -> Option<Case> {
    let file = shared::path(&format!("zoo/{id}/case.toml"))?;
    let input = CaseFile::read(&file, &Limits::default()).unwrap().model.unwrap().input.unwrap();
    let path = shared::path(&format!("zoo/{id}/model.onnx"))?;
    let bytes = std::fs::read(&path).unwrap();
    let read = onnx::read(&path, &bytes, Some(input.shape), &Limits::default()).unwrap();
    let model = Model::from_graph(read.graph, input, vec![]).unwrap();
    let data = |item: &str, role, name: &str| {
        Some(Data { item: item.into(), role, set: images(&format!("zoo/{id}/{name}.safetensors"))? })
    };
    let mut all = vec![data("E2", Role::Clean, "test")?];
    if training {
        all.push(data("E3", Role::Training, "train_subset")?);
    }
    Some(blank(&file, model, all))
}

/// Runs procedures in turn; each sees what those before it found. What does not apply is told.
fn work(case: &mut Case, ids: &[&str], tell: bool) {
    for about in registry::all().iter().map(|p| p.about()).filter(|a| ids.contains(&a.id)) {
        let (id, procedure) = (about.id, registry::find(about.id).unwrap());
        let plan = match procedure.plan(case) {
            Ok(plan) => plan,
            Err(skip) => {
                println!("    {id}: skipped: {skip}");
                continue;
            }
        };
        let got = procedure.run(case, &plan, &mut Context::new(0, id, &Silent)).unwrap();
        if tell {
            println!("    {id}: {}: {}", got.verdict.name(), got.summary);
        }
        remember(case, id, got);
    }
}

fn remember(case: &mut Case, id: &str, got: Outcome) {
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

/// The mask of a procedure as H×W values, the largest over channels.
fn mask(case: &Case, id: &str) -> Option<Vec<f32>> {
    let Tensor::F32(mask) = case.earlier.array(id, "mask")? else { return None };
    let pixels = mask.shape().iter().rev().take(2).product();
    let all: Vec<f32> = mask.iter().copied().collect();
    Some((0..pixels).map(|i| all.iter().skip(i).step_by(pixels).copied().fold(0.0, f32::max)).collect())
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

/// Over the zoo; `MODEL_ONLY` leaves the training data out, `FULL` runs all searches, `ZOO` names cases.
#[test]
#[ignore = "minutes: cargo test --release --test it recovered_triggers -- --ignored --nocapture"]
fn recovered_triggers_lie_where_the_true_ones_do() {
    let chosen = std::env::var("ZOO").ok();
    let training = std::env::var("MODEL_ONLY").is_err();
    let ids = if std::env::var("FULL").is_ok() { [&WORK[..], &FULL].concat() } else { WORK.to_vec() };
    let (mut placed, mut works, mut told) = ([0, 0], [0, 0], [0, 0]);
    let mut lines = Vec::new();
    for (id, kind, patch) in ZOO {
        if chosen.as_ref().is_some_and(|c| !c.split(',').any(|c| c == id)) {
            continue;
        }
        let Some(mut case) = zoo(id, training) else { return };
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        println!("{id}");
        work(&mut case, &ids, true);
        let measure = |id: &str, name: &str| case.earlier.measure(id, name).cloned().unwrap_or(Value::Null);
        let found = measure("trigger-probe", "target") == truth["target"];
        let flagged =
            ["refine-trigger", "sample-recovery", "trigger-probe"].iter().any(|p| case.earlier.flagged(p));
        let place = mask(&case, "refine-trigger")
            .filter(|_| kind == "patch")
            .and_then(|m| Some((m, true_mask(id)?)))
            .map(|(m, (t, w))| compare(&m, &t, w));
        let success = measure("trigger-probe", "success_rate").as_f64().unwrap_or(0.0);
        let of_truth = truth["asr"].as_f64().unwrap_or(1.0);
        let said = measure("trigger-kind", "kind");
        let line = format!(
            "{id} | {} | {} | {flagged} | {} | {} | {:.2} | {:.1} | {success:.3} | {of_truth:.3} | {said} | {kind}",
            truth["target"],
            measure("trigger-probe", "target"),
            measure("refine-trigger", "from"),
            measure("refine-trigger", "covered_pixels"),
            place.map_or(f64::NAN, |p| p.0),
            place.map_or(f64::NAN, |p| p.1),
        );
        println!("{line}");
        lines.push(line);
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
    println!(
        "case | target | found | flagged | from | pixels | IoU | centre | success | true | kind | true kind"
    );
    for line in &lines {
        println!("{line}");
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
        let data = vec![
            data("E2", Role::Clean, road_signs(30, "clean", 3)),
            data("E3", Role::Training, planted.set),
        ];
        let mut case = blank(&session.path().join("case.toml"), model, data);
        case.effort = Effort::Quick;
        work(&mut case, &WORK, true);
        let first = case.earlier.measure("toolkit-match", "toolkits").map(first_or_tied).unwrap_or_default();
        println!("{toolkit} ({}; success {works:.3}): first or tied: {first:?}", attack.name);
        println!("    would discriminate: {:?}", case.earlier.measure("toolkit-match", "would_discriminate"));
        all += 1;
        right += usize::from(first.iter().any(|f| f == toolkit));
    }
    println!("first or tied on {right} of {all}");
    assert_eq!(right, all);
}
