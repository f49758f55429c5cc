//! Network descriptions: the layers of a network as JSON, for weights that come without them (safetensors).
//!
//! ```json
//! {"format": "laocoon-network-1", "num_classes": 10,
//!  "input": {"name": "input", "shape": [1, 28, 28], "mean": [0.0], "std": [1.0]},
//!  "nodes": [
//!    {"name": "conv1", "op": "conv2d", "inputs": ["input"], "out_channels": 16, "kernel": [3, 3],
//!     "stride": [1, 1], "padding": [1, 1], "params": {"weight": "conv1.weight", "bias": "conv1.bias"}},
//!    {"name": "relu1", "op": "relu", "inputs": ["conv1"]},
//!    {"name": "flat", "op": "flatten", "inputs": ["relu1"]},
//!    {"name": "fc", "op": "linear", "inputs": ["flat"], "out_features": 10,
//!     "params": {"weight": "fc.weight", "bias": "fc.bias"}}],
//!  "output": "fc"}
//! ```
//!
//! Nodes are in execution order and read earlier nodes, or the input, by name. The operators and their fields are in
//! [`node`]. The format name `zoo-arch-1` means the same.

mod build;
pub mod builtin;
pub mod known;
pub mod node;
#[cfg(test)]
mod tests;

pub use build::{ParamKind, Wanted};
pub use node::{NodeDescription, Size};

use super::{Graph, NetworkError};
use crate::evidence::{InputSpec, Limits};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

/// Our name for the format.
pub const FORMAT: &str = "laocoon-network-1";

/// Other names that mean the same.
const ALSO: [&str; 1] = ["zoo-arch-1"];

/// A network without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the architecture, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Number of classes; checked against the output when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_classes: Option<usize>,
    /// Class names, when known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// What enters.
    pub input: InputDescription,
    /// Nodes in execution order.
    pub nodes: Vec<NodeDescription>,
    /// Name of the node whose value leaves.
    pub output: String,
}

/// What enters a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputDescription {
    /// The name nodes read it by.
    #[serde(default = "input_name")]
    pub name: String,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Order of the axes; only `NCHW` is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// What pixel values 0 and 255 become before normalisation.
    #[serde(default = "unit_range")]
    pub range: [f32; 2],
    /// Per channel; empty: 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// Per channel; empty: 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub std: Vec<f32>,
}

fn input_name() -> String {
    "input".into()
}

fn unit_range() -> [f32; 2] {
    [0.0, 1.0]
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// Not JSON of this form, with line and column; another format.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let description: Self = serde_json::from_str(text).map_err(|e| {
            let reason = crate::evidence::text::visible(&e.to_string());
            NetworkError::malformed(
                format!("line {}", e.line()),
                format!("not a network description: {reason}"),
            )
        })?;
        if description.format != FORMAT && !ALSO.contains(&description.format.as_str()) {
            let found = crate::evidence::text::visible(&description.format);
            return Err(NetworkError::malformed("format", format!("is '{found}', '{FORMAT}' is read")));
        }
        if description.input.layout.as_deref().is_some_and(|l| l != "NCHW") {
            return Err(NetworkError::malformed("input.layout", "is not 'NCHW'"));
        }
        Ok(description)
    }

    /// The description as JSON, the same bytes for the same network.
    ///
    /// # Errors
    /// Never for a description of numbers that JSON can hold (no NaN).
    pub fn to_json(&self) -> Result<String, NetworkError> {
        serde_json::to_string_pretty(self).map_err(|e| NetworkError::malformed("description", e.to_string()))
    }

    /// How images enter.
    pub fn input_spec(&self) -> InputSpec {
        let InputDescription { shape, range, mean, std, .. } = self.input.clone();
        InputSpec { shape, range, mean, std }
    }

    /// The graph with its parameters, each asked of `weights` by name, purpose and shape.
    ///
    /// # Errors
    /// Names the node: an unknown operator or field, shapes that do not fit; or whatever `weights` says.
    pub fn build(
        &self,
        limits: &Limits,
        weights: &mut dyn FnMut(&Wanted) -> Result<ArrayD<f32>, NetworkError>,
    ) -> Result<Graph, NetworkError> {
        build::build(self, limits, weights)
    }
}
