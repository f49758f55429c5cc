//! Class pairs: is there one class whose images are sent to one other by a trigger smaller than the two alone explain?

use super::classes;
use super::images::{Choice, Pool, Share};
use super::invert::{self, Aim, Arm, Budget, Settings, gap};
use super::neural_cleanse::norm_outlier::FLOOR;
use super::params::Params;
use crate::figure::{Body, Figure};
use crate::math::robust;
use crate::network::Model;
use crate::procedure::{
    About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict, number,
};
use serde_json::json;
use std::collections::BTreeMap;

/// The search over pairs.
pub static CLASS_PAIRS: ClassPairs = ClassPairs;

/// See [`CLASS_PAIRS`].
#[derive(Debug)]
pub struct ClassPairs;

static ABOUT: About = About {
    id: "class-pairs",
    title: "Class pairs",
    phase: Phase::Detection,
    version: 2,
    question: "Which class is sent to which other by a trigger smaller than the two classes alone explain?",
    needs: "a model of at most 12 classes and images; thorough effort",
    reference: "after Shen et al. 2021, K-Arm (ICML): pairs and symmetry",
    cost: Cost::High,
    after: &[],
    page: include_str!("class_pairs.md"),
};

/// Classes at most.
const CLASSES: usize = 12;
/// Images used at most.
const IMAGES: usize = 1_000;
/// Images of a step of a pair.
const BATCH: usize = 4;
/// Pairs listed.
const LISTED: usize = 10;

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    budget: Budget,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["steps"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let classes = model.class_count();
        if !(3..=CLASSES).contains(&classes) {
            return Err(Skip(format!("{classes} classes: pairs are searched for 3 to {CLASSES}")));
        }
        if case.effort != Effort::Thorough && !params.any() {
            return Err(Skip(
                "only at thorough effort: it is an optimisation per pair, and a lead at most".into(),
            ));
        }
        let choice = Choice::of(case, Share::Work)?
            .ok_or_else(|| Skip("no images: add some with the role 'clean' (--data)".into()))?;
        let steps = params.count("steps", 40, 4..=10_000)? as u32;
        Ok(Self { model, choice, budget: Budget { steps, restarts: 1 } })
    }

    fn units(&self) -> u64 {
        let k = self.model.class_count() as u64;
        self.choice.units(IMAGES) + u64::from(self.budget.steps) * k * (k - 1)
    }
}

impl Procedure for ClassPairs {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let params = json!({"steps": setup.budget.steps, "batch": BATCH, "images": setup.choice.count(IMAGES),
                            "role": setup.choice.data.role.name()});
        Ok(Plan { params, units: setup.units(), inputs: setup.choice.inputs(case) })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let loading = setup.choice.units(IMAGES);
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let k = setup.model.class_count();
        let pairs: Vec<(usize, usize)> =
            (0..k).flat_map(|s| (0..k).filter(move |&t| t != s).map(move |t| (s, t))).collect();
        let of_class = |s: usize| -> Vec<usize> {
            (0..pool.predicted.len()).filter(|&i| pool.predicted[i] == s).collect()
        };
        let aims: Vec<Aim> = pairs.iter().map(|&(s, t)| Aim::class(t, of_class(s))).collect();
        let settings = Settings::mask(BATCH);
        let mut tell = |done: u64, _: &[Arm], cx: &mut Context| cx.step(loading + done, plan.units);
        let found = invert::run(setup.model, &pool.images, &aims, &settings, setup.budget, cx, &mut tell)?;
        cx.step(plan.units, plan.units)?;
        let mut smallness = vec![vec![None; k]; k];
        for (&(s, t), size) in pairs.iter().zip(&found) {
            // A class without images has no way anywhere.
            let known = pool.predicted.contains(&s);
            smallness[s][t] = known.then(|| gap::smallness([size.size], FLOOR)[0]);
        }
        Ok(outcome(case, &smallness))
    }
}

type Matrix = Vec<Vec<Option<f64>>>;

/// What is left of each pair once its row's and its column's medians are taken off.
fn polish(matrix: &Matrix) -> Matrix {
    let k = matrix.len();
    let all: Vec<f64> = matrix.iter().flatten().flatten().copied().collect();
    let middle = robust::median(&all).unwrap_or(0.0);
    let row = |s: usize, but: usize| {
        let others: Vec<f64> = (0..k).filter(|&t| t != but).filter_map(|t| matrix[s][t]).collect();
        robust::median(&others).unwrap_or(middle)
    };
    let column = |t: usize, but: usize| {
        let others: Vec<f64> = (0..k).filter(|&s| s != but).filter_map(|s| matrix[s][t]).collect();
        robust::median(&others).unwrap_or(middle)
    };
    let left = |s: usize, t: usize| matrix[s][t].map(|v| v - row(s, t) - column(t, s) + middle);
    (0..k).map(|s| (0..k).map(|t| left(s, t)).collect()).collect()
}

fn outcome(case: &Case, matrix: &Matrix) -> Outcome {
    let k = matrix.len();
    let left = polish(matrix);
    let mut ranked: Vec<(usize, usize, f64)> = (0..k)
        .flat_map(|s| (0..k).map(move |t| (s, t)))
        .filter_map(|(s, t)| Some((s, t, left[s][t]?)))
        .collect();
    ranked.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let listed: Vec<_> = ranked
        .iter()
        .take(LISTED)
        .map(|&(s, t, v)| {
            let reverse = matrix[s][t].zip(matrix[t][s]).map(|(there, back)| there - back);
            json!({"source": s, "target": t, "excess": number(v), "reverse": reverse.map(number)})
        })
        .collect();
    let summary = match ranked.first() {
        Some(&(s, t, v)) => format!(
            "the pair that stands out most is {s} → {t}: its trigger is {:.1} times smaller than the two classes explain; a picture \
             to look at, not a verdict",
            v.exp()
        ),
        None => "no class has images".into(),
    };
    let cells = |m: &Matrix| m.iter().flatten().map(|v| v.unwrap_or(0.0)).collect::<Vec<f64>>();
    let names: Vec<String> = (0..k).map(|c| classes::name(case, c)).collect();
    let figure = Figure {
        title: "How much smaller each pair's trigger is than its two classes explain".into(),
        body: Body::Heat {
            row_label: "source".into(),
            column_label: "target".into(),
            value_label: "−ln size, without row and column medians".into(),
            rows: names.clone(),
            columns: names,
            values: cells(&left),
        },
    };
    Outcome {
        verdict: Verdict::Inconclusive,
        summary,
        statistic: ranked.first().map(|r| r.2),
        threshold: None,
        threshold_origin: "none: natural pairs of clean models stand out as far as planted ones, so that nothing is accused".into(),
        findings: vec![],
        measures: BTreeMap::from([("pairs".to_owned(), json!(listed))]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("pairs".to_owned(), figure)]),
        limits: "A ranking of pairs, without a threshold: it never accuses, and that it accuses nothing says nothing. Blind to warps, \
                 blends and sample-specific triggers."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{modelled, run};

    fn matrix(k: usize, special: &[((usize, usize), f64)]) -> Matrix {
        let value = |s: usize, t: usize| {
            let extra: f64 = special.iter().filter(|(p, _)| *p == (s, t)).map(|(_, v)| v).sum();
            (s != t).then_some(-4.0 + 0.3 * s as f64 + 0.2 * t as f64 + extra)
        };
        (0..k).map(|s| (0..k).map(|t| value(s, t)).collect()).collect()
    }

    #[test]
    fn a_pair_is_what_rows_and_columns_do_not_explain() {
        let left = polish(&matrix(6, &[((4, 1), 2.0)]));
        let (mut top, mut at) = (f64::MIN, (0, 0));
        for (s, row) in left.iter().enumerate() {
            for (t, v) in row.iter().enumerate() {
                if let Some(v) = v.filter(|v| *v > top) {
                    (top, at) = (v, (s, t));
                }
            }
        }
        assert!(at == (4, 1) && (top - 2.0).abs() < 0.5, "{at:?} {top}");
    }

    #[test]
    fn it_ranks_and_never_accuses() {
        let mut case = modelled(5, Some(3));
        assert!(CLASS_PAIRS.plan(&case).unwrap_err().0.contains("thorough"));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 20}));
        let got = run(&CLASS_PAIRS, &case, 0);
        assert_eq!((got.verdict, got.findings.len()), (Verdict::Inconclusive, 0));
        assert_eq!(got.measures["pairs"].as_array().unwrap().len(), 10);
        assert!(CLASS_PAIRS.plan(&modelled(14, None)).unwrap_err().0.contains("14 classes"));
    }
}
