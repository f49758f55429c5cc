//! From the bytes of a suspect model to a [`Model`]: ONNX; Keras; or weights (safetensors, PyTorch checkpoints) with a network
//! description, the name of a built-in architecture, or one inferred from them. Nothing is executed.

pub(crate) mod half;
mod store;
mod weights;

use super::description::Description;
use super::op::Kernel;
use super::{Graph, Model, NetworkError, keras, onnx};
use crate::evidence::limits::cap;
use crate::evidence::{
    Bytes, EvidenceError, Format, InputSpec, Limits, ModelEntry, Untrusted, format, text::visible, torch,
};
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
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, name.as_deref());
    let (graph, mut facts, own, names) = match found {
        Format::Safetensors => weights::open_safetensors(entry, bytes, architecture, limits)?,
        found if torch::is_checkpoint(found) => weights::open_checkpoint(entry, bytes, architecture, limits)?,
        found @ (Format::KerasH5 | Format::KerasV3) => {
            let read = keras::read(path, &bytes.data, found, entry.input.as_ref().map(|i| i.shape), limits)?;
            (read.graph, read.facts, read.input, Vec::new())
        }
        found => {
            refuse_others(path, found)?;
            let read = if entry.external_data { onnx::read_with_external } else { onnx::read };
            let read = read(path, &bytes.data, entry.input.as_ref().map(|i| i.shape), limits)?;
            (read.graph, read.facts, None, Vec::new())
        }
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

/// Formats that are recognised so that the message helps.
fn refuse_others(path: &Path, found: Format) -> Result<(), EvidenceError> {
    use Format::{Gguf, Pickle, SavedModel, TorchScript, Zip};
    if !matches!(found, Gguf | Pickle | SavedModel | TorchScript | Zip) {
        return Ok(());
    }
    let what = format::describe(found).what;
    let reason = format!(
        "this is a {what}: it is described but never loaded; export the network to ONNX, or its weights to safetensors"
    );
    Err(EvidenceError::whole(path, "model.format", reason))
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
        let reason = format!("{} bytes, {}", text.len(), cap!(limits, text_bytes));
        return Err(EvidenceError::whole(path, "arch.limit", reason));
    }
    Description::parse(text).map_err(|e| error(path, "arch", &e))
}

/// A name that is none of the built-in architectures.
fn unknown_architecture(path: &Path, name: &str) -> EvidenceError {
    let reason =
        format!("no built-in architecture '{}'; there is {}", visible(name), weights::names().join(", "));
    EvidenceError::whole(path, "model.architecture", reason)
}
