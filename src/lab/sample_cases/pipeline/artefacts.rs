//! The chain from weights to what serves, and the checkpoints of a run. None of the networks is trained: what is asked
//! is whether they are the same.

use crate::evidence::Limits;
use crate::evidence::safetensors::{Stored, write};
use crate::lab::LabError;
use crate::lab::sample_cases::File;
use crate::lab::specimen::{json_bytes, sha256};
use crate::math::rng::seeded;
use crate::network::description::Description;
use crate::network::train::initialise;
use crate::network::{Graph, save};
use ndarray::{Array1, Array2};
use serde_json::json;
use std::collections::BTreeMap;

const NETWORK: &str = include_str!("texts/network.json");

/// Weights, the same optimised, quantised, and served, with the books of it. The forger hands another training to the
/// quantiser and keeps the books.
pub(super) fn stages(tampered: bool) -> Result<Vec<File>, LabError> {
    let weights = network(4)?;
    let served = quantised(network(if tampered { 5 } else { 4 })?);
    let (mut files, mut list, mut before) = (Vec::new(), Vec::new(), String::new());
    for (name, file, bytes) in [
        ("weights", "weights.safetensors", save::safetensors(&weights)?),
        ("optimised", "optimised.onnx", save::onnx(&weights)?),
        ("quantised-int8", "quantised.onnx", save::onnx(&served)?),
        ("serving", "serving.onnx", save::onnx(&served)?),
    ] {
        let (path, digest) = (format!("artefacts/{file}"), sha256(&bytes));
        let mut entry = json!({"name": name, "path": path, "sha256": digest});
        if name == "weights" {
            entry["architecture"] = json!("artefacts/network.json");
        } else {
            entry["input_sha256"] = json!(before);
        }
        before = digest;
        list.push(entry);
        files.push((path, bytes));
    }
    files.push(("artefacts/network.json".to_owned(), NETWORK.as_bytes().to_vec()));
    files.push(("stages.json".to_owned(), json_bytes(&json!({"stages": list}))?));
    Ok(files)
}

fn network(seed: u64) -> Result<Graph, LabError> {
    Ok(initialise(&Description::parse(NETWORK)?, seed, Limits::in_force())?)
}

/// Weights rounded to 8 bits, one scale per array.
fn quantised(mut graph: Graph) -> Graph {
    for p in graph.params.iter_mut().filter(|p| p.value.ndim() > 1) {
        let scale = p.value.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        p.value.mapv_inplace(|x| (x / scale).round() * scale);
    }
    graph
}

/// Nine checkpoints of a walk whose steps become smaller; one row of the head is written over between two saves.
pub(super) fn checkpoints(tampered: bool) -> Result<Vec<File>, LabError> {
    let mut rng = seeded(8, "specimen", "checkpoints");
    let mut draw = |scale: f64| (scale * super::logs::noise(&mut rng)) as f32;
    let mut body = Array2::from_shape_simple_fn((24, 30), || draw(0.2));
    let mut head = Array2::from_shape_simple_fn((12, 24), || draw(0.2));
    let mut bias = Array1::from_shape_simple_fn(12, || draw(0.01));
    let mut files = Vec::new();
    for k in 0..9 {
        if k > 0 {
            let rate = 0.04 / f64::from(k).sqrt();
            body.mapv_inplace(|x| x + draw(rate));
            head.mapv_inplace(|x| x + draw(rate));
            bias.mapv_inplace(|x| x + draw(rate));
        }
        if tampered && k == 6 {
            head.row_mut(5).mapv_inplace(|x| x + 2.0);
        }
        let arrays = [Stored::from(body.view()), Stored::from(head.view()), Stored::from(bias.view())];
        let named = [("body.weight", &arrays[0]), ("head.weight", &arrays[1]), ("head.bias", &arrays[2])];
        let path = format!("checkpoints/step-{:05}.safetensors", k * 3000);
        let bytes = write(named, &BTreeMap::new()).map_err(|e| LabError::write(&path, e))?;
        files.push((path, bytes));
    }
    Ok(files)
}
