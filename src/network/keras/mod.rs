//! Keras models (`.keras` archives and `.h5` files, Sequential and Functional) as networks. The configuration is read as
//! JSON and the weights as arrays; no class is imported, no function is called. What is not one of the layers known here
//! is refused by its name, Lambda layers and classes of others among them.
//!
//! ```text
//! file ─source─▶ configuration + weights ─graph─▶ calls of layers, in order ─layers─▶ graph::Graph
//! ```
//!
//! Keras keeps images as height × width × channels, the executor as channels × height × width. `value.rs` says how each
//! value of the one lies in the other: planes are never moved, and the rows of a dense layer behind a flatten are put in
//! our order instead.

mod activation;
mod config;
mod graph;
mod layers;
mod merge;
mod planes;
mod shapes;
mod source;
#[cfg(test)]
mod tests;
mod value;

use super::graph::Graph;
use crate::evidence::{EvidenceError, Format, InputSpec, Limits};
use std::path::Path;

/// A network as read, and what its reader learnt.
#[derive(Debug)]
pub struct Read {
    /// The network.
    pub graph: Graph,
    /// For people: visible text, one fact each.
    pub facts: Vec<String>,
    /// How images enter, where the model itself says so (it begins with a rescaling of 0..255).
    pub input: Option<InputSpec>,
}

/// Reads a Keras model. `given` (channels, height, width) fills in sizes that the file leaves open.
///
/// # Errors
/// Malformed, hostile or unsupported: names the file, the layer or array, and why.
pub fn read(
    path: &Path,
    data: &[u8],
    format: Format,
    given: Option<[usize; 3]>,
    limits: &Limits,
) -> Result<Read, EvidenceError> {
    let parts = source::Parts::of(path, data, format, limits)?;
    let source = parts.open(path, limits)?;
    graph::read(path, &source, given, limits)
}
