//! The data side's speed and memory, for comparison with `benches/peers/data.py`, which makes the same kind of data:
//! ten classes of normal activations (one in fifty of class 7 planted), and softmax rows with 4 % wrong labels.
//!
//! `cargo bench --bench data -- [SCALE] [NAME…]`: SCALE divides the number of samples (default 1); one thread.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench measures time and says it")]

use laocoon::detect::activation_clustering::ACTIVATION_CLUSTERING;
use laocoon::detect::label_issues::confident::{Filter, issues, study};
use laocoon::detect::neighbours::{duplicates, outlying};
use laocoon::detect::spectral_signatures::SPECTRAL_SIGNATURES;
use laocoon::evidence::{CaseFile, DataSet, Limits, Role};
use laocoon::math::neighbours::{Metric, nearest};
use laocoon::math::rng::seeded;
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Procedure, Silent};
use ndarray::Array2;
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

fn normal(rng: &mut impl Rng) -> f32 {
    (0..12).map(|_| rng.r#gen::<f32>()).sum::<f32>() - 6.0
}

fn activations(n: usize, d: usize) -> (Array2<f32>, Vec<usize>) {
    let mut rng = seeded(0, "bench", "activations");
    let means = Array2::from_shape_simple_fn((10, d), || normal(&mut rng));
    let labels: Vec<usize> = (0..n).map(|i| i % 10).collect();
    let values = Array2::from_shape_fn((n, d), |(i, j)| {
        let planted = labels[i] == 7 && i % 500 == 7 && j < 8;
        means[[labels[i], j]] + normal(&mut rng) + if planted { 6.0 } else { 0.0 }
    });
    (values, labels)
}

fn case(values: Array2<f32>, labels: Vec<usize>) -> Case {
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
    outcome.unwrap_or_else(|e| panic!("{e}")).verdict.name().to_owned()
}

fn probabilities(n: usize, k: usize) -> (Array2<f64>, Vec<usize>) {
    let mut rng = seeded(0, "bench", "probabilities");
    let mut labels = Vec::with_capacity(n);
    let mut p = Array2::<f64>::zeros((n, k));
    for mut row in p.rows_mut() {
        let shows = rng.gen_range(0..k);
        row.iter_mut().for_each(|x| *x = f64::from(normal(&mut rng)).exp());
        row[shows] *= 3.0f64.exp() * k as f64 / 10.0;
        let sum = row.sum();
        row /= sum;
        labels.push(if rng.gen_bool(0.04) { rng.gen_range(0..k) } else { shows });
    }
    (p, labels)
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap_or("").split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // utime and stime, in ticks of 10 ms, are the 12th and 13th after the state letter, which is no number.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(u, s)| (u + s) / 100.0)
}

fn peak_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn timed(name: &str, what: impl FnOnce() -> String) {
    let before = peak_mb();
    let (start, used) = (Instant::now(), cpu());
    let said = what();
    println!(
        "{name}: {:.2} s, {:.2} s of CPU, peak {} MB (input {before} MB), {said}",
        start.elapsed().as_secs_f64(),
        cpu() - used,
        peak_mb()
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let scale: usize = args.iter().find_map(|a| a.parse().ok()).unwrap_or(1);
    let wanted = |name: &str| {
        let names: Vec<&String> = args.iter().filter(|a| a.parse::<usize>().is_err()).collect();
        names.is_empty() || names.iter().any(|n| n.as_str() == name)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.unwrap_or_else(|e| panic!("{e}")).install(|| {
        if wanted("clustering") {
            let (values, labels) = activations(50_000 / scale, 512);
            let case = case(values, labels);
            timed("activation clustering 50k×512", || examine(&ACTIVATION_CLUSTERING, &case));
        }
        if wanted("spectral") {
            let (values, labels) = activations(50_000 / scale, 2048);
            let case = case(values, labels);
            timed("spectral signatures 50k×2048", || examine(&SPECTRAL_SIGNATURES, &case));
        }
        if wanted("labels") {
            let (p, labels) = probabilities(1_000_000 / scale, 100);
            timed("label issues 1M×100", || {
                let confident = study(p.view(), &labels);
                format!(
                    "{} issues",
                    issues(p.view(), &labels, &confident, Filter::PruneByNoiseRate, 1.0).len()
                )
            });
        }
        if wanted("neighbours") {
            let (values, _) = activations(50_000 / scale, 512);
            timed("outliers and near-duplicates 50k×512", || {
                let found = nearest(values.view(), 10, Metric::Cosine, &|| Ok::<_, ()>(()));
                let found = found.unwrap_or_else(|()| panic!("stopped"));
                let (far, near) = (outlying(&found, Metric::Cosine), duplicates(&found));
                format!("{} outliers, {} sets", far.outliers.len(), near.sets().len())
            });
        }
    });
}
