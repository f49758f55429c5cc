//! Any convolution: the inputs of a few outputs gathered into panels, times the packed weights.

use super::Shape;
use super::phase::{self, Phase};
use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::product::{BLOCK, LEAN, Left, MANY, Sink, blocks, multiply_by, pack, packed_len};
use crate::{Finish, Level, Scratch};

/// Numbers of gathered inputs at a time: they stay in the second-level cache, beside the weights.
const GATHERED: usize = 1 << 15;

/// A convolution or its transpose, as phases with their weights.
#[derive(Debug, Clone)]
pub(super) struct Gather<T> {
    phases: Vec<(Phase, Vec<T>)>,
    /// Channels, height, width of what is read, and of what is written.
    input: [usize; 3],
    output: [usize; 3],
    groups: usize,
    /// Taps that lie side by side: first, count.
    runs: Vec<Vec<[usize; 2]>>,
}

impl<T: Real> Gather<T> {
    pub(super) fn forward(shape: &Shape, weight: &[T], level: Level) -> Self {
        let [per_in, per_out] = shape.group();
        let taps = shape.taps();
        Self::new(phase::forward(shape), shape.input, shape.output, shape.groups, level, |g, i, o, k| {
            weight[((g * per_out + o) * per_in + i) * taps + k]
        })
    }

    pub(super) fn backward(shape: &Shape, weight: &[T], level: Level) -> Self {
        let [per_in, per_out] = shape.group();
        let taps = shape.taps();
        Self::new(phase::backward(shape), shape.output, shape.input, shape.groups, level, |g, o, i, k| {
            weight[((g * per_out + o) * per_in + i) * taps + k]
        })
    }

    /// `weight(group, channel in, channel out, tap)`.
    fn new(
        phases: Vec<Phase>,
        input: [usize; 3],
        output: [usize; 3],
        groups: usize,
        level: Level,
        weight: impl Fn(usize, usize, usize, usize) -> T,
    ) -> Self {
        let (per_in, per_out) = (input[0] / groups, output[0] / groups);
        let width = level.width::<T>();
        let packed = |phase: Phase| {
            let depth = phase.taps.len() * per_in;
            let len = packed_len(depth, per_out, width);
            let mut all = vec![T::ZERO; groups * len];
            for g in 0..groups {
                pack(depth, per_out, width, &mut all[g * len..(g + 1) * len], |row, o| {
                    weight(g, row % per_in, o, phase.index[row / per_in])
                });
            }
            (phase, all)
        };
        let runs = phases.iter().map(runs).collect();
        Self { phases: phases.into_iter().map(packed).collect(), input, output, groups, runs }
    }

    pub(super) fn run(
        &self,
        level: Level,
        n: usize,
        x: &[T],
        y: &mut [T],
        finish: &Finish<T>,
        scratch: &mut Scratch<T>,
    ) {
        dispatch(level, Run { gather: self, n, x, y, finish, scratch });
    }
}

/// Taps that read neighbouring pixels in order: first, count.
fn runs(phase: &Phase) -> Vec<[usize; 2]> {
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for (k, tap) in phase.taps.iter().enumerate() {
        match runs.last_mut() {
            Some([first, count])
                if *tap == [phase.taps[*first][0], phase.taps[*first][1] + *count as isize] =>
            {
                *count += 1;
            }
            _ => runs.push([k, 1]),
        }
    }
    runs
}

struct Run<'a, T> {
    gather: &'a Gather<T>,
    n: usize,
    x: &'a [T],
    y: &'a mut [T],
    finish: &'a Finish<'a, T>,
    scratch: &'a mut Scratch<T>,
}

impl<T: Real> Task<T> for Run<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        if L::MANY {
            self.panels::<L, MANY>(lanes);
        } else {
            self.panels::<L, LEAN>(lanes);
        }
    }
}

impl<T: Real> Run<'_, T> {
    #[inline(always)]
    fn panels<L: Lanes<T = T>, const M: usize>(self, lanes: L) {
        let Self { gather, n, x, y, finish, scratch } = self;
        let per_in = gather.input[0] / gather.groups;
        let per_out = gather.output[0] / gather.groups;
        for ((phase, weights), runs) in gather.phases.iter().zip(&gather.runs) {
            let depth = phase.taps.len() * per_in;
            let per_panel = blocks(depth) * M * BLOCK;
            let per_image = phase.positions[0] * phase.positions[1];
            let rows = n * per_image;
            let batch = (GATHERED / per_panel.max(1)).clamp(1, 16) * M;
            let packed = weights.len() / gather.groups;
            let (left, line) = scratch.two((batch / M) * per_panel, depth.next_multiple_of(BLOCK));
            let mut places = [0; 16 * MANY];
            for first in (0..rows).step_by(batch) {
                let count = batch.min(rows - first);
                for (row, place) in places[..count].iter_mut().enumerate() {
                    let (image, at) = ((first + row) / per_image, (first + row) % per_image);
                    let [py, px] = [at / phase.positions[1], at % phase.positions[1]];
                    let oy = phase.first[0] + py * phase.step[0];
                    let ox = phase.first[1] + px * phase.step[1];
                    *place = ((image * gather.output[1] + oy) * gather.output[2] + ox) * gather.output[0];
                }
                for group in 0..gather.groups {
                    let blocks = left.as_chunks_mut::<BLOCK>().0.as_chunks_mut::<M>().0;
                    let mut fill = Fill { phase, runs, input: gather.input, per_in, group, x };
                    fill.rows::<L, M>(lanes, first, count, per_image, blocks, line);
                    let mut sink = Rows { y, finish, places: &places[..count], channel: group * per_out };
                    let left = Left { numbers: left, rows: count, depth };
                    let right = &weights[group * packed..(group + 1) * packed];
                    multiply_by::<L, M>(lanes, &left, right, per_out, &mut sink);
                }
            }
        }
    }
}

/// Writes gathered inputs.
struct Fill<'a, T> {
    phase: &'a Phase,
    runs: &'a [[usize; 2]],
    input: [usize; 3],
    per_in: usize,
    group: usize,
    x: &'a [T],
}

impl<T: Real> Fill<'_, T> {
    /// The number at tap `k` of a position, if inside.
    #[inline(always)]
    fn source(&self, image: usize, y: isize, x: isize) -> Option<usize> {
        let [channels, height, width] = self.input;
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        (y < height && x < width)
            .then(|| ((image * height + y) * width + x) * channels + self.group * self.per_in)
    }

    #[inline(always)]
    fn rows<L: Lanes<T = T>, const M: usize>(
        &mut self,
        lanes: L,
        first: usize,
        count: usize,
        per_image: usize,
        to: &mut [[[T; BLOCK]; M]],
        line: &mut [T],
    ) {
        let phase = self.phase;
        let per = blocks(phase.taps.len() * self.per_in);
        let whole = self.per_in.is_multiple_of(BLOCK);
        for row in 0..count {
            let (image, at) = ((first + row) / per_image, (first + row) % per_image);
            let y = (at / phase.positions[1] * phase.stride[0]) as isize;
            let x = (at % phase.positions[1] * phase.stride[1]) as isize;
            let to = &mut to[row / M * per..][..per];
            let m = row % M;
            if whole {
                let each = self.per_in / BLOCK;
                for (tap, to) in phase.taps.iter().zip(to.chunks_exact_mut(each)) {
                    match self.source(image, y + tap[0], x + tap[1]) {
                        Some(at) => {
                            let from = self.x[at..at + self.per_in].as_chunks::<BLOCK>().0;
                            for (to, from) in to.iter_mut().zip(from) {
                                copy(lanes, &mut to[m], from);
                            }
                        }
                        None => to.iter_mut().for_each(|to| to[m] = [T::ZERO; BLOCK]),
                    }
                }
                continue;
            }
            self.line(image, y, x, line);
            for (to, from) in to.iter_mut().zip(line.as_chunks::<BLOCK>().0) {
                copy(lanes, &mut to[m], from);
            }
        }
    }

    /// All taps of one position, tap after tap.
    #[inline(always)]
    fn line(&self, image: usize, y: isize, x: isize, line: &mut [T]) {
        let (per_in, phase) = (self.per_in, self.phase);
        let together = per_in == self.input[0];
        for &[k, count] in self.runs {
            let [ty, tx] = phase.taps[k];
            let to = &mut line[k * per_in..(k + count) * per_in];
            let begin = self.source(image, y + ty, x + tx);
            let end = self.source(image, y + ty, x + tx + count as isize - 1);
            if let (Some(from), Some(_), true) = (begin, end, together) {
                to.copy_from_slice(&self.x[from..from + count * per_in]);
                continue;
            }
            for (j, to) in to.chunks_exact_mut(per_in).enumerate() {
                match self.source(image, y + ty, x + tx + j as isize) {
                    Some(from) => to.copy_from_slice(&self.x[from..from + per_in]),
                    None => to.fill(T::ZERO),
                }
            }
        }
    }
}

/// Copies a block, vector by vector.
#[inline(always)]
fn copy<L: Lanes>(lanes: L, to: &mut [L::T; BLOCK], from: &[L::T; BLOCK]) {
    for (to, from) in to.chunks_exact_mut(L::N).zip(from.chunks_exact(L::N)) {
        lanes.store(to, lanes.load(from));
    }
}

/// Writes rows of the product to their places in the output.
struct Rows<'a, T> {
    y: &'a mut [T],
    finish: &'a Finish<'a, T>,
    places: &'a [usize],
    channel: usize,
}

impl<L: Lanes> Sink<L> for Rows<'_, L::T> {
    #[inline(always)]
    fn put(&mut self, lanes: L, row: usize, column: usize, count: usize, v: L::V) {
        let channel = self.channel + column;
        self.finish.write(lanes, v, self.y, self.places[row] + channel, channel, count);
    }
}
