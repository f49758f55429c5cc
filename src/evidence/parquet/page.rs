//! Pages: unpacked one at a time, their values handed on.

use super::footer::{Chunk, Kind, Leaf};
use super::levels::{numbers, width};
use super::thrift::{STRUCT, TRUE, Thrift};
use super::{Fault, bad, unread};
use crate::evidence::archive::unpack::Packing;
use crate::evidence::limits::{Limits, cap};
use std::borrow::Cow;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A whole number.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The pages of a chunk.
pub(super) struct Pages<'a, 'l> {
    rest: Thrift<'a>,
    leaf: &'a Leaf,
    codec: i64,
    rows: usize,
    limits: &'l Limits,
    /// Bytes that pages may still unpack to.
    budget: u64,
}

/// Values that pages name by their place.
#[derive(Debug, Default)]
struct Dictionary<'a> {
    bytes: Cow<'a, [u8]>,
    ints: Vec<i64>,
    /// Start and end of each value in `bytes`.
    places: Vec<(usize, usize)>,
}

impl<'a> Dictionary<'a> {
    /// Taken apart once, however many pages follow.
    fn new(bytes: Cow<'a, [u8]>, kind: Kind) -> Result<Self, Fault> {
        let (mut ints, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        for cell in plain(&bytes, kind, usize::MAX)? {
            match cell {
                Cell::Int(n) => ints.push(n),
                Cell::Bytes(value) => {
                    places.push((at + 4, at + 4 + value.len()));
                    at += 4 + value.len();
                }
            }
        }
        Ok(Self { bytes, ints, places })
    }

    fn get(&self, k: usize) -> Option<Cell<'_>> {
        if let Some(&n) = self.ints.get(k) {
            return Some(Cell::Int(n));
        }
        let &(start, end) = self.places.get(k)?;
        self.bytes.get(start..end).map(Cell::Bytes)
    }
}

/// What stands in front of a page.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    size: usize,
    packed: usize,
    values: usize,
    encoding: i64,
    /// Version 2: bytes of the levels, which are not packed.
    levels: Option<usize>,
    plain: bool,
}

impl<'a, 'l> Pages<'a, 'l> {
    pub(super) fn new(
        file: &'a [u8],
        leaf: &'a Leaf,
        chunk: &Chunk,
        rows: usize,
        limits: &'l Limits,
    ) -> Result<Self, Fault> {
        if chunk.elsewhere {
            return Err(unread("its values lie in another file, or are encrypted"));
        }
        if leaf.repeated || leaf.kind == Kind::Other {
            return Err(unread("is a list, or not of whole numbers or bytes"));
        }
        let end = chunk.start.checked_add(chunk.bytes);
        let bytes =
            end.and_then(|end| file.get(chunk.start..end)).ok_or_else(|| bad("reaches beyond the file"))?;
        let most =
            (bytes.len() as u64).saturating_mul(limits.archive_ratio).saturating_add(limits.bomb_bytes);
        let budget = most.min(limits.unpacked_bytes);
        Ok(Self { rest: Thrift { rest: bytes }, leaf, codec: chunk.codec, rows, limits, budget })
    }

    /// Calls `take` with the values of each page until it says no; in all as many as there are rows.
    pub(super) fn each(&mut self, take: &mut dyn FnMut(&[Option<Cell>]) -> bool) -> Result<(), Fault> {
        let (mut dictionary, mut left) = (Dictionary::default(), self.rows);
        while left > 0 {
            let header = header(&mut self.rest)?;
            let packed = self.rest.take(header.packed)?;
            match header.kind {
                2 => {
                    if !matches!(header.encoding, 0 | 2) {
                        return Err(unread("has a dictionary that is not plain"));
                    }
                    dictionary =
                        Dictionary::new(self.unpacked(packed, header.size, self.codec)?, self.leaf.kind)?;
                }
                0 | 3 => {
                    if header.values > left {
                        return Err(bad("has more values than rows"));
                    }
                    let bytes = self.page(&header, packed)?;
                    let (present, values) = self.levels(&header, &bytes)?;
                    let cells = self.cells(&header, values, &dictionary, &present)?;
                    left -= header.values;
                    if !take(&cells) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A data page, its levels in front.
    fn page(&mut self, header: &Header, packed: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
        let Some(levels) = header.levels else { return self.unpacked(packed, header.size, self.codec) };
        let (front, rest) = packed.split_at_checked(levels).ok_or_else(|| bad("a page is cut"))?;
        let size = header.size.checked_sub(levels).ok_or_else(|| bad("a page is smaller than its levels"))?;
        let codec = if header.plain { 0 } else { self.codec };
        let rest = self.unpacked(rest, size, codec)?;
        Ok(if codec == 0 { Cow::Borrowed(packed) } else { Cow::Owned([front, &rest].concat()) })
    }

    fn unpacked(&mut self, packed: &'a [u8], size: usize, codec: i64) -> Result<Cow<'a, [u8]>, Fault> {
        self.budget = self.budget.checked_sub(size as u64).ok_or_else(|| {
            let caps = [cap!(self.limits, unpacked_bytes), cap!(self.limits, archive_ratio)].join(", ");
            ("parquet.limit", format!("its pages unpack to too many bytes: {caps}"))
        })?;
        let out = match codec {
            0 => Cow::Borrowed(packed),
            1 => {
                let stated = snap::raw::decompress_len(packed).map_err(|e| bad(format!("Snappy: {e}")))?;
                if stated != size {
                    return Err(bad(format!("a page states {size} bytes, its Snappy stream {stated}")));
                }
                Cow::Owned(
                    snap::raw::Decoder::new()
                        .decompress_vec(packed)
                        .map_err(|e| bad(format!("Snappy: {e}")))?,
                )
            }
            2 => {
                let out = Packing::Gzip.unpack(packed, size as u64);
                match out.error {
                    Some(why) => return Err(bad(format!("gzip: {why}"))),
                    None if out.more => return Err(bad("a page unpacks to more than it states")),
                    None => Cow::Owned(out.data),
                }
            }
            k => {
                let name = ["", "", "", "lzo", "brotli", "lz4", "zstd", "lz4"];
                let name =
                    usize::try_from(k).ok().and_then(|k| name.get(k)).copied().unwrap_or("an unknown codec");
                return Err(unread(format!(
                    "is packed with {name}; write it again with snappy, gzip or uncompressed"
                )));
            }
        };
        if out.len() == size {
            Ok(out)
        } else {
            Err(bad(format!("a page of {} bytes states {size}", out.len())))
        }
    }

    /// Which values are there, and the bytes behind the levels.
    fn levels<'p>(&self, header: &Header, bytes: &'p [u8]) -> Result<(Vec<bool>, &'p [u8]), Fault> {
        if self.leaf.optional == 0 {
            let rest = bytes.get(header.levels.unwrap_or(0)..).unwrap_or_default();
            return Ok((vec![true; header.values], rest));
        }
        let cut = || bad("the levels of a page are cut");
        let (levels, rest) = if let Some(n) = header.levels {
            bytes.split_at_checked(n).ok_or_else(cut)?
        } else {
            let (n, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
            rest.split_at_checked(u32::from_le_bytes(*n) as usize).ok_or_else(cut)?
        };
        let most = self.leaf.optional;
        let all = numbers(levels, width(most), header.values)?;
        Ok((all.into_iter().map(|n| n == u32::from(most)).collect(), rest))
    }

    fn cells<'p>(
        &self,
        header: &Header,
        values: &'p [u8],
        dictionary: &'p Dictionary,
        present: &[bool],
    ) -> Result<Vec<Option<Cell<'p>>>, Fault> {
        let count = present.iter().filter(|p| **p).count();
        let mut found = match header.encoding {
            0 => plain(values, self.leaf.kind, count)?,
            2 | 8 => {
                let (&bits, rest) = values.split_first().unwrap_or((&0, &[]));
                let places = if count == 0 { Vec::new() } else { numbers(rest, u32::from(bits), count)? };
                let at = |k: u32| {
                    dictionary.get(k as usize).ok_or_else(|| bad(format!("its dictionary has no value {k}")))
                };
                places.into_iter().map(at).collect::<Result<_, _>>()?
            }
            k => return Err(unread(format!("is written in encoding {k}; plain and dictionary are read"))),
        }
        .into_iter();
        Ok(present.iter().map(|&p| if p { found.next() } else { None }).collect())
    }
}

/// The first `count` values one after the other; `usize::MAX`: all.
fn plain(mut bytes: &[u8], kind: Kind, count: usize) -> Result<Vec<Cell<'_>>, Fault> {
    let cut = || bad("the values of a page are cut");
    let mut out = Vec::new();
    while out.len() < count && !(count == usize::MAX && bytes.is_empty()) {
        let (cell, rest) = match kind {
            Kind::Int32 => {
                let (n, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
                (Cell::Int(i64::from(i32::from_le_bytes(*n))), rest)
            }
            Kind::Int64 => {
                let (n, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
                (Cell::Int(i64::from_le_bytes(*n)), rest)
            }
            Kind::Bytes => {
                let (n, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
                let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*n) as usize).ok_or_else(cut)?;
                (Cell::Bytes(value), rest)
            }
            Kind::Other => return Err(unread("is not of whole numbers or bytes")),
        };
        out.push(cell);
        bytes = rest;
    }
    Ok(out)
}

fn header(from: &mut Thrift) -> Result<Header, Fault> {
    let (mut out, mut last) = (Header::default(), 0);
    while let Some((field, kind)) = from.field(&mut last)? {
        match (field, kind) {
            (1, 5) => out.kind = from.int()?,
            (2, 5) => out.size = from.size()?,
            (3, 5) => out.packed = from.size()?,
            (5 | 7 | 8, STRUCT) => {
                let second = field == 8;
                let (mut levels, mut inner) = (0usize, 0);
                while let Some((part, kind)) = from.field(&mut inner)? {
                    match (part, kind) {
                        (1, 5) => out.values = from.size()?,
                        (2, 5) if !second => out.encoding = from.int()?,
                        (3, 5) if field == 5 => {
                            let levels = from.int()?;
                            if levels != 3 {
                                return Err(unread("has levels of the old form"));
                            }
                        }
                        (4, 5) if second => out.encoding = from.int()?,
                        (5 | 6, 5) if second => levels = levels.saturating_add(from.size()?),
                        (7, 1 | 2) if second => out.plain = kind != TRUE,
                        _ => from.skip(kind)?,
                    }
                }
                if second {
                    out.levels = Some(levels);
                }
            }
            _ => from.skip(kind)?,
        }
    }
    Ok(out)
}
