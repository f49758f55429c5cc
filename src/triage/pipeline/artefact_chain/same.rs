//! Whether two artefacts are the same function: the same logits for the same images, within what a conversion costs.

use crate::evidence::dataset::DataSet;
use crate::math::rng::seeded;
use crate::math::robust::median;
use crate::network::Model;
use ndarray::{Array2, Array4};
use rand::Rng;

/// Relative distance that merging and reordering of operators costs at most, and the least that quantising may cost.
const EXACT: f64 = 1e-3;
const QUANTISED: f64 = 0.02;

/// How much more than rounding the weights alone a whole quantisation may cost (activations are rounded too), and what no
/// quantisation costs.
const MORE: f64 = 6.0;
const CAP: f64 = 0.5;

/// What a comparison gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Same {
    /// Median over images of the distance between logits, over their spread in the first artefact.
    pub apart: f64,
    /// The largest that counts as the same function.
    pub allowed: f64,
    /// Share of images that get the same class.
    pub agreement: f64,
    pub images: usize,
}

/// What kind of conversion leads to an artefact, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conversion {
    Exact,
    /// Bits of a weight.
    Quantised(u32),
    /// Pruned, distilled, fine-tuned: another function on purpose.
    Other,
}

pub(super) fn conversion(name: &str) -> Conversion {
    let lower = name.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if any(&["prun", "distil", "finetun", "fine-tun", "fine_tun", "lora", "merge"]) {
        Conversion::Other
    } else if any(&["int4", "4bit", "4-bit", "q4"]) {
        Conversion::Quantised(4)
    } else if any(&["quant", "int8", "8bit", "8-bit", "q8", "qdq", "tflite", "fp8"]) {
        Conversion::Quantised(8)
    } else if any(&["fp16", "bf16", "half", "float16"]) {
        Conversion::Quantised(10)
    } else {
        Conversion::Exact
    }
}

/// Images to compare on: those of a data set, else drawn ones (noise and blocks), the same every time.
pub(super) fn images(set: Option<&DataSet>, shape: [usize; 3], count: usize, seed: u64) -> Array4<f32> {
    if let Some(set) = set.filter(|s| s.shape() == Some(shape) && s.len() >= 8) {
        let every = (set.len() / count).max(1);
        let picked: Vec<usize> = (0..set.len()).step_by(every).take(count).collect();
        if let Some(images) = set.unit(&picked) {
            return images;
        }
    }
    drawn(shape, count.min(64), seed)
}

/// Flat colours with noise on them, and a block of another colour.
fn drawn([c, h, w]: [usize; 3], count: usize, seed: u64) -> Array4<f32> {
    let mut rng = seeded(seed, "artefact-chain", "images");
    let mut out = Array4::zeros((count, c, h, w));
    for mut image in out.outer_iter_mut() {
        let noise: f32 = rng.gen_range(0.0..0.4);
        let (top, left) = (rng.gen_range(0..h.max(1)), rng.gen_range(0..w.max(1)));
        for mut plane in image.outer_iter_mut() {
            let (base, block): (f32, f32) = (rng.r#gen(), rng.r#gen());
            for ((y, x), value) in plane.indexed_iter_mut() {
                let level = if y >= top && x >= left { block } else { base };
                *value = (level + noise * rng.gen_range(-1.0f32..1.0)).clamp(0.0, 1.0);
            }
        }
    }
    out
}

/// Logits with the mean of each row taken off: a constant added to all changes no answer.
fn centred(logits: &Array2<f32>) -> Array2<f64> {
    let mut out = logits.mapv(f64::from);
    for mut row in out.outer_iter_mut() {
        let mean = row.mean().unwrap_or(0.0);
        row -= mean;
    }
    out
}

fn norm(row: ndarray::ArrayView1<f64>) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Median relative distance between rows.
fn apart(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let rows = a.outer_iter().zip(b.outer_iter());
    let each: Vec<f64> = rows
        .map(|(x, y)| {
            let size = norm(x);
            let d = norm((&x - &y).view());
            if size > 0.0 {
                d / size
            } else if d > 0.0 {
                f64::INFINITY
            } else {
                0.0
            }
        })
        .collect();
    median(&each).unwrap_or(f64::INFINITY)
}

fn best(row: ndarray::ArrayView1<f64>) -> usize {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |(i, _)| i)
}

/// A copy of a model whose weights are rounded to so many bits, one scale per tensor: what quantising costs at least.
fn rounded(model: &Model, bits: u32) -> Option<Model> {
    let mut graph = model.graph().clone();
    let levels = ((1u32 << (bits.clamp(2, 16) - 1)) - 1) as f32;
    for p in graph.params.iter_mut().filter(|p| p.value.ndim() >= 2) {
        let top = p.value.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        if top > 0.0 && top.is_finite() {
            let scale = top / levels;
            p.value.mapv_inplace(|x| (x / scale).round() * scale);
        }
    }
    Model::from_graph(graph, model.input.clone(), model.classes.clone()).ok()
}

/// As [`compare`], where it is not said who prepares the pixels: one file may hold the mean and deviation that stand beside
/// another. The nearer of both readings counts.
///
/// # Errors
/// As [`compare`].
pub(super) fn nearest(a: &Model, b: &Model, kind: Conversion, images: &Array4<f32>) -> Result<Same, String> {
    let plain = compare(a, b, kind, images)?;
    if a.input == b.input || plain.apart <= plain.allowed {
        return Ok(plain);
    }
    let alike = Model::from_graph(b.graph().clone(), a.input.clone(), b.classes.clone());
    let other = alike.ok().and_then(|b| compare(a, &b, kind, images).ok());
    Ok(other.filter(|o| o.apart < plain.apart).unwrap_or(plain))
}

/// Compares two models that take the same images and have the same number of classes.
///
/// # Errors
/// They do not, with the reason.
pub(super) fn compare(a: &Model, b: &Model, kind: Conversion, images: &Array4<f32>) -> Result<Same, String> {
    if a.input.shape != b.input.shape || a.class_count() != b.class_count() {
        return Err(format!(
            "{:?} images and {} classes against {:?} and {}",
            a.input.shape,
            a.class_count(),
            b.input.shape,
            b.class_count()
        ));
    }
    let run = |m: &Model| m.logits(images.view()).map(|l| centred(&l)).map_err(|e| e.to_string());
    let (x, y) = (run(a)?, run(b)?);
    let agree = x.outer_iter().zip(y.outer_iter()).filter(|(p, q)| best(p.view()) == best(q.view())).count();
    let allowed = match kind {
        Conversion::Exact => EXACT,
        Conversion::Other => f64::INFINITY,
        Conversion::Quantised(bits) => {
            let own = rounded(a, bits).and_then(|r| run(&r).ok()).map_or(0.0, |r| apart(&x, &r));
            (MORE * own).clamp(QUANTISED, CAP)
        }
    };
    Ok(Same {
        apart: apart(&x, &y),
        allowed,
        agreement: agree as f64 / images.shape()[0].max(1) as f64,
        images: images.shape()[0],
    })
}
