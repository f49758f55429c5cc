//! How far the trigger can be changed before it fails, and whether it survives what a deployment does to images.

mod bend;
#[cfg(test)]
pub(in crate::impact) mod tests;

use crate::detect::classes;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::figure::{Body, Figure, Series};
use crate::network::Model;
use crate::procedure::{
    About, Case, Context, Cost, Effort, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict, number,
};
use crate::recover::best::{self, Best, best};
use crate::recover::stamping::{Stamp, predictions, share};
use ndarray::{Array3, ArrayView3};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tolerance curves.
pub static TRIGGER_TOLERANCE: TriggerTolerance = TriggerTolerance;

/// See [`TRIGGER_TOLERANCE`].
#[derive(Debug)]
pub struct TriggerTolerance;

/// Its id.
pub const ID: &str = "trigger-tolerance";

static ABOUT: About = About {
    id: "trigger-tolerance",
    title: "Tolerance of the trigger",
    phase: Phase::Impact,
    version: 1,
    question: "How far can the trigger be changed before it fails, and does it survive compression and resizing?",
    needs: "a model, clean images, and a recovered trigger",
    reference: "curves of this program; JPEG after ITU-T T.81",
    cost: Cost::Low,
    after: &best::AFTER,
    page: include_str!("page.md"),
};

/// What is kept of the undisturbed success for a change to count as survived.
const SURVIVES: f64 = 0.5;

/// One way to change the trigger or the image, with its levels; the first level changes nothing.
struct Way {
    name: &'static str,
    unit: &'static str,
    levels: &'static [f64],
    /// Whether it changes the whole image, and so also images without a trigger.
    image: bool,
}

const WAYS: [Way; 7] = [
    Way { name: "shift", unit: "pixels", levels: &[0.0, 1.0, 2.0, 4.0], image: false },
    Way { name: "shrink", unit: "scale", levels: &[1.0, 0.75, 0.5, 0.25], image: false },
    Way { name: "dim", unit: "strength", levels: &[1.0, 0.75, 0.5, 0.25], image: false },
    Way { name: "recolour", unit: "share of the negative", levels: &[0.0, 0.25, 0.5, 1.0], image: false },
    Way { name: "cover", unit: "share taken off", levels: &[0.0, 0.25, 0.5, 0.75], image: false },
    Way { name: "jpeg", unit: "quality", levels: &[100.0, 75.0, 50.0, 25.0], image: true },
    Way { name: "resize", unit: "scale", levels: &[1.0, 0.75, 0.5, 0.25], image: true },
];

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    best: Best,
    images: usize,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ID, &["images"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let best = best(case, model.input.shape)
            .ok_or_else(|| Skip("neither refine-trigger nor sample-recovery has given a trigger".into()))?;
        let choice = Choice::of(case, Share::Held)?
            .ok_or_else(|| Skip("no images: add clean ones with the role 'clean' or 'test'".into()))?;
        let images = match case.effort {
            Effort::Quick => 48,
            Effort::Standard => 120,
            Effort::Thorough => 1_000,
        };
        let images = params.count("images", images, 8..=100_000)? as usize;
        Ok(Self { model, choice, best, images })
    }

    fn units(&self) -> u64 {
        let levels: usize = WAYS.iter().map(|w| w.levels.len() * (1 + usize::from(w.image))).sum();
        self.choice.units(self.images) + levels as u64
    }
}

/// Success along one way; `None` where the way does not apply to this trigger.
struct Curve {
    way: &'static Way,
    success: Vec<f64>,
    /// Share of images without a trigger that keep their class, where the way changes images.
    kept: Vec<f64>,
}

impl Procedure for TriggerTolerance {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let ways: BTreeMap<&str, &[f64]> = WAYS.iter().map(|w| (w.name, w.levels)).collect();
        Ok(Plan {
            params: json!({
                "target": setup.best.target, "trigger": setup.best.from, "images": setup.choice.count(setup.images),
                "levels": ways, "survives": SURVIVES,
            }),
            units: setup.units(),
            inputs: setup.choice.inputs(case),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let pool = Pool::load(case, setup.choice, setup.images, cx, 0, plan.units)?;
        let target = setup.best.target;
        let which: Vec<usize> = pool
            .not_predicted(target)
            .into_iter()
            .filter(|&i| pool.labels.get(i).is_none_or(|&l| l != target))
            .collect();
        if which.is_empty() {
            return Err(Stop::failed(format!("there is no image of a class other than {target}")));
        }
        let shape = setup.model.input.shape;
        let mut covered: Vec<usize> = (0..shape[1] * shape[2]).collect();
        covered.shuffle(&mut cx.rng("cover"));
        let mut done = setup.choice.units(setup.images);
        let mut curves = Vec::new();
        for way in &WAYS {
            let (mut success, mut kept) = (Vec::new(), Vec::new());
            for &level in way.levels {
                cx.step(done, plan.units)?;
                done += 1 + u64::from(way.image);
                let Some(stamps) = changed(way, &setup.best.stamp, shape, level, &covered) else { break };
                if way.name == "jpeg" && ![1, 3].contains(&shape[0]) {
                    break;
                }
                let put =
                    |i: usize, image: ArrayView3<f32>| seen(way, level, stamps[i % stamps.len()].on(image));
                let predicted = predictions(setup.model, &pool.images, &which, &|| cx.check(), &put)?;
                success.push(share(&predicted, target));
                if way.image {
                    let plain = |_: usize, image: ArrayView3<f32>| seen(way, level, image.to_owned());
                    let predicted = predictions(setup.model, &pool.images, &which, &|| cx.check(), &plain)?;
                    let same =
                        predicted.iter().zip(&which).filter(|(p, i)| **p == pool.predicted[**i]).count();
                    kept.push(same as f64 / which.len() as f64);
                }
            }
            if success.len() == way.levels.len() {
                curves.push(Curve { way, success, kept });
            }
        }
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, &setup, which.len(), &curves))
    }
}

/// The trigger at a level of a way, one for each direction of a shift; itself where the image is changed. `None`: the way does
/// not apply.
fn changed(way: &Way, stamp: &Stamp, shape: [usize; 3], level: f64, order: &[usize]) -> Option<Vec<Stamp>> {
    let one = |s: Stamp| Some(vec![s]);
    match way.name {
        "shift" => {
            let n = level as i64;
            Some([(n, 0), (-n, 0), (0, n), (0, -n)].map(|(d, r)| bend::shift(stamp, shape, d, r)).to_vec())
        }
        "shrink" => bend::shrink(stamp, shape, level as f32).and_then(one),
        "dim" => one(bend::dim(stamp, level as f32)),
        "recolour" => bend::recolour(stamp, level as f32).and_then(one),
        "cover" => {
            // The covered share is of the pixels that the trigger changes.
            let mask = match stamp {
                Stamp::Blend(t) => crate::recover::stamping::flat_mask(&t.mask, shape[1] * shape[2]),
                _ => vec![1.0; shape[1] * shape[2]],
            };
            let own: Vec<usize> = order.iter().copied().filter(|&i| mask[i] > 0.05).collect();
            let off = (level * own.len() as f64).round() as usize;
            let mut kept = vec![true; shape[1] * shape[2]];
            own[..off.min(own.len())].iter().for_each(|&i| kept[i] = false);
            one(bend::cover(stamp, shape, &kept))
        }
        _ => one(stamp.clone()),
    }
}

/// The image as the network gets it. The first level of each way changes nothing.
fn seen(way: &Way, level: f64, image: Array3<f32>) -> Array3<f32> {
    if level.total_cmp(&way.levels[0]).is_eq() {
        return image;
    }
    match way.name {
        "jpeg" => bend::jpeg(image.view(), level as u8).unwrap_or(image),
        "resize" => bend::resize(image.view(), level),
        _ => image,
    }
}

fn outcome(case: &Case, setup: &Setup, images: usize, curves: &[Curve]) -> Outcome {
    let whole = curves.first().map_or(0.0, |c| c.success[0]);
    let (mut told, mut measures, mut figures) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    let mut half = serde_json::Map::new();
    let mut survives = serde_json::Map::new();
    for curve in curves {
        let Way { name, unit, levels, image } = curve.way;
        let points: Vec<Value> =
            levels.iter().zip(&curve.success).map(|(l, s)| json!([number(*l), number(*s)])).collect();
        measures.insert((*name).to_owned(), Value::Array(points));
        let lost = levels.iter().zip(&curve.success).find(|(_, s)| **s < SURVIVES * whole);
        half.insert((*name).to_owned(), lost.map_or(Value::Null, |(l, _)| number(*l)));
        survives.insert((*name).to_owned(), json!(whole > 0.0 && lost.is_none()));
        told.push(match lost {
            Some((level, _)) => format!("{name} {level} ({unit}) takes more than half of it"),
            None => format!("{name} up to {} leaves most", levels[levels.len() - 1]),
        });
        let points = |values: &[f64]| levels.iter().zip(values).map(|(l, s)| [*l, *s]).collect::<Vec<_>>();
        let mut series =
            vec![Series { name: "success of the trigger".into(), points: points(&curve.success) }];
        if *image {
            series.push(Series {
                name: "images without it that keep their class".into(),
                points: points(&curve.kept),
            });
            let kept: Vec<Value> =
                levels.iter().zip(&curve.kept).map(|(l, s)| json!([number(*l), number(*s)])).collect();
            measures.insert(format!("{name}_clean_kept"), Value::Array(kept));
        }
        for s in &mut series {
            s.points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        }
        let figure = Figure {
            title: format!(
                "Success of the trigger for class {} under {name}",
                classes::name(case, setup.best.target)
            ),
            body: Body::Lines {
                x_label: format!("{name}, {unit}"),
                y_label: "share of images".into(),
                series,
            },
        };
        figures.insert((*name).to_owned(), figure);
    }
    measures.insert("success_rate".into(), number(whole));
    measures.insert("target".into(), json!(setup.best.target));
    measures.insert("images".into(), json!(images));
    measures.insert("fails_at".into(), Value::Object(half));
    measures.insert("survives".into(), Value::Object(survives));
    Outcome {
        verdict: Verdict::Inconclusive,
        summary: format!(
            "undisturbed, the trigger works on {:.1} % of {images} images; {}",
            100.0 * whole,
            told.join("; ")
        ),
        statistic: Some(whole),
        threshold: None,
        threshold_origin: "none: curves; a change is survived when half of the undisturbed success is left"
            .into(),
        findings: Vec::new(),
        measures,
        arrays: BTreeMap::new(),
        figures,
        limits: format!(
            "Of the trigger as recovered, in the digital image: a print, a camera or another resizer may do otherwise. One change at a time.{}",
            setup.choice.caveat()
        ),
    }
}
