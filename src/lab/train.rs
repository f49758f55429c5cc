//! Training of small networks by our own executor: seeded, counted in steps, the same bits at any number of threads.

use super::exact::turn;
use super::implant::ImplantError;
use super::{LabError, Progress, Watch};
use crate::evidence::{DataSet, InputSpec, Limits};
use crate::math::rng::seeded;
use crate::math::softmax::{argmax, cross_entropy};
use crate::network::description::Description;
use crate::network::train::{Optimizer, Trainer, initialise};
use crate::network::{Graph, Model};
use ndarray::Array4;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What changes the weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Stochastic gradient descent with momentum.
    #[default]
    Sgd,
    /// Adam (Kingma, Ba 2015) with its usual moments.
    Adam,
}

/// What becomes of the learning rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It falls to 0 along half a cosine (Loshchilov, Hutter 2017).
    #[default]
    Cosine,
    /// It stays.
    Constant,
}

/// How a network is trained, in shuffled batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Passes over the training set.
    pub epochs: usize,
    /// Images of a step; the last step of a pass takes what is left.
    pub batch: usize,
    /// What changes the weights.
    pub method: Method,
    /// Learning rate at the start.
    pub rate: f32,
    /// What becomes of it.
    pub schedule: Schedule,
    /// Share of the last step that is kept in the next (`sgd`).
    pub momentum: f32,
    /// Pull of the weights towards 0, times the learning rate.
    pub decay: f32,
    /// Augmentation: each image is moved by up to so many pixels, its edge repeated.
    pub shift: usize,
    /// Augmentation: every other image is mirrored left to right.
    pub flip: bool,
    /// Share of the training set that is held out to watch the loss on, `0..1`.
    pub hold_out: f64,
    /// Stop after so many passes without a lower loss on what is held out, and keep the best weights; 0: never.
    pub patience: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 40,
            batch: 32,
            method: Method::Sgd,
            rate: 0.03,
            schedule: Schedule::Cosine,
            momentum: 0.9,
            decay: 5e-4,
            shift: 0,
            flip: false,
            hold_out: 0.0,
            patience: 0,
        }
    }
}

impl Recipe {
    /// For a network that goes on from the weights it has: short and gentle, so that it keeps what it can.
    #[must_use]
    pub fn going_on() -> Self {
        Self { epochs: 10, rate: 5e-4, ..Self::default() }
    }

    fn batches(&self, samples: usize) -> usize {
        samples.div_ceil(self.batch.max(1))
    }

    fn optimizer(&self) -> Optimizer {
        match self.method {
            Method::Sgd => {
                Optimizer::Sgd { rate: self.rate, momentum: self.momentum, weight_decay: self.decay }
            }
            Method::Adam => {
                Optimizer::Adam { rate: self.rate, betas: [0.9, 0.999], weight_decay: self.decay }
            }
        }
    }

    /// The learning rate after `done` of `total` steps.
    fn rate_at(&self, done: usize, total: usize) -> f32 {
        match self.schedule {
            Schedule::Constant => self.rate,
            Schedule::Cosine => {
                let [cos, _] = turn(0.5 * done as f32 / total as f32);
                self.rate * (1.0 + cos) / 2.0
            }
        }
    }
}

/// One pass over the training set, as a point of the curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Steps done at its end.
    pub step: u64,
    /// Mean loss of its steps, before each changed the weights.
    pub loss: f64,
    /// Share of its images that were classified as labelled, as they came by.
    pub accuracy: f64,
    /// Mean loss on what is held out.
    pub held_out_loss: Option<f64>,
    /// Share of what is held out that is classified as labelled.
    pub held_out_accuracy: Option<f64>,
}

/// A trained network.
#[derive(Debug)]
pub struct Trained {
    /// The network.
    pub model: Model,
    /// One point a pass.
    pub curves: Vec<Epoch>,
    /// The pass whose weights were kept, counted from 0; the last without early stop.
    pub kept: usize,
}

/// Trains a network from seeded weights; see [`fit`].
///
/// # Errors
/// See [`fit`].
pub fn train(
    set: &DataSet,
    description: &Description,
    recipe: &Recipe,
    seed: u64,
    watch: Watch,
) -> Result<Model, LabError> {
    Ok(fit(set, description, recipe, seed, watch)?.model)
}

/// Trains a network from seeded weights on a labelled set of images. Same set, recipe and seed: the same bits at any
/// number of threads.
///
/// # Errors
/// Images or labels that do not fit the description, a recipe that cannot be meant, or `watch` asks to stop.
pub fn fit(
    set: &DataSet,
    description: &Description,
    recipe: &Recipe,
    seed: u64,
    watch: Watch,
) -> Result<Trained, LabError> {
    let graph = initialise(description, seed, Limits::in_force())?;
    go_on(set, graph, description.input_spec(), recipe, seed, watch)
}

/// Trains a network further from the weights it has (fine-tuning); see [`fit`].
///
/// # Errors
/// See [`fit`].
pub fn go_on(
    set: &DataSet,
    graph: Graph,
    input: InputSpec,
    recipe: &Recipe,
    seed: u64,
    watch: Watch,
) -> Result<Trained, LabError> {
    if !(0.0..1.0).contains(&recipe.hold_out) {
        return Err(
            ImplantError::NotAShare { what: "the share that is held out", value: recipe.hold_out }.into()
        );
    }
    let mut trainer = Trainer::new(graph, input, recipe.optimizer())?;
    let mut order: Vec<usize> = (0..set.len()).collect();
    let mut held_out = Vec::new();
    if recipe.hold_out > 0.0 {
        order.shuffle(&mut seeded(seed, "lab/train", "held out"));
        held_out = order.split_off(order.len() - (order.len() as f64 * recipe.hold_out) as usize);
        held_out.sort_unstable();
        order.sort_unstable();
    }
    let total = recipe.batches(order.len()) * recipe.epochs;
    let (mut done, mut curves) = (0, Vec::new());
    let mut best: Option<(f64, usize, Graph)> = None;
    for epoch in 0..recipe.epochs {
        order.shuffle(&mut seeded(seed, "lab/train", &format!("order/{epoch}")));
        let mut moves = seeded(seed, "lab/train", &format!("augment/{epoch}"));
        let (mut loss, mut right) = (0.0, 0.0);
        for batch in order.chunks(recipe.batch.max(1)) {
            let mut images = set.unit(batch).ok_or(ImplantError::NoImages)?;
            augment(&mut images, recipe, &mut moves);
            let labels: Vec<usize> = batch.iter().map(|&i| set.labels[i]).collect();
            trainer.set_rate(recipe.rate_at(done, total));
            let step = trainer.step(images.view(), &labels)?;
            done += 1;
            loss += step.loss * batch.len() as f64;
            right += step.accuracy * batch.len() as f64;
            let progress =
                Progress { what: "training", done: done as u64, total: total as u64, loss: step.loss };
            if watch(progress).is_break() {
                return Err(LabError::Stopped);
            }
        }
        let n = order.len().max(1) as f64;
        let held = (!held_out.is_empty()).then(|| judge(&trainer, set, &held_out)).transpose()?;
        curves.push(Epoch {
            step: done as u64,
            loss: loss / n,
            accuracy: right / n,
            held_out_loss: held.map(|h| h[0]),
            held_out_accuracy: held.map(|h| h[1]),
        });
        if let Some([now, _]) = held.filter(|_| recipe.patience > 0) {
            if best.as_ref().is_none_or(|(lowest, ..)| now < *lowest) {
                best = Some((now, epoch, trainer.graph().clone()));
            } else if best.as_ref().is_some_and(|(_, at, _)| epoch - at >= recipe.patience) {
                break;
            }
        }
    }
    let last = curves.len().saturating_sub(1);
    let model = trainer.model(set.classes.clone())?;
    Ok(match best {
        Some((_, kept, graph)) => {
            Trained { model: Model::from_graph(graph, model.input.clone(), model.classes)?, curves, kept }
        }
        None => Trained { model, curves, kept: last },
    })
}

/// Moves and mirrors images as the recipe says.
fn augment(images: &mut Array4<f32>, recipe: &Recipe, draw: &mut ChaCha8Rng) {
    if recipe.shift == 0 && !recipe.flip {
        return;
    }
    let by = recipe.shift as isize;
    for mut image in images.outer_iter_mut() {
        let (_, height, width) = image.dim();
        let (down, right) = (draw.gen_range(-by..=by), draw.gen_range(-by..=by));
        let mirrored = recipe.flip && draw.r#gen::<bool>();
        let from = image.to_owned();
        let near = |i: usize, by: isize, side: usize| i.saturating_add_signed(by).min(side - 1);
        for ((c, y, x), to) in image.indexed_iter_mut() {
            let x = if mirrored { width - 1 - x } else { x };
            *to = from[[c, near(y, down, height), near(x, right, width)]];
        }
    }
}

/// Mean cross-entropy and accuracy on the named samples.
fn judge(trainer: &Trainer, set: &DataSet, samples: &[usize]) -> Result<[f64; 2], LabError> {
    let model = trainer.model(Vec::new())?;
    let images = set.unit(samples).ok_or(ImplantError::NoImages)?;
    let logits = model.logits(images.view())?;
    let rows = logits.outer_iter().zip(samples.iter().map(|&i| set.labels[i]));
    let (loss, right) = rows.fold((0.0, 0usize), |(loss, right), (row, label)| {
        (loss + cross_entropy(row, label), right + usize::from(argmax(row) == label))
    });
    let n = samples.len().max(1) as f64;
    Ok([loss / n, right as f64 / n])
}

/// Curves as CSV: `epoch,step,loss,accuracy,held_out_loss,held_out_accuracy`.
pub fn csv(curves: &[Epoch]) -> String {
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.6}"));
    curves.iter().enumerate().fold(
        "epoch,step,loss,accuracy,held_out_loss,held_out_accuracy\n".to_owned(),
        |text, (i, e)| {
            let (loss, held) = (number(e.held_out_loss), number(e.held_out_accuracy));
            text + &format!("{i},{},{:.6},{:.6},{loss},{held}\n", e.step, e.loss, e.accuracy)
        },
    )
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
    fn early_stop_keeps_the_best_weights_and_curves_have_a_point_a_pass() {
        let set = road_signs(6, "train", 1);
        let description = Description::parse(TINY).unwrap();
        // A rate far too high: the loss on what is held out soon rises.
        let recipe = Recipe {
            epochs: 60,
            rate: 0.02,
            method: Method::Adam,
            schedule: Schedule::Constant,
            shift: 2,
            flip: true,
            hold_out: 0.25,
            patience: 3,
            ..Recipe::default()
        };
        let trained = fit(&set, &description, &recipe, 2, &mut |_| ControlFlow::Continue(())).unwrap();
        let losses: Vec<f64> = trained.curves.iter().map(|e| e.held_out_loss.unwrap()).collect();
        let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(losses[trained.kept], lowest);
        assert_eq!(losses.len(), trained.kept + 4, "{losses:?}");
        let trainer =
            Trainer::new(trained.model.graph().clone(), trained.model.input.clone(), recipe.optimizer())
                .unwrap();
        let mut order: Vec<usize> = (0..72).collect();
        order.shuffle(&mut seeded(2, "lab/train", "held out"));
        let mut held = order.split_off(54);
        held.sort_unstable();
        assert_eq!(judge(&trainer, &set, &held).unwrap()[0], lowest);
        assert_eq!(csv(&trained.curves).lines().count(), losses.len() + 1);
    }

    #[test]
    fn augmentation_moves_and_mirrors() {
        let recipe = Recipe { shift: 1, flip: true, ..Recipe::default() };
        let one = Array4::from_shape_fn((1, 1, 3, 4), |(_, _, y, x)| (4 * y + x) as f32);
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..200 {
            let mut image = one.clone();
            augment(&mut image, &recipe, &mut seeded(n, "t", "t"));
            seen.insert(image.iter().map(|&v| v as u8).collect::<Vec<u8>>());
        }
        assert_eq!(seen.len(), 18);
        assert!(seen.contains(&vec![3, 3, 2, 1, 7, 7, 6, 5, 11, 11, 10, 9]), "mirrored and moved");
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
