//! What is shown and said.

use super::decide::{Decision, decide};
use super::{IMAGES, Mode, Reversed, Setup, by_norm, norm_outlier};
use crate::detect::images::Pool;
use crate::detect::invert;
use crate::detect::stamp::Trigger;
use crate::detect::{classes, thumbnails};
use crate::figure::{Bar, Body, Figure};
use crate::math::robust::Robust;
use crate::procedure::{
    Case, Concern, Confidence, Context, Finding, Outcome, Plan, Severity, Tensor, Verdict, number, numbers,
};
use ndarray::{ArrayD, Axis, IxDyn};
use serde_json::json;
use std::collections::BTreeMap;

/// Classes shown with their masks.
const SHOWN: usize = 4;

pub(super) fn outcome(
    case: &Case,
    setup: &Setup,
    plan: &Plan,
    found: &[Reversed],
    pool: Option<&Pool>,
    cx: &Context,
) -> Outcome {
    let norms: Vec<f64> = found.iter().map(|r| r.best.trigger.l1()).collect();
    let success: Vec<f64> = found.iter().map(|r| r.best.success).collect();
    let reached: Vec<bool> = found.iter().map(|r| r.reached).collect();
    let sizes: Vec<f64> = found.iter().map(|r| r.size).collect();
    let spread: Vec<f64> = found.iter().map(|r| r.spread).collect();
    let decision = decide(setup, found, cx);
    let robust = Robust::of(&norms).unwrap_or(Robust { median: 0.0, mad: 0.0 });
    let steps: Vec<u64> = found.iter().map(|r| r.steps).collect();
    let mut measures = BTreeMap::from([
        ("l1".to_owned(), numbers(&norms)),
        ("success_rate".to_owned(), numbers(&success)),
        ("reached".to_owned(), json!(reached)),
        ("anomaly_index".to_owned(), numbers(&norm_outlier::published(&norms))),
        (
            "log_anomaly_index".to_owned(),
            numbers(&norm_outlier::published(&norm_outlier::logarithms(&norms))),
        ),
        ("median".to_owned(), number(robust.median)),
        ("mad".to_owned(), number(robust.mad)),
        ("steps".to_owned(), json!(steps)),
        ("image_gradients".to_owned(), json!(setup.mode.images_of_a_step() * steps.iter().sum::<u64>())),
        ("size".to_owned(), numbers(&sizes)),
        ("spread".to_owned(), numbers(&spread)),
        ("suspects".to_owned(), json!(decision.accused)),
        ("leaders".to_owned(), json!(decision.leaders)),
        ("distance".to_owned(), numbers(&decision.bars)),
        ("mode".to_owned(), json!(setup.mode.name())),
    ]);
    if let (Mode::Scheduled(..), Some(gap)) = (setup.mode, decision.statistic) {
        measures.insert("gap".to_owned(), number(gap));
    }
    if let Some(chance) = decision.chance {
        measures.insert("p_value".to_owned(), number(chance));
    }
    // Only the scheduled search starts more than once, and its bars are logarithms of sizes once there is a statistic.
    let logarithmic = matches!(setup.mode, Mode::Scheduled(..)) && decision.statistic.is_some();
    let around = |(r, &bar): (&Reversed, &f64)| {
        invert::around(bar, r.size, r.range, norm_outlier::FLOOR).filter(|_| logarithmic)
    };
    let ranges: Vec<_> = found.iter().zip(&decision.bars).map(around).collect();
    let mut figures = BTreeMap::from([
        ("anomaly".to_owned(), anomaly(case, &decision.bars, &ranges, &decision.accused, decision.threshold)),
        ("norms".to_owned(), norm_bars(case, &norms, found, &decision.accused)),
    ]);
    for &class in by_norm(&norms).iter().take(SHOWN) {
        let trigger = &found[class].best.trigger;
        figures.insert(format!("mask/{class}"), picture(case, setup, class, trigger, pool));
    }
    Outcome {
        verdict: decision.verdict,
        summary: summary(setup, &decision, &norms, robust.median),
        statistic: decision.statistic,
        threshold: decision.threshold,
        threshold_origin: decision.origin.clone(),
        findings: decision
            .accused
            .iter()
            .map(|&k| finding(case, plan, &decision, k, found, robust.median))
            .collect(),
        measures,
        arrays: arrays(setup.model.input.shape, found),
        figures,
        limits: limits(setup, &reached),
    }
}

fn arrays([c, h, w]: [usize; 3], found: &[Reversed]) -> BTreeMap<String, Tensor> {
    let join = |shape: &[usize], of: fn(&Trigger) -> &Vec<f32>| {
        let all: Vec<f32> = found.iter().flat_map(|r| of(&r.best.trigger).iter().copied()).collect();
        Tensor::F32(ArrayD::from_shape_vec(IxDyn(shape), all).unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape))))
    };
    let k = found.len();
    BTreeMap::from([
        ("masks".to_owned(), join(&[k, h, w], |t| &t.mask)),
        ("patterns".to_owned(), join(&[k, c, h, w], |t| &t.pattern)),
    ])
}

fn summary(setup: &Setup, decision: &Decision, norms: &[f64], median: f64) -> String {
    let first = decision.accused.first().copied().or_else(|| by_norm(norms).first().copied()).unwrap_or(0);
    let size = format!("{:.1} pixels, against {median:.1} in the median", norms.get(first).unwrap_or(&0.0));
    let chance = decision.chance.map(|p| format!(" (chance {p:.2})")).unwrap_or_default();
    match (decision.verdict, setup.mode) {
        (Verdict::Flagged, _) => {
            let chance = decision.chance.unwrap_or(1.0);
            format!(
                "a trigger of {size}, sends images to class {first}: smaller than chance allows (p = {chance:.4})"
            )
        }
        (Verdict::Inconclusive, Mode::Scheduled(..) | Mode::Reference(_)) if decision.statistic.is_none() => {
            "two classes only: there is nothing to compare the smaller trigger with".into()
        }
        (Verdict::Inconclusive, Mode::Scheduled(..) | Mode::Reference(_)) => {
            format!("class {first} has the smallest trigger, {size}: unusual, but not beyond doubt{chance}")
        }
        (Verdict::Inconclusive, Mode::RandomInputs) => {
            format!(
                "on random inputs class {first} has the smallest trigger, {size}: a lead to follow with clean images"
            )
        }
        (Verdict::NothingFound, Mode::RandomInputs) => {
            "on random inputs no class has an unusually small trigger".into()
        }
        (Verdict::NothingFound, Mode::Scheduled(..) | Mode::Reference(_)) => {
            format!(
                "no class has an unusually small trigger{chance}; the smallest, of class {first}, is {size}"
            )
        }
    }
}

fn finding(
    case: &Case,
    plan: &Plan,
    decision: &Decision,
    class: usize,
    found: &[Reversed],
    median: f64,
) -> Finding {
    let best = &found[class].best;
    let chance = decision.chance.unwrap_or(1.0);
    let (severity, confidence) = match decision.verdict {
        Verdict::Flagged if chance <= 0.01 => (Severity::High, Confidence::High),
        Verdict::Flagged => (Severity::High, Confidence::Medium),
        _ => (Severity::Low, Confidence::Low),
    };
    let name = classes::name(case, class);
    let title = match decision.verdict {
        Verdict::Flagged => format!("A small trigger sends images of other classes to {name}"),
        _ => format!("Lead: the trigger for {name} is rather small"),
    };
    let detail = format!(
        "A mask of L1 norm {:.2} (median over the classes {median:.2}) sends {:.1} % of images to this class; distance from the \
         other classes {:.2}, {} needed.",
        best.trigger.l1(),
        100.0 * best.success,
        decision.bars.get(class).copied().unwrap_or(0.0),
        decision.threshold.map_or_else(|| "none".into(), |t| format!("{t:.2}")),
    );
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(class).on(&plan.inputs)
}

fn limits(setup: &Setup, reached: &[bool]) -> String {
    let mut limits = String::from(
        "Finds small triggers that work on images of any class. Blind to source-specific triggers, to weight edits that need a \
         large pattern, and weak on blended, warped and invisible triggers; a backdoor in most classes at once has no ordinary \
         class to stand out from. A small natural trigger of a clean model looks the same.",
    );
    match setup.choice {
        Some(choice) => {
            let used = format!(
                " Used {}; for each target, those the network does not put there by itself.{}",
                choice.described(IMAGES),
                choice.caveat()
            );
            limits += &used;
        }
        None => {
            limits += " There were no images: uniform noise was used instead, on which this method has flagged clean models and \
                       missed three of four backdoored ones.";
        }
    }
    let missed = reached.iter().filter(|&&r| !r).count();
    if missed > 0 {
        let note = format!(
            " For {missed} of {} classes no trigger reached the success asked for: their norm is that of the most successful \
             step and they are not accused.",
            reached.len()
        );
        limits += &note;
    }
    limits
}

/// Bars of how far each class stands out; `ranges`, where there are any, say how far its starts lie apart.
pub(super) fn anomaly(
    case: &Case,
    values: &[f64],
    ranges: &[Option<[f64; 2]>],
    accused: &[usize],
    threshold: Option<f64>,
) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
        spread: ranges.get(k).copied().flatten(),
    };
    Figure {
        title: "How far each class's smallest trigger lies below the others'".into(),
        body: Body::Bars {
            value_label: "−ln size above the median class; in reference mode in standard deviations".into(),
            bars: values.iter().enumerate().map(bar).collect(),
            threshold,
        },
    }
}

fn norm_bars(case: &Case, norms: &[f64], found: &[Reversed], accused: &[usize]) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
        spread: found.get(k).map(|r| r.range).filter(|[low, high]| low < high),
    };
    Figure {
        title: "Size of the smallest trigger found per class".into(),
        body: Body::Bars {
            value_label: "L1 norm of the mask, pixels".into(),
            bars: norms.iter().enumerate().map(bar).collect(),
            threshold: None,
        },
    }
}

pub(super) fn picture(
    case: &Case,
    setup: &Setup,
    class: usize,
    trigger: &Trigger,
    pool: Option<&Pool>,
) -> Figure {
    let title =
        format!("Smallest trigger for class {}, {:.1} pixels", classes::name(case, class), trigger.l1());
    let image = pool.and_then(|pool| {
        let &first = pool.not_predicted(class).first()?;
        Some(pool.images.index_axis(Axis(0), first))
    });
    thumbnails::trigger(title, trigger, image, setup.model.input.shape)
}

/// Values above their median.
pub(super) fn above_median(values: &[f64]) -> Vec<f64> {
    let middle = crate::math::robust::median(values).unwrap_or(0.0);
    values.iter().map(|v| v - middle).collect()
}
