//! Leading singular values and right singular vectors of a dense matrix.

use ndarray::{Array1, Array2, ArrayView2};
use rand::Rng;

/// The leading part of a singular value decomposition.
#[derive(Debug, Clone, PartialEq)]
pub struct Leading {
    /// Singular values, descending; as many as asked for, fewer when the matrix has lower rank, at least one.
    pub values: Vec<f64>,
    /// Right singular vectors as rows, in the same order; the largest component of each is positive.
    pub vectors: Array2<f64>,
}

/// The `k` leading right singular vectors of `matrix` (n×d, finite).
///
/// Golub–Kahan–Lanczos from a seeded start with full reorthogonalisation, run until every residual is below 1e-12
/// of the largest eigenvalue of `XᵀX`, or the Krylov space is the whole space; under the feature `lapack` LAPACK's
/// full decomposition, which draws nothing. `check` is called about every millisecond of work and ends it early.
///
/// # Errors
/// Whatever `check` returns.
pub fn leading<E>(
    matrix: ArrayView2<f64>,
    k: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Leading, E> {
    let (n, d) = matrix.dim();
    let k = k.min(n).min(d);
    check()?;
    #[cfg(feature = "lapack")]
    if let Some(exact) = exact(matrix, k) {
        return Ok(exact);
    }
    krylov(matrix, k, rng, check).map(|(leading, _)| leading)
}

/// LAPACK's decomposition; `None` when it reports a failure.
#[cfg(feature = "lapack")]
fn exact(matrix: ArrayView2<f64>, k: usize) -> Option<Leading> {
    use ndarray_linalg::SVDDC;
    let (_, values, vt) = matrix.svddc(ndarray_linalg::JobSvd::Some).ok()?;
    let mut vectors = vt?.slice_axis(ndarray::Axis(0), ndarray::Slice::from(..k)).to_owned();
    vectors.rows_mut().into_iter().for_each(point_up);
    Some(Leading { values: values.iter().take(k).copied().collect(), vectors })
}

/// The leading vectors and the orthonormal basis (as rows) of the Krylov space of `XᵀX` they were found in.
pub(super) fn krylov<E>(
    matrix: ArrayView2<f64>,
    k: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<(Leading, Array2<f64>), E> {
    let (n, d) = matrix.dim();
    // XᵀX has rank at most n; past it the space is exhausted (the spare steps take up a start outside the range).
    let most = d.min(n + 1);
    let mut basis: Vec<Array1<f64>> = Vec::new();
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut next = random_unit(d, &basis, rng);
    let mut look = (2 * k + 6).min(most);
    loop {
        check()?;
        let Some(q) = next.take() else { break };
        let mut w = transposed(matrix, &matrix.dot(&q));
        diagonal.push(q.dot(&w));
        basis.push(q);
        // Twice is enough (Kahan, Parlett).
        for _ in 0..2 {
            orthogonalise(&mut w, &basis);
        }
        let norm = w.dot(&w).sqrt();
        let largest = diagonal.iter().fold(0.0, |a: f64, &b| a.max(b));
        // An exhausted Krylov space says nothing about the rest of the space: go on from a new direction. A random
        // direction that is mapped to nothing itself says that nothing is left.
        let exhausted = norm <= 1e-14 * largest || largest == 0.0;
        if exhausted && diagonal.last().is_none_or(|&last| last <= 1e-14 * largest) {
            break;
        }
        let steps = basis.len();
        if steps < most {
            off.push(if exhausted { 0.0 } else { norm });
            next = if exhausted { random_unit(d, &basis, rng) } else { Some(w / norm) };
        }
        if steps >= look && steps < most && !exhausted {
            if converged(&diagonal, &off, k) {
                break;
            }
            look = (steps + steps / 4 + 1).min(most);
        }
    }
    Ok(ritz(&diagonal, &off, k, d, &basis))
}

/// Xᵀy. Down the rows as they lie in memory: along the columns every value would come from another cache line. Each sum is
/// taken in the same order either way, so the bits are the same.
fn transposed(matrix: ArrayView2<f64>, y: &Array1<f64>) -> Array1<f64> {
    if !matrix.is_standard_layout() {
        return matrix.t().dot(y);
    }
    let mut w = Array1::zeros(matrix.ncols());
    for (row, &weight) in matrix.rows().into_iter().zip(y) {
        w.zip_mut_with(&row, |w: &mut f64, &x| *w += x * weight);
    }
    w
}

/// Whether the `k` leading Ritz pairs have residuals below 1e-12 of the largest eigenvalue.
fn converged(diagonal: &[f64], off: &[f64], k: usize) -> bool {
    let steps = diagonal.len();
    let Some((values, vectors)) = super::tridiagonal::eigen(diagonal, off) else { return false };
    let (Some(&largest), Some(&beta)) = (values.last(), off.last()) else { return false };
    steps > k && (0..k).all(|i| beta * vectors[[steps - 1, steps - 1 - i]].abs() <= 1e-12 * largest)
}

fn ritz(diagonal: &[f64], off: &[f64], k: usize, d: usize, basis: &[Array1<f64>]) -> (Leading, Array2<f64>) {
    let steps = basis.len();
    let mut space = Array2::zeros((steps, d));
    for (mut row, q) in space.rows_mut().into_iter().zip(basis) {
        row.assign(q);
    }
    let k = k.min(steps);
    let mut values = vec![0.0; k];
    let mut vectors = Array2::zeros((k, d));
    if let Some((eigenvalues, eigenvectors)) = super::tridiagonal::eigen(diagonal, off) {
        for (i, (value, mut vector)) in values.iter_mut().zip(vectors.rows_mut()).enumerate() {
            let column = steps - 1 - i;
            *value = eigenvalues[column].max(0.0).sqrt();
            vector.assign(&eigenvectors.column(column).dot(&space));
            let norm = vector.dot(&vector).sqrt();
            vector /= norm;
            point_up(vector);
        }
    }
    (Leading { values, vectors }, space)
}

/// Fixes the sign: the component of largest magnitude (the first of equals) becomes positive.
pub(super) fn point_up(mut vector: ndarray::ArrayViewMut1<f64>) {
    let largest = vector.iter().fold(0.0, |a: f64, &b| if b.abs() > a.abs() { b } else { a });
    if largest < 0.0 {
        vector.mapv_inplace(|x| -x);
    }
}

fn orthogonalise(w: &mut Array1<f64>, basis: &[Array1<f64>]) {
    for q in basis {
        let along = q.dot(w);
        w.scaled_add(-along, q);
    }
}

/// A random unit vector orthogonal to `basis`; `None` when the basis fills the space.
fn random_unit(d: usize, basis: &[Array1<f64>], rng: &mut impl Rng) -> Option<Array1<f64>> {
    for _ in 0..3 {
        let mut w = Array1::from_shape_simple_fn(d, || rng.gen_range(-1.0..1.0));
        for _ in 0..2 {
            orthogonalise(&mut w, basis);
        }
        let norm = w.dot(&w).sqrt();
        if norm > 1e-8 {
            return Some(w / norm);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::{Axis, Slice};
    use std::convert::Infallible;

    fn top(matrix: &Array2<f64>, k: usize) -> Leading {
        leading(matrix.view(), k, &mut seeded(0, "svd", "test"), || Ok::<_, Infallible>(())).unwrap()
    }

    fn random(n: usize, d: usize) -> Array2<f64> {
        let mut rng = seeded(1, "svd", "matrix");
        Array2::from_shape_simple_fn((n, d), || rng.gen_range(-1.0..1.0))
    }

    /// An orthogonal matrix as the product of a few reflections.
    fn orthogonal(d: usize, salt: u64) -> Array2<f64> {
        let mut rng = seeded(salt, "svd", "orthogonal");
        let mut q = Array2::eye(d);
        for _ in 0..4 {
            let v = random_unit(d, &[], &mut rng).unwrap();
            let image = q.dot(&v);
            for (i, mut row) in q.rows_mut().into_iter().enumerate() {
                row.scaled_add(-2.0 * image[i], &v);
            }
        }
        q
    }

    #[test]
    fn a_known_decomposition_comes_back() {
        for (n, d) in [(120, 40), (40, 120), (1, 5), (5, 1), (64, 64)] {
            let r = n.min(d);
            let values: Vec<f64> = (0..r).map(|i| 10.0 / (1.0 + 0.3 * i as f64)).collect();
            let (u, v) = (orthogonal(n, 3), orthogonal(d, 4));
            let first = |q: &Array2<f64>| q.slice_axis(Axis(1), Slice::from(..r)).to_owned();
            let scaled = &first(&u) * &Array1::from(values.clone());
            let matrix = scaled.dot(&first(&v).t());
            let found = top(&matrix, 3);
            for (i, want) in values.iter().enumerate().take(3) {
                assert!((found.values[i] - want).abs() < 1e-9, "{n}x{d}: {:?}", found.values);
                let cosine = found.vectors.row(i).dot(&v.column(i)).abs();
                assert!((1.0 - cosine) < 1e-10, "{n}x{d} vector {i}: 1 - {}", 1.0 - cosine);
            }
        }
    }

    #[test]
    fn vectors_satisfy_their_equation_on_a_flat_spectrum() {
        let matrix = random(300, 150);
        let found = top(&matrix, 10);
        for (value, v) in found.values.iter().zip(found.vectors.rows()) {
            let image = matrix.t().dot(&matrix.dot(&v));
            let residual = &image - &(&v * (value * value));
            assert!(residual.dot(&residual).sqrt() < 1e-8 * value * value);
        }
        let gram = found.vectors.dot(&found.vectors.t());
        assert!((&gram - &Array2::<f64>::eye(10)).iter().all(|x| x.abs() < 1e-8));
        assert!(found.values.windows(2).all(|w| w[0] >= w[1]));
    }

    #[test]
    fn repeated_and_missing_directions_are_survived() {
        let repeated = Array2::from_diag(&Array1::from(vec![2.0, 2.0, 2.0, 1.0]));
        let found = top(&repeated, 4);
        for (got, want) in found.values.iter().zip([2.0, 2.0, 2.0, 1.0]) {
            assert!((got - want).abs() < 1e-9, "{:?}", found.values);
        }
        let zero = top(&Array2::zeros((6, 4)), 2);
        assert!(!zero.values.is_empty() && zero.values.iter().all(|&v| v == 0.0), "{:?}", zero.values);
        let mut one = Array2::zeros((50, 30));
        one.column_mut(7).fill(-1.0);
        let found = top(&one, 3);
        assert!(
            (found.values[0] - 50f64.sqrt()).abs() < 1e-9 && found.values.iter().skip(1).all(|&v| v < 1e-6)
        );
        assert!((found.vectors[[0, 7]] - 1.0).abs() < 1e-12, "sign fixed: largest component positive");
    }

    #[test]
    fn the_transposed_product_has_the_same_bits_as_along_the_columns() {
        for (n, d) in [(1, 1), (7, 3), (40, 65)] {
            let (matrix, y) = (random(n, d), random(n, 1).column(0).to_owned());
            assert_eq!(transposed(matrix.view(), &y), matrix.t().dot(&y));
            let other = matrix.t().as_standard_layout().into_owned();
            assert_eq!(transposed(other.t(), &y), other.dot(&y), "whatever the layout");
        }
    }

    #[test]
    fn same_seed_same_bits() {
        let matrix = random(80, 70);
        assert_eq!(top(&matrix, 4), top(&matrix, 4));
    }

    #[cfg(feature = "lapack")]
    #[test]
    fn agrees_with_lapack() {
        let matrix = random(200, 90);
        let exact = exact(matrix.view(), 5).unwrap();
        let (ours, _) =
            krylov(matrix.view(), 5, &mut seeded(0, "svd", "test"), || Ok::<_, Infallible>(())).unwrap();
        for i in 0..5 {
            assert!((exact.values[i] - ours.values[i]).abs() < 1e-9);
            assert!((&exact.vectors.row(i) - &ours.vectors.row(i)).iter().all(|x| x.abs() < 1e-6));
        }
    }
}
