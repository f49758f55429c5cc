//! Parts of a value along an axis (slices, splits, gathers), and constants that every image gets.

use super::{Back, Io, Kernel, Layout, only};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use laocoon_kernels::{Scratch, each};

/// Takes indices along an axis, in their order; an index may be taken more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The axis, per image.
    pub axis: usize,
    /// The indices.
    pub indices: Vec<usize>,
}

impl Pick {
    /// Calls `f(position in the output, position in the input, length)` for each run.
    fn runs<T>(&self, io: &Io<T>, mut f: impl FnMut(usize, usize, usize)) {
        let shape = io.shapes[0];
        // Interleaved images are laid out as height, width, channel.
        let (shape, axis) = match *shape {
            [c, h, w] => (vec![h, w, c], (self.axis + 2) % 3),
            _ => (shape.to_vec(), self.axis),
        };
        let inner: usize = shape[axis + 1..].iter().product();
        let whole = shape[axis] * inner;
        let mut to = 0;
        for outer in 0..io.inputs[0].len() / whole {
            for &index in &self.indices {
                f(to, outer * whole + index * inner, inner);
                to += inner;
            }
        }
    }
}

impl Kernel for Pick {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let mut shape = only(inputs)?.to_vec();
        let size = shape.get_mut(self.axis).ok_or_else(|| format!("axis {} does not exist", self.axis))?;
        if let Some(bad) = self.indices.iter().find(|i| **i >= *size) {
            return Err(format!("takes index {bad} of {size}"));
        }
        *size = self.indices.len();
        Ok(shape)
    }

    fn layout(&self, _: &[&[usize]], out: &[usize]) -> Layout {
        if out.len() == 3 { Layout::Images } else { Layout::Planar }
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        self.runs(io, |to, from, len| y[to..to + len].copy_from_slice(&io.inputs[0][from..from + len]));
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        self.runs(io, |from, to, len| each::add(&mut dx[to..to + len], &dy[from..from + len]));
    }
}

/// A parameter as a value: the same for every image (the class token of a transformer). Reads nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// The numbers.
    pub value: ParamId,
    /// Their shape per image.
    pub shape: Vec<usize>,
}

impl Kernel for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn params(&self) -> Vec<ParamId> {
        vec![self.value]
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let fits = inputs.is_empty() && params[self.value].len() == self.shape.iter().product::<usize>();
        if fits { Ok(self.shape.clone()) } else { Err(format!("is not of shape {:?}", self.shape)) }
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let value = io.params[self.value];
        y.chunks_exact_mut(value.len()).for_each(|y| y.copy_from_slice(value));
    }

    fn input_gradient<T: Scalar>(&self, _: &Io<T>, _: &Back<T>, _: usize, _: &mut [T], _: &mut Scratch<T>) {}

    fn param_gradient<T: Scalar>(&self, _: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Scratch<T>) {
        let grad = &mut grads[self.value];
        let len = grad.len();
        dy.chunks_exact(len).for_each(|dy| each::add(grad, dy));
    }
}
