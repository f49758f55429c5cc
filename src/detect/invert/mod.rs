//! Trigger inversion for many targets at once: the common engine of the scheduled searches.
//!
//! An *arm* is one search: images, the class that each is to be sent to, and the change that is to send them. All arms
//! take their steps together. The size of each change is driven down by a weight that rises while a running mean of the
//! success is high and falls while it is low, so that a few dozen steps of a few images tell small from large. The
//! reference's own loop, which spends forty times the gradients, is in `inversion.rs`.

mod arm;
mod form;
pub mod gap;
mod run;
pub mod twin;

pub use arm::{Aim, Arm, Found};
pub use form::{Form, KNOTS};
pub use run::{Budget, Compared, Size, around, compare, every_class, run, units};

use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::{Array2, Array4, ArrayView2, Axis, Slice};
use rayon::prelude::*;

/// Images of one call of the network: the granularity of parallel work, whatever the number of cores.
const TILE: usize = 16;
/// Share of the running mean of the success that a step leaves in place.
const MEMORY: f64 = 0.6;
/// Factor of the weight of the size from step to step.
const PACE: f64 = 1.25;
/// Bounds of that weight.
const WEIGHTS: [f64; 2] = [1e-5, 1e3];
/// Steps whose mean size stands for a search that never reached the success asked for.
const LAST: usize = 10;

/// How the arms search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What kind of change.
    pub form: Form,
    /// Images of an arm's step.
    pub batch: usize,
    /// Learning rate of Adam (betas 0.5 and 0.9).
    pub rate: f32,
    /// Weight of the size at the start.
    pub first_weight: f64,
    /// Running mean of the success from which a change counts.
    pub success: f64,
}

impl Settings {
    /// For the smallest mask with a pattern, by so many images a step: what was found to tell small from large in few steps.
    pub fn mask(batch: usize) -> Self {
        Self { form: Form::Mask, batch, rate: 0.2, first_weight: 0.02, success: 0.9 }
    }
}

/// One step of every live arm, in parallel over tiles of arms, each arm's result its own.
///
/// # Errors
/// Cancelled; the network refuses, or gives a value that is not finite.
pub fn step(
    arms: &mut [Arm],
    settings: &Settings,
    model: &Model,
    pool: &Array4<f32>,
    cx: &Context,
) -> Result<(), Stop> {
    let mut live: Vec<&mut Arm> = arms.iter_mut().filter(|a| a.live).collect();
    let per_tile = (TILE / settings.batch.max(1)).max(1);
    let results: Vec<Result<(), Stop>> = live
        .par_chunks_mut(per_tile)
        .map(|tile| {
            cx.check()?;
            step_tile(tile, settings, model, pool)
        })
        .collect();
    results.into_iter().collect()
}

fn step_tile(
    arms: &mut [&mut Arm],
    settings: &Settings,
    model: &Model,
    pool: &Array4<f32>,
) -> Result<(), Stop> {
    let batches: Vec<Vec<(usize, usize)>> = arms.iter_mut().map(|a| a.draw(settings.batch)).collect();
    let total = batches.iter().map(Vec::len).sum();
    let (_, c, h, w) = pool.dim();
    let mut images = Array4::zeros((total, c, h, w));
    let mut at = 0;
    let fields: Vec<Vec<f32>> = arms.iter().map(|a| settings.form.field(&a.raw, [c, h, w])).collect();
    for (field, batch) in fields.iter().zip(&batches) {
        for &(i, _) in batch {
            let from = pool.index_axis(Axis(0), i);
            settings.form.apply(field, from, images.index_axis_mut(Axis(0), at));
            at += 1;
        }
    }
    // The gradient of each arm's own mean cross-entropy.
    let mut loss = |logits: ArrayView2<f32>| {
        let mut gradient = Array2::zeros(logits.raw_dim());
        let mut at = 0;
        for batch in &batches {
            let rows = Slice::from(at..at + batch.len());
            let wanted: Vec<usize> = batch.iter().map(|&(_, class)| class).collect();
            let part =
                crate::math::softmax::cross_entropy_gradient(logits.slice_axis(Axis(0), rows), &wanted);
            gradient.slice_axis_mut(Axis(0), rows).assign(&part);
            at += batch.len();
        }
        gradient
    };
    let (logits, gradient) = model.input_gradient(images.view(), &mut loss).map_err(Stop::failed)?;
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(Stop::failed("the network gives a value that is not a finite number"));
    }
    let mut at = 0;
    for ((arm, batch), field) in arms.iter_mut().zip(&batches).zip(&fields) {
        let rows = at..at + batch.len();
        at = rows.end;
        let hits = rows
            .clone()
            .zip(batch)
            .filter(|&(r, &(_, class))| crate::math::softmax::argmax(logits.row(r)) == class)
            .count();
        let mut pulled = vec![0.0; field.len()];
        for (r, &(i, _)) in rows.zip(batch) {
            let (image, pull) = (pool.index_axis(Axis(0), i), gradient.index_axis(Axis(0), r));
            settings.form.pull(field, image, pull, &mut pulled);
        }
        let mut gradient = settings.form.back(field, pulled, [c, h, w]);
        arm.update(settings, hits as f64 / batch.len().max(1) as f64, &mut gradient);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
