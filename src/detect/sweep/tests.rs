use super::*;
use crate::detect::fixture::{modelled, run};
use crate::procedure::{Case, Effort, Procedure, Tensor, Verdict};
use serde_json::json;

#[test]
fn a_pixel_that_decides_is_found_as_a_weak_pattern_and_the_twin_shows_none() {
    let found = run(&UNIVERSAL_PERTURBATION, &modelled(8, Some(5)), 0);
    assert_eq!(found.measures["leaders"], json!([5]), "{}", found.summary);
    assert_eq!(found.verdict, Verdict::Flagged, "{}", found.summary);
    assert_eq!(found.findings[0].class, Some(5));
    assert!(found.statistic.unwrap() >= found.threshold.unwrap());
    let Tensor::F32(changes) = &found.arrays["changes"] else { panic!() };
    assert_eq!(changes.shape(), [8, 1, 6, 6]);
    let strongest = changes.index_axis(ndarray::Axis(0), 5);
    assert!(strongest.iter().all(|&d| d <= strongest[[0, 5, 5]]), "the pixel is found");
    assert!(found.figures.contains_key("change/5") && found.figures.contains_key("sizes"));
    let twin = run(&UNIVERSAL_PERTURBATION, &modelled(8, None), 0);
    assert_ne!(twin.verdict, Verdict::Flagged, "{}", twin.summary);
    assert!(twin.statistic < found.statistic);
}

#[test]
fn a_warp_accuses_no_other_class_than_the_planted_one_and_says_what_it_measured() {
    let got = run(&WARP_SEARCH, &modelled(8, Some(5)), 0);
    assert!(got.findings.iter().all(|f| f.class == Some(5)), "{}", got.summary);
    let twin = run(&WARP_SEARCH, &modelled(8, None), 0);
    assert_ne!(twin.verdict, Verdict::Flagged, "{}", twin.summary);
    let sizes: Vec<f64> = serde_json::from_value(got.measures["displacement"].clone()).unwrap();
    let spread: Vec<f64> = serde_json::from_value(got.measures["spread"].clone()).unwrap();
    assert!(sizes.len() == 8 && sizes.iter().all(|s| s.is_finite()) && spread.iter().all(|&s| s >= 1.0));
    let Tensor::F32(changes) = &got.arrays["changes"] else { panic!() };
    assert_eq!(changes.shape(), [8, 2, 6, 6]);
}

#[test]
fn what_does_not_apply_is_said() {
    let refuse = |sweep: &Sweep, case: &Case| sweep.plan(case).unwrap_err().0;
    let quick = Case { effort: Effort::Quick, ..modelled(8, None) };
    assert!(refuse(&WARP_SEARCH, &quick).contains("quick"));
    let mut asked = quick.clone();
    asked.overrides.insert("warp-search".into(), json!({"steps": 8}));
    assert_eq!(WARP_SEARCH.plan(&asked).unwrap().params["steps"], 8);
    // One linear layer has no middle.
    assert!(refuse(&FEATURE_PERTURBATION, &modelled(8, None)).contains("halfway"));
    assert!(refuse(&UNIVERSAL_PERTURBATION, &modelled(2, None)).contains("three classes"));
    let bare = Case { data: vec![], ..modelled(8, None) };
    assert!(refuse(&UNIVERSAL_PERTURBATION, &bare).contains("no images"));
}

#[test]
fn every_sweep_knows_itself() {
    for sweep in [&UNIVERSAL_PERTURBATION, &FEATURE_PERTURBATION, &WARP_SEARCH] {
        assert!(std::ptr::eq(sweep.about(), &raw const sweep.about));
    }
}
