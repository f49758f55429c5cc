use super::*;
use crate::detect::fixture;
use crate::figure::Body;
use crate::procedure::Silent;
use crate::procedure::{Tensor, Verdict};
use ndarray::Array2;
use rand::Rng;
use serde_json::Value;

/// Three classes of 60, 120 and 4 samples; every tenth sample of class 1 is planted far away.
fn planted() -> Case {
    let mut rng = crate::math::rng::seeded(1, "ac", "planted");
    let labels: Vec<usize> = [vec![0; 60], vec![1; 120], vec![2; 4]].concat();
    let values = Array2::from_shape_fn((labels.len(), 20), |(i, j)| {
        let planted = labels[i] == 1 && i % 10 == 0 && j < 3;
        rng.gen_range(-1.0..1.0) + if planted { 9.0 } else { 0.0 } + labels[i] as f32
    });
    fixture::recorded(values, labels)
}

fn run(case: &Case, seed: u64) -> Outcome {
    let plan = ACTIVATION_CLUSTERING.plan(case).unwrap();
    ACTIVATION_CLUSTERING.run(case, &plan, &mut Context::new(seed, ABOUT.id, &Silent)).unwrap()
}

#[test]
fn the_planted_group_is_found_and_ranked_first() {
    let case = planted();
    let got = run(&case, 0);
    assert_eq!(got.verdict, Verdict::Inconclusive, "without clean images a split is a lead: {}", got.summary);
    assert_eq!(got.measures["suspicious"], json!([1]));
    assert_eq!(got.measures["sizes"][1], json!([108, 12]));
    assert_eq!(got.measures["too_few_samples"], json!([2]));
    assert_eq!(
        (got.measures["silhouette"][2].clone(), got.measures["sizes"][2].clone()),
        (Value::Null, json!([0, 0]))
    );
    assert_eq!(got.findings[0].class, Some(1));
    let Tensor::F32(score) = &got.arrays["score"] else { panic!() };
    let planted: Vec<bool> = (0..184).map(|i| (60..180).contains(&i) && i % 10 == 0).collect();
    let scores: Vec<f64> = score.iter().map(|&s| f64::from(s)).collect();
    assert_eq!(crate::math::stats::roc_auc(&scores, &planted), Some(1.0));
    let Tensor::I64(assignments) = &got.arrays["assignments"] else { panic!() };
    assert!(assignments.iter().zip(&planted).all(|(&a, &p)| !p || a == 1) && assignments[183] == -1);
    let Body::Scatter { groups, .. } = &got.figures["pca/1"].body else { panic!() };
    assert!(
        groups[1].flagged && groups[1].points.len() == 12 && groups[1].samples.iter().all(|i| i % 10 == 0)
    );
    assert!(!got.figures.contains_key("pca/2") && got.figures.contains_key("silhouette"));
}

/// The same with clean recorded activations; with `natural`, they split as the training samples do.
fn held(natural: bool) -> Case {
    let mut case = planted();
    let mut rng = crate::math::rng::seeded(2, "ac", "clean");
    let labels: Vec<usize> = (0..600).map(|i| i % 2).collect();
    let values = Array2::from_shape_fn((600, 20), |(i, j)| {
        let away = natural && labels[i] == 1 && i % 10 == 1 && j < 3;
        rng.gen_range(-1.0..1.0) + if away { 9.0 } else { 0.0 } + labels[i] as f32
    });
    let set = crate::evidence::DataSet { labels, activations: Some(values), ..Default::default() };
    let set = std::sync::Arc::new(set);
    let role = crate::evidence::Role::Clean;
    case.data.push(crate::procedure::Data { item: "E2".into(), role, set });
    case
}

#[test]
fn clean_images_decide_whether_a_split_is_foreign() {
    let planted = run(&held(false), 0);
    assert_eq!(planted.verdict, Verdict::Flagged, "{}", planted.summary);
    assert_eq!(planted.findings[0].class, Some(1));
    assert!(planted.statistic.unwrap() > planted.threshold.unwrap());
    let natural = run(&held(true), 0);
    assert_eq!(natural.verdict, Verdict::NothingFound, "{}", natural.summary);
    assert_eq!(natural.measures["suspicious"], json!([1]), "the rule alone would name it");
}

#[test]
fn same_seed_same_bits_at_any_thread_count() {
    let case = planted();
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let (one, three) = (pool(1).install(|| run(&case, 5)), pool(3).install(|| run(&case, 5)));
    assert_eq!((one.measures, one.arrays, one.figures), (three.measures, three.arrays, three.figures));
}

#[test]
fn identical_samples_and_empty_classes_do_not_crash() {
    let got = run(&fixture::recorded(Array2::zeros((30, 4)), vec![3; 30]), 0);
    assert_eq!(got.verdict, Verdict::NothingFound);
    let got = run(&fixture::recorded(Array2::zeros((3, 4)), vec![0, 1, 2]), 0);
    assert_eq!((got.verdict, got.statistic), (Verdict::Inconclusive, None));
}
