use super::*;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use std::fmt::Write as _;
use std::fs;

/// Monday 2 March 2026, 08:00.
const START: f64 = 1_772_438_400.0;

/// A reading a minute of one accelerator: what `load` says at each minute (util, memory, power).
fn log(minutes: usize, load: impl Fn(usize) -> (f64, f64, f64)) -> String {
    let mut out = String::from("time,gpu,name,util,memory,power\n");
    for i in 0..minutes {
        let (u, m, p) = load(i);
        writeln!(out, "{},0,NVIDIA A100-SXM4-80GB,{u},{m},{p}", START + i as f64 * 60.0).unwrap();
    }
    out
}

fn metrics(minutes: std::ops::Range<usize>, shift: f64) -> String {
    minutes.fold("step,time,loss\n".to_owned(), |mut t, i| {
        writeln!(t, "{i},{},{}", START + shift + i as f64 * 60.0, 2.0 / (1.0 + i as f64)).unwrap();
        t
    })
}

fn outcome(compute: &str, metrics: Option<&str>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("g.csv"), compute).unwrap();
    let mut toml = "[case]\nid = \"x\"\n[pipeline]\ncompute = \"g.csv\"\n".to_owned();
    if let Some(text) = metrics {
        fs::write(dir.path().join("m.csv"), text).unwrap();
        toml += "metrics = \"m.csv\"\n";
    }
    run(&COMPUTE_USE, &case_of(dir.path(), &toml))
}

fn codes(out: &Outcome) -> Vec<&str> {
    out.measures["sightings"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect()
}

const WORK: (f64, f64, f64) = (97.0, 60_000.0, 380.0);
const REST: (f64, f64, f64) = (0.0, 500.0, 60.0);

#[test]
fn training_with_hiccups_is_not_accused() {
    // Half an hour of start, eight hours of training with a stall of 40 minutes, then the evaluation.
    let load = |i: usize| match i {
        0..10 | 250..290 => REST,
        300..303 => (98.0, 60_000.0, 70.0),
        10..530 => WORK,
        530..550 => (80.0, 40_000.0, 300.0),
        _ => REST,
    };
    let out = outcome(&log(700, load), Some(&metrics(25..530, 0.0)));
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    let hours = out.measures["gpu_hours"].as_f64().unwrap();
    assert!((hours - 700.0 / 60.0).abs() < 0.1, "{hours}");
    assert_eq!(out.measures["gpu_hours_at_stake"], 0.0);
    // The same with clocks two hours apart.
    let out = outcome(&log(700, load), Some(&metrics(25..530, 7200.0)));
    assert!(codes(&out).is_empty(), "{:#?}", out.findings);
    // And with no metrics: a training that ran into the night.
    let out = outcome(&log(1200, |i| if i < 1100 { WORK } else { REST }), None);
    assert!(codes(&out).is_empty(), "{:#?}", out.findings);
}

#[test]
fn work_without_progress_and_its_price() {
    let load = |i: usize| if i < 300 || (800..1100).contains(&i) { WORK } else { REST };
    let out = outcome(&log(1200, load), Some(&metrics(0..300, 0.0)));
    assert_eq!(codes(&out), ["load.no-progress"]);
    assert_eq!(out.findings[0].severity, Severity::High);
    assert!(out.findings[0].title.contains("5.0 GPU hours of work (50 %)"), "{}", out.findings[0].title);
    let stake = out.measures["gpu_hours_at_stake"].as_f64().unwrap();
    let cost = out.measures["cost_at_stake_usd"][0].as_f64().unwrap();
    let price = out.measures["price"]["usd_per_hour"][0].as_f64().unwrap();
    assert!(
        (stake - 5.0).abs() < 0.05
            && (cost - stake * price).abs() < 1e-9
            && out.measures["price"]["priced_as"] == "A100"
    );
    let out = outcome(
        &log(1500, |i| {
            if i < 300 {
                WORK
            } else if i > 1000 {
                (100.0, 3_000.0, 250.0)
            } else {
                REST
            }
        }),
        None,
    );
    assert_eq!(codes(&out), ["load.other"], "{}", out.summary);
}

#[test]
fn power_that_does_not_fit_and_programs_that_mine() {
    let load = |i: usize| {
        if i < 300 {
            WORK
        } else if i < 360 {
            (0.0, 3_000.0, 330.0)
        } else {
            REST
        }
    };
    let out = outcome(&log(600, load), Some(&metrics(0..300, 0.0)));
    assert_eq!(codes(&out), ["power.hidden"]);
    let mined = "time,gpu,util,process_name\n2026-03-02 10:00:00,0,99,/tmp/.x/xmrig\n2026-03-02 10:01:00,0,99,python\n2026-03-02 10:02:00,0,99,python\n";
    let out = outcome(mined, None);
    assert_eq!((codes(&out), out.findings[0].severity), (vec!["process.miner"], Severity::Critical));
    let mut jobs = String::from("time,gpu,util,job\n");
    for i in 0..200 {
        writeln!(
            jobs,
            "{},0,95,{}",
            START + f64::from(i) * 60.0,
            if i < 100 { "train-77" } else { "tmp-12" }
        )
        .unwrap();
    }
    let with_job = metrics(0..200, 0.0)
        .lines()
        .map(|l| format!("{l},{}", if l.starts_with("step") { "job" } else { "train-77" }))
        .collect::<Vec<_>>()
        .join("\n");
    let out = outcome(&jobs, Some(&with_job));
    assert_eq!(codes(&out), ["job.no-artefact"]);
}

#[test]
fn other_logs_and_bad_ones() {
    let dmon = "# gpu   pwr   sm   mem\n# Idx   W   %   %\n    0   391   98   40\n    0   390   97   40\n";
    assert_eq!(outcome(dmon, None).measures["gpus"], 1);
    assert_eq!(
        price("gpu,usd_per_hour\nh100,9\n*,1\n", "NVIDIA H100 80GB").unwrap(),
        ("h100".into(), (9.0, 9.0))
    );
    assert_eq!(price("gpu,usd_per_hour\nh100,9\n*,1\n", "").unwrap().1, (1.0, 1.0));
    assert!(price("gpu,usd_per_hour\nh100,9\n", "x").is_err());
    for text in ["a,b\n1,2\n", "time,util\nnever,50\n", "", "time,util\n1,nan\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("g.csv"), text).unwrap();
        let case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\ncompute = \"g.csv\"\n");
        let plan = COMPUTE_USE.plan(&case).unwrap();
        assert!(
            COMPUTE_USE.run(&case, &plan, &mut Context::new(0, "x", &crate::procedure::Silent)).is_err(),
            "{text}"
        );
    }
    assert!(price(PRICES, "Tesla V100").unwrap().1.0 > 0.0);
}
