//! Gram statistics of activations (Beatrix, Ma et al. 2023).

use super::{FEWEST, indices, load, outcome, plan};
use crate::math::robust::Robust;
use crate::procedure::{About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde_json::json;

/// Gram statistics.
pub static BEATRIX: Beatrix = Beatrix;

/// See [`BEATRIX`].
#[derive(Debug)]
pub struct Beatrix;

static ABOUT: About = About {
    id: "beatrix",
    title: "Gram statistics (Beatrix)",
    phase: Phase::Detection,
    version: 1,
    question: "Do samples of some label combine features in ways that clean images of it do not?",
    needs: "a labelled training set of four labels or more, and a model or recorded activations; clean images for a fair yardstick",
    reference: "Ma, Wang, Sun, Xue, Ji 2023, The \"Beatrix\" Resurrections: Robust Backdoor Detection via Gram Matrices (NDSS)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("beatrix.md"),
};

/// Orders of the Gram matrix.
const ORDERS: i32 = 8;
/// Features that are paired: those of largest variance.
const FEATURES: usize = 48;
/// Band around the median, in median absolute deviations (the authors').
const BAND: f64 = 10.0;

/// Deviations (band edges) that differ by less are alike.
const LEAST: f64 = 0.02;

impl Procedure for Beatrix {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        plan(case, ABOUT.id, json!({"orders": ORDERS, "features": FEATURES, "band": BAND}))
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let loaded = load(case, ABOUT.id, plan, cx)?;
        let train = &loaded.train;
        let chosen = widest(train.values.view());
        let mut score = Array1::<f32>::zeros(train.values.nrows());
        let mut statistic = vec![None; train.members.len()];
        let from = plan.units - train.members.len() as u64;
        for (k, members) in train.members.iter().enumerate() {
            cx.step(from + k as u64, plan.units)?;
            if members.len() < FEWEST {
                continue;
            }
            let own = train.values.select(Axis(0), members).select(Axis(1), &chosen).mapv(f64::from);
            let clean = loaded.clean.as_ref().filter(|c| c.members[k].len() >= FEWEST / 2);
            let reference = clean
                .map(|c| c.values.select(Axis(0), &c.members[k]).select(Axis(1), &chosen).mapv(f64::from));
            let shared = &*cx;
            let deviation = deviations(&own, reference.as_ref().unwrap_or(&own), &|| shared.check())?;
            members.iter().zip(&deviation).for_each(|(&i, &d)| score[i] = d as f32);
            // The upper tenth: a label need not be planted in half.
            statistic[k] = crate::math::stats::quantile(&deviation, 0.9);
        }
        cx.step(plan.units, plan.units)?;
        let limits = format!(
            "Looked at {}, pairs of at most {FEATURES} features. {} Labels are held against one another: when most are planted none stands out.",
            train.source,
            if loaded.clean.is_some() {
                "The yardstick is clean images of the label."
            } else {
                "There were no clean images: the yardstick is the label itself."
            }
        );
        Ok(outcome(case, plan, "unusual pairs of features", &indices(&statistic, LEAST), score, limits))
    }
}

/// Features of largest variance, ascending.
fn widest(values: ArrayView2<f32>) -> Vec<usize> {
    let variance = values.mapv(f64::from).var_axis(Axis(0), 0.0);
    let mut order: Vec<usize> = (0..variance.len()).collect();
    order.sort_by(|&a, &b| variance[b].total_cmp(&variance[a]).then(a.cmp(&b)));
    order.truncate(FEATURES);
    order.sort_unstable();
    order
}

/// Per sample, how far its Gram entries of all orders lie outside the band of the reference, on average, in units of the
/// band's edges. Entry (i, j) of order p is the signed p-th root of xᵢᵖ·xⱼᵖ, summed over j as the authors do.
fn deviations(
    samples: &Array2<f64>,
    reference: &Array2<f64>,
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
) -> Result<Vec<f64>, Stop> {
    let orders: Vec<i32> = (1..=ORDERS).collect();
    let per_order: Vec<Result<Vec<f64>, Stop>> = orders
        .par_iter()
        .map(|&p| {
            check()?;
            let (own, clean) = (gram(samples, p), gram(reference, p));
            let mut sum = vec![0.0; own.nrows()];
            for (column, clean) in own.columns().into_iter().zip(clean.columns()) {
                let Some(robust) = Robust::of(&clean.to_vec()) else { continue };
                let (low, high) = (robust.median - BAND * robust.mad, robust.median + BAND * robust.mad);
                for (s, &g) in sum.iter_mut().zip(column) {
                    let out = (low - g).max(g - high).max(0.0);
                    *s += out / low.abs().max(high.abs()).max(1e-9);
                }
            }
            Ok(sum)
        })
        .collect();
    let mut total = vec![0.0; samples.nrows()];
    for sum in per_order {
        total.iter_mut().zip(sum?).for_each(|(t, s)| *t += s / f64::from(ORDERS));
    }
    Ok(total)
}

/// N×D: row sums of the Gram matrix of order `p`.
fn gram(samples: &Array2<f64>, p: i32) -> Array2<f64> {
    let mut out = Array2::zeros(samples.raw_dim());
    for (mut to, row) in out.rows_mut().into_iter().zip(samples.rows()) {
        let scale = row.iter().fold(0.0f64, |a, x| a.max(x.abs()));
        if scale == 0.0 {
            continue;
        }
        // Powers of numbers up to 1 cannot overflow.
        let powers: Vec<f64> = row.iter().map(|x| (x / scale).powi(p)).collect();
        let sum: f64 = powers.iter().sum();
        for (t, x) in to.iter_mut().zip(&powers) {
            let product = x * sum;
            *t = product.signum() * product.abs().powf(1.0 / f64::from(p)) * scale * scale;
        }
    }
    out
}
