//! The case file on disk: events, hash-chained journal, content-addressed blobs, and the state they fold to. Knows
//! outcomes, runs nothing.

pub mod assessment;
pub mod blobs;
pub mod bundle;
pub mod diff;
pub mod event;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gate;
pub mod journal;
pub mod json;
pub mod line;
pub mod redact;
pub mod seal;
pub mod session;
pub mod stamp;
pub mod state;
mod timeline;
pub mod verify;
mod whole;
pub mod work;

pub use assessment::{Assessment, assess};
pub use blobs::{BlobError, BlobKind, Blobs, record_of};
pub use event::{Event, InputRef, Planned};
pub use session::{Session, SessionError};
pub use state::{CaseState, Moment, Numbered, ProcedureState, Status};
pub use whole::write_whole;
pub use work::{Casework, Judgement, Topic};

use crate::evidence::intake;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

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

/// Target, features and the digest of the program's own file, for the record.
pub fn build() -> String {
    static BUILD: OnceLock<String> = OnceLock::new();
    let describe = || {
        let features = if cfg!(feature = "lapack") { " lapack" } else { "" };
        let target = format!("{}-{}{features}", std::env::consts::ARCH, std::env::consts::OS);
        // The running program by its own handle: what lies under its name may be another by now.
        let own =
            if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
        let digest = own.and_then(|path| {
            let mut hash = Sha256::new();
            std::io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
            Ok(intake::hex(&hash.finalize()))
        });
        digest
            .map_or_else(|e| format!("{target} (program file unreadable: {e})"), |d| format!("{target} {d}"))
    };
    BUILD.get_or_init(describe).clone()
}

/// Who works, when nobody says: `LAOCOON_ANALYST`, else the name the system gives.
pub fn analyst() -> String {
    let named = |name| std::env::var(name).ok().filter(|who| !who.trim().is_empty());
    ["LAOCOON_ANALYST", "USER", "LOGNAME"].into_iter().find_map(named).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_is_rfc_3339_utc_in_milliseconds() {
        let now = super::now();
        assert!(now.len() == 24 && now.ends_with('Z') && now.parse::<jiff::Timestamp>().is_ok(), "{now}");
    }
}
