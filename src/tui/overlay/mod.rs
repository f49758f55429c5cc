//! What lies over the panes: one at a time, closed by `esc`.

mod detail;
mod export;
mod help;
mod jobs;
mod note;
mod palette;
mod quit;
mod zoom;

pub use note::LONGEST;
pub use palette::matches;

use super::paint::Painter;
use super::view::{Subject, View};
use ratatui::layout::Rect;

/// What the keys act on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// The panes.
    #[default]
    Browse,
    /// The keys (page 0), or the page of a procedure.
    Help {
        /// The procedure whose page is shown; `None`: the keys.
        page: Option<String>,
        /// First line shown.
        scroll: usize,
    },
    /// Find a command by name.
    Palette {
        /// What was typed.
        query: String,
        /// Chosen match.
        cursor: usize,
    },
    /// The jobs.
    Jobs {
        /// Chosen job.
        cursor: usize,
    },
    /// A note being written.
    Note {
        /// What was typed.
        text: String,
    },
    /// A moment of a replay being named.
    Goto {
        /// What was typed.
        text: String,
    },
    /// Which format to export.
    Export {
        /// Chosen format.
        cursor: usize,
    },
    /// Everything about one thing.
    Detail {
        /// The thing.
        subject: Subject,
        /// First line shown.
        scroll: usize,
    },
    /// A picture on the whole screen.
    Zoom {
        /// Procedure and name of the figure.
        figure: (String, String),
        /// The chosen bar, image or row in it.
        cursor: usize,
        /// Whether its numbers are shown instead.
        rows: bool,
    },
    /// Leave although a job runs?
    Quit,
}

impl Mode {
    /// Whether typed characters are text.
    pub fn typing(&self) -> bool {
        matches!(self, Mode::Palette { .. } | Mode::Note { .. } | Mode::Goto { .. })
    }

    /// Draws it over the panes; how far it can be scrolled.
    pub fn draw(&self, view: &View, p: &mut Painter, area: Rect, formats: &[&'static str]) -> usize {
        match self {
            Mode::Browse => 0,
            Mode::Help { page: None, scroll } => help::keys(view, p, area, *scroll),
            Mode::Help { page: Some(id), scroll } => help::page(view, p, area, id, *scroll),
            Mode::Palette { query, cursor } => palette::draw(view, p, area, query, *cursor),
            Mode::Jobs { cursor } => jobs::draw(view, p, area, *cursor),
            Mode::Note { text } => note::draw(p, area, text),
            Mode::Goto { text } => note::goto(p, area, text),
            Mode::Export { cursor } => export::draw(p, area, formats, *cursor),
            Mode::Detail { subject, scroll } => detail::draw(view, p, area, subject, *scroll),
            Mode::Zoom { figure, cursor, rows } => zoom::draw(view, p, area, figure, *cursor, *rows),
            Mode::Quit => quit::draw(view, p, area),
        }
    }
}

/// How far lines can be scrolled in a box.
fn most(lines: usize, inner: Rect) -> usize {
    lines.saturating_sub(usize::from(inner.height))
}
