//! The workbench without a terminal: takes events, changes what is chosen, draws. Tests drive it directly.

mod act;
mod casework;
mod keys;

use super::command::{Keymap, Motion};
use super::export::{Exporter, Pending};
use super::overlay::{self, Mode};
use super::paint::{Hit, Painter};
use super::picker::Entry;
use super::pixels::Picture;
use super::screen;
use super::source::{Request, Source};
use super::sweep::sweep;
use super::symbols;
use super::theme::Theme;
use super::view::{Figures, Ui, View};
use crate::case::CaseState;
use crate::investigation::LiveJob;
use crossterm::event::{Event, KeyEventKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

/// Rows that page up and page down move.
const PAGE: usize = 10;
/// Polls between two looks at running jobs when nothing else happened: progress and time left move on.
const LOOK: u32 = 5;

/// Polls for which a success stays in the bottom bar.
const MOMENT: u32 = 80;

/// What the run loop has to do after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Stay,
    /// The analyst left.
    Leave,
    /// Give the terminal to the shell until it comes back.
    Suspend,
    /// Clear and draw everything.
    Redraw,
    /// Send a text to the terminal's clipboard.
    Copy(String),
}

/// A line for the analyst in the bottom bar: a refusal until the next key, a success for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The words.
    pub text: String,
    /// Whether it says that something did not work.
    pub refused: bool,
}

/// The workbench.
pub struct App {
    pub(super) source: Box<dyn Source>,
    pub(super) theme: Theme,
    pub(super) ui: Ui,
    pub(super) mode: Mode,
    /// What lies under the overlay on top, for the way back.
    pub(super) trail: Vec<Mode>,
    pub(super) keys: Arc<Keymap>,
    others: Vec<Entry>,
    comparing: Option<Receiver<Result<Mode, String>>>,
    frozen: bool,
    /// The words looked for in the text on top, and from which line the next of them is to be shown.
    pub(super) sought: String,
    pub(super) seek: Option<usize>,
    /// The line that was found last.
    pub(super) last: usize,
    /// Lines that hold them, as last drawn.
    pub(super) matches: Vec<usize>,
    /// Where the terminal shows pixels: the images that it is to show.
    pictures: Option<Vec<Picture>>,
    /// Whether something happened that a held screen does not show.
    missed: bool,
    pub(super) message: Option<Message>,
    exporter: Option<Arc<dyn Exporter>>,
    pending: Option<Pending>,
    state: Arc<CaseState>,
    live: Vec<LiveJob>,
    figures: Figures,
    hits: Vec<(Rect, Hit)>,
    /// How far the open overlay can be scrolled, as last drawn.
    most: usize,
    changed: bool,
    polls: u32,
    /// When the message appeared, in polls.
    said: u32,
}

impl App {
    /// A workbench on a source. Warnings from opening are the first message.
    pub fn new(source: Box<dyn Source>, theme: Theme, exporter: Option<Arc<dyn Exporter>>) -> Self {
        let warnings = source.warnings();
        let message = warnings.first().map(|w| {
            let more = if warnings.len() > 1 {
                format!(" (and {} more)", warnings.len() - 1)
            } else {
                String::new()
            };
            Message { text: format!("{w}{more}"), refused: true }
        });
        Self {
            state: source.state(),
            live: source.live(),
            source,
            theme,
            ui: Ui::default(),
            mode: Mode::Browse,
            trail: Vec::new(),
            keys: Arc::new(Keymap::default()),
            others: Vec::new(),
            comparing: None,
            frozen: false,
            sought: String::new(),
            seek: None,
            last: 0,
            matches: Vec::new(),
            pictures: None,
            missed: false,
            message,
            exporter,
            pending: None,
            figures: Figures::default(),
            hits: Vec::new(),
            most: 0,
            changed: true,
            polls: 0,
            said: 0,
        }
    }

    /// With other keys, and with sessions to compare with.
    #[must_use]
    pub fn with(mut self, keys: Arc<Keymap>, others: Vec<Entry>) -> Self {
        (self.keys, self.others) = (keys, others);
        self
    }

    /// For a terminal that shows pixels.
    #[must_use]
    pub fn pixels(mut self, on: bool) -> Self {
        self.pictures = on.then(Vec::new);
        self
    }

    /// The images of the last picture drawn that are to be shown as pixels; their cells are blank.
    pub fn pictures(&self) -> &[Picture] {
        self.pictures.as_deref().unwrap_or_default()
    }

    /// What panes see.
    pub fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            live: &self.live,
            position: self.source.position(),
            theme: self.theme,
            ui: &self.ui,
            keys: &self.keys,
            frozen: self.frozen,
            source: self.source.as_ref(),
            figures: &self.figures,
        }
    }

    /// Jobs that wait or run.
    pub fn live(&self) -> &[LiveJob] {
        &self.live
    }

    /// Takes in what happened elsewhere; whether the screen must be drawn again.
    pub fn poll(&mut self) -> bool {
        let fresh = self.source.poll();
        self.polls = self.polls.wrapping_add(1);
        self.missed |= fresh;
        let fresh = self.missed && !self.frozen;
        if fresh {
            self.missed = false;
            self.state = self.source.state();
            self.figures.retry();
        }
        if self.frozen {
            // The picture is held, the work is not.
        } else if fresh || (!self.live.is_empty() && self.polls.is_multiple_of(LOOK)) {
            self.live = self.source.live();
            self.changed = true;
        }
        if self.message.as_ref().is_some_and(|m| !m.refused) && self.polls.wrapping_sub(self.said) > MOMENT {
            self.message = None;
            self.changed = true;
        }
        if let Some(result) = self.pending.as_ref().and_then(Pending::poll) {
            let (format, words) = self.pending.take().map_or(("", String::new()), |p| (p.format, p.words));
            let done = result.and_then(|done| {
                let request = Request::Exported { format: format.to_owned(), sha256: done.sha256 };
                self.source.ask(request).map(|_| format!("{words} written: {}", done.path.display()))
            });
            self.say(done);
        }
        match self.comparing.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok(mode))) => {
                self.comparing = None;
                self.message = None;
                self.over(mode);
            }
            Some(Ok(Err(why))) => {
                self.comparing = None;
                self.say(Err(why));
            }
            Some(Err(TryRecvError::Disconnected)) => self.comparing = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        std::mem::take(&mut self.changed)
    }

    /// Has the next look draw everything.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Asks everything that runs to stop.
    pub fn stop_all(&mut self) {
        if !self.live.is_empty() && self.source.read_only().is_none() {
            let _ = self.source.ask(Request::StopAll);
        }
    }

    fn say(&mut self, result: Result<String, String>) {
        self.changed = true;
        self.said = self.polls;
        self.message = match result {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some(Message { text, refused: false }),
            Err(text) => Some(Message { text, refused: true }),
        };
    }

    /// Draws everything. Whatever the panes drew, no cell acts on the terminal afterwards.
    pub fn draw(&mut self, frame: &mut Frame) {
        let area = frame.area();
        let formats = self.exporter.as_ref().map_or(&[][..], |e| e.formats());
        let mut painter = Painter::new(frame.buffer_mut(), self.theme);
        painter.pictures = self.pictures.as_ref().map(|_| Vec::new());
        painter.sought = self.sought.to_lowercase();
        let most = screen::draw(
            &self.view(),
            &mut painter,
            area,
            &screen::Extra {
                mode: &self.mode,
                message: self.message.as_ref(),
                exporting: self.pending.is_some(),
                formats,
                others: &self.others,
            },
        );
        let Painter { hits, pictures, matches, .. } = painter;
        self.hits = hits;
        self.matches = matches;
        for cell in pictures.iter().flatten().flat_map(|p| p.area.positions()) {
            frame.buffer_mut()[cell].reset();
        }
        self.pictures = pictures;
        self.most = most;
        if let Some(at) = self.mode.place() {
            *at = (*at).min(most);
        }
        self.find_next();
        sweep(frame.buffer_mut());
        symbols::finish(frame.buffer_mut(), self.theme);
    }

    /// Opens an overlay over what is there; `esc` leads back.
    pub(super) fn over(&mut self, mode: Mode) {
        /// Deeper than any way through the figures; a way round in circles forgets its start.
        const DEEPEST: usize = 64;
        self.sought.clear();
        let below = std::mem::replace(&mut self.mode, mode);
        if below != Mode::Browse {
            if self.trail.len() >= DEEPEST {
                self.trail.remove(0);
            }
            self.trail.push(below);
        }
    }

    /// Closes the overlay on top.
    pub(super) fn back(&mut self) {
        self.sought.clear();
        self.mode = self.trail.pop().unwrap_or_default();
    }

    /// Closes everything that lies over the panes.
    pub(super) fn browse(&mut self) {
        self.sought.clear();
        self.trail.clear();
        self.mode = Mode::Browse;
    }

    /// Takes a terminal event.
    pub fn handle(&mut self, event: &Event) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                self.changed = true;
                self.key(key)
            }
            Event::Paste(text) => {
                self.changed = true;
                let flat = text.replace(['\r', '\n', '\t'], " ");
                match &mut self.mode {
                    Mode::Note { text, .. }
                    | Mode::Goto { text }
                    | Mode::Judge { text, .. }
                    | Mode::Tag { text, .. }
                    | Mode::Filter { text }
                    | Mode::Find { text, .. }
                    | Mode::Compare { text, .. } => type_in(text, &flat),
                    Mode::Palette { query, .. } => type_in(query, &flat),
                    _ => {}
                }
                self.refilter();
                Next::Stay
            }
            Event::Mouse(mouse) => self.mouse(*mouse),
            Event::Resize(..) => {
                self.changed = true;
                Next::Stay
            }
            _ => Next::Stay,
        }
    }
}

/// Where a motion leads in a list of `rows`.
fn moved(at: usize, rows: usize, motion: Motion) -> usize {
    let last = rows.saturating_sub(1);
    match motion {
        Motion::Up | Motion::Left => at.saturating_sub(1),
        Motion::Down | Motion::Right => at.saturating_add(1),
        Motion::PageUp => at.saturating_sub(PAGE),
        Motion::PageDown => at.saturating_add(PAGE),
        Motion::First => 0,
        Motion::Last => last,
    }
    .min(last)
}

/// Adds text up to the cap of a note.
fn type_in(text: &mut String, more: &str) {
    let room = overlay::LONGEST.saturating_sub(text.chars().count());
    text.extend(more.chars().filter(|c| !c.is_control()).take(room));
}
