//! Which training samples were planted: groups apart from clean images of their label, and what they cause.

pub mod causal;
pub mod common_patch;
pub mod content;
pub mod examine;
mod figures;
pub mod groups;
pub mod judge;
pub mod space;
#[cfg(test)]
pub(crate) mod tests;
pub mod views;

use super::classes;
use super::params::Params;
use crate::evidence::DataSet;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use examine::{Examined, Material};
use judge::{Accused, CAUSE, Cause, LEAD};
use ndarray::{Array1, Array2};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The fused list of planted samples.
pub static POISONED_SAMPLES: PoisonedSamples = PoisonedSamples;

/// See [`POISONED_SAMPLES`].
#[derive(Debug)]
pub struct PoisonedSamples;

static ABOUT: About = About {
    id: "poisoned-samples",
    title: "Poisoned samples",
    phase: Phase::Detection,
    version: 1,
    question: "Which training samples were planted, judged by what they cause on other images?",
    needs: "a labelled training set and the model; clean images (without them it can rank and lead, hardly accuse)",
    reference: "whitening by clean statistics after Tang et al. 2021 (SCAn) and Hayase et al. 2021 (SPECTRE); effects on other images are this program's",
    cost: Cost::Medium,
    after: &["activation-clustering", "spectral-signatures", "label-issues", "outliers"],
    page: include_str!("poisoned_samples.md"),
};

/// What there is to work with.
enum Given<'a> {
    /// Images and the network.
    Images(Material<'a>),
    /// Activations recorded elsewhere, of the training set and of clean images.
    Recorded { train: &'a DataSet, values: &'a Array2<f32>, clean: Option<(&'a DataSet, &'a Array2<f32>)> },
}

impl<'a> Given<'a> {
    fn of(case: &'a Case) -> Result<(Self, usize, Vec<String>), Skip> {
        let data = case
            .training()
            .ok_or_else(|| Skip("no training set: add one with the role 'training' (--data)".into()))?;
        let train = &*data.set;
        if train.labels.is_empty() || train.labels.len() != train.len() {
            return Err(Skip("the training set has no label for every sample: samples are held against clean images of their label".into()));
        }
        let k = classes::count(case, &train.labels)?;
        let clean = case.clean();
        let mut inputs = vec![data.item.clone()];
        inputs.extend(clean.map(|c| c.item.clone()));
        if let Some(model) = case.model.as_deref().filter(|m| train.shape() == Some(m.input.shape)) {
            inputs.extend(case.model_item().map(|item| item.id.clone()));
            let fits = |set: &&DataSet| set.shape() == Some(model.input.shape) && !set.is_empty();
            let clean = clean.map(|c| &*c.set).filter(fits);
            let material = Material {
                model,
                train,
                clean: clean.unwrap_or(train),
                trusted: clean.is_some(),
                classes: k,
            };
            return Ok((Self::Images(material), k, inputs));
        }
        let recorded = |set: &'a DataSet| set.activations.as_ref().filter(|a| a.nrows() == set.len());
        let Some(values) = recorded(train) else {
            return Err(Skip(
                "no model that takes the training images, and no activations recorded in the training set"
                    .into(),
            ));
        };
        let clean = clean.map(|c| &*c.set).filter(|set| set.labels.len() == set.len());
        let clean = clean.and_then(|set| Some((set, recorded(set).filter(|a| a.ncols() == values.ncols())?)));
        Ok((Self::Recorded { train, values, clean }, k, inputs))
    }

    fn units(&self, classes: usize) -> u64 {
        match self {
            Self::Images(m) => examine::units(m.train, m.clean, classes),
            Self::Recorded { .. } => 1 + classes as u64,
        }
    }

    fn trusted(&self) -> bool {
        match self {
            Self::Images(m) => m.trusted,
            Self::Recorded { clean, .. } => clean.is_some(),
        }
    }

    fn effects(&self) -> bool {
        matches!(self, Self::Images(_))
    }
}

impl Procedure for PoisonedSamples {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ABOUT.id, &[])?;
        let (given, k, inputs) = Given::of(case)?;
        Ok(Plan {
            params: json!({
                "effects_on_other_images": given.effects(), "clean_images": given.trusted(),
                "cause": CAUSE, "weaker_cause": judge::WEAKER, "lead": LEAD,
            }),
            units: given.units(k),
            inputs,
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let (given, k, _) = Given::of(case).map_err(Stop::failed)?;
        let (found, accused) = match &given {
            Given::Images(material) => {
                let found = examine::examine(*material, cx)?;
                let accused = judge::accuse(material, &found, &|| cx.check())?;
                (found, accused)
            }
            Given::Recorded { train, values, clean } => {
                (examine::recorded(&train.labels, values, *clean, k, cx)?, Vec::new())
            }
        };
        outcome(case, plan, &given, k, &found, &accused, cx)
    }
}

fn outcome(
    case: &Case,
    plan: &Plan,
    given: &Given,
    k: usize,
    found: &Examined,
    accused: &[Accused],
    cx: &Context,
) -> Result<Outcome, Stop> {
    let score = judge::score(found, accused);
    let mut indices: Vec<usize> = accused.iter().flat_map(|a| a.listed.iter().copied()).collect();
    indices.sort_by(|&a, &b| score[b].total_cmp(&score[a]).then(a.cmp(&b)));
    let agreeing = agreeing(case, &indices);
    let strongest = found
        .candidates
        .iter()
        .map(|c| judge::strength(&c.evidence).max(c.evidence.content.group - c.evidence.content.control))
        .fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
    let leads = found.candidates.iter().filter(|c| !given.effects() || judge::strength(&c.evidence) >= LEAD);
    let verdict = match (accused, leads.count()) {
        ([_, ..], _) => Verdict::Flagged,
        ([], 0) => Verdict::NothingFound,
        ([], _) => Verdict::Inconclusive,
    };
    let per_class: Vec<usize> =
        (0..k).map(|c| accused.iter().find(|a| a.class == c).map_or(0, |a| a.listed.len())).collect();
    let mut measures = BTreeMap::from([
        ("indices".to_owned(), json!(indices)),
        ("listed_per_class".to_owned(), json!(per_class)),
        ("candidates".to_owned(), candidates(found, accused)),
        ("also_listed_by".to_owned(), agreeing),
    ]);
    if let Some(a) = accused.iter().max_by_key(|a| a.listed.len()) {
        measures.insert("family".into(), json!(a.cause.family()));
    }
    let mut arrays = BTreeMap::from([("score".to_owned(), Tensor::F32(score.clone().into_dyn()))]);
    if let Some(shared) = accused.first().and_then(|a| found.candidates[a.candidate].shared.as_ref()) {
        let residual = shared.residual.clone();
        arrays.insert("residual".into(), Tensor::F32(residual.into_dyn()));
    }
    Ok(Outcome {
        verdict,
        summary: summary(verdict, found, accused, indices.len(), score.len(), given.effects()),
        statistic: strongest.filter(|_| given.effects()),
        threshold: given.effects().then_some(CAUSE),
        threshold_origin: format!(
            "a convention, not fitted to cases: what a group shares must send {:.0} % more images of other classes to its label than \
             the same made from the rest of the label ({:.0} % for a mean difference); a lead from {:.0} %",
            100.0 * CAUSE,
            100.0 * judge::WEAKER,
            100.0 * LEAD
        ),
        findings: findings(case, plan, found, accused),
        figures: figures::of(case, found, accused, &score, &per_class, cx)?,
        measures,
        arrays,
        limits: limits(given, found),
    })
}

/// How many of the listed samples other procedures list too.
fn agreeing(case: &Case, indices: &[usize]) -> Value {
    let mut agree = serde_json::Map::new();
    for (procedure, measure) in
        [("spectral-signatures", "flagged_samples"), ("label-issues", "issues"), ("outliers", "outliers")]
    {
        let Some(list) = case.earlier.measure(procedure, measure).and_then(Value::as_array) else { continue };
        let others: std::collections::BTreeSet<u64> = list.iter().filter_map(Value::as_u64).collect();
        let shared = indices.iter().filter(|&&i| others.contains(&(i as u64))).count();
        agree.insert(procedure.into(), json!(shared));
    }
    Value::Object(agree)
}

fn candidates(found: &Examined, accused: &[Accused]) -> Value {
    let one = |(at, c): (usize, &examine::Candidate)| {
        let e = &c.evidence;
        let pair = |e: &examine::Effect| json!([number(e.group), number(e.control)]);
        json!({
            "class": c.class, "found_in": c.view, "samples": c.group.members.len(),
            "share_of_class": number(c.group.share), "share_of_clean": number(c.group.clean_share),
            "separation": number(c.group.separation), "past_clean": number(c.group.past_clean),
            "patch_area": number(e.area), "stamp": pair(&e.stamp), "add": pair(&e.add), "detail": pair(&e.detail),
            "contradicts_label": pair(&e.content), "nearest_inside_over_outside": number(e.inside),
            "accused_for": accused.iter().find(|a| a.candidate == at).map(|a| a.cause.words()),
        })
    };
    Value::Array(found.candidates.iter().enumerate().map(one).collect())
}

fn summary(
    verdict: Verdict,
    found: &Examined,
    accused: &[Accused],
    listed: usize,
    n: usize,
    effects: bool,
) -> String {
    match verdict {
        Verdict::Flagged => {
            let parts: Vec<String> = accused
                .iter()
                .take(4)
                .map(|a| format!("{} labelled {}: {}", a.listed.len(), a.class, a.cause.words()))
                .collect();
            let more = if accused.len() > 4 {
                format!("; and {} more labels", accused.len() - 4)
            } else {
                String::new()
            };
            format!("{listed} of {n} training samples look planted: {}{more}", parts.join("; "))
        }
        Verdict::Inconclusive if effects => format!(
            "{} groups of training samples lie apart from clean images, and what the strongest shares moves {:.0} % of other images: too few to accuse",
            found.candidates.len(),
            100.0 * found.candidates.iter().map(|c| judge::strength(&c.evidence)).fold(0.0, f64::max)
        ),
        Verdict::Inconclusive => format!(
            "{} groups of training samples lie apart; what they cause cannot be tried without the model and images",
            found.candidates.len()
        ),
        Verdict::NothingFound if found.candidates.is_empty() => {
            "no group of training samples lies apart from its label".to_owned()
        }
        Verdict::NothingFound => format!(
            "{} groups of training samples lie apart from their label, and none causes it on other images",
            found.candidates.len()
        ),
    }
}

fn findings(case: &Case, plan: &Plan, found: &Examined, accused: &[Accused]) -> Vec<Finding> {
    let one = |a: &Accused| {
        let c = &found.candidates[a.candidate];
        let e = &c.evidence;
        let title = format!(
            "{} training samples labelled {} look planted",
            a.listed.len(),
            classes::name(case, a.class)
        );
        let mut detail = format!(
            "Why: {}. A group of {} ({}) lies {:.1} standard deviations from the rest of the label, {:.0} % of clean images look like it. \
             Share of other images sent to the label, with what the group shares and with the same from the rest: patch {:.2} and {:.2}, \
             mean difference {:.2} and {:.2}, fine detail {:.2} and {:.2}. Contradicting their label: {:.2} and {:.2}.",
            a.cause.words(),
            c.group.members.len(),
            c.view,
            c.group.separation,
            100.0 * c.group.clean_share,
            e.stamp.group,
            e.stamp.control,
            e.add.group,
            e.add.control,
            e.detail.group,
            e.detail.control,
            e.content.group,
            e.content.control
        );
        if let Some(released) = a.released {
            let _ = write!(
                detail,
                " With the trigger taken off, the network puts {:.0} % of them in another class.",
                100.0 * released
            );
        }
        let confidence = match a.cause {
            Cause::Patch | Cause::Overlay => Confidence::High,
            Cause::PatchOnOneClass(_) | Cause::Detail => Confidence::Medium,
            Cause::Mislabelled => Confidence::Low,
        };
        let mut finding = Finding::new(Concern::DataPoisoning, Severity::High, confidence, title, detail)
            .class(a.class)
            .on(&plan.inputs);
        if let Cause::PatchOnOneClass(source) = a.cause {
            finding.source_class = Some(source);
        }
        finding
    };
    accused.iter().map(one).collect()
}

fn limits(given: &Given, found: &Examined) -> String {
    let mut limits = String::from(
        "Blind to planted samples that the network has not learnt, to fewer than five in a label, to warps and other triggers that \
         neither a patch, a mean difference nor fine detail carries over to other images, and to models edited without data. \
         What a group causes is tried on a few hundred images.",
    );
    if !given.effects() {
        limits.push_str(
            " Only recorded activations were there: groups can be seen, but not what they cause, so nothing is accused and the list is empty.",
        );
    }
    if !given.trusted() {
        limits.push_str(
            " There were no clean images: samples were held against the other training samples of their label, so natural varieties \
             stand out as planted ones do, and effects were tried on training images.",
        );
    }
    if found.candidates.len() >= examine::MOST_CANDIDATES {
        let _ = write!(limits, " Only the {} weightiest groups were tried.", examine::MOST_CANDIDATES);
    }
    limits
}

/// Scores as `f64`, for figures.
fn wide(score: &Array1<f32>) -> Vec<f64> {
    score.iter().map(|&s| f64::from(s)).collect()
}
