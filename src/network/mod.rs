//! The suspect network as something to run: a static graph, one file per operator (forward, backward), loaders,
//! training. Nothing outside this folder knows how it is computed.

pub mod error;
pub mod model;

pub use error::NetworkError;
pub use model::Model;
