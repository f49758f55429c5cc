//! The one table of commands: keys, bottom bar, `?`, palette and documentation all come from it.

mod keymap;
mod offers;
mod table;

pub use keymap::Keymap;
pub use offers::{DEBUG, Offer, fuzzy, offers};
pub use table::COMMANDS;

use super::pane::Pane;
use super::source::Step;
use super::view::View;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A way to move the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// To the left: the image or class before, else the box before.
    Left,
    /// To the right.
    Right,
    /// Many rows up.
    PageUp,
    /// Many rows down.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Shows a pane.
    Pane(Pane),
    /// Moves the focus to the next box (or the one before).
    Focus(bool),
    /// Moves the cursor.
    Move(Motion),
    /// Opens what is chosen, in full.
    Open,
    /// Closes what is on top.
    Back,
    /// Runs the chosen procedure.
    Run,
    /// Runs everything planned.
    RunAll,
    /// Stops the job in the bottom bar.
    Stop,
    /// Shows the jobs.
    Jobs,
    /// Writes a note about what is chosen.
    Note,
    /// Writes a note about the case as a whole.
    NoteCase,
    /// Asks for the analyst's verdict on what is chosen.
    Judge,
    /// Sets a tag on what is chosen, or takes it off.
    Tag,
    /// Takes back the last note, verdict or tag.
    Undo,
    /// Brings back what was taken back last.
    Redo,
    /// Sends what is chosen to the terminal's clipboard, in a line or (`true`) in full as Markdown.
    Copy(bool),
    /// Shows another session beside this one.
    Compare,
    /// Says what is known, what is missing and what to do next.
    Guide,
    /// Filters the rows of a list.
    Filter,
    /// Puts rows or bars in another order.
    Sort,
    /// Turns a picture to its numbers and back.
    Numbers,
    /// Holds the screen still, or lets it go on.
    Freeze,
    /// Has a waiting job begin before the others.
    Prefer,
    /// Exports a report.
    Export,
    /// Steps through a replay.
    Step(Step),
    /// Asks which moment of a replay to go to.
    Goto,
    /// Enlarges a figure.
    Zoom,
    /// Comes closer to a picture, or goes back.
    Approach(bool),
    /// Shows the keys, then the page of the chosen procedure.
    Help,
    /// Opens the palette.
    Palette,
    /// Leaves.
    Quit,
    /// Gives the terminal back to the shell until `fg`.
    Suspend,
    /// Draws everything anew.
    Redraw,
    /// Runs a procedure by id (palette only).
    RunProcedure(String),
    /// Shows a picture of a procedure by its name (palette only).
    Show(String, String),
    /// Shows the page of a procedure (palette only).
    Explain(String),
    /// Has a worker panic, so that the tests can see the panes stay.
    #[cfg(debug_assertions)]
    FailWorker,
    /// Panics, so that the tests can see the terminal given back.
    #[cfg(debug_assertions)]
    Panic,
}

/// A key with its modifiers; shift is part of the character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord(pub KeyCode, pub KeyModifiers);

const fn ch(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::NONE)
}

const fn ctrl(c: char) -> Chord {
    Chord(KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn code(code: KeyCode) -> Chord {
    Chord(code, KeyModifiers::NONE)
}

impl Chord {
    /// The chord of a key event: terminals differ in whether they report shift with a capital letter or back-tab.
    pub fn of(event: &KeyEvent) -> Self {
        Chord(event.code, event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT))
    }

    /// How it is written.
    pub fn name(self) -> String {
        let base = match self.0 {
            KeyCode::Char(' ') => "space".to_owned(),
            KeyCode::Char(c) if self.1.contains(KeyModifiers::CONTROL) => c.to_uppercase().collect(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".into(),
            KeyCode::Down => "↓".into(),
            KeyCode::Left => "←".into(),
            KeyCode::Right => "→".into(),
            KeyCode::PageUp => "pgup".into(),
            KeyCode::PageDown => "pgdn".into(),
            KeyCode::BackTab => "shift-tab".into(),
            KeyCode::F(n) => format!("F{n}"),
            other => format!("{other:?}").to_lowercase(),
        };
        let base = if self.1.contains(KeyModifiers::ALT) { format!("alt-{base}") } else { base };
        if self.1.contains(KeyModifiers::CONTROL) { format!("^{base}") } else { base }
    }
}

/// Where a command stands in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Panes and cursor.
    Look,
    /// What changes the session.
    Work,
    /// Replay.
    Replay,
    /// The program itself.
    Program,
}

impl Group {
    /// All groups in the order of the help.
    pub const ALL: [Group; 4] = [Group::Look, Group::Work, Group::Replay, Group::Program];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Group::Look => "look around",
            Group::Work => "work",
            Group::Replay => "replay",
            Group::Program => "program",
        }
    }
}

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Stable name.
    pub id: &'static str,
    /// Keys; the first is the one shown.
    pub keys: &'static [Chord],
    /// What it is called in the bottom bar.
    pub short: &'static str,
    /// What it does, for help and palette.
    pub help: &'static str,
    /// Where it stands in the help.
    pub group: Group,
    /// Place in the bottom bar, from 1; 0: not there.
    pub bar: u8,
    /// What it does.
    pub action: Action,
    /// Whether it can be used now, or why not.
    pub valid: fn(&View) -> Result<(), String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn no_key_stands_for_two_commands() {
        let mut seen: HashMap<Chord, &str> = HashMap::new();
        for command in COMMANDS {
            assert!(!command.keys.is_empty() && !command.help.is_empty(), "{}", command.id);
            for &key in command.keys {
                assert_eq!(
                    Chord::of(&KeyEvent::new(key.0, key.1)),
                    key,
                    "{} can never be pressed",
                    key.name()
                );
                if let Some(other) = seen.insert(key, command.id) {
                    panic!("{} is both {other} and {}", key.name(), command.id);
                }
            }
        }
        let ids: HashSet<&str> = COMMANDS.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), COMMANDS.len());
    }

    #[test]
    fn capitals_come_with_or_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let found =
                Keymap::usual().find(Chord::of(&KeyEvent::new(KeyCode::Char('R'), modifiers))).unwrap();
            assert_eq!(found.id, "run-all");
        }
        assert_eq!(ctrl('x').name(), "^X");
    }

    #[test]
    fn fuzzy_prefers_word_starts_and_runs() {
        assert_eq!(fuzzy("zz", "zoom"), None);
        assert!(fuzzy("ra", "run all") > fuzzy("ra", "redraw"), "word starts first");
        assert!(fuzzy("quit", "quit") > fuzzy("quit", "quarantine it"));
        assert!(fuzzy("run neural", "run neural-cleanse").is_some());
        assert!(fuzzy("", "anything").is_some());
    }
}
