//! Head probe: to random signals at its entrance, does the last layer answer with one class far more than with others?

use super::calibration;
use super::classes;
use super::invert::gap::{self, Gap};
use super::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::math::softmax::argmax;
use crate::network::Model;
use crate::network::op::Op;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Verdict, number, numbers,
};
use ndarray::{Array1, Array2, ArrayView2};
use rand::Rng;
use serde_json::json;
use std::collections::BTreeMap;

/// The probe of the last layer.
pub static HEAD_PROBE: HeadProbe = HeadProbe;

/// See [`HEAD_PROBE`].
#[derive(Debug)]
pub struct HeadProbe;

static ABOUT: About = About {
    id: "head-probe",
    title: "Head probe",
    phase: Phase::Detection,
    version: 1,
    question: "To random signals, does the last layer answer with one class far more often than with the others?",
    needs: "a model that ends in a linear layer; no data",
    reference: "own statistic; the idea after HTell 2026 (arXiv 2605.18908) and Fields et al. 2021",
    cost: Cost::Instant,
    after: &[],
    page: include_str!("head_probe.md"),
};

/// Random signals.
const PROBES: usize = 4_096;
/// Classes that win fewer probes than this count as if they won so many.
const FLOOR: f64 = 1.0;

/// Weights K×D and biases of the layer that makes the logits.
struct Head<'a> {
    weight: ArrayView2<'a, f32>,
    bias: Option<&'a [f32]>,
}

fn head(case: &Case) -> Result<(&Model, Head<'_>), Skip> {
    Params::of(case, ABOUT.id, &[])?;
    let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
    if model.class_count() < 4 {
        return Err(Skip("fewer than four classes: there is nothing to compare".into()));
    }
    let none = || Skip("the logits do not come straight out of a linear layer".into());
    let graph = model.graph();
    let Some(Op::Linear(linear)) = graph.maker(model.logits_value()).map(|n| &n.op) else {
        return Err(none());
    };
    let weight = graph.params[linear.weight].value.view().into_dimensionality().map_err(|_| none())?;
    Ok((model, Head { weight, bias: linear.bias.map(|b| graph.params[b].data()) }))
}

impl Procedure for HeadProbe {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        head(case)?;
        let inputs = case.model_item().map(|item| item.id.clone()).into_iter().collect();
        Ok(Plan { params: json!({"probes": PROBES, "doubt": calibration::DOUBT}), units: 1, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let (_, head) = head(case).map_err(Stop::failed)?;
        cx.step(0, 1)?;
        let wins = wins(&head, &mut cx.rng("probes"))?;
        cx.step(1, 1)?;
        Ok(outcome(case, plan, &wins))
    }
}

/// Probes won by each class. A probe is a vector of magnitudes of normal draws, as behind a `ReLU`, of such a size that the
/// biases weigh as they do on average.
fn wins(head: &Head, rng: &mut impl Rng) -> Result<Vec<f64>, Stop> {
    let (classes, width) = head.weight.dim();
    let bias =
        Array1::from_iter((0..classes).map(|k| head.bias.and_then(|b| b.get(k)).copied().unwrap_or(0.0)));
    let mut wins = vec![0.0; classes];
    // The mean row is common to all classes: it moves no decision.
    for _ in 0..PROBES / 64 {
        let probes = Array2::from_shape_simple_fn((width, 64), || magnitude(rng));
        let answers = head.weight.dot(&probes);
        for column in answers.columns() {
            let row = &column + &bias;
            if row.iter().any(|x| !x.is_finite()) {
                return Err(Stop::failed("the last layer gives a value that is not a finite number"));
            }
            wins[argmax(row.view())] += 1.0;
        }
    }
    Ok(wins)
}

fn magnitude(rng: &mut impl Rng) -> f32 {
    let (u, v): (f64, f64) = (rng.r#gen(), rng.r#gen());
    ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()).abs() as f32
}

fn compare(wins: &[f64]) -> Option<Gap> {
    gap::gap(&wins.iter().map(|w| w.max(FLOOR).ln()).collect::<Vec<_>>(), 1)
}

fn outcome(case: &Case, plan: &Plan, wins: &[f64]) -> Outcome {
    let gap = compare(wins);
    let judged = gap.as_ref().and_then(|g| calibration::judge(ABOUT.id, wins.len(), g.size));
    // Alone it is a lead at most: what a trained head prefers is weakly tied to the target of a backdoor.
    // A lead at most, however strange.
    let verdict = calibration::verdict(judged.as_ref(), false);
    let leader = gap.as_ref().map_or(0, |g| g.leaders[0]);
    let share: Vec<f64> = wins.iter().map(|w| w / PROBES as f64).collect();
    let chance = judged.map_or_else(String::new, |j| format!(", chance {:.3}", j.chance));
    let summary =
        format!("class {leader} answers to {:.0} % of random signals{chance}", 100.0 * share[leader]);
    let accused = if verdict == Verdict::Inconclusive && judged.is_some() { vec![leader] } else { vec![] };
    let findings = accused
        .iter()
        .map(|&k| {
            let title = format!("Lead: the last layer prefers {}", classes::name(case, k));
            Finding::new(Concern::Backdoor, Severity::Low, Confidence::Low, title, summary.clone())
                .class(k)
                .on(&plan.inputs)
        })
        .collect();
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
        spread: None,
    };
    let figure = Figure {
        title: "How often the last layer answers with each class to random signals".into(),
        body: Body::Bars {
            value_label: "share of probes".into(),
            bars: share.iter().enumerate().map(bar).collect(),
            threshold: None,
        },
    };
    let mut measures = BTreeMap::from([
        ("statistic".to_owned(), numbers(&share)),
        ("gap".to_owned(), gap.as_ref().map_or(serde_json::Value::Null, |g| number(g.size))),
        ("leaders".to_owned(), json!(gap.as_ref().map_or(&[][..], |g| &g.leaders))),
    ]);
    if let Some(j) = judged {
        measures.insert("p_value".to_owned(), number(j.chance));
    }
    Outcome {
        verdict,
        summary,
        statistic: gap.map(|g| g.size),
        threshold: judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(judged.as_ref(), |j| {
                format!(
                    "gamma null of ln(probes won / probes won by the next class) over {} clean models of the calibration \
                     table; a lead at most",
                    j.models
                )
            }),
        findings,
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("answers".to_owned(), figure)]),
        limits: "Looks at the last layer alone, without any input. Weak by itself and often names another class than the target; a \
                 head trained on unequal classes prefers the common ones."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{case, modelled, run};

    #[test]
    fn equal_rows_win_alike_and_a_larger_one_wins_more() {
        let wins_of = |weight: Array2<f32>| {
            let mut rng = crate::math::rng::seeded(0, "head", "test");
            wins(&Head { weight: weight.view(), bias: None }, &mut rng).unwrap()
        };
        // Rows that look at different inputs: each wins one probe in eight.
        let even = wins_of(Array2::eye(8));
        assert!(even.iter().all(|w| (w / PROBES as f64 - 0.125).abs() < 0.03), "{even:?}");
        let mut weight = Array2::eye(8);
        weight[[3, 3]] = 3.0;
        let odd = wins_of(weight);
        assert!(odd[3] > 3.0 * odd[0], "{odd:?}");
        assert_eq!(compare(&odd).unwrap().leaders, [3]);
        assert_eq!(even.iter().sum::<f64>(), PROBES as f64);
    }

    #[test]
    fn same_seed_same_answer_and_what_it_cannot_read() {
        let case_ = modelled(6, Some(2));
        let (a, b) = (run(&HEAD_PROBE, &case_, 1), run(&HEAD_PROBE, &case_, 1));
        assert_eq!(a.measures, b.measures);
        assert_ne!(a.verdict, Verdict::Flagged);
        assert!(HEAD_PROBE.plan(&case()).unwrap_err().0.contains("no model"));
        assert!(HEAD_PROBE.plan(&modelled(3, None)).unwrap_err().0.contains("four"));
    }
}
