//! Curves over a common axis, with the range at the ends of the axes.

use super::range;
use crate::figure::Series;
use crate::tui::text::{cut_line, num};
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

/// Markers told apart without colour, with the sign that stands for them in the legend.
const MARKERS: [(Marker, &str); 3] = [(Marker::Braille, "⠒"), (Marker::Dot, "•"), (Marker::Custom('+'), "+")];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Lines<'a> {
    /// The curves.
    pub series: &'a [Series],
    /// Colours.
    pub theme: Theme,
}

impl Widget for Lines<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let points = || self.series.iter().flat_map(|s| s.points.iter());
        let (Some(xs), Some(ys)) = (range(points().map(|p| p[0])), range(points().map(|p| p[1]))) else {
            buf.set_stringn(area.x, area.y, "no points yet", usize::from(area.width), self.theme.dim());
            return;
        };
        let legend = u16::from(area.height >= 5);
        let curves: Vec<Vec<(f64, f64)>> = self
            .series
            .iter()
            .map(|s| {
                let inside = s.points.iter().filter(|p| p.iter().all(|v| v.is_finite()));
                inside.map(|p| (p[0].clamp(xs[0], xs[1]), p[1].clamp(ys[0], ys[1]))).collect()
            })
            .collect();
        let sets = curves.iter().enumerate().map(|(i, data)| {
            Dataset::default()
                .marker(MARKERS[i % MARKERS.len()].0)
                .graph_type(if data.len() > 1 { GraphType::Line } else { GraphType::Scatter })
                .style(self.theme.group(i))
                .data(data)
        });
        let axis = |[lo, hi]: [f64; 2]| {
            Axis::default().style(self.theme.dim()).bounds([lo, hi]).labels([num(lo), num(hi)])
        };
        Chart::new(sets.collect())
            .x_axis(axis(xs))
            .y_axis(axis(ys))
            .legend_position(None)
            .render(Rect { height: area.height - legend, ..area }, buf);
        if legend > 0 {
            let spans: Vec<Span> = self
                .series
                .iter()
                .enumerate()
                .flat_map(|(i, s)| {
                    let last = s.points.last().map_or(String::new(), |p| format!(" {}", num(p[1])));
                    [
                        Span::styled(MARKERS[i % MARKERS.len()].1, self.theme.group(i)),
                        Span::raw(format!(" {}{last}  ", s.name)),
                    ]
                })
                .collect();
            let line = cut_line(Line::from(spans), usize::from(area.width));
            buf.set_line(area.x, area.bottom() - 1, &line, area.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Depth;
    use crate::tui::widget::tests::drawn;

    #[test]
    fn a_curve_shows_its_range_and_last_value() {
        let series = [Series {
            name: "loss".into(),
            points: (0..50).map(|i| [f64::from(i), 50.0 - f64::from(i)]).collect(),
        }];
        let rows = drawn(Lines { series: &series, theme: Theme::of(Depth::Mono) }, 30, 8);
        let all = rows.join("\n");
        assert!(rows[0].contains("50"), "{all}");
        assert!(all.contains("49"), "{all}");
        assert_eq!(rows[7], "⠒ loss 1.00");
    }
}
