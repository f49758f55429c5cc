//! What a group *causes*: whether what its members share, put on other images, makes the network say their label.

use crate::math::robust::median;
use crate::math::softmax::argmax;
use crate::network::Model;
use crate::procedure::Stop;
use ndarray::{Array1, Array2, Array3, Array4, ArrayView3, Axis, Zip};
use rayon::prelude::*;

/// Members looked at in a group, and in its control.
pub const MOST_MEMBERS: usize = 120;
/// Images run through the network at a time.
const TILE: usize = 32;
/// A pixel is shared when the median absolute deviation over the group is at most this (unit pixels) …
const STEADY: f32 = 0.04;
/// … and its median differs from the rest of the label by at least this.
const DIFFERENT: f32 = 0.1;
/// A shared patch above this share of the picture is no patch.
const LARGEST_PATCH: f64 = 0.15;
/// Nearest clean images that stand for a picture without its trigger.
const NEAREST: usize = 5;
/// Side of the box that is taken off for the high-pass.
const BOX: usize = 5;

/// What the members of a group share, as something to put on an image.
#[derive(Debug, Clone)]
pub struct Shared {
    /// H×W: whether a pixel is shared.
    pub mask: Array2<bool>,
    /// C×H×W: its colour.
    pub colour: Array3<f32>,
    /// C×H×W: what members have on top of their nearest clean images, less what the control has.
    pub residual: Array3<f32>,
}

impl Shared {
    /// Share of the picture that the patch covers.
    pub fn area(&self) -> f64 {
        self.mask.iter().filter(|&&m| m).count() as f64 / self.mask.len().max(1) as f64
    }

    /// Whether there is a patch, and not half of the picture.
    pub fn has_patch(&self) -> bool {
        self.area() > 0.0 && self.area() <= LARGEST_PATCH
    }
}

/// What members (n×C×H×W, unit pixels) share that the control group of the same label does not. `clean` are clean
/// images of all classes.
pub fn shared(members: &Array4<f32>, control: &Array4<f32>, clean: &Array4<f32>) -> Shared {
    let (_, c, h, w) = members.dim();
    let (own, other) = (medians(members), medians(control));
    let mut mask = Array2::from_elem((h, w), true);
    let mut differs = Array2::from_elem((h, w), false);
    for k in 0..c {
        Zip::indexed(&mut mask).and(&mut differs).for_each(|(y, x), steady, differs| {
            let (middle, spread) = own[[k, y, x]];
            *steady &= spread <= STEADY;
            *differs |= (middle - other[[k, y, x]].0).abs() >= DIFFERENT.max(3.0 * spread);
        });
    }
    Zip::from(&mut mask).and(&differs).for_each(|m, &d| *m &= d);
    let residual = residual(members, clean) - residual_or_zero(control, clean);
    Shared { mask, colour: own.mapv(|(m, _)| m), residual }
}

/// A pixel has the colour that members share when every channel is as near (unit pixels).
const ALIKE: f32 = 0.1;

/// The control without images that bear everything that members share at the same place: a list misses some, and where the
/// label has few others, they would be the control. All of it where nothing is shared, or everything bears it.
pub fn unlike(members: &Array4<f32>, control: Array4<f32>) -> Array4<f32> {
    let own = medians(members);
    let (c, h, w) = own.dim();
    let steady: Vec<(usize, usize)> = (0..h * w)
        .map(|p| (p / w, p % w))
        .filter(|&(y, x)| (0..c).all(|k| own[[k, y, x]].1 <= STEADY))
        .collect();
    let bears = |image: ArrayView3<f32>| {
        steady.iter().all(|&(y, x)| (0..c).all(|k| (image[[k, y, x]] - own[[k, y, x]].0).abs() <= ALIKE))
    };
    let kept: Vec<usize> = (0..control.dim().0).filter(|&i| !bears(control.index_axis(Axis(0), i))).collect();
    if steady.is_empty() || kept.is_empty() { control } else { control.select(Axis(0), &kept) }
}

/// Median and median absolute deviation of every pixel.
fn medians(images: &Array4<f32>) -> Array3<(f32, f32)> {
    let (_, c, h, w) = images.dim();
    let at: Vec<(usize, usize, usize)> = (0..c * h * w).map(|p| (p / (h * w), p / w % h, p % w)).collect();
    let one = |&(k, y, x): &(usize, usize, usize)| {
        let values: Vec<f64> = images.outer_iter().map(|i| f64::from(i[[k, y, x]])).collect();
        let middle = median(&values).unwrap_or(0.0);
        let away: Vec<f64> = values.iter().map(|v| (v - middle).abs()).collect();
        (middle as f32, median(&away).unwrap_or(0.0) as f32)
    };
    let all: Vec<(f32, f32)> = at.par_iter().map(one).collect();
    Array3::from_shape_vec((c, h, w), all).unwrap_or_else(|_| Array3::from_elem((c, h, w), (0.0, 0.0)))
}

fn residual_or_zero(images: &Array4<f32>, clean: &Array4<f32>) -> Array3<f32> {
    let (_, c, h, w) = clean.dim();
    if images.is_empty() { Array3::zeros((c, h, w)) } else { residual(images, clean) }
}

/// Mean of (image − mean of its nearest clean images).
fn residual(images: &Array4<f32>, clean: &Array4<f32>) -> Array3<f32> {
    let (n, c, h, w) = images.dim();
    let flat = |a: &Array4<f32>| Array2::from_shape_vec((a.dim().0, c * h * w), a.iter().copied().collect());
    let (Ok(x), Ok(y)) = (flat(images), flat(clean)) else { return Array3::zeros((c, h, w)) };
    let lengths: Array1<f32> = y.rows().into_iter().map(|r| r.dot(&r)).collect();
    let products = x.dot(&y.t());
    let mut sum = Array1::<f64>::zeros(c * h * w);
    for (row, products) in x.rows().into_iter().zip(products.rows()) {
        let mut near: Vec<usize> = (0..lengths.len()).collect();
        let distance = |i: &usize| lengths[*i] - 2.0 * products[*i];
        let k = NEAREST.min(near.len());
        if k == 0 {
            continue;
        }
        near.select_nth_unstable_by(k - 1, |a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b)));
        near.truncate(k);
        near.sort_unstable();
        for i in near {
            sum.zip_mut_with(&y.row(i), |s, &v| *s -= f64::from(v) / k as f64);
        }
        sum.zip_mut_with(&row, |s, &v| *s += f64::from(v));
    }
    let mean: Vec<f32> = sum.iter().map(|s| (s / n.max(1) as f64) as f32).collect();
    Array3::from_shape_vec((c, h, w), mean).unwrap_or_else(|_| Array3::zeros((c, h, w)))
}

/// How many images are put in `class` after `change`, as a flag per image.
///
/// # Errors
/// What `check` returns; the network refuses.
pub fn moved(
    model: &Model,
    images: &Array4<f32>,
    class: usize,
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
    change: &(dyn Fn(usize, ArrayView3<f32>) -> Array3<f32> + Sync),
) -> Result<Vec<bool>, Stop> {
    let (n, c, h, w) = images.dim();
    let tiles: Vec<usize> = (0..n).step_by(TILE).collect();
    let run = |&start: &usize| {
        check()?;
        let mut batch = Array4::<f32>::zeros((TILE.min(n - start), c, h, w));
        for (i, mut to) in batch.outer_iter_mut().enumerate() {
            to.assign(&change(start + i, images.index_axis(Axis(0), start + i)));
        }
        let logits = model.logits(batch.view()).map_err(Stop::failed)?;
        Ok(logits.rows().into_iter().map(|r| argmax(r) == class).collect::<Vec<_>>())
    };
    let all: Vec<Result<Vec<bool>, Stop>> = tiles.par_iter().map(run).collect();
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// An image with the patch on it.
pub fn stamped(shared: &Shared, image: ArrayView3<f32>) -> Array3<f32> {
    let mut out = image.to_owned();
    for ((k, y, x), v) in out.indexed_iter_mut() {
        if shared.mask[[y, x]] {
            *v = shared.colour[[k, y, x]];
        }
    }
    out
}

/// An image with the residual added.
pub fn added(shared: &Shared, image: ArrayView3<f32>) -> Array3<f32> {
    let mut out = &image + &shared.residual;
    out.mapv_inplace(|v| v.clamp(0.0, 1.0));
    out
}

/// What a box blur takes away from an image.
pub fn high_pass(image: ArrayView3<f32>) -> Array3<f32> {
    let (_, h, w) = image.dim();
    let reach = BOX / 2;
    Array3::from_shape_fn(image.dim(), |(k, y, x)| {
        let (ys, xs) = (
            y.saturating_sub(reach)..(y + reach + 1).min(h),
            x.saturating_sub(reach)..(x + reach + 1).min(w),
        );
        let cells = (ys.len() * xs.len()) as f32;
        let sum: f32 = ys.flat_map(|y| xs.clone().map(move |x| image[[k, y, x]])).sum();
        image[[k, y, x]] - sum / cells
    })
}

/// An image with something added, within what a pixel can be.
pub fn plus(image: ArrayView3<f32>, detail: ArrayView3<f32>) -> Array3<f32> {
    let mut out = &image + &detail;
    out.mapv_inplace(|v| v.clamp(0.0, 1.0));
    out
}

/// An image with the patch covered by what surrounds it: every shared pixel takes the mean of its nearest ring of
/// pixels that are not shared.
pub fn filled(shared: &Shared, image: ArrayView3<f32>) -> Array3<f32> {
    let (c, h, w) = image.dim();
    let mut out = image.to_owned();
    for ((y, x), _) in shared.mask.indexed_iter().filter(|(_, m)| **m) {
        for reach in 1..h.max(w) {
            let (ys, xs) = (
                y.saturating_sub(reach)..(y + reach + 1).min(h),
                x.saturating_sub(reach)..(x + reach + 1).min(w),
            );
            let free: Vec<(usize, usize)> =
                ys.flat_map(|y| xs.clone().map(move |x| (y, x))).filter(|&p| !shared.mask[p]).collect();
            if free.is_empty() {
                continue;
            }
            for k in 0..c {
                let sum: f32 = free.iter().map(|&(y, x)| image[[k, y, x]]).sum();
                out[[k, y, x]] = sum / free.len() as f32;
            }
            break;
        }
    }
    out
}

/// An image with the residual taken off.
pub fn taken_off(shared: &Shared, image: ArrayView3<f32>) -> Array3<f32> {
    let mut out = &image - &shared.residual;
    out.mapv_inplace(|v| v.clamp(0.0, 1.0));
    out
}
