//! The case file on disk: events, hash-chained journal, content-addressed blobs, and the state they fold to. Knows
//! outcomes, runs nothing.

pub mod assessment;
pub mod blobs;
pub mod event;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gate;
pub mod journal;
pub mod json;
pub mod line;
pub mod session;
pub mod state;
mod timeline;
pub mod verify;
mod whole;

pub use assessment::{Assessment, assess};
pub use blobs::{BlobError, BlobKind, Blobs, record_of};
pub use event::{Event, InputRef, Planned};
pub use session::{Session, SessionError};
pub use state::{CaseState, Moment, Numbered, ProcedureState, Status};
pub use whole::write_whole;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRecord {
    /// Number, from 0 without gaps.
    pub n: u64,
    /// RFC 3339 UTC.
    pub time: String,
    /// What happened.
    pub event: Event,
    /// Hash of the record before; of the first, see [`line::anchor`].
    pub prev: String,
    /// SHA-256 over the bytes of the line up to `,"hash":"`, lower-case hex.
    pub hash: String,
}

/// The time for a journal record: RFC 3339 UTC, milliseconds. The one place in `case` that reads a clock.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Target and features of this build, for the record.
pub fn build() -> String {
    let features = if cfg!(feature = "lapack") { " lapack" } else { "" };
    format!("{}-{}{features}", std::env::consts::ARCH, std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_is_rfc_3339_utc_in_milliseconds() {
        let now = super::now();
        assert!(now.len() == 24 && now.ends_with('Z') && now.parse::<jiff::Timestamp>().is_ok(), "{now}");
    }
}
