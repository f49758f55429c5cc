//! The custody log for Timesketch: one JSON object a line, with the three columns it asks for.

use super::escape;
use super::ledger::Ledger;
use super::{Format, Write};
use serde_json::json;

/// The format.
pub const FORMAT: Format = Format {
    name: "timesketch",
    about: "the custody log as a timeline, JSON lines",
    extension: "jsonl",
    write: Write::Data(write),
};

/// Longest message, in characters of at most four bytes: fields over 32,766 bytes are not searched by keyword.
const LONGEST: usize = 8000;

/// The lines.
pub fn write(ledger: &Ledger) -> String {
    let line = |m: &crate::case::Moment| {
        // Timesketch wants an offset, and takes the journal's `Z` as well in newer versions only.
        let time = m.time.strip_suffix('Z').map_or_else(|| m.time.clone(), |t| format!("{t}+00:00"));
        escape::json_line(&json!({
            "message": escape::cut(&m.what, LONGEST),
            "datetime": time,
            "timestamp_desc": m.kind,
            "data_type": "laocoon:journal:event",
            "case": ledger.case,
            "actor": m.who,
            "n": m.n,
            "hash": m.hash,
            "tool": format!("laocoon {}", ledger.tool),
        }))
    };
    ledger.moments.iter().map(line).collect()
}
