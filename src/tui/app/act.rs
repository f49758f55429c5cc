//! What commands do.

use super::{App, Next, moved};
use crate::case::diff::diff;
use crate::case::{Judgement, Session, Topic};
use crate::evidence::text::visible;
use crate::tui::command::{Action, Motion};
use crate::tui::drill;
use crate::tui::export::Pending;
use crate::tui::overlay::{Mode, PICTURES, Zoom};
use crate::tui::pane::Slot;
use crate::tui::screen;
use crate::tui::source::{Request, Step};
use crate::tui::view::Subject;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

impl App {
    /// Carries out an action.
    ///
    /// # Panics
    /// When a debug build is asked to, for the tests of the terminal.
    pub fn act(&mut self, action: &Action) -> Next {
        match action {
            Action::Pane(pane) => {
                self.browse();
                self.ui.pane = *pane;
            }
            Action::Focus(on) => self.focus(*on),
            Action::Move(motion) => self.travel(*motion),
            Action::Open => self.open(),
            Action::Back => self.set_filter(""),
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
            Action::Prefer => {
                if let Some(id) = self.view().chosen_procedure() {
                    self.request(Request::Prefer(id));
                }
            }
            Action::Jobs => self.over(Mode::Jobs { cursor: 0 }),
            Action::Note => self.over(Mode::Note { about: self.topic(), text: String::new() }),
            Action::NoteCase => self.over(Mode::Note { about: Topic::Case, text: String::new() }),
            Action::Judge => {
                let about = self.topic();
                let stands = self.state.work.judgement(&about);
                let choice = stands.map_or(0, |(judgement, _)| {
                    Judgement::ALL.iter().position(|j| *j == judgement).unwrap_or(0)
                });
                self.over(Mode::Judge { about, choice, text: String::new() });
            }
            Action::Tag => self.over(Mode::Tag { about: self.topic(), text: String::new() }),
            Action::Undo => self.undo(false),
            Action::Redo => self.undo(true),
            Action::Copy(full) => return self.copy(*full),
            Action::Compare => self.over(Mode::Compare { text: String::new(), cursor: 0 }),
            Action::Guide => self.over(Mode::Guide { scroll: 0 }),
            Action::Filter => self.filter(),
            Action::Sort => self.sort(),
            Action::Numbers => {
                if !matches!(self.mode, Mode::Zoom(_)) {
                    self.zoom();
                }
                if let Mode::Zoom(zoom) = &mut self.mode {
                    (zoom.rows, zoom.cursor) = (!zoom.rows, 0);
                }
            }
            Action::Approach(closer) => self.approach(*closer),
            Action::Freeze => {
                self.frozen = !self.frozen;
                self.changed = true;
            }
            Action::Export if self.exporter.is_none() => {
                self.say(Err("no report writer here: `laocoon report` writes one from the session".into()));
            }
            Action::Export => self.offer_export(),
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
            Action::Show(id, name) => self.over(Mode::Zoom(Zoom::of((id.clone(), name.clone())))),
            Action::Explain(id) => self.mode = Mode::Help { page: Some(id.clone()), scroll: 0 },
            #[cfg(debug_assertions)]
            #[expect(
                clippy::panic,
                reason = "what this is for: the tests look whether the terminal is given back"
            )]
            Action::FailWorker => {
                let worker = std::thread::spawn(|| panic!("provoked in a worker"));
                let words = if worker.join().is_err() { "a worker failed" } else { "no worker failed" };
                self.say(Err(words.into()));
            }
            #[cfg(debug_assertions)]
            #[expect(
                clippy::panic,
                reason = "what this is for: the tests look whether the terminal is given back"
            )]
            Action::Panic => panic!("provoked from the palette of a debug build"),
        }
        Next::Stay
    }

    /// Asks for words: to find in the text on top, else to filter the rows of the focused box by.
    fn filter(&mut self) {
        self.mode = if self.mode.readable() {
            Mode::Find { text: String::new(), under: Box::new(std::mem::take(&mut self.mode)) }
        } else {
            Mode::Filter { text: self.view().choice(self.ui.slot()).0.to_owned() }
        };
    }

    /// Asks what to export: the picture on the whole screen; else a report, or the picture of the focused box.
    fn offer_export(&mut self) {
        let (reports, figure) = match &self.mode {
            Mode::Zoom(zoom) => (false, Some(zoom.figure.clone())),
            _ => (true, self.boxed()),
        };
        self.over(Mode::Export { cursor: 0, reports, figure });
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
        // Sorted bars are gone through as they stand.
        let order = if slot == Slot::Anomaly { view.bar_order(slot) } else { None };
        let at = view.cursor(slot);
        let at = order.as_ref().and_then(|o| o.iter().position(|&i| i == at)).unwrap_or(at);
        let to = moved(at, slot.rows(&view), motion);
        let to = order.and_then(|o| o.get(to).copied()).unwrap_or(to);
        self.choose(slot, to);
    }

    /// `enter` on the panes: the page of a row, a class's evidence from its bar, a figure on the whole screen.
    fn open(&mut self) {
        let view = self.view();
        let slot = self.ui.slot();
        let Some(subject) = view.subject() else { return };
        let mode = match subject {
            Subject::Figure(id, name) if view.figure(&id, &name).figure().is_some() => {
                let from_bar =
                    (slot == Slot::Anomaly).then(|| drill::of_class(&view, view.class())).flatten();
                from_bar.map_or_else(|| Mode::Zoom(self.zoomed((id, name))), |(_, mode)| mode)
            }
            subject => Mode::Detail { subject, scroll: 0 },
        };
        self.over(mode);
    }

    /// Comes closer to a figure, or goes back; from a pane, to the figure of its box.
    fn approach(&mut self, closer: bool) {
        if !matches!(self.mode, Mode::Zoom(_)) {
            self.zoom();
        }
        let Mode::Zoom(zoom) = &self.mode else { return };
        let mut zoom = zoom.clone();
        let shown = self.view().marked(&zoom.figure.0, &zoom.figure.1);
        let moved = shown.figure().is_some_and(|f| zoom.approach(f, closer));
        self.mode = Mode::Zoom(zoom);
        if !moved {
            let words = if closer { "this is as close as it goes" } else { "this is the whole of it" };
            self.say(Ok(words.into()));
        }
    }

    /// The next order of the rows of the focused box, or of the bars on the whole screen.
    fn sort(&mut self) {
        if let Mode::Zoom(zoom) = &mut self.mode {
            (zoom.sorted, zoom.cursor) = (!zoom.sorted, 0);
            return;
        }
        let slot = self.ui.slot();
        let orders = slot.orders();
        if orders.is_empty() {
            return;
        }
        let (pane, at) = (self.ui.pane as usize, self.place());
        let order = &mut self.ui.order[pane][at];
        *order = (*order + 1) % orders.len();
        let name = orders[*order];
        self.ui.cursor[pane][at] = None;
        self.say(Ok(format!("order: {name}")));
    }

    /// The place of the focused box in its pane.
    fn place(&self) -> usize {
        let slots = self.ui.pane.slots();
        self.ui.focus[self.ui.pane as usize].min(slots.len() - 1)
    }

    /// Filters the rows of the focused box.
    pub(super) fn set_filter(&mut self, text: &str) {
        let (pane, at) = (self.ui.pane as usize, self.place());
        if self.ui.filter[pane][at] != text {
            text.clone_into(&mut self.ui.filter[pane][at]);
            self.ui.cursor[pane][at] = None;
        }
    }

    /// While a filter is typed its rows follow.
    pub(super) fn refilter(&mut self) {
        match &mut self.mode {
            Mode::Filter { text } => {
                let text = text.clone();
                self.set_filter(&text);
            }
            Mode::Find { text, under } if *text != self.sought && !text.is_empty() => {
                self.sought.clone_from(text);
                self.seek = under.place().map(|at| *at);
            }
            _ => {}
        }
    }

    /// Shows the line that was looked for, once a picture has told which hold the words; round from the end.
    pub(super) fn find_next(&mut self) {
        let Some(from) = self.seek.take() else { return };
        let next = self.matches.iter().find(|&&line| line >= from).or(self.matches.first()).copied();
        match next {
            Some(line) => {
                let to = line.min(self.most);
                self.last = line;
                if let Some(at) = self.mode.place() {
                    *at = to;
                }
                self.changed = true;
            }
            None => self.say(Err(format!("nothing here says {}", visible(&self.sought)))),
        }
    }

    /// `enter` on words to look for: what was typed is shown already; nothing typed means the next place.
    pub(super) fn found(&mut self, text: &str, under: Mode) {
        self.mode = under;
        if text.is_empty() {
            // From the line itself, not from the top of the screen: the end of a text does not come to the top.
            self.seek = (!self.sought.is_empty()).then_some(self.last + 1);
        }
    }

    /// Reads another session, elsewhere, and shows it beside this one.
    pub(super) fn compare(&mut self, path: PathBuf) {
        let (send, answer) = channel();
        let mine = Arc::clone(&self.state);
        let name = visible(&path.display().to_string());
        self.say(Ok(format!("reading {name}")));
        std::thread::spawn(move || {
            let other = Session::open(&path).map_err(|e| e.to_string());
            let mode = other.map(|session| {
                let diff = Arc::new(diff(&mine, &session.state()));
                Mode::Compared { with: name, diff, scroll: 0 }
            });
            // Nobody listens any more when the workbench was left meanwhile.
            let _ = send.send(mode);
        });
        self.comparing = Some(answer);
    }

    pub(super) fn choose(&mut self, slot: Slot, row: usize) {
        if matches!(slot, Slot::Anomaly | Slot::Clusters) {
            self.ui.class = Some(row);
        } else if let Some(at) = self.ui.pane.slots().iter().position(|&s| s == slot) {
            self.ui.cursor[self.ui.pane as usize][at] = Some(row);
        }
    }

    /// The figure of the box that has the focus, if there is one to show.
    fn boxed(&self) -> Option<(String, String)> {
        let view = self.view();
        let (id, name) = self.ui.slot().figure(&view)?;
        view.figure(id, &name).figure().is_some().then(|| (id.to_owned(), name))
    }

    pub(super) fn zoom(&mut self) {
        let figure = self.boxed().or_else(|| self.view().all_figures().first().cloned());
        if let Some(figure) = figure {
            let zoom = self.zoomed(figure);
            self.over(Mode::Zoom(zoom));
        }
    }

    /// A figure enlarged from the box that shows it: at the row chosen there, in the order it has there.
    fn zoomed(&self, figure: (String, String)) -> Zoom {
        let view = self.view();
        let slot = self.ui.slot();
        let here = slot.figure(&view).is_some_and(|(id, name)| (id, &name) == (figure.0.as_str(), &figure.1));
        let order = view.bar_order(slot).filter(|_| here);
        let mut zoom = Zoom { sorted: order.is_some(), ..Zoom::of(figure) };
        if here && slot != Slot::Clusters {
            let at = view.cursor(slot);
            let sorted = order.filter(|_| slot == Slot::Anomaly);
            zoom.cursor = sorted.and_then(|o| o.iter().position(|&i| i == at)).unwrap_or(at);
        }
        zoom
    }

    pub(super) fn export(&mut self, cursor: usize, reports: bool, figure: Option<(String, String)>) {
        let Some(exporter) = self.exporter.clone() else { return };
        if self.pending.is_some() {
            self.say(Err("something is being written already".into()));
            return;
        }
        let state = Arc::clone(&self.state);
        // Reports come first, pictures behind them.
        let before = if reports { exporter.formats().len() } else { 0 };
        let pending = match figure.filter(|_| cursor >= before) {
            None => exporter.formats().get(cursor).copied().map(|format| {
                let exporter = Arc::clone(&exporter);
                Pending::start(format, format!("{format} report"), move || exporter.export(format, &state))
            }),
            Some((id, name)) => {
                let shown = self.view().figure(&id, &name);
                let picture = shown.figure().cloned();
                picture.zip(PICTURES.get(cursor - before).copied()).map(|(picture, format)| {
                    let words = format!("{format} of {id} {name}");
                    let name = format!("{id}-{name}");
                    Pending::start(format, words, move || exporter.picture(&name, format, &picture))
                })
            }
        };
        if let Some(pending) = pending {
            self.say(Ok(format!("writing the {}", visible(&pending.words))));
            self.pending = Some(pending);
        }
    }
}
