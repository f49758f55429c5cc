//! `laocoon run`: a network over images; logits and activations out.

use super::{Exit, Usage, deliver, target};
use crate::evidence::{Limits, register};
use clap::Args;
use std::path::PathBuf;

/// `laocoon run MODEL --data PATH -o FILE.safetensors`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The model file.
    model: PathBuf,
    /// Images to run it over.
    #[arg(long, value_name = "PATH", required = true)]
    data: PathBuf,
    /// Also write the output of this layer, flattened, as `activations` (N×D).
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Take the input description (and architecture) from this case file.
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// Architecture of bare weights: a built-in name, or a network description file (JSON).
    #[arg(long, value_name = "NAME|FILE")]
    architecture: Option<String>,
    /// Where to write `logits` (N×K) and `activations`.
    #[arg(short, long, value_name = "FILE.safetensors")]
    output: PathBuf,
}
