//! Levels, slopes and noise of curves.

use super::run::Run;
use crate::math::robust::{Robust, median};

pub(super) fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|v| v.ln()).collect()
}

pub(super) fn middle(values: &[f64]) -> f64 {
    median(values).unwrap_or(0.0)
}

/// Robust size of a step from one value to the next, as a standard deviation of the values.
pub(super) fn differences(y: &[f64]) -> f64 {
    let d: Vec<f64> = y.windows(2).map(|p| p[1] - p[0]).collect();
    Robust::of(&d).map_or(0.0, |r| r.scale() / std::f64::consts::SQRT_2)
}

/// Least-squares slope per row.
pub(super) fn slope(y: &[f64]) -> f64 {
    line(&(0..y.len()).map(|i| i as f64).collect::<Vec<_>>(), y).1
}

/// Mean of x and y, and slope.
pub(super) fn line(x: &[f64], y: &[f64]) -> ((f64, f64), f64) {
    let n = x.len().max(1) as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (xy, xx) =
        x.iter().zip(y).fold((0.0, 0.0), |(a, b), (x, y)| (a + (x - mx) * (y - my), b + (x - mx).powi(2)));
    ((mx, my), if xx > 0.0 { xy / xx } else { 0.0 })
}

/// The value of a run at a step, between its rows; `None` outside.
pub(super) fn at(
    run: &Run,
    order: &[usize],
    values: impl Fn(usize) -> Option<f64>,
    step: f64,
) -> Option<f64> {
    let k = order.partition_point(|&i| run.step[i] < step);
    let (i, j) = (*order.get(k.saturating_sub(1))?, *order.get(k)?);
    let (a, b) = (values(i)?, values(j)?);
    let (from, to) = (run.step[i], run.step[j]);
    (step >= from && step <= to)
        .then(|| if to > from { a + (b - a) * (step - from) / (to - from) } else { b })
}
