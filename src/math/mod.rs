//! Numbers without domain words: robust location and scale, PCA, clustering, optimisers, intervals, seeded
//! randomness, over `ndarray` and `linfa`.

pub mod adam;
pub mod cluster;
pub mod dip;
pub mod neighbours;
pub mod pca;
pub mod rng;
pub mod robust;
pub mod softmax;
pub mod stats;
pub mod svd;
pub mod tridiagonal;
