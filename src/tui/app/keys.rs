//! Keys and clicks: which command they are, and what they do in what lies over the panes.

use super::{App, Next, moved, type_in};
use crate::evidence::text::visible;
use crate::tui::command::{self, Action, Chord, Motion};
use crate::tui::overlay::{self, Mode};
use crate::tui::paint::Hit;
use crate::tui::pane::Pane;
use crate::tui::source::Request;
use crate::tui::view::Subject;
use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

impl App {
    pub(super) fn key(&mut self, key: &KeyEvent) -> Next {
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

    fn overlay_key(&mut self, chord: Chord) -> Next {
        let command = command::find(chord).map(|c| &c.action);
        let motion = match command {
            Some(Action::Move(m)) if !self.mode.typing() || !matches!(chord.0, KeyCode::Char(_)) => Some(*m),
            _ => None,
        };
        match (chord.0, command) {
            (KeyCode::Esc, _) | (KeyCode::Char('c'), Some(Action::Quit)) => self.mode = Mode::Browse,
            (_, Some(Action::Suspend)) => return Next::Suspend,
            (_, Some(Action::Redraw)) => return Next::Redraw,
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
            Mode::Browse | Mode::Note { .. } | Mode::Goto { .. } | Mode::Quit => {}
        }
    }

    fn typed(&mut self, code: KeyCode, chord: Chord, motion: Option<Motion>) {
        let plain = chord.1.is_empty();
        match (&mut self.mode, code) {
            (Mode::Note { text } | Mode::Goto { text }, KeyCode::Char(c)) if plain => {
                type_in(text, c.encode_utf8(&mut [0; 4]));
            }
            (Mode::Note { text } | Mode::Goto { text }, KeyCode::Backspace) => {
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
                self.say(Err("an empty note is not kept".into()));
            }
            Mode::Note { text } => self.request(Request::Note(text.trim().to_owned())),
            Mode::Goto { text } => self.request(Request::Go(text)),
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
