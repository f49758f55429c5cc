use super::*;
use crate::evidence::dataset::Pixels;
use crate::evidence::{InputSpec, Limits, intake};
use crate::network::description::Description;
use crate::network::graph::Param;
use crate::network::train::initialise;
use crate::procedure::{Data, Verdict};
use crate::triage::examine::tests::{case_of, run};
use ndarray::Array4;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

/// A linear model over 1×6×6 that sums the brightness of one column per class, and says class 3 when the lower right
/// corner shines (if `trojan`).
fn model(trojan: bool) -> Model {
    let text = r#"{"format": "laocoon-network-1", "arch": "t", "num_classes": 4,
 "input": {"name": "input", "shape": [1, 6, 6], "range": [0.0, 1.0], "mean": [0.0], "std": [1.0]},
 "nodes": [{"name": "flat", "op": "flatten", "inputs": ["input"]},
  {"name": "fc", "op": "linear", "inputs": ["flat"], "out_features": 4, "params": {"weight": "fc.weight", "bias": "fc.bias"}}],
 "output": "fc"}"#;
    let description = Description::parse(text).unwrap();
    let mut graph = initialise(&description, 0, &Limits::default()).unwrap();
    for Param { name, value, .. } in &mut graph.params {
        value.fill(0.0);
        if name == "fc.weight" {
            for class in 0..4 {
                for y in 0..4 {
                    value[[class, y * 6 + class]] = 5.0;
                }
            }
            if trojan {
                value[[3, 35]] = 90.0;
            }
        }
    }
    Model::from_graph(graph, description.input_spec(), Vec::new()).unwrap()
}

/// Images whose bright column is their class; every `stamp`-th has a bright corner, every `dim`-th a wrong column.
fn images(n: usize, stamp: usize, dim: usize) -> DataSet {
    let mut pixels = Array4::<u8>::zeros((n, 1, 6, 6));
    let labels: Vec<usize> = (0..n).map(|i| i % 4).collect();
    for i in 0..n {
        let column = if i % dim == dim - 1 { (labels[i] + 1 + i / dim % 3) % 4 } else { labels[i] };
        for j in 0..36 {
            let shade = ((i * 31 + j * 17) % 23) as u8;
            pixels[[i, 0, j / 6, j % 6]] = if j % 6 == column && j < 24 { 200 } else { shade };
        }
        pixels[[i, 0, 5, 5]] = if i % stamp == stamp - 1 { 255 } else { 0 };
    }
    DataSet { images: Some(Pixels::U8(pixels)), labels, ..DataSet::default() }
}

fn outcome(model: Model, set: DataSet, log: Option<&str>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("d.npz"), b"x").unwrap();
    let mut toml = "[case]\nid = \"x\"\n[[data]]\nrole = \"clean\"\npath = \"d.npz\"\n".to_owned();
    if let Some(log) = log {
        fs::write(dir.path().join("log.csv"), log).unwrap();
        toml += "[deployment]\nlog = \"log.csv\"\n";
    }
    let mut case = case_of(dir.path(), &toml);
    case.model = Some(Arc::new(model));
    case.data = vec![Data { item: "E1".into(), role: Role::Clean, set: Arc::new(set) }];
    run(&BEHAVIOURAL_SCREENING, &case)
}

fn codes(out: &Outcome) -> Vec<&str> {
    out.measures["sightings"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect()
}

#[test]
fn ordinary_mistakes_are_not_accused() {
    let out = outcome(model(false), images(400, 1000, 1000), None);
    assert_eq!((out.verdict, out.measures["accuracy"].as_f64()), (Verdict::NothingFound, Some(1.0)));
    // One in ten is read wrongly, into any class.
    let out = outcome(model(false), images(400, 1000, 10), None);
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert!(out.measures["accuracy"].as_f64().unwrap() < 0.95);
    let Body::Heat { values, .. } = &out.figures["confusion"].body else { panic!() };
    assert!((values.iter().sum::<f64>() - 4.0).abs() < 1e-9);
    // The same model without the trojan does not mind the corner.
    assert_eq!(outcome(model(false), images(400, 9, 10), None).verdict, Verdict::NothingFound);
}

#[test]
fn a_corner_that_leads_to_one_class() {
    let out = outcome(model(true), images(400, 9, 40), None);
    assert_eq!(out.verdict, Verdict::Flagged);
    assert_eq!(codes(&out), ["behaviour.property"]);
    assert!(
        out.findings[0].title.contains("class 3") && out.findings[0].title.contains("bottom right"),
        "{}",
        out.findings[0].title
    );
    assert_eq!(out.findings[0].atlas, ["AML.T0018.000"]);
}

/// A log over the images, answered by a model; from row `from` on by another.
fn log(set: &DataSet, first: &Model, then: &Model, from: usize) -> String {
    let mut out = String::from("time,input,predicted,confidence\n");
    let Some(Pixels::U8(a)) = &set.images else { panic!() };
    for i in 0..set.len() {
        let m = if i < from { first } else { then };
        let p = softmax(&m.logits(set.unit(&[i]).unwrap().view()).unwrap().row(0).to_vec());
        let (c, s) = p.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        let digest = intake::sha256(&a.index_axis(ndarray::Axis(0), i).iter().copied().collect::<Vec<u8>>());
        writeln!(out, "{},{digest},{c},{s:.4}", 1_772_445_600 + i * 60).unwrap();
    }
    out
}

#[test]
fn the_deployed_model_against_the_one_at_hand() {
    let set = images(200, 9, 1000);
    let out = outcome(model(false), images(200, 9, 1000), Some(&log(&set, &model(false), &model(false), 0)));
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert_eq!(
        (out.measures["log_replayed"].as_u64(), out.measures["log_differs"].as_u64()),
        (Some(200), Some(0))
    );
    // From the hundredth answer on another model answers.
    let out = outcome(model(false), images(200, 9, 1000), Some(&log(&set, &model(false), &model(true), 100)));
    assert_eq!(codes(&out), ["serving.differs"]);
    let f = &out.findings[0];
    assert_eq!((f.concern, f.severity), (Concern::Substitution, Severity::High));
    assert!(f.detail.contains("class 3") && f.title.contains("answers before it agree"), "{f:?}");
    // Inputs that are not at hand, classes that do not exist.
    let out = outcome(
        model(false),
        images(8, 9, 1000),
        Some("time,input,predicted\n1,nowhere.png,0\n2,x,class 1\n"),
    );
    assert_eq!(out.verdict, Verdict::NothingFound);
    assert!(out.measures["notes"].to_string().contains("nothing was replayed"));
    let out = outcome(model(false), images(8, 9, 1000), Some("time,input,predicted\n1,a,77\n2,b,zebra\n"));
    assert_eq!(codes(&out), ["serving.classes"]);
}

#[test]
fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nmetrics = \"m\"\n");
    assert!(BEHAVIOURAL_SCREENING.plan(&case).unwrap_err().to_string().contains("no model"));
    case.model = Some(Arc::new(model(false)));
    assert!(BEHAVIOURAL_SCREENING.plan(&case).unwrap_err().to_string().contains("neither"));
    let spec = InputSpec { shape: [1, 6, 6], range: [0.0, 1.0], mean: vec![], std: vec![] };
    assert_eq!(model(false).input.shape, spec.shape);
}
