//! Every write, sync, truncation and rename of a session, failed or killed one at a time: nothing that was said to be
//! done is lost, and the session can always be opened again.
//!
//! Needs the fault injector of the shared material and a C compiler.

use super::shared;
use laocoon::case::{Session, Status, journal, verify};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODES: [&str; 6] = ["kill_before", "kill_half", "kill_after", "eio", "enospc", "short"];

/// The injector as a library to be preloaded.
fn injector(folder: &Path) -> Option<PathBuf> {
    let source = shared::path("fault/failio.c")?;
    let library = folder.join("failio.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([library.as_path(), source.as_path(), Path::new("-ldl")])
        .output();
    match built {
        Ok(done) if done.status.success() => Some(library),
        Ok(done) => panic!("{}", String::from_utf8_lossy(&done.stderr)),
        Err(e) => {
            println!("skipped: no C compiler ({e})");
            None
        }
    }
}

/// A model file too small to say anything, in a folder of its own.
fn evidence(folder: &Path) -> PathBuf {
    let model = folder.join("suspect.safetensors");
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    std::fs::write(&model, [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat()).unwrap();
    model
}

/// What is done to a session: how it stands before, and the command.
struct Scenario {
    name: &'static str,
    before: fn(&Path, &Path),
    command: fn(&Path, &Path) -> Vec<String>,
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

fn scan(model: &Path, session: &Path) -> Vec<String> {
    words(&["scan", &text(model), "--session", &text(session), "--allow-incomplete"])
}

fn scanned(model: &Path, session: &Path) {
    let mut args = scan(model, session);
    args.extend(words(&["--only", "integrity"]));
    assert!(run(&args, None, session).status.success());
}

const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "create", before: |_, _| (), command: scan },
    Scenario { name: "append", before: scanned, command: scan },
    Scenario {
        name: "torn reopen",
        before: |model, session| {
            scanned(model, session);
            let path = session.join(journal::FILE);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.extend(br#"{"n":99,"time":"2026-"#);
            std::fs::write(&path, bytes).unwrap();
        },
        command: scan,
    },
    Scenario {
        name: "blobs",
        before: |_, _| (),
        command: |_, session| {
            let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
            let mut args = scan(&case, session);
            args.extend(words(&["--effort", "quick", "--only", "activation-clustering,spectral-signatures"]));
            args
        },
    },
    Scenario {
        name: "export",
        before: scanned,
        command: |_, session| {
            let out = session.join("report.md");
            words(&["report", &text(session), "--format", "markdown", "-o", &text(&out)])
        },
    },
    Scenario { name: "seal", before: scanned, command: |_, session| words(&["seal", &text(session)]) },
    Scenario {
        name: "replay",
        before: scanned,
        command: |_, session| words(&["replay", &text(session), "--plain"]),
    },
    Scenario {
        name: "bundle",
        before: scanned,
        command: |_, session| words(&["bundle", &text(session), "-o", &text(&session.join("session.tar"))]),
    },
];

/// Where to fail, and how.
struct Fault<'a> {
    library: &'a Path,
    at: u64,
    mode: &'a str,
    log: &'a Path,
}

fn run(args: &[String], fault: Option<&Fault>, session: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laocoon"));
    command.args(args).env("LAOCOON_ANALYST", "ana");
    if let Some(fault) = fault {
        command
            .env("LD_PRELOAD", fault.library)
            .env("FAILIO_DIR", session)
            .env("FAILIO_AT", fault.at.to_string())
            .env("FAILIO_MODE", fault.mode)
            .env("FAILIO_LOG", fault.log);
    }
    command.output().unwrap()
}

/// Procedures that the program said to have finished or to be skipped.
fn told(output: &Output) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let end = |line: &str| {
        let (id, rest) = line.split_once(": ")?;
        let ended = ["flagged (", "nothing-found (", "inconclusive (", "skipped: "];
        ended.iter().any(|word| rest.starts_with(word)).then(|| id.to_owned())
    };
    text.lines().filter_map(end).collect()
}

fn recorded(session: &Path) -> BTreeSet<String> {
    let Ok(session) = Session::open(session) else { return BTreeSet::new() };
    let over = |s: &Status| matches!(s, Status::Finished { .. } | Status::Skipped(_));
    session.state().procedures.iter().filter(|p| over(&p.status)).map(|p| p.id.clone()).collect()
}

/// Fails every `step`-th call of every scenario in every mode; gives the number of points and of calls.
fn every(step: usize) -> Option<(usize, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let library = injector(folder.path())?;
    let model = evidence(folder.path());
    let (mut points, mut calls) = (0, 0);
    for scenario in &SCENARIOS {
        let (base, log) = (folder.path().join("base"), folder.path().join("log"));
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir(&base).unwrap();
        (scenario.before)(&model, &base);
        let fresh = |name: String| {
            let session = folder.path().join(name);
            copy(&base, &session);
            session
        };
        let session = fresh("counted".into());
        let fault = Fault { library: &library, at: 0, mode: "", log: &log };
        let good = run(&(scenario.command)(&model, &session), Some(&fault), &session);
        assert!(good.status.code().is_some_and(|c| c < 2), "{}: {good:?}", scenario.name);
        let count: u64 = std::fs::read_to_string(&log).unwrap().trim().parse().unwrap();
        assert_eq!(count == 0, scenario.name == "replay", "a replay writes nothing, all else does");
        std::fs::remove_dir_all(&session).unwrap();
        for at in (1..=count).step_by(step) {
            for mode in MODES {
                let session = fresh(format!("{at}-{mode}"));
                let args = (scenario.command)(&model, &session);
                let kept = recorded(&session);
                let fault = Fault { library: &library, at, mode, log: &log };
                let broken = run(&args, Some(&fault), &session);
                let what = format!("{}, call {at} of {count}, {mode}: {broken:?}", scenario.name);
                let there = recorded(&session);
                assert!(told(&broken).is_subset(&there), "said and lost: {what}");
                assert!(kept.is_subset(&there), "lost what was there: {what}");
                let again = run(&args, None, &session);
                assert_eq!(
                    again.status.code(),
                    good.status.code(),
                    "not to be gone on with: {what}\n{again:?}"
                );
                let found = verify::verify(&session).unwrap();
                assert_eq!(found.exit_code(), 0, "{what}: {found:?}");
                assert!(recorded(&session).is_superset(&recorded(&base)), "{what}");
                std::fs::remove_dir_all(&session).unwrap();
                points += 1;
            }
        }
        println!("{}: {count} calls", scenario.name);
        calls += count;
    }
    Some((points, calls))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn some_points_of_every_scenario_lose_nothing() {
    if let Some((points, _)) = every(23) {
        assert!(points >= 40, "{points}");
    }
}

#[test]
#[ignore = "minutes: cargo test --release --test it every_point_of_every_scenario -- --ignored --nocapture"]
fn every_point_of_every_scenario_loses_nothing() {
    let Some((points, calls)) = every(1) else { return };
    println!("{points} points ({calls} calls, {} modes)", MODES.len());
    assert_eq!(points as u64, calls * MODES.len() as u64);
}
