//! Two-dimensional convolution.

use super::{Back, Io, Kernel, Layout, chw, only, per_channel, planes};
use crate::network::graph::{Param, ParamId};
use crate::network::pack::Packed;
use crate::network::scalar::Scalar;
use laocoon_kernels::conv::{Shape, weight_gradient};
use laocoon_kernels::{Conv, Finish, Level, Scratch, each};

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
    fn shape(&self, input: &[usize], output: &[usize]) -> Shape {
        Shape {
            input: chw(input),
            output: chw(output),
            kernel: self.kernel,
            stride: self.stride,
            padding: [self.padding[0], self.padding[1]],
            dilation: self.dilation,
            groups: self.groups,
        }
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

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
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

    fn scratch(&self, inputs: &[&[usize]], out: &[usize], _: &[Param]) -> usize {
        self.shape(inputs[0], out).scratch()
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Scratch<T>) {
        let packed = io.packs.forward.get_or_init(|| {
            let shape = self.shape(io.shapes[0], io.out);
            Packed::Conv(Conv::forward(&shape, io.params[self.weight], Level::best()))
        });
        let bias = self.bias.map(|b| io.params[b]);
        let finish = Finish { bias, add: io.residual, clamp: io.clamp, ..Finish::default() };
        if let Packed::Conv(conv) = packed {
            conv.run(io.n, io.inputs[0], y, &finish, scratch);
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
        let packed = io.packs.backward.get_or_init(|| {
            let shape = self.shape(io.shapes[0], io.out);
            Packed::Conv(Conv::backward(&shape, io.params[self.weight], Level::best()))
        });
        let gate = back.gate.map(|clamp| (io.inputs[0], clamp));
        let finish = Finish { accumulate: !back.fresh, gate, ..Finish::default() };
        if let Packed::Conv(conv) = packed {
            conv.run(io.n, back.dy, dx, &finish, scratch);
        }
    }

    fn param_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        dy: &[T],
        grads: &mut [Vec<T>],
        scratch: &mut Scratch<T>,
    ) {
        if let Some(bias) = self.bias {
            each::channel_sums(dy, &mut grads[bias]);
        }
        let shape = self.shape(io.shapes[0], io.out);
        weight_gradient(&shape, io.n, io.inputs[0], dy, &mut grads[self.weight], Level::best(), scratch);
    }
}
