//! A bug in a procedure ends that procedure: twelve of the program's own are made to panic in the middle of their work,
//! wherever they ask whether to go on, on whatever thread that is.

use super::{Investigation, Options};
use crate::case::{Session, Status, gate, verify};
use crate::evidence::{CaseFile, Limits};
use crate::figure::Figure;
use crate::procedure::{
    About, Case, Context, Effort, Monitor, Outcome, Plan, Procedure, Severity, Skip, Stop,
};
use crate::registry;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of every phase; each applies to the case.
const BROKEN: [&str; 12] = [
    "integrity",
    "format-safety",
    "activation-clustering",
    "spectral-signatures",
    "label-issues",
    "near-duplicates",
    "outliers",
    "weight-test",
    "maximum-margin",
    "poisoned-samples",
    "clean-effect",
    "taxonomy-mapping",
];

/// A procedure as it is, under a monitor that panics when it is asked for the second time, or at the end.
struct Broken(&'static dyn Procedure);

struct Trap(AtomicU64);

impl Trap {
    fn sprung(&self) {
        assert!(self.0.fetch_add(1, Ordering::Relaxed) < 1, "injected");
    }
}

impl Monitor for Trap {
    fn progress(&self, _: u64, _: u64) {}
    fn partial(&self, _: &str, _: Figure) {}
    fn log(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.sprung();
        false
    }
}

impl Procedure for Broken {
    fn about(&self) -> &'static About {
        self.0.about()
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        self.0.plan(case)
    }

    fn run(&self, case: &Case, plan: &Plan, _: &mut Context) -> Result<Outcome, Stop> {
        let trap = Trap(AtomicU64::new(0));
        let done = self.0.run(case, plan, &mut Context::new(0, self.0.about().id, &trap));
        // Those that ask once only.
        trap.sprung();
        done
    }
}

#[test]
fn twelve_procedures_that_panic_fail_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let others = ["provenance", "head-probe", "spectral-signatures"];
    let list: Vec<&'static dyn Procedure> = registry::all()
        .iter()
        .filter(|p| BROKEN.contains(&p.about().id) || others.contains(&p.about().id))
        .map(|p| {
            let broken: &'static dyn Procedure =
                if BROKEN.contains(&p.about().id) { Box::leak(Box::new(Broken(*p))) } else { *p };
            broken
        })
        .collect();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch/case.toml");
    let session = folder.path().join("session");
    let options = Options {
        target: CaseFile::read(&case, &Limits::default()).unwrap(),
        session: session.clone(),
        seed: 0,
        effort: Effort::Quick,
        threads: 2,
        only: Vec::new(),
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        budget: crate::jobs::Budget::default(),
        analyst: "ana".into(),
    };
    let mut investigation = Investigation::open_with(options, list.leak()).unwrap();
    investigation.run_all().unwrap();
    while !investigation.finished() {
        investigation.wait(Duration::from_millis(100));
    }
    let state = investigation.state();
    let mut failed = 0;
    for procedure in &state.procedures {
        let broken = BROKEN.contains(&procedure.id.as_str());
        match &procedure.status {
            Status::Failed(why) => {
                assert!(broken && why.contains("injected"), "{}: {why}", procedure.id);
                failed += 1;
            }
            // Does not apply without what a broken one would have found: said, and no failure of its own.
            Status::Skipped(why) => assert!(!why.is_empty(), "{}", procedure.id),
            Status::Finished { .. } => assert!(!broken, "{} finished", procedure.id),
            other => panic!("{}: {other:?}", procedure.id),
        }
    }
    println!("{failed} of {} panicked", BROKEN.len());
    assert_eq!(
        failed,
        BROKEN.len(),
        "{:?}",
        state.procedures.iter().map(|p| (&p.id, &p.status)).collect::<Vec<_>>()
    );
    assert!(state.record("head-probe").is_some(), "the rest goes on");
    assert_eq!(gate::exit_code(&state, Severity::Critical, false), 3);
    assert_eq!(Session::open(&session).unwrap().state(), *state);
    assert_eq!(verify::verify(&session).unwrap().exit_code(), 0);
}
