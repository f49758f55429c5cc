//! What follows from the shapes of a convolution: tiles, and the im2col matrix.

use super::Conv2d;
use crate::network::op::{add, chw};
use crate::network::scalar::Scalar;
use std::ops::Range;

/// Columns times rows of an im2col tile aimed at: it stays in the second-level cache.
const TILE: usize = 1 << 17;

/// Everything derived from shapes.
pub(super) struct Geometry<'a> {
    pub(super) op: &'a Conv2d,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) out_channels: usize,
    pub(super) out_height: usize,
    pub(super) out_width: usize,
    /// Input channels of a group.
    pub(super) group_in: usize,
    /// Output channels of a group.
    pub(super) group_out: usize,
    /// Rows of the im2col matrix of a group: in/groups × kernel height × kernel width.
    pub(super) depth: usize,
}

/// A piece of work: `images` whole images starting at `first`, or the output rows `rows` of one image.
pub(super) struct Tile {
    pub(super) first: usize,
    pub(super) images: usize,
    pub(super) rows: Range<usize>,
}

impl<'a> Geometry<'a> {
    pub(super) fn new(op: &'a Conv2d, input: &[usize], out: &[usize]) -> Self {
        let ([channels, height, width], [out_channels, out_height, out_width]) = (chw(input), chw(out));
        let (group_in, group_out) = (channels / op.groups, out_channels / op.groups);
        let depth = group_in * op.kernel[0] * op.kernel[1];
        Geometry {
            op,
            channels,
            height,
            width,
            out_channels,
            out_height,
            out_width,
            group_in,
            group_out,
            depth,
        }
    }
}

impl Geometry<'_> {
    pub(super) fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    pub(super) fn in_pixels(&self) -> usize {
        self.height * self.width
    }

    /// Whether the im2col matrix would be the input itself.
    pub(super) fn pointwise(&self) -> bool {
        let op = self.op;
        op.kernel == [1, 1] && op.stride == [1, 1] && op.padding == [0; 4] && self.out_pixels() >= 64
    }

    /// Columns of a tile aimed at.
    fn columns(&self) -> usize {
        (TILE / self.depth.max(1)).clamp(64, 2048)
    }

    /// Numbers of scratch memory a tile takes.
    pub(super) fn scratch(&self) -> usize {
        let columns = self.columns().max(self.out_width);
        self.depth.saturating_add(self.group_out).saturating_mul(columns)
    }

    /// Weights for [`Conv2d::turned`]: per group in × out × kernel, the kernel turned by half.
    pub(super) fn turn<T: Scalar>(&self, weight: &[T]) -> Vec<T> {
        let area = self.op.kernel[0] * self.op.kernel[1];
        let mut turned = Vec::with_capacity(weight.len());
        for group in weight.chunks_exact(self.group_out * self.depth) {
            for i in 0..self.group_in {
                for o in 0..self.group_out {
                    turned.extend(group[o * self.depth + i * area..][..area].iter().rev());
                }
            }
        }
        turned
    }

    pub(super) fn depthwise(&self) -> bool {
        self.group_in == 1 && self.group_out == 1
    }

    /// Cuts `n` images into tiles of about [`TILE`] numbers; depends on shapes only.
    pub(super) fn tiles(&self, n: usize) -> Vec<Tile> {
        let columns = self.columns();
        let per_image = self.out_pixels();
        let mut tiles = Vec::new();
        if per_image * 2 <= columns {
            let images = columns / per_image;
            for first in (0..n).step_by(images) {
                tiles.push(Tile { first, images: images.min(n - first), rows: 0..self.out_height });
            }
        } else {
            let rows = (columns / self.out_width).clamp(1, self.out_height);
            for first in 0..n {
                for top in (0..self.out_height).step_by(rows) {
                    tiles.push(Tile { first, images: 1, rows: top..(top + rows).min(self.out_height) });
                }
            }
        }
        tiles
    }

    /// Which output positions of an axis (0 down, 1 right) see the input through tap `k`.
    fn span(&self, axis: usize, k: usize) -> Span {
        let (size, out) =
            if axis == 0 { (self.height, self.out_height) } else { (self.width, self.out_width) };
        let (step, before) = (self.op.stride[axis], self.op.padding[axis]);
        let offset = k * self.op.dilation[axis];
        let lo = before.saturating_sub(offset).div_ceil(step).min(out);
        let hi = (size + before).saturating_sub(offset).div_ceil(step).clamp(lo, out);
        Span { lo, hi, first: (lo * step + offset).saturating_sub(before) }
    }

    /// Calls `f(tap of the kernel, rows seen, columns seen)` for each tap, rows limited to those of `rows`.
    fn each_tap(&self, rows: &Range<usize>, mut f: impl FnMut(usize, Span, Span)) {
        let [kh, kw] = self.op.kernel;
        for ky in 0..kh {
            let mut down = self.span(0, ky);
            let lo = down.lo.clamp(rows.start, rows.end);
            down.first += lo.saturating_sub(down.lo) * self.op.stride[0];
            down.lo = lo;
            down.hi = down.hi.clamp(lo, rows.end);
            for kx in 0..kw {
                f(ky * kw + kx, down, self.span(1, kx));
            }
        }
    }

    /// Whether output rows lie behind each other as input rows do, so that a tap shifts them as one piece.
    fn flat(&self) -> bool {
        self.op.stride == [1, 1] && self.out_width == self.width
    }

    /// Fills columns `at..` of the matrix `col` (row length `ld`) from the group's input of one image.
    pub(super) fn im2col<T: Scalar>(
        &self,
        x: &[T],
        rows: &Range<usize>,
        col: &mut [T],
        ld: usize,
        at: usize,
    ) {
        let (area, wide, step) = (self.depth / self.group_in, self.out_width, self.op.stride);
        self.each_tap(rows, |tap, down, right| {
            for ci in 0..self.group_in {
                let to = &mut col[(ci * area + tap) * ld + at..][..rows.len() * wide];
                let x = &x[ci * self.in_pixels()..][..self.in_pixels()];
                if down.is_empty() || right.is_empty() {
                    to.fill(T::zero());
                    continue;
                }
                let (above, below) = ((down.lo - rows.start) * wide, (down.hi - rows.start) * wide);
                to[..above].fill(T::zero());
                to[below..].fill(T::zero());
                let to = &mut to[above..below];
                let start = down.first * self.width + right.first;
                if self.flat() {
                    let len = to.len() - wide + right.hi - right.lo;
                    to[right.lo..][..len].copy_from_slice(&x[start..][..len]);
                    clear_margins(to, wide, right);
                    continue;
                }
                for (line, to) in to.chunks_exact_mut(wide).enumerate() {
                    let x = &x[start + line * step[0] * self.width..];
                    to[..right.lo].fill(T::zero());
                    to[right.hi..].fill(T::zero());
                    if step[1] == 1 {
                        to[right.lo..right.hi].copy_from_slice(&x[..right.hi - right.lo]);
                    } else {
                        for (t, &v) in to[right.lo..right.hi].iter_mut().zip(x.iter().step_by(step[1])) {
                            *t = v;
                        }
                    }
                }
            }
        });
    }

    /// Adds columns `at..` of `col` back to where [`Self::im2col`] took them from. Clears what came from padding.
    pub(super) fn col2im<T: Scalar>(
        &self,
        col: &mut [T],
        rows: &Range<usize>,
        dx: &mut [T],
        ld: usize,
        at: usize,
    ) {
        let (area, wide, step) = (self.depth / self.group_in, self.out_width, self.op.stride);
        self.each_tap(rows, |tap, down, right| {
            if down.is_empty() || right.is_empty() {
                return;
            }
            for ci in 0..self.group_in {
                let from = &mut col[(ci * area + tap) * ld + at..][..rows.len() * wide];
                let from = &mut from[(down.lo - rows.start) * wide..(down.hi - rows.start) * wide];
                let dx = &mut dx[ci * self.in_pixels()..][..self.in_pixels()];
                let start = down.first * self.width + right.first;
                if self.flat() {
                    clear_margins(from, wide, right);
                    let len = from.len() - wide + right.hi - right.lo;
                    add(&mut dx[start..][..len], &from[right.lo..][..len]);
                    continue;
                }
                for (line, from) in from.chunks_exact(wide).enumerate() {
                    let dx = &mut dx[start + line * step[0] * self.width..];
                    let from = &from[right.lo..right.hi];
                    if step[1] == 1 {
                        add(&mut dx[..from.len()], from);
                    } else {
                        for (t, &v) in dx.iter_mut().step_by(step[1]).zip(from) {
                            *t += v;
                        }
                    }
                }
            }
        });
    }

    /// Where the group's channels of an image begin in the input, and in the output.
    pub(super) fn offsets(&self, image: usize, group: usize) -> (usize, usize) {
        (
            (image * self.channels + group * self.group_in) * self.in_pixels(),
            (image * self.out_channels + group * self.group_out) * self.out_pixels(),
        )
    }

    /// Calls `f(tap, output positions, first input position)` for each row of a plane that a tap sees.
    pub(super) fn rows(&self, mut f: impl FnMut(usize, Range<usize>, usize)) {
        self.each_tap(&(0..self.out_height), |tap, down, right| {
            if right.is_empty() {
                return;
            }
            for (line, oy) in (down.lo..down.hi).enumerate() {
                let row = oy * self.out_width;
                let y = down.first + line * self.op.stride[0];
                f(tap, row + right.lo..row + right.hi, y * self.width + right.first);
            }
        });
    }
}

/// Output positions `lo..hi` along an axis, and the input position that `lo` sees.
#[derive(Debug, Clone, Copy)]
struct Span {
    lo: usize,
    hi: usize,
    first: usize,
}

impl Span {
    fn is_empty(self) -> bool {
        self.lo >= self.hi
    }
}

/// Zeros what lies outside the span in each row.
fn clear_margins<T: Scalar>(rows: &mut [T], wide: usize, span: Span) {
    if span.lo == 0 && span.hi == wide {
        return;
    }
    for row in rows.chunks_exact_mut(wide) {
        row[..span.lo].fill(T::zero());
        row[span.hi..].fill(T::zero());
    }
}
