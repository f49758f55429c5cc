//! What happened when.
//!
//! ```text
//! ┌ timeline · 48 events ────────────────────────────────────────────────────┐
//! │   12  2026-03-02 10:22:31Z  3fa9c1  neural-cleanse finished: flagged      │
//! │›  13  2026-03-02 10:22:40Z  77b0e2  note: compare with the vendor's release│
//! └───────────────────────────────────────────────────────────────────────────┘
//! ┌ event 13 ─────────────────────────────────────────────────────────────────┐
//! └───────────────────────────────────────────────────────────────────────────┘
//! ```

use super::listing::listed;
use super::parts::{beside, frame, unfit};
use super::{Slot, WIDE, place};
use crate::evidence::text::visible;
use crate::tui::paint::Painter;
use crate::tui::text::{count, fit, fit_right, moment};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let [list, rest] = if area.width >= WIDE {
        Layout::horizontal([Constraint::Percentage(66), Constraint::Fill(1)]).areas(area)
    } else {
        Layout::vertical([Constraint::Fill(1), Constraint::Length(7)]).areas(area)
    };
    let events = &view.state.timeline;
    let title = match view.position {
        Some(at) => format!("timeline · {} of {} events", at.n, at.total),
        None => format!("timeline · {}", count(events.len(), "event")),
    };
    let inner = frame(view, p, list, Slot::Events, &title, "every line is on disk, chained by hash");
    if events.is_empty() {
        let next = if view.read_only() {
            "] steps on through the replay"
        } else {
            "the first event follows at once"
        };
        p.message(
            inner,
            ("nothing has happened yet", view.theme.strong()),
            &[(format!("next: {next}"), view.theme.dim())],
        );
    } else if !unfit(view, p, inner, Slot::Events) {
        let digits = events.last().map_or(1, |m| m.n.to_string().len()).max(3);
        let rows: Vec<Line> = listed(view, Slot::Events)
            .into_iter()
            .map(|i| {
                let m = &events[i];
                let marked = ["failed", "stopped", "refused", "changed"].iter().any(|w| m.what.contains(w));
                let style = if m.what.contains("flagged") {
                    view.theme.alarm()
                } else if marked {
                    view.theme.fault()
                } else {
                    view.theme.text()
                };
                Line::from(vec![
                    Span::styled(format!("{}  ", fit_right(&m.n.to_string(), digits)), view.theme.dim()),
                    Span::styled(format!("{}  ", visible(&moment(&m.time))), view.theme.dim()),
                    Span::styled(hash(&m.hash), view.theme.dim()),
                    Span::styled(visible(&m.what), style),
                ])
            })
            .collect();
        p.list(
            inner,
            place(view, Slot::Events),
            &rows,
            view.cursor(Slot::Events),
            view.focused(Slot::Events),
        );
    }
    beside(view, p, rest);
}

/// The start of a record's hash; nothing where there is none.
fn hash(hash: &str) -> String {
    if hash.is_empty() { String::new() } else { format!("{}  ", fit(hash, 6)) }
}
