//! Phase 2: is the model backdoored or the data poisoned? One file and one page per procedure.

pub mod activation_clustering;
pub mod calibration;
pub mod class_pairs;
pub mod class_shift;
pub mod classes;
pub mod features;
#[cfg(test)]
pub(crate) mod fixture;
pub mod head_probe;
pub mod images;
pub mod inputs;
pub mod invert;
pub mod label_issues;
pub mod leads;
pub mod maximum_margin;
pub mod model_verdict;
pub mod neighbours;
pub mod neural_cleanse;
pub mod params;
pub mod patch_search;
pub mod poisoned;
pub mod spectral_signatures;
pub mod spectre;
pub mod stamp;
pub mod sweep;
pub mod thumbnails;
pub mod weight_test;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[
    &weight_test::WEIGHT_TEST,
    &head_probe::HEAD_PROBE,
    &maximum_margin::MAXIMUM_MARGIN,
    &patch_search::PATCH_SEARCH,
    &neural_cleanse::NEURAL_CLEANSE,
    &sweep::UNIVERSAL_PERTURBATION,
    &sweep::FEATURE_PERTURBATION,
    &sweep::WARP_SEARCH,
    &class_pairs::CLASS_PAIRS,
    &class_shift::CLASS_SHIFT,
    &activation_clustering::ACTIVATION_CLUSTERING,
    &spectral_signatures::SPECTRAL_SIGNATURES,
    &label_issues::LABEL_ISSUES,
    &neighbours::outliers::OUTLIERS,
    &neighbours::near_duplicates::NEAR_DUPLICATES,
    &leads::scan_test::TWO_COMPONENTS,
    &leads::beatrix::BEATRIX,
    &leads::prediction_check::PREDICTION_CHECK,
    &poisoned::POISONED_SAMPLES,
    &inputs::STRIP,
    &inputs::SCALE_UP,
    &inputs::IBD_PSC,
    &poisoned::common_patch::COMMON_PATCH,
    &model_verdict::MODEL_VERDICT,
];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
