//! The case file's cost: appending with a sync each, and opening a journal of 100,000 records (limit: 2 s).
//!
//! `cargo bench --bench journal -- [RECORDS] [APPENDS] [--json]`

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod common;

use laocoon::case::journal::{self, Journal};
use laocoon::case::{Event, Session, line};
use laocoon::evidence::{CaseFile, Limits};
use laocoon::procedure::Effort;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Time of opening and folding 100,000 records that the case file promises to keep below.
const LIMIT: Duration = Duration::from_secs(2);

fn opened() -> Event {
    let case = CaseFile::from_paths(&[], &["training=.".to_owned()], &Limits::default());
    Event::CaseOpened {
        case: case.unwrap_or_else(|e| panic!("{e}")),
        tool: "bench".into(),
        build: "bench".into(),
        analyst: "ana".into(),
        seed: 0,
        effort: Effort::Standard,
        only: vec![],
        phases: vec![],
    }
}

/// A record of the common sort: a line of text.
fn note(n: u64) -> Event {
    Event::Noted { text: format!("looked at sample {n}; its corner repeats") }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (records, appends) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(2_000));
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let path = folder.path().join(journal::FILE);

    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap_or_else(|e| panic!("{e}")));
    let first = opened();
    let Event::CaseOpened { case, .. } = &first else { unreachable!("an opened case") };
    let mut prev = line::anchor(&case.id);
    for n in 0..records {
        let event = if n == 0 { opened() } else { note(n) };
        let (text, record) =
            line::encode(n, "2026-01-01T00:00:00Z", &prev, &event).unwrap_or_else(|e| panic!("{e}"));
        file.write_all(&text).unwrap_or_else(|e| panic!("{e}"));
        prev = record.hash;
    }
    drop(file);
    let bytes = fs::metadata(&path).map_or(0, |m| m.len());

    let begun = Instant::now();
    let session = Session::open(folder.path()).unwrap_or_else(|e| panic!("{e}"));
    let read = begun.elapsed();
    let state = session.state();
    let folded = begun.elapsed();
    assert_eq!((session.len() as u64, state.notes.len() as u64), (records, records - 1));
    let (read_ms, folded_ms) = (1e3 * read.as_secs_f64(), 1e3 * folded.as_secs_f64());
    let over = if records == 100_000 && folded > LIMIT { " – OVER the limit of 2 s" } else { "" };
    common::tell(
        &format!(
            "open: {records} records, {:.1} MB: read and checked in {read_ms:.0} ms, folded after {folded_ms:.0} ms{over}",
            bytes as f64 / 1e6
        ),
        &json!({"part": "open", "records": records, "bytes": bytes, "read_ms": read_ms, "folded_ms": folded_ms,
            "peak_mib": common::peak_mib()}),
    );

    let mut journal = Journal::open(folder.path())
        .unwrap_or_else(|e| panic!("{e}"))
        .journal
        .unwrap_or_else(|e| panic!("{e}"));
    let mut each: Vec<f64> = (0..appends)
        .map(|n| {
            let begun = Instant::now();
            journal.append("2026-01-01T00:00:00Z", &note(n)).unwrap_or_else(|e| panic!("{e}"));
            1e3 * begun.elapsed().as_secs_f64()
        })
        .collect();
    each.sort_by(f64::total_cmp);
    let at = |share| common::quantile(&each, share);
    common::tell(
        &format!("append and sync: median {:.2} ms, p99 {:.2} ms, {appends} times", at(0.5), at(0.99)),
        &json!({"part": "append", "median_ms": at(0.5), "p99_ms": at(0.99), "times": appends}),
    );
}
