//! Two-dimensional convolution: im2col and matrix products; depthwise directly.

mod depthwise;
mod geometry;
mod product;

use super::{Io, Kernel, only, per_channel, planes};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use geometry::Geometry;

/// Convolution (cross-correlation) over height and width, zero padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2d {
    /// Weights: out × in/groups × kernel height × kernel width.
    pub weight: ParamId,
    /// One number per output channel.
    pub bias: Option<ParamId>,
    /// Kernel height, width.
    pub kernel: [usize; 2],
    /// Step down, right.
    pub stride: [usize; 2],
    /// Zeros above, left, below, right.
    pub padding: [usize; 4],
    /// Distance of kernel taps down, right.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
}

/// Number of window positions along one axis; `None` when the window does not fit.
pub(crate) fn positions(
    size: usize,
    before: usize,
    after: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
) -> Option<usize> {
    let padded = size.checked_add(before)?.checked_add(after)?;
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    Some(padded.checked_sub(reach)?.checked_div(stride)? + 1)
}

impl Conv2d {
    /// The convolution that carries gradients back, where it pays: stride 1, kernels turned by half, input and output
    /// channels exchanged. Needs enough input channels to fill a matrix product.
    fn turned(&self, g: &Geometry) -> Option<Self> {
        let pays = self.stride == [1, 1] && g.group_in >= 8 && !g.pointwise();
        let reach = [0, 1].map(|a| (self.kernel[a] - 1) * self.dilation[a]);
        let mut padding = [0; 4];
        for (side, pad) in padding.iter_mut().enumerate() {
            *pad = reach[side % 2].checked_sub(self.padding[side])?;
        }
        pays.then(|| Self { padding, bias: None, ..self.clone() })
    }
}

impl Kernel for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn params(&self) -> Vec<ParamId> {
        [Some(self.weight), self.bias].into_iter().flatten().collect()
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let [channels, height, width] = planes(only(inputs)?)?;
        let weight = &params[self.weight];
        let shape = weight.value.shape();
        let &[out, group_in, kh, kw] = shape else {
            return Err(format!("weight '{}' has shape {shape:?}, needs 4 dimensions", weight.name));
        };
        if self.groups == 0
            || self.stride.contains(&0)
            || self.dilation.contains(&0)
            || self.kernel.contains(&0)
        {
            return Err("stride, dilation, kernel and groups must be at least 1".into());
        }
        if [kh, kw] != self.kernel {
            return Err(format!("kernel {:?} does not fit weight '{}' {shape:?}", self.kernel, weight.name));
        }
        if out % self.groups != 0 || group_in.checked_mul(self.groups) != Some(channels) {
            return Err(format!(
                "weight '{}' {shape:?} with {} groups does not fit {channels} input channels",
                weight.name, self.groups
            ));
        }
        if let Some(bias) = self.bias {
            per_channel(params, bias, "bias", out)?;
        }
        let [top, left, bottom, right] = self.padding;
        let high = positions(height, top, bottom, kh, self.stride[0], self.dilation[0]);
        let wide = positions(width, left, right, kw, self.stride[1], self.dilation[1]);
        match (high, wide) {
            (Some(high), Some(wide)) => Ok(vec![out, high, wide]),
            _ => Err(format!(
                "a kernel of {kh}×{kw} (dilation {:?}, padding {:?}) does not fit into {height}×{width}",
                self.dilation, self.padding
            )),
        }
    }

    fn scratch(&self, inputs: &[&[usize]], out: &[usize], params: &[Param]) -> usize {
        let _ = params;
        Geometry::new(self, inputs[0], out).scratch()
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Vec<T>) {
        let g = Geometry::new(self, io.shapes[0], io.out);
        let (x, weight) = (io.inputs[0], io.params[self.weight]);
        if g.depthwise() {
            depthwise::forward(&g, io.n, x, weight, y);
        } else {
            product::forward(&g, io.n, x, weight, false, y, scratch);
        }
        if let Some(bias) = self.bias {
            let bias = io.params[bias];
            for (plane, k) in y.chunks_exact_mut(g.out_pixels()).zip((0..g.out_channels).cycle()) {
                let b = bias[k];
                for v in plane {
                    *v += b;
                }
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
        scratch: &mut Vec<T>,
    ) {
        let g = Geometry::new(self, io.shapes[0], io.out);
        let weight = io.params[self.weight];
        if g.depthwise() {
            return depthwise::input_gradient(&g, io.n, dy, weight, dx);
        }
        match self.turned(&g) {
            // Fewer numbers pass through memory than by the gradient of the im2col matrix.
            Some(turned) => {
                let weight = g.turn(weight);
                let back = Geometry::new(&turned, io.out, io.shapes[0]);
                product::forward(&back, io.n, dy, &weight, true, dx, scratch);
            }
            None => product::input_gradient(&g, io.n, dy, weight, dx, scratch),
        }
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], scratch: &mut Vec<T>) {
        let g = Geometry::new(self, io.shapes[0], io.out);
        if let Some(bias) = self.bias {
            for (plane, k) in dy.chunks_exact(g.out_pixels()).zip((0..g.out_channels).cycle()) {
                grads[bias][k] += plane.iter().fold(T::zero(), |s, &v| s + v);
            }
        }
        let dw = &mut grads[self.weight];
        if g.depthwise() {
            depthwise::weight_gradient(&g, io.n, io.inputs[0], dy, dw);
        } else {
            product::weight_gradient(&g, io.n, io.inputs[0], dy, dw, scratch);
        }
    }
}
