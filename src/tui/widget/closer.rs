//! The part of a figure that is seen after some halvings around a place. A figure again, so that every widget draws it as it
//! draws the whole.

use crate::figure::{Body, Counts, Figure, Group, Series, Thumbnail};

/// Most halvings of any view.
pub const CLOSEST: u8 = 6;
/// Parts of a whole that a place is counted in.
pub const WHOLE: u16 = 1024;

/// Which part of a figure is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closeup {
    /// How often the view is halved; 0 shows everything.
    pub power: u8,
    /// The middle of the view in 1024ths of the whole, from the left and from the top.
    pub at: [u16; 2],
}

impl Default for Closeup {
    fn default() -> Self {
        Self { power: 0, at: [WHOLE / 2; 2] }
    }
}

impl Closeup {
    /// Comes closer, at most `most` halvings, or goes back.
    pub fn approach(&mut self, closer: bool, most: u8) {
        self.power = if closer { (self.power + 1).min(most) } else { self.power.saturating_sub(1) };
        self.moved(0, 0);
    }

    /// Moves the view by quarters of itself, within the whole.
    pub fn moved(&mut self, right: i32, down: i32) {
        let width = i32::from(WHOLE) >> self.power;
        let [least, most] = [width / 2, i32::from(WHOLE) - width / 2];
        for (at, steps) in self.at.iter_mut().zip([right, down]) {
            *at = (i32::from(*at) + steps * (width / 4).max(1)).clamp(least, most) as u16;
        }
    }

    /// The part of `n` things that is seen along an axis: the first of them, and one after the last.
    fn window(self, axis: usize, n: usize) -> (usize, usize) {
        let whole = usize::from(WHOLE);
        let wide = n.div_ceil(1 << self.power.min(CLOSEST)).max(1);
        let middle = usize::from(self.at[axis]).min(whole) * n / whole;
        let from = middle.saturating_sub(wide / 2).min(n.saturating_sub(wide));
        (from, (from + wide).min(n))
    }
}

/// Halvings after which there is still something to see; 0: this figure does not come closer.
pub fn closest(figure: &Figure) -> u8 {
    // As long as at least `least` of `n` are left.
    let halvings = |n: usize, least: usize| {
        (1..=CLOSEST).take_while(|&p| n.div_ceil(1 << p) >= least).last().unwrap_or(0)
    };
    match &figure.body {
        Body::Scatter { groups, .. } if groups.iter().all(|g| g.points.is_empty()) => 0,
        Body::Scatter { .. } => CLOSEST,
        Body::Bars { bars, .. } => {
            if bars.is_empty() {
                0
            } else {
                CLOSEST
            }
        }
        Body::Heat { columns, .. } => halvings(columns.len(), 2),
        Body::Lines { series, .. } => halvings(series.iter().map(|s| s.points.len()).max().unwrap_or(0), 4),
        Body::Histogram { edges, .. } => halvings(edges.len().saturating_sub(1), 4),
        Body::Thumbnails { images } => {
            halvings(images.iter().map(|i| i.width.min(i.height)).min().unwrap_or(0), 4)
        }
    }
}

/// Whether left and right move the view of such a figure; scatters and bars are gone through by what is chosen.
pub fn slides(figure: &Figure) -> bool {
    matches!(
        figure.body,
        Body::Heat { .. } | Body::Lines { .. } | Body::Histogram { .. } | Body::Thumbnails { .. }
    )
}

/// The part of a figure that slides which is seen; others as they are.
pub fn part(figure: &Figure, close: Closeup) -> Figure {
    let body = match &figure.body {
        Body::Heat { row_label, column_label, value_label, rows, columns, values } => {
            let n = columns.len();
            let (from, to) = close.window(0, n);
            let line =
                |r: usize| values.get(r * n + from..(r * n + to).min(values.len())).unwrap_or_default();
            Body::Heat {
                row_label: row_label.clone(),
                column_label: column_label.clone(),
                value_label: value_label.clone(),
                rows: rows.clone(),
                columns: columns.get(from..to).unwrap_or_default().to_vec(),
                values: (0..rows.len()).flat_map(line).copied().collect(),
            }
        }
        Body::Lines { x_label, y_label, series } => {
            let cut = |s: &Series| {
                let (from, to) = close.window(0, s.points.len());
                Series { name: s.name.clone(), points: s.points.get(from..to).unwrap_or_default().to_vec() }
            };
            Body::Lines {
                x_label: x_label.clone(),
                y_label: y_label.clone(),
                series: series.iter().map(cut).collect(),
            }
        }
        Body::Histogram { x_label, edges, series, threshold } => {
            let bins = edges.len().saturating_sub(1);
            let (from, to) = close.window(0, bins);
            let cut = |s: &Counts| Counts {
                name: s.name.clone(),
                counts: s.counts.get(from..to.min(s.counts.len())).unwrap_or_default().to_vec(),
            };
            Body::Histogram {
                x_label: x_label.clone(),
                edges: edges.get(from..=to).unwrap_or_default().to_vec(),
                series: series.iter().map(cut).collect(),
                threshold: *threshold,
            }
        }
        Body::Thumbnails { images } => {
            Body::Thumbnails { images: images.iter().map(|image| crop(image, close)).collect() }
        }
        whole @ (Body::Scatter { .. } | Body::Bars { .. }) => whole.clone(),
    };
    Figure { title: figure.title.clone(), body }
}

/// The part of an image that is seen; one whose numbers do not fit each other stays as it is.
fn crop(image: &Thumbnail, close: Closeup) -> Thumbnail {
    let Thumbnail { height, width, channels, .. } = *image;
    if !super::well_formed(image) {
        return image.clone();
    }
    let ((left, right), (top, bottom)) = (close.window(0, width), close.window(1, height));
    let line = |row: usize| {
        let at = row * width;
        image.pixels.get((at + left) * channels..(at + right) * channels).unwrap_or_default()
    };
    Thumbnail {
        label: image.label.clone(),
        height: bottom - top,
        width: right - left,
        channels,
        pixels: (top..bottom).flat_map(line).copied().collect(),
    }
}

/// The point next to the chosen one in a direction: the nearest of those further right (or left), by its place in `order`.
pub fn neighbour(groups: &[Group], order: &[(usize, usize)], chosen: usize, right: bool) -> Option<usize> {
    let at = |i: usize| {
        let (group, place) = *order.get(i)?;
        groups.get(group)?.points.get(place).copied().filter(|p| p.iter().all(|v| v.is_finite()))
    };
    let [x, y] = at(chosen)?;
    let ends = super::range((0..order.len()).filter_map(at).map(|p| p[0]))?;
    let tall = super::range((0..order.len()).filter_map(at).map(|p| p[1]))?;
    let ([width, height], sign) = ([ends[1] - ends[0], tall[1] - tall[0]], if right { 1.0 } else { -1.0 });
    let distance = |i: usize| {
        let [a, b] = at(i)?;
        let [dx, dy] = [sign * (a - x) / width, (b - y) / height];
        // Not straight above or below: that is another direction.
        (dx > 0.0 && dx >= 0.2 * dy.abs()).then_some((dx * dx + dy * dy, i))
    };
    (0..order.len()).filter_map(distance).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, i)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(body: Body) -> Figure {
        Figure { title: "t".into(), body }
    }

    fn line(n: usize) -> Figure {
        let points = (0..n).map(|i| [i as f64, 0.0]).collect();
        let series = vec![Series { name: "s".into(), points }];
        figure(Body::Lines { x_label: String::new(), y_label: String::new(), series })
    }

    fn xs(figure: &Figure) -> Vec<f64> {
        let Body::Lines { series, .. } = &figure.body else { panic!() };
        series[0].points.iter().map(|p| p[0]).collect()
    }

    #[test]
    fn a_view_halves_slides_and_stays_inside() {
        let whole = line(64);
        let mut close = Closeup::default();
        assert_eq!(xs(&part(&whole, close)).len(), 64);
        close.approach(true, closest(&whole));
        assert_eq!(xs(&part(&whole, close)), (16..48).map(f64::from).collect::<Vec<_>>());
        close.moved(1, 0);
        assert_eq!(xs(&part(&whole, close))[0], 24.0);
        for _ in 0..9 {
            close.moved(1, 0);
        }
        assert_eq!(xs(&part(&whole, close)), (32..64).map(f64::from).collect::<Vec<_>>());
        close.moved(-1, 0);
        assert_eq!(xs(&part(&whole, close))[0], 24.0, "the end does not swallow the way back");
        for _ in 0..9 {
            close.approach(true, closest(&whole));
        }
        assert_eq!((close.power, xs(&part(&whole, close)).len()), (4, 4));
        for _ in 0..9 {
            close.approach(false, CLOSEST);
        }
        assert_eq!(close, Closeup::default());
    }

    #[test]
    fn every_kind_shows_its_part() {
        let close = Closeup { power: 1, at: [256, 768] };
        let names: Vec<String> = (0..4).map(|i| i.to_string()).collect();
        let heat = figure(Body::Heat {
            row_label: String::new(),
            column_label: String::new(),
            value_label: String::new(),
            rows: names[..2].to_vec(),
            columns: names,
            values: (0..8).map(f64::from).collect(),
        });
        let Body::Heat { columns, values, .. } = part(&heat, close).body else { panic!() };
        assert_eq!((columns.len(), values), (2, vec![0.0, 1.0, 4.0, 5.0]));
        let histogram = figure(Body::Histogram {
            x_label: String::new(),
            edges: (0..9).map(f64::from).collect(),
            series: vec![Counts { name: String::new(), counts: (0..8).map(f64::from).collect() }],
            threshold: Some(1.0),
        });
        let Body::Histogram { edges, series, .. } = part(&histogram, close).body else { panic!() };
        assert_eq!((edges, &series[0].counts), (vec![0.0, 1.0, 2.0, 3.0, 4.0], &vec![0.0, 1.0, 2.0, 3.0]));
        let image =
            Thumbnail { label: String::new(), height: 8, width: 8, channels: 1, pixels: (0..64).collect() };
        let images = vec![image.clone(), Thumbnail { width: usize::MAX, ..image }];
        let pictures = figure(Body::Thumbnails { images });
        let Body::Thumbnails { images } = part(&pictures, close).body else { panic!() };
        assert_eq!((images[0].height, images[0].width), (4, 4));
        assert_eq!(images[0].pixels[..5], [32, 33, 34, 35, 40]);
        assert_eq!(images[1].pixels.len(), 64, "what lies about its size is left alone");
    }

    #[test]
    fn empty_and_small_figures_come_no_closer() {
        let empty = figure(Body::Thumbnails { images: vec![] });
        assert_eq!((closest(&empty), closest(&line(7)), closest(&line(0)), closest(&line(8))), (0, 1, 0, 1));
        for close in [Closeup { power: 6, at: [1024, 0] }, Closeup { power: 200, at: [u16::MAX; 2] }] {
            part(&empty, close);
            part(&line(0), close);
            assert!(!xs(&part(&line(3), close)).is_empty());
        }
    }

    #[test]
    fn the_next_point_lies_in_its_direction() {
        let group = |points: &[[f64; 2]]| Group {
            name: String::new(),
            flagged: false,
            points: points.to_vec(),
            samples: vec![],
        };
        let groups = [group(&[[0.0, 0.0], [1.0, 0.1], [5.0, 0.0]]), group(&[[0.1, 9.0], [f64::NAN, 0.0]])];
        let order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)];
        assert_eq!(neighbour(&groups, &order, 0, true), Some(1), "the one high above is not the next");
        assert_eq!(neighbour(&groups, &order, 2, false), Some(1));
        assert_eq!(neighbour(&groups, &order, 0, false), None);
        assert_eq!(neighbour(&groups, &order, 4, true), None);
        assert_eq!(neighbour(&groups, &order, 99, true), None);
    }
}
