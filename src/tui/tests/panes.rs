//! Every pane in every state at both sizes, in colour and without.

use super::{app, fixture, screen, styled, text};
use crate::tui::app::App;
use crate::tui::pane::Pane;
use crate::tui::theme::{Depth, Look, Symbols, Theme};
use fixture::Fixture;
use ratatui::style::Color;

const STATES: [(&str, fn() -> Fixture); 4] = [
    ("empty", fixture::empty),
    ("running", fixture::running),
    ("failed", fixture::failed),
    ("full", fixture::full),
];

#[test]
fn every_pane_in_every_state_looks_as_it_did() {
    for pane in Pane::ALL {
        for (name, make) in STATES {
            let mut shots = String::new();
            for (width, height) in [(80, 24), (130, 40)] {
                for depth in [Depth::True, Depth::Mono] {
                    let mut app = app(make(), depth);
                    app.ui.pane = pane;
                    shots += &format!(
                        "{width}×{height} {depth:?}\n{}\n",
                        styled(&screen(&mut app, width, height))
                    );
                }
            }
            insta::assert_snapshot!(format!("{}-{name}", pane.name()), shots);
        }
    }
}

#[test]
fn the_overlays_look_as_they_did() {
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
    for (name, keys) in [
        ("help", "?"),
        ("page", "2??"),
        ("palette", ":run"),
        ("jobs", "J"),
        ("note", "nabc"),
        ("detail", "\n"),
        ("zoom", "z"),
        ("guide", "w"),
        ("verdict", "\t\tvnot this one"),
        ("tag", "Tsticker"),
        ("filter", "/clean"),
        ("compare", "c"),
        ("scatter", "2\n"),
    ] {
        let mut app = app(if name == "jobs" { fixture::running() } else { fixture::full() }, Depth::Mono);
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        insta::assert_snapshot!(format!("overlay-{name}"), text(&screen(&mut app, 80, 24)));
    }
}

#[test]
fn every_state_of_every_pane_names_a_next_step() {
    for pane in Pane::ALL {
        for (name, make) in STATES {
            for (width, height) in [(80, 24), (130, 40)] {
                let mut app = app(make(), Depth::Mono);
                app.ui.pane = pane;
                let shown = text(&screen(&mut app, width, height));
                let body: String = shown.lines().skip(2).collect::<Vec<_>>().join("\n");
                let named = ["next:", "enter: in full", "evidence is being read", "appear here", "]"];
                assert!(
                    named.iter().any(|w| body.contains(w))
                        || ["enter open", "^X stop"].iter().any(|w| shown
                            .lines()
                            .last()
                            .unwrap()
                            .contains(w)),
                    "{pane:?} {name} {width}×{height}:\n{shown}"
                );
            }
        }
    }
}

#[test]
fn every_look_has_its_ground_everywhere_and_ascii_is_ascii() {
    for pane in Pane::ALL {
        for (look, _) in Look::ALL {
            let theme = Theme::of(Depth::Indexed).look(look).symbols(Symbols::Ascii);
            let mut app = App::new(Box::new(fixture::full()), theme, None);
            app.ui.pane = pane;
            let buffer = screen(&mut app, 100, 30);
            assert!(text(&buffer).is_ascii(), "{pane:?}:\n{}", text(&buffer));
            let filled = buffer.content.iter().all(|c| c.bg != Color::Reset);
            assert_eq!(filled, theme.ground().is_some(), "{pane:?} {look:?}");
        }
    }
}

#[test]
fn a_cut_title_ends_in_an_ellipsis() {
    let mut f = fixture::full();
    f.figures.get_mut("anomaly").unwrap().title =
        "A title that is certainly longer than the half of eighty columns".into();
    let mut app = app(f, Depth::Mono);
    app.ui.pane = Pane::Detection;
    let shown = text(&screen(&mut app, 80, 24));
    assert!(shown.contains("A title that is certainly long") && shown.contains("… ┐"), "{shown}");
}

#[test]
fn below_the_least_size_it_says_so() {
    let mut app = app(fixture::running(), Depth::Mono);
    let shown = text(&screen(&mut app, 40, 10));
    assert!(shown.contains("40×10 is too small: 60×16 needed"), "{shown}");
    for (w, h) in [(1, 1), (2, 1), (1, 5), (59, 16), (60, 15), (60, 16), (300, 100)] {
        screen(&mut app, w, h);
    }
}
