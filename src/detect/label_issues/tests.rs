use super::*;
use crate::detect::fixture;
use crate::procedure::Silent;
use rand::Rng;
use std::sync::Arc;

/// Three classes of 100; every tenth of class 1 is another class by its features.
fn case(wrong: bool) -> Case {
    let mut rng = crate::math::rng::seeded(7, "label-issues", "case");
    let labels: Vec<usize> = (0..300).map(|i| i % 3).collect();
    let values = Array2::from_shape_fn((300, 6), |(i, j)| {
        let shows = if wrong && i % 30 == 1 { 2 } else { i % 3 };
        rng.gen_range(-1.0f32..1.0) + if j == shows { 4.0 } else { 0.0 }
    });
    fixture::recorded(values, labels)
}

fn issues(outcome: &Outcome) -> Vec<usize> {
    let mut list: Vec<usize> = serde_json::from_value(outcome.measures["issues"].clone()).unwrap();
    list.sort_unstable();
    list
}

#[test]
fn planted_errors_are_listed_and_their_label_is_a_lead() {
    let got = fixture::run(&LABEL_ISSUES, &case(true), 0);
    // As many as the joint says, which is an estimate.
    let listed = issues(&got);
    assert!(listed.len() >= 8 && listed.iter().all(|i| i % 30 == 1), "{listed:?} {}", got.summary);
    assert_eq!(got.verdict, Verdict::Inconclusive, "{}", got.summary);
    assert_eq!(got.findings.iter().map(|f| f.class).collect::<Vec<_>>(), [Some(1)]);
    let Tensor::F32(quality) = &got.arrays["quality"] else { panic!() };
    assert!(quality[1] < 0.5 && quality[0] > 0.5 && quality.len() == 300);
    let clean = fixture::run(&LABEL_ISSUES, &case(false), 0);
    assert_eq!((clean.verdict, issues(&clean).len()), (Verdict::NothingFound, 0), "{}", clean.summary);
}

#[test]
fn given_probabilities_are_used_and_checked() {
    let mut with = case(false);
    let set = Arc::make_mut(&mut with.data[0].set);
    let mut p = Array2::from_elem((300, 3), 0.1);
    (0..300).for_each(|i| p[[i, if i == 7 { 0 } else { i % 3 }]] = 0.8);
    set.pred_probs = Some(Probabilities::F64(p.clone()));
    let got = fixture::run(&LABEL_ISSUES, &with, 0);
    assert_eq!(issues(&got), [7]);
    assert!(got.limits.contains("given with the data set"));
    with.overrides
        .insert(ABOUT.id.into(), json!({"filter": "confident_learning", "rank_by": "normalized_margin"}));
    assert_eq!(issues(&fixture::run(&LABEL_ISSUES, &with, 0)), [7]);
    with.overrides.insert(ABOUT.id.into(), json!({"filter": "by_taste"}));
    assert!(LABEL_ISSUES.plan(&with).unwrap_err().0.contains("prune_by_class"));
    with.overrides.clear();
    for (at, bad) in [(5, f64::NAN), (6, 0.9), (8, -0.1)] {
        let mut broken = p.clone();
        broken[[at, 1]] = bad;
        Arc::make_mut(&mut with.data[0].set).pred_probs = Some(Probabilities::F64(broken));
        assert!(LABEL_ISSUES.plan(&with).unwrap_err().0.contains(&format!("sample {at}")));
    }
    Arc::make_mut(&mut with.data[0].set).pred_probs =
        Some(Probabilities::F64(p.select(ndarray::Axis(1), &[0, 1])));
    assert!(LABEL_ISSUES.plan(&with).unwrap_err().0.contains("300×2"));
}

#[test]
fn bad_input_is_answered() {
    assert!(LABEL_ISSUES.plan(&fixture::case()).unwrap_err().0.contains("no training set"));
    assert!(
        LABEL_ISSUES.plan(&fixture::recorded(Array2::zeros((3, 2)), vec![])).unwrap_err().0.contains("label")
    );
    let vast = fixture::recorded(Array2::zeros((2, 2)), vec![0, usize::MAX]);
    assert!(LABEL_ISSUES.plan(&vast).unwrap_err().0.contains("classes"));
    let flat =
        fixture::run(&LABEL_ISSUES, &fixture::recorded(Array2::ones((20, 4)), [[0, 3]; 10].concat()), 0);
    assert_eq!(flat.verdict, Verdict::NothingFound, "{}", flat.summary);
    let mut values = Array2::zeros((4, 2));
    values[[2, 0]] = f32::INFINITY;
    let broken = fixture::recorded(values, vec![0, 1, 0, 1]);
    let plan = LABEL_ISSUES.plan(&broken).unwrap();
    let stop = LABEL_ISSUES.run(&broken, &plan, &mut Context::new(0, "t", &Silent)).unwrap_err();
    assert!(stop.to_string().contains("sample 2"), "{stop}");
}
