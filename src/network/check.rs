//! Finite differences in f64, for tests.

use super::graph::{Builder, Graph, ValueId};
use super::pack::{Weights, packs};
use super::run::{self, Keep, Work};
use crate::evidence::Limits;
use crate::math::rng::seeded;
use ndarray::ArrayD;
use rand::Rng;

/// Numbers in −1..1 that stay 0.01 away from 0, so that kinks are not straddled.
pub(crate) fn numbers(count: usize, label: &str) -> Vec<f64> {
    let mut rng = seeded(7, "check", label);
    (0..count)
        .map(|_| {
            let x: f64 = rng.gen_range(-1.0..1.0);
            if x.abs() < 0.01 { 0.3 } else { x }
        })
        .collect()
}

pub(crate) fn tensor(shape: &[usize], label: &str) -> ArrayD<f32> {
    let data = numbers(shape.iter().product(), label).into_iter().map(|x| x as f32).collect();
    ArrayD::from_shape_vec(shape, data).unwrap()
}

pub(crate) fn builder(shape: &[usize]) -> Builder {
    Builder::new("input", shape, Limits::in_force()).unwrap()
}

/// Runs `n` images forward in f64.
pub(crate) fn forward(graph: &Graph, params: &[Vec<f64>], x: &[f64], n: usize) -> (Work<f64>, Vec<f64>) {
    let slices: Vec<&[f64]> = params.iter().map(Vec::as_slice).collect();
    let packs = packs(graph);
    let weights = Weights { params: &slices, packs: &packs };
    let mut work = Work::default();
    work.prepare(graph, n);
    work.input(graph, x);
    run::forward(graph, weights, 0..graph.nodes.len(), Keep::All, &mut work);
    let y = work.planar(graph, graph.output).into_owned();
    (work, y)
}

pub(crate) fn wide(graph: &Graph) -> Vec<Vec<f64>> {
    graph.params.iter().map(|p| p.data().iter().map(|&v| f64::from(v)).collect()).collect()
}

/// Compares the gradients of a random weighted sum of the output with central differences, for the input and every
/// parameter that gets one.
pub(crate) fn gradients(graph: &Graph, n: usize, what: &str) {
    let params = wide(graph);
    let slices: Vec<&[f64]> = params.iter().map(Vec::as_slice).collect();
    let x = numbers(n * graph.size(0), what);
    let (mut work, y) = forward(graph, &params, &x, n);
    let weights = numbers(y.len(), "loss");
    let mut grads: Vec<Vec<f64>> = params.iter().map(|p| vec![0.0; p.len()]).collect();
    work.seed(graph, graph.output, weights.iter().copied());
    let packs = packs(graph);
    let packed = Weights { params: &slices, packs: &packs };
    run::backward(graph, packed, 0..graph.nodes.len(), true, Some(&mut grads), &mut work);
    let to_input = work.input_gradient(graph);
    let loss = |params: &[Vec<f64>], x: &[f64]| -> f64 {
        forward(graph, params, x, n).1.iter().zip(&weights).map(|(a, b)| a * b).sum()
    };
    let h = 1e-6;
    let close = |numeric: f64, analytic: f64, place: String| {
        let error = (numeric - analytic).abs() / (1.0 + analytic.abs());
        assert!(error < 1e-6, "{what}: {place}: finite difference {numeric}, gradient {analytic}");
    };
    let picked = |len: usize| (0..len).step_by((len / 40).max(1));
    for i in picked(x.len()) {
        let moved = |d: f64| {
            let mut x = x.clone();
            x[i] += d;
            loss(&params, &x)
        };
        close((moved(h) - moved(-h)) / (2.0 * h), to_input[i], format!("input {i}"));
    }
    for (p, grad) in grads.iter().enumerate().filter(|(p, _)| graph.params[*p].trainable) {
        for i in picked(grad.len()) {
            let moved = |d: f64| {
                let mut params = params.clone();
                params[p][i] += d;
                loss(&params, &x)
            };
            close((moved(h) - moved(-h)) / (2.0 * h), grad[i], format!("parameter {p}, number {i}"));
        }
    }
}

/// A graph of one node after whatever `build` adds; the last value is the output.
pub(crate) fn graph(shape: &[usize], build: impl FnOnce(&mut Builder) -> ValueId) -> Graph {
    let mut b = builder(shape);
    let out = build(&mut b);
    b.finish(out).unwrap()
}
