//! Every procedure on numbers and samples that its method was not made for: it gives a defined answer (does not apply,
//! could not finish, or a verdict), says why, and never takes an accident of arithmetic for an answer.

use super::all;
use crate::detect::fixture;
use crate::evidence::dataset::{Pixels, Probabilities};
use crate::evidence::{DataSet, InputSpec, Limits, Role};
use crate::jobs::guarded;
use crate::network::op::{Linear, Op, View};
use crate::network::{Builder, Model};
use crate::procedure::{Case, Context, Data, Effort, Outcome, Silent, Stop, Verdict};
use ndarray::{Array2, Array4};
use std::sync::Arc;

const CLASSES: usize = 3;

/// What the model is like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Net {
    Sound,
    AllNan,
    OneNan,
    Infinite,
    Denormal,
    Zero,
    OneClass,
}

/// What the samples are like.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Samples {
    Sound,
    None,
    One,
    FewerThanComponents,
    OneClass,
    AllEqual,
    Nan,
    Infinite,
    Denormal,
}

fn model(net: Net) -> Option<Model> {
    let classes = if net == Net::OneClass { 1 } else { CLASSES };
    let mut weight =
        Array2::from_shape_fn(
            (classes, 36),
            |(k, i)| if i % classes == k { 1.0 } else { -0.05 + i as f32 * 0.001 },
        );
    match net {
        Net::AllNan => weight.fill(f32::NAN),
        Net::OneNan => weight[[0, 0]] = f32::NAN,
        Net::Infinite => weight[[1, 1]] = f32::INFINITY,
        Net::Denormal => weight.mapv_inplace(|w| w * f32::MIN_POSITIVE / 4.0),
        Net::Zero => weight.fill(0.0),
        Net::Sound | Net::OneClass => {}
    }
    let mut b = Builder::new("input", &[1, 6, 6], &Limits::default()).unwrap();
    let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
    let weight = b.param("w", weight.into_dyn(), false);
    let out = b.push("out", Op::Linear(Linear { weight, bias: None }), &[flat]).unwrap();
    let input = InputSpec { shape: [1, 6, 6], range: [0.0, 1.0], mean: vec![], std: vec![] };
    // A network that the program does not take is refused with a reason, which is a defined answer too.
    Model::from_graph(b.finish(out).unwrap(), input, vec![]).ok()
}

fn set(samples: Samples) -> DataSet {
    let n = match samples {
        Samples::None => 0,
        Samples::One => 1,
        Samples::FewerThanComponents => 4,
        _ => 24,
    };
    let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7 & 255) as f32 / 255.0;
    let mut images = Array4::from_shape_fn((n, 1, 6, 6), |(i, _, y, x)| match samples {
        Samples::AllEqual => 0.5,
        Samples::Denormal => noise(i * 36 + y * 6 + x) * f32::MIN_POSITIVE / 4.0,
        _ => noise(i * 36 + y * 6 + x),
    });
    let mut activations = Array2::from_shape_fn((n, 12), |(i, j)| match samples {
        Samples::AllEqual => 1.0,
        Samples::Denormal => noise(i * 12 + j) * f32::MIN_POSITIVE / 4.0,
        _ => noise(i * 12 + j) + (i % CLASSES) as f32,
    });
    let odd = match samples {
        Samples::Nan => Some(f32::NAN),
        Samples::Infinite => Some(f32::INFINITY),
        _ => None,
    };
    if let Some(odd) = odd {
        images[[3, 0, 2, 2]] = odd;
        activations[[3, 2]] = odd;
    }
    let labels = (0..n).map(|i| if samples == Samples::OneClass { 0 } else { i % CLASSES }).collect();
    let third = 1.0 / CLASSES as f64;
    let probs =
        (samples == Samples::AllEqual).then(|| Probabilities::F64(Array2::from_elem((n, CLASSES), third)));
    DataSet {
        images: Some(Pixels::F32(images)),
        labels,
        activations: Some(activations),
        pred_probs: probs,
        ..DataSet::default()
    }
}

fn case(net: Option<Net>, samples: Samples) -> Case {
    let set = Arc::new(set(samples));
    let data = [("E2", Role::Training), ("E3", Role::Clean), ("E4", Role::Suspect)]
        .map(|(item, role)| Data { item: item.into(), role, set: Arc::clone(&set) });
    let model = net.and_then(model).map(Arc::new);
    Case { model, data: data.to_vec(), effort: Effort::Quick, ..fixture::case() }
}

/// What is wrong with an outcome, whatever the evidence was like.
fn odd(outcome: &Outcome) -> Option<&'static str> {
    let numbers = [outcome.statistic, outcome.threshold];
    if numbers.into_iter().flatten().any(f64::is_nan) {
        return Some("a statistic or threshold that is no number");
    }
    if outcome.limits.trim().is_empty() || outcome.summary.trim().is_empty() {
        return Some("no limits or no summary");
    }
    let decided = outcome.verdict != Verdict::Inconclusive;
    (decided && outcome.summary.contains("NaN")).then_some("a verdict on what is no number")
}

/// Runs every procedure in the order of work, each seeing those before it; gives what is wrong and how many answered.
fn examine(name: &str, mut case: Case, blind: bool) -> (Vec<String>, usize) {
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for procedure in all() {
        let id = procedure.about().id;
        let mut say = |what: String| wrong.push(format!("{name}: {id}: {what}"));
        let plan = match guarded(|| procedure.plan(&case)) {
            Ok(Ok(plan)) => plan,
            Ok(Err(skip)) => {
                if skip.to_string().trim().is_empty() {
                    say("skipped without a reason".to_owned());
                }
                continue;
            }
            Err(panic) => {
                say(panic);
                continue;
            }
        };
        match guarded(|| procedure.run(&case, &plan, &mut Context::new(0, id, &Silent))) {
            Err(panic) => say(panic),
            Ok(Err(Stop::Cancelled)) => say("cancelled by nobody".to_owned()),
            Ok(Err(Stop::Failed(why))) if why.trim().is_empty() => say("failed without a reason".to_owned()),
            Ok(Err(Stop::Failed(_))) => ran += 1,
            Ok(Ok(outcome)) => {
                ran += 1;
                if let Some(what) = odd(&outcome) {
                    say(format!("{what}: {}", outcome.summary));
                }
                // Nobody can tell anything of a network whose every answer is no number, or of samples that are not there.
                let judges = procedure.about().phase == crate::procedure::Phase::Detection;
                if blind && judges && outcome.verdict == Verdict::Flagged {
                    say(format!("accuses what cannot be judged: {}", outcome.summary));
                }
                fixture::remember(&mut case, id, &outcome);
            }
        }
    }
    (wrong, ran)
}

fn table(cases: &[(Option<Net>, Samples)]) {
    let mut wrong = Vec::new();
    for &(net, samples) in cases {
        let name = format!("{net:?} network, {samples:?} samples");
        let blind = net == Some(Net::AllNan) || samples == Samples::None;
        let (more, ran) = examine(&name, case(net, samples), blind);
        println!("{name}: {ran} of {} procedures ran", all().len());
        wrong.extend(more);
    }
    assert!(wrong.is_empty(), "{} answers are not defined:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn weights_that_are_no_numbers_or_hardly_any() {
    use Net::{AllNan, Denormal, Infinite, OneClass, OneNan, Zero};
    table(&[AllNan, OneNan, Infinite, Denormal, Zero, OneClass].map(|net| (Some(net), Samples::Sound)));
}

#[test]
fn samples_that_are_none_few_alike_or_no_numbers() {
    use Samples::{AllEqual, Denormal, FewerThanComponents, Infinite, Nan, None, One, OneClass};
    let all = [None, One, FewerThanComponents, OneClass, AllEqual, Nan, Infinite, Denormal];
    table(&all.map(|samples| (Some(Net::Sound), samples)));
    table(&all.map(|samples| (Option::None, samples)));
}

#[test]
fn what_is_sound_is_answered_by_most() {
    let (wrong, ran) = examine("sound", case(Some(Net::Sound), Samples::Sound), false);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(ran >= 15, "only {ran} procedures apply to the table's own case");
}
