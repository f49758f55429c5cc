//! The two-component test of `SCAn` (Tang et al. 2021).

use super::super::poisoned::space::{Space, medians};
use super::{FEWEST, indices, load, outcome, plan};
use crate::math::cluster::k_means;
use crate::procedure::{About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop};
use ndarray::{Array1, Array2, Axis};
use serde_json::json;

/// The two-component test.
pub static TWO_COMPONENTS: TwoComponents = TwoComponents;

/// See [`TWO_COMPONENTS`].
#[derive(Debug)]
pub struct TwoComponents;

static ABOUT: About = About {
    id: "two-components",
    title: "Two-component test",
    phase: Phase::Detection,
    version: 1,
    question: "Are the samples of some label better explained by two groups than the samples of the others?",
    needs: "a labelled training set of four labels or more, and a model or recorded activations; clean images for a fair covariance",
    reference: "Tang, Wang, Tang, Zhang 2021, Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination Detection (USENIX Security)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("two_components.md"),
};

const STARTS: usize = 5;

/// Gains (nats per sample) that differ by less are alike.
const LEAST: f64 = 0.05;

impl Procedure for TwoComponents {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        plan(case, ABOUT.id, json!({"starts": STARTS, "fewest_samples": FEWEST}))
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let loaded = load(case, ABOUT.id, plan, cx)?;
        let (train, labels) = (&loaded.train, &loaded.request.data.set.labels);
        let reference = loaded.clean.as_ref().unwrap_or(train);
        let mut classes = vec![usize::MAX; reference.values.nrows()];
        for (k, members) in reference.members.iter().enumerate() {
            for &i in members {
                classes[i] = k;
            }
        }
        let trusted = loaded.clean.is_some();
        let fallback = medians(train.values.view(), &train.members);
        let space =
            Space::learn(reference.values.view(), &classes, &fallback, if trusted { 2 } else { usize::MAX })?;
        let whitened = space.whiten(train.values.view(), labels);
        let mut gains = vec![None; train.members.len()];
        let mut score = Array1::<f32>::zeros(labels.len());
        let from = plan.units - train.members.len() as u64;
        for (k, members) in train.members.iter().enumerate() {
            cx.step(from + k as u64, plan.units)?;
            if members.len() < FEWEST {
                continue;
            }
            let samples = whitened.select(Axis(0), members).mapv(f64::from);
            let (gain, along) = two_components(&samples, k, cx)?;
            gains[k] = Some(gain);
            members.iter().zip(along).for_each(|(&i, a)| score[i] = (a * gain) as f32);
        }
        cx.step(plan.units, plan.units)?;
        let limits = format!(
            "Looked at {}. The covariance is that of {}. Labels are held against one another: when most are planted none stands out, and a \
             class of many varieties stands out without a cause.",
            train.source,
            if trusted { "clean images" } else { "the training samples themselves, planted ones included" }
        );
        Ok(outcome(case, plan, "two components", &indices(&gains, LEAST), score, limits))
    }
}

/// Gain in log-likelihood per sample of two normal components over one, under a shared unit covariance, and where each
/// sample lies between the means (0 at the one nearer the clean mean, 1 at the other).
fn two_components(samples: &Array2<f64>, class: usize, cx: &Context) -> Result<(f64, Vec<f64>), Stop> {
    let mut rng = cx.rng(&format!("class{class}"));
    let parts = k_means(samples.view(), 2, STARTS, &mut rng, || cx.check())?;
    let mean = |c: usize| {
        let of: Vec<usize> = (0..samples.nrows()).filter(|&i| parts.cluster[i] == c).collect();
        samples.select(Axis(0), &of).mean_axis(Axis(0))
    };
    let (Some(mut near), Some(mut far)) = (mean(0), mean(1)) else {
        return Ok((0.0, vec![0.0; samples.nrows()]));
    };
    if near.dot(&near) > far.dot(&far) {
        std::mem::swap(&mut near, &mut far);
    }
    let line = &far - &near;
    let length2 = line.dot(&line);
    if length2 == 0.0 {
        return Ok((0.0, vec![0.0; samples.nrows()]));
    }
    let share = parts.sizes[1] as f64 / samples.nrows() as f64;
    let along =
        samples.rows().into_iter().map(|r| ((&r - &near).dot(&line) / length2).clamp(0.0, 1.5)).collect();
    Ok((0.5 * share * (1.0 - share) * length2, along))
}
