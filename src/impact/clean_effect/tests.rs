use super::*;
use crate::detect::fixture::{modelled, run};
use crate::impact::trigger_tolerance::tests::recovered;

#[test]
fn accuracy_confidence_and_the_published_figure_are_compared() {
    let mut case = recovered(Some(5), Verdict::Flagged);
    let got = run(&CLEAN_EFFECT, &case, 0);
    assert_eq!(
        (got.verdict, &got.measures["images"]),
        (Verdict::NothingFound, &json!(160)),
        "{}",
        got.summary
    );
    assert!(got.statistic.unwrap() > 0.95);
    assert!(got.measures["confidence_with_trigger"].as_f64().unwrap() > 0.99);
    assert_eq!(got.measures["per_class"].as_array().unwrap().len(), 8);
    case.overrides.insert(ID.into(), json!({"published_accuracy": 0.999_999}));
    let got = run(&CLEAN_EFFECT, &case, 0);
    let upper = got.measures["interval"][1].as_f64().unwrap();
    assert_eq!(got.verdict == Verdict::Inconclusive, upper < 0.999_999);
    let mut unlabelled = modelled(8, None);
    std::sync::Arc::make_mut(&mut unlabelled.data[0].set).labels.clear();
    assert!(CLEAN_EFFECT.plan(&unlabelled).is_err());
}

#[test]
fn the_tests_agree_with_closed_forms() {
    // Eight images on which only one of two models is right: 2·(1/2)^8.
    assert!((mcnemar(0, 8) - 2.0 / 256.0).abs() < 1e-12 && (mcnemar(4, 4) - 1.0).abs() < 1e-12);
    // All half sure and all right: off by a half.
    let (error, points) = calibration(&[0.55; 10], &[true; 10]);
    assert!((error - 0.45).abs() < 1e-12 && points.len() == 1);
    assert!((probability(&[0.0, 0.0, 0.0], 1) - 1.0 / 3.0).abs() < 1e-12);
}
