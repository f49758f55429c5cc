use super::same::{compare, images};
use super::*;
use crate::network::description::Description;
use crate::network::save;
use crate::network::train::initialise;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use std::fs;

const NET: &str = r#"{"format": "laocoon-network-1", "arch": "t", "num_classes": 4,
 "input": {"name": "input", "shape": [1, 8, 8], "range": [0.0, 1.0], "mean": [0.5], "std": [0.25]},
 "nodes": [
  {"name": "conv1", "op": "conv2d", "inputs": ["input"], "out_channels": 6, "kernel": [3, 3], "stride": [1, 1],
   "padding": [1, 1], "params": {"weight": "conv1.weight", "bias": "conv1.bias"}},
  {"name": "relu1", "op": "relu", "inputs": ["conv1"]},
  {"name": "flat", "op": "flatten", "inputs": ["relu1"]},
  {"name": "fc", "op": "linear", "inputs": ["flat"], "out_features": 4, "params": {"weight": "fc.weight", "bias": "fc.bias"}}],
 "output": "fc"}"#;

fn model(seed: u64) -> Model {
    let description = Description::parse(NET).unwrap();
    let graph = initialise(&description, seed, &Limits::default()).unwrap();
    Model::from_graph(graph, description.input_spec(), Vec::new()).unwrap()
}

/// The model with its weights changed.
fn with(model: &Model, change: impl Fn(&mut ndarray::ArrayD<f32>)) -> Model {
    let mut graph = model.graph().clone();
    graph.params.iter_mut().filter(|p| p.value.ndim() >= 2).for_each(|p| change(&mut p.value));
    Model::from_graph(graph, model.input.clone(), model.classes.clone()).unwrap()
}

/// Rounds as an 8-bit quantiser does, one scale per tensor.
fn quantised(model: &Model) -> Model {
    with(model, |w| {
        let scale = w.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        w.mapv_inplace(|x| (x / scale).round() * scale);
    })
}

#[test]
fn rounding_is_the_same_function_and_another_training_is_not() {
    let a = model(1);
    let draw = images(None, [1, 8, 8], 64, 0);
    let same = compare(&a, &a, Conversion::Exact, &draw).unwrap();
    assert_eq!((same.apart, same.agreement, same.images), (0.0, 1.0, 64));
    let q = compare(&a, &quantised(&a), Conversion::Quantised(8), &draw).unwrap();
    assert!(q.apart > 0.0 && q.apart <= q.allowed, "{q:?}");
    assert!(compare(&a, &quantised(&a), Conversion::Exact, &draw).unwrap().apart > 1e-3);
    for other in [model(2), with(&a, |w| w.iter_mut().step_by(7).for_each(|x| *x *= -1.0))] {
        let s = compare(&a, &quantised(&other), Conversion::Quantised(8), &draw).unwrap();
        assert!(s.apart > 1.5 * s.allowed, "{s:?}");
    }
    let nan = with(&a, |w| w.fill(f32::NAN));
    assert!(compare(&a, &nan, Conversion::Quantised(8), &draw).unwrap().apart.is_nan());
    assert_eq!(conversion("model-int8.onnx"), Conversion::Quantised(8));
    assert_eq!(conversion("serving"), Conversion::Exact);
}

fn put(dir: &Path, name: &str, model: &Model) -> String {
    let bytes = if crate::triage::pipeline::material::ending(name) == "onnx" {
        // Mean and standard deviation stand in the description of the weights, not in the graph.
        save::onnx(model.graph()).unwrap()
    } else {
        save::safetensors(model.graph()).unwrap()
    };
    fs::write(dir.join(name), &bytes).unwrap();
    intake::sha256(&bytes)
}

/// Weights, an optimised graph, a quantised one, one for serving; `swap` takes the place of the quantised one.
fn chain(swap: Option<&Model>, edit: impl Fn(&mut serde_json::Value)) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let a = model(1);
    let q = swap.map_or_else(|| quantised(&a), quantised);
    fs::write(dir.path().join("net.json"), NET).unwrap();
    let w = put(dir.path(), "w.safetensors", &a);
    let o = put(dir.path(), "optimised.onnx", &a);
    let n = put(dir.path(), "quantised.onnx", &q);
    let s = put(dir.path(), "serving.onnx", &q);
    let mut list = json!({"stages": [
        {"name": "weights", "path": "w.safetensors", "sha256": w, "architecture": "net.json"},
        {"name": "optimised", "path": "optimised.onnx", "sha256": o, "input_sha256": w},
        {"name": "quantised int8", "path": "quantised.onnx", "sha256": n, "input_sha256": o},
        {"name": "serving", "path": "serving.onnx", "sha256": s, "input_sha256": n},
    ]});
    edit(&mut list);
    fs::write(dir.path().join("stages.json"), serde_json::to_string_pretty(&list).unwrap()).unwrap();
    run(&ARTEFACT_CHAIN, &case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nstages = \"stages.json\"\n"))
}

fn codes(out: &Outcome) -> Vec<&str> {
    out.measures["sightings"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect()
}

#[test]
fn a_whole_chain_and_one_whose_quantised_model_is_another() {
    let out = chain(None, |_| {});
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert_eq!(out.measures["functions_compared"], 3);
    // The forger keeps the books: digests fit, the function does not.
    let out = chain(Some(&model(2)), |_| {});
    assert_eq!(codes(&out), ["stage.function"]);
    assert!(
        out.findings[0].title.contains("'optimised' and 'quantised int8' are not the same function"),
        "{}",
        out.findings[0].title
    );
}

#[test]
fn digests_and_links_that_do_not_fit() {
    let out = chain(None, |l| l["stages"][3]["sha256"] = json!("0".repeat(64)));
    assert_eq!((codes(&out), out.findings[0].severity), (vec!["stage.digest"], Severity::Critical));
    let out = chain(None, |l| l["stages"][2]["input_sha256"] = json!("1".repeat(64)));
    assert_eq!(codes(&out), ["stage.link"]);
    // An image that was not handed over, and a stage without a digest, are said and accuse nobody.
    let out = chain(None, |l| {
        l["stages"][2].as_object_mut().unwrap().remove("sha256");
        l["stages"][3].as_object_mut().unwrap().remove("input_sha256");
        l["stages"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "image", "path": "image.tar", "sha256": "2".repeat(64)}));
    });
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert!(out.measures["notes"].to_string().contains("not at hand"));
}

#[test]
fn lists_that_lead_out_or_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = |text: &str| {
        fs::write(dir.path().join("stages.json"), text).unwrap();
        let case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nstages = \"stages.json\"\n");
        let plan = ARTEFACT_CHAIN.plan(&case).unwrap();
        ARTEFACT_CHAIN.run(&case, &plan, &mut Context::new(0, "x", &crate::procedure::Silent))
    };
    let out = outcome(
        "[{\"name\": \"a\", \"path\": \"../../etc/passwd\"}, {\"name\": \"b\", \"path\": \"/etc/passwd\"}]",
    )
    .unwrap();
    assert_eq!((out.verdict, out.measures["artefacts_read"].as_u64()), (Verdict::NothingFound, Some(0)));
    assert!(outcome("{}").is_err() && outcome("[[[").is_err() && outcome("").is_err());
    // An ONNX file that is damaged leaves the question open.
    fs::write(dir.path().join("a.onnx"), b"\x08\x08").unwrap();
    let out = outcome("[{\"name\": \"a\", \"path\": \"a.onnx\"}, {\"name\": \"b\", \"path\": \"a.onnx\"}]")
        .unwrap();
    assert_eq!(out.verdict, Verdict::Inconclusive);
}
