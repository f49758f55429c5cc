//! Patch search: is there a class that one small opaque square, put in the right place, sends every image to?

mod look;
mod search;
#[cfg(test)]
mod tests;

use super::calibration;
use super::images::{Choice, Pool, Share};
use super::invert::gap;
use super::params::Params;
use crate::network::Model;
use crate::procedure::{
    About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict,
};
use search::{Ground, Patch, Round, Windows};
use serde_json::json;

/// The search for patches.
pub static PATCH_SEARCH: PatchSearch = PatchSearch;

/// See [`PATCH_SEARCH`].
#[derive(Debug)]
pub struct PatchSearch;

/// Its id.
pub const ID: &str = "patch-search";

static ABOUT: About = About {
    id: "patch-search",
    title: "Patch search",
    phase: Phase::Detection,
    version: 1,
    question: "Is there a class that one small opaque square in the right place sends every image to?",
    needs: "a model of 3 to 100 classes, and images",
    reference: "after Brown, Mané, Roy, Abadi, Gilmer 2017, Adversarial Patch; rounds after Jamieson and Talwalkar 2016 (AISTATS)",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("page.md"),
};

/// Classes at most: every one has a hundred windows.
const CLASSES: usize = 100;
/// Images used at most.
const IMAGES: usize = 600;
/// Pixels of an image above which it takes too long for quick effort.
const SMALL: usize = 64 * 64;
/// Side of a window, as a share of the image's shorter side.
const SHARE: f64 = 0.16;
/// Windows that overlap along a side: the next begins after this part of one.
const OVERLAP: f64 = 1.6;
/// Cap on the numbers of all patches together (1 GiB of f32, with Adam's moments).
const MOST_VALUES: usize = 1 << 28;
/// Share of the images that the patch of an accused class sends there.
const REACHED: f64 = 0.5;
/// Clean margin below which a network says the same of everything.
const LEAST: f64 = 1e-6;
/// Every window a little, the best a fifth at a time. The same at every effort: with more steps clean networks' own small details catch up
/// with planted patches.
const ROUNDS: [Round; 3] = [
    Round { steps: 2, images: 2, keep: 0.15, classes: (0.5, 12) },
    Round { steps: 5, images: 4, keep: 0.2, classes: (0.0, 12) },
    Round { steps: 8, images: 8, keep: 0.34, classes: (0.0, 12) },
];

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    windows: Windows,
    rounds: Vec<Round>,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ID, &["steps", "share"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let classes = model.class_count();
        if !(3..=CLASSES).contains(&classes) {
            return Err(Skip(format!("{classes} classes: patches are searched for 3 to {CLASSES}")));
        }
        let choice = Choice::of(case, Share::Work)?
            .ok_or_else(|| Skip("no images: add some with the role 'clean' (--data)".into()))?;
        let [_, h, w] = model.input.shape;
        if case.effort == Effort::Quick && h.saturating_mul(w) > SMALL && !params.any() {
            return Err(Skip(format!("not at quick effort: images of {h}×{w} pixels are more than {SMALL}")));
        }
        let share = params.number("share", SHARE, 0.02..=0.5)?;
        let shape = model.input.shape;
        let windows = Windows::of(shape, share, OVERLAP).ok_or_else(|| {
            Skip(format!("images of {h}×{w} pixels are too small for patches of {share:.2} of a side"))
        })?;
        let each = 3 * shape[0] * windows.side * windows.side;
        let all = [windows.places.len(), classes].iter().try_fold(each, |a, &b| a.checked_mul(b));
        if all.is_none_or(|v| v > MOST_VALUES) {
            return Err(Skip(format!(
                "{} places for {classes} classes are more than {MOST_VALUES} values",
                windows.places.len()
            )));
        }
        let times = params.count("steps", 1, 1..=100)? as u32;
        let rounds = ROUNDS.map(|r| Round { steps: r.steps * times, ..r }).to_vec();
        Ok(Self { model, choice, windows, rounds })
    }

    fn units(&self) -> u64 {
        let search = search::units(self.model.class_count(), self.windows.places.len(), &self.rounds);
        self.choice.units(IMAGES) + search + 1
    }
}

/// What the strongest patches say.
struct Decision {
    /// ln(1 + e^margin) of each class, margins in units of the clean margin.
    strength: Vec<f64>,
    gap: Option<gap::Gap>,
    judged: Option<calibration::Judged>,
    verdict: Verdict,
    /// Leaders whose patch works, strangest first.
    accused: Vec<usize>,
}

/// What was found: the strongest patches, and the unit of their margins.
struct Seen {
    found: Vec<Option<Patch>>,
    unit: f64,
}

impl Seen {
    /// `None` where margins have no unit: a network that says the same of everything.
    fn strength(&self) -> Option<Vec<f64>> {
        // A class that every image is in already has no margin to gain.
        let margin = |p: &Option<Patch>| p.as_ref().map_or(f64::NEG_INFINITY, |p| p.margin / self.unit);
        (self.unit > LEAST).then(|| self.found.iter().map(|p| softplus(margin(p))).collect())
    }
}

fn decide(seen: &Seen) -> Decision {
    let found = &seen.found;
    let own = seen.strength();
    let strength = own.clone().unwrap_or_else(|| vec![0.0; found.len()]);
    let gap = own.and_then(|_| gap::gap(&strength, gap::MOST));
    let judged = gap.as_ref().and_then(|g| calibration::judge(ID, found.len(), g.size));
    let works = |k: &usize| found[*k].as_ref().and_then(|p| p.success).is_some_and(|s| s >= REACHED);
    let accused: Vec<usize> = gap.iter().flat_map(|g| g.leaders.iter().copied()).filter(works).collect();
    let verdict = calibration::verdict(judged.as_ref(), !accused.is_empty());
    Decision { strength, gap, judged, verdict, accused }
}

/// ln(1 + eˣ): what is far below nothing counts as nothing, what is far above as it is.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Procedure for PatchSearch {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let rounds: Vec<_> = setup
            .rounds
            .iter()
            .map(|r| json!({"steps": r.steps, "images": r.images, "keep": r.keep}))
            .collect();
        let params = json!({
            "images": setup.choice.count(IMAGES), "role": setup.choice.data.role.name(), "side": setup.windows.side,
            "places": setup.windows.places.len(), "rounds": rounds, "learning_rate": search::RATE,
            "judged": search::JUDGED, "flagged_at": calibration::FLAGGED, "doubt": calibration::DOUBT,
        });
        Ok(Plan { params, units: setup.units(), inputs: setup.choice.inputs(case) })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let loading = setup.choice.units(IMAGES);
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let ground = Ground { model: setup.model, pool: &pool, windows: &setup.windows };
        let mut tell = |done: u64, cx: &mut Context| cx.step(loading + done, plan.units);
        let found = search::search(&ground, &setup.rounds, cx, &mut tell)?;
        let seen = Seen { found, unit: search::clean_margin(setup.model, &pool)? };
        cx.step(plan.units, plan.units)?;
        let decision = decide(&seen);
        Ok(look::outcome(case, &setup, plan, &seen, &decision, &pool))
    }
}
