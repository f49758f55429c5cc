//! Convolutions of one channel each: vectors run along the channels, for a few neighbouring outputs at a time.

use super::Shape;
use super::phase::Phase;
use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::{Finish, Level};

/// Outputs side by side that are computed together.
const TOGETHER: usize = 4;

/// A depthwise convolution or its transpose.
#[derive(Debug, Clone)]
pub(super) struct Depthwise<T> {
    /// With weights tap × channel.
    phases: Vec<(Phase, Vec<T>)>,
    input: [usize; 3],
    output: [usize; 3],
}

impl<T: Real> Depthwise<T> {
    /// `phases` are those of the convolution, or of its transpose (told by their step).
    pub(super) fn new(shape: &Shape, weight: &[T], phases: Vec<Phase>, back: bool) -> Self {
        let (channels, taps) = (shape.input[0], shape.taps());
        let with = |phase: Phase| {
            let weights =
                phase.index.iter().flat_map(|&k| (0..channels).map(move |c| weight[c * taps + k])).collect();
            (phase, weights)
        };
        let (input, output) = if back { (shape.output, shape.input) } else { (shape.input, shape.output) };
        Self { phases: phases.into_iter().map(with).collect(), input, output }
    }

    pub(super) fn run(&self, level: Level, n: usize, x: &[T], y: &mut [T], finish: &Finish<T>) {
        dispatch(level, Run { conv: self, n, x, y, finish });
    }
}

struct Run<'a, T> {
    conv: &'a Depthwise<T>,
    n: usize,
    x: &'a [T],
    y: &'a mut [T],
    finish: &'a Finish<'a, T>,
}

impl<T: Real> Task<T> for Run<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        let Self { conv, n, x, y, finish } = self;
        let [channels, height, width] = conv.input;
        for (phase, weights) in &conv.phases {
            for row in 0..n * phase.positions[0] {
                let (image, py) = (row / phase.positions[0], row % phase.positions[0]);
                let oy = phase.first[0] + py * phase.step[0];
                let to = (image * conv.output[1] + oy) * conv.output[2];
                let line = Line {
                    phase,
                    weights,
                    x,
                    width,
                    channels,
                    row: image * height,
                    height,
                    top: py * phase.stride[0],
                };
                let place = |px: usize| (to + phase.first[1] + px * phase.step[1]) * channels;
                let mut px = 0;
                while px < phase.positions[1] {
                    let together = line.inside(px);
                    for channel in (0..channels).step_by(L::N) {
                        let count = L::N.min(channels - channel);
                        if together && count == L::N {
                            let sums = line.many(lanes, px, channel);
                            for (j, v) in sums.into_iter().enumerate() {
                                finish.write(lanes, v, y, place(px + j) + channel, channel, count);
                            }
                            continue;
                        }
                        for px in px..px + if together { TOGETHER } else { 1 } {
                            let v = line.one(lanes, px, channel, count);
                            finish.write(lanes, v, y, place(px) + channel, channel, count);
                        }
                    }
                    px += if together { TOGETHER } else { 1 };
                }
            }
        }
    }
}

/// One row of positions.
struct Line<'a, T> {
    phase: &'a Phase,
    weights: &'a [T],
    x: &'a [T],
    width: usize,
    height: usize,
    channels: usize,
    /// First row of the image, counted over all images.
    row: usize,
    /// Row that tap 0 is counted from.
    top: usize,
}

impl<T: Real> Line<'_, T> {
    /// Whether columns seen from `px` on, for several positions, are all inside.
    #[inline(always)]
    fn inside(&self, px: usize) -> bool {
        let step = self.phase.stride[1];
        let (first, last) = ((px * step) as isize, ((px + TOGETHER - 1) * step) as isize);
        px + TOGETHER <= self.phase.positions[1]
            && self.phase.taps.iter().all(|t| first + t[1] >= 0 && last + t[1] < self.width as isize)
    }

    #[inline(always)]
    fn many<L: Lanes<T = T>>(&self, lanes: L, px: usize, channel: usize) -> [L::V; TOGETHER] {
        let mut sums = [lanes.zero(); TOGETHER];
        let step = self.phase.stride[1];
        for (tap, w) in self.phase.taps.iter().zip(self.weights.chunks_exact(self.channels)) {
            let y = self.top as isize + tap[0];
            if y < 0 || y >= self.height as isize {
                continue;
            }
            let column = ((px * step) as isize + tap[1]) as usize;
            let at = ((self.row + y as usize) * self.width + column) * self.channels + channel;
            let w = lanes.load(&w[channel..]);
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = lanes.fma(lanes.load(&self.x[at + j * step * self.channels..]), w, *sum);
            }
        }
        sums
    }

    #[inline(always)]
    fn one<L: Lanes<T = T>>(&self, lanes: L, px: usize, channel: usize, count: usize) -> L::V {
        let mut sum = lanes.zero();
        for (tap, w) in self.phase.taps.iter().zip(self.weights.chunks_exact(self.channels)) {
            let y = self.top as isize + tap[0];
            let x = (px * self.phase.stride[1]) as isize + tap[1];
            if y < 0 || y >= self.height as isize || x < 0 || x >= self.width as isize {
                continue;
            }
            let at = ((self.row + y as usize) * self.width + x as usize) * self.channels + channel;
            let (w, x) = if count == L::N {
                (lanes.load(&w[channel..]), lanes.load(&self.x[at..]))
            } else {
                (lanes.load_part(&w[channel..channel + count]), lanes.load_part(&self.x[at..at + count]))
            };
            sum = lanes.fma(x, w, sum);
        }
        sum
    }
}
