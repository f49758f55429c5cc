//! One search of many.

use super::{Form, LAST, MEMORY, PACE, Settings, WEIGHTS};
use crate::detect::stamp::Trigger;
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::sigmoid;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// A change that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its parameters (see [`Form`]).
    pub raw: Vec<f32>,
    /// Its size.
    pub size: f64,
    /// Running mean of its success.
    pub success: f64,
}

/// What an arm searches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    /// Its number: the class to reach, where there is one.
    pub target: usize,
    /// Positions in the pool, each with the class that image is to be sent to.
    pub images: Vec<(usize, usize)>,
}

impl Aim {
    /// All of these images to one class.
    pub fn class(target: usize, images: impl IntoIterator<Item = usize>) -> Self {
        Self { target, images: images.into_iter().map(|i| (i, target)).collect() }
    }
}

/// The search for one aim.
#[derive(Debug)]
pub struct Arm {
    /// [`Aim::target`].
    pub target: usize,
    /// Steps done.
    pub steps: u32,
    /// Whether it still takes steps.
    pub live: bool,
    /// Smallest change among the steps whose running success was enough.
    pub best: Option<Found>,
    /// Parameters as they stand.
    pub(super) raw: Vec<f32>,
    shape: [usize; 3],
    adam: Adam,
    weight: f64,
    success: f64,
    /// Sizes of the last steps.
    sizes: Vec<f64>,
    images: Vec<(usize, usize)>,
    at: usize,
    rng: ChaCha8Rng,
}

impl Arm {
    /// A search over the images of `aim`, of `shape`. Without images there is nothing to pull: the size is 0.
    pub fn new(aim: Aim, shape: [usize; 3], settings: &Settings, mut rng: ChaCha8Rng) -> Self {
        let Aim { target, images } = aim;
        let mut normal = || {
            // Box–Muller; 1 − u keeps the logarithm finite.
            let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
            ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
        };
        let raw: Vec<f32> = (0..settings.form.parameters(shape))
            .map(|i| match settings.form {
                Form::Mask if i < shape[1] * shape[2] => -2.0 + 0.1 * normal(),
                Form::Mask => normal(),
                _ => 1e-3 * normal(),
            })
            .collect();
        let adam = AdamSettings { rate: settings.rate, betas: (0.5, 0.9), epsilon: 1e-8 };
        let empty = images.is_empty();
        Self {
            target,
            steps: 0,
            live: !empty,
            best: empty.then(|| Found { raw: raw.clone(), size: 0.0, success: 1.0 }),
            adam: Adam::new(raw.len(), adam),
            raw,
            shape,
            weight: settings.first_weight,
            success: 0.0,
            sizes: Vec::new(),
            at: images.len(),
            images,
            rng,
        }
    }

    /// The next images and their classes: shuffled in turn, shuffled again when they run out.
    pub(super) fn draw(&mut self, batch: usize) -> Vec<(usize, usize)> {
        let mut drawn = Vec::with_capacity(batch);
        while drawn.len() < batch.min(self.images.len()) {
            if self.at >= self.images.len() {
                self.images.shuffle(&mut self.rng);
                self.at = 0;
            }
            drawn.push(self.images[self.at]);
            self.at += 1;
        }
        drawn
    }

    /// Takes in the success of a step and the gradient of its cross-entropy in the parameters, and moves.
    pub(super) fn update(&mut self, settings: &Settings, success: f64, gradient: &mut [f32]) {
        self.success =
            if self.steps == 0 { success } else { MEMORY * self.success + (1.0 - MEMORY) * success };
        let size = settings.form.size(&self.raw, self.shape, self.weight as f32, gradient);
        let enough = self.success >= settings.success;
        if enough && self.best.as_ref().is_none_or(|b| size < b.size) {
            self.best = Some(Found { raw: self.raw.clone(), size, success: self.success });
        }
        if self.sizes.len() == LAST {
            self.sizes.remove(0);
        }
        self.sizes.push(size);
        self.adam.step(&mut self.raw, gradient);
        self.weight = (self.weight * if enough { PACE } else { 1.0 / PACE }).clamp(WEIGHTS[0], WEIGHTS[1]);
        self.steps += 1;
    }

    /// The size this arm is judged by: of its best change; failing that the mean of the last steps, made larger by what the
    /// success lacks.
    pub fn size(&self) -> f64 {
        self.best.as_ref().map_or_else(
            || {
                let mean = self.sizes.iter().sum::<f64>() / self.sizes.len().max(1) as f64;
                mean * (1.0 + 2.0 * (1.0 - self.success))
            },
            |b| b.size,
        )
    }

    /// The change as it is judged.
    pub fn found(&self) -> Found {
        self.best.clone().unwrap_or_else(|| Found {
            raw: self.raw.clone(),
            size: self.size(),
            success: self.success,
        })
    }
}

impl Found {
    /// A mask and a pattern, of a change of the form [`Form::Mask`].
    pub fn trigger(&self, pixels: usize) -> Trigger {
        let unit = |raw: &[f32]| raw.iter().map(|&x| sigmoid(x)).collect();
        let (mask, pattern) = self.raw.split_at(pixels.min(self.raw.len()));
        Trigger { mask: unit(mask), pattern: unit(pattern) }
    }
}
