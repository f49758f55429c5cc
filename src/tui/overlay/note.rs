//! A note for the journal.

use crate::evidence::text::visible;
use crate::tui::paint::Painter;
use crate::tui::text::{count, wrap};
use ratatui::layout::Rect;
use ratatui::text::Line;

/// The most characters of a note.
pub const LONGEST: usize = 2000;

pub(super) fn draw(p: &mut Painter, area: Rect, text: &str) -> usize {
    let left = LONGEST.saturating_sub(text.chars().count());
    let below = format!("enter keeps it in the journal · esc drops it · {} left", count(left, "character"));
    let inner = p.overlay(area, 74, 9, "note", &below);
    let lines = wrap(&format!("{}▏", visible(text)), usize::from(inner.width));
    let top = lines.len().saturating_sub(usize::from(inner.height));
    for (i, line) in lines.iter().skip(top).enumerate() {
        p.line(inner, i, Line::raw(line.as_str()));
    }
    0
}
