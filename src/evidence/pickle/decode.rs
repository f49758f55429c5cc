//! Arguments written as text, decoded as `CPython` does before anything is matched.

/// `STRING`: a quoted Python bytes literal with its escapes; `None` when it is not quoted or an escape is broken.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end();
    let [open @ (b'\'' | b'"'), body @ .., close] = line else { return None };
    if open != close {
        return None;
    }
    let (mut out, mut at) = (Vec::with_capacity(body.len()), 0usize);
    while let Some(&b) = body.get(at) {
        at += 1;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let escape = *body.get(at)?;
        at += 1;
        match escape {
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(escape),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'v' => out.push(11),
            b'f' => out.push(12),
            b'r' => out.push(b'\r'),
            b'x' => {
                out.push(u8::try_from(hex(body.get(at..at + 2)?)?).ok()?);
                at += 2;
            }
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some(&d @ b'0'..=b'7') = body.get(at) else { break };
                    value = value * 8 + u32::from(d - b'0');
                    at += 1;
                }
                out.push((value & 0xff) as u8);
            }
            other => out.extend([b'\\', other]),
        }
    }
    Some(out)
}

/// `UNICODE`: Python's raw-unicode-escape. `None` when an escape is broken. Lone surrogates become U+FFFD.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let (mut out, mut at) = (String::with_capacity(line.len()), 0usize);
    while let Some(&b) = line.get(at) {
        let digits = match (b, line.get(at + 1)) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        // A backslash that is itself preceded by an odd number of backslashes escapes nothing.
        let before = line.get(..at).unwrap_or_default();
        let run = before.iter().rev().take_while(|&&c| c == b'\\').count();
        if digits == 0 || run % 2 == 1 {
            out.push(char::from(b));
            at += 1;
            continue;
        }
        let code = hex(line.get(at + 2..at + 2 + digits)?)?;
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        at += 2 + digits;
    }
    Some(out)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |n, &d| Some(n << 4 | char::from(d).to_digit(16)?))
}

/// A number in text.
pub(super) enum Number {
    Bool(bool),
    Int(i64),
    /// It is a number, but longer than 64 bits.
    Long,
    /// More digits than Python itself converts (4,300).
    TooLong,
    Not,
}

/// Digits that Python converts at most.
const DIGITS: usize = 4300;

/// `INT` (`00` and `01` are booleans) and `LONG` (with a trailing L), base by prefix as `int(text, 0)`.
pub(super) fn integer(line: &[u8], int: bool) -> Number {
    let text = line.trim_ascii();
    match text {
        b"00" if int => return Number::Bool(false),
        b"01" if int => return Number::Bool(true),
        _ if text.len() > DIGITS => return Number::TooLong,
        _ => {}
    }
    let text = if int { text } else { text.strip_suffix(b"L").unwrap_or(text) };
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        all => (10, all),
    };
    if digits.is_empty() || !digits.iter().all(|&d| char::from(d).is_digit(base)) {
        return Number::Not;
    }
    let value = digits.iter().try_fold(0i64, |n, &d| {
        let d = i64::from(char::from(d).to_digit(base)?);
        n.checked_mul(i64::from(base))?.checked_sub(d)
    });
    match value.and_then(|v| if negative { Some(v) } else { v.checked_neg() }) {
        Some(v) => Number::Int(v),
        None => Number::Long,
    }
}

/// Two's complement, little-endian, when it fits.
pub(super) fn small_long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(all))
}
