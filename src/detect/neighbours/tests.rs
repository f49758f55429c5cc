use super::near_duplicates::NEAR_DUPLICATES;
use super::outliers::OUTLIERS;
use super::*;
use crate::detect::fixture;
use crate::procedure::{Silent, Verdict};
use ndarray::{Array2, Array4, Axis};
use rand::Rng;
use std::sync::Arc;

fn samples() -> Array2<f32> {
    let mut rng = crate::math::rng::seeded(3, "neighbours", "case");
    let mut values = Array2::from_shape_simple_fn((200, 2), || rng.gen_range(0.0f32..1.0));
    values.row_mut(17).fill(9.0);
    let copy = values.row(3).to_owned();
    for i in [40, 41] {
        values.row_mut(i).assign(&copy);
    }
    values
}

#[test]
fn far_samples_and_copies_are_listed() {
    let mut labels: Vec<usize> = (0..200).map(|i| i % 4).collect();
    labels[41] = labels[3];
    let case = fixture::recorded(samples(), labels);
    let got = fixture::run(&OUTLIERS, &case, 0);
    assert_eq!(got.measures["outliers"][0], 17);
    assert_eq!((got.verdict, got.measures["metric"].as_str()), (Verdict::NothingFound, Some("euclidean")));
    let got = fixture::run(&NEAR_DUPLICATES, &case, 0);
    let sets: Vec<Vec<usize>> = serde_json::from_value(got.measures["sets"].clone()).unwrap();
    assert!(sets.iter().any(|s| [3, 40, 41].iter().all(|i| s.contains(i))), "{sets:?}");
    assert!(!got.measures["sets_with_different_labels"].as_array().unwrap().is_empty());
}

#[test]
fn stamped_copies_with_a_new_label_are_a_lead() {
    let mut rng = crate::math::rng::seeded(4, "neighbours", "images");
    let mut images = Array4::<u8>::from_shape_simple_fn((60, 1, 16, 16), || rng.r#gen());
    let mut labels: Vec<usize> = (0..60).map(|i| i % 5).collect();
    for i in 0..6 {
        let copy = images.index_axis(Axis(0), i).to_owned();
        images.index_axis_mut(Axis(0), 50 + i).assign(&copy);
        images[[50 + i, 0, 15, 15]] ^= 255;
        labels[50 + i] = 4;
    }
    labels[4] = 0;
    let mut case = fixture::recorded(Array2::from_shape_fn((60, 4), |(i, j)| (i * (j + 1)) as f32), labels);
    Arc::make_mut(&mut case.data[0].set).images = Some(crate::evidence::dataset::Pixels::U8(images));
    let got = fixture::run(&NEAR_DUPLICATES, &case, 0);
    assert_eq!((got.verdict, got.findings[0].class), (Verdict::Inconclusive, Some(4)), "{}", got.summary);
    assert_eq!(got.measures["altered_copies"].as_array().unwrap().len(), 6);
    assert!(got.figures.contains_key("pairs"));
}

#[test]
fn bad_input_is_answered() {
    use crate::procedure::Procedure;
    for procedure in [&OUTLIERS as &dyn Procedure, &NEAR_DUPLICATES] {
        assert!(procedure.plan(&fixture::case()).unwrap_err().0.contains("no training set"));
        let flat = fixture::run(procedure, &fixture::recorded(Array2::ones((30, 5)), vec![2; 30]), 0);
        assert_eq!(flat.verdict, Verdict::NothingFound, "{}", flat.summary);
        let few = fixture::run(procedure, &fixture::recorded(Array2::ones((2, 5)), vec![0, 7]), 0);
        assert_eq!(few.verdict, Verdict::Inconclusive);
        let mut odd = fixture::recorded(Array2::ones((2, 5)), vec![0, 7]);
        odd.overrides.insert(procedure.about().id.into(), serde_json::json!({"metric": "taxicab"}));
        assert!(procedure.plan(&odd).unwrap_err().0.contains("euclidean"));
        let broken = fixture::recorded(Array2::from_elem((12, 2), f32::NAN), vec![0; 12]);
        let plan = procedure.plan(&broken).unwrap();
        let stop = procedure.run(&broken, &plan, &mut Context::new(0, "t", &Silent)).unwrap_err();
        assert!(stop.to_string().contains("sample 0"));
    }
}

#[test]
fn the_outlier_rule_has_its_closed_form() {
    let found = Neighbours {
        indices: Array2::zeros((5, 1)),
        distances: Array2::from_shape_vec((5, 1), vec![1.0, 2.0, 3.0, 4.0, 100.0]).unwrap(),
    };
    let seen = outlying(&found, Metric::Euclidean);
    assert!((seen.threshold - (4.0 + (1.0 / 0.37037 - 1.0) * 2.0)).abs() < 1e-12);
    assert_eq!(seen.outliers, [4]);
    assert!((seen.score[0] - (-1.0f64 / 3.0).exp()).abs() < 1e-12);
}
