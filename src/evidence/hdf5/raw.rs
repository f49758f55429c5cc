//! The bytes of a file, with the widths its superblock states; and a cursor over one message.

use super::fault::Fault;

/// An address that is none.
pub(super) const NOWHERE: u64 = 1 << 63;
/// Addresses and sizes beyond this are as good as this one: behind the end of any file, and small enough to add to.
const FAR: u64 = 1 << 62;

/// Bytes and widths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    bytes: &'a [u8],
    base: u64,
    /// Bytes of an address.
    pub(super) offsets: usize,
    /// Bytes of a length.
    pub(super) lengths: usize,
    /// Version of the superblock.
    pub(super) version: u8,
    /// Address of the root group's header.
    pub(super) root: u64,
}

impl<'a> Raw<'a> {
    /// Reads the superblock; `None` where it is damaged or of an unknown version.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let mut raw = Self { bytes, base: 0, offsets: 8, lengths: 8, version: 0, root: NOWHERE };
        raw.base = [0u64, 512, 1024, 2048, 4096, 8192]
            .into_iter()
            .find(|&o| raw.get(o, 8).is_some_and(|b| b == b"\x89HDF\r\n\x1a\n"))?;
        raw.version = raw.byte(8)?;
        let widths = if raw.version < 2 { [13, 14] } else { [9, 10] };
        let [offsets, lengths] = widths.map(|at| raw.byte(at).map(usize::from));
        (raw.offsets, raw.lengths) = (offsets?, lengths?);
        matches!((raw.offsets, raw.lengths), (2 | 4 | 8, 2 | 4 | 8)).then_some(())?;
        let step = raw.offsets as u64;
        let at = match raw.version {
            // Four addresses, then the root's entry: name offset, header address.
            0 => 24 + 5 * step,
            1 => 28 + 5 * step,
            2 | 3 => 12 + 3 * step,
            _ => return None,
        };
        raw.root = raw.number(at, raw.offsets)?;
        Some(raw)
    }

    /// All bytes, from the beginning of the file.
    pub(super) fn all(&self) -> &'a [u8] {
        self.bytes
    }

    /// What stands in front of the superblock.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn get(&self, at: u64, n: usize) -> Option<&'a [u8]> {
        let at = usize::try_from(at.checked_add(self.base)?).ok()?;
        self.bytes.get(at..at.checked_add(n)?)
    }

    /// As [`Self::get`], as an error.
    pub(super) fn need(&self, at: u64, n: u64) -> Result<&'a [u8], Fault> {
        usize::try_from(n)
            .ok()
            .and_then(|n| self.get(at, n))
            .ok_or_else(|| Fault::bad(at, format!("{n} bytes there reach beyond the file")))
    }

    pub(super) fn byte(&self, at: u64) -> Option<u8> {
        self.get(at, 1)?.first().copied()
    }

    pub(super) fn number(&self, at: u64, width: usize) -> Option<u64> {
        Some(number(self.get(at, width)?))
    }

    /// A cursor over bytes at an offset.
    pub(super) fn cursor(&self, at: u64, rest: &'a [u8]) -> Cursor<'a> {
        Cursor { rest, at, offsets: self.offsets, lengths: self.lengths }
    }
}

/// Least significant byte first; all ones are [`NOWHERE`].
fn number(raw: &[u8]) -> u64 {
    if !raw.is_empty() && raw.iter().all(|&b| b == 0xff) {
        return NOWHERE;
    }
    raw.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b)).min(FAR)
}

/// Reads a message from its front.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
    pub(super) at: u64,
    offsets: usize,
    lengths: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) =
            self.rest.split_at_checked(n).ok_or_else(|| Fault::bad(self.at, "a message is cut"))?;
        self.rest = rest;
        self.at += n as u64;
        Ok(front)
    }

    /// A plain number of up to eight bytes.
    pub(super) fn plain(&mut self, width: usize) -> Result<u64, Fault> {
        Ok(self.take(width)?.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok((self.plain(1)? & 0xff) as u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok((self.plain(2)? & 0xffff) as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok((self.plain(4)? & 0xffff_ffff) as u32)
    }

    /// An address; [`NOWHERE`] where there is none.
    pub(super) fn address(&mut self) -> Result<u64, Fault> {
        Ok(number(self.take(self.offsets)?))
    }

    /// A length or extent.
    pub(super) fn length(&mut self) -> Result<u64, Fault> {
        Ok(number(self.take(self.lengths)?))
    }
}
