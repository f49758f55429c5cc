//! Exact nearest neighbours by blocked matrix products.

use laocoon_kernels::points::{self, Line};
use laocoon_kernels::{Finish, Level, Matrix, Scratch};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows of a block: its products with another block stay in the cache.
const BLOCK: usize = 512;
/// Candidates kept beyond k by the single-precision pass; their order is then found in double precision.
const SPARE: usize = 6;
/// How far two rows are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Length of the difference.
    Euclidean,
    /// 1 − cosine of the angle; 1 to a row of zeros.
    Cosine,
}

impl Metric {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::Cosine => "cosine",
        }
    }
}

/// The nearest other rows of every row, nearest first; of equals the lower index.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// N×k indices.
    pub indices: Array2<usize>,
    /// N×k distances.
    pub distances: Array2<f64>,
}

/// The `k` (at most N − 1) nearest other rows of each row of `samples` (N×D, finite). Equal rows are exactly 0 apart.
/// Every pair is looked at once, in single precision; the nearest few are measured again in double precision. `check`
/// is called for every band of rows.
///
/// # Errors
/// What `check` returns.
#[expect(clippy::too_many_lines, reason = "one pass over all pairs")]
pub fn nearest<E: Send>(
    samples: ArrayView2<f32>,
    k: usize,
    metric: Metric,
    check: &(dyn Fn() -> Result<(), E> + Sync),
) -> Result<Neighbours, E> {
    let n = samples.nrows();
    let k = k.min(n.saturating_sub(1));
    if k == 0 {
        return Ok(Neighbours { indices: Array2::zeros((n, 0)), distances: Array2::zeros((n, 0)) });
    }
    // Centred for euclidean (less cancellation), unit rows for cosine: then both order by |y|² − 2 x·y.
    let mut rows = samples.as_standard_layout().into_owned();
    match metric {
        Metric::Euclidean => {
            if let Some(mean) = rows.mean_axis(Axis(0)) {
                rows -= &mean;
            }
        }
        Metric::Cosine => rows.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
            let length = row.dot(&row).sqrt();
            if length > 0.0 {
                row /= length;
            }
        }),
    }
    let squares: Array1<f32> = rows.rows().into_iter().map(|r| r.dot(&r)).collect();
    let kept = (k + SPARE).min(n - 1);
    let bands: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let (d, flat) = (rows.ncols(), rows.as_slice().unwrap_or(&[]));
    // Every block as the right side of a product, packed once.
    let pack = |&from: &usize| {
        let count = BLOCK.min(n - from);
        Matrix::new(d, count, Level::best(), |k, column| flat[(from + column) * d + k])
    };
    let packed: Vec<Matrix<f32>> = bands.par_iter().map(pack).collect();
    let mut best = vec![Best::new(kept); n];
    // Bands are taken in turn, their blocks in parallel: each block of columns is written by one task.
    for &from in &bands {
        check()?;
        let to = (from + BLOCK).min(n);
        let band = &flat[from * d..to * d];
        let later: Vec<usize> = bands.iter().copied().filter(|&b| b >= from).collect();
        let (done, open) = best.split_at_mut(from);
        let _ = done;
        let (own, rest) = open.split_at_mut(to - from);
        let own_square = &squares.as_slice().unwrap_or(&[])[from..to];
        let tasks: Vec<(usize, &mut [Best])> = {
            let mut rest = rest;
            let mut tasks = vec![(from, &mut [][..])];
            for &start in &later[1..] {
                let (head, tail) = rest.split_at_mut((start + BLOCK).min(n) - start);
                tasks.push((start, head));
                rest = tail;
            }
            tasks
        };
        let before = &*own;
        let found: Vec<Vec<Best>> = tasks
            .into_par_iter()
            .map(|(start, columns)| {
                let end = (start + BLOCK).min(n);
                let width = end - start;
                let mut products = vec![0.0f32; (to - from) * width];
                packed[start / BLOCK].multiply(
                    to - from,
                    band,
                    &mut products,
                    &Finish::default(),
                    &mut Scratch::default(),
                );
                // What is no better than what the earlier bands left is not even looked at: few are.
                let mut mine: Vec<Best> = before.iter().map(|b| Best::below(kept, b.worst)).collect();
                let others = &squares.as_slice().unwrap_or(&[])[start..end];
                let mut bounds: Vec<f32> = columns.iter().map(|b| b.worst.0).collect();
                let mut near = Vec::new();
                for (i, line) in products.chunks_exact(width).enumerate() {
                    let square = own_square[i];
                    if start == from {
                        for (j, (&product, &other)) in line.iter().zip(others).enumerate() {
                            if i != j {
                                mine[i].offer(square + other - 2.0 * product, (start + j) as u32);
                            }
                        }
                        continue;
                    }
                    let row = [square, mine[i].worst.0];
                    points::near(Line { row, products: line, squares: others, bounds: &bounds }, &mut near);
                    for &first in &near {
                        let last = (first + points::LANES).min(width);
                        let (line, others) = (&line[first..last], &others[first..last]);
                        for (j, (&product, &other)) in (first..last).zip(line.iter().zip(others)) {
                            let distance = square + other - 2.0 * product;
                            mine[i].offer(distance, (start + j) as u32);
                            columns[j].offer(distance, (from + i) as u32);
                            bounds[j] = columns[j].worst.0;
                        }
                    }
                }
                mine
            })
            .collect();
        for block in found {
            for (to, from) in own.iter_mut().zip(block) {
                from.items.into_iter().for_each(|(d, i)| to.offer(d, i));
            }
        }
    }
    let exact: Vec<Vec<(f64, usize)>> = best
        .par_iter()
        .enumerate()
        .map(|(i, best)| {
            let row = samples.row(i);
            let mut list: Vec<(f64, usize)> = best
                .items
                .iter()
                .map(|&(_, j)| (distance(row, samples.row(j as usize), metric), j as usize))
                .collect();
            list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            list.truncate(k);
            list
        })
        .collect();
    Ok(Neighbours {
        indices: Array2::from_shape_fn((n, k), |(i, j)| exact[i][j].1),
        distances: Array2::from_shape_fn((n, k), |(i, j)| exact[i][j].0),
    })
}

/// The distance in double precision; exactly 0 for equal rows.
pub fn distance(a: ArrayView1<f32>, b: ArrayView1<f32>, metric: Metric) -> f64 {
    let pairs = || a.iter().zip(&b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    if a == b {
        return 0.0;
    }
    match metric {
        Metric::Euclidean => pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(),
        Metric::Cosine => {
            let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
            for (x, y) in pairs() {
                xy += x * y;
                xx += x * x;
                yy += y * y;
            }
            let lengths = (xx * yy).sqrt();
            if lengths > 0.0 { (1.0 - xy / lengths).max(0.0) } else { 1.0 }
        }
    }
}

/// The least few of what was offered, by distance and then index; unordered but for the worst, which is known.
#[derive(Debug, Clone)]
struct Best {
    items: Vec<(f32, u32)>,
    most: usize,
    worst: (f32, u32),
}

impl Best {
    fn new(most: usize) -> Self {
        Self { items: Vec::new(), most, worst: (f32::INFINITY, u32::MAX) }
    }

    /// Takes only what comes before `worst`.
    fn below(most: usize, worst: (f32, u32)) -> Self {
        Self { worst, ..Self::new(most) }
    }

    #[inline]
    fn offer(&mut self, distance: f32, index: u32) {
        if distance <= self.worst.0 {
            self.take(distance, index);
        }
    }

    fn take(&mut self, distance: f32, index: u32) {
        if (distance, index) >= self.worst {
            return;
        }
        if self.items.len() == self.most
            && let Some(at) = self.items.iter().position(|&item| item == self.worst)
        {
            self.items.swap_remove(at);
        }
        self.items.push((distance, index));
        if self.items.len() == self.most {
            let worse = |a: &&(f32, u32), b: &&(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if let Some(&worst) = self.items.iter().max_by(worse) {
                self.worst = worst;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use rand::Rng;

    fn of(samples: &Array2<f32>, k: usize, metric: Metric) -> Neighbours {
        nearest(samples.view(), k, metric, &|| Ok::<_, ()>(())).unwrap()
    }

    #[test]
    fn every_pair_by_hand_gives_the_same() {
        let mut rng = seeded(1, "neighbours", "test");
        for (n, d) in [(1300, 7), (40, 3), (5, 2)] {
            let mut samples = Array2::from_shape_simple_fn((n, d), || rng.gen_range(-1.0f32..1.0) + 100.0);
            let copy = samples.row(1).to_owned();
            samples.row_mut(4).assign(&copy);
            for metric in [Metric::Euclidean, Metric::Cosine] {
                let got = of(&samples, 10, metric);
                for i in [0, 1, 4, n - 1] {
                    let mut all: Vec<(f64, usize)> = (0..n)
                        .filter(|&j| j != i)
                        .map(|j| (distance(samples.row(i), samples.row(j), metric), j))
                        .collect();
                    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                    let want: Vec<f64> = all.iter().take(10).map(|a| a.0).collect();
                    assert_eq!(got.distances.row(i).to_vec(), want, "{n} {metric:?} {i}");
                }
                assert_eq!((got.indices[[1, 0]], got.distances[[1, 0]]), (4, 0.0));
            }
        }
    }

    #[test]
    fn a_single_column_and_several_bands() {
        // Steps that grow: the nearest are the neighbours in order, one side or the other.
        let samples = Array2::from_shape_fn((1100, 1), |(i, _)| (i * i) as f32);
        let got = of(&samples, 2, Metric::Euclidean);
        assert_eq!(got.indices.row(600).to_vec(), [599, 601]);
        assert_eq!(got.distances.row(600).to_vec(), [1199.0, 1201.0]);
        assert_eq!(got.indices.row(1099).to_vec(), [1098, 1097]);
    }

    #[test]
    fn distances_have_their_closed_form() {
        let a = ndarray::array![3.0f32, 4.0];
        assert!(
            (distance(a.view(), ndarray::array![0.0f32, 0.0].view(), Metric::Euclidean) - 5.0).abs() < 1e-12
        );
        assert!(
            (distance(a.view(), ndarray::array![-4.0f32, 3.0].view(), Metric::Cosine) - 1.0).abs() < 1e-12
        );
        assert!(
            (distance(a.view(), ndarray::array![0.0f32, 0.0].view(), Metric::Cosine) - 1.0).abs() < 1e-12
        );
    }

    #[test]
    fn few_samples_have_few_neighbours() {
        assert_eq!(of(&Array2::zeros((1, 3)), 10, Metric::Cosine).indices.dim(), (1, 0));
        assert_eq!(of(&Array2::zeros((0, 3)), 10, Metric::Cosine).indices.dim(), (0, 0));
        assert_eq!(of(&Array2::zeros((3, 0)), 10, Metric::Euclidean).indices.row(2).to_vec(), [0, 1]);
    }
}
