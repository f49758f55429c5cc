//! Which report to write.

use crate::tui::paint::Painter;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// What a format is good for.
fn purpose(format: &str) -> &'static str {
    match format {
        "html" => "one page with pictures, for people",
        "markdown" => "for a ticket or a repository",
        "json" => "for programs",
        _ => "",
    }
}

pub(super) fn draw(p: &mut Painter, area: Rect, formats: &[&'static str], cursor: usize) -> usize {
    let height = formats.len().max(1) as u16 + 2;
    let inner = p.overlay(area, 56, height, "export a report", "enter writes it · esc close");
    let rows: Vec<Line> = formats.iter().map(|f| Line::raw(format!("{f:<10} {}", purpose(f)))).collect();
    if rows.is_empty() {
        p.line(inner, 0, Line::styled(" nobody here can write a report", p.theme.dim()));
    }
    p.list(inner, 0, &rows, cursor, true);
    formats.len().saturating_sub(1)
}
