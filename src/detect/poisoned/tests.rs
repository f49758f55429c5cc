use super::*;
use crate::detect::fixture;
use crate::evidence::Role;
use crate::evidence::dataset::Pixels;
use crate::math::stats::roc_auc;
use crate::procedure::{Data, Silent};
use ndarray::{Array4, Axis};
use rand::Rng;
use std::sync::Arc;

/// The fixture's model and clean images, and 400 training images; every `planted`th of another class carries the
/// pixel and the label 3.
pub(crate) fn case(backdoor: Option<usize>, planted: usize) -> (Case, Vec<usize>) {
    let mut case = fixture::modelled(8, backdoor);
    let mut rng = crate::math::rng::seeded(21, "poisoned", "images");
    let clean = Arc::clone(&case.data[0].set);
    let Some(Pixels::F32(from)) = &clean.images else { panic!() };
    let mut images = Array4::<f32>::zeros((400, 1, 6, 6));
    let mut labels = Vec::new();
    let mut which = Vec::new();
    for (i, mut image) in images.outer_iter_mut().enumerate() {
        let at = rng.gen_range(0..clean.len());
        image.assign(&from.index_axis(Axis(0), at));
        image.mapv_inplace(|p| p + rng.gen_range(0.0..0.1));
        image[[0, 5, 5]] = 0.0;
        labels.push(clean.labels[at]);
        if planted > 0 && i % planted == 0 && labels[i] != 3 {
            image[[0, 5, 5]] = 1.0;
            labels[i] = 3;
            which.push(i);
        }
    }
    let set = DataSet { images: Some(Pixels::F32(images)), labels, ..DataSet::default() };
    case.data.push(Data { item: "E3".into(), role: Role::Training, set: Arc::new(set) });
    (case, which)
}

fn scores(outcome: &Outcome) -> Vec<f64> {
    let Tensor::F32(score) = &outcome.arrays["score"] else { panic!() };
    score.iter().map(|&s| f64::from(s)).collect()
}

fn indices(outcome: &Outcome) -> Vec<usize> {
    let list = outcome.measures["indices"].as_array().unwrap();
    list.iter().map(|v| usize::try_from(v.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn planted_samples_and_no_others_are_listed() {
    let (case, planted) = case(Some(3), 12);
    let got = fixture::run(&POISONED_SAMPLES, &case, 0);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    let mut listed = indices(&got);
    listed.sort_unstable();
    assert_eq!(listed, planted);
    let truth: Vec<bool> = (0..400).map(|i| planted.contains(&i)).collect();
    assert_eq!(roc_auc(&scores(&got), &truth), Some(1.0));
    assert!(scores(&got).iter().all(|s| (0.0..=1.0).contains(s)));
    assert_eq!(got.findings.iter().map(|f| f.class).collect::<Vec<_>>(), [Some(3)]);
    assert_eq!(got.measures["family"], "patch");
    assert!(got.statistic.unwrap() > CAUSE);
    for name in ["listed", "score", "pca/3", "samples/3"] {
        assert!(got.figures.contains_key(name), "{name}: {:?}", got.figures.keys());
    }
    let csv = crate::figure::csv::csv(&got.figures["score"]).unwrap();
    assert_eq!(csv.lines().filter(|l| l.contains(",true,")).count(), planted.len(), "{csv}");
    let again = fixture::run(&POISONED_SAMPLES, &case, 0);
    assert_eq!((scores(&got), got.summary), (scores(&again), again.summary));
}

#[test]
fn a_clean_twin_has_an_empty_list() {
    let (case, _) = case(None, 0);
    let got = fixture::run(&POISONED_SAMPLES, &case, 0);
    assert_eq!(got.verdict, Verdict::NothingFound, "{}", got.summary);
    assert!(indices(&got).is_empty() && got.findings.is_empty());
}

#[test]
fn without_clean_images_effects_are_tried_on_training_images() {
    for (backdoor, planted) in [(Some(3), 12), (None, 0)] {
        let (mut case, truth) = case(backdoor, planted);
        case.data.retain(|d| d.role == Role::Training);
        let got = fixture::run(&POISONED_SAMPLES, &case, 0);
        assert!(got.limits.contains("no clean images"));
        let listed = indices(&got);
        assert_eq!(got.verdict == Verdict::Flagged, backdoor.is_some(), "{}", got.summary);
        // Without a clean mean some are missed; none is listed wrongly.
        assert!(
            listed.iter().all(|i| truth.contains(i)) && 10 * listed.len() >= 7 * truth.len(),
            "{listed:?}"
        );
    }
}

#[test]
fn recorded_activations_give_a_lead_and_never_a_list() {
    let mut rng = crate::math::rng::seeded(2, "poisoned", "recorded");
    let labels: Vec<usize> = [vec![0; 60], vec![1; 120], vec![2; 4]].concat();
    let values = Array2::from_shape_fn((labels.len(), 20), |(i, j)| {
        let planted = labels[i] == 1 && i % 10 == 0 && j < 3;
        rng.gen_range(-1.0f32..1.0) + if planted { 9.0 } else { 0.0 } + labels[i] as f32
    });
    let truth: Vec<bool> = (0..labels.len()).map(|i| labels[i] == 1 && i % 10 == 0).collect();
    let got = fixture::run(&POISONED_SAMPLES, &fixture::recorded(values, labels.clone()), 0);
    assert_eq!(got.verdict, Verdict::Inconclusive, "{}", got.summary);
    assert!(indices(&got).is_empty() && got.limits.contains("recorded activations"));
    assert!(roc_auc(&scores(&got), &truth).unwrap() > 0.99);
    let flat = fixture::recorded(Array2::ones((labels.len(), 20)), labels);
    assert_eq!(fixture::run(&POISONED_SAMPLES, &flat, 0).verdict, Verdict::NothingFound);
}

#[test]
fn bad_input_is_answered() {
    let plan = |case: &Case| POISONED_SAMPLES.plan(case).map(|p| p.units);
    assert!(plan(&fixture::case()).unwrap_err().0.contains("no training set"));
    assert!(plan(&fixture::recorded(Array2::zeros((6, 2)), vec![])).unwrap_err().0.contains("label"));
    let mut bare = fixture::recorded(Array2::zeros((2, 2)), vec![0, 1]);
    Arc::make_mut(&mut bare.data[0].set).activations = None;
    assert!(plan(&bare).unwrap_err().0.contains("no model"));
    let mut values = Array2::zeros((12, 2));
    values[[7, 1]] = f32::NAN;
    let broken = fixture::recorded(values, vec![0; 12]);
    let plan = POISONED_SAMPLES.plan(&broken).unwrap();
    let stop = POISONED_SAMPLES.run(&broken, &plan, &mut Context::new(0, "t", &Silent)).unwrap_err();
    assert_eq!(stop, Stop::failed("an activation of training sample 7 is not a finite number"));
    // A class without samples, one with a single one, fewer samples than features.
    let few = fixture::recorded(Array2::from_shape_fn((5, 40), |(i, j)| (i * j) as f32), vec![0, 0, 0, 4, 2]);
    let got = fixture::run(&POISONED_SAMPLES, &few, 0);
    assert!(got.verdict == Verdict::NothingFound && scores(&got).iter().all(|s| s.is_finite()));
}
