//! What operators an ONNX file has, for files whose network cannot be run.

use super::fault::quoted;
use super::proto::{GraphProto, ModelProto};
use super::structure::label;
use prost::Message;
use std::collections::BTreeMap;

/// Operators that are run or folded (each in the forms that its lowering names).
const KNOWN: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Selu",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// An operator of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its name with its domain, as visible text.
    pub name: String,
    /// How many nodes have it.
    pub count: usize,
    /// The first of them, as visible text.
    pub first: String,
    /// Whether it is run here, in its usual forms.
    pub known: bool,
}

/// The operators of a file; empty when it is no ONNX file. Sub-graphs are not looked into.
pub fn operators(data: &[u8]) -> Vec<Operator> {
    let Ok(model) = ModelProto::decode(data) else { return Vec::new() };
    let graph = model.graph.unwrap_or_else(GraphProto::default);
    let mut all: BTreeMap<String, Operator> = BTreeMap::new();
    for node in &graph.node {
        let standard = matches!(node.domain.as_str(), "" | "ai.onnx");
        let shown = quoted(&node.op_type).trim_matches('\'').to_owned();
        let name =
            if standard { shown } else { format!("{}.{shown}", quoted(&node.domain).trim_matches('\'')) };
        let known = standard && KNOWN.contains(&node.op_type.as_str());
        let operator = Operator { name: name.clone(), count: 0, first: label(node), known };
        all.entry(name).or_insert(operator).count += 1;
    }
    all.into_values().collect()
}
