//! Batch normalisation with fixed statistics, and its training form over a whole batch.

use super::{Back, Io, Kernel, Layout, only, per_channel};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use laocoon_kernels::{Scratch, each};

/// `y = (x − mean) / √(var + eps) · weight + bias` per channel (the first axis).
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// Scale per channel; 1 when absent.
    pub weight: Option<ParamId>,
    /// Shift per channel; 0 when absent.
    pub bias: Option<ParamId>,
    /// Running mean per channel.
    pub mean: ParamId,
    /// Running variance per channel.
    pub var: ParamId,
    /// Added to the variance.
    pub eps: f32,
    /// Weight of the newest batch in the running statistics (0.1 in most toolkits).
    pub momentum: f32,
}

impl BatchNorm {
    /// Scale and shift of a channel with the running statistics.
    pub(crate) fn affine<T: Scalar>(&self, params: &[&[T]], channel: usize) -> (T, T) {
        let weight = self.weight.map_or(T::one(), |p| params[p][channel]);
        let bias = self.bias.map_or(T::zero(), |p| params[p][channel]);
        let scale = weight / (params[self.var][channel] + T::of(f64::from(self.eps))).sqrt();
        (scale, bias - params[self.mean][channel] * scale)
    }

    /// Scales and shifts of all channels with the running statistics.
    fn affines<T: Scalar>(&self, params: &[&[T]]) -> (Vec<T>, Vec<T>) {
        (0..params[self.mean].len()).map(|c| self.affine(params, c)).unzip()
    }
}

impl Kernel for BatchNorm {
    fn name(&self) -> &'static str {
        "batchnorm2d"
    }

    fn params(&self) -> Vec<ParamId> {
        [self.weight, self.bias, Some(self.mean), Some(self.var)].into_iter().flatten().collect()
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        let channels = *shape.first().ok_or("takes at least one axis")?;
        for (id, what) in [
            (self.weight, "scale"),
            (self.bias, "shift"),
            (Some(self.mean), "mean"),
            (Some(self.var), "variance"),
        ] {
            if let Some(id) = id {
                per_channel(params, id, what, channels)?;
            }
        }
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            return Err(format!("epsilon is {}, must be a number ≥ 0", self.eps));
        }
        Ok(shape.to_vec())
    }

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let (scale, shift) = self.affines(io.params);
        each::affine(&scale, &shift, io.inputs[0], y);
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let (scale, _) = self.affines(io.params);
        let zero = vec![T::zero(); scale.len()];
        let one = vec![T::one(); scale.len()];
        each::combine([&one, &scale, &zero], dy, dx);
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Scratch<T>) {
        let channels = io.params[self.mean].len();
        let mean: Vec<f64> = io.params[self.mean].iter().map(|m| m.wide()).collect();
        let (mut shift, mut scale) = (vec![0.0; channels], vec![0.0; channels]);
        each::sums(dy, &mut shift);
        each::products(dy, io.inputs[0], &mean, &mut scale);
        for c in 0..channels {
            let inverse = 1.0 / (io.params[self.var][c].wide() + f64::from(self.eps)).sqrt();
            if let Some(p) = self.weight {
                grads[p][c] += T::of(scale[c] * inverse);
            }
            if let Some(p) = self.bias {
                grads[p][c] += T::of(shift[c]);
            }
        }
    }
}
