//! The trigger as listed training samples show it: patch, sinusoid, blend, warp or residual, each tried on other images.

pub mod blocks;
pub mod estimate;

use super::stamping::{self, Stamp};
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::detect::poisoned::{causal, judge};
use crate::detect::{classes, thumbnails};
use crate::figure::{Bar, Body, Figure};
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use estimate::{Guess, Material};
use ndarray::{Array4, Axis};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Recovery from listed samples.
pub static SAMPLE_RECOVERY: SampleRecovery = SampleRecovery;

/// See [`SAMPLE_RECOVERY`].
#[derive(Debug)]
pub struct SampleRecovery;

/// Its id.
pub const ID: &str = "sample-recovery";
const LIST: &str = "poisoned-samples";

static ABOUT: About = About {
    id: "sample-recovery",
    title: "Trigger from samples",
    phase: Phase::Recovery,
    version: 1,
    question: "What do the listed training samples bear: a patch, a sinusoid, a blend, a warp, something added?",
    needs: "a list from poisoned-samples, the model, images to try the trigger on",
    reference: "blends: Chen et al. 2017; sinusoids: Barni, Kallas, Tondi 2019 (ICIP); warps: Nguyen, Tran 2021 (ICLR), by block matching",
    cost: Cost::Low,
    after: &[LIST, "common-patch", "warp-search"],
    page: include_str!("page.md"),
};

/// Listed samples looked at, and samples of the rest.
const MOST: usize = 300;
/// Clean images compared with, and images tried on.
const CLEAN: usize = 400;
const TRIED: usize = 240;
/// Fewest listed samples of a label.
const FEWEST: usize = 5;
/// A simpler kind is taken when it works this well, as a share of the best.
const NEARLY: f64 = 0.9;
/// Order of simplicity.
const ORDER: [&str; 6] = ["patch", "multi-patch", "sinusoid", "blend", "warp", "residual"];

struct Setup<'a> {
    model: &'a Model,
    class: usize,
    /// The one class the samples' trigger works from, when poisoned-samples says so.
    source: Option<usize>,
    listed: Vec<usize>,
    tried: Choice<'a>,
    compared: Choice<'a>,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ID, &["class"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model to try a trigger on".into()))?;
        let data =
            case.training().ok_or_else(|| Skip("no training set: samples are where this looks".into()))?;
        if data.set.shape() != Some(model.input.shape) {
            return Err(Skip("the training set has no images that the network takes".into()));
        }
        let list = case
            .earlier
            .measure(LIST, "indices")
            .and_then(Value::as_array)
            .ok_or_else(|| Skip(format!("{LIST} has not finished: its list is what this looks at")))?;
        let mut of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for i in list.iter().filter_map(Value::as_u64).filter_map(|i| usize::try_from(i).ok()) {
            if let Some(&label) = data.set.labels.get(i) {
                of.entry(label).or_default().push(i);
            }
        }
        let last = model.class_count().saturating_sub(1) as u64;
        let asked = params.count("class", u64::MAX, 0..=last)?;
        if asked <= last {
            of.retain(|&label, _| label as u64 == asked);
        }
        let (class, listed) = of
            .into_iter()
            .max_by_key(|(label, list)| (list.len(), std::cmp::Reverse(*label)))
            .filter(|(class, list)| list.len() >= FEWEST && *class < model.class_count())
            .ok_or_else(|| Skip(format!("{LIST} lists fewer than {FEWEST} samples of any label")))?;
        let choice =
            |share| Choice::of(case, share)?.ok_or_else(|| Skip("no images to try a trigger on".into()));
        let findings = case.earlier.record(LIST).map(|r| r.findings.as_slice()).unwrap_or_default();
        let source = findings.iter().find(|f| f.class == Some(class)).and_then(|f| f.source_class);
        Ok(Self { model, class, source, listed, tried: choice(Share::Held)?, compared: choice(Share::Work)? })
    }

    fn loading(&self) -> u64 {
        self.tried.units(TRIED) + self.compared.units(CLEAN)
    }
}

/// A guess and what it does.
struct Tried {
    guess: Guess,
    success: f64,
}

impl Procedure for SampleRecovery {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let mut inputs: Vec<String> = case.training().map(|d| d.item.clone()).into_iter().collect();
        inputs.push(setup.tried.data.item.clone());
        inputs.extend(case.model_item().map(|i| i.id.clone()));
        inputs.dedup();
        Ok(Plan {
            params: json!({
                "class": setup.class, "listed": setup.listed.len(), "compared_with": setup.compared.count(CLEAN),
                "tried_on": setup.tried.count(TRIED), "cause": judge::CAUSE,
            }),
            units: setup.loading() + 10,
            inputs,
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let pool = Pool::load(case, setup.tried, TRIED, cx, 0, plan.units)?;
        let clean = Pool::load(case, setup.compared, CLEAN, cx, setup.tried.units(TRIED), plan.units)?;
        let data = case.training().ok_or_else(|| Stop::failed("the evidence planned for is gone"))?;
        let listed: BTreeSet<usize> = setup.listed.iter().copied().collect();
        let rest: Vec<usize> = (0..data.set.len())
            .filter(|i| data.set.labels[*i] == setup.class && !listed.contains(i))
            .collect();
        let pick = |of: &[usize], label: &str| -> Result<Array4<f32>, Stop> {
            let mut of = of.to_vec();
            of.shuffle(&mut cx.rng(label));
            of.truncate(MOST);
            of.sort_unstable();
            data.set.unit(&of).ok_or_else(|| Stop::failed("the data set has no images"))
        };
        let own = pick(&setup.listed, "listed")?;
        let other = causal::unlike(&own, pick(&rest, "rest")?);
        let mut done = setup.loading();
        cx.step(done, plan.units)?;
        let shared = causal::shared(&own, &other, &clean.images);
        let material = Material { own: &own, rest: &other, clean: &clean.images, shared: &shared };
        let mut guesses: Vec<Guess> = Vec::new();
        guesses.extend(estimate::patch(material));
        guesses.extend(estimate::sinusoid(material));
        guesses.extend(estimate::blend(material));
        cx.step(done + 1, plan.units)?;
        guesses.extend(estimate::warp(material));
        guesses.extend(searched_warp(case, &setup));
        guesses.extend([1.0, 2.0].map(|gain| estimate::residual(material, gain)));
        done += 2;
        let carriers: Vec<usize> = pool
            .not_predicted(setup.class)
            .into_iter()
            .filter(|&i| pool.labels.get(i).is_none_or(|&l| l != setup.class))
            .collect();
        let carriers = from_source(carriers, &pool.labels, setup.source);
        if carriers.is_empty() {
            return Err(Stop::failed("there is no image of another class to try a trigger on"));
        }
        let mut tried: Vec<Tried> = Vec::new();
        for guess in guesses {
            cx.step(done, plan.units)?;
            done = (done + 1).min(plan.units - 1);
            let predicted = guess.stamp.predictions(setup.model, &pool.images, &carriers, &|| cx.check())?;
            tried.push(Tried { success: stamping::share(&predicted, setup.class), guess });
        }
        cx.step(plan.units, plan.units)?;
        outcome(case, &setup, plan, &pool, &carriers, &tried)
    }
}

/// Images of the one class that a trigger works from, when it works from one only and there are enough; else all.
pub fn from_source(which: Vec<usize>, labels: &[usize], source: Option<usize>) -> Vec<usize> {
    let Some(source) = source else { return which };
    let own: Vec<usize> = which.iter().copied().filter(|&i| labels.get(i) == Some(&source)).collect();
    if own.len() >= FEWEST { own } else { which }
}

/// What warp-search found for the class, when it stood out.
fn searched_warp(case: &Case, setup: &Setup) -> Option<Guess> {
    let record = case.earlier.record("warp-search")?;
    let [_, h, w] = setup.model.input.shape;
    let Tensor::F32(all) = case.earlier.array("warp-search", "changes")? else { return None };
    if record.verdict == Verdict::NothingFound || all.ndim() != 4 || setup.class >= all.shape()[0] {
        return None;
    }
    let field = all.index_axis(Axis(0), setup.class);
    let size = record.measures.get("displacement").and_then(|d| d.get(setup.class)).cloned();
    (field.shape() == [2, h, w] && field.iter().all(|v| v.is_finite())).then(|| Guess {
        kind: "warp",
        stamp: Stamp::Warp(field.iter().copied().collect()),
        facts: json!({"displacement": size, "by": "warp-search"}),
    })
}

/// The simplest that works nearly as well as the best, the better of two of one kind.
fn choose(tried: &[Tried]) -> Option<&Tried> {
    let best = tried.iter().map(|t| t.success).fold(0.0, f64::max);
    let rank = |t: &Tried| ORDER.iter().position(|k| *k == t.guess.kind).unwrap_or(ORDER.len());
    tried
        .iter()
        .filter(|t| t.success >= NEARLY * best)
        .min_by(|a, b| rank(a).cmp(&rank(b)).then(b.success.total_cmp(&a.success)))
}

fn outcome(
    case: &Case,
    setup: &Setup,
    plan: &Plan,
    pool: &Pool,
    carriers: &[usize],
    tried: &[Tried],
) -> Result<Outcome, Stop> {
    let chosen = choose(tried).ok_or_else(|| Stop::failed("nothing to try"))?;
    let (shape, name) = (setup.model.input.shape, classes::name(case, setup.class));
    let Tried { guess, success } = chosen;
    let verdict = match *success {
        s if s >= judge::CAUSE => Verdict::Flagged,
        s if s >= judge::LEAD => Verdict::Inconclusive,
        _ => Verdict::NothingFound,
    };
    let words = format!(
        "as a {}, what the {} listed samples labelled {name} share sends {:.1} % of {} other images there",
        guess.kind,
        setup.listed.len(),
        100.0 * success,
        carriers.len()
    );
    let summary = if verdict == Verdict::NothingFound {
        format!(
            "nothing that could be recovered from the listed samples works on other images; at best, {words}"
        )
    } else {
        words
    };
    // What common-patch has accused already is not accused a second time.
    let told = case.earlier.record("common-patch").is_some_and(|r| {
        r.verdict == Verdict::Flagged && r.findings.iter().any(|f| f.class == Some(setup.class))
    });
    let finding = (verdict == Verdict::Flagged && !told).then(|| {
        let title = format!("Listed samples labelled {name} bear a {}", guess.kind);
        let detail = format!("{summary}. Parameters: {}.", guess.facts);
        Finding::new(Concern::Backdoor, Severity::High, Confidence::Medium, title, detail)
            .class(setup.class)
            .on(&plan.inputs)
    });
    let bars = tried.iter().map(|t| Bar {
        label: t.guess.kind.into(),
        value: t.success,
        flagged: t.success >= judge::CAUSE,
        spread: None,
    });
    let rates = Figure {
        title: format!("Share of other images that each reading of the samples sends to class {name}"),
        body: Body::Bars { value_label: "share".into(), bars: bars.collect(), threshold: Some(judge::CAUSE) },
    };
    let all: Vec<Value> = tried
        .iter()
        .map(
            |t| json!({"kind": t.guess.kind, "success_rate": number(t.success), "parameters": t.guess.facts}),
        )
        .collect();
    let mut measures = BTreeMap::from([
        ("target".to_owned(), json!(setup.class)),
        ("kind".to_owned(), json!(guess.kind)),
        ("success_rate".to_owned(), number(*success)),
        ("images".to_owned(), json!(carriers.len())),
        ("source_class".to_owned(), json!(setup.source)),
        ("parameters".to_owned(), guess.facts.clone()),
        ("stamping".to_owned(), guess.stamp.description(shape)),
        ("tried".to_owned(), Value::Array(all)),
    ]);
    if let Stamp::Blend(t) = &guess.stamp {
        measures.insert("l1".into(), number(stamping::pixels_of(t, shape[1] * shape[2])));
    }
    Ok(Outcome {
        verdict,
        summary,
        statistic: Some(*success),
        threshold: Some(judge::CAUSE),
        threshold_origin: "that of poisoned-samples: a convention, not fitted to cases".into(),
        findings: finding.into_iter().collect(),
        measures,
        arrays: guess.stamp.arrays(shape),
        figures: BTreeMap::from([
            ("trigger".to_owned(), picture(guess, pool, carriers, shape, &name)),
            ("kinds".to_owned(), rates),
        ]),
        limits: format!(
            "As good as the list: wrong samples blur what is shared. Triggers drawn anew for every image leave no common trace and read as \
             whatever works best, or as nothing.{}",
            setup.tried.caveat()
        ),
    })
}

/// What is put on images, an image, and the image with it.
fn picture(guess: &Guess, pool: &Pool, carriers: &[usize], shape: [usize; 3], name: &str) -> Figure {
    let title = format!("{} of the listed samples, class {name}", guess.kind);
    let first = carriers.first().map(|&i| pool.images.index_axis(Axis(0), i));
    if let Stamp::Blend(trigger) = &guess.stamp {
        return thumbnails::trigger(title, trigger, first, shape);
    }
    let mut images = Vec::new();
    if let Stamp::Add(field) = &guess.stamp {
        // Grey is no change; the strongest change is black or white.
        let most = field.iter().fold(1e-6f32, |m, d| m.max(d.abs()));
        let shown: Vec<f32> = field.iter().map(|d| 0.5 + 0.5 * d / most).collect();
        images.push(thumbnails::colour(format!("change, ±{most:.2}"), &shown, shape));
    }
    if let Some(image) = first {
        let flat = |a: ndarray::ArrayView3<f32>| a.iter().copied().collect::<Vec<f32>>();
        images.push(thumbnails::colour("an image", &flat(image), shape));
        images.push(thumbnails::colour("with the trigger", &flat(guess.stamp.on(image).view()), shape));
    }
    Figure { title, body: Body::Thumbnails { images } }
}

#[cfg(test)]
mod tests;
