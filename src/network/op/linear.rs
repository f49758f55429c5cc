//! A fully connected layer over the last axis.

use super::{Back, Io, Kernel, Layout, only, per_channel};
use crate::network::graph::{Param, ParamId};
use crate::network::order::{Order, reorder};
use crate::network::pack::Packed;
use crate::network::scalar::Scalar;
use laocoon_kernels::{Finish, Level, Matrix, Scratch, each, outer_products};

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

    fn layout(&self, inputs: &[&[usize]], _: &[usize]) -> Layout {
        // Numbers of a flattened image are taken as they lie: their weights are put into that order instead.
        if inputs.iter().all(|s| s.len() == 1) { Layout::Any } else { Layout::Planar }
    }

    fn finishes(&self) -> bool {
        true
    }

    fn overwrites(&self) -> bool {
        true
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Scratch<T>) {
        let (rows, inputs, outputs) = Self::sizes(io);
        let packed = io.packs.forward.get_or_init(|| {
            let (w, at) = (io.params[self.weight], from_places(io.orders[0], inputs));
            Packed::Matrix(Matrix::new(inputs, outputs, Level::best(), |i, o| w[o * inputs + at[i]]))
        });
        let bias = self.bias.map(|b| io.params[b]);
        let finish = Finish { bias, add: io.residual, clamp: io.clamp, ..Finish::default() };
        if let Packed::Matrix(m) = packed {
            m.multiply(rows, io.inputs[0], y, &finish, scratch);
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        back: &Back<T>,
        _: usize,
        dx: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let (rows, inputs, outputs) = Self::sizes(io);
        let packed = io.packs.backward.get_or_init(|| {
            let (w, at) = (io.params[self.weight], from_places(io.orders[0], inputs));
            Packed::Matrix(Matrix::new(outputs, inputs, Level::best(), |o, i| w[o * inputs + at[i]]))
        });
        let gate = back.gate.map(|clamp| (io.inputs[0], clamp));
        let finish = Finish { accumulate: !back.fresh, gate, ..Finish::default() };
        if let Packed::Matrix(m) = packed {
            m.multiply(rows, back.dy, dx, &finish, scratch);
        }
    }

    fn param_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        dy: &[T],
        grads: &mut [Vec<T>],
        scratch: &mut Scratch<T>,
    ) {
        let (rows, inputs, outputs) = Self::sizes(io);
        // The input is put in order, which is a row per image; the gradient has a row per output.
        let x = reorder(io.inputs[0], io.orders[0], Order::Planar);
        outer_products(rows, dy, &x, [outputs, inputs], &mut grads[self.weight], Level::best(), scratch);
        if let Some(bias) = self.bias {
            each::channel_sums(dy, &mut grads[bias]);
        }
    }
}

/// For each place of an order the row-major number that lies there.
fn from_places(order: Order, count: usize) -> Vec<usize> {
    let mut at = vec![0; count];
    for i in 0..count {
        at[order.place(i)] = i;
    }
    at
}
