//! Leave although a job runs?

use crate::tui::paint::Painter;
use crate::tui::text::count;
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) -> usize {
    let inner = p.overlay(area, 62, 8, "leave?", "q or enter: stop them and leave · esc: stay");
    let heading = format!("{} not finished", count(view.live.len(), "job"));
    let says = [
        (
            "What has finished is on disk. Stopped work is recorded as stopped, never as a result."
                .to_owned(),
            Style::new(),
        ),
        ("Opening the session again goes on from here.".to_owned(), view.theme.dim()),
    ];
    p.message(inner, (&heading, view.theme.strong()), &says);
    0
}
