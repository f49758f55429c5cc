//! Class shift: is there one small trigger that moves images of every class to the class a fixed number further on?

use super::calibration;
use super::images::{Choice, Pool, Share};
use super::invert::{self, Aim, Arm, Budget, Settings, gap};
use super::neural_cleanse::norm_outlier::FLOOR;
use super::params::Params;
use super::thumbnails;
use crate::figure::{Bar, Body, Figure};
use crate::math::robust;
use crate::network::Model;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Tensor, Verdict, number, numbers,
};
use ndarray::{ArrayD, IxDyn};
use serde_json::json;
use std::collections::BTreeMap;

/// The search over shifts.
pub static CLASS_SHIFT: ClassShift = ClassShift;

/// See [`CLASS_SHIFT`].
#[derive(Debug)]
pub struct ClassShift;

static ABOUT: About = About {
    id: "class-shift",
    title: "Class shift",
    phase: Phase::Detection,
    version: 1,
    question: "Is there a small trigger that moves the images of every class to the next one, or to the one k further on?",
    needs: "a model of at least 4 classes and images; not at quick effort",
    reference: "own search for the all-to-all attack of Gu et al. 2019, BadNets",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("class_shift.md"),
};

/// Images used at most.
const IMAGES: usize = 1_000;
/// Images of a step, with up to so many classes and above.
const BATCH: [usize; 2] = [8, 5];
/// Steps of a search.
const STEPS: u64 = 70;

struct Setup<'a> {
    model: &'a Model,
    choice: Choice<'a>,
    settings: Settings,
    budget: Budget,
}

impl<'a> Setup<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        let params = Params::of(case, ABOUT.id, &["steps", "restarts"])?;
        let model = case.model.as_deref().ok_or_else(|| Skip("no model that can be run".into()))?;
        let classes = model.class_count();
        if classes < 4 {
            return Err(Skip("fewer than four classes: there are no shifts to compare".into()));
        }
        if case.effort == Effort::Quick && !params.any() {
            return Err(Skip("not at quick effort: it is an optimisation per shift".into()));
        }
        let choice = Choice::of(case, Share::Work)?
            .ok_or_else(|| Skip("no images: add some with the role 'clean' (--data)".into()))?;
        let steps = params.count("steps", STEPS, 4..=10_000)? as u32;
        let restarts = if case.effort == Effort::Thorough { 2 } else { 1 };
        let restarts = params.count("restarts", restarts, 1..=100)? as u32;
        let batch = BATCH[usize::from(classes > calibration::MANY)];
        let settings = Settings::mask(batch);
        Ok(Self { model, choice, settings, budget: Budget { steps, restarts } })
    }

    fn units(&self) -> u64 {
        let shifts = self.model.class_count() - 1;
        self.choice.units(IMAGES) + invert::units(shifts, self.budget, 0, false)
    }
}

impl Procedure for ClassShift {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let setup = Setup::of(case)?;
        let params = json!({"steps": setup.budget.steps, "restarts": setup.budget.restarts,
                            "batch": setup.settings.batch, "images": setup.choice.count(IMAGES),
                            "role": setup.choice.data.role.name(), "flagged_at": calibration::FLAGGED,
                            "doubt": calibration::DOUBT});
        Ok(Plan { params, units: setup.units(), inputs: setup.choice.inputs(case) })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let setup = Setup::of(case).map_err(Stop::failed)?;
        let loading = setup.choice.units(IMAGES);
        let pool = Pool::load(case, setup.choice, IMAGES, cx, 0, plan.units)?;
        let aims = shifts(&pool.predicted, setup.model.class_count());
        let mut tell = |done: u64, _: &[Arm], cx: &mut Context| cx.step(loading + done, plan.units);
        let found =
            invert::run(setup.model, &pool.images, &aims, &setup.settings, setup.budget, cx, &mut tell)?;
        cx.step(plan.units, plan.units)?;
        Ok(outcome(plan, &found, &pool))
    }
}

/// One aim per shift 1, 2, … K − 1: every image to the class so many further on than the one the network puts it in, round the end.
fn shifts(predicted: &[usize], classes: usize) -> Vec<Aim> {
    let aim = |by: usize| Aim {
        target: by,
        images: predicted.iter().enumerate().map(|(i, &k)| (i, (k + by) % classes)).collect(),
    };
    (1..classes).map(aim).collect()
}

fn outcome(plan: &Plan, found: &[invert::Size], pool: &Pool) -> Outcome {
    let sizes: Vec<f64> = found.iter().map(|f| f.size).collect();
    let smallness = gap::smallness(sizes.iter().copied(), FLOOR);
    let gap = gap::gap(&smallness, 1);
    let judged = gap.as_ref().and_then(|g| calibration::judge(ABOUT.id, sizes.len() + 1, g.size));
    let leader = gap.as_ref().map(|g| g.leaders[0]);
    let reached = leader.is_some_and(|i| found[i].reached);
    let verdict = calibration::verdict(judged.as_ref(), reached);
    let shown = leader.filter(|_| reached && verdict != Verdict::NothingFound);
    let success: Vec<f64> = found.iter().map(|f| f.found.success).collect();
    let mut measures = BTreeMap::from([
        ("size".to_owned(), numbers(&sizes)),
        ("success_rate".to_owned(), numbers(&success)),
        ("reached".to_owned(), json!(found.iter().map(|f| f.reached).collect::<Vec<_>>())),
        ("gap".to_owned(), gap.as_ref().map_or(serde_json::Value::Null, |g| number(g.size))),
        // No class is the target of a shift.
        ("leaders".to_owned(), json!([])),
        ("shift".to_owned(), json!(leader.map(|i| i + 1))),
    ]);
    if let Some(judged) = judged {
        measures.insert("p_value".to_owned(), number(judged.chance));
    }
    let (_, _, h, w) = pool.images.dim();
    let mut figures = BTreeMap::from([("sizes".to_owned(), bars(&smallness, shown))]);
    let mut arrays = BTreeMap::new();
    if let Some(i) = leader {
        let trigger = found[i].found.trigger(h * w);
        let mask = thumbnails::grey(format!("mask, shift {}", i + 1), &trigger.mask, h, w);
        figures.insert(
            "mask".to_owned(),
            Figure {
                title: format!(
                    "Smallest trigger that moves every class by {}: {:.1} pixels",
                    i + 1,
                    sizes[i]
                ),
                body: Body::Thumbnails { images: vec![mask] },
            },
        );
        let dim = IxDyn(&[h, w]);
        let mask = ArrayD::from_shape_vec(dim.clone(), trigger.mask).unwrap_or_else(|_| ArrayD::zeros(dim));
        arrays.insert("mask".to_owned(), Tensor::F32(mask));
    }
    let chance = judged.map_or_else(String::new, |j| format!(", chance {:.3}", j.chance));
    let median = robust::median(&sizes).unwrap_or(0.0);
    let summary = match (leader, verdict) {
        (None, _) => "the shifts cannot be compared".into(),
        (Some(i), Verdict::Flagged) => format!(
            "a trigger of {:.1} pixels moves images of every class by {}, against {median:.1} for the median shift{chance}",
            sizes[i],
            i + 1
        ),
        (Some(i), Verdict::Inconclusive) => format!(
            "moving every class by {} takes {:.1} pixels against {median:.1} in the median: unusual, not beyond doubt{chance}",
            i + 1,
            sizes[i]
        ),
        (Some(i), Verdict::NothingFound) => format!(
            "no shift is unusually easy: the smallest, by {}, takes {:.1} pixels against {median:.1} in the median{chance}",
            i + 1,
            sizes[i]
        ),
    };
    Outcome {
        verdict,
        findings: shown.map(|i| finding(plan, verdict, i + 1, sizes[i], median)).into_iter().collect(),
        summary,
        statistic: gap.map(|g| g.size),
        threshold: judged.map(|j| j.threshold),
        threshold_origin: calibration::origin(judged.as_ref(), |j| {
            j.origin("the gap between the easiest shift and the next")
        }),
        measures,
        arrays,
        figures,
        limits: "Finds one small fixed trigger that sends class y to y + k for every y. Blind to other maps between classes, to warps \
                 and sample-specific triggers, and to everything that has one target."
            .into(),
    }
}

fn bars(smallness: &[f64], shown: Option<usize>) -> Figure {
    let middle = robust::median(smallness).unwrap_or(0.0);
    let bar = |(i, &value): (usize, &f64)| Bar {
        label: format!("+{}", i + 1),
        value: value - middle,
        flagged: shown == Some(i),
        spread: None,
    };
    Figure {
        title: "How small a trigger moves every class by so many".into(),
        body: Body::Bars {
            value_label: "−ln pixels, above the median shift".into(),
            bars: smallness.iter().enumerate().map(bar).collect(),
            threshold: None,
        },
    }
}

fn finding(plan: &Plan, verdict: Verdict, by: usize, size: f64, median: f64) -> Finding {
    let (severity, confidence, title) = match verdict {
        Verdict::Flagged => (
            Severity::High,
            Confidence::Medium,
            format!("One small trigger moves images of every class by {by} (all-to-all)"),
        ),
        _ => (Severity::Low, Confidence::Low, format!("Lead: moving every class by {by} is rather easy")),
    };
    let detail = format!("The trigger has {size:.1} pixels; the median shift needs {median:.1}.");
    Finding::new(Concern::Backdoor, severity, confidence, title, detail).on(&plan.inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{modelled, run};

    #[test]
    fn every_image_is_sent_the_same_way_round() {
        let aims = shifts(&[0, 3, 1], 4);
        assert_eq!(aims.len(), 3);
        assert_eq!((aims[0].target, &aims[0].images[..]), (1, &[(0, 1), (1, 0), (2, 2)][..]));
        assert_eq!(aims[2].images, [(0, 3), (1, 2), (2, 0)]);
    }

    #[test]
    fn what_does_not_apply_is_said() {
        let quick = Case { effort: Effort::Quick, ..modelled(5, None) };
        assert!(CLASS_SHIFT.plan(&quick).unwrap_err().0.contains("quick"));
        assert!(CLASS_SHIFT.plan(&modelled(3, None)).unwrap_err().0.contains("four classes"));
    }

    #[test]
    fn a_trigger_with_one_target_is_not_a_shift() {
        let mut case = modelled(8, Some(5));
        case.overrides.insert(ABOUT.id.into(), json!({"steps": 60}));
        let got = run(&CLASS_SHIFT, &case, 0);
        assert_ne!(got.verdict, Verdict::Flagged, "{}", got.summary);
        let sizes: Vec<f64> = serde_json::from_value(got.measures["size"].clone()).unwrap();
        assert!(sizes.len() == 7 && sizes.iter().all(|s| s.is_finite() && *s > 0.0));
    }

    /// [`modelled`]'s case with a network of two layers in which the pixel in the lower right corner moves every class to the next.
    fn all_to_all(classes: usize) -> Case {
        use crate::evidence::{InputSpec, Limits};
        use crate::network::Builder;
        use crate::network::op::{Activation, Linear, Op, View};
        let case = modelled(classes, None);
        let weight = crate::detect::fixture::rows(classes, None);
        // Hidden values: each class's own score, and the same again where the pixel is lit.
        let mut first = ndarray::Array2::<f32>::zeros((2 * classes, 36));
        let mut bias = ndarray::Array1::<f32>::zeros(2 * classes);
        let mut second = ndarray::Array2::<f32>::zeros((classes, 2 * classes));
        for k in 0..classes {
            first.row_mut(k).assign(&weight.row(k));
            first.row_mut(classes + k).assign(&weight.row(k));
            first[[classes + k, 35]] = 8.0;
            bias[classes + k] = -6.0;
            second[[k, k]] = 1.0;
            second[[(k + 1) % classes, classes + k]] = 4.0;
        }
        let mut b = Builder::new("input", &[1, 6, 6], &Limits::default()).unwrap();
        let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
        let weight = b.param("w1", first.into_dyn(), false);
        let bias = b.param("b1", bias.into_dyn(), false);
        let hidden = b.push("hidden", Op::Linear(Linear { weight, bias: Some(bias) }), &[flat]).unwrap();
        let lit = b.push("relu", Op::Activation(Activation::Relu), &[hidden]).unwrap();
        let weight = b.param("w2", second.into_dyn(), false);
        let out = b.push("out", Op::Linear(Linear { weight, bias: None }), &[lit]).unwrap();
        let input = InputSpec { shape: [1, 6, 6], range: [0.0, 1.0], mean: vec![], std: vec![] };
        let model = Model::from_graph(b.finish(out).unwrap(), input, vec![]).unwrap();
        Case { model: Some(std::sync::Arc::new(model)), ..case }
    }

    #[test]
    fn a_pixel_that_moves_every_class_to_the_next_is_the_easiest_shift() {
        let got = run(&CLASS_SHIFT, &all_to_all(8), 0);
        assert_eq!(got.measures["shift"], json!(1), "{}", got.summary);
        let twin = run(&CLASS_SHIFT, &modelled(8, None), 0);
        assert!(
            got.statistic.unwrap() > 1.0 && twin.statistic.unwrap() < 0.5,
            "{} | {}",
            got.summary,
            twin.summary
        );
        assert!(got.arrays.contains_key("mask") && got.figures.contains_key("mask"));
    }
}
