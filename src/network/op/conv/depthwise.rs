//! Convolutions of one input channel each, tap by tap.

use super::geometry::Geometry;
use crate::network::scalar::Scalar;

pub(super) fn forward<T: Scalar>(g: &Geometry, n: usize, x: &[T], weight: &[T], y: &mut [T]) {
    y.fill(T::zero());
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &weight[plane % g.channels * g.depth..][..g.depth];
        let (x, y) = (&x[plane * g.in_pixels()..], &mut y[plane * g.out_pixels()..]);
        g.rows(|tap, out, from| {
            let w = kernel[tap];
            for (t, &v) in y[out].iter_mut().zip(x[from..].iter().step_by(step)) {
                *t += w * v;
            }
        });
    }
}

pub(super) fn input_gradient<T: Scalar>(g: &Geometry, n: usize, dy: &[T], weight: &[T], dx: &mut [T]) {
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &weight[plane % g.channels * g.depth..][..g.depth];
        let (dx, dy) = (&mut dx[plane * g.in_pixels()..], &dy[plane * g.out_pixels()..]);
        g.rows(|tap, out, to| {
            let w = kernel[tap];
            for (t, &v) in dx[to..].iter_mut().step_by(step).zip(&dy[out]) {
                *t += w * v;
            }
        });
    }
}

pub(super) fn weight_gradient<T: Scalar>(g: &Geometry, n: usize, x: &[T], dy: &[T], dw: &mut [T]) {
    let step = g.op.stride[1];
    for plane in 0..n * g.channels {
        let kernel = &mut dw[plane % g.channels * g.depth..][..g.depth];
        let (x, dy) = (&x[plane * g.in_pixels()..], &dy[plane * g.out_pixels()..]);
        g.rows(|tap, out, from| {
            let pairs = x[from..].iter().step_by(step).zip(&dy[out]);
            kernel[tap] += pairs.fold(T::zero(), |s, (&a, &b)| s + a * b);
        });
    }
}
