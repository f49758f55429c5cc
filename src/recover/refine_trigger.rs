//! Refining the trigger that detection found, on clean images: what does it look like when optimised with patience?

use super::candidate::{self, Candidate, SOURCE};
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::detect::stamp::{Trigger, pull};
use crate::detect::{classes, thumbnails};
use crate::figure::{Body, Figure, Series};
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::{logit, sigmoid};
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Tensor, Verdict, number, numbers,
};
use ndarray::{ArrayD, Axis, IxDyn};
use rand::seq::SliceRandom;
use serde_json::json;
use std::collections::BTreeMap;

/// Trigger refinement as the seed documents define it.
pub static REFINE_TRIGGER: RefineTrigger = RefineTrigger;

/// See [`REFINE_TRIGGER`].
#[derive(Debug)]
pub struct RefineTrigger;

static ABOUT: About = About {
    id: "refine-trigger",
    title: "Trigger refinement",
    phase: Phase::Recovery,
    version: 1,
    question: "What does the trigger of the suspect class look like?",
    needs: "a model, clean images, and a candidate class from Neural Cleanse",
    reference: "the seed documents of this program; objective of Wang et al. 2019",
    cost: Cost::Medium,
    after: &[SOURCE],
    page: include_str!("refine_trigger.md"),
};

/// Images used at most.
const IMAGES: usize = 1_000;
const BATCH: usize = 32;
/// Weight of the mask's L1.
const COST: f32 = 0.005;
const RATE: f32 = 0.005;
/// Mask values are brought this far inside 0..1 before the logit, so that a saturated pixel can still move.
const MARGIN: f32 = 1e-3;
/// Success the recovered trigger must exceed (see the page).
const SUCCESS: f64 = 0.5;
/// Epochs between partial figures.
const PARTIAL: u64 = 10;

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    candidate: Candidate,
    start: Trigger,
    epochs: u64,
    batches: u64,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["target", "epochs", "mini_batches"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let candidate = Candidate::of(case, &params)?;
        let choice = Choice::of(case, Share::Work)?.ok_or_else(|| {
            Skip("no images to refine a trigger on: add clean ones with the role 'clean' or 'test'".into())
        })?;
        let start =
            candidate::trigger(case, SOURCE, Some(candidate.class), model.input.shape).ok_or_else(|| {
                Skip(format!("the masks of {SOURCE} are not at hand, or are of another network"))
            })?;
        // An epoch of the original is a pass over the validation data.
        let whole = choice.count(IMAGES).div_ceil(BATCH).max(1) as u64;
        let (epochs, batches) = match case.effort {
            Effort::Quick => (100, whole.min(2)),
            Effort::Standard => (200, whole.min(4)),
            Effort::Thorough => (200, whole),
        };
        let epochs = params.count("epochs", epochs, 1..=10_000)?;
        let batches = params.count("mini_batches", batches, 1..=10_000)?;
        Ok(Self { model, choice, candidate, start, epochs, batches })
    }

    fn units(&self) -> u64 {
        self.choice.units(IMAGES) + self.epochs + 1
    }
}

/// Course of the optimisation, a value per epoch.
#[derive(Debug, Default)]
struct History {
    loss: Vec<f64>,
    success: Vec<f64>,
    l1: Vec<f64>,
}

impl Procedure for RefineTrigger {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let model = case.model_item().map(|item| item.id.clone());
        Ok(Plan {
            params: json!({
                "target": setup.candidate.class, "candidate": if setup.candidate.flagged { "flagged" } else { "lead" },
                "epochs": setup.epochs, "mini_batches": setup.batches, "batch": BATCH, "learning_rate": 0.005, "cost": 0.005,
                "images": setup.choice.count(IMAGES), "role": setup.choice.data.role.name(),
            }),
            units: setup.units(),
            inputs: model.into_iter().chain([setup.choice.data.item.clone()]).collect(),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let target = setup.candidate.class;
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let which = pool.not_predicted(target);
        if which.is_empty() {
            return Err(Stop::failed(format!(
                "the network puts every image in class {target} without a trigger"
            )));
        }
        let (trigger, history) = refine(case, &setup, &pool, &which, plan.units, cx)?;
        let predicted = trigger.predictions(setup.model, &pool.images, &which, &|| cx.check())?;
        let hits = predicted.iter().filter(|&&p| p == target).count();
        cx.step(plan.units, plan.units)?;
        let success = hits as f64 / which.len() as f64;
        Ok(outcome(case, &setup, plan, &pool, &Recovered { trigger, history, success, images: which.len() }))
    }
}

fn refine(
    case: &Case,
    setup: &Setup,
    pool: &Pool,
    which: &[usize],
    total: u64,
    cx: &mut Context,
) -> Result<(Trigger, History), Stop> {
    let pixels = setup.start.mask.len();
    let mut raw: Vec<f32> = setup.start.mask.iter().map(|&m| logit(m, MARGIN)).collect();
    raw.extend_from_slice(&setup.start.pattern);
    let current = |raw: &[f32]| Trigger {
        mask: raw[..pixels].iter().map(|&x| sigmoid(x)).collect(),
        pattern: raw[pixels..].to_vec(),
    };
    let mut adam = Adam::new(raw.len(), AdamSettings { rate: RATE, betas: (0.9, 0.999), epsilon: 1e-8 });
    let mut rng = cx.rng("batches");
    let mut history = History::default();
    let mut order = which.to_vec();
    let mut at = order.len();
    for epoch in 0..setup.epochs {
        cx.step(setup.choice.units(IMAGES) + epoch, total)?;
        let (mut loss, mut success, mut l1) = (0.0, 0.0, 0.0);
        for _ in 0..setup.batches {
            if at >= order.len() {
                order.shuffle(&mut rng);
                at = 0;
            }
            let batch = &order[at..(at + BATCH).min(order.len())];
            at += BATCH;
            let trigger = current(&raw);
            let pull =
                pull(setup.model, &trigger, &pool.images, batch, setup.candidate.class, &|| cx.check())?;
            let norm = trigger.l1();
            loss += pull.loss + f64::from(COST) * norm;
            success += pull.success;
            l1 += norm;
            let mask = pull.mask.iter().zip(&trigger.mask).map(|(g, &m)| (g + COST) * m * (1.0 - m));
            let gradient: Vec<f32> = mask.chain(pull.pattern.iter().copied()).collect();
            adam.step(&mut raw, &gradient);
            raw[pixels..].iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
        }
        let n = setup.batches as f64;
        history.loss.push(loss / n);
        history.success.push(success / n);
        history.l1.push(l1 / n);
        if epoch % PARTIAL == PARTIAL - 1 {
            cx.partial("history", curves(&history));
            cx.partial("trigger", picture(case, setup, pool, &current(&raw)));
        }
    }
    Ok((current(&raw), history))
}

struct Recovered {
    trigger: Trigger,
    history: History,
    success: f64,
    images: usize,
}

fn outcome(case: &Case, setup: &Setup, plan: &Plan, pool: &Pool, found: &Recovered) -> Outcome {
    let [c, h, w] = setup.model.input.shape;
    let Recovered { trigger, history, success, images } = found;
    let (class, flagged) = (setup.candidate.class, setup.candidate.flagged);
    let (name, l1) = (classes::name(case, class), trigger.l1());
    let verdict = match (*success > SUCCESS, flagged) {
        (true, true) => Verdict::Flagged,
        (true, false) => Verdict::Inconclusive,
        (false, _) => Verdict::NothingFound,
    };
    let summary = match verdict {
        Verdict::Flagged => format!(
            "a trigger of {l1:.1} pixels sends {:.1} % of {images} images to class {name}",
            100.0 * success
        ),
        Verdict::Inconclusive => format!(
            "a trigger of {l1:.1} pixels sends {:.1} % of {images} images to class {name}, but detection did not flag the class: \
             clean networks have such triggers too",
            100.0 * success
        ),
        Verdict::NothingFound => {
            format!(
                "the trigger for class {name} lost its effect on refinement: {:.1} % of {images} images",
                100.0 * success
            )
        }
    };
    let array = |shape: &[usize], values: &[f32]| {
        Tensor::F32(
            ArrayD::from_shape_vec(IxDyn(shape), values.to_vec())
                .unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape))),
        )
    };
    let findings = if verdict == Verdict::Flagged {
        let title =
            format!("Trigger for class {name} recovered: {l1:.1} pixels, {:.1} % success", 100.0 * success);
        let detail = format!(
            "Refined on {}; success is over {images} images that the network does not put in the class by itself.",
            setup.choice.described(IMAGES)
        );
        vec![
            Finding::new(Concern::Backdoor, Severity::High, Confidence::Medium, title, detail)
                .class(class)
                .on(&plan.inputs),
        ]
    } else {
        Vec::new()
    };
    Outcome {
        verdict,
        summary,
        statistic: Some(*success),
        threshold: Some(SUCCESS),
        threshold_origin: "the seed documents' probe rule, success − baseline above 0.5; the baseline of these images is 0 by choice".into(),
        findings,
        measures: BTreeMap::from([
            ("target".to_owned(), json!(class)),
            ("l1".to_owned(), number(l1)),
            ("success_rate".to_owned(), number(*success)),
            ("history".to_owned(), numbers(&history.success)),
            ("history_loss".to_owned(), numbers(&history.loss)),
            ("history_l1".to_owned(), numbers(&history.l1)),
            ("start_l1".to_owned(), number(setup.start.l1())),
            ("images".to_owned(), json!(images)),
        ]),
        arrays: BTreeMap::from([
            ("mask".to_owned(), array(&[h, w], &trigger.mask)),
            ("pattern".to_owned(), array(&[c, h, w], &trigger.pattern)),
        ]),
        figures: BTreeMap::from([
            ("trigger".to_owned(), picture(case, setup, pool, trigger)),
            ("history".to_owned(), curves(history)),
        ]),
        limits: format!(
            "One trigger of a single shape for all images; the true one may look different, lie elsewhere, or depend on the image. \
             Success is on the images it was refined on ({}); trigger-probe judges it on others.{}",
            setup.choice.described(IMAGES),
            setup.choice.caveat()
        ),
    }
}

fn picture(case: &Case, setup: &Setup, pool: &Pool, trigger: &Trigger) -> Figure {
    let class = setup.candidate.class;
    let title =
        format!("Refined trigger for class {}, {:.1} pixels", classes::name(case, class), trigger.l1());
    let image = pool.not_predicted(class).first().map(|&i| pool.images.index_axis(Axis(0), i));
    thumbnails::trigger(title, trigger, image, setup.model.input.shape)
}

/// Loss, success and L1, each against its own largest value, so that they fit one axis.
fn curves(history: &History) -> Figure {
    let curve = |name: &str, values: &[f64]| {
        let top = values.iter().copied().fold(0.0, f64::max);
        let scale = if top > 0.0 { 1.0 / top } else { 1.0 };
        Series {
            name: format!("{name} (1 = {top:.3})"),
            points: values.iter().enumerate().map(|(i, v)| [(i + 1) as f64, v * scale]).collect(),
        }
    };
    let success = history.success.iter().enumerate().map(|(i, v)| [(i + 1) as f64, *v]).collect();
    Figure {
        title: "Course of the refinement".into(),
        body: Body::Lines {
            x_label: "epoch".into(),
            y_label: "share, or part of the largest value".into(),
            series: vec![
                Series { name: "success".into(), points: success },
                curve("loss", &history.loss),
                curve("mask L1, pixels", &history.l1),
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{modelled, remember, run};
    use crate::detect::neural_cleanse::NEURAL_CLEANSE;

    fn detected(backdoor: Option<usize>) -> Case {
        let mut case = modelled(8, backdoor);
        case.effort = Effort::Quick;
        let found = run(&NEURAL_CLEANSE, &case, 0);
        remember(&mut case, SOURCE, &found);
        case
    }

    #[test]
    fn the_flagged_trigger_is_refined_and_a_lead_stays_a_lead() {
        let mut case = detected(Some(5));
        let got = run(&REFINE_TRIGGER, &case, 0);
        assert_eq!((got.verdict, &got.measures["target"]), (Verdict::Flagged, &json!(5)), "{}", got.summary);
        assert!(got.statistic.unwrap() > 0.9);
        let history: Vec<f64> = serde_json::from_value(got.measures["history"].clone()).unwrap();
        assert_eq!(history.len(), 100);
        let Tensor::F32(mask) = &got.arrays["mask"] else { panic!() };
        let Tensor::F32(pattern) = &got.arrays["pattern"] else { panic!() };
        assert_eq!((mask.shape(), pattern.shape()), ([6, 6].as_slice(), [1, 6, 6].as_slice()));
        assert!(pattern.iter().chain(mask.iter()).all(|v| (0.0..=1.0).contains(v)));
        assert!((f64::from(mask.sum()) - got.measures["l1"].as_f64().unwrap()).abs() < 1e-3);
        assert!(got.figures.contains_key("trigger") && got.figures.contains_key("history"));

        case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::Inconclusive;
        let lead = run(&REFINE_TRIGGER, &case, 0);
        assert_eq!((lead.verdict, lead.findings.len()), (Verdict::Inconclusive, 0));
        assert_eq!(lead.arrays, got.arrays, "same seed, same bits");
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut case = modelled(4, None);
        assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("neural-cleanse"));
        case = detected(Some(5));
        case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::NothingFound;
        assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("no candidate"));
        case.overrides.insert(ABOUT.id.into(), json!({"target": 3}));
        let plan = REFINE_TRIGGER.plan(&case).unwrap();
        assert_eq!((&plan.params["target"], &plan.params["candidate"]), (&json!(3), &json!("lead")));
        case.overrides.insert(ABOUT.id.into(), json!({"target": 8}));
        assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("target"));
        case.overrides.clear();
        case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::Flagged;
        case.earlier.arrays.clear();
        assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("masks"));
    }
}
