//! The evidence register: one line per thing handed over.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod take;

pub use take::{Entry, Payload, Taken, entries, take_in};

use super::{EvidenceError, Format, Untrusted};
use serde::{Deserialize, Serialize};

/// What an item is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The suspect model.
    Model,
    /// Network description of a model that is bare weights.
    Architecture,
    /// Class names.
    Labels,
    /// Training data.
    Training,
    /// Images believed clean.
    Clean,
    /// Held-out test images.
    Test,
    /// Images that may carry a trigger.
    Suspect,
    /// A file given without a role (an artefact to be looked at, not run).
    Artefact,
    /// The pipeline's definitions, scripts and configurations as reviewed.
    Approved,
    /// The same as found.
    AsRun,
    /// List of the artefacts of the pipeline's stages.
    Stages,
    /// Metrics of the training run.
    Metrics,
    /// Metrics of a run that is trusted.
    Expected,
    /// Use of the accelerators over time.
    Compute,
    /// Prices of accelerators.
    Prices,
    /// Network flows.
    Egress,
    /// Hosts that may be talked to.
    AllowList,
    /// Checkpoints of one run.
    Checkpoints,
    /// What the deployed model answered.
    ServingLog,
}

impl Role {
    /// Whether it is material about the pipeline or its logs: read by the procedures about them.
    pub fn is_pipeline(self) -> bool {
        self >= Role::Approved
    }

    /// The name used in `case.toml`, JSON (`kind`) and panes.
    pub fn name(self) -> &'static str {
        match self {
            Role::Model => "model",
            Role::Architecture => "architecture",
            Role::Labels => "labels",
            Role::Training => "training",
            Role::Clean => "clean",
            Role::Test => "test",
            Role::Suspect => "suspect",
            Role::Artefact => "artefact",
            Role::Approved => "approved",
            Role::AsRun => "as-run",
            Role::Stages => "stages",
            Role::Metrics => "metrics",
            Role::Expected => "expected",
            Role::Compute => "compute",
            Role::Prices => "prices",
            Role::Egress => "egress",
            Role::AllowList => "allow-list",
            Role::Checkpoints => "checkpoints",
            Role::ServingLog => "serving-log",
        }
    }
}

/// Whether an item could be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum ItemState {
    /// Hashed, recognised, readable.
    Accepted,
    /// Not used: why (file, place, reason; already shown as visible text).
    Refused(String),
}

/// One thing handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// "E1", "E2", … in the order of the case file.
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// Path as named in the case file or on the command line.
    pub path: Untrusted,
    /// What its content is (never judged by the name alone).
    pub format: Format,
    /// Size in bytes; of a folder, the sum over its files.
    pub bytes: u64,
    /// Lower-case hex SHA-256; of a folder, over the sorted lines `sha256␠␠relative path\n` of its files.
    /// Empty only when the item could not be read at all.
    pub sha256: String,
    /// Number of files (1, or those in a folder).
    pub files: u64,
    /// Digest the case file publishes for it.
    pub published: Option<String>,
    /// Used or refused.
    #[serde(flatten)]
    pub state: ItemState,
    /// What the reader learnt, for people ("ONNX opset 17, 12 nodes, 106 k parameters"; "1,800 images 28×28×1, 10 classes").
    pub facts: Vec<Untrusted>,
}

impl Item {
    /// Refuses an item, also one that was accepted before (its network or labels turned out not to fit). The code goes
    /// into the reason, so that [`Item::refusal_code`] finds it in a journal too.
    pub fn refuse(&mut self, error: &EvidenceError) {
        self.state = ItemState::Refused(format!("{error} [{}]", error.code));
    }

    /// The reason code of a refused item, without its reason.
    pub fn refusal_code(&self) -> Option<&str> {
        match &self.state {
            ItemState::Refused(reason) => reason.strip_suffix(']')?.rsplit_once('[').map(|(_, code)| code),
            ItemState::Accepted => None,
        }
    }

    /// Whether it could be used.
    pub fn accepted(&self) -> bool {
        self.state == ItemState::Accepted
    }
}
