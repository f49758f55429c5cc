//! Layer normalisation (Ba, Kiros and Hinton 2016): each run of numbers along the last axes gets mean 0 and variance 1,
//! then a scale and a shift of its own for each place.

use super::{Back, Io, Kernel, only, per_channel};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use laocoon_kernels::Scratch;

/// `(x − mean) / √(var + eps) · weight + bias` over the last `axes` axes.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    /// Number of axes, from the last.
    pub axes: usize,
    /// One number per place.
    pub weight: Option<ParamId>,
    /// One number per place.
    pub bias: Option<ParamId>,
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm {
    fn run(&self, shape: &[usize]) -> usize {
        shape[shape.len() - self.axes..].iter().product()
    }

    /// Mean, and one over the deviation, of a run.
    fn moments<T: Scalar>(&self, x: &[T]) -> (T, T) {
        let count = T::of(x.len() as f64);
        let mean = x.iter().fold(T::zero(), |s, &v| s + v) / count;
        let var = x.iter().fold(T::zero(), |s, &v| s + (v - mean) * (v - mean)) / count;
        (mean, T::one() / (var + T::of(f64::from(self.eps))).sqrt())
    }
}

impl Kernel for LayerNorm {
    fn name(&self) -> &'static str {
        "layernorm"
    }

    fn params(&self) -> Vec<ParamId> {
        [self.weight, self.bias].into_iter().flatten().collect()
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        if self.axes == 0 || self.axes > shape.len() {
            return Err(format!("normalises {} of the axes of {shape:?}", self.axes));
        }
        let run = self.run(shape);
        for (id, what) in [(self.weight, "weight"), (self.bias, "bias")] {
            id.map_or(Ok(()), |id| per_channel(params, id, what, run))?;
        }
        Ok(shape.to_vec())
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let run = self.run(io.out);
        let (weight, bias) = (self.weight.map(|w| io.params[w]), self.bias.map(|b| io.params[b]));
        for (x, y) in io.inputs[0].chunks_exact(run).zip(y.chunks_exact_mut(run)) {
            let (mean, scale) = self.moments(x);
            for (k, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                let normal = (x - mean) * scale;
                *y = normal * weight.map_or(T::one(), |w| w[k]) + bias.map_or(T::zero(), |b| b[k]);
            }
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let run = self.run(io.out);
        let count = T::of(run as f64);
        let weight = self.weight.map(|w| io.params[w]);
        let runs = io.inputs[0].chunks_exact(run).zip(dy.chunks_exact(run)).zip(dx.chunks_exact_mut(run));
        for ((x, dy), dx) in runs {
            let (mean, scale) = self.moments(x);
            let (mut sum, mut product) = (T::zero(), T::zero());
            for k in 0..run {
                let g = dy[k] * weight.map_or(T::one(), |w| w[k]);
                sum += g;
                product += g * (x[k] - mean) * scale;
            }
            for k in 0..run {
                let g = dy[k] * weight.map_or(T::one(), |w| w[k]);
                dx[k] += scale * (g - sum / count - (x[k] - mean) * scale * product / count);
            }
        }
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Scratch<T>) {
        let run = self.run(io.out);
        for (x, dy) in io.inputs[0].chunks_exact(run).zip(dy.chunks_exact(run)) {
            let (mean, scale) = self.moments(x);
            for k in 0..run {
                if let Some(w) = self.weight {
                    grads[w][k] += dy[k] * (x[k] - mean) * scale;
                }
                if let Some(b) = self.bias {
                    grads[b][k] += dy[k];
                }
            }
        }
    }
}
