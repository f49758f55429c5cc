//! A picture on the whole screen, or its numbers.

use crate::evidence::text::visible;
use crate::figure::rows;
use crate::tui::paint::Painter;
use crate::tui::view::{Shown, View};
use crate::tui::widget::{FigureView, axes, choices};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

pub(super) fn draw(
    view: &View,
    p: &mut Painter,
    area: Rect,
    figure: &(String, String),
    cursor: usize,
    numbers: bool,
) -> usize {
    let all = view.all_figures();
    let shown = view.figure(&figure.0, &figure.1);
    let at = all.iter().position(|f| f == figure).map_or(0, |i| i + 1);
    let name = format!("{} · {} ({at} of {})", visible(&figure.0), visible(&figure.1), all.len());
    let keys = if numbers {
        "←→ other pictures · enter picture · esc close"
    } else {
        "←→ other pictures · enter numbers · esc close"
    };
    let inner = p.overlay(area, area.width, area.height, &name, keys);
    match &shown {
        Shown::Final(f) | Shown::Partial(f) => {
            let lines = if numbers { rows::plain(f) } else { String::new() };
            let lines: Vec<Line> = lines.lines().map(|l| Line::raw(l.to_owned())).collect();
            if numbers {
                p.scrolled(inner, &lines, cursor);
                return super::most(lines.len(), inner);
            }
            p.line(inner, 0, Line::styled(visible(&f.title), view.theme.strong()));
            p.line(inner, 1, Line::styled(visible(&axes(f)), view.theme.dim()));
            let rest =
                Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner }.intersection(inner);
            let chosen = (choices(f) > 0).then_some(cursor);
            FigureView { figure: f, theme: view.theme, cursor: chosen }.render(rest, p.buf);
            choices(f).saturating_sub(1)
        }
        Shown::Broken(why) => {
            p.message(
                inner,
                ("× the stored figure cannot be shown", view.theme.fault()),
                &[(visible(why), Style::new())],
            );
            0
        }
        Shown::None => {
            p.message(
                inner,
                ("this picture is gone", view.theme.strong()),
                &[("next: ← → others".into(), view.theme.dim())],
            );
            0
        }
    }
}
