//! A matrix in shades of one hue, with its numbers where they fit.

use super::super::{RenderError, ink, label};
use super::canvas::{CHAR, Canvas, Hang};
use super::{TOP, WIDTH, remark};
use plotters::prelude::{DrawingBackend, RGBColor};

/// Larger matrices are shown in blocks, each by its largest value: what is accused must not be averaged away.
const MOST: usize = 48;
const NAME: usize = 18;

/// A matrix cut to at most [`MOST`] rows and columns.
struct Shown {
    rows: usize,
    columns: usize,
    block: (usize, usize),
    values: Vec<f64>,
}

fn shown(rows: &[String], columns: &[String], values: &[f64]) -> Shown {
    let block = (rows.len().div_ceil(MOST).max(1), columns.len().div_ceil(MOST).max(1));
    let (r, c) = (rows.len().div_ceil(block.0), columns.len().div_ceil(block.1));
    let mut out = vec![f64::NAN; r * c];
    for row in 0..rows.len() {
        for column in 0..columns.len() {
            let (at, v) = (row / block.0 * c + column / block.1, values.get(row * columns.len() + column));
            // `max` takes the number when one of the two is NaN.
            out[at] = out[at].max(v.copied().unwrap_or(f64::NAN));
        }
    }
    Shown { rows: r, columns: c, block, values: out }
}

fn longest(names: &[String]) -> i32 {
    names.iter().map(|n| n.chars().count()).max().unwrap_or(1).clamp(1, NAME) as i32 * CHAR
}

fn cell(rows: &[String], columns: &[String]) -> i32 {
    let room = WIDTH - 24 - 26 - longest(rows) - 110;
    let across = columns.len().clamp(1, MOST) as i32;
    (room / across).clamp(6, if rows.len() > 14 { 26 } else { 42 })
}

pub fn height(rows: &[String], columns: &[String], values: &[f64]) -> i32 {
    let s = shown(rows, columns, values);
    (TOP + s.rows as i32 * cell(rows, columns) + longest(columns) + 48).max(TOP + 150)
}

/// White to dark blue; the share is in `0..=1`.
fn shade(part: f64) -> RGBColor {
    let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
    let mix = |to: u8| (255.0 - (255.0 - f64::from(to)) * part).round() as u8;
    RGBColor(mix(0), mix(68), mix(122))
}

pub fn draw<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    (row_label, column_label, value_label): (&str, &str, &str),
    (rows, columns): (&[String], &[String]),
    values: &[f64],
) -> Result<(), RenderError> {
    let s = shown(rows, columns, values);
    let side = cell(rows, columns);
    let (left, top) = (36 + longest(rows), TOP);
    let (right, bottom) = (left + side * s.columns as i32, top + side * s.rows as i32);
    let finite = || s.values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(0.0_f64, f64::min), finite().fold(f64::MIN_POSITIVE, f64::max));
    let part = |v: f64| ((v - low) / (high - low)).clamp(0.0, 1.0);

    for row in 0..s.rows {
        for column in 0..s.columns {
            let v = s.values[row * s.columns + column];
            let from = (left + side * column as i32, top + side * row as i32);
            canvas.block(from, (from.0 + side - 1, from.1 + side - 1), shade(part(v)))?;
            let text = label::number(v);
            if side >= 22 && text.chars().count() as i32 * CHAR <= side {
                let colour = if part(v) > 0.5 { ink::PAPER } else { ink::INK };
                canvas.text((from.0 + side / 2, from.1 + side / 2), &text, Hang::Middle, colour)?;
            }
        }
    }
    canvas.frame((left - 1, top - 1), (right, bottom), ink::MUTED)?;
    // Names of every k-th row and column, so that they never overlap.
    let every = (14 + side - 1) / side;
    for row in (0..s.rows).step_by(every as usize) {
        let name = rows.get(row * s.block.0).map_or("", String::as_str);
        canvas.text(
            (left - 6, top + side * row as i32 + side / 2),
            &label::fit(name, NAME),
            Hang::End,
            ink::MUTED,
        )?;
    }
    for column in (0..s.columns).step_by(every as usize) {
        let name = columns.get(column * s.block.1).map_or("", String::as_str);
        let at = (left + side * column as i32 + side / 2, bottom + 6);
        canvas.upright(at, &label::fit(name, NAME), Hang::End, ink::MUTED)?;
    }
    let names = format!("row: {row_label} · column: {column_label}");
    canvas.text((18, 42), &label::fit(&names, 80), Hang::Start, ink::INK)?;
    if s.block != (1, 1) {
        remark(canvas, &format!("largest of blocks {}×{}", s.block.0, s.block.1))?;
    }
    scale(canvas, (right + 22, top), value_label, (low, high))
}

/// The colour scale at the right.
fn scale<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    (x, top): (i32, i32),
    value_label: &str,
    (low, high): (f64, f64),
) -> Result<(), RenderError> {
    const STEPS: i32 = 24;
    for step in 0..STEPS {
        let y = top + 5 * (STEPS - 1 - step);
        canvas.block((x, y), (x + 14, y + 5), shade(f64::from(step) / f64::from(STEPS - 1)))?;
    }
    canvas.frame((x, top), (x + 14, top + 5 * STEPS), ink::MUTED)?;
    canvas.text((x + 20, top + 6), &label::number(high), Hang::Start, ink::MUTED)?;
    canvas.text((x + 20, top + 5 * STEPS - 6), &label::number(low), Hang::Start, ink::MUTED)?;
    canvas.upright((x + 28, top + 60), &label::fit(value_label, 12), Hang::Middle, ink::MUTED)
}
