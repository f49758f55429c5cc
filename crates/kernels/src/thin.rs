//! Products of tall matrices with sixteen columns, both ways round: what a subspace iteration is made of. Nothing is packed:
//! sixteen columns are one vector, or a few.

use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::{Level, each};

/// Columns of the narrow matrix.
pub const THIN: usize = 16;
/// Rows of the tall matrix come in whole groups of so many; a rest is filled up with zeros.
pub const GROUP: usize = 8;

/// Writes `x · basis` to `y`: (rows × depth) times (depth × 16).
///
/// # Panics
/// When rows are no multiple of [`GROUP`], `depth` none of 16, or the slices do not fit.
pub fn project<T: Real>(depth: usize, x: &[T], basis: &[T], y: &mut [T], level: Level) {
    fits(depth, x, basis, y);
    dispatch(level, Project { depth, x, basis, y });
}

/// Adds `xᵀ · y` to `sums`: (depth × rows) times (rows × 16).
///
/// # Panics
/// As [`project`].
pub fn gather<T: Real>(depth: usize, x: &[T], y: &[T], sums: &mut [T], level: Level) {
    fits(depth, x, sums, y);
    dispatch(level, Gather { depth, x, y, sums });
}

/// Writes `a − b`, number by number.
pub fn less<T: Real>(a: &[T], b: &[T], to: &mut [T]) {
    each::go::<T>(|| {
        for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
            *to = a - b;
        }
    });
}

fn fits<T>(depth: usize, x: &[T], wide: &[T], tall: &[T]) {
    let rows = tall.len() / THIN;
    assert!(depth.is_multiple_of(THIN) && rows.is_multiple_of(GROUP), "whole groups");
    assert!(x.len() == rows * depth && wide.len() == depth * THIN && tall.len() == rows * THIN, "sizes");
}

struct Project<'a, T> {
    depth: usize,
    x: &'a [T],
    basis: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Project<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        // One vector a row leaves room for the sums of eight rows, more for those of four.
        match THIN / L::N {
            1 => self.by::<L, 8, 1>(lanes),
            2 => self.by::<L, 4, 2>(lanes),
            4 => self.by::<L, 4, 4>(lanes),
            _ => self.by::<L, 2, 8>(lanes),
        }
    }
}

impl<T: Real> Project<'_, T> {
    #[inline(always)]
    fn by<L: Lanes<T = T>, const R: usize, const V: usize>(self, lanes: L) {
        let per = self.depth / THIN;
        let basis = L::vectors(self.basis).as_chunks::<V>().0;
        let x = self.x.as_chunks::<THIN>().0;
        for (rows, y) in x.chunks_exact(R * per).zip(self.y.chunks_exact_mut(R * THIN)) {
            let mut sum = [[lanes.zero(); V]; R];
            for (at, b) in basis.chunks_exact(THIN).enumerate() {
                let x: [&[T; THIN]; R] = std::array::from_fn(|r| &rows[r * per + at]);
                for (p, b) in b.iter().enumerate() {
                    for r in 0..R {
                        let s = lanes.splat(x[r][p]);
                        for v in 0..V {
                            sum[r][v] = lanes.fma(s, b[v], sum[r][v]);
                        }
                    }
                }
            }
            for (y, sum) in L::vectors_mut(y).chunks_exact_mut(V).zip(sum) {
                y.copy_from_slice(&sum);
            }
        }
    }
}

struct Gather<'a, T> {
    depth: usize,
    x: &'a [T],
    y: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for Gather<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        match THIN / L::N {
            1 => self.by::<L, 8, 1>(lanes),
            2 => self.by::<L, 4, 2>(lanes),
            4 => self.by::<L, 4, 4>(lanes),
            _ => self.by::<L, 2, 8>(lanes),
        }
    }
}

impl<T: Real> Gather<'_, T> {
    #[inline(always)]
    fn by<L: Lanes<T = T>, const R: usize, const V: usize>(self, lanes: L) {
        let per = self.depth / THIN;
        let x = self.x.as_chunks::<THIN>().0;
        let y = L::vectors(self.y).as_chunks::<V>().0.as_chunks::<R>().0;
        let sums = L::vectors_mut(self.sums).as_chunks_mut::<V>().0;
        for (rows, y) in x.chunks_exact(R * per).zip(y) {
            for (at, sums) in sums.chunks_exact_mut(THIN).enumerate() {
                let x: [&[T; THIN]; R] = std::array::from_fn(|r| &rows[r * per + at]);
                for (p, sum) in sums.iter_mut().enumerate() {
                    for r in 0..R {
                        let s = lanes.splat(x[r][p]);
                        for v in 0..V {
                            sum[v] = lanes.fma(s, y[r][v], sum[v]);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Real>(count: usize, step: usize) -> Vec<T> {
        (0..count).map(|i| T::real(((i * step) % 17) as f64 - 8.0)).collect()
    }

    fn check<T: Real>(level: Level) {
        let (rows, depth) = (24, 48);
        let (x, b) = (numbers::<T>(rows * depth, 7), numbers::<T>(depth * THIN, 5));
        let mut y = vec![T::ZERO; rows * THIN];
        project(depth, &x, &b, &mut y, level);
        let mut sums = vec![T::real(1.0); depth * THIN];
        gather(depth, &x, &y, &mut sums, level);
        let at = |m: &[T], columns: usize, i: usize, j: usize| m[i * columns + j].to_f64();
        for j in 0..THIN {
            for r in 0..rows {
                let want: f64 = (0..depth).map(|d| at(&x, depth, r, d) * at(&b, THIN, d, j)).sum();
                assert!((at(&y, THIN, r, j) - want).abs() < 1e-9, "{level:?}: {r} {j}");
            }
            for d in 0..depth {
                let want: f64 = (0..rows).map(|r| at(&x, depth, r, d) * at(&y, THIN, r, j)).sum();
                assert!((at(&sums, THIN, d, j) - 1.0 - want).abs() < 1e-9, "{level:?}: {d} {j}");
            }
        }
    }

    /// Whole numbers, so that every order of summing gives the same.
    #[test]
    fn products_are_those_by_hand_at_every_level() {
        for level in Level::available() {
            check::<f32>(level);
            check::<f64>(level);
        }
    }
}
