//! The jobs with progress, time left and log; `^X` stops the chosen one.

use crate::evidence::text::visible;
use crate::procedure::Phase;
use crate::tui::paint::Painter;
use crate::tui::standing::{Standing, share, share_text};
use crate::tui::text::{clock, fit, width};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Widget};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, cursor: usize) -> usize {
    let jobs = view.live;
    let inner = p.overlay(
        area,
        90,
        area.height,
        "jobs",
        &format!(
            "{} stops the chosen one · {} begins it next · enter its page · esc",
            view.keys.name("stop"),
            view.keys.name("prefer")
        ),
    );
    let broken = broken(view);
    if jobs.is_empty() && broken.is_empty() {
        let next = if view.read_only() {
            "this is a replay: nothing runs"
        } else {
            &format!("next: {} runs everything planned", view.keys.name("run-all"))
        };
        p.message(inner, ("no job runs", view.theme.strong()), &[(next.to_owned(), view.theme.dim())]);
        return 0;
    }
    let all = jobs.len() + broken.len();
    let cursor = cursor.min(all - 1);
    let rows = (all as u16 + u16::from(jobs.is_empty())).min(inner.height / 2).max(1);
    let [list, bar, log] =
        Layout::vertical([Constraint::Length(rows), Constraint::Length(3), Constraint::Fill(1)]).areas(inner);
    let names = jobs.iter().map(|j| width(&j.procedure)).max().unwrap_or(0).min(30);
    let names = broken.iter().map(|(id, _)| width(id)).max().unwrap_or(0).max(names).min(30);
    let mut lines: Vec<Line> = jobs
        .iter()
        .map(|j| {
            let word = match (j.stopping, j.running) {
                (true, _) => "stopping",
                (_, true) => "running",
                _ => "waiting",
            };
            let left = j.eta.map_or(String::new(), |d| format!("{} left", clock(d)));
            let style = if j.running { view.theme.busy() } else { view.theme.dim() };
            Line::from(vec![
                Span::raw(fit(&visible(&j.procedure), names)),
                Span::styled(
                    format!("  {word:<9}{:>4}  {:>6}  {left}", share_text(j), clock(j.elapsed)),
                    style,
                ),
            ])
        })
        .collect();
    let again = view.keys.name("run");
    lines.extend(broken.iter().map(|(id, standing)| {
        let text = format!("  {:<9} {}", standing.word(), visible(&standing.remark()));
        Line::from(vec![
            Span::raw(fit(&visible(id), names)),
            Span::styled(text, standing.style(view.theme)),
            Span::styled(format!("  {again}: again"), view.theme.dim()),
        ])
    }));
    p.list(list, 0, &lines, cursor, true);
    let Some(job) = jobs.get(cursor) else {
        if jobs.is_empty() {
            p.line(bar, 1, Line::styled("no job runs", view.theme.strong()));
        }
        return all - 1;
    };
    let line = Rect { y: bar.y + 1, height: 1, ..bar }.intersection(bar);
    LineGauge::default()
        .ratio(share(job))
        .label(format!("{} of {} units", job.done, job.total))
        .filled_symbol("▓")
        .unfilled_symbol("░")
        .filled_style(view.theme.busy())
        .unfilled_style(view.theme.dim())
        .render(line, p.buf);
    let shown = usize::from(log.height);
    let skipped = job.log.len().saturating_sub(shown);
    for (i, text) in job.log.iter().skip(skipped).enumerate() {
        p.line(log, i, Line::styled(visible(text), view.theme.dim()));
    }
    all - 1
}

/// Procedures that came to an end without an outcome: they can be asked for again.
pub fn broken<'a>(view: &View<'a>) -> Vec<(&'a str, Standing<'a>)> {
    let ids = Phase::ALL.iter().flat_map(|&phase| view.procedures(phase));
    let standings = ids.map(|id| (id, view.standing(id)));
    standings
        .filter(|(_, s)| matches!(s, Standing::Failed(_) | Standing::Stopped(..) | Standing::Interrupted))
        .collect()
}
