//! Everything about what was chosen, on most of the screen.

use super::most;
use crate::tui::paint::Painter;
use crate::tui::pane::detail;
use crate::tui::view::{Subject, View};
use ratatui::layout::Rect;

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, subject: &Subject, scroll: usize) -> usize {
    let title = detail::title(view, subject);
    let onward = crate::tui::drill::evidence(view, subject);
    let onward = onward.map_or(String::new(), |(words, _)| format!("enter: {words} · "));
    let inner = p.overlay(area, 100, area.height, &title, &format!("{onward}↑↓ scroll · esc back"));
    let lines = detail::lines(view, subject, usize::from(inner.width));
    p.scrolled(inner, &lines, scroll);
    most(lines.len(), inner)
}
