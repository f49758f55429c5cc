//! Running a graph over one chunk of images: forward, and backward by reversing the same order. Sequential inside;
//! callers run chunks in parallel. A chunk never depends on the number of cores, so neither do the bits.

use super::graph::{Graph, Node, ValueId};
use super::op::activation::bounds;
use super::op::{Back, Io, Kernel, Op};
use super::order::{Order, reorder};
use super::pack::Weights;
use super::scalar::Scalar;
use laocoon_kernels::{Scratch, each};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Most images of a chunk.
pub(crate) const CHUNK: usize = 16;

/// Numbers that the caches near a core hold.
const CACHE: usize = 1 << 21;

/// Images of a chunk of a graph: with few, the values between layers stay in the caches; with many, weights are read
/// less often. The one that moves the fewest numbers. Depends on the graph only, as results are reduced in the order of
/// chunks.
pub(crate) fn chunk(graph: &Graph) -> usize {
    let moved = |images: usize| -> usize {
        let node = |node: &Node| {
            let values: usize = node.inputs.iter().map(|&v| graph.size(v)).sum();
            let values = values + node.shape.iter().product::<usize>();
            let weights: usize = node.op.params().into_iter().map(|p| graph.params[p].len()).sum();
            let spilled = if values.saturating_mul(images) > CACHE { values } else { 0 };
            spilled.saturating_add(weights / images)
        };
        graph.nodes.iter().map(node).fold(0, usize::saturating_add)
    };
    [CHUNK, CHUNK / 2, CHUNK / 4].into_iter().min_by_key(|&images| moved(images)).unwrap_or(CHUNK)
}

/// Which values stay after their last use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep<'a> {
    /// All: a gradient follows.
    All,
    /// Only these roots.
    Only(&'a [ValueId]),
}

/// Working memory of one chunk; reused from run to run, so that steady work does not allocate.
#[derive(Debug, Default)]
pub(crate) struct Work<T> {
    /// Number of images.
    pub(crate) n: usize,
    /// Numbers of each root value; empty when not (or no longer) known.
    pub(crate) values: Vec<Vec<T>>,
    /// Gradient of each root value; empty when there is none.
    pub(crate) grads: Vec<Vec<T>>,
    /// For each root value whether its gradient is zero already where a `ReLU` that made it lets none through.
    gated: Vec<bool>,
    free: Vec<Vec<T>>,
    scratch: Scratch<T>,
}

impl<T: Scalar> Work<T> {
    /// Ready for `n` images of a graph; values of an earlier run may be left in place to be overwritten.
    pub(crate) fn prepare(&mut self, graph: &Graph, n: usize) {
        let count = graph.nodes.len() + 1;
        self.n = n;
        self.values.resize_with(count, Vec::new);
        self.grads.resize_with(count, Vec::new);
        self.gated.clear();
        self.gated.resize(count, false);
        for g in 0..count {
            self.release_grad(g);
        }
    }

    /// A buffer of `len` numbers with whatever is in it: the smallest free one that fits, else the largest, grown.
    fn buffer(&mut self, len: usize) -> Vec<T> {
        let fits = |v: &Vec<T>| (v.capacity() < len, v.capacity().abs_diff(len));
        let best = (0..self.free.len()).min_by_key(|&i| fits(&self.free[i]));
        let mut v = best.map(|i| self.free.swap_remove(i)).unwrap_or_default();
        v.resize(len, T::zero());
        v
    }

    /// The buffer of a value about to be written: its own from an earlier run, or a free one.
    pub(crate) fn value_buffer(&mut self, id: ValueId, len: usize) -> Vec<T> {
        let mut own = std::mem::take(&mut self.values[id]);
        if own.capacity() == 0 {
            return self.buffer(len);
        }
        own.resize(len, T::zero());
        own
    }

    fn release(&mut self, v: Vec<T>) {
        if v.capacity() > 0 {
            self.free.push(v);
        }
    }

    fn release_grad(&mut self, id: ValueId) {
        let g = std::mem::take(&mut self.grads[id]);
        self.release(g);
    }

    /// Adds `g` to the gradient of a value, or makes it that.
    pub(crate) fn deposit(&mut self, id: ValueId, g: Vec<T>) {
        if self.grads[id].is_empty() {
            self.grads[id] = g;
        } else {
            each::add(&mut self.grads[id], &g);
            self.release(g);
        }
    }

    /// [`Self::deposit`] of a gradient whose numbers lie in another order than those of the value.
    pub(crate) fn deposit_as(&mut self, graph: &Graph, v: ValueId, order: Order, g: Vec<T>) {
        let root = graph.root[v];
        if graph.order[v] == order {
            return self.deposit(root, g);
        }
        let moved = reorder(&g, order, graph.order[v]).into_owned();
        self.release(g);
        self.deposit(root, moved);
    }

    /// Makes `seed` (row-major) the gradient of a value.
    pub(crate) fn seed(&mut self, graph: &Graph, v: ValueId, seed: impl IntoIterator<Item = T>) {
        let mut g = self.buffer(0);
        g.extend(seed);
        self.deposit_as(graph, v, Order::Planar, g);
    }

    /// Puts row-major numbers in place as the input.
    #[cfg(test)]
    pub(crate) fn input(&mut self, graph: &Graph, x: &[T]) {
        self.values[0] = reorder(x, Order::Planar, graph.order[0]).into_owned();
    }

    /// The numbers of a value, row-major.
    pub(crate) fn planar(&self, graph: &Graph, v: ValueId) -> Cow<'_, [T]> {
        reorder(&self.values[graph.root[v]], graph.order[v], Order::Planar)
    }

    /// The gradient of the input, row-major; empty when there is none.
    #[cfg(test)]
    pub(crate) fn input_gradient(&self, graph: &Graph) -> Cow<'_, [T]> {
        reorder(&self.grads[0], graph.order[0], Order::Planar)
    }
}

/// Shapes of what a node reads.
fn shapes<'a>(graph: &'a Graph, node: &Node) -> Vec<&'a [usize]> {
    node.inputs.iter().map(|&v| graph.shape(v)).collect()
}

/// What a node takes its inputs as.
pub(crate) fn taken(graph: &Graph, node: &Node) -> Vec<Order> {
    let orders: Vec<Order> = node.inputs.iter().map(|&v| graph.order[v]).collect();
    Order::taken(&node.op, &shapes(graph, node), &orders, &node.shape)
}

/// What a node reads, as it takes it.
pub(crate) fn inputs<'a, T: Scalar>(
    graph: &Graph,
    node: &Node,
    taken: &[Order],
    values: &'a [Vec<T>],
) -> Vec<Cow<'a, [T]>> {
    let read = |(&v, &order): (&ValueId, &Order)| reorder(&values[graph.root[v]], graph.order[v], order);
    node.inputs.iter().zip(taken).map(read).collect()
}

/// Runs nodes in order. The input (value 0) must be in place.
pub(crate) fn forward<T: Scalar>(
    graph: &Graph,
    weights: Weights<T>,
    nodes: Range<usize>,
    keep: Keep,
    work: &mut Work<T>,
) {
    for i in nodes {
        let (node, id) = (&graph.nodes[i], i + 1);
        if graph.root[id] == id {
            let mut y = work.value_buffer(id, work.n * graph.size(id));
            let mut scratch = std::mem::take(&mut work.scratch);
            let (shapes, taken) = (shapes(graph, node), taken(graph, node));
            let read = inputs(graph, node, &taken, &work.values);
            let read: Vec<&[T]> = read.iter().map(AsRef::as_ref).collect();
            let residual =
                node.residual.map(|v| reorder(&work.values[graph.root[v]], graph.order[v], graph.order[id]));
            let io = Io {
                n: work.n,
                inputs: &read,
                shapes: &shapes,
                out: &node.shape,
                params: weights.params,
                packs: &weights.packs[i],
                residual: residual.as_deref(),
                clamp: node.clamp.map(bounds),
                orders: &taken,
            };
            node.op.forward(&io, &mut y, &mut scratch);
            if !node.op.finishes() {
                if let Some(residual) = &residual {
                    each::add(&mut y, residual);
                }
                if let Some(clamp) = node.clamp {
                    each::clamp(bounds(clamp), &mut y);
                }
            }
            drop(residual);
            work.values[id] = y;
            work.scratch = scratch;
        }
        if let Keep::Only(kept) = keep {
            for &v in node.inputs.iter().chain(&node.residual) {
                let root = graph.root[v];
                if graph.last_use[root] == i && !kept.contains(&root) {
                    let done = std::mem::take(&mut work.values[root]);
                    work.release(done);
                }
            }
        }
    }
}

/// Runs nodes in reverse, from the gradients seeded in `work` to that of the input (if `to_input`), adding gradients
/// with respect to parameters to `param_grads`. All values must have been kept.
pub(crate) fn backward<T: Scalar>(
    graph: &Graph,
    weights: Weights<T>,
    nodes: Range<usize>,
    to_input: bool,
    mut param_grads: Option<&mut [Vec<T>]>,
    work: &mut Work<T>,
) {
    for i in nodes.rev() {
        let (node, id) = (&graph.nodes[i], i + 1);
        let mut g = std::mem::take(&mut work.grads[id]);
        if graph.root[id] != id || g.is_empty() {
            continue;
        }
        let gated = std::mem::take(&mut work.gated[id]);
        if let Some(clamp) = node.clamp.filter(|_| !gated) {
            each::gate(bounds(clamp), &work.values[id], &mut g);
        }
        match &node.op {
            Op::Activation(a) => {
                let root = graph.root[node.inputs[0]];
                if !gated {
                    a.back(&work.values[root], &work.values[id], &mut g);
                }
                work.deposit(root, g);
            }
            Op::Arith(sum) if sum.plain_sum(&shapes(graph, node)) => {
                let order = graph.order[id];
                let (a, b) = (node.inputs[0], node.inputs[1]);
                if work.grads[graph.root[a]].is_empty() || graph.order[a] != order {
                    let mut copy = work.buffer(g.len());
                    copy.copy_from_slice(&g);
                    work.deposit_as(graph, a, order, copy);
                } else {
                    each::add(&mut work.grads[graph.root[a]], &g);
                }
                work.deposit_as(graph, b, order, g);
            }
            _ => back(graph, weights, i, to_input, param_grads.as_deref_mut(), work, g),
        }
    }
}

/// The gradients of a node's parameters and inputs from that of its output.
fn back<T: Scalar>(
    graph: &Graph,
    weights: Weights<T>,
    i: usize,
    to_input: bool,
    param_grads: Option<&mut [Vec<T>]>,
    work: &mut Work<T>,
    g: Vec<T>,
) {
    let (node, id) = (&graph.nodes[i], i + 1);
    let mut scratch = std::mem::take(&mut work.scratch);
    let (shapes, taken) = (shapes(graph, node), taken(graph, node));
    let mut param_grads = param_grads;
    if node.inputs.is_empty()
        && let Some(grads) = param_grads.take()
    {
        let io = Io {
            n: work.n,
            inputs: &[],
            shapes: &[],
            out: &node.shape,
            params: weights.params,
            packs: &weights.packs[i],
            residual: None,
            clamp: None,
            orders: &[],
        };
        node.op.param_gradient(&io, &g, grads, &mut scratch);
    }
    for which in 0..node.inputs.len() {
        let (v, order) = (node.inputs[which], taken[which]);
        let root = graph.root[v];
        let wanted = root != 0 || to_input;
        if !wanted && param_grads.is_none() {
            continue;
        }
        let direct = graph.order[v] == order;
        let mut dx = Vec::new();
        let mut fresh = false;
        if wanted {
            dx = if direct { std::mem::take(&mut work.grads[root]) } else { Vec::new() };
            fresh = dx.is_empty();
            if fresh {
                dx = work.buffer(work.n * graph.size(root));
                if !node.op.overwrites() {
                    dx.fill(T::zero());
                }
            }
        }
        let alone = fresh || node.op.overwrites();
        let gates = wanted && direct && alone && node.op.gates();
        let gate = graph.gate(v, i).filter(|_| gates);
        let read = inputs(graph, node, &taken, &work.values);
        let read: Vec<&[T]> = read.iter().map(AsRef::as_ref).collect();
        let io = Io {
            n: work.n,
            inputs: &read,
            shapes: &shapes,
            out: &node.shape,
            params: weights.params,
            packs: &weights.packs[i],
            residual: None,
            clamp: None,
            orders: &taken,
        };
        if let Some(grads) = param_grads.take() {
            node.op.param_gradient(&io, &g, grads, &mut scratch);
        }
        if wanted {
            let back = Back { y: &work.values[id], dy: &g, fresh, gate: gate.map(bounds) };
            node.op.input_gradient(&io, &back, which, &mut dx, &mut scratch);
            if direct {
                work.grads[root] = dx;
                work.gated[root] |= gate.is_some();
            } else {
                work.deposit_as(graph, v, order, dx);
            }
        }
    }
    work.scratch = scratch;
    match node.residual {
        Some(v) => work.deposit_as(graph, v, graph.order[id], g),
        None => work.release(g),
    }
}

/// Working memories waiting to be used again.
#[derive(Debug, Default)]
pub(crate) struct Pool<T>(Mutex<Vec<Work<T>>>);

impl<T: Scalar> Pool<T> {
    /// One of them, or a new one, prepared for `n` images.
    pub(crate) fn take(&self, graph: &Graph, n: usize) -> Work<T> {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        work.prepare(graph, n);
        work
    }

    /// Gives one back.
    pub(crate) fn give(&self, work: Work<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    }
}
