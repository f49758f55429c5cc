//! From the bytes of a suspect model to a [`Model`]: ONNX, or safetensors with a network description or the name of a
//! built-in architecture. Nothing is executed.

pub(crate) mod half;
mod weights;

use super::description::{Description, builtin};
use super::op::Kernel;
use super::{Graph, Model, NetworkError, onnx};
use crate::evidence::{Bytes, EvidenceError, InputSpec, Limits, ModelEntry, Untrusted, text::visible};
use std::path::Path;

/// The layers of a network whose file holds only weights.
#[derive(Debug, Clone, Copy)]
pub enum Architecture<'a> {
    /// Name of a built-in architecture.
    Named(&'a str),
    /// Text of a network description, and where it came from.
    Description {
        /// The file.
        path: &'a Path,
        /// Its text.
        text: &'a str,
    },
}

/// Loads the suspect model of a case. `labels` may be empty.
///
/// # Errors
/// A format that is not run, a malformed or unsupported network, weights, shapes or labels that do not fit: names the
/// file, the place in it, and why.
pub fn open_model(
    entry: &ModelEntry,
    bytes: &Bytes,
    architecture: Option<Architecture>,
    labels: &[Untrusted],
    limits: &Limits,
) -> Result<Model, EvidenceError> {
    let path = &bytes.path;
    let (graph, mut facts, own, names) = if looks_like_safetensors(&bytes.data) {
        let Some(architecture) = architecture else {
            let known = builtin::NAMES.join(", ");
            return Err(EvidenceError::whole(
                path,
                "model.architecture",
                format!(
                    "holds weights only: name the network in the case file, [model] architecture = a network \
                     description (JSON) or one of {known}"
                ),
            ));
        };
        weights::open(entry, bytes, architecture, limits)?
    } else {
        refuse_others(path, &bytes.data)?;
        let read = onnx::read(path, &bytes.data, entry.input.as_ref().map(|i| i.shape), limits)?;
        (read.graph, read.facts, None, Vec::new())
    };
    facts.insert(1.min(facts.len()), summary(&graph));
    let input = match (entry.input.clone().or(own), &graph.input_shape[..]) {
        (Some(input), _) => input,
        (None, &[c, h, w]) => {
            InputSpec { shape: [c, h, w], range: [0.0, 1.0], mean: Vec::new(), std: Vec::new() }
        }
        (None, other) => {
            let reason =
                format!("takes {other:?} numbers per sample, not images (channels × height × width)");
            return Err(EvidenceError::at(path, "input", "model.input", reason));
        }
    };
    let labels = if labels.is_empty() { names } else { labels.to_vec() };
    let mut model = Model::from_graph(graph, input, labels).map_err(|e| error(path, "model", &e))?;
    facts.push(format!("{} classes", model.class_count()));
    if model.closing_softmax() {
        facts.push("ends in a softmax: logits are taken before it".into());
    }
    model.facts = facts.into_iter().map(Untrusted::new).collect();
    Ok(model)
}

/// An error of the network as one of the file: `family` begins the reason code.
fn error(path: &Path, family: &'static str, e: &NetworkError) -> EvidenceError {
    let code = match (family, e) {
        ("arch", NetworkError::Unsupported { .. }) => "arch.op.unknown",
        ("arch", NetworkError::Limit { .. }) => "arch.limit",
        ("arch", _) => "arch.malformed",
        (_, NetworkError::InputShape { .. }) => "model.input",
        (_, NetworkError::Malformed { place, .. }) if place == "labels" => "model.labels",
        (_, NetworkError::Malformed { place, .. }) if place == "model.input" => "model.input",
        _ => "model.shape",
    };
    match e {
        NetworkError::Malformed { place, reason } => EvidenceError::at(path, place, code, reason),
        other => EvidenceError::whole(path, code, other.to_string()),
    }
}

fn looks_like_safetensors(data: &[u8]) -> bool {
    data.get(8) == Some(&b'{') && data.get(5..8) == Some(&[0, 0, 0])
}

/// Formats that are recognised so that the message helps.
fn refuse_others(path: &Path, data: &[u8]) -> Result<(), EvidenceError> {
    let what = match data {
        [b'P', b'K', 3 | 5, ..] => "a zip archive (PyTorch, TorchScript or Keras)",
        [0x80, 2..=5, ..] => "a Python pickle",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file (Keras)",
        [b'G', b'G', b'U', b'F', ..] => "a GGUF file",
        _ => return Ok(()),
    };
    Err(EvidenceError::whole(
        path,
        "model.format",
        format!(
            "is {what}: it is described but never loaded; export the network to ONNX, or its weights to safetensors"
        ),
    ))
}

/// "12 nodes, 106 k parameters, input 1×28×28".
fn summary(graph: &Graph) -> String {
    let count = graph.parameter_count();
    let parameters = match count {
        0..1_000 => format!("{count}"),
        1_000..1_000_000 => format!("{} k", (count + 500) / 1_000),
        _ => format!("{:.1} M", count as f64 / 1e6),
    };
    let shape: Vec<String> = graph.input_shape.iter().map(ToString::to_string).collect();
    let nodes = graph.nodes.iter().filter(|n| !matches!(n.op.name(), "identity" | "dropout")).count();
    format!("{nodes} nodes, {parameters} parameters, input {}", shape.join("×"))
}

/// Reads a network description, naming its file in errors.
fn describe(path: &Path, text: &str, limits: &Limits) -> Result<Description, EvidenceError> {
    if text.len() as u64 > limits.text_bytes {
        let reason = format!("{} bytes, the cap 'text_bytes' is {}", text.len(), limits.text_bytes);
        return Err(EvidenceError::whole(path, "arch.limit", reason));
    }
    Description::parse(text).map_err(|e| error(path, "arch", &e))
}

/// A name that is none of the built-in architectures.
fn unknown_architecture(path: &Path, name: &str) -> EvidenceError {
    let reason =
        format!("no built-in architecture '{}'; there is {}", visible(name), builtin::NAMES.join(", "));
    EvidenceError::whole(path, "model.architecture", reason)
}
