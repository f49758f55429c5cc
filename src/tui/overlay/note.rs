//! A line of text asked for: a note for the journal, a moment of a replay.

use crate::case::Topic;
use crate::evidence::text::visible;
use crate::tui::paint::Painter;
use crate::tui::text::{count, wrap};
use ratatui::layout::Rect;
use ratatui::text::Line;

/// The most characters of a note.
pub const LONGEST: usize = 2000;

pub(super) fn draw(p: &mut Painter, area: Rect, about: &Topic, text: &str) -> usize {
    let left = LONGEST.saturating_sub(text.chars().count());
    let below = format!("enter keeps it in the journal · esc drops it · {} left", count(left, "character"));
    let inner = p.overlay(area, 74, 9, &format!("note on {}", about.name()), &below);
    let lines = wrap(&format!("{}▏", visible(text)), usize::from(inner.width));
    let top = lines.len().saturating_sub(usize::from(inner.height));
    for (i, line) in lines.iter().skip(top).enumerate() {
        p.line(inner, i, Line::raw(line.as_str()));
    }
    0
}

pub(super) fn goto(p: &mut Painter, area: Rect, text: &str) -> usize {
    let below = "an event's number, or a time: 11:47, 2026-11-20 11:47 · enter goes there";
    let inner = p.overlay(area, 74, 3, "go to", below);
    p.line(inner, 0, Line::raw(format!("{}▏", visible(text))));
    0
}
