//! Phase 2: is the model backdoored or the data poisoned? One file and one page per procedure.

pub mod activation_clustering;
pub mod classes;
pub mod features;
#[cfg(test)]
pub(crate) mod fixture;
pub mod images;
pub mod inversion;
pub mod naive;
pub mod neural_cleanse;
pub mod norm_outlier;
pub mod params;
pub mod spectral_signatures;
pub mod stamp;
pub mod thumbnails;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[
    &neural_cleanse::NEURAL_CLEANSE,
    &activation_clustering::ACTIVATION_CLUSTERING,
    &spectral_signatures::SPECTRAL_SIGNATURES,
];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
