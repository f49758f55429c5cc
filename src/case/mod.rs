//! The case file on disk: events, hash-chained journal, content-addressed blobs, and the state they fold to. Knows
//! outcomes, runs nothing.

pub mod assessment;
pub mod blobs;
pub mod event;
pub mod gate;
pub mod journal;
pub mod session;
pub mod state;

pub use assessment::{Assessment, assess};
pub use blobs::{BlobError, Blobs};
pub use event::{Event, InputRef, Planned};
pub use journal::JournalRecord;
pub use session::{Session, SessionError};
pub use state::{CaseState, Moment, Numbered, ProcedureState, Status};
