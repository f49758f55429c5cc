//! Softmax and its logarithm.

use super::{Back, Io, Kernel, only};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use laocoon_kernels::Scratch;

/// `eˣ / Σ eˣ` along an axis, or its logarithm.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// The axis, per image.
    pub axis: usize,
    /// Whether the logarithm is taken.
    pub log: bool,
}

impl Softmax {
    /// Calls `f` with the positions of the numbers of each softmax: first, step, count.
    fn groups<T>(&self, io: &Io<T>, mut f: impl FnMut(usize, usize, usize)) {
        let count = io.out[self.axis];
        let step: usize = io.out[self.axis + 1..].iter().product();
        for outer in 0..io.inputs[0].len() / (count * step) {
            for inner in 0..step {
                f(outer * count * step + inner, step, count);
            }
        }
    }
}

impl Kernel for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "logsoftmax" } else { "softmax" }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        if self.axis >= shape.len() {
            return Err(format!("axis {} does not exist in shape {shape:?}", self.axis));
        }
        Ok(shape.to_vec())
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let x = io.inputs[0];
        self.groups(io, |first, step, count| {
            let at = |k: usize| first + k * step;
            let top = (0..count).fold(T::neg_infinity(), |m, k| m.max(x[at(k)]));
            let sum = (0..count).fold(T::zero(), |s, k| s + (x[at(k)] - top).exp());
            for k in 0..count {
                let shifted = x[at(k)] - top;
                y[at(k)] = if self.log { shifted - sum.ln() } else { shifted.exp() / sum };
            }
        });
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { y, dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        self.groups(io, |first, step, count| {
            let at = |k: usize| first + k * step;
            let sum = (0..count)
                .fold(T::zero(), |s, k| s + if self.log { dy[at(k)] } else { dy[at(k)] * y[at(k)] });
            for k in 0..count {
                let i = at(k);
                dx[i] += if self.log { dy[i] - y[i].exp() * sum } else { y[i] * (dy[i] - sum) };
            }
        });
    }
}
