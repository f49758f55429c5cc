//! A clean twin: what classes are naturally near, by a small network of our own trained on the same images.
//!
//! Some class of every task is near to the others: a shirt among clothes, a 1 among digits. Its triggers are small in any
//! network, which is what clean models are flagged for. A twin that was never shown a trigger has the same natural neighbours and no
//! backdoor, so that what it explains can be taken off.

use crate::detect::calibration::MANY;
use crate::detect::images::Pool;
use crate::evidence::{DataSet, dataset::Pixels};
use crate::lab::train::{Recipe, train};
use crate::math::robust;
use crate::network::Model;
use crate::network::description::builtin;
use crate::procedure::{Context, Stop};
use rand::Rng;
use std::ops::ControlFlow;

/// Passes over the images.
const EPOCHS: usize = 15;
/// Images of a training step.
const BATCH: usize = 32;
/// Images per class below which a twin learns too little to say what is natural.
const FEWEST: usize = 20;
/// Pixels of an image above which training would cost more than it is worth.
const LARGEST: usize = 64 * 64;

/// Whether a twin can be trained: from 20 images a class on, of at most 64 × 64 pixels and 20 classes.
pub fn applies(model: &Model, images: usize) -> bool {
    let [_, h, w] = model.input.shape;
    let classes = model.class_count();
    classes <= MANY && images >= FEWEST * classes && h.saturating_mul(w) <= LARGEST && h >= 8 && w >= 8
}

/// Training steps of a twin.
pub fn units(images: usize) -> u64 {
    (images.div_ceil(BATCH) * EPOCHS) as u64
}

/// Trains one on what the suspect network says of the images. `tell` is given the number of steps done.
///
/// # Errors
/// Cancelled; the images do not fit.
pub fn grow(
    model: &Model,
    pool: &Pool,
    cx: &mut Context,
    tell: &mut dyn FnMut(u64, &mut Context) -> Result<(), Stop>,
) -> Result<Model, Stop> {
    let set = DataSet {
        images: Some(Pixels::F32(pool.images.clone())),
        labels: pool.predicted.clone(),
        ..DataSet::default()
    };
    let description = builtin::describe("smallcnn", model.input.shape, model.class_count())
        .ok_or_else(|| Stop::failed("the twin's architecture is gone"))?;
    let recipe = Recipe { epochs: EPOCHS, batch: BATCH, ..Recipe::default() };
    let seed = cx.rng("twin").r#gen();
    let mut stopped = None;
    let twin = train(&set, &description, &recipe, seed, &mut |progress| match tell(progress.done, cx) {
        Ok(()) => ControlFlow::Continue(()),
        Err(stop) => {
            stopped = Some(stop);
            ControlFlow::Break(())
        }
    });
    twin.map_err(|e| stopped.unwrap_or_else(|| Stop::failed(e)))
}

/// Values less what the twin's explain: own − β·(twin − median of twin), with β the median slope between pairs of classes (Theil
/// 1950, Sen 1968), which a few accused classes cannot move, held in 0..=1. Gives the values and β.
pub fn explain(own: &[f64], twin: &[f64]) -> (Vec<f64>, f64) {
    let pairs: Vec<(f64, f64)> = own.iter().copied().zip(twin.iter().copied()).collect();
    let mut slopes = Vec::new();
    for (i, (v, u)) in pairs.iter().enumerate() {
        for (other_v, other_u) in &pairs[..i] {
            let run = u - other_u;
            if run.abs() > 1e-9 {
                slopes.push((v - other_v) / run);
            }
        }
    }
    let beta = robust::median(&slopes).unwrap_or(0.0).clamp(0.0, 1.0);
    let middle = robust::median(twin).unwrap_or(0.0);
    (pairs.iter().map(|(v, u)| v - beta * (u - middle)).collect(), beta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::linear;

    #[test]
    fn what_is_natural_is_taken_off_and_what_is_not_stays() {
        let twin = [0.0, 0.5, 1.0, 0.2, 0.8, 0.4, 2.0, 0.1];
        let mut own: Vec<f64> = twin.iter().map(|u| 3.0 + 0.6 * u).collect();
        let (flat, beta) = explain(&own, &twin);
        assert!((beta - 0.6).abs() < 1e-12 && flat.iter().all(|v| (v - flat[0]).abs() < 1e-12));
        own[3] += 1.5;
        let (with, beta) = explain(&own, &twin);
        assert!((beta - 0.6).abs() < 0.05, "one class does not move the slope: {beta}");
        assert!((with[3] - with[0] - 1.5).abs() < 0.1);
        // A twin that says the opposite is not believed.
        let against: Vec<f64> = twin.iter().map(|u| -u).collect();
        assert_eq!(explain(&against, &twin), (against.clone(), 0.0));
    }

    #[test]
    fn a_twin_needs_enough_images_of_not_too_many_classes() {
        let model = linear(8, None);
        assert!(!applies(&model, 1000), "6 × 6 pixels are too few for its layers");
        assert_eq!(units(750), 24 * 15);
    }
}
