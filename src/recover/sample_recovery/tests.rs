use super::*;
use crate::detect::fixture;
use crate::detect::poisoned::POISONED_SAMPLES;

fn tried(kind: &'static str, success: f64) -> Tried {
    Tried { guess: Guess { kind, stamp: Stamp::Add(vec![]), facts: json!({}) }, success }
}

#[test]
fn the_simplest_that_works_nearly_as_well_is_chosen() {
    let pick = |all: &[Tried]| choose(all).map(|t| (t.guess.kind, t.success));
    let all = [tried("residual", 1.0), tried("blend", 0.92), tried("patch", 0.5), tried("warp", 0.95)];
    assert_eq!(pick(&all), Some(("blend", 0.92)));
    let all = [tried("residual", 0.3), tried("warp", 0.4), tried("warp", 0.9)];
    assert_eq!(pick(&all), Some(("warp", 0.9)), "the better of two of a kind");
    assert_eq!(pick(&[]), None);
}

#[test]
fn the_pixel_that_listed_samples_share_is_recovered_and_kept_as_a_stamp() {
    let (mut case, _) = crate::detect::poisoned::tests::case(Some(3), 12);
    assert!(SAMPLE_RECOVERY.plan(&case).unwrap_err().0.contains("poisoned-samples"));
    let found = fixture::run(&POISONED_SAMPLES, &case, 0);
    fixture::remember(&mut case, LIST, &found);
    let got = fixture::run(&SAMPLE_RECOVERY, &case, 0);
    assert_eq!(
        (got.verdict, got.measures["kind"].as_str()),
        (Verdict::Flagged, Some("patch")),
        "{}",
        got.summary
    );
    assert_eq!(got.measures["target"], json!(3));
    assert_eq!(got.measures["parameters"]["rows"], json!([5, 5]));
    let shape = case.model.as_ref().unwrap().input.shape;
    fixture::remember(&mut case, ID, &got);
    let Some(Stamp::Blend(trigger)) = Stamp::read(&case, ID, shape) else { panic!() };
    assert!((trigger.mask[35] - 1.0).abs() < 1e-6 && (trigger.l1() - 1.0).abs() < 1e-6);
    assert_eq!(fixture::run(&SAMPLE_RECOVERY, &case, 0).arrays, got.arrays, "same seed, same bits");
}

#[test]
fn a_trigger_of_one_source_class_is_tried_on_that_class() {
    let labels = [1, 1, 1, 1, 1, 2, 2];
    assert_eq!(from_source((0..7).collect(), &labels, Some(1)), [0, 1, 2, 3, 4]);
    assert_eq!(from_source((0..7).collect(), &labels, Some(2)).len(), 7, "too few to judge by");
    assert_eq!(from_source((0..7).collect(), &labels, None).len(), 7);
}
