//! What harm could it do?
//!
//! ```text
//! ┌ images sent to class 7 ──────────────────────────────────────────────────┐
//! │   without the trigger   ▏                                   0.4 %         │
//! │ ! with the trigger      █████████████████████████████████   97.8 %        │
//! │   random control        █                                   2.9 %         │
//! │   interval of success   96.1 % to 98.9 %                                  │
//! └───────────────────────────────────────────────────────────────────────────┘
//! ┌ Success per source class ─────────────┐┌ Source × prediction ────────────┐
//! └───────────────────────────────────────┘└─────────────────────────────────┘
//! ┌ procedures ───────────────────────────────────────────────────────────────┐
//! └───────────────────────────────────────────────────────────────────────────┘
//! ```

use super::parts::{beside, figure, frame, procedures, standing};
use super::{Slot, WIDE};
use crate::evidence::text::visible;
use crate::procedure::{Phase, Record, Verdict};
use crate::tui::paint::Painter;
use crate::tui::text::{fit_right, json_f64, percent};
use crate::tui::view::View;
use crate::tui::widget::stroke;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

const ID: &str = "trigger-probe";

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let wide = area.width >= WIDE;
    let procedures_height = (view.procedures(Phase::Impact).len() as u16).clamp(1, 4) + 2;
    let [head, foot] = if wide { [8, area.height / 3] } else { [6, procedures_height] };
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(head), Constraint::Fill(1), Constraint::Length(foot)])
            .areas(area);
    effect(view, p, top);
    let [a, b] = Layout::horizontal([Constraint::Percentage(50), Constraint::Fill(1)]).areas(middle);
    figure(view, p, a, Slot::Sources, "success per source class");
    figure(view, p, b, Slot::Heat, "where triggered images go");
    if wide {
        let [a, b] = Layout::horizontal([Constraint::Percentage(50), Constraint::Fill(1)]).areas(bottom);
        procedures(view, p, a, Phase::Impact);
        beside(view, p, b);
    } else {
        procedures(view, p, bottom, Phase::Impact);
    }
}

/// Baseline, success with its interval, and control: the three numbers the claim rests on.
fn effect(view: &View, p: &mut Painter, area: Rect) {
    let Some((record, _)) = view.outcome(ID) else {
        let inner = frame(view, p, area, Slot::Effect, "effect of the trigger", "");
        standing(view, p, inner, ID);
        return;
    };
    let target = record.measures.get("target").and_then(serde_json::Value::as_u64);
    let mut title =
        target.map_or("effect of the trigger".to_owned(), |c| format!("images sent to class {c}"));
    if let Some(level) = view.measure("severity", "level").and_then(serde_json::Value::as_str) {
        title.push_str(" · severity ");
        title.push_str(&visible(level));
    }
    let inner = frame(view, p, area, Slot::Effect, &title, "share of images, 0 to 100 %");
    for (row, (name, key)) in [
        ("without the trigger", "baseline"),
        ("with the trigger", "success_rate"),
        ("random control", "control_success_rate"),
    ]
    .into_iter()
    .enumerate()
    {
        share(view, p, inner, row, name, record, key);
    }
    let interval = record.measures.get("interval").and_then(|v| v.as_array());
    let between = match interval.map(Vec::as_slice) {
        Some([lo, hi]) => match (json_f64(lo), json_f64(hi)) {
            (Some(lo), Some(hi)) => format!("{} to {}", percent(lo), percent(hi)),
            _ => String::new(),
        },
        _ => String::new(),
    };
    if !between.is_empty() {
        p.line(inner, 3, Line::styled(format!("   interval of success  {between}"), view.theme.dim()));
    }
    let text = Rect { x: inner.x + 3.min(inner.width), width: inner.width.saturating_sub(3), ..inner };
    p.text(text, 4, &visible(&record.summary), view.theme.text());
}

/// One share as a bar on the scale 0 to 100 %.
fn share(view: &View, p: &mut Painter, area: Rect, row: usize, name: &str, record: &Record, key: &str) {
    const NAMES: u16 = 23;
    const NUMBERS: u16 = 9;
    let value = record.measures.get(key).and_then(json_f64);
    let flagged = key == "success_rate" && record.verdict == Verdict::Flagged;
    let style = if flagged { view.theme.alarm() } else { view.theme.text() };
    let mark = if flagged { " ! " } else { "   " };
    p.line(area, row, Line::from(vec![Span::styled(mark, style), Span::styled(name.to_owned(), style)]));
    let room = area.width.saturating_sub(NAMES + NUMBERS);
    if room < 8 {
        return;
    }
    let filled = value.filter(|v| v.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
    let bar = Rect { x: area.x + NAMES, width: room, ..area };
    let paint = if flagged { view.theme.alarm() } else { view.theme.calm() };
    p.line(bar, row, Line::styled("·".repeat(usize::from(room)), view.theme.dim()));
    p.line(bar, row, Line::styled(stroke(filled * f64::from(room)), paint));
    let number = Rect { x: bar.right() + 1, width: NUMBERS - 1, ..area };
    p.line(
        number,
        row,
        Line::styled(fit_right(&value.map_or("-".into(), percent), usize::from(number.width)), style),
    );
}
