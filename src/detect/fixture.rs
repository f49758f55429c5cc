//! Small cases for tests.

use crate::evidence::dataset::Pixels;
use crate::evidence::{CaseFile, DataSet, InputSpec, Limits, Role};
use crate::network::op::{Linear, Op, View};
use crate::network::{Builder, Model};
use crate::procedure::{Case, Context, Data, Earlier, Effort, Outcome, Procedure, Record, Silent, number};
use ndarray::{Array2, Array4};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A case with nothing in it.
pub(crate) fn case() -> Case {
    let file = CaseFile {
        id: "t".into(),
        title: "test".into(),
        questions: vec![],
        model: None,
        data: vec![],
        artefacts: vec![],
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: vec![],
        text: String::new(),
        root: std::path::PathBuf::new(),
    };
    Case {
        file,
        register: vec![],
        model: None,
        data: vec![],
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    }
}

/// A data-only case: a training set of recorded activations.
pub(crate) fn recorded(activations: Array2<f32>, labels: Vec<usize>) -> Case {
    let set = DataSet { labels, activations: Some(activations), ..DataSet::default() };
    Case { data: vec![Data { item: "E1".into(), role: Role::Training, set: Arc::new(set) }], ..case() }
}

/// Weights of [`linear`], K×36.
pub(crate) fn rows(classes: usize, backdoor: Option<usize>) -> Array2<f32> {
    let mut rng = crate::math::rng::seeded(11, "fixture", "weights");
    let mut weight = Array2::<f32>::from_shape_simple_fn((classes, 36), || rng.gen_range(-0.05..0.05));
    for k in 0..classes {
        for (y, x) in blot(k) {
            weight[[k, y * 6 + x]] += 2.0;
        }
    }
    if let Some(k) = backdoor {
        weight[[k, 35]] += 40.0;
    }
    weight
}

/// A small linear classifier of `classes` classes on 1×6×6 images, as a model. Class k answers to a blurred blot at a place of
/// its own; with `backdoor`, that class also answers to the single pixel in the lower right corner.
pub(crate) fn linear(classes: usize, backdoor: Option<usize>) -> Model {
    let mut b = Builder::new("input", &[1, 6, 6], &Limits::default()).unwrap();
    let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
    let weight = b.param("w", rows(classes, backdoor).into_dyn(), false);
    let out = b.push("out", Op::Linear(Linear { weight, bias: None }), &[flat]).unwrap();
    let input = InputSpec { shape: [1, 6, 6], range: [0.0, 1.0], mean: vec![], std: vec![] };
    Model::from_graph(b.finish(out).unwrap(), input, vec![]).unwrap()
}

fn blot(k: usize) -> [(usize, usize); 4] {
    let (y, x) = (k / 5 * 2, k % 5);
    [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)]
}

/// A case with [`linear`]'s model and 160 noisy images of its classes as clean images.
pub(crate) fn modelled(classes: usize, backdoor: Option<usize>) -> Case {
    let mut rng = crate::math::rng::seeded(12, "fixture", "images");
    let labels: Vec<usize> = (0..160).map(|i| i % classes).collect();
    let mut images = Array4::<f32>::from_shape_simple_fn((160, 1, 6, 6), || rng.gen_range(0.0..0.2));
    for (mut image, &k) in images.outer_iter_mut().zip(&labels) {
        for (y, x) in blot(k) {
            image[[0, y, x]] += 0.7;
        }
        image[[0, 5, 5]] = 0.0;
    }
    let set = DataSet { images: Some(Pixels::F32(images)), labels, ..DataSet::default() };
    let clean = Data { item: "E2".into(), role: Role::Clean, set: Arc::new(set) };
    Case { model: Some(Arc::new(linear(classes, backdoor))), data: vec![clean], ..case() }
}

/// Runs a procedure to its end.
pub(crate) fn run(procedure: &dyn Procedure, case: &Case, seed: u64) -> Outcome {
    let plan = procedure.plan(case).unwrap();
    procedure.run(case, &plan, &mut Context::new(seed, procedure.about().id, &Silent)).unwrap()
}

/// Adds an outcome to what the case knows.
pub(crate) fn remember(case: &mut Case, procedure: &str, outcome: &Outcome) {
    let record = Record {
        verdict: outcome.verdict,
        summary: outcome.summary.clone(),
        statistic: outcome.statistic.map_or(serde_json::Value::Null, number),
        threshold: outcome.threshold.map_or(serde_json::Value::Null, number),
        threshold_origin: outcome.threshold_origin.clone(),
        findings: outcome.findings.clone(),
        measures: outcome.measures.clone(),
        blobs: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: outcome.limits.clone(),
    };
    case.earlier.records.insert(procedure.into(), record);
    for (name, array) in &outcome.arrays {
        case.earlier.arrays.insert((procedure.into(), name.clone()), Arc::new(array.clone()));
    }
}
