//! Convolutions as matrix products over the im2col matrix, tile by tile.

use super::geometry::{Geometry, Tile};
use crate::network::op::{add, room};
use crate::network::scalar::{Scalar, gemm, matrix, matrix_mut};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

/// The output columns of a tile within one image, of a matrix of that image.
fn columns<'a, T>(m: &'a ArrayView2<T>, g: &Geometry, tile: &Tile) -> ArrayView2<'a, T> {
    m.slice_axis(Axis(1), tile_columns(g, tile))
}

fn columns_mut<'a, T>(m: &'a mut ArrayViewMut2<T>, g: &Geometry, tile: &Tile) -> ArrayViewMut2<'a, T> {
    m.slice_axis_mut(Axis(1), tile_columns(g, tile))
}

fn tile_columns(g: &Geometry, tile: &Tile) -> Slice {
    Slice::from(tile.rows.start * g.out_width..tile.rows.end * g.out_width)
}

/// Writes the convolution of `n` images to `y`, or adds it.
pub(super) fn forward<T: Scalar>(
    g: &Geometry,
    n: usize,
    x: &[T],
    weight: &[T],
    adding: bool,
    y: &mut [T],
    scratch: &mut Vec<T>,
) {
    let pixels = g.out_pixels();
    for group in 0..g.op.groups {
        let w = matrix(&weight[group * g.group_out * g.depth..], g.group_out, g.depth);
        if g.pointwise() {
            for i in 0..n {
                let (from, to) = g.offsets(i, group);
                let x = matrix(&x[from..], g.depth, pixels);
                gemm(&w, &x, adding, &mut matrix_mut(&mut y[to..], g.group_out, pixels));
            }
            continue;
        }
        for tile in g.tiles(n) {
            let wide = tile.images * tile.rows.len() * g.out_width;
            let (col, out) = room(scratch, (g.depth + g.group_out) * wide).split_at_mut(g.depth * wide);
            fill(g, &tile, group, x, col);
            let b = matrix(col, g.depth, wide);
            if tile.images == 1 {
                let (_, to) = g.offsets(tile.first, group);
                let mut y = matrix_mut(&mut y[to..], g.group_out, pixels);
                gemm(&w, &b, adding, &mut columns_mut(&mut y, g, &tile));
                continue;
            }
            gemm(&w, &b, false, &mut matrix_mut(out, g.group_out, wide));
            for i in 0..tile.images {
                let (_, to) = g.offsets(tile.first + i, group);
                for o in 0..g.group_out {
                    let (y, out) =
                        (&mut y[to + o * pixels..][..pixels], &out[o * wide + i * pixels..][..pixels]);
                    if adding { add(y, out) } else { y.copy_from_slice(out) }
                }
            }
        }
    }
}

/// Adds the gradient of the input to `dx`, through the gradient of the im2col matrix.
pub(super) fn input_gradient<T: Scalar>(
    g: &Geometry,
    n: usize,
    dy: &[T],
    weight: &[T],
    dx: &mut [T],
    scratch: &mut Vec<T>,
) {
    let pixels = g.out_pixels();
    for group in 0..g.op.groups {
        let w = matrix(&weight[group * g.group_out * g.depth..], g.group_out, g.depth);
        if g.pointwise() {
            for i in 0..n {
                let (to, from) = g.offsets(i, group);
                let dy = matrix(&dy[from..], g.group_out, pixels);
                gemm(&w.t(), &dy, true, &mut matrix_mut(&mut dx[to..], g.depth, pixels));
            }
            continue;
        }
        for tile in g.tiles(n) {
            let width = tile.rows.len() * g.out_width;
            let wide = tile.images * width;
            let (col, gathered) = room(scratch, (g.depth + g.group_out) * wide).split_at_mut(g.depth * wide);
            if tile.images == 1 {
                let (_, from) = g.offsets(tile.first, group);
                let dy = matrix(&dy[from..], g.group_out, pixels);
                gemm(&w.t(), &columns(&dy, g, &tile), false, &mut matrix_mut(col, g.depth, wide));
            } else {
                gather(g, &tile, group, dy, gathered);
                let dy = matrix(gathered, g.group_out, wide);
                gemm(&w.t(), &dy, false, &mut matrix_mut(col, g.depth, wide));
            }
            for i in 0..tile.images {
                let (to, _) = g.offsets(tile.first + i, group);
                g.col2im(col, &tile.rows, &mut dx[to..], wide, i * width);
            }
        }
    }
}

/// Adds the gradient of the weights to `dw`.
pub(super) fn weight_gradient<T: Scalar>(
    g: &Geometry,
    n: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
    scratch: &mut Vec<T>,
) {
    let pixels = g.out_pixels();
    for group in 0..g.op.groups {
        for tile in g.tiles(n) {
            let wide = tile.images * tile.rows.len() * g.out_width;
            let (col, gathered) = room(scratch, (g.depth + g.group_out) * wide).split_at_mut(g.depth * wide);
            fill(g, &tile, group, x, col);
            let col = matrix(col, g.depth, wide);
            let mut dw = matrix_mut(&mut dw[group * g.group_out * g.depth..], g.group_out, g.depth);
            if tile.images == 1 {
                let (_, from) = g.offsets(tile.first, group);
                let dy = matrix(&dy[from..], g.group_out, pixels);
                gemm(&columns(&dy, g, &tile), &col.t(), true, &mut dw);
            } else {
                gather(g, &tile, group, dy, gathered);
                gemm(&matrix(gathered, g.group_out, wide), &col.t(), true, &mut dw);
            }
        }
    }
}

/// The im2col matrix of a tile.
fn fill<T: Scalar>(g: &Geometry, tile: &Tile, group: usize, x: &[T], col: &mut [T]) {
    let width = tile.rows.len() * g.out_width;
    for i in 0..tile.images {
        let (from, _) = g.offsets(tile.first + i, group);
        g.im2col(&x[from..], &tile.rows, col, tile.images * width, i * width);
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
