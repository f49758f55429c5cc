//! What keys do, and why they sometimes do not.

use super::fixture::{self, Fixture};
use super::{app, screen, text};
use crate::tui::app::{App, Next};
use crate::tui::overlay::{Mode, Zoom};
use crate::tui::pane::{Pane, Slot};
use crate::tui::source::{Request, Step};
use crate::tui::theme::Depth;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use std::sync::mpsc::{Receiver, channel};

pub(super) fn start(mut f: Fixture) -> (App, Receiver<Request>) {
    let (send, asked) = channel();
    f.log = Some(send);
    (app(f, Depth::Mono), asked)
}

pub(super) fn key(app: &mut App, code: KeyCode) -> Next {
    app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

pub(super) fn keys(app: &mut App, text: &str) {
    for c in text.chars() {
        key(app, KeyCode::Char(c));
    }
}

fn ctrl(app: &mut App, c: char) -> Next {
    app.handle(&Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

pub(super) fn bottom(app: &mut App) -> String {
    text(&screen(app, 100, 24)).lines().last().unwrap().to_owned()
}

#[test]
fn numbers_choose_panes_and_tab_moves_the_focus() {
    let (mut app, _) = start(fixture::full());
    for (n, pane) in (1..).zip(Pane::ALL) {
        keys(&mut app, &n.to_string());
        assert_eq!(app.ui.pane, pane);
    }
    keys(&mut app, "2");
    assert_eq!(app.ui.slot(), Slot::Anomaly);
    key(&mut app, KeyCode::Tab);
    assert_eq!(app.ui.slot(), Slot::Clusters);
    app.handle(&Event::Key(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)));
    assert_eq!(app.ui.slot(), Slot::Anomaly);
}

#[test]
fn the_class_starts_at_the_accused_one_and_follows_arrows_and_letters() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "2");
    assert_eq!(app.view().class(), 7);
    keys(&mut app, "k");
    key(&mut app, KeyCode::Up);
    assert_eq!(app.view().class(), 5);
    assert!(text(&screen(&mut app, 80, 24)).contains("class 5"), "the scatter follows");
    keys(&mut app, "G");
    assert_eq!(app.view().class(), 9);
}

#[test]
fn r_runs_what_is_chosen_and_says_why_when_it_cannot() {
    let (mut app, asked) = start(fixture::full());
    keys(&mut app, "r");
    assert!(bottom(&mut app).contains("no procedure is chosen"), "an evidence item is chosen");
    key(&mut app, KeyCode::Tab);
    keys(&mut app, "jr");
    assert_eq!(asked.try_recv().unwrap(), Request::Run("format-safety".into()));
    keys(&mut app, "R");
    assert!(bottom(&mut app).contains("everything planned has run"));
    assert!(asked.try_recv().is_err());
}

#[test]
fn stop_needs_a_job_and_stops_the_one_in_the_bottom_bar() {
    let (mut app, _) = start(fixture::full());
    ctrl(&mut app, 'x');
    assert!(bottom(&mut app).contains("nothing to stop: no job runs"));
    let (mut app, asked) = start(fixture::running());
    assert!(bottom(&mut app).contains("neural-cleanse"));
    ctrl(&mut app, 'x');
    assert_eq!(asked.try_recv().unwrap(), Request::Stop("neural-cleanse".into()));
    keys(&mut app, "J");
    screen(&mut app, 80, 24);
    keys(&mut app, "j");
    ctrl(&mut app, 'x');
    assert_eq!(asked.try_recv().unwrap(), Request::Stop("spectral-signatures".into()), "the chosen one");
}

#[test]
fn quitting_asks_only_when_a_job_runs() {
    let (mut app, _) = start(fixture::full());
    assert_eq!(key(&mut app, KeyCode::Char('q')), Next::Leave);
    let (mut app, _) = start(fixture::running());
    assert_eq!(ctrl(&mut app, 'c'), Next::Stay);
    assert_eq!(app.mode, Mode::Quit);
    key(&mut app, KeyCode::Esc);
    assert_eq!(app.mode, Mode::Browse);
    keys(&mut app, "q");
    assert_eq!(key(&mut app, KeyCode::Char('q')), Next::Leave);
}

#[test]
fn a_note_is_asked_for_with_its_text_and_paste_is_flattened() {
    let (mut app, asked) = start(fixture::full());
    keys(&mut app, "NqR");
    app.handle(&Event::Paste(" two\nlines\x1b".into()));
    key(&mut app, KeyCode::Enter);
    assert_eq!(asked.try_recv().unwrap(), Request::Note("qR two lines".into()));
    keys(&mut app, "n");
    key(&mut app, KeyCode::Enter);
    assert!(bottom(&mut app).contains("an empty note is not kept"));
    assert!(asked.try_recv().is_err());
}

#[test]
fn a_replay_steps_and_refuses_to_change_anything() {
    let (mut app, asked) = start(fixture::replay());
    assert!(text(&screen(&mut app, 80, 24)).contains("REPLAY 6/9 2026-03-02 10:30:00Z"));
    keys(&mut app, "[]}{");
    let steps: Vec<Request> = asked.try_iter().collect();
    assert_eq!(steps, [Step::Back, Step::On, Step::FindingOn, Step::FindingBack].map(Request::Step));
    for refused in ["R", "n"] {
        keys(&mut app, refused);
        assert!(bottom(&mut app).contains("not possible: a replay is read-only"), "{refused}");
    }
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "]");
    assert!(bottom(&mut app).contains("this is live work"));
}

#[test]
fn help_shows_keys_then_the_page_of_the_chosen_procedure() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "2?");
    assert_eq!(app.mode, Mode::Help { page: None, scroll: 0 });
    keys(&mut app, "?");
    assert_eq!(app.mode, Mode::Help { page: Some("neural-cleanse".into()), scroll: 0 });
    assert!(text(&screen(&mut app, 80, 24)).contains("Wrong when"));
    keys(&mut app, "?");
    assert_eq!(app.mode, Mode::Help { page: None, scroll: 0 });
    keys(&mut app, "q");
    assert_eq!(app.mode, Mode::Browse, "q closes what is on top first");
}

#[test]
fn the_palette_finds_by_letters_and_carries_out() {
    let (mut app, asked) = start(fixture::full());
    keys(&mut app, ":run refine");
    screen(&mut app, 80, 24);
    key(&mut app, KeyCode::Enter);
    assert_eq!(asked.try_recv().unwrap(), Request::Run("refine-trigger".into()));
    keys(&mut app, ":impact");
    key(&mut app, KeyCode::Enter);
    assert_eq!(app.ui.pane, Pane::Impact);
    key(&mut app, KeyCode::F(1));
    keys(&mut app, "step on");
    key(&mut app, KeyCode::Enter);
    assert!(bottom(&mut app).contains("this is live work"), "a refused offer says why");
}

#[test]
fn zoom_goes_through_every_picture_and_shows_numbers() {
    let (mut app, _) = start(fixture::full());
    keys(&mut app, "3z");
    let mut seen = Vec::new();
    for _ in 0..6 {
        let Mode::Zoom(Zoom { figure, .. }) = app.mode.clone() else { panic!("{:?}", app.mode) };
        seen.push(figure.1);
        key(&mut app, KeyCode::Right);
    }
    seen.sort();
    assert_eq!(seen, ["anomaly", "history", "pca/7", "per-source", "sources", "trigger"]);
    keys(&mut app, "q2z#");
    let shown = text(&screen(&mut app, 80, 24));
    assert!(shown.contains("4.31") && !shown.contains('█'), "{shown}");
}

#[test]
fn a_disabled_or_unknown_key_says_why() {
    let (mut app, _) = start(fixture::empty());
    keys(&mut app, "z");
    assert!(bottom(&mut app).contains("no picture yet"));
    keys(&mut app, "x");
    assert!(bottom(&mut app).contains("x does nothing here; ? shows the keys"));
    keys(&mut app, "e");
    assert!(bottom(&mut app).contains("no report writer here"));
}

#[test]
fn the_mouse_chooses_tabs_and_rows() {
    let (mut app, _) = start(fixture::full());
    let shown = text(&screen(&mut app, 80, 24));
    let click = |app: &mut App, column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        app.handle(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let row = shown.lines().position(|l| l.contains("train.safetensors")).unwrap() as u16;
    click(&mut app, 20, row);
    assert_eq!(app.view().cursor(Slot::Evidence), 1);
    click(&mut app, 16, 1);
    assert_eq!(app.ui.pane, Pane::Detection);
}
