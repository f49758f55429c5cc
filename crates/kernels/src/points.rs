//! Points in few dimensions, many of them: which of some means is nearest, and how far one point is from others. Done
//! in lanes of eight.

use crate::Level;
use crate::each::go;
use crate::lanes::{Lanes, Task, dispatch};

/// Points of a tile, side by side in each dimension.
pub const TILE: usize = 8;

/// Points in tiles: for each tile and dimension the numbers of [`TILE`] points, zeros behind the last.
#[derive(Debug, Clone)]
pub struct Tiles {
    numbers: Vec<[f64; TILE]>,
    count: usize,
    dimensions: usize,
}

/// What one look at all points gives.
#[derive(Debug, Clone)]
pub struct Sums {
    /// For each mean and dimension the sum of the points nearest to it.
    pub sums: Vec<f64>,
    /// For each mean how many there are.
    pub counts: Vec<usize>,
}

impl Tiles {
    /// `count` points of `dimensions` numbers `f(point, dimension)`.
    pub fn new(count: usize, dimensions: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let number = |tile: usize, dimension: usize, lane: usize| {
            let point = tile * TILE + lane;
            if point < count { f(point, dimension) } else { 0.0 }
        };
        let each = (0..count.div_ceil(TILE)).flat_map(|tile| (0..dimensions).map(move |d| (tile, d)));
        let numbers = each.map(|(tile, d)| std::array::from_fn(|lane| number(tile, d, lane))).collect();
        Self { numbers, count, dimensions }
    }

    /// Writes for each point which of `means` (one after another) is nearest, the first of equals, and sums up the points of
    /// each.
    ///
    /// # Panics
    /// When `nearest` has another length than there are points.
    pub fn nearest(&self, means: &[f64], nearest: &mut [usize]) -> Sums {
        assert_eq!(nearest.len(), self.count);
        let d = self.dimensions.max(1);
        let mut sums = vec![[0.0; TILE]; means.len()];
        let mut counts = vec![[0.0; TILE]; means.len() / d];
        let (sums_to, counts_to) = (&mut sums[..], &mut counts[..]);
        dispatch(
            Level::best(),
            Nearest { tiles: &self.numbers, d, means, of_point: nearest, sums: sums_to, counts: counts_to },
        );
        let total = |lanes: &[f64; TILE]| lanes.iter().sum::<f64>();
        Sums {
            sums: sums.iter().map(total).collect(),
            counts: counts.iter().map(|lanes| total(lanes) as usize).collect(),
        }
    }
}

struct Nearest<'a> {
    tiles: &'a [[f64; TILE]],
    d: usize,
    means: &'a [f64],
    of_point: &'a mut [usize],
    sums: &'a mut [[f64; TILE]],
    counts: &'a mut [[f64; TILE]],
}

impl Task<f64> for Nearest<'_> {
    #[inline(always)]
    fn run<L: Lanes<T = f64>>(self, lanes: L) {
        match TILE / L::N {
            1 => self.by::<L, 1>(lanes),
            2 => self.by::<L, 2>(lanes),
            _ => self.by::<L, 4>(lanes),
        }
    }
}

impl Nearest<'_> {
    #[inline(always)]
    fn by<L: Lanes<T = f64>, const V: usize>(self, lanes: L) {
        let d = self.d;
        let tiles = L::vectors(self.tiles.as_flattened()).as_chunks::<V>().0;
        for (tile, nearest) in tiles.chunks_exact(d).zip(self.of_point.chunks_mut(TILE)) {
            let (mut best, mut at) = ([f64::INFINITY; TILE], [0usize; TILE]);
            for (c, mean) in self.means.chunks_exact(d).enumerate() {
                let mut sum = [lanes.zero(); V];
                for (x, &m) in tile.iter().zip(mean) {
                    let m = lanes.splat(m);
                    for v in 0..V {
                        let apart = lanes.sub(x[v], m);
                        sum[v] = lanes.fma(apart, apart, sum[v]);
                    }
                }
                let mut distance = [0.0; TILE];
                L::vectors_mut(&mut distance).copy_from_slice(&sum);
                for l in 0..TILE {
                    let nearer = distance[l] < best[l];
                    best[l] = if nearer { distance[l] } else { best[l] };
                    at[l] = if nearer { c } else { at[l] };
                }
            }
            let points = nearest.len();
            nearest.copy_from_slice(&at[..points]);
            let sums = L::vectors_mut(self.sums.as_flattened_mut()).as_chunks_mut::<V>().0;
            for (c, (sums, counts)) in sums.chunks_exact_mut(d).zip(&mut *self.counts).enumerate() {
                // Lanes behind the last point belong to no mean.
                let mut weight = [0.0; TILE];
                for l in 0..points {
                    weight[l] = if at[l] == c { 1.0 } else { 0.0 };
                    counts[l] += weight[l];
                }
                let weight = L::vectors(&weight);
                for (sum, x) in sums.iter_mut().zip(tile) {
                    for v in 0..V {
                        sum[v] = lanes.fma(weight[v], x[v], sum[v]);
                    }
                }
            }
        }
    }
}

/// Distances from `point` to others given dimension by dimension: `columns[d][i]` is number `d` of point `i`.
pub fn distances(point: &[f64], columns: &[&[f64]], to: &mut [f64]) {
    go::<f64>(|| {
        to.fill(0.0);
        for (&p, column) in point.iter().zip(columns) {
            for (to, x) in to.iter_mut().zip(*column) {
                let apart = x - p;
                *to += apart * apart;
            }
        }
        for to in to {
            *to = to.sqrt();
        }
    });
}

/// The sum of numbers, in eight lanes.
pub fn total(numbers: &[f64]) -> f64 {
    let mut lanes = [0.0; TILE];
    let (whole, rest) = numbers.as_chunks::<TILE>();
    go::<f64>(|| {
        for numbers in whole {
            for l in 0..TILE {
                lanes[l] += numbers[l];
            }
        }
    });
    lanes.iter().chain(rest).sum()
}

/// Numbers looked at together by [`near`].
pub const LANES: usize = 16;

/// What [`near`] looks at: a line of products of one row with others.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The row's square, and the distance that it still takes.
    pub row: [f32; 2],
    /// Its products with the others.
    pub products: &'a [f32],
    /// The squares of the others.
    pub squares: &'a [f32],
    /// The distances that they still take.
    pub bounds: &'a [f32],
}

/// Writes to `found` where pieces of [`LANES`] begin in which the squared distance `row² + other² − 2 · product` of any is no
/// larger than what the row or the other takes.
pub fn near(line: Line, found: &mut Vec<usize>) {
    found.clear();
    dispatch(Level::best(), Near { line, found });
}

struct Near<'a> {
    line: Line<'a>,
    found: &'a mut Vec<usize>,
}

impl Task<f32> for Near<'_> {
    #[inline(always)]
    fn run<L: Lanes<T = f32>>(self, _: L) {
        let Line { row: [square, bound], products, squares, bounds } = self.line;
        let whole = products.as_chunks::<LANES>().0.iter().zip(squares.as_chunks::<LANES>().0);
        for (at, ((products, squares), bounds)) in whole.zip(bounds.as_chunks::<LANES>().0).enumerate() {
            let mut any = 0u32;
            for l in 0..LANES {
                let distance = square + squares[l] - 2.0 * products[l];
                any |= u32::from(distance <= bounds[l].max(bound));
            }
            if any != 0 {
                self.found.push(at * LANES);
            }
        }
        if !products.len().is_multiple_of(LANES) {
            self.found.push(products.len() / LANES * LANES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_and_sums_by_hand() {
        let at = |i: usize, d: usize| if d == 0 { (i % 3) as f64 * 10.0 } else { i as f64 * 0.01 };
        let tiles = Tiles::new(19, 2, at);
        let mut nearest = vec![9; 19];
        let got = tiles.nearest(&[0.0, 0.0, 20.0, 0.0, 10.0, 0.0], &mut nearest);
        assert_eq!(nearest, (0..19).map(|i| [0, 2, 1][i % 3]).collect::<Vec<_>>());
        assert_eq!(got.counts, [7, 6, 6]);
        assert_eq!((got.sums[0], got.sums[2], got.sums[4]), (0.0, 120.0, 60.0));
        let own: f64 = (0..19).filter(|i| i % 3 == 2).map(|i| f64::from(i) * 0.01).sum();
        assert!((got.sums[3] - own).abs() < 1e-12);
    }

    #[test]
    fn distances_and_totals_by_hand() {
        let (x, y) = ([3.0, 0.0, 1.0], [4.0, 2.0, 1.0]);
        let mut to = [0.0; 3];
        distances(&[0.0, 0.0], &[&x, &y], &mut to);
        for (to, want) in to.into_iter().zip([5.0, 2.0, 2.0f64.sqrt()]) {
            assert!((to - want).abs() < 1e-15);
        }
        let numbers: Vec<f64> = (0..21).map(f64::from).collect();
        assert!((total(&numbers) - 210.0).abs() < 1e-12);
    }
}
