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
    let pictures = if picture { &PICTURES[..] } else { &[] };
    let title = match (formats.is_empty(), picture) {
        (true, true) => "export this picture",
        (_, true) => "export a report, or this picture",
        (_, false) => "export a report",
    };
    let reports = formats.iter().map(|f| format!("{f:<10} {}", purpose(f)));
    let this = if formats.is_empty() { "" } else { "this picture: " };
    let these = pictures.iter().map(|f| format!("{f:<10} {this}{}", purpose(f)));
    let rows: Vec<Line> = reports.chain(these).map(Line::raw).collect();
    let height = (rows.len().max(1) as u16).saturating_add(2).min(area.height);
    let inner = p.overlay(area, 56, height, title, "enter writes it · esc close");
    if rows.is_empty() {
        p.line(inner, 0, Line::styled(" nobody here can write a report", p.theme.dim()));
    }
    p.list(inner, 0, &rows, cursor, true);
    rows.len().saturating_sub(1)
}
