//! Evidence that ranks samples and gives leads, and never accuses by itself: the two-component test, Gram statistics,
//! and predictions under disturbance.

pub mod beatrix;
pub mod prediction_check;
pub mod scan_test;
#[cfg(test)]
mod tests;

use super::classes;
use super::features::{Features, Request};
use super::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::math::robust::Robust;
use crate::procedure::{
    Case, Concern, Confidence, Context, Finding, Outcome, Plan, Severity, Skip, Stop, Tensor, Verdict, number,
};
use ndarray::Array1;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fewest classes that a class can be held against.
const FEWEST_CLASSES: usize = 4;
/// Fewest samples of a class.
const FEWEST: usize = 20;
/// Index from which a class is a lead (`SCAn` and Beatrix: e²).
const LEAD: f64 = 7.389_056_098_930_65;

/// Training features and clean ones that fit them.
struct Loaded<'a> {
    request: Request<'a>,
    train: Features<'a>,
    clean: Option<Features<'a>>,
}

fn plan(case: &Case, procedure: &'static str, extra: Value) -> Result<Plan, Skip> {
    let request = Request::plan(case, &Params::of(case, procedure, &["layer"])?)?;
    let clean = request.clean(case);
    let mut params = json!({"layer": request.layer_name(), "lead": LEAD});
    if let (Some(params), Value::Object(extra)) = (params.as_object_mut(), extra) {
        params.extend(extra);
    }
    let mut inputs = request.inputs(case);
    inputs.extend(clean.map(|d| d.item.clone()));
    let units = request.units(request.data) + clean.map_or(0, |d| request.units(d)) + request.classes as u64;
    Ok(Plan { params, units, inputs })
}

fn load<'a>(
    case: &'a Case,
    procedure: &'static str,
    plan: &Plan,
    cx: &mut Context,
) -> Result<Loaded<'a>, Stop> {
    let params = Params::of(case, procedure, &["layer"]).map_err(Stop::failed)?;
    let request = Request::plan(case, &params).map_err(Stop::failed)?;
    let train = request.load(case, request.data, cx, 0, plan.units)?;
    let done = request.units(request.data);
    let clean = match request.clean(case) {
        Some(data) => Some(request.load(case, data, cx, done, plan.units)?),
        None => None,
    };
    let clean = clean.filter(|c| c.values.ncols() == train.values.ncols());
    Ok(Loaded { request, train, clean })
}

/// How far each class's statistic lies above the others' median, in robust standard deviations, of which none is
/// taken to be smaller than `least`: classes that hardly differ give no yardstick.
fn indices(statistic: &[Option<f64>], least: f64) -> Vec<Option<f64>> {
    let seen: Vec<f64> = statistic.iter().flatten().copied().collect();
    let robust = Robust::of(&seen).filter(|_| seen.len() >= FEWEST_CLASSES);
    statistic
        .iter()
        .map(|s| {
            robust.map(|r| (s.unwrap_or(r.median) - r.median) / r.scale().max(least)).filter(|_| s.is_some())
        })
        .collect()
}

/// An outcome from an index per class and a score per sample.
fn outcome(
    case: &Case,
    plan: &Plan,
    what: &str,
    index: &[Option<f64>],
    score: Array1<f32>,
    limits: String,
) -> Outcome {
    let leads: Vec<usize> = (0..index.len()).filter(|&k| index[k].is_some_and(|i| i > LEAD)).collect();
    let seen = index.iter().flatten().count();
    let strongest = (0..index.len())
        .filter_map(|k| Some((k, index[k]?)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let summary = match (strongest, leads.as_slice()) {
        (None, _) => format!("fewer than {FEWEST_CLASSES} labels have the {FEWEST} samples this needs"),
        (Some((k, i)), []) => format!(
            "no label stands out by {what} (largest: class {k}, index {i:.2}, a lead above {LEAD:.2})"
        ),
        (Some((k, i)), some) => {
            format!(
                "{} of {seen} labels stand out by {what}: most of all class {k}, index {i:.2}",
                some.len()
            )
        }
    };
    let findings = leads.iter().map(|&k| {
        let title = format!("Label {} stands out by {what}", classes::name(case, k));
        let detail = format!(
            "Index {:.2} above the other labels' median, in robust standard deviations; a lead above {LEAD:.2}. Uneven classes stand out too.",
            index[k].unwrap_or(0.0)
        );
        Finding::new(Concern::DataPoisoning, Severity::Low, Confidence::Low, title, detail).class(k).on(&plan.inputs)
    });
    let bars = (0..index.len())
        .map(|k| Bar {
            label: classes::name(case, k),
            value: index[k].unwrap_or(0.0),
            flagged: index[k].is_some_and(|i| i > LEAD),
            spread: None,
        })
        .collect();
    let body = Body::Bars { value_label: "index".into(), bars, threshold: Some(LEAD) };
    let verdict =
        if strongest.is_none() || !leads.is_empty() { Verdict::Inconclusive } else { Verdict::NothingFound };
    Outcome {
        verdict,
        summary,
        statistic: strongest.map(|s| s.1),
        threshold: Some(LEAD),
        threshold_origin: "e², as the papers have it: labels above it are leads; never the only ground of an accusation here".into(),
        findings: findings.collect(),
        measures: BTreeMap::from([
            ("index".to_owned(), Value::Array(index.iter().map(|i| i.map_or(Value::Null, number)).collect())),
            ("leads".to_owned(), json!(leads)),
        ]),
        arrays: BTreeMap::from([("score".to_owned(), Tensor::F32(score.into_dyn()))]),
        figures: BTreeMap::from([("index".to_owned(), Figure { title: format!("How far each label stands out by {what}"), body })]),
        limits,
    }
}
