//! Names written by the attacker, in every place a name can stand.

use super::fixture::{self, HOSTILE};
use super::{app, screen, text};
use crate::evidence::text::visible;
use crate::tui::app::App;
use crate::tui::overlay::Mode;
use crate::tui::pane::Pane;
use crate::tui::plain;
use crate::tui::theme::{Depth, Symbols, Theme};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::backend::{Backend, CrosstermBackend};
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
                    for keys in ["\n", "z", "?", "z#", "n", "v", "T", "w", "c", "/停", "\n\n"] {
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

/// The bytes that a screen sends to a terminal, as crossterm writes them.
fn sent(make: fn() -> fixture::Fixture, pane: Pane, (w, h): (u16, u16), theme: Theme, keys: &str) -> Vec<u8> {
    let mut app = App::new(Box::new(fixture::hostile(make())), theme, None);
    app.ui.pane = pane;
    for c in keys.chars() {
        let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
        app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
    let buffer = screen(&mut app, w, h);
    let mut bytes = Vec::new();
    let cells = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
    let cells: Vec<_> = cells.map(|(x, y)| (x, y, buffer[(x, y)].clone())).collect();
    let mut backend = CrosstermBackend::new(&mut bytes);
    backend.draw(cells.iter().map(|(x, y, cell)| (*x, *y, cell))).unwrap();
    backend.flush().unwrap();
    bytes
}

/// What is left of bytes when the sequences that place the cursor and set styles are taken out.
fn without_sequences(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut left = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        left += &rest[..at];
        let body = rest[at + 1..].strip_prefix('[').expect("only CSI sequences are sent");
        let end = body.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':').expect("a sequence ends");
        assert!(matches!(body.as_bytes()[end], b'H' | b'm'), "sequence {:?}", &body[..=end]);
        rest = &body[end + 1..];
    }
    left + rest
}

#[test]
fn the_bytes_sent_for_hostile_names_hold_no_other_sequence_and_no_control() {
    let mut looked = 0;
    for make in [fixture::full, fixture::failed, fixture::running] {
        for size in [(60, 16), (80, 24), (131, 41)] {
            for pane in Pane::ALL {
                for (depth, symbols) in [(Depth::True, Symbols::Braille), (Depth::Mono, Symbols::Ascii)] {
                    for keys in ["", "\n", "z", "\t\n", "w", "J", ":evil"] {
                        let theme = Theme::of(depth).symbols(symbols);
                        let text = without_sequences(&sent(make, pane, size, theme, keys));
                        assert_eq!(visible(&text), text, "{pane:?} {size:?} {keys:?}");
                        looked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(looked, 3 * 3 * 6 * 2 * 7);
}
