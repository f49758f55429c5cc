//! Robust spectral scores (Hayase, Kong, Somani, Oh 2021, *SPECTRE*, ICML): whiten by a covariance that a few planted samples
//! cannot move, then score by quantum entropy, so that several planted directions count together.

use crate::math::svd;
use linfa_linalg::cholesky::CholeskyInplace;
use linfa_linalg::triangular::{SolveTriangularInplace, UPLO};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::Rng;

/// Leading directions that are kept.
const DIRECTIONS: usize = 20;
/// Share of the samples, the nearest ones, that the covariance is taken from.
const KEPT: f64 = 0.7;
/// Rounds of re-estimating it.
const ROUNDS: usize = 6;
/// Weight of the entropy (the paper's alpha).
const ALPHA: f64 = 4.0;

/// One score per sample (n×d, finite), higher = more suspect; all 0 when there are too few samples, or all are equal.
///
/// The paper's robust covariance is a filter of its own; here it is that of the nearest 70 %, estimated again and again
/// from its own distances, scaled back to the median of a normal distribution's.
///
/// # Errors
/// What `check` returns.
pub fn scores<E>(
    samples: ArrayView2<f64>,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Vec<f64>, E> {
    let n = samples.nrows();
    let none = vec![0.0; n];
    let Some(mean) = samples.mean_axis(Axis(0)) else { return Ok(none) };
    let centred = &samples - &mean;
    let k = DIRECTIONS.min(n / 4).min(samples.ncols());
    if k == 0 {
        return Ok(none);
    }
    let top = svd::leading(centred.view(), k, rng, &check)?;
    let k = top.values.iter().take_while(|&&v| v > 1e-9 * top.values[0]).count();
    if k == 0 {
        return Ok(none);
    }
    let reduced = centred.dot(&top.vectors.slice_axis(Axis(0), (..k).into()).t());
    let Some(whitened) = whiten(&reduced) else { return Ok(none) };
    // Quantum entropy: Q = exp(alpha (S - I) / (|S| - 1)), score x'Qx / tr Q.
    let spread = svd::leading(whitened.view(), k, rng, &check)?;
    let variances: Vec<f64> = spread.values.iter().map(|v| v * v / n as f64).collect();
    let largest = variances.first().copied().unwrap_or(0.0);
    if largest <= 1.0 {
        return Ok(whitened.rows().into_iter().map(|r| r.dot(&r)).collect());
    }
    let weights: Array1<f64> =
        variances.iter().map(|v| (ALPHA * (v - largest) / (largest - 1.0)).exp()).collect();
    let along = whitened.dot(&spread.vectors.t());
    Ok(along.rows().into_iter().map(|r| r.mapv(|x| x * x).dot(&weights) / weights.sum()).collect())
}

/// Samples whitened by the covariance of their nearest part; `None` when that part spans too little.
fn whiten(samples: &Array2<f64>) -> Option<Array2<f64>> {
    let (n, k) = samples.dim();
    let kept = ((KEPT * n as f64).ceil() as usize).clamp((k + 2).min(n), n);
    let mut near: Vec<usize> = (0..n).collect();
    let mut whitened = samples.clone();
    for _ in 0..ROUNDS {
        let part = samples.select(Axis(0), &near);
        let mean = part.mean_axis(Axis(0))?;
        let part = part - &mean;
        let mut covariance = part.t().dot(&part) / near.len() as f64;
        let ridge = 1e-6 * covariance.diag().sum() / k as f64;
        covariance.diag_mut().mapv_inplace(|v| v + ridge);
        covariance.cholesky_inplace().ok()?;
        let mut turned = (samples - &mean).reversed_axes().as_standard_layout().into_owned();
        covariance.solve_triangular_inplace(&mut turned, UPLO::Lower).ok()?;
        whitened = turned.reversed_axes();
        let lengths: Vec<f64> = whitened.rows().into_iter().map(|r| r.dot(&r)).collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| lengths[a].total_cmp(&lengths[b]).then(a.cmp(&b)));
        // The median squared length of a k-dimensional normal is about k (1 - 2 / 9k)^3.
        let middle = lengths[order[n / 2]];
        let wanted = k as f64 * (1.0 - 2.0 / (9.0 * k as f64)).powi(3);
        if middle > 0.0 {
            whitened *= (wanted / middle).sqrt();
        }
        order.truncate(kept);
        order.sort_unstable();
        if order == near {
            break;
        }
        near = order;
    }
    whitened.iter().all(|x| x.is_finite()).then_some(whitened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use crate::math::stats::roc_auc;
    use std::convert::Infallible;

    fn of(samples: &Array2<f64>) -> Vec<f64> {
        scores(samples.view(), &mut seeded(0, "spectre", "t"), || Ok::<_, Infallible>(())).unwrap()
    }

    /// 2 % planted along a direction of small variance, under others of large variance: plain singular vectors miss it.
    #[test]
    fn a_low_rate_under_large_honest_variance_is_ranked_first() {
        let mut rng = seeded(4, "spectre", "samples");
        let planted: Vec<bool> = (0..500).map(|i| i % 50 == 0).collect();
        let samples = Array2::from_shape_fn((500, 30), |(i, j)| {
            let noise: f64 = (0..6).map(|_| rng.gen_range(-0.7..0.7)).sum();
            noise * if j < 5 { 20.0 } else { 1.0 } + if planted[i] && j == 9 { 6.0 } else { 0.0 }
        });
        let robust = roc_auc(&of(&samples), &planted).unwrap();
        assert!(robust > 0.95, "{robust}");
    }

    #[test]
    fn degenerate_samples_score_nothing() {
        assert_eq!(of(&Array2::ones((9, 3))), [0.0; 9]);
        assert_eq!(of(&Array2::zeros((0, 3))), [0.0; 0]);
        assert!(of(&Array2::from_shape_fn((40, 3), |(i, _)| i as f64)).iter().all(|s| s.is_finite()));
    }
}
