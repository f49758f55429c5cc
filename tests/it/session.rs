//! A whole investigation of a real model, live, replayed and run again.

use super::shared;
use laocoon::case::{Session, gate, verify};
use laocoon::evidence::{CaseFile, Limits};
use laocoon::investigation::{Investigation, Options, Same, rerun};
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
    let second = rerun(&session, None, 1, &Limits::default(), &mut |_| ()).unwrap();
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|r| r.same == Same::Identical), "{second:?}");
}
