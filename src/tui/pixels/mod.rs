//! Pictures as pixels, where the terminal has a protocol for them: kitty graphics, iTerm2 inline images, sixel. Masks,
//! patterns, stamped examples and samples are then as sharp as the screen; everywhere else, and wherever a picture is partly
//! covered, the half blocks of [`crate::tui::widget::Thumbnails`] stay.
//!
//! Panes draw half blocks as always and note where ([`Picture`]); [`Board`] puts the pixels over them after the cells are
//! written, and takes them away again. What it writes is made of decoded pixels and numbers alone: no text of the evidence
//! gets near it, so that the sweep over the finished buffer stays the last word on text.

mod answer;
mod ask;
mod board;
mod detect;
mod enlarge;
mod sixel;

pub use ask::{Asked, ask, driver, look};
pub use board::Board;
pub use detect::{Found, Protocol, Wanted, detect};

use crate::figure::Thumbnail;
use ratatui::layout::Rect;

/// An image and the cells it has on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The cells it may cover.
    pub area: Rect,
    /// The image; well-formed.
    pub image: Thumbnail,
}
