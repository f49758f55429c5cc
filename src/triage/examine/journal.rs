//! Chained journals: JSON lines of which each names the hash of the one before it.

use super::json;
use super::reason::Reason;
use super::scan::Scan;
use crate::evidence::archive::climbs;
use crate::evidence::{intake, text};
use serde_json::Value;

/// Faults said of one journal.
const SAID: usize = 20;

/// Whether a document is JSON lines with a chain, by its first line.
pub(super) fn is_one(data: &[u8]) -> bool {
    let line = data.split(|&b| b == b'\n').next().unwrap_or_default();
    line.len() < data.len()
        && json::parse(line).is_ok_and(|v| v.get("prev").is_some() && v.get("hash").is_some())
}

/// JSON lines; with a chain, if they have one.
pub(super) fn lines(scan: &mut Scan, data: &[u8]) {
    let first = scan.reasons.len();
    let torn = !data.ends_with(b"\n");
    let body = data.strip_suffix(b"\n").unwrap_or(data);
    let lines: Vec<&[u8]> = body.split(|&b| b == b'\n').collect();
    let mut records: Vec<(usize, Value)> = Vec::new();
    for (i, raw) in lines.iter().enumerate() {
        let last = i + 1 == lines.len();
        let place = format!("line {}", i + 1);
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        let odd = line.len() != raw.len()
            || line.first().is_some_and(u8::is_ascii_whitespace)
            || line.last().is_some_and(u8::is_ascii_whitespace);
        if odd || line.is_empty() {
            scan.say(Reason::coded(
                "journal.whitespace",
                place.clone(),
                "line ends or blanks that its writer does not make".to_owned(),
            ));
        }
        match json::parse(line.trim_ascii()) {
            Ok(value) => records.push((i, value)),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) if last && (torn || line.contains(&0)) => {
                let detail = "the last record is torn: it was being written when the writer ended".to_owned();
                scan.say(Reason::coded("journal.torn_tail", place, detail));
            }
            Err(p) => scan.say(Reason::coded(p.code, place, p.detail)),
        }
        if scan.reasons.len() > first + SAID {
            return;
        }
    }
    if records.first().is_some_and(|(_, v)| v.get("prev").is_some() && v.get("hash").is_some()) {
        chain(scan, &lines, &records);
    }
}

/// Numbers, links, hashes and times of a chain, and the paths that its records would write to.
fn chain(scan: &mut Scan, lines: &[&[u8]], records: &[(usize, Value)]) {
    let rule = records.iter().find_map(|(i, v)| rule_of(lines.get(*i)?, v));
    let (mut before, mut number, mut time) = (None::<String>, None::<i64>, String::new());
    let mut opened = Vec::new();
    for (i, record) in records {
        let say = |scan: &mut Scan, code, detail: &str| {
            scan.say(Reason::coded(code, format!("line {}", i + 1), detail.to_owned()));
        };
        let field = |k: &str| record.get(k).and_then(Value::as_str).unwrap_or_default();
        let n = record.get("seq").or_else(|| record.get("n"));
        let n = n.and_then(Value::as_i64);
        match (n, number) {
            (None | Some(i64::MIN..=-1 | 9_007_199_254_740_992..), _) => {
                say(scan, "journal.seq", "its number is no count");
            }
            (Some(n), Some(last)) if n != last + 1 => {
                // A gap or a swap breaks the chain too; the number alone is a forged number.
                let linked = before.as_deref() == Some(field("prev"));
                say(
                    scan,
                    if linked { "journal.seq" } else { "journal.chain" },
                    "its number does not follow the one before",
                );
            }
            (Some(n), None) if n != 0 => say(scan, "journal.chain", "the first record is missing"),
            _ => {}
        }
        number = n.or(number);
        if before.as_deref().is_some_and(|b| b != field("prev")) {
            say(scan, "journal.chain", "it does not follow the record before it");
        }
        if let Some(rule) = rule
            && !lines.get(*i).is_some_and(|line| rule.fits(line, record))
        {
            say(scan, "journal.hash", "its hash does not fit its content: it was edited");
        }
        before = Some(field("hash").to_owned());
        let now = [field("ts"), field("time")].join("");
        let now: jiff::Timestamp = if let Ok(now) = now.parse() {
            now
        } else {
            say(scan, "journal.time", "its time cannot be read");
            continue;
        };
        let earlier = time.parse::<jiff::Timestamp>().is_ok_and(|t| now < t);
        if earlier || now.as_second() < 946_684_800 || now.as_second() > 4_102_444_800 {
            say(scan, "journal.time", "its time lies before the one before it, or in no plausible year");
        }
        time = now.to_string();
        paths(scan, *i, record, &mut opened);
    }
    if let Some((last, _)) = records.last() {
        let detail = "the chain is all there is: a cut behind a record, or a chain computed anew, shows only against a hash kept elsewhere";
        scan.say(Reason::coded("journal.anchor", format!("line {}", last + 1), detail.to_owned()));
    }
}

/// A record that would write over the evidence, or outside of the session.
fn paths(scan: &mut Scan, line: usize, record: &Value, opened: &mut Vec<String>) {
    let kind = record.get("kind").or_else(|| record.get("type")).and_then(Value::as_str).unwrap_or_default();
    let data = record.get("data").unwrap_or(record);
    let file = |k: &str| data.get(k).and_then(Value::as_str);
    if let Some(name) = file("file").filter(|_| kind == "open") {
        opened.push(name.to_owned());
    }
    if let Some(path) = file("path").filter(|_| matches!(kind, "export" | "write" | "save"))
        && (climbs(path) || path.contains("://") || opened.iter().any(|o| o == path))
    {
        let detail = format!("it would write to {}", text::visible(path));
        scan.say(Reason::coded("session.path", format!("line {}", line + 1), detail));
    }
}

/// What a hash is taken over.
#[derive(Clone, Copy)]
enum Rule {
    /// The bytes of the line before `,"hash":"`.
    Line,
    /// The record without its hash, keys sorted, no blanks.
    Sorted,
}

fn rule_of(line: &[u8], record: &Value) -> Option<Rule> {
    [Rule::Line, Rule::Sorted].into_iter().find(|r| r.fits(line, record))
}

impl Rule {
    fn fits(self, line: &[u8], record: &Value) -> bool {
        let stated = record.get("hash").and_then(Value::as_str);
        let own = match self {
            Self::Line => {
                memchr::memmem::find(line, b",\"hash\":\"").and_then(|at| line.get(..at)).map(intake::sha256)
            }
            Self::Sorted => record.as_object().map(|map| {
                let mut map = map.clone();
                map.remove("hash");
                let mut value = Value::Object(map);
                value.sort_all_objects();
                intake::sha256(value.to_string().as_bytes())
            }),
        };
        own.as_deref() == stated && stated.is_some()
    }
}
