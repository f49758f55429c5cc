//! Find a command by a few letters of its name.

use crate::tui::command::{DEBUG, Offer, fuzzy, offers};
use crate::tui::paint::Painter;
use crate::tui::text::fit;
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// What fits the query, best first.
pub fn matches(view: &View, query: &str) -> Vec<Offer> {
    // What provokes a failure is offered to who types most of its name: nobody comes upon it by chance.
    let meant = |o: &Offer| o.help != DEBUG || query.trim().len() >= 6;
    let all = offers(view).into_iter().filter(meant);
    let mut scored: Vec<(i64, Offer)> = all.filter_map(|o| Some((fuzzy(query, &o.name)?, o))).collect();
    if !query.trim().is_empty() {
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    }
    scored.into_iter().map(|(_, o)| o).collect()
}

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, query: &str, cursor: usize) -> usize {
    let found = matches(view, query);
    let inner = p.overlay(area, 76, area.height.min(20), "commands", "enter does it · ↑↓ choose · esc close");
    p.line(inner, 0, Line::from(vec![Span::styled(":", view.theme.key()), Span::raw(format!("{query}▏"))]));
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner }.intersection(inner);
    if found.is_empty() {
        p.line(list, 0, Line::styled(" no command fits; esc closes", view.theme.dim()));
        return 0;
    }
    let rows: Vec<Line> = found
        .iter()
        .map(|o| {
            let (style, said) = match &o.refused {
                Some(why) => (view.theme.dim(), why.as_str()),
                None => (view.theme.text(), o.help.as_str()),
            };
            Line::from(vec![
                Span::styled(fit(&o.name, 28), style),
                Span::styled(fit(&o.keys, 10), view.theme.key()),
                Span::styled(said.to_owned(), view.theme.dim()),
            ])
        })
        .collect();
    p.list(list, 0, &rows, cursor.min(found.len() - 1), true);
    found.len() - 1
}
