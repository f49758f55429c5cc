//! Sigmoid, softmax and cross-entropy, safe for any finite input.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// 1 / (1 + e⁻ˣ).
pub fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The inverse of [`sigmoid`]; `p` is first brought into `margin..=1 − margin`.
pub fn logit(p: f32, margin: f32) -> f32 {
    let p = p.clamp(margin, 1.0 - margin);
    (p / (1.0 - p)).ln()
}

/// Row-wise softmax of logits N×K.
pub fn softmax(logits: ArrayView2<f32>) -> Array2<f32> {
    let mut out = logits.to_owned();
    for mut row in out.rows_mut() {
        let top = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        row.mapv_inplace(|x| (x - top).exp());
        let sum = row.sum();
        row /= sum;
    }
    out
}

/// Cross-entropy of one row of logits to a class: −log softmax. Infinite when the class does not exist.
pub fn cross_entropy(logits: ArrayView1<f32>, class: usize) -> f64 {
    let top = logits.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let sum: f64 = logits.iter().map(|&x| f64::from(x - top).exp()).sum();
    logits.get(class).map_or(f64::INFINITY, |&x| sum.ln() - f64::from(x - top))
}

/// Gradient, in logits N×K, of the **mean** cross-entropy to one target class per row: (softmax − one-hot) / N.
pub fn cross_entropy_gradient(logits: ArrayView2<f32>, targets: &[usize]) -> Array2<f32> {
    let mut gradient = softmax(logits);
    let n = gradient.nrows().max(1) as f32;
    for (mut row, &target) in gradient.rows_mut().into_iter().zip(targets) {
        if let Some(x) = row.get_mut(target) {
            *x -= 1.0;
        }
    }
    gradient /= n;
    gradient
}

/// Index of the largest value of a row, the first of equals; 0 for an empty row.
pub fn argmax(row: ArrayView1<f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &x) in row.iter().enumerate() {
        if x > best.1 {
            best = (i, x);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn extreme_values_stay_finite() {
        assert_eq!((sigmoid(200.0), sigmoid(-200.0), sigmoid(0.0)), (1.0, 0.0, 0.5));
        assert!((logit(sigmoid(1.5), 1e-6) - 1.5).abs() < 1e-5);
        assert!(logit(1.0, 1e-6).is_finite() && logit(0.0, 1e-6).is_finite());
        let p = softmax(array![[1000.0, 0.0], [-1000.0, -1000.0]].view());
        assert_eq!(p, array![[1.0, 0.0], [0.5, 0.5]]);
        assert!((cross_entropy(array![0.0, 1000.0].view(), 0) - 1000.0).abs() < 1e-6);
        assert_eq!(cross_entropy(array![0.0, 1.0].view(), 7), f64::INFINITY);
    }

    #[test]
    fn gradient_agrees_with_finite_differences() {
        let logits = array![[0.3f32, -1.2, 2.0], [0.0, 0.5, -0.5]];
        let targets = [1, 2];
        let loss = |l: &Array2<f32>| {
            l.rows().into_iter().zip(&targets).map(|(r, &t)| cross_entropy(r, t)).sum::<f64>() / 2.0
        };
        let gradient = cross_entropy_gradient(logits.view(), &targets);
        for i in 0..2 {
            for j in 0..3 {
                let mut up = logits.clone();
                up[[i, j]] += 1e-2;
                let mut down = logits.clone();
                down[[i, j]] -= 1e-2;
                let slope = (loss(&up) - loss(&down)) / 2e-2;
                assert!((slope - f64::from(gradient[[i, j]])).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        assert_eq!(argmax(array![1.0, 3.0, 3.0].view()), 1);
        assert_eq!(argmax(array![f32::NAN, -1.0].view()), 1);
    }
}
