//! What the filters have in common: images, threshold, verdict.

use super::{Filter, Kind, Work, ibd_psc, scale_up, strip};
use crate::detect::classes;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::evidence::Role;
use crate::figure::{Body, Counts, Figure};
use crate::math::softmax::argmax;
use crate::math::stats::wilson;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Data, Finding, Outcome, Plan, Procedure, Severity, Skip, Stop,
    Tensor, Verdict, number,
};
use ndarray::{Array1, Array4, Axis};
use serde_json::json;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};
use std::collections::BTreeMap;

/// Clean images used at most, of each share.
const CLEAN: usize = 300;
/// Suspect inputs judged at most.
const SUSPECTS: usize = 100_000;
/// Share of clean images that STRIP may reject (paper, section V: 1 %).
const REJECTED: f64 = 0.01;
/// Chance of as many suspects past the threshold among clean images, from which there is a finding.
const ERROR: f64 = 0.01;
/// The same for the inconclusive band.
const DOUBT: f64 = 0.10;
/// Bins of the figure.
const BINS: usize = 20;
/// Images run through the network between two looks at the cancel.
const BATCH: usize = 64;

struct Setup<'a> {
    model: &'a Model,
    suspects: &'a Data,
    work: Choice<'a>,
    held: Choice<'a>,
}

impl<'a> Setup<'a> {
    fn of(filter: &Filter, case: &'a Case) -> Result<Self, Skip> {
        Params::of(case, filter.about.id, &[])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let suspects =
            case.data(Role::Suspect).filter(|d| d.set.images.is_some() && !d.set.is_empty()).ok_or_else(
                || Skip("no suspect inputs: add some with the role 'suspect' (--data suspect=PATH)".into()),
            )?;
        if suspects.set.shape() != Some(model.input.shape) {
            return Err(Skip(format!(
                "suspect inputs have shape {:?}, the network takes {:?} (channels, height, width)",
                suspects.set.shape().unwrap_or_default(),
                model.input.shape
            )));
        }
        if suspects.set.len() > SUSPECTS {
            return Err(Skip(format!("{} suspect inputs are more than {SUSPECTS}", suspects.set.len())));
        }
        if filter.kind == Kind::IbdPsc && ibd_psc::layers(model.graph()).is_empty() {
            return Err(Skip(
                "the network has neither batch normalisation nor convolutions to amplify".into(),
            ));
        }
        let none =
            || Skip("no clean images to hold the suspects against: add some with the role 'clean'".into());
        let work = Choice::of(case, Share::Work)?.ok_or_else(none)?;
        let held = Choice::of(case, Share::Held)?.ok_or_else(none)?;
        Ok(Self { model, suspects, work, held })
    }

    fn units(&self) -> u64 {
        let clean = self.work.units(CLEAN) + self.held.units(CLEAN) + self.held.count(CLEAN) as u64;
        clean + self.suspects.set.len() as u64
    }
}

impl Procedure for Filter {
    fn about(&self) -> &'static About {
        match self.kind {
            Kind::Strip => &super::STRIP.about,
            Kind::ScaleUp => &super::SCALE_UP.about,
            Kind::IbdPsc => &super::IBD_PSC.about,
        }
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(self, case)?;
        let mut params = match self.kind {
            Kind::Strip => {
                json!({"overlays": strip::overlays(case.effort), "share": strip::SHARE, "rejected": REJECTED})
            }
            Kind::ScaleUp => json!({"factors": scale_up::FACTORS, "threshold": scale_up::THRESHOLD}),
            Kind::IbdPsc => json!({"factor": ibd_psc::FACTOR, "networks": ibd_psc::NETWORKS,
                                   "clean_error": ibd_psc::ERROR, "threshold": ibd_psc::THRESHOLD}),
        };
        params["error"] = json!(ERROR);
        params["clean_images"] = json!(setup.held.count(CLEAN));
        let model = case.model_item().map(|item| item.id.clone());
        let data = [setup.work.data.item.clone(), setup.suspects.item.clone()];
        Ok(Plan { params, units: setup.units(), inputs: model.into_iter().chain(data).collect() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(self, case).map_err(Stop::failed)?;
        let mut done = setup.work.units(CLEAN);
        let clean = Pool::load(case, setup.work, CLEAN, cx, 0, plan.units)?;
        let held = Pool::load(case, setup.held, CLEAN, cx, done, plan.units)?;
        done += setup.held.units(CLEAN);
        let work = Work { case, model: setup.model, clean: &clean };
        let mut tell = |n: usize, cx: &mut Context| cx.step(done + n as u64, plan.units);
        let of_clean = self.kind.scores(&work, &held.images, &held.predicted, cx, &mut tell)?;
        done += of_clean.len() as u64;
        let all: Vec<usize> = (0..setup.suspects.set.len()).collect();
        let (mut scores, mut predicted) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        for some in all.chunks(BATCH * 4) {
            let images = unit(setup.suspects, some)?;
            let classes = predictions(setup.model, &images, cx)?;
            let from = done + scores.len() as u64;
            let mut tell = |n: usize, cx: &mut Context| cx.step(from + n as u64, plan.units);
            scores.extend(self.kind.scores(&work, &images, &classes, cx, &mut tell)?);
            predicted.extend(classes);
        }
        cx.step(plan.units, plan.units)?;
        if of_clean.iter().chain(&scores).any(|s| !s.is_finite()) {
            return Err(Stop::failed("the network gives a value that is not a finite number"));
        }
        Ok(outcome(self, case, plan, &of_clean, &scores, &predicted))
    }
}

/// Suspect images as unit pixels.
fn unit(data: &Data, which: &[usize]) -> Result<Array4<f32>, Stop> {
    let images = data.set.unit(which).ok_or_else(|| Stop::failed("the data set has no images"))?;
    match images.outer_iter().position(|i| i.iter().any(|p| !(-1e-3..=1.001).contains(p))) {
        Some(at) => Err(Stop::failed(format!("suspect input {} has a pixel outside 0..1", which[at]))),
        None => Ok(images),
    }
}

fn predictions(model: &Model, images: &Array4<f32>, cx: &Context) -> Result<Vec<usize>, Stop> {
    let mut predicted = Vec::with_capacity(images.len_of(Axis(0)));
    for batch in images.axis_chunks_iter(Axis(0), BATCH) {
        cx.check()?;
        let logits = model.logits(batch).map_err(Stop::failed)?;
        predicted.extend(logits.rows().into_iter().map(argmax));
    }
    Ok(predicted)
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, variance.sqrt())
}

/// The score past which an input is rejected.
fn threshold(kind: Kind, of_clean: &[f64]) -> f64 {
    match kind {
        Kind::ScaleUp => scale_up::THRESHOLD,
        Kind::IbdPsc => ibd_psc::THRESHOLD,
        Kind::Strip => {
            let (mean, sd) = moments(of_clean);
            mean + sd * Normal::standard().inverse_cdf(1.0 - REJECTED)
        }
    }
}

/// Chance of at least `hits` of `trials` when each has chance `share`.
fn chance(hits: usize, trials: usize, share: f64) -> f64 {
    match (hits, Binomial::new(share.clamp(0.0, 1.0), trials as u64)) {
        (0, _) | (_, Err(_)) => 1.0,
        (_, Ok(b)) => b.sf(hits as u64 - 1),
    }
}

fn outcome(
    filter: &Filter,
    case: &Case,
    plan: &Plan,
    of_clean: &[f64],
    scores: &[f64],
    predicted: &[usize],
) -> Outcome {
    let threshold = threshold(filter.kind, of_clean);
    let past = |s: &[f64]| (0..s.len()).filter(|&i| s[i] > threshold).collect::<Vec<usize>>();
    let (rejected, caught) = (past(of_clean).len(), past(scores));
    // What clean images may do at most, as far as these few tell.
    let share = wilson(rejected, of_clean.len(), 0.95)[1];
    let p = chance(caught.len(), scores.len(), share);
    let verdict = match p {
        p if p <= ERROR => Verdict::Flagged,
        p if p <= DOUBT => Verdict::Inconclusive,
        _ => Verdict::NothingFound,
    };
    // The class that most of those caught are put in, when it is nearly all of them.
    let mut votes = BTreeMap::<usize, usize>::new();
    for &i in &caught {
        *votes.entry(predicted[i]).or_default() += 1;
    }
    let class =
        votes.iter().max_by_key(|v| v.1).filter(|(_, n)| **n * 5 >= caught.len() * 4).map(|(&k, _)| k);
    let rate = rejected as f64 / of_clean.len().max(1) as f64;
    let summary = format!(
        "{} of {} suspect inputs keep their class where clean images lose it ({:.1} % of clean images do; chance {p:.4})",
        caught.len(),
        scores.len(),
        100.0 * rate
    );
    let mut measures = BTreeMap::from([
        ("threshold".to_owned(), number(threshold)),
        ("false_rejection_rate".to_owned(), number(rate)),
        ("caught".to_owned(), json!(caught)),
        ("p_value".to_owned(), number(p)),
        ("target".to_owned(), json!(class)),
    ]);
    let score = if filter.kind == Kind::Strip {
        let (mean, sd) = moments(of_clean);
        measures.insert("entropy_clean_mean".to_owned(), number(-mean));
        measures.insert("entropy_clean_sd".to_owned(), number(sd));
        measures.insert("threshold".to_owned(), number(-threshold));
        ("entropy", scores.iter().map(|s| -*s as f32).collect::<Array1<f32>>())
    } else {
        ("score", scores.iter().map(|&s| s as f32).collect())
    };
    let findings = match verdict {
        Verdict::NothingFound => vec![],
        _ => vec![finding(case, plan, verdict, class, &summary)],
    };
    Outcome {
        verdict,
        summary,
        statistic: Some(caught.len() as f64),
        threshold: Some((share * scores.len() as f64).ceil()),
        threshold_origin: format!(
            "suspect inputs past the score's threshold ({}) against the most that clean images show: upper end of Wilson's interval \
             for {rejected} of {} held-back clean images; flagged at a chance of {:.0} %, inconclusive up to {:.0} %",
            match filter.kind {
                Kind::Strip => format!("normal fit to clean images, {:.0} % rejected, as published", 100.0 * REJECTED),
                _ => "as published".to_owned(),
            },
            of_clean.len(),
            100.0 * ERROR,
            100.0 * DOUBT
        ),
        findings,
        measures,
        arrays: BTreeMap::from([(score.0.to_owned(), Tensor::F32(score.1.into_dyn()))]),
        figures: BTreeMap::from([("scores".to_owned(), histogram(filter.kind, of_clean, scores, threshold))]),
        limits: "Judges the inputs it is given, not the model. Blind to triggers that do not survive the change it makes, or that clean \
                 images survive as well; an input of a class that is very sure of itself looks the same."
            .into(),
    }
}

fn finding(case: &Case, plan: &Plan, verdict: Verdict, class: Option<usize>, detail: &str) -> Finding {
    let (severity, confidence, title) = match verdict {
        Verdict::Flagged => {
            (Severity::High, Confidence::Medium, "Suspect inputs carry something that decides their class")
        }
        _ => (Severity::Low, Confidence::Low, "Lead: rather many suspect inputs keep their class"),
    };
    let finding = Finding::new(Concern::Backdoor, severity, confidence, title, detail).on(&plan.inputs);
    match class {
        Some(k) => {
            Finding { title: format!("{} ({})", finding.title, classes::name(case, k)), ..finding.class(k) }
        }
        None => finding,
    }
}

fn histogram(kind: Kind, of_clean: &[f64], scores: &[f64], threshold: f64) -> Figure {
    // Entropies are shown as themselves.
    let sign = if kind == Kind::Strip { -1.0 } else { 1.0 };
    let (clean, suspect): (Vec<f64>, Vec<f64>) =
        (of_clean.iter().map(|s| sign * s).collect(), scores.iter().map(|s| sign * s).collect());
    let (lo, hi) = clean.iter().chain(&suspect).fold((f64::MAX, f64::MIN), |(l, h), &s| (l.min(s), h.max(s)));
    let width = ((hi - lo) / BINS as f64).max(1e-9);
    let edges: Vec<f64> = (0..=BINS).map(|i| lo + i as f64 * width).collect();
    let counts = |name: &str, values: &[f64]| {
        let mut counts = vec![0.0; BINS];
        for v in values {
            counts[(((v - lo) / width) as usize).min(BINS - 1)] += 1.0 / values.len().max(1) as f64;
        }
        Counts { name: name.to_owned(), counts }
    };
    let x_label = match kind {
        Kind::Strip => "mean entropy under overlays, bits",
        Kind::ScaleUp => "share of multipliers that keep the class",
        Kind::IbdPsc => "mean confidence of amplified networks",
    };
    Figure {
        title: "Suspect inputs against clean images".into(),
        body: Body::Histogram {
            x_label: x_label.into(),
            edges,
            series: vec![counts("clean", &clean), counts("suspect", &suspect)],
            threshold: Some(sign * threshold),
        },
    }
}
