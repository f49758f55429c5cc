use super::*;
use crate::detect::fixture::{modelled, remember, run};
use crate::evidence::DataSet;
use crate::procedure::{Outcome, Tensor, Verdict};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A case in which refinement gave a white pixel in the corner as the trigger for class 5.
fn refined(backdoor: Option<usize>, verdict: Verdict) -> Case {
    let mut case = modelled(8, backdoor);
    let mut mask = ArrayD::<f32>::zeros(vec![6, 6]);
    mask[[5, 5]] = 1.0;
    let outcome = Outcome {
        verdict,
        summary: String::new(),
        statistic: None,
        threshold: None,
        threshold_origin: String::new(),
        findings: vec![],
        measures: BTreeMap::from([("target".to_owned(), json!(5))]),
        arrays: BTreeMap::from([
            ("mask".to_owned(), Tensor::F32(mask)),
            ("pattern".to_owned(), Tensor::F32(ArrayD::ones(vec![1, 6, 6]))),
        ]),
        figures: BTreeMap::new(),
        limits: String::new(),
    };
    remember(&mut case, crate::recover::refine_trigger::ID, &outcome);
    case
}

#[test]
fn a_working_trigger_is_flagged_with_its_interval_and_control() {
    let case = refined(Some(5), Verdict::Flagged);
    let got = run(&TRIGGER_PROBE, &case, 0);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    let of = |name: &str| got.measures[name].as_f64().unwrap();
    assert!(of("success_rate") > 0.99 && of("baseline") < 0.01 && of("control_success_rate") < 0.3);
    let images = got.measures["images"].as_u64().unwrap();
    assert!((20..=50).contains(&images), "about a quarter of 160, without class 5: {images}");
    let interval: [f64; 2] = serde_json::from_value(got.measures["interval"].clone()).unwrap();
    assert!(interval[0] > 0.8 && interval[0] < 1.0 && (interval[1] - 1.0).abs() < 1e-9);
    let per_source = got.measures["per_source"].as_array().unwrap();
    assert!(per_source.len() == 8 && per_source[5].is_null() && per_source[0].as_f64() == Some(1.0));
    assert!(of("accuracy_clean") > 0.9);
    assert_eq!(
        got.figures.keys().map(String::as_str).collect::<Vec<_>>(),
        ["per-source", "rates", "sources"]
    );
    assert_eq!(run(&TRIGGER_PROBE, &case, 0).measures, got.measures, "same seed, same numbers");
}

#[test]
fn a_lead_is_not_flagged_and_a_dud_is_nothing() {
    assert_eq!(
        run(&TRIGGER_PROBE, &refined(Some(5), Verdict::Inconclusive), 0).verdict,
        Verdict::Inconclusive
    );
    let dud = run(&TRIGGER_PROBE, &refined(None, Verdict::Flagged), 0);
    assert_eq!((dud.verdict, dud.findings.len()), (Verdict::NothingFound, 0), "{}", dud.summary);
    let mut few = refined(Some(5), Verdict::Flagged);
    let set = Arc::make_mut(&mut few.data[0].set);
    let (images, labels) = (set.unit(&[0, 1, 2, 3]).unwrap(), set.labels[..4].to_vec());
    *set =
        DataSet { images: Some(crate::evidence::dataset::Pixels::F32(images)), labels, ..DataSet::default() };
    assert!(run(&TRIGGER_PROBE, &few, 0).limits.contains("flattered"));
    few.earlier.records.clear();
    assert!(TRIGGER_PROBE.plan(&few).unwrap_err().0.contains("no trigger"));
}

#[test]
fn a_trigger_of_the_responders_own_is_probed() {
    let mut case = refined(Some(5), Verdict::Flagged);
    case.overrides.insert(ID.into(), json!({"patch": "size=1 at=5,5 colour=255"}));
    let got = run(&TRIGGER_PROBE, &case, 0);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    assert_eq!(got.measures["trigger"]["patch"], "size=1 at=5,5 colour=255");
    case.overrides.insert(ID.into(), json!({"patch": "size=1 at=0,0 colour=0"}));
    assert_eq!(run(&TRIGGER_PROBE, &case, 0).verdict, Verdict::NothingFound);
    case.overrides.insert(ID.into(), json!({"patch": "size=7"}));
    assert!(TRIGGER_PROBE.plan(&case).unwrap_err().0.contains("does not fit"));
    case.earlier.records.clear();
    case.overrides.insert(ID.into(), json!({"patch": "size=1"}));
    assert!(TRIGGER_PROBE.plan(&case).unwrap_err().0.contains("'target'"));
    case.overrides.insert(ID.into(), json!({"patch": "size=1", "target": 5}));
    assert_eq!(run(&TRIGGER_PROBE, &case, 0).verdict, Verdict::Inconclusive, "nobody accused the class");
}

#[test]
fn the_shape_of_the_table_is_told() {
    let seen = |after: fn(usize) -> usize| {
        let source: Vec<usize> = (0..60).map(|i| i % 6).collect();
        let after = source.iter().map(|&s| after(s)).collect();
        Seen {
            before: source.clone(),
            source,
            after,
            controls: vec![],
            shuffled: vec![],
            accuracy: None,
            labelled: true,
        }
    };
    let shape = |after| look::Reach::of(6, 0, &seen(after)).shape;
    assert_eq!(shape(|_| 0), "all-to-one");
    assert_eq!(shape(|s| if s == 3 { 0 } else { s }), "source-specific");
    assert_eq!(look::Reach::of(6, 0, &seen(|s| if s == 3 { 0 } else { s })).sources, [3]);
    assert_eq!(shape(|s| (s + 1) % 6), "all-to-all");
    assert_eq!(shape(|s| s), "none");
}
