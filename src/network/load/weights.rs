//! Weights in safetensors, put into a described network.

use super::{Architecture, describe, error, unknown_architecture};
use crate::evidence::safetensors::{Dtype, SafeTensors};
use crate::evidence::{Bytes, EvidenceError, InputSpec, Limits, ModelEntry, Untrusted, text::visible};
use crate::network::description::{Description, ParamKind, builtin};
use crate::network::{Graph, NetworkError};
use std::collections::BTreeSet;
use std::path::Path;

/// Graph, facts, how images enter, class names.
type Opened = (Graph, Vec<String>, Option<InputSpec>, Vec<Untrusted>);

pub(super) fn open(
    entry: &ModelEntry,
    bytes: &Bytes,
    architecture: Architecture,
    limits: &Limits,
) -> Result<Opened, EvidenceError> {
    let file = SafeTensors::parse(&bytes.path, &bytes.data, limits)?;
    let (place, description): (&Path, Description) = match architecture {
        Architecture::Description { path, text } => (path, describe(path, text, limits)?),
        Architecture::Named(name) => (&bytes.path, named(name, entry, &file, &bytes.path)?),
    };
    let mut read = BTreeSet::new();
    let mut converted = BTreeSet::new();
    let mut failure = None;
    let graph = description.build(limits, &mut |wanted| {
        let array = file.require(&wanted.name).and_then(|t| {
            if !t.is_float() {
                return Err(t.error("st.dtype", "weights must be floating-point numbers"));
            }
            // Checked before the numbers are copied out.
            if wanted.kind != ParamKind::Constant && t.shape != wanted.shape {
                let reason =
                    format!("has shape {:?}, node '{}' needs {:?}", t.shape, wanted.node, wanted.shape);
                return Err(t.error("model.weights", reason));
            }
            if t.dtype != Dtype::F32 {
                converted.insert(format!("{:?}", t.dtype).to_lowercase());
            }
            t.to_f32()
        });
        read.insert(wanted.name.clone());
        array.map_err(|e| {
            let said = NetworkError::malformed(e.place.clone(), e.reason.clone());
            failure = Some(e);
            said
        })
    });
    let graph = match (graph, failure) {
        (Ok(graph), _) => graph,
        (Err(_), Some(own)) => return Err(own),
        (Err(e), None) => return Err(error(place, "arch", &e)),
    };
    let mut facts = vec![format!("safetensors, {} tensors", file.len())];
    if let Some(arch) = &description.arch {
        facts.push(format!("described as {}", visible(arch)));
    }
    if !converted.is_empty() {
        let kinds: Vec<String> = converted.into_iter().collect();
        facts.push(format!("weights stored as {} were converted to f32", kinds.join(", ")));
    }
    let unused: Vec<String> = file
        .iter()
        .filter(|t| !read.contains(t.name.raw()) && !t.name.raw().ends_with("num_batches_tracked"))
        .map(|t| t.name.shown())
        .collect();
    if !unused.is_empty() {
        let first: Vec<&str> = unused.iter().take(3).map(String::as_str).collect();
        facts.push(format!("{} tensors are used by no node ({})", unused.len(), first.join(", ")));
    }
    let names = description.class_names.iter().map(Untrusted::new).collect();
    Ok((graph, facts, Some(description.input_spec()), names))
}

/// A built-in architecture for the shape of the case, or one worked out from the weights.
fn named(
    name: &str,
    entry: &ModelEntry,
    file: &SafeTensors,
    path: &Path,
) -> Result<Description, EvidenceError> {
    let (first, last) = match name {
        "smallcnn" => ("conv1.weight", "fc2.weight"),
        "resnet8" => ("stem.weight", "fc.weight"),
        other => return Err(unknown_architecture(path, other)),
    };
    let channels = file.require(first)?.shape.get(1).copied().unwrap_or(0);
    let classes = file.require(last)?.shape.first().copied().unwrap_or(0);
    let shape = match (&entry.input, name) {
        (Some(input), _) => input.shape,
        (None, "smallcnn") => {
            // The hidden layer reads 32 channels of a quarter of height and width: square images are assumed.
            let pixels = file.require("fc1.weight")?.shape.get(1).copied().unwrap_or(0) / 32;
            let side = pixels.isqrt() * 4;
            [channels, side, side]
        }
        (None, _) => {
            let reason = "the size of its images is not in the weights: give [model.input] in the case file";
            return Err(EvidenceError::whole(path, "model.input", reason));
        }
    };
    builtin::describe(name, shape, classes).ok_or_else(|| unknown_architecture(path, name))
}
