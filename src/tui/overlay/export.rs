//! Which report to write, or in which form a picture.

use crate::tui::paint::Painter;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Forms of a picture.
pub const PICTURES: [&str; 3] = ["svg", "png", "csv"];

/// What a format is good for.
fn purpose(format: &str) -> &'static str {
    match format {
        "html" => "one page with pictures, for people",
        "markdown" => "for a ticket or a repository",
        "json" => "for programs",
        "sarif" => "for code scanning",
        "stix" => "for threat intelligence",
        "timesketch" => "for timelines",
        "svg" => "a drawing that scales",
        "png" => "a picture",
        "csv" => "its numbers",
        _ => "",
    }
}

pub(super) fn draw(
    p: &mut Painter,
    area: Rect,
    formats: &[&'static str],
    cursor: usize,
    picture: bool,
) -> usize {
    let formats = if picture { &PICTURES[..] } else { formats };
    let title = if picture { "export this picture" } else { "export a report" };
    let height = formats.len().max(1) as u16 + 2;
    let inner = p.overlay(area, 56, height, title, "enter writes it · esc close");
    let rows: Vec<Line> = formats.iter().map(|f| Line::raw(format!("{f:<10} {}", purpose(f)))).collect();
    if rows.is_empty() {
        p.line(inner, 0, Line::styled(" nobody here can write a report", p.theme.dim()));
    }
    p.list(inner, 0, &rows, cursor, true);
    formats.len().saturating_sub(1)
}
