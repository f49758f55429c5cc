//! The workbench's quickness: from a key to its finished picture while four investigations compute, and drawing alone.
//!
//! `cargo bench --bench screen -- [KEYS] [--json]`
//!
//! Four sessions of the shipped case run one detector each, with as many threads as the machine has cores, so the drawing
//! thread has to fight for its core. A second thread presses keys at an uneven pace; a key's time runs from the press to
//! the finished picture, the wait for the drawing thread to be woken included. Limits: p99 50 ms from key to picture at
//! 80×24, 5 ms for a picture at 200×60.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod common;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use laocoon::evidence::{CaseFile, Limits};
use laocoon::investigation::{Background, Investigation, Options};
use laocoon::procedure::Effort;
use laocoon::tui::app::{App, Next};
use laocoon::tui::theme::{Depth, Theme};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const DETECTORS: [&str; 4] =
    ["neural-cleanse", "universal-perturbation", "feature-perturbation", "maximum-margin"];

/// Keys that go through panes, rows, figures and overlays.
const KEYS: &str = "2jjkk3j4jj56kkkk1jj2zjj\u{1b}?jj\u{1b}:run\u{1b}wjj\u{1b}J\u{1b}2sjs6/ended\u{1b}1";

fn open(session: &Path, detector: &str) -> Investigation {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
    let target = CaseFile::from_paths(&[case], &[], &Limits::default()).unwrap_or_else(|e| panic!("{e}"));
    let options = Options {
        target,
        session: session.to_owned(),
        seed: 0,
        effort: Effort::Thorough,
        threads: 0,
        only: vec![detector.to_owned()],
        phases: Vec::new(),
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        analyst: "bench".into(),
        budget: laocoon::jobs::Budget::default(),
    };
    let mut investigation = Investigation::open(options).unwrap_or_else(|e| panic!("{e}"));
    investigation.run_all().unwrap_or_else(|e| panic!("{e}"));
    investigation
}

fn press(c: char) -> Event {
    let code = if c == '\u{1b}' { KeyCode::Esc } else { KeyCode::Char(c) };
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn told(part: &str, name: &str, mut each: Vec<f64>, limit: f64) {
    each.sort_by(f64::total_cmp);
    let at = |share| common::quantile(&each, share);
    let over = if at(0.99) > limit { format!(" – OVER the limit of {limit} ms") } else { String::new() };
    let (median, p99, most) = (at(0.5), at(0.99), at(1.0));
    common::tell(
        &format!(
            "{name}: median {median:.2} ms, p99 {p99:.2} ms, most {most:.2} ms, {} times{over}",
            each.len()
        ),
        &json!({"part": part, "name": name, "median_ms": median, "p99_ms": p99, "most_ms": most, "times": each.len()}),
    );
}

fn main() {
    let keys = std::env::args().skip(1).find_map(|a| a.parse::<usize>().ok()).unwrap_or(1000);
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let mut at_work: Vec<Background> = DETECTORS
        .iter()
        .map(|d| Background::send(open(&folder.path().join(d), d)).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let begun = Instant::now();
    let running = |all: &[Background]| {
        all.iter().filter(|b| b.seen().live.iter().any(|j| j.running && j.procedure != "intake")).count()
    };
    while running(&at_work) < DETECTORS.len() && begun.elapsed() < Duration::from_mins(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let at_first = running(&at_work);
    common::tell(
        &format!("{at_first} of {} detectors run, on {} cores", DETECTORS.len(), cores()),
        &json!({"part": "detectors", "running": at_first, "cores": cores()}),
    );

    let shown = at_work.remove(0);
    let mut app = App::new(Box::new(shown), Theme::of(Depth::True), None);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap_or_else(|e| panic!("{e}"));
    let (send, pressed) = mpsc::channel();
    let presser = std::thread::spawn(move || {
        for (n, c) in KEYS.chars().cycle().take(keys).enumerate() {
            std::thread::sleep(Duration::from_millis(11 + (n as u64 * 7) % 23));
            if send.send((Instant::now(), press(c))).is_err() {
                return;
            }
        }
    });
    let mut times = Vec::new();
    loop {
        match pressed.recv_timeout(Duration::from_millis(40)) {
            Ok((at, event)) => {
                assert!(
                    app.handle(&event) != Next::Leave,
                    "the keys left the workbench: a mistake in this bench"
                );
                app.poll();
                terminal.draw(|frame| app.draw(frame)).unwrap_or_else(|e| panic!("{e}"));
                times.push(1e3 * at.elapsed().as_secs_f64());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if app.poll() {
                    terminal.draw(|frame| app.draw(frame)).unwrap_or_else(|e| panic!("{e}"));
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let still = running(&at_work);
    common::tell(
        &format!("{still} of the other {} still run", at_work.len()),
        &json!({"part": "detectors at the end", "running": still}),
    );
    told("key", "key to picture, 80×24, at work", times, 50.0);
    let _ = presser.join();

    let mut large = Terminal::new(TestBackend::new(200, 60)).unwrap_or_else(|e| panic!("{e}"));
    drop(at_work);
    app.stop_all();
    std::thread::sleep(Duration::from_secs(1));
    let mut each = Vec::new();
    for n in 0..600 {
        app.handle(&press(['1', '2', '3', '4', '5', '6'][n % 6]));
        app.poll();
        let begun = Instant::now();
        large.draw(|frame| app.draw(frame)).unwrap_or_else(|e| panic!("{e}"));
        each.push(1e3 * begun.elapsed().as_secs_f64());
    }
    told("frame", "a picture at 200×60, every pane, at rest", each, 5.0);
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
