//! Named arrays to a data set: which axis is which, scales, counts that must agree.

use super::{DataSet, Expect, Pixels, Probabilities, extent};
use crate::evidence::array::labels;
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, RawArray};
use ndarray::{Array4, ArrayD, Axis, Ix1, Ix2, Ix4};
use safetensors::Dtype;
use std::path::Path;

/// The arrays of the contract.
pub(super) const NAMES: [&str; 5] = ["images", "labels", "activations", "pred_probs", "groups"];

/// Makes a data set of the named arrays there are.
pub(super) fn assemble<'a>(
    path: &Path,
    get: &dyn Fn(&str) -> Option<RawArray<'a>>,
    expect: &Expect,
    limits: &Limits,
) -> Result<DataSet, EvidenceError> {
    let mut set = DataSet::default();
    if let Some(array) = get("images") {
        set.images = Some(pixels(&array, expect, limits)?);
    }
    if let Some(array) = get("labels") {
        set.labels = labels(&array)?;
    }
    if let Some(array) = get("activations") {
        let flat = flatten(&array, array.to_f32()?)?;
        set.activations = Some(flat);
    }
    if let Some(array) = get("pred_probs") {
        let shape = |_| array.error("data.shape", "predicted probabilities must be N×K");
        // Every number of 32 bits or fewer is kept in 32.
        let probs = match array.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => {
                Probabilities::F32(array.to_f32()?.into_dimensionality::<Ix2>().map_err(shape)?)
            }
            _ => Probabilities::F64(array.to_f64()?.into_dimensionality::<Ix2>().map_err(shape)?),
        };
        if let Some(row) = probs.first_row(|row| row.iter().any(|p| !(0.0..=1.000_001).contains(p))) {
            return Err(array.error("data.range", format!("row {row} has a value outside 0..1")));
        }
        set.pred_probs = Some(probs);
    }
    if let Some(array) = get("groups") {
        let groups = array.to_i64()?.into_dimensionality::<Ix1>();
        set.groups = Some(groups.map_err(|_| array.error("data.shape", "groups must have one axis"))?);
    }
    check_counts(path, &set, limits)?;
    Ok(set)
}

/// N×D of an array whose first axis is samples.
fn flatten(array: &RawArray, values: ArrayD<f32>) -> Result<ndarray::Array2<f32>, EvidenceError> {
    let [n, rest @ ..] = values.shape() else {
        return Err(array.error("data.shape", "a scalar; one row per sample is needed"));
    };
    let shape = (*n, rest.iter().product::<usize>());
    values.into_shape_with_order(shape).map_err(|_| array.error("data.shape", "rows of different length"))
}

/// Every array has as many rows as there are samples, at least one and at most the cap.
pub(super) fn check_counts(path: &Path, set: &DataSet, limits: &Limits) -> Result<(), EvidenceError> {
    let n = set.len();
    if n == 0 {
        return Err(EvidenceError::whole(path, "data.empty", "there are no samples in it"));
    }
    if n > limits.samples {
        let reason = format!("{n} samples, {}", cap!(limits, samples));
        return Err(EvidenceError::whole(path, "data.limit", reason));
    }
    let counts = [
        ("labels", (!set.labels.is_empty()).then_some(set.labels.len())),
        ("activations", set.activations.as_ref().map(ndarray::ArrayBase::nrows)),
        ("pred_probs", set.pred_probs.as_ref().map(|p| p.dim().0)),
        ("groups", set.groups.as_ref().map(ndarray::ArrayBase::len)),
    ];
    let what = if set.images.is_some() { "images" } else { "samples" };
    for (name, count) in counts {
        if let Some(count) = count.filter(|&c| c != n) {
            let reason = format!("{count} {name} for {n} {what}");
            return Err(EvidenceError::at(path, name, "data.count", reason));
        }
    }
    Ok(())
}

/// Where the channels are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

/// N×C×H×W pixels of an array of images.
fn pixels(array: &RawArray, expect: &Expect, limits: &Limits) -> Result<Pixels, EvidenceError> {
    let (shape, layout) = match *array.shape {
        [n, h, w] => ([n, 1, h, w], Layout::ChannelsFirst),
        [n, a, b, c] => ([n, a, b, c], layout([a, b, c], expect).ok_or_else(|| ambiguous(array, expect))?),
        _ => {
            let reason = format!("shape {:?}; images are N×C×H×W, N×H×W×C or N×H×W", array.shape);
            return Err(array.error("data.shape", reason));
        }
    };
    if let Some(side) = shape[1..].iter().find(|&&d| d > limits.image_side as usize) {
        let reason = format!("an axis of {side} pixels, {}", cap!(limits, image_side));
        return Err(array.error("image.size", reason));
    }
    if shape[1..].contains(&0) {
        return Err(array.error("data.empty", format!("shape {:?}: the images have no pixels", array.shape)));
    }
    match array.dtype {
        Dtype::U8 => Ok(Pixels::U8(order(array, array.to_u8()?, shape, layout)?)),
        _ if array.is_float() => {
            let images = order(array, array.to_f32()?, shape, layout)?;
            Ok(Pixels::F32(unit(array, images, expect.range)?))
        }
        dtype => Err(array.error("data.dtype", format!("pixels are {dtype:?}; u8 or floats are read"))),
    }
}

/// Brings the values into N×C×H×W.
fn order<T: Clone>(
    array: &RawArray,
    values: ArrayD<T>,
    shape: [usize; 4],
    layout: Layout,
) -> Result<Array4<T>, EvidenceError> {
    let bad = |_| array.error("data.shape", "the values do not fill the shape");
    let four = values.into_shape_with_order(shape).map_err(bad)?.into_dimensionality::<Ix4>().map_err(bad)?;
    Ok(match layout {
        Layout::ChannelsFirst => four,
        Layout::ChannelsLast => four.permuted_axes([0, 3, 1, 2]).as_standard_layout().into_owned(),
    })
}

/// Which axis holds the channels: the one that makes the whole shape fit the model, else its channel count, else the
/// only one of 1 or 3.
fn layout(axes: [usize; 3], expect: &Expect) -> Option<Layout> {
    let [a, b, c] = axes;
    if let Some([channels, h, w]) = expect.shape {
        match (axes == [channels, h, w], axes == [h, w, channels]) {
            (true, _) => return Some(Layout::ChannelsFirst),
            (_, true) => return Some(Layout::ChannelsLast),
            _ => {}
        }
        match (a == channels, c == channels) {
            (true, false) => return Some(Layout::ChannelsFirst),
            (false, true) => return Some(Layout::ChannelsLast),
            _ => {}
        }
    }
    let colour = |n: usize| n == 1 || n == 3;
    match (colour(a), colour(c)) {
        (false, false) => None,
        (false, true) => Some(Layout::ChannelsLast),
        // Rows and columns are alike in an image, channels are not.
        (true, true) if a == b && b != c => Some(Layout::ChannelsLast),
        (true, _) => Some(Layout::ChannelsFirst),
    }
}

fn ambiguous(array: &RawArray, expect: &Expect) -> EvidenceError {
    let wanted = match expect.shape {
        Some(shape) => format!("the model takes {} (height×width×channels)", extent(shape)),
        None => "no axis is 1 or 3".to_owned(),
    };
    array.error("data.shape", format!("shape {:?}: which axis holds the channels? {wanted}", array.shape))
}

/// Float images as 0..1: stored so, or in the case's range.
fn unit(
    array: &RawArray,
    mut images: Array4<f32>,
    range: Option<[f32; 2]>,
) -> Result<Array4<f32>, EvidenceError> {
    let outside = |images: &Array4<f32>, lo: f32, hi: f32| {
        let bad = |x: &&f32| !(lo..=hi).contains(*x);
        images.axis_iter(Axis(0)).enumerate().find_map(|(i, image)| image.iter().find(bad).map(|&x| (i, x)))
    };
    let Some((sample, value)) = outside(&images, 0.0, 1.0) else { return Ok(images) };
    let [lo, hi] = range.unwrap_or([0.0, 1.0]);
    if (lo, hi) == (0.0, 1.0) {
        let reason = format!(
            "sample {sample} has the value {value}, outside 0..1; store bytes, or say the range in [model.input]"
        );
        return Err(array.error("data.range", reason));
    }
    if let Some((sample, value)) = outside(&images, lo, hi) {
        let reason =
            format!("sample {sample} has the value {value}, outside 0..1 and the case's range {lo}..{hi}");
        return Err(array.error("data.range", reason));
    }
    images.mapv_inplace(|x| ((x - lo) / (hi - lo)).clamp(0.0, 1.0));
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_found_by_the_model_then_by_count() {
        let free = Expect::default();
        let model = |shape| Expect { shape: Some(shape), ..Expect::default() };
        assert_eq!(layout([3, 32, 32], &free), Some(Layout::ChannelsFirst));
        assert_eq!(layout([32, 32, 3], &free), Some(Layout::ChannelsLast));
        assert_eq!(layout([28, 28, 1], &free), Some(Layout::ChannelsLast));
        assert_eq!(layout([32, 32, 4], &free), None);
        assert_eq!(layout([32, 32, 4], &model([4, 32, 32])), Some(Layout::ChannelsLast));
        assert_eq!(layout([3, 3, 1], &model([1, 3, 3])), Some(Layout::ChannelsLast));
        assert_eq!(layout([3, 3, 1], &free), Some(Layout::ChannelsLast));
        assert_eq!(layout([1, 3, 3], &free), Some(Layout::ChannelsFirst));
        assert_eq!(layout([3, 32, 32], &model([1, 28, 28])), Some(Layout::ChannelsFirst));
    }
}
