//! Thrift's compact protocol: just what stands in front of pages and at the end of the file. Nothing is made room for by
//! a size that is read.

use super::{Fault, bad};

/// Structs in structs.
const DEPTH: usize = 16;

/// Type codes.
pub(super) const TRUE: u8 = 1;
pub(super) const LIST: u8 = 9;
pub(super) const SET: u8 = 10;
pub(super) const STRUCT: u8 = 12;

/// A cursor.
#[derive(Debug, Clone)]
pub(super) struct Thrift<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Thrift<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.rest.split_first().ok_or_else(|| bad("a header is cut"))?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.rest.split_at_checked(n).ok_or_else(|| bad("a header is cut"))?;
        self.rest = rest;
        Ok(front)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut out = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.byte()?;
            out |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Ok(out);
            }
        }
        Err(bad("a number of more than 64 bits"))
    }

    /// A signed number.
    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        let n = self.varint()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// A number that counts or places something.
    pub(super) fn size(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.int()?).map_err(|_| bad("a size below zero"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let n = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(n)
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| bad("a text is no UTF-8"))
    }

    /// Element type and number of elements; no more of them than there are bytes.
    pub(super) fn list(&mut self) -> Result<(u8, usize), Fault> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        let count = usize::try_from(count).ok().filter(|&n| n <= self.rest.len());
        Ok((head & 15, count.ok_or_else(|| bad("a list longer than the file"))?))
    }

    /// The next field of a struct: its number and type; `None` at the end. `last` is the number before it, 0 at first.
    pub(super) fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *last = if head >> 4 == 0 { self.int()? } else { last.saturating_add(i64::from(head >> 4)) };
        Ok(Some((*last, head & 15)))
    }

    pub(super) fn skip(&mut self, kind: u8) -> Result<(), Fault> {
        self.skip_in(kind, false, 0)
    }

    fn skip_in(&mut self, kind: u8, element: bool, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH {
            return Err(bad(format!("structs in more than {DEPTH} structs")));
        }
        match kind {
            // In a struct the type is the value.
            1 | 2 => {
                if element {
                    self.byte()?;
                }
            }
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => drop(self.take(8)?),
            8 => drop(self.bytes()?),
            LIST | SET => {
                let (kind, count) = self.list()?;
                for _ in 0..count {
                    self.skip_in(kind, true, depth + 1)?;
                }
            }
            11 => {
                let count = usize::try_from(self.varint()?).ok().filter(|&n| n <= self.rest.len());
                let count = count.ok_or_else(|| bad("a map longer than the file"))?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                for _ in 0..count {
                    self.skip_in(kinds >> 4, true, depth + 1)?;
                    self.skip_in(kinds & 15, true, depth + 1)?;
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_in(kind, false, depth + 1)?;
                }
            }
            _ => return Err(bad("a header of an unknown type")),
        }
        Ok(())
    }
}
