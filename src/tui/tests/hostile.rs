//! Names written by the attacker, in every place a name can stand.

use super::fixture::{self, HOSTILE};
use super::{app, screen, text};
use crate::evidence::text::visible;
use crate::tui::overlay::Mode;
use crate::tui::pane::Pane;
use crate::tui::plain;
use crate::tui::theme::Depth;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;

fn assert_harmless(buffer: &Buffer, what: &str) {
    for cell in &buffer.content {
        assert_eq!(cell.symbol(), visible(cell.symbol()), "{what}");
        assert!(cell.symbol().chars().count() <= 3, "{what}: {:?}", cell.symbol());
    }
}

#[test]
fn hostile_text_never_reaches_a_cell() {
    for make in [fixture::full, fixture::failed, fixture::running, fixture::replay] {
        for (w, h) in [(1, 1), (20, 8), (60, 16), (80, 24), (130, 40)] {
            for pane in Pane::ALL {
                let mut app = app(fixture::hostile(make()), Depth::True);
                app.ui.pane = pane;
                for focus in 0..pane.slots().len() {
                    app.ui.focus[pane as usize] = focus;
                    assert_harmless(&screen(&mut app, w, h), &format!("{pane:?} {w}×{h}"));
                    for keys in ["\n", "z", "?", "z\n"] {
                        for c in keys.chars() {
                            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
                            app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
                        }
                        assert_harmless(&screen(&mut app, w, h), &format!("{pane:?} {w}×{h} {keys:?}"));
                        app.mode = Mode::Browse;
                    }
                }
            }
        }
    }
}

#[test]
fn names_are_shown_with_what_they_hide() {
    let shown = text(&screen(&mut app(fixture::hostile(fixture::full()), Depth::Mono), 130, 40));
    assert!(shown.contains("\\u{202e}"), "made visible, not dropped:\n{shown}");
}

#[test]
fn plain_text_holds_no_control_but_line_breaks() {
    assert_ne!(HOSTILE, visible(HOSTILE));
    for make in [fixture::full, fixture::failed] {
        let text = plain(&fixture::hostile(make()));
        for line in text.lines() {
            assert_eq!(line, visible(line));
        }
    }
}
