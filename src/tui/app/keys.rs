//! Keys and clicks: which command they are, and what they do in what lies over the panes.

use super::{App, Next, moved, type_in};
use crate::case::{Event, Judgement, Topic};
use crate::evidence::text::visible;
use crate::tui::command::{Action, Chord, Motion};
use crate::tui::drill;
use crate::tui::overlay::{self, Mode, Zoom};
use crate::tui::paint::Hit;
use crate::tui::pane::Pane;
use crate::tui::source::Request;
use crate::tui::view::Subject;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use std::path::PathBuf;

impl App {
    pub(super) fn key(&mut self, key: &KeyEvent) -> Next {
        let chord = Chord::of(key);
        if self.mode != Mode::Browse {
            return self.overlay_key(chord);
        }
        self.message = None;
        let Some(command) = self.keys.find(chord) else {
            let help = self.keys.name("help");
            self.say(Err(format!("{} does nothing here; {help} shows the keys", visible(&chord.name()))));
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

    fn overlay_key(&mut self, chord: Chord) -> Next {
        // What was refused before is no answer to this key.
        self.message = self.message.take().filter(|m| !m.refused);
        let found = self.keys.find(chord);
        let command = found.map(|c| &c.action);
        let motion = match command {
            Some(Action::Move(m)) if !self.mode.typing() || !matches!(chord.0, KeyCode::Char(_)) => Some(*m),
            _ => None,
        };
        let away = chord.0 == KeyCode::Esc
            || (chord.0 == KeyCode::Char('c') && chord.1.contains(KeyModifiers::CONTROL));
        if away && matches!(self.mode, Mode::Filter { .. }) {
            self.set_filter("");
        }
        if away && let Mode::Find { under, .. } = &mut self.mode {
            self.mode = std::mem::take(under.as_mut());
            self.sought.clear();
            return Next::Stay;
        }
        match (chord.0, command) {
            _ if away => self.back(),
            (_, Some(Action::Suspend)) => return Next::Suspend,
            (_, Some(Action::Redraw)) => return Next::Redraw,
            (KeyCode::Enter, _) => return self.accept(),
            (code, _) if self.mode.typing() => self.typed(code, chord, motion),
            (_, Some(Action::Quit)) if self.mode == Mode::Quit => return Next::Leave,
            (_, Some(Action::Quit)) => self.browse(),
            (_, Some(Action::Help)) => self.turn_page(),
            (_, Some(Action::Stop)) => match self.chosen_job() {
                Some(id) => self.request(Request::Stop(id)),
                None => self.say(Err("nothing to stop: no job runs".into())),
            },
            (_, Some(Action::Prefer)) if matches!(self.mode, Mode::Jobs { .. }) => match self.chosen_job() {
                Some(id) => self.request(Request::Prefer(id)),
                None => self.say(Err("no job waits".into())),
            },
            (_, Some(Action::Run)) if matches!(self.mode, Mode::Jobs { .. }) => match self.broken_job() {
                Some(id) => self.request(Request::Run(id)),
                None => self.say(Err("only what stopped or failed can be run again here".into())),
            },
            (_, Some(Action::Pane(pane))) => {
                let pane = *pane;
                self.browse();
                self.ui.pane = pane;
            }
            (_, Some(action)) if self.acts_over(action) => return self.act_over(&action.clone()),
            _ => {
                if let Some(motion) = motion {
                    self.move_in_overlay(motion);
                }
            }
        }
        Next::Stay
    }

    fn chosen_job(&self) -> Option<String> {
        let chosen = if let Mode::Jobs { cursor } = self.mode { self.live.get(cursor) } else { None };
        chosen.or_else(|| self.live.first()).map(|j| j.procedure.clone())
    }

    fn broken_job(&self) -> Option<String> {
        let Mode::Jobs { cursor } = self.mode else { return None };
        let view = self.view();
        let at = cursor.checked_sub(self.live.len())?;
        overlay::broken(&view).get(at).map(|(id, _)| (*id).to_owned())
    }

    /// Whether a command works on the page or the figure that lies on top.
    fn acts_over(&self, action: &Action) -> bool {
        let figure = matches!(self.mode, Mode::Zoom(_));
        let page = matches!(self.mode, Mode::Detail { .. });
        match action {
            Action::Filter => self.mode.readable(),
            Action::Numbers | Action::Sort | Action::Export | Action::Approach(_) => figure,
            Action::Note
            | Action::NoteCase
            | Action::Judge
            | Action::Tag
            | Action::Copy(_)
            | Action::Undo
            | Action::Redo
            | Action::Freeze => figure || page,
            _ => false,
        }
    }

    fn act_over(&mut self, action: &Action) -> Next {
        let writes = matches!(
            action,
            Action::Note | Action::NoteCase | Action::Judge | Action::Tag | Action::Undo | Action::Redo
        );
        match self.view().source.read_only().filter(|_| writes) {
            Some(why) => {
                self.say(Err(format!("not possible: {why}")));
                Next::Stay
            }
            None => self.act(action),
        }
    }

    /// `?` in the help turns to the page of the chosen procedure and back.
    fn turn_page(&mut self) {
        let page = match &self.mode {
            Mode::Help { page: None, .. } => self.view().chosen_procedure(),
            Mode::Detail { subject: Subject::Procedure(id) | Subject::Figure(id, _), .. } => Some(id.clone()),
            _ => None,
        };
        let help = Mode::Help { page, scroll: 0 };
        if matches!(self.mode, Mode::Help { .. }) { self.mode = help } else { self.over(help) }
    }

    fn move_in_overlay(&mut self, motion: Motion) {
        let most = self.most;
        if let Mode::Zoom(zoom) = &self.mode {
            let mut zoom = zoom.clone();
            let shown = self.view().marked(&zoom.figure.0, &zoom.figure.1);
            if shown.figure().is_some_and(|f| zoom.slide(f, motion)) {
                self.mode = Mode::Zoom(zoom);
                return;
            }
        }
        if let Mode::Zoom(Zoom { figure, .. }) = &self.mode
            && matches!(motion, Motion::Left | Motion::Right)
        {
            let all = self.view().all_figures();
            let at = all.iter().position(|f| f == figure).unwrap_or(0);
            let to = if motion == Motion::Left { at + all.len().saturating_sub(1) } else { at + 1 };
            if let Some(next) = all.get(to % all.len().max(1)) {
                self.mode = Mode::Zoom(Zoom::of(next.clone()));
            }
            return;
        }
        if let Some(at) = self.mode.place() {
            *at = moved(*at, most.saturating_add(1), motion);
        }
    }

    fn typed(&mut self, code: KeyCode, chord: Chord, motion: Option<Motion>) {
        let plain = chord.1.is_empty();
        let over = matches!(self.mode, Mode::Palette { .. } | Mode::Compare { .. });
        match (&mut self.mode, code) {
            (Mode::Judge { choice, .. }, KeyCode::Tab | KeyCode::Right | KeyCode::Down) => {
                *choice = (*choice + 1) % Judgement::ALL.len();
            }
            (Mode::Judge { choice, .. }, KeyCode::BackTab | KeyCode::Left | KeyCode::Up) => {
                *choice = (*choice + Judgement::ALL.len() - 1) % Judgement::ALL.len();
            }
            (
                Mode::Note { text, .. }
                | Mode::Goto { text }
                | Mode::Judge { text, .. }
                | Mode::Tag { text, .. }
                | Mode::Filter { text }
                | Mode::Find { text, .. },
                _,
            ) => edit(text, code, plain),
            (Mode::Palette { query: text, cursor } | Mode::Compare { text, cursor }, _)
                if matches!(code, KeyCode::Char(_) | KeyCode::Backspace) =>
            {
                edit(text, code, plain);
                *cursor = 0;
            }
            _ => {
                if let Some(motion) = motion.filter(|_| over) {
                    self.move_in_overlay(motion);
                }
            }
        }
        self.refilter();
    }

    /// `enter` in an overlay.
    fn accept(&mut self) -> Next {
        let mode = std::mem::take(&mut self.mode);
        match mode {
            Mode::Note { text, .. } if text.trim().is_empty() => {
                self.back();
                self.say(Err("an empty note is not kept".into()));
            }
            Mode::Note { about: Topic::Case, text } => {
                self.back();
                self.request(Request::Note(text.trim().to_owned()));
            }
            Mode::Note { about, text } => {
                self.back();
                self.request(Request::Work(Event::Annotated { about, text: text.trim().to_owned() }));
            }
            Mode::Judge { about, choice, text } => self.judge(about, choice, &text),
            Mode::Tag { about, text } => self.tag(about, &text),
            Mode::Filter { text } => self.set_filter(&text),
            Mode::Find { text, under } => self.found(&text, *under),
            Mode::Compare { text, cursor } => {
                self.back();
                let found = overlay::fitting(&self.others, &text).get(cursor).map(|e| e.path.clone());
                let typed = (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()));
                // What was typed may be a path that is no recent session.
                match typed.filter(|p| p.is_dir()).or(found).or_else(|| Some(PathBuf::from(text.trim()))) {
                    Some(path) if !path.as_os_str().is_empty() => self.compare(path),
                    _ => self.say(Err("no session was named".into())),
                }
            }
            Mode::Goto { text } => self.request(Request::Go(text)),
            Mode::Export { cursor, reports, figure } => {
                self.back();
                self.export(cursor, reports, figure);
            }
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
            Mode::Zoom(zoom) => {
                let next = drill::onward(&self.view(), &zoom);
                self.mode = Mode::Zoom(zoom);
                match next {
                    Some((_, mode)) => self.over(mode),
                    None => self.say(Err("this is where the evidence ends; esc leads back".into())),
                }
            }
            Mode::Detail { subject, scroll } => {
                let next = drill::evidence(&self.view(), &subject);
                self.mode = Mode::Detail { subject, scroll };
                match next {
                    Some((_, mode)) => self.over(mode),
                    None => self.say(Err("nothing further to open from here; esc leads back".into())),
                }
            }
            Mode::Jobs { cursor } => {
                self.mode = Mode::Jobs { cursor };
                let live = self.live.get(cursor).map(|j| j.procedure.clone());
                let job = live.or_else(|| self.broken_job()).map(Subject::Procedure);
                if let Some(subject) = job {
                    self.over(Mode::Detail { subject, scroll: 0 });
                }
            }
            Mode::Browse | Mode::Help { .. } | Mode::Compared { .. } | Mode::Guide { .. } => self.back(),
        }
        Next::Stay
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Next {
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

/// Types a character, or takes the last one away.
fn edit(text: &mut String, code: KeyCode, plain: bool) {
    match code {
        KeyCode::Char(c) if plain => type_in(text, c.encode_utf8(&mut [0; 4])),
        KeyCode::Backspace => {
            text.pop();
        }
        _ => {}
    }
}
