//! Kernels of the network executor: convolutions and matrix products, forward and backward, over packed weights and
//! vector instructions chosen at run time. Safe Rust throughout; images are interleaved (N×H×W×C).
//!
//! A package of its own so that it is compiled with optimisation in every profile. Everything is sequential: callers
//! run pieces in parallel, and results depend on no number of threads.

#![expect(
    clippy::inline_always,
    reason = "instructions may only be used inside the function that enters their level"
)]

pub mod conv;
pub mod each;
mod lanes;
mod level;
mod matrix;
pub mod order;
pub mod points;
pub mod pool;
mod product;
pub mod thin;

pub use conv::Conv;
pub use lanes::Real;
pub use level::Level;
pub use matrix::{Matrix, outer_products};
pub use product::{Clamp, Finish};

/// Memory that kernels work in; reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T> {
    left: Vec<T>,
    right: Vec<T>,
    sums: Vec<T>,
}

impl<T: Real> Scratch<T> {
    /// Room for so many numbers each, with whatever is in them.
    fn two(&mut self, left: usize, sums: usize) -> (&mut [T], &mut [T]) {
        if self.left.len() < left {
            self.left.resize(left, T::ZERO);
        }
        if self.sums.len() < sums {
            self.sums.resize(sums, T::ZERO);
        }
        (&mut self.left[..left], &mut self.sums[..sums])
    }
}
