//! Running a graph over one chunk of images: forward, and backward by reversing the same order. Sequential inside;
//! callers run chunks in parallel. A chunk never depends on the number of cores, so neither do the bits.

use super::graph::{Graph, Node, ValueId};
use super::op::{self, Io, Kernel, Op, activation};
use super::scalar::Scalar;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Images of a chunk. Fixed: results are reduced in the order of chunks.
pub(crate) const CHUNK: usize = 16;

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
    free: Vec<Vec<T>>,
    scratch: Vec<T>,
}

impl<T: Scalar> Work<T> {
    /// Ready for `n` images of a graph; values of an earlier run may be left in place to be overwritten.
    pub(crate) fn prepare(&mut self, graph: &Graph, n: usize) {
        let count = graph.nodes.len() + 1;
        self.n = n;
        self.values.resize_with(count, Vec::new);
        self.grads.resize_with(count, Vec::new);
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
            op::add(&mut self.grads[id], &g);
            self.release(g);
        }
    }

    /// Makes `seed` the gradient of a value.
    pub(crate) fn seed(&mut self, id: ValueId, seed: impl IntoIterator<Item = T>) {
        let mut g = self.buffer(0);
        g.extend(seed);
        self.deposit(id, g);
    }
}

/// What a node reads, out of the working memory.
pub(crate) fn inputs<'a, T>(graph: &Graph, node: &Node, values: &'a [Vec<T>]) -> Vec<&'a [T]> {
    node.inputs.iter().map(|&v| values[graph.root[v]].as_slice()).collect()
}

/// Shapes of what a node reads.
pub(crate) fn shapes<'a>(graph: &'a Graph, node: &Node) -> Vec<&'a [usize]> {
    node.inputs.iter().map(|&v| graph.shape(v)).collect()
}

/// Runs nodes in order. The input (value 0) must be in place.
pub(crate) fn forward<T: Scalar>(
    graph: &Graph,
    params: &[&[T]],
    nodes: Range<usize>,
    keep: Keep,
    work: &mut Work<T>,
) {
    for i in nodes {
        let (node, id) = (&graph.nodes[i], i + 1);
        if graph.root[id] == id {
            let mut y = work.value_buffer(id, work.n * graph.size(id));
            let mut scratch = std::mem::take(&mut work.scratch);
            let (inputs, shapes) = (inputs(graph, node, &work.values), shapes(graph, node));
            let io = Io { n: work.n, inputs: &inputs, shapes: &shapes, out: &node.shape, params };
            node.op.forward(&io, &mut y, &mut scratch);
            if node.relu {
                activation::relu(&mut y);
            }
            work.values[id] = y;
            work.scratch = scratch;
        }
        if let Keep::Only(kept) = keep {
            for &v in &node.inputs {
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
    params: &[&[T]],
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
        let mut scratch = std::mem::take(&mut work.scratch);
        if node.relu {
            activation::relu_back(&work.values[id], &mut g);
        }
        let shapes = shapes(graph, node);
        if let Some(grads) = param_grads.as_deref_mut() {
            let inputs = inputs(graph, node, &work.values);
            let io = Io { n: work.n, inputs: &inputs, shapes: &shapes, out: &node.shape, params };
            node.op.param_gradient(&io, &g, grads, &mut scratch);
        }
        match &node.op {
            Op::Activation(a) => {
                let root = graph.root[node.inputs[0]];
                a.back(&work.values[root], &work.values[id], &mut g);
                work.deposit(root, g);
            }
            Op::Arith(sum) if sum.plain_sum(&shapes) => {
                let (a, b) = (graph.root[node.inputs[0]], graph.root[node.inputs[1]]);
                if work.grads[a].is_empty() {
                    let mut copy = work.buffer(g.len());
                    copy.copy_from_slice(&g);
                    work.grads[a] = copy;
                } else {
                    op::add(&mut work.grads[a], &g);
                }
                work.deposit(b, g);
            }
            other => {
                for (which, &v) in node.inputs.iter().enumerate() {
                    let root = graph.root[v];
                    if root == 0 && !to_input {
                        continue;
                    }
                    let mut dx = std::mem::take(&mut work.grads[root]);
                    if dx.is_empty() {
                        dx = work.buffer(work.n * graph.size(root));
                        dx.fill(T::zero());
                    }
                    let inputs = inputs(graph, node, &work.values);
                    let io = Io { n: work.n, inputs: &inputs, shapes: &shapes, out: &node.shape, params };
                    other.input_gradient(&io, &work.values[id], &g, which, &mut dx, &mut scratch);
                    work.grads[root] = dx;
                }
                work.release(g);
            }
        }
        work.scratch = scratch;
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
