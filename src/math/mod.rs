//! Numbers without domain words: robust location and scale, PCA, clustering, optimisers, intervals, seeded
//! randomness, over `ndarray` and `linfa`.

pub mod rng;
pub mod robust;
pub mod svd;
pub mod tridiagonal;
