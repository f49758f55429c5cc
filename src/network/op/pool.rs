//! Pooling: maximum, average, and average to a given size.

use super::{Back, Io, Kernel, Layout, chw, only, planes};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use laocoon_kernels::{Scratch, pool};
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

/// Rows or columns of padding, on both sides together, with which windows (kernel, stride and dilation at least 1) fit as
/// often as steps fit into `size`: `SAME` of ONNX and Keras.
pub fn same_padding(size: usize, kernel: usize, stride: usize, dilation: usize) -> usize {
    let reach = (kernel - 1).saturating_mul(dilation).saturating_add(1);
    let covered = (size.div_ceil(stride) - 1).saturating_mul(stride).saturating_add(reach);
    covered.saturating_sub(size)
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

    /// Calls `f(image, output position, rows, columns)` for each window of `n` images.
    fn each(
        &self,
        n: usize,
        shape: &[usize],
        out: &[usize],
        mut f: impl FnMut(usize, usize, Range<usize>, Range<usize>),
    ) {
        let columns: Vec<_> = (0..out[2]).map(|o| self.span(1, o, shape[2])).collect();
        for image in 0..n {
            for oy in 0..out[1] {
                let rows = self.span(0, oy, shape[1]);
                for (ox, columns) in columns.iter().enumerate() {
                    f(image, oy * out[2] + ox, rows.clone(), columns.clone());
                }
            }
        }
    }
}

/// Where the pixels of rows and columns of an interleaved image begin.
fn pixels(
    taps: &mut Vec<usize>,
    [c, h, w]: [usize; 3],
    image: usize,
    rows: impl Iterator<Item = usize>,
    columns: &(impl Iterator<Item = usize> + Clone),
) {
    taps.clear();
    for y in rows {
        taps.extend(columns.clone().map(|x| ((image * h + y) * w + x) * c));
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

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let (shape, [c, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let (mut taps, [down, right]) = (Vec::new(), self.0.dilation);
        self.0.each(io.n, io.shapes[0], io.out, |image, o, rows, columns| {
            pixels(&mut taps, shape, image, rows.step_by(down), &columns.step_by(right));
            let y = &mut y[(image * oh * ow + o) * c..][..c];
            if taps.is_empty() {
                y.fill(T::neg_infinity());
            }
            pool::maximum(&taps, io.inputs[0], y);
        });
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, gate, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let (shape, [c, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let (mut taps, [down, right]) = (Vec::new(), self.0.dilation);
        self.0.each(io.n, io.shapes[0], io.out, |image, o, rows, columns| {
            pixels(&mut taps, shape, image, rows.step_by(down), &columns.step_by(right));
            let dy = &dy[(image * oh * ow + o) * c..][..c];
            pool::maximum_back(&taps, io.inputs[0], dy, gate, dx);
        });
    }
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

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let (shape, [c, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let mut taps = Vec::new();
        self.window.each(io.n, io.shapes[0], io.out, |image, o, rows, columns| {
            let weight = self.weight(io.shapes[0], io.out, o, rows.len(), columns.len());
            pixels(&mut taps, shape, image, rows, &columns);
            pool::mean(&taps, io.inputs[0], weight, &mut y[(image * oh * ow + o) * c..][..c]);
        });
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let (shape, [c, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        let mut taps = Vec::new();
        self.window.each(io.n, io.shapes[0], io.out, |image, o, rows, columns| {
            let weight = self.weight(io.shapes[0], io.out, o, rows.len(), columns.len());
            pixels(&mut taps, shape, image, rows, &columns);
            pool::mean_back(&taps, &dy[(image * oh * ow + o) * c..][..c], weight, dx);
        });
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

    /// Calls `f(number of the output, pixels, one over their number)` for each part of `n` images.
    fn each<T: Scalar>(&self, n: usize, shape: [usize; 3], mut f: impl FnMut(usize, &[usize], T)) {
        let [high, wide] = self.size;
        let mut taps = Vec::new();
        for image in 0..n {
            for o in 0..high * wide {
                let rows = Self::part(o / wide, high, shape[1]);
                let columns = Self::part(o % wide, wide, shape[2]);
                pixels(&mut taps, shape, image, rows, &columns);
                let weight = T::one() / T::of(taps.len() as f64);
                f((image * high * wide + o) * shape[0], &taps, weight);
            }
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

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let shape = chw(io.shapes[0]);
        self.each(io.n, shape, |o, taps, weight| {
            pool::mean(taps, io.inputs[0], weight, &mut y[o..o + shape[0]]);
        });
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let shape = chw(io.shapes[0]);
        self.each(io.n, shape, |o, taps, weight| pool::mean_back(taps, &dy[o..o + shape[0]], weight, dx));
    }
}
