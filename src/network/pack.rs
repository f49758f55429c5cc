//! Weights made ready for the kernels: packed when they are first used, and kept as long as they do not change.

use super::graph::Graph;
use laocoon_kernels::{Conv, Matrix};
use std::sync::OnceLock;

/// Packed weights of one direction of a node.
#[derive(Debug)]
pub enum Packed<T> {
    /// Of a convolution.
    Conv(Conv<T>),
    /// Of a fully connected layer.
    Matrix(Matrix<T>),
}

/// Packed weights of a node.
#[derive(Debug)]
pub struct Packs<T> {
    /// For the forward pass.
    pub forward: OnceLock<Packed<T>>,
    /// For gradients with respect to the input.
    pub backward: OnceLock<Packed<T>>,
}

impl<T> Default for Packs<T> {
    fn default() -> Self {
        Self { forward: OnceLock::new(), backward: OnceLock::new() }
    }
}

/// Parameters of a graph, with what is packed of them: one set per state of the parameters.
#[derive(Debug)]
pub(crate) struct Weights<'a, T> {
    /// The numbers of each parameter.
    pub(crate) params: &'a [&'a [T]],
    /// One per node.
    pub(crate) packs: &'a [Packs<T>],
}

impl<T> Clone for Weights<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Weights<'_, T> {}

/// Room for the packed weights of a graph.
pub(crate) fn packs<T>(graph: &Graph) -> Vec<Packs<T>> {
    graph.nodes.iter().map(|_| Packs::default()).collect()
}
