//! Which keys mean which command: the table's own, changed by the configuration.

use super::{COMMANDS, Chord, Command};
use crossterm::event::{KeyCode, KeyModifiers};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// Keys that overlays need and no other command can have.
const FIXED: [&str; 3] = ["esc", "enter", "ctrl-c"];

/// Keys by command.
#[derive(Debug, Clone)]
pub struct Keymap {
    chords: HashMap<Chord, usize>,
    keys: Vec<Vec<Chord>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::of(COMMANDS.iter().map(|c| c.keys.to_vec()).collect())
    }
}

impl Keymap {
    fn of(keys: Vec<Vec<Chord>>) -> Self {
        let chords =
            keys.iter().enumerate().flat_map(|(i, keys)| keys.iter().map(move |k| (*k, i))).collect();
        Self { chords, keys }
    }

    /// The usual keys.
    pub fn usual() -> &'static Self {
        static USUAL: LazyLock<Keymap> = LazyLock::new(Keymap::default);
        &USUAL
    }

    /// The usual keys with those of some commands replaced. An empty list leaves a command to the palette.
    ///
    /// # Errors
    /// Everything that is wrong: unknown commands, unknown keys, keys that would mean two things.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut keys: Vec<Vec<Chord>> = COMMANDS.iter().map(|c| c.keys.to_vec()).collect();
        for (id, names) in changes {
            let Some(at) = COMMANDS.iter().position(|c| c.id == id) else {
                wrong.push(format!("keys: there is no command '{}'", crate::evidence::text::visible(id)));
                continue;
            };
            keys[at].clear();
            for name in names {
                match Chord::parse(name) {
                    Ok(chord) if keys[at].contains(&chord) => {}
                    Ok(chord) => keys[at].push(chord),
                    Err(why) => wrong.push(format!("keys.{id}: {why}")),
                }
            }
            // Without these an overlay could not be answered.
            keys[at].extend(COMMANDS[at].keys.iter().filter(|k| FIXED.contains(&k.written().as_str())));
            keys[at].sort_by_key(|k| FIXED.contains(&k.written().as_str()));
            keys[at].dedup();
        }
        let mut seen: HashMap<Chord, usize> = HashMap::new();
        for (at, chords) in keys.iter().enumerate() {
            for chord in chords {
                if let Some(other) = seen.insert(*chord, at).filter(|other| *other != at) {
                    let (a, b) = (COMMANDS[other].id, COMMANDS[at].id);
                    wrong.push(format!("keys: {} would be both {a} and {b}", chord.written()));
                }
            }
        }
        if wrong.is_empty() { Ok(Self::of(keys)) } else { Err(wrong) }
    }

    /// The command of a chord.
    pub fn find(&self, chord: Chord) -> Option<&'static Command> {
        self.chords.get(&chord).map(|&i| &COMMANDS[i])
    }

    /// The keys of a command.
    pub fn keys(&self, id: &str) -> &[Chord] {
        COMMANDS.iter().position(|c| c.id == id).map_or(&[], |i| &self.keys[i])
    }

    /// How a command is best reached: its first key, or the palette.
    pub fn name(&self, id: &str) -> String {
        self.keys(id).first().map_or_else(|| format!(":{id}"), |k| k.name())
    }
}

impl Chord {
    /// Reads a key as configurations write it: `x`, `R`, `space`, `enter`, `ctrl-x`, `alt-n`, `f1`, `pgdn`.
    ///
    /// # Errors
    /// It names no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let lower = rest.to_lowercase();
            let (modifier, length) = match () {
                () if lower.starts_with("ctrl-") => (KeyModifiers::CONTROL, 5),
                () if lower.starts_with("alt-") => (KeyModifiers::ALT, 4),
                () => break,
            };
            if rest.len() == length {
                break;
            }
            modifiers |= modifier;
            rest = &rest[length..];
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => {
                KeyCode::Char(if modifiers.contains(KeyModifiers::CONTROL) {
                    c.to_ascii_lowercase()
                } else {
                    c
                })
            }
            _ => NAMES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(rest))
                .map(|(_, code)| *code)
                .or_else(|| {
                    let n = rest.strip_prefix(['f', 'F'])?.parse().ok()?;
                    (1..=24).contains(&n).then_some(KeyCode::F(n))
                })
                .ok_or_else(|| format!("'{}' names no key", crate::evidence::text::visible(text)))?,
        };
        Ok(Chord(code, modifiers))
    }

    /// The name that [`Chord::parse`] reads.
    pub fn written(self) -> String {
        let mut out = String::new();
        if self.1.contains(KeyModifiers::CONTROL) {
            out.push_str("ctrl-");
        }
        if self.1.contains(KeyModifiers::ALT) {
            out.push_str("alt-");
        }
        match self.0 {
            KeyCode::F(n) => {
                out.push('f');
                out.push_str(&n.to_string());
            }
            KeyCode::Char(' ') => out.push_str("space"),
            KeyCode::Char(c) => out.push(c),
            code => out.push_str(NAMES.iter().find(|(_, c)| *c == code).map_or("?", |(name, _)| name)),
        }
        out
    }
}

const NAMES: [(&str, KeyCode); 15] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[(&str, &[&str])]) -> Result<Keymap, Vec<String>> {
        let own =
            |(id, keys): &(&str, &[&str])| ((*id).to_owned(), keys.iter().map(|k| (*k).to_owned()).collect());
        Keymap::with(&changes.iter().map(own).collect())
    }

    #[test]
    fn every_key_of_the_table_is_written_as_it_is_read() {
        for chord in COMMANDS.iter().flat_map(|c| c.keys) {
            assert_eq!(Chord::parse(&chord.written()), Ok(*chord), "{}", chord.written());
        }
        assert_eq!(Chord::parse("CTRL-X"), Chord::parse("ctrl-x"));
        assert_eq!(Chord::parse("ctrl--").unwrap().0, KeyCode::Char('-'));
        for bad in ["", "two", "ctrl-", "f99", "\u{1b}"] {
            assert!(Chord::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_moved_and_the_old_one_means_nothing() {
        let map = with(&[("run-all", &["ctrl-r", "f5"])]).unwrap();
        assert_eq!(map.find(Chord::parse("f5").unwrap()).unwrap().id, "run-all");
        assert!(map.find(Chord::parse("R").unwrap()).is_none());
        assert_eq!((map.name("run-all"), map.name("run")), ("^R".to_owned(), "r".to_owned()));
        let none = with(&[("jobs", &[])]).unwrap();
        assert_eq!(none.name("jobs"), ":jobs");
    }

    #[test]
    fn two_meanings_and_unknown_names_are_refused_all_at_once() {
        let wrong = with(&[("jobs", &["R"]), ("no-such", &["x"]), ("zoom", &["nokey"])]).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong.iter().any(|w| w == "keys: R would be both run-all and jobs"), "{wrong:?}");
        assert!(with(&[("jobs", &["esc"])]).unwrap_err()[0].contains("both"));
        assert!(with(&[("back", &["x"])]).unwrap().find(Chord::parse("esc").unwrap()).is_some());
    }
}
