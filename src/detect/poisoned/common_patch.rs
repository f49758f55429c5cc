//! What listed samples share: a patch, a blend or a sinusoid, recovered from the pictures without any gradient.

use super::causal::{self, Shared};
use super::judge::CAUSE;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::{classes, params::Params, thumbnails};
use crate::figure::{Body, Figure};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::f32::consts::TAU;

/// The search.
pub static COMMON_PATCH: CommonPatch = CommonPatch;

/// See [`COMMON_PATCH`].
#[derive(Debug)]
pub struct CommonPatch;

static ABOUT: About = About {
    id: "common-patch",
    title: "What listed samples share",
    phase: Phase::Detection,
    version: 1,
    question: "What do the listed samples share that the rest of their label does not: a patch, a blend, a sinusoid?",
    needs: "a list from poisoned-samples, the model, images to try the trigger on",
    reference: "medians and mean differences of this program; sinusoids after Barni, Kallas, Tondi 2019 (ICIP), blends after Chen et al. 2017",
    cost: Cost::Low,
    after: &["poisoned-samples"],
    page: include_str!("common_patch.md"),
};

/// Listed samples looked at, and samples of the rest.
const MOST: usize = 400;
/// Images the candidate is tried on.
const TRIED: usize = 400;
/// Fewest listed samples of a label.
const FEWEST: usize = 5;
/// Share of the difference's energy in one wave that makes it a sinusoid.
const WAVE: f64 = 0.5;

/// A trigger, as far as it could be told.
struct Recovered {
    kind: &'static str,
    success: f64,
    mask: Array2<f32>,
    pattern: Array3<f32>,
    facts: Value,
}

/// The label with the longest list, and its samples.
fn accused(case: &Case) -> Result<(usize, Vec<usize>), Skip> {
    let list =
        case.earlier.measure("poisoned-samples", "indices").and_then(Value::as_array).ok_or_else(|| {
            Skip("poisoned-samples has not finished: its list is what this looks at".into())
        })?;
    let data = case.training().ok_or_else(|| Skip("no training set".into()))?;
    let labels = &data.set.labels;
    let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in list.iter().filter_map(Value::as_u64).filter_map(|i| usize::try_from(i).ok()) {
        if let Some(&label) = labels.get(i) {
            of.entry(label).or_default().push(i);
        }
    }
    of.into_iter()
        .max_by_key(|(label, list)| (list.len(), std::cmp::Reverse(*label)))
        .filter(|(_, list)| list.len() >= FEWEST)
        .ok_or_else(|| Skip(format!("poisoned-samples lists fewer than {FEWEST} samples of any label")))
}

fn choice(case: &Case) -> Result<Choice<'_>, Skip> {
    let model = case.model.as_ref().ok_or_else(|| Skip("no model to try a trigger on".into()))?;
    if case.training().and_then(|d| d.set.shape()) != Some(model.input.shape) {
        return Err(Skip("the training set has no images that the network takes".into()));
    }
    Choice::of(case, Share::Held)?.ok_or_else(|| Skip("no images to try a trigger on".into()))
}

impl Procedure for CommonPatch {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ABOUT.id, &[])?;
        let ((class, list), choice) = (accused(case)?, choice(case)?);
        let mut inputs: Vec<String> = case.training().map(|d| d.item.clone()).into_iter().collect();
        inputs.push(choice.data.item.clone());
        inputs.extend(case.model_item().map(|i| i.id.clone()));
        inputs.dedup();
        Ok(Plan {
            params: json!({"class": class, "listed": list.len(), "tried_on": choice.count(TRIED)}),
            units: choice.units(TRIED) + 3,
            inputs,
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let (class, list) = accused(case).map_err(Stop::failed)?;
        let choice = choice(case).map_err(Stop::failed)?;
        let pool = Pool::load(case, choice, TRIED, cx, 0, plan.units)?;
        let (Some(data), Some(model)) = (case.training(), &case.model) else {
            return Err(Stop::failed("the evidence planned for is gone"));
        };
        let rest: Vec<usize> =
            (0..data.set.len()).filter(|i| data.set.labels[*i] == class && !list.contains(i)).collect();
        let pick = |of: &[usize], label: &str| {
            let mut of = of.to_vec();
            of.shuffle(&mut cx.rng(label));
            of.truncate(MOST);
            of.sort_unstable();
            data.set.unit(&of).ok_or_else(|| Stop::failed("the data set has no images"))
        };
        let own = pick(&list, "listed")?;
        let other = causal::unlike(&own, pick(&rest, "rest")?);
        cx.step(plan.units - 2, plan.units)?;
        let shared = causal::shared(&own, &other, &pool.images);
        let carriers: Vec<usize> = pool
            .not_predicted(class)
            .into_iter()
            .filter(|&i| pool.labels.get(i).is_none_or(|&l| l != class))
            .collect();
        let images = pool.images.select(Axis(0), &carriers);
        let try_on = |change: &(dyn Fn(ArrayView3<f32>) -> Array3<f32> + Sync)| {
            let flags = causal::moved(model, &images, class, &|| cx.check(), &|_, image| change(image))?;
            Ok::<f64, Stop>(flags.iter().filter(|&&f| f).count() as f64 / flags.len().max(1) as f64)
        };
        let mut found = Vec::new();
        if shared.has_patch() {
            found.push(patch(&shared, try_on(&|image| causal::stamped(&shared, image))?));
        }
        let (blend, alpha) = blend(&own, &pool.images, &shared);
        let on = |image: ArrayView3<f32>| &image * (1.0 - alpha) + &(&blend * alpha);
        found.push(Recovered {
            kind: "blend",
            success: try_on(&on)?,
            mask: Array2::from_elem(shared.mask.dim(), alpha),
            pattern: blend.clone(),
            facts: json!({"share": number(f64::from(alpha))}),
        });
        let wave = wave(&shared.residual);
        let success = try_on(&|image| causal::plus(image, wave.field.view()))?;
        if wave.share >= WAVE {
            found.push(Recovered {
                kind: "sinusoid",
                success,
                mask: Array2::from_elem(shared.mask.dim(), 1.0),
                pattern: wave.field.mapv(|v| (0.5 + v).clamp(0.0, 1.0)),
                facts: json!({"waves_down": wave.down, "waves_across": wave.across, "amplitude": number(wave.amplitude), "share_of_energy": number(wave.share)}),
            });
        }
        cx.step(plan.units, plan.units)?;
        // The simplest that works nearly as well as the best: patch, then sinusoid, then blend.
        let best = found.iter().map(|f| f.success).fold(0.0, f64::max);
        let order = |kind: &str| ["patch", "sinusoid", "blend"].iter().position(|k| *k == kind);
        found.sort_by_key(|f| order(f.kind));
        let chosen = found
            .into_iter()
            .find(|f| f.success >= 0.9 * best)
            .ok_or_else(|| Stop::failed("nothing to try"))?;
        Ok(outcome(case, plan, class, list.len(), images.dim().0, &chosen, choice))
    }
}

fn outcome(
    case: &Case,
    plan: &Plan,
    class: usize,
    listed: usize,
    tried: usize,
    chosen: &Recovered,
    choice: Choice,
) -> Outcome {
    let flagged = chosen.success >= CAUSE;
    let name = classes::name(case, class);
    let summary = if flagged {
        format!(
            "the {listed} listed samples labelled {name} share a {}: on {tried} other images it leads to that label in {:.0} %",
            chosen.kind,
            100.0 * chosen.success
        )
    } else {
        format!(
            "nothing that the {listed} listed samples labelled {name} share leads other images there (best: {}, {:.0} %)",
            chosen.kind,
            100.0 * chosen.success
        )
    };
    let [c, h, w] = choice.data.set.shape().unwrap_or([1, chosen.mask.nrows(), chosen.mask.ncols()]);
    let flat = |a: &Array3<f32>| a.iter().copied().collect::<Vec<f32>>();
    let mask: Vec<f32> = chosen.mask.iter().copied().collect();
    let images = vec![
        thumbnails::grey("mask", &mask, h, w),
        thumbnails::colour("pattern", &flat(&chosen.pattern), [c, h, w]),
    ];
    let finding = flagged.then(|| {
        let title = format!("Listed samples labelled {name} share a {}", chosen.kind);
        let detail = format!(
            "Found by comparing the listed samples with the rest of their label and with clean images. Put on {tried} images it was not made \
             with, it leads to the label in {:.1} %. Parameters: {}.",
            100.0 * chosen.success, chosen.facts
        );
        Finding::new(Concern::Backdoor, Severity::High, Confidence::High, title, detail).class(class).on(&plan.inputs)
    });
    let mut measures = BTreeMap::from([
        ("target".to_owned(), json!(class)),
        ("kind".to_owned(), json!(chosen.kind)),
        ("success_rate".to_owned(), number(chosen.success)),
        ("l1".to_owned(), number(chosen.mask.iter().map(|&m| f64::from(m)).sum())),
        ("parameters".to_owned(), chosen.facts.clone()),
    ]);
    if flagged {
        measures.insert("family".into(), json!(chosen.kind));
    }
    Outcome {
        verdict: if flagged { Verdict::Flagged } else { Verdict::Inconclusive },
        summary,
        statistic: Some(chosen.success),
        threshold: Some(CAUSE),
        threshold_origin: format!(
            "a convention: the candidate must lead {:.0} % of other images to the label",
            100.0 * CAUSE
        ),
        findings: finding.into_iter().collect(),
        measures,
        arrays: BTreeMap::from([
            ("mask".to_owned(), Tensor::F32(chosen.mask.clone().into_dyn())),
            ("pattern".to_owned(), Tensor::F32(chosen.pattern.clone().into_dyn())),
        ]),
        figures: BTreeMap::from([(
            "trigger".to_owned(),
            Figure { title: "What the listed samples share".into(), body: Body::Thumbnails { images } },
        )]),
        limits: format!(
            "Tells patches at one place, blends and sinusoids; not triggers that move, warps, or ones that depend on the picture. The list may \
             hold wrong samples, which blurs what is shared.{}",
            choice.caveat()
        ),
    }
}

fn patch(shared: &Shared, success: f64) -> Recovered {
    let mask = shared.mask.mapv(|m| f32::from(u8::from(m)));
    let mut pattern = shared.colour.clone();
    for mut plane in pattern.outer_iter_mut() {
        plane.zip_mut_with(&mask, |p, &m| *p *= m);
    }
    let rows: Vec<usize> = shared.mask.indexed_iter().filter(|(_, m)| **m).map(|((y, _), _)| y).collect();
    let cols: Vec<usize> = shared.mask.indexed_iter().filter(|(_, m)| **m).map(|((_, x), _)| x).collect();
    let facts = json!({
        "pixels": rows.len(), "rows": [rows.iter().min(), rows.iter().max()], "columns": [cols.iter().min(), cols.iter().max()],
    });
    Recovered { kind: "patch", success, mask, pattern, facts }
}

/// The pattern and its share α in x' = (1 − α)·x + α·p: mixing shrinks the spread of every pixel by 1 − α, and what is left of
/// the mean difference is α·p.
fn blend(own: &Array4<f32>, clean: &Array4<f32>, shared: &Shared) -> (Array3<f32>, f32) {
    let spread = |a: &Array4<f32>| a.std_axis(Axis(0), 0.0);
    let (mine, theirs) = (spread(own), spread(clean));
    let ratios: Vec<f64> =
        mine.iter().zip(&theirs).filter(|(_, t)| **t > 0.05).map(|(m, t)| f64::from(m / t)).collect();
    let shrink = crate::math::robust::median(&ratios).unwrap_or(1.0) as f32;
    let alpha = (1.0 - shrink).clamp(0.05, 0.9);
    let zero = || Array3::zeros(shared.residual.raw_dim());
    let mean = clean.mean_axis(Axis(0)).unwrap_or_else(zero);
    // own mean = (1 − α)·clean mean + α·p, and the difference to like images estimates the same without their content.
    let pattern = (&mean + &(&shared.residual / alpha)).mapv(|p| p.clamp(0.0, 1.0));
    (pattern, alpha)
}

/// The strongest single wave of a picture.
struct Wave {
    down: usize,
    across: usize,
    amplitude: f64,
    /// Share of the energy (mean left out) that it takes.
    share: f64,
    /// The wave itself, the same in every channel.
    field: Array3<f32>,
}

/// By the discrete Fourier transform of the channels' mean, up to half the sides.
fn wave(residual: &Array3<f32>) -> Wave {
    let (c, h, w) = residual.dim();
    let mut grey = residual.mean_axis(Axis(0)).unwrap_or_else(|| Array2::zeros((h, w)));
    let mean = grey.mean().unwrap_or(0.0);
    grey -= mean;
    let energy: f64 = grey.iter().map(|&v| f64::from(v * v)).sum();
    let area = (h * w).max(1) as f64;
    let mut best = (0.0, 0usize, 0i64, 0.0, 0.0);
    for down in 0..=h / 2 {
        for across in -(w as i64 / 2)..=(w as i64 / 2) {
            if down == 0 && across <= 0 {
                continue;
            }
            let (mut re, mut im) = (0.0f64, 0.0f64);
            for ((y, x), &v) in grey.indexed_iter() {
                let turn = TAU * (down as f32 * y as f32 / h as f32 + across as f32 * x as f32 / w as f32);
                re += f64::from(v * turn.cos());
                im += f64::from(v * turn.sin());
            }
            let power = re * re + im * im;
            if power > best.0 {
                best = (power, down, across, re, im);
            }
        }
    }
    let (power, down, across, re, im) = best;
    // A real wave of amplitude A has |F| = A·area/2 and energy A²·area/2.
    let amplitude = 2.0 * power.sqrt() / area;
    let share = if energy > 0.0 { (amplitude * amplitude * area / 2.0 / energy).min(1.0) } else { 0.0 };
    let field = Array3::from_shape_fn((c, h, w), |(_, y, x)| {
        let turn = TAU * (down as f32 * y as f32 / h as f32 + across as f32 * x as f32 / w as f32);
        (2.0 / area) as f32 * (re as f32 * turn.cos() + im as f32 * turn.sin())
    });
    Wave { down, across: across.unsigned_abs() as usize, amplitude, share, field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use crate::detect::poisoned::POISONED_SAMPLES;

    #[test]
    fn the_pixel_that_listed_samples_share_is_recovered() {
        let (mut case, _) = super::super::tests::case(Some(3), 12);
        assert!(COMMON_PATCH.plan(&case).unwrap_err().0.contains("poisoned-samples"));
        let found = fixture::run(&POISONED_SAMPLES, &case, 0);
        fixture::remember(&mut case, "poisoned-samples", &found);
        let got = fixture::run(&COMMON_PATCH, &case, 0);
        assert_eq!(
            (got.verdict, got.measures["kind"].as_str()),
            (Verdict::Flagged, Some("patch")),
            "{}",
            got.summary
        );
        assert_eq!((got.measures["target"].as_u64(), got.findings[0].class), (Some(3), Some(3)));
        let Tensor::F32(mask) = &got.arrays["mask"] else { panic!() };
        assert!((mask[[5, 5]] - 1.0).abs() < 1e-6 && (mask.sum() - 1.0).abs() < 1e-6, "{mask}");
        let (mut clean, _) = super::super::tests::case(None, 0);
        let found = fixture::run(&POISONED_SAMPLES, &clean, 0);
        fixture::remember(&mut clean, "poisoned-samples", &found);
        assert!(COMMON_PATCH.plan(&clean).unwrap_err().0.contains("fewer than"));
    }

    #[test]
    fn a_wave_is_told_from_noise() {
        let field =
            Array3::from_shape_fn((1, 16, 16), |(_, _, x)| 0.2 * (TAU * 3.0 * x as f32 / 16.0).sin() + 0.1);
        let got = wave(&field);
        assert_eq!((got.down, got.across), (0, 3));
        assert!((got.amplitude - 0.2).abs() < 1e-4 && got.share > 0.999, "{} {}", got.amplitude, got.share);
        assert!(got.field.iter().zip(&field).all(|(a, b)| (a - (b - 0.1)).abs() < 1e-4));
        assert!(wave(&Array3::zeros((3, 8, 8))).share.abs() < 1e-12);
    }
}
