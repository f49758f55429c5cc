//! Between planar (N×C×H×W) and interleaved (N×H×W×C) images.

use crate::lanes::Real;

/// Side of the squares that are turned at a time.
const SIDE: usize = 16;

/// Images of `channels` planes of `pixels` numbers become interleaved.
pub fn interleave<T: Real>(channels: usize, pixels: usize, from: &[T], to: &mut [T]) {
    turn(channels, pixels, from, to);
}

/// Interleaved images become images of planes.
pub fn separate<T: Real>(channels: usize, pixels: usize, from: &[T], to: &mut [T]) {
    turn(pixels, channels, from, to);
}

/// Transposes each matrix of `rows × columns` numbers.
fn turn<T: Real>(rows: usize, columns: usize, from: &[T], to: &mut [T]) {
    let size = (rows * columns).max(1);
    for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
        for top in (0..rows).step_by(SIDE) {
            let bottom = (top + SIDE).min(rows);
            for column in 0..columns {
                for (row, to) in (top..bottom).zip(&mut to[column * rows + top..column * rows + bottom]) {
                    *to = from[row * columns + column];
                }
            }
        }
    }
}
