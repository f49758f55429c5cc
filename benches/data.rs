//! The data side's speed and memory, for comparison with `benches/peers/data.py`, which makes the same kind of data:
//! ten classes of normal activations (one in fifty of class 7 planted), and softmax rows with 4 % wrong labels.
//!
//! ```text
//! cargo bench --bench data -- [NAME…] [--samples N] [--threads N] [--folder DIR] [--json]
//! ```
//! With `--folder` the inputs are kept there as plain numbers (little-endian, row by row), and read by both sides.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod common;

use laocoon::detect::activation_clustering::ACTIVATION_CLUSTERING;
use laocoon::detect::label_issues::confident::{Filter, issues, study};
use laocoon::detect::neighbours::{duplicates, outlying};
use laocoon::detect::spectral_signatures::SPECTRAL_SIGNATURES;
use laocoon::evidence::{CaseFile, DataSet, Limits, Role};
use laocoon::math::neighbours::{Metric, nearest};
use laocoon::math::rng::seeded;
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Procedure, Silent};
use ndarray::{Array2, Axis, Slice};
use rand::Rng;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The parts: name, samples of the full size, columns.
const PARTS: [(&str, usize, usize); 4] = [
    ("clustering", 50_000, 512),
    ("spectral", 50_000, 2048),
    ("labels", 1_000_000, 100),
    ("neighbours", 50_000, 512),
];
const CLASSES: usize = 10;

fn normal(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.r#gen::<f32>()).sum::<f32>() - 6.0
}

fn activations(n: usize, d: usize) -> Array2<f32> {
    let mut rng = seeded(0, "bench", "activations");
    let means = Array2::from_shape_simple_fn((CLASSES, d), || normal(&mut rng));
    Array2::from_shape_fn((n, d), |(i, j)| {
        let label = i % CLASSES;
        let planted = label == 7 && i % 500 == 7 && j < 8;
        means[[label, j]] + normal(&mut rng) + if planted { 6.0 } else { 0.0 }
    })
}

/// Probabilities, and as a last column the label given.
fn probabilities(n: usize, k: usize) -> Array2<f32> {
    let mut rng = seeded(0, "bench", "probabilities");
    let mut p = Array2::<f32>::zeros((n, k + 1));
    for mut row in p.rows_mut() {
        let shows = rng.gen_range(0..k);
        row.iter_mut().for_each(|x| *x = normal(&mut rng).exp());
        row[k] = 0.0;
        row[shows] *= 3.0f32.exp() * k as f32 / 10.0;
        let sum = row.sum();
        row /= sum;
        row[k] = if rng.gen_bool(0.04) { rng.gen_range(0..k) } else { shows } as f32;
    }
    p
}

/// The input of a part, from its file if there is one; made and kept there otherwise.
fn input(folder: Option<&Path>, part: &str, n: usize, d: usize) -> std::io::Result<Array2<f32>> {
    let make = || if part == "labels" { probabilities(n, d) } else { activations(n, d) };
    let Some(folder) = folder else { return Ok(make()) };
    let kind = if part == "labels" { "probabilities" } else { "activations" };
    let path: PathBuf = folder.join(format!("{kind}-{n}x{d}.f32"));
    let columns = if part == "labels" { d + 1 } else { d };
    if !path.exists() {
        let mut out = BufWriter::new(File::create(&path)?);
        for value in &make() {
            out.write_all(&value.to_le_bytes())?;
        }
        out.flush()?;
    }
    let mut file = BufReader::with_capacity(1 << 20, File::open(&path)?);
    let mut values = Array2::<f32>::zeros((n, columns));
    let mut row = vec![0; 4 * columns];
    for mut to in values.rows_mut() {
        file.read_exact(&mut row)?;
        for (to, from) in to.iter_mut().zip(row.as_chunks().0) {
            *to = f32::from_le_bytes(*from);
        }
    }
    Ok(values)
}

fn case(values: Array2<f32>) -> Case {
    let labels = (0..values.nrows()).map(|i| i % CLASSES).collect();
    let set = DataSet { labels, activations: Some(values), ..DataSet::default() };
    let file = CaseFile::from_paths(&[], &["training=.".to_owned()], &Limits::default());
    let file = file.unwrap_or_else(|e| panic!("{e}"));
    Case {
        file,
        register: vec![],
        model: None,
        data: vec![Data { item: "E1".into(), role: Role::Training, set: Arc::new(set) }],
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    }
}

fn examine(procedure: &dyn Procedure, case: &Case) -> String {
    let plan = procedure.plan(case).unwrap_or_else(|e| panic!("{e}"));
    let outcome = procedure.run(case, &plan, &mut Context::new(0, procedure.about().id, &Silent));
    let outcome = outcome.unwrap_or_else(|e| panic!("{e}"));
    format!("{}, {} findings", outcome.verdict.name(), outcome.findings.len())
}

fn timed(part: &str, (n, d): (usize, usize), what: impl FnOnce() -> String) {
    common::forget_peak();
    let before = common::memory_mib();
    let (start, used) = (Instant::now(), common::cpu());
    let said = what();
    let (seconds, cpu, peak) = (start.elapsed().as_secs_f64(), common::cpu() - used, common::peak_mib());
    common::tell(
        &format!(
            "{part} {n}×{d}: {seconds:.2} s, {cpu:.2} s of CPU, peak {peak:.0} MiB (input {before:.0} MiB), {said}"
        ),
        &json!({"part": part, "samples": n, "columns": d, "seconds": seconds, "cpu": cpu, "peak_mib": peak,
            "input_mib": before, "said": said}),
    );
}

fn part(name: &str, folder: Option<&Path>, size: (usize, usize)) -> std::io::Result<()> {
    let (n, d) = size;
    match name {
        "clustering" => {
            let case = case(input(folder, name, n, d)?);
            timed(name, size, || examine(&ACTIVATION_CLUSTERING, &case));
        }
        "spectral" => {
            let case = case(input(folder, name, n, d)?);
            timed(name, size, || examine(&SPECTRAL_SIGNATURES, &case));
        }
        "labels" => {
            let values = input(folder, name, n, d)?;
            let labels: Vec<usize> = values.column(d).iter().map(|&l| l as usize).collect();
            let p = values.slice_axis(Axis(1), Slice::from(..d));
            timed(name, size, || {
                let confident = study(p, &labels);
                format!("{} issues", issues(p, &labels, &confident, Filter::PruneByNoiseRate, 1.0).len())
            });
        }
        _ => {
            let values = input(folder, name, n, d)?;
            timed(name, size, || {
                let found = nearest(values.view(), 10, Metric::Cosine, &|| Ok::<_, ()>(()));
                let found = found.unwrap_or_else(|()| panic!("stopped"));
                let (far, near) = (outlying(&found, Metric::Cosine), duplicates(&found));
                format!("{} outliers, {} sets", far.outliers.len(), near.sets().len())
            });
        }
    }
    Ok(())
}

fn main() {
    let folder = common::option("--folder").map(PathBuf::from);
    let named: Vec<String> = std::env::args().skip(1).collect();
    let all = !PARTS.iter().any(|(name, ..)| named.iter().any(|n| n == name));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common::number("--threads", 1)).build();
    pool.unwrap_or_else(|e| panic!("{e}")).install(|| {
        for (name, n, d) in PARTS {
            if all || named.iter().any(|given| given == name) {
                let n = common::number("--samples", n);
                part(name, folder.as_deref(), (n, d)).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    });
}
