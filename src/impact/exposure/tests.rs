use super::*;
use crate::detect::fixture::run;
use crate::evidence::DataSet;
use crate::evidence::case_file::Deployment;
use crate::evidence::dataset::Pixels;
use crate::impact::trigger_tolerance::tests::recovered;
use crate::procedure::Data;
use std::sync::Arc;

fn suspects(case: &Case, with: usize) -> Data {
    let mut images = case.data[0].set.unit(&(0..40).collect::<Vec<_>>()).unwrap();
    for mut image in images.outer_iter_mut().take(with) {
        image[[0, 5, 5]] = 1.0;
    }
    let set = DataSet { images: Some(Pixels::F32(images)), ..DataSet::default() };
    Data { item: "E9".into(), role: Role::Suspect, set: Arc::new(set) }
}

#[test]
fn inputs_that_bear_the_trigger_are_found_and_listed() {
    let mut case = recovered(Some(5), Verdict::Flagged);
    assert!(EXPOSURE.plan(&case).unwrap_err().0.contains("deployment"));
    case.data.push(suspects(&case, 12));
    let got = run(&EXPOSURE, &case, 0);
    assert_eq!((got.verdict, &got.measures["bearing"]), (Verdict::Flagged, &json!(12)), "{}", got.summary);
    assert_eq!(got.findings[0].severity, Severity::Critical);
    assert_eq!(got.measures["look_at_first"][0]["what"], "suspect image 0");
    assert!(got.measures["power"].as_f64().unwrap() > 0.99);
    case.data.pop();
    case.data.push(suspects(&case, 0));
    let got = run(&EXPOSURE, &case, 0);
    assert_eq!(
        (got.verdict, &got.measures["bearing"]),
        (Verdict::NothingFound, &json!(0)),
        "{}",
        got.summary
    );
}

#[test]
fn period_and_volume_are_multiplied() {
    let mut case = recovered(Some(5), Verdict::Flagged);
    case.file.deployment = Some(Box::new(Deployment {
        first_seen: Some("2026-03-02".into()),
        last_seen: Some("2026-03-11".into()),
        requests_per_day: Some(1_000),
        log: None,
    }));
    let got = run(&EXPOSURE, &case, 0);
    assert_eq!(
        (&got.measures["days"], &got.measures["requests"]),
        (&json!(10), &json!(10_000.0)),
        "{}",
        got.summary
    );
    assert_eq!(got.verdict, Verdict::NothingFound);
}

#[test]
fn a_rise_of_the_target_class_is_told() {
    let case = recovered(Some(5), Verdict::Flagged);
    let answers: Vec<Answer> = (0..90)
        .map(|i| Answer {
            time: None,
            input: String::new(),
            class: Some(if i >= 60 && i % 2 == 0 { 5 } else { 1 }),
            confidence: None,
        })
        .collect();
    let (mut measures, mut told, mut figures) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    prior(&case, &answers, 5, &mut measures, &mut told, &mut figures);
    assert_eq!((&measures["target_share_first"], &measures["target_share_last"]), (&json!(0.0), &json!(0.5)));
    assert!(told.len() == 1 && figures.contains_key("prior"));
    prior(&case, &answers, 1, &mut measures, &mut told, &mut figures);
    assert_eq!(told.len(), 1, "a fall is not a rise");
}
