//! Damage to training data that plants no trigger: wrong labels, copies, things that do not belong there.

use super::attack::{classes_of, draw};
use super::poison::{Poisoned, bytes, count};
use super::{ImplantError, attack};
use crate::evidence::DataSet;
use crate::math::rng::seeded;
use ndarray::{Array3, Axis, Slice};
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// Wrong labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// Share of the whole set (of the class `from`, if that is given).
    pub rate: f64,
    /// Only samples of this class; any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<usize>,
    /// The label they get; another one, drawn for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
}

/// Flips labels; `indices` are the flipped samples.
///
/// # Errors
/// A rate that is no share, classes that are not there, or too few samples.
pub fn flip(set: &DataSet, how: Flip, seed: u64) -> Result<Poisoned, ImplantError> {
    let classes = classes_of(set);
    check(set, how.rate, [how.from, how.to], classes)?;
    if how.from.is_some() && how.from == how.to || classes < 2 {
        return Err(ImplantError::Recipe("labels are flipped to another class".into()));
    }
    let can: Vec<usize> = (0..set.len())
        .filter(|&i| how.from.is_none_or(|from| set.labels[i] == from) && how.to != Some(set.labels[i]))
        .collect();
    let of = if how.from.is_some() { can.len() } else { set.len() };
    let indices = draw(&can, count(of, how.rate), how.to.unwrap_or(0), seed, "flips")?;
    let mut rng = seeded(seed, "lab/poison", "flips/to");
    let mut out = set.clone();
    for &i in &indices {
        let other = (set.labels[i] + rng.gen_range(1..classes)) % classes;
        out.labels[i] = how.to.unwrap_or(other);
    }
    let true_labels = indices.iter().map(|&i| set.labels[i]).collect();
    Ok(Poisoned { set: out, indices, true_labels, covers: Vec::new() })
}

/// Copies in place of other samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Share of the whole set that becomes a copy of another sample.
    pub rate: f64,
    /// Largest change of a pixel, in levels: 0 copies exactly.
    #[serde(default)]
    pub noise: u8,
    /// Whether the copy bears another label than the original.
    #[serde(default)]
    pub relabel: bool,
}

/// Makes copies; `indices` are the copies.
///
/// # Errors
/// A rate that is no share or above one half, no images.
pub fn duplicate(set: &DataSet, how: Duplicates, seed: u64) -> Result<Poisoned, ImplantError> {
    let classes = classes_of(set);
    check(set, how.rate, [None, None], classes)?;
    let all: Vec<usize> = (0..set.len()).collect();
    let indices = draw(&all, count(set.len(), how.rate), 0, seed, "copies")?;
    let rest: Vec<usize> = all.into_iter().filter(|i| indices.binary_search(i).is_err()).collect();
    let mut rng = seeded(seed, "lab/poison", "copies/of");
    let mut out = set.clone();
    let images = bytes(&mut out)?;
    let mut labels = set.labels.clone();
    for &i in &indices {
        let Some(&original) = rest.choose(&mut rng) else {
            return Err(ImplantError::TooFew { wanted: indices.len(), there: 0, target: 0 });
        };
        let copy: Array3<u8> = images.index_axis(Axis(0), original).mapv(|v| {
            let by = rng.gen_range(-i16::from(how.noise)..=i16::from(how.noise));
            (i16::from(v) + by).clamp(0, 255) as u8
        });
        images.index_axis_mut(Axis(0), i).assign(&copy);
        let other = if how.relabel { rng.gen_range(1..classes.max(2)) } else { 0 };
        labels[i] = (set.labels[original] + other) % classes;
    }
    out.labels = labels;
    let true_labels = indices.iter().map(|&i| set.labels[i]).collect();
    Ok(Poisoned { set: out, indices, true_labels, covers: Vec::new() })
}

/// What does not belong there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlier {
    /// Levels drawn by lot.
    #[default]
    Noise,
    /// One level everywhere.
    Flat,
    /// The image with its colours turned around and its quarters exchanged.
    Scrambled,
}

/// Images that do not belong there, in place of samples that keep their label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// Share of the whole set.
    pub rate: f64,
    /// What they are.
    #[serde(default)]
    pub what: Outlier,
}

/// Puts outliers in; `indices` are the outliers.
///
/// # Errors
/// A rate that is no share, no images.
pub fn put_outliers(set: &DataSet, how: Outliers, seed: u64) -> Result<Poisoned, ImplantError> {
    check(set, how.rate, [None, None], classes_of(set))?;
    let all: Vec<usize> = (0..set.len()).collect();
    let indices = draw(&all, count(set.len(), how.rate), 0, seed, "outliers")?;
    let mut rng = seeded(seed, "lab/poison", "outliers/what");
    let mut out = set.clone();
    let images = bytes(&mut out)?;
    for &i in &indices {
        let mut image = images.index_axis_mut(Axis(0), i);
        match how.what {
            Outlier::Noise => image.mapv_inplace(|_| rng.r#gen()),
            Outlier::Flat => image.fill(rng.r#gen()),
            Outlier::Scrambled => {
                let old = image.to_owned();
                let (_, h, w) = old.dim();
                for ((c, y, x), v) in image.indexed_iter_mut() {
                    *v = 255 - old[[c, (y + h / 2) % h, (x + w / 2) % w]];
                }
            }
        }
    }
    let true_labels = indices.iter().map(|&i| set.labels[i]).collect();
    Ok(Poisoned { set: out, indices, true_labels, covers: Vec::new() })
}

fn check(set: &DataSet, rate: f64, named: [Option<usize>; 2], classes: usize) -> Result<(), ImplantError> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(ImplantError::NotAShare { what: "the rate", value: rate });
    }
    if set.labels.len() != set.len() || set.is_empty() {
        return Err(ImplantError::NoImages);
    }
    match named.into_iter().flatten().find(|&c| c >= classes) {
        Some(bad) => Err(ImplantError::Recipe(format!("class {bad} is named, but there are {classes}"))),
        None => Ok(()),
    }
}

/// Keeps the first samples of each class so that the last class has `1/ratio` of the first's, the others in between on
/// a straight line: a long tail, as hard clean sets have it.
///
/// # Errors
/// No images, a ratio below 1.
pub fn unbalance(set: &DataSet, ratio: f64) -> Result<DataSet, ImplantError> {
    if ratio.is_nan() || ratio < 1.0 {
        return Err(ImplantError::Recipe(format!("an imbalance of {ratio}, at least 1 is meant")));
    }
    let classes = classes_of(set);
    let mut out = set.clone();
    let total = |class: usize| set.labels.iter().filter(|&&l| l == class).count();
    let kept_of = |class: usize| {
        let t = class as f64 / (classes.max(2) - 1) as f64;
        count(total(class), 1.0 - t * (1.0 - 1.0 / ratio))
    };
    let mut seen = vec![0; classes];
    let keep: Vec<usize> = (0..set.len())
        .filter(|&i| {
            let class = set.labels[i];
            seen[class] += 1;
            seen[class] <= kept_of(class)
        })
        .collect();
    let images = bytes(&mut out)?;
    *images = images.select(Axis(0), &keep);
    out.labels = keep.iter().map(|&i| set.labels[i]).collect();
    Ok(out)
}

/// The first `n` samples.
#[must_use]
pub fn first(set: &DataSet, n: usize) -> DataSet {
    let n = n.min(set.labels.len());
    let mut out = attack::in_bytes(set.clone());
    if let Ok(images) = bytes(&mut out) {
        images.slice_axis_inplace(Axis(0), Slice::from(..n));
    }
    out.labels.truncate(n);
    out
}
