//! Eigenvalues and eigenvectors of a symmetric tridiagonal matrix.

use ndarray::{Array2, Axis, Zip};

/// All eigenvalues, ascending, and the eigenvectors as columns in the same order, by implicitly shifted QL
/// (`tql2` of EISPACK; Bowdler, Martin, Reinsch and Wilkinson 1968).
///
/// `diagonal` has n entries, `off` at least n − 1: `off[i]` couples i and i + 1. `None` when an eigenvalue does not
/// converge in 60 sweeps, which finite input does not do.
pub fn eigen(diagonal: &[f64], off: &[f64]) -> Option<(Vec<f64>, Array2<f64>)> {
    let n = diagonal.len();
    let mut d = diagonal.to_vec();
    let mut e: Vec<f64> = off.iter().copied().take(n.saturating_sub(1)).collect();
    e.resize(n, 0.0);
    // Row i of `z` is eigenvector i: rotations touch two whole rows.
    let mut z = Array2::<f64>::eye(n);
    for l in 0..n {
        let mut sweeps = 0;
        loop {
            let m = (l..n.saturating_sub(1))
                .find(|&m| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs()))
                .unwrap_or(n - 1);
            if m == l {
                break;
            }
            sweeps += 1;
            if sweeps > 60 {
                return None;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut sin, mut cos, mut p) = (1.0, 1.0, 0.0);
            let mut underflow = false;
            for i in (l..m).rev() {
                let (f, b) = (sin * e[i], cos * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    underflow = true;
                    break;
                }
                (sin, cos) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * sin + 2.0 * cos * b;
                p = sin * r;
                d[i + 1] = g + p;
                g = cos * r - b;
                let (low, high) = z.view_mut().split_at(Axis(0), i + 1);
                let (low, high) = (low.index_axis_move(Axis(0), i), high.index_axis_move(Axis(0), 0));
                Zip::from(low)
                    .and(high)
                    .for_each(|x, y| (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y));
            }
            if !underflow {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| d[a].total_cmp(&d[b]));
    let values = order.iter().map(|&i| d[i]).collect();
    Some((values, z.select(Axis(0), &order).reversed_axes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn second_difference_matrix_has_its_closed_form() {
        let n = 60;
        let (values, vectors) = eigen(&vec![2.0; n], &vec![-1.0; n - 1]).unwrap();
        for (k, &value) in values.iter().enumerate() {
            let want = 2.0 - 2.0 * ((k + 1) as f64 * PI / (n + 1) as f64).cos();
            assert!((value - want).abs() < 1e-12, "{k}: {value} {want}");
            let v = vectors.column(k);
            for i in 0..n {
                let left = if i > 0 { v[i - 1] } else { 0.0 };
                let right = if i + 1 < n { v[i + 1] } else { 0.0 };
                assert!((2.0 * v[i] - left - right - value * v[i]).abs() < 1e-12);
            }
            assert!((v.dot(&v) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn decoupled_blocks_and_trivial_sizes() {
        let (values, _) = eigen(&[3.0, 1.0, 2.0], &[0.0, 0.0]).unwrap();
        assert_eq!(values, [1.0, 2.0, 3.0]);
        assert_eq!(eigen(&[7.0], &[]).unwrap().0, [7.0]);
        assert!(eigen(&[], &[]).unwrap().0.is_empty());
    }
}
