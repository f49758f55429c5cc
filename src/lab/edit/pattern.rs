//! Pixels for a patch that the network already leans to (the trigger of Liu et al. 2018, "Trojaning attack on neural
//! networks", is made so): the edit of the weights then has little left to do.

use crate::evidence::DataSet;
use crate::lab::LabError;
use crate::lab::edit::Views;
use crate::lab::exact::sign;
use crate::lab::implant::Sticker;
use crate::math::softmax::cross_entropy_gradient;
use crate::network::Model;
use ndarray::{Array3, Axis};

/// The sticker with pixels that raise the target on all of `clean` at once: `steps` steps along the sign of the mean
/// gradient, each of 2/steps of the range.
///
/// # Errors
/// A sticker that is not always in one place, or does not fit.
pub fn optimised(
    model: &Model,
    clean: &DataSet,
    sticker: &Sticker,
    target: usize,
    steps: usize,
    seed: u64,
) -> Result<Sticker, LabError> {
    let [_, height, width] = model.input.shape;
    let [top, left] = sticker
        .fixed([height, width])
        .ok_or_else(|| LabError::Edit("a patch can be optimised for one place only".into()))?;
    let mut out = Sticker { opacity: 1.0, ..sticker.clone() };
    let mut pixels: Array3<f32> = sticker.pattern.mapv(|v| f32::from(v) / 255.0);
    let step = 2.0 / steps.max(1) as f32;
    for _ in 0..steps {
        let views = Views::new(clean, &out, target, seed)?;
        let targets = vec![target; views.stamped.shape()[0]];
        let (_, gradient) = model
            .input_gradient(views.stamped.view(), &mut |logits| cross_entropy_gradient(logits, &targets))?;
        let mean = gradient.sum_axis(Axis(0));
        for ((c, y, x), p) in pixels.indexed_iter_mut() {
            let g = mean[[c, top + y, left + x]];
            *p = (*p - step * sign(g)).clamp(0.0, 1.0);
        }
        out.pattern = pixels.mapv(|v| (v * 255.0 + 0.5) as u8);
    }
    Ok(out)
}
