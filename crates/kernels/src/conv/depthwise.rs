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
        let mut seen = Vec::new();
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
                    let together = if line.inside(px) { TOGETHER } else { 1 };
                    line.see(px, together, &mut seen);
                    for channel in (0..channels).step_by(L::N) {
                        let count = L::N.min(channels - channel);
                        if together == TOGETHER && count == L::N {
                            let sums = many(lanes, &seen, channel);
                            for (j, v) in sums.into_iter().enumerate() {
                                finish.write(lanes, v, y, place(px + j) + channel, channel, count);
                            }
                            continue;
                        }
                        for j in 0..together {
                            let v = one(lanes, &seen, j, channel, count);
                            finish.write(lanes, v, y, place(px + j) + channel, channel, count);
                        }
                    }
                    px += together;
                }
            }
        }
    }
}

/// What a tap sees from some neighbouring positions: its weights, and the input below it from each, all by channel.
struct Seen<'a, T> {
    weights: &'a [T],
    input: [&'a [T]; TOGETHER],
}

#[inline(always)]
fn many<L: Lanes>(lanes: L, seen: &[Seen<L::T>], channel: usize) -> [L::V; TOGETHER] {
    let mut sums = [lanes.zero(); TOGETHER];
    for tap in seen {
        let w = lanes.load(&tap.weights[channel..]);
        for (sum, x) in sums.iter_mut().zip(tap.input) {
            *sum = lanes.fma(lanes.load(&x[channel..]), w, *sum);
        }
    }
    sums
}

#[inline(always)]
fn one<L: Lanes>(lanes: L, seen: &[Seen<L::T>], position: usize, channel: usize, count: usize) -> L::V {
    let mut sum = lanes.zero();
    for tap in seen {
        let (w, x) = (&tap.weights[channel..channel + count], &tap.input[position][channel..channel + count]);
        let (w, x) = if count == L::N {
            (lanes.load(w), lanes.load(x))
        } else {
            (lanes.load_part(w), lanes.load_part(x))
        };
        sum = lanes.fma(x, w, sum);
    }
    sum
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

impl<'a, T: Real> Line<'a, T> {
    /// Whether columns seen from `px` on, for several positions, are all inside.
    #[inline(always)]
    fn inside(&self, px: usize) -> bool {
        let step = self.phase.stride[1];
        let (first, last) = ((px * step) as isize, ((px + TOGETHER - 1) * step) as isize);
        px + TOGETHER <= self.phase.positions[1]
            && self.phase.taps.iter().all(|t| first + t[1] >= 0 && last + t[1] < self.width as isize)
    }

    /// What the taps that lie inside see from `count` positions.
    fn see(&self, px: usize, count: usize, seen: &mut Vec<Seen<'a, T>>) {
        seen.clear();
        let step = self.phase.stride[1];
        for (tap, weights) in self.phase.taps.iter().zip(self.weights.chunks_exact(self.channels)) {
            let y = self.top as isize + tap[0];
            let x = (px * step) as isize + tap[1];
            if y < 0 || y >= self.height as isize || x < 0 || x >= self.width as isize {
                continue;
            }
            let first = (self.row + y as usize) * self.width + x as usize;
            let input = |j: usize| {
                let at = if j < count { first + j * step } else { first };
                &self.x[at * self.channels..][..self.channels]
            };
            seen.push(Seen { weights, input: std::array::from_fn(input) });
        }
    }
}
