//! A picture on the whole screen, or its numbers; of a scatter, the chosen sample beside it.

use crate::evidence::text::visible;
use crate::figure::{Body, Figure, Group, rows};
use crate::tui::command::Motion;
use crate::tui::paint::Painter;
use crate::tui::pane::detail;
use crate::tui::pane::parts::reordered;
use crate::tui::text::num;
use crate::tui::view::{Shown, Subject, View, tallest_first};
use crate::tui::widget::{
    Bars, Closeup, FigureView, Gallery, Scatter, Thumbnails, axes, choices, closest, flat, neighbour, part,
    slides,
};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

/// A figure on the whole screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zoom {
    /// Procedure and name of the figure.
    pub figure: (String, String),
    /// The chosen bar, image, row or point, as shown.
    pub cursor: usize,
    /// Whether its numbers are shown instead.
    pub rows: bool,
    /// Whether bars stand by their length.
    pub sorted: bool,
    /// The part that is seen; of a scatter around the chosen point.
    pub close: Closeup,
}

impl Zoom {
    /// Of a figure, from its start.
    pub fn of(figure: (String, String)) -> Self {
        Self { figure, cursor: 0, rows: false, sorted: false, close: Closeup::default() }
    }

    /// The bar that is chosen, by its own place.
    pub fn bar(&self, figure: &Figure) -> usize {
        match &figure.body {
            Body::Bars { bars, .. } if self.sorted => {
                tallest_first(bars).get(self.cursor).copied().unwrap_or(self.cursor)
            }
            _ => self.cursor,
        }
    }

    /// Comes closer to a figure, or goes back; whether anything changed.
    pub fn approach(&mut self, figure: &Figure, closer: bool) -> bool {
        let before = self.close;
        self.close.approach(closer, closest(figure));
        self.close != before
    }

    /// Moves the view of a figure that was come closer to; whether the motion is one of the view.
    pub fn slide(&mut self, figure: &Figure, motion: Motion) -> bool {
        if self.close.power == 0 || self.rows {
            return false;
        }
        let upright = matches!(figure.body, Body::Thumbnails { .. });
        match (&figure.body, motion) {
            (Body::Scatter { groups, .. }, Motion::Left | Motion::Right) => {
                let order = flat(groups);
                let chosen = self.cursor.min(order.len().saturating_sub(1));
                self.cursor = neighbour(groups, &order, chosen, motion == Motion::Right).unwrap_or(chosen);
            }
            (_, Motion::Left) if slides(figure) => self.close.moved(-1, 0),
            (_, Motion::Right) if slides(figure) => self.close.moved(1, 0),
            (_, Motion::Up) if upright => self.close.moved(0, -1),
            (_, Motion::Down) if upright => self.close.moved(0, 1),
            _ => return false,
        }
        true
    }

    /// The sample that is chosen in a scatter.
    pub fn sample(&self, view: &View) -> Option<usize> {
        let shown = view.marked(&self.figure.0, &self.figure.1);
        let Body::Scatter { groups, .. } = &shown.figure()?.body else { return None };
        let (group, at) = *flat(groups).get(self.cursor)?;
        groups[group].samples.get(at).copied()
    }
}

pub(super) fn draw(view: &View, p: &mut Painter, area: Rect, zoom: &Zoom) -> usize {
    let figure = &zoom.figure;
    let all = view.all_figures();
    let shown = view.marked(&figure.0, &figure.1);
    let at = all.iter().position(|f| f == figure).map_or(0, |i| i + 1);
    let name = format!("{} · {} ({at} of {})", visible(&figure.0), visible(&figure.1), all.len());
    let onward = crate::tui::drill::onward(view, zoom)
        .map_or(String::new(), |(words, _)| format!("enter: {words} · "));
    let numbers = view.keys.name("numbers");
    let turn = if zoom.rows { "picture" } else { "numbers" };
    let near = zoom.close.power > 0 && !zoom.rows;
    let slid = |f: &Figure| slides(f) || matches!(f.body, Body::Scatter { .. });
    let sideways = match shown.figure() {
        Some(f) if near && slid(f) => "←→ move",
        _ => "←→ other pictures",
    };
    let name = if near { format!("{name} · {}×", 1u32 << zoom.close.power) } else { name };
    let keys = format!("{onward}esc back · {numbers} {turn} · {sideways}");
    let inner = p.overlay(area, area.width, area.height, &name, &keys);
    match &shown {
        Shown::Final(f) | Shown::Partial(f) => {
            if zoom.rows {
                let text = rows::plain(f);
                let lines: Vec<Line> = text.lines().map(|l| Line::raw(l.to_owned())).collect();
                p.scrolled(inner, &lines, zoom.cursor);
                return super::most(lines.len(), inner);
            }
            p.line(inner, 0, Line::styled(visible(&f.title), view.theme.strong()));
            p.line(inner, 1, Line::styled(visible(&axes(f)), view.theme.dim()));
            let seen = (near && slides(f)).then(|| part(f, zoom.close));
            let f = seen.as_ref().unwrap_or(f);
            let rest =
                Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner }.intersection(inner);
            if let Body::Thumbnails { images } = &f.body {
                p.gallery(Gallery { images, cursor: zoom.cursor, theme: view.theme }, rest);
                return images.len().saturating_sub(1);
            }
            if let Body::Scatter { groups, .. } = &f.body {
                return scatter(view, p, rest, groups, zoom);
            }
            let sorted = match &f.body {
                Body::Bars { bars, .. } if zoom.sorted => Some(reordered(f, &tallest_first(bars))),
                _ => None,
            };
            let f = sorted.as_ref().unwrap_or(f);
            let chosen = (choices(f) > 0).then_some(zoom.cursor);
            if let Body::Bars { bars, threshold, .. } = &f.body {
                let (threshold, power) = (*threshold, zoom.close.power);
                Bars { bars, threshold, cursor: chosen, theme: view.theme, power }.render(rest, p.buf);
                return choices(f).saturating_sub(1);
            }
            p.figure(FigureView { figure: f, theme: view.theme, cursor: chosen }, rest);
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

/// The points, and beside them the chosen one: which sample it is, where it lies, what it looks like.
fn scatter(view: &View, p: &mut Painter, area: Rect, groups: &[Group], zoom: &Zoom) -> usize {
    let order = flat(groups);
    let cursor = zoom.cursor.min(order.len().saturating_sub(1));
    let [plot, side] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(28.min(area.width / 2))]).areas(area);
    Scatter { groups, theme: view.theme, cursor: Some(cursor), power: zoom.close.power }.render(plot, p.buf);
    let Some(&(group, at)) = order.get(cursor) else { return 0 };
    let side = Rect { x: side.x + 1, width: side.width.saturating_sub(1), ..side };
    let group = &groups[group];
    let sample = group.samples.get(at).copied();
    let name = sample.map_or_else(|| format!("point {}", at + 1), |s| format!("sample {s}"));
    p.line(side, 0, Line::styled(name, view.theme.strong()));
    let style = if group.flagged { view.theme.alarm() } else { view.theme.text() };
    p.line(side, 1, Line::styled(visible(&group.name), style));
    let [x, y] = group.points.get(at).copied().unwrap_or_default();
    p.line(side, 2, Line::styled(format!("{} , {}", num(x), num(y)), view.theme.dim()));
    let [closer, back] = ["closer", "farther"].map(|id| view.keys.name(id));
    let times = format!("{closer}{back} {}×", 1u32 << zoom.close.power);
    let place = format!("{} of {} · ↑↓ · {times}", cursor + 1, order.len());
    p.line(side, 3, Line::styled(place, view.theme.dim()));
    // What other procedures and the analyst say of it, shortly; then its picture.
    let mut row = 4;
    if let (Some(index), Some(set)) = (sample, view.training()) {
        let subject = Subject::Sample(set.to_owned(), index);
        let said = detail::lines(view, &subject, usize::from(side.width));
        for line in said.into_iter().skip(1).take(5) {
            p.line(side, row, line);
            row += 1;
        }
    }
    let used = (row as u16 + 1).min(side.height);
    let below = Rect { y: side.y + used, height: side.height - used, ..side };
    match sample.map(|s| view.sample(s)) {
        Some(Some(image)) => {
            let images = [image];
            p.thumbnails(Thumbnails { images: &images, first: 0, theme: view.theme }, below);
        }
        Some(None) => {
            let why = if view.read_only() {
                "its picture is not in the session, and a replay reads no evidence"
            } else {
                "its picture is not in the session, and the evidence is not at hand: running anything takes it in"
            };
            p.text(below, 0, why, view.theme.dim());
        }
        None => {}
    }
    order.len().saturating_sub(1)
}
