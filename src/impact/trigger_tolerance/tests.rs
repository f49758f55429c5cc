use super::*;
use crate::detect::fixture::{modelled, remember, run};
use crate::detect::stamp::Trigger;
use crate::recover::refine_trigger;

/// A case whose class 5 answers to the lower right pixel, with that pixel as the recovered trigger.
pub(in crate::impact) fn recovered(backdoor: Option<usize>, verdict: Verdict) -> Case {
    let mut case = modelled(8, backdoor);
    let mut mask = vec![0.0; 36];
    mask[35] = 1.0;
    let stamp = Stamp::Blend(Trigger { mask, pattern: vec![1.0; 36] });
    let outcome = Outcome {
        verdict,
        summary: String::new(),
        statistic: None,
        threshold: None,
        threshold_origin: String::new(),
        findings: vec![],
        measures: BTreeMap::from([
            ("target".to_owned(), json!(5)),
            ("success_rate".to_owned(), json!(1.0)),
            ("stamping".to_owned(), stamp.description([1, 6, 6])),
        ]),
        arrays: stamp.arrays([1, 6, 6]),
        figures: BTreeMap::new(),
        limits: String::new(),
    };
    remember(&mut case, refine_trigger::ID, &outcome);
    case
}

#[test]
fn curves_start_undisturbed_and_fall_where_the_trigger_is_gone() {
    let case = recovered(Some(5), Verdict::Flagged);
    let got = run(&TRIGGER_TOLERANCE, &case, 0);
    let at = |way: &str, i: usize| got.measures[way][i][1].as_f64().unwrap();
    assert!(got.statistic.unwrap() > 0.99, "{}", got.summary);
    for way in ["shift", "shrink", "dim", "recolour", "cover", "jpeg", "resize"] {
        assert!((at(way, 0) - got.statistic.unwrap()).abs() < 1e-9, "{way} begins with no change");
        assert!(got.figures.contains_key(way));
    }
    assert!(at("shift", 1) < 0.1, "a linear weight on one pixel forgives no shift");
    assert!(
        at("recolour", 3) < 0.1 && at("dim", 1) > 0.9,
        "black does nothing, three quarters of white does"
    );
    assert_eq!(got.measures["fails_at"]["shift"], json!(1.0));
    assert_eq!(got.measures["survives"]["shift"], json!(false));
    assert!((got.measures["jpeg_clean_kept"][0][1].as_f64().unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(run(&TRIGGER_TOLERANCE, &case, 0).measures, got.measures, "same seed, same numbers");
    assert!(TRIGGER_TOLERANCE.plan(&modelled(8, None)).unwrap_err().0.contains("refine-trigger"));
}
