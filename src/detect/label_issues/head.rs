//! Out-of-sample probabilities: a softmax classifier on the network's features, taught in folds.

use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::{cross_entropy_gradient, softmax};
use crate::procedure::{Context, Stop};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::seq::SliceRandom;

/// Folds: every sample is judged by a classifier taught with the other four fifths.
pub const FOLDS: usize = 5;
/// Passes over the samples, and more of them in a small set, for so many steps.
const EPOCHS: usize = 12;
const STEPS: usize = 400;
/// Samples of a step.
const BATCH: usize = 128;
const RATE: f32 = 0.01;
/// Pull of the weights towards 0.
const DECAY: f32 = 1e-3;

/// Probabilities N×K of every sample by a classifier that was not taught with it. Folds hold the classes in equal
/// shares.
///
/// # Errors
/// Cancelled.
pub fn out_of_sample(
    features: ArrayView2<f32>,
    labels: &[usize],
    classes: usize,
    cx: &Context,
) -> Result<Array2<f64>, Stop> {
    let (n, d) = features.dim();
    let mean = features.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
    let mut x = &features - &mean;
    let spread = x.map_axis(Axis(0), |c| (c.dot(&c) / n.max(1) as f32).sqrt());
    x /= &spread.mapv(|s| if s > 0.0 { s } else { 1.0 });
    let fold = folds(labels, classes, cx);
    let mut out = Array2::<f64>::zeros((n, classes));
    for k in 0..FOLDS {
        let (held, taught): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| fold[i] == k);
        if held.is_empty() {
            continue;
        }
        let weights = teach(&x, labels, &taught, classes, k, cx)?;
        let p = softmax(logits(&x.select(Axis(0), &held), &weights).view());
        for (row, &i) in p.rows().into_iter().zip(&held) {
            // Rows must sum to 1 in double precision.
            let wide = row.mapv(f64::from);
            out.row_mut(i).assign(&(&wide / wide.sum()));
        }
    }
    Ok(out)
}

/// A fold per sample, each class dealt out in turn from a seeded order.
fn folds(labels: &[usize], classes: usize, cx: &Context) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut cx.rng("folds"));
    let mut next: Vec<usize> = (0..classes).collect();
    let mut fold = vec![0; labels.len()];
    for i in order {
        if let Some(turn) = next.get_mut(labels[i]) {
            fold[i] = *turn % FOLDS;
            *turn += 1;
        }
    }
    fold
}

/// (D + 1)×K, the offset last.
fn logits(x: &Array2<f32>, weights: &Array2<f32>) -> Array2<f32> {
    let (body, offset) = weights.view().split_at(Axis(0), weights.nrows() - 1);
    x.dot(&body) + offset
}

fn teach(
    x: &Array2<f32>,
    labels: &[usize],
    taught: &[usize],
    classes: usize,
    fold: usize,
    cx: &Context,
) -> Result<Array2<f32>, Stop> {
    let d = x.ncols();
    let mut weights = Array2::<f32>::zeros((d + 1, classes));
    let mut adam = Adam::new(weights.len(), AdamSettings { rate: RATE, betas: (0.9, 0.999), epsilon: 1e-8 });
    let mut order = taught.to_vec();
    let mut rng = cx.rng(&format!("fold/{fold}"));
    for _ in 0..EPOCHS.max(STEPS.div_ceil(taught.len().div_ceil(BATCH).max(1))) {
        order.shuffle(&mut rng);
        for batch in order.chunks(BATCH) {
            cx.check()?;
            let inputs = x.select(Axis(0), batch);
            let targets: Vec<usize> = batch.iter().map(|&i| labels[i]).collect();
            let pull = cross_entropy_gradient(logits(&inputs, &weights).view(), &targets);
            let mut gradient = weights.mapv(|w| DECAY * w);
            let (mut body, mut offset) = gradient.view_mut().split_at(Axis(0), d);
            body += &inputs.t().dot(&pull);
            offset += &pull.sum_axis(Axis(0));
            if let (Some(w), Some(g)) = (weights.as_slice_mut(), gradient.as_slice()) {
                adam.step(w, g);
            }
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::Silent;
    use rand::Rng;

    #[test]
    fn wrong_labels_are_improbable_out_of_sample() {
        let mut rng = crate::math::rng::seeded(7, "head", "test");
        let actual: Vec<usize> = (0..300).map(|i| i % 3).collect();
        let labels: Vec<usize> =
            actual.iter().enumerate().map(|(i, &c)| if i % 20 == 0 { (c + 1) % 3 } else { c }).collect();
        let x = Array2::from_shape_fn((300, 6), |(i, j)| {
            rng.gen_range(-1.0f32..1.0) + if j == actual[i] { 3.0 } else { 0.0 }
        });
        let cx = Context::new(0, "label-issues", &Silent);
        let p = out_of_sample(x.view(), &labels, 3, &cx).unwrap();
        assert!(p.rows().into_iter().all(|r| (r.sum() - 1.0).abs() < 1e-12));
        let trusted = |i: &usize| p[[*i, labels[*i]]] > 0.5;
        assert!((0..300).filter(|i| i % 20 == 0).filter(trusted).count() <= 1);
        assert!((0..300).filter(|i| i % 20 != 0).filter(trusted).count() >= 275);
        assert_eq!(p, out_of_sample(x.view(), &labels, 3, &cx).unwrap());
    }

    #[test]
    fn degenerate_sets_are_survived() {
        let cx = Context::new(0, "label-issues", &Silent);
        let p = out_of_sample(Array2::ones((4, 3)).view(), &[0, 1, 0, 1], 2, &cx).unwrap();
        assert!(p.iter().all(|x| x.is_finite()));
        assert_eq!(out_of_sample(Array2::zeros((0, 3)).view(), &[], 2, &cx).unwrap().dim(), (0, 2));
    }
}
