//! What kind of trigger it is, told from what was recovered, with the measurements that say so.

mod rule;
#[cfg(test)]
mod tests;

use super::best::{AFTER, best};
use super::spectrum;
use super::stamping::{COVERED, Stamp, flat_mask};
use super::{refine_trigger, sample_recovery};
use crate::detect::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Tensor, Verdict, number,
};
use ndarray::{Array2, Array3, Axis, Ix3};
use rule::{Seen, Told};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The kind of the trigger.
pub static TRIGGER_KIND: TriggerKind = TriggerKind;

/// See [`TRIGGER_KIND`].
#[derive(Debug)]
pub struct TriggerKind;

/// Its id.
pub const ID: &str = "trigger-kind";

static ABOUT: About = About {
    id: "trigger-kind",
    title: "Kind of trigger",
    phase: Phase::Recovery,
    version: 1,
    question: "Is it a patch, several, a blend, a sinusoid, a warp, or something else, and what says so?",
    needs: "a recovered trigger (refine-trigger or sample-recovery)",
    reference: "rules of this program (see the page)",
    cost: Cost::Instant,
    after: &[
        AFTER[0],
        AFTER[1],
        "patch-search",
        "universal-perturbation",
        "warp-search",
        "model-verdict",
        "poisoned-samples",
    ],
    page: include_str!("page.md"),
};

/// Share of the energy that the concentration speaks of.
const MOST: f64 = 0.9;

impl Procedure for TriggerKind {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ID, &[])?;
        let shape = case.model.as_ref().map(|m| m.input.shape);
        if shape.and_then(|s| best(case, s)).is_none() {
            return Err(Skip(
                "no trigger was recovered: neither refine-trigger nor sample-recovery gave one".into(),
            ));
        }
        let inputs = case.model_item().map(|i| i.id.clone()).into_iter().collect();
        Ok(Plan { params: rule::params(), units: 2, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let shape = case.model.as_ref().map(|m| m.input.shape).ok_or_else(|| Stop::failed("no model"))?;
        let found = best(case, shape).ok_or_else(|| Stop::failed("the trigger planned for is gone"))?;
        cx.step(0, plan.units)?;
        let seen = look(case, shape, found.target);
        let told = rule::tell(&seen);
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, &seen, &told, found.target))
    }
}

fn look(case: &Case, shape: [usize; 3], target: usize) -> Seen {
    let earlier = &case.earlier;
    let own = |id: &str| {
        let record = earlier.record(id)?;
        let same = record.measures.get("target").and_then(Value::as_u64) == Some(target as u64);
        same.then_some(record)
    };
    let rate = |id: &str| own(id).and_then(|r| r.measures.get("success_rate")?.as_f64());
    let [_, h, w] = shape;
    let mask = match own(refine_trigger::ID).and_then(|_| Stamp::read(case, refine_trigger::ID, shape)) {
        Some(Stamp::Blend(t)) => Some(flat_mask(&t.mask, h * w)),
        _ => None,
    };
    let covered = mask.as_ref().map(|m| Array2::from_shape_fn((h, w), |(y, x)| m[y * w + x] >= COVERED));
    let change = change(case, target, shape);
    let accuses = |id: &str| {
        earlier.record(id).is_some_and(|r| {
            r.verdict == Verdict::Flagged && r.findings.iter().any(|f| f.class == Some(target))
        })
    };
    let chance = |id: &str| earlier.measure(id, "p_value").and_then(Value::as_f64);
    let text = |id: &str, name: &str| earlier.measure(id, name).and_then(Value::as_str).map(str::to_owned);
    Seen {
        sampled: own(sample_recovery::ID)
            .filter(|r| r.verdict == Verdict::Flagged)
            .and_then(|r| Some((r.measures.get("kind")?.as_str()?.to_owned(), rate(sample_recovery::ID)?))),
        samples_without_trigger: earlier.flagged("poisoned-samples")
            && earlier.record(sample_recovery::ID).is_some_and(|r| r.verdict == Verdict::NothingFound),
        success: rate(refine_trigger::ID),
        area: mask.as_ref().map(|m| m.iter().map(|&v| f64::from(v)).sum::<f64>() / (h * w) as f64),
        patches: covered.as_ref().map(sample_recovery::estimate::patches),
        concentration: change.as_ref().map(concentration),
        wave: change.as_ref().and_then(spectrum::strongest).map(|wave| wave.share),
        additive: accuses("universal-perturbation"),
        masked: accuses("neural-cleanse") || accuses("patch-search"),
        warped: accuses("warp-search"),
        chances: ["neural-cleanse", "universal-perturbation", "warp-search"].map(chance),
        family_of_samples: text("poisoned-samples", "family"),
        family_of_model: text("model-verdict", "family"),
    }
}

/// The smallest pattern added to images that leads to the class.
fn change(case: &Case, target: usize, shape: [usize; 3]) -> Option<Array3<f32>> {
    let Tensor::F32(all) = case.earlier.array("universal-perturbation", "changes")? else { return None };
    if all.ndim() != 4 || target >= all.shape()[0] {
        return None;
    }
    let field = all.index_axis(Axis(0), target).to_owned().into_dimensionality::<Ix3>().ok()?;
    (field.shape() == shape && field.iter().all(|v| v.is_finite())).then_some(field)
}

/// Share of the pixels that hold [`MOST`] of a change's energy: small for a patch, near 0.6 and more for what covers the picture.
fn concentration(field: &Array3<f32>) -> f64 {
    let energy = field.mapv(|v| f64::from(v * v)).sum_axis(Axis(0));
    let total: f64 = energy.sum();
    let mut all: Vec<f64> = energy.iter().copied().collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut n) = (0.0, 0usize);
    for v in &all {
        if sum >= MOST * total {
            break;
        }
        sum += v;
        n += 1;
    }
    n as f64 / all.len().max(1) as f64
}

fn outcome(case: &Case, seen: &Seen, told: &Told, target: usize) -> Outcome {
    let name = crate::detect::classes::name(case, target);
    let known = told.kind != "unknown" && told.kind != "dynamic";
    let summary = if known {
        format!(
            "the trigger for class {name} reads as a {} ({} certainty): {}",
            told.kind,
            told.certainty,
            told.because.join("; ")
        )
    } else {
        format!("the kind of the trigger for class {name} cannot be told: {}", told.because.join("; "))
    };
    let optional = |x: Option<f64>| x.map_or(Value::Null, number);
    let mut measures = BTreeMap::from([
        ("kind".to_owned(), json!(told.kind)),
        ("certainty".to_owned(), json!(told.certainty)),
        ("because".to_owned(), json!(told.because)),
        ("target".to_owned(), json!(target)),
        ("area".to_owned(), optional(seen.area)),
        ("patches".to_owned(), json!(seen.patches)),
        ("concentration".to_owned(), optional(seen.concentration)),
        ("wave_share".to_owned(), optional(seen.wave)),
        ("refined_success".to_owned(), optional(seen.success)),
        ("sampled".to_owned(), json!(seen.sampled)),
    ]);
    if let Some(family) = rule::family(seen, told) {
        measures.insert("family".into(), json!(family));
    }
    let bars: Vec<Bar> = [
        ("mask area", seen.area),
        ("pixels with 90 % of the change", seen.concentration),
        ("change in one wave", seen.wave),
        ("refined success", seen.success),
        ("success of what samples bear", seen.sampled.as_ref().map(|(_, s)| *s)),
    ]
    .into_iter()
    .filter_map(|(label, value)| {
        Some(Bar { label: label.into(), value: value?, flagged: false, spread: None })
    })
    .collect();
    Outcome {
        verdict: if known { Verdict::Inconclusive } else { Verdict::NothingFound },
        summary,
        statistic: None,
        threshold: None,
        threshold_origin: "none: rules over the measurements, in the page".into(),
        findings: Vec::new(),
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([(
            "measurements".to_owned(),
            Figure {
                title: format!("What tells the kind of the trigger for class {name}"),
                body: Body::Bars { value_label: "share".into(), bars, threshold: None },
            },
        )]),
        limits: "A reading of what was recovered, not a test: it is as right as that. Without samples it judges what works on the network, \
                 which may be a stand-in for the trigger. Triggers drawn anew for every image can only be told by what is missing."
            .into(),
    }
}
