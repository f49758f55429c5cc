//! One pass over a batch in training mode: forward, loss, backward to the parameters. Chunks of images run in
//! parallel between batch normalisations, which need the whole batch; everything is reduced in the order of chunks.

use crate::network::graph::{Graph, ValueId};
use crate::network::op::{BatchNorm, Op};
use crate::network::order::{Order, reorder};
use crate::network::pack::Weights;
use crate::network::run::{self, Keep, Work};
use crate::network::scalar::Scalar;
use laocoon_kernels::each;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Most chunks of a batch: each keeps its own gradients.
const LANES: usize = 8;

/// Images of a chunk in a batch of `n`: depends on nothing else.
pub(super) fn chunk(n: usize) -> usize {
    n.div_ceil(LANES).max(run::CHUNK)
}

/// Batch statistics of a normalisation.
#[derive(Debug, Clone)]
pub(super) struct Statistics {
    /// Index of the node.
    pub(super) node: usize,
    /// Numbers per channel.
    pub(super) count: usize,
    /// Mean per channel.
    pub(super) mean: Vec<f64>,
    /// Biased variance per channel.
    pub(super) var: Vec<f64>,
}

/// What a pass found, besides gradients.
#[derive(Debug)]
pub(super) struct Pass {
    /// Mean cross-entropy.
    pub(super) loss: f64,
    /// Images classified as labelled.
    pub(super) correct: usize,
    /// One per normalisation, in order.
    pub(super) statistics: Vec<Statistics>,
}

/// Runs a batch whose inputs are in `works`. Afterwards `grads[0]` holds the gradient of each parameter.
pub(super) fn run<T: Scalar>(
    graph: &Graph,
    logits: ValueId,
    weights: Weights<T>,
    works: &mut [Work<T>],
    labels: &[usize],
    grads: &mut Vec<Vec<Vec<T>>>,
) -> Pass {
    let params = weights.params;
    let lane = || params.iter().map(|p| vec![T::zero(); p.len()]).collect::<Vec<_>>();
    grads.resize_with(works.len(), lane);
    grads.par_iter_mut().flatten().for_each(|g| g.fill(T::zero()));

    let segments = segments(graph, logits);
    let mut statistics = Vec::new();
    for segment in &segments {
        if let Op::BatchNorm(norm) = &graph.nodes[segment.start].op {
            let s = batch_statistics(graph, segment.start, works);
            works.par_iter_mut().for_each(|w| normalise(graph, segment.start, norm, params, &s, w));
            statistics.push(s);
        } else {
            works.par_iter_mut().for_each(|w| run::forward(graph, weights, segment.clone(), Keep::All, w));
        }
    }
    let (loss, correct) = seed_loss(graph, logits, works, labels);
    let mut known = statistics.iter().rev();
    for segment in segments.iter().rev() {
        match (&graph.nodes[segment.start].op, segment.len()) {
            (Op::BatchNorm(norm), 1) => {
                if let Some(s) = known.next() {
                    back_through(graph, norm, params, s, works, grads);
                }
            }
            _ => works.par_iter_mut().zip(grads.par_iter_mut()).for_each(|(w, g)| {
                run::backward(graph, weights, segment.clone(), false, Some(g), w);
            }),
        }
    }
    reduce(grads);
    Pass { loss, correct, statistics }
}

/// Nodes up to the logits, cut before and after each batch normalisation.
fn segments(graph: &Graph, logits: ValueId) -> Vec<Range<usize>> {
    let mut segments = Vec::new();
    let mut start = 0;
    for i in 0..logits {
        if matches!(graph.nodes[i].op, Op::BatchNorm(_)) {
            if start < i {
                segments.push(start..i);
            }
            segments.push(i..i + 1);
            start = i + 1;
        }
    }
    if start < logits {
        segments.push(start..logits);
    }
    segments
}

/// Adds up what chunks found per channel, in order.
fn sum_up(parts: Vec<Vec<f64>>) -> Vec<f64> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (t, p) in total.iter_mut().zip(part) {
            *t += p;
        }
    }
    total
}

/// What a normalisation reads: the channels of a pixel side by side.
fn read<'a, T: Scalar>(graph: &Graph, node: usize, work: &'a Work<T>) -> Cow<'a, [T]> {
    let input = graph.nodes[node].inputs[0];
    reorder(&work.values[graph.root[input]], graph.order[input], Order::image(graph.shape(input)))
}

fn batch_statistics<T: Scalar>(graph: &Graph, node: usize, works: &[Work<T>]) -> Statistics {
    let shape = &graph.nodes[node].shape;
    let channels = shape[0];
    let count = works.iter().map(|w| w.n).sum::<usize>() * shape[1..].iter().product::<usize>();
    let over = |f: &(dyn Fn(&[T], &mut [f64]) + Sync)| {
        let part = |w: &Work<T>| {
            let mut sums = vec![0.0; channels];
            f(&read(graph, node, w), &mut sums);
            sums
        };
        let parts = works.par_iter().map(part).collect();
        sum_up(parts).into_iter().map(|s| s / count as f64).collect::<Vec<f64>>()
    };
    let mean = over(&|x, sums| each::sums(x, sums));
    let var = over(&|x, sums| each::squares(x, &mean, sums));
    Statistics { node, count, mean, var }
}

impl Statistics {
    /// One over the standard deviation of a channel.
    fn inverse(&self, norm: &BatchNorm, c: usize) -> f64 {
        1.0 / (self.var[c] + f64::from(norm.eps)).sqrt()
    }
}

fn normalise<T: Scalar>(
    graph: &Graph,
    node: usize,
    norm: &BatchNorm,
    params: &[&[T]],
    s: &Statistics,
    work: &mut Work<T>,
) {
    let id = node + 1;
    let mut y = work.value_buffer(id, work.n * graph.size(id));
    let line = |c: usize| {
        let scale = norm.weight.map_or(1.0, |p| params[p][c].wide()) * s.inverse(norm, c);
        let shift = norm.bias.map_or(0.0, |p| params[p][c].wide()) - s.mean[c] * scale;
        (T::of(scale), T::of(shift))
    };
    let (scale, shift): (Vec<T>, Vec<T>) = (0..s.mean.len()).map(line).unzip();
    each::affine(&scale, &shift, &read(graph, node, work), &mut y);
    work.values[id] = y;
}

/// The gradient through a normalisation by batch statistics, which depend on every image.
fn back_through<T: Scalar>(
    graph: &Graph,
    norm: &BatchNorm,
    params: &[&[T]],
    s: &Statistics,
    works: &mut [Work<T>],
    grads: &mut [Vec<Vec<T>>],
) {
    let (id, input) = (s.node + 1, graph.nodes[s.node].inputs[0]);
    let channels = s.mean.len();
    let inverse: Vec<f64> = (0..channels).map(|c| s.inverse(norm, c)).collect();
    let parts = |with_x: bool| {
        let part = |w: &Work<T>| {
            let mut sums = vec![0.0; channels];
            if with_x {
                each::products(&w.grads[id], &read(graph, s.node, w), &s.mean, &mut sums);
            } else {
                each::sums(&w.grads[id], &mut sums);
            }
            sums
        };
        sum_up(works.par_iter().map(part).collect())
    };
    let shift = parts(false);
    let scale: Vec<f64> = parts(true).into_iter().zip(&inverse).map(|(s, i)| s * i).collect();
    if let Some(lane) = grads.first_mut() {
        for (id, sums) in [(norm.weight, &scale), (norm.bias, &shift)] {
            if let Some(id) = id {
                lane[id].iter_mut().zip(sums).for_each(|(g, &s)| *g += T::of(s));
            }
        }
    }
    let m = s.count as f64;
    // gain · (dy − mean(dy) − x̂ · mean(dy · x̂)), as a line in dy and x.
    let [mut gain, mut slope, mut level] = [const { Vec::new() }; 3];
    for c in 0..channels {
        let g = norm.weight.map_or(1.0, |p| params[p][c].wide()) * inverse[c];
        let s1 = -g * inverse[c] * scale[c] / m;
        gain.push(T::of(g));
        slope.push(T::of(s1));
        level.push(T::of(-g * shift[c] / m - s1 * s.mean[c]));
    }
    works.par_iter_mut().for_each(|w| {
        let mut g = std::mem::take(&mut w.grads[id]);
        if g.is_empty() || graph.root[input] == 0 {
            return;
        }
        each::combine([&gain, &slope, &level], &read(graph, s.node, w), &mut g);
        w.deposit_as(graph, input, Order::image(graph.shape(input)), g);
    });
}

/// Mean cross-entropy and its gradient in the logits.
fn seed_loss<T: Scalar>(
    graph: &Graph,
    logits: ValueId,
    works: &mut [Work<T>],
    labels: &[usize],
) -> (f64, usize) {
    let (k, n) = (graph.size(logits), labels.len() as f64);
    let (mut loss, mut correct, mut at) = (0.0, 0, 0);
    for work in works {
        let mut seed = Vec::with_capacity(work.n * k);
        for (row, &label) in work.planar(graph, logits).chunks_exact(k).zip(&labels[at..]) {
            let top = row.iter().map(|v| v.wide()).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|v| (v.wide() - top).exp()).sum();
            loss += sum.ln() - (row[label].wide() - top);
            // The first of equal maxima is the prediction.
            let best = row.iter().enumerate().fold(0, |b, (i, v)| if *v > row[b] { i } else { b });
            correct += usize::from(best == label);
            seed.extend(
                row.iter().enumerate().map(|(i, v)| {
                    T::of(((v.wide() - top).exp() / sum - f64::from(u8::from(i == label))) / n)
                }),
            );
        }
        at += work.n;
        work.seed(graph, logits, seed);
    }
    (loss / n, correct)
}

/// Adds the lanes into the first, in order.
fn reduce<T: Scalar>(grads: &mut [Vec<Vec<T>>]) {
    if let Some((total, rest)) = grads.split_first_mut() {
        total.par_iter_mut().enumerate().for_each(|(p, total)| {
            for lane in rest.iter() {
                each::add(total, &lane[p]);
            }
        });
    }
}
