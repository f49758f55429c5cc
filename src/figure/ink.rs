//! The colours of drawn figures and the one font. Blue and orange differ for every kind of colour vision; shapes,
//! dashes and words carry the same difference again.

use super::RenderError;
use plotters::style::{FontStyle, RGBColor, register_font};
use std::sync::OnceLock;

/// Background.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text and axes.
pub const INK: RGBColor = RGBColor(31, 41, 51);
/// Secondary text.
pub const MUTED: RGBColor = RGBColor(91, 103, 112);
/// Grid lines and frames.
pub const GRID: RGBColor = RGBColor(217, 223, 229);
/// What the picture accuses.
pub const ORANGE: RGBColor = RGBColor(213, 94, 0);
/// Everything else, in the order it comes.
pub const SERIES: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(0, 158, 115), RGBColor(204, 121, 167), RGBColor(140, 109, 31)];

/// Font family asked for; SVG viewers bring their own, bitmaps use the font below.
pub const FAMILY: &str = "sans-serif";

/// `DejaVu` Sans, cut to Latin, Greek and Cyrillic: pictures need no font of the machine they are drawn on.
static FONT: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf");

/// Makes the font known to plotters, once.
///
/// # Errors
/// When plotters refuses the shipped font.
pub fn font() -> Result<(), RenderError> {
    static DONE: OnceLock<bool> = OnceLock::new();
    if *DONE.get_or_init(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok()) {
        Ok(())
    } else {
        Err(RenderError("the shipped font could not be read".to_owned()))
    }
}

/// The colour of the `n`th unaccused group.
pub fn series(n: usize) -> RGBColor {
    SERIES[n % SERIES.len()]
}
