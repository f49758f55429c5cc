use super::beatrix::BEATRIX;
use super::prediction_check::PREDICTION_CHECK;
use super::scan_test::TWO_COMPONENTS;
use super::*;
use crate::detect::fixture;
use crate::evidence::dataset::Pixels;
use crate::evidence::{DataSet, Role};
use crate::math::stats::roc_auc;
use crate::procedure::{Data, Procedure, Silent};
use ndarray::{Array2, Array4};
use rand::Rng;
use std::sync::Arc;

const PLANTED: usize = 5;

/// Eight labels of 60; every fifth sample of label 2 lies elsewhere when `planted`.
fn recorded(planted: bool) -> (Case, Vec<bool>) {
    let mut rng = crate::math::rng::seeded(9, "leads", "case");
    let labels: Vec<usize> = (0..480).map(|i| i % 8).collect();
    let truth: Vec<bool> = (0..480).map(|i| labels[i] == 2 && i / 8 % PLANTED == 0).collect();
    let values = Array2::from_shape_fn((480, 12), |(i, j)| {
        let away = planted && truth[i] && j < 3;
        rng.gen_range(0.0f32..1.0) + if away { 12.0 } else { 0.0 } + if j == labels[i] { 2.0 } else { 0.0 }
    });
    (fixture::recorded(values, labels), truth)
}

fn score(outcome: &Outcome) -> Vec<f64> {
    let Tensor::F32(score) = &outcome.arrays["score"] else { panic!() };
    score.iter().map(|&s| f64::from(s)).collect()
}

#[test]
fn a_planted_label_is_a_lead_and_its_samples_rank_first() {
    for procedure in [&TWO_COMPONENTS as &dyn Procedure, &BEATRIX] {
        let (case, truth) = recorded(true);
        let got = fixture::run(procedure, &case, 0);
        assert_eq!(got.measures["leads"], json!([2]), "{}: {}", procedure.about().id, got.summary);
        assert_eq!(got.verdict, Verdict::Inconclusive);
        let own: Vec<usize> = (0..480).filter(|i| i % 8 == 2).collect();
        let of: Vec<f64> = own.iter().map(|&i| score(&got)[i]).collect();
        let positive: Vec<bool> = own.iter().map(|&i| truth[i]).collect();
        assert_eq!(roc_auc(&of, &positive), Some(1.0), "{}", procedure.about().id);
        let clean = fixture::run(procedure, &recorded(false).0, 0);
        assert_eq!(clean.verdict, Verdict::NothingFound, "{}: {}", procedure.about().id, clean.summary);
    }
}

#[test]
fn samples_with_the_pixel_keep_their_label() {
    let mut case = fixture::modelled(8, Some(3));
    let from = Arc::clone(&case.data[0].set);
    let Some(Pixels::F32(images)) = &from.images else { panic!() };
    let mut images: Array4<f32> = images.clone();
    let mut labels = from.labels.clone();
    let truth: Vec<bool> = (0..160).map(|i| i % 10 == 0 && labels[i] != 3).collect();
    for i in (0..160).filter(|&i| truth[i]) {
        images[[i, 0, 5, 5]] = 1.0;
        labels[i] = 3;
    }
    let set = DataSet { images: Some(Pixels::F32(images)), labels, ..DataSet::default() };
    case.data.push(Data { item: "E3".into(), role: Role::Training, set: Arc::new(set) });
    let got = fixture::run(&PREDICTION_CHECK, &case, 0);
    assert!(roc_auc(&score(&got), &truth).unwrap() > 0.85, "{}", got.summary);
    assert_ne!(got.verdict, Verdict::Flagged);
    assert_eq!(score(&got), score(&fixture::run(&PREDICTION_CHECK, &case, 0)));
}

#[test]
fn bad_input_is_answered() {
    for procedure in [&TWO_COMPONENTS as &dyn Procedure, &BEATRIX] {
        assert!(procedure.plan(&fixture::case()).unwrap_err().0.contains("no training set"));
        let flat = fixture::run(
            procedure,
            &fixture::recorded(Array2::ones((160, 5)), [0, 1, 2, 3, 5, 5, 6, 7].repeat(20)),
            0,
        );
        assert!(
            flat.verdict == Verdict::NothingFound && score(&flat).iter().all(|s| s.is_finite()),
            "{}",
            flat.summary
        );
        let few =
            fixture::run(procedure, &fixture::recorded(Array2::ones((6, 50)), vec![0, 0, 1, 1, 2, 9]), 0);
        assert_eq!((few.verdict, few.statistic), (Verdict::Inconclusive, None));
        let broken = fixture::recorded(Array2::from_elem((40, 2), f32::NAN), vec![0; 40]);
        let plan = procedure.plan(&broken).unwrap();
        let stop = procedure.run(&broken, &plan, &mut Context::new(0, "t", &Silent)).unwrap_err();
        assert!(stop.to_string().contains("sample 0"), "{stop}");
    }
    assert!(PREDICTION_CHECK.plan(&fixture::case()).unwrap_err().0.contains("no training set"));
    assert!(PREDICTION_CHECK.plan(&recorded(true).0).unwrap_err().0.contains("model"));
}
