//! The entropy of predictions under superimposed images.

use super::{Scores, Work};
use crate::math::softmax::softmax;
use crate::procedure::{Context, Effort, Stop};
use ndarray::{Array4, ArrayView1, Axis};
use rand::seq::index::sample;

/// Share of the superimposed image in the mixture.
pub(super) const SHARE: f32 = 0.5;

/// Images laid over each input.
pub(super) fn overlays(effort: Effort) -> usize {
    match effort {
        Effort::Quick => 10,
        Effort::Standard => 50,
        Effort::Thorough => 100,
    }
}

/// Minus the mean entropy (bits) over the overlays, as the paper has it: of each prediction over the classes.
pub(super) fn scores(
    work: &Work,
    images: &Array4<f32>,
    cx: &mut Context,
    tell: Scores,
) -> Result<Vec<f64>, Stop> {
    let count = overlays(work.case.effort);
    let clean = &work.clean.images;
    let mut rng = cx.rng("overlays");
    let mut out = Vec::with_capacity(images.len_of(Axis(0)));
    for (i, image) in images.outer_iter().enumerate() {
        tell(i, cx)?;
        let n = clean.len_of(Axis(0));
        let drawn = sample(&mut rng, n, count.min(n));
        let (c, h, w) = image.dim();
        let mut mixed = Array4::zeros((drawn.len(), c, h, w));
        for (mut to, j) in mixed.outer_iter_mut().zip(drawn.iter()) {
            to.assign(&image);
            to.zip_mut_with(&clean.index_axis(Axis(0), j), |x, &o| *x = (1.0 - SHARE) * *x + SHARE * o);
        }
        let logits = work.model.logits(mixed.view()).map_err(Stop::failed)?;
        let probabilities = softmax(logits.view());
        let total: f64 = probabilities.rows().into_iter().map(entropy).sum();
        out.push(-total / drawn.len().max(1) as f64);
    }
    Ok(out)
}

/// Shannon entropy in bits.
pub(super) fn entropy(p: ArrayView1<f32>) -> f64 {
    p.iter().map(|&x| f64::from(x)).filter(|&x| x > 0.0).map(|x| -x * x.log2()).sum()
}
