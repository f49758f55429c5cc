//! 3×3 convolutions of stride 1 by Winograd's minimal filtering F(4×4, 3×3): 36 products where the definition takes
//! 144 (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks").
//!
//! A few tiles at a time are transformed, multiplied (36 small matrix products) and transformed back, so that what
//! lies between stays in the second-level cache.

use super::Shape;
use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::product::{BLOCK, FEW, Left, MANY, Sink, blocks, multiply, packed_len};
use crate::{Finish, Level, Scratch};

/// Outputs of a tile along an axis, and inputs that it sees.
const OUT: usize = 4;
const SEEN: usize = 6;
const POINTS: usize = SEEN * SEEN;

/// Transformed numbers aimed at in one go.
const BATCH: usize = 1 << 17;

/// Most panels of tiles in one go.
const PANELS: usize = 16;

/// Numbers between planes, so that they do not all fall into the same cache set.
const APART: usize = 16;

/// Whether a convolution can be computed this way, and gains by it.
pub(super) fn pays(input: [usize; 3], output: [usize; 3], shape: &Shape) -> bool {
    let fits =
        shape.kernel == [3, 3] && shape.stride == [1, 1] && shape.dilation == [1, 1] && shape.groups == 1;
    let tiles = output[1].div_ceil(OUT) * output[2].div_ceil(OUT);
    fits && input[0] >= 8 && output[0] >= 8 && 9 * output[1] * output[2] >= 2 * POINTS * tiles * 3 / 4
}

/// The transform of weights: G g Gᵀ.
const G: [[f64; 3]; SEEN] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// A convolution with its weights transformed.
#[derive(Debug, Clone)]
pub(super) struct Winograd<T> {
    input: [usize; 3],
    output: [usize; 3],
    padding: [usize; 2],
    /// 36 packed matrices in × out.
    weights: Vec<T>,
}

impl<T: Real> Winograd<T> {
    /// `weight(channel out, channel in, tap)`.
    pub(super) fn new(
        input: [usize; 3],
        output: [usize; 3],
        padding: [usize; 2],
        level: Level,
        weight: impl Fn(usize, usize, usize) -> T,
    ) -> Self {
        let (c, k) = (input[0], output[0]);
        let width = level.width::<T>();
        let len = packed_len(c, k, width);
        let mut weights = vec![T::ZERO; POINTS * len];
        // In the order of the panels, so that what is written lies side by side.
        let order = (0..k).step_by(width).flat_map(|first| (0..c).map(move |i| (first, i)));
        for (first, i) in order {
            for o in first..k.min(first + width) {
                let at = (first / width * c + i) * width + o - first;
                let mut half = [[0.0; 3]; SEEN];
                for (row, half) in G.iter().zip(&mut half) {
                    for (b, h) in half.iter_mut().enumerate() {
                        *h = (0..3).map(|a| row[a] * weight(o, i, a * 3 + b).to_f64()).sum();
                    }
                }
                for (y, half) in half.iter().enumerate() {
                    for (x, row) in G.iter().enumerate() {
                        let sum: f64 = (0..3).map(|b| half[b] * row[b]).sum();
                        weights[(y * SEEN + x) * len + at] = T::real(sum);
                    }
                }
            }
        }
        Self { input, output, padding, weights }
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
        dispatch(level, Run { conv: self, n, x, y, finish, scratch });
    }
}

struct Run<'a, T> {
    conv: &'a Winograd<T>,
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
            self.tiles::<L, MANY>(lanes);
        } else {
            self.tiles::<L, FEW>(lanes);
        }
    }
}

/// A tile: its image, and its first output row and column.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    top: usize,
    left: usize,
}

impl<T: Real> Run<'_, T> {
    #[inline(always)]
    fn tiles<L: Lanes<T = T>, const M: usize>(self, lanes: L) {
        let Self { conv, n, x, y, finish, scratch } = self;
        let (c, k) = (conv.input[0], conv.output[0]);
        let across = [conv.output[1].div_ceil(OUT), conv.output[2].div_ceil(OUT)];
        let per_image = across[0] * across[1];
        let total = n * per_image;
        let wide = k.next_multiple_of(L::N);
        let fit = BATCH / (POINTS * M * (c.next_multiple_of(BLOCK) + wide));
        let batch = fit.clamp(1, PANELS).min(total.div_ceil(M)) * M;
        let per_panel = blocks(c) * M * BLOCK;
        let (plane_in, plane_out) = (batch / M * per_panel + APART, batch * wide + APART);
        let len = conv.weights.len() / POINTS;
        let (seen, sums) = scratch.two(POINTS * plane_in, POINTS * plane_out);
        let tile = |t: usize| Tile {
            image: t / per_image,
            top: t % per_image / across[1] * OUT,
            left: t % across[1] * OUT,
        };
        for first in (0..total).step_by(batch) {
            let count = batch.min(total - first);
            for t in 0..count {
                let to = &mut seen[t / M * per_panel + t % M * BLOCK..];
                look::<L>(lanes, conv, x, tile(first + t), to, plane_in, M * BLOCK);
            }
            for point in 0..POINTS {
                let left =
                    Left { numbers: &seen[point * plane_in..][..plane_in - APART], rows: count, depth: c };
                let mut sink = Sums { to: &mut sums[point * plane_out..(point + 1) * plane_out], wide };
                multiply(lanes, &left, &conv.weights[point * len..(point + 1) * len], k, &mut sink);
            }
            for t in 0..count {
                write::<L>(lanes, conv, &sums[t * wide..], plane_out, tile(first + t), finish, y);
            }
        }
    }
}

/// Keeps a product.
struct Sums<'a, T> {
    to: &'a mut [T],
    wide: usize,
}

impl<L: Lanes> Sink<L> for Sums<'_, L::T> {
    #[inline(always)]
    fn put(&mut self, lanes: L, row: usize, column: usize, _: usize, v: L::V) {
        lanes.store(&mut self.to[row * self.wide + column..], v);
    }
}

/// Bᵀ d: the transform of inputs along one axis.
#[inline(always)]
fn input<L: Lanes>(l: L, d: [L::V; SEEN]) -> [L::V; SEEN] {
    let [a, b, c, e, f, g] = d;
    let (two, four) = (l.splat(L::T::real(2.0)), l.splat(L::T::real(4.0)));
    let (minus_four, minus_five) = (l.splat(L::T::real(-4.0)), l.splat(L::T::real(-5.0)));
    let (p, q) = (l.fma(minus_four, c, f), l.fma(minus_four, b, e));
    let (r, s) = (l.sub(f, c), l.mul(two, l.sub(e, b)));
    [
        l.fma(minus_five, c, l.fma(four, a, f)),
        l.add(p, q),
        l.sub(p, q),
        l.add(r, s),
        l.sub(r, s),
        l.fma(minus_five, e, l.fma(four, b, g)),
    ]
}

/// Aᵀ m: the transform of sums along one axis.
#[inline(always)]
fn output<L: Lanes>(l: L, d: [L::V; SEEN]) -> [L::V; OUT] {
    let [a, b, c, e, f, g] = d;
    let (p, q, r, s) = (l.add(b, c), l.sub(b, c), l.add(e, f), l.sub(e, f));
    let by = |x: f64| l.splat(L::T::real(x));
    [l.add(l.add(a, p), r), l.fma(by(2.0), s, q), l.fma(by(4.0), r, p), l.fma(by(8.0), s, l.add(q, g))]
}

/// Transforms what a tile sees. Channels come in blocks `apart` numbers apart.
#[inline(always)]
fn look<L: Lanes>(
    lanes: L,
    conv: &Winograd<L::T>,
    x: &[L::T],
    tile: Tile,
    to: &mut [L::T],
    plane: usize,
    apart: usize,
) {
    let [channels, height, width] = conv.input;
    let row = |i: usize| (tile.top + i).checked_sub(conv.padding[0]).filter(|&y| y < height);
    let column = |j: usize| (tile.left + j).checked_sub(conv.padding[1]).filter(|&x| x < width);
    let inside =
        row(0).is_some() && row(SEEN - 1).is_some() && column(0).is_some() && column(SEEN - 1).is_some();
    let mut at = [[usize::MAX; SEEN]; SEEN];
    for (i, line) in at.iter_mut().enumerate() {
        for (j, at) in line.iter_mut().enumerate() {
            if let (Some(y), Some(x)) = (row(i), column(j)) {
                *at = ((tile.image * height + y) * width + x) * channels;
            }
        }
    }
    for channel in (0..channels).step_by(L::N) {
        let count = channels - channel;
        let mut half = [[lanes.zero(); SEEN]; SEEN];
        for j in 0..SEEN {
            let mut d = [lanes.zero(); SEEN];
            for i in 0..SEEN {
                if inside && count >= L::N {
                    d[i] = lanes.load(&x[at[i][j] + channel..]);
                } else if at[i][j] != usize::MAX {
                    let from = at[i][j] + channel;
                    d[i] = if count >= L::N {
                        lanes.load(&x[from..])
                    } else {
                        lanes.load_part(&x[from..from + count])
                    };
                }
            }
            let d = input(lanes, d);
            for i in 0..SEEN {
                half[i][j] = d[i];
            }
        }
        let to = &mut to[channel / BLOCK * apart + channel % BLOCK..];
        for i in 0..SEEN {
            let d = input(lanes, half[i]);
            for j in 0..SEEN {
                lanes.store(&mut to[(i * SEEN + j) * plane..], d[j]);
            }
        }
    }
}

/// Transforms the sums of a tile back and writes its outputs.
#[inline(always)]
fn write<L: Lanes>(
    lanes: L,
    conv: &Winograd<L::T>,
    sums: &[L::T],
    plane: usize,
    tile: Tile,
    finish: &Finish<L::T>,
    y: &mut [L::T],
) {
    let [channels, height, width] = conv.output;
    let rows = OUT.min(height - tile.top);
    let columns = OUT.min(width - tile.left);
    for channel in (0..channels).step_by(L::N) {
        let count = channels - channel;
        let mut half = [[lanes.zero(); SEEN]; OUT];
        for j in 0..SEEN {
            let mut d = [lanes.zero(); SEEN];
            for i in 0..SEEN {
                d[i] = lanes.load(&sums[(i * SEEN + j) * plane + channel..]);
            }
            let d = output(lanes, d);
            for i in 0..OUT {
                half[i][j] = d[i];
            }
        }
        for (i, half) in half.iter().enumerate().take(rows) {
            let out = output(lanes, *half);
            let at = ((tile.image * height + tile.top + i) * width + tile.left) * channels + channel;
            for (j, v) in out.iter().enumerate().take(columns) {
                finish.write(lanes, *v, y, at + j * channels, channel, count);
            }
        }
    }
}
