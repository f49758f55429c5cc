//! Class pairs: is there one class whose images are sent to one other by a trigger smaller than the two alone explain?

use super::calibration::{self, Judged};
use super::classes;
use super::images::{Choice, Pool, Share};
use super::invert::{self, Aim, Arm, Budget, Form, Settings, gap};
use super::neural_cleanse::norm_outlier::FLOOR;
use super::params::Params;
use crate::figure::{Body, Figure};
use crate::math::robust;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Verdict, number,
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
    question: "Is there a class that is sent to one other by a trigger smaller than the two classes alone explain?",
    needs: "a model of 3 to 12 classes and images; not at quick effort",
    reference: "after Shen et al. 2021, K-Arm (ICML): pairs and symmetry",
    cost: Cost::Medium,
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
    twin: bool,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["steps", "twin"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let classes = model.class_count();
        if !(3..=CLASSES).contains(&classes) {
            return Err(Skip(format!("{classes} classes: pairs are searched for 3 to {CLASSES}")));
        }
        if case.effort == Effort::Quick && !params.any() {
            return Err(Skip("not at quick effort: it is an optimisation per pair".into()));
        }
        let choice = Choice::of(case, Share::Work)?
            .ok_or_else(|| Skip("no images: add some with the role 'clean' (--data)".into()))?;
        let steps = params.count("steps", 40, 4..=10_000)? as u32;
        let wanted = params.count("twin", 1, 0..=1)? == 1;
        let twin = wanted && invert::twin::applies(model, choice.count(IMAGES));
        Ok(Self { model, choice, budget: Budget { steps, restarts: 1 }, twin })
    }

    fn units(&self) -> u64 {
        let k = self.model.class_count();
        let images = self.choice.count(IMAGES);
        self.choice.units(IMAGES) + invert::units(k * (k - 1), self.budget, images, self.twin)
    }
}

impl Procedure for ClassPairs {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let params = json!({"steps": setup.budget.steps, "batch": BATCH, "images": setup.choice.count(IMAGES),
                            "role": setup.choice.data.role.name(), "twin": setup.twin,
                            "flagged_at": calibration::FLAGGED, "doubt": calibration::DOUBT});
        let model = case.model_item().map(|item| item.id.clone());
        let inputs = model.into_iter().chain([setup.choice.data.item.clone()]).collect();
        Ok(Plan { params, units: setup.units(), inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let loading = setup.choice.units(IMAGES);
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let k = setup.model.class_count();
        let pairs: Vec<(usize, usize)> =
            (0..k).flat_map(|s| (0..k).filter(move |&t| t != s).map(move |t| (s, t))).collect();
        let of_class =
            |s: usize| (0..pool.predicted.len()).filter(|&i| pool.predicted[i] == s).collect::<Vec<_>>();
        let aims: Vec<Aim> = pairs.iter().map(|&(s, t)| Aim::class(t, of_class(s))).collect();
        let settings =
            Settings { form: Form::Mask, batch: BATCH, rate: 0.2, first_weight: 0.02, success: 0.9 };
        let mut tell = |done: u64, _: &[Arm], cx: &mut Context| cx.step(loading + done, plan.units);
        let how = (&settings, setup.budget);
        let compared = invert::compare(setup.model, &pool, &aims, how, (FLOOR, setup.twin), cx, &mut tell)?;
        cx.step(plan.units, plan.units)?;
        let mut found = Pairs { smallness: vec![vec![None; k]; k], reached: vec![vec![false; k]; k] };
        for ((&(s, t), &smallness), size) in pairs.iter().zip(&compared.smallness).zip(&compared.found) {
            // A class without images has no way anywhere.
            found.smallness[s][t] = pool.predicted.contains(&s).then_some(smallness);
            found.reached[s][t] = size.reached;
        }
        Ok(outcome(case, plan, &found, compared.explained))
    }
}

type Matrix = Vec<Vec<Option<f64>>>;

/// What was found for each source and target.
struct Pairs {
    /// −ln size, less what the twin explains.
    smallness: Matrix,
    reached: Vec<Vec<bool>>,
}

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

/// A pair and by how much its trigger is smaller than its classes explain.
type Ranked = (usize, usize, f64);

/// All pairs that are known, the one that stands out most first.
fn ranked(left: &Matrix) -> Vec<Ranked> {
    let k = left.len();
    let mut all: Vec<Ranked> = (0..k)
        .flat_map(|s| (0..k).map(move |t| (s, t)))
        .filter_map(|(s, t)| Some((s, t, left[s][t]?)))
        .collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    all
}

fn outcome(case: &Case, plan: &Plan, found: &Pairs, explained: Option<f64>) -> Outcome {
    let left = polish(&found.smallness);
    let ranked = ranked(&left);
    let excess: Vec<f64> = ranked.iter().map(|r| r.2).collect();
    let gap = gap::gap(&excess, gap::MOST);
    let judged = gap.as_ref().and_then(|g| calibration::judge(ABOUT.id, left.len(), g.size));
    let leaders: Vec<Ranked> = ranked[..gap.as_ref().map_or(0, |g| g.leaders.len())].to_vec();
    let accused: Vec<Ranked> = leaders.iter().copied().filter(|&(s, t, _)| found.reached[s][t]).collect();
    let verdict = calibration::verdict(judged.as_ref(), !accused.is_empty());
    let shown = if verdict == Verdict::NothingFound { &[][..] } else { &accused[..] };
    let reverse = |s: usize, t: usize| Some(found.smallness[s][t]? - found.smallness[t][s]?);
    let listed: Vec<_> = ranked
        .iter()
        .take(LISTED)
        .map(|&(s, t, v)| {
            json!({"source": s, "target": t, "excess": number(v), "reverse": reverse(s, t).map(number),
                   "reached": found.reached[s][t]})
        })
        .collect();
    let mut targets: Vec<usize> = Vec::new();
    for &(_, t, _) in &leaders {
        if !targets.contains(&t) {
            targets.push(t);
        }
    }
    let mut measures = BTreeMap::from([
        ("pairs".to_owned(), json!(listed)),
        ("gap".to_owned(), gap.as_ref().map_or(serde_json::Value::Null, |g| number(g.size))),
        ("leaders".to_owned(), json!(targets)),
        ("suspects".to_owned(), json!(shown.iter().map(|&(s, t, _)| [s, t]).collect::<Vec<_>>())),
        ("explained_by_twin".to_owned(), explained.map_or(serde_json::Value::Null, number)),
    ]);
    if let Some(judged) = judged {
        measures.insert("p_value".to_owned(), number(judged.chance));
    }
    Outcome {
        verdict,
        summary: summary(&ranked, judged.as_ref(), verdict),
        statistic: gap.map(|g| g.size),
        threshold: judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(judged.as_ref(), |j| {
            format!(
                "gamma null of the gap between the leading pairs and the others over {} clean models of the calibration table: \
                 {:.1} % chance per model (inconclusive up to {:.0} %)",
                j.models,
                100.0 * calibration::FLAGGED,
                100.0 * calibration::DOUBT
            )
        }),
        findings: shown.iter().map(|&pair| finding(case, plan, verdict, pair, judged.as_ref())).collect(),
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("pairs".to_owned(), figure(case, &left))]),
        limits: "Finds one small fixed trigger that works on images of one class (up to three pairs). Blind to warps, blends and \
                 sample-specific triggers, and to a trigger of several sources at once. A trigger that works on all classes is for the \
                 other detectors."
            .into(),
    }
}

fn summary(ranked: &[Ranked], judged: Option<&Judged>, verdict: Verdict) -> String {
    let Some(&(s, t, v)) = ranked.first() else { return "no class has images".into() };
    let chance = judged.map_or_else(String::new, |j| format!(", chance {:.3}", j.chance));
    let stands = format!(
        "the pair that stands out most is {s} → {t}, {:.1} times smaller than the two classes explain",
        v.exp()
    );
    match verdict {
        Verdict::Flagged => format!("{stands}: more than in clean models{chance}"),
        Verdict::Inconclusive => format!("{stands}: a lead, not beyond doubt{chance}"),
        Verdict::NothingFound => format!("{stands}: no more than in clean models{chance}"),
    }
}

fn finding(
    case: &Case,
    plan: &Plan,
    verdict: Verdict,
    (s, t, v): Ranked,
    judged: Option<&Judged>,
) -> Finding {
    let (source, target) = (classes::name(case, s), classes::name(case, t));
    let (severity, confidence, title) = match verdict {
        Verdict::Flagged => (
            Severity::High,
            Confidence::Medium,
            format!("A small trigger sends images of {source} alone to {target}"),
        ),
        _ => (
            Severity::Low,
            Confidence::Low,
            format!("Lead: the trigger that sends images of {source} to {target} is rather small"),
        ),
    };
    let detail = format!(
        "{:.1} times smaller than source and target explain (medians over the other pairs of each); {} needed between the leading \
         pairs and the others, in the logarithm.",
        v.exp(),
        judged.map_or_else(|| "none".into(), |j| format!("{:.2}", j.threshold)),
    );
    let mut finding =
        Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(t).on(&plan.inputs);
    finding.source_class = Some(s);
    finding
}

fn figure(case: &Case, left: &Matrix) -> Figure {
    let names: Vec<String> = (0..left.len()).map(|c| classes::name(case, c)).collect();
    Figure {
        title: "How much smaller each pair's trigger is than its two classes explain".into(),
        body: Body::Heat {
            row_label: "source".into(),
            column_label: "target".into(),
            value_label: "−ln size, without row and column medians".into(),
            rows: names.clone(),
            columns: names,
            values: left.iter().flatten().map(|v| v.unwrap_or(0.0)).collect(),
        },
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
        let (s, t, v) = ranked(&left)[0];
        assert!((s, t) == (4, 1) && (v - 2.0).abs() < 0.5, "{s} {t} {v}");
    }

    #[test]
    fn the_gap_is_below_the_planted_pair_and_its_target_is_named() {
        let mut case = modelled(6, None);
        case.effort = Effort::Standard;
        let planted = Pairs { smallness: matrix(6, &[((4, 1), 2.0)]), reached: vec![vec![true; 6]; 6] };
        let plan = CLASS_PAIRS.plan(&case).unwrap();
        let got = outcome(&case, &plan, &planted, None);
        assert_eq!(got.measures["leaders"], json!([1]));
        assert_eq!(got.measures["pairs"][0]["source"], json!(4));
        assert!(got.statistic.unwrap() > 1.0, "{}", got.summary);
        let none = outcome(&case, &plan, &Pairs { smallness: matrix(6, &[]), ..planted }, None);
        assert!(none.statistic.unwrap() < 0.5, "{}", none.summary);
    }

    #[test]
    fn a_trigger_for_every_source_is_not_a_pair() {
        // All pairs towards class 3 are easy: the column explains them.
        let column: Vec<((usize, usize), f64)> = (0..6).filter(|&s| s != 3).map(|s| ((s, 3), 2.0)).collect();
        let ranked = ranked(&polish(&matrix(6, &column)));
        let towards: Vec<&Ranked> = ranked.iter().filter(|r| r.1 == 3).collect();
        assert!(towards.len() == 5 && towards.iter().all(|r| r.2 < 0.3), "{ranked:?}");
    }

    #[test]
    fn what_does_not_apply_is_said() {
        let quick = Case { effort: Effort::Quick, ..modelled(5, Some(3)) };
        assert!(CLASS_PAIRS.plan(&quick).unwrap_err().0.contains("quick"));
        assert!(CLASS_PAIRS.plan(&modelled(14, None)).unwrap_err().0.contains("14 classes"));
        let mut case = modelled(5, Some(3));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 20}));
        let got = run(&CLASS_PAIRS, &case, 0);
        assert_eq!(got.measures["pairs"].as_array().unwrap().len(), 10);
        assert!(got.findings.iter().all(|f| f.class.is_some() && f.source_class.is_some()));
    }
}
