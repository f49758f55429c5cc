//! `case.toml`: what the responder was handed and asks.

use super::Role;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A case as read; paths are resolved against the case file's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseFile {
    /// Case id.
    pub id: String,
    /// One line.
    pub title: String,
    /// What is to be answered.
    pub questions: Vec<String>,
    /// The suspect model.
    pub model: Option<ModelEntry>,
    /// Data sets in order.
    pub data: Vec<DataEntry>,
    /// Files given without a role.
    pub artefacts: Vec<PathBuf>,
    /// Sections that are recognised but not examined by this version (`pipeline`, `deployment`), so that the report can
    /// say so.
    pub unexamined: Vec<String>,
    /// The text of the file, kept for the session folder; made up when there was none.
    pub text: String,
    /// Folder of the case file: what a path is relative to.
    pub root: PathBuf,
}

/// `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The file, as written.
    pub path: PathBuf,
    /// Built-in architecture name, or path of a network description; only for bare weights.
    pub architecture: Option<String>,
    /// Published digest.
    pub sha256: Option<String>,
    /// Detached signature.
    pub signature: Option<PathBuf>,
    /// Class names.
    pub labels: Option<PathBuf>,
    /// How pixels become network input; `None` leaves it to the network's own shape, range 0..1, no normalisation.
    pub input: Option<InputSpec>,
}

/// `[model.input]`: how an image becomes network input: `(lo + pixel/255·(hi − lo) − mean) / std` per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// What pixel values 0 and 255 become before normalisation.
    pub range: [f32; 2],
    /// Per channel; empty: 0.
    pub mean: Vec<f32>,
    /// Per channel; empty: 1. Never 0.
    pub std: Vec<f32>,
}

/// `[[data]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataEntry {
    /// training, clean, test or suspect.
    pub role: Role,
    /// The file or folder, as written.
    pub path: PathBuf,
    /// Published digest.
    pub sha256: Option<String>,
    /// Per-file digests.
    pub manifest: Option<PathBuf>,
}
