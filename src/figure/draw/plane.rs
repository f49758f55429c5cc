//! Plots with two axes: scatter, lines, histogram.

use super::super::{Counts, Group, RenderError, Series, ink, label};
use super::axes::{Axes, Scale};
use super::canvas::{CHAR, Canvas, Hang, Mark};
use super::{Key, PLOT, TOP, WIDTH, legend, remark};
use plotters::prelude::{DrawingBackend, RGBColor};

/// More points than this are thinned, evenly and by index, so that a picture stays a picture.
const MOST: usize = 4000;
/// Dashes by series, so that lines differ without colour.
const DASHES: [(i32, i32); 4] = [(1, 0), (8, 4), (2, 3), (12, 3)];

fn axes(xs: impl Iterator<Item = f64>, ys: impl Iterator<Item = f64>) -> Axes {
    let frame = [78, TOP, WIDTH - 24, PLOT - 52];
    let [left, top, right, bottom] = frame;
    Axes { x: Scale::around(xs, left, right), y: Scale::around(ys, bottom, top), frame }
}

fn colour(n: usize, flagged: bool) -> RGBColor {
    if flagged { ink::ORANGE } else { ink::series(n) }
}

pub fn scatter<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    (x_label, y_label): (&str, &str),
    groups: &[Group],
) -> Result<(), RenderError> {
    let points = || groups.iter().flat_map(|g| &g.points);
    let axes = axes(points().map(|p| p[0]), points().map(|p| p[1]));
    axes.draw(canvas, x_label, y_label)?;
    let every = points().count().div_ceil(MOST).max(1);
    for (n, group) in groups.iter().enumerate() {
        let mark = Mark::of(n, group.flagged);
        for p in group.points.iter().step_by(every).filter(|p| p.iter().all(|v| v.is_finite())) {
            canvas.mark((axes.x.at(p[0]), axes.y.at(p[1])), mark, colour(n, group.flagged))?;
        }
    }
    let keys: Vec<_> = groups
        .iter()
        .enumerate()
        .map(|(n, g)| {
            let name = format!("{}{} ({})", if g.flagged { "! " } else { "" }, g.name, g.points.len());
            (Key::Mark(Mark::of(n, g.flagged), colour(n, g.flagged)), name)
        })
        .collect();
    legend(canvas, &keys)?;
    if every > 1 { remark(canvas, &format!("1 in {every} drawn")) } else { Ok(()) }
}

pub fn lines<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    (x_label, y_label): (&str, &str),
    series: &[Series],
) -> Result<(), RenderError> {
    let points = || series.iter().flat_map(|s| &s.points);
    let axes = axes(points().map(|p| p[0]), points().map(|p| p[1]));
    axes.draw(canvas, x_label, y_label)?;
    let mut keys = Vec::new();
    for (n, s) in series.iter().enumerate() {
        let every = s.points.len().div_ceil(MOST).max(1);
        let path: Vec<_> = s
            .points
            .iter()
            .step_by(every)
            .filter(|p| p.iter().all(|v| v.is_finite()))
            .map(|p| (axes.x.at(p[0]), axes.y.at(p[1])))
            .collect();
        // Series after the first take the accusing colour second, so that two curves are blue and orange.
        let colour = if n == 1 { ink::ORANGE } else { ink::series(n) };
        if let [only] = path[..] {
            canvas.mark(only, Mark::of(n, false), colour)?;
        }
        canvas.dashed(&path, colour, 2, DASHES[n % DASHES.len()])?;
        keys.push((Key::Dash(DASHES[n % DASHES.len()], colour), s.name.clone()));
    }
    legend(canvas, &keys)
}

pub fn histogram<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    x_label: &str,
    (edges, series): (&[f64], &[Counts]),
    threshold: Option<f64>,
) -> Result<(), RenderError> {
    let counts = series.iter().flat_map(|s| s.counts.iter().copied());
    let axes = axes(edges.iter().copied().chain(threshold), counts.chain([0.0]));
    axes.draw(canvas, x_label, "count")?;
    let floor = axes.y.at(0.0);
    let mut keys = Vec::new();
    for (n, s) in series.iter().enumerate() {
        let colour = if n == 1 { ink::ORANGE } else { ink::series(n) };
        let dash = DASHES[n.saturating_sub(1) % DASHES.len()];
        let mut outline = Vec::new();
        for (edge, &count) in edges.windows(2).zip(&s.counts) {
            let (a, b, y) = (axes.x.at(edge[0]), axes.x.at(edge[1]), axes.y.at(count));
            if n == 0 && count > 0.0 {
                canvas.block((a, y), ((b - 1).max(a + 1), floor), colour)?;
            }
            outline.extend([(a, y), (b, y)]);
        }
        if n == 0 {
            keys.push((Key::Box { hatched: false, colour }, s.name.clone()));
        } else {
            canvas.dashed(&outline, colour, 2, dash)?;
            keys.push((Key::Dash(dash, colour), s.name.clone()));
        }
    }
    if let Some(t) = threshold.filter(|t| t.is_finite()) {
        let [_, top, right, bottom] = axes.frame;
        let (x, text) = (axes.x.at(t), format!("threshold {}", label::number(t)));
        canvas.dashed(&[(x, top), (x, bottom)], ink::INK, 2, (6, 4))?;
        let fits = x + 8 + text.chars().count() as i32 * CHAR < right;
        let (at, hang) = if fits { (x + 8, Hang::Start) } else { (x - 8, Hang::End) };
        canvas.text((at, top + 10), &text, hang, ink::INK)?;
    }
    legend(canvas, &keys)
}
