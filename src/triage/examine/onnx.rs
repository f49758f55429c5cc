//! ONNX: the strict reader's word, and what it does not ask: control flow on the input path, weights that nothing
//! uses, text that acts, bytes behind the model.

use super::reason::{Reason, Ruling};
use super::rules::holds;
use super::scan::Scan;
use crate::evidence::array::{Dtype, not_finite};
use crate::evidence::{EvidenceError, text, wire};
use crate::network::onnx;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Operators that choose or compare.
const CHOOSE: &[&str] = &[
    "If",
    "Loop",
    "Scan",
    "Where",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Xor",
    "Not",
    "IsNaN",
    "IsInf",
    "NonZero",
    "Compress",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
];
/// Nodes of a drawn path, and paths.
const PATH: usize = 60;
const PATHS: usize = 5;
/// Highest versions that exist or are announced.
const IR: i64 = 20;
const OPSET: i64 = 30;
/// Numbers that an operator may make out of constants of the file.
const MADE: f64 = 5e8;
/// Extent of a kernel, stride, dilation or padding.
const EXTENT: i64 = 1 << 20;
/// Fields of the outermost message.
const MODEL_FIELDS: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26];

pub(super) fn look(scan: &mut Scan, data: &[u8]) {
    if let Err(e) = onnx::read(scan.path, data, None, scan.limits)
        && (e.code.starts_with("onnx.") || e.code == "format.mismatch")
        && !is_about_running(&e)
    {
        scan.say(Reason::refused(&e));
    }
    let Some(end) = whole(scan, data) else { return };
    let model = data.get(..end).unwrap_or(data);
    strings(scan, model);
    versions(scan, model);
    let Some(graph) = wire::all(model, 7).last() else { return };
    let graph = Graph::read(graph);
    operators(scan, &graph, model);
    attributes(scan, &graph);
    made(scan, &graph);
    endless(scan, &graph);
    order(scan, &graph);
    inputs(scan, model);
    values(scan, &graph);
    unused(scan, &graph);
    branches(scan, &graph);
}

/// Whether the reader's refusal is about what this program can run, and not against the file: operators, versions and
/// inputs of other networks than image classifiers.
fn is_about_running(e: &EvidenceError) -> bool {
    let of_the_graph = ["input ", "output ", "graph"].iter().any(|p| e.place.starts_with(p));
    match e.code {
        "onnx.op.unknown" | "onnx.function" | "onnx.tensor.sparse" | "onnx.version" => true,
        "onnx.graph.shape" => of_the_graph,
        "onnx.op.attr" => e.reason.contains("not supported"),
        _ => false,
    }
}

/// Versions that exist.
fn versions(scan: &mut Scan, model: &[u8]) {
    let number = |message: &[u8], field: u32| {
        wire::fields(message)
            .map_while(Result::ok)
            .filter_map(|(n, w)| match w {
                wire::Wire::Number(v) if n == field => Some(v.cast_signed()),
                _ => None,
            })
            .last()
    };
    let ir = number(model, 1).unwrap_or(0);
    let standard = wire::all(model, 8).find(|o| matches!(wire::text(o, 1), None | Some("" | "ai.onnx")));
    let opset = standard.and_then(|o| number(o, 2));
    if !(1..=IR).contains(&ir) {
        scan.say(Reason::new("onnx.version", format!("IR version {ir}; 1 to {IR} exist")));
    }
    match opset {
        None if ir >= 3 => scan.say(Reason::new("onnx.version", "names no version of the ONNX operator set")),
        Some(n) if !(1..=OPSET).contains(&n) => {
            scan.say(Reason::new("onnx.version", format!("operator set {n}; 1 to {OPSET} exist")));
        }
        _ => {}
    }
}

/// Walks the outermost message; where it ends, if something else follows it.
fn whole(scan: &mut Scan, data: &[u8]) -> Option<usize> {
    let (mut end, mut has_graph) = (0usize, false);
    let base = data.as_ptr() as usize;
    for field in wire::fields(data) {
        match field {
            Ok((n, wire)) if MODEL_FIELDS.contains(&n) => {
                has_graph |= n == 7;
                end = match wire {
                    wire::Wire::Bytes(b) | wire::Wire::Fixed(b) => (b.as_ptr() as usize - base) + b.len(),
                    wire::Wire::Number(_) => end.max(1),
                };
            }
            Ok(_) | Err(_) if has_graph => {
                let detail = format!("{} bytes behind the model that are no part of it", data.len() - end);
                scan.say(Reason::new("onnx.trailing_data", detail).at(end as u64));
                return Some(end);
            }
            _ => return None,
        }
    }
    has_graph.then_some(data.len())
}

/// Names, notes and metadata that act on a screen.
fn strings(scan: &mut Scan, model: &[u8]) {
    let acts = |raw: &[u8]| {
        std::str::from_utf8(raw).is_ok_and(|t| t.split(['\n', '\r', '\t']).any(|p| text::visible(p) != p))
    };
    let mut found: Option<String> = None;
    let mut check = |raw: &[u8]| {
        if found.is_none() && acts(raw) {
            found = Some(text::visible(&String::from_utf8_lossy(raw)));
        }
    };
    for n in [2, 3, 4, 6] {
        wire::all(model, n).for_each(&mut check);
    }
    for entry in wire::all(model, 14) {
        wire::all(entry, 1).chain(wire::all(entry, 2)).for_each(&mut check);
    }
    for graph in wire::all(model, 7) {
        wire::all(graph, 2).chain(wire::all(graph, 10)).for_each(&mut check);
        for node in wire::all(graph, 1) {
            for n in [1, 2, 3, 4, 6, 7] {
                wire::all(node, n).for_each(&mut check);
            }
        }
        for tensor in wire::all(graph, 5) {
            wire::all(tensor, 8).chain(wire::all(tensor, 12)).for_each(&mut check);
        }
        for value in wire::all(graph, 11).chain(wire::all(graph, 12)).chain(wire::all(graph, 13)) {
            wire::all(value, 1).chain(wire::all(value, 3)).for_each(&mut check);
        }
    }
    if let Some(first) = found {
        let first: String = first.chars().take(100).collect();
        scan.say(Reason::new("onnx.name_unprintable", format!("a name or note acts on a screen: {first}")));
    }
}

/// A node in the few words that are needed.
struct Node<'a> {
    op: &'a str,
    domain: &'a str,
    name: &'a str,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    raw: &'a [u8],
}

struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    initializers: HashMap<&'a str, &'a [u8]>,
}

impl<'a> Graph<'a> {
    fn read(graph: &'a [u8]) -> Self {
        let text = |raw: &'a [u8]| std::str::from_utf8(raw).unwrap_or_default();
        let nodes = wire::all(graph, 1)
            .map(|n| Node {
                op: wire::text(n, 4).unwrap_or_default(),
                domain: wire::text(n, 7).unwrap_or_default(),
                name: wire::text(n, 3)
                    .filter(|t| !t.is_empty())
                    .or_else(|| wire::text(n, 2))
                    .unwrap_or_default(),
                inputs: wire::all(n, 1).map(text).collect(),
                outputs: wire::all(n, 2).map(text).collect(),
                raw: n,
            })
            .collect();
        let initializers: HashMap<_, _> =
            wire::all(graph, 5).map(|t| (wire::text(t, 8).unwrap_or_default(), t)).collect();
        let names = |n: u32| wire::all(graph, n).filter_map(|v| wire::text(v, 1));
        Self {
            nodes,
            inputs: names(11).filter(|n| !initializers.contains_key(n)).collect(),
            outputs: names(12).collect(),
            initializers,
        }
    }
}

/// Sub-graphs of a node.
fn subgraphs(node: &[u8]) -> impl Iterator<Item = &[u8]> {
    wire::all(node, 5).flat_map(|a| wire::all(a, 6).chain(wire::all(a, 11)))
}

/// Operators that no version of ONNX has, or of a domain of their own.
fn operators(scan: &mut Scan, graph: &Graph, model: &[u8]) {
    let functions: HashSet<&str> = wire::all(model, 25).filter_map(|f| wire::text(f, 1)).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut said = 0;
    for node in &graph.nodes {
        *counts.entry(text::visible(node.op)).or_default() += 1;
        let standard = matches!(node.domain, "" | "ai.onnx");
        let known = standard && is_standard(node.op)
            || matches!(node.domain, "ai.onnx.ml" | "com.microsoft" | "ai.onnx.preview.training")
            || functions.contains(node.op);
        if !known && said < 10 {
            said += 1;
            let from = if standard { String::new() } else { format!(" of '{}'", text::visible(node.domain)) };
            let detail = format!(
                "node '{}': the operator '{}'{from} is not one of ONNX",
                text::visible(node.name),
                text::visible(node.op)
            );
            scan.say(Reason::new("onnx.op.unknown", detail));
        }
    }
    scan.facts.insert("operators".to_owned(), json!(counts));
    scan.facts.insert(
        "inputs".to_owned(),
        json!(graph.inputs.iter().map(|n| text::visible(n)).collect::<Vec<_>>()),
    );
    if let Some(producer) = wire::text(model, 2) {
        let version = wire::text(model, 3).unwrap_or_default();
        scan.facts.insert("producer".to_owned(), json!(text::visible(&format!("{producer} {version}"))));
    }
}

/// A Loop without a count whose condition never changes.
fn endless(scan: &mut Scan, graph: &Graph) {
    let constant_true = |name: &str| {
        graph.initializers.contains_key(name)
            || graph.nodes.iter().any(|n| n.op == "Constant" && n.outputs.contains(&name))
    };
    for node in graph.nodes.iter().filter(|n| n.op == "Loop") {
        let count = node.inputs.first().copied().unwrap_or_default();
        let condition = node.inputs.get(1).copied().unwrap_or_default();
        let bounded = !count.is_empty()
            && constant(graph, count).and_then(|v| v.first().copied()).is_none_or(|n| n <= 1_000_000);
        let body = subgraphs(node.raw).next().map(Graph::read);
        let changes = body.is_some_and(|b| {
            // The body's first output is the next condition.
            let next = b.outputs.first().copied().unwrap_or_default();
            let maker = b.nodes.iter().find(|n| n.outputs.contains(&next));
            !b.initializers.contains_key(next)
                && maker.is_some_and(|m| !matches!(m.op, "Identity" | "Constant" | "Cast"))
        });
        if !bounded
            && !changes
            && (condition.is_empty() || constant_true(condition) || graph.inputs.contains(&condition))
        {
            let detail = format!("node '{}': a loop that nothing ends", text::visible(node.name));
            scan.say(Reason::new("onnx.limit", detail));
        }
    }
}

/// Whole numbers under a name, where they are a constant of the file.
fn constant(graph: &Graph, name: &str) -> Option<Vec<i64>> {
    if let Some(tensor) = graph.initializers.get(name) {
        return integers(tensor);
    }
    let node = graph.nodes.iter().find(|n| n.op == "Constant" && n.outputs.contains(&name))?;
    let attribute = wire::all(node.raw, 5).next()?;
    match wire::text(attribute, 1)? {
        "value" => integers(wire::all(attribute, 5).last()?),
        "value_int" => Some(varints(attribute, 3)),
        "value_ints" => Some(varints(attribute, 8)),
        _ => None,
    }
}

/// The whole numbers of a tensor, at most 64 of them.
fn integers(tensor: &[u8]) -> Option<Vec<i64>> {
    let kind = varints(tensor, 2).last().copied()?;
    if let Some(raw) = wire::all(tensor, 9).last() {
        return match kind {
            7 => Some(raw.as_chunks::<8>().0.iter().take(64).map(|b| i64::from_le_bytes(*b)).collect()),
            6 => Some(
                raw.as_chunks::<4>().0.iter().take(64).map(|b| i64::from(i32::from_le_bytes(*b))).collect(),
            ),
            _ => None,
        };
    }
    matches!(kind, 6 | 7).then(|| varints(tensor, if kind == 7 { 7 } else { 5 }))
}

/// Varints of a field, packed or not, at most 64.
fn varints(message: &[u8], field: u32) -> Vec<i64> {
    let mut out = Vec::new();
    for (n, value) in wire::fields(message).map_while(Result::ok).take(10_000) {
        match value {
            wire::Wire::Number(v) if n == field => out.push(v.cast_signed()),
            wire::Wire::Bytes(packed) if n == field => {
                out.extend(wire::packed(packed).take(64).map(u64::cast_signed));
            }
            _ => {}
        }
    }
    out.truncate(64);
    out
}

/// The whole numbers of an attribute.
fn attribute(node: &Node, name: &str) -> Option<Vec<i64>> {
    let found = wire::all(node.raw, 5).find(|a| wire::text(a, 1) == Some(name))?;
    let list = varints(found, 8);
    Some(if list.is_empty() { varints(found, 3) } else { list })
}

/// Attributes that divide by zero or explode.
fn attributes(scan: &mut Scan, graph: &Graph) {
    for node in graph.nodes.iter().filter(|n| n.op.contains("Conv") || n.op.contains("Pool")) {
        for (name, least) in
            [("strides", 1), ("dilations", 1), ("kernel_shape", 1), ("group", 1), ("pads", 0)]
        {
            let bad =
                attribute(node, name).and_then(|v| v.into_iter().find(|n| !(least..=EXTENT).contains(n)));
            if let Some(n) = bad {
                let detail = format!(
                    "node '{}': {name} has {n}; {least} to {EXTENT} make sense",
                    text::visible(node.name)
                );
                scan.say(Reason::new("onnx.op.attr", detail));
                return;
            }
        }
    }
}

/// Operators that make vast values out of constants of the file.
fn made(scan: &mut Scan, graph: &Graph) {
    for node in &graph.nodes {
        let input = |i: usize| node.inputs.get(i).and_then(|n| constant(graph, n));
        let product = |v: Vec<i64>| v.iter().map(|&n| n.max(0) as f64).product::<f64>();
        let numbers = match node.op {
            "ConstantOfShape" => input(0).map(product),
            "Expand" | "Tile" | "Reshape" | "OneHot" => input(1).map(product),
            "Resize" => input(3).map(product),
            "Pad" => {
                input(1).or_else(|| attribute(node, "pads")).map(|v| v.iter().map(|&n| n.max(0) as f64).sum())
            }
            "RandomNormal" | "RandomUniform" => attribute(node, "shape").map(product),
            "Range" => match (input(0), input(1), input(2)) {
                (Some(from), Some(to), Some(step)) => {
                    let one = |v: &[i64]| v.first().copied().unwrap_or(0) as f64;
                    Some((one(&to) - one(&from)) / one(&step).abs().max(1.0))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(n) = numbers.filter(|n| *n > MADE) {
            let detail = format!(
                "node '{}' ({}) makes {n:e} numbers out of constants; the cap is {MADE:e}",
                text::visible(node.name),
                node.op
            );
            scan.say(Reason::new("onnx.limit", detail));
        }
    }
}

/// Nodes in front of what they read.
fn order(scan: &mut Scan, graph: &Graph) {
    let mut known: HashSet<&str> =
        graph.inputs.iter().copied().chain(graph.initializers.keys().copied()).collect();
    let made: HashSet<&str> = graph.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
    for node in &graph.nodes {
        if let Some(early) =
            node.inputs.iter().find(|i| !i.is_empty() && !known.contains(*i) && made.contains(*i))
        {
            let detail = format!(
                "node '{}' stands in front of what makes its input '{}'",
                text::visible(node.name),
                text::visible(early)
            );
            scan.say(Reason::new("onnx.graph.order", detail));
            return;
        }
        known.extend(&node.outputs);
    }
}

/// Inputs of sizes that no image has.
fn inputs(scan: &mut Scan, model: &[u8]) {
    let values = wire::all(model, 7).flat_map(|g| wire::all(g, 11));
    for value in values {
        let shapes = wire::all(value, 2).flat_map(|t| wire::all(t, 1)).flat_map(|t| wire::all(t, 2));
        for dim in shapes.flat_map(|s| wire::all(s, 1)) {
            let extent = wire::fields(dim).map_while(Result::ok).find_map(|(n, w)| match (n, w) {
                (1, wire::Wire::Number(n)) => Some(n.cast_signed()),
                _ => None,
            });
            if extent.is_some_and(|n| n <= 0 || n > 1 << 31) {
                let name = text::visible(wire::text(value, 1).unwrap_or_default());
                let mut reason = Reason::new(
                    "onnx.graph.shape",
                    format!("input '{name}' has an extent of {}", extent.unwrap_or(0)),
                );
                reason.ruling = Ruling::Review;
                scan.say(reason);
                return;
            }
        }
    }
}

/// Weights that are infinite or no number.
fn values(scan: &mut Scan, graph: &Graph) {
    let mut wild = 0usize;
    for tensor in graph.initializers.values() {
        let kind = wire::fields(tensor).map_while(Result::ok).find_map(|(n, w)| match (n, w) {
            (2, wire::Wire::Number(n)) => Some(n),
            _ => None,
        });
        let dtype = match kind {
            Some(1) => Dtype::F32,
            Some(10) => Dtype::F16,
            Some(11) => Dtype::F64,
            Some(16) => Dtype::BF16,
            _ => continue,
        };
        let stored = wire::all(tensor, 9).chain(wire::all(tensor, 4));
        wild += stored.map(|raw| not_finite(raw, dtype)).sum::<usize>();
    }
    if wild > 0 {
        scan.say(Reason::new("weights.nonfinite", format!("{wild} weights are infinite or no number")));
    }
}

/// Initialisers that nothing reads.
fn unused(scan: &mut Scan, graph: &Graph) {
    let mut used: HashSet<&str> = graph
        .nodes
        .iter()
        .flat_map(|n| n.inputs.iter().copied())
        .chain(graph.outputs.iter().copied())
        .collect();
    let mut open: Vec<(&[u8], u32)> =
        graph.nodes.iter().flat_map(|n| subgraphs(n.raw)).map(|g| (g, 0)).collect();
    while let Some((inner, depth)) = open.pop() {
        for node in wire::all(inner, 1) {
            used.extend(wire::all(node, 1).filter_map(|n| std::str::from_utf8(n).ok()));
            if depth < 16 {
                open.extend(subgraphs(node).map(|g| (g, depth + 1)));
            }
        }
        used.extend(wire::all(inner, 12).filter_map(|v| wire::text(v, 1)));
    }
    let mut idle: Vec<(&str, usize)> =
        graph.initializers.iter().filter(|(n, _)| !used.contains(*n)).map(|(n, t)| (*n, t.len())).collect();
    idle.sort_unstable();
    let bytes: usize = idle.iter().map(|i| i.1).sum();
    if let Some((first, _)) = idle.first() {
        let detail = format!(
            "{} weights of {bytes} bytes are used by no node, first '{}'",
            idle.len(),
            text::visible(first)
        );
        scan.say(Reason::new("onnx.unused_initializer", detail));
    }
}

/// Operators that choose or compare what comes from the input and decides the output, drawn as a path.
fn branches(scan: &mut Scan, graph: &Graph) {
    let mut maker: HashMap<&str, usize> = HashMap::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            maker.insert(output, i);
        }
    }
    // Forward from the inputs (values, not shapes) and backward from the outputs.
    let mut from: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    let mut reached = vec![false; graph.nodes.len()];
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            readers.entry(input).or_default().push(i);
        }
    }
    let mut open: Vec<(&str, Option<usize>)> = graph.inputs.iter().map(|n| (*n, None)).collect();
    while let Some((value, by)) = open.pop() {
        for &i in readers.get(value).map(Vec::as_slice).unwrap_or_default() {
            if reached[i] || matches!(graph.nodes[i].op, "Shape" | "Size") {
                continue;
            }
            (reached[i], from[i]) = (true, by);
            open.extend(graph.nodes[i].outputs.iter().map(|o| (*o, Some(i))));
        }
    }
    let mut decides = vec![false; graph.nodes.len()];
    let mut open: Vec<&str> = graph.outputs.clone();
    while let Some(value) = open.pop() {
        if let Some(&i) = maker.get(value)
            && !decides[i]
        {
            decides[i] = true;
            open.extend(&graph.nodes[i].inputs);
        }
    }
    let chosen: Vec<usize> = (0..graph.nodes.len())
        .filter(|&i| reached[i] && decides[i] && CHOOSE.contains(&graph.nodes[i].op))
        .collect();
    for &i in chosen.iter().take(PATHS) {
        let mut path = vec![i];
        while let Some(before) = path.last().and_then(|&l| from[l]) {
            path.push(before);
            if path.len() >= PATH {
                break;
            }
        }
        let words: Vec<String> = path
            .iter()
            .rev()
            .map(|&n| text::visible(&format!("{} '{}'", graph.nodes[n].op, graph.nodes[n].name)))
            .collect();
        let detail = format!(
            "{} of {} operators that choose by the input: input → {} → output",
            path.len(),
            chosen.len(),
            words.join(" → ")
        );
        scan.say(Reason::new("onnx.architecture.branch", detail));
    }
}

/// Operators of the default domain, opset 1 to 26.
const OPERATORS: &str = " Abs Acos Acosh Add Affine AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization Bernoulli BitShift \
    BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence \
    Constant ConstantFill ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh Crop CumSum CumProd DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout \
    DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GivenTensorFill GlobalAveragePool \
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder ImageScaler \
    InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger \
    Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss \
    NonMaxSuppression NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad ParametricSoftplus Pow QLinearConv QLinearMatMul \
    QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum \
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round \
    STFT Scale ScaledTanh Scan Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength \
    SequenceMap Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt \
    Squeeze StringConcat StringNormalizer StringSplit Sub Sum Swish Tan Tanh TensorScatter TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique \
    Unsqueeze Upsample Where Xor ";

fn is_standard(op: &str) -> bool {
    !op.is_empty() && !op.contains(' ') && OPERATORS.contains(&format!(" {op} ")) && holds("onnx", op)
}

/// The table of names, for the test that switches single ones off.
#[cfg(test)]
pub(super) fn tables() -> (&'static str, Vec<&'static str>) {
    ("onnx", OPERATORS.split_ascii_whitespace().collect())
}
