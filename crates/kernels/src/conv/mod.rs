//! Two-dimensional convolution of interleaved (N×H×W×C) images: prepared once per weights, run many times.

mod depthwise;
mod gather;
mod phase;
mod scatter;
mod weights;
mod winograd;

use crate::lanes::Real;
use crate::{Finish, Level, Scratch};
use depthwise::Depthwise;
use gather::Gather;
use scatter::Scatter;
use winograd::Winograd;

/// The shapes of a convolution (cross-correlation, zero padding).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Input channels, height, width.
    pub input: [usize; 3],
    /// Output channels, height, width.
    pub output: [usize; 3],
    /// Kernel height, width.
    pub kernel: [usize; 2],
    /// Step down, right.
    pub stride: [usize; 2],
    /// Zeros above, left.
    pub padding: [usize; 2],
    /// Distance of taps down, right.
    pub dilation: [usize; 2],
    /// Channel groups.
    pub groups: usize,
}

impl Shape {
    /// Input and output channels of a group.
    fn group(&self) -> [usize; 2] {
        [self.input[0] / self.groups, self.output[0] / self.groups]
    }

    /// Taps of the kernel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Multiplications of one image.
    pub fn work(&self) -> usize {
        self.output.iter().product::<usize>() * self.taps() * self.group()[0]
    }

    /// Most numbers of [`Scratch`] that its passes take.
    pub fn scratch(&self) -> usize {
        let (columns, pixels) = (self.taps() * self.group()[0], self.output[1] * self.output[2]);
        let scattered = if scatter::pays(self) { pixels.saturating_mul(columns) } else { 0 };
        let [i, o] = [self.input[0], self.output[0]];
        // A panel of gathered inputs is never cut; tiles of 36 numbers for each channel.
        let gathered = 16 * self.taps().saturating_mul(i.max(o).next_multiple_of(16));
        let weights = columns.saturating_mul(o);
        (1 << 19) + scattered + 2 * gathered + 36 * 16 * (i + o) + weights.saturating_mul(2)
    }

    /// Whether each channel is on its own.
    fn depthwise(&self) -> bool {
        self.group() == [1, 1]
    }
}

/// How a convolution is computed.
#[derive(Debug, Clone)]
enum Method<T> {
    Winograd(Winograd<T>),
    Depthwise(Depthwise<T>),
    Gather(Gather<T>),
    Scatter(Scatter<T>),
}

/// A convolution, or the one that carries gradients back, with its weights packed.
#[derive(Debug, Clone)]
pub struct Conv<T> {
    method: Method<T>,
    level: Level,
}

impl<T: Real> Conv<T> {
    /// The convolution with weights out × in/groups × kernel height × kernel width.
    ///
    /// # Panics
    /// When there are fewer weights.
    pub fn forward(shape: &Shape, weight: &[T], level: Level) -> Self {
        let method = if shape.depthwise() {
            Method::Depthwise(Depthwise::new(shape, weight, phase::forward(shape), false))
        } else if winograd::pays(shape.input, shape.output, shape) {
            let [per_in, _] = shape.group();
            Method::Winograd(Winograd::new(shape.input, shape.output, shape.padding, level, |o, i, tap| {
                weight[(o * per_in + i) * 9 + tap]
            }))
        } else {
            Method::Gather(Gather::forward(shape, weight, level))
        };
        Self { method, level }
    }

    /// The map from gradients of the output to gradients of the input.
    ///
    /// # Panics
    /// When there are fewer weights.
    pub fn backward(shape: &Shape, weight: &[T], level: Level) -> Self {
        let turned = [0, 1].map(|a| (shape.kernel[a] - 1).checked_sub(shape.padding[a]));
        let method = if shape.depthwise() {
            Method::Depthwise(Depthwise::new(shape, weight, phase::backward(shape), true))
        } else if let ([Some(top), Some(left)], true) =
            (turned, winograd::pays(shape.output, shape.input, shape))
        {
            let per_in = shape.input[0];
            Method::Winograd(Winograd::new(shape.output, shape.input, [top, left], level, |i, o, tap| {
                weight[(o * per_in + i) * 9 + 8 - tap]
            }))
        } else if scatter::pays(shape) {
            Method::Scatter(Scatter::new(shape, weight, level))
        } else {
            Method::Gather(Gather::backward(shape, weight, level))
        };
        Self { method, level }
    }

    /// Computes `n` images `x` into `y` (gradients of the output into those of the input, for
    /// [`Conv::backward`]).
    ///
    /// # Panics
    /// When a slice is shorter than the shape says.
    pub fn run(&self, n: usize, x: &[T], y: &mut [T], finish: &Finish<T>, scratch: &mut Scratch<T>) {
        match &self.method {
            Method::Winograd(w) => w.run(self.level, n, x, y, finish, scratch),
            Method::Depthwise(d) => d.run(self.level, n, x, y, finish),
            Method::Gather(g) => g.run(self.level, n, x, y, finish, scratch),
            Method::Scatter(s) => s.run(self.level, n, x, y, finish, scratch),
        }
    }

    /// Name of the method, for people who measure.
    pub fn method(&self) -> &'static str {
        match self.method {
            Method::Winograd(_) => "winograd",
            Method::Depthwise(_) => "depthwise",
            Method::Gather(_) => "gather",
            Method::Scatter(_) => "scatter",
        }
    }
}

pub use weights::weight_gradient;
