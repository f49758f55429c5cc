//! Neural Cleanse (Wang et al. 2019): is there a class that a far smaller trigger reaches than the others?

mod decide;
mod look;
mod naive;
pub mod norm_outlier;
mod reference;
mod scheduled;
mod search;
#[cfg(test)]
mod tests;

use super::calibration;
use super::images::{Choice, Pool, Share};
use super::invert::{self, Budget};
use super::params::Params;
use crate::network::Model;
use crate::procedure::{About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop};
use search::{Best, Schedule};
use serde_json::{Value, json};

/// Neural Cleanse: scheduled by default, with the original's schedule on request.
pub static NEURAL_CLEANSE: NeuralCleanse = NeuralCleanse;

/// See [`NEURAL_CLEANSE`].
#[derive(Debug)]
pub struct NeuralCleanse;

static ABOUT: About = About {
    id: "neural-cleanse",
    title: "Neural Cleanse",
    phase: Phase::Detection,
    version: 2,
    question: "Is there a class that a far smaller trigger reaches than the other classes?",
    needs: "a model, and clean images (without any: random inputs, as a lead only)",
    reference: "Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao 2019, Neural Cleanse (IEEE S&P); Shen et al. 2021, K-Arm (ICML)",
    cost: Cost::High,
    after: &[],
    page: include_str!("page.md"),
};

/// Images used at most.
const IMAGES: usize = 1_000;
/// The published threshold on the published index.
const PUBLISHED: f64 = 2.0;
/// Classes in work at a time, whatever the number of cores.
const WAVE: usize = 8;
/// Steps between partial figures.
const PARTIAL: u64 = 5;
/// Cap on K·(C+1)·H·W, the values of all triggers.
const MOST_VALUES: usize = 1 << 28;

/// How triggers are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// All classes at once, a few images a step; classes that fall behind end early.
    Scheduled(invert::Settings, Budget, bool),
    /// The original's objective and schedule, class by class.
    Reference(Schedule),
    /// The seed documents' variant on random inputs.
    RandomInputs,
}

impl Mode {
    /// Gradients of images in a step of one class.
    fn images_of_a_step(&self) -> u64 {
        match self {
            Mode::Scheduled(settings, ..) => settings.batch as u64,
            Mode::Reference(schedule) => schedule.mini_batches * schedule.batch as u64,
            Mode::RandomInputs => naive::BATCH as u64,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Mode::Scheduled(..) => "scheduled",
            Mode::Reference(_) => "reference",
            Mode::RandomInputs => "random-inputs",
        }
    }
}

struct Setup<'a> {
    model: &'a Model,
    mode: Mode,
    /// `None` on random inputs.
    choice: Option<Choice<'a>>,
    quick: bool,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["mode", "steps", "mini_batches", "restarts", "twin"])?;
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
            (Some("scheduled") | None, Some(choice)) => {
                scheduled(case, &params, model, choice.count(IMAGES))?
            }
            (Some("reference"), Some(_)) => reference(case, &params)?,
            (None, None) | (Some("random-inputs"), _) => Mode::RandomInputs,
            (Some(mode @ ("scheduled" | "reference")), None) => {
                return Err(Skip(format!("no images for the mode '{mode}'")));
            }
            (Some(_), _) => {
                return Err(Skip(format!(
                    "parameter 'mode' of {} must be scheduled, reference or random-inputs",
                    ABOUT.id
                )));
            }
        };
        let choice = choice.filter(|_| mode != Mode::RandomInputs);
        Ok(Self { model, mode, choice, quick: case.effort == Effort::Quick })
    }

    fn loading(&self) -> u64 {
        self.choice.map_or(0, |c| c.units(IMAGES))
    }

    fn units(&self) -> u64 {
        let classes = self.model.class_count() as u64;
        let images = self.choice.map_or(0, |c| c.count(IMAGES));
        let search = match self.mode {
            Mode::Scheduled(_, budget, twin) => invert::units(self.model.class_count(), budget, images, twin),
            Mode::Reference(schedule) => schedule.steps * classes,
            Mode::RandomInputs => classes,
        };
        self.loading() + search
    }

    /// The calibration table's name for this mode and effort.
    fn key(&self) -> String {
        calibration::key(ABOUT.id, self.quick)
    }
}

fn scheduled(case: &Case, params: &Params, model: &Model, images: usize) -> Result<Mode, Skip> {
    let (steps, restarts, batch) = match case.effort {
        Effort::Quick => (40, 1, 5),
        Effort::Standard => (70, 2, 8),
        Effort::Thorough => (70, 6, 8),
    };
    let budget = Budget {
        steps: params.count("steps", steps, 4..=100_000)? as u32,
        restarts: params.count("restarts", restarts, 1..=100)? as u32,
    };
    let settings = invert::Settings::mask(if model.class_count() > calibration::MANY { 5 } else { batch });
    let wanted = params.count("twin", u64::from(case.effort != Effort::Quick), 0..=1)? == 1;
    Ok(Mode::Scheduled(settings, budget, wanted && invert::twin::applies(model, images)))
}

/// The original: 1,000 steps of 31 mini-batches.
fn reference(case: &Case, params: &Params) -> Result<Mode, Skip> {
    let (steps, mini_batches) = match case.effort {
        Effort::Quick => (60, 4),
        Effort::Standard => (100, 8),
        Effort::Thorough => (1_000, 31),
    };
    let steps = params.count("steps", steps, 1..=100_000)?;
    let mini_batches = params.count("mini_batches", mini_batches, 1..=10_000)?;
    Ok(Mode::Reference(Schedule::original(steps, mini_batches)))
}

/// The result for one class.
struct Reversed {
    best: Best,
    /// What classes are compared by: the geometric mean over the starts; of one start the norm itself.
    size: f64,
    /// Largest over smallest of the starts.
    spread: f64,
    /// Smallest and largest size of the starts; the same twice of one start.
    range: [f64; 2],
    /// −ln size, less what a clean twin explains.
    smallness: f64,
    reached: bool,
    steps: u64,
}

impl Reversed {
    /// Of a search from one start, without a twin.
    fn once(best: Best, reached: bool, steps: u64) -> Self {
        let smallness = -best.l1.max(norm_outlier::FLOOR).ln();
        Self { size: best.l1, spread: 1.0, range: [best.l1; 2], smallness, best, reached, steps }
    }
}

impl Procedure for NeuralCleanse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let mut params = match setup.mode {
            Mode::Scheduled(s, b, twin) => json!({
                "twin": twin,
                "steps": b.steps, "restarts": b.restarts, "batch": s.batch, "success": s.success,
                "first_weight": s.first_weight, "learning_rate": s.rate, "betas": [0.5, 0.9],
                "flagged_at": calibration::FLAGGED, "doubt": calibration::DOUBT,
            }),
            Mode::Reference(s) => json!({
                "steps": s.steps, "mini_batches": s.mini_batches, "batch": s.batch, "success": s.success,
                "first_cost": s.first_cost, "cost_up": s.up, "cost_down": s.down, "patience": s.patience,
                "idle_steps": s.idle, "learning_rate": 0.1, "betas": [0.5, 0.9], "error": decide::ERROR,
                "doubt": decide::DOUBT,
            }),
            Mode::RandomInputs => json!({
                "steps": naive::STEPS, "batch": naive::BATCH, "learning_rate": 0.01, "cost": 0.01, "loss_below": 0.1,
                "index_above": PUBLISHED,
            }),
        };
        params["mode"] = Value::from(setup.mode.name());
        if let Some(choice) = setup.choice {
            params["images"] = Value::from(choice.count(IMAGES));
            params["role"] = Value::from(choice.data.role.name());
        }
        let model = case.model_item().map(|item| item.id.clone());
        let inputs = model.into_iter().chain(setup.choice.map(|c| c.data.item.clone())).collect();
        Ok(Plan { params, units: setup.units(), inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let pool = match setup.choice {
            Some(choice) => Some(Pool::load(case, choice, IMAGES, cx, 0, plan.units)?),
            None => None,
        };
        let found = match (setup.mode, &pool) {
            (Mode::Scheduled(settings, budget, twin), Some(pool)) => {
                scheduled::search(case, &setup, &settings, (budget, twin), pool, plan.units, cx)?
            }
            (Mode::Reference(schedule), Some(pool)) => {
                reference::search(case, &setup, schedule, pool, plan.units, cx)?
            }
            _ => reference::random(&setup, plan.units, cx)?,
        };
        cx.step(plan.units, plan.units)?;
        Ok(look::outcome(case, &setup, plan, &found, pool.as_ref(), cx))
    }
}

/// Classes by norm, smallest first.
fn by_norm(norms: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..norms.len()).collect();
    order.sort_by(|&a, &b| norms[a].total_cmp(&norms[b]).then(a.cmp(&b)));
    order
}
