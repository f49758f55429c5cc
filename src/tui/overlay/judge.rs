//! The analyst's verdict, and tags.

use crate::case::{Judgement, Topic};
use crate::evidence::text::visible;
use crate::tui::paint::Painter;
use crate::tui::text::wrap;
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Confirm, dismiss or leave open, with the reason.
pub(super) fn verdict(
    view: &View,
    p: &mut Painter,
    area: Rect,
    about: &Topic,
    choice: usize,
    text: &str,
) -> usize {
    let inner =
        p.overlay(area, 74, 11, "your verdict", "tab: another verdict · enter keeps it · esc drops it");
    let theme = view.theme;
    let mut row = p.text(inner, 0, &about.name(), theme.dim());
    row = row.min(3);
    let mut spans = vec![Span::raw(" ")];
    for (i, judgement) in Judgement::ALL.into_iter().enumerate() {
        let chosen = i == choice;
        let style = if chosen { theme.selected(true) } else { theme.text() };
        let lead = if chosen { "› " } else { "  " };
        spans.push(Span::styled(format!("{lead}{} ", judgement.name()), style));
        spans.push(Span::raw("  "));
    }
    p.line(inner, row + 1, Line::from(spans));
    let need =
        if Judgement::ALL.get(choice) == Some(&Judgement::Dismissed) { "why (needed):" } else { "why:" };
    p.line(inner, row + 3, Line::styled(need, theme.dim()));
    let lines = wrap(&format!("{}▏", visible(text)), usize::from(inner.width));
    let room = usize::from(inner.height).saturating_sub(row + 4);
    let top = lines.len().saturating_sub(room);
    for (i, line) in lines.iter().skip(top).enumerate() {
        p.line(inner, row + 4 + i, Line::raw(line.as_str()));
    }
    0
}

/// One word to find things by again.
pub(super) fn tag(view: &View, p: &mut Painter, area: Rect, about: &Topic, text: &str) -> usize {
    let inner = p.overlay(area, 74, 6, "tag", "enter sets it, or takes it off when it is set · esc");
    let tags = view.state.work.tags(about);
    p.line(inner, 0, Line::styled(about.name(), view.theme.dim()));
    let set = if tags.is_empty() { "no tags yet".to_owned() } else { format!("set: {}", tags.join(", ")) };
    p.line(inner, 1, Line::styled(set, view.theme.dim()));
    p.line(inner, 3, Line::raw(format!("#{}▏", visible(text))));
    0
}
