//! The integration tests: one binary, one module per area.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::float_cmp)]
#![expect(clippy::disallowed_methods, reason = "a test waits for a screen no longer than its patience")]

mod answer;
mod bounds;
mod cases;
mod data_side;
mod evidence;
mod faults;
mod fuzz;
mod gate;
mod hostile;
mod house;
mod model_side;
mod network;
mod pty;
mod report;
mod session;
mod shared;
