//! Predictions under disturbance over the training set: STRIP (Gao et al. 2019) and SCALE-UP (Guo et al. 2023).

use super::{FEWEST, indices, outcome};
use crate::detect::classes;
use crate::detect::params::Params;
use crate::evidence::DataSet;
use crate::math::softmax::{argmax, softmax};
use crate::network::Model;
use crate::procedure::{
    About, Case, Context, Cost, Data, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop, Tensor,
};
use ndarray::{Array1, Array4, Axis};
use rand::Rng;
use rayon::prelude::*;
use serde_json::json;

/// Predictions under disturbance.
pub static PREDICTION_CHECK: PredictionCheck = PredictionCheck;

/// See [`PREDICTION_CHECK`].
#[derive(Debug)]
pub struct PredictionCheck;

static ABOUT: About = About {
    id: "prediction-check",
    title: "Predictions under disturbance",
    phase: Phase::Detection,
    version: 1,
    question: "Which training samples keep their label when mixed with other pictures or made brighter?",
    needs: "a labelled training set with images, and the model; clean images to mix with",
    reference: "Gao et al. 2019, STRIP (ACSAC); Guo et al. 2023, SCALE-UP (ICLR)",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("prediction_check.md"),
};

/// Factors that pixels are multiplied by (SCALE-UP).
const FACTORS: [f32; 5] = [3.0, 5.0, 7.0, 9.0, 11.0];
/// Samples of a batch of work.
const BATCH: usize = 32;

struct Asked<'a> {
    model: &'a Model,
    train: &'a Data,
    mixed: &'a Data,
    overlays: usize,
}

impl<'a> Asked<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        Params::of(case, ABOUT.id, &[])?;
        let train = case
            .training()
            .ok_or_else(|| Skip("no training set: add one with the role 'training' (--data)".into()))?;
        let set = &train.set;
        if set.labels.is_empty() || set.labels.len() != set.len() {
            return Err(Skip("the training set has no label for every sample".into()));
        }
        classes::count(case, &set.labels)?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model to ask".into()))?;
        let fits = |data: &&Data| data.set.shape() == Some(model.input.shape) && !data.set.is_empty();
        if !fits(&train) {
            return Err(Skip("the training set has no images that the network takes".into()));
        }
        let overlays = match case.effort {
            Effort::Quick => 4,
            Effort::Standard => 10,
            Effort::Thorough => 64,
        };
        Ok(Self { model, train, mixed: case.clean().filter(fits).unwrap_or(train), overlays })
    }

    fn units(&self) -> u64 {
        self.train.set.len().div_ceil(BATCH) as u64
    }
}

/// Ranks that differ by less are alike.
const LEAST: f64 = 0.02;

impl Procedure for PredictionCheck {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let asked = Asked::of(case)?;
        let mut inputs = vec![asked.train.item.clone()];
        inputs.extend(Some(asked.mixed.item.clone()).filter(|i| *i != asked.train.item));
        inputs.extend(case.model_item().map(|i| i.id.clone()));
        Ok(Plan {
            params: json!({"overlays": asked.overlays, "mix": 0.5, "factors": FACTORS}),
            units: asked.units(),
            inputs,
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let asked = Asked::of(case).map_err(Stop::failed)?;
        let set = &asked.train.set;
        let (mut entropy, mut kept) = (Vec::with_capacity(set.len()), Vec::with_capacity(set.len()));
        let starts: Vec<usize> = (0..set.len()).step_by(BATCH).collect();
        for (step, wave) in starts.chunks(8).enumerate() {
            cx.step((step * 8) as u64, plan.units)?;
            let shared = &*cx;
            let results: Vec<_> = wave.par_iter().map(|&start| batch(&asked, set, start, shared)).collect();
            for result in results {
                let (e, k) = result?;
                entropy.extend(e);
                kept.extend(k);
            }
        }
        cx.step(plan.units, plan.units)?;
        let k = classes::count(case, &set.labels).map_err(Stop::failed)?;
        // Low entropy and many kept predictions are suspect; only relative to other samples.
        let score: Array1<f32> =
            ranks(&entropy).iter().zip(ranks(&kept)).map(|(e, k)| f32::midpoint(1.0 - e, k)).collect();
        let mut members = vec![Vec::new(); k];
        set.labels.iter().enumerate().for_each(|(i, &l)| members[l].push(f64::from(score[i])));
        let upper =
            |of: &Vec<f64>| (of.len() >= FEWEST).then(|| crate::math::stats::quantile(of, 0.9)).flatten();
        let statistic: Vec<Option<f64>> = members.iter().map(upper).collect();
        let limits = "Steady predictions are common among honest easy pictures, and triggers that mixing or brightening destroys are not steady: \
                      alone this ranks little better than chance on many attacks."
            .to_owned();
        let mut out = outcome(case, plan, "steady predictions", &indices(&statistic, LEAST), score, limits);
        out.arrays.insert("entropy".into(), Tensor::F32(Array1::from(entropy).into_dyn()));
        out.arrays.insert("kept".into(), Tensor::F32(Array1::from(kept).into_dyn()));
        Ok(out)
    }
}

/// Rank of each value among all, 0..=1, equal values sharing theirs.
fn ranks(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let share = |v: f32| {
        let (below, upto) = (sorted.partition_point(|&x| x < v), sorted.partition_point(|&x| x <= v));
        (below + upto) as f32 / (2 * sorted.len().max(1)) as f32
    };
    values.iter().map(|&v| share(v)).collect()
}

/// Mean entropy in bits over mixed images, and share of factors that keep the prediction, for the samples from `start`.
fn batch(asked: &Asked, set: &DataSet, start: usize, cx: &Context) -> Result<(Vec<f32>, Vec<f32>), Stop> {
    cx.check()?;
    let gone = || Stop::failed("the data set has no images");
    let indices: Vec<usize> = (start..(start + BATCH).min(set.len())).collect();
    let images = set.unit(&indices).ok_or_else(gone)?;
    let ask = |images: Array4<f32>| {
        let logits = asked.model.logits(images.view()).map_err(Stop::failed)?;
        if logits.iter().all(|x| x.is_finite()) {
            Ok(logits)
        } else {
            Err(Stop::failed(format!(
                "the network gives a value that is not a finite number for samples from {start}"
            )))
        }
    };
    let plain: Vec<usize> = ask(images.clone())?.rows().into_iter().map(argmax).collect();
    let mut entropy = vec![0.0f32; indices.len()];
    let mut rng = cx.rng(&format!("overlays/{start}"));
    for _ in 0..asked.overlays {
        let others: Vec<usize> = indices.iter().map(|_| rng.gen_range(0..asked.mixed.set.len())).collect();
        let mixed = (&images + &asked.mixed.set.unit(&others).ok_or_else(gone)?) * 0.5;
        for (e, row) in entropy.iter_mut().zip(softmax(ask(mixed)?.view()).rows()) {
            let bits: f32 = row.iter().filter(|&&p| p > 0.0).map(|&p| -p * p.log2()).sum();
            *e += bits / asked.overlays as f32;
        }
    }
    let mut kept = vec![0.0f32; indices.len()];
    for factor in FACTORS {
        let bright = images.mapv(|p| (p * factor).min(1.0));
        for ((k, row), &was) in kept.iter_mut().zip(ask(bright)?.axis_iter(Axis(0))).zip(&plain) {
            *k += f32::from(u8::from(argmax(row) == was)) / FACTORS.len() as f32;
        }
    }
    Ok((entropy, kept))
}
