//! The conductor at work on procedures made for the purpose.

use super::*;
use crate::case::{Session, Status, gate};
use crate::evidence::{CaseFile, DataEntry, Role};
use crate::figure::{Bar, Body};
use crate::jobs::Budget;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict,
};
use rand::RngCore;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a test procedure does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Draw,
    Accuse,
    Read(&'static str),
    Skip,
    Fail,
    Panic,
    PanicPlanning,
    Hang,
    Huge,
    NoLimits,
    Meddle,
}

struct Fake {
    about: About,
    does: Does,
}

const fn fake(id: &'static str, after: &'static [&'static str], does: Does) -> Fake {
    let about = About {
        id,
        title: id,
        phase: if matches!(does, Does::Read(_)) { Phase::Recovery } else { Phase::Detection },
        version: 1,
        question: "",
        needs: "",
        reference: "",
        cost: Cost::Instant,
        after,
        page: "",
    };
    Fake { about, does }
}

impl Procedure for Fake {
    fn about(&self) -> &'static About {
        // The fakes are statics.
        &ALL.iter().find(|p| p.about.id == self.about.id).unwrap().about
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        match self.does {
            Does::Skip => Err(Skip("no clean images".into())),
            Does::PanicPlanning => panic!("planning went wrong"),
            Does::Read(other) if case.earlier.record(other).is_none() => Err(Skip(format!("needs {other}"))),
            _ => Ok(Plan {
                params: json!({"a": 1}),
                units: 4,
                inputs: case.register.iter().map(|i| i.id.clone()).collect(),
            }),
        }
    }

    fn run(&self, case: &Case, _: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut value = cx.rng("draw").next_u64() % 1000;
        let mut findings = Vec::new();
        let mut limits = "made for a test".to_owned();
        let mut measures = std::collections::BTreeMap::new();
        match self.does {
            Does::Fail => return Err(Stop::failed("out of cheese")),
            Does::Panic => panic!("no such index"),
            Does::Hang => loop {
                cx.log("waiting\u{1b}");
                cx.step(1, 4)?;
                std::thread::sleep(Duration::from_millis(1));
            },
            Does::Accuse => {
                let f =
                    Finding::new(Concern::Backdoor, Severity::High, Confidence::High, "class 7", "by 3.7");
                findings.push(f.class(7));
            }
            Does::Read(other) => {
                let Some(Tensor::I64(a)) = case.earlier.array(other, "value") else {
                    return Err(Stop::failed("no array"));
                };
                assert!(case.earlier.record("unrelated").is_none());
                value = a[[0]] as u64 + 1000;
            }
            Does::Huge => drop(measures.insert("all".into(), json!(vec![0.123_456_789; 200_000]))),
            Does::NoLimits => limits.clear(),
            Does::Meddle => meddle(&case.file.root.join("notes.txt"), value),
            _ => {}
        }
        for k in 0..4 {
            cx.step(k, 4)?;
        }
        measures.insert("value".into(), json!(value));
        let bars = vec![Bar { label: "0".into(), value: value as f64, flagged: false, spread: None }];
        let figure = Figure {
            title: "Value".into(),
            body: Body::Bars { value_label: "x".into(), bars, threshold: None },
        };
        Ok(Outcome {
            verdict: if findings.is_empty() { Verdict::NothingFound } else { Verdict::Flagged },
            summary: format!("drew {value}"),
            statistic: Some(value as f64),
            threshold: Some(2000.0),
            threshold_origin: "none".into(),
            findings,
            measures,
            arrays: [("value".to_owned(), Tensor::I64(ndarray::arr1(&[value as i64]).into_dyn()))].into(),
            figures: [("bars".to_owned(), figure)].into(),
            limits,
        })
    }
}

/// What a hostile owner of a file does to it while it is examined; always another content.
fn meddle(path: &Path, how: u64) {
    use std::io::Write;
    let other = path.with_extension("other");
    // The clock of a file system ticks in milliseconds.
    std::thread::sleep(Duration::from_millis(20));
    match how % 5 {
        0 => {
            std::fs::write(&other, "swapped").unwrap();
            std::fs::rename(&other, path).unwrap();
        }
        1 => std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap(),
        2 => std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap(),
        3 => {
            // The same length, and the time it had before.
            let before = std::fs::metadata(path).unwrap().modified().unwrap();
            let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all(b"ENO").unwrap();
            file.set_modified(before).unwrap();
        }
        _ => std::fs::remove_file(path).unwrap(),
    }
}

static ALL: [Fake; 13] = [
    fake("draw", &[], Does::Draw),
    fake("accuse", &[], Does::Accuse),
    fake("unrelated", &[], Does::Draw),
    fake("fail", &[], Does::Fail),
    fake("panic", &[], Does::Panic),
    fake("panic-planning", &[], Does::PanicPlanning),
    fake("skip", &[], Does::Skip),
    fake("hang", &[], Does::Hang),
    fake("huge", &[], Does::Huge),
    fake("no-limits", &[], Does::NoLimits),
    fake("meddle", &[], Does::Meddle),
    fake("read", &["draw"], Does::Read("draw")),
    fake("needs-failed", &["fail"], Does::Read("fail")),
];

/// A list of the named fakes, leaked: a list of procedures lives as long as the program.
fn list(ids: &[&str]) -> List {
    let named =
        ids.iter().map(|id| ALL.iter().find(|p| p.about.id == *id).unwrap() as &'static dyn Procedure);
    named.collect::<Vec<_>>().leak()
}

fn options(folder: &Path) -> Options {
    Options {
        target: CaseFile {
            id: "IR-1".into(),
            title: "a case".into(),
            questions: Vec::new(),
            model: None,
            data: Vec::new(),
            artefacts: Vec::new(),
            pipeline: None,
            deployment: None,
            handling: None,
            unexamined: Vec::new(),
            text: "[case]\nid = \"IR-1\"\n".into(),
            root: folder.to_owned(),
        },
        session: folder.join("session"),
        seed: 5,
        effort: Effort::Standard,
        threads: 1,
        only: Vec::new(),
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        budget: Budget::default(),
        analyst: "ana".into(),
    }
}

fn desk() -> Desk {
    Desk { threads: 1, limits: Limits::default(), budget: Budget::default(), analyst: "ben".into() }
}

/// Waits until `when`. Fails the test after a generous time.
fn until(inv: &mut Investigation, when: impl Fn(&Investigation) -> bool) {
    let start = jobs::clock();
    while !when(inv) {
        assert!(start.elapsed() < Duration::from_mins(1), "did not come: {:?}", inv.state().procedures);
        inv.wait(Duration::from_millis(20));
    }
}

fn run(options: Options, ids: &[&str]) -> Investigation {
    let mut inv = Investigation::open_with(options, list(ids)).unwrap();
    inv.run_all().unwrap();
    until(&mut inv, Investigation::finished);
    inv
}

fn status(inv: &Investigation, id: &str) -> Status {
    inv.state().procedure(id).unwrap().status.clone()
}

#[test]
fn what_is_shown_is_the_fold_of_what_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut inv = run(
        options(folder.path()),
        &["draw", "accuse", "skip", "fail", "panic", "panic-planning", "huge", "no-limits", "read"],
    );
    inv.note("looks bad").unwrap();
    inv.exported("html", &"ab".repeat(32)).unwrap();
    let session = Session::open(&folder.path().join("session")).unwrap();
    assert_eq!(session.state(), *inv.state());
    assert_eq!(session.state_at(1).events, 1);
    let state = inv.state();
    assert_eq!(state.findings.len(), 1);
    assert_eq!(status(&inv, "skip"), Status::Skipped("no clean images".into()));
    for (id, why) in [
        ("fail", "out of cheese"),
        ("panic", "no such index"),
        ("panic-planning", "planning went wrong"),
        ("huge", "1048576"),
        ("no-limits", "limits"),
    ] {
        assert!(
            matches!(status(&inv, id), Status::Failed(w) if w.contains(why)),
            "{id}: {:?}",
            status(&inv, id)
        );
    }
    let drawn = state.record("draw").unwrap().measures["value"].as_u64().unwrap();
    assert_eq!(state.record("read").unwrap().measures["value"], drawn + 1000, "reads what it is after");
    let figure = inv.blobs().figure(&state.record("draw").unwrap().figures["bars"]).unwrap();
    assert_eq!(figure.title, "Value");
    let ids: Vec<_> = state.procedures.iter().map(|p| p.id.as_str()).collect();
    let planned: Vec<_> = state.planned.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(ids, planned, "in the order of the plan, whoever ended first");
    assert_eq!(gate::exit_code(&state, Severity::Medium, false), 1);
    assert_eq!(gate::exit_code(&state, Severity::Critical, false), 3);
    assert!(session.warnings().is_empty());
    assert_eq!(crate::case::verify::verify(&folder.path().join("session")).unwrap().exit_code(), 0);
}

#[test]
fn the_same_seed_gives_the_same_records_at_any_number_of_threads() {
    let records = |threads| {
        let folder = tempfile::tempdir().unwrap();
        let inv = run(Options { threads, ..options(folder.path()) }, &["draw", "accuse", "read"]);
        let state = inv.state();
        ["draw", "accuse", "read"].map(|id| state.record(id).unwrap().clone())
    };
    assert_eq!(records(1), records(3));
}

#[test]
fn a_restriction_also_runs_what_it_rests_on_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let inv =
        run(Options { only: vec!["read".into()], ..options(folder.path()) }, &["draw", "accuse", "read"]);
    let ids: Vec<_> = inv.state().procedures.iter().map(|p| p.id.clone()).collect();
    assert_eq!(ids, ["draw", "read"]);
    assert_eq!(gate::exit_code(&inv.state(), Severity::Medium, false), 0);
    let by_phase = plan::select(list(&["draw", "accuse", "read"]), &[], &[Phase::Recovery]).unwrap();
    assert_eq!(by_phase.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["draw", "read"]);
    let unknown = Investigation::open_with(
        Options { only: vec!["x".into()], ..options(folder.path()) },
        list(&["draw"]),
    );
    assert!(matches!(unknown, Err(OpenError::NoProcedure { known, .. }) if known == "draw"));
}

#[test]
fn what_rests_on_a_failure_is_skipped_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let inv = run(options(folder.path()), &["fail", "needs-failed"]);
    assert_eq!(
        status(&inv, "needs-failed"),
        Status::Skipped("needs fail (fail failed: out of cheese)".into())
    );
    assert_eq!(
        gate::exit_code(&inv.state(), Severity::Low, false),
        3,
        "the failure itself is incompleteness"
    );
}

#[test]
fn a_stop_ends_what_runs_and_what_waits_and_is_not_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut inv = Investigation::open_with(options(folder.path()), list(&["hang", "draw", "read"])).unwrap();
    inv.run_all().unwrap();
    until(&mut inv, |i| i.live().iter().any(|j| j.procedure == "hang" && j.done == 1 && !j.log.is_empty()));
    let live = inv.live();
    assert!(live[0].running && live[0].total == 4 && live[0].log[0] == "waiting\\u{1b}");
    assert_eq!(live.iter().map(|j| j.procedure.as_str()).collect::<Vec<_>>(), ["hang", "draw", "read"]);
    inv.stop("read");
    inv.stop("draw");
    inv.stop("hang");
    until(&mut inv, Investigation::finished);
    assert_eq!(status(&inv, "hang"), Status::Stopped { done: 1, units: 4 });
    assert_eq!(status(&inv, "draw"), Status::Stopped { done: 0, units: 4 });
    assert!(matches!(status(&inv, "read"), Status::Stopped { .. }));
    assert_eq!(gate::exit_code(&inv.state(), Severity::Low, false), 3);
    inv.run("draw").unwrap();
    until(&mut inv, Investigation::finished);
    assert!(inv.state().record("draw").is_some(), "can be run after all");
}

#[test]
fn a_session_cut_off_anywhere_goes_on_and_ends_with_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    let ids = ["draw", "accuse", "skip", "read"];
    let whole = run(options(folder.path()), &ids).state();
    let path = folder.path().join("session").join(journal::FILE);
    let bytes = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (1..=bytes.len()).filter(|e| bytes[e - 1] == b'\n').collect();
    // Killed after each record, and in the middle of each.
    let cuts = ends.iter().flat_map(|e| [*e, e - 40]);
    for cut in cuts {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        for torn in std::fs::read_dir(folder.path().join("session")).unwrap().map(|e| e.unwrap().path()) {
            if torn.to_string_lossy().contains(journal::TORN) {
                std::fs::remove_file(torn).unwrap();
            }
        }
        let mut inv = Investigation::open_with(options(folder.path()), list(&ids)).unwrap();
        // What was asked for before goes on unasked; the rest is asked for as `scan` does.
        let asked = inv.state().requested.clone();
        until(&mut inv, Investigation::finished);
        for id in &asked {
            assert!(inv.state().procedure(id).is_some(), "cut at {cut}: {id} did not go on");
        }
        inv.run_all().unwrap();
        until(&mut inv, Investigation::finished);
        let state = inv.state();
        assert_eq!(state.findings, whole.findings, "cut at {cut}");
        let answers = |s: &CaseState| ids.map(|id| s.record(id).cloned());
        assert_eq!(answers(&state), answers(&whole), "cut at {cut}");
        assert_eq!(Session::open(&folder.path().join("session")).unwrap().state(), *state);
    }
}

#[test]
fn a_finished_session_is_not_run_again_and_the_rest_reads_its_blobs() {
    let folder = tempfile::tempdir().unwrap();
    drop(run(options(folder.path()), &["draw"]));
    let mut inv = Investigation::open_with(options(folder.path()), list(&["draw", "read"])).unwrap();
    inv.run_all().unwrap();
    until(&mut inv, Investigation::finished);
    let state = inv.state();
    assert_eq!(state.timeline.iter().filter(|m| m.what.starts_with("draw started")).count(), 1);
    assert!(state.record("read").is_some());
    drop(inv);
    let mut again =
        Investigation::resume_with(&folder.path().join("session"), desk(), list(&["draw", "read"])).unwrap();
    assert!(again.finished(), "nothing to do");
    again.run("draw").unwrap();
    until(&mut again, Investigation::finished);
    assert_eq!(again.state().record("draw"), state.record("draw"));
}

#[test]
fn another_seed_or_case_is_another_session() {
    let folder = tempfile::tempdir().unwrap();
    drop(run(options(folder.path()), &["draw"]));
    let other = |change: fn(&mut Options)| {
        let mut options = options(folder.path());
        change(&mut options);
        Investigation::open_with(options, list(&["draw"]))
    };
    assert!(matches!(other(|o| o.seed = 6), Err(OpenError::Differs { what: "seed", .. })));
    assert!(matches!(other(|o| o.effort = Effort::Quick), Err(OpenError::Differs { what: "effort", .. })));
    assert!(matches!(other(|o| o.target.text.push('x')), Err(OpenError::Differs { what: "case", .. })));
    assert!(other(|o| o.target.root = "/elsewhere".into()).is_ok(), "where it lies is no part of the case");
    assert!(Investigation::resume_with(&folder.path().join("none"), desk(), list(&[])).is_err());
    assert!(!folder.path().join("none").exists());
}

#[test]
fn a_second_instance_reads_and_a_damaged_session_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(options(folder.path()), &["draw"]);
    let mut second = Investigation::open_with(options(folder.path()), list(&["draw"])).unwrap();
    assert!(second.read_only().unwrap().contains("another laocoon"));
    assert_eq!(second.state(), first.state());
    assert!(matches!(second.note("x"), Err(RequestError::ReadOnly(_))));
    assert!(matches!(second.run("draw"), Err(RequestError::ReadOnly(_))));
    assert!(!second.poll() && second.finished());
    drop((first, second));
    let path = folder.path().join("session").join(journal::FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let third = Investigation::open_with(options(folder.path()), list(&["draw"])).unwrap();
    assert!(third.read_only().unwrap().contains("damaged") && !third.warnings().is_empty());
}

#[test]
fn missing_evidence_is_registered_as_refused_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.target.data.push(DataEntry {
        role: Role::Clean,
        path: "gone.safetensors".into(),
        sha256: None,
        manifest: None,
    });
    let inv = run(options, &["draw"]);
    let state = inv.state();
    assert_eq!((state.evidence.len(), state.evidence[0].id.as_str()), (1, "E1"));
    assert!(state.evidence[0].refusal_code().is_some(), "{:?}", state.evidence[0]);
    assert!(state.record("draw").is_some());
    assert_eq!(gate::exit_code(&state, Severity::Low, false), 3);
    assert_eq!(gate::exit_code(&state, Severity::Low, true), 0);
}

#[test]
fn evidence_that_changes_between_jobs_is_noticed_and_not_used_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "one").unwrap();
    let with = || {
        let mut options = options(folder.path());
        options.target.artefacts.push("notes.txt".into());
        options
    };
    let mut inv = run(with(), &["draw", "accuse"]);
    assert!(inv.state().changed.is_empty());
    std::fs::write(&path, "other").unwrap();
    inv.run("draw").unwrap();
    until(&mut inv, Investigation::finished);
    let state = inv.state();
    assert_eq!(state.changed.len(), 1, "{:?}", state.changed);
    assert_eq!(state.changed[0].0, "E1");
    assert!(gate::missing(&state).iter().any(|l| l.starts_with("E1 changed")));
    // Touched, with the same content: no change.
    drop(inv);
    std::fs::write(&path, "one").unwrap();
    let mut back = Investigation::open_with(with(), list(&["draw", "accuse"])).unwrap();
    back.run("draw").unwrap();
    until(&mut back, Investigation::finished);
    assert_eq!(back.state().changed.len(), 1);
}

#[test]
fn evidence_that_is_swapped_cut_grown_rewritten_or_removed_during_a_job_is_noticed_in_50_of_50_trials() {
    let (mut noticed, mut ways) = (0, std::collections::BTreeSet::new());
    for seed in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "one two").unwrap();
        let mut options = Options { seed, ..options(folder.path()) };
        options.target.artefacts.push("notes.txt".into());
        let inv = run(options, &["meddle"]);
        let state = inv.state();
        let way = state.record("meddle").unwrap().measures["value"].as_u64().unwrap() % 5;
        ways.insert(way);
        let seen = state.changed.iter().any(|(id, _)| id == "E1") && !gate::complete(&state);
        assert!(seen, "seed {seed}, way {way}: {:?}", state.changed);
        noticed += 1;
    }
    assert_eq!((noticed, ways.len()), (50, 5), "every way was tried");
}

#[test]
fn a_deadline_ends_the_job_and_not_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { deadline: Some(Duration::from_millis(30)), memory: None };
    let inv = run(Options { budget, ..options(folder.path()) }, &["draw", "hang", "accuse"]);
    let state = inv.state();
    let Status::Failed(why) = status(&inv, "hang") else { panic!("{:?}", status(&inv, "hang")) };
    assert!(why.contains("deadline") && why.contains("0.03 s"), "{why}");
    assert!(state.record("draw").is_some() && state.record("accuse").is_some(), "the rest goes on");
    assert_eq!(gate::exit_code(&state, Severity::Critical, false), 3, "it does not look like a pass");
    let back = Session::open(&folder.path().join("session")).unwrap().state();
    assert_eq!(back, *state, "it is in the journal");
}

#[test]
fn a_rerun_says_whether_the_answer_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let ids = ["draw", "accuse", "read"];
    drop(run(options(folder.path()), &ids));
    let session = folder.path().join("session");
    let mut told = 0;
    let limits = Limits::default();
    let all =
        rerun::rerun_with(&session, None, 2, &limits, Budget::default(), &mut |_| told += 1, list(&ids))
            .unwrap();
    assert_eq!((all.len(), told), (3, 3));
    assert!(all.iter().all(|r| r.same == Same::Identical), "{all:?}");
    let without =
        rerun::rerun_with(&session, None, 1, &limits, Budget::default(), &mut |_| (), list(&["draw"]))
            .unwrap();
    assert!(matches!(without[1].same, Same::Cannot(_)));
    let soon = Budget { deadline: Some(Duration::from_nanos(1)), memory: None };
    let ended = rerun::rerun_with(&session, None, 1, &limits, soon, &mut |_| (), list(&ids)).unwrap();
    let named = |r: &rerun::Rerun| matches!(&r.same, Same::Cannot(why) if why.contains("--deadline"));
    assert!(ended.iter().any(named), "{ended:?}");
}

#[test]
fn opening_returns_before_the_evidence_is_read_and_a_partial_figure_is_seen() {
    static SEEN: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.target.artefacts.push("gone.bin".into());
    let mut inv = Investigation::open_with(options, list(&["draw"])).unwrap();
    assert!(inv.state().evidence.is_empty() && !inv.finished());
    inv.run_all().unwrap();
    assert!(inv.live().iter().any(|j| j.procedure == "draw" && !j.running && j.total == 0));
    SEEN.store(inv.live().iter().any(|j| j.procedure == INTAKE), Ordering::Relaxed);
    until(&mut inv, Investigation::finished);
    assert!(SEEN.load(Ordering::Relaxed), "the intake is a job");
}
