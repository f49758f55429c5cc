use super::*;
use crate::detect::fixture::{modelled, run};
use crate::procedure::Record;

fn record(gap: f64, classes: &[usize]) -> Record {
    Record {
        verdict: Verdict::NothingFound,
        summary: String::new(),
        statistic: number(gap),
        threshold: Value::Null,
        threshold_origin: String::new(),
        findings: vec![],
        measures: BTreeMap::from([("gap".to_owned(), number(gap)), ("leaders".to_owned(), json!(classes))]),
        blobs: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: String::new(),
    }
}

fn judged(records: &[(&str, Record)]) -> Outcome {
    let mut case = modelled(10, None);
    for (id, r) in records {
        case.earlier.records.insert((*id).to_owned(), r.clone());
    }
    run(&MODEL_VERDICT, &case, 0)
}

#[test]
fn one_strong_detector_is_enough_and_names_class_and_kind() {
    let got = judged(&[("neural-cleanse", record(3.0, &[7])), ("maximum-margin", record(0.01, &[2]))]);
    assert_eq!(got.verdict, Verdict::Flagged, "{}", got.summary);
    assert_eq!((got.findings.len(), got.findings[0].class), (1, Some(7)));
    assert_eq!(
        (got.measures["family"].as_str(), got.measures["target_classes"].clone()),
        (Some("patch"), json!([7]))
    );
    assert!(got.measures["model_score"].as_f64().unwrap() > 0.8);
    assert!(got.statistic.unwrap() >= got.threshold.unwrap());
    assert_eq!(got.measures["counted"], json!(["neural-cleanse", "maximum-margin"]));
    let table = calibration::shipped().unwrap();
    assert_eq!(
        got.measures["calibration"],
        json!({"table": calibration::digest(), "recipes": table.recipes(), "models": table.rows.len()})
    );
    assert!(got.limits.contains("warp-search"), "those that had no say are named: {}", got.limits);
}

#[test]
fn weak_evidence_is_nothing_found_with_a_low_probability() {
    let got = judged(&[("neural-cleanse", record(0.05, &[7])), ("maximum-margin", record(0.01, &[2]))]);
    assert_eq!(got.verdict, Verdict::NothingFound, "{}", got.summary);
    assert!(got.findings.is_empty() && got.measures["target_classes"] == json!([]));
    assert!(got.measures["model_score"].as_f64().unwrap() < 0.5);
}

#[test]
fn a_detector_that_is_missing_is_not_good_news() {
    let alone = judged(&[("neural-cleanse", record(1.0, &[7]))]);
    let more = judged(&[
        ("neural-cleanse", record(1.0, &[7])),
        ("maximum-margin", record(0.0, &[2])),
        ("warp-search", record(0.0, &[2])),
    ]);
    let score = |o: &Outcome| o.measures["model_score"].as_f64().unwrap();
    assert!(score(&alone) >= score(&more));
    let mut case = modelled(10, None);
    assert!(MODEL_VERDICT.plan(&case).unwrap_err().0.contains("no model detector"));
    case.model = None;
    assert!(MODEL_VERDICT.plan(&case).unwrap_err().0.contains("no model"));
}

#[test]
fn training_data_joins_the_verdict() {
    let mut data = record(0.0, &[]);
    data.verdict = Verdict::Flagged;
    data.measures.insert("data_score".into(), number(0.9));
    let finding =
        Finding::new(Concern::DataPoisoning, Severity::High, Confidence::High, "planted", "40 samples");
    data.findings = vec![finding.class(3)];
    let got = judged(&[("neural-cleanse", record(0.05, &[7])), (DATA, data)]);
    assert_eq!((got.verdict, got.measures["target_classes"].clone()), (Verdict::Flagged, json!([3])));
    let (alone, both) =
        (got.measures["score_of_detectors"].as_f64().unwrap(), got.measures["model_score"].as_f64().unwrap());
    assert!((both - (1.0 - (1.0 - alone) * 0.1)).abs() < 1e-12);
}

#[test]
fn everything_it_counts_comes_before_it() {
    let after = MODEL_VERDICT.about().after;
    assert!(DETECTORS.iter().all(|id| after.contains(id)) && after.contains(&DATA));
}
