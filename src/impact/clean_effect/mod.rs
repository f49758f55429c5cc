//! What the model does on clean images: is it as good as it should be, class by class, and as sure?

#[cfg(test)]
mod tests;

use crate::detect::classes;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::evidence::{Limits, intake};
use crate::figure::{Bar, Body, Figure, Series};
use crate::math::softmax::argmax;
use crate::math::stats::wilson;
use crate::network::{Model, onnx};
use crate::procedure::{
    About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict, number, numbers,
};
use crate::recover::best::{self, Best, best};
use crate::recover::stamping::outputs;
use ndarray::{ArrayView1, ArrayView3};
use serde_json::{Value, json};
use statrs::distribution::{Binomial, DiscreteCDF};
use std::collections::BTreeMap;
use std::path::Path;

/// Clean accuracy and confidence.
pub static CLEAN_EFFECT: CleanEffect = CleanEffect;

/// See [`CLEAN_EFFECT`].
#[derive(Debug)]
pub struct CleanEffect;

/// Its id.
pub const ID: &str = "clean-effect";

static ABOUT: About = About {
    id: "clean-effect",
    title: "Effect on clean images",
    phase: Phase::Impact,
    version: 1,
    question: "Does the model do on clean images what it should, class by class, and how sure is it with and without the trigger?",
    needs: "a model and labelled clean images; better with a published accuracy or a reference model (parameters)",
    reference: "Wilson 1927; McNemar 1947 for the reference model; Guo et al. 2017 for the calibration error",
    cost: Cost::Low,
    after: &best::AFTER,
    page: include_str!("page.md"),
};

/// Images used at most, of either share.
const IMAGES: usize = 1_000;
const CONFIDENCE: f64 = 0.95;
/// Bins of the calibration error.
const BINS: usize = 10;
/// Chance below which a difference counts.
const CHANCE: f64 = 0.01;
struct Setup<'a> {
    model: &'a Model,
    choices: Vec<Choice<'a>>,
    published: Option<f64>,
    reference: Option<(Model, Value)>,
    best: Option<Best>,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ID, &["published_accuracy", "reference"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let choice = Choice::of(case, Share::Work)?
            .filter(|c| c.data.set.labels.len() == c.data.set.len())
            .ok_or_else(|| {
            Skip("no labelled clean images: add some with the role 'clean' or 'test'".into())
        })?;
        let mut choices = vec![choice];
        if choice.divided() {
            choices.extend(Choice::of(case, Share::Held)?);
        }
        let published = params.number("published_accuracy", -1.0, -1.0..=1.0)?;
        let reference = params.text("reference")?.map(|path| load(case, model, path)).transpose()?;
        let best = best(case, model.input.shape);
        Ok(Self { model, choices, published: (published >= 0.0).then_some(published), reference, best })
    }

    fn loading(&self) -> u64 {
        self.choices.iter().map(|c| c.units(IMAGES)).sum()
    }
}

/// A reference model in ONNX, with the same input and classes.
fn load(case: &Case, model: &Model, path: &str) -> Result<(Model, Value), Skip> {
    let skip = |why: String| Skip(format!("the reference model: {why}"));
    let limits = Limits::in_force();
    let place = case.file.locate(Path::new(path)).map_err(|e| skip(e.to_string()))?;
    let bytes = intake::read_capped(&place, limits.reference_bytes, "reference_bytes", &intake::quiet)
        .map_err(|e| skip(e.to_string()))?;
    let read =
        onnx::read(&place, &bytes.data, Some(model.input.shape), limits).map_err(|e| skip(e.to_string()))?;
    let other =
        Model::from_graph(read.graph, model.input.clone(), vec![]).map_err(|e| skip(e.to_string()))?;
    if other.class_count() != model.class_count() {
        let (a, b) = (other.class_count(), model.class_count());
        return Err(skip(format!("it has {a} classes, the suspect {b}")));
    }
    let record = json!({"file": crate::evidence::text::visible(path), "sha256": bytes.sha256});
    Ok((other, record))
}

/// Answers over labelled images.
#[derive(Default)]
struct Answers {
    labels: Vec<usize>,
    predicted: Vec<usize>,
    confidence: Vec<f64>,
    /// Of the reference model, where there is one.
    reference: Vec<usize>,
    /// Confidence in the target with the trigger, and whether it went there.
    with_trigger: Vec<(f64, bool)>,
}

impl Procedure for CleanEffect {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let inputs = case.model_item().map(|i| i.id.clone()).into_iter();
        let images: usize = setup.choices.iter().map(|c| c.count(IMAGES)).sum();
        Ok(Plan {
            params: json!({
                "images": images, "published_accuracy": setup.published, "bins": BINS,
                "reference": setup.reference.as_ref().map(|(_, r)| r.clone()), "trigger": setup.best.as_ref().map(|b| b.from),
            }),
            units: setup.loading() + 4,
            inputs: inputs.chain([setup.choices[0].data.item.clone()]).collect(),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let mut all = Answers::default();
        let mut before = 0;
        for choice in &setup.choices {
            let pool = Pool::load(case, *choice, IMAGES, cx, before, plan.units)?;
            before += choice.units(IMAGES);
            answer(&setup, &pool, &mut all, cx)?;
        }
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, &setup, &all))
    }
}

fn answer(setup: &Setup, pool: &Pool, all: &mut Answers, cx: &Context) -> Result<(), Stop> {
    let which: Vec<usize> = (0..pool.labels.len()).collect();
    let plain = |_: usize, image: ArrayView3<f32>| image.to_owned();
    for row in outputs(setup.model, &pool.images, &which, &|| cx.check(), &plain)? {
        let best = argmax(ArrayView1::from(row.as_slice()));
        all.predicted.push(best);
        all.confidence.push(probability(&row, best));
    }
    all.labels.extend(&pool.labels);
    if let Some((reference, _)) = &setup.reference {
        let rows = outputs(reference, &pool.images, &which, &|| cx.check(), &plain)?;
        all.reference.extend(rows.iter().map(|r| argmax(ArrayView1::from(r.as_slice()))));
    }
    if let Some(best) = &setup.best {
        let others: Vec<usize> = which.into_iter().filter(|&i| pool.labels[i] != best.target).collect();
        let put = |_: usize, image: ArrayView3<f32>| best.stamp.on(image);
        for row in outputs(setup.model, &pool.images, &others, &|| cx.check(), &put)? {
            let hit = argmax(ArrayView1::from(row.as_slice())) == best.target;
            all.with_trigger.push((probability(&row, best.target), hit));
        }
    }
    Ok(())
}

/// Softmax of one class.
fn probability(row: &[f32], class: usize) -> f64 {
    let top = row.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = row.iter().map(|x| f64::from(x - top).exp()).sum();
    row.get(class).map_or(0.0, |x| f64::from(x - top).exp() / sum)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// Expected calibration error over equal bins of confidence, with each bin's mean confidence and accuracy.
fn calibration(confidence: &[f64], right: &[bool]) -> (f64, Vec<[f64; 2]>) {
    let (mut error, mut points) = (0.0, Vec::new());
    for bin in 0..BINS {
        let own: Vec<usize> = (0..confidence.len())
            .filter(|&i| ((confidence[i] * BINS as f64) as usize).min(BINS - 1) == bin)
            .collect();
        let (Some(sure), Some(accurate)) = (
            mean(own.iter().map(|&i| confidence[i])),
            mean(own.iter().map(|&i| f64::from(u8::from(right[i])))),
        ) else {
            continue;
        };
        error += own.len() as f64 / confidence.len() as f64 * (sure - accurate).abs();
        points.push([sure, accurate]);
    }
    (error, points)
}

/// The chance of so uneven a split of the images on which two models differ (`McNemar`'s test, exact, two-sided).
fn mcnemar(own_only: usize, other_only: usize) -> f64 {
    let n = (own_only + other_only) as u64;
    let least = own_only.min(other_only) as u64;
    Binomial::new(0.5, n).map_or(1.0, |b| (2.0 * b.cdf(least)).min(1.0))
}

#[expect(clippy::too_many_lines, reason = "one measure after the other")]
fn outcome(case: &Case, setup: &Setup, all: &Answers) -> Outcome {
    let n = all.labels.len();
    let right: Vec<bool> = all.labels.iter().zip(&all.predicted).map(|(a, b)| a == b).collect();
    let hits = right.iter().filter(|r| **r).count();
    let (accuracy, interval) = (hits as f64 / n.max(1) as f64, wilson(hits, n, CONFIDENCE));
    let classes = setup.model.class_count();
    let of_class = |k: usize| (0..n).filter(move |&i| all.labels[i] == k);
    let per_class: Vec<Option<f64>> =
        (0..classes).map(|k| mean(of_class(k).map(|i| f64::from(u8::from(right[i]))))).collect();
    let weak: Vec<usize> = (0..classes)
        .filter(|&k| {
            let own: Vec<usize> = of_class(k).collect();
            let good = own.iter().filter(|&&i| right[i]).count();
            own.len() >= 10 && wilson(good, own.len(), CONFIDENCE)[1] < interval[0]
        })
        .collect();
    let (error, points) = calibration(&all.confidence, &right);
    let mut told = vec![format!(
        "{:.1} % of {n} clean images are right (95 % interval {:.1} to {:.1} %)",
        100.0 * accuracy,
        100.0 * interval[0],
        100.0 * interval[1]
    )];
    let optional = |x: Option<f64>| x.map_or(Value::Null, number);
    let mut measures = BTreeMap::from([
        ("accuracy".to_owned(), number(accuracy)),
        ("interval".to_owned(), numbers(&interval)),
        ("images".to_owned(), json!(n)),
        ("per_class".to_owned(), Value::Array(per_class.iter().map(|x| optional(*x)).collect())),
        ("weak_classes".to_owned(), json!(weak)),
        ("calibration_error".to_owned(), number(error)),
        ("confidence".to_owned(), optional(mean(all.confidence.iter().copied()))),
    ]);
    if !weak.is_empty() {
        told.push(format!("classes {weak:?} are clearly weaker than the rest"));
    }
    let mut below = false;
    if let Some(published) = setup.published {
        below = interval[1] < published;
        measures.insert("published_accuracy".into(), number(published));
        measures.insert("below_published".into(), json!(below));
        told.push(format!(
            "published: {:.1} %{}",
            100.0 * published,
            if below { ", which is more" } else { "" }
        ));
    }
    if !all.reference.is_empty() {
        let other: Vec<bool> = all.labels.iter().zip(&all.reference).map(|(a, b)| a == b).collect();
        let own_only = right.iter().zip(&other).filter(|(a, b)| **a && !**b).count();
        let other_only = right.iter().zip(&other).filter(|(a, b)| !**a && **b).count();
        let chance = mcnemar(own_only, other_only);
        let drop: Vec<Value> = (0..classes)
            .map(|k| {
                let difference = |i: usize| f64::from(u8::from(right[i])) - f64::from(u8::from(other[i]));
                optional(mean(of_class(k).map(difference)))
            })
            .collect();
        let reference = other.iter().filter(|r| **r).count() as f64 / n.max(1) as f64;
        below |= chance < CHANCE && other_only > own_only;
        measures.insert("reference_accuracy".into(), number(reference));
        measures.insert("reference_chance".into(), number(chance));
        measures.insert("per_class_against_reference".into(), Value::Array(drop));
        told.push(format!(
            "the reference model: {:.1} %, chance of such a difference {chance:.3}",
            100.0 * reference
        ));
    }
    if let Some(best) = &setup.best {
        let sure = mean(all.with_trigger.iter().filter(|(_, hit)| *hit).map(|(p, _)| *p));
        let others = (0..n).filter(|&i| all.labels[i] != best.target);
        let stray = mean(others.map(|i| f64::from(u8::from(all.predicted[i] == best.target))));
        measures.insert("target".into(), json!(best.target));
        measures.insert("confidence_with_trigger".into(), optional(sure));
        measures.insert("stray_into_target".into(), optional(stray));
        if let Some(sure) = sure {
            told.push(format!(
                "where the trigger works, the network is {:.1} % sure of class {}",
                100.0 * sure,
                classes::name(case, best.target)
            ));
        }
    }
    let bars = per_class
        .iter()
        .enumerate()
        .filter_map(|(k, a)| {
            Some(Bar {
                label: classes::name(case, k),
                value: (*a)?,
                flagged: weak.contains(&k),
                spread: None,
            })
        })
        .collect();
    let figures = BTreeMap::from([
        (
            "per-class".to_owned(),
            Figure {
                title: "Accuracy on clean images, by class".into(),
                body: Body::Bars { value_label: "share right".into(), bars, threshold: Some(accuracy) },
            },
        ),
        (
            "calibration".to_owned(),
            Figure {
                title: "How often the network is right when it is so sure".into(),
                body: Body::Lines {
                    x_label: "confidence".into(),
                    y_label: "share right".into(),
                    series: vec![Series { name: "bins of a tenth".into(), points }],
                },
            },
        ),
    ]);
    Outcome {
        verdict: if below { Verdict::Inconclusive } else { Verdict::NothingFound },
        summary: told.join("; "),
        statistic: Some(accuracy),
        threshold: setup.published,
        threshold_origin: if setup.published.is_some() {
            "the published figure, as given"
        } else {
            "none: nothing published was given"
        }
        .into(),
        findings: Vec::new(),
        measures,
        arrays: BTreeMap::new(),
        figures,
        limits: format!(
            "A backdoor that is any good leaves clean accuracy alone: a good figure here says nothing against one. Without a published figure or a \
             reference model there is nothing to compare with.{}",
            setup.choices[0].caveat()
        ),
    }
}
