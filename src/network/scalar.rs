//! The numbers a network is computed in: `f32` for work, `f64` to check gradients against finite differences.

use laocoon_kernels::Real;
use ndarray::NdFloat;

/// A floating-point number that the operators are generic over.
pub trait Scalar: NdFloat + Default + Real {
    /// The nearest number to `x`.
    fn of(x: f64) -> Self {
        Self::real(x)
    }

    /// As `f64`.
    fn wide(self) -> f64 {
        self.to_f64()
    }
}

impl Scalar for f32 {}
impl Scalar for f64 {}
