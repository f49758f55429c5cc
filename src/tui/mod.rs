//! The workbench: loop, terminal guard, command table, theme, panes, overlays, widgets. Reads
//! [`crate::case::CaseState`] and never changes it.
//!
//! Everything is drawn from a [`Source`]: a live [`Investigation`] or a replayed [`Session`]. [`app::App`] is the whole
//! workbench without a terminal, which is what the tests drive; [`run`], [`replay`] and [`pick`] put a terminal around it,
//! [`plain`] writes the same as text.

pub mod app;
pub mod command;
pub mod config;
pub mod drill;
pub mod export;
mod input;
pub mod overlay;
pub mod paint;
pub mod pane;
mod picker;
pub mod pixels;
mod plain;
mod replay;
mod run;
pub mod screen;
pub mod source;
pub mod standing;
pub mod sweep;
pub mod symbols;
pub mod terminal;
#[cfg(test)]
#[expect(
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::needless_for_each,
    clippy::type_complexity,
    clippy::format_push_string,
    reason = "fixtures are long lists"
)]
mod tests;
pub mod text;
pub mod theme;
pub mod view;
pub mod widget;

pub use export::{Exported, Exporter};
pub use picker::Entry;
pub use replay::Replay;
pub use source::Source;

use crate::case::Session;
use crate::investigation::{Background, Investigation};
use app::App;
use command::Keymap;
use input::{Input, Ready};
use picker::{Picked, Picker};
use pixels::{Board, Wanted};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::time::Duration;
use terminal::{Guard, Signal};
use theme::{Look, Symbols, Theme};

/// How the workbench is to look and what it can call.
#[derive(Clone)]
pub struct Options {
    /// `--color`: `None` leaves it to the terminal and `NO_COLOR`.
    pub color: Option<bool>,
    /// Whether the mouse is taken (the terminal's own selection then needs shift).
    pub mouse: bool,
    /// Who writes reports.
    pub exporter: Option<Arc<dyn Exporter>>,
    /// The palette.
    pub look: Look,
    /// What pictures are drawn with; `None` leaves it to the terminal.
    pub symbols: Option<Symbols>,
    /// Whether pictures are pixels where the terminal can.
    pub figures: Wanted,
    /// Which keys mean which command.
    pub keys: Arc<Keymap>,
    /// Sessions to compare with.
    pub others: Vec<Entry>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            color: None,
            mouse: true,
            exporter: None,
            look: Look::Terminal,
            symbols: None,
            figures: Wanted::Auto,
            keys: Arc::default(),
            others: Vec::new(),
        }
    }
}

impl Options {
    fn theme(&self) -> Theme {
        let theme = Theme::detect(self.color, |name| std::env::var_os(name)).look(self.look);
        self.symbols.map_or(theme, |symbols| theme.symbols(symbols))
    }
}

/// How the workbench was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By the analyst.
    Left,
    /// By a signal (its number); the exit code of a shell is 128 more.
    Signal(i32),
}

/// Why the workbench could not go on. The session on disk is not touched by any of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Output goes to a file or pipe.
    #[error(
        "the workbench needs a terminal: use --plain for text, or `laocoon scan` for a run without a screen"
    )]
    NoTerminal,
    /// The terminal refused.
    #[error("the terminal does not answer: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Shows an investigation at work until the analyst leaves. What still runs then is stopped and recorded as stopped.
///
/// # Errors
/// No terminal, or the terminal does not answer.
pub fn run(investigation: Investigation, options: &Options) -> Result<Exit, Error> {
    show(Box::new(Background::send(investigation)?), options)
}

/// Steps through a saved session, read-only, from its end.
///
/// # Errors
/// No terminal, or the terminal does not answer.
pub fn replay(session: Session, options: &Options) -> Result<Exit, Error> {
    show(Box::new(Replay::new(session)), options)
}

/// Shows any source.
///
/// # Errors
/// No terminal, or the terminal does not answer.
pub fn show(source: Box<dyn Source>, options: &Options) -> Result<Exit, Error> {
    let theme = options.theme();
    let guard = enter(options, theme)?;
    let app = App::new(source, theme, options.exporter.clone());
    let (found, typed) = pixels::look(options.figures, theme);
    let app = app.with(Arc::clone(&options.keys), options.others.clone()).pixels(found.protocol.is_some());
    run::run(app, &guard, Board::new(found), typed)
}

fn enter(options: &Options, theme: Theme) -> Result<Guard, Error> {
    if !stdout().is_terminal() {
        return Err(Error::NoTerminal);
    }
    Ok(Guard::enter(options.mouse, !theme.mono())?)
}

/// Lets the analyst choose a case; `None` when they leave without a choice.
///
/// # Errors
/// No terminal, or the terminal does not answer.
pub fn pick(entries: Vec<Entry>, options: &Options) -> Result<Option<Entry>, Error> {
    let theme = options.theme();
    let guard = enter(options, theme)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut picker = Picker::new(entries, theme);
    let input = Input::open()?;
    let mut none = Board::new(pixels::Found::blocks("a list of cases has no pictures"));
    loop {
        match guard.signal() {
            Some(Signal::End(_)) => return Ok(None),
            Some(Signal::Suspend) => {
                guard.suspend()?;
                run::anew(&mut terminal, &mut none)?;
            }
            Some(Signal::Resumed) => {
                guard.retake()?;
                run::anew(&mut terminal, &mut none)?;
            }
            None => {}
        }
        terminal.draw(|frame| picker.draw(frame))?;
        if input.wait(Duration::from_millis(50))? == Ready::Gone {
            return Ok(None);
        }
        if !crossterm::event::poll(Duration::ZERO)? {
            continue;
        }
        match picker.handle(&crossterm::event::read()?) {
            Picked::Open => {}
            Picked::None => return Ok(None),
            Picked::Entry(n) => return Ok(picker.into_entries().into_iter().nth(n)),
        }
    }
}

/// The text of all panes of a source, pictures as tables: `--plain`, for live work and replay alike.
pub fn plain(source: &dyn Source) -> String {
    plain::plain(source)
}
