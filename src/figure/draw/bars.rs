//! Horizontal bars: names left, values at their ends, the threshold as a dashed line.

use super::super::{Bar, RenderError, ink, label};
use super::axes::Scale;
use super::canvas::{CHAR, Canvas, Hang};
use super::{Key, TOP, WIDTH, legend, remark, swatch};
use plotters::prelude::DrawingBackend;

/// More bars than this are not drawn; the largest are.
const MOST: usize = 60;
const NAME: usize = 28;

fn pitch(shown: usize) -> i32 {
    if shown > 30 { 15 } else { 21 }
}

pub fn height(bars: &[Bar]) -> i32 {
    let shown = bars.len().clamp(1, MOST);
    TOP + 12 + pitch(shown) * shown as i32 + 46
}

/// The bars to draw, in natural order: all, or the [`MOST`] largest.
fn chosen(bars: &[Bar]) -> Vec<&Bar> {
    let mut order: Vec<usize> = (0..bars.len()).collect();
    order.sort_by(|&a, &b| bars[b].value.total_cmp(&bars[a].value).then(a.cmp(&b)));
    order.truncate(MOST);
    order.sort_unstable();
    order.into_iter().map(|i| &bars[i]).collect()
}

pub fn draw<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    value_label: &str,
    bars: &[Bar],
    threshold: Option<f64>,
) -> Result<(), RenderError> {
    let shown = chosen(bars);
    let pitch = pitch(shown.len());
    let longest = shown.iter().map(|b| b.label.chars().count()).max().unwrap_or(1).clamp(2, NAME) as i32;
    let (left, right) = (longest * CHAR + 34, WIDTH - 78);
    let (top, bottom) = (TOP + 12, TOP + 12 + pitch * shown.len().max(1) as i32);
    let ends = shown.iter().filter_map(|b| b.spread).flatten().filter(|v| v.is_finite());
    let values = shown.iter().map(|b| b.value).chain(ends).chain(threshold).chain([0.0]);
    let scale = Scale::around(values, left, right);

    for (v, said) in scale.ticks(6) {
        let x = scale.at(v);
        canvas.path(vec![(x, top), (x, bottom)], ink::GRID, 1)?;
        canvas.text((x, bottom + 12), &said, Hang::Middle, ink::MUTED)?;
    }
    let zero = scale.at(0.0);
    for (row, bar) in shown.iter().enumerate() {
        let middle = top + pitch * row as i32 + pitch / 2;
        let end = scale.at(bar.value);
        let (from, to) =
            ((zero.min(end), middle - pitch / 2 + 3), (zero.max(end).max(zero + 1), middle + pitch / 2 - 2));
        let colour = if bar.flagged { ink::ORANGE } else { ink::series(0) };
        swatch(canvas, from, to, bar.flagged, colour)?;
        let said = if bar.flagged { ink::ORANGE } else { ink::INK };
        let mark = if bar.flagged { "! " } else { "" };
        canvas.text(
            (left - 8, middle),
            &format!("{mark}{}", label::fit(&bar.label, NAME)),
            Hang::End,
            said,
        )?;
        let mut after = to.0;
        if let Some(ends) = bar.spread.filter(|s| s.iter().all(|v| v.is_finite())) {
            let [low, high] = ends.map(|v| scale.at(v));
            let cap = pitch / 4;
            canvas.path(vec![(low, middle), (high, middle)], ink::INK, 1)?;
            for x in [low, high] {
                canvas.path(vec![(x, middle - cap), (x, middle + cap)], ink::INK, 1)?;
            }
            after = after.max(high);
        }
        canvas.text((after + 6, middle), &label::number(bar.value), Hang::Start, said)?;
    }
    canvas.path(vec![(zero, top), (zero, bottom)], ink::MUTED, 1)?;
    canvas.text(
        (i32::midpoint(left, right), bottom + 31),
        &label::fit(value_label, 70),
        Hang::Middle,
        ink::INK,
    )?;
    if let Some(t) = threshold.filter(|t| t.is_finite()) {
        let x = scale.at(t);
        canvas.dashed(&[(x, top - 4), (x, bottom)], ink::INK, 2, (6, 4))?;
        let text = format!("threshold {}", label::number(t));
        let half = text.chars().count() as i32 * CHAR / 2;
        canvas.text((x.clamp(half + 8, WIDTH - half - 8), top - 12), &text, Hang::Middle, ink::INK)?;
    }
    if shown.iter().any(|b| b.flagged) {
        let plain = (Key::Box { hatched: false, colour: ink::series(0) }, "not flagged".to_owned());
        legend(canvas, &[(Key::Box { hatched: true, colour: ink::ORANGE }, "! flagged".to_owned()), plain])?;
    }
    if shown.iter().any(|b| b.spread.is_some()) {
        let text = "├─┤ lowest to highest of several starts";
        canvas.text((WIDTH - 12, bottom + 31), text, Hang::End, ink::MUTED)?;
    }
    if shown.len() < bars.len() {
        remark(canvas, &format!("the {} largest of {}", shown.len(), bars.len()))?;
    }
    Ok(())
}
