//! What is shown and said.

use super::search::{self, Patch};
use super::{Decision, Seen, Setup};
use crate::detect::images::Pool;
use crate::detect::{calibration, classes, thumbnails};
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    Case, Concern, Confidence, Finding, Outcome, Plan, Severity, Tensor, Verdict, number, numbers,
};
use ndarray::{ArrayD, Axis, IxDyn};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Classes shown with their patches.
const SHOWN: usize = 4;

pub(super) fn outcome(
    case: &Case,
    setup: &Setup,
    plan: &Plan,
    seen: &Seen,
    decision: &Decision,
    pool: &Pool,
) -> Outcome {
    let Seen { found, unit } = seen;
    let shape = setup.model.input.shape;
    let side = setup.windows.side;
    let gap = decision.gap.as_ref();
    let leaders = gap.map_or(&[][..], |g| &g.leaders);
    let shown = if decision.verdict == Verdict::NothingFound { &[][..] } else { &decision.accused[..] };
    let value = |of: &dyn Fn(&Patch) -> Option<f64>| -> Value {
        found.iter().map(|p| p.as_ref().and_then(of).map_or(Value::Null, number)).collect()
    };
    let place = |p: &Option<Patch>| p.as_ref().map_or(Value::Null, |p| json!([p.place.0, p.place.1]));
    let mut measures = BTreeMap::from([
        ("margin".to_owned(), value(&|p| Some(p.margin / unit).filter(|m| m.is_finite()))),
        ("success_rate".to_owned(), value(&|p| p.success)),
        ("place".to_owned(), found.iter().map(place).collect()),
        ("side".to_owned(), json!(side)),
        ("clean_margin".to_owned(), number(*unit)),
        ("strength".to_owned(), numbers(&decision.strength)),
        ("gap".to_owned(), gap.map_or(Value::Null, |g| number(g.size))),
        ("leaders".to_owned(), json!(leaders)),
        ("suspects".to_owned(), json!(shown)),
        (
            "image_gradients".to_owned(),
            json!(search::gradients(found.len(), setup.windows.places.len(), &setup.rounds)),
        ),
    ]);
    if let Some(judged) = decision.judged {
        measures.insert("p_value".to_owned(), number(judged.chance));
    }
    let mut figures = BTreeMap::from([("strength".to_owned(), bars(case, &decision.strength, shown))]);
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| decision.strength[b].total_cmp(&decision.strength[a]).then(a.cmp(&b)));
    for &class in order.iter().take(SHOWN) {
        if let Some(patch) = &found[class] {
            figures.insert(format!("patch/{class}"), picture(case, class, patch, (shape, side), pool));
        }
    }
    Outcome {
        verdict: decision.verdict,
        summary: summary(decision, found, order.first().copied().unwrap_or(0), side),
        statistic: gap.map(|g| g.size),
        threshold: decision.judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(decision.judged.as_ref(), |j| j.origin("the gap")),
        findings: shown.iter().map(|&k| finding(case, plan, decision, k, seen, side)).collect(),
        measures,
        arrays: arrays(found, shape, side),
        figures,
        limits: "Finds patches that are opaque and not much larger than the square, wherever they are; parts of larger ones. Blind to \
                 triggers over the whole picture, to faint ones, to pieces far apart that only work together, and to those of one source \
                 class. A class that a square of this size sends images to in a clean network looks the same."
            .into(),
    }
}

fn bars(case: &Case, strength: &[f64], accused: &[usize]) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
        spread: None,
    };
    Figure {
        title: "How strongly a small opaque square sends images to each class".into(),
        body: Body::Bars {
            value_label: "ln(1 + e^margin), margins in units of the clean margin".into(),
            bars: strength.iter().enumerate().map(bar).collect(),
            threshold: None,
        },
    }
}

fn picture(
    case: &Case,
    class: usize,
    patch: &Patch,
    (shape, side): ([usize; 3], usize),
    pool: &Pool,
) -> Figure {
    let image = pool.not_predicted(class).first().map(|&i| pool.images.index_axis(Axis(0), i));
    let title = format!("Strongest patch for class {}{}", classes::name(case, class), works(patch));
    thumbnails::trigger(title, &patch.trigger(shape, side), image, shape)
}

fn works(patch: &Patch) -> String {
    patch.success.map_or_else(String::new, |s| format!(", success {:.0} %", 100.0 * s))
}

/// The patches of all classes as masks (K×H×W) and patterns (K×C×H×W); a class without one has an empty mask.
fn arrays(found: &[Option<Patch>], [c, h, w]: [usize; 3], side: usize) -> BTreeMap<String, Tensor> {
    let (mut masks, mut patterns) = (Vec::new(), Vec::new());
    for patch in found {
        if let Some(trigger) = patch.as_ref().map(|p| p.trigger([c, h, w], side)) {
            masks.extend(trigger.mask);
            patterns.extend(trigger.pattern);
        } else {
            masks.extend(std::iter::repeat_n(0.0, h * w));
            patterns.extend(std::iter::repeat_n(0.5, c * h * w));
        }
    }
    let tensor = |shape: &[usize], values: Vec<f32>| {
        let shape = IxDyn(shape);
        Tensor::F32(ArrayD::from_shape_vec(shape.clone(), values).unwrap_or_else(|_| ArrayD::zeros(shape)))
    };
    BTreeMap::from([
        ("masks".to_owned(), tensor(&[found.len(), h, w], masks)),
        ("patterns".to_owned(), tensor(&[found.len(), c, h, w], patterns)),
    ])
}

fn summary(decision: &Decision, found: &[Option<Patch>], first: usize, side: usize) -> String {
    let Some(gap) = &decision.gap else { return "the classes cannot be compared".into() };
    let first = gap.leaders.first().copied().unwrap_or(first);
    let success = found[first].as_ref().and_then(|p| p.success).unwrap_or(0.0);
    let chance = decision.judged.map_or_else(String::new, |j| format!(", chance {:.3}", j.chance));
    let share = format!("{:.0} % of the images", 100.0 * success);
    match decision.verdict {
        Verdict::Flagged => format!(
            "a square of {side}×{side} pixels sends {share} to class {first}: far more surely than to the other classes{chance}"
        ),
        Verdict::Inconclusive => format!(
            "the strongest square of {side}×{side} pixels sends {share} to class {first}: unusual, but not beyond doubt{chance}"
        ),
        Verdict::NothingFound => format!(
            "no small square sends images to one class as none of a clean network does; the strongest, to class {first}, moves {share}{chance}"
        ),
    }
}

fn finding(case: &Case, plan: &Plan, decision: &Decision, class: usize, seen: &Seen, side: usize) -> Finding {
    let (severity, confidence) = match decision.verdict {
        Verdict::Flagged => (Severity::High, Confidence::High),
        _ => (Severity::Low, Confidence::Low),
    };
    let name = classes::name(case, class);
    let title = match decision.verdict {
        Verdict::Flagged => format!("A small patch sends images of other classes to {name}"),
        _ => format!("Lead: a small patch sends rather many images to {name}"),
    };
    let (place, margin, success) = seen.found[class]
        .as_ref()
        .map_or(((0, 0), 0.0, 0.0), |p| (p.place, p.margin / seen.unit, p.success.unwrap_or(0.0)));
    let detail = format!(
        "A square of {side}×{side} pixels at row {}, column {}: {:.0} % of images of other classes go there, by {margin:.2} times the \
         margin of images without it; gap to the other classes {:.2}, {} needed.",
        place.0,
        place.1,
        100.0 * success,
        decision.gap.as_ref().map_or(0.0, |g| g.size),
        decision.judged.map_or_else(|| "none".into(), |j| format!("{:.2}", j.threshold)),
    );
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(class).on(&plan.inputs)
}
