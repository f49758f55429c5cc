//! A fully connected layer over the last axis.

use super::{Io, Kernel, only, per_channel};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::{Scalar, gemm, matrix, matrix_mut};

/// `y = x · weightᵀ + bias` over the last axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Weights: out × in.
    pub weight: ParamId,
    /// One number per output.
    pub bias: Option<ParamId>,
}

impl Linear {
    /// Rows, inputs, outputs.
    fn sizes<T>(io: &Io<T>) -> (usize, usize, usize) {
        let last = |s: &[usize]| s[s.len() - 1];
        let (inputs, outputs) = (last(io.shapes[0]), last(io.out));
        (io.n * io.shapes[0].iter().product::<usize>() / inputs, inputs, outputs)
    }
}

impl Kernel for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn params(&self) -> Vec<ParamId> {
        [Some(self.weight), self.bias].into_iter().flatten().collect()
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        let weight = &params[self.weight];
        let &[outputs, wanted] = weight.value.shape() else {
            return Err(format!(
                "weight '{}' has shape {:?}, needs 2 dimensions",
                weight.name,
                weight.value.shape()
            ));
        };
        let mut out = shape.to_vec();
        match out.last_mut() {
            Some(last) if *last == wanted => *last = outputs,
            _ => {
                return Err(format!("weight '{}' takes {wanted} numbers, gets shape {shape:?}", weight.name));
            }
        }
        if let Some(bias) = self.bias {
            per_channel(params, bias, "bias", outputs)?;
        }
        Ok(out)
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Vec<T>) {
        let (rows, inputs, outputs) = Self::sizes(io);
        if let Some(bias) = self.bias {
            for row in y.chunks_exact_mut(outputs) {
                row.copy_from_slice(io.params[bias]);
            }
        }
        let w = matrix(io.params[self.weight], outputs, inputs);
        gemm(
            &matrix(io.inputs[0], rows, inputs),
            &w.t(),
            self.bias.is_some(),
            &mut matrix_mut(y, rows, outputs),
        );
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
        let (rows, inputs, outputs) = Self::sizes(io);
        let w = matrix(io.params[self.weight], outputs, inputs);
        gemm(&matrix(dy, rows, outputs), &w, true, &mut matrix_mut(dx, rows, inputs));
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Vec<T>) {
        let (rows, inputs, outputs) = Self::sizes(io);
        let mut dw = matrix_mut(&mut grads[self.weight], outputs, inputs);
        gemm(&matrix(dy, rows, outputs).t(), &matrix(io.inputs[0], rows, inputs), true, &mut dw);
        if let Some(bias) = self.bias {
            for row in dy.chunks_exact(outputs) {
                super::add(&mut grads[bias], row);
            }
        }
    }
}
