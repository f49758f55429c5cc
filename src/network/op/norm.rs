//! Batch normalisation with fixed statistics, and its training form over a whole batch.

use super::{Io, Kernel, only, per_channel};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;

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

    /// Channels and numbers per channel of a shape.
    pub(crate) fn planes(shape: &[usize]) -> (usize, usize) {
        (shape[0], shape[1..].iter().product())
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

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Vec<T>) {
        let (channels, plane) = Self::planes(io.out);
        for (k, (y, x)) in y.chunks_exact_mut(plane).zip(io.inputs[0].chunks_exact(plane)).enumerate() {
            let (scale, shift) = self.affine(io.params, k % channels);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * scale + shift;
            }
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
        let (channels, plane) = Self::planes(io.out);
        for (k, (dx, dy)) in dx.chunks_exact_mut(plane).zip(dy.chunks_exact(plane)).enumerate() {
            let (scale, _) = self.affine(io.params, k % channels);
            for (dx, &dy) in dx.iter_mut().zip(dy) {
                *dx += dy * scale;
            }
        }
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Vec<T>) {
        let (channels, plane) = Self::planes(io.out);
        for (k, (x, dy)) in io.inputs[0].chunks_exact(plane).zip(dy.chunks_exact(plane)).enumerate() {
            let c = k % channels;
            let mean = io.params[self.mean][c];
            let inverse = T::one() / (io.params[self.var][c] + T::of(f64::from(self.eps))).sqrt();
            let (mut shift, mut scale) = (T::zero(), T::zero());
            for (&x, &dy) in x.iter().zip(dy) {
                shift += dy;
                scale += dy * (x - mean) * inverse;
            }
            if let Some(p) = self.weight {
                grads[p][c] += scale;
            }
            if let Some(p) = self.bias {
                grads[p][c] += shift;
            }
        }
    }
}
