//! What a terminal sends: answers to our questions, and keys. Only for the moment before crossterm reads the terminal;
//! what is known to both is read alike.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// What some bytes say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// The primary device attributes.
    pub(super) attributes: Option<Vec<u16>>,
    /// Width and height of a cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
    /// Keys and pastes, in order.
    pub(super) typed: Vec<Event>,
    /// Whether the last of them may go on: it is read as it stands.
    pub(super) unfinished: bool,
}

/// The end of a paste.
const PASTED: &[u8] = b"\x1b[201~";

/// Reads everything.
pub(super) fn read(mut bytes: &[u8]) -> Read {
    let mut read = Read::default();
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = match first {
            b'\x1b' => escape(rest, &mut read),
            b'\r' => key(KeyCode::Enter, rest, &mut read),
            b'\t' => key(KeyCode::Tab, rest, &mut read),
            0x7f => key(KeyCode::Backspace, rest, &mut read),
            0 => control(' ', rest, &mut read),
            c @ 0x01..=0x1a => control((c - 1 + b'a') as char, rest, &mut read),
            c @ 0x1c..=0x1f => control((c - 0x1c + b'4') as char, rest, &mut read),
            _ => character(bytes, &mut read),
        };
    }
    read
}

fn push(code: KeyCode, modifiers: KeyModifiers, read: &mut Read) {
    read.typed.push(Event::Key(KeyEvent::new(code, modifiers)));
}

fn key<'a>(code: KeyCode, rest: &'a [u8], read: &mut Read) -> &'a [u8] {
    push(code, KeyModifiers::NONE, read);
    rest
}

fn control<'a>(c: char, rest: &'a [u8], read: &mut Read) -> &'a [u8] {
    push(KeyCode::Char(c), KeyModifiers::CONTROL, read);
    rest
}

/// The first character of some bytes; what is no UTF-8 is left out.
fn first(bytes: &[u8]) -> Result<(char, &[u8]), usize> {
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.valid_up_to() > 0 => {
            std::str::from_utf8(head.get(..e.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        // How much is no character; 0: it is cut.
        Err(e) => return Err(e.error_len().unwrap_or(0)),
    };
    let c = valid.chars().next().ok_or(0_usize)?;
    Ok((c, bytes.get(c.len_utf8()..).unwrap_or_default()))
}

fn character<'a>(bytes: &'a [u8], read: &mut Read) -> &'a [u8] {
    match first(bytes) {
        Ok((c, rest)) => key(KeyCode::Char(c), rest, read),
        Err(0) => {
            read.unfinished = true;
            &[]
        }
        Err(wrong) => bytes.get(wrong..).unwrap_or_default(),
    }
}

/// What follows an escape.
fn escape<'a>(rest: &'a [u8], read: &mut Read) -> &'a [u8] {
    match rest.first() {
        None => {
            read.unfinished = true;
            key(KeyCode::Esc, rest, read)
        }
        Some(b'[') => sequence(rest.get(1..).unwrap_or_default(), read),
        Some(b'O') if rest.len() > 1 => {
            let code = match rest.get(1) {
                Some(c @ b'P'..=b'S') => Some(KeyCode::F(1 + c - b'P')),
                Some(&c) => arrow(c),
                None => None,
            };
            if let Some(code) = code {
                push(code, KeyModifiers::NONE, read);
            }
            rest.get(2..).unwrap_or_default()
        }
        // A string of the terminal (DCS, OSC, APC) that ends: an answer to somebody else.
        Some(b'P' | b']' | b'_' | b'^') if end_of_string(rest).is_some() => {
            rest.get(end_of_string(rest).unwrap_or(rest.len())..).unwrap_or_default()
        }
        Some(b'\x1b') => key(KeyCode::Esc, rest, read),
        Some(_) => {
            let before = read.typed.len();
            let after = self::read(rest.get(..character_length(rest)).unwrap_or(rest));
            for event in after.typed {
                if let Event::Key(mut pressed) = event {
                    pressed.modifiers |= KeyModifiers::ALT;
                    read.typed.push(Event::Key(pressed));
                }
            }
            if read.typed.len() == before {
                read.unfinished |= after.unfinished;
            }
            rest.get(character_length(rest)..).unwrap_or_default()
        }
    }
}

fn character_length(bytes: &[u8]) -> usize {
    match first(bytes) {
        Ok((c, _)) => c.len_utf8(),
        Err(0) => bytes.len(),
        Err(wrong) => wrong,
    }
}

/// Where a string of the terminal ends: behind BEL or ST.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let bell = bytes.iter().position(|&b| b == 7).map(|at| at + 1);
    let st = bytes.windows(2).position(|w| w == b"\x1b\\").map(|at| at + 2);
    match (bell, st) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn arrow(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        b'P' => KeyCode::F(1),
        b'Q' => KeyCode::F(2),
        b'R' => KeyCode::F(3),
        b'S' => KeyCode::F(4),
        b'Z' => KeyCode::BackTab,
        _ => return None,
    })
}

fn numbered(n: u16) -> Option<KeyCode> {
    Some(match n {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(n as u8 - 10),
        17..=21 => KeyCode::F(n as u8 - 11),
        23..=24 => KeyCode::F(n as u8 - 12),
        _ => return None,
    })
}

/// What follows `ESC [`.
fn sequence<'a>(rest: &'a [u8], read: &mut Read) -> &'a [u8] {
    let Some(length) = rest.iter().position(|b| !(0x20..=0x3f).contains(b)) else {
        read.unfinished = true;
        return &[];
    };
    let (parameters, after) = rest.split_at(length);
    let (last, after) = after.split_first().unwrap_or((&0, &[]));
    let numbers = || -> Vec<u16> {
        let text =
            std::str::from_utf8(parameters).unwrap_or_default().trim_start_matches(['?', '<', '=', '>']);
        text.split(';').map(|n| n.parse().unwrap_or(0)).collect()
    };
    match (last, parameters.first()) {
        (b'c', Some(b'?')) => read.attributes = Some(numbers()),
        (b't', Some(b'6')) => {
            if let [6, height, width] = numbers()[..] {
                read.cell = Some((width, height)).filter(|&(w, h)| w > 0 && h > 0);
            }
        }
        (b'~', _) if parameters == b"200" => {
            let end = after.windows(PASTED.len()).position(|w| w == PASTED);
            let text = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
            read.typed.push(Event::Paste(String::from_utf8_lossy(text).into_owned()));
            read.unfinished |= end.is_none();
            return end.map_or(&[], |at| after.get(at + PASTED.len()..).unwrap_or_default());
        }
        // Clicks: in X10's form three bytes follow.
        (b'M', None) => return after.get(3..).unwrap_or_default(),
        (b'M' | b'm', Some(b'<')) => {}
        (&last, _) => {
            let numbers = numbers();
            let code = if last == b'~' { numbered(numbers[0]) } else { arrow(last) };
            if let Some(code) = code {
                push(code, modifiers(numbers.get(1).copied().unwrap_or(1)), read);
            }
        }
    }
    after
}

/// Modifiers as terminals count them: one more than their bits.
fn modifiers(n: u16) -> KeyModifiers {
    let bits = n.saturating_sub(1);
    let mut all = KeyModifiers::NONE;
    for (bit, modifier) in [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)] {
        if bits & bit != 0 {
            all |= modifier;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Key(k) => {
                let alt = if k.modifiers.contains(KeyModifiers::ALT) { "alt-" } else { "" };
                let ctrl = if k.modifiers.contains(KeyModifiers::CONTROL) { "ctrl-" } else { "" };
                match k.code {
                    KeyCode::Char(c) => format!("{alt}{ctrl}{c}"),
                    code => format!("{alt}{ctrl}{code:?}"),
                }
            }
            Event::Paste(text) => format!("paste {text}"),
            other => format!("{other:?}"),
        };
        read(bytes).typed.iter().map(name).collect()
    }

    #[test]
    fn keys_are_read_as_crossterm_reads_them() {
        let typed = keys(b"q\r\t\x7f\x18\x1b[A\x1bOP\x1b[5~\x1b[1;5C\x1b[Z\x1bn\xc3\xa9");
        let want = [
            "q",
            "Enter",
            "Tab",
            "Backspace",
            "ctrl-x",
            "Up",
            "F(1)",
            "PageUp",
            "ctrl-Right",
            "BackTab",
            "alt-n",
            "é",
        ];
        assert_eq!(typed, want);
        assert_eq!(keys(b"\x1b[200~two\nlines\x1b[201~z"), ["paste two\nlines", "z"]);
        assert_eq!(keys(b"\x1b[<0;4;5M\x1b[<0;4;5mx\x1b[Mabcy"), ["x", "y"], "clicks are no keys");
    }

    #[test]
    fn answers_are_no_keys() {
        let read =
            read(b"\x1b[6;20;10t\x1b[?62;4;6c\x1bP>|term 1\x1b\\\x1b]11;rgb:0/0/0\x07\x1b_Gi=1;OK\x1b\\k");
        assert_eq!((read.cell, read.attributes), (Some((10, 20)), Some(vec![62, 4, 6])));
        assert_eq!(read.typed.len(), 1);
        assert!(!read.unfinished);
    }

    #[test]
    fn what_is_cut_is_said_to_be() {
        for cut in [&b"\x1b"[..], b"\x1b[", b"\x1b[?62;4", b"\x1b[1;5", b"\xc3", b"\x1b[200~abc"] {
            assert!(read(cut).unfinished, "{cut:?}");
        }
        assert_eq!(keys(b"\x1b"), ["Esc"], "an escape that stays alone is one");
    }

    proptest! {
        #[test]
        fn anything_at_all_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }

        #[test]
        fn plain_text_is_never_lost(text in "[a-zA-Z0-9é停]{0,40}") {
            let back: String = keys(text.as_bytes()).concat();
            prop_assert_eq!(back, text);
        }
    }
}
