//! One line of the journal: from event to bytes and back.
//!
//! `{"n":0,"time":"…","type":"…",…,"prev":"<64 hex>","hash":"<64 hex>"}`, fields in this order. `hash` is the SHA-256
//! of **the bytes of the line up to `,"hash":"`**, not of a re-serialised parse: so there is one byte sequence per
//! record, and any changed bit shows.

use super::{Event, JournalRecord, json};
use crate::evidence::intake::sha256;
use serde_json::Value;

/// Longest line written or read, in bytes, with its line break.
pub const CAP: usize = 1 << 20;
/// Version of the format; part of what the first record is chained to.
pub const FORMAT: &str = "laocoon.journal/1";

const HASH: &[u8] = br#","hash":""#;
const END: &[u8] = br#""}"#;
const TAIL: usize = HASH.len() + 64 + END.len();

/// Why an event cannot become a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`CAP`].
    #[error("the record takes {0} bytes, more than a journal line may have ({CAP})")]
    TooLong(usize),
    /// It would not read back as it is.
    #[error("the record would not read back as it is: {0}")]
    NotFaithful(String),
}

/// What `prev` of the first record is: two cases cannot be spliced.
pub fn anchor(case: &str) -> String {
    sha256(format!("{FORMAT}\n{case}\n").as_bytes())
}

/// Whether a text is a SHA-256 as this program writes it.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The line of an event, with its line break, and the record that reading it gives.
///
/// # Errors
/// Too long, or (a float that is no number, a path that is not UTF-8) not to be read back as it is.
pub fn encode(n: u64, time: &str, prev: &str, event: &Event) -> Result<(Vec<u8>, JournalRecord), LineError> {
    let unfaithful = |e: String| LineError::NotFaithful(e);
    let body = json::to_vec(event).map_err(unfaithful)?;
    let time = json::to_vec(&time).map_err(unfaithful)?;
    let mut line = format!(r#"{{"n":{n},"time":"#).into_bytes();
    line.extend_from_slice(&time);
    line.push(b',');
    line.extend_from_slice(body.get(1..body.len().saturating_sub(1)).unwrap_or_default());
    line.extend_from_slice(format!(r#","prev":"{prev}""#).as_bytes());
    let hash = sha256(&line);
    for part in [HASH, hash.as_bytes(), END] {
        line.extend_from_slice(part);
    }
    if line.len() >= CAP {
        return Err(LineError::TooLong(line.len() + 1));
    }
    let record = decode(&line).map_err(unfaithful)?;
    if record.event != *event {
        return Err(unfaithful(format!("'{}' has a value that JSON cannot hold", event.kind())));
    }
    line.push(b'\n');
    Ok((line, record))
}

/// Reads a line (without its line break) and checks its own hash; number and `prev` are the reader's to check.
///
/// # Errors
/// What is wrong with it, in words.
pub fn decode(line: &[u8]) -> Result<JournalRecord, String> {
    if line.len() >= CAP {
        return Err(format!("longer than a line may be ({CAP} bytes)"));
    }
    let (body, tail) = line
        .len()
        .checked_sub(TAIL)
        .and_then(|at| line.split_at_checked(at))
        .ok_or_else(|| "too short to be a record".to_owned())?;
    let stated = tail
        .strip_prefix(HASH)
        .and_then(|t| t.strip_suffix(END))
        .and_then(|h| std::str::from_utf8(h).ok())
        .filter(|h| is_sha256(h))
        .ok_or_else(|| "does not end with its hash".to_owned())?;
    if sha256(body) != stated {
        return Err("its hash does not match its bytes".to_owned());
    }
    let Value::Object(mut fields) = json::strict(line)? else { return Err("not an object".to_owned()) };
    let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    if !matches!(keys.as_slice(), ["n", "time", "type", .., "prev", "hash"]) {
        return Err("its fields are not in the journal's order".to_owned());
    }
    let mut take = |key: &str| fields.shift_remove(key).unwrap_or_default();
    let (n, time, prev, hash) = (take("n"), take("time"), take("prev"), take("hash"));
    let n = n.as_u64().ok_or("its number is not a count")?;
    let (Value::String(time), Value::String(prev), Value::String(hash)) = (time, prev, hash) else {
        return Err("time or prev is not a text".to_owned());
    };
    // The `Z` and the alphabet keep anything that would act on a terminal out of the time.
    if !time.ends_with('Z') || time.parse::<jiff::Timestamp>().is_err() {
        return Err("its time is not RFC 3339 UTC".to_owned());
    }
    let kind = fields.get("type").and_then(Value::as_str).ok_or("its type is not a text")?.to_owned();
    let event = if Event::KINDS.contains(&kind.as_str()) {
        serde_json::from_value(Value::Object(fields)).map_err(|e| format!("'{kind}': {e}"))?
    } else {
        let line = String::from_utf8(line.to_vec()).map_err(|e| e.to_string())?;
        Event::Unknown { kind, line }
    };
    Ok(JournalRecord { n, time, event, prev, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture;

    #[test]
    fn fields_are_in_order_and_the_hash_is_over_the_bytes_before_it() {
        let event = Event::Noted { text: "a\u{1b}[0m \"b\"".to_owned() };
        let (line, record) = encode(7, "2026-03-01T12:00:00.000Z", &anchor("x"), &event).unwrap();
        let text = String::from_utf8(line.clone()).unwrap();
        let want = format!(
            r#"{{"n":7,"time":"2026-03-01T12:00:00.000Z","type":"noted","text":"a\u001b[0m \"b\"","prev":"{}""#,
            anchor("x")
        );
        assert!(text.starts_with(&want), "{text}");
        assert_eq!(text, format!("{want},\"hash\":\"{}\"}}\n", sha256(want.as_bytes())));
        assert_eq!(record.event, event);
    }

    #[test]
    fn every_known_event_has_its_kind_in_the_list() {
        let mut seen = Vec::new();
        for event in fixture::one_of_each() {
            let (line, record) = encode(0, fixture::TIME, &anchor("x"), &event).unwrap();
            assert_eq!(record.event, event);
            assert!(String::from_utf8(line).unwrap().contains(&format!(r#""type":"{}""#, event.kind())));
            seen.push(event.kind().to_owned());
        }
        seen.sort();
        let mut known = Event::KINDS.map(String::from).to_vec();
        known.sort();
        assert_eq!(seen, known);
    }

    #[test]
    fn an_unknown_type_is_kept_and_a_known_one_that_does_not_fit_is_refused() {
        let seal = |body: &str| format!("{body},\"hash\":\"{}\"}}", sha256(body.as_bytes())).into_bytes();
        let rest = format!(r#""prev":"{}""#, anchor("x"));
        let line =
            seal(&format!(r#"{{"n":3,"time":"{}","type":"countersigned","by":"k",{rest}"#, fixture::TIME));
        let record = decode(&line).unwrap();
        let Event::Unknown { kind, line: kept } = record.event else { panic!() };
        assert_eq!((kind.as_str(), kept.as_bytes()), ("countersigned", line.as_slice()));
        for (bad, why) in [
            (format!(r#"{{"n":3,"time":"{}","type":"noted","words":"k",{rest}"#, fixture::TIME), "text"),
            (
                format!(r#"{{"n":3,"time":"{}","type":"noted","text":"k","text":"l",{rest}"#, fixture::TIME),
                "twice",
            ),
            (format!(r#"{{"n":3,"time":"\u001b[0mZ","type":"noted","text":"k",{rest}"#), "RFC 3339"),
            (format!(r#"{{"time":"{}","n":3,"type":"noted","text":"k",{rest}"#, fixture::TIME), "order"),
            (format!(r#"{{"n":-1,"time":"{}","type":"noted","text":"k",{rest}"#, fixture::TIME), "count"),
        ] {
            let err = decode(&seal(&bad)).unwrap_err();
            assert!(err.contains(why), "{bad}: {err}");
        }
    }

    #[test]
    fn what_would_not_read_back_is_not_written() {
        let event =
            Event::JobEnded { procedure: "p".into(), record: fixture::record("x"), seconds: f64::NAN };
        assert!(matches!(encode(0, fixture::TIME, "", &event), Err(LineError::NotFaithful(_))));
        let long = Event::Noted { text: "x".repeat(CAP) };
        assert!(matches!(encode(0, fixture::TIME, "", &long), Err(LineError::TooLong(n)) if n > CAP));
    }
}
