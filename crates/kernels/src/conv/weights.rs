//! The gradient of the weights: for each batch of outputs, their gradients (transposed) times the inputs they saw.

use super::Shape;
use super::phase;
use crate::lanes::{Real, dispatch};
use crate::matrix::Outer;
use crate::{Level, Scratch};

/// Numbers of gathered inputs at a time.
const GATHERED: usize = 1 << 16;

/// Adds the gradient of the weights (out × in/groups × kernel height × kernel width) to `dw`.
///
/// # Panics
/// When a slice is shorter than the shape says.
pub fn weight_gradient<T: Real>(
    shape: &Shape,
    n: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    level: Level,
    scratch: &mut Scratch<T>,
) {
    if shape.depthwise() {
        return depthwise(shape, n, x, dy, dw, level);
    }
    let [per_in, per_out] = shape.group();
    let ([channels, height, width], [outputs, high, wide]) = (shape.input, shape.output);
    let Some(phase) = phase::forward(shape).pop() else { return };
    let (taps, columns) = (shape.taps(), shape.taps() * per_in);
    let pixels = high * wide;
    let batch =
        (GATHERED / columns).next_multiple_of(16).clamp(32, 512).min((n * pixels).next_multiple_of(16));
    let mut sums = std::mem::take(&mut scratch.sums);
    for group in 0..shape.groups {
        sums.clear();
        sums.resize(per_out * columns, T::ZERO);
        let mut outer = Outer::new(level, per_out, columns, batch);
        for first in (0..n * pixels).step_by(batch) {
            let count = batch.min(n * pixels - first);
            outer.start(count, scratch);
            for row in 0..count {
                let (image, at) = ((first + row) / pixels, (first + row) % pixels);
                outer.left(row, &dy[(first + row) * outputs + group * per_out..][..per_out], scratch);
                let y = (at / wide * shape.stride[0]) as isize;
                let x0 = (at % wide * shape.stride[1]) as isize;
                for (k, tap) in phase.taps.iter().enumerate() {
                    let (ty, tx) = (y + tap[0], x0 + tap[1]);
                    let inside = ty >= 0 && ty < height as isize && tx >= 0 && tx < width as isize;
                    let from = inside.then(|| {
                        let pixel = (image * height + ty as usize) * width + tx as usize;
                        &x[pixel * channels + group * per_in..][..per_in]
                    });
                    outer.right(row, k * per_in, per_in, from, scratch);
                }
            }
            outer.add(scratch, &mut sums);
        }
        let dw = &mut dw[group * per_out * columns..(group + 1) * per_out * columns];
        for (dw, sums) in dw.chunks_exact_mut(columns).zip(sums.chunks_exact(columns)) {
            for (k, sums) in sums.chunks_exact(per_in).enumerate() {
                for (i, &s) in sums.iter().enumerate() {
                    dw[i * taps + k] += s;
                }
            }
        }
    }
    scratch.sums = sums;
}

fn depthwise<T: Real>(shape: &Shape, n: usize, x: &[T], dy: &[T], dw: &mut [T], level: Level) {
    let ([channels, height, width], [_, high, wide]) = (shape.input, shape.output);
    let taps = shape.taps();
    let Some(phase) = phase::forward(shape).pop() else { return };
    let mut sum = vec![T::ZERO; channels];
    for (k, tap) in phase.taps.iter().enumerate() {
        sum.fill(T::ZERO);
        for row in 0..n * high {
            let y = (row % high * shape.stride[0]) as isize + tap[0];
            if y < 0 || y >= height as isize {
                continue;
            }
            let from = (row / high * height + y as usize) * width;
            for column in 0..wide {
                let at = (column * shape.stride[1]) as isize + tap[1];
                if at >= 0 && at < width as isize {
                    let x = &x[(from + at as usize) * channels..][..channels];
                    let dy = &dy[(row * wide + column) * channels..][..channels];
                    dispatch(level, crate::each::MulAdd { to: &mut sum, a: x, b: dy });
                }
            }
        }
        for (c, &s) in sum.iter().enumerate() {
            dw[c * taps + k] += s;
        }
    }
}
