//! ONNX: opset 9 and newer, weights inside the file. Messages are decoded, checked, put in order, and turned into a
//! [`Graph`]; nothing is executed, no other file is opened. Every error has a place and a stable reason code.

mod external;
mod fault;
mod fixed;
mod layers;
mod lower;
mod place;
mod proto;
mod shapes;
mod structure;
mod survey;
mod tensor;
mod write;

pub use survey::{Operator, operators};
pub use write::write;

use super::graph::Graph;
use crate::evidence::{EvidenceError, Limits, text::visible};
use fault::Fault;
use prost::Message;
use proto::ModelProto;
use std::path::Path;

/// Opsets that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=28;

/// IR versions that are read.
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=20;

/// A network as read, and what its reader learnt.
#[derive(Debug)]
pub struct Read {
    /// The network.
    pub graph: Graph,
    /// For people: visible text, one fact each.
    pub facts: Vec<String>,
}

/// Reads an ONNX file. `input` (channels, height, width) fills in sizes the file leaves open.
///
/// # Errors
/// Malformed, hostile or unsupported: names the file, the node or tensor, and why.
pub fn read(
    path: &Path,
    data: &[u8],
    input: Option<[usize; 3]>,
    limits: &Limits,
) -> Result<Read, EvidenceError> {
    decode(data).and_then(|model| build(&model, input, limits)).map_err(|fault| fault.at(path))
}

/// As [`read`], with weights in files beside the model. Each is read whole and its digest becomes a fact.
///
/// # Errors
/// As [`read`]; a file that is not in the model's own folder, is a link, or is shorter than its tensors need.
pub fn read_with_external(
    path: &Path,
    data: &[u8],
    input: Option<[usize; 3]>,
    limits: &Limits,
) -> Result<Read, EvidenceError> {
    let both = |mut model: ModelProto| {
        let facts = external::resolve(&mut model, path, limits)?;
        let mut read = build(&model, input, limits)?;
        read.facts.extend(facts);
        Ok(read)
    };
    decode(data).and_then(both).map_err(|fault: Fault| fault.at(path))
}

fn decode(data: &[u8]) -> Result<ModelProto, Fault> {
    if data.is_empty() {
        return Err(Fault::new("", "format.mismatch", "the file is empty"));
    }
    ModelProto::decode(data).map_err(|e| {
        let text = e.to_string();
        let code = if text.contains("UTF-8") { "onnx.utf8" } else { "onnx.protobuf" };
        Fault::new("", code, format!("not a whole ONNX file: {}; get the file again", visible(&text)))
    })
}

fn build(model: &ModelProto, input: Option<[usize; 3]>, limits: &Limits) -> Result<Read, Fault> {
    let Some(graph) = &model.graph else {
        return Err(Fault::new("", "format.mismatch", "holds no ONNX graph"));
    };
    // What holds of any graph comes first, whatever version it claims to be.
    structure::functions(&model.functions)?;
    let order = structure::order(graph, limits)?;
    let opset =
        model.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx")).map(|o| o.version);
    let Some(opset) = opset else {
        return Err(Fault::new("", "onnx.version", "names no version of the ONNX operator set"));
    };
    if !OPSETS.contains(&opset) {
        let (from, to) = (OPSETS.start(), OPSETS.end());
        return Err(Fault::new(
            "",
            "onnx.version",
            format!("operator set {opset}; {from} to {to} are read: export it again"),
        ));
    }
    if !IR_VERSIONS.contains(&model.ir_version) {
        let (from, to) = (IR_VERSIONS.start(), IR_VERSIONS.end());
        let reason = format!("IR version {}; {from} to {to} are read", model.ir_version);
        return Err(Fault::new("", "onnx.version", reason));
    }
    let lowered = lower::lower(graph, &order, opset, input, limits)?;
    let mut facts = vec![format!("ONNX opset {opset}")];
    let producer = [&model.producer_name, &model.producer_version].map(|s| visible(s)).join(" ");
    if !producer.trim().is_empty() {
        facts.push(format!("written by {}", producer.trim()));
    }
    if !order.sorted {
        facts.push("nodes were out of order and have been sorted".into());
    }
    facts.extend(lowered.facts);
    Ok(Read { graph: lowered.graph, facts })
}

#[cfg(test)]
mod tests;
