//! Object headers: the messages of an object, over all blocks of its header.

use super::fault::Fault;
use super::raw::Raw;

/// Blocks of one header.
const BLOCKS: usize = 1000;
/// Messages of one object.
const MESSAGES: usize = 65_536;

/// A message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: u64,
    /// Its body lies elsewhere.
    pub(super) shared: bool,
    /// Offset of the body.
    pub(super) at: u64,
    pub(super) body: &'a [u8],
}

/// All messages of the object at an address, in order.
pub(super) fn messages<'a>(raw: &Raw<'a>, at: u64) -> Result<Vec<Message<'a>>, Fault> {
    let missing = || Fault::bad(at, "no object header is there");
    let second = raw.get(at, 4) == Some(b"OHDR");
    let (first, head) = if second {
        if raw.byte(at + 4) != Some(2) {
            return Err(Fault::unread(at, "an object header of an unknown version"));
        }
        let flags = raw.byte(at + 5).ok_or_else(missing)?;
        let next = at + 6 + if flags & 0x20 == 0 { 0 } else { 16 } + if flags & 0x10 == 0 { 0 } else { 4 };
        let width = 1usize << (flags & 3);
        let len = raw.number(next, width).ok_or_else(missing)?;
        ((next + width as u64, len), 4 + if flags & 4 == 0 { 0 } else { 2 })
    } else {
        if raw.byte(at) != Some(1) {
            return Err(missing());
        }
        ((at + 16, raw.number(at + 8, 4).ok_or_else(missing)?), 8)
    };
    let (mut blocks, mut done, mut out) = (vec![first], 0, Vec::new());
    while let Some((start, len)) = blocks.pop() {
        done += 1;
        if done > BLOCKS {
            return Err(Fault::bad(at, format!("a header of more than {BLOCKS} blocks")));
        }
        let block = raw.need(start, len)?;
        let mut next = raw.cursor(start, block);
        while next.rest.len() >= head {
            let place = next.at;
            let (kind, size, flags) = if second {
                let (kind, size, flags) = (next.plain(1)?, next.u16()?, next.u8()?);
                next.take(head - 4)?;
                (kind, size, flags)
            } else {
                let (kind, size, flags) = (next.plain(2)?, next.u16()?, next.u8()?);
                next.take(3)?;
                (kind, size, flags)
            };
            let at = next.at;
            let body = next
                .take(usize::from(size))
                .map_err(|_| Fault::bad(place, "a message reaches beyond its block"))?;
            if kind == 0x10 {
                let mut to = raw.cursor(at, body);
                let (start, len) = (to.address()?, to.length()?);
                // Of version 2: a signature in front, a checksum behind.
                blocks.push(if second {
                    (start.saturating_add(4), len.saturating_sub(8))
                } else {
                    (start, len)
                });
            }
            if out.len() >= MESSAGES {
                return Err(Fault::bad(place, format!("an object of more than {MESSAGES} messages")));
            }
            out.push(Message { kind, shared: flags & 2 != 0, at, body });
        }
    }
    Ok(out)
}

/// The message of a kind; `None` when there is none.
pub(super) fn find<'m, 'a>(all: &'m [Message<'a>], kind: u64) -> Result<Option<&'m Message<'a>>, Fault> {
    match all.iter().find(|m| m.kind == kind) {
        Some(m) if m.shared => Err(Fault::unread(m.at, "a message that is shared with other objects")),
        found => Ok(found),
    }
}
