//! Training of small networks by our own executor: seeded, counted in steps, the same bits at any number of threads.

use super::exact::turn;
use super::implant::ImplantError;
use super::{LabError, Progress, Watch};
use crate::evidence::{DataSet, Limits};
use crate::math::rng::seeded;
use crate::math::softmax::argmax;
use crate::network::Model;
use crate::network::description::Description;
use crate::network::train::{Optimizer, Trainer, initialise};
use rand::seq::SliceRandom;

/// How a network is trained: stochastic gradient descent with momentum, in shuffled batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Passes over the training set.
    pub epochs: usize,
    /// Images of a step; the last step of a pass takes what is left.
    pub batch: usize,
    /// Learning rate at the start; falls to 0 along half a cosine.
    pub rate: f32,
    /// Share of the last step that is kept in the next.
    pub momentum: f32,
    /// Pull of the weights towards 0, times the learning rate.
    pub decay: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { epochs: 40, batch: 32, rate: 0.03, momentum: 0.9, decay: 5e-4 }
    }
}

impl Recipe {
    fn batches(&self, samples: usize) -> usize {
        samples.div_ceil(self.batch.max(1))
    }

    /// The learning rate after `done` of `total` steps.
    fn rate_at(&self, done: usize, total: usize) -> f32 {
        let [cos, _] = turn(0.5 * done as f32 / total as f32);
        self.rate * (1.0 + cos) / 2.0
    }
}

/// Trains a network from seeded weights on a labelled set of images. Same set, recipe and seed: the same bits at any
/// number of threads.
///
/// # Errors
/// Images or labels that do not fit the description, or `watch` asks to stop.
pub fn train(
    set: &DataSet,
    description: &Description,
    recipe: &Recipe,
    seed: u64,
    watch: Watch,
) -> Result<Model, LabError> {
    let optimizer =
        Optimizer::Sgd { rate: recipe.rate, momentum: recipe.momentum, weight_decay: recipe.decay };
    let graph = initialise(description, seed, &Limits::default())?;
    let mut trainer = Trainer::new(graph, description.input_spec(), optimizer)?;
    let total = recipe.batches(set.len()) * recipe.epochs;
    let mut order: Vec<usize> = (0..set.len()).collect();
    let mut done = 0;
    for epoch in 0..recipe.epochs {
        order.shuffle(&mut seeded(seed, "lab/train", &format!("order/{epoch}")));
        for batch in order.chunks(recipe.batch.max(1)) {
            let images = set.unit(batch).ok_or(ImplantError::NoImages)?;
            let labels: Vec<usize> = batch.iter().map(|&i| set.labels[i]).collect();
            trainer.set_rate(recipe.rate_at(done, total));
            let step = trainer.step(images.view(), &labels)?;
            done += 1;
            let progress =
                Progress { what: "training", done: done as u64, total: total as u64, loss: step.loss };
            if watch(progress).is_break() {
                return Err(LabError::Stopped);
            }
        }
    }
    Ok(trainer.model(set.classes.clone())?)
}

/// Of the images for which `wanted` names a class, the share that is classified so; 0 when it names none.
///
/// # Errors
/// Images that do not fit the network.
pub fn share(model: &Model, set: &DataSet, wanted: impl Fn(usize) -> Option<usize>) -> Result<f64, LabError> {
    let (indices, classes): (Vec<usize>, Vec<usize>) =
        (0..set.len()).filter_map(|i| Some((i, wanted(i)?))).unzip();
    let images = set.unit(&indices).ok_or(ImplantError::NoImages)?;
    let logits = model.logits(images.view())?;
    let hits = logits.outer_iter().zip(&classes).filter(|(row, class)| argmax(*row) == **class).count();
    Ok(hits as f64 / classes.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::draw::road_signs;
    use std::ops::ControlFlow;

    const TINY: &str = r#"{"format": "laocoon-network-1", "input": {"shape": [3, 32, 32], "mean": [0.5, 0.5, 0.5]},
        "nodes": [
          {"name": "pool", "op": "maxpool2d", "inputs": ["input"], "kernel": [4, 4], "stride": [4, 4]},
          {"name": "flat", "op": "flatten", "inputs": ["pool"]},
          {"name": "fc1", "op": "linear", "inputs": ["flat"], "out_features": 32,
           "params": {"weight": "fc1.weight", "bias": "fc1.bias"}},
          {"name": "relu", "op": "relu", "inputs": ["fc1"]},
          {"name": "fc2", "op": "linear", "inputs": ["relu"], "out_features": 12,
           "params": {"weight": "fc2.weight", "bias": "fc2.bias"}}], "output": "fc2"}"#;

    fn weights(threads: usize, seed: u64) -> (Vec<f32>, f64) {
        let set = road_signs(8, "train", 1);
        let description = Description::parse(TINY).unwrap();
        let recipe = Recipe { epochs: 60, batch: 16, ..Recipe::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let model = train(&set, &description, &recipe, seed, &mut |_| ControlFlow::Continue(())).unwrap();
            let numbers = model.graph().params.iter().flat_map(|p| p.value.iter().copied()).collect();
            (numbers, share(&model, &set, |i| Some(set.labels[i])).unwrap())
        })
    }

    #[test]
    fn training_learns_and_has_the_same_bits_at_any_number_of_threads() {
        let (one, right) = weights(1, 5);
        assert!(right > 0.9, "right on {right} of what it was trained on");
        assert!(one == weights(3, 5).0, "the bits depend on the number of threads");
        assert!(one != weights(1, 6).0, "the seed does nothing");
    }

    #[test]
    fn the_rate_falls_along_half_a_cosine() {
        let recipe = Recipe { rate: 0.2, ..Recipe::default() };
        for (done, want) in [(0, 0.2), (25, 0.170_710_68), (50, 0.1), (100, 0.0)] {
            assert!((recipe.rate_at(done, 100) - want).abs() < 1e-6, "after {done} steps");
        }
    }

    #[test]
    fn progress_counts_every_step_and_can_stop() {
        let set = road_signs(1, "train", 1);
        let description = Description::parse(TINY).unwrap();
        let recipe = Recipe { epochs: 3, batch: 5, ..Recipe::default() };
        let mut seen = Vec::new();
        let error = train(&set, &description, &recipe, 0, &mut |p| {
            seen.push((p.done, p.total));
            if p.done == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
        assert!(matches!(error, LabError::Stopped));
        assert_eq!(seen, [(1, 9), (2, 9), (3, 9), (4, 9)]);
    }
}
