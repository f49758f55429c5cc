//! `case.toml`: what the responder was handed and asks.

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

mod given;
mod parse;

use super::{EvidenceError, Limits, Role, text};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// Name of the file that makes a folder a case.
pub const CASE_FILE: &str = "case.toml";

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
    /// Material about the pipeline that made the model.
    #[serde(default)]
    pub pipeline: Option<Box<Pipeline>>,
    /// Where and how the model was used.
    #[serde(default)]
    pub deployment: Option<Box<Deployment>>,
    /// Who asked, on whose authority, how it is to be handled; for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Box<Handling>>,
    /// Sections that are recognised but not examined by this version, so that the report can say so.
    pub unexamined: Vec<String>,
    /// The text of the file, kept for the session folder; made up when there was none.
    pub text: String,
    /// Folder of the case file: what a path is relative to.
    pub root: PathBuf,
}

/// What `[case]` may say about the request, as written; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// Who asked for the examination.
    pub requester: Option<String>,
    /// On whose authority, and within which scope.
    pub authority: Option<String>,
    /// Organisation that examines.
    pub organisation: Option<String>,
    /// How far the report may travel ("TLP:AMBER").
    pub classification: Option<String>,
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
    /// Signature, bundle, attestation or bill of materials about the file.
    pub signature: Option<PathBuf>,
    /// Public key or root certificates that the signature is judged by.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Class names.
    pub labels: Option<PathBuf>,
    /// How pixels become network input; `None` leaves it to the network's own shape, range 0..1, no normalisation.
    pub input: Option<InputSpec>,
    /// The responder said that a file which would act when loaded is to be analysed all the same (as data).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub analyse_flagged: bool,
    /// Weights that an ONNX file keeps in files beside it are to be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external_data: bool,
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

/// `[pipeline]`: files and folders, as written; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Folder of definitions, scripts and configurations as they were reviewed.
    pub baseline: Option<PathBuf>,
    /// The same folder as it was found.
    pub current: Option<PathBuf>,
    /// List of artefacts in order, with digests (JSON).
    pub stages: Option<PathBuf>,
    /// Metrics of the training run (CSV).
    pub metrics: Option<PathBuf>,
    /// Metrics of a run that is trusted (CSV).
    pub expected: Option<PathBuf>,
    /// Use of the accelerators over time.
    pub compute: Option<PathBuf>,
    /// Dollars per hour and accelerator (CSV `gpu,usd_per_hour`); the shipped table, if absent.
    pub prices: Option<PathBuf>,
    /// Network flows of the training machines.
    pub egress: Option<PathBuf>,
    /// Hosts that may be talked to, one a line.
    pub allow: Option<PathBuf>,
    /// Folder of checkpoints of one run.
    pub checkpoints: Option<PathBuf>,
}

/// `[deployment]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Day it was first seen in use, as written.
    pub first_seen: Option<String>,
    /// Day it was last seen in use, as written.
    pub last_seen: Option<String>,
    /// Requests per day.
    pub requests_per_day: Option<u64>,
    /// Log of what it answered (CSV).
    pub log: Option<PathBuf>,
}

impl CaseFile {
    /// Reads `case.toml`; its folder becomes [`CaseFile::root`].
    ///
    /// # Errors
    /// Unreadable, no TOML, an unknown or missing key, a value that cannot be meant, a path that leaves the folder:
    /// with file, line and what is allowed.
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, EvidenceError> {
        let (_, text) = super::intake::read_text(path, limits)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = std::fs::canonicalize(folder)
            .map_err(|e| EvidenceError::whole(folder, "intake.open", e.to_string()))?;
        Self::parse(&text, path, &root)
    }

    /// Parses the text of a case file; `path` is for messages, `root` the folder that paths are relative to.
    ///
    /// # Errors
    /// As [`CaseFile::read`].
    pub fn parse(text: &str, path: &Path, root: &Path) -> Result<Self, EvidenceError> {
        parse::parse(text, path, root)
    }

    /// The case for what was given on the command line: `paths` as arguments, `data` as the values of `--data`
    /// (`PATH` or `ROLE=PATH` with role `training`, `clean`, `test` or `suspect`; without a role, `clean`).
    ///
    /// The first path may be a case folder, a `case.toml`, a model file or a data set. A data set without a model is
    /// a data-only case and plays the role `training`; beside a model it is `clean`. Further files that are no data
    /// set become artefacts: looked at, never run. These paths may be anywhere.
    ///
    /// # Errors
    /// Nothing given, a missing path, an unknown role, or what [`CaseFile::read`] refuses.
    pub fn from_paths(paths: &[PathBuf], data: &[String], limits: &Limits) -> Result<Self, EvidenceError> {
        given::from_paths(paths, data, limits)
    }

    /// Where a path of this case is on disk. Relative paths (from the case file) are confined to the case's folder,
    /// also through symbolic links; absolute ones were given on the command line and may be anywhere.
    ///
    /// # Errors
    /// The path leaves the folder.
    pub fn locate(&self, path: &Path) -> Result<PathBuf, EvidenceError> {
        let outside = |why: &str| {
            let reason = format!("{why}; paths of a case file must stay in its folder");
            Err(EvidenceError::whole(path, "case.path", reason))
        };
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        if let Some(why) = leaves_folder(path) {
            return outside(why);
        }
        let full = self.root.join(path);
        // Resolve the folder it is in, not the file itself: intake refuses a link there with its own message.
        let parent = full.parent().and_then(|p| std::fs::canonicalize(p).ok());
        match (parent, std::fs::canonicalize(&self.root)) {
            (Some(parent), Ok(root)) if !parent.starts_with(&root) => outside("a symbolic link leads out"),
            _ => Ok(full),
        }
    }

    /// The network description, when `architecture` names a file and not a built-in.
    pub fn architecture_file(&self) -> Option<&Path> {
        let name = self.model.as_ref()?.architecture.as_deref()?;
        is_description(name).then(|| Path::new(name))
    }
}

/// Whether an `architecture` is the path of a network description and not a built-in name.
fn is_description(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some()
}

/// Why a relative path could leave its folder, judged by its text alone.
pub(super) fn leaves_folder(path: &Path) -> Option<&'static str> {
    if path.as_os_str().is_empty() {
        return Some("it is empty");
    }
    path.components().find_map(|c| match c {
        Component::ParentDir => Some("it has a '..'"),
        Component::RootDir | Component::Prefix(_) => Some("it is absolute"),
        Component::CurDir | Component::Normal(_) => None,
    })
}

/// A digest as 64 lower-case hex digits.
fn digest(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    (lower.len() == 64 && lower.bytes().all(|b| b.is_ascii_hexdigit())).then_some(lower)
}

/// The part of a message that quotes evidence.
fn quoted(text: &str) -> String {
    format!("'{}'", text::visible(text))
}

#[cfg(test)]
mod tests;
