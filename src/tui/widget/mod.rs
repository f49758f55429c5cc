//! [`crate::figure::Figure`]s drawn into cells. Each widget takes the numbers as they are (foreign lengths, NaN and
//! infinities included), draws nothing where there is no room, and says in words what colour alone would carry.

mod bars;
mod closer;
mod heat;
mod histogram;
mod lines;
mod scatter;
mod thumbnails;

pub use bars::{Bars, stroke};
pub use closer::{CLOSEST, Closeup, closest, neighbour, part, slides};
pub use heat::Heat;
pub use histogram::Histogram;
pub use lines::Lines;
pub use scatter::{Scatter, flat};
pub(super) use thumbnails::well_formed;
pub use thumbnails::{Gallery, Place, Thumbnails};

use super::text::{count, num};
use super::theme::Theme;
use crate::figure::{Body, Figure};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

/// Any figure, drawn by the widget of its kind.
#[derive(Debug, Clone, Copy)]
pub struct FigureView<'a> {
    /// The numbers.
    pub figure: &'a Figure,
    /// Colours.
    pub theme: Theme,
    /// The chosen bar, image or row, if the kind has one.
    pub cursor: Option<usize>,
}

impl Widget for FigureView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let Self { figure, theme, cursor } = self;
        match &figure.body {
            Body::Bars { bars, threshold, .. } => {
                Bars { bars, threshold: *threshold, cursor, theme, power: 0 }.render(area, buf);
            }
            Body::Scatter { groups, .. } => Scatter { groups, theme, cursor, power: 0 }.render(area, buf),
            Body::Lines { series, .. } => Lines { series, theme }.render(area, buf),
            Body::Heat { rows, columns, values, .. } => {
                Heat { rows, columns, values, cursor, theme }.render(area, buf);
            }
            Body::Histogram { edges, series, threshold, .. } => {
                Histogram { edges, series, threshold: *threshold, theme }.render(area, buf);
            }
            Body::Thumbnails { images } => {
                Thumbnails { images, first: cursor.unwrap_or(0), theme }.render(area, buf);
            }
        }
    }
}

/// How many things a cursor can choose in a figure.
pub fn choices(figure: &Figure) -> usize {
    match &figure.body {
        Body::Bars { bars, .. } => bars.len(),
        Body::Heat { rows, .. } => rows.len(),
        Body::Thumbnails { images } => images.len(),
        _ => 0,
    }
}

/// What the axes are, for the lower edge of the figure's frame.
pub fn axes(figure: &Figure) -> String {
    match &figure.body {
        Body::Bars { value_label, bars, threshold } => {
            let line = threshold.map_or(String::new(), |t| format!("┊ threshold {} · ", num(t)));
            let several = bars.iter().any(|b| b.spread.is_some());
            format!("{line}{}{value_label}", if several { "├┤ several starts · " } else { "" })
        }
        Body::Scatter { x_label, y_label, .. } | Body::Lines { x_label, y_label, .. } => {
            format!("→ {x_label} · ↑ {y_label}")
        }
        Body::Heat { row_label, column_label, value_label, .. } => {
            format!("↓ {row_label} · → {column_label} · {value_label}")
        }
        Body::Histogram { x_label, threshold: Some(t), .. } => {
            format!("┊ threshold {} · → {x_label}", num(*t))
        }
        Body::Histogram { x_label, .. } => format!("→ {x_label}"),
        Body::Thumbnails { images } => count(images.len(), "image"),
    }
}

/// Smallest and largest of the finite values, widened so that the range is never empty. `None` without any.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    // Far outside what any measure reaches, and small enough that the difference of two of them is finite.
    const FAR: f64 = 1e150;
    let [mut lo, mut hi] = [f64::INFINITY, f64::NEG_INFINITY];
    for v in values {
        if v.is_finite() {
            lo = lo.min(v.clamp(-FAR, FAR));
            hi = hi.max(v.clamp(-FAR, FAR));
        }
    }
    if lo > hi {
        return None;
    }
    let pad = if hi > lo { 0.0 } else { (lo.abs() * 0.1).max(0.5) };
    Some([lo - pad, hi + pad])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::figure::{Bar, Counts, Group, Series, Thumbnail};
    use crate::tui::theme::Depth;

    /// The text of a widget drawn alone.
    pub(crate) fn drawn(widget: impl Widget, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        widget.render(area, &mut buf);
        (0..height)
            .map(|y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
            .collect()
    }

    fn figures() -> Vec<Figure> {
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 1e-300];
        let label = "\u{202e}hostile\x1b[31m a very long label that fits nowhere at all".to_owned();
        let points: Vec<[f64; 2]> = odd.iter().flat_map(|&a| odd.iter().map(move |&b| [a, b])).collect();
        let bodies = vec![
            Body::Bars { value_label: label.clone(), bars: Vec::new(), threshold: Some(f64::NAN) },
            Body::Bars {
                value_label: label.clone(),
                bars: odd
                    .iter()
                    .map(|&value| Bar { label: label.clone(), value, flagged: true, spread: None })
                    .collect(),
                threshold: Some(f64::INFINITY),
            },
            Body::Scatter { x_label: label.clone(), y_label: label.clone(), groups: Vec::new() },
            Body::Scatter {
                x_label: label.clone(),
                y_label: label.clone(),
                groups: vec![
                    Group { name: label.clone(), flagged: true, points: points.clone(), samples: vec![1] },
                    Group { name: label.clone(), flagged: false, points: points.clone(), samples: vec![] },
                ],
            },
            Body::Lines { x_label: label.clone(), y_label: label.clone(), series: Vec::new() },
            Body::Lines {
                x_label: label.clone(),
                y_label: label.clone(),
                series: vec![
                    Series { name: label.clone(), points },
                    Series { name: label.clone(), points: vec![] },
                ],
            },
            Body::Heat {
                row_label: label.clone(),
                column_label: label.clone(),
                value_label: label.clone(),
                rows: vec![label.clone(); 5],
                columns: vec![label.clone(); 700],
                values: odd.to_vec(),
            },
            Body::Histogram { x_label: label.clone(), edges: vec![], series: vec![], threshold: None },
            Body::Histogram {
                x_label: label.clone(),
                edges: odd.to_vec(),
                series: vec![Counts { name: label.clone(), counts: odd.to_vec() }; 9],
                threshold: Some(-1e308),
            },
            Body::Thumbnails { images: vec![] },
            Body::Thumbnails {
                images: [
                    (0, 5, 1, 0),
                    (usize::MAX, usize::MAX, 3, 7),
                    (4, 4, 3, 48),
                    (4, 4, 1, 3),
                    (300, 2, 2, 1200),
                ]
                .iter()
                .map(|&(height, width, channels, n)| Thumbnail {
                    label: label.clone(),
                    height,
                    width,
                    channels,
                    pixels: vec![200; n],
                })
                .collect(),
            },
        ];
        bodies.into_iter().map(|body| Figure { title: label.clone(), body }).collect()
    }

    #[test]
    fn no_figure_of_any_shape_panics_at_any_size() {
        for figure in &figures() {
            assert!(!axes(figure).is_empty());
            for depth in [Depth::Mono, Depth::Indexed, Depth::True] {
                for (w, h) in [(0, 0), (1, 1), (1, 9), (9, 1), (2, 2), (5, 3), (20, 7), (80, 24), (200, 60)] {
                    for cursor in [None, Some(0), Some(3), Some(usize::MAX)] {
                        let rows = drawn(FigureView { figure, theme: Theme::of(depth), cursor }, w, h);
                        assert_eq!(rows.len(), usize::from(h));
                    }
                }
            }
        }
    }

    #[test]
    fn a_range_is_never_empty_and_always_finite() {
        assert_eq!(range([]), None);
        assert_eq!(range([f64::NAN, f64::INFINITY]), None);
        assert_eq!(range([2.0, 4.0]), Some([2.0, 4.0]));
        assert_eq!(range([0.0]), Some([-0.5, 0.5]));
        let [lo, hi] = range([f64::MIN, f64::MAX]).unwrap();
        assert!((hi - lo).is_finite() && hi > lo);
    }
}
