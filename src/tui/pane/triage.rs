//! What are these files, are they what they claim, can opening them hurt?
//!
//! ```text
//! ┌ evidence ────────────────────────────────────────────┐┌ evidence E1 ─────┐
//! │›  E1  model     badnet.onnx   onnx  431 kB  3fa9…c1   ││ (from 120 columns)│
//! │ × E2  training  train.pt      refused: …              ││                   │
//! └───────────────────────────────────────────────────────┘│                   │
//! ┌ procedures ───────────────┐┌ findings ────────────────┐│                   │
//! │ ! integrity  flagged       ││ ! high  …                ││                   │
//! └────────────────────────────┘└──────────────────────────┘└───────────────────┘
//! ```

use super::listing::listed;
use super::parts::{beside, findings, frame, procedures, unfit};
use super::{Slot, WIDE, place};
use crate::evidence::text::visible;
use crate::evidence::{Item, ItemState};
use crate::procedure::Phase;
use crate::tui::paint::{Hit, Painter};
use crate::tui::standing::{share, share_text};
use crate::tui::text::{bytes, count, cut, cut_start, digest, first_row, gauge};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let mut left = area;
    if area.width >= WIDE {
        let [a, b] = Layout::horizontal([Constraint::Percentage(62), Constraint::Fill(1)]).areas(area);
        left = a;
        beside(view, p, b);
    }
    let lines = view.state.evidence.len() as u16 + 3;
    let most = (left.height * 2 / 5).max(6);
    let [top, bottom] =
        Layout::vertical([Constraint::Length(lines.clamp(6, most)), Constraint::Fill(1)]).areas(left);
    // On a narrow terminal the chosen row is shown below the lists, where there is room for it.
    let rows = view.procedures(Phase::Triage).len().max(view.state.findings.len()).max(3) as u16 + 2;
    let rest = if area.width >= WIDE { 0 } else { bottom.height.saturating_sub(rows) };
    let rest = if rest >= 5 { rest } else { 0 };
    let [lists, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(rest)]).areas(bottom);
    if rest > 0 {
        beside(view, p, below);
    }
    let [a, b] = Layout::horizontal([Constraint::Percentage(45), Constraint::Fill(1)]).areas(lists);
    register(view, p, top);
    procedures(view, p, a, Phase::Triage);
    findings(view, p, b, Slot::AllFindings);
}

/// The format's own name.
pub(super) fn format_name(item: &Item) -> String {
    serde_json::to_value(item.format).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn register(view: &View, p: &mut Painter, area: Rect) {
    let items = &view.state.evidence;
    let refused = items.iter().filter(|i| matches!(i.state, ItemState::Refused(_))).count();
    let title = match (items.len(), refused) {
        (0, _) => "evidence".to_owned(),
        (n, 0) => format!("evidence · {}", count(n, "item")),
        (n, r) => format!("evidence · {}, {r} refused", count(n, "item")),
    };
    let asked = view.state.case.as_ref().map_or(String::new(), |case| match case.questions.as_slice() {
        [] => visible(&case.title),
        [one] => format!("asked: {}", visible(one)),
        [first, more @ ..] => format!("asked: {} (+{})", visible(first), more.len()),
    });
    let inner = frame(view, p, area, Slot::Evidence, &title, &asked);
    if items.is_empty() {
        let job = view.live.iter().find(|j| j.procedure == "intake");
        let (heading, next) = match job {
            Some(job) => {
                let bar = format!("… reading and hashing  {} {}", gauge(share(job), 16), share_text(job));
                (bar, "each file appears here once it is hashed; nothing in it is ever executed")
            }
            None if view.read_only() => ("no evidence yet".to_owned(), "next: ] steps on through the replay"),
            None => (
                "no evidence".to_owned(),
                "next: quit, and give a model: laocoon MODEL --data FOLDER, or a case.toml",
            ),
        };
        p.message(inner, (&heading, view.theme.strong()), &[(next.to_owned(), view.theme.dim())]);
        return;
    }
    if unfit(view, p, inner, Slot::Evidence) {
        return;
    }
    let all = listed(view, Slot::Evidence);
    let cursor = view.cursor(Slot::Evidence);
    let rows = usize::from(inner.height).saturating_sub(1);
    let first = first_row(cursor, all.len(), rows);
    let focused = view.focused(Slot::Evidence);
    // The other columns, and a blank before each.
    let names = usize::from(inner.width).saturating_sub(2 + 4 + 12 + 12 + 7 + 7 + 8 + 7).max(8);
    let table = all.iter().map(|&at| &items[at]).enumerate().skip(first).take(rows).map(|(i, item)| {
        let line = row(view, item, names, i == cursor);
        if i == cursor { line.style(view.theme.selected(focused)) } else { line }
    });
    let widths = [2, 4, 12, names as u16, 12, 7, 7, 8].map(Constraint::Length);
    let head =
        Row::new(["", "id", "role", "name", "format", "size", "sha256", "state"]).style(view.theme.dim());
    Table::new(table, widths).header(head).column_spacing(1).render(inner, p.buf);
    for at in 0..rows.min(all.len() - first) {
        let whole = Rect { y: inner.y + 1 + at as u16, height: 1, ..inner };
        p.hits.push((whole, Hit::Row(place(view, Slot::Evidence), first + at)));
    }
}

fn row<'a>(view: &View, item: &Item, names: usize, chosen: bool) -> Row<'a> {
    let changed = view.state.changed.iter().any(|(id, _)| *id == item.id);
    let differs = item.published.as_ref().is_some_and(|d| !d.eq_ignore_ascii_case(&item.sha256));
    let (mark, word, style) = match &item.state {
        ItemState::Refused(_) => ("×", "refused", view.theme.fault()),
        ItemState::Accepted if changed => ("!", "changed", view.theme.alarm()),
        ItemState::Accepted if differs => ("!", "differs", view.theme.alarm()),
        ItemState::Accepted => (" ", "accepted", Style::new()),
    };
    Row::new([
        Line::from(vec![Span::raw(if chosen { "›" } else { " " }), Span::styled(mark, style)]),
        Line::raw(cut(&item.id, 4)),
        Line::raw(item.role.name()),
        Line::raw(cut_start(&item.path.shown(), names)),
        Line::raw(cut(&format_name(item), 12)),
        Line::raw(bytes(item.bytes)),
        Line::raw(digest(&item.sha256)),
        Line::styled(word, style),
    ])
}
