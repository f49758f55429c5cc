//! What puts a recovered trigger on an image, as data: other procedures apply it, the journal keeps it, other tools can too.

use crate::detect::invert::Form;
use crate::detect::stamp::{TILE, Trigger};
use crate::math::softmax::argmax;
use crate::network::Model;
use crate::procedure::{Case, Stop, Tensor, number};
use ndarray::{Array3, Array4, ArrayD, ArrayView3, Axis, IxDyn};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Mask values from which a pixel counts as covered.
pub const COVERED: f32 = 0.5;

/// A trigger with its way of being applied, in unit pixels.
#[derive(Debug, Clone, PartialEq)]
pub enum Stamp {
    /// x' = (1 − m)·x + m·p. The mask has H·W values (one for all channels) or C·H·W.
    Blend(Trigger),
    /// x' = x + δ held in 0..=1; δ has C·H·W values.
    Add(Vec<f32>),
    /// x'(u) = x(u + φ(u)), bilinear, places outside brought to the edge; H·W displacements down, then H·W across, in
    /// pixels.
    Warp(Vec<f32>),
}

impl Stamp {
    /// The image with the trigger on it.
    pub fn on(&self, image: ArrayView3<f32>) -> Array3<f32> {
        let mut out = image.to_owned();
        match self {
            Stamp::Blend(trigger) => out.iter_mut().zip(trigger.on(image)).for_each(|(o, v)| *o = v),
            Stamp::Add(field) => Form::Image.apply(field, image, out.view_mut()),
            Stamp::Warp(field) => Form::Flow.apply(field, image, out.view_mut()),
        }
        out
    }

    /// Short name of the way it is applied.
    pub fn form(&self) -> &'static str {
        match self {
            Stamp::Blend(_) => "blend",
            Stamp::Add(_) => "add",
            Stamp::Warp(_) => "warp",
        }
    }

    /// The description that is journaled as the measure `stamping`: form, formula and names of the arrays.
    pub fn description(&self, shape: [usize; 3]) -> Value {
        let (formula, arrays) = match self {
            Stamp::Blend(_) => ("x' = (1 - mask) * x + mask * pattern", vec!["mask", "pattern"]),
            Stamp::Add(_) => ("x' = clip(x + field, 0, 1)", vec!["field"]),
            Stamp::Warp(_) => (
                "x'(u) = x(u + field(u)), bilinear, edge pixels repeated; rows down, then across",
                vec!["field"],
            ),
        };
        json!({
            "form": self.form(), "formula": formula, "arrays": arrays,
            "image_shape": shape, "values": "unit pixels, 0 black to 1 white, before normalisation",
            "area": number(self.area(shape)),
        })
    }

    /// The arrays that [`Self::read`] reads: `mask` (H×W or C×H×W) and `pattern` (C×H×W), or `field`.
    pub fn arrays(&self, [c, h, w]: [usize; 3]) -> BTreeMap<String, Tensor> {
        let array = |values: &[f32], shape: &[usize]| {
            Tensor::F32(
                ArrayD::from_shape_vec(IxDyn(shape), values.to_vec())
                    .unwrap_or_else(|_| ArrayD::zeros(IxDyn(shape))),
            )
        };
        let one = |name: &str, tensor| BTreeMap::from([(name.to_owned(), tensor)]);
        match self {
            Stamp::Blend(t) => {
                let mask = if t.mask.len() == c * h * w && c > 1 {
                    array(&t.mask, &[c, h, w])
                } else {
                    array(&t.mask, &[h, w])
                };
                let mut arrays = one("mask", mask);
                arrays.insert("pattern".into(), array(&t.pattern, &[c, h, w]));
                arrays
            }
            Stamp::Add(field) => one("field", array(field, &[c, h, w])),
            Stamp::Warp(field) => one("field", array(field, &[2, h, w])),
        }
    }

    /// What an earlier procedure kept as `stamping` and arrays; `None` when it kept none, or for another network.
    pub fn read(case: &Case, procedure: &str, [c, h, w]: [usize; 3]) -> Option<Self> {
        let form = case.earlier.measure(procedure, "stamping").and_then(|s| s.get("form")?.as_str());
        let values = |name: &str, shapes: &[&[usize]]| -> Option<Vec<f32>> {
            let Tensor::F32(a) = case.earlier.array(procedure, name)? else { return None };
            let fits = shapes.contains(&a.shape()) && a.iter().all(|v| v.is_finite());
            fits.then(|| a.iter().copied().collect())
        };
        let unit = |v: Vec<f32>| v.into_iter().map(|x| x.clamp(0.0, 1.0)).collect();
        match form.unwrap_or("blend") {
            "blend" => Some(Stamp::Blend(Trigger {
                mask: unit(values("mask", &[&[h, w], &[c, h, w]])?),
                pattern: unit(values("pattern", &[&[c, h, w]])?),
            })),
            "add" => Some(Stamp::Add(values("field", &[&[c, h, w]])?)),
            "warp" => {
                let most = h.max(w) as f32;
                let field = values("field", &[&[2, h, w]])?;
                Some(Stamp::Warp(field.into_iter().map(|d| d.clamp(-most, most)).collect()))
            }
            _ => None,
        }
    }

    /// Share of the picture that is changed: the mask's mean, or 1 for what changes the whole picture.
    pub fn area(&self, [_, h, w]: [usize; 3]) -> f64 {
        match self {
            Stamp::Blend(t) => self_mean(&t.mask, h * w),
            Stamp::Add(_) | Stamp::Warp(_) => 1.0,
        }
    }

    /// What the network says of some images of a pool with the trigger on them.
    ///
    /// # Errors
    /// What `check` returns (called per tile); the network refuses.
    pub fn predictions(
        &self,
        model: &Model,
        images: &Array4<f32>,
        which: &[usize],
        check: &(dyn Fn() -> Result<(), Stop> + Sync),
    ) -> Result<Vec<usize>, Stop> {
        predictions(model, images, which, check, &|_, image| self.on(image))
    }
}

fn self_mean(mask: &[f32], pixels: usize) -> f64 {
    let channels = (mask.len() / pixels.max(1)).max(1);
    mask.iter().map(|&m| f64::from(m)).sum::<f64>() / (channels * pixels.max(1)) as f64
}

/// Mask over the pixels: the largest of the channels where there is one mask each.
pub fn flat_mask(mask: &[f32], pixels: usize) -> Vec<f32> {
    if mask.len() <= pixels {
        return mask.to_vec();
    }
    (0..pixels).map(|i| mask.iter().skip(i).step_by(pixels).copied().fold(0.0, f32::max)).collect()
}

/// Size of a trigger in pixels: the sum of its mask, the mean over the channels where there is one mask each.
pub fn pixels_of(trigger: &Trigger, pixels: usize) -> f64 {
    self_mean(&trigger.mask, pixels) * pixels as f64
}

/// What the network says of changed images; `change` is given the position in `which` and the image.
///
/// # Errors
/// As [`Stamp::predictions`].
pub fn predictions(
    model: &Model,
    images: &Array4<f32>,
    which: &[usize],
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
    change: &(dyn Fn(usize, ArrayView3<f32>) -> Array3<f32> + Sync),
) -> Result<Vec<usize>, Stop> {
    let logits = outputs(model, images, which, check, change)?;
    Ok(logits.iter().map(|row| argmax(ndarray::ArrayView1::from(row.as_slice()))).collect())
}

/// Logits for changed images, a row each.
///
/// # Errors
/// As [`Stamp::predictions`].
pub fn outputs(
    model: &Model,
    images: &Array4<f32>,
    which: &[usize],
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
    change: &(dyn Fn(usize, ArrayView3<f32>) -> Array3<f32> + Sync),
) -> Result<Vec<Vec<f32>>, Stop> {
    let (_, c, h, w) = images.dim();
    let tiles: Vec<(usize, &[usize])> = which.chunks(TILE).enumerate().collect();
    let run = |(tile, own): &(usize, &[usize])| {
        check()?;
        let mut batch = Array4::<f32>::zeros((own.len(), c, h, w));
        for (i, mut to) in batch.outer_iter_mut().enumerate() {
            to.assign(&change(tile * TILE + i, images.index_axis(Axis(0), own[i])));
        }
        let logits = model.logits(batch.view()).map_err(Stop::failed)?;
        Ok(logits.rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>())
    };
    let all: Vec<Result<Vec<Vec<f32>>, Stop>> = tiles.par_iter().map(run).collect();
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// Share of predictions that are `class`; 0 of none.
pub fn share(predicted: &[usize], class: usize) -> f64 {
    predicted.iter().filter(|&&p| p == class).count() as f64 / predicted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use crate::procedure::{Outcome, Verdict};

    #[test]
    fn each_form_does_what_its_formula_says_and_is_read_back() {
        let image = Array3::from_shape_fn((2, 3, 4), |(c, y, x)| (c * 12 + y * 4 + x) as f32 / 24.0);
        let mut mask = vec![0.0; 12];
        mask[5] = 0.5;
        let blend = Stamp::Blend(Trigger { mask, pattern: vec![1.0; 24] });
        let add = Stamp::Add(vec![0.25; 24]);
        let mut across = vec![0.0; 24];
        across[12..].fill(1.0);
        let warp = Stamp::Warp(across);
        let got = blend.on(image.view());
        assert!(
            (got[[1, 1, 1]] - (0.5 * 17.0 / 24.0 + 0.5)).abs() < 1e-6 && got[[1, 1, 2]] == image[[1, 1, 2]]
        );
        let got = add.on(image.view());
        assert!((got[[0, 0, 0]] - 0.25).abs() < 1e-6 && (got[[1, 2, 3]] - 1.0).abs() < 1e-6, "held at 1");
        let got = warp.on(image.view());
        assert!(
            (got[[0, 1, 0]] - image[[0, 1, 1]]).abs() < 1e-6
                && (got[[0, 1, 3]] - image[[0, 1, 3]]).abs() < 1e-6
        );
        for stamp in [blend, add, warp] {
            let mut case = fixture::case();
            let outcome = Outcome {
                verdict: Verdict::Flagged,
                summary: String::new(),
                statistic: None,
                threshold: None,
                threshold_origin: String::new(),
                findings: vec![],
                measures: BTreeMap::from([("stamping".to_owned(), stamp.description([2, 3, 4]))]),
                arrays: stamp.arrays([2, 3, 4]),
                figures: BTreeMap::new(),
                limits: String::new(),
            };
            fixture::remember(&mut case, "x", &outcome);
            assert_eq!(Stamp::read(&case, "x", [2, 3, 4]), Some(stamp));
            assert_eq!(Stamp::read(&case, "x", [2, 4, 3]), None, "of another network");
        }
    }

    #[test]
    fn sizes_of_masks_per_channel_are_means() {
        let t = Trigger { mask: vec![1.0, 0.0, 0.5, 0.5], pattern: vec![0.0; 4] };
        assert!((pixels_of(&t, 2) - 1.0).abs() < 1e-9, "two channels of two pixels");
        assert_eq!(flat_mask(&t.mask, 2), [1.0, 0.5]);
    }
}
