//! How does the model behave on images whose classes are known, and did the deployed one behave the same?

mod properties;
pub(crate) mod serving;
#[cfg(test)]
mod tests;

use super::material;
use super::sighting::{Seen, Sighting, Words};
use crate::evidence::dataset::DataSet;
use crate::evidence::{Role, Untrusted};
use crate::figure::{Bar, Body};
use crate::math::stats::roc_auc;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Severity, Skip,
    Stop,
};
use serde_json::json;
use statrs::distribution::{Binomial, DiscreteCDF};
use std::collections::BTreeSet;

/// The procedure `behavioural-screening`.
#[derive(Debug)]
pub struct BehaviouralScreening;

/// The one instance.
pub static BEHAVIOURAL_SCREENING: BehaviouralScreening = BehaviouralScreening;

static ABOUT: About = About {
    id: "behavioural-screening",
    title: "Behavioural screening",
    phase: Phase::Triage,
    version: 1,
    question: "Are mistakes on known images of one kind, and did the deployed model answer as the one at hand does?",
    needs: "a model, and labelled images (clean or test) or a serving log with images that are at hand",
    reference: "confusion matrix; Mann-Whitney test of input properties; replay of a serving log",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../behavioural_screening.md"),
};

/// Mistakes into one class that are needed, the share of all mistakes, and the chance of as many.
const MISTAKES: usize = 5;
const SHARE: f64 = 0.6;
const CHANCE: f64 = 1e-6;

/// A mistake is sure from here on, and a property tells mistakes apart from here on (area under the ROC curve).
const SURE: f64 = 0.95;
const APART: f64 = 0.95;

impl Procedure for BehaviouralScreening {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        if case.model.is_none() {
            return Err(Skip("there is no model that could be loaded".to_owned()));
        }
        let labelled = case.clean().filter(|d| d.set.labels.len() == d.set.len() && d.set.images.is_some());
        let log = material::item(case, Role::ServingLog).filter(|i| i.accepted());
        if labelled.is_none() && log.is_none() {
            return Err(Skip("there are neither labelled clean images nor a serving log".to_owned()));
        }
        let images = match case.effort {
            Effort::Quick => 1_000,
            Effort::Standard => 5_000,
            Effort::Thorough => 50_000,
        };
        let inputs = case
            .model_item()
            .into_iter()
            .map(|i| i.id.clone())
            .chain(labelled.map(|d| d.item.clone()))
            .chain(log.map(|i| i.id.clone()));
        Ok(Plan { params: json!({"images": images}), units: 100, inputs: inputs.collect() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let Some(model) = case.model.as_deref() else { return Err(Stop::failed("no model")) };
        let mut seen = Seen::default();
        let mut looked = Vec::new();
        if let Some(data) = case
            .clean()
            .filter(|d| d.set.labels.len() == d.set.len() && d.set.shape() == Some(model.input.shape))
        {
            let most = plan.params["images"].as_u64().unwrap_or(5_000) as usize;
            let samples: Vec<usize> = (0..data.set.len().min(most)).collect();
            let answers = answers(model, &data.set, &samples, plan.units / 2, plan.units, cx)?;
            screen(model, &data.set, &answers, &mut seen);
            looked.push(format!("{} labelled images were read", samples.len()));
        }
        if let Some(item) = material::item(case, Role::ServingLog).filter(|i| i.accepted()) {
            let text = material::log(case, item).map_err(Stop::failed)?;
            let replay = |d: usize, samples: &[usize]| {
                let set = case.data.get(d).map(|d| d.set.as_ref()).ok_or("no such data")?;
                let images = set.unit(samples).ok_or("no images")?;
                let logits = model.logits(images.view()).map_err(|e| e.to_string())?;
                Ok(logits.outer_iter().map(|row| softmax(&row.to_vec())).collect())
            };
            serving::examine(case, model, &text, replay, &mut seen)
                .map_err(|why| Stop::failed(format!("{}: {why}", item.path.shown())))?;
            looked.push("the serving log was replayed".to_owned());
        }
        cx.step(plan.units, plan.units)?;
        Ok(seen.outcome(
            &Words {
                looked: looked.join("; "),
                origin: "mistakes into one class: 5 or more, 60 % of all, chance 1e-6; sure from 0.95; a property tells them apart from an \
                         area of 0.95; answers of a log: 3 and 1 %",
                limits: "A trigger that is in none of the images does not show; most backdoors pass this. Poor models, dark or blurred \
                         images and classes that look alike make mistakes of one kind too. Only inputs that are at hand are replayed.",
            },
            &plan.inputs,
        ))
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    let all: Vec<f64> = logits.iter().map(|x| f64::from(x - top).exp()).collect();
    let sum: f64 = all.iter().sum();
    all.into_iter().map(|x| x / sum).collect()
}

/// Class and its probability for each sample.
fn answers(
    model: &Model,
    set: &DataSet,
    samples: &[usize],
    until: u64,
    units: u64,
    cx: &mut Context,
) -> Result<Vec<(usize, f64)>, Stop> {
    let mut out = Vec::with_capacity(samples.len());
    for part in samples.chunks(256) {
        cx.step(until * out.len() as u64 / samples.len().max(1) as u64, units)?;
        let images = set.unit(part).ok_or_else(|| Stop::failed("no images"))?;
        let logits = model.logits(images.view()).map_err(Stop::failed)?;
        for row in logits.outer_iter() {
            let p = softmax(&row.to_vec());
            let best = p.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
            out.push(best.map_or((0, 0.0), |(i, p)| (i, *p)));
        }
    }
    Ok(out)
}

fn screen(model: &Model, set: &DataSet, answers: &[(usize, f64)], seen: &mut Seen) {
    let k = model.class_count();
    let n = answers.len();
    let mut confusion = vec![vec![0usize; k]; k];
    for (i, (class, _)) in answers.iter().enumerate() {
        if let Some(cell) = confusion.get_mut(set.labels[i]).and_then(|r| r.get_mut(*class)) {
            *cell += 1;
        }
    }
    let right: usize = (0..k).map(|c| confusion[c][c]).sum();
    let wrong = n - right;
    seen.measure("accuracy", right as f64 / n.max(1) as f64);
    seen.measure("confusion", json!(confusion));
    let labelled: Vec<usize> = confusion.iter().map(|r| r.iter().sum()).collect();
    let predicted: Vec<usize> = (0..k).map(|c| confusion.iter().map(|r| r[c]).sum()).collect();
    seen.measure("labelled", json!(labelled));
    seen.measure("predicted", json!(predicted));
    let of_class = |c: usize| (0..n).filter(move |&i| answers[i].0 == c && set.labels[i] != c);
    let sure_wrong = (0..n).filter(|&i| answers[i].0 != set.labels[i] && answers[i].1 >= SURE).count();
    seen.measure("sure_mistakes", sure_wrong);
    for c in 0..k {
        let mistakes: Vec<usize> = of_class(c).collect();
        if mistakes.len() < MISTAKES {
            continue;
        }
        class(model, set, answers, c, &mistakes, wrong, seen);
    }
    figures(model, &confusion, &labelled, &predicted, n, seen);
}

/// Mistakes that lead to one class.
fn class(
    model: &Model,
    set: &DataSet,
    answers: &[(usize, f64)],
    c: usize,
    mistakes: &[usize],
    wrong: usize,
    seen: &mut Seen,
) {
    let k = model.class_count();
    let name = model.classes.get(c).map(Untrusted::shown).unwrap_or_default();
    let sources: BTreeSet<usize> = mistakes.iter().map(|&i| set.labels[i]).collect();
    let sure = mistakes.iter().filter(|&&i| answers[i].1 >= SURE).count();
    let share = mistakes.len() as f64 / wrong.max(1) as f64;
    // If mistakes led anywhere: one class in k - 1.
    let chance = Binomial::new(1.0 / (k.max(2) - 1) as f64, wrong as u64)
        .map_or(1.0, |law| law.sf(mistakes.len() as u64 - 1));
    let at = ("", 0);
    let detail = format!(
        "{} mistakes from {} classes, {:.0} % of all mistakes, {sure} of them sure ({SURE} or more); chance {chance:.0e}",
        mistakes.len(),
        sources.len(),
        share * 100.0
    );
    let sink = share >= SHARE && chance < CHANCE && sources.len() >= 3.min(k - 1) && k > 2;
    let all_sure = sure * 10 >= mistakes.len() * 8;
    let property = common(model, set, answers, c, mistakes);
    if let Some((property, area, local)) = &property {
        seen.measure(&format!("property_{c}"), json!({"property": property, "area": area}));
        let title = format!(
            "images taken for class {c} ({name}) have something in common: {property} (area {area:.3})"
        );
        let text = format!("{detail}; the class's other sources do not have it");
        if *local && all_sure {
            let s = Sighting::new("behaviour.property", Severity::High, Concern::Backdoor, at, title)
                .sure(Confidence::Medium);
            return seen.push(s.because(text));
        }
        seen.push(Sighting::note("behaviour.property", at, title).because(text));
    }
    if sink && all_sure {
        let title = format!("nearly all mistakes lead to class {c} ({name}), and the model is sure of them");
        seen.push(
            Sighting::new("behaviour.sink", Severity::High, Concern::Backdoor, at, title)
                .sure(Confidence::Medium)
                .because(detail),
        );
    } else if sink {
        let title = format!("most mistakes lead to class {c} ({name})");
        seen.push(
            Sighting::new("behaviour.sink", Severity::Medium, Concern::Backdoor, at, title)
                .sure(Confidence::Low)
                .because(detail),
        );
    }
}

/// Name of a property, the area, and whether it is of a part of the image.
type Common = (String, f64, bool);

/// The property that tells images taken for class `c` from images of the same classes that were read rightly: its name, the
/// area, and whether it is of a part of the image.
fn common(
    model: &Model,
    set: &DataSet,
    answers: &[(usize, f64)],
    c: usize,
    mistakes: &[usize],
) -> Option<Common> {
    let sources: BTreeSet<usize> = mistakes.iter().map(|&i| set.labels[i]).collect();
    let right: Vec<usize> = (0..answers.len())
        .filter(|&i| sources.contains(&set.labels[i]) && answers[i].0 == set.labels[i] && set.labels[i] != c)
        .collect();
    if right.len() < 20 {
        return None;
    }
    let right: Vec<usize> = right.into_iter().take(2_000).collect();
    let both: Vec<usize> = mistakes.iter().chain(&right).copied().collect();
    let values: Vec<Vec<f64>> = both
        .chunks(256)
        .flat_map(|part| {
            let images = set.unit(part);
            images.map(|a| a.outer_iter().map(properties::of).collect::<Vec<_>>()).unwrap_or_default()
        })
        .collect();
    let positive: Vec<bool> = (0..values.len()).map(|i| i < mistakes.len()).collect();
    let names = properties::names(model.input.shape[0]);
    let (m, r) = (mistakes.len() as f64, right.len() as f64);
    // Normal approximation of the Mann-Whitney statistic, over all properties and classes looked at.
    let sd = ((m + r + 1.0) / (12.0 * m * r)).sqrt();
    let (mut whole, mut part): (Option<Common>, Option<Common>) = (None, None);
    for (p, name) in names.iter().enumerate() {
        let scores: Vec<f64> = values.iter().map(|v| v[p]).collect();
        let Some(area) = roc_auc(&scores, &positive) else { continue };
        let area = area.max(1.0 - area);
        let telling = area >= APART && (area - 0.5) / sd > 4.5;
        let local = p >= properties::WHOLE;
        let best = if local { &mut part } else { &mut whole };
        if telling && best.as_ref().is_none_or(|b| area > b.1) {
            *best = Some((name.clone(), area, local));
        }
    }
    // What a part tells as well as the whole, the part tells: a dark image is dark everywhere.
    match (whole, part) {
        (Some(w), Some(p)) if p.1 + 0.01 < w.1 => Some(w),
        (w, p) => p.or(w),
    }
}

fn figures(
    model: &Model,
    confusion: &[Vec<usize>],
    labelled: &[usize],
    predicted: &[usize],
    n: usize,
    seen: &mut Seen,
) {
    let names: Vec<String> =
        model.classes.iter().enumerate().map(|(i, c)| format!("{i} {}", c.shown())).collect();
    if names.len() <= 100 {
        let share = |r: usize, c: usize| confusion[r][c] as f64 / labelled[r].max(1) as f64;
        let values = (0..names.len())
            .flat_map(|r| (0..names.len()).map(move |c| (r, c)))
            .map(|(r, c)| share(r, c))
            .collect();
        let body = Body::Heat {
            row_label: "label".into(),
            column_label: "answer".into(),
            value_label: "share of the label".into(),
            rows: names.clone(),
            columns: names.clone(),
            values,
        };
        seen.figure("confusion", "What the model takes each class for", body);
    }
    let bars = names.iter().enumerate().take(100).map(|(c, name)| Bar {
        label: name.clone(),
        value: 100.0 * (predicted[c] as f64 - labelled[c] as f64) / n.max(1) as f64,
        flagged: predicted[c] as f64 > labelled[c] as f64 + 0.05 * n as f64,
        spread: None,
    });
    let body = Body::Bars {
        value_label: "percentage points more often than labelled".into(),
        bars: bars.collect(),
        threshold: Some(5.0),
    };
    seen.figure("prior", "How much more often each class is answered than it is there", body);
}
