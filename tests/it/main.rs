//! One binary for all integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::float_cmp, reason = "helpers of tests")]

mod data_side;
mod model_side;
mod network;
mod shared;
