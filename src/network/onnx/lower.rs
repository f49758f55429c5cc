//! From messages to a [`Graph`]: walks the nodes in order, keeping for each name what it stands for.

use super::fault::{Fault, quoted};
use super::place::Live;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::structure::{Order, label};
use super::tensor::{self, Ints};
use super::{fixed, layers, shapes};
use crate::evidence::{Limits, text::visible};
use crate::network::graph::{Builder, Graph, ParamId, ValueId};
use crate::network::op::Op;
use ndarray::ArrayD;
use std::collections::{HashMap, HashSet};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    /// A value of the network, and where its batch axis stands.
    Live(Live),
    /// An initialiser that nobody has asked for yet.
    Stored(&'a TensorProto),
    /// Constant numbers.
    Floats(ArrayD<f32>),
    /// Constant whole numbers: shapes, axes, indices.
    Ints(Ints),
}

/// The graph and what its reader learnt.
pub(crate) struct Lowered {
    pub(crate) graph: Graph,
    pub(crate) facts: Vec<String>,
}

/// State of the walk.
pub(crate) struct Context<'a> {
    pub(crate) opset: i64,
    pub(crate) builder: Builder,
    pub(crate) limits: &'a Limits,
    /// Batch size, where the file fixes one.
    pub(crate) batch: Option<i64>,
    values: HashMap<&'a str, Value<'a>>,
    params: HashMap<&'a str, ParamId>,
}

/// One node with its attributes, while it is lowered.
pub(crate) struct Step<'n> {
    pub(crate) node: &'n NodeProto,
}

pub(crate) fn lower(
    graph: &GraphProto,
    order: &Order,
    opset: i64,
    input: Option<[usize; 3]>,
    limits: &Limits,
) -> Result<Lowered, Fault> {
    let mut facts = Vec::new();
    let mut values = HashMap::new();
    let mut kinds = HashSet::new();
    for t in &graph.initializer {
        tensor::check(t, limits)?;
        kinds.extend(tensor::converted(t));
        values.insert(t.name.as_str(), Value::Stored(t));
    }
    let open: Vec<_> = graph.input.iter().filter(|v| !values.contains_key(v.name.as_str())).collect();
    let [info] = open[..] else {
        let reason = format!("has {} inputs, an image classifier has one", open.len());
        return Err(Fault::new("graph", "onnx.graph.shape", reason));
    };
    let (shape, batch) = input_shape(info, input)?;
    let Some(wanted) = graph.output.first() else {
        return Err(Fault::new("graph", "onnx.graph.shape", "has no output"));
    };
    if graph.output.len() > 1 {
        facts.push(format!("{} outputs, the first ({}) is used", graph.output.len(), quoted(&wanted.name)));
    }
    values.insert(&info.name, Value::Live(Live::first(0)));
    let builder = Builder::new(&info.name, &shape, limits)?;
    let mut cx = Context { opset, builder, limits, batch, values, params: HashMap::new() };
    let needed = needed(graph, order, &wanted.name);
    for &i in order.nodes.iter().filter(|i| needed.contains(i)) {
        cx.node(&graph.node[i])?;
    }
    let output = match cx.values.get(wanted.name.as_str()) {
        Some(Value::Live(v)) if *v == Live::first(v.id) => v.id,
        Some(_) => {
            let reason = "does not depend on the input";
            return Err(Fault::new(format!("output {}", quoted(&wanted.name)), "onnx.graph.shape", reason));
        }
        None => {
            let reason = "is defined nowhere";
            return Err(Fault::new(
                format!("output {}", quoted(&wanted.name)),
                "onnx.graph.undefined",
                reason,
            ));
        }
    };
    let skipped = order.nodes.len() - needed.len();
    if skipped > 0 {
        facts.push(format!("{skipped} nodes do not contribute to the output and were left out"));
    }
    let read: HashSet<&str> = graph.node.iter().flat_map(|n| &n.input).map(String::as_str).collect();
    let unused = graph.initializer.iter().filter(|t| !read.contains(t.name.as_str())).count();
    if unused > 0 {
        facts.push(format!("{unused} stored tensors are used by no node"));
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_unstable();
    if !kinds.is_empty() {
        facts.push(format!("weights stored as {} were converted to f32", kinds.join(", ")));
    }
    Ok(Lowered { graph: cx.builder.finish(output)?, facts })
}

/// Shape of the input per image, and the batch size where it is fixed.
fn input_shape(
    info: &super::proto::ValueInfo,
    given: Option<[usize; 3]>,
) -> Result<(Vec<usize>, Option<i64>), Fault> {
    let fail =
        |reason: String| Fault::new(format!("input {}", quoted(&info.name)), "onnx.graph.shape", reason);
    let kind = info.kind.as_ref().and_then(|k| k.tensor.as_ref());
    let kind = kind.ok_or_else(|| fail("is not a tensor".into()))?;
    if !matches!(kind.element, 0 | 1 | 10 | 11 | 16) {
        return Err(fail(format!("has data type {}, images enter as floating-point numbers", kind.element)));
    }
    let Some(shape) = &kind.shape else {
        let given = given.ok_or_else(|| fail("has no shape: give [model.input] in the case file".into()))?;
        return Ok((given.to_vec(), None));
    };
    if shape.dim.len() < 2 || shape.dim.len() > 4 {
        return Err(fail(format!("has {} axes, a batch of images has 4", shape.dim.len())));
    }
    let mut out = Vec::new();
    for (axis, dim) in shape.dim.iter().enumerate().skip(1) {
        let known = dim.value.filter(|&v| v > 0).and_then(|v| usize::try_from(v).ok());
        let from_case = given.filter(|_| shape.dim.len() == 4).map(|g| g[axis - 1]);
        out.push(known.or(from_case).ok_or_else(|| {
            fail(format!("leaves axis {axis} open: give [model.input] shape in the case file"))
        })?);
    }
    Ok((out, shape.dim[0].value.filter(|&v| v > 0)))
}

/// Nodes the output depends on.
fn needed(graph: &GraphProto, order: &Order, output: &str) -> HashSet<usize> {
    let mut names = HashSet::from([output]);
    let mut nodes = HashSet::new();
    for &i in order.nodes.iter().rev() {
        let node = &graph.node[i];
        if node.output.iter().any(|o| names.contains(o.as_str())) {
            nodes.insert(i);
            names.extend(node.input.iter().map(String::as_str));
        }
    }
    nodes
}

impl<'a> Context<'a> {
    fn node(&mut self, node: &'a NodeProto) -> Result<(), Fault> {
        let step = Step { node };
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(step.unsupported(&format!("of domain {}", quoted(&node.domain))));
        }
        if !node.attribute.is_empty() && node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty())
        {
            return Err(step.unsupported("with control flow"));
        }
        let values = match fixed::fold(self, &step)? {
            Some(value) => vec![value],
            None => match shapes::lower(self, &step)? {
                Some(all) => all.into_iter().map(Value::Live).collect(),
                None => vec![Value::Live(layers::lower(self, &step)?)],
            },
        };
        for (name, value) in node.output.iter().zip(values).filter(|(n, _)| !n.is_empty()) {
            if let Value::Live(v) = value {
                self.builder.alias(name, v.id);
            }
            self.values.insert(name, value);
        }
        Ok(())
    }

    /// What input `k` of a node stands for; `None` when it is absent.
    pub(crate) fn value(&self, step: &Step<'a>, k: usize) -> Result<Option<&Value<'a>>, Fault> {
        match step.node.input.get(k).filter(|n| !n.is_empty()) {
            None => Ok(None),
            Some(name) => match self.values.get(name.as_str()) {
                Some(value) => Ok(Some(value)),
                None => {
                    Err(step
                        .fault("onnx.graph.undefined", format!("reads {}, which has no value", quoted(name))))
                }
            },
        }
    }

    /// Input `k` as a value of the network, wherever its batch axis stands; `None` when it is absent or constant.
    pub(crate) fn placed(&self, step: &Step<'a>, k: usize) -> Result<Option<Live>, Fault> {
        Ok(match self.value(step, k)? {
            Some(Value::Live(v)) => Some(*v),
            _ => None,
        })
    }

    /// See [`Self::placed`]; must be there.
    pub(crate) fn need_placed(&self, step: &Step<'a>, k: usize) -> Result<Live, Fault> {
        self.placed(step, k)?.ok_or_else(|| {
            step.fault(
                "onnx.op.unknown",
                format!("input {} must depend on the image; a constant here is not supported", k + 1),
            )
        })
    }

    /// Input `k` as a value of the network whose first axis is the batch; `None` when it is absent or constant.
    pub(crate) fn live(&self, step: &Step<'a>, k: usize) -> Result<Option<ValueId>, Fault> {
        match self.placed(step, k)? {
            Some(v) if v != Live::first(v.id) => {
                Err(step.unsupported("with the batch on another axis than the first"))
            }
            found => Ok(found.map(|v| v.id)),
        }
    }

    /// Input `k`, which must be a value of the network whose first axis is the batch.
    pub(crate) fn need(&self, step: &Step<'a>, k: usize) -> Result<ValueId, Fault> {
        self.need_placed(step, k)?;
        self.live(step, k)?.ok_or_else(|| step.fault("onnx.graph.undefined", "reads nothing"))
    }

    /// Input `k` as constant numbers; `None` when absent.
    pub(crate) fn floats(&self, step: &Step<'a>, k: usize) -> Result<Option<ArrayD<f32>>, Fault> {
        match self.value(step, k)? {
            None => Ok(None),
            Some(Value::Floats(a)) => Ok(Some(a.clone())),
            Some(Value::Stored(t)) if tensor::is_float(t) => tensor::floats(t, self.limits).map(Some),
            Some(_) => Err(step.fault(
                "onnx.op.unknown",
                format!("input {} must be constant numbers stored in the file", k + 1),
            )),
        }
    }

    /// Input `k` as constant whole numbers; `None` when absent or not that.
    pub(crate) fn ints(&self, step: &Step<'a>, k: usize) -> Result<Option<Ints>, Fault> {
        match self.value(step, k)? {
            Some(Value::Ints(ints)) => Ok(Some(ints.clone())),
            Some(Value::Stored(t)) if !tensor::is_float(t) => tensor::ints(t, self.limits).map(Some),
            _ => Ok(None),
        }
    }

    /// Input `k` as known whole numbers.
    pub(crate) fn known_ints(&self, step: &Step<'a>, k: usize) -> Result<Option<Vec<i64>>, Fault> {
        match self.ints(step, k)? {
            None => Ok(None),
            Some(ints) => ints.known().map(Some).ok_or_else(|| {
                step.fault("onnx.op.unknown", format!("input {} depends on the batch size", k + 1))
            }),
        }
    }

    /// Makes input `k` a parameter. The same stored tensor is the same parameter wherever it is used.
    pub(crate) fn param(
        &mut self,
        step: &Step<'a>,
        k: usize,
        trainable: bool,
    ) -> Result<Option<ParamId>, Fault> {
        let Some(name) = step.node.input.get(k).filter(|n| !n.is_empty()) else { return Ok(None) };
        if let Some(&id) = self.params.get(name.as_str()) {
            return Ok(Some(id));
        }
        let Some(value) = self.floats(step, k)? else { return Ok(None) };
        let id = self.builder.param(name, value, trainable);
        self.params.insert(name, id);
        Ok(Some(id))
    }

    /// See [`Self::param`]; must be there.
    pub(crate) fn need_param(
        &mut self,
        step: &Step<'a>,
        k: usize,
        trainable: bool,
    ) -> Result<ParamId, Fault> {
        self.param(step, k, trainable)?
            .ok_or_else(|| step.fault("onnx.graph.undefined", format!("input {} is missing", k + 1)))
    }

    /// Adds the node's operator to the graph under the node's name.
    pub(crate) fn push(&mut self, step: &Step, op: Op, inputs: &[ValueId]) -> Result<ValueId, Fault> {
        let node = step.node;
        let name =
            if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type) } else { &node.name };
        Ok(self.builder.push(name, op, inputs)?)
    }

    /// Number of axes of a live value, batch included.
    pub(crate) fn rank(&self, v: Live) -> usize {
        self.builder.shape(v.id).len() + usize::from(!v.merged())
    }
}

impl<'n> Step<'n> {
    pub(crate) fn fault(&self, code: &'static str, reason: impl Into<String>) -> Fault {
        Fault::new(label(self.node), code, reason)
    }

    pub(crate) fn unsupported(&self, how: &str) -> Fault {
        let how = if how.is_empty() { String::new() } else { format!(" {how}") };
        self.fault(
            "onnx.op.unknown",
            format!(
                "operator '{}'{how} is not supported; export the network up to its logits with standard layers in \
                 evaluation mode, or give its weights as safetensors with a network description",
                visible(&self.node.op_type)
            ),
        )
    }

    pub(crate) fn attr(&self, name: &str) -> Option<&'n AttributeProto> {
        self.node.attribute.iter().find(|a| a.name == name)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attr(name).map_or(default, |a| a.i)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.attr(name).map_or(default, |a| a.f)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.attr(name).map(|a| String::from_utf8_lossy(&a.s).into_owned())
    }

    /// A list of sizes: `len` numbers from `least` on, each at most 2³¹.
    pub(crate) fn sizes(&self, name: &str, len: usize, least: i64) -> Result<Option<Vec<usize>>, Fault> {
        let Some(a) = self.attr(name) else { return Ok(None) };
        let sizes: Option<Vec<usize>> = a
            .ints
            .iter()
            .map(|&v| usize::try_from(v).ok().filter(|_| v >= least && v <= i64::from(i32::MAX)))
            .collect();
        match sizes {
            Some(sizes) if sizes.len() == len => Ok(Some(sizes)),
            _ => {
                let shown: Vec<i64> = a.ints.iter().copied().take(8).collect();
                let reason =
                    format!("attribute '{name}' is {shown:?}, needs {len} numbers of at least {least}");
                Err(self.fault("onnx.op.attr", reason))
            }
        }
    }

    /// An axis counted from either end.
    pub(crate) fn whole_axis(&self, axis: i64, rank: usize) -> Result<usize, Fault> {
        let whole = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        match usize::try_from(whole) {
            Ok(a) if a < rank => Ok(a),
            _ => Err(self.fault("onnx.op.attr", format!("axis {axis} does not exist in {rank} axes"))),
        }
    }

    /// An axis counted from either end, as an axis per image (the batch axis is refused).
    pub(crate) fn placed_axis(&self, axis: i64, rank: usize, x: Live) -> Result<usize, Fault> {
        x.axis(self.whole_axis(axis, rank)?).ok_or_else(|| self.unsupported("along the batch axis"))
    }
}
