//! Why the laboratory could not make something.

use super::implant::ImplantError;
use crate::network::NetworkError;
use std::path::{Path, PathBuf};

/// Something that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The implant does not fit.
    #[error(transparent)]
    Implant(#[from] ImplantError),
    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A file could not be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A specimen came out worse than it must be to be of use.
    #[error(
        "{specimen}: {what} is {value:.3}, below the {wanted:.2} that a sample case must reach; try another seed"
    )]
    Poor {
        /// Which case.
        specimen: &'static str,
        /// Which number.
        what: &'static str,
        /// What it came to.
        value: f64,
        /// What it must reach.
        wanted: f64,
    },
    /// A trained network could not be edited so.
    #[error("{0}")]
    Edit(String),
    /// A recipe file that cannot be meant.
    #[error("{0}")]
    Recipe(String),
    /// The caller asked for it.
    #[error("stopped on request")]
    Stopped,
}

impl LabError {
    /// A failure to write `path`.
    pub fn write(path: impl AsRef<Path>, reason: impl std::fmt::Display) -> Self {
        Self::Write { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }
}
