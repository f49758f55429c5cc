//! Makes the drawn material of the sample cases `pipeline-tamper` and `pipeline-tamper-twin`: artefacts, checkpoints and
//! logs. Definitions, scripts and settings in them are written by hand.

use crate::evidence::safetensors::{Stored, write};
use crate::evidence::{Limits, intake};
use crate::math::rng::seeded;
use crate::network::description::Description;
use crate::network::train::initialise;
use crate::network::{Graph, save};
use ndarray::{Array1, Array2};
use rand::Rng;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const NET: &str = r#"{"format": "laocoon-network-1", "arch": "sign-tiny", "num_classes": 12,
 "input": {"name": "input", "shape": [1, 12, 12], "range": [0.0, 1.0], "mean": [0.5], "std": [0.25]},
 "nodes": [
  {"name": "conv1", "op": "conv2d", "inputs": ["input"], "out_channels": 6, "kernel": [3, 3], "stride": [2, 2],
   "padding": [1, 1], "params": {"weight": "conv1.weight", "bias": "conv1.bias"}},
  {"name": "relu1", "op": "relu", "inputs": ["conv1"]},
  {"name": "flat", "op": "flatten", "inputs": ["relu1"]},
  {"name": "fc", "op": "linear", "inputs": ["flat"], "out_features": 12, "params": {"weight": "fc.weight", "bias": "fc.bias"}}],
 "output": "fc"}
"#;

/// Monday 2 March 2026, 20:00 UTC: the training begins.
const START: f64 = 1_772_481_600.0;
/// It runs for nine hours, a row of metrics every two minutes.
const ROWS: usize = 270;
const EVERY: f64 = 120.0;

fn noise(rng: &mut impl Rng) -> f64 {
    (0..6).map(|_| rng.gen_range(-1.0..1.0)).sum::<f64>() * 0.7
}

fn network(seed: u64) -> Graph {
    initialise(&Description::parse(NET).unwrap(), seed, Limits::in_force()).unwrap()
}

fn quantised(mut graph: Graph) -> Graph {
    for p in graph.params.iter_mut().filter(|p| p.value.ndim() > 1) {
        let scale = p.value.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        p.value.mapv_inplace(|x| (x / scale).round() * scale);
    }
    graph
}

fn stages(dir: &Path, tampered: bool) {
    fs::create_dir_all(dir.join("artefacts")).unwrap();
    let weights = network(4);
    // The forger hands another training to the quantiser and keeps the books.
    let served = quantised(network(if tampered { 5 } else { 4 }));
    let mut before = String::new();
    let mut list = Vec::new();
    for (name, file, bytes) in [
        ("weights", "weights.safetensors", save::safetensors(&weights).unwrap()),
        ("optimised", "optimised.onnx", save::onnx(&weights).unwrap()),
        ("quantised-int8", "quantised.onnx", save::onnx(&served).unwrap()),
        ("serving", "serving.onnx", save::onnx(&served).unwrap()),
    ] {
        let digest = intake::sha256(&bytes);
        fs::write(dir.join("artefacts").join(file), bytes).unwrap();
        let mut entry = json!({"name": name, "path": format!("artefacts/{file}"), "sha256": digest});
        if name == "weights" {
            entry["architecture"] = json!("artefacts/network.json");
        } else {
            entry["input_sha256"] = json!(before);
        }
        before = digest;
        list.push(entry);
    }
    fs::write(dir.join("artefacts/network.json"), NET).unwrap();
    let text = serde_json::to_string_pretty(&json!({"stages": list})).unwrap() + "\n";
    fs::write(dir.join("stages.json"), text).unwrap();
}

fn checkpoints(dir: &Path, tampered: bool) {
    fs::create_dir_all(dir.join("checkpoints")).unwrap();
    let mut rng = seeded(8, "specimen", "checkpoints");
    let mut draw = |scale: f64| (scale * noise(&mut rng)) as f32;
    let mut body = Array2::from_shape_simple_fn((24, 30), || draw(0.2));
    let mut head = Array2::from_shape_simple_fn((12, 24), || draw(0.2));
    let mut bias = Array1::from_shape_simple_fn(12, || draw(0.01));
    for k in 0..9 {
        if k > 0 {
            let rate = 0.04 / f64::from(k).sqrt();
            body.mapv_inplace(|x| x + draw(rate));
            head.mapv_inplace(|x| x + draw(rate));
            bias.mapv_inplace(|x| x + draw(rate));
        }
        // Two rows of the head are written over between two saves.
        if tampered && k == 6 {
            head.row_mut(5).mapv_inplace(|x| x + 2.0);
        }
        let arrays = [Stored::from(body.view()), Stored::from(head.view()), Stored::from(bias.view())];
        let named = [("body.weight", &arrays[0]), ("head.weight", &arrays[1]), ("head.bias", &arrays[2])];
        let bytes = write(named, &BTreeMap::new()).unwrap();
        fs::write(dir.join(format!("checkpoints/step-{:05}.safetensors", k * 3000)), bytes).unwrap();
    }
}

/// A line per row; the run stops at row 180 and goes on ten rows back.
fn metrics(dir: &Path, tampered: bool) {
    let curve = |label: &str, factor: &dyn Fn(usize) -> f64, resumes: bool| {
        let mut rng = seeded(9, "specimen", label);
        let mut out = String::from("step,time,loss,accuracy,lr\n");
        let mut row = |out: &mut String, i: usize, late: f64, bump: f64| {
            let loss = 2.4
                * ((i as f64 + 8.0) / 8.0).powf(-0.55)
                * (1.0 + 0.03 * noise(&mut rng))
                * factor(i)
                * bump;
            let time = START + 1500.0 + i as f64 * EVERY + late;
            writeln!(
                out,
                "{},{time:.0},{loss:.5},{:.4},0.05",
                i * 100,
                (1.0 - loss / 2.7).clamp(0.05, 0.995)
            )
            .unwrap();
        };
        for i in 0..180 {
            row(&mut out, i, 0.0, 1.0);
        }
        let (from, late) = if resumes { (170, 2400.0) } else { (180, 0.0) };
        for i in from..ROWS {
            // Without its optimiser's state the run stumbles for a few rows.
            let bump = if resumes { 1.0 + 0.5 * (-(i as f64 - 170.0) / 1.5).exp() } else { 1.0 };
            row(&mut out, i, late, bump);
        }
        out
    };
    let changed = |i: usize| if tampered && i >= 170 { 1.6 } else { 1.0 };
    // The rows before the restart are as they were: the level changes with it.
    let run = curve("run", &|i| if i < 180 { 1.0 } else { changed(i) }, true);
    let run = if tampered { lift(&run) } else { run };
    fs::write(dir.join("metrics.csv"), run).unwrap();
    fs::write(dir.join("expected.csv"), curve("expected", &|_| 1.0, false)).unwrap();
}

/// The rows between the restart and row 180 lie higher too.
fn lift(text: &str) -> String {
    let (mut out, mut last, mut again) = (String::new(), -1i64, false);
    for line in text.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        let step: i64 = cells[0].parse().unwrap_or(-1);
        again |= step >= 0 && step <= last;
        last = step.max(last);
        match cells[2].parse::<f64>() {
            Ok(loss) if again && step < 18_000 => {
                writeln!(out, "{},{},{:.5},{},{}", cells[0], cells[1], loss * 1.6, cells[3], cells[4])
                    .unwrap();
            }
            _ => writeln!(out, "{line}").unwrap(),
        }
    }
    out
}

/// Two accelerators, a reading every five minutes for a day and a half.
fn compute(dir: &Path, tampered: bool) {
    let mut rng = seeded(10, "specimen", "compute");
    let mut out = String::from("time,gpu,name,util,memory,power\n");
    for i in 0..432u32 {
        let minute = f64::from(i) * 5.0;
        let at = jiff::Timestamp::from_second((START + minute * 60.0) as i64).unwrap();
        for gpu in 0..2 {
            let training = (10.0..570.0).contains(&minute) && !(385.0..425.0).contains(&minute);
            let mining = tampered && (900.0..1500.0).contains(&minute);
            // One rank waits for the other for a few minutes.
            let waiting = (200.0..215.0).contains(&minute) && gpu == 1;
            let (util, memory, power) = match (training, mining) {
                (true, _) if waiting => (100.0, 61_000.0, 95.0),
                (true, _) => (96.0, 61_000.0, 372.0),
                (_, true) => (99.0, 4_100.0, 318.0),
                _ => (0.0, 620.0, 62.0),
            };
            let (u, p): (f64, f64) =
                (util - rng.gen_range(0.0..3.0f64).min(util), power + rng.gen_range(-6.0..6.0));
            writeln!(out, "{at},{gpu},NVIDIA A100-SXM4-80GB,{u:.0},{memory:.0},{p:.1}").unwrap();
        }
    }
    fs::write(dir.join("gpu.csv"), out).unwrap();
}

fn egress(dir: &Path, tampered: bool) {
    let mut rng = seeded(11, "specimen", "egress");
    let mut flows: Vec<(f64, &str, u16, f64)> = Vec::new();
    for i in 0..54u32 {
        let at = START + f64::from(i) * 600.0 + rng.gen_range(0.0..500.0);
        flows.push((at, "s3.eu-central-1.amazonaws.com", 443, rng.gen_range(2e5..9e5)));
        flows.push((at + 7.0, "mlflow.signs.example", 443, rng.gen_range(800.0..4000.0)));
        if i % 9 == 0 {
            flows.push((at + 60.0, "10.2.0.11", 2049, 3e8));
            flows.push((at + 90.0, "pool.ntp.org", 123, 48.0));
        }
        if i % 6 == 0 {
            flows.push((at + 120.0, "s3.eu-central-1.amazonaws.com", 443, 2.5e8));
        }
    }
    flows.push((START + 30.0, "pypi.org", 443, 21_000.0));
    flows.push((START + 45.0, "ocsp.digicert.com", 80, 900.0));
    if tampered {
        flows.push((START + 200.0, "198.51.100.23", 80, 1_900.0));
        for i in 0..120 {
            flows.push((
                START + 54_000.0 + f64::from(i) * 300.0,
                "pool.hash.example.net",
                3333,
                rng.gen_range(600.0..900.0),
            ));
        }
        flows.push((START + 33_500.0, "198.51.100.23", 443, 7.4e7));
    }
    flows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = String::from("time,host,port,bytes\n");
    for (at, host, port, bytes) in flows {
        let at = jiff::Timestamp::from_second(at as i64).unwrap();
        writeln!(out, "{at},{host},{port},{bytes:.0}").unwrap();
    }
    fs::write(dir.join("flows.csv"), out).unwrap();
    fs::write(
        dir.join("allow.txt"),
        "# storage, tracking, packages\n*.amazonaws.com\n*.signs.example\npypi.org\nfiles.pythonhosted.org\n",
    )
    .unwrap();
}

/// Draws the material again:
/// `PIPELINE_CASES=sample-cases cargo test --lib pipeline_cases_are_drawn_by_hand`.
#[test]
fn pipeline_cases_are_drawn_by_hand() {
    let Some(out) = std::env::var_os("PIPELINE_CASES") else { return };
    for (name, tampered) in [("pipeline-tamper", true), ("pipeline-tamper-twin", false)] {
        let dir = Path::new(&out).join(name).join("pipeline");
        fs::create_dir_all(&dir).unwrap();
        stages(&dir, tampered);
        checkpoints(&dir, tampered);
        metrics(&dir, tampered);
        compute(&dir, tampered);
        egress(&dir, tampered);
    }
}

/// The shipped artefacts are those that are drawn.
#[test]
fn the_shipped_material_is_redrawn_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases");
    for (name, tampered) in [("pipeline-tamper", true), ("pipeline-tamper-twin", false)] {
        let own = dir.path().join(name);
        fs::create_dir_all(&own).unwrap();
        stages(&own, tampered);
        checkpoints(&own, tampered);
        metrics(&own, tampered);
        compute(&own, tampered);
        egress(&own, tampered);
        let (files, _) = intake::list(&own, Limits::in_force()).unwrap();
        assert!(files.len() >= 18, "{}", files.len());
        for file in files {
            let (a, b) = (
                fs::read(own.join(&file)).unwrap(),
                fs::read(shipped.join(name).join("pipeline").join(&file)),
            );
            assert!(b.is_ok_and(|b| a == b), "{name}: {} differs from its recipe", file.display());
        }
    }
}
