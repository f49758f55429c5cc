//! Points in braille, the accused ones as `x` on top, so that the picture reads without colour.
//!
//! ```text
//!                       xxx
//!       ⠠⠤⣀⡀          x xx
//!    ⢀⣀⣤⣶⣿⣿⣦⡀
//!     ⠈⠙⠻⠿⠛⠁
//! x cluster 1 (60) flagged  ⠿ cluster 0 (540)
//! ```

use super::{CLOSEST, range};
use crate::figure::Group;
use crate::tui::text::cut_line;
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Points};

/// Marks of groups that are not accused, after the first, which is braille.
const OTHERS: [&str; 3] = ["o", "+", "·"];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Scatter<'a> {
    /// Groups in drawing order.
    pub groups: &'a [Group],
    /// Colours.
    pub theme: Theme,
    /// The chosen point, by its place in [`flat`].
    pub cursor: Option<usize>,
    /// How often the view is halved around the chosen point; 0 shows everything.
    pub power: u8,
}

/// The part of a range that is seen after so many halvings around a value, kept inside the range.
fn window([lo, hi]: [f64; 2], around: f64, power: u8) -> [f64; 2] {
    if power == 0 {
        return [lo, hi];
    }
    let width = (hi - lo) / f64::from(1u32 << power.min(CLOSEST));
    // Not `clamp`: of rounded ends the upper may lie below the lower.
    let from = (around - width / 2.0).min(hi - width).max(lo);
    [from, from + width]
}

/// All points by group and place: the accused ones first, so that a cursor comes to them first.
pub fn flat(groups: &[Group]) -> Vec<(usize, usize)> {
    let of = |flagged: bool| {
        let groups = groups.iter().enumerate().filter(move |(_, g)| g.flagged == flagged);
        groups.flat_map(|(i, g)| (0..g.points.len()).map(move |at| (i, at)))
    };
    of(true).chain(of(false)).collect()
}

impl Widget for Scatter<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let legend = u16::from(area.height >= 4);
        let plot = Rect { height: area.height - legend, ..area };
        let xs = range(self.groups.iter().flat_map(|g| g.points.iter().map(|p| p[0])));
        let ys = range(self.groups.iter().flat_map(|g| g.points.iter().map(|p| p[1])));
        let chosen = self.cursor.and_then(|c| flat(self.groups).get(c).copied());
        if let (Some(mut xs), Some(mut ys)) = (xs, ys) {
            let around =
                chosen.map(|(g, at)| self.groups[g].points[at]).filter(|p| p.iter().all(|v| v.is_finite()));
            if let Some([x, y]) = around {
                (xs, ys) = (window(xs, x, self.power), window(ys, y, self.power));
            }
            let mut legend_parts: Vec<[Span; 3]> = Vec::new();
            let mut plain = 0;
            // Accused groups last, so that nothing covers them.
            let order =
                self.groups.iter().filter(|g| !g.flagged).chain(self.groups.iter().filter(|g| g.flagged));
            for group in order {
                let style = if group.flagged { self.theme.alarm() } else { self.theme.group(plain) };
                let mark = match (group.flagged, plain) {
                    (true, _) => "x",
                    (false, 0) => {
                        dots(group, xs, ys, style.fg.unwrap_or(Color::Reset), plot, buf);
                        "⠿"
                    }
                    (false, n) => OTHERS[(n - 1) % OTHERS.len()],
                };
                if group.flagged || plain > 0 {
                    for p in &group.points {
                        if let Some((x, y)) = cell(*p, xs, ys, plot) {
                            buf[(x, y)].set_symbol(mark).set_style(style);
                        }
                    }
                }
                plain += usize::from(!group.flagged);
                let word = if group.flagged { " flagged" } else { "" };
                // Some names count for themselves.
                let count = format!("({})", group.points.len());
                let count = if group.name.ends_with(&count) { String::new() } else { format!(" {count}") };
                let name = format!(" {}{count}{word}", group.name);
                legend_parts.push([Span::styled(mark, style), Span::raw(name), Span::raw("  ")]);
            }
            if let Some((x, y)) = chosen.and_then(|(g, at)| cell(self.groups[g].points[at], xs, ys, plot)) {
                buf[(x, y)].set_symbol("◉").set_style(self.theme.selected(true));
            }
            // The accused group is named first: a cut legend loses the others.
            let mut spans: Vec<Span> = legend_parts.into_iter().rev().flatten().collect();
            spans.pop();
            if legend > 0 {
                let line = cut_line(Line::from(spans), usize::from(area.width));
                buf.set_line(area.x, area.bottom() - 1, &line, area.width);
            }
        } else {
            buf.set_stringn(area.x, area.y, "no points", usize::from(area.width), self.theme.dim());
        }
    }
}

/// Draws a group as braille dots.
fn dots(group: &Group, xs: [f64; 2], ys: [f64; 2], color: Color, plot: Rect, buf: &mut Buffer) {
    let coords: Vec<(f64, f64)> =
        group.points.iter().filter(|p| p.iter().all(|v| v.is_finite())).map(|p| (p[0], p[1])).collect();
    Canvas::default()
        .marker(Marker::Braille)
        .x_bounds(xs)
        .y_bounds(ys)
        .paint(|ctx| ctx.draw(&Points { coords: &coords, color }))
        .render(plot, buf);
}

/// The cell of a point; `None` when it is not finite or not inside.
fn cell([x, y]: [f64; 2], xs: [f64; 2], ys: [f64; 2], plot: Rect) -> Option<(u16, u16)> {
    if plot.is_empty() || !x.is_finite() || !y.is_finite() {
        return None;
    }
    let share = |v: f64, [lo, hi]: [f64; 2]| {
        // A hair outside is rounding; more is outside the part that is seen.
        let share = (v - lo) / (hi - lo);
        (-1e-9..=1.0 + 1e-9).contains(&share).then(|| share.clamp(0.0, 1.0))
    };
    let col = (share(x, xs)? * f64::from(plot.width - 1)).round() as u16;
    let row = ((1.0 - share(y, ys)?) * f64::from(plot.height - 1)).round() as u16;
    Some((plot.x + col, plot.y + row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;

    #[test]
    fn flagged_points_are_on_top_whatever_their_order() {
        let group = |name: &str, flagged, points: &[[f64; 2]]| Group {
            name: name.into(),
            flagged,
            points: points.to_vec(),
            samples: vec![],
        };
        let same = [[1.0, 1.0], [0.0, 0.0]];
        let groups = [group("bad", true, &same[..1]), group("good", false, &same)];
        let rows =
            drawn(Scatter { groups: &groups, theme: Theme::of(Depth::Mono), cursor: None, power: 0 }, 30, 5);
        assert_eq!(rows[0].chars().last(), Some('x'), "{rows:?}");
        assert!(rows[3].starts_with(|c: char| ('\u{2801}'..='\u{28ff}').contains(&c)), "{rows:?}");
        assert_eq!(rows[4], "x bad (1) flagged  ⠿ good (2)");
        assert_eq!(flat(&groups), [(0, 0), (1, 0), (1, 1)], "the accused one is chosen first");
        let rows = drawn(
            Scatter { groups: &groups, theme: Theme::of(Depth::Mono), cursor: Some(0), power: 0 },
            30,
            5,
        );
        assert_eq!(rows[0].chars().last(), Some('◉'), "{rows:?}");
    }

    #[test]
    fn coming_closer_shows_the_neighbourhood_of_the_chosen_point() {
        assert_eq!(window([0.0, 8.0], 4.0, 2), [3.0, 5.0]);
        assert_eq!(window([0.0, 8.0], 0.5, 2), [0.0, 2.0], "not beyond the edge");
        assert_eq!(window([0.0, 8.0], 8.0, 0), [0.0, 8.0]);
        // Ends that rounding takes past each other.
        let odd = [-10.963_855_765_477_14, 3.711_234_567_890_123];
        assert_eq!(window(odd, 100.0, 0), odd);
        assert!(window(odd, f64::MAX, 6)[0] >= odd[0] && window([1.0, 1.0], 1.0, 3) == [1.0, 1.0]);
        let group = |flagged, points: &[[f64; 2]]| Group {
            name: "g".into(),
            flagged,
            points: points.to_vec(),
            samples: vec![],
        };
        // Two accused points in one cell, and one far off.
        let groups = [group(true, &[[0.0, 0.0], [0.01, 0.0], [1.0, 1.0]])];
        let theme = Theme::of(Depth::Mono);
        let marks = |power| {
            let rows = drawn(Scatter { groups: &groups, theme, cursor: Some(0), power }, 30, 5);
            rows[..4].concat().chars().filter(|c| "x◉".contains(*c)).count()
        };
        assert_eq!(
            (marks(0), marks(5)),
            (2, 2),
            "first one hides behind the other, then the far one is not seen"
        );
    }
}
