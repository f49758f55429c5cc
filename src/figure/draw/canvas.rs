//! A thin brush over plotters: text, lines, boxes and markers in pixels, on any of its backends.

use super::super::{RenderError, ink, label};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// An image to be laid over the drawing: backends differ in how they hold pixels.
pub struct Placed {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width × height × 3` bytes.
    pub rgb: Vec<u8>,
}

/// Where a text hangs from its point.
#[derive(Clone, Copy)]
pub enum Hang {
    /// Starts there, centred on the line.
    Start,
    /// Ends there, centred on the line.
    End,
    /// Centred both ways.
    Middle,
}

/// How the mark of a group looks; colour says it once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Filled disc.
    Disc,
    /// Diagonal cross.
    Cross,
    /// Hollow ring.
    Ring,
    /// Filled triangle: what the picture accuses.
    Triangle,
}

impl Mark {
    /// The mark of the `n`th group.
    pub fn of(n: usize, flagged: bool) -> Self {
        match (flagged, n % 3) {
            (true, _) => Mark::Triangle,
            (_, 0) => Mark::Disc,
            (_, 1) => Mark::Cross,
            _ => Mark::Ring,
        }
    }
}

/// Body text size in pixels; plotters asks for the line height.
const TEXT: f64 = 15.5;
/// About the width of a character of body text.
pub const CHAR: i32 = 7;

/// The brush.
pub struct Canvas<'a, 'd, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    /// Images to be laid over at the end.
    pub images: &'d mut Vec<Placed>,
}

type Drawn = Result<(), RenderError>;

impl<'a, 'd, DB: DrawingBackend> Canvas<'a, 'd, DB> {
    /// A brush on a white sheet.
    pub fn new(area: &'a DrawingArea<DB, Shift>, images: &'d mut Vec<Placed>) -> Result<Self, RenderError> {
        area.fill(&ink::PAPER).map_err(said)?;
        Ok(Self { area, images })
    }

    fn put<E>(&self, element: &E) -> Drawn
    where
        E: plotters::element::Drawable<DB>,
        for<'b> &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
    {
        self.area.draw(element).map_err(said)
    }

    /// A line of text in `colour`.
    pub fn text(&self, at: (i32, i32), text: &str, hang: Hang, colour: RGBColor) -> Drawn {
        self.sized(at, text, hang, colour, TEXT)
    }

    /// The figure's title.
    pub fn title(&self, at: (i32, i32), text: &str) -> Drawn {
        self.sized(at, text, Hang::Start, ink::INK, TEXT * 1.2)
    }

    fn sized(&self, at: (i32, i32), text: &str, hang: Hang, colour: RGBColor, size: f64) -> Drawn {
        let pos = match hang {
            Hang::Start => Pos::new(HPos::Left, VPos::Center),
            Hang::End => Pos::new(HPos::Right, VPos::Center),
            Hang::Middle => Pos::new(HPos::Center, VPos::Center),
        };
        let style = TextStyle::from((ink::FAMILY, size)).color(&colour).pos(pos);
        self.put(&Text::new(label::spelt(text), at, style))
    }

    /// Text running upwards, centred on `at`.
    pub fn upright(&self, at: (i32, i32), text: &str, hang: Hang, colour: RGBColor) -> Drawn {
        let across = match hang {
            Hang::Start => HPos::Left,
            Hang::End => HPos::Right,
            Hang::Middle => HPos::Center,
        };
        let style = TextStyle::from((ink::FAMILY, TEXT))
            .color(&colour)
            .pos(Pos::new(across, VPos::Center))
            .transform(FontTransform::Rotate270);
        self.put(&Text::new(label::spelt(text), at, style))
    }

    /// A polyline.
    pub fn path(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Drawn {
        self.put(&PathElement::new(points, colour.stroke_width(width)))
    }

    /// A polyline drawn `on` pixels, left out `off` pixels, and so on; `off` 0 draws it whole.
    pub fn dashed(
        &self,
        points: &[(i32, i32)],
        colour: RGBColor,
        width: u32,
        (on, off): (i32, i32),
    ) -> Drawn {
        if off <= 0 || on <= 0 {
            return self.path(points.to_vec(), colour, width);
        }
        let (mut pen, mut left) = (true, f64::from(on));
        for pair in points.windows(2) {
            let ([a, b], mut gone) = ([pair[0], pair[1]], 0.0);
            let (dx, dy) = (f64::from(b.0) - f64::from(a.0), f64::from(b.1) - f64::from(a.1));
            let length = dx.hypot(dy);
            while gone < length {
                let step = left.min(length - gone);
                if pen {
                    let point = |at: f64| {
                        (
                            (f64::from(a.0) + dx * at / length) as i32,
                            (f64::from(a.1) + dy * at / length) as i32,
                        )
                    };
                    self.path(vec![point(gone), point(gone + step)], colour, width)?;
                }
                gone += step;
                left -= step;
                if left <= 0.0 {
                    pen = !pen;
                    left = f64::from(if pen { on } else { off });
                }
            }
        }
        Ok(())
    }

    /// A filled box.
    pub fn block(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
        self.put(&Rectangle::new([from, to], colour.filled()))
    }

    /// The outline of a box.
    pub fn frame(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
        self.put(&Rectangle::new([from, to], colour.stroke_width(1)))
    }

    /// Diagonal strokes in a box: the second way, besides colour, to tell it apart.
    pub fn hatch(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
        let (w, h) = (to.0 - from.0, to.1 - from.1);
        for start in (-h..w).step_by(7).skip(1) {
            let (a, b) = (start.max(0), (start + h).min(w));
            if a < b {
                let ends = vec![(from.0 + a, to.1 - (a - start)), (from.0 + b, to.1 - (b - start))];
                self.path(ends, colour, 1)?;
            }
        }
        Ok(())
    }

    /// One mark.
    pub fn mark(&self, at: (i32, i32), mark: Mark, colour: RGBColor) -> Drawn {
        match mark {
            Mark::Disc => self.put(&Circle::new(at, 3, colour.filled())),
            Mark::Ring => self.put(&Circle::new(at, 4, colour.stroke_width(1))),
            Mark::Cross => self.put(&plotters::element::Cross::new(at, 3, colour.stroke_width(1))),
            Mark::Triangle => self.put(&TriangleMarker::new(at, 5, colour.filled())),
        }
    }

    /// Lays an image over the drawing, in a thin frame.
    pub fn image(&mut self, placed: Placed) -> Drawn {
        let (x1, y1) = (placed.x + placed.width as i32, placed.y + placed.height as i32);
        self.frame((placed.x - 1, placed.y - 1), (x1, y1), ink::MUTED)?;
        self.images.push(placed);
        Ok(())
    }
}

fn said(e: impl std::fmt::Display) -> RenderError {
    RenderError(e.to_string())
}
