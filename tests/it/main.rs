//! One binary for all integration tests.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod data_side;
mod model_side;
mod network;
mod session;
mod shared;
