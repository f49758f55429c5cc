//! Neural Cleanse against the recorded reference, and the table over the zoo.

use crate::shared;
use laocoon::detect::calibration::DETECTORS;
use laocoon::detect::neural_cleanse::NEURAL_CLEANSE;
use laocoon::evidence::dataset::Pixels;
use laocoon::evidence::{CaseFile, DataSet, InputSpec, Limits, Role};
use laocoon::network::op::{Activation, Linear, Op, View};
use laocoon::network::{Builder, Model, onnx};
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Outcome, Procedure, Record, Silent, Verdict};
use ndarray::{Array4, ArrayD, IxDyn};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn run(procedure: &dyn Procedure, case: &Case) -> Outcome {
    let plan = procedure.plan(case).unwrap();
    procedure.run(case, &plan, &mut Context::new(0, procedure.about().id, &Silent)).unwrap()
}

fn case(file: CaseFile, model: Model, data: Vec<Data>) -> Case {
    Case {
        file,
        register: vec![],
        model: Some(Arc::new(model)),
        data,
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    }
}

/// The recorded MLP on 8×8 digits with a 2×2 patch: the recorded run names class 8, with the smallest norm.
#[test]
fn the_recorded_backdoored_mlp_is_flagged() {
    let file = "parity/digits_model.safetensors";
    let Some(reference) = shared::json("parity/digits_nc_reference.json") else { return };
    let mut b = Builder::new("input", &[1, 8, 8], &Limits::default()).unwrap();
    let mut value = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
    for layer in ["0", "2", "4"] {
        let (shape, weight) = shared::tensor(file, &format!("{layer}.weight")).unwrap();
        let (_, bias) = shared::tensor(file, &format!("{layer}.bias")).unwrap();
        let single = |v: &[f64]| v.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let weight = b.param(layer, ArrayD::from_shape_vec(IxDyn(&shape), single(&weight)).unwrap(), false);
        let bias = b.param("bias", ArrayD::from_shape_vec(IxDyn(&[shape[0]]), single(&bias)).unwrap(), false);
        value = b.push(layer, Op::Linear(Linear { weight, bias: Some(bias) }), &[value]).unwrap();
        if layer != "4" {
            value = b.push("relu", Op::Activation(Activation::Relu), &[value]).unwrap();
        }
    }
    let input = InputSpec { shape: [1, 8, 8], range: [0.0, 1.0], mean: vec![], std: vec![] };
    let model = Model::from_graph(b.finish(value).unwrap(), input, vec![]).unwrap();
    let (_, pixels) = shared::tensor("parity/digits_input.safetensors", "x_clean").unwrap();
    let labels = shared::integers("parity/digits_input.safetensors", "y_clean").unwrap();
    let images =
        Array4::from_shape_vec((labels.len(), 1, 8, 8), pixels.iter().map(|&x| x as f32).collect()).unwrap();
    let set = DataSet { images: Some(Pixels::F32(images)), labels, ..DataSet::default() };
    let clean = Data { item: "E2".into(), role: Role::Clean, set: Arc::new(set) };
    let file = CaseFile {
        id: "digits".into(),
        title: String::new(),
        questions: vec![],
        model: None,
        data: vec![],
        artefacts: vec![],
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec![],
        text: String::new(),
        root: ".".into(),
    };
    let mut case = case(file, model, vec![clean]);
    let scheduled = run(&NEURAL_CLEANSE, &case);
    case.overrides.insert("neural-cleanse".into(), json!({"mode": "reference"}));
    let got = run(&NEURAL_CLEANSE, &case);
    let target = reference["true_target"].as_u64().unwrap() as usize;
    let norms: Vec<f64> = serde_json::from_value(got.measures["l1"].clone()).unwrap();
    let index = got.measures["anomaly_index"][target].as_f64().unwrap();
    println!("{norms:.1?} published index {index:.2}: {}", got.summary);
    assert_eq!((got.verdict, got.findings[0].class), (Verdict::Flagged, Some(target)), "{}", got.summary);
    assert!(norms.iter().enumerate().all(|(k, &n)| k == target || n > norms[target]));
    assert_eq!(scheduled.measures["leaders"], json!([target]), "{}", scheduled.summary);
    // A network of eight by eight pixels is unlike those of the calibration: doubt is as far as it has to go.
    assert_ne!(scheduled.verdict, Verdict::NothingFound, "{}", scheduled.summary);
    assert!(index > 2.0, "the published rule agrees with the recorded run: {index}");
}

fn images(file: &str) -> Option<Arc<DataSet>> {
    let (shape, values) = shared::tensor(file, "images")?;
    let values: Vec<u8> = values.iter().map(|&x| x as u8).collect();
    let nhwc = Array4::from_shape_vec((shape[0], shape[1], shape[2], shape[3]), values).unwrap();
    let nchw = nhwc.permuted_axes([0, 3, 1, 2]).as_standard_layout().into_owned();
    let labels = shared::integers(file, "labels")?;
    Some(Arc::new(DataSet { images: Some(Pixels::U8(nchw)), labels, ..DataSet::default() }))
}

fn zoo(id: &str) -> Option<Case> {
    let file = CaseFile::read(&shared::path(&format!("zoo/{id}/case.toml"))?, &Limits::default()).unwrap();
    let input = file.model.as_ref().unwrap().input.clone().unwrap();
    let path = shared::path(&format!("zoo/{id}/model.onnx"))?;
    let read =
        onnx::read(&path, &std::fs::read(&path).unwrap(), Some(input.shape), &Limits::default()).unwrap();
    let model = Model::from_graph(read.graph, input, vec![]).unwrap();
    let data = |item: &str, role, name: &str| {
        Some(Data { item: item.into(), role, set: images(&format!("zoo/{id}/{name}.safetensors"))? })
    };
    let data = vec![data("E2", Role::Clean, "test")?, data("E3", Role::Training, "train_subset")?];
    Some(case(file, model, data))
}

const ALL: &str = "d01,d02,d03,d04,d05,d06,d07,d08,d09,d10,d11,d12,d13,d14,d15,external/xd1,external/xd2,external/xd3,\
                   external/xd4,external/xd5";

/// Backdoored by a plain patch: must be flagged with the right target.
const PATCHES: [&str; 5] = ["d02", "d04", "d06", "d08", "external/xd3"];
/// Clean ones of the same networks: must not be flagged.
const CLEAN: [&str; 8] = ["d01", "d03", "d05", "d07", "d10", "d12", "d15", "external/xd5"];

fn remember(case: &mut Case, procedure: &str, outcome: &Outcome) {
    let record = Record {
        verdict: outcome.verdict,
        summary: outcome.summary.clone(),
        statistic: Value::Null,
        threshold: Value::Null,
        threshold_origin: String::new(),
        findings: outcome.findings.clone(),
        measures: outcome.measures.clone(),
        blobs: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: String::new(),
    };
    case.earlier.records.insert(procedure.into(), record);
}

/// Every detector and the fused verdict over the zoo; minutes of work. `ZOO` names cases (comma-separated), `EFFORT` the
/// effort. The model alone is judged: training data has no say here.
#[test]
#[ignore = "minutes: cargo test --release --test it zoo_table -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "the table has a column of seconds")]
fn zoo_table() {
    let ids = std::env::var("ZOO").unwrap_or_else(|_| ALL.into());
    let mut wrong = Vec::new();
    println!("case | truth | procedure | verdict | statistic | threshold | chance | classes | seconds");
    for id in ids.split(',') {
        let Some(mut case) = zoo(id) else { continue };
        case.effort = match std::env::var("EFFORT").as_deref() {
            Ok("quick") => Effort::Quick,
            Ok("thorough") => Effort::Thorough,
            _ => Effort::Standard,
        };
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        let target = truth["target"].as_u64().map(|t| t as usize).filter(|_| truth["backdoored"] == true);
        let of_model =
            |p: &&&dyn Procedure| DETECTORS.contains(&p.about().id) || p.about().id == "model-verdict";
        for procedure in laocoon::detect::procedures().iter().filter(of_model) {
            let name = procedure.about().id;
            let start = std::time::Instant::now();
            let Ok(plan) = procedure.plan(&case) else {
                println!("{id} | | {name} | does not apply");
                continue;
            };
            let got = procedure.run(&case, &plan, &mut Context::new(0, name, &Silent)).unwrap();
            let number = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.3}"));
            let measure = |names: [&str; 2]| {
                names.into_iter().find_map(|n| got.measures.get(n)).and_then(Value::as_f64)
            };
            println!(
                "{id} | {} | {name} | {} | {} | {} | {} | {} | {:.1}",
                target.map_or_else(|| "clean".into(), |t| format!("→{t}")),
                got.verdict.name(),
                number(got.statistic),
                number(got.threshold),
                number(measure(["chance", "p_value"])),
                got.measures.get("leaders").or(got.measures.get("target_classes")).unwrap_or(&Value::Null),
                start.elapsed().as_secs_f64(),
            );
            remember(&mut case, name, &got);
            if name == "model-verdict" {
                println!("    {}", got.summary);
                let flagged = got.verdict == Verdict::Flagged;
                let names = |t: usize| got.measures["target_classes"] == json!([t]);
                if PATCHES.contains(&id) && !(flagged && target.is_some_and(names)) {
                    wrong.push(format!("{id}: {}", got.summary));
                }
                if CLEAN.contains(&id) && flagged {
                    wrong.push(format!("{id}: {}", got.summary));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The scheduled search against the original's schedule: same decision, a fraction of the gradients.
#[test]
#[ignore = "an hour: cargo test --release --test it schedule_against_reference -- --ignored --nocapture"]
fn schedule_against_reference() {
    let ids = std::env::var("ZOO").unwrap_or_else(|_| ALL.into());
    let (mut shares, mut differ) = (Vec::new(), Vec::new());
    for id in ids.split(',') {
        let Some(mut case) = zoo(id) else { continue };
        let scheduled = run(&NEURAL_CLEANSE, &case);
        case.overrides.insert("neural-cleanse".into(), json!({"mode": "reference"}));
        let reference = run(&NEURAL_CLEANSE, &case);
        let spent = |o: &Outcome| o.measures["image_gradients"].as_f64().unwrap();
        shares.push(spent(&scheduled) / spent(&reference));
        let said =
            |o: &Outcome| format!("{} {} ({:.2?})", o.verdict.name(), o.measures["leaders"], o.statistic);
        println!(
            "{id} | scheduled {} | reference {} | share of gradients {:.3}",
            said(&scheduled),
            said(&reference),
            shares[shares.len() - 1]
        );
        if (scheduled.verdict == Verdict::Flagged) != (reference.verdict == Verdict::Flagged) {
            differ.push(id.to_owned());
        }
    }
    shares.sort_by(f64::total_cmp);
    println!("median share {:?}; decisions differ on {differ:?}", shares.get(shares.len() / 2));
    assert!(shares.get(shares.len() / 2).is_none_or(|s| *s <= 0.2), "{shares:?}");
}
