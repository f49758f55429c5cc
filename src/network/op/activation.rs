//! Functions of one number.

use super::{Back, Io, Kernel, Layout, only};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use laocoon_kernels::{Clamp, Scratch, each};
use statrs::function::erf::erf;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

/// A function applied to every number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` above 0, `slope · x` below.
    LeakyRelu(f32),
    /// `x` above 0, `alpha · (eˣ − 1)` below.
    Elu(f32),
    /// `gamma · x` above 0, `gamma · alpha · (eˣ − 1)` below.
    Selu {
        /// About 1.6733.
        alpha: f32,
        /// About 1.0507.
        gamma: f32,
    },
    /// Held between two bounds (`ReLU6`: 0 and 6).
    Clip {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x · clip(x / 6 + 1/2, 0, 1)`.
    HardSwish,
    /// `clip(alpha · x + beta, 0, 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Offset.
        beta: f32,
    },
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · Φ(x)`, exactly or by the hyperbolic tangent.
    Gelu {
        /// Whether by the tangent.
        tanh: bool,
    },
    /// `ln(1 + eˣ)`.
    Softplus,
    /// Error function.
    Erf,
    /// `eˣ`.
    Exp,
    /// Square root.
    Sqrt,
    /// `−x`.
    Neg,
    /// `|x|`.
    Abs,
}

fn sigmoid<T: Scalar>(x: T) -> T {
    // Two forms, so that the exponential never overflows.
    if x >= T::zero() {
        T::one() / (T::one() + (-x).exp())
    } else {
        let e = x.exp();
        e / (T::one() + e)
    }
}

/// Value and slope of `x · Φ(x)` with Φ by the hyperbolic tangent.
fn gelu_tanh(x: f64) -> (f64, f64) {
    let c = (2.0 / PI).sqrt();
    let t = (c * (x + 0.044_715 * x * x * x)).tanh();
    (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044_715 * x * x))
}

impl Activation {
    /// Its bounds, if it does nothing but clamp, from below at zero.
    pub(crate) fn clamp(self) -> Option<Clamp<f32>> {
        match self {
            Self::Relu => Some(Clamp { top: None }),
            Self::Clip { min, max } if min == 0.0 && max > 0.0 => Some(Clamp { top: Some(max) }),
            _ => None,
        }
    }

    /// The function.
    pub fn apply<T: Scalar>(self, x: T) -> T {
        let of = |v: f32| T::of(f64::from(v));
        let (zero, one) = (T::zero(), T::one());
        match self {
            // Written so that NaN stays NaN, as the toolkits do.
            Self::Relu => {
                if x < zero {
                    zero
                } else {
                    x
                }
            }
            Self::LeakyRelu(slope) => {
                if x < zero {
                    of(slope) * x
                } else {
                    x
                }
            }
            Self::Elu(alpha) => {
                if x < zero {
                    of(alpha) * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Selu { alpha, gamma } => of(gamma) * if x < zero { of(alpha) * x.exp_m1() } else { x },
            Self::Clip { min, max } => {
                let x = if x < of(min) { of(min) } else { x };
                if x > of(max) { of(max) } else { x }
            }
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::HardSwish => x * (x / T::of(6.0) + T::of(0.5)).max(zero).min(one),
            Self::HardSigmoid { alpha, beta } => (of(alpha) * x + of(beta)).max(zero).min(one),
            Self::Silu => x * sigmoid(x),
            Self::Gelu { tanh: true } => T::of(gelu_tanh(x.wide()).0),
            Self::Gelu { tanh: false } => {
                let x = x.wide();
                T::of(0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)))
            }
            Self::Softplus => x.max(zero) + (-x.abs()).exp().ln_1p(),
            Self::Erf => T::of(erf(x.wide())),
            Self::Exp => x.exp(),
            Self::Sqrt => x.sqrt(),
            Self::Neg => -x,
            Self::Abs => x.abs(),
        }
    }

    /// Its slope at `x`, where it takes the value `y`. At a kink: the slope the toolkits use (0 for `ReLU` at 0).
    pub fn slope<T: Scalar>(self, x: T, y: T) -> T {
        let of = |v: f32| T::of(f64::from(v));
        let (zero, one) = (T::zero(), T::one());
        let within = |inside: bool, slope: T| if inside { slope } else { zero };
        match self {
            Self::Relu => within(x > zero, one),
            Self::LeakyRelu(slope) => {
                if x > zero {
                    one
                } else {
                    of(slope)
                }
            }
            Self::Elu(alpha) => {
                if x > zero {
                    one
                } else {
                    y + of(alpha)
                }
            }
            Self::Selu { alpha, gamma } => {
                if x > zero {
                    of(gamma)
                } else {
                    y + of(gamma) * of(alpha)
                }
            }
            Self::Clip { min, max } => within(x > of(min) && x < of(max), one),
            Self::Sigmoid => y * (one - y),
            Self::Tanh => one - y * y,
            Self::HardSwish => {
                if x <= T::of(-3.0) {
                    zero
                } else if x >= T::of(3.0) {
                    one
                } else {
                    x / T::of(3.0) + T::of(0.5)
                }
            }
            Self::HardSigmoid { alpha, .. } => within(y > zero && y < one, of(alpha)),
            Self::Silu => {
                let s = sigmoid(x);
                s + x * s * (one - s)
            }
            Self::Gelu { tanh: true } => T::of(gelu_tanh(x.wide()).1),
            Self::Gelu { tanh: false } => {
                let x = x.wide();
                let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (-0.5 * x * x).exp();
                T::of(0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density)
            }
            Self::Softplus => sigmoid(x),
            Self::Erf => T::of(FRAC_2_SQRT_PI * (-x.wide() * x.wide()).exp()),
            Self::Exp => y,
            Self::Sqrt => T::of(0.5) / y,
            Self::Neg => -one,
            Self::Abs => {
                if x > zero {
                    one
                } else if x < zero {
                    -one
                } else {
                    zero
                }
            }
        }
    }

    /// Turns the gradient of the output into that of the input, in place.
    pub(crate) fn back<T: Scalar>(self, x: &[T], y: &[T], g: &mut [T]) {
        if let Some(clamp) = self.clamp() {
            return each::gate(bounds(clamp), y, g);
        }
        for ((g, &x), &y) in g.iter_mut().zip(x).zip(y) {
            *g *= self.slope(x, y);
        }
    }
}

/// Bounds in the numbers of the computation.
pub(crate) fn bounds<T: Scalar>(clamp: Clamp<f32>) -> Clamp<T> {
    Clamp { top: clamp.top.map(|top| T::of(f64::from(top))) }
}

impl Kernel for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leakyrelu",
            Self::Elu(_) => "elu",
            Self::Selu { .. } => "selu",
            Self::Clip { .. } => "clip",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::HardSwish => "hardswish",
            Self::HardSigmoid { .. } => "hardsigmoid",
            Self::Silu => "silu",
            Self::Gelu { .. } => "gelu",
            Self::Softplus => "softplus",
            Self::Erf => "erf",
            Self::Exp => "exp",
            Self::Sqrt => "sqrt",
            Self::Neg => "neg",
            Self::Abs => "abs",
        }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        Ok(only(inputs)?.to_vec())
    }

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Same
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        if let Some(clamp) = self.clamp() {
            y.copy_from_slice(io.inputs[0]);
            return each::clamp(bounds(clamp), y);
        }
        for (y, &x) in y.iter_mut().zip(io.inputs[0]) {
            *y = self.apply(x);
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { y, dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        for (((dx, &dy), &x), &y) in dx.iter_mut().zip(dy).zip(io.inputs[0]).zip(y) {
            *dx += dy * self.slope(x, y);
        }
    }
}

/// `x` above 0, `slope · x` below, with a slope for all or one per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct PRelu {
    /// One number, or one per channel.
    pub slope: ParamId,
}

impl Kernel for PRelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn params(&self) -> Vec<ParamId> {
        vec![self.slope]
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let shape = only(inputs)?;
        if params[self.slope].len() != 1 {
            super::per_channel(params, self.slope, "slope", shape[0])?;
        }
        Ok(shape.to_vec())
    }

    fn layout(&self, _: &[&[usize]], _: &[usize]) -> Layout {
        Layout::Images
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let slopes = io.params[self.slope];
        for (i, (y, &x)) in y.iter_mut().zip(io.inputs[0]).enumerate() {
            *y = if x < T::zero() { slopes[i % slopes.len()] * x } else { x };
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
        let slopes = io.params[self.slope];
        for (i, ((dx, &dy), &x)) in dx.iter_mut().zip(dy).zip(io.inputs[0]).enumerate() {
            *dx += if x > T::zero() { dy } else { dy * slopes[i % slopes.len()] };
        }
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Scratch<T>) {
        let count = io.params[self.slope].len();
        for (i, (&dy, &x)) in dy.iter().zip(io.inputs[0]).enumerate() {
            if x < T::zero() {
                grads[self.slope][i % count] += dy * x;
            }
        }
    }
}
