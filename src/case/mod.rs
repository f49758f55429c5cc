//! The case file on disk: events, hash-chained journal, content-addressed blobs, and the state they fold to. Knows
//! outcomes, runs nothing.

pub mod blobs;
pub mod event;
pub mod journal;
pub mod state;

pub use event::{Event, InputRef};
pub use state::{CaseState, ProcedureState, Status};
