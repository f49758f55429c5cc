//! Recognising a pickle without reading it: nothing is built, nothing is looked up.

/// `2 FRAME? LONG1(0x1950a86a20f9469cfc6c) .`: the first of the five pickles of PyTorch before 1.6.
const TORCH_MAGIC: [u8; 12] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Opcodes looked at before a text is taken for a pickle or not.
const OPCODES: usize = 100_000;

/// The layout that `torch.save` wrote before 1.6.
pub(super) fn is_torch_legacy(head: &[u8]) -> bool {
    matches!(head, [0x80, 1..=5, rest @ ..] if rest.get(..24).unwrap_or(rest).windows(12).any(|w| w == TORCH_MAGIC))
}

/// A pickle that says its protocol.
pub(super) fn is_binary(head: &[u8]) -> bool {
    match head {
        // A protocol that does not exist still makes a reader that ignores it run the rest.
        [0x80, protocol, rest @ ..] => *protocol <= 5 || walk(rest).is_some_and(|n| n >= 2),
        _ => false,
    }
}

/// A pickle without a protocol mark: its opcodes can be followed from the first byte to a STOP. Two opcodes are enough
/// where the name says pickle, and too few to tell from prose elsewhere; there it may also just begin by importing a
/// name (a list of words begins so too: cat, dog, horse).
pub(super) fn is_text(head: &[u8], named: bool) -> bool {
    named && imports(head) || walk(head).is_some_and(|n| n >= if named { 2 } else { 3 })
}

/// `c module \n name \n opcode`, after any MARK.
fn imports(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"(").unwrap_or(head);
    let Some(rest) = head.strip_prefix(b"c").or_else(|| head.strip_prefix(b"i")) else { return false };
    let mut lines = rest.splitn(3, |&b| b == b'\n');
    let word = |l: Option<&[u8]>| {
        let l = l.map(|l| l.strip_suffix(b"\r").unwrap_or(l)).unwrap_or_default();
        let first = l.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
        first && l.len() <= 200 && l.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
    };
    word(lines.next())
        && word(lines.next())
        && lines.next().is_some_and(|r| r.first().is_some_and(|&b| argument(b).is_some()))
}

/// How the argument of an opcode is delimited.
enum Argument {
    Bytes(usize),
    /// A little-endian count of that width, then so many bytes.
    Counted(usize),
    Lines(usize),
}

fn argument(opcode: u8) -> Option<Argument> {
    use Argument::{Bytes, Counted, Lines};
    Some(match opcode {
        b'('
        | b'.'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | b'R'
        | b'a'
        | b'b'
        | b'd'
        | b'e'
        | b'l'
        | b'o'
        | b'Q'
        | b's'
        | b't'
        | b'u'
        | b')'
        | b']'
        | b'}'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | 0x97
        | 0x98 => Bytes(0),
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Bytes(1),
        b'M' | 0x83 => Bytes(2),
        b'J' | b'j' | b'r' | 0x84 => Bytes(4),
        b'G' | 0x95 => Bytes(8),
        b'U' | b'C' | 0x8a | 0x8c => Counted(1),
        b'T' | b'X' | b'B' | 0x8b => Counted(4),
        0x8d | 0x8e | 0x96 => Counted(8),
        b'F' | b'I' | b'L' | b'P' | b'S' | b'V' | b'g' | b'p' => Lines(1),
        b'c' | b'i' => Lines(2),
        _ => return None,
    })
}

/// Follows opcodes to the first STOP; how many there were. Arguments in text must look like what the opcode takes, so
/// that prose is not taken for a pickle.
fn walk(bytes: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    for n in 1..=OPCODES {
        let opcode = *bytes.get(at)?;
        at += 1;
        if opcode == b'.' {
            return Some(n);
        }
        match argument(opcode)? {
            Argument::Bytes(k) => at = at.checked_add(k)?,
            Argument::Counted(width) => {
                let count = bytes.get(at..at.checked_add(width)?)?;
                let count = count.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
                at = at.checked_add(width)?.checked_add(usize::try_from(count).ok()?)?;
            }
            Argument::Lines(lines) => {
                for _ in 0..lines {
                    let end = at + bytes.get(at..)?.iter().position(|&b| b == b'\n')?;
                    fits(opcode, bytes.get(at..end)?).then_some(())?;
                    at = end + 1;
                }
            }
        }
    }
    None
}

fn fits(opcode: u8, line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match opcode {
        b'S' => matches!(line, [a @ (b'\'' | b'"'), .., b] if a == b),
        b'F' | b'I' | b'L' | b'g' | b'p' => {
            !line.is_empty() && line.iter().all(|b| b.is_ascii_digit() || b"+-.eEnaifL".contains(b))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_are_told_from_prose() {
        assert!(is_binary(b"\x80\x04\x95\x02\0\0\0\0\0\0\0N."));
        assert!(is_text(b"cos\nsystem\n(S'true'\ntR.", false));
        assert!(is_text(b"(dp0\nS'a'\np1\nI1\ns.", false));
        assert!(is_text(b"]q\0(K\x01K\x02e.", false));
        assert!(is_text(b"P../secret\n.", true) && !is_text(b"Page\n.", false));
        assert!(is_torch_legacy(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."));
        for prose in
            ["Is it a pickle? No.", "class\nname\n", "Stop.\n", "I.\n", "(a) yes.", "cat,dog\nbird,1\n"]
        {
            assert!(!is_text(prose.as_bytes(), true), "{prose}");
        }
    }
}
