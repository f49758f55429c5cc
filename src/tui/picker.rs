//! Which case? Shown by `laocoon` without a path: recent sessions and the shipped sample cases.
//!
//! ```text
//!  laocoon · which case?
//! ┌ ▸ recent sessions ───────────────────────────────────────────────────────┐
//! │› IR-2026-014   traffic signs, 2 findings             2026-03-02 10:22     │
//! │ sample cases                                                              │
//! │  patch-signs   a sign classifier with a patch backdoor                    │
//! └───────────────────────────────────────────────────────────────────────────┘
//!  type to filter  enter open  esc leave
//! ```

use super::command::{Chord, fuzzy};
use super::paint::Painter;
use super::sweep::sweep;
use super::symbols;
use super::text::{first_row, fit, width};
use super::theme::Theme;
use crate::evidence::text::visible;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use std::path::PathBuf;

/// One line of the picker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Heading it stands under ("recent sessions", "sample cases"); entries of one section stand together.
    pub section: String,
    /// Name.
    pub name: String,
    /// What it is, in a few words.
    pub what: String,
    /// What is opened.
    pub path: PathBuf,
}

/// The picker without a terminal.
#[derive(Debug)]
pub struct Picker {
    entries: Vec<Entry>,
    query: String,
    cursor: usize,
    theme: Theme,
}

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked {
    /// Nothing yet.
    Open,
    /// Left without a choice.
    None,
    /// The n-th entry.
    Entry(usize),
}

impl Picker {
    /// A picker of these entries.
    pub fn new(entries: Vec<Entry>, theme: Theme) -> Self {
        Self { entries, query: String::new(), cursor: 0, theme }
    }

    /// The entries, as given.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Places of the entries that fit what was typed, in their order.
    fn found(&self) -> Vec<usize> {
        let fits = |e: &Entry| fuzzy(&self.query, &format!("{} {}", e.name, e.what)).is_some();
        (0..self.entries.len()).filter(|&i| fits(&self.entries[i])).collect()
    }

    /// Takes a terminal event.
    pub fn handle(&mut self, event: &Event) -> Picked {
        let Event::Key(key) = event else { return Picked::Open };
        if key.kind == KeyEventKind::Release {
            return Picked::Open;
        }
        let last = self.found().len().saturating_sub(1);
        let Chord(code, modifiers) = Chord::of(key);
        match code {
            KeyCode::Char('c') if modifiers == KeyModifiers::CONTROL => return Picked::None,
            KeyCode::Esc if self.query.is_empty() => return Picked::None,
            KeyCode::Char('q') if self.query.is_empty() && modifiers.is_empty() => return Picked::None,
            KeyCode::Esc => self.query.clear(),
            KeyCode::Enter => {
                if let Some(&i) = self.found().get(self.cursor) {
                    return Picked::Entry(i);
                }
            }
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::PageUp | KeyCode::Home => self.cursor = 0,
            KeyCode::PageDown | KeyCode::End => self.cursor = last,
            KeyCode::Backspace => {
                self.query.pop();
                self.cursor = 0;
            }
            KeyCode::Char(c) if modifiers.is_empty() && self.query.len() < 200 => {
                self.query.push(c);
                self.cursor = 0;
            }
            _ => {}
        }
        Picked::Open
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame) {
        let area = frame.area();
        let mut p = Painter::new(frame.buffer_mut(), self.theme);
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        let title = vec![
            Span::styled(" laocoon", self.theme.strong()),
            Span::styled(" · which case?", self.theme.dim()),
        ];
        p.line(head, 0, Line::from(title));
        let below = if self.query.is_empty() {
            String::new()
        } else {
            format!("filter: {}▏", visible(&self.query))
        };
        let inner = p.frame(body, "cases", &below, true);
        self.list(&mut p, inner);
        let key = |k: &'static str, what: &'static str| {
            [Span::styled(format!(" {k}"), self.theme.key()), Span::raw(format!(" {what} "))]
        };
        let hints = [key("↑↓", "choose"), key("enter", "open"), key("a…z", "filter"), key("esc", "leave")];
        p.line(foot, 0, Line::from(hints.concat()));
        sweep(frame.buffer_mut());
        symbols::finish(frame.buffer_mut(), self.theme);
    }

    fn list(&self, p: &mut Painter, inner: Rect) {
        let found = self.found();
        if found.is_empty() {
            let (heading, next) = if self.entries.is_empty() {
                (
                    "no recent session, no sample case here",
                    "next: esc, then `laocoon MODEL --data FOLDER` or a case folder",
                )
            } else {
                ("no case fits the filter", "next: esc clears it")
            };
            p.message(inner, (heading, self.theme.strong()), &[(next.to_owned(), self.theme.dim())]);
            return;
        }
        let names = found.iter().map(|&i| width(&visible(&self.entries[i].name))).max().unwrap_or(0).min(36);
        let mut lines: Vec<(Line, Option<usize>)> = Vec::new();
        let mut section = None;
        for (at, &i) in found.iter().enumerate() {
            let entry = &self.entries[i];
            if section != Some(&entry.section) {
                section = Some(&entry.section);
                if at > 0 {
                    lines.push((Line::default(), None));
                }
                lines.push((Line::styled(format!(" {}", visible(&entry.section)), self.theme.dim()), None));
            }
            let chosen = at == self.cursor.min(found.len() - 1);
            let row = Line::from(vec![
                Span::styled(if chosen { " › " } else { "   " }, self.theme.key()),
                Span::styled(fit(&visible(&entry.name), names), self.theme.strong()),
                Span::raw(format!("  {}", visible(&entry.what))),
            ]);
            lines.push((
                if chosen { row.style(self.theme.selected(true)) } else { row },
                chosen.then_some(at),
            ));
        }
        let cursor = lines.iter().position(|(_, at)| at.is_some()).unwrap_or(0);
        let rows = usize::from(inner.height);
        let first = first_row(cursor, lines.len(), rows);
        for (y, (line, _)) in lines.iter().skip(first).take(rows).enumerate() {
            p.line(inner, y, line.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crossterm::event::KeyEvent;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn picker() -> Picker {
        let entry = |section: &str, name: &str, what: &str| Entry {
            section: section.into(),
            name: name.into(),
            what: what.into(),
            path: name.into(),
        };
        let entries = vec![
            entry("recent sessions", "IR-2026-014", "traffic signs, 2 findings"),
            entry("sample cases", "patch-signs", "a sign classifier with a patch backdoor"),
            entry("sample cases", "patch-signs-clean", "its clean twin\u{202e}"),
        ];
        Picker::new(entries, Theme::of(Depth::Mono))
    }

    fn press(picker: &mut Picker, code: KeyCode) -> Picked {
        picker.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    #[test]
    fn typing_filters_and_enter_names_the_entry() {
        let mut p = picker();
        for c in "twin".chars() {
            assert_eq!(press(&mut p, KeyCode::Char(c)), Picked::Open);
        }
        assert_eq!(press(&mut p, KeyCode::Enter), Picked::Entry(2));
        assert_eq!(press(&mut p, KeyCode::Esc), Picked::Open, "first esc clears the filter");
        assert_eq!(press(&mut p, KeyCode::Down), Picked::Open);
        assert_eq!(press(&mut p, KeyCode::Enter), Picked::Entry(1));
        assert_eq!(press(&mut p, KeyCode::Esc), Picked::None);
    }

    #[test]
    fn sections_and_entries_are_drawn_at_any_size() {
        for (w, h) in [(1, 1), (3, 2), (30, 8), (80, 24)] {
            let mut terminal = Terminal::new(TestBackend::new(w, h)).unwrap();
            let p = picker();
            terminal.draw(|f| p.draw(f)).unwrap();
            let text = terminal.backend().to_string();
            assert!(!text.contains('\u{202e}'));
            if w == 80 {
                assert!(text.contains("recent sessions") && text.contains("patch-signs-clean"), "{text}");
            }
        }
    }
}
