//! Refining the trigger that detection found, on clean images: what does it look like when optimised with patience?

mod constrained;
mod look;
mod reference;
#[cfg(test)]
mod tests;

use super::candidate::{Candidate, SOURCE, SQUARES};
use super::{sample_recovery, stamping};
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::detect::stamp::Trigger;
use crate::network::Model;
use crate::procedure::{About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop};
use rand::seq::SliceRandom;
use serde_json::{Value, json};

/// Trigger refinement.
pub static REFINE_TRIGGER: RefineTrigger = RefineTrigger;

/// See [`REFINE_TRIGGER`].
#[derive(Debug)]
pub struct RefineTrigger;

/// Its id.
pub const ID: &str = "refine-trigger";

static ABOUT: About = About {
    id: "refine-trigger",
    title: "Trigger refinement",
    phase: Phase::Recovery,
    version: 3,
    question: "What does the trigger of the suspect class look like?",
    needs: "a model, clean images, and a candidate class: from Neural Cleanse, listed samples, or all detectors together",
    reference: "objective of Wang et al. 2019; mode 'reference': the seed documents of this program",
    cost: Cost::Medium,
    after: &[SOURCE, SQUARES, "common-patch", "model-verdict", sample_recovery::ID],
    page: include_str!("page.md"),
};

/// Images used at most.
const IMAGES: usize = 1_000;
const BATCH: usize = 32;
/// Success the recovered trigger must exceed (see the page).
const SUCCESS: f64 = 0.5;
/// A trigger read from samples is taken when it works this well against the optimised one.
const NEARLY: f64 = 0.9;

/// How the trigger is refined.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// The smallest trigger at a success asked for, brought to a minimal support.
    Constrained(constrained::Settings),
    /// The seed documents' procedure.
    Reference { epochs: u64, batches: u64 },
}

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    candidate: Candidate,
    mode: Mode,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let known =
            ["target", "mode", "epochs", "mini_batches", "steps", "restarts", "goal", "channel_masks"];
        let params = Params::of(case, ID, &known)?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let candidate = Candidate::of(case, &params, model.input.shape)?;
        let choice = Choice::of(case, Share::Work)?.ok_or_else(|| {
            Skip("no images to refine a trigger on: add clean ones with the role 'clean' or 'test'".into())
        })?;
        let mode = match params.text("mode")?.unwrap_or("constrained") {
            "constrained" => {
                let (steps, restarts) = match case.effort {
                    Effort::Quick => (60, 1),
                    Effort::Standard => (120, 2),
                    Effort::Thorough => (300, 4),
                };
                Mode::Constrained(constrained::Settings {
                    steps: params.count("steps", steps, 1..=10_000)?,
                    restarts: params.count("restarts", restarts, 1..=100)?,
                    goal: params.number("goal", 0.97, 0.05..=1.0)?,
                    channel_masks: params.count("channel_masks", 0, 0..=1)? == 1,
                })
            }
            "reference" => {
                // An epoch of the original is a pass over the validation data.
                let whole = choice.count(IMAGES).div_ceil(BATCH).max(1) as u64;
                let (epochs, batches) = match case.effort {
                    Effort::Quick => (100, whole.min(2)),
                    Effort::Standard => (200, whole.min(4)),
                    Effort::Thorough => (200, whole),
                };
                Mode::Reference {
                    epochs: params.count("epochs", epochs, 1..=10_000)?,
                    batches: params.count("mini_batches", batches, 1..=10_000)?,
                }
            }
            other => {
                let other = crate::evidence::text::visible(other);
                return Err(Skip(format!("{ID} has no mode '{other}'; it has: constrained, reference")));
            }
        };
        Ok(Self { model, choice, candidate, mode })
    }

    fn units(&self) -> u64 {
        let work = match self.mode {
            Mode::Constrained(s) => s.units(),
            Mode::Reference { epochs, .. } => epochs,
        };
        self.choice.units(IMAGES) + work + 1
    }

    fn params(&self) -> Value {
        let starts: Vec<&str> = self.candidate.starts.iter().map(|s| s.from).collect();
        let mut params = json!({
            "target": self.candidate.class, "candidate": if self.candidate.flagged { "flagged" } else { "lead" },
            "named_by": self.candidate.by, "source": self.candidate.source, "starts": starts, "batch": BATCH,
            "images": self.choice.count(IMAGES), "role": self.choice.data.role.name(),
        });
        let own = match self.mode {
            Mode::Constrained(s) => json!({
                "mode": "constrained", "steps": s.steps, "restarts": s.restarts, "goal": s.goal,
                "channel_masks": s.channel_masks, "learning_rate": constrained::RATE,
            }),
            Mode::Reference { epochs, batches } => json!({
                "mode": "reference", "epochs": epochs, "mini_batches": batches, "learning_rate": 0.005, "cost": 0.005,
            }),
        };
        if let (Value::Object(all), Value::Object(own)) = (&mut params, own) {
            all.extend(own);
        }
        params
    }
}

/// Course of the optimisation, a value per epoch or step.
#[derive(Debug, Default, Clone)]
struct History {
    loss: Vec<f64>,
    success: Vec<f64>,
    l1: Vec<f64>,
}

/// What a search came to.
#[derive(Debug, Clone)]
struct Found {
    trigger: Trigger,
    /// Before it was brought to a minimal support; the same where it was not.
    soft: Trigger,
    history: History,
    /// Where it started.
    from: String,
}

/// What is reported.
struct Recovered {
    found: Found,
    /// Over all images used.
    success: f64,
    images: usize,
    /// The smallest trigger that optimisation found, with its success, when another is reported.
    smallest: Option<(Trigger, f64)>,
}

impl Procedure for RefineTrigger {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        Ok(Plan { params: setup.params(), units: setup.units(), inputs: setup.choice.inputs(case) })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let target = setup.candidate.class;
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let which = pool.not_predicted(target);
        let which = sample_recovery::from_source(which, &pool.labels, setup.candidate.source);
        if which.is_empty() {
            return Err(Stop::failed(format!(
                "the network puts every image in class {target} without a trigger"
            )));
        }
        let mut order = which.clone();
        order.shuffle(&mut cx.rng("images/order"));
        let work =
            Work { case, setup: &setup, pool: &pool, order: &order, from: setup.choice.units(IMAGES), plan };
        let found = match setup.mode {
            Mode::Constrained(settings) => constrained::refine(&work, settings, cx)?,
            Mode::Reference { epochs, batches } => reference::refine(&work, epochs, batches, cx)?,
        };
        let success = |trigger: &Trigger, cx: &Context| {
            let predicted = trigger.predictions(setup.model, &pool.images, &which, &|| cx.check())?;
            Ok::<f64, Stop>(stamping::share(&predicted, target))
        };
        let own = success(&found.trigger, cx)?;
        // What samples bear is the trigger itself; an optimiser only finds what suffices.
        let sampled = setup.candidate.starts.iter().find(|s| s.sampled);
        let mut recovered = Recovered { success: own, images: which.len(), found, smallest: None };
        if let (Some(start), Mode::Constrained(_)) = (sampled, setup.mode) {
            let read = success(&start.trigger, cx)?;
            if read > SUCCESS && read >= NEARLY * own {
                let smallest = Some((recovered.found.trigger.clone(), own));
                let from = format!("{}, as read from samples", start.from);
                let (trigger, soft) = (start.trigger.clone(), start.trigger.clone());
                let found = Found { trigger, soft, history: recovered.found.history, from };
                recovered = Recovered { found, success: read, images: which.len(), smallest };
            }
        }
        cx.step(plan.units, plan.units)?;
        Ok(look::outcome(case, &setup, plan, &pool, &recovered))
    }
}

/// What a search works with.
struct Work<'a> {
    case: &'a Case,
    setup: &'a Setup<'a>,
    pool: &'a Pool,
    /// Images that the network does not put in the class by itself, shuffled.
    order: &'a [usize],
    /// Units done before the search.
    from: u64,
    plan: &'a Plan,
}
