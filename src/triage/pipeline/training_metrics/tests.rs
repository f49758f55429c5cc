use super::*;
use crate::math::rng::seeded;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run as examine_case};
use rand::Rng;
use std::fmt::Write as _;
use std::fs;

fn noise(label: &str, n: usize) -> Vec<f64> {
    let mut rng = seeded(3, "metrics", label);
    (0..n).map(|_| (0..4).map(|_| rng.gen_range(-1.0..1.0)).sum::<f64>() * 0.03).collect()
}

/// A run of `n` rows: loss falls as a power, with noise, multiplied by what `factor` says.
fn rows(label: &str, n: usize, factor: impl Fn(usize) -> f64, rate: impl Fn(usize) -> f64) -> String {
    let noise = noise(label, n);
    let mut out = String::from("step,loss,accuracy,lr\n");
    for (i, e) in noise.iter().enumerate() {
        let loss = 2.3 * ((i as f64 + 10.0) / 10.0).powf(-0.5) * (1.0 + e) * factor(i);
        writeln!(out, "{},{loss:.6},{:.4},{}", i * 10, (1.0 - loss / 2.6).clamp(0.1, 0.99), rate(i)).unwrap();
    }
    out
}

fn outcome(metrics: &str, expected: Option<&str>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("m.csv"), metrics).unwrap();
    let mut toml = "[case]\nid = \"x\"\n[pipeline]\nmetrics = \"m.csv\"\n".to_owned();
    if let Some(text) = expected {
        fs::write(dir.path().join("e.csv"), text).unwrap();
        toml += "expected = \"e.csv\"\n";
    }
    examine_case(&TRAINING_METRICS, &case_of(dir.path(), &toml))
}

fn codes(metrics: &str, expected: Option<&str>) -> Vec<String> {
    let out = outcome(metrics, expected);
    out.measures["sightings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["code"].as_str().unwrap().to_owned())
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn ordinary_runs_are_not_accused() {
    for label in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(
            codes(&rows(label, 400, |_| 1.0, |_| 0.1), Some(&rows("other", 400, |_| 1.0, |_| 0.1))),
            NONE,
            "{label}"
        );
        // The schedule drops the rate: the loss drops with it.
        let steps =
            rows(label, 400, |i| if i > 200 { 0.6 } else { 1.0 }, |i| if i > 200 { 0.01 } else { 0.1 });
        assert_eq!(codes(&steps, None), NONE, "{label}");
        // The same, with no rate in the log.
        assert_eq!(
            codes(&rows(label, 400, |i| if i > 200 { 0.6 } else { 1.0 }, |_| 0.1), None),
            NONE,
            "{label}"
        );
        // One bad batch, a warm restart.
        assert_eq!(
            codes(&rows(label, 400, |i| if (250..253).contains(&i) { 3.0 } else { 1.0 }, |_| 0.1), None),
            NONE,
            "{label}"
        );
        let warm =
            rows(label, 400, |i| if i > 200 { 1.5 } else { 1.0 }, |i| if i > 200 { 0.1 } else { 0.01 });
        assert_eq!(codes(&warm, None), NONE, "{label}");
    }
}

#[test]
fn a_level_that_changes_for_no_reason() {
    for label in ["a", "b", "c"] {
        let out = codes(&rows(label, 400, |i| if i > 250 { 1.8 } else { 1.0 }, |_| 0.1), None);
        assert_eq!(out, ["metrics.level"], "{label}");
    }
    let expected = rows("t", 400, |_| 1.0, |_| 0.1);
    let slow = rows("a", 400, |i| 1.0 + 0.6 * (i as f64 / 400.0), |_| 0.1);
    assert_eq!(codes(&slow, Some(&expected)), ["expected.accuracy", "expected.loss"]);
}

/// The first `a` rows, then a restart ten rows back with the loss times `factor(row since)`.
fn resumed(label: &str, a: usize, factor: impl Fn(usize) -> f64) -> String {
    let text = rows(label, 400, |_| 1.0, |_| 0.1);
    let lines: Vec<&str> = text.lines().collect();
    let again = rows("again", 400, |i| if i >= a - 10 { factor(i + 10 - a) } else { 1.0 }, |_| 0.1);
    let mut out = lines[..=a].join("\n") + "\n";
    for line in again.lines().skip(a - 9) {
        out += line;
        out.push('\n');
    }
    out
}

#[test]
fn restarts() {
    for label in ["a", "b", "c"] {
        assert_eq!(codes(&resumed(label, 200, |_| 1.0), None), NONE, "{label}");
        // The optimiser lost its state: a bump that goes away.
        assert_eq!(
            codes(&resumed(label, 200, |i| 1.0 + 0.8 * (-(i as f64) / 2.0).exp()), None),
            NONE,
            "{label}"
        );
        assert_eq!(codes(&resumed(label, 200, |_| 1.7), None), ["resume.level"], "{label}");
        assert_eq!(codes(&resumed(label, 200, |_| 0.5), None), ["resume.level"], "{label}");
    }
}

#[test]
fn made_up_metrics() {
    let text = rows("a", 200, |_| 1.0, |_| 0.1);
    let lines: Vec<&str> = text.lines().collect();
    let mut copied = text.clone();
    for (k, line) in lines[101..121].iter().enumerate() {
        let rest = line.split_once(',').unwrap().1;
        writeln!(copied, "{},{rest}", 2000 + k * 10).unwrap();
    }
    assert!(codes(&copied, None).contains(&"metrics.copied".to_owned()));
    let smooth: String = (0..100)
        .fold("step,loss\n".to_owned(), |t, i| t + &format!("{i},{}\n", 2.0 * (-f64::from(i) / 50.0).exp()));
    assert_eq!(codes(&smooth, None), ["metrics.smooth"]);
    let mixed = rows("a", 200, |_| 1.0, |_| 0.1);
    let odd: String = mixed
        .lines()
        .map(|l| {
            let c: Vec<&str> = l.split(',').collect();
            match c[1].parse::<f64>() {
                Ok(x) => format!("{},{x},{}\n", c[0], x / 3.0),
                Err(_) => "step,loss,accuracy\n".to_owned(),
            }
        })
        .collect();
    assert!(codes(&odd, None).contains(&"metrics.unfit".to_owned()));
}

#[test]
fn tables_that_say_too_little_or_nothing() {
    let out = outcome("step,loss\n1,nan\n2,0.5\n", None);
    assert_eq!(out.verdict, Verdict::Inconclusive);
    assert!(out.measures["notes"].to_string().contains("no number in 1 rows"));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("m.csv"), "a,b\n1,2\n").unwrap();
    let case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nmetrics = \"m.csv\"\n");
    let plan = TRAINING_METRICS.plan(&case).unwrap();
    let stop =
        TRAINING_METRICS.run(&case, &plan, &mut Context::new(0, "x", &crate::procedure::Silent)).unwrap_err();
    assert_eq!(stop.to_string(), "m.csv: no column 'loss'");
}
