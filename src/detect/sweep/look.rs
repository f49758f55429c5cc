//! What a sweep shows and says.

use super::run::Setup;
use super::{Decision, Place, Sweep};
use crate::detect::calibration;
use crate::detect::images::Pool;
use crate::detect::invert::{Compared, Form, Size};
use crate::detect::{classes, thumbnails};
use crate::figure::{Bar, Body, Figure};
use crate::math::robust;
use crate::procedure::{
    Case, Concern, Confidence, Finding, Outcome, Plan, Severity, Tensor, Verdict, number, numbers,
};
use ndarray::{Array4, ArrayD, Axis, IxDyn};
use serde_json::json;
use std::collections::BTreeMap;

/// Bars of how small each class's change is, above the median class; with the range of the starts where `found` has it.
pub(super) fn bars(
    sweep: &Sweep,
    case: &Case,
    smallness: &[f64],
    found: &[Size],
    accused: &[usize],
    threshold: Option<f64>,
) -> Figure {
    let middle = robust::median(smallness).unwrap_or(0.0);
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value: value - middle,
        flagged: accused.contains(&k),
        spread: found.get(k).and_then(|f| f.around(value - middle, sweep.floor)),
    };
    Figure {
        title: format!("How small a {} sends images to each class", sweep.noun),
        body: Body::Bars {
            value_label: "−ln size above the median class, less what a clean twin explains".into(),
            bars: smallness.iter().enumerate().map(bar).collect(),
            threshold,
        },
    }
}

pub(super) fn outcome(
    sweep: &Sweep,
    case: &Case,
    setup: &Setup,
    plan: &Plan,
    compared: &Compared,
    decision: &Decision,
    pool: &Pool,
) -> Outcome {
    let found = &compared.found;
    let sizes: Vec<f64> = found.iter().map(|f| f.size).collect();
    let success: Vec<f64> = found.iter().map(|f| f.found.success).collect();
    let spread: Vec<f64> = found.iter().map(|f| f.spread).collect();
    let steps: Vec<u64> = found.iter().map(|f| f.steps).collect();
    let reached: Vec<bool> = found.iter().map(|f| f.reached).collect();
    let gap = decision.gap.as_ref();
    let leaders = gap.map_or(&[][..], |g| &g.leaders);
    let shown = if decision.verdict == Verdict::NothingFound { &[][..] } else { &decision.accused[..] };
    let mut measures = BTreeMap::from([
        (sweep.measure.to_owned(), numbers(&sizes)),
        ("success_rate".to_owned(), numbers(&success)),
        ("spread".to_owned(), numbers(&spread)),
        ("reached".to_owned(), json!(reached)),
        ("steps".to_owned(), json!(steps)),
        ("gap".to_owned(), gap.map_or(serde_json::Value::Null, |g| number(g.size))),
        ("leaders".to_owned(), json!(leaders)),
        ("suspects".to_owned(), json!(shown)),
        ("smallness".to_owned(), numbers(&compared.smallness)),
        ("explained_by_twin".to_owned(), compared.explained.map_or(serde_json::Value::Null, number)),
    ]);
    if let Some(judged) = decision.judged {
        measures.insert("p_value".to_owned(), number(judged.chance));
    }
    let mut figures =
        BTreeMap::from([("sizes".to_owned(), bars(sweep, case, &compared.smallness, found, shown, None))]);
    let mut arrays = BTreeMap::new();
    if sweep.place == Place::Image {
        for &class in leaders {
            figures.insert(format!("change/{class}"), picture(sweep, case, class, &found[class], pool));
        }
        arrays.insert("changes".to_owned(), fields(sweep, found, setup.model.input.shape));
    }
    let summary = summary(sweep, &sizes, decision);
    Outcome {
        verdict: decision.verdict,
        summary,
        statistic: gap.map(|g| g.size),
        threshold: decision.judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(decision.judged.as_ref(), |j| j.origin("the gap")),
        findings: shown.iter().map(|&k| finding(sweep, case, plan, decision, k, &sizes)).collect(),
        measures,
        arrays,
        figures,
        limits: limits(sweep, &reached),
    }
}

/// The fields of all classes: K×C×H×W of what is added, or K×2×H×W of displacements.
fn fields(sweep: &Sweep, found: &[Size], shape: [usize; 3]) -> Tensor {
    let [c, h, w] = shape;
    let planes = if sweep.form == Form::Flow { 2 } else { c };
    let dim = IxDyn(&[found.len(), planes, h, w]);
    let all: Vec<f32> = found.iter().flat_map(|f| sweep.form.field(&f.found.raw, shape)).collect();
    Tensor::F32(ArrayD::from_shape_vec(dim.clone(), all).unwrap_or_else(|_| ArrayD::zeros(dim)))
}

fn picture(sweep: &Sweep, case: &Case, class: usize, size: &Size, pool: &Pool) -> Figure {
    let (_, c, h, w) = pool.images.dim();
    let shape = [c, h, w];
    let field = sweep.form.field(&size.found.raw, shape);
    let mut images = Vec::new();
    if sweep.form != Form::Flow {
        // Grey is no change; the strongest change is black or white.
        let most = field.iter().fold(1e-6f32, |m, d| m.max(d.abs()));
        let shown: Vec<f32> = field.iter().map(|d| 0.5 + 0.5 * d / most).collect();
        images.push(thumbnails::colour(format!("change, ±{most:.2}"), &shown, shape));
    }
    if let Some(&first) = pool.not_predicted(class).first() {
        let image = pool.images.index_axis(Axis(0), first);
        let mut changed = Array4::zeros((1, c, h, w));
        sweep.form.apply(&field, image, changed.index_axis_mut(Axis(0), 0));
        let plain: Vec<f32> = image.iter().copied().collect();
        let changed: Vec<f32> = changed.iter().copied().collect();
        images.push(thumbnails::colour("an image", &plain, shape));
        images.push(thumbnails::colour("changed", &changed, shape));
    }
    let title = format!(
        "Smallest {} for class {}, {:.2} ({})",
        sweep.noun,
        classes::name(case, class),
        size.size,
        sweep.unit
    );
    Figure { title, body: Body::Thumbnails { images } }
}

fn summary(sweep: &Sweep, sizes: &[f64], decision: &Decision) -> String {
    let middle = robust::median(sizes).unwrap_or(0.0);
    let Some(gap) = &decision.gap else { return "the classes cannot be compared".into() };
    let first = gap.leaders[0];
    let size = format!("{:.2} against {middle:.2} in the median ({})", sizes[first], sweep.unit);
    let chance = decision.judged.map_or_else(String::new, |j| format!(", chance {:.3}", j.chance));
    match decision.verdict {
        Verdict::Flagged => {
            format!(
                "a {} of {size} sends images to class {first}: further below the others than in clean models{chance}",
                sweep.noun
            )
        }
        Verdict::Inconclusive => {
            format!(
                "class {first} is reached by the smallest {}, {size}: unusual, but not beyond doubt{chance}",
                sweep.noun
            )
        }
        Verdict::NothingFound => {
            format!(
                "no class is reached by an unusually small {}; the smallest, of class {first}, is {size}{chance}",
                sweep.noun
            )
        }
    }
}

fn finding(
    sweep: &Sweep,
    case: &Case,
    plan: &Plan,
    decision: &Decision,
    class: usize,
    sizes: &[f64],
) -> Finding {
    let (severity, confidence) = match decision.verdict {
        Verdict::Flagged => (Severity::High, Confidence::Medium),
        _ => (Severity::Low, Confidence::Low),
    };
    let name = classes::name(case, class);
    let title = match decision.verdict {
        Verdict::Flagged => format!("A small {} sends images of other classes to {name}", sweep.noun),
        _ => format!("Lead: the {} for {name} is rather small", sweep.noun),
    };
    let detail = format!(
        "Size {:.3} ({}), median over the classes {:.3}; gap to the other classes {:.2}, {} needed.",
        sizes[class],
        sweep.unit,
        robust::median(sizes).unwrap_or(0.0),
        decision.gap.as_ref().map_or(0.0, |g| g.size),
        decision.judged.map_or_else(|| "none".into(), |j| format!("{:.2}", j.threshold)),
    );
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(class).on(&plan.inputs)
}

fn limits(sweep: &Sweep, reached: &[bool]) -> String {
    let missed = reached.iter().filter(|&&r| !r).count();
    let mut limits = sweep.limits.to_owned();
    if missed > 0 {
        let note = format!(
            " For {missed} of {} classes some start did not reach the success asked for; they are not accused.",
            reached.len()
        );
        limits += &note;
    }
    limits
}
