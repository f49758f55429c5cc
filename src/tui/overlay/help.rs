//! The keys, made from the command table; and the page of a procedure.

use super::most;
use crate::tui::command::{COMMANDS, Group};
use crate::tui::paint::Painter;
use crate::tui::text::{fit, wrap};
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// What the marks mean; shown under the keys.
const MARKS: [(&str, &str); 10] = [
    ("!", "flagged"),
    ("✓", "confirmed by you"),
    ("~", "dismissed by you"),
    ("-", "nothing found (not \"clean\")"),
    ("?", "inconclusive"),
    ("…", "running"),
    ("·", "waiting"),
    ("○", "skipped: does not apply"),
    ("■", "stopped or interrupted"),
    ("×", "failed or refused"),
];

pub(super) fn keys(view: &View, p: &mut Painter, area: Rect, scroll: usize) -> usize {
    let next = view.chosen_procedure().map_or(String::new(), |id| format!("? about {id} · "));
    let inner = p.overlay(area, 76, area.height, "keys", &format!("{next}↑↓ scroll · esc close"));
    let mut lines = Vec::new();
    for group in Group::ALL {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(group.name(), view.theme.strong()));
        for command in COMMANDS.iter().filter(|c| c.group == group) {
            let keys = view.keys.keys(command.id).iter().map(|k| k.name()).collect::<Vec<_>>().join(" ");
            let refused = (command.valid)(view).err();
            let style = if refused.is_some() { view.theme.dim() } else { view.theme.text() };
            let why = refused.map_or(String::new(), |w| format!("  ({w})"));
            lines.push(Line::from(vec![
                Span::styled(format!("  {}", fit(&keys, 12)), view.theme.key()),
                Span::styled(command.help, style),
                Span::styled(why, view.theme.dim()),
            ]));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled("marks", view.theme.strong()));
    lines.extend(MARKS.iter().map(|(mark, word)| {
        Line::from(vec![Span::styled(format!("  {}", fit(mark, 12)), view.theme.key()), Span::raw(*word)])
    }));
    p.scrolled(inner, &lines, scroll);
    most(lines.len(), inner)
}

pub(super) fn page(view: &View, p: &mut Painter, area: Rect, id: &str, scroll: usize) -> usize {
    let about = view.about(id);
    let title = about.map_or(id, |a| a.title);
    let inner = p.overlay(area, 84, area.height, title, "↑↓ scroll · ? keys · esc close");
    let text = about.map_or("This version of laocoon does not know the procedure.", |a| a.page);
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines() {
        let heading = line.starts_with('#') || (line.starts_with("**") && line.ends_with("**"));
        let style = if heading { view.theme.strong() } else { view.theme.text() };
        let bare = if heading { line.trim_start_matches('#').trim().trim_matches('*') } else { line };
        lines.extend(wrap(bare, usize::from(inner.width)).into_iter().map(|l| Line::styled(l, style)));
    }
    p.scrolled(inner, &lines, scroll);
    most(lines.len(), inner)
}
