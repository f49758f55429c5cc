//! One drawing for every backend: a figure is laid out here once, and SVG and PNG only differ in what holds the ink.

mod axes;
mod bars;
mod canvas;
mod heat;
mod plane;
mod thumbnails;

use super::{Body, Figure, RenderError, ink, label};
use canvas::{CHAR, Canvas, Hang, Mark};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};

pub use canvas::Placed;

/// Width of every figure in pixels.
pub const WIDTH: i32 = 720;
/// Height of a plot with two axes.
const PLOT: i32 = 400;
/// Where the body starts below the title.
const TOP: i32 = 62;

/// Size of the drawing in pixels.
pub fn size(figure: &Figure) -> (u32, u32) {
    let height = match &figure.body {
        Body::Bars { bars, .. } => bars::height(bars),
        Body::Heat { rows, columns, values, .. } => heat::height(rows, columns, values),
        Body::Thumbnails { images } => thumbnails::height(images),
        Body::Scatter { .. } | Body::Lines { .. } | Body::Histogram { .. } => PLOT,
    };
    (WIDTH as u32, height as u32)
}

/// Draws `figure` on `area`, which has its [`size`]; gives back the images to be laid over.
pub fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    figure: &Figure,
) -> Result<Vec<Placed>, RenderError> {
    ink::font()?;
    let mut images = Vec::new();
    fill(&mut Canvas::new(area, &mut images)?, figure)?;
    Ok(images)
}

fn fill<DB: DrawingBackend>(canvas: &mut Canvas<DB>, figure: &Figure) -> Result<(), RenderError> {
    canvas.title((12, 18), &label::fit(&figure.title, 80))?;
    match &figure.body {
        Body::Scatter { x_label, y_label, groups } => plane::scatter(canvas, (x_label, y_label), groups)?,
        Body::Bars { value_label, bars, threshold } => bars::draw(canvas, value_label, bars, *threshold)?,
        Body::Heat { row_label, column_label, value_label, rows, columns, values } => {
            heat::draw(canvas, (row_label, column_label, value_label), (rows, columns), values)?;
        }
        Body::Lines { x_label, y_label, series } => plane::lines(canvas, (x_label, y_label), series)?,
        Body::Histogram { x_label, edges, series, threshold } => {
            plane::histogram(canvas, x_label, (edges, series), *threshold)?;
        }
        Body::Thumbnails { images } => thumbnails::draw(canvas, images)?,
    }
    Ok(())
}

/// How a legend shows one group.
#[derive(Clone, Copy)]
enum Key {
    Mark(Mark, RGBColor),
    Dash((i32, i32), RGBColor),
    Box { hatched: bool, colour: RGBColor },
}

/// A line of keys with names below the title; what does not fit is left to the table and said so.
fn legend<DB: DrawingBackend>(canvas: &Canvas<DB>, entries: &[(Key, String)]) -> Result<(), RenderError> {
    let (mut x, y) = (18, 42);
    for (k, (key, name)) in entries.iter().enumerate() {
        let name = label::fit(name, 34);
        let wide = name.chars().count() as i32 * CHAR + 40;
        if x + wide > WIDTH - 60 && k > 0 {
            canvas.text((x, y), &format!("+{} more", entries.len() - k), Hang::Start, ink::MUTED)?;
            return Ok(());
        }
        match *key {
            Key::Mark(mark, colour) => canvas.mark((x + 6, y), mark, colour)?,
            Key::Dash(dash, colour) => canvas.dashed(&[(x - 2, y), (x + 16, y)], colour, 2, dash)?,
            Key::Box { hatched, colour } => swatch(canvas, (x, y - 6), (x + 14, y + 6), hatched, colour)?,
        }
        canvas.text((x + 20, y), &name, Hang::Start, ink::INK)?;
        x += wide;
    }
    Ok(())
}

/// A filled box, hatched in white when it is the accused one.
fn swatch<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    from: (i32, i32),
    to: (i32, i32),
    hatched: bool,
    colour: RGBColor,
) -> Result<(), RenderError> {
    canvas.block(from, to, colour)?;
    if hatched { canvas.hatch(from, to, ink::PAPER) } else { Ok(()) }
}

/// A small remark at the right end of the legend's line, for what was left out of the drawing.
fn remark<DB: DrawingBackend>(canvas: &Canvas<DB>, text: &str) -> Result<(), RenderError> {
    canvas.text((WIDTH - 12, 42), text, Hang::End, ink::MUTED)
}
