//! The numbers a network is computed in: `f32` for work, `f64` to check gradients against finite differences.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, NdFloat};

/// A floating-point number that the operators are generic over.
pub trait Scalar: NdFloat + Default {
    /// The nearest number to `x`.
    fn of(x: f64) -> Self;
    /// As `f64`.
    fn wide(self) -> f64;
}

impl Scalar for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
}

/// The first `rows × cols` numbers as a row-major matrix. Panics when there are fewer: lengths come from the graph's
/// checked shapes, never from evidence directly.
pub(crate) fn matrix<T>(data: &[T], rows: usize, cols: usize) -> ArrayView2<'_, T> {
    match ArrayView2::from_shape((rows, cols), &data[..rows * cols]) {
        Ok(view) => view,
        Err(_) => unreachable!("a slice of rows × cols numbers is a matrix"),
    }
}

/// See [`matrix`].
pub(crate) fn matrix_mut<T>(data: &mut [T], rows: usize, cols: usize) -> ArrayViewMut2<'_, T> {
    match ArrayViewMut2::from_shape((rows, cols), &mut data[..rows * cols]) {
        Ok(view) => view,
        Err(_) => unreachable!("a slice of rows × cols numbers is a matrix"),
    }
}

/// `c = a · b`, or `c += a · b` with `add`.
pub(crate) fn gemm<T: Scalar>(a: &ArrayView2<T>, b: &ArrayView2<T>, add: bool, c: &mut ArrayViewMut2<T>) {
    general_mat_mul(T::one(), a, b, if add { T::one() } else { T::zero() }, c);
}
