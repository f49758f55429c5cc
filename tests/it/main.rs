//! One binary for all integration tests.

mod data_side;
mod model_side;
mod network;
mod shared;
