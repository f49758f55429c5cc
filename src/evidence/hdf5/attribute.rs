//! Attributes: names, and texts of fixed and of variable length.

use super::fault::Fault;
use super::header::Message;
use super::kind::{Kind, extents};
use super::raw::{Cursor, Raw};
use crate::evidence::limits::{Limits, cap};

/// Objects of one collection of the global heap that are looked at.
const HEAP_OBJECTS: usize = 65_536;

/// The texts of the attribute of a name; `None` when there is none. `messages` are those of its object; `budget` is what
/// may still be read of texts, in bytes and objects looked at.
pub(super) fn texts(
    raw: &Raw,
    messages: &[Message],
    wanted: &str,
    budget: &mut u64,
    limits: &Limits,
) -> Result<Option<Vec<String>>, Fault> {
    for message in messages.iter().filter(|m| m.kind == 0x0c) {
        if message.shared {
            return Err(Fault::unread(message.at, "an attribute that is shared with other objects"));
        }
        let mut from = raw.cursor(message.at, message.body);
        let (version, flags) = (from.u8()?, from.u8()?);
        if !(1..=3).contains(&version) {
            return Err(Fault::unread(message.at, format!("an attribute of version {version}")));
        }
        let sizes = [from.u16()?, from.u16()?, from.u16()?].map(usize::from);
        if version == 3 {
            from.u8()?;
        }
        // The first version pads each part to eight bytes.
        let mut part = |n: usize| -> Result<Cursor, Fault> {
            let at = from.at;
            let whole = if version == 1 { n.next_multiple_of(8) } else { n };
            let bytes = from.take(whole)?;
            Ok(raw.cursor(at, bytes.get(..n).unwrap_or(bytes)))
        };
        let [name, kind, space] = sizes;
        let name = part(name)?.rest.split(|&b| b == 0).next().unwrap_or_default();
        if name != wanted.as_bytes() {
            continue;
        }
        let (mut kind, mut space) = (part(kind)?, part(space)?);
        if version > 1 && flags & 3 != 0 {
            return Err(Fault::unread(message.at, "an attribute with a type of its own file-wide name"));
        }
        let kind = Kind::read(&mut kind)?;
        let shape = extents(&mut space, limits)?;
        let count: usize = shape.iter().product();
        let width = kind.width(raw.offsets);
        let mut out = Vec::new();
        for _ in 0..count {
            let at = from.at;
            let element = from.take(width)?;
            let mut seen = 1;
            let bytes = match kind {
                Kind::Text(_) => element,
                Kind::Heap => in_heap(raw, at, element, &mut seen)?,
                Kind::Number { .. } => return Err(Fault::unread(at, "an attribute that is no text")),
            };
            let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
            let bytes = bytes.get(..end).unwrap_or_default();
            // One text may be asked for any number of times.
            *budget = budget.checked_sub(bytes.len() as u64 + seen).ok_or_else(|| {
                Fault::limit(at, format!("too much text in attributes; {}", cap!(limits, text_bytes)))
            })?;
            let text = std::str::from_utf8(bytes).map_err(|_| Fault::bad(at, "a text is no UTF-8"))?;
            out.push(text.trim_end_matches(' ').to_owned());
        }
        return Ok(Some(out));
    }
    match messages.iter().find(|m| m.kind == 0x15) {
        Some(info) if dense(raw, info)? => Err(Fault::unread(
            info.at,
            "attributes that lie in a fractal heap; save the model with h5py's usual libver",
        )),
        _ => Ok(None),
    }
}

/// Whether an attribute-info message names a fractal heap.
fn dense(raw: &Raw, info: &Message) -> Result<bool, Fault> {
    let mut from = raw.cursor(info.at, info.body);
    let (_version, flags) = (from.u8()?, from.u8()?);
    from.take(if flags & 1 == 0 { 0 } else { 2 })?;
    Ok(from.address()? != super::raw::NOWHERE)
}

/// What an element of variable length stands for: length, collection, index. Counts what it looks at.
fn in_heap<'a>(raw: &Raw<'a>, at: u64, element: &'a [u8], seen: &mut u64) -> Result<&'a [u8], Fault> {
    let mut from = raw.cursor(at, element);
    let (len, collection, index) = (from.u32()?, from.address()?, from.u32()?);
    if len == 0 {
        return Ok(&[]);
    }
    if raw.get(collection, 5) != Some(b"GCOL\x01") {
        return Err(Fault::bad(collection, "no collection of the global heap is there"));
    }
    let size = raw.number(collection + 8, raw.lengths).unwrap_or_default();
    let whole = raw.need(collection, size)?;
    let head = 8 + raw.lengths;
    let mut objects = raw.cursor(collection + head as u64, whole.get(head..).unwrap_or_default());
    for _ in 0..HEAP_OBJECTS {
        if objects.rest.len() < 8 + raw.lengths {
            break;
        }
        *seen += 1;
        let here = u32::from(objects.u16()?);
        objects.take(6)?;
        let size = usize::try_from(objects.length()?).unwrap_or(usize::MAX);
        if here == index && here != 0 {
            let text = objects.take(size)?;
            return text
                .get(..len as usize)
                .ok_or_else(|| Fault::bad(objects.at, "a text is longer than its place in the global heap"));
        }
        if here == 0 {
            break;
        }
        objects.take(size.saturating_add(7) & !7)?;
    }
    Err(Fault::bad(collection, format!("the global heap has no object {index}")))
}
