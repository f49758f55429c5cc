//! The suspect network as something to run: a static graph, one file per operator (forward, backward), loaders,
//! training. Nothing outside this folder knows how it is computed.
//!
//! ```text
//! file ─load─▶ graph::Graph ─from_graph─▶ Model {logits, activations, input_gradient}
//!                    └─ fold: batch norm and `ReLU` merged into what comes before, for speed
//! ```
//!
//! Everything large is done by the kernels of `laocoon-kernels` on interleaved images (`order.rs`) with weights packed
//! once (`pack.rs`).

#[cfg(test)]
pub(crate) mod check;
pub mod description;
pub mod error;
mod fold;
pub mod graph;
pub mod keras;
pub mod load;
pub mod model;
pub mod onnx;
pub mod op;
mod order;
pub mod pack;
mod run;
pub mod save;
pub mod scalar;
pub mod show;
pub mod train;

pub use error::NetworkError;
pub use graph::{Builder, Graph};
pub use model::Model;
