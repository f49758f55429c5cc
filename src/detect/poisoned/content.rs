//! What a picture shows, as far as an early layer tells: a linear classifier that has seen clean images only.

use crate::procedure::Stop;
use linfa_linalg::cholesky::CholeskyInplace;
use linfa_linalg::triangular::{SolveTriangularInplace, UPLO};
use ndarray::{Array1, Array2, Axis};

/// Weight of the ridge, in mean variances.
const RIDGE: f64 = 0.1;

/// Ridge regression from early features to classes.
#[derive(Debug)]
pub struct Content {
    mean: Array1<f32>,
    /// D×K.
    weights: Array2<f32>,
    offset: Array1<f32>,
}

impl Content {
    /// Learns from clean images (M×D) and their classes.
    ///
    /// # Errors
    /// Features past the range of numbers.
    pub fn learn(features: &Array2<f32>, classes: &[usize], k: usize) -> Result<Self, Stop> {
        let (m, d) = features.dim();
        let mean = features.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
        let x = features - &mean;
        let mut y = Array2::<f32>::zeros((m, k));
        for (mut row, &class) in y.rows_mut().into_iter().zip(classes) {
            if let Some(v) = row.get_mut(class) {
                *v = 1.0;
            }
        }
        let offset = y.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(k));
        y -= &offset;
        let mut gram = x.t().dot(&x).mapv(f64::from);
        let mean_variance = gram.diag().sum() / d.max(1) as f64;
        let ridge = if mean_variance > 0.0 { RIDGE * mean_variance } else { 1.0 };
        gram.diag_mut().mapv_inplace(|v| v + ridge);
        let failed = |e| Stop::failed(format!("early features cannot be decomposed: {e}"));
        gram.cholesky_inplace().map_err(failed)?;
        let mut weights = x.t().dot(&y).mapv(f64::from);
        gram.solve_triangular_inplace(&mut weights, UPLO::Lower).map_err(failed)?;
        let upper = gram.reversed_axes().as_standard_layout().into_owned();
        upper.solve_triangular_inplace(&mut weights, UPLO::Upper).map_err(failed)?;
        Ok(Self { mean, weights: weights.mapv(|w| w as f32), offset })
    }

    /// The class each sample (N×D) looks like.
    pub fn classify(&self, features: &Array2<f32>) -> Vec<usize> {
        let scores = (features - &self.mean).dot(&self.weights) + &self.offset;
        scores.rows().into_iter().map(crate::math::softmax::argmax).collect()
    }

    /// Whether each sample (N×D) looks like another class than its label.
    pub fn disagrees(&self, features: &Array2<f32>, labels: &[usize]) -> Vec<bool> {
        self.classify(features).into_iter().zip(labels).map(|(seen, &label)| seen != label).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use rand::Rng;

    #[test]
    fn it_tells_what_clean_images_tell() {
        let mut rng = seeded(5, "content", "test");
        let classes: Vec<usize> = (0..300).map(|i| i % 3).collect();
        let mut draw = |n: usize| {
            Array2::from_shape_fn((n, 8), |(i, j)| {
                rng.gen_range(-0.5f32..0.5) + f32::from(u8::from(j == i % 3)) * 2.0
            })
        };
        let (train, test) = (draw(300), draw(90));
        let content = Content::learn(&train, &classes, 3).unwrap();
        let shown: Vec<usize> = (0..90).map(|i| i % 3).collect();
        assert!(content.disagrees(&test, &shown).iter().filter(|&&d| d).count() < 5);
        let wrong: Vec<usize> = (0..90).map(|i| (i + 1) % 3).collect();
        assert!(content.disagrees(&test, &wrong).iter().filter(|&&d| !d).count() < 5);
        let flat = Content::learn(&Array2::ones((4, 3)), &[0, 1, 2, 9], 3).unwrap();
        assert_eq!(flat.disagrees(&Array2::ones((1, 3)), &[5]), [true]);
    }
}
