//! The jobs with progress, time left and log; `^X` stops the chosen one.

use crate::evidence::text::visible;
use crate::tui::paint::Painter;
use crate::tui::standing::{share, share_text};
use crate::tui::text::{clock, fit, width};
use crate::tui::view::View;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Widget};

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, cursor: usize) -> usize {
    let jobs = view.live;
    let inner = p.overlay(area, 90, area.height, "jobs", &format!("{} stops the chosen one · {} begins it next · esc close", view.keys.name("stop"), view.keys.name("prefer")));
    if jobs.is_empty() {
        let next = if view.read_only() {
            "this is a replay: nothing runs"
        } else {
            "next: R runs everything planned"
        };
        p.message(inner, ("no job runs", view.theme.strong()), &[(next.into(), view.theme.dim())]);
        return 0;
    }
    let cursor = cursor.min(jobs.len() - 1);
    let rows = (jobs.len() as u16).min(inner.height / 2).max(1);
    let [list, bar, log] =
        Layout::vertical([Constraint::Length(rows), Constraint::Length(3), Constraint::Fill(1)]).areas(inner);
    let names = jobs.iter().map(|j| width(&j.procedure)).max().unwrap_or(0).min(30);
    let lines: Vec<Line> = jobs
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
    p.list(list, 0, &lines, cursor, true);
    let job = &jobs[cursor];
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
    jobs.len() - 1
}
