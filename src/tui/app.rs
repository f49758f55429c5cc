//! The workbench without a terminal: takes events, changes what is chosen, draws. Tests drive it directly.

use super::command::{self, Action, Chord, Motion};
use super::export::{Exporter, Pending};
use super::overlay::{self, Mode};
use super::paint::{Hit, Painter};
use super::pane::{Pane, Slot};
use super::screen;
use super::source::{Request, Source, Step};
use super::sweep::sweep;
use super::theme::Theme;
use super::view::{Figures, Subject, Ui, View};
use crate::case::CaseState;
use crate::evidence::text::visible;
use crate::investigation::LiveJob;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use std::sync::Arc;

/// Rows that page up and page down move.
const PAGE: usize = 10;
/// Polls between two looks at running jobs when nothing else happened: progress and time left move on.
const LOOK: u32 = 5;

/// Polls for which a success stays in the bottom bar.
const MOMENT: u32 = 80;

/// What the run loop has to do after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Stay,
    /// The analyst left.
    Leave,
    /// Give the terminal to the shell until it comes back.
    Suspend,
    /// Clear and draw everything.
    Redraw,
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

    /// What panes see.
    pub fn view(&self) -> View<'_> {
        View {
            state: &self.state,
            live: &self.live,
            position: self.source.position(),
            theme: self.theme,
            ui: &self.ui,
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
        if fresh {
            self.state = self.source.state();
            self.figures.retry();
        }
        if fresh || (!self.live.is_empty() && self.polls.is_multiple_of(LOOK)) {
            self.live = self.source.live();
            self.changed = true;
        }
        if self.message.as_ref().is_some_and(|m| !m.refused) && self.polls.wrapping_sub(self.said) > MOMENT {
            self.message = None;
            self.changed = true;
        }
        if let Some(result) = self.pending.as_ref().and_then(Pending::poll) {
            let format = self.pending.take().map_or("", |p| p.format);
            let done = result.and_then(|done| {
                let request = Request::Exported { format: format.to_owned(), sha256: done.sha256 };
                self.source.ask(request).map(|_| format!("{format} report written: {}", done.path.display()))
            });
            self.say(done);
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
        let most = screen::draw(
            &self.view(),
            &mut painter,
            area,
            &screen::Extra {
                mode: &self.mode,
                message: self.message.as_ref(),
                exporting: self.pending.is_some(),
                formats,
            },
        );
        let hits = painter.hits;
        self.hits = hits;
        self.most = most;
        match &mut self.mode {
            Mode::Help { scroll, .. } | Mode::Detail { scroll, .. } => *scroll = (*scroll).min(most),
            Mode::Palette { cursor, .. }
            | Mode::Jobs { cursor }
            | Mode::Export { cursor }
            | Mode::Zoom { cursor, .. } => {
                *cursor = (*cursor).min(most);
            }
            Mode::Browse | Mode::Note { .. } | Mode::Quit => {}
        }
        sweep(frame.buffer_mut());
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
                    Mode::Note { text } => type_in(text, &flat),
                    Mode::Palette { query, .. } => type_in(query, &flat),
                    _ => {}
                }
                Next::Stay
            }
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Resize(..) => {
                self.changed = true;
                Next::Stay
            }
            _ => Next::Stay,
        }
    }

    fn key(&mut self, key: &KeyEvent) -> Next {
        let chord = Chord::of(key);
        if self.mode != Mode::Browse {
            return self.overlay_key(chord);
        }
        self.message = None;
        let Some(command) = command::find(chord) else {
            self.say(Err(format!("{} does nothing here; ? shows the keys", visible(&chord.name()))));
            return Next::Stay;
        };
        match (command.valid)(&self.view()) {
            Ok(()) => self.act(&command.action),
            Err(why) => {
                self.say(Err(why));
                Next::Stay
            }
        }
    }

    /// Carries out an action.
    pub fn act(&mut self, action: &Action) -> Next {
        match action {
            Action::Pane(pane) => self.ui.pane = *pane,
            Action::Focus(on) => self.focus(*on),
            Action::Move(motion) => self.travel(*motion),
            Action::Open => {
                if let Some(subject) = self.view().subject() {
                    self.mode = match subject {
                        Subject::Figure(id, name) if self.view().figure(&id, &name).figure().is_some() => {
                            Mode::Zoom {
                                figure: (id, name),
                                cursor: self.view().cursor(self.ui.slot()),
                                rows: false,
                            }
                        }
                        subject => Mode::Detail { subject, scroll: 0 },
                    };
                }
            }
            Action::Back => {}
            Action::Run => {
                if let Some(id) = self.view().chosen_procedure() {
                    self.request(Request::Run(id));
                }
            }
            Action::RunAll => self.request(Request::RunAll),
            Action::Stop => {
                if let Some(id) = screen::shown_job(&self.view()).map(|j| j.procedure.clone()) {
                    self.request(Request::Stop(id));
                }
            }
            Action::Jobs => self.mode = Mode::Jobs { cursor: 0 },
            Action::Note => self.mode = Mode::Note { text: String::new() },
            Action::Export if self.exporter.is_none() => self.say(Err("no report writer here".into())),
            Action::Export => self.mode = Mode::Export { cursor: 0 },
            Action::Step(step) => self.step(*step),
            Action::Zoom => self.zoom(),
            Action::Help => self.mode = Mode::Help { page: None, scroll: 0 },
            Action::Palette => self.mode = Mode::Palette { query: String::new(), cursor: 0 },
            Action::Quit if self.live.is_empty() => return Next::Leave,
            Action::Quit => self.mode = Mode::Quit,
            Action::Suspend => return Next::Suspend,
            Action::Redraw => return Next::Redraw,
            Action::RunProcedure(id) => self.request(Request::Run(id.clone())),
            Action::Explain(id) => self.mode = Mode::Help { page: Some(id.clone()), scroll: 0 },
            #[cfg(debug_assertions)]
            #[expect(
                clippy::panic,
                reason = "what this is for: the tests look whether the terminal is given back"
            )]
            Action::Panic => panic!("provoked from the palette of a debug build"),
        }
        Next::Stay
    }

    fn request(&mut self, request: Request) {
        let result = self.source.ask(request);
        self.live = self.source.live();
        self.say(result);
    }

    fn step(&mut self, step: Step) {
        let result = self.source.ask(Request::Step(step));
        self.say(result);
    }

    fn focus(&mut self, on: bool) {
        let slots = self.ui.pane.slots().len();
        let focus = &mut self.ui.focus[self.ui.pane as usize];
        *focus = (*focus + if on { 1 } else { slots - 1 }) % slots;
    }

    fn travel(&mut self, motion: Motion) {
        let slot = self.ui.slot();
        let sideways = matches!(slot, Slot::Clusters | Slot::Trigger);
        match motion {
            Motion::Left if !sideways => return self.focus(false),
            Motion::Right if !sideways => return self.focus(true),
            _ => {}
        }
        let view = self.view();
        let to = moved(view.cursor(slot), slot.rows(&view), motion);
        self.choose(slot, to);
    }

    fn choose(&mut self, slot: Slot, row: usize) {
        if matches!(slot, Slot::Anomaly | Slot::Clusters) {
            self.ui.class = Some(row);
        } else if let Some(at) = self.ui.pane.slots().iter().position(|&s| s == slot) {
            self.ui.cursor[self.ui.pane as usize][at] = Some(row);
        }
    }

    fn zoom(&mut self) {
        let view = self.view();
        let all = view.all_figures();
        let here = self.ui.slot().figure(&view).map(|(id, name)| (id.to_owned(), name));
        let cursor = if here.is_some() { view.cursor(self.ui.slot()) } else { 0 };
        let figure = here.filter(|f| all.contains(f)).or_else(|| all.first().cloned());
        if let Some(figure) = figure {
            self.mode = Mode::Zoom { figure, cursor, rows: false };
        }
    }

    fn overlay_key(&mut self, chord: Chord) -> Next {
        let command = command::find(chord).map(|c| &c.action);
        let motion = match command {
            Some(Action::Move(m)) if !self.mode.typing() || !matches!(chord.0, KeyCode::Char(_)) => Some(*m),
            _ => None,
        };
        match (chord.0, command) {
            (KeyCode::Esc, _) => self.mode = Mode::Browse,
            (_, Some(Action::Suspend)) => return Next::Suspend,
            (_, Some(Action::Redraw)) => return Next::Redraw,
            (KeyCode::Char('c'), Some(Action::Quit)) => self.mode = Mode::Browse,
            (KeyCode::Enter, _) => return self.accept(),
            (code, _) if self.mode.typing() => self.typed(code, chord, motion),
            (_, Some(Action::Quit)) if self.mode == Mode::Quit => return Next::Leave,
            (_, Some(Action::Quit)) => self.mode = Mode::Browse,
            (_, Some(Action::Help)) => self.turn_page(),
            (_, Some(Action::Stop)) => {
                let chosen = if let Mode::Jobs { cursor } = self.mode { self.live.get(cursor) } else { None };
                match chosen.or_else(|| self.live.first()).map(|j| j.procedure.clone()) {
                    Some(id) => self.request(Request::Stop(id)),
                    None => self.say(Err("nothing to stop: no job runs".into())),
                }
            }
            _ => {
                if let Some(motion) = motion {
                    self.move_in_overlay(motion);
                }
            }
        }
        Next::Stay
    }

    /// `?` in the help turns to the page of the chosen procedure and back.
    fn turn_page(&mut self) {
        let page = match &self.mode {
            Mode::Help { page: None, .. } => self.view().chosen_procedure(),
            Mode::Detail { subject: Subject::Procedure(id) | Subject::Figure(id, _), .. } => Some(id.clone()),
            _ => None,
        };
        self.mode = Mode::Help { page, scroll: 0 };
    }

    fn move_in_overlay(&mut self, motion: Motion) {
        let most = self.most;
        if let Mode::Zoom { figure, .. } = &self.mode
            && matches!(motion, Motion::Left | Motion::Right)
        {
            let all = self.view().all_figures();
            let at = all.iter().position(|f| f == figure).unwrap_or(0);
            let to = if motion == Motion::Left { at + all.len().saturating_sub(1) } else { at + 1 };
            if let Some(next) = all.get(to % all.len().max(1)) {
                self.mode = Mode::Zoom { figure: next.clone(), cursor: 0, rows: false };
            }
            return;
        }
        match &mut self.mode {
            Mode::Help { scroll: at, .. }
            | Mode::Detail { scroll: at, .. }
            | Mode::Palette { cursor: at, .. }
            | Mode::Jobs { cursor: at }
            | Mode::Export { cursor: at }
            | Mode::Zoom { cursor: at, .. } => *at = moved(*at, most.saturating_add(1), motion),
            Mode::Browse | Mode::Note { .. } | Mode::Quit => {}
        }
    }

    fn typed(&mut self, code: KeyCode, chord: Chord, motion: Option<Motion>) {
        let plain = chord.1.is_empty();
        match (&mut self.mode, code) {
            (Mode::Note { text }, KeyCode::Char(c)) if plain => type_in(text, c.encode_utf8(&mut [0; 4])),
            (Mode::Note { text }, KeyCode::Backspace) => {
                text.pop();
            }
            (Mode::Palette { query, cursor }, KeyCode::Char(c)) if plain => {
                type_in(query, c.encode_utf8(&mut [0; 4]));
                *cursor = 0;
            }
            (Mode::Palette { query, cursor }, KeyCode::Backspace) => {
                query.pop();
                *cursor = 0;
            }
            (Mode::Palette { .. }, _) => {
                if let Some(motion) = motion {
                    self.move_in_overlay(motion);
                }
            }
            _ => {}
        }
    }

    /// `enter` in an overlay.
    fn accept(&mut self) -> Next {
        match std::mem::take(&mut self.mode) {
            Mode::Note { text } if text.trim().is_empty() => {
                self.say(Err("an empty note is not kept".into()))
            }
            Mode::Note { text } => self.request(Request::Note(text.trim().to_owned())),
            Mode::Export { cursor } => self.export(cursor),
            Mode::Quit => return Next::Leave,
            Mode::Palette { query, cursor } => {
                let found = overlay::matches(&self.view(), &query);
                let Some(offer) = found.into_iter().nth(cursor) else {
                    self.say(Err("no command fits".into()));
                    return Next::Stay;
                };
                match offer.refused {
                    Some(why) => self.say(Err(why)),
                    None => return self.act(&offer.action),
                }
            }
            Mode::Zoom { figure, rows, .. } => self.mode = Mode::Zoom { figure, cursor: 0, rows: !rows },
            Mode::Browse | Mode::Help { .. } | Mode::Jobs { .. } | Mode::Detail { .. } => {}
        }
        Next::Stay
    }

    fn export(&mut self, cursor: usize) {
        let Some(exporter) = &self.exporter else { return };
        if self.pending.is_some() {
            self.say(Err("a report is being written already".into()));
            return;
        }
        if let Some(&format) = exporter.formats().get(cursor) {
            self.pending = Some(Pending::start(exporter, format, Arc::clone(&self.state)));
            self.say(Ok(format!("writing the {format} report")));
        }
    }

    fn mouse(&mut self, mouse: &MouseEvent) -> Next {
        let at = Position { x: mouse.column, y: mouse.row };
        let motion = match mouse.kind {
            MouseEventKind::ScrollUp => Some(Motion::Up),
            MouseEventKind::ScrollDown => Some(Motion::Down),
            _ => None,
        };
        if self.mode != Mode::Browse {
            if let Some(motion) = motion {
                self.changed = true;
                self.move_in_overlay(motion);
            }
            return Next::Stay;
        }
        let hit = self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| *hit);
        let pressed = mouse.kind == MouseEventKind::Down(MouseButton::Left);
        let (Some(hit), true) = (hit, pressed || motion.is_some()) else { return Next::Stay };
        self.changed = true;
        match hit {
            Hit::Tab(n) if pressed => self.ui.pane = Pane::ALL[n.min(Pane::ALL.len() - 1)],
            Hit::Tab(_) => {}
            Hit::Box(slot) | Hit::Row(slot, _) => {
                self.ui.focus[self.ui.pane as usize] = slot.min(self.ui.pane.slots().len() - 1);
                if let (Hit::Row(_, row), true) = (hit, pressed) {
                    self.choose(self.ui.slot(), row);
                }
            }
        }
        if let Some(motion) = motion {
            self.travel(motion);
        }
        Next::Stay
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
