//! The analyst's own work: verdicts, tags, notes, undo; filters, orders, the clipboard, another session beside this one.

use super::fixture;
use super::keys::{bottom, key, keys, start};
use super::{app, screen, text};
use crate::case::fixture as events;
use crate::case::journal::Journal;
use crate::case::{Event, Judgement, Topic};
use crate::procedure::Severity;
use crate::tui::app::{App, Next};
use crate::tui::command::Keymap;
use crate::tui::overlay::Mode;
use crate::tui::pane::{Pane, Slot};
use crate::tui::picker::Entry;
use crate::tui::source::Request;
use crate::tui::theme::Depth;
use crossterm::event::KeyCode;
use std::collections::BTreeMap;
use std::sync::Arc;

fn shown(app: &mut App) -> String {
    app.poll();
    text(&screen(app, 110, 30))
}

/// At the findings of triage, the gravest chosen.
fn at_findings() -> (App, std::sync::mpsc::Receiver<Request>) {
    let (mut app, asked) = start(fixture::full());
    key(&mut app, KeyCode::Tab);
    key(&mut app, KeyCode::Tab);
    assert_eq!(app.ui.slot(), Slot::AllFindings);
    (app, asked)
}

#[test]
fn a_dismissal_needs_a_reason_stands_beside_the_finding_and_can_be_taken_back() {
    let (mut app, asked) = at_findings();
    keys(&mut app, "v");
    key(&mut app, KeyCode::Tab);
    key(&mut app, KeyCode::Enter);
    assert!(bottom(&mut app).contains("a dismissal needs a reason"));
    assert!(asked.try_recv().is_err());
    keys(&mut app, "natural feature");
    key(&mut app, KeyCode::Enter);
    let about = Topic::Finding {
        procedure: "trigger-probe".into(),
        title: "The trigger works 97.8 % of the time".into(),
    };
    let reason = "natural feature".to_owned();
    let judged = Event::Judged { about, judgement: Judgement::Dismissed, reason };
    assert_eq!(asked.try_recv().unwrap(), Request::Work(judged), "the gravest comes first");
    let seen = shown(&mut app);
    assert!(seen.contains("3 findings, 1 dismissed") && seen.contains("~ dismissed"), "{seen}");
    let last = seen.lines().position(|l| l.contains("~ dismissed"));
    assert!(last > seen.lines().position(|l| l.contains("! medium")), "what is dismissed goes last:\n{seen}");
    keys(&mut app, "u");
    assert!(matches!(asked.try_recv().unwrap(), Request::Work(Event::Undone { .. })));
    assert!(!shown(&mut app).contains("dismissed"));
    keys(&mut app, "U");
    assert!(shown(&mut app).contains("1 dismissed"));
    keys(&mut app, "uu");
    app.poll();
    keys(&mut app, "u");
    assert!(bottom(&mut app).contains("nothing to take back"));
}

#[test]
fn tags_and_notes_are_on_what_is_chosen_and_filters_find_them() {
    let (mut app, asked) = at_findings();
    keys(&mut app, "Tfor review");
    key(&mut app, KeyCode::Enter);
    app.poll();
    keys(&mut app, "nseen before");
    key(&mut app, KeyCode::Enter);
    let got: Vec<Request> = asked.try_iter().collect();
    assert!(
        matches!(&got[0], Request::Work(Event::Tagged { tag, on: true, .. }) if tag == "for-review"),
        "{got:?}"
    );
    assert!(
        matches!(&got[1], Request::Work(Event::Annotated { about: Topic::Finding { .. }, .. })),
        "{got:?}"
    );
    assert!(shown(&mut app).contains("#for-review"));
    keys(&mut app, "/review");
    assert_eq!(app.view().cursor(Slot::AllFindings), 0);
    assert_eq!(Slot::AllFindings.rows(&app.view()), 1, "the filter follows what is typed");
    key(&mut app, KeyCode::Enter);
    assert!(shown(&mut app).contains("only: review"));
    key(&mut app, KeyCode::Enter);
    let page = shown(&mut app);
    assert!(page.contains("seen before") && page.contains("The trigger works"), "{page}");
    key(&mut app, KeyCode::Esc);
    key(&mut app, KeyCode::Esc);
    assert_eq!(Slot::AllFindings.rows(&app.view()), 3, "esc takes the filter off");
    keys(&mut app, "/!review");
    assert_eq!(Slot::AllFindings.rows(&app.view()), 2);
    keys(&mut app, " and more words that nothing holds");
    assert!(shown(&mut app).contains("enter keeps it"));
    key(&mut app, KeyCode::Esc);
    assert_eq!(Slot::AllFindings.rows(&app.view()), 3);
    keys(&mut app, "Tfor-review");
    key(&mut app, KeyCode::Enter);
    assert!(!shown(&mut app).contains("#for-review"), "the same tag again takes it off");
}

#[test]
fn rows_and_bars_have_their_orders() {
    let (mut app, _) = at_findings();
    let first = |app: &mut App| {
        let view = app.view();
        let Some(crate::tui::view::Subject::Finding(i)) = Slot::AllFindings.subject(&view, 0) else {
            panic!()
        };
        i
    };
    assert_eq!(first(&mut app), 2, "critical first");
    keys(&mut app, "s");
    assert_eq!(first(&mut app), 0, "as numbered");
    keys(&mut app, "2s");
    assert_eq!(app.view().bar_order(Slot::Anomaly).unwrap()[..2], [7, 8]);
    let seen = shown(&mut app);
    let row = |name: &str| seen.lines().position(|l| l.contains(name)).unwrap();
    assert!(row("4.31") < row("1.45") && row("1.45") < row("1.19"), "{seen}");
    assert_eq!(app.view().class(), 7);
    keys(&mut app, "j");
    assert_eq!(app.view().class(), 8, "down goes to the bar below, whatever its class");
    keys(&mut app, "6s");
    let seen = shown(&mut app);
    let row = |name: &str| seen.lines().position(|l| l.contains(name)).unwrap();
    assert!(row("note: compare") < row("case opened"), "newest first:\n{seen}");
}

#[test]
fn copying_sends_visible_text_of_what_is_chosen() {
    let (mut app, _) = start(fixture::full());
    let Next::Copy(hash) = key(&mut app, KeyCode::Char('y')) else { panic!() };
    assert!(hash.starts_with("3fa90b7d") && hash.len() == 64);
    assert!(bottom(&mut app).contains("sent to the terminal"), "not `copied`: nobody knows");
    let Next::Copy(page) = key(&mut app, KeyCode::Char('Y')) else { panic!() };
    assert!(page.starts_with("## evidence E1") && page.contains("badnet-mnist.onnx"), "{page}");
    let mut hostile = app_of_hostile();
    for c in ['y', 'Y'] {
        let Next::Copy(text) = key(&mut hostile, KeyCode::Char(c)) else { panic!() };
        assert!(text.lines().all(|l| l == crate::evidence::text::visible(l)), "{text:?}");
    }
}

fn app_of_hostile() -> App {
    app(fixture::hostile(fixture::full()), Depth::Mono)
}

#[test]
fn a_held_screen_stays_while_work_goes_on() {
    let (mut app, _) = at_findings();
    keys(&mut app, "f");
    assert!(shown(&mut app).contains("HELD: f goes on"));
    keys(&mut app, "Tx");
    key(&mut app, KeyCode::Enter);
    assert!(!shown(&mut app).contains("#x "));
    keys(&mut app, "f");
    assert!(shown(&mut app).contains("#x "), "what was missed is shown then");
}

#[test]
fn other_keys_do_the_same_and_are_named_everywhere() {
    let changes =
        BTreeMap::from([("run-all".to_owned(), vec!["f5".to_owned()]), ("help".to_owned(), vec![])]);
    let (app, asked) = start(fixture::empty());
    let mut app = app.with(Arc::new(Keymap::with(&changes).unwrap()), Vec::new());
    keys(&mut app, "R");
    assert!(bottom(&mut app).contains("R does nothing here; :help shows the keys"), "{}", bottom(&mut app));
    key(&mut app, KeyCode::F(5));
    assert_eq!(asked.try_recv().unwrap(), Request::RunAll);
    keys(&mut app, "w");
    assert!(shown(&mut app).contains("what next"));
}

#[test]
fn a_waiting_job_is_preferred_from_the_queue() {
    let (mut app, asked) = start(fixture::running());
    keys(&mut app, "J");
    screen(&mut app, 80, 24);
    keys(&mut app, "jjp");
    assert_eq!(asked.try_recv().unwrap(), Request::Prefer("spectral-signatures".into()));
    key(&mut app, KeyCode::Enter);
    assert!(matches!(app.mode, Mode::Detail { .. }), "enter shows the job's page");
    key(&mut app, KeyCode::Esc);
    assert!(matches!(app.mode, Mode::Jobs { .. }), "and esc leads back");
}

#[test]
fn another_session_is_read_elsewhere_and_shown_beside_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).unwrap().journal.unwrap();
    for event in [events::opened("other"), events::ended("a", events::flagged(7, Severity::High))] {
        journal.append(events::TIME, &event).unwrap();
    }
    let entry = |name: &str, path: &std::path::Path| Entry {
        section: "recent sessions".into(),
        name: name.into(),
        what: "two findings".into(),
        path: path.to_owned(),
    };
    let others = vec![entry("IR-1", std::path::Path::new("/nowhere")), entry("IR-2", folder.path())];
    let (app, _) = start(fixture::full());
    let mut app = app.with(Arc::default(), others);
    keys(&mut app, "cir-2");
    assert!(shown(&mut app).contains("IR-2"));
    key(&mut app, KeyCode::Enter);
    let start = crate::jobs::clock();
    while !matches!(app.mode, Mode::Compared { .. }) {
        assert!(start.elapsed().as_secs() < 30, "{:?}", app.mode);
        app.poll();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let seen = shown(&mut app);
    assert!(seen.contains("findings only there") && seen.contains("* high a: class accused"), "{seen}");
    assert_eq!(app.ui.pane, Pane::Triage);
    key(&mut app, KeyCode::Esc);
    assert_eq!(app.mode, Mode::Browse);
    keys(&mut app, "c/nowhere/at/all");
    key(&mut app, KeyCode::Enter);
    while app.message.as_ref().is_none_or(|m| !m.refused) {
        assert!(start.elapsed().as_secs() < 60);
        app.poll();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
