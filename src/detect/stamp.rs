//! A mask and a pattern, put on images: x' = (1 − m)·x + m·p, one mask for all channels (Wang et al. 2019).

use crate::math::softmax::{argmax, cross_entropy, softmax};
use crate::network::Model;
use crate::procedure::Stop;
use ndarray::{Array4, ArrayView3, Axis};
use rayon::prelude::*;

/// Images per call of the network: the granularity of cancel and of parallel work, whatever the number of cores.
pub const TILE: usize = 8;

/// A trigger in unit pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// H·W opacities in 0..=1.
    pub mask: Vec<f32>,
    /// C·H·W colours in 0..=1.
    pub pattern: Vec<f32>,
}

impl Trigger {
    /// Sum of the mask: the trigger's size in pixels.
    pub fn l1(&self) -> f64 {
        self.mask.iter().map(|&m| f64::from(m.abs())).sum()
    }

    /// The image with the trigger on it, C·H·W.
    pub fn on(&self, image: ArrayView3<f32>) -> Vec<f32> {
        let pixels = self.mask.len().max(1);
        let stamped = image
            .iter()
            .zip(&self.pattern)
            .enumerate()
            .map(|(i, (&x, &p))| x + self.mask[i % pixels] * (p - x));
        stamped.collect()
    }

    /// Some images of a pool with the trigger on them.
    pub fn stamp(&self, images: &Array4<f32>, which: &[usize]) -> Array4<f32> {
        let (_, c, h, w) = images.dim();
        let mut out = Array4::zeros((which.len(), c, h, w));
        for (mut to, &i) in out.outer_iter_mut().zip(which) {
            let stamped = self.on(images.index_axis(Axis(0), i));
            to.iter_mut().zip(stamped).for_each(|(t, s)| *t = s);
        }
        out
    }

    /// What the network says of some images of a pool with the trigger on them.
    ///
    /// # Errors
    /// What `check` returns (called per tile); the network refuses.
    pub fn predictions(
        &self,
        model: &Model,
        images: &Array4<f32>,
        which: &[usize],
        check: &(dyn Fn() -> Result<(), Stop> + Sync),
    ) -> Result<Vec<usize>, Stop> {
        let tile = |tile: &[usize]| {
            check()?;
            let logits = model.logits(self.stamp(images, tile).view()).map_err(Stop::failed)?;
            Ok(logits.rows().into_iter().map(argmax).collect::<Vec<_>>())
        };
        let tiles: Vec<Result<Vec<usize>, Stop>> = which.par_chunks(TILE).map(tile).collect();
        Ok(tiles.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }
}

/// Loss, success and gradient of a trigger over a batch.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Mean cross-entropy to the target.
    pub loss: f64,
    /// Share of the batch that the network puts in the target class.
    pub success: f64,
    /// Gradient of the mean cross-entropy in the mask, H·W.
    pub mask: Vec<f32>,
    /// And in the pattern, C·H·W.
    pub pattern: Vec<f32>,
}

/// How the network's mean cross-entropy to `target` over a batch changes with the trigger. Tiles are computed in
/// parallel and summed in order.
///
/// # Errors
/// What `check` returns (called per tile); the network refuses, or gives a value that is not finite.
pub fn pull(
    model: &Model,
    trigger: &Trigger,
    images: &Array4<f32>,
    batch: &[usize],
    target: usize,
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
) -> Result<Pull, Stop> {
    let tiles: Vec<Result<Pull, Stop>> = batch
        .par_chunks(TILE)
        .map(|tile| {
            check()?;
            pull_tile(model, trigger, images, tile, batch.len(), target)
        })
        .collect();
    let mut sum = Pull {
        loss: 0.0,
        success: 0.0,
        mask: vec![0.0; trigger.mask.len()],
        pattern: vec![0.0; trigger.pattern.len()],
    };
    for tile in tiles {
        let tile = tile?;
        sum.loss += tile.loss;
        sum.success += tile.success;
        sum.mask.iter_mut().zip(&tile.mask).for_each(|(a, b)| *a += b);
        sum.pattern.iter_mut().zip(&tile.pattern).for_each(|(a, b)| *a += b);
    }
    if sum.loss.is_finite() {
        Ok(sum)
    } else {
        Err(Stop::failed("the network gives a value that is not a finite number"))
    }
}

fn pull_tile(
    model: &Model,
    trigger: &Trigger,
    images: &Array4<f32>,
    tile: &[usize],
    batch: usize,
    target: usize,
) -> Result<Pull, Stop> {
    let share = 1.0 / batch as f32;
    let stamped = trigger.stamp(images, tile);
    let mut loss = |logits: ndarray::ArrayView2<f32>| {
        let mut gradient = softmax(logits);
        for mut row in gradient.rows_mut() {
            if let Some(x) = row.get_mut(target) {
                *x -= 1.0;
            }
        }
        gradient *= share;
        gradient
    };
    let (logits, gradient) = model.input_gradient(stamped.view(), &mut loss).map_err(Stop::failed)?;
    let pixels = trigger.mask.len().max(1);
    let mut out = Pull {
        loss: logits.rows().into_iter().map(|r| cross_entropy(r, target)).sum::<f64>() / batch as f64,
        success: logits.rows().into_iter().filter(|&r| argmax(r) == target).count() as f64 / batch as f64,
        mask: vec![0.0; trigger.mask.len()],
        pattern: vec![0.0; trigger.pattern.len()],
    };
    // ∂x'/∂m = p − x, ∂x'/∂p = m.
    for (g, &i) in gradient.outer_iter().zip(tile) {
        let image = images.index_axis(Axis(0), i);
        for (j, ((&g, &x), (&p, to))) in
            g.iter().zip(image.iter()).zip(trigger.pattern.iter().zip(&mut out.pattern)).enumerate()
        {
            out.mask[j % pixels] += g * (p - x);
            *to += g * trigger.mask[j % pixels];
        }
    }
    Ok(out)
}
