//! Writing a network: the same network gives the same bytes.

use super::{Graph, NetworkError};
use crate::evidence::safetensors::{Stored, write};
use std::collections::BTreeMap;

pub use super::onnx::write as onnx;

/// The parameters as a safetensors file, under their names.
///
/// # Errors
/// Two parameters of one name.
pub fn safetensors(graph: &Graph) -> Result<Vec<u8>, NetworkError> {
    let arrays: Vec<(&str, Stored)> =
        graph.params.iter().map(|p| (p.name.as_str(), Stored::from(p.value.view()))).collect();
    write(arrays.iter().map(|(name, array)| (*name, array)), &BTreeMap::new())
        .map_err(|e| NetworkError::malformed("parameters", e.to_string()))
}
