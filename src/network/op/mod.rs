//! The operators: one file per family, each with its shape rule, forward pass, and gradients with respect to inputs
//! and parameters. All are pure functions over a chunk of images, sequential inside; `run.rs` runs chunks in
//! parallel, and hands numbers over in the order that an operator asks for by its [`Layout`].

pub mod activation;
pub mod arith;
pub mod conv;
pub mod layer_norm;
pub mod linear;
pub mod matmul;
pub mod norm;
pub mod pick;
pub mod pool;
pub mod reduce;
pub mod shape;
pub mod softmax;
#[cfg(test)]
mod tests;

use super::graph::{Param, ParamId};
use super::order::Order;
use super::pack::Packs;
use super::scalar::Scalar;
pub use activation::{Activation, PRelu};
pub use arith::{Arith, Arithmetic, Operand};
pub use conv::Conv2d;
use laocoon_kernels::{Clamp, Scratch};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use matmul::MatMul;
pub use norm::BatchNorm;
pub use pick::{Constant, Pick};
pub use pool::{AdaptiveAvgPool, AvgPool, MaxPool, Window, same_padding};
pub use reduce::{Reduce, Reduction};
pub use shape::{Concat, Pad, Transpose, View};
pub use softmax::Softmax;

/// What an operator reads while it runs over `n` images.
#[derive(Debug, Clone, Copy)]
pub struct Io<'a, T> {
    /// Number of images.
    pub n: usize,
    /// The numbers of each input, image after image.
    pub inputs: &'a [&'a [T]],
    /// Shape of each input per image.
    pub shapes: &'a [&'a [usize]],
    /// Shape of the output per image.
    pub out: &'a [usize],
    /// All parameters of the network.
    pub params: &'a [&'a [T]],
    /// The operator's own weights, packed.
    pub packs: &'a Packs<T>,
    /// Added to the output, in its order.
    pub residual: Option<&'a [T]>,
    /// The bounds that the output is clamped to.
    pub clamp: Option<Clamp<T>>,
    /// How the numbers of each input lie.
    pub(crate) orders: &'a [Order],
}

/// What comes back to an operator.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a, T> {
    /// Its output, in its order.
    pub y: &'a [T],
    /// The gradient of its output.
    pub dy: &'a [T],
    /// Whether the gradient of the input is to be written, not added to (asked of operators that
    /// [`Kernel::overwrites`]).
    pub fresh: bool,
    /// The gradient is to be zero where the input is clamped (asked of operators that [`Kernel::gates`]).
    pub gate: Option<Clamp<T>>,
}

/// How an operator takes the numbers of an image, and gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Row-major (channel, height, width).
    Planar,
    /// The first axis is channels, and those of a pixel lie side by side: interleaved (height, width, channel).
    Images,
    /// Number by number: in any order, the same for all inputs, and so the output.
    Same,
    /// In any order, as `Io::orders` says; the output row-major.
    Any,
}

/// What every operator family implements.
pub trait Kernel {
    /// Name for people, as in network descriptions.
    fn name(&self) -> &'static str;

    /// Shape of the output per image.
    ///
    /// # Errors
    /// In words, what does not fit.
    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String>;

    /// Parameters it reads.
    fn params(&self) -> Vec<ParamId> {
        Vec::new()
    }

    /// Numbers of scratch memory it may take.
    fn scratch(&self, inputs: &[&[usize]], out: &[usize], params: &[Param]) -> usize {
        let _ = (inputs, out, params);
        0
    }

    /// How it takes inputs of these shapes and gives its output.
    fn layout(&self, inputs: &[&[usize]], out: &[usize]) -> Layout {
        let _ = (inputs, out);
        Layout::Planar
    }

    /// Whether [`Self::forward`] adds the residual and clamps (else the executor does).
    fn finishes(&self) -> bool {
        false
    }

    /// Whether [`Self::input_gradient`] heeds [`Back::fresh`].
    fn overwrites(&self) -> bool {
        false
    }

    /// Whether [`Self::input_gradient`] heeds [`Back::gate`]: for the whole sum where it [`Self::overwrites`], else
    /// for what it adds.
    fn gates(&self) -> bool {
        false
    }

    /// Writes all of `y`.
    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Scratch<T>);

    /// Adds the gradient with respect to input `which` to `dx`.
    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        back: &Back<T>,
        which: usize,
        dx: &mut [T],
        scratch: &mut Scratch<T>,
    );

    /// Adds the gradients with respect to its parameters to theirs in `grads`.
    fn param_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        dy: &[T],
        grads: &mut [Vec<T>],
        scratch: &mut Scratch<T>,
    ) {
        let _ = (io, dy, grads, scratch);
    }
}

/// An operator with its attributes.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Op {
    Conv2d(Conv2d),
    BatchNorm(BatchNorm),
    Activation(Activation),
    PRelu(PRelu),
    MaxPool(MaxPool),
    AvgPool(AvgPool),
    AdaptiveAvgPool(AdaptiveAvgPool),
    Linear(Linear),
    Arith(Arith),
    Concat(Concat),
    Softmax(Softmax),
    Transpose(Transpose),
    Pad(Pad),
    MatMul(MatMul),
    LayerNorm(LayerNorm),
    Reduce(Reduce),
    Pick(Pick),
    Constant(Constant),
    View(View),
}

macro_rules! each {
    ($op:expr, $k:ident => $body:expr) => {
        match $op {
            Op::Conv2d($k) => $body,
            Op::BatchNorm($k) => $body,
            Op::Activation($k) => $body,
            Op::PRelu($k) => $body,
            Op::MaxPool($k) => $body,
            Op::AvgPool($k) => $body,
            Op::AdaptiveAvgPool($k) => $body,
            Op::Linear($k) => $body,
            Op::Arith($k) => $body,
            Op::Concat($k) => $body,
            Op::Softmax($k) => $body,
            Op::Transpose($k) => $body,
            Op::Pad($k) => $body,
            Op::MatMul($k) => $body,
            Op::LayerNorm($k) => $body,
            Op::Reduce($k) => $body,
            Op::Pick($k) => $body,
            Op::Constant($k) => $body,
            Op::View($k) => $body,
        }
    };
}

impl Op {
    /// Whether the output is the input's numbers under another shape.
    pub fn is_view(&self) -> bool {
        matches!(self, Op::View(_))
    }
}

impl Kernel for Op {
    fn name(&self) -> &'static str {
        each!(self, k => k.name())
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        if let Some(p) = self.params().into_iter().find(|&p| p >= params.len()) {
            return Err(format!("reads parameter {p}, which does not exist"));
        }
        each!(self, k => k.output_shape(inputs, params))
    }

    fn params(&self) -> Vec<ParamId> {
        each!(self, k => k.params())
    }

    fn scratch(&self, inputs: &[&[usize]], out: &[usize], params: &[Param]) -> usize {
        each!(self, k => k.scratch(inputs, out, params))
    }

    fn layout(&self, inputs: &[&[usize]], out: &[usize]) -> Layout {
        each!(self, k => k.layout(inputs, out))
    }

    fn finishes(&self) -> bool {
        each!(self, k => k.finishes())
    }

    fn overwrites(&self) -> bool {
        each!(self, k => k.overwrites())
    }

    fn gates(&self) -> bool {
        each!(self, k => k.gates())
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Scratch<T>) {
        each!(self, k => k.forward(io, y, scratch));
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        back: &Back<T>,
        which: usize,
        dx: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        each!(self, k => k.input_gradient(io, back, which, dx, scratch));
    }

    fn param_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        dy: &[T],
        grads: &mut [Vec<T>],
        scratch: &mut Scratch<T>,
    ) {
        each!(self, k => k.param_gradient(io, dy, grads, scratch));
    }
}

/// The one input of an operator that takes one.
pub(crate) fn only<'a>(inputs: &[&'a [usize]]) -> Result<&'a [usize], String> {
    match inputs {
        [one] => Ok(one),
        _ => Err(format!("takes one input, has {}", inputs.len())),
    }
}

/// An image-like shape: channels, height, width.
pub(crate) fn planes(shape: &[usize]) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(shape)
        .map_err(|_| format!("takes channels × height × width, gets shape {shape:?}"))
}

/// Channels, height, width of a shape already checked by [`planes`].
pub(crate) fn chw(shape: &[usize]) -> [usize; 3] {
    [shape[0], shape[1], shape[2]]
}

/// The length of a parameter that holds one number per channel.
pub(crate) fn per_channel(params: &[Param], id: ParamId, what: &str, channels: usize) -> Result<(), String> {
    let p = &params[id];
    if p.len() == channels {
        Ok(())
    } else {
        Err(format!("{what} '{}' has shape {:?}, needs {channels} numbers", p.name, p.value.shape()))
    }
}
