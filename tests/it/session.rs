//! A whole investigation of a real model, live, replayed and run again.

use super::shared;
use laocoon::case::{Event, Session, gate, verify};
use laocoon::evidence::{CaseFile, Limits};
use laocoon::investigation::{Investigation, Options, Same, rerun};
use laocoon::jobs::Budget;
use laocoon::procedure::{Effort, Severity};
use laocoon::report::{self, Format};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn options(case: &Path, session: &Path, threads: usize) -> Options {
    Options {
        target: CaseFile::from_paths(&[case.to_owned()], &[], &Limits::default()).unwrap(),
        session: session.to_owned(),
        seed: 0,
        effort: Effort::Quick,
        threads,
        only: ["integrity", "format-safety", "activation-clustering", "spectral-signatures"]
            .map(String::from)
            .into(),
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        budget: Budget::default(),
        analyst: "ana".into(),
    }
}

fn run(options: Options) -> Investigation {
    let mut investigation = Investigation::open(options).unwrap();
    investigation.run_all().unwrap();
    while !investigation.finished() {
        investigation.wait(Duration::from_millis(100));
    }
    investigation
}

#[test]
fn a_session_of_a_real_case_is_what_its_journal_says_and_can_be_done_again() {
    let Some(case) = shared::path("zoo/d02/case.toml") else { return };
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let live = run(options(&case, &session, 2));
    let state = live.state();
    assert_eq!(gate::missing(&state), Vec::<String>::new());
    assert_eq!(state.procedures.len(), 4);
    let replayed = Session::open(&session).unwrap();
    assert_eq!(replayed.state(), *state);
    for format in Format::ALL {
        let one = report::render(format, &state, live.blobs());
        assert_eq!(one, report::render(format, &replayed.state(), replayed.blobs()), "{}", format.name());
    }
    // A second opening looks at the evidence again and finds nothing to do.
    drop(live);
    let again = run(options(&case, &session, 1));
    assert_eq!(again.state().procedures, state.procedures);
    assert_eq!(
        gate::exit_code(&again.state(), Severity::Low, false),
        gate::exit_code(&state, Severity::Low, false)
    );
    drop(again);
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
    let evidence = verify::evidence(&state, None, &Limits::default());
    assert!(evidence.len() >= 3 && evidence.iter().all(|c| c.check == verify::Check::Good), "{evidence:?}");
    let second = rerun(&session, None, 1, &Limits::default(), Budget::default(), &mut |_| ()).unwrap();
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|r| r.same == Same::Identical), "{second:?}");
}

/// What was recorded, without what a clock or the machine says.
fn timeless(session: &Path) -> Vec<Event> {
    let same = |event: Event| match event {
        Event::CaseOpened { case, tool, seed, effort, only, phases, analyst, .. } => {
            Event::CaseOpened { case, tool, seed, effort, only, phases, analyst, build: String::new() }
        }
        Event::JobEnded { procedure, record, .. } => Event::JobEnded { procedure, record, seconds: 0.0 },
        other => other,
    };
    Session::open(session).unwrap().records.into_iter().map(|r| same(r.event)).collect()
}

#[test]
fn two_hundred_records_are_the_same_at_one_and_two_threads_and_replay_to_the_same_bytes() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
    let folder = tempfile::tempdir().unwrap();
    let work = |threads: usize| {
        let session = folder.path().join(threads.to_string());
        let mut live = run(options(&case, &session, threads));
        for n in 0..48 {
            live.run(if n % 24 == 0 { "spectral-signatures" } else { "integrity" }).unwrap();
            while !live.finished() {
                live.wait(Duration::from_millis(100));
            }
        }
        (live, session)
    };
    let ((one, first), (two, second)) = (work(1), work(2));
    assert!(one.state().events >= 200, "{}", one.state().events);
    assert_eq!(timeless(&first), timeless(&second));
    for (live, session) in [(&one, &first), (&two, &second)] {
        let replayed = Session::open(session).unwrap();
        assert_eq!(replayed.state(), *live.state());
        for format in Format::ALL {
            let report = report::render(format, &live.state(), live.blobs());
            assert_eq!(
                report,
                report::render(format, &replayed.state(), replayed.blobs()),
                "{}",
                format.name()
            );
        }
    }
}

/// A session that an earlier version wrote stays readable for ever; one folder per format of the journal.
#[test]
fn golden_sessions_of_every_format_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names: Vec<_> = std::fs::read_dir(&golden).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    for session in names {
        let found = verify::verify(&session).unwrap();
        assert_eq!(found.exit_code(), 0, "{}: {found:?}", session.display());
        let session = Session::open(&session).unwrap();
        let state = session.state();
        let unknown = |r: &laocoon::case::JournalRecord| matches!(r.event, Event::Unknown { .. });
        assert!(!session.records.iter().any(unknown), "an event of then is not known any more");
        assert!(state.case.is_some() && state.procedures.iter().any(|p| p.status.is_finished()));
        for format in Format::ALL {
            assert!(!report::render(format, &state, session.blobs()).is_empty());
        }
    }
}

#[test]
#[ignore = "needs root for a file system of its own: cargo test --test it a_full_disk -- --ignored"]
fn a_full_disk_of_256_kib_loses_nothing_and_goes_on_when_there_is_room() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let mount =
        |args: &[&str]| Command::new(args[0]).args(&args[1..]).arg(folder.path()).status().unwrap().success();
    assert!(mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs"]), "mount needs root");
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
    let session = folder.path().join("session");
    let mut live = run(options(&case, &session, 1));
    let mut told = 0;
    while live.trouble().is_none() {
        let before = live.state().events;
        let _ = live.note(&"x".repeat(4000));
        told += u64::from(live.state().events > before);
        assert!(told < 200, "a disk of 256 KiB took it all");
    }
    let full = live.state();
    let read = Session::open(&session).unwrap();
    assert_eq!(read.state(), *full, "what is shown is what is on disk");
    assert!(mount(&["mount", "-o", "remount,size=1m"]));
    let start = std::time::Instant::now();
    while live.trouble().is_some() && start.elapsed() < Duration::from_secs(30) {
        live.wait(Duration::from_millis(100));
    }
    assert_eq!(live.trouble(), None);
    assert!(live.state().events > full.events, "what waited is on disk now");
    drop(live);
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
    println!("{told} notes before the disk was full");
    assert!(mount(&["umount"]));
}
