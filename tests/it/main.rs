//! The integration tests: one binary, one module per area.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod cases;
mod data_side;
mod house;
mod network;
mod shared;
