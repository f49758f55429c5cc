//! Features as distances from clean images: centred on the clean mean of the label, whitened by the spread of clean
//! images within their classes.

use crate::procedure::Stop;
use linfa_linalg::cholesky::CholeskyInplace;
use linfa_linalg::triangular::{SolveTriangularInplace, UPLO};
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// Share of the mean variance that is mixed into the covariance, so that it can be inverted with few clean images.
const SHRINK: f64 = 0.1;

/// What clean images of every class look like in one view.
#[derive(Debug)]
pub struct Space {
    /// K×D: mean of the clean images of a class; of its training samples where there are fewer than two.
    means: Array2<f32>,
    /// Clean images behind each mean.
    counts: Vec<usize>,
    /// D×D: z = (x − μ) · whitener has unit spread within classes.
    whitener: Array2<f32>,
}

impl Space {
    /// Learns a space from clean images (M×D with a class each). `fallback` (K×D) stands in for the mean of a class
    /// with fewer than `fewest` (at least 1) of them.
    ///
    /// # Errors
    /// A covariance that cannot be decomposed (values past the range of numbers).
    pub fn learn(
        clean: ArrayView2<f32>,
        classes: &[usize],
        fallback: &Array2<f32>,
        fewest: usize,
    ) -> Result<Self, Stop> {
        let (k, d) = fallback.dim();
        if d == 0 {
            return Ok(Self { means: fallback.clone(), counts: vec![0; k], whitener: Array2::zeros((0, 0)) });
        }
        let mut counts = vec![0usize; k];
        let mut sums = Array2::<f64>::zeros((k, d));
        for (row, &class) in clean.rows().into_iter().zip(classes) {
            if class < k {
                counts[class] += 1;
                sums.row_mut(class).zip_mut_with(&row, |s, &x| *s += f64::from(x));
            }
        }
        let mut means = fallback.clone();
        for (class, &count) in counts.iter().enumerate().filter(|(_, count)| **count >= fewest.max(1)) {
            means.row_mut(class).zip_mut_with(&sums.row(class), |m, &s| *m = (s / count as f64) as f32);
        }
        let used: Vec<usize> = (0..classes.len()).filter(|&i| classes[i] < k).collect();
        let mut centred = clean.select(Axis(0), &used);
        for (mut row, &i) in centred.rows_mut().into_iter().zip(&used) {
            row -= &means.row(classes[i]);
        }
        let degrees = used.len().saturating_sub(counts.iter().filter(|&&c| c > 0).count()).max(1);
        let mut covariance = centred.t().dot(&centred).mapv(f64::from) / degrees as f64;
        let mean_variance = covariance.diag().sum() / d.max(1) as f64;
        // All equal: any yardstick is as good as another.
        let ridge = if mean_variance > 0.0 { SHRINK * mean_variance } else { 1.0 };
        covariance *= 1.0 - SHRINK;
        covariance.diag_mut().mapv_inplace(|v| v + ridge);
        let failed = |e| Stop::failed(format!("the covariance of clean images cannot be decomposed: {e}"));
        covariance.cholesky_inplace().map_err(failed)?;
        let mut inverse = Array2::<f64>::eye(d);
        covariance.solve_triangular_inplace(&mut inverse, UPLO::Lower).map_err(failed)?;
        Ok(Self { means, counts, whitener: inverse.t().mapv(|x| x as f32) })
    }

    /// Samples (N×D) relative to the clean mean of the class of each, whitened. A class past K is taken as it is.
    pub fn whiten(&self, samples: ArrayView2<f32>, classes: &[usize]) -> Array2<f32> {
        let mut centred = samples.to_owned();
        for (mut row, &class) in centred.rows_mut().into_iter().zip(classes) {
            if class < self.means.nrows() {
                row -= &self.means.row(class);
            }
        }
        centred.dot(&self.whitener)
    }

    /// Squared length of whitened samples, corrected for the error of a mean of few images.
    pub fn distances(&self, whitened: &Array2<f32>, classes: &[usize]) -> Array1<f32> {
        let correct = |(row, &class): (ndarray::ArrayView1<f32>, &usize)| {
            let count = self.counts.get(class).copied().unwrap_or(0).max(1);
            row.dot(&row) / (1.0 + 1.0 / count as f32)
        };
        whitened.rows().into_iter().zip(classes).map(correct).collect()
    }
}

/// K×D medians per feature of the samples of each class, zero for a class without any.
pub fn medians(samples: ArrayView2<f32>, members: &[Vec<usize>]) -> Array2<f32> {
    let mut out = Array2::zeros((members.len(), samples.ncols()));
    for (mut row, members) in out.rows_mut().into_iter().zip(members) {
        for (j, to) in row.iter_mut().enumerate() {
            let values: Vec<f64> = members.iter().map(|&i| f64::from(samples[[i, j]])).collect();
            *to = crate::math::robust::median(&values).unwrap_or(0.0) as f32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use rand::Rng;

    #[test]
    fn whitened_clean_images_have_unit_spread_around_their_class() {
        let mut rng = seeded(3, "space", "test");
        let classes: Vec<usize> = (0..2000).map(|i| i % 2).collect();
        // Standard deviations .5, 1 and 2 of uniform noise, mixed, around different means.
        let clean = Array2::from_shape_fn((2000, 3), |(i, j)| {
            let noise: f32 = rng.gen_range(-1.0f32..1.0) * 3f32.sqrt();
            noise * [0.5, 1.0, 2.0][j] + 7.0 * (i % 2) as f32
        });
        let mut mixed = clean.clone();
        mixed.column_mut(1).zip_mut_with(&clean.column(0), |a, &b| *a += 3.0 * b);
        let space = Space::learn(mixed.view(), &classes, &Array2::zeros((2, 3)), 2).unwrap();
        let z = space.whiten(mixed.view(), &classes);
        let covariance = z.t().dot(&z) / 1998.0;
        // Shrinking leaves directions of small variance shorter; none may be longer than 1/0.9.
        let mean = z.mean_axis(Axis(0)).unwrap();
        assert!(mean.iter().all(|m| m.abs() < 1e-4), "{mean}");
        assert!(covariance.diag().iter().all(|&v| v > 0.2 && v < 1.0 / 0.9 + 0.01), "{covariance}");
        assert!(covariance[[0, 2]].abs() < 0.05, "{covariance}");
        let far = ndarray::array![[0.0f32, 0.0, 40.0], [7.0, 21.0 + 7.0, 7.0]];
        let d = space.distances(&space.whiten(far.view(), &[0, 1]), &[0, 1]);
        assert!(d[0] > 100.0 && d[1] < 1.0, "{d}");
    }

    #[test]
    fn few_and_equal_images_are_survived() {
        let fallback = Array2::from_elem((3, 4), 2.0f32);
        let one = Array2::from_elem((1, 4), 5.0f32);
        let space = Space::learn(one.view(), &[1], &fallback, 2).unwrap();
        let z = space.whiten(Array2::from_elem((2, 4), 2.0f32).view(), &[1, 9]);
        assert!(z.row(0).iter().all(|&x| x == 0.0) && z.iter().all(|x| x.is_finite()));
        let none = Space::learn(Array2::zeros((0, 4)).view(), &[], &fallback, 2).unwrap();
        assert!(none.whiten(one.view(), &[0]).iter().all(|&x| (x - 3.0).abs() < 1e-6));
    }
}
