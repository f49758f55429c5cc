//! Neural Cleanse (Wang et al. 2019): is there a class that a far smaller trigger reaches than the others?

use super::images::{Choice, Pool, Share};
use super::inversion::{Best, Schedule, Search};
use super::norm_outlier::{self, Null, Split};
use super::params::Params;
use super::stamp::Trigger;
use super::{classes, naive, thumbnails};
use crate::figure::{Bar, Body, Figure};
use crate::math::robust::Robust;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Tensor, Verdict, number, numbers,
};
use ndarray::{ArrayD, Axis, IxDyn};
use rayon::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// Neural Cleanse with the original's objective and schedule.
pub static NEURAL_CLEANSE: NeuralCleanse = NeuralCleanse;

/// See [`NEURAL_CLEANSE`].
#[derive(Debug)]
pub struct NeuralCleanse;

static ABOUT: About = About {
    id: "neural-cleanse",
    title: "Neural Cleanse",
    phase: Phase::Detection,
    version: 1,
    question: "Is there a class that a far smaller trigger reaches than the other classes?",
    needs: "a model, and clean images (without any: random inputs, as a lead only)",
    reference: "Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao 2019, Neural Cleanse (IEEE S&P)",
    cost: Cost::High,
    after: &[],
    page: include_str!("neural_cleanse.md"),
};

/// Images used at most.
const IMAGES: usize = 1_000;
/// Chance of flagging any class when the logarithms of the norms are normal.
const ERROR: f64 = 0.05;
/// The same for the inconclusive band.
const DOUBT: f64 = 0.20;
/// The published threshold on the published index.
const PUBLISHED: f64 = 2.0;
/// Classes in work at a time, whatever the number of cores.
const WAVE: usize = 8;
/// Classes shown with their masks.
const SHOWN: usize = 4;
/// Steps between partial figures.
const PARTIAL: u64 = 5;
/// Cap on K·(C+1)·H·W, the values of all triggers.
const MOST_VALUES: usize = 1 << 28;

/// What triggers are searched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Images,
    RandomInputs,
}

struct Setup<'a> {
    model: &'a Model,
    mode: Mode,
    choice: Option<Choice<'a>>,
    schedule: Schedule,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["mode", "steps", "mini_batches"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let [c, h, w] = model.input.shape;
        let values = [c + 1, h, w].iter().try_fold(model.class_count(), |a, &b| a.checked_mul(b));
        if values.is_none_or(|v| v > MOST_VALUES) {
            return Err(Skip(format!(
                "a trigger for each of {} classes is more than {MOST_VALUES} values",
                model.class_count()
            )));
        }
        if model.class_count() < 2 {
            return Err(Skip("the network has fewer than two classes: there is nothing to compare".into()));
        }
        let choice = Choice::of(case, Share::Work)?;
        let mode = match (params.text("mode")?, &choice) {
            (None | Some("images"), Some(_)) => Mode::Images,
            (None, None) | (Some("random-inputs"), _) => Mode::RandomInputs,
            (Some("images"), None) => return Err(Skip("no images for the mode 'images'".into())),
            (Some(_), _) => {
                return Err(Skip(format!(
                    "parameter 'mode' of {} must be images or random-inputs",
                    ABOUT.id
                )));
            }
        };
        // The original: 1,000 steps of 31 mini-batches.
        let (steps, mini_batches) = match case.effort {
            Effort::Quick => (60, 4),
            Effort::Standard => (100, 8),
            Effort::Thorough => (1_000, 31),
        };
        let steps = params.count("steps", steps, 1..=100_000)?;
        let mini_batches = params.count("mini_batches", mini_batches, 1..=10_000)?;
        let choice = choice.filter(|_| mode == Mode::Images);
        Ok(Self { model, mode, choice, schedule: Schedule::original(steps, mini_batches) })
    }

    fn loading(&self) -> u64 {
        self.choice.map_or(0, |c| c.units(IMAGES))
    }

    fn units(&self) -> u64 {
        let each = if self.mode == Mode::Images { self.schedule.steps } else { 1 };
        self.loading() + each * self.model.class_count() as u64
    }
}

/// The result for one class.
struct Reversed {
    best: Best,
    reached: bool,
    steps: u64,
}

impl Procedure for NeuralCleanse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let s = setup.schedule;
        let params = match setup.choice {
            Some(choice) => json!({
                "mode": "images", "images": choice.count(IMAGES), "role": choice.data.role.name(), "steps": s.steps,
                "mini_batches": s.mini_batches, "batch": s.batch, "success": s.success, "first_cost": s.first_cost,
                "cost_up": s.up, "cost_down": s.down, "patience": s.patience, "idle_steps": s.idle,
                "learning_rate": 0.1, "betas": [0.5, 0.9], "error": ERROR, "doubt": DOUBT,
            }),
            None => json!({
                "mode": "random-inputs", "steps": naive::STEPS, "batch": naive::BATCH, "learning_rate": 0.01,
                "cost": 0.01, "loss_below": 0.1, "index_above": PUBLISHED,
            }),
        };
        let model = case.model_item().map(|item| item.id.clone());
        let inputs = model.into_iter().chain(setup.choice.map(|c| c.data.item.clone())).collect();
        Ok(Plan { params, units: setup.units(), inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let (found, pool) = match setup.choice {
            Some(choice) => {
                let pool = Pool::load(case, choice, IMAGES, cx, 0, plan.units)?;
                (search(case, &setup, &pool, plan.units, cx)?, Some(pool))
            }
            None => (random(&setup, plan.units, cx)?, None),
        };
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, &setup, plan, &found, pool.as_ref(), cx))
    }
}

/// All classes side by side, a step at a time, so that the picture grows evenly.
fn search(
    case: &Case,
    setup: &Setup,
    pool: &Pool,
    total: u64,
    cx: &mut Context,
) -> Result<Vec<Reversed>, Stop> {
    let [c, h, w] = setup.model.input.shape;
    let start =
        |k| Search::new(k, pool.not_predicted(k), c, h * w, setup.schedule, cx.rng(&format!("class{k}")));
    let mut searches: Vec<Search> = (0..setup.model.class_count()).map(start).collect();
    for step in 0..setup.schedule.steps {
        for first in (0..searches.len()).step_by(WAVE) {
            cx.step(setup.loading() + done(&searches, setup.schedule.steps), total)?;
            let last = (first + WAVE).min(searches.len());
            let shared = &*cx;
            let results: Vec<Result<(), Stop>> = searches[first..last]
                .par_iter_mut()
                .map(|search| search.step(setup.model, &pool.images, shared))
                .collect();
            results.into_iter().collect::<Result<Vec<()>, Stop>>()?;
        }
        if searches.iter().all(|s| s.over) {
            break;
        }
        if step % PARTIAL == PARTIAL - 1 {
            partial(case, setup, pool, &searches, cx);
        }
    }
    let finish = |search: Search| {
        let (steps, reached) = (search.steps, search.reached.is_some());
        let current = || Best { l1: search.trigger().l1(), trigger: search.trigger(), success: 0.0 };
        let best = search.best().cloned().unwrap_or_else(current);
        Reversed { best, reached, steps }
    };
    Ok(searches.into_iter().map(finish).collect())
}

fn done(searches: &[Search], steps: u64) -> u64 {
    searches.iter().map(|s| if s.over { steps } else { s.steps }).sum()
}

/// The bars as they stand, and the trigger of the class that is smallest now.
fn partial(case: &Case, setup: &Setup, pool: &Pool, searches: &[Search], cx: &mut Context) {
    let triggers: Vec<Trigger> = searches
        .iter()
        .map(|s| s.reached.as_ref().map_or_else(|| s.trigger(), |b| b.trigger.clone()))
        .collect();
    let norms: Vec<f64> = triggers.iter().map(Trigger::l1).collect();
    if let Some(split) = norm_outlier::split(&norm_outlier::logarithms(&norms)) {
        cx.partial("anomaly", anomaly(case, &split.distance, &[], None));
    }
    let smallest = (0..norms.len()).min_by(|&a, &b| norms[a].total_cmp(&norms[b]));
    if let Some(class) = smallest {
        cx.partial(&format!("mask/{class}"), picture(case, setup, class, &triggers[class], Some(pool)));
    }
}

/// The variant on random inputs, class by class.
fn random(setup: &Setup, total: u64, cx: &mut Context) -> Result<Vec<Reversed>, Stop> {
    let all: Vec<usize> = (0..setup.model.class_count()).collect();
    let mut found = Vec::with_capacity(all.len());
    for wave in all.chunks(WAVE) {
        cx.step(found.len() as u64, total)?;
        let shared = &*cx;
        let invert =
            |&class: &usize| naive::invert(setup.model, class, shared.rng(&format!("class{class}")), shared);
        let results: Vec<_> = wave.par_iter().map(invert).collect();
        for result in results {
            let (best, reached) = result?;
            found.push(Reversed { best, reached, steps: naive::STEPS });
        }
    }
    Ok(found)
}

/// What the norms say.
struct Decision {
    verdict: Verdict,
    statistic: Option<f64>,
    threshold: Option<f64>,
    origin: String,
    /// Chance of norms this far apart; `None` when it was not computed.
    chance: Option<f64>,
    /// Accused classes, smallest norm first.
    accused: Vec<usize>,
    /// Length of each bar: what is held against the threshold.
    bars: Vec<f64>,
}

fn decide(setup: &Setup, norms: &[f64], reached: &[bool], cx: &Context) -> Decision {
    let index = norm_outlier::published(norms);
    if setup.mode == Mode::RandomInputs {
        let accused: Vec<usize> =
            by_norm(norms).into_iter().filter(|&k| index[k] > PUBLISHED && reached[k]).collect();
        return Decision {
            verdict: if accused.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive },
            statistic: index.iter().copied().max_by(f64::total_cmp),
            threshold: Some(PUBLISHED),
            origin: "the published index above 2 (Wang et al. 2019, section IV), on random inputs: in measurements this flagged \
                     clean models and missed most backdoored ones, so that it is a lead at most"
                .into(),
            chance: None,
            accused,
            bars: index,
        };
    }
    let logs = norm_outlier::logarithms(norms);
    let Some(split) = norm_outlier::split(&logs) else {
        return Decision {
            verdict: Verdict::Inconclusive,
            statistic: None,
            threshold: None,
            origin: "none: an outlier among two classes cannot be told".into(),
            chance: None,
            accused: Vec::new(),
            bars: index,
        };
    };
    let null = Null::draw(norms.len(), &mut cx.rng("null"));
    let chance = null.chance(&split);
    let accused: Vec<usize> = split.suspects.iter().copied().filter(|&k| reached[k]).collect();
    let verdict = match chance {
        p if p > DOUBT => Verdict::NothingFound,
        p if p <= ERROR && !accused.is_empty() => Verdict::Flagged,
        _ => Verdict::Inconclusive,
    };
    let threshold = null.threshold(&split, ERROR);
    let Split { statistic, distance, .. } = split;
    Decision {
        verdict,
        statistic: Some(statistic),
        threshold: Some(threshold).filter(|t| t.is_finite()),
        origin: format!(
            "one-sided outlier test on the logarithms of the norms (after Grubbs 1950): {:.0} % chance of flagging any of {} \
             classes whose norms are log-normal, from {} simulated sets; inconclusive up to {:.0} %. The published index above 2 \
             is reported beside it",
            ERROR * 100.0,
            norms.len(),
            norm_outlier::DRAWS,
            DOUBT * 100.0
        ),
        chance: Some(chance),
        accused: if verdict == Verdict::NothingFound { Vec::new() } else { accused },
        bars: distance,
    }
}

/// Classes by norm, smallest first.
fn by_norm(norms: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..norms.len()).collect();
    order.sort_by(|&a, &b| norms[a].total_cmp(&norms[b]).then(a.cmp(&b)));
    order
}

fn outcome(
    case: &Case,
    setup: &Setup,
    plan: &Plan,
    found: &[Reversed],
    pool: Option<&Pool>,
    cx: &Context,
) -> Outcome {
    let norms: Vec<f64> = found.iter().map(|r| r.best.trigger.l1()).collect();
    let success: Vec<f64> = found.iter().map(|r| r.best.success).collect();
    let reached: Vec<bool> = found.iter().map(|r| r.reached).collect();
    let decision = decide(setup, &norms, &reached, cx);
    let robust = Robust::of(&norms).unwrap_or(Robust { median: 0.0, mad: 0.0 });
    let steps: Vec<u64> = found.iter().map(|r| r.steps).collect();
    let mut measures = BTreeMap::from([
        ("l1".to_owned(), numbers(&norms)),
        ("success_rate".to_owned(), numbers(&success)),
        ("reached".to_owned(), json!(reached)),
        ("anomaly_index".to_owned(), numbers(&norm_outlier::published(&norms))),
        (
            "log_anomaly_index".to_owned(),
            numbers(&norm_outlier::published(&norm_outlier::logarithms(&norms))),
        ),
        ("median".to_owned(), number(robust.median)),
        ("mad".to_owned(), number(robust.mad)),
        ("steps".to_owned(), json!(steps)),
        ("suspects".to_owned(), json!(decision.accused)),
        ("distance".to_owned(), numbers(&decision.bars)),
        ("mode".to_owned(), json!(if setup.mode == Mode::Images { "images" } else { "random-inputs" })),
    ]);
    if let Some(chance) = decision.chance {
        measures.insert("p_value".to_owned(), number(chance));
    }
    let mut figures = BTreeMap::from([
        ("anomaly".to_owned(), anomaly(case, &decision.bars, &decision.accused, decision.threshold)),
        ("norms".to_owned(), sizes(case, &norms, &decision.accused)),
    ]);
    for &class in by_norm(&norms).iter().take(SHOWN) {
        let trigger = &found[class].best.trigger;
        figures.insert(format!("mask/{class}"), picture(case, setup, class, trigger, pool));
    }
    Outcome {
        verdict: decision.verdict,
        summary: summary(setup, &decision, &norms, robust.median),
        statistic: decision.statistic,
        threshold: decision.threshold,
        threshold_origin: decision.origin.clone(),
        findings: decision
            .accused
            .iter()
            .map(|&k| finding(case, plan, &decision, k, found, robust.median))
            .collect(),
        measures,
        arrays: arrays(setup.model.input.shape, found),
        figures,
        limits: limits(setup, &reached),
    }
}

fn arrays([c, h, w]: [usize; 3], found: &[Reversed]) -> BTreeMap<String, Tensor> {
    let join = |shape: &[usize], of: fn(&Trigger) -> &Vec<f32>| {
        let all: Vec<f32> = found.iter().flat_map(|r| of(&r.best.trigger).iter().copied()).collect();
        Tensor::F32(ArrayD::from_shape_vec(IxDyn(shape), all).unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape))))
    };
    let k = found.len();
    BTreeMap::from([
        ("masks".to_owned(), join(&[k, h, w], |t| &t.mask)),
        ("patterns".to_owned(), join(&[k, c, h, w], |t| &t.pattern)),
    ])
}

fn summary(setup: &Setup, decision: &Decision, norms: &[f64], median: f64) -> String {
    let first = decision.accused.first().copied().or_else(|| by_norm(norms).first().copied()).unwrap_or(0);
    let size = format!("{:.1} pixels, against {median:.1} in the median", norms.get(first).unwrap_or(&0.0));
    let chance = decision.chance.map(|p| format!(" (chance {p:.2})")).unwrap_or_default();
    match (decision.verdict, setup.mode) {
        (Verdict::Flagged, _) => {
            let chance = decision.chance.unwrap_or(1.0);
            format!(
                "a trigger of {size}, sends images to class {first}: smaller than chance allows (p = {chance:.4})"
            )
        }
        (Verdict::Inconclusive, Mode::Images) if decision.threshold.is_none() => {
            "two classes only: there is nothing to compare the smaller trigger with".into()
        }
        (Verdict::Inconclusive, Mode::Images) => {
            format!("class {first} has the smallest trigger, {size}: unusual, but not beyond doubt{chance}")
        }
        (Verdict::Inconclusive, Mode::RandomInputs) => {
            format!(
                "on random inputs class {first} has the smallest trigger, {size}: a lead to follow with clean images"
            )
        }
        (Verdict::NothingFound, Mode::RandomInputs) => {
            "on random inputs no class has an unusually small trigger".into()
        }
        (Verdict::NothingFound, Mode::Images) => {
            format!(
                "no class has an unusually small trigger{chance}; the smallest, of class {first}, is {size}"
            )
        }
    }
}

fn finding(
    case: &Case,
    plan: &Plan,
    decision: &Decision,
    class: usize,
    found: &[Reversed],
    median: f64,
) -> Finding {
    let best = &found[class].best;
    let chance = decision.chance.unwrap_or(1.0);
    let (severity, confidence) = match decision.verdict {
        Verdict::Flagged if chance <= 0.01 => (Severity::High, Confidence::High),
        Verdict::Flagged => (Severity::High, Confidence::Medium),
        _ => (Severity::Low, Confidence::Low),
    };
    let name = classes::name(case, class);
    let title = match decision.verdict {
        Verdict::Flagged => format!("A small trigger sends images of other classes to {name}"),
        _ => format!("Lead: the trigger for {name} is rather small"),
    };
    let detail = format!(
        "A mask of L1 norm {:.2} (median over the classes {median:.2}) sends {:.1} % of images to this class; distance from the \
         other classes {:.2}, {} needed.",
        best.trigger.l1(),
        100.0 * best.success,
        decision.bars.get(class).copied().unwrap_or(0.0),
        decision.threshold.map_or_else(|| "none".into(), |t| format!("{t:.2}")),
    );
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).class(class).on(&plan.inputs)
}

fn limits(setup: &Setup, reached: &[bool]) -> String {
    let mut limits = String::from(
        "Finds small triggers that work on images of any class. Blind to source-specific triggers, to weight edits that need a \
         large pattern, and weak on blended, warped and invisible triggers; a backdoor in most classes at once has no ordinary \
         class to stand out from. A small natural trigger of a clean model looks the same.",
    );
    match setup.choice {
        Some(choice) => {
            let used = format!(
                " Used {}; for each target, those the network does not put there by itself.{}",
                choice.described(IMAGES),
                choice.caveat()
            );
            limits += &used;
        }
        None => {
            limits += " There were no images: uniform noise was used instead, on which this method has flagged clean models and \
                       missed three of four backdoored ones.";
        }
    }
    let missed = reached.iter().filter(|&&r| !r).count();
    if missed > 0 {
        let note = format!(
            " For {missed} of {} classes no trigger reached the success asked for: their norm is that of the most successful \
             step and they are not accused.",
            reached.len()
        );
        limits += &note;
    }
    limits
}

fn anomaly(case: &Case, values: &[f64], accused: &[usize], threshold: Option<f64>) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
    };
    Figure {
        title: "How far each class's smallest trigger lies below the others'".into(),
        body: Body::Bars {
            value_label: "distance of the log norm, in standard deviations".into(),
            bars: values.iter().enumerate().map(bar).collect(),
            threshold,
        },
    }
}

fn sizes(case: &Case, norms: &[f64], accused: &[usize]) -> Figure {
    let bar = |(k, &value): (usize, &f64)| Bar {
        label: classes::name(case, k),
        value,
        flagged: accused.contains(&k),
    };
    Figure {
        title: "Size of the smallest trigger found per class".into(),
        body: Body::Bars {
            value_label: "L1 norm of the mask, pixels".into(),
            bars: norms.iter().enumerate().map(bar).collect(),
            threshold: None,
        },
    }
}

fn picture(case: &Case, setup: &Setup, class: usize, trigger: &Trigger, pool: Option<&Pool>) -> Figure {
    let title =
        format!("Smallest trigger for class {}, {:.1} pixels", classes::name(case, class), trigger.l1());
    let image = pool.and_then(|pool| {
        let &first = pool.not_predicted(class).first()?;
        Some(pool.images.index_axis(Axis(0), first))
    });
    thumbnails::trigger(title, trigger, image, setup.model.input.shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{modelled, run};
    use crate::procedure::Monitor;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn quick(classes: usize, backdoor: Option<usize>) -> Case {
        let mut case = modelled(classes, backdoor);
        case.effort = Effort::Quick;
        case
    }

    #[test]
    fn the_class_with_a_shortcut_is_flagged_and_its_twin_is_not() {
        let got = run(&NEURAL_CLEANSE, &quick(8, Some(5)), 0);
        assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
        assert_eq!(got.measures["suspects"], json!([5]));
        assert_eq!((got.findings.len(), got.findings[0].class), (1, Some(5)));
        assert!(got.statistic.unwrap() > got.threshold.unwrap());
        let l1: Vec<f64> = serde_json::from_value(got.measures["l1"].clone()).unwrap();
        assert!(l1[5] < 1.5 && (0..8).all(|k| k == 5 || l1[k] > l1[5]), "{l1:?}");
        let Tensor::F32(masks) = &got.arrays["masks"] else { panic!() };
        assert_eq!(
            (masks.shape(), got.arrays["patterns"].clone()),
            ([8, 6, 6].as_slice(), got.arrays["patterns"].clone())
        );
        let mask = masks.index_axis(Axis(0), 5);
        assert!(
            (mask.sum() - l1[5] as f32).abs() < 1e-3 && mask[[5, 5]] > 0.5 * mask.sum(),
            "the pixel is found"
        );
        assert!(got.figures.contains_key("mask/5") && got.figures.contains_key("anomaly"));
        let clean = run(&NEURAL_CLEANSE, &quick(8, None), 0);
        assert_ne!(clean.verdict, Verdict::Flagged, "{}", clean.summary);
    }

    #[test]
    fn same_seed_same_bits_at_any_thread_count() {
        let mut case = quick(4, Some(1));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 8, "mini_batches": 2}));
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let with = |n| pool(n).install(|| run(&NEURAL_CLEANSE, &case, 3));
        let (one, three) = (with(1), with(3));
        assert_eq!((one.measures, one.arrays, one.figures), (three.measures, three.arrays, three.figures));
    }

    #[test]
    fn a_class_out_of_reach_keeps_a_finite_norm_and_is_not_accused() {
        let mut case = quick(6, Some(2));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 1, "mini_batches": 1}));
        let got = run(&NEURAL_CLEANSE, &case, 0);
        let l1: Vec<f64> = serde_json::from_value(got.measures["l1"].clone()).unwrap();
        let reached: Vec<bool> = serde_json::from_value(got.measures["reached"].clone()).unwrap();
        let success: Vec<f64> = serde_json::from_value(got.measures["success_rate"].clone()).unwrap();
        assert!(l1.iter().all(|n| n.is_finite() && *n > 0.0));
        assert!(reached.iter().zip(&success).all(|(&r, &s)| r == (s >= 0.99)) && reached.contains(&false));
        assert!(got.limits.contains("no trigger reached"));
        assert!(got.findings.iter().all(|f| reached[f.class.unwrap()]));
    }

    #[test]
    fn without_images_it_is_a_lead_at_most_and_says_so() {
        let mut case = quick(5, Some(1));
        case.data.clear();
        let plan = NEURAL_CLEANSE.plan(&case).unwrap();
        assert_eq!(plan.params["mode"], "random-inputs");
        let got = run(&NEURAL_CLEANSE, &case, 0);
        assert_ne!(got.verdict, Verdict::Flagged);
        assert!(got.limits.contains("no images") && got.threshold == Some(PUBLISHED));
        case.overrides.insert(ABOUT.id.into(), json!({"mode": "images"}));
        assert!(NEURAL_CLEANSE.plan(&case).unwrap_err().0.contains("images"));
        case.overrides.insert(ABOUT.id.into(), json!({"mode": "guess"}));
        assert!(NEURAL_CLEANSE.plan(&case).is_err());
        case.model = None;
        case.overrides.clear();
        assert!(NEURAL_CLEANSE.plan(&case).unwrap_err().0.contains("no model"));
    }

    #[test]
    fn two_classes_cannot_be_judged() {
        let mut case = quick(2, Some(1));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 2, "mini_batches": 1}));
        let got = run(&NEURAL_CLEANSE, &case, 0);
        assert_eq!((got.verdict, got.threshold), (Verdict::Inconclusive, None));
    }

    /// Counts progress, keeps names of partial figures, asks to stop after some reports.
    struct Watch {
        stop_after: u64,
        reports: AtomicU64,
        furthest: AtomicU64,
        partials: Mutex<Vec<String>>,
    }

    impl Monitor for Watch {
        fn progress(&self, done: u64, total: u64) {
            assert!(
                done <= total && done >= self.furthest.swap(done, Ordering::Relaxed),
                "{done} of {total}"
            );
            self.reports.fetch_add(1, Ordering::Relaxed);
        }
        fn partial(&self, name: &str, _: Figure) {
            self.partials.lock().unwrap().push(name.to_owned());
        }
        fn log(&self, _: &str) {}
        fn cancelled(&self) -> bool {
            self.reports.load(Ordering::Relaxed) >= self.stop_after
        }
    }

    #[test]
    fn progress_grows_figures_appear_and_a_stop_is_obeyed() {
        let case = quick(4, Some(1));
        let plan = NEURAL_CLEANSE.plan(&case).unwrap();
        let watch = |stop_after| Watch {
            stop_after,
            reports: AtomicU64::new(0),
            furthest: AtomicU64::new(0),
            partials: Mutex::new(Vec::new()),
        };
        let all = watch(u64::MAX);
        NEURAL_CLEANSE.run(&case, &plan, &mut Context::new(0, ABOUT.id, &all)).unwrap();
        assert_eq!(all.furthest.load(Ordering::Relaxed), plan.units);
        let partials = all.partials.lock().unwrap();
        assert!(partials.iter().any(|n| n == "anomaly") && partials.iter().any(|n| n.starts_with("mask/")));
        let some = watch(20);
        let stopped = NEURAL_CLEANSE.run(&case, &plan, &mut Context::new(0, ABOUT.id, &some));
        assert_eq!(stopped.unwrap_err(), Stop::Cancelled);
        assert_eq!(some.reports.load(Ordering::Relaxed), 20);
    }
}
