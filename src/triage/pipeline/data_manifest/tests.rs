use super::*;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use ndarray::Array4;
use std::fs;
use std::sync::Arc;

/// A case over `n` samples per class of three classes, each image another; `change` may spoil it.
fn outcome(name: &str, manifest: &str, change: impl Fn(&mut DataSet)) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), manifest).unwrap();
    fs::write(dir.path().join("d.npz"), b"x").unwrap();
    let toml = format!(
        "[case]\nid = \"x\"\n[[data]]\nrole = \"training\"\npath = \"d.npz\"\nmanifest = \"{name}\"\n"
    );
    let mut case = case_of(dir.path(), &toml);
    let mut set = DataSet {
        images: Some(Pixels::U8(Array4::from_shape_fn((120, 1, 4, 4), |(i, _, y, x)| (i * 2 + y * x) as u8))),
        labels: (0..120).map(|i| i % 3).collect(),
        ..DataSet::default()
    };
    change(&mut set);
    case.data = vec![Data { item: "E1".into(), role: Role::Training, set: Arc::new(set) }];
    run(&DATA_MANIFEST, &case)
}

fn codes(out: &Outcome) -> Vec<&str> {
    out.measures["sightings"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect()
}

const COUNTS: &str = "{\"classes\": {\"0\": 40, \"1\": 40, \"2\": 40}, \"samples\": 120}";

#[test]
fn counts_that_fit_and_that_do_not() {
    let out = outcome("m.json", COUNTS, |_| {});
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert_eq!(codes(&outcome("m.json", COUNTS, |s| s.labels[0] = 2)), ["manifest.classes"]);
    // A part of what the manifest lists, in the same shares.
    let part = "{\"classes\": {\"0\": 400, \"1\": 410, \"2\": 395}}";
    assert_eq!(outcome("m.json", part, |_| {}).verdict, Verdict::NothingFound);
    let skewed = "{\"classes\": {\"0\": 900, \"1\": 900, \"2\": 100}}";
    assert_eq!(codes(&outcome("m.json", skewed, |_| {})), ["manifest.shares"]);
    let fewer = "{\"classes\": {\"0\": 39, \"1\": 39, \"2\": 39}}";
    assert_eq!(codes(&outcome("m.json", fewer, |_| {})), ["manifest.samples"]);
    let csv = "path,sha256,label\n".to_owned()
        + &(0..120).map(|i| format!("{i},,{}", i % 3)).collect::<Vec<_>>().join("\n");
    assert_eq!(outcome("m.csv", &csv, |_| {}).verdict, Verdict::NothingFound);
    let named = "{\"classes\": {\"stop\": 40}}";
    assert!(outcome("m.json", named, |_| {}).measures["notes"].to_string().contains("other names"));
}

#[test]
fn copies() {
    let copy = |set: &mut DataSet, from: usize, to: usize| {
        let Some(Pixels::U8(a)) = &mut set.images else { panic!() };
        let image = a.index_axis(ndarray::Axis(0), from).to_owned();
        a.index_axis_mut(ndarray::Axis(0), to).assign(&image);
    };
    let torn = outcome("m.json", COUNTS, |s| (0..4).for_each(|k| copy(s, k, k + 10)));
    assert_eq!(codes(&torn), ["data.conflict"]);
    assert_eq!(outcome("m.json", COUNTS, |s| copy(s, 0, 1)).verdict, Verdict::NothingFound);
    let many = outcome("m.json", COUNTS, |s| (1..15).for_each(|k| copy(s, 0, 3 * k)));
    assert_eq!(codes(&many), ["data.duplicates"]);
    assert!((many.measures["duplicate_ratio_E1"].as_f64().unwrap() - 14.0 / 120.0).abs() < 1e-12);
}

fn between(old: &str, new: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    for (folder, text) in [("old", old), ("new", new)] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("data_manifest.json"), text).unwrap();
    }
    run(
        &DATA_MANIFEST,
        &case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nbaseline = \"old\"\ncurrent = \"new\"\n"),
    )
}

#[test]
fn manifests_of_two_runs() {
    let digest = |c: char| c.to_string().repeat(64);
    let text = |a: usize, b: usize, dedup: f64, d: &str| {
        format!(
            "{{\"classes\": {{\"a\": {a}, \"b\": {b}}}, \"dedup_ratio\": {dedup}, \"files\": {{\"x.bin\": \"{d}\"}}}}"
        )
    };
    let old = text(1000, 1000, 0.12, &digest('a'));
    assert_eq!(between(&old, &text(1100, 1090, 0.13, &digest('a'))).verdict, Verdict::NothingFound);
    assert_eq!(codes(&between(&old, &text(1000, 1600, 0.12, &digest('a')))), ["manifest.shares"]);
    assert_eq!(codes(&between(&old, &text(1000, 1000, 0.01, &digest('a')))), ["manifest.ratio"]);
    assert_eq!(codes(&between(&old, &text(1000, 1000, 0.12, &digest('b')))), ["manifest.files"]);
    // The digest of the whole changes whenever the data grows: it names no file.
    let whole = |n: usize, c| format!("{{\"samples\": {n}, \"sha256\": \"{}\"}}", digest(c));
    assert_eq!(between(&whole(1000, 'a'), &whole(1020, 'b')).verdict, Verdict::NothingFound);
}

#[test]
fn manifests_that_cannot_be_read() {
    assert_eq!(outcome("m.json", "[[[", |_| {}).verdict, Verdict::Inconclusive);
    assert_eq!(outcome("m.sha256", "nonsense", |_| {}).verdict, Verdict::Inconclusive);
    let sums =
        Manifest::of_lines(&format!("{}  ./cat/a.png\n{} *dog/b.png\n", "A".repeat(64), "b".repeat(64)));
    assert_eq!((sums.files.len(), sums.classes["cat"]), (2, 1.0));
    let dir = tempfile::tempdir().unwrap();
    assert!(
        DATA_MANIFEST
            .plan(&case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\nmetrics = \"m\"\n"))
            .is_err()
    );
}
