//! What commands do.

use super::{App, Next, moved};
use crate::tui::command::{Action, Motion};
use crate::tui::export::Pending;
use crate::tui::overlay::Mode;
use crate::tui::pane::Slot;
use crate::tui::screen;
use crate::tui::source::{Request, Step};
use crate::tui::view::Subject;
use std::sync::Arc;

impl App {
    /// Carries out an action.
    ///
    /// # Panics
    /// When a debug build is asked to, for the tests of the terminal.
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
            Action::Goto => self.mode = Mode::Goto { text: String::new() },
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

    pub(super) fn request(&mut self, request: Request) {
        let result = self.source.ask(request);
        self.live = self.source.live();
        self.say(result);
    }

    pub(super) fn step(&mut self, step: Step) {
        let result = self.source.ask(Request::Step(step));
        self.say(result);
    }

    pub(super) fn focus(&mut self, on: bool) {
        let slots = self.ui.pane.slots().len();
        let focus = &mut self.ui.focus[self.ui.pane as usize];
        *focus = (*focus + if on { 1 } else { slots - 1 }) % slots;
    }

    pub(super) fn travel(&mut self, motion: Motion) {
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

    pub(super) fn choose(&mut self, slot: Slot, row: usize) {
        if matches!(slot, Slot::Anomaly | Slot::Clusters) {
            self.ui.class = Some(row);
        } else if let Some(at) = self.ui.pane.slots().iter().position(|&s| s == slot) {
            self.ui.cursor[self.ui.pane as usize][at] = Some(row);
        }
    }

    pub(super) fn zoom(&mut self) {
        let view = self.view();
        let all = view.all_figures();
        let here = self.ui.slot().figure(&view).map(|(id, name)| (id.to_owned(), name));
        let cursor = if here.is_some() { view.cursor(self.ui.slot()) } else { 0 };
        let figure = here.filter(|f| all.contains(f)).or_else(|| all.first().cloned());
        if let Some(figure) = figure {
            self.mode = Mode::Zoom { figure, cursor, rows: false };
        }
    }

    pub(super) fn export(&mut self, cursor: usize) {
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
}
