//! Maximum margin (MM-BD, Wang et al. 2024): can some class win by more, over all possible inputs, than its likes?

pub mod gamma;
pub mod search;

use super::calibration;
use super::classes;
use super::invert::gap::{self, Gap};
use super::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::math::robust;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Verdict, number, numbers,
};
use search::{Climb, Settings};
use serde_json::json;
use std::collections::BTreeMap;

/// The test of the largest margin.
pub static MAXIMUM_MARGIN: MaximumMargin = MaximumMargin;

/// See [`MAXIMUM_MARGIN`].
#[derive(Debug)]
pub struct MaximumMargin;

static ABOUT: About = About {
    id: "maximum-margin",
    title: "Maximum margin",
    phase: Phase::Detection,
    version: 1,
    question: "Can some class win by far more than the others, over all possible inputs?",
    needs: "a model; no data",
    reference: "Wang, Xiang, Miller, Kesidis 2024, MM-BD: Post-Training Detection of Backdoor Attacks (IEEE S&P)",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("page.md"),
};

/// The published level of the p-value.
const PUBLISHED: f64 = 0.05;
/// Steps between partial figures.
const PARTIAL: u64 = 5;
/// Margins below this count as this much in the logarithm.
const FLOOR: f64 = 1e-3;

fn settings(case: &Case) -> Result<(&Model, Settings), Skip> {
    let params = Params::of(case, ABOUT.id, &["starts", "steps"])?;
    let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
    if model.class_count() < 4 {
        return Err(Skip("fewer than four classes: there is nothing to compare".into()));
    }
    let (starts, steps) = match case.effort {
        Effort::Quick => (3, 40),
        Effort::Standard => (6, 40),
        Effort::Thorough => (30, 100),
    };
    let starts = params.count("starts", starts, 1..=1_000)? as usize;
    let steps = params.count("steps", steps, 1..=10_000)?;
    Ok((model, Settings { starts, steps }))
}

impl Procedure for MaximumMargin {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let (_, s) = settings(case)?;
        let params = json!({
            "starts": s.starts, "steps": s.steps, "learning_rate": search::RATE, "flagged_at": calibration::FLAGGED,
            "doubt": calibration::DOUBT,
        });
        let inputs = case.model_item().map(|item| item.id.clone()).into_iter().collect();
        Ok(Plan { params, units: s.steps, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let (model, s) = settings(case).map_err(Stop::failed)?;
        let start = |k| Climb::new(k, model.input.shape, s.starts, cx.rng(&format!("class{k}")));
        let mut climbs: Vec<Climb> = (0..model.class_count()).map(start).collect();
        for step in 0..s.steps {
            cx.step(step, plan.units)?;
            search::step_all(&mut climbs, model, cx)?;
            if step % PARTIAL == PARTIAL - 1 {
                let margins: Vec<f64> = climbs.iter().map(Climb::margin).collect();
                cx.partial("margins", bars(case, &margins, &[], None));
            }
        }
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, plan, &climbs))
    }
}

/// The statistic of the calibration table: how far the largest margin stands above the next, in the logarithm.
fn log_gap(margins: &[f64]) -> Option<Gap> {
    gap::gap(&margins.iter().map(|m| m.max(FLOOR).ln()).collect::<Vec<_>>(), 1)
}

fn outcome(case: &Case, plan: &Plan, climbs: &[Climb]) -> Outcome {
    let margins: Vec<f64> = climbs.iter().map(Climb::margin).collect();
    // Of the starts: how far apart the random images end.
    let spread: Vec<f64> =
        climbs.iter().map(|c| c.margin() - robust::median(&c.best).unwrap_or_default()).collect();
    let gap = log_gap(&margins);
    let judged = gap.as_ref().and_then(|g| {
        calibration::judge(&calibration::key(ABOUT.id, case.effort == Effort::Quick), margins.len(), g.size)
    });
    let p_value = gamma::chance(&margins);
    let verdict = calibration::verdict(judged.as_ref(), true);
    let leader = gap.as_ref().map_or(0, |g| g.leaders[0]);
    let accused = if verdict == Verdict::NothingFound || judged.is_none() { vec![] } else { vec![leader] };
    let median = robust::median(&margins).unwrap_or_default();
    let chance = |p: Option<f64>| p.map_or_else(|| "none".to_owned(), |p| format!("{p:.4}"));
    let summary = format!(
        "the largest margin is that of class {leader}, {:.1} against {median:.1} in the median: chance {} by the calibration \
         table, p = {} by the published test",
        margins[leader],
        chance(judged.map(|j| j.chance)),
        chance(p_value)
    );
    let findings = accused.iter().map(|&k| finding(case, plan, verdict, k, &summary)).collect();
    let mut measures = BTreeMap::from([
        ("statistic".to_owned(), numbers(&margins)),
        ("spread".to_owned(), numbers(&spread)),
        ("p_value".to_owned(), p_value.map_or(serde_json::Value::Null, number)),
        ("published".to_owned(), json!(p_value.is_some_and(|p| p <= PUBLISHED))),
        ("gap".to_owned(), gap.as_ref().map_or(serde_json::Value::Null, |g| number(g.size))),
        ("leaders".to_owned(), json!(gap.as_ref().map_or(&[][..], |g| &g.leaders))),
        ("suspects".to_owned(), json!(accused)),
    ]);
    if let Some(j) = judged {
        measures.insert("chance".to_owned(), number(j.chance));
    }
    Outcome {
        verdict,
        summary,
        statistic: gap.map(|g| g.size),
        threshold: judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(judged.as_ref(), |j| {
            j.origin("ln(largest margin / next)") + ". The published test, p ≤ 0.05 by a gamma distribution fitted to the other margins, is reported beside it"
        }),
        findings,
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("margins".to_owned(), bars(case, &margins, &accused, None))]),
        limits: "One target at a time, of any trigger type. Blind to source-specific and all-to-all backdoors, and to those whose \
                 target is not won by more than other classes are (warps, many weight edits). A class with a dominating \
                 natural feature looks the same."
            .into(),
    }
}

fn finding(case: &Case, plan: &Plan, verdict: Verdict, class: usize, detail: &str) -> Finding {
    let name = classes::name(case, class);
    let (severity, confidence, title) = match verdict {
        Verdict::Flagged => {
            (Severity::High, Confidence::Medium, format!("{name} can win by far more than any other class"))
        }
        _ => (
            Severity::Low,
            Confidence::Low,
            format!("Lead: {name} can win by rather more than the other classes"),
        ),
    };
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(class).on(&plan.inputs)
}

fn bars(case: &Case, margins: &[f64], accused: &[usize], threshold: Option<f64>) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
        spread: None,
    };
    Figure {
        title: "By how much each class can win, over all inputs".into(),
        body: Body::Bars {
            value_label: "largest margin of the class's logit".into(),
            bars: margins.iter().enumerate().map(bar).collect(),
            threshold,
        },
    }
}

#[cfg(test)]
mod tests;
