use super::*;
use crate::math::rng::seeded;
use rand::Rng;

fn row(model: usize, family: Option<&str>, statistic: f64) -> Row {
    let seen = Seen { statistic, classes: vec![model % 10], seconds: None };
    Row {
        model: format!("m{model}"),
        group: format!("g{}", model % 4),
        classes: 10,
        family: family.map(str::to_owned),
        targets: vec![],
        detectors: BTreeMap::from([("neural-cleanse".to_owned(), seen)]),
        made: None,
    }
}

fn table(rows: Vec<Row>) -> Table {
    Table { schema: SCHEMA.into(), made_by: "a test".into(), rows, left_out: vec![] }
}

fn exponential(rng: &mut impl Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.r#gen::<f64>()).ln()
}

#[test]
fn the_chance_is_what_it_says_with_few_models() {
    let mut rng = seeded(2, "calibration", "size");
    let (mut hits, trials) = (0, 4000);
    for _ in 0..trials {
        let rows = (0..8).map(|i| row(i, None, exponential(&mut rng, 0.3))).collect();
        let null = table(rows).null("neural-cleanse", 10).unwrap();
        hits += usize::from(null.chance(exponential(&mut rng, 0.3)) <= 0.05);
    }
    let share = hits as f64 / f64::from(trials);
    assert!((share - 0.05).abs() < 0.012, "{share}");
}

#[test]
fn chance_and_quantile_are_inverse_and_groups_are_by_number_of_classes() {
    let mut rows: Vec<Row> = (0..6).map(|i| row(i, None, 0.1)).collect();
    rows.extend((6..12).map(|i| Row { classes: 43, ..row(i, None, 0.4) }));
    rows.push(row(12, Some("patch"), 9.0));
    let t = table(rows);
    let (few, many) = (t.null("neural-cleanse", 10).unwrap(), t.null("neural-cleanse", 43).unwrap());
    assert_eq!((few.models, many.models), (6, 6));
    assert!((few.sum - 0.6).abs() < 1e-12 && (many.sum - 2.4).abs() < 1e-12);
    assert!((few.chance(few.quantile(0.005)) - 0.005).abs() < 1e-12);
    assert!(few.chance(1.0) < many.chance(1.0) && few.chance(0.0) == 1.0);
    assert!(t.null("unheard-of", 10).is_none());
}

#[test]
fn detectors_that_are_missing_have_no_say_and_the_strangest_decides() {
    let mut rows: Vec<Row> = (0..10).map(|i| row(i, None, 0.1)).collect();
    for r in &mut rows {
        r.detectors.insert("maximum-margin".into(), Seen { statistic: 0.2, classes: vec![1], seconds: None });
    }
    let t = table(rows);
    let seen =
        |id: &str, statistic, class| (id.to_owned(), Seen { statistic, classes: vec![class], seconds: None });
    let one = fuse(&t, 10, &BTreeMap::from([seen("neural-cleanse", 2.0, 7)]), false).unwrap();
    assert!((one.chance - 3f64.powi(-10)).abs() < 1e-9, "(1 + 2/1)⁻¹⁰");
    let two = fuse(
        &t,
        10,
        &BTreeMap::from([seen("neural-cleanse", 2.0, 7), seen("maximum-margin", 0.2, 3)]),
        false,
    )
    .unwrap();
    assert!((two.chance - (1.0 - (1.0 - one.chance).powi(2))).abs() < 1e-12);
    assert_eq!((two.classes.as_slice(), two.parts[0].detector.as_str()), ([7].as_slice(), "neural-cleanse"));
    assert!(fuse(&t, 10, &BTreeMap::from([seen("unheard-of", 9.0, 1)]), false).is_none());
}

#[test]
fn the_curve_is_the_logistic_regression_and_rises() {
    // Two equal spreads, one unit apart: by symmetry even odds in the middle.
    let points: Vec<(f64, bool)> =
        (0..20).map(|i| (f64::from(i % 10) / 5.0 + f64::from(i / 10), i >= 10)).collect();
    let curve = Curve::of(&points).unwrap();
    assert!(curve.slope > 0.5 && (curve.probability(1.4) - 0.5).abs() < 1e-6, "{curve:?}");
    assert!(Curve::of(&points[..11]).is_none());
}

#[test]
fn folds_leave_out_what_was_made_alike() {
    let mut rows: Vec<Row> = (0..8).map(|i| row(i, None, 0.1 + 0.01 * i as f64)).collect();
    rows.extend((8..16).map(|i| row(i, Some("patch"), 3.0)));
    let t = table(rows);
    let held = held_out(&t, false, |a, b| a.group == b.group);
    assert!(held.iter().all(Option::is_some));
    let p: Vec<f64> = held.iter().flatten().map(|h| h.probability).collect();
    assert!(p[..8].iter().all(|&x| x < 0.5) && p[8..].iter().all(|&x| x > 0.5), "{p:?}");
}

#[test]
fn a_broken_table_is_refused_and_the_shipped_one_is_read() {
    assert!(Table::parse("{}").is_err());
    assert!(Table::parse(r#"{"schema": "other", "made_by": "", "rows": []}"#).unwrap_err().contains("other"));
    let mut bad = table(vec![row(0, None, 0.1)]);
    bad.rows[0].detectors.get_mut("neural-cleanse").unwrap().statistic = -1.0;
    let text = serde_json::to_string(&bad).unwrap();
    assert!(Table::parse(&text).unwrap_err().contains("m0"));
    assert!(shipped().is_some());
}
