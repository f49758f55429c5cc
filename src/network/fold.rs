//! The same network with less to do: batch normalisation merged into the convolution before it, sums and `ReLU` into
//! what is before them, and nothing that the output does not need. Values merged away lose their names here.

use super::NetworkError;
use super::graph::{Builder, Graph, Node, Param, ParamId, ValueId};
use super::op::{Arith, BatchNorm, Constant, Conv2d, Kernel, LayerNorm, Linear, Op, Operand, PRelu};
use crate::evidence::Limits;
use ndarray::{Array1, ArrayD};
use std::collections::HashMap;

/// Merges what can be merged on the way to `output`.
pub(crate) fn fold(graph: &Graph, output: ValueId) -> Result<Graph, NetworkError> {
    let uses = uses(graph, output);
    // The original was checked against the caps; this one is never larger.
    let limits = Limits { activation_bytes: u64::MAX, graph_nodes: usize::MAX, ..Limits::in_force().clone() };
    let mut to = Builder::new(&graph.input_name, &graph.input_shape, &limits)?;
    let mut params = HashMap::new();
    let mut map: Vec<Option<ValueId>> = vec![None; graph.nodes.len() + 1];
    map[0] = Some(0);
    for i in 0..graph.nodes.len() {
        let (node, id) = (&graph.nodes[i], i + 1);
        if uses[id].count == 0 || map[id].is_some() {
            continue;
        }
        let inputs: Vec<ValueId> = node.inputs.iter().filter_map(|&v| map[v]).collect();
        let mut last = id;
        let norm = match (&node.op, sole(graph, &uses, last)) {
            (Op::Conv2d(conv), Some((next, Node { op: Op::BatchNorm(norm), .. }))) => {
                last = next;
                Some((conv, norm))
            }
            _ => None,
        };
        let residual = match sole(graph, &uses, last) {
            Some((next, sum)) if matches!(node.op, Op::Conv2d(_)) => {
                let other = other_of_sum(graph, sum, last).and_then(|v| map[v]);
                last = if other.is_some() { next } else { last };
                other
            }
            _ => None,
        };
        let clamp = match sole(graph, &uses, last) {
            Some((next, Node { op: Op::Activation(a), .. })) if takes_relu(&node.op) => {
                last = if a.clamp().is_some() { next } else { last };
                a.clamp()
            }
            _ => None,
        };
        let op = match norm {
            Some((conv, norm)) => Op::Conv2d(merge(&mut to, graph, conv, norm)),
            None => moved(&mut to, graph, &mut params, &node.op),
        };
        let new = to.push(graph.name(last), op, &inputs)?;
        if let Some(value) = residual {
            to.residual(value);
        }
        if let Some(clamp) = clamp {
            to.clamp(clamp);
        }
        let mut merged = id;
        map[id] = Some(new);
        while merged != last {
            let Some((next, _)) = sole(graph, &uses, merged) else { break };
            map[next] = Some(new);
            merged = next;
        }
    }
    let mut aliases: Vec<_> = graph.names().iter().collect();
    aliases.sort();
    for (name, &v) in aliases {
        // Only names of values that are still made as they were.
        if let Some(new) = map[v].filter(|&new| v != 0 && to.name(new) == graph.name(v)) {
            to.alias(name, new);
        }
    }
    let output = map[output].ok_or_else(|| NetworkError::malformed("output", "is never computed"))?;
    to.finish(output)
}

/// What is added to a value by a plain sum of two.
fn other_of_sum(graph: &Graph, sum: &Node, value: ValueId) -> Option<ValueId> {
    let shapes: Vec<&[usize]> = sum.inputs.iter().map(|&v| graph.shape(v)).collect();
    match (&sum.op, sum.inputs.as_slice()) {
        (Op::Arith(arith), &[a, b]) if arith.plain_sum(&shapes) => {
            if a == value {
                Some(b)
            } else {
                Some(a)
            }
        }
        _ => None,
    }
}

/// Whether a `ReLU` may be merged into an operator: one whose gradient does not look at its own output.
fn takes_relu(op: &Op) -> bool {
    matches!(op, Op::Conv2d(_) | Op::Linear(_) | Op::BatchNorm(_) | Op::Arith(_))
}

/// How often a value is read on the way to the output, and by which node first.
#[derive(Clone, Copy, Default)]
struct Uses {
    count: usize,
    reader: usize,
}

fn uses(graph: &Graph, output: ValueId) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); graph.nodes.len() + 1];
    // The output is read by the caller: never merged away.
    uses[output] = Uses { count: 2, reader: usize::MAX };
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        if uses[i + 1].count > 0 {
            for &v in &node.inputs {
                uses[v].count += 1;
                uses[v].reader = i;
            }
        }
    }
    uses
}

/// The one node that reads a value, and its own value.
fn sole<'a>(graph: &'a Graph, uses: &[Uses], v: ValueId) -> Option<(ValueId, &'a Node)> {
    (uses[v].count == 1).then(|| (uses[v].reader + 1, &graph.nodes[uses[v].reader]))
}

fn merge(to: &mut Builder, graph: &Graph, conv: &Conv2d, norm: &BatchNorm) -> Conv2d {
    let data: Vec<Vec<f64>> = graph
        .params
        .iter()
        .enumerate()
        .map(|(i, p)| if norm.params().contains(&i) { wide(p) } else { Vec::new() })
        .collect();
    let slices: Vec<&[f64]> = data.iter().map(Vec::as_slice).collect();
    let mut weight = graph.params[conv.weight].value.clone();
    let channels = weight.shape()[0];
    let mut bias = conv.bias.map_or_else(|| vec![0.0; channels], |b| wide(&graph.params[b]));
    for (c, mut kernel) in weight.outer_iter_mut().enumerate() {
        let (scale, shift) = norm.affine(&slices, c);
        kernel.mapv_inplace(|w| (f64::from(w) * scale) as f32);
        bias[c] = bias[c] * scale + shift;
    }
    let bias: Array1<f32> = bias.into_iter().map(|b| b as f32).collect();
    let weight = to.param(&graph.params[conv.weight].name, weight, true);
    let bias = to.param("bias", bias.into_dyn(), true);
    Conv2d { weight, bias: Some(bias), ..conv.clone() }
}

fn wide(p: &Param) -> Vec<f64> {
    p.data().iter().map(|&x| f64::from(x)).collect()
}

/// The operator with its parameters carried over.
fn moved(to: &mut Builder, graph: &Graph, params: &mut HashMap<ParamId, ParamId>, op: &Op) -> Op {
    let mut carry = |id: ParamId| {
        *params.entry(id).or_insert_with(|| {
            let Param { name, value, trainable } = &graph.params[id];
            to.param(name, ArrayD::clone(value), *trainable)
        })
    };
    match op {
        Op::Conv2d(c) => {
            Op::Conv2d(Conv2d { weight: carry(c.weight), bias: c.bias.map(&mut carry), ..c.clone() })
        }
        Op::Linear(l) => Op::Linear(Linear { weight: carry(l.weight), bias: l.bias.map(&mut carry) }),
        Op::BatchNorm(b) => Op::BatchNorm(BatchNorm {
            weight: b.weight.map(&mut carry),
            bias: b.bias.map(&mut carry),
            mean: carry(b.mean),
            var: carry(b.var),
            ..b.clone()
        }),
        Op::PRelu(p) => Op::PRelu(PRelu { slope: carry(p.slope) }),
        Op::Arith(a) => {
            let mut side = |o: &Operand| match o {
                Operand::Constant(id, shape) => Operand::Constant(carry(*id), shape.clone()),
                Operand::Input(k) => Operand::Input(*k),
            };
            let left = side(&a.left);
            Op::Arith(Arith { kind: a.kind, left, right: side(&a.right) })
        }
        Op::LayerNorm(n) => Op::LayerNorm(LayerNorm {
            weight: n.weight.map(&mut carry),
            bias: n.bias.map(&mut carry),
            ..n.clone()
        }),
        Op::Constant(c) => Op::Constant(Constant { value: carry(c.value), shape: c.shape.clone() }),
        other => other.clone(),
    }
}
