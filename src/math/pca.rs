//! Principal components by `linfa-reduction`, made safe for any scale, width and rank.

use super::svd;
use laocoon_kernels::thin::{self, GROUP, THIN};
use laocoon_kernels::{Level, each};
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use std::ops::Range;

/// Why components could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PcaError<E> {
    /// The caller's check ended it.
    #[error("stopped")]
    Stopped(E),
    /// The eigensolver gave up.
    #[error("principal components: {0}")]
    Solver(String),
}

/// Samples (n×d, finite) in their first `min(k, d, n − 1)` principal components: n×k', fewer columns when the samples
/// span less. Components are in order of falling variance; the largest entry of each (in the original features) is
/// positive. `check` is called about every millisecond of our own work; linfa's part is small.
///
/// # Errors
/// What `check` returns; the eigensolver's failure.
pub fn scores<E>(
    samples: ArrayView2<f64>,
    k: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Array2<f64>, PcaError<E>> {
    let (n, d) = samples.dim();
    let k = k.min(d).min(n.saturating_sub(1));
    let Some(mean) = samples.mean_axis(Axis(0)).filter(|_| k > 0) else { return Ok(Array2::zeros((n, 0))) };
    let mut centred = &samples - &mean;
    let norm = centred.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Ok(Array2::zeros((n, 0)));
    }
    // linfa's tolerance is absolute (1e-10 on the eigenvalue residual): bring the trace to 0.01, so that it means 1e-8
    // of the total variance, which double precision can reach.
    let scale = 0.1 / norm;
    centred *= scale;
    let components = solver::components(&centred, k, rng, check)?;
    Ok(centred.dot(&components.t()) / scale)
}

/// Above this smaller side [`sketched`] draws a subspace.
const EXACT: usize = 96;
/// Directions beyond the components wanted, at least, and rounds of the subspace iteration.
const SPARE: usize = 6;
const ROUNDS: usize = 3;
/// Numbers of rows worked on at a time: they stay in the second-level cache.
const BLOCK: usize = 1 << 15;

/// As [`scores`] of the named rows of `values` (N×D, finite), for looking rather than for measuring: above 96 samples and
/// features the components come from a seeded random subspace, sharpened by three rounds of the power iteration (Halko,
/// Martinsson, Tropp 2011, algorithm 4.4), in single precision. Leading components that stand out are the exact ones to
/// four digits; among equals any mixture may come. Of the rows only a block at a time is copied.
///
/// # Errors
/// As [`scores`].
pub fn sketched<'a, E>(
    values: ArrayView2<'a, f32>,
    members: &'a [usize],
    k: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Array2<f64>, PcaError<E>> {
    let (n, d) = (members.len(), values.ncols());
    if k + SPARE > THIN || n.min(d) <= EXACT.max(2 * THIN) {
        return scores(values.select(Axis(0), members).mapv(f64::from).view(), k, rng, check);
    }
    let rows = Rows::new(values, members);
    let mut basis = Array2::<f32>::from_shape_simple_fn((d, THIN), || rng.gen_range(-1.0f32..1.0));
    for _ in 0..ROUNDS {
        check().map_err(PcaError::Stopped)?;
        orthonormal(&mut basis);
        basis = rows.squared(&basis);
    }
    orthonormal(&mut basis);
    // Principal components of the small matrix are those of the samples within the subspace.
    scores(rows.projected(&basis).view(), k, rng, check)
}

/// The rows of a class, centred a block at a time.
struct Rows<'a> {
    values: ArrayView2<'a, f32>,
    members: &'a [usize],
    mean: Vec<f32>,
    /// Columns, filled up to whole groups.
    depth: usize,
}

impl<'a> Rows<'a> {
    fn new(values: ArrayView2<'a, f32>, members: &'a [usize]) -> Self {
        let mut sums = vec![0.0f64; values.ncols()];
        for &i in members {
            each::sums(values.row(i).as_standard_layout().as_slice().unwrap_or(&[]), &mut sums);
        }
        let n = members.len().max(1) as f64;
        let mean = sums.into_iter().map(|sum| (sum / n) as f32).collect();
        Self { values, members, mean, depth: values.ncols().next_multiple_of(THIN) }
    }

    /// Calls `f` with each block of centred rows, filled up with zeros, and its place among the members.
    fn blocks(&self, mut f: impl FnMut(&[f32], Range<usize>)) {
        let count = (BLOCK / self.depth).next_multiple_of(GROUP);
        let mut block = vec![0.0f32; count * self.depth];
        for (at, members) in self.members.chunks(count).enumerate() {
            for (to, &i) in block.chunks_exact_mut(self.depth).zip(members) {
                let row = self.values.row(i);
                thin::less(row.as_standard_layout().as_slice().unwrap_or(&[]), &self.mean, to);
            }
            let whole = members.len().next_multiple_of(GROUP);
            block[members.len() * self.depth..whole * self.depth].fill(0.0);
            f(&block[..whole * self.depth], at * count..at * count + members.len());
        }
    }

    /// Scores along the columns of `basis` (D×16), n×16.
    fn projected(&self, basis: &Array2<f32>) -> Array2<f64> {
        let basis = self.padded(basis);
        let mut out = Array2::zeros((self.members.len(), THIN));
        let mut scores = Vec::new();
        self.blocks(|block, range| {
            scores.resize(block.len() / self.depth * THIN, 0.0);
            thin::project(self.depth, block, &basis, &mut scores, Level::best());
            for (mut to, from) in out
                .slice_axis_mut(Axis(0), range.into())
                .rows_mut()
                .into_iter()
                .zip(scores.as_chunks::<THIN>().0)
            {
                to.iter_mut().zip(from).for_each(|(to, &x)| *to = f64::from(x));
            }
        });
        out
    }

    /// `Xᵀ·X·basis` of the centred rows X, D×16.
    fn squared(&self, basis: &Array2<f32>) -> Array2<f32> {
        let basis = self.padded(basis);
        let mut sums = vec![0.0f32; basis.len()];
        let mut scores = Vec::new();
        self.blocks(|block, _| {
            scores.resize(block.len() / self.depth * THIN, 0.0);
            thin::project(self.depth, block, &basis, &mut scores, Level::best());
            thin::gather(self.depth, block, &scores, &mut sums, Level::best());
        });
        let d = self.values.ncols();
        Array2::from_shape_fn((d, THIN), |(i, j)| sums[i * THIN + j])
    }

    fn padded(&self, basis: &Array2<f32>) -> Vec<f32> {
        let mut all: Vec<f32> = basis.iter().copied().collect();
        all.resize(self.depth * THIN, 0.0);
        all
    }
}

/// Columns made orthonormal, in double precision, twice (Gram and Schmidt); columns that vanish become 0.
fn orthonormal(columns: &mut Array2<f32>) {
    let mut rows = columns.t().mapv(f64::from);
    for i in 0..rows.nrows() {
        let (before, mut from) = rows.view_mut().split_at(Axis(0), i);
        let mut row = from.row_mut(0);
        let length = row.dot(&row).sqrt();
        for _ in 0..2 {
            for earlier in before.rows() {
                let along = earlier.dot(&row);
                row.scaled_add(-along, &earlier);
            }
        }
        let left = row.dot(&row).sqrt();
        if left > 1e-12 * length { row /= left } else { row.fill(0.0) }
    }
    *columns = rows.t().mapv(|x| x as f32);
}

/// Components by linfa.
#[cfg(not(feature = "lapack"))]
mod solver {
    use super::{PcaError, svd};
    use linfa::DatasetBase;
    use linfa::traits::Fit;
    use ndarray::{Array2, Axis, Slice};
    use rand::Rng;

    /// Above this smaller side, the samples are first turned into the Krylov space that holds the leading components:
    /// linfa's LOBPCG iterates over the whole matrix up to 2n times and cannot be stopped.
    const DIRECT: usize = 96;

    pub(super) fn components<E>(
        centred: &Array2<f64>,
        k: usize,
        rng: &mut impl Rng,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<Array2<f64>, PcaError<E>> {
        let (n, d) = centred.dim();
        let mut components = if n.min(d) <= DIRECT {
            check().map_err(PcaError::Stopped)?;
            linfa(centred.clone(), k)?
        } else {
            let (_, basis) = svd::krylov(centred.view(), k, rng, check).map_err(PcaError::Stopped)?;
            let k = k.min(basis.nrows());
            linfa(centred.dot(&basis.t()), k)?.dot(&basis)
        };
        components.rows_mut().into_iter().for_each(svd::point_up);
        Ok(components)
    }

    /// The components (k'×d) of centred samples as linfa finds them.
    fn linfa<E>(centred: Array2<f64>, k: usize) -> Result<Array2<f64>, PcaError<E>> {
        // LOBPCG works in three blocks of k vectors, which must be independent: in a smaller space ask for all
        // components (then its first step is exact) and cut.
        let side = centred.nrows().min(centred.ncols());
        let asked = if side < 5 * k { side } else { k };
        let fitted = linfa_reduction::Pca::params(asked)
            .fit(&DatasetBase::from(centred))
            .map_err(|e| PcaError::Solver(e.to_string()))?;
        let found = fitted.components();
        Ok(found.slice_axis(Axis(0), Slice::from(..k.min(found.nrows()))).to_owned())
    }
}

/// Components by LAPACK's full decomposition; the rank is cut where linfa cuts it.
#[cfg(feature = "lapack")]
mod solver {
    use super::{PcaError, svd};
    use ndarray::{Array2, Axis, Slice};
    use rand::Rng;

    pub(super) fn components<E>(
        centred: &Array2<f64>,
        k: usize,
        rng: &mut impl Rng,
        check: impl Fn() -> Result<(), E>,
    ) -> Result<Array2<f64>, PcaError<E>> {
        let leading = svd::leading(centred.view(), k, rng, check).map_err(PcaError::Stopped)?;
        let largest = leading.values.first().copied().unwrap_or(0.0);
        let cut = f64::EPSILON * 1e6 * largest * largest;
        let rank = leading.values.iter().take_while(|&&v| v * v > cut).count();
        Ok(leading.vectors.slice_axis(Axis(0), Slice::from(..rank)).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use std::convert::Infallible;

    fn of(samples: &Array2<f64>, k: usize) -> Array2<f64> {
        scores(samples.view(), k, &mut seeded(0, "pca", "test"), || Ok::<_, Infallible>(())).unwrap()
    }

    fn random(n: usize, d: usize, scale: f64) -> Array2<f64> {
        let mut rng = seeded(5, "pca", "samples");
        Array2::from_shape_fn((n, d), |(_, j)| {
            scale * (3.0 + rng.gen_range(-1.0..1.0) * (1.0 + 20.0 / (1.0 + j as f64)))
        })
    }

    /// Variances of the columns must be the leading eigenvalues, and the columns uncorrelated.
    fn check_against_svd(samples: &Array2<f64>, k: usize) {
        let got = of(samples, k);
        let centred = samples - &samples.mean_axis(Axis(0)).unwrap();
        let exact = svd::leading(centred.view(), k, &mut seeded(1, "pca", "svd"), || Ok::<_, Infallible>(()))
            .unwrap();
        assert_eq!(got.ncols(), k);
        for i in 0..k {
            let want = centred.dot(&exact.vectors.row(i));
            let error = (&got.column(i) - &want).mapv(|x| x * x).sum().sqrt();
            assert!(error < 1e-4 * exact.values[i], "{:?} component {i}: {error}", samples.dim());
        }
    }

    #[test]
    fn equals_the_exact_decomposition_at_any_scale_and_shape() {
        for (n, d) in [(200, 64), (40, 300), (30, 12), (12, 30), (300, 49), (49, 48), (400, 150), (150, 1000)]
        {
            for scale in [1e-6, 1.0, 1e6] {
                check_against_svd(&random(n, d, scale), 5);
            }
        }
    }

    #[test]
    fn a_sketch_finds_what_stands_out() {
        let mut samples = random(400, 300, 1.0);
        for i in (0..400).step_by(9) {
            samples.row_mut(i).iter_mut().step_by(3).for_each(|x| *x += 40.0);
        }
        let narrow = samples.mapv(|x| x as f32);
        let all: Vec<usize> = (0..400).collect();
        let got =
            sketched(narrow.view(), &all, 5, &mut seeded(2, "pca", "sketch"), || Ok::<_, Infallible>(()))
                .unwrap();
        let exact = of(&samples, 5);
        for i in 0..2 {
            let off = (&got.column(i) - &exact.column(i)).mapv(|x| x * x).sum().sqrt();
            let flipped = (&got.column(i) + &exact.column(i)).mapv(|x| x * x).sum().sqrt();
            let length = exact.column(i).mapv(|x| x * x).sum().sqrt();
            assert!(off.min(flipped) < 1e-3 * length, "component {i}: {off} of {length}");
        }
        let spread = |m: &Array2<f64>| m.mapv(|x| x * x).sum();
        assert!(spread(&got) > 0.9 * spread(&exact) && spread(&got) < spread(&exact) * 1.000_001);
        let flat = sketched(
            Array2::<f32>::ones((200, 150)).view(),
            &all[..200],
            5,
            &mut seeded(2, "pca", "flat"),
            || Ok::<_, Infallible>(()),
        );
        assert!(flat.unwrap().iter().all(|x| x.is_finite()));
    }

    #[test]
    fn degenerate_samples_do_not_crash() {
        assert_eq!(of(&Array2::zeros((20, 5)), 3).dim(), (20, 0));
        assert_eq!(of(&Array2::zeros((1, 5)), 3).dim(), (1, 0));
        assert_eq!(of(&Array2::zeros((0, 5)), 3).dim(), (0, 0));
        for (n, d) in [(30, 8), (200, 300)] {
            let line = Array2::from_shape_fn((n, d), |(i, j)| i as f64 * (j as f64 + 1.0));
            let got = of(&line, 5);
            assert!(got.ncols() >= 1 && got.iter().all(|x| x.is_finite()), "{:?}", got.dim());
            let total: f64 = got.iter().map(|x| x * x).sum();
            let first: f64 = got.column(0).iter().map(|x| x * x).sum();
            assert!((1.0 - first / total) < 1e-6);
        }
        let two = Array2::from_shape_fn((10, 3), |(i, _)| f64::from(i < 5));
        assert!(of(&two, 3).iter().all(|x| x.is_finite()));
        assert_eq!(of(&random(11, 10, 1.0), 10).ncols(), 10);
    }
}
