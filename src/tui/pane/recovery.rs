//! What does the trigger look like?
//!
//! ```text
//! ┌ Trigger for class 7 ────────────────────────────────────────────────────┐
//! │        mask           pattern        original        stamped             │
//! │        ▀▀▀▀▀▀▀        ▀▀▀▀▀▀▀        ▀▀▀▀▀▀▀         ▀▀▀▀▀▀▀             │
//! └──────────────────────────────────────────────────────────────────────────┘
//! ┌ Loss and success over the steps ───────┐┌ result ────────────────────────┐
//! │ 2.1 ⡇                                  ││ target       class 7           │
//! │     ⠈⠒⠤⣀⣀⣀⣀                            │┌ procedures ────────────────────┐
//! │ 0.0                                    ││ ! refine-trigger  flagged      │
//! └────────────────────────────────────────┘└────────────────────────────────┘
//! ```

use super::parts::{beside, figure, procedures, standing};
use super::{Slot, WIDE};
use crate::procedure::Phase;
use crate::tui::paint::Painter;
use crate::tui::text::{fit, json_f64, json_num, percent};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

const ID: &str = "refine-trigger";

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let [top, bottom] = Layout::vertical([Constraint::Percentage(52), Constraint::Fill(1)]).areas(area);
    figure(view, p, top, Slot::Trigger, "recovered trigger");
    let columns: &[Constraint] = if area.width >= WIDE {
        &[Constraint::Percentage(36), Constraint::Percentage(30), Constraint::Fill(1)]
    } else {
        &[Constraint::Percentage(50), Constraint::Fill(1)]
    };
    let columns = Layout::horizontal(columns).split(bottom);
    figure(view, p, columns[0], Slot::History, "loss and success over the steps");
    let lists = Layout::vertical([Constraint::Min(6), Constraint::Fill(1)]).split(columns[1]);
    result(view, p, lists[0]);
    procedures(view, p, lists[1], Phase::Recovery);
    if let Some(&rest) = columns.get(2) {
        beside(view, p, rest);
    }
}

/// The numbers of the recovered trigger.
fn result(view: &View, p: &mut Painter, area: Rect) {
    let inner = p.frame(area, "result", "", false);
    let Some((record, _)) = view.outcome(ID) else {
        standing(view, p, inner, ID);
        return;
    };
    let get = |name: &str| record.measures.get(name);
    let share = |name| get(name).and_then(json_f64).map_or("-".into(), percent);
    let rows = [
        ("verdict", record.verdict.name().replace('-', " ")),
        (
            "target",
            get("target").and_then(serde_json::Value::as_u64).map_or("-".into(), |c| format!("class {c}")),
        ),
        ("success", share("success_rate")),
        ("mask L1", get("l1").map_or("-".into(), |v| format!("{} pixels", json_num(v)))),
    ];
    let told = |name| view.measure("trigger-kind", name).and_then(serde_json::Value::as_str);
    let kind = told("kind").map(|kind| {
        let certainty = told("certainty").unwrap_or("-");
        ("kind", crate::evidence::text::visible(&format!("{kind}, {certainty} certainty")))
    });
    let rows: Vec<_> = rows.into_iter().chain(kind).collect();
    let below = rows.len();
    for (i, (name, value)) in rows.into_iter().enumerate() {
        p.line(inner, i, Line::from(vec![Span::styled(fit(name, 10), view.theme.dim()), Span::raw(value)]));
    }
    p.text(inner, below, &crate::evidence::text::visible(&record.summary), view.theme.text());
}
