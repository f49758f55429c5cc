//! Protobuf's wire format, one message at a time: fields with their raw values, nothing entered, nothing allocated.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire<'a> {
    /// A varint.
    Number(u64),
    /// Four or eight bytes.
    Fixed(&'a [u8]),
    /// A string, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    /// The bytes of a length-delimited field.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(b) => Some(b),
            _ => None,
        }
    }
}

/// Bytes that are no protobuf; the offset in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub usize);

/// The fields of a message in order: number and value. Ends after the first [`Broken`].
pub fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u32, Wire<'_>), Broken>> {
    let (mut at, mut broken) = (0usize, false);
    std::iter::from_fn(move || {
        if broken || at >= message.len() {
            return None;
        }
        let begin = at;
        if let Some(found) = field(message, &mut at) {
            Some(Ok(found))
        } else {
            broken = true;
            Some(Err(Broken(begin)))
        }
    })
}

/// The length-delimited values of one field number; what is broken ends them.
pub fn all(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    fields(message).map_while(Result::ok).filter(move |(n, _)| *n == number).filter_map(|(_, w)| w.bytes())
}

/// The numbers of a packed field; what is broken ends them.
pub fn packed(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let mut at = 0usize;
    std::iter::from_fn(move || if at < bytes.len() { varint(bytes, &mut at) } else { None })
}

/// The text of one field, if it is text.
pub fn text(message: &[u8], number: u32) -> Option<&str> {
    std::str::from_utf8(all(message, number).last()?).ok()
}

fn field<'a>(message: &'a [u8], at: &mut usize) -> Option<(u32, Wire<'a>)> {
    let key = varint(message, at)?;
    let number = u32::try_from(key >> 3).ok().filter(|&n| n != 0)?;
    let value = match key & 7 {
        0 => Wire::Number(varint(message, at)?),
        1 => Wire::Fixed(take(message, at, 8)?),
        5 => Wire::Fixed(take(message, at, 4)?),
        2 => {
            let n = varint(message, at)?;
            Wire::Bytes(take(message, at, n)?)
        }
        _ => return None,
    };
    Some((number, value))
}

fn take<'a>(message: &'a [u8], at: &mut usize, n: u64) -> Option<&'a [u8]> {
    let end = usize::try_from(n).ok().and_then(|n| at.checked_add(n))?;
    let got = message.get(*at..end)?;
    *at = end;
    Some(got)
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for i in 0..10 {
        let b = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(b & 0x7f).checked_shl(7 * i).unwrap_or(0);
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_a_break_is_placed() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 2, 3, 4];
        let all: Result<Vec<_>, _> = fields(&message).collect();
        let expected = [(1, Wire::Number(150)), (2, Wire::Bytes(b"hi")), (3, Wire::Fixed(&[1, 2, 3, 4]))];
        assert_eq!(all.unwrap(), expected);
        assert_eq!(text(&message, 2), Some("hi"));
        assert_eq!(fields(&[0x12, 0x7f, 1]).last(), Some(Err(Broken(0))));
        assert_eq!(fields(&[0xff; 12]).last(), Some(Err(Broken(0))));
        assert_eq!(fields(&[0x0b]).last(), Some(Err(Broken(0))));
    }
}
