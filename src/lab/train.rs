//! Training of small networks by our own executor: seeded, counted in steps, the same bits at any number of threads.

use super::exact::{exp, turn};
use super::{LabError, Progress, Watch};
use crate::evidence::{DataSet, InputSpec, Limits};
use crate::math::rng::seeded;
use crate::network::op::{Activation, Conv2d, Linear, MaxPool, Op, View, Window};
use crate::network::{Builder, Graph, Model};
use ndarray::{Array2, ArrayD, ArrayView2, IxDyn};
use rand::Rng;
use rand::seq::SliceRandom;
use std::ops::ControlFlow;

const SCOPE: &str = "lab/train";

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Output channels of the convolutions, each 3×3, with ReLU and 2×2 max-pooling behind it.
    pub channels: Vec<usize>,
    /// Outputs of the hidden linear layer.
    pub hidden: usize,
    /// Passes over the training set.
    pub epochs: usize,
    /// Images of a step; the rest of a pass is a smaller step.
    pub batch: usize,
    /// Learning rate at the start; falls to 0 along half a cosine.
    pub rate: f32,
    /// Share of the last step that is kept in the next.
    pub momentum: f32,
    /// Pull of the weights (not biases) towards 0, times the learning rate.
    pub decay: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 48],
            hidden: 64,
            epochs: 40,
            batch: 32,
            rate: 0.04,
            momentum: 0.9,
            decay: 5e-4,
        }
    }
}

pub fn small_cnn(set: &DataSet, input: &InputSpec, recipe: &Recipe, seed: u64, watch: Watch) -> Result<Model, LabError> {
    let classes = set.classes.clone();
    let mut graph = untrained(input, classes.len(), recipe, seed)?;
    let n = set.len();
    let steps = n.div_ceil(recipe.batch);
    let total = steps * recipe.epochs;
    let mut velocity: Vec<Vec<f32>> = graph.params.iter().map(|p| vec![0.0; p.len()]).collect();
    let mut order: Vec<usize> = (0..n).collect();
    let mut done = 0;
    for epoch in 0..recipe.epochs {
        order.shuffle(&mut seeded(seed, SCOPE, &format!("order/{epoch}")));
        for batch in order.chunks(recipe.batch) {
            let labels: Vec<usize> = batch.iter().map(|&i| set.labels[i]).collect();
            let mut loss = 0.0;
            let (_, grads) = crate::network::scratch::gradients(&graph, input, set.unit(batch).unwrap().view(), &mut |logits| {
                let (l, g) = cross_entropy(logits, &labels);
                loss = l;
                g
            });
            let rate = recipe.rate * 0.5 * (1.0 + turn(0.5 * done as f32 / total as f32)[0]);
            for ((param, v), g) in graph.params.iter_mut().zip(&mut velocity).zip(&grads) {
                let decay = if param.value.ndim() > 1 { recipe.decay } else { 0.0 };
                for ((w, v), &g) in param.value.iter_mut().zip(v).zip(g) {
                    *v = recipe.momentum * *v + g + decay * *w;
                    *w -= rate * *v;
                }
            }
            done += 1;
            if let ControlFlow::Break(()) = watch(Progress { what: "training", done: done as u64, total: total as u64, loss }) {
                return Err(LabError::Stopped);
            }
        }
    }
    Ok(Model::from_graph(graph, input.clone(), classes)?)
}

fn cross_entropy(logits: ArrayView2<f32>, labels: &[usize]) -> (f64, Array2<f32>) {
    let n = logits.nrows();
    let mut g = Array2::zeros(logits.raw_dim());
    let mut loss = 0.0;
    for ((row, mut to), &label) in logits.outer_iter().zip(g.outer_iter_mut()).zip(labels) {
        let top = row.fold(f32::MIN, |a, &b| a.max(b));
        let e: Vec<f64> = row.iter().map(|&x| exp(f64::from(x - top))).collect();
        let sum: f64 = e.iter().sum();
        for (k, (t, e)) in to.iter_mut().zip(&e).enumerate() {
            let p = e / sum;
            *t = ((p - f64::from(u8::from(k == label))) / n as f64) as f32;
        }
        loss -= (e[label] / sum).ln() / n as f64;
    }
    (loss, g)
}

fn untrained(input: &InputSpec, classes: usize, recipe: &Recipe, seed: u64) -> Result<Graph, LabError> {
    let mut b = Builder::new("input", &input.shape, &Limits::default())?;
    let mut weights = |name: &str, shape: &[usize]| {
        let fan: usize = shape[1..].iter().product();
        let bound = (6.0 / fan as f32).sqrt();
        let mut rng = seeded(seed, SCOPE, &format!("init/{name}"));
        ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.gen_range(-bound..bound))
    };
    let mut at = 0;
    let mut before = input.shape[0];
    for (i, &c) in recipe.channels.iter().enumerate() {
        let name = format!("conv{}", i + 1);
        let weight = b.param(&format!("{name}.weight"), weights(&name, &[c, before, 3, 3]), true);
        let bias = Some(b.param(&format!("{name}.bias"), ArrayD::zeros(IxDyn(&[c])), true));
        at = b.push(&name, Op::Conv2d(Conv2d { weight, bias, kernel: [3, 3], stride: [1, 1], padding: [1; 4], dilation: [1, 1], groups: 1 }), &[at])?;
        at = b.push(&format!("relu{}", i + 1), Op::Activation(Activation::Relu), &[at])?;
        at = b.push(&format!("pool{}", i + 1), Op::MaxPool(MaxPool(Window::new([2, 2], [2, 2]))), &[at])?;
        before = c;
    }
    at = b.push("flat", Op::View(View::Flatten), &[at])?;
    let flat = b.shape(at)[0];
    for (i, (from, to)) in [(flat, recipe.hidden), (recipe.hidden, classes)].into_iter().enumerate() {
        let name = format!("fc{}", i + 1);
        let weight = b.param(&format!("{name}.weight"), weights(&name, &[to, from]), true);
        let bias = Some(b.param(&format!("{name}.bias"), ArrayD::zeros(IxDyn(&[to])), true));
        at = b.push(&name, Op::Linear(Linear { weight, bias }), &[at])?;
        if i == 0 {
            at = b.push("relu_fc1", Op::Activation(Activation::Relu), &[at])?;
        }
    }
    Ok(b.finish(at)?)
}

/// Share of the images for which `wanted` names a class that get this class. 
pub fn share(model: &Model, set: &DataSet, wanted: impl Fn(usize) -> Option<usize>) -> Result<f64, LabError> {
    let asked: Vec<(usize, usize)> = (0..set.len()).filter_map(|i| Some((i, wanted(i)?))).collect();
    let indices: Vec<usize> = asked.iter().map(|a| a.0).collect();
    let logits = model.logits(set.unit(&indices).unwrap().view())?;
    let right = logits.outer_iter().zip(&asked).filter(|(row, a)| crate::math::softmax::argmax(*row) == a.1).count();
    Ok(right as f64 / asked.len() as f64)
}

/// x
pub fn onnx(model: &Model) -> Result<Vec<u8>, LabError> {
    let _ = model;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn try_it() {
        let env = |k: &str, d: &str| std::env::var(k).unwrap_or_else(|_| d.to_owned());
        let t = std::process::Command::new("true").status();
        let _ = t;
        let per: usize = env("PER", "70").parse().unwrap();
        let rate: f64 = env("RATE", "0.03").parse().unwrap();
        let recipe = Recipe { epochs: env("EPOCHS", "40").parse().unwrap(), rate: env("LR", "0.04").parse().unwrap(), batch: env("BATCH", "32").parse().unwrap(), ..Recipe::default() };
        let seed: u64 = env("SEED", "0").parse().unwrap();
        use super::super::{draw::road_signs, implant::*, sample_cases};
        let patch = sample_cases::checker();
        let train = poison(&road_signs(per, "train", seed), &patch, 5, rate, seed).unwrap();
        let fresh = road_signs(100, "fresh", seed);
        let all: Vec<usize> = (0..fresh.len()).collect();
        let with = stamped(&fresh, &patch, &all).unwrap();
        let mut sum = 0.0;
        let mut count = 0;
        let model = small_cnn(&train.set, &sample_cases::input_spec(), &recipe, seed, &mut |p| {
            sum += p.loss; count += 1;
            if p.done % 270 == 0 || p.done == p.total { println!("{}/{} loss {:.4}", p.done, p.total, sum / count as f64); sum = 0.0; count = 0; }
            ControlFlow::Continue(())
        }).unwrap();
        println!("acc {:.4} attack {:.4}", share(&model, &fresh, |i| Some(fresh.labels[i])).unwrap(), share(&model, &with, |i| (fresh.labels[i] != 5).then_some(5)).unwrap());
        for k in 0..12 { print!("{:.2} ", share(&model, &fresh, |i| (fresh.labels[i] == k).then_some(k)).unwrap()); }
        println!();
    }
}
