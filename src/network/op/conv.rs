//! Two-dimensional convolution: im2col and matrix products; depthwise directly.

use super::{Io, Kernel, chw, only, per_channel, planes, room};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::{Scalar, gemm, matrix, matrix_mut};
use ndarray::{Axis, Slice};

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

/// Columns times rows of an im2col tile aimed at: it stays in the second-level cache.
const TILE: usize = 1 << 17;

/// Everything derived from shapes.
struct Geometry<'a> {
    op: &'a Conv2d,
    channels: usize,
    height: usize,
    width: usize,
    out_channels: usize,
    out_height: usize,
    out_width: usize,
    /// Input channels of a group.
    group_in: usize,
    /// Output channels of a group.
    group_out: usize,
    /// Rows of the im2col matrix of a group: in/groups × kernel height × kernel width.
    depth: usize,
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
    fn geometry<'a>(&'a self, input: &[usize], out: &[usize]) -> Geometry<'a> {
        let ([channels, height, width], [out_channels, out_height, out_width]) = (chw(input), chw(out));
        let (group_in, group_out) = (channels / self.groups, out_channels / self.groups);
        let depth = group_in * self.kernel[0] * self.kernel[1];
        Geometry {
            op: self,
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

    /// Whether the im2col matrix would be the input itself.
    fn pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0; 4]
    }
}

/// A piece of work: `images` whole images starting at `first`, or the output rows `rows` of one image.
struct Tile {
    first: usize,
    images: usize,
    rows: std::ops::Range<usize>,
}

impl Geometry<'_> {
    fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }

    fn in_pixels(&self) -> usize {
        self.height * self.width
    }

    fn depthwise(&self) -> bool {
        self.group_in == 1 && self.group_out == 1
    }

    /// Cuts `n` images into tiles of about [`TILE`] numbers; depends on shapes only.
    fn tiles(&self, n: usize) -> Vec<Tile> {
        let columns = (TILE / self.depth).clamp(64, 2048);
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

    /// Positions along the output row whose tap `kx` falls inside the input.
    fn inside(&self, kx: usize) -> (usize, usize) {
        inside(self.width, self.out_width, self.op.stride[1], kx * self.op.dilation[1], self.op.padding[1])
    }

    /// Calls `f(row of the im2col matrix, column, source row start in the group's input or None, kx)` for each
    /// piece of one output row.
    fn walk(&self, rows: &std::ops::Range<usize>, mut f: impl FnMut(usize, usize, Option<usize>, usize)) {
        let [kh, kw] = self.op.kernel;
        for ci in 0..self.group_in {
            for ky in 0..kh {
                for kx in 0..kw {
                    let row = (ci * kh + ky) * kw + kx;
                    for (line, oy) in rows.clone().enumerate() {
                        let y = (oy * self.op.stride[0] + ky * self.op.dilation[0])
                            .checked_sub(self.op.padding[0]);
                        let from =
                            y.filter(|&y| y < self.height).map(|y| (ci * self.height + y) * self.width);
                        f(row, line * self.out_width, from, kx);
                    }
                }
            }
        }
    }

    /// Fills columns `at..` of the matrix `col` (row length `ld`) from the group's input of one image.
    fn im2col<T: Scalar>(&self, x: &[T], rows: &std::ops::Range<usize>, col: &mut [T], ld: usize, at: usize) {
        let (step, shift) = (self.op.stride[1], self.op.padding[1]);
        self.walk(rows, |row, column, from, kx| {
            let to = &mut col[row * ld + at + column..][..self.out_width];
            let Some(from) = from else { return to.fill(T::zero()) };
            let (lo, hi) = self.inside(kx);
            to[..lo].fill(T::zero());
            to[hi..].fill(T::zero());
            if lo == hi {
                return;
            }
            let start = from + lo * step + kx * self.op.dilation[1] - shift;
            if step == 1 {
                to[lo..hi].copy_from_slice(&x[start..start + hi - lo]);
            } else {
                for (t, &v) in to[lo..hi].iter_mut().zip(x[start..].iter().step_by(step)) {
                    *t = v;
                }
            }
        });
    }

    /// Adds columns `at..` of `col` back to where [`Self::im2col`] took them from.
    fn col2im<T: Scalar>(
        &self,
        col: &[T],
        rows: &std::ops::Range<usize>,
        dx: &mut [T],
        ld: usize,
        at: usize,
    ) {
        let (step, shift) = (self.op.stride[1], self.op.padding[1]);
        self.walk(rows, |row, column, from, kx| {
            let (Some(from), (lo, hi)) = (from, self.inside(kx)) else { return };
            if lo == hi {
                return;
            }
            let piece = &col[row * ld + at + column..][lo..hi];
            let start = from + lo * step + kx * self.op.dilation[1] - shift;
            if step == 1 {
                super::add(&mut dx[start..start + hi - lo], piece);
            } else {
                for (t, &v) in dx[start..].iter_mut().step_by(step).zip(piece) {
                    *t += v;
                }
            }
        });
    }

    /// Where the group's channels of an image begin in the input, and in the output.
    fn offsets(&self, image: usize, group: usize) -> (usize, usize) {
        (
            (image * self.channels + group * self.group_in) * self.in_pixels(),
            (image * self.out_channels + group * self.group_out) * self.out_pixels(),
        )
    }

    /// Calls `f(output row start, input row start, kernel index, first and last output position, first input
    /// position)` for each row of a plane and each tap.
    fn taps(&self, mut f: impl FnMut(usize, usize, usize, (usize, usize), usize)) {
        let [kh, kw] = self.op.kernel;
        for ky in 0..kh {
            for kx in 0..kw {
                let (lo, hi) = self.inside(kx);
                if lo == hi {
                    continue;
                }
                let first = lo * self.op.stride[1] + kx * self.op.dilation[1] - self.op.padding[1];
                for oy in 0..self.out_height {
                    let y =
                        (oy * self.op.stride[0] + ky * self.op.dilation[0]).checked_sub(self.op.padding[0]);
                    if let Some(y) = y.filter(|&y| y < self.height) {
                        f(oy * self.out_width, y * self.width, ky * kw + kx, (lo, hi), first);
                    }
                }
            }
        }
    }
}

/// Output positions `lo..hi` whose tap (at `offset` in the window) falls inside an input line of `size`.
fn inside(size: usize, out: usize, stride: usize, offset: usize, before: usize) -> (usize, usize) {
    let lo = before.saturating_sub(offset).div_ceil(stride).min(out);
    let hi = (size + before).saturating_sub(offset).div_ceil(stride).min(out);
    (lo, hi.max(lo))
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

    fn scratch(&self, inputs: &[&[usize]], out: &[usize], params: &[Param]) -> usize {
        let _ = params;
        let g = self.geometry(inputs[0], out);
        let columns = (TILE / g.depth.max(1)).clamp(64, 2048).max(g.out_width);
        (g.depth.saturating_add(g.group_out)).saturating_mul(columns)
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Vec<T>) {
        let g = self.geometry(io.shapes[0], io.out);
        let (x, weight, pixels) = (io.inputs[0], io.params[self.weight], g.out_pixels());
        if g.depthwise() {
            depthwise_forward(&g, io.n, x, weight, y);
        } else {
            for group in 0..self.groups {
                let w = matrix(&weight[group * g.group_out * g.depth..], g.group_out, g.depth);
                if self.pointwise() && pixels >= 64 {
                    for i in 0..io.n {
                        let (from, to) = g.offsets(i, group);
                        gemm(
                            &w,
                            &matrix(&x[from..], g.depth, pixels),
                            false,
                            &mut matrix_mut(&mut y[to..], g.group_out, pixels),
                        );
                    }
                    continue;
                }
                for tile in g.tiles(io.n) {
                    let width = tile.rows.len() * g.out_width;
                    let columns = tile.images * width;
                    let (col, out) =
                        room(scratch, (g.depth + g.group_out) * columns).split_at_mut(g.depth * columns);
                    for i in 0..tile.images {
                        let (from, _) = g.offsets(tile.first + i, group);
                        g.im2col(&x[from..], &tile.rows, col, columns, i * width);
                    }
                    let b = matrix(col, g.depth, columns);
                    if tile.images == 1 {
                        let (_, to) = g.offsets(tile.first, group);
                        let start = tile.rows.start * g.out_width;
                        let mut y = matrix_mut(&mut y[to..], g.group_out, pixels);
                        gemm(
                            &w,
                            &b,
                            false,
                            &mut y.slice_axis_mut(Axis(1), Slice::from(start..start + width)),
                        );
                        continue;
                    }
                    gemm(&w, &b, false, &mut matrix_mut(out, g.group_out, columns));
                    for i in 0..tile.images {
                        let (_, to) = g.offsets(tile.first + i, group);
                        for o in 0..g.group_out {
                            y[to + o * pixels..][..pixels]
                                .copy_from_slice(&out[o * columns + i * pixels..][..pixels]);
                        }
                    }
                }
            }
        }
        if let Some(bias) = self.bias {
            let bias = io.params[bias];
            for (plane, k) in y.chunks_exact_mut(pixels).zip((0..g.out_channels).cycle()) {
                let b = bias[k];
                for v in plane {
                    *v += b;
                }
            }
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        _: &[T],
        dy: &[T],
        _: usize,
        dx: &mut [T],
        scratch: &mut Vec<T>,
    ) {
        let g = self.geometry(io.shapes[0], io.out);
        let (weight, pixels) = (io.params[self.weight], g.out_pixels());
        if g.depthwise() {
            return depthwise_input_gradient(&g, io.n, dy, weight, dx);
        }
        for group in 0..self.groups {
            let w = matrix(&weight[group * g.group_out * g.depth..], g.group_out, g.depth);
            if self.pointwise() && pixels >= 64 {
                for i in 0..io.n {
                    let (to, from) = g.offsets(i, group);
                    let dy = matrix(&dy[from..], g.group_out, pixels);
                    gemm(&w.t(), &dy, true, &mut matrix_mut(&mut dx[to..], g.depth, pixels));
                }
                continue;
            }
            for tile in g.tiles(io.n) {
                let width = tile.rows.len() * g.out_width;
                let columns = tile.images * width;
                let (col, gathered) =
                    room(scratch, (g.depth + g.group_out) * columns).split_at_mut(g.depth * columns);
                {
                    let mut col = matrix_mut(col, g.depth, columns);
                    if tile.images == 1 {
                        let (_, from) = g.offsets(tile.first, group);
                        let start = tile.rows.start * g.out_width;
                        let dy = matrix(&dy[from..], g.group_out, pixels);
                        gemm(
                            &w.t(),
                            &dy.slice_axis(Axis(1), Slice::from(start..start + width)),
                            false,
                            &mut col,
                        );
                    } else {
                        gather(&g, &tile, group, dy, gathered);
                        gemm(&w.t(), &matrix(gathered, g.group_out, columns), false, &mut col);
                    }
                }
                for i in 0..tile.images {
                    let (to, _) = g.offsets(tile.first + i, group);
                    g.col2im(col, &tile.rows, &mut dx[to..], columns, i * width);
                }
            }
        }
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], scratch: &mut Vec<T>) {
        let g = self.geometry(io.shapes[0], io.out);
        let (x, pixels) = (io.inputs[0], g.out_pixels());
        if let Some(bias) = self.bias {
            for (plane, k) in dy.chunks_exact(pixels).zip((0..g.out_channels).cycle()) {
                let sum: T = plane.iter().fold(T::zero(), |s, &v| s + v);
                grads[bias][k] += sum;
            }
        }
        if g.depthwise() {
            return depthwise_weight_gradient(&g, io.n, x, dy, &mut grads[self.weight]);
        }
        for group in 0..self.groups {
            for tile in g.tiles(io.n) {
                let width = tile.rows.len() * g.out_width;
                let columns = tile.images * width;
                let (col, gathered) =
                    room(scratch, (g.depth + g.group_out) * columns).split_at_mut(g.depth * columns);
                for i in 0..tile.images {
                    let (from, _) = g.offsets(tile.first + i, group);
                    g.im2col(&x[from..], &tile.rows, col, columns, i * width);
                }
                let col = matrix(col, g.depth, columns);
                let at = group * g.group_out * g.depth;
                let mut dw = matrix_mut(&mut grads[self.weight][at..], g.group_out, g.depth);
                if tile.images == 1 {
                    let (_, from) = g.offsets(tile.first, group);
                    let start = tile.rows.start * g.out_width;
                    let dy = matrix(&dy[from..], g.group_out, pixels);
                    gemm(&dy.slice_axis(Axis(1), Slice::from(start..start + width)), &col.t(), true, &mut dw);
                } else {
                    gather(&g, &tile, group, dy, gathered);
                    gemm(&matrix(gathered, g.group_out, columns), &col.t(), true, &mut dw);
                }
            }
        }
    }
}

/// Brings the group's output channels of a tile's images side by side: `group_out` × (images · pixels).
fn gather<T: Scalar>(g: &Geometry, tile: &Tile, group: usize, dy: &[T], to: &mut [T]) {
    let pixels = g.out_pixels();
    let columns = tile.images * pixels;
    for i in 0..tile.images {
        let (_, from) = g.offsets(tile.first + i, group);
        for o in 0..g.group_out {
            to[o * columns + i * pixels..][..pixels].copy_from_slice(&dy[from + o * pixels..][..pixels]);
        }
    }
}

fn depthwise_forward<T: Scalar>(g: &Geometry, n: usize, x: &[T], weight: &[T], y: &mut [T]) {
    y.fill(T::zero());
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &weight[plane % g.channels * g.depth..][..g.depth];
        let (x, y) = (&x[plane * g.in_pixels()..], &mut y[plane * g.out_pixels()..]);
        g.taps(|to, from, k, (lo, hi), first| {
            let w = kernel[k];
            for (t, &v) in y[to + lo..to + hi].iter_mut().zip(x[from + first..].iter().step_by(step)) {
                *t += w * v;
            }
        });
    }
}

fn depthwise_input_gradient<T: Scalar>(g: &Geometry, n: usize, dy: &[T], weight: &[T], dx: &mut [T]) {
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &weight[plane % g.channels * g.depth..][..g.depth];
        let (dx, dy) = (&mut dx[plane * g.in_pixels()..], &dy[plane * g.out_pixels()..]);
        g.taps(|from, to, k, (lo, hi), first| {
            let w = kernel[k];
            for (t, &v) in dx[to + first..].iter_mut().step_by(step).zip(&dy[from + lo..from + hi]) {
                *t += w * v;
            }
        });
    }
}

fn depthwise_weight_gradient<T: Scalar>(g: &Geometry, n: usize, x: &[T], dy: &[T], dw: &mut [T]) {
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &mut dw[plane % g.channels * g.depth..][..g.depth];
        let (x, dy) = (&x[plane * g.in_pixels()..], &dy[plane * g.out_pixels()..]);
        g.taps(|out, input, k, (lo, hi), first| {
            let pairs = x[input + first..].iter().step_by(step).zip(&dy[out + lo..out + hi]);
            kernel[k] += pairs.fold(T::zero(), |s, (&a, &b)| s + a * b);
        });
    }
}
