//! Planning and running a sweep.

use super::{Decision, Place, Sweep, look};
use crate::detect::calibration;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::invert::{self, Arm, Budget, Compared, Settings, gap};
use crate::detect::params::Params;
use crate::network::Model;
use crate::procedure::{About, Case, Context, Effort, Outcome, Plan, Procedure, Skip, Stop};
use ndarray::Array4;
use serde_json::json;

/// Images used at most.
const IMAGES: usize = 1_000;
/// Images of an arm's step, with up to so many classes and above.
const BATCH: [usize; 2] = [8, 5];
/// Steps between partial figures.
const PARTIAL: u64 = 5;
/// The middle values are scaled so that their mean norm is this.
const NORM: f32 = 10.0;
/// Cap on the middle values of all images together (1 GiB of f32).
const MOST_VALUES: usize = 1 << 28;

pub(super) struct Setup<'a> {
    pub(super) model: &'a Model,
    choice: Choice<'a>,
    cut: Option<String>,
    settings: Settings,
    budget: Budget,
    images: usize,
    twin: bool,
}

impl<'a> Setup<'a> {
    pub(super) fn of(sweep: &Sweep, case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, sweep.about.id, &["steps", "restarts", "twin"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let classes = model.class_count();
        if classes < 3 {
            return Err(Skip("fewer than three classes: there is nothing to compare".into()));
        }
        if case.effort == Effort::Quick && !params.any() {
            return Err(Skip("not at quick effort: it is an optimisation per class".into()));
        }
        let choice = Choice::of(case, Share::Work)?
            .ok_or_else(|| Skip("no images: add some with the role 'clean' (--data)".into()))?;
        let mut images = IMAGES;
        let cut = match sweep.place {
            Place::Image => None,
            Place::Middle => {
                let cut = middle(model).ok_or_else(|| {
                    Skip("the network cannot be cut halfway: no layer that everything passes through".into())
                })?;
                images = images.min((MOST_VALUES / cut.1.max(1)).max(1));
                Some(cut.0)
            }
        };
        let restarts = if case.effort == Effort::Thorough { 4 } else { 2 };
        let steps = params.count("steps", sweep.steps.into(), 4..=10_000)? as u32;
        let restarts = params.count("restarts", restarts, 1..=100)? as u32;
        let settings = Settings {
            form: sweep.form,
            batch: BATCH[usize::from(classes > calibration::MANY)],
            rate: sweep.rate,
            first_weight: sweep.first_weight,
            success: 0.9,
        };
        let wanted = params.count("twin", 1, 0..=1)? == 1;
        let twin = wanted && cut.is_none() && invert::twin::applies(model, choice.count(images));
        Ok(Self { model, choice, cut, settings, budget: Budget { steps, restarts }, images, twin })
    }

    fn units(&self) -> u64 {
        let images = self.choice.count(self.images);
        self.choice.units(self.images)
            + invert::units(self.model.class_count(), self.budget, images, self.twin)
    }
}

/// The cut of three axes that is halfway in the order of execution, and its numbers per image.
fn middle(model: &Model) -> Option<(String, usize)> {
    let cuts: Vec<_> = model.cuts().into_iter().filter(|c| c.shape.len() == 3).collect();
    let cut = cuts.get(cuts.len() / 2)?;
    Some((cut.name.clone(), cut.shape.iter().product()))
}

impl Procedure for Sweep {
    fn about(&self) -> &'static About {
        // Every sweep is a static of this module.
        [&super::UNIVERSAL_PERTURBATION, &super::FEATURE_PERTURBATION, &super::WARP_SEARCH]
            .into_iter()
            .find(|s| s.about.id == self.about.id)
            .map_or(&super::UNIVERSAL_PERTURBATION.about, |s| &s.about)
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(self, case)?;
        let s = setup.settings;
        let params = json!({
            "images": setup.choice.count(setup.images), "role": setup.choice.data.role.name(), "layer": setup.cut,
            "steps": setup.budget.steps, "restarts": setup.budget.restarts, "batch": s.batch, "learning_rate": s.rate,
            "first_weight": s.first_weight, "twin": setup.twin, "success": s.success, "flagged_at": calibration::FLAGGED,
            "doubt": calibration::DOUBT,
        });
        Ok(Plan { params, units: setup.units(), inputs: setup.choice.inputs(case) })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(self, case).map_err(Stop::failed)?;
        let loading = setup.choice.units(setup.images);
        let pool = Pool::load(case, setup.choice, setup.images, cx, 0, plan.units)?;
        let mut told = 0;
        let mut tell = |done: u64, arms: &[Arm], cx: &mut Context| {
            cx.step(loading + done, plan.units)?;
            told += 1;
            if told % PARTIAL == 0 && !arms.is_empty() {
                let sizes: Vec<f64> = arms.iter().map(Arm::size).collect();
                cx.partial(
                    "sizes",
                    look::bars(self, case, &gap::smallness(sizes, self.floor), &[], &[], None),
                );
            }
            Ok(())
        };
        let aims = invert::every_class(setup.model, &pool);
        let compared = match &setup.cut {
            None => {
                let by = (self.floor, setup.twin);
                let how = (&setup.settings, setup.budget);
                invert::compare(setup.model, &pool, &aims, how, by, cx, &mut tell)?
            }
            Some(cut) => {
                let tail = setup.model.tail(cut).map_err(Stop::failed)?;
                let values = middle_values(setup.model, &tail, cut, &pool.images)?;
                // In units of a tenth of the values' mean norm, so that one rate suits every network.
                let scale = scale_of(&values);
                let settings = Settings {
                    rate: setup.settings.rate * scale,
                    first_weight: setup.settings.first_weight / f64::from(scale),
                    ..setup.settings
                };
                let floor = self.floor * f64::from(scale);
                let predicted = pool.predicted.clone();
                let behind = Pool { images: values, indices: vec![], labels: vec![], predicted };
                let by = (floor, false);
                let how = (&settings, setup.budget);
                let mut compared = invert::compare(&tail, &behind, &aims, how, by, cx, &mut tell)?;
                for f in &mut compared.found {
                    f.size /= f64::from(scale);
                }
                compared
            }
        };
        cx.step(plan.units, plan.units)?;
        let decision = decide(self, &compared);
        Ok(look::outcome(self, case, &setup, plan, &compared, &decision, &pool))
    }
}

/// The values at a cut, as images of the tail.
fn middle_values(model: &Model, tail: &Model, cut: &str, images: &Array4<f32>) -> Result<Array4<f32>, Stop> {
    let (values, _) = model.activations(images.view(), cut).map_err(Stop::failed)?;
    let [c, h, w] = tail.input.shape;
    let count = values.nrows();
    values.into_shape_with_order((count, c, h, w)).map_err(Stop::failed)
}

/// A tenth of the mean norm.
fn scale_of(values: &Array4<f32>) -> f32 {
    let norms = values.outer_iter().map(|v| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt());
    let mean = norms.sum::<f64>() / values.len_of(ndarray::Axis(0)).max(1) as f64;
    if mean > 0.0 { mean as f32 / NORM } else { 1.0 }
}

fn decide(sweep: &Sweep, compared: &Compared) -> Decision {
    let found = &compared.found;
    let gap = gap::gap(&compared.smallness, gap::MOST);
    let judged = gap.as_ref().and_then(|g| calibration::judge(sweep.about.id, found.len(), g.size));
    let leaders = gap.iter().flat_map(|g| g.leaders.iter().copied());
    let accused: Vec<usize> = leaders.filter(|&k| found[k].reached).collect();
    let verdict = calibration::verdict(judged.as_ref(), !accused.is_empty());
    Decision { gap, judged, verdict, accused }
}
