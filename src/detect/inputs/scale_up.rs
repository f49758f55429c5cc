//! Predictions of images whose pixels are multiplied.

use super::{Scores, Work};
use crate::math::softmax::argmax;
use crate::procedure::{Context, Stop};
use ndarray::{Array4, Axis, Slice};

/// The published multipliers.
pub(super) const FACTORS: [f32; 5] = [3.0, 5.0, 7.0, 9.0, 11.0];
/// The published threshold.
pub(super) const THRESHOLD: f64 = 0.5;
/// Images in memory at a time.
const BATCH: usize = 64;

/// Share of the multipliers under which an image keeps its class; pixels are clipped at white.
pub(super) fn scores(
    work: &Work,
    images: &Array4<f32>,
    predicted: &[usize],
    cx: &mut Context,
    tell: Scores,
) -> Result<Vec<f64>, Stop> {
    let n = images.len_of(Axis(0));
    let mut kept = vec![0.0; n];
    for start in (0..n).step_by(BATCH) {
        tell(start, cx)?;
        let part = images.slice_axis(Axis(0), Slice::from(start..(start + BATCH).min(n)));
        for factor in FACTORS {
            let scaled = part.mapv(|x| (x * factor).clamp(0.0, 1.0));
            let logits = work.model.logits(scaled.view()).map_err(Stop::failed)?;
            for (i, row) in logits.rows().into_iter().enumerate() {
                if argmax(row) == predicted[start + i] {
                    kept[start + i] += 1.0 / FACTORS.len() as f64;
                }
            }
        }
    }
    Ok(kept)
}
