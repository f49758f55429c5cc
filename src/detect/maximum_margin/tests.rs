use super::*;
use crate::detect::fixture::{case, linear, run};
use crate::evidence::{InputSpec, Limits};
use crate::network::Builder;
use crate::network::op::{Linear, Op, View};
use ndarray::Array2;
use std::sync::Arc;

/// Logits `c_k` · `x_k`: the largest margin of class k over 0 ≤ x ≤ 1 is `c_k`.
fn diagonal(weights: &[f32]) -> Case {
    let k = weights.len();
    let mut rows = Array2::<f32>::zeros((k, k));
    for (i, &c) in weights.iter().enumerate() {
        rows[[i, i]] = c;
    }
    let mut b = Builder::new("input", &[1, 1, k], &Limits::default()).unwrap();
    let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
    let weight = b.param("w", rows.into_dyn(), false);
    let out = b.push("out", Op::Linear(Linear { weight, bias: None }), &[flat]).unwrap();
    let input = InputSpec { shape: [1, 1, k], range: [0.0, 1.0], mean: vec![], std: vec![] };
    let model = Model::from_graph(b.finish(out).unwrap(), input, vec![]).unwrap();
    Case { model: Some(Arc::new(model)), ..case() }
}

#[test]
fn margins_of_a_diagonal_network_are_its_weights() {
    let weights = [1.0, 1.1, 0.9, 1.2, 1.0, 9.0, 1.1, 0.95];
    let got = run(&MAXIMUM_MARGIN, &diagonal(&weights), 0);
    let margins: Vec<f64> = serde_json::from_value(got.measures["statistic"].clone()).unwrap();
    for (m, w) in margins.iter().zip(weights) {
        assert!((m - f64::from(w)).abs() < 0.02 * f64::from(w), "{margins:?}");
    }
    assert_eq!(got.measures["leaders"], json!([5]));
    assert!((got.statistic.unwrap() - (9.0f64 / 1.2).ln()).abs() < 0.05);
    assert!(got.measures["p_value"].as_f64().unwrap() < 0.001, "{}", got.summary);
    assert_eq!((got.verdict, got.findings[0].class), (Verdict::Flagged, Some(5)), "{}", got.summary);
    let twin = run(&MAXIMUM_MARGIN, &diagonal(&[1.0, 1.1, 0.9, 1.2, 1.0, 1.15, 1.1, 0.95]), 0);
    assert_eq!(twin.verdict, Verdict::NothingFound, "{}", twin.summary);
    assert!(twin.measures["p_value"].as_f64().unwrap() > 0.05);
}

#[test]
fn it_needs_no_data_and_four_classes() {
    let few = Case { model: Some(Arc::new(linear(3, None))), ..case() };
    assert!(MAXIMUM_MARGIN.plan(&few).unwrap_err().0.contains("four"));
    let case = Case { model: Some(Arc::new(linear(6, Some(1)))), ..case() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&MAXIMUM_MARGIN, &case, 7).measures)
    };
    assert_eq!(with(1), with(3), "the bits depend on the number of threads");
}
