//! What lies over the panes: one at a time, closed by `esc`.

mod compare;
mod detail;
mod export;
mod guide;
mod help;
mod jobs;
mod judge;
mod note;
mod palette;
mod quit;
mod zoom;

pub use compare::fitting;
pub use export::PICTURES;
pub use jobs::broken;
pub use note::LONGEST;
pub use palette::matches;
pub use zoom::Zoom;

use super::paint::Painter;
use super::screen::Extra;
use super::view::{Subject, View};
use crate::case::Topic;
use crate::case::diff::Diff;
use ratatui::layout::Rect;
use std::sync::Arc;

/// What the keys act on.
#[derive(Debug, Clone, PartialEq, Default)]
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
        /// What it is about.
        about: Topic,
        /// What was typed.
        text: String,
    },
    /// The analyst's verdict being given.
    Judge {
        /// What it is about.
        about: Topic,
        /// Place in [`Judgement::ALL`](crate::case::Judgement::ALL).
        choice: usize,
        /// The reason, as typed.
        text: String,
    },
    /// A tag being named.
    Tag {
        /// What it is on.
        about: Topic,
        /// What was typed.
        text: String,
    },
    /// The words that the rows of the focused box are filtered by, as they are typed.
    Filter {
        /// What was typed.
        text: String,
    },
    /// The words that are looked for in the text on top, as they are typed.
    Find {
        /// What was typed.
        text: String,
        /// The text they are looked for in.
        under: Box<Mode>,
    },
    /// Which session to compare with.
    Compare {
        /// What was typed.
        text: String,
        /// Chosen session.
        cursor: usize,
    },
    /// Another session beside this one.
    Compared {
        /// Its name.
        with: String,
        /// What differs.
        diff: Arc<Diff>,
        /// First line shown.
        scroll: usize,
    },
    /// What is known, what is missing, what to do next.
    Guide {
        /// First line shown.
        scroll: usize,
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
        /// Whether reports are on offer.
        reports: bool,
        /// The picture that is on offer too: of the box that has the focus, or the one on the whole screen.
        figure: Option<(String, String)>,
    },
    /// Everything about one thing.
    Detail {
        /// The thing.
        subject: Subject,
        /// First line shown.
        scroll: usize,
    },
    /// A picture on the whole screen.
    Zoom(Zoom),
    /// Leave although a job runs?
    Quit,
}

impl Mode {
    /// How far an overlay is scrolled, or which of its rows is chosen; the others have neither.
    pub fn place(&mut self) -> Option<&mut usize> {
        match self {
            Mode::Help { scroll: at, .. }
            | Mode::Detail { scroll: at, .. }
            | Mode::Compared { scroll: at, .. }
            | Mode::Guide { scroll: at }
            | Mode::Palette { cursor: at, .. }
            | Mode::Compare { cursor: at, .. }
            | Mode::Jobs { cursor: at }
            | Mode::Export { cursor: at, .. }
            | Mode::Zoom(Zoom { cursor: at, .. }) => Some(at),
            Mode::Find { under, .. } => under.place(),
            Mode::Browse
            | Mode::Note { .. }
            | Mode::Goto { .. }
            | Mode::Judge { .. }
            | Mode::Tag { .. }
            | Mode::Filter { .. }
            | Mode::Quit => None,
        }
    }

    /// Whether it is a text that words can be looked for in.
    pub fn readable(&self) -> bool {
        matches!(self, Mode::Help { .. } | Mode::Detail { .. } | Mode::Compared { .. } | Mode::Guide { .. })
            || matches!(self, Mode::Zoom(Zoom { rows: true, .. }))
    }

    /// Whether typed characters are text.
    pub fn typing(&self) -> bool {
        matches!(
            self,
            Mode::Palette { .. }
                | Mode::Note { .. }
                | Mode::Goto { .. }
                | Mode::Judge { .. }
                | Mode::Tag { .. }
                | Mode::Filter { .. }
                | Mode::Find { .. }
                | Mode::Compare { .. }
        )
    }

    /// Draws it over the panes; how far it can be scrolled.
    pub fn draw(&self, view: &View, p: &mut Painter, area: Rect, extra: &Extra) -> usize {
        match self {
            Mode::Browse | Mode::Filter { .. } => 0,
            Mode::Find { under, .. } => under.draw(view, p, area, extra),
            Mode::Help { page: None, scroll } => help::keys(view, p, area, *scroll),
            Mode::Help { page: Some(id), scroll } => help::page(view, p, area, id, *scroll),
            Mode::Palette { query, cursor } => palette::draw(view, p, area, query, *cursor),
            Mode::Jobs { cursor } => jobs::draw(view, p, area, *cursor),
            Mode::Note { about, text } => note::draw(p, area, about, text),
            Mode::Judge { about, choice, text } => judge::verdict(view, p, area, about, *choice, text),
            Mode::Tag { about, text } => judge::tag(view, p, area, about, text),
            Mode::Compare { text, cursor } => compare::choose(view, p, area, extra.others, text, *cursor),
            Mode::Compared { with, diff, scroll } => compare::show(view, p, area, with, diff, *scroll),
            Mode::Guide { scroll } => guide::draw(view, p, area, *scroll),
            Mode::Goto { text } => note::goto(p, area, text),
            Mode::Export { cursor, reports, figure } => {
                let formats = if *reports { extra.formats } else { &[] };
                export::draw(p, area, formats, *cursor, figure.is_some())
            }
            Mode::Detail { subject, scroll } => detail::draw(view, p, area, subject, *scroll),
            Mode::Zoom(zoom) => zoom::draw(view, p, area, zoom),
            Mode::Quit => quit::draw(view, p, area),
        }
    }
}

/// How far lines can be scrolled in a box.
fn most(lines: usize, inner: Rect) -> usize {
    lines.saturating_sub(usize::from(inner.height))
}
