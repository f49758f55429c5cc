//! Did the pipeline that made the model run as it was reviewed? One procedure per kind of material that the case file's
//! sections `[pipeline]` and `[deployment]` name.

mod artefact_chain;
pub(crate) mod behavioural_screening;
mod checkpoint_lineage;
mod compute_use;
mod configuration_drift;
mod data_manifest;
mod definition_changes;
mod egress;
mod git;
pub(crate) mod material;
mod moment;
mod python;
mod sighting;
mod table;
mod training_code;
mod training_metrics;
mod tree;

pub use artefact_chain::{ARTEFACT_CHAIN, ArtefactChain};
pub use behavioural_screening::{BEHAVIOURAL_SCREENING, BehaviouralScreening};
pub use checkpoint_lineage::{CHECKPOINT_LINEAGE, CheckpointLineage};
pub use compute_use::{COMPUTE_USE, ComputeUse};
pub use configuration_drift::{CONFIGURATION_DRIFT, ConfigurationDrift};
pub use data_manifest::{DATA_MANIFEST, DataManifest};
pub use definition_changes::{DEFINITION_CHANGES, DefinitionChanges};
pub use egress::{EGRESS, Egress};
pub use training_code::{TRAINING_CODE, TrainingCode};
pub use training_metrics::{TRAINING_METRICS, TrainingMetrics};

use crate::procedure::Procedure;

/// Whether a text of a pipeline can be read as what its name says: YAML or JSON, Python, a table. Nothing is run.
pub fn readable(name: &str, text: &str) -> bool {
    match material::ending(name).as_str() {
        "py" => python::with_module(text, |module| module.errors == 0).unwrap_or(false),
        "ipynb" => python::notebook(text).is_some(),
        "csv" | "tsv" => table::Table::read(text).is_ok(),
        _ => tree::read(text).is_ok(),
    }
}

/// The procedures about a pipeline, in the order of work.
pub(super) static PROCEDURES: [&dyn Procedure; 10] = [
    &DEFINITION_CHANGES,
    &TRAINING_CODE,
    &CONFIGURATION_DRIFT,
    &DATA_MANIFEST,
    &ARTEFACT_CHAIN,
    &CHECKPOINT_LINEAGE,
    &TRAINING_METRICS,
    &COMPUTE_USE,
    &EGRESS,
    &BEHAVIOURAL_SCREENING,
];
