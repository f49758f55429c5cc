//! Which techniques, and whose tools does it resemble? Hypotheses, never a named actor.
//!
//! ```text
//! ┌ techniques ────────────────────────────────────────────────────────────────┐
//! │› ATLAS  AML.T0018.000  Manipulate AI Model: Poison AI Model                 │
//! │  OWASP  LLM04:2025     Data and Model Poisoning                             │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! ┌ resembles ─────────────────────┐┌ for and against some toolkit ────────────┐
//! │› some toolkit             0.62  ││ + 3×3 patch in a corner                   │
//! │  another                  0.41  ││ - the default patch is white              │
//! └─────────────────────────────────┘└───────────────────────────────────────────┘
//! ┌ procedures ─────────────────────────────────────────────────────────────────┐
//! └─────────────────────────────────────────────────────────────────────────────┘
//! ```

use super::detail::Page;
use super::parts::{beside, frame, procedures, standing};
use super::{Slot, WIDE, place};
use crate::evidence::text::visible;
use crate::procedure::Phase;
use crate::tui::paint::Painter;
use crate::tui::standing::Standing;
use crate::tui::text::{fit, json_num, wrap};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde_json::Value;

const MAPPING: &str = "taxonomy-mapping";
const MATCH: &str = "toolkit-match";

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect) {
    let wide = area.width >= WIDE;
    let listed = techniques(view).len().max(4) as u16 + 2;
    let foot = (view.procedures(Phase::Attribution).len() as u16).clamp(1, 4) + 2;
    let foot = if wide { area.height / 3 } else { foot };
    let most = (area.height.saturating_sub(foot) / 2).max(5);
    let parts = [Constraint::Length(listed.min(most)), Constraint::Fill(1), Constraint::Length(foot)];
    let [top, middle, bottom] = Layout::vertical(parts).areas(area);
    technique_list(view, p, top);
    let [a, b] = Layout::horizontal([Constraint::Percentage(45), Constraint::Fill(1)]).areas(middle);
    toolkit_list(view, p, a);
    weighing(view, p, b);
    if wide {
        let [a, b] = Layout::horizontal([Constraint::Percentage(45), Constraint::Fill(1)]).areas(bottom);
        procedures(view, p, a, Phase::Attribution);
        beside(view, p, b);
    } else {
        procedures(view, p, bottom, Phase::Attribution);
    }
}

fn entries<'a>(view: &View<'a>, procedure: &str, measure: &str) -> &'a [Value] {
    view.measure(procedure, measure).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The mapped techniques.
pub(super) fn techniques<'a>(view: &View<'a>) -> &'a [Value] {
    entries(view, MAPPING, "mapping")
}

/// The toolkit candidates, best first.
pub(super) fn toolkits<'a>(view: &View<'a>) -> &'a [Value] {
    entries(view, MATCH, "candidates")
}

/// The first of several fields that is there, as visible text; numbers and lists included.
fn field(entry: &Value, names: &[&str]) -> String {
    let value = names.iter().find_map(|n| entry.get(n).filter(|v| !v.is_null()));
    visible(&match value {
        Some(Value::String(s)) => s.clone(),
        Some(v @ Value::Number(_)) => json_num(v),
        Some(Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
        None => String::new(),
    })
}

/// A list entry in words: text as it is, an object by its telling field.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Object(_) => field(value, &["text", "what", "fact", "trait", "name", "id"]),
        other => other.to_string(),
    }
}

/// The entries of a list field.
fn list(entry: &Value, name: &str) -> Vec<String> {
    match entry.get(name) {
        Some(Value::Array(items)) => items.iter().map(|v| visible(&plain(v))).collect(),
        Some(Value::String(s)) => vec![visible(s)],
        _ => Vec::new(),
    }
}

fn technique_list(view: &View, p: &mut Painter, area: Rect) {
    let all = techniques(view);
    let inner = frame(view, p, area, Slot::Techniques, "techniques", "ids, not a claim who did it");
    if all.is_empty() {
        if matches!(view.standing(MAPPING), Standing::Finished(..)) {
            let next = [("next: findings are mapped; there are none so far".to_owned(), view.theme.dim())];
            p.message(inner, ("nothing to map", view.theme.strong()), &next);
        } else {
            standing(view, p, inner, MAPPING);
        }
        return;
    }
    let rows: Vec<Line> = all
        .iter()
        .map(|t| {
            Line::from(vec![
                Span::styled(fit(&field(t, &["framework", "taxonomy"]), 7), view.theme.dim()),
                Span::styled(fit(&field(t, &["id"]), 15), view.theme.strong()),
                Span::raw(field(t, &["name", "title"])),
            ])
        })
        .collect();
    p.list(
        inner,
        place(view, Slot::Techniques),
        &rows,
        view.cursor(Slot::Techniques),
        view.focused(Slot::Techniques),
    );
}

fn toolkit_list(view: &View, p: &mut Painter, area: Rect) {
    let all = toolkits(view);
    let inner = frame(view, p, area, Slot::Toolkits, "resembles", "hypotheses, best first");
    if all.is_empty() {
        if matches!(view.standing(MATCH), Standing::Finished(..)) {
            let next =
                [("next: enter on toolkit-match shows what was compared".to_owned(), view.theme.dim())];
            p.message(inner, ("no toolkit resembles it", view.theme.strong()), &next);
        } else {
            standing(view, p, inner, MATCH);
        }
        return;
    }
    let names = usize::from(inner.width).saturating_sub(10);
    let rows: Vec<Line> = all
        .iter()
        .map(|t| {
            Line::from(vec![
                Span::raw(fit(&field(t, &["toolkit", "name", "id"]), names)),
                Span::raw(" "),
                Span::styled(field(t, &["score"]), view.theme.strong()),
            ])
        })
        .collect();
    p.list(
        inner,
        place(view, Slot::Toolkits),
        &rows,
        view.cursor(Slot::Toolkits),
        view.focused(Slot::Toolkits),
    );
}

/// What speaks for the chosen toolkit and what against it.
fn weighing(view: &View, p: &mut Painter, area: Rect) {
    let chosen = toolkits(view).get(view.cursor(Slot::Toolkits));
    let name = chosen.map_or(String::new(), |t| field(t, &["toolkit", "name", "id"]));
    let title =
        if name.is_empty() { "for and against".to_owned() } else { format!("for and against {name}") };
    let inner = p.frame(area, &title, "", false);
    let Some(entry) = chosen else {
        let says =
            [("Candidates come with what speaks for them and what against.".to_owned(), view.theme.dim())];
        p.message(inner, ("no candidate", view.theme.strong()), &says);
        return;
    };
    let mut row = 0;
    for (mark, key, style) in [("+", "for", view.theme.calm()), ("-", "against", view.theme.alarm())] {
        let reasons = list(entry, key);
        if reasons.is_empty() {
            p.line(
                inner,
                row,
                Line::from(vec![Span::styled(mark, style), Span::raw(format!(" nothing {key}"))]),
            );
            row += 1;
        }
        for reason in reasons {
            for (i, part) in wrap(&reason, usize::from(inner.width).saturating_sub(2)).into_iter().enumerate()
            {
                let lead = if i == 0 { mark } else { " " };
                p.line(
                    inner,
                    row,
                    Line::from(vec![Span::styled(lead, style), Span::raw(" "), Span::raw(part)]),
                );
                row += 1;
            }
        }
    }
}

/// Everything about a mapped technique.
pub(super) fn technique_page(view: &View, i: usize, page: &mut Page) {
    if let Some(entry) = techniques(view).get(i) {
        all_fields(view, entry, page);
    }
}

/// Everything about a toolkit candidate.
pub(super) fn toolkit_page(view: &View, i: usize, page: &mut Page) {
    if let Some(entry) = toolkits(view).get(i) {
        all_fields(view, entry, page);
        page.head("what this means");
        page.text(
            "A resemblance of results to a toolkit's defaults. Anybody can use a toolkit: not an actor.",
            view.theme.dim(),
        );
    }
}

fn all_fields(_: &View, entry: &Value, page: &mut Page) {
    for (name, value) in entry.as_object().into_iter().flatten() {
        if value.is_array() {
            page.head(name);
            for part in list(entry, name) {
                page.text(&format!("· {part}"), Style::new());
            }
        } else if !value.is_null() {
            page.pair(name, &field(entry, &[name]));
        }
    }
}
