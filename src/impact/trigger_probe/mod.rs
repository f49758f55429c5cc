//! What the recovered trigger, or one of the responder's own, does to images it was not made with: against no trigger, against
//! random ones and against itself shuffled.

mod control;
mod look;
#[cfg(test)]
mod tests;

use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::network::Model;
use crate::procedure::{About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop};
use crate::recover::best::{self, best};
use crate::recover::given::{self, Given};
use crate::recover::stamping::{Stamp, share};
use serde_json::{Value, json};

/// The trigger probe of the seed documents, with an interval and controls.
pub static TRIGGER_PROBE: TriggerProbe = TriggerProbe;

/// See [`TRIGGER_PROBE`].
#[derive(Debug)]
pub struct TriggerProbe;

/// Its id.
pub const ID: &str = "trigger-probe";

static ABOUT: About = About {
    id: "trigger-probe",
    title: "Trigger probe",
    phase: Phase::Impact,
    version: 2,
    question: "How often does the trigger work on images it was not made with, and would any pattern of its size?",
    needs: "a model, clean images, and a recovered trigger or one of your own (parameters)",
    reference: "the seed documents of this program; Wilson 1927 for the interval",
    cost: Cost::Low,
    after: &best::AFTER,
    page: include_str!("page.md"),
};

/// Images used at most.
const IMAGES: usize = 2_000;
/// The rule: success − baseline above it.
const RISE: f64 = 0.5;
const CONFIDENCE: f64 = 0.95;

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    stamp: Stamp,
    target: usize,
    /// Whether detection had flagged the class.
    flagged: bool,
    /// Which procedure gave the trigger, or what the responder gave.
    from: Value,
    controls: u64,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ID, &["controls", "patch", "mask", "pattern", "target"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let shape = model.input.shape;
        let wrong = |why: String| Skip(format!("the trigger given for {ID}: {why}"));
        let own: Option<Given> = match (params.text("patch")?, params.text("mask")?) {
            (Some(_), Some(_)) => return Err(wrong("set 'patch' or 'mask', not both".into())),
            (Some(line), None) => Some(given::line(line, shape).map_err(wrong)?),
            (None, Some(mask)) => {
                Some(given::files(case, mask, params.text("pattern")?, shape).map_err(wrong)?)
            }
            (None, None) => None,
        };
        let recovered = best(case, shape);
        let last = model.class_count().saturating_sub(1) as u64;
        let asked = params.count("target", u64::MAX, 0..=last)?;
        let asked = (asked <= last).then_some(asked as usize);
        let target = asked.or(recovered.as_ref().map(|b| b.target));
        let Some(target) = target else {
            let why = if own.is_some() { "set 'target', the class it should lead to" } else { "" };
            return Err(Skip(if why.is_empty() {
                "refine-trigger has given no trigger to probe with, nor has sample-recovery".into()
            } else {
                format!("the trigger given for {ID}: {why}")
            }));
        };
        let accused = recovered.as_ref().is_some_and(|b| b.flagged && b.target == target);
        let (stamp, from) = match (own, recovered) {
            (Some(own), _) => (own.stamp, own.record),
            (None, Some(best)) => (best.stamp, json!(best.from)),
            (None, None) => {
                return Err(Skip(
                    "refine-trigger has given no trigger to probe with, nor has sample-recovery".into(),
                ));
            }
        };
        let choice = Choice::of(case, Share::Held)?.ok_or_else(|| {
            Skip("no images to probe with: add clean ones with the role 'clean' or 'test'".into())
        })?;
        let controls = match case.effort {
            Effort::Quick => 5,
            Effort::Standard => 10,
            Effort::Thorough => 40,
        };
        let controls = params.count("controls", controls, 1..=1_000)?;
        Ok(Self { model, choice, stamp, target, flagged: accused, from, controls })
    }

    fn units(&self) -> u64 {
        self.choice.units(IMAGES) + 1 + 2 * self.controls
    }
}

/// Counts over the images that are not of the target class.
struct Seen {
    /// Classes of the images: labels, or what the network says of them unstamped.
    source: Vec<usize>,
    /// Predictions without the trigger.
    before: Vec<usize>,
    /// Predictions with it.
    after: Vec<usize>,
    /// Success of each random control.
    controls: Vec<f64>,
    /// Success of each shuffled control.
    shuffled: Vec<f64>,
    /// Share of all images predicted as labelled, without a trigger.
    accuracy: Option<f64>,
    labelled: bool,
}

impl Procedure for TriggerProbe {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        Ok(Plan {
            params: json!({
                "target": setup.target, "trigger": setup.from, "form": setup.stamp.form(),
                "images": setup.choice.count(IMAGES), "role": setup.choice.data.role.name(),
                "controls": setup.controls, "rise_above": RISE, "confidence": CONFIDENCE,
            }),
            units: setup.units(),
            inputs: setup.choice.inputs(case),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let labelled = !pool.labels.is_empty();
        let source = if labelled { &pool.labels } else { &pool.predicted };
        let which: Vec<usize> = (0..source.len()).filter(|&i| source[i] != setup.target).collect();
        if which.is_empty() {
            return Err(Stop::failed(format!("there is no image of a class other than {}", setup.target)));
        }
        let mut done = setup.choice.units(IMAGES);
        cx.step(done, plan.units)?;
        let after = setup.stamp.predictions(setup.model, &pool.images, &which, &|| cx.check())?;
        let shape = setup.model.input.shape;
        let (mut controls, mut shuffled) = (Vec::new(), Vec::new());
        for draw in 0..setup.controls {
            for (name, make, rates) in [
                ("control", control::elsewhere as control::Make, &mut controls),
                ("shuffled", control::shuffled as control::Make, &mut shuffled),
            ] {
                done += 1;
                cx.step(done, plan.units)?;
                let control = make(&setup.stamp, shape, &mut cx.rng(&format!("{name}{draw}")));
                let hits = control.predictions(setup.model, &pool.images, &which, &|| cx.check())?;
                rates.push(share(&hits, setup.target));
            }
        }
        cx.step(plan.units, plan.units)?;
        let seen = Seen {
            source: which.iter().map(|&i| source[i]).collect(),
            before: which.iter().map(|&i| pool.predicted[i]).collect(),
            after,
            controls,
            shuffled,
            accuracy: pool.accuracy(),
            labelled,
        };
        Ok(look::outcome(case, &setup, plan, &seen))
    }
}
