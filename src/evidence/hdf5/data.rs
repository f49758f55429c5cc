//! Arrays: where their bytes lie, and the filters they went through.

use super::chunks::{self, Chunking};
use super::fault::Fault;
use super::header::{self, Message};
use super::kind::{Kind, extents};
use super::raw::{NOWHERE, Raw};
use crate::evidence::Untrusted;
use crate::evidence::archive::unpack::Packing;
use crate::evidence::array::{Dtype, RawArray};
use crate::evidence::limits::Limits;
use std::borrow::Cow;
use std::path::Path;

/// Filters of one array.
const FILTERS: u64 = 8;

/// Numbers with their shape.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    /// Type of an element.
    pub dtype: Dtype,
    /// Extents; empty for one number.
    pub shape: Vec<usize>,
    /// The elements, row by row.
    pub data: Cow<'a, [u8]>,
    /// Whether elements are stored most significant byte first.
    pub big_endian: bool,
}

impl Array<'_> {
    /// As an array of a file, to be converted.
    pub fn raw<'r>(&'r self, path: &'r Path, name: &'r Untrusted) -> RawArray<'r> {
        RawArray {
            path,
            name,
            dtype: self.dtype,
            shape: &self.shape,
            data: &self.data,
            big_endian: self.big_endian,
            fortran: false,
        }
    }
}

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Deflate,
    Shuffle,
    Checksum,
}

/// Reads the array of an object. `budget` is what may still be unpacked or copied of the file, in bytes.
pub(super) fn read<'a>(
    raw: &Raw<'a>,
    at: u64,
    messages: &[Message<'a>],
    budget: &mut u64,
    limits: &Limits,
) -> Result<Array<'a>, Fault> {
    let need = |kind: u64, what: &str| {
        header::find(messages, kind)?.ok_or_else(|| Fault::bad(at, format!("no array: it has no {what}")))
    };
    let (space, kind) = (need(0x01, "extents")?, need(0x03, "element type")?);
    let layout = need(0x08, "layout")?;
    let shape = extents(&mut raw.cursor(space.at, space.body), limits)?;
    let Kind::Number { dtype, big_endian } = Kind::read(&mut raw.cursor(kind.at, kind.body))? else {
        return Err(Fault::unread(kind.at, "an array of text"));
    };
    if let Some(outside) = messages.iter().find(|m| m.kind == 0x07) {
        return Err(Fault::unread(outside.at, "an array whose numbers lie in another file"));
    }
    let width = dtype.bitsize() / 8;
    let count: usize = shape.iter().product();
    let bytes = count.checked_mul(width).ok_or_else(|| Fault::bad(at, "an array too large"))?;
    let over = || {
        Fault::limit(
            at,
            format!("an array of {bytes} bytes; the file's arrays may not take so many together"),
        )
    };
    *budget = budget.checked_sub(bytes as u64).ok_or_else(over)?;
    let filters = filters(raw, messages)?;
    let mut from = raw.cursor(layout.at, layout.body);
    let (version, class) = (from.u8()?, from.u8()?);
    if !matches!(version, 3 | 4) {
        return Err(Fault::unread(layout.at, format!("a layout of version {version}")));
    }
    let plain = |data: &'a [u8]| {
        if !filters.is_empty() {
            return Err(Fault::bad(layout.at, "filters on an array that is not chunked"));
        }
        let data =
            data.get(..bytes).ok_or_else(|| Fault::bad(layout.at, "fewer bytes than its extents need"))?;
        Ok(Cow::Borrowed(data))
    };
    let data = match class {
        0 => {
            let size = usize::from(from.u16()?);
            plain(from.take(size)?)?
        }
        1 => {
            let (at, size) = (from.address()?, from.length()?);
            match at {
                NOWHERE if bytes == 0 => Cow::Borrowed(&[][..]),
                NOWHERE => return Err(Fault::bad(layout.at, "an array whose numbers were never written")),
                at => plain(raw.need(at, size)?)?,
            }
        }
        2 => {
            let chunking = Chunking::read(&mut from, version, &shape, width, &filters)?;
            Cow::Owned(chunks::gather(raw, &chunking, &shape, width, budget, limits)?)
        }
        _ => return Err(Fault::unread(layout.at, format!("a layout of class {class}"))),
    };
    Ok(Array { dtype, shape, data, big_endian })
}

fn filters(raw: &Raw, messages: &[Message]) -> Result<Vec<Filter>, Fault> {
    let Some(message) = header::find(messages, 0x0b)? else { return Ok(Vec::new()) };
    let mut from = raw.cursor(message.at, message.body);
    let (version, count) = (from.u8()?, u64::from(from.u8()?));
    if !matches!(version, 1 | 2) || count > FILTERS {
        return Err(Fault::unread(message.at, format!("{count} filters of version {version}")));
    }
    from.take(if version == 1 { 6 } else { 0 })?;
    let mut out = Vec::new();
    for _ in 0..count {
        let id = from.u16()?;
        let name = if version == 1 || id >= 256 { usize::from(from.u16()?) } else { 0 };
        let (_flags, values) = (from.u16()?, usize::from(from.u16()?));
        from.take(if version == 1 { name.next_multiple_of(8) } else { name })?;
        from.take(4 * (values + usize::from(version == 1 && values % 2 == 1)))?;
        out.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Checksum,
            4 => return Err(Fault::unread(message.at, "an array packed by szip")),
            32_000 => return Err(Fault::unread(message.at, "an array packed by lzf")),
            _ => return Err(Fault::unread(message.at, format!("an array that went through filter {id}"))),
        });
    }
    Ok(out)
}

/// Undoes the filters of a chunk that is to have `bytes` bytes. Bit k of `mask`: filter k was left out.
pub(super) fn undo<'a>(
    packed: &'a [u8],
    filters: &[Filter],
    mask: u32,
    bytes: usize,
    width: usize,
    at: u64,
) -> Result<Cow<'a, [u8]>, Fault> {
    let mut data = Cow::Borrowed(packed);
    for (k, filter) in filters.iter().enumerate().rev().filter(|(k, _)| mask >> k & 1 == 0) {
        // A checksum that is taken before packing is packed with the rest.
        let behind = filters.iter().take(k).filter(|f| **f == Filter::Checksum).count() * 4;
        data = match filter {
            Filter::Deflate => {
                let out = Packing::Zlib.unpack(&data, (bytes + behind) as u64);
                if let Some(why) = out.error {
                    return Err(Fault::bad(at, format!("a chunk does not unpack: {why}")));
                }
                if out.more {
                    return Err(Fault::bad(at, "a chunk unpacks to more than its extents"));
                }
                Cow::Owned(out.data)
            }
            Filter::Shuffle => Cow::Owned(unshuffled(&data, width)),
            Filter::Checksum => {
                let keep = data.len().checked_sub(4).ok_or_else(|| Fault::bad(at, "a chunk is cut"))?;
                match data {
                    Cow::Borrowed(b) => Cow::Borrowed(b.get(..keep).unwrap_or_default()),
                    Cow::Owned(mut v) => {
                        v.truncate(keep);
                        Cow::Owned(v)
                    }
                }
            }
        };
    }
    if data.len() != bytes {
        return Err(Fault::bad(at, format!("a chunk of {} bytes, its extents need {bytes}", data.len())));
    }
    Ok(data)
}

/// Bytes that lie by their place in the element, put back element by element.
fn unshuffled(data: &[u8], width: usize) -> Vec<u8> {
    let count = data.len() / width.max(1);
    let mut out = vec![0; data.len()];
    for (k, plane) in data.chunks_exact(count.max(1)).take(width).enumerate() {
        for (to, from) in out.iter_mut().skip(k).step_by(width).zip(plane) {
            *to = *from;
        }
    }
    // What does not fill an element stays where it is.
    let whole = count * width;
    out.iter_mut().zip(data).skip(whole).for_each(|(to, from)| *to = *from);
    out
}
