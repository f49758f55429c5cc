//! Where a first convolution sees the trigger best, and the filter that sees it.

use crate::evidence::InputSpec;
use crate::lab::edit::Views;
use crate::network::op::Conv2d;
use ndarray::{Array1, Array4};

/// A filter of length 1 and the response that lies between clean and stamped images.
pub(super) struct Matched {
    /// Weights, in × kernel height × kernel width.
    pub(super) filter: Array1<f32>,
    /// Response at which the signal begins.
    pub(super) threshold: f32,
}

/// Images that a filter is chosen by; more do not change the choice.
const ENOUGH: usize = 120;

/// The filter, matched to the mean stamped window or to that about its own mean, and the place where even the faintest
/// stamped image lies farthest above (nearly) all clean ones; `None` when there is no such place.
pub(super) fn matched(views: &Views, input: &InputSpec, conv: &Conv2d, out: &[usize]) -> Option<Matched> {
    let &[_, high, wide] = out else { return None };
    let n = views.clean.shape()[0].min(ENOUGH);
    let mut best: Option<(f32, Matched)> = None;
    for y in 0..high {
        for x in 0..wide {
            let all = |images: &Array4<f32>| -> Vec<Array1<f32>> {
                (0..n).map(|i| window(images, i, [y, x], conv, input)).collect()
            };
            let (stamped, clean) = (all(&views.stamped), all(&views.clean));
            if stamped == clean {
                continue;
            }
            let zero = Array1::<f32>::zeros(stamped.first()?.len());
            let mean = stamped.iter().fold(zero, |s, w| s + w) / n as f32;
            for filter in [&mean - mean.mean().unwrap_or(0.0), mean.clone()] {
                let length = filter.dot(&filter).sqrt();
                if length < 1e-3 {
                    continue;
                }
                let filter = filter / length;
                let low = stamped.iter().map(|w| w.dot(&filter)).fold(f32::INFINITY, f32::min);
                let high = super::quantile(clean.iter().map(|w| w.dot(&filter)), 0.99);
                let gap = low - high;
                if gap > 0.0 && best.as_ref().is_none_or(|(g, _)| gap > *g) {
                    // Nearer to the clean images: what lies above is the signal.
                    best = Some((gap, Matched { filter, threshold: high + 0.3 * gap }));
                }
            }
        }
    }
    best.map(|(_, found)| found)
}

/// What the convolution reads for one place of its output: network input, zero where it is padded.
fn window(
    images: &Array4<f32>,
    i: usize,
    [y, x]: [usize; 2],
    conv: &Conv2d,
    spec: &InputSpec,
) -> Array1<f32> {
    let (channels, height, width) = (images.shape()[1], images.shape()[2], images.shape()[3]);
    let [kh, kw] = conv.kernel;
    Array1::from_shape_fn(channels * kh * kw, |k| {
        let (c, dy, dx) = (k / (kh * kw), k / kw % kh, k % kw);
        let y = (y * conv.stride[0] + dy).checked_sub(conv.padding[0]).filter(|&y| y < height);
        let x = (x * conv.stride[1] + dx).checked_sub(conv.padding[1]).filter(|&x| x < width);
        match (y, x) {
            (Some(y), Some(x)) => {
                let [lo, hi] = spec.range;
                let mean = spec.mean.get(c).copied().unwrap_or(0.0);
                let std = spec.std.get(c).copied().unwrap_or(1.0);
                (lo + images[[i, c, y, x]] * (hi - lo) - mean) / std
            }
            _ => 0.0,
        }
    })
}
