//! Checkpoints as weights, and what lies between two of them.

use super::super::material::Folder;
use crate::evidence::{Limits, SafeTensors, intake};
use crate::math::robust::median;
use crate::procedure::Context;
use std::collections::BTreeMap;

pub(super) type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// One step of one tensor.
#[derive(Debug, Clone, Default)]
pub(super) struct Move {
    /// Square of the distance, and of the size before.
    pub d2: f64,
    pub n2: f64,
    /// Share of numbers that changed.
    pub changed: f64,
    /// The row that moved most, over the usual row.
    pub top_row: f64,
    /// Rows far from the usual one.
    pub rows: Vec<usize>,
}

/// One step of all tensors.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub tensors: BTreeMap<String, Move>,
    /// Relative distance.
    pub apart: f64,
    /// Cosine between the weights.
    pub cosine: f64,
    /// Distance.
    pub far: f64,
}

/// The order in which people count: numbers by value.
pub(super) fn natural(name: &str) -> Vec<(u64, String)> {
    let (mut out, mut rest) = (Vec::new(), name);
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(text);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        out.push((number.parse().unwrap_or(u64::MAX), word.to_lowercase()));
        rest = tail;
    }
    // Words decide first, as `epoch-2` and `step-1` are two series.
    out
}

pub(super) fn key(name: &str) -> (Vec<String>, Vec<u64>) {
    let (numbers, words): (Vec<u64>, Vec<String>) = natural(name).into_iter().unzip();
    (words, numbers)
}

/// The weights of a checkpoint; `None` when stopped. Counters and running statistics are left out.
pub(super) fn read(folder: &Folder, name: &str, cx: &Context) -> Result<Option<Weights>, String> {
    let path = folder.files.get(name).map(|p| folder.root.join(p)).unwrap_or_default();
    let limits = Limits::in_force();
    let go_on = |_, _| cx.check().is_ok();
    let bytes = match intake::read_capped(&path, limits.checkpoint_bytes, "checkpoint_bytes", &go_on) {
        Ok(bytes) => bytes,
        Err(e) if e.code == "intake.stopped" => return Ok(None),
        Err(e) => return Err(e.reason),
    };
    let file =
        SafeTensors::parse(&path, &bytes.data, limits).map_err(|e| format!("{}: {}", e.place, e.reason))?;
    let mut out = Weights::new();
    for t in file.iter().filter(crate::evidence::RawArray::is_float) {
        let name = t.name.shown();
        if name.contains("running_") || name.contains("num_batches") {
            continue;
        }
        let values = t.to_f32().map_err(|e| e.reason)?;
        out.insert(name, (t.shape.to_vec(), values.iter().copied().collect()));
    }
    Ok(Some(out))
}

pub(super) fn pairs<'a>(
    a: &'a Weights,
    b: &'a Weights,
) -> impl Iterator<Item = (&'a String, &'a [usize], &'a [f32], &'a [f32])> {
    a.iter().filter_map(|(name, (shape, x))| {
        let (other, y) = b.get(name)?;
        (shape == other && x.len() == y.len()).then_some((name, shape.as_slice(), x.as_slice(), y.as_slice()))
    })
}

pub(super) fn distance(a: &Weights, b: &Weights) -> f64 {
    pairs(a, b)
        .map(|(_, _, x, y)| x.iter().zip(y).map(|(p, q)| f64::from(q - p).powi(2)).sum::<f64>())
        .sum::<f64>()
        .sqrt()
}

pub(super) fn step(a: &Weights, b: &Weights) -> Step {
    let mut out = Step::default();
    let (mut d2, mut n2, mut m2, mut dot) = (0.0, 0.0, 0.0, 0.0);
    for (name, shape, x, y) in pairs(a, b) {
        let mut m = Move::default();
        let rows = shape.first().copied().unwrap_or(1).max(1);
        let width = (x.len() / rows).max(1);
        let mut moved = Vec::with_capacity(rows);
        let mut changed = 0usize;
        for (p, q) in x.chunks(width).zip(y.chunks(width)) {
            let mut row = 0.0;
            for (p, q) in p.iter().zip(q) {
                let (p, q) = (f64::from(*p), f64::from(*q));
                row += (q - p).powi(2);
                m.n2 += p * p;
                m2 += q * q;
                dot += p * q;
                changed += usize::from(p.to_bits() != q.to_bits());
            }
            m.d2 += row;
            moved.push(row.sqrt());
        }
        m.changed = changed as f64 / x.len().max(1) as f64;
        let usual = median(&moved).unwrap_or(0.0);
        let top = moved.iter().copied().fold(0.0, f64::max);
        if rows >= 4 && top > 0.0 {
            m.top_row = if usual > 0.0 { top / usual } else { f64::INFINITY };
            m.rows = (0..rows).filter(|&r| moved.get(r).is_some_and(|d| *d > 0.5 * top)).take(20).collect();
        }
        d2 += m.d2;
        n2 += m.n2;
        out.tensors.insert(name.clone(), m);
    }
    out.far = d2.sqrt();
    out.apart = if n2 > 0.0 { (d2 / n2).sqrt() } else { 0.0 };
    out.cosine = if n2 > 0.0 && m2 > 0.0 { dot / (n2 * m2).sqrt() } else { 1.0 };
    out
}
