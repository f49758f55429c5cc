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
use super::listing::listed;
use super::parts::{beside, frame, procedures, standing, unfit};
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

/// An entry of a catalogue (technique, risk, weakness), and what was mapped to it.
pub(super) struct Technique<'a> {
    catalogue: &'static str,
    id: String,
    name: String,
    related: bool,
    entry: &'a Value,
    /// Mapped findings, each with the part of the measure it comes from.
    findings: Vec<(String, &'a Value)>,
}

impl Technique<'_> {
    /// What a filter looks at.
    pub(super) fn text(&self) -> String {
        format!("{} {} {}", self.catalogue, self.id, self.name)
    }
}

/// The mapped techniques, each once: those the findings are, then the merely related ones.
pub(super) fn techniques<'a>(view: &View<'a>) -> Vec<Technique<'a>> {
    let mut all: Vec<Technique> = Vec::new();
    for mapped in entries(view, MAPPING, "mapping") {
        let finding = field(mapped, &["finding"]);
        for (key, catalogue) in [("atlas", "ATLAS"), ("owasp", "OWASP"), ("nist", "NIST"), ("cwe", "CWE")] {
            for entry in mapped.get(key).and_then(Value::as_array).into_iter().flatten() {
                let id = field(entry, &["id"]);
                let related = entry.get("relation").and_then(Value::as_str) == Some("related");
                if let Some(known) = all.iter_mut().find(|t| t.catalogue == catalogue && t.id == id) {
                    known.related &= related;
                    known.findings.push((finding.clone(), mapped));
                } else {
                    let (name, findings) = (field(entry, &["name"]), vec![(finding.clone(), mapped)]);
                    all.push(Technique { catalogue, id, name, related, entry, findings });
                }
            }
        }
    }
    all.sort_by_key(|t| t.related);
    all
}

/// The toolkit candidates, best first.
pub(super) fn toolkits<'a>(view: &View<'a>) -> &'a [Value] {
    entries(view, MATCH, "candidates")
}

/// What a candidate is called.
pub(super) fn candidate(entry: &Value) -> String {
    match (field(entry, &["toolkit"]), field(entry, &["attack"])) {
        (toolkit, attack) if attack.is_empty() => toolkit,
        (toolkit, attack) => format!("{toolkit}: {attack}"),
    }
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
    if unfit(view, p, inner, Slot::Techniques) {
        return;
    }
    let rows: Vec<Line> = listed(view, Slot::Techniques)
        .into_iter()
        .map(|i| {
            let t = &all[i];
            let style = if t.related { view.theme.dim() } else { view.theme.text() };
            Line::from(vec![
                Span::styled(fit(t.catalogue, 7), view.theme.dim()),
                Span::styled(fit(&t.id, 15), if t.related { style } else { view.theme.strong() }),
                Span::styled(t.name.clone(), style),
                Span::styled(if t.related { "  (related)" } else { "" }, view.theme.dim()),
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
    if unfit(view, p, inner, Slot::Toolkits) {
        return;
    }
    let rows: Vec<Line> = listed(view, Slot::Toolkits)
        .into_iter()
        .map(|i| {
            let t = &all[i];
            Line::from(vec![
                Span::raw(fit(&candidate(t), names)),
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
    let row = listed(view, Slot::Toolkits).get(view.cursor(Slot::Toolkits)).copied();
    let chosen = row.and_then(|i| toolkits(view).get(i));
    let name = chosen.map_or(String::new(), candidate);
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
    let all = techniques(view);
    let Some(technique) = all.get(i) else { return };
    page.text(&technique.name, view.theme.strong());
    page.pair("catalogue", technique.catalogue);
    page.pair("id", &technique.id);
    page.pair(
        "relation",
        if technique.related { "related: may come before or after" } else { "what the findings are" },
    );
    let tactics = list(technique.entry, "tactics");
    if !tactics.is_empty() {
        page.pair("tactics", &tactics.join(", "));
    }
    page.head("mapped from");
    for (finding, _) in &technique.findings {
        page.text(&format!("· {finding}"), Style::new());
    }
    let mut mitigations: Vec<String> = Vec::new();
    for measure in technique.findings.iter().filter_map(|(_, m)| m.get("mitigations")?.as_array()).flatten() {
        let line = format!("{} {}", field(measure, &["id"]), field(measure, &["name"]));
        if !mitigations.contains(&line) {
            mitigations.push(line);
        }
    }
    if !mitigations.is_empty() {
        page.head("what helps against it");
        for line in mitigations {
            page.text(&format!("· {line}"), Style::new());
        }
    }
}

/// Everything about a toolkit candidate.
pub(super) fn toolkit_page(view: &View, i: usize, page: &mut Page) {
    let Some(entry) = toolkits(view).get(i) else { return };
    page.text(&candidate(entry), view.theme.strong());
    page.pair("weight", &field(entry, &["score"]));
    page.pair("ratio", &format!("{} to an origin that is not listed", field(entry, &["likelihood_ratio"])));
    let source = field(entry, &["source"]);
    if !source.is_empty() {
        page.pair("defaults", &source);
    }
    for key in ["for", "against", "neutral"] {
        let reasons = list(entry, key);
        if !reasons.is_empty() {
            page.head(key);
            for reason in reasons {
                page.text(&format!("· {reason}"), Style::new());
            }
        }
    }
    page.head("what this means");
    page.text(
        "A resemblance to a toolkit's defaults. Anybody can use a toolkit: this names no actor.",
        view.theme.dim(),
    );
}
