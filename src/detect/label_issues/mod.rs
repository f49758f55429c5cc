//! Label issues by confident learning: which labels contradict what a classifier says out of sample.

pub mod confident;
pub mod head;
#[cfg(test)]
mod tests;

use super::classes;
use super::features::Request;
use super::params::Params;
use crate::evidence::DataSet;
use crate::evidence::dataset::Probabilities;
use crate::figure::{Bar, Body, Figure};
use crate::math::stats::fisher_greater;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use confident::{Confident, Filter, Probability, Quality};
use ndarray::{Array1, Array2, ArrayView2};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Confident learning.
pub static LABEL_ISSUES: LabelIssues = LabelIssues;

/// See [`LABEL_ISSUES`].
#[derive(Debug)]
pub struct LabelIssues;

static ABOUT: About = About {
    id: "label-issues",
    title: "Label issues",
    phase: Phase::Detection,
    version: 1,
    question: "Which training labels contradict what a classifier says that was not taught with them?",
    needs: "a labelled training set with out-of-sample probabilities (pred_probs), or a model or recorded activations to compute them",
    reference: "Northcutt, Jiang, Chuang 2021, Confident Learning (JAIR 70); rules as in cleanlab 2.9",
    cost: Cost::Low,
    after: &[],
    page: include_str!("label_issues.md"),
};

const PARAMS: [&str; 4] = ["layer", "filter", "rank_by", "frac_noise"];
/// Chance, over all labels, that one is called noisier than the rest when it is not.
const ERROR: f64 = 0.01;
/// A label must have at least this share of issues to be a lead.
const LEAST_SHARE: f64 = 0.05;
/// Indices kept in the measures; the rest are in the blob.
const MOST_LISTED: usize = 100_000;
/// K×K numbers are kept in the measures up to this many classes.
const MOST_CLASSES: usize = 200;

/// What the analyst chose.
struct Choice {
    filter: Filter,
    rank_by: Quality,
    share: f64,
}

impl Choice {
    fn of(params: &Params) -> Result<Self, Skip> {
        let pick = |name: &str, known: Vec<&'static str>| -> Result<usize, Skip> {
            let Some(asked) = params.text(name)? else { return Ok(0) };
            known.iter().position(|k| *k == asked).ok_or_else(|| {
                Skip(format!("parameter '{name}' of {} must be one of: {}", ABOUT.id, known.join(", ")))
            })
        };
        let filter = Filter::ALL[pick("filter", Filter::ALL.map(Filter::name).to_vec())?];
        let rank_by = Quality::ALL[pick("rank_by", Quality::ALL.map(Quality::name).to_vec())?];
        Ok(Self { filter, rank_by, share: params.number("frac_noise", 1.0, 0.0..=1.0)? })
    }
}

/// Probabilities given with the data set, when they fit its labels.
fn given(set: &DataSet, classes: usize) -> Result<Option<&Probabilities>, Skip> {
    let Some(p) = &set.pred_probs else { return Ok(None) };
    let (rows, columns) = p.dim();
    if rows != set.len() || columns < classes {
        return Err(Skip(format!(
            "predicted probabilities are {rows}×{columns}, for {} samples and labels up to {}",
            set.len(),
            classes.saturating_sub(1)
        )));
    }
    let bad = |row: &[f64]| {
        row.iter().any(|x| !(0.0..=1.0).contains(x)) || (row.iter().sum::<f64>() - 1.0).abs() > 1e-3
    };
    match p.first_row(bad) {
        Some(at) => {
            Err(Skip(format!("predicted probabilities of sample {at} are not numbers in 0..1 with sum 1")))
        }
        None => Ok(Some(p)),
    }
}

/// What the probabilities come from.
enum Source<'a> {
    Given(&'a Probabilities, &'a DataSet, String),
    Taught(Request<'a>),
}

impl<'a> Source<'a> {
    fn of(case: &'a Case, params: &Params) -> Result<Self, Skip> {
        let data = case
            .training()
            .ok_or_else(|| Skip("no training set: add one with the role 'training' (--data)".into()))?;
        let set = &*data.set;
        if set.labels.is_empty() || set.labels.len() != set.len() {
            return Err(Skip("the training set has no label for every sample".into()));
        }
        let of_labels = set.labels.iter().max().map_or(0, |&l| l.saturating_add(1));
        if of_labels > classes::MOST {
            return Err(Skip(format!(
                "labels go up to {}: more than {} classes",
                of_labels - 1,
                classes::MOST
            )));
        }
        match given(set, of_labels)? {
            Some(p) => Ok(Self::Given(p, set, data.item.clone())),
            None => Request::plan(case, params).map(Self::Taught),
        }
    }

    fn units(&self) -> u64 {
        match self {
            Self::Given(..) => 1,
            Self::Taught(request) => request.units(request.data) + 1,
        }
    }
}

impl Procedure for LabelIssues {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let params = Params::of(case, ABOUT.id, &PARAMS)?;
        let (choice, source) = (Choice::of(&params)?, Source::of(case, &params)?);
        let (layer, inputs) = match &source {
            Source::Given(_, _, item) => ("pred_probs".to_owned(), vec![item.clone()]),
            Source::Taught(request) => (request.layer_name().to_owned(), request.inputs(case)),
        };
        Ok(Plan {
            params: json!({
                "probabilities_from": layer, "folds": head::FOLDS, "filter": choice.filter.name(),
                "rank_by": choice.rank_by.name(), "frac_noise": choice.share,
            }),
            units: source.units(),
            inputs,
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let params = Params::of(case, ABOUT.id, &PARAMS).map_err(Stop::failed)?;
        let choice = Choice::of(&params).map_err(Stop::failed)?;
        let source = Source::of(case, &params).map_err(Stop::failed)?;
        cx.step(0, plan.units)?;
        let (looked, labels, origin) = match &source {
            Source::Given(p, set, _) => {
                let looked = match p {
                    Probabilities::F32(p) => Looked::at(p.view(), &set.labels, &choice),
                    Probabilities::F64(p) => Looked::at(p.view(), &set.labels, &choice),
                };
                (looked, &set.labels, "given with the data set".to_owned())
            }
            Source::Taught(request) => {
                let features = request.load(case, request.data, cx, 0, plan.units)?;
                let labels = &request.data.set.labels;
                let p = head::out_of_sample(features.values.view(), labels, request.classes, cx)?;
                let origin = format!("a softmax classifier on {}, in {} folds", features.source, head::FOLDS);
                (Looked::at(p.view(), labels, &choice), labels, origin)
            }
        };
        cx.step(plan.units, plan.units)?;
        let taught = matches!(source, Source::Taught(_));
        Ok(outcome(case, plan, labels, &looked, &origin, taught))
    }
}

/// What confident learning says of a set.
struct Looked {
    confident: Confident,
    /// Samples whose label is an issue, the worst first.
    issues: Vec<usize>,
    /// A score for every label.
    quality: Vec<f64>,
}

impl Looked {
    fn at<P: Probability>(p: ArrayView2<P>, labels: &[usize], choice: &Choice) -> Self {
        let confident = confident::study(p, labels);
        let mut issues = confident::issues(p, labels, &confident, choice.filter, choice.share);
        let quality = confident::quality(p, labels, choice.rank_by);
        issues.sort_by(|&a, &b| quality[a].total_cmp(&quality[b]).then(a.cmp(&b)));
        Self { confident, issues, quality }
    }
}

fn outcome(
    case: &Case,
    plan: &Plan,
    labels: &[usize],
    looked: &Looked,
    origin: &str,
    taught: bool,
) -> Outcome {
    let Looked { confident, issues, quality } = looked;
    let (n, k) = (labels.len(), confident.thresholds.len());
    let (mut per_class, mut sizes) = (vec![0usize; k], vec![0usize; k]);
    for &i in issues {
        per_class[labels[i]] += 1;
    }
    for &l in labels {
        sizes[l] += 1;
    }
    // Is one label noisier than the rest together? An attacker who relabels to a target makes it so.
    let chance = |c: usize| fisher_greater(per_class[c], sizes[c], issues.len() - per_class[c], n - sizes[c]);
    let tested = sizes.iter().filter(|&&s| s > 0).count().max(1) as f64;
    let leads: Vec<usize> = (0..k)
        .filter(|&c| per_class[c] as f64 >= LEAST_SHARE * sizes[c].max(1) as f64 && per_class[c] >= 5)
        .filter(|&c| chance(c) <= ERROR / tested)
        .collect();
    let share = issues.len() as f64 / n.max(1) as f64;
    let verdict = if leads.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive };
    let mut summary = format!(
        "{} of {n} labels ({:.1} %) contradict what a classifier says out of sample",
        issues.len(),
        100.0 * share
    );
    if let Some(first) = leads.first() {
        let more =
            if leads.len() > 1 { format!(" and {} other labels", leads.len() - 1) } else { String::new() };
        summary = format!(
            "{summary}; label {first}{more} far more often than the rest, which confusable classes do too"
        );
    }
    let findings = leads.iter().map(|&c| {
        let title = format!("Many samples labelled {} contradict their label", classes::name(case, c));
        let detail = format!(
            "{} of {} samples, against {} of {} of the other labels together; chance of so many {:.1e}. Relabelled samples do this, and so do \
             classes that are hard to tell apart.",
            per_class[c], sizes[c], issues.len() - per_class[c], n - sizes[c], chance(c)
        );
        Finding::new(Concern::DataPoisoning, Severity::Low, Confidence::Low, title, detail).class(c).on(&plan.inputs)
    });
    let bars = (0..k)
        .map(|c| Bar {
            label: classes::name(case, c),
            value: 100.0 * per_class[c] as f64 / sizes[c].max(1) as f64,
            flagged: leads.contains(&c),
            spread: None,
        })
        .collect();
    let body = Body::Bars { value_label: "% of the label".into(), bars, threshold: None };
    let matrix = |m: &Array2<i64>| {
        if k > MOST_CLASSES {
            Value::Null
        } else {
            json!(m.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>())
        }
    };
    Outcome {
        verdict,
        summary,
        statistic: Some(share),
        threshold: None,
        threshold_origin: format!(
            "no threshold on the share: label noise is not poisoning. A label is a lead when it has more issues than the rest together \
             (Fisher's exact test, {ERROR} over all labels, Bonferroni) and at least {:.0} % of its samples",
            100.0 * LEAST_SHARE
        ),
        findings: findings.collect(),
        measures: BTreeMap::from([
            ("confident_joint".to_owned(), matrix(&confident.calibrated)),
            ("confident_joint_uncalibrated".to_owned(), matrix(&confident.joint)),
            ("issues".to_owned(), json!(issues.iter().take(MOST_LISTED).collect::<Vec<_>>())),
            ("issue_count".to_owned(), json!(issues.len())),
            ("issues_per_class".to_owned(), json!(per_class)),
            (
                "thresholds".to_owned(),
                Value::Array(confident.thresholds.iter().map(|&t| number(t)).collect()),
            ),
        ]),
        arrays: BTreeMap::from([(
            "quality".to_owned(),
            Tensor::F32(quality.iter().map(|&q| q as f32).collect::<Array1<f32>>().into_dyn()),
        )]),
        figures: BTreeMap::from([(
            "issues".to_owned(),
            Figure { title: "Share of each label that contradicts a classifier".into(), body },
        )]),
        limits: format!(
            "Probabilities: {origin}. Finds labels that are wrong by what the picture shows; planted samples that the network has learnt \
             look rightly labelled to it.{}",
            if taught {
                " The features come from the suspect network, which has seen these labels: errors it has memorised are missed. Give \
                 out-of-sample probabilities (array 'pred_probs') for a fair look."
            } else {
                ""
            }
        ),
    }
}
