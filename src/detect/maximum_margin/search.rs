//! The largest margin a class can reach over all inputs: maximise `logit_t` − max_{j≠t} `logit_j` from random starts.

use crate::math::adam::{Adam, AdamSettings};
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::{Array2, Array4, ArrayView1, ArrayView2};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Effort of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Random images a class starts from.
    pub starts: usize,
    /// Steps of each.
    pub steps: u64,
}

/// Learning rate, in unit pixels.
pub const RATE: f32 = 0.05;

/// Inputs of one class on their way up.
#[derive(Debug)]
pub struct Climb {
    target: usize,
    raw: Array4<f32>,
    adam: Adam,
    /// Largest margin of each start so far.
    pub best: Vec<f64>,
}

impl Climb {
    /// From `starts` uniform images of `shape`.
    pub fn new(target: usize, [c, h, w]: [usize; 3], starts: usize, mut rng: ChaCha8Rng) -> Self {
        let raw = Array4::from_shape_simple_fn((starts, c, h, w), || rng.r#gen::<f32>());
        let adam = Adam::new(raw.len(), AdamSettings { rate: RATE, betas: (0.9, 0.999), epsilon: 1e-8 });
        Self { target, raw, adam, best: vec![f64::NEG_INFINITY; starts] }
    }

    /// One step of all starts. Pixels are held in 0..=1 where the network sees them; the gradient passes as if they were not.
    ///
    /// # Errors
    /// The network refuses, or gives a value that is not finite.
    pub fn step(&mut self, model: &Model) -> Result<(), Stop> {
        let seen = self.raw.mapv(|x| x.clamp(0.0, 1.0));
        let target = self.target;
        let mut loss = |logits: ArrayView2<f32>| {
            let mut gradient = Array2::zeros(logits.raw_dim());
            for (row, mut g) in logits.rows().into_iter().zip(gradient.rows_mut()) {
                if let Some((rival, _)) = margin(row, target) {
                    g[target] = -1.0;
                    g[rival] = 1.0;
                }
            }
            gradient
        };
        let (logits, gradient) = model.input_gradient(seen.view(), &mut loss).map_err(Stop::failed)?;
        for (row, best) in logits.rows().into_iter().zip(&mut self.best) {
            let (_, m) = margin(row, target).ok_or_else(|| Stop::failed("fewer than two classes"))?;
            if !m.is_finite() {
                return Err(Stop::failed("the network gives a value that is not a finite number"));
            }
            *best = best.max(m);
        }
        if let (Some(raw), Some(gradient)) = (self.raw.as_slice_mut(), gradient.as_slice()) {
            self.adam.step(raw, gradient);
        }
        Ok(())
    }

    /// The largest margin of all starts.
    pub fn margin(&self) -> f64 {
        self.best.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The strongest rival of a class in a row of logits, and the margin over it.
fn margin(row: ArrayView1<f32>, target: usize) -> Option<(usize, f64)> {
    let rival =
        (0..row.len()).filter(|&j| j != target).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)))?;
    Some((rival, f64::from(*row.get(target)?) - f64::from(row[rival])))
}

/// All classes, in parallel.
///
/// # Errors
/// Cancelled; the network fails.
pub fn step_all(climbs: &mut [Climb], model: &Model, cx: &Context) -> Result<(), Stop> {
    use rayon::prelude::*;
    let results: Vec<Result<(), Stop>> = climbs
        .par_iter_mut()
        .map(|climb| {
            cx.check()?;
            climb.step(model)
        })
        .collect();
    results.into_iter().collect()
}
