//! The gradient of an input of few channels (an image): the product of each output's gradient with the weights of all
//! taps, and then the sum, for each input, over the outputs that saw it. Gathering would leave most of each vector
//! empty.

use super::Shape;
use super::phase::{self, Phase};
use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::product::{Left, Sink, multiply, pack, packed_len};
use crate::{Finish, Level, Scratch, matrix};

/// Whether it gains: by gathering, a vector would be filled by `input channels` numbers only.
pub(super) fn pays(shape: &Shape) -> bool {
    shape.groups == 1 && shape.input[0] <= 4
}

/// The transpose of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Scatter<T> {
    shape: Shape,
    phases: Vec<Phase>,
    /// Out × (tap, in).
    weights: Vec<T>,
}

/// Rows of gradients multiplied at a time.
const ROWS: usize = 48;

impl<T: Real> Scatter<T> {
    pub(super) fn new(shape: &Shape, weight: &[T], level: Level) -> Self {
        let (c, taps, k) = (shape.input[0], shape.taps(), shape.output[0]);
        let width = level.width::<T>();
        let mut weights = vec![T::ZERO; packed_len(k, taps * c, width)];
        pack(k, taps * c, width, &mut weights, |o, column| weight[(o * c + column % c) * taps + column / c]);
        Self { shape: *shape, phases: phase::backward(shape), weights }
    }

    pub(super) fn run(
        &self,
        level: Level,
        n: usize,
        dy: &[T],
        dx: &mut [T],
        finish: &Finish<T>,
        scratch: &mut Scratch<T>,
    ) {
        let (input, output) = (self.shape.input, self.shape.output);
        let (columns, pixels) = (self.shape.taps() * input[0], output[1] * output[2]);
        let size = |s: [usize; 3]| s.iter().product::<usize>();
        let mut sums = std::mem::take(&mut scratch.sums);
        sums.resize(pixels * columns, T::ZERO);
        for image in 0..n {
            let rows = &dy[image * size(output)..(image + 1) * size(output)];
            for first in (0..pixels).step_by(ROWS) {
                let count = ROWS.min(pixels - first);
                let rows = &rows[first * output[0]..(first + count) * output[0]];
                matrix::fill(level, rows, count, output[0], output[0], &mut scratch.left);
                let to = &mut sums[first * columns..(first + count) * columns];
                dispatch(level, Product { conv: self, left: &scratch.left, count, columns, to });
            }
            self.collect(image, &sums, dx, finish);
        }
        scratch.sums = sums;
    }

    /// The sums over the outputs that saw each input.
    fn collect(&self, image: usize, sums: &[T], dx: &mut [T], finish: &Finish<T>) {
        let ([c, height, width], [_, high, wide]) = (self.shape.input, self.shape.output);
        let columns = self.shape.taps() * c;
        for phase in &self.phases {
            for position in 0..phase.positions[0] * phase.positions[1] {
                let [py, px] = [position / phase.positions[1], position % phase.positions[1]];
                let mut sum = [T::ZERO; 4];
                for (tap, &k) in phase.taps.iter().zip(&phase.index) {
                    let (y, x) = (py as isize + tap[0], px as isize + tap[1]);
                    if y >= 0 && y < high as isize && x >= 0 && x < wide as isize {
                        let from = &sums[(y as usize * wide + x as usize) * columns + k * c..][..c];
                        for (s, &v) in sum.iter_mut().zip(from) {
                            *s += v;
                        }
                    }
                }
                let oy = phase.first[0] + py * phase.step[0];
                let ox = phase.first[1] + px * phase.step[1];
                let at = ((image * height + oy) * width + ox) * c;
                for (i, &s) in sum[..c].iter().enumerate() {
                    finish.write_one(s, dx, at + i, i);
                }
            }
        }
    }
}

struct Product<'a, T> {
    conv: &'a Scatter<T>,
    left: &'a [T],
    count: usize,
    columns: usize,
    to: &'a mut [T],
}

impl<T: Real> Task<T> for Product<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        let left = Left { numbers: self.left, rows: self.count, depth: self.conv.shape.output[0] };
        multiply(
            lanes,
            &left,
            &self.conv.weights,
            self.columns,
            &mut Keep { to: self.to, columns: self.columns },
        );
    }
}

/// Keeps a product as it is.
struct Keep<'a, T> {
    to: &'a mut [T],
    columns: usize,
}

impl<L: Lanes> Sink<L> for Keep<'_, L::T> {
    #[inline(always)]
    fn put(&mut self, lanes: L, row: usize, column: usize, count: usize, v: L::V) {
        lanes.store_part(&mut self.to[row * self.columns + column..][..count], v);
    }
}
