//! Pooling: maximum, average, and average to a given size.

use super::{Io, Kernel, chw, only, planes};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use std::ops::Range;

/// The windows of a pooling layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Height, width.
    pub kernel: [usize; 2],
    /// Step down, right.
    pub stride: [usize; 2],
    /// Padding above, left, below, right.
    pub padding: [usize; 4],
    /// Distance of taps down, right.
    pub dilation: [usize; 2],
    /// Whether a last window that hangs over the edge counts.
    pub ceil: bool,
}

impl Window {
    /// Windows without padding, dilation or overhang.
    pub fn new(kernel: [usize; 2], stride: [usize; 2]) -> Self {
        Self { kernel, stride, padding: [0; 4], dilation: [1, 1], ceil: false }
    }

    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let [channels, height, width] = planes(only(inputs)?)?;
        if self.kernel.contains(&0) || self.stride.contains(&0) || self.dilation.contains(&0) {
            return Err("kernel, stride and dilation must be at least 1".into());
        }
        let mut out = vec![channels];
        for (axis, size) in [height, width].into_iter().enumerate() {
            let (before, after) = (self.padding[axis], self.padding[axis + 2]);
            let reach =
                (self.kernel[axis] - 1).checked_mul(self.dilation[axis]).and_then(|r| r.checked_add(1));
            let fit = reach.filter(|&r| before < r && after < r).and_then(|r| {
                let spare = size.checked_add(before)?.checked_add(after)?.checked_sub(r)?;
                let stride = self.stride[axis];
                let mut count = if self.ceil { spare.div_ceil(stride) } else { spare / stride } + 1;
                // A window may hang over the end, but not start behind the padded input's own numbers.
                if self.ceil && (count - 1) * stride >= size + before {
                    count -= 1;
                }
                Some(count)
            });
            out.push(fit.ok_or_else(|| {
                format!(
                    "a window of {:?} (dilation {:?}, padding {:?}) does not fit into {height}×{width}",
                    self.kernel, self.dilation, self.padding
                )
            })?);
        }
        Ok(out)
    }

    /// Input rows (or columns) under window `o` of an axis: start, end (exclusive), in steps of the dilation.
    fn span(&self, axis: usize, o: usize, size: usize) -> Range<usize> {
        let (d, before) = (self.dilation[axis], self.padding[axis]);
        let begin = o * self.stride[axis];
        let end = (begin + (self.kernel[axis] - 1) * d + 1).saturating_sub(before).min(size);
        // The first tap at or behind the edge.
        let start =
            if begin >= before { begin - before } else { (before - begin).div_ceil(d) * d + begin - before };
        start..end.max(start)
    }

    /// Calls `f(output position, rows, columns)` for each window of a plane.
    fn each(&self, shape: &[usize], out: &[usize], mut f: impl FnMut(usize, &Range<usize>, &Range<usize>)) {
        let columns: Vec<_> = (0..out[2]).map(|o| self.span(1, o, shape[2])).collect();
        for oy in 0..out[1] {
            let rows = self.span(0, oy, shape[1]);
            for (ox, columns) in columns.iter().enumerate() {
                f(oy * out[2] + ox, &rows, columns);
            }
        }
    }

    /// Position of the first maximum in a window; `None` when no tap is inside.
    fn argmax<T: Scalar>(
        &self,
        x: &[T],
        width: usize,
        rows: &Range<usize>,
        columns: &Range<usize>,
    ) -> Option<usize> {
        let mut best: Option<(usize, T)> = None;
        for y in rows.clone().step_by(self.dilation[0]) {
            for c in columns.clone().step_by(self.dilation[1]) {
                let v = x[y * width + c];
                if best.is_none_or(|(_, b)| v > b || v.is_nan()) {
                    best = Some((y * width + c, v));
                }
            }
        }
        best.map(|(at, _)| at)
    }
}

/// The largest number of each window.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool(pub Window);

impl Kernel for MaxPool {
    fn name(&self) -> &'static str {
        "maxpool2d"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        self.0.output_shape(inputs)
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Vec<T>) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let halving = self.0 == Window::new([2, 2], [2, 2]);
        for (x, y) in io.inputs[0].chunks_exact(h * w).zip(y.chunks_exact_mut(oh * ow)) {
            if halving {
                for (rows, y) in x.chunks_exact(2 * w).zip(y.chunks_exact_mut(ow)) {
                    let (a, b) = rows.split_at(w);
                    for ((y, a), b) in y.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2)) {
                        *y = larger(larger(a[0], a[1]), larger(b[0], b[1]));
                    }
                }
                continue;
            }
            self.0.each(io.shapes[0], io.out, |o, rows, columns| {
                y[o] = self.0.argmax(x, w, rows, columns).map_or(T::neg_infinity(), |at| x[at]);
            });
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        _: &[T],
        dy: &[T],
        _: usize,
        dx: &mut [T],
        _: &mut Vec<T>,
    ) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let planes = io.inputs[0].chunks_exact(h * w).zip(dy.chunks_exact(oh * ow));
        let halving = self.0 == Window::new([2, 2], [2, 2]);
        for ((x, dy), dx) in planes.zip(dx.chunks_exact_mut(h * w)) {
            if halving {
                let rows = x.chunks_exact(2 * w).zip(dx.chunks_exact_mut(2 * w)).zip(dy.chunks_exact(ow));
                for ((x, dx), dy) in rows {
                    for (o, &g) in dy.iter().enumerate() {
                        let at = [2 * o, 2 * o + 1, w + 2 * o, w + 2 * o + 1];
                        let best = at[1..]
                            .iter()
                            .fold(at[0], |b, &a| if x[a] > x[b] || x[a].is_nan() { a } else { b });
                        dx[best] += g;
                    }
                }
                continue;
            }
            self.0.each(io.shapes[0], io.out, |o, rows, columns| {
                if let Some(at) = self.0.argmax(x, w, rows, columns) {
                    dx[at] += dy[o];
                }
            });
        }
    }
}

/// The larger of two; the second when it is not a number.
fn larger<T: Scalar>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}

/// The mean of each window.
#[derive(Debug, Clone, PartialEq)]
pub struct AvgPool {
    /// The windows; no dilation.
    pub window: Window,
    /// Whether padding counts as zeros (else windows at the edge average over fewer numbers).
    pub count_padding: bool,
}

impl AvgPool {
    /// One over the numbers that count in a window.
    fn weight<T: Scalar>(&self, shape: &[usize], out: &[usize], o: usize, rows: usize, columns: usize) -> T {
        let counted = if self.count_padding {
            let extent = |axis: usize, o: usize| {
                let begin = o * self.window.stride[axis];
                let end = shape[axis + 1] + self.window.padding[axis] + self.window.padding[axis + 2];
                (begin + self.window.kernel[axis]).min(end) - begin
            };
            extent(0, o / out[2]) * extent(1, o % out[2])
        } else {
            rows * columns
        };
        T::one() / T::of(counted.max(1) as f64)
    }
}

impl Kernel for AvgPool {
    fn name(&self) -> &'static str {
        "avgpool2d"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        if self.window.dilation != [1, 1] {
            return Err("average pooling with dilation is not supported".into());
        }
        self.window.output_shape(inputs)
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Vec<T>) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        for (x, y) in io.inputs[0].chunks_exact(h * w).zip(y.chunks_exact_mut(oh * ow)) {
            self.window.each(io.shapes[0], io.out, |o, rows, columns| {
                let sum = rows
                    .clone()
                    .flat_map(|r| &x[r * w + columns.start..r * w + columns.end])
                    .fold(T::zero(), |s, &v| s + v);
                y[o] = sum * self.weight(io.shapes[0], io.out, o, rows.len(), columns.len());
            });
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        _: &[T],
        dy: &[T],
        _: usize,
        dx: &mut [T],
        _: &mut Vec<T>,
    ) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        for (dx, dy) in dx.chunks_exact_mut(h * w).zip(dy.chunks_exact(oh * ow)) {
            self.window.each(io.shapes[0], io.out, |o, rows, columns| {
                let g = dy[o] * self.weight(io.shapes[0], io.out, o, rows.len(), columns.len());
                for r in rows.clone() {
                    for v in &mut dx[r * w + columns.start..r * w + columns.end] {
                        *v += g;
                    }
                }
            });
        }
    }
}

/// The mean over windows that divide the plane into `size` parts (1×1: the global average).
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveAvgPool {
    /// Output height, width.
    pub size: [usize; 2],
}

impl AdaptiveAvgPool {
    fn part(o: usize, parts: usize, size: usize) -> Range<usize> {
        o * size / parts..((o + 1) * size).div_ceil(parts)
    }

    /// Calls `f(output position, rows, columns, one over their number)` for each part.
    fn each<T: Scalar>(&self, shape: &[usize], mut f: impl FnMut(usize, Range<usize>, Range<usize>, T)) {
        let [high, wide] = self.size;
        for o in 0..high * wide {
            let rows = Self::part(o / wide, high, shape[1]);
            let columns = Self::part(o % wide, wide, shape[2]);
            let weight = T::one() / T::of((rows.len() * columns.len()) as f64);
            f(o, rows, columns, weight);
        }
    }
}

impl Kernel for AdaptiveAvgPool {
    fn name(&self) -> &'static str {
        if self.size == [1, 1] { "globalavgpool" } else { "adaptiveavgpool2d" }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let [channels, ..] = planes(only(inputs)?)?;
        if self.size.contains(&0) {
            return Err("output size must be at least 1".into());
        }
        Ok(vec![channels, self.size[0], self.size[1]])
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Vec<T>) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        for (x, y) in io.inputs[0].chunks_exact(h * w).zip(y.chunks_exact_mut(oh * ow)) {
            self.each(io.shapes[0], |o, rows, columns, weight: T| {
                let sum = rows
                    .flat_map(|r| &x[r * w + columns.start..r * w + columns.end])
                    .fold(T::zero(), |s, &v| s + v);
                y[o] = sum * weight;
            });
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        _: &[T],
        dy: &[T],
        _: usize,
        dx: &mut [T],
        _: &mut Vec<T>,
    ) {
        let ([_, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        for (dx, dy) in dx.chunks_exact_mut(h * w).zip(dy.chunks_exact(oh * ow)) {
            self.each(io.shapes[0], |o, rows, columns, weight: T| {
                let g = dy[o] * weight;
                for r in rows {
                    for v in &mut dx[r * w + columns.start..r * w + columns.end] {
                        *v += g;
                    }
                }
            });
        }
    }
}
