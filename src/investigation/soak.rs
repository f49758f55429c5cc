//! A scripted investigation in a loop, in one process: what it holds of memory and of open files must not grow.
//!
//! `LAOCOON_SOAK_SECONDS=3600 cargo test --release --lib soak -- --ignored --nocapture`

use super::{Desk, Investigation, Options};
use crate::case::{Session, verify};
use crate::evidence::{CaseFile, Limits};
use crate::jobs::{self, Budget};
use crate::procedure::Effort;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn to_the_end(investigation: &mut Investigation) {
    investigation.run_all().unwrap();
    while !investigation.finished() {
        investigation.wait(Duration::from_millis(50));
    }
}

/// Opens, runs, notes, stops in the middle, resumes, verifies and reads back one session.
fn once(case: &Path, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let only = ["integrity", "format-safety", "spectral-signatures", "near-duplicates", "label-issues"];
    let mut investigation = Investigation::open(Options {
        target: CaseFile::read(case, &Limits::default()).unwrap(),
        session: session.clone(),
        seed,
        effort: Effort::Quick,
        threads: 1,
        only: only.map(str::to_owned).to_vec(),
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        budget: Budget::default(),
        analyst: "ana".into(),
    })
    .unwrap();
    investigation.run_all().unwrap();
    investigation.wait(Duration::from_millis(30));
    investigation.note("stopped on purpose").unwrap();
    drop(investigation);
    let desk =
        Desk { threads: 1, limits: Limits::default(), budget: Budget::default(), analyst: "ben".into() };
    let mut again = Investigation::resume(&session, desk).unwrap();
    to_the_end(&mut again);
    assert!(again.state().record("spectral-signatures").is_some());
    drop(again);
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
    assert!(Session::open(&session).unwrap().state().events > 10);
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[test]
#[ignore = "as long as LAOCOON_SOAK_SECONDS says, else 10 minutes"]
fn an_investigation_in_a_loop_holds_no_more_at_the_end_than_at_the_start() {
    let seconds = std::env::var("LAOCOON_SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(600);
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/digits-flipped/case.toml");
    let (start, whole) = (jobs::clock(), Duration::from_secs(seconds));
    let mut seen: Vec<(Duration, u64, usize)> = Vec::new();
    for round in 0.. {
        once(&case, round);
        // Worker threads of a queue that was dropped end by themselves, a moment later.
        std::thread::sleep(Duration::from_millis(50));
        let held = jobs::resident().unwrap_or(0);
        seen.push((start.elapsed(), held, open_files()));
        if start.elapsed() >= whole {
            break;
        }
    }
    assert!(seen.len() >= 10, "only {} rounds", seen.len());
    // The median of the second tenth of the rounds, after everything has been touched once, and of the last.
    let tenth = (seen.len() / 10).max(1);
    let median = |part: &[(Duration, u64, usize)]| {
        let mut held: Vec<u64> = part.iter().map(|s| s.1).collect();
        held.sort_unstable();
        held[held.len() / 2]
    };
    let (first, last) = (median(&seen[tenth..2 * tenth]), median(&seen[seen.len() - tenth..]));
    let files: Vec<usize> = [&seen[tenth], &seen[seen.len() - 1]].map(|s| s.2).to_vec();
    println!(
        "{} rounds in {:.0} s: {:.1} MiB, then {:.1} MiB ({:+.1} %); open files {files:?}",
        seen.len(),
        start.elapsed().as_secs_f64(),
        first as f64 / 1_048_576.0,
        last as f64 / 1_048_576.0,
        (last as f64 / first as f64 - 1.0) * 100.0
    );
    assert!(last as f64 <= first as f64 * 1.05, "memory grew from {first} to {last}");
    assert_eq!(files[0], files[1], "open files");
}
