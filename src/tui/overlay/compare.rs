//! Another session beside this one: which, and what differs.

use super::most;
use crate::case::diff::{Diff, Pair};
use crate::evidence::text::visible;
use crate::tui::command::fuzzy;
use crate::tui::paint::Painter;
use crate::tui::picker::Entry;
use crate::tui::text::{cut, fit, json_num};
use crate::tui::view::View;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use serde_json::Value;

/// Sessions that fit what was typed.
pub fn fitting<'a>(others: &'a [Entry], query: &str) -> Vec<&'a Entry> {
    others.iter().filter(|e| fuzzy(query, &format!("{} {}", e.name, e.what)).is_some()).collect()
}

/// Which session?
pub(super) fn choose(
    view: &View,
    p: &mut Painter,
    area: Rect,
    others: &[Entry],
    text: &str,
    cursor: usize,
) -> usize {
    let below = "enter compares · a path to a session folder works as well · esc";
    let inner = p.overlay(area, 84, area.height.min(18), "compare with", below);
    p.line(inner, 0, Line::raw(format!("{}▏", visible(text))));
    let found = fitting(others, text);
    let list = Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner }.intersection(inner);
    if found.is_empty() {
        p.line(list, 0, Line::styled("no recent session fits: it is taken as a path", view.theme.dim()));
        return 0;
    }
    let rows: Vec<Line> = found
        .iter()
        .map(|e| {
            let what = Span::styled(visible(&e.what), view.theme.dim());
            Line::from(vec![Span::raw(fit(&visible(&e.name), 20)), Span::raw(" "), what])
        })
        .collect();
    p.list(list, 0, &rows, cursor.min(found.len() - 1), true);
    found.len() - 1
}

/// What differs, in two columns.
pub(super) fn show(
    view: &View,
    p: &mut Painter,
    area: Rect,
    with: &str,
    diff: &Diff,
    scroll: usize,
) -> usize {
    let title = format!("this session and {}", visible(with));
    let inner = p.overlay(area, 120, area.height, &title, "* differs · ↑↓ scroll · esc close");
    let lines = lines(view, diff, usize::from(inner.width));
    p.scrolled(inner, &lines, scroll);
    most(lines.len(), inner)
}

fn lines(view: &View, diff: &Diff, width: usize) -> Vec<Line<'static>> {
    let theme = view.theme;
    let names = 24.min(width / 3);
    let column = width.saturating_sub(names + 4) / 2;
    let mut out = vec![Line::styled(
        format!("  {} {} {}", fit("", names), fit("this session", column), fit("the other", column)),
        theme.dim(),
    )];
    let row = |pair: &Pair| {
        let mark = if pair.same() { " " } else { "*" };
        let style = if pair.same() { theme.dim() } else { theme.alarm() };
        let change = pair.change().filter(|c| *c != 0.0).map_or(String::new(), |c| format!(" ({c:+.3})"));
        let right = cut(&format!("{}{change}", short(&pair.b)), column);
        Line::styled(
            format!("{mark} {} {} {right}", fit(&visible(&pair.name), names), fit(&short(&pair.a), column)),
            style,
        )
    };
    out.push(Line::styled("setting", theme.strong()));
    out.extend(diff.setting.iter().map(row));
    out.push(Line::styled("assessment", theme.strong()));
    out.extend(diff.assessment.iter().map(row));
    for (title, lines) in [("findings only here", &diff.gone), ("findings only there", &diff.new)] {
        if !lines.is_empty() {
            out.push(Line::styled(title, theme.strong()));
            out.extend(lines.iter().map(|l| Line::styled(format!("* {}", visible(l)), theme.alarm())));
        }
    }
    let same = diff.procedures.iter().filter(|p| p.same()).count();
    for procedure in diff.procedures.iter().filter(|p| !p.same()) {
        out.push(Line::styled(procedure.id.clone(), theme.strong()));
        let all = procedure.standing.iter().chain(&procedure.measures);
        out.extend(all.filter(|p| !p.same()).map(row));
        let pictures: Vec<&str> =
            procedure.figures.iter().filter(|p| !p.same()).map(|p| p.name.as_str()).collect();
        if !pictures.is_empty() {
            out.push(Line::styled(format!("* pictures: {}", visible(&pictures.join(", "))), theme.dim()));
        }
    }
    out.push(Line::default());
    out.push(Line::styled(
        format!("{same} of {} procedures came out the same", diff.procedures.len()),
        theme.dim(),
    ));
    out
}

/// A value in a cell.
fn short(value: &Value) -> String {
    visible(&match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) => json_num(value),
        Value::Array(all) if all.len() > 6 => {
            let first: Vec<String> = all.iter().take(4).map(short).collect();
            format!("{} … ({})", first.join(" "), all.len())
        }
        Value::Array(all) => all.iter().map(short).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    })
}
