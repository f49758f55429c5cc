//! Operators that move numbers: concatenate, pad, transpose, and views.

use super::{Back, Io, Kernel, Layout, chw, only, planes};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use laocoon_kernels::{Scratch, each};

/// Joins inputs along an axis (per image: 0 is the channels).
#[derive(Debug, Clone, PartialEq)]
pub struct Concat {
    /// The axis, per image.
    pub axis: usize,
}

impl Concat {
    /// Calls `f(position in the output, position in the input, length)` for each run of input `which`.
    fn runs<T>(&self, io: &Io<T>, which: usize, mut f: impl FnMut(usize, usize, usize)) {
        // Interleaved images are laid out as height, width, channel.
        let run = |shape: &[usize]| match *shape {
            [c, h, w] => [h, w, c][(self.axis + 2) % 3..].iter().product::<usize>(),
            _ => shape[self.axis..].iter().product(),
        };
        let before: usize = io.shapes[..which].iter().map(|s| run(s)).sum();
        let (own, whole) = (run(io.shapes[which]), run(io.out));
        for k in 0..io.inputs[which].len() / own {
            f(k * whole + before, k * own, own);
        }
    }
}

impl Kernel for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let mut out = inputs.first().ok_or("takes at least one input")?.to_vec();
        if self.axis >= out.len() {
            return Err(format!("axis {} does not exist in shape {out:?}", self.axis));
        }
        for shape in &inputs[1..] {
            let fits = shape.len() == out.len()
                && shape.iter().zip(&out).enumerate().all(|(axis, (a, b))| axis == self.axis || a == b);
            let sum = fits.then(|| out[self.axis].checked_add(shape[self.axis])).flatten();
            out[self.axis] = sum.ok_or_else(|| {
                format!("shapes {out:?} and {shape:?} do not join along axis {}", self.axis)
            })?;
        }
        Ok(out)
    }

    fn layout(&self, _: &[&[usize]], out: &[usize]) -> Layout {
        if out.len() == 3 { Layout::Images } else { Layout::Planar }
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        for (which, x) in io.inputs.iter().enumerate() {
            self.runs(io, which, |to, from, len| y[to..to + len].copy_from_slice(&x[from..from + len]));
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        which: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        self.runs(io, which, |from, to, len| each::add(&mut dx[to..to + len], &dy[from..from + len]));
    }
}

/// Surrounds each plane with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// Above, left, below, right.
    pub amounts: [usize; 4],
    /// The constant.
    pub value: f32,
}

impl Pad {
    /// Calls `f(row start in the output, row start in the input, length)` for each input row.
    fn rows<T>(&self, io: &Io<T>, mut f: impl FnMut(usize, usize, usize)) {
        let ([c, h, w], [_, oh, ow]) = (chw(io.shapes[0]), chw(io.out));
        for image in 0..io.n {
            for y in 0..h {
                let to = (image * oh + y + self.amounts[0]) * ow + self.amounts[1];
                f(to * c, (image * h + y) * w * c, w * c);
            }
        }
    }
}

impl Kernel for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let [c, h, w] = planes(only(inputs)?)?;
        let [top, left, bottom, right] = self.amounts;
        let grow = |size: usize, a: usize, b: usize| size.checked_add(a)?.checked_add(b);
        match (grow(h, top, bottom), grow(w, left, right)) {
            (Some(h), Some(w)) => Ok(vec![c, h, w]),
            _ => Err(format!("padding {:?} is too large", self.amounts)),
        }
    }

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        y.fill(T::of(f64::from(self.value)));
        self.rows(io, |to, from, len| y[to..to + len].copy_from_slice(&io.inputs[0][from..from + len]));
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        self.rows(io, |from, to, len| each::add(&mut dx[to..to + len], &dy[from..from + len]));
    }
}

/// Exchanges axes (per image; the batch axis stays first).
#[derive(Debug, Clone, PartialEq)]
pub struct Transpose {
    /// Axis `k` of the output is axis `order[k]` of the input.
    pub order: Vec<usize>,
}

impl Transpose {
    /// Calls `f(position in the output, position in the input)` for each number, image by image.
    fn each<T>(&self, io: &Io<T>, mut f: impl FnMut(usize, usize)) {
        let mut natural = vec![1; self.order.len()];
        for axis in (1..self.order.len()).rev() {
            natural[axis - 1] = natural[axis] * io.shapes[0][axis];
        }
        let steps: Vec<usize> = self.order.iter().map(|&axis| natural[axis]).collect();
        let size: usize = io.out.iter().product();
        let mut index = vec![0; steps.len()];
        for i in 0..io.n {
            index.fill(0);
            let mut from = i * size;
            for to in i * size..(i + 1) * size {
                f(to, from);
                for axis in (0..steps.len()).rev() {
                    index[axis] += 1;
                    from += steps[axis];
                    if index[axis] < io.out[axis] {
                        break;
                    }
                    from -= steps[axis] * index[axis];
                    index[axis] = 0;
                }
            }
        }
    }
}

impl Kernel for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.len()) {
            return Err(format!("order {:?} is not one of the axes of {shape:?}", self.order));
        }
        Ok(self.order.iter().map(|&axis| shape[axis]).collect())
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        self.each(io, |to, from| y[to] = io.inputs[0][from]);
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        self.each(io, |from, to| dx[to] += dy[from]);
    }
}

/// The same numbers under another shape. Costs nothing: the executor never copies them.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// All axes become one.
    Flatten,
    /// A given shape per image.
    Reshape(Vec<usize>),
    /// No change; also stands for dropout, which does nothing outside training.
    Identity,
    /// Dropout: no change here.
    Dropout,
}

impl Kernel for View {
    fn name(&self) -> &'static str {
        match self {
            Self::Flatten => "flatten",
            Self::Reshape(_) => "reshape",
            Self::Identity => "identity",
            Self::Dropout => "dropout",
        }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        let size: usize = shape.iter().product();
        match self {
            Self::Flatten => Ok(vec![size]),
            Self::Identity | Self::Dropout => Ok(shape.to_vec()),
            Self::Reshape(to) => {
                if to.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(size) {
                    Ok(to.clone())
                } else {
                    Err(format!("{shape:?} cannot become {to:?}"))
                }
            }
        }
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        y.copy_from_slice(io.inputs[0]);
    }

    fn input_gradient<T: Scalar>(
        &self,
        _: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        each::add(dx, dy);
    }
}
