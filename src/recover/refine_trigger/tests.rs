use super::*;
use crate::detect::fixture::{modelled, remember, run};
use crate::detect::neural_cleanse::NEURAL_CLEANSE;
use crate::procedure::{Tensor, Verdict};
use crate::recover::stamping::Stamp;

fn detected(backdoor: Option<usize>) -> Case {
    let mut case = modelled(8, backdoor);
    case.effort = Effort::Quick;
    let found = run(&NEURAL_CLEANSE, &case, 0);
    remember(&mut case, SOURCE, &found);
    case
}

#[test]
fn the_flagged_trigger_is_refined_to_its_support_and_a_lead_stays_a_lead() {
    let mut case = detected(Some(5));
    let got = run(&REFINE_TRIGGER, &case, 0);
    assert_eq!((got.verdict, &got.measures["target"]), (Verdict::Flagged, &json!(5)), "{}", got.summary);
    assert!(got.statistic.unwrap() > 0.9);
    let history: Vec<f64> = serde_json::from_value(got.measures["history"].clone()).unwrap();
    assert_eq!(history.len(), 60);
    let Tensor::F32(mask) = &got.arrays["mask"] else { panic!() };
    let Tensor::F32(pattern) = &got.arrays["pattern"] else { panic!() };
    assert_eq!((mask.shape(), pattern.shape()), ([6, 6].as_slice(), [1, 6, 6].as_slice()));
    assert!(pattern.iter().chain(mask.iter()).all(|v| (0.0..=1.0).contains(v)));
    assert!((f64::from(mask.sum()) - got.measures["l1"].as_f64().unwrap()).abs() < 1e-3);
    assert!(
        (mask[[5, 5]] - 1.0).abs() < 1e-6 && mask.sum() <= 2.0,
        "the pixel that the backdoor answers to: {mask}"
    );
    assert!(got.figures.contains_key("trigger") && got.figures.contains_key("history"));

    case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::Inconclusive;
    let lead = run(&REFINE_TRIGGER, &case, 0);
    assert_eq!((lead.verdict, lead.findings.len()), (Verdict::Inconclusive, 0));
    assert_eq!(lead.arrays, got.arrays, "same seed, same bits");
}

#[test]
fn the_documents_procedure_is_a_mode() {
    let mut case = detected(Some(5));
    case.overrides.insert(ID.into(), json!({"mode": "reference"}));
    let got = run(&REFINE_TRIGGER, &case, 0);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    assert_eq!(got.measures["history"].as_array().unwrap().len(), 100);
    case.overrides.insert(ID.into(), json!({"mode": "other"}));
    assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("constrained, reference"));
}

#[test]
fn channels_may_have_masks_of_their_own() {
    let mut case = detected(Some(5));
    case.overrides.insert(ID.into(), json!({"channel_masks": 1}));
    let got = run(&REFINE_TRIGGER, &case, 0);
    assert_eq!(got.verdict, Verdict::Flagged);
    remember(&mut case, ID, &got);
    assert!(Stamp::read(&case, ID, [1, 6, 6]).is_some(), "one channel: the same as one mask");
}

#[test]
fn what_samples_bear_is_taken_over_what_suffices() {
    let mut case = detected(Some(5));
    let mut mask = vec![0.0; 36];
    for i in [28, 29, 34, 35] {
        mask[i] = 1.0;
    }
    let stamp = Stamp::Blend(Trigger { mask, pattern: vec![1.0; 36] });
    let mut shared = run(&REFINE_TRIGGER, &case, 0);
    shared.measures.insert("stamping".into(), stamp.description([1, 6, 6]));
    shared.arrays = stamp.arrays([1, 6, 6]);
    remember(&mut case, sample_recovery::ID, &shared);
    let got = run(&REFINE_TRIGGER, &case, 0);
    assert_eq!(got.arrays, shared.arrays, "{}", got.summary);
    assert!(got.measures["from"].as_str().unwrap().contains("samples"));
    assert!(got.measures["smallest_l1"].as_f64().unwrap() <= 2.0);
}

#[test]
fn what_is_missing_is_said() {
    let mut case = modelled(4, None);
    assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("neural-cleanse"));
    case = detected(Some(5));
    case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::NothingFound;
    assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("no candidate"));
    case.overrides.insert(ID.into(), json!({"target": 3}));
    let plan = REFINE_TRIGGER.plan(&case).unwrap();
    assert_eq!((&plan.params["target"], &plan.params["candidate"]), (&json!(3), &json!("lead")));
    case.overrides.insert(ID.into(), json!({"target": 8}));
    assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("target"));
    case.overrides.clear();
    case.earlier.records.get_mut(SOURCE).unwrap().verdict = Verdict::Flagged;
    case.earlier.arrays.clear();
    assert!(REFINE_TRIGGER.plan(&case).unwrap_err().0.contains("masks"));
}
