//! The members of a group: a symbol table, or link messages.

use super::fault::Fault;
use super::header::{self, Message};
use super::raw::{NOWHERE, Raw};
use crate::evidence::limits::{Limits, cap};
use std::collections::HashSet;

/// Bytes of one name.
const NAME: usize = 1024;

/// A member's name and the address of its header.
pub(super) type Link = (String, u64);

/// The members of a group in the order of the file; `None` when the object is no group.
pub(super) fn links(raw: &Raw, messages: &[Message], limits: &Limits) -> Result<Option<Vec<Link>>, Fault> {
    let mut out = Vec::new();
    if let Some(table) = header::find(messages, 0x11)? {
        let mut from = raw.cursor(table.at, table.body);
        let (tree, heap) = (from.address()?, from.address()?);
        symbols(raw, tree, heap, &mut out, limits)?;
        return Ok(Some(out));
    }
    let info = header::find(messages, 0x02)?;
    for message in messages.iter().filter(|m| m.kind == 0x06) {
        out.extend(link(raw, message)?);
    }
    let Some(info) = info else { return Ok((!out.is_empty()).then_some(out)) };
    let mut from = raw.cursor(info.at, info.body);
    let (_version, flags) = (from.u8()?, from.u8()?);
    if flags & 1 != 0 {
        from.take(8)?;
    }
    if from.address()? != NOWHERE {
        let reason = "a large group of the newer form (its links lie in a fractal heap); save the model with h5py's \
                      usual libver";
        return Err(Fault::unread(info.at, reason));
    }
    Ok(Some(out))
}

fn name(bytes: &[u8], at: u64) -> Result<String, Fault> {
    if bytes.len() > NAME {
        return Err(Fault::limit(at, format!("a name of {} bytes, {NAME} are read", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::bad(at, "a name is no UTF-8"))?;
    Ok(text.to_owned())
}

/// A link message; `None` for links that are not followed (soft, external: triage reports those).
fn link(raw: &Raw, message: &Message) -> Result<Option<Link>, Fault> {
    let mut from = raw.cursor(message.at, message.body);
    let (version, flags) = (from.u8()?, from.u8()?);
    if version != 1 {
        return Err(Fault::unread(message.at, format!("a link of version {version}")));
    }
    let kind = if flags & 8 == 0 { 0 } else { from.u8()? };
    from.take(if flags & 4 == 0 { 0 } else { 8 })?;
    from.take(usize::from(flags & 0x10 != 0))?;
    let len = usize::try_from(from.plain(1 << (flags & 3))?).unwrap_or(usize::MAX);
    let name = name(from.take(len)?, message.at)?;
    Ok(if kind == 0 { Some((name, from.address()?)) } else { None })
}

/// Walks the tree of a symbol table.
fn symbols(raw: &Raw, tree: u64, heap: u64, out: &mut Vec<Link>, limits: &Limits) -> Result<(), Fault> {
    let heap_bytes = local_heap(raw, heap)?;
    let (mut open, mut seen) = (vec![tree], HashSet::new());
    while let Some(at) = open.pop() {
        let cut = || Fault::bad(at, "a group's node is cut");
        if !seen.insert(at) {
            return Err(Fault::bad(at, "a group's tree runs in a circle"));
        }
        if seen.len() > limits.hdf5_objects || out.len() > limits.hdf5_objects {
            return Err(Fault::limit(at, format!("a group too large; {}", cap!(limits, hdf5_objects))));
        }
        let entries = |n: Option<u64>| n.filter(|&n| n != NOWHERE).ok_or_else(cut);
        match raw.get(at, 4) {
            Some(b"TREE") => {
                let count = entries(raw.number(at + 6, 2))?;
                let first = at + 8 + 2 * raw.offsets as u64 + raw.lengths as u64;
                let step = (raw.offsets + raw.lengths) as u64;
                for i in (0..count).rev() {
                    open.push(raw.number(first + i * step, raw.offsets).ok_or_else(cut)?);
                }
            }
            Some(b"SNOD") => {
                let count = entries(raw.number(at + 6, 2))?;
                let step = 2 * raw.offsets as u64 + 24;
                for i in 0..count {
                    let entry = at + 8 + i * step;
                    let place = raw.number(entry, raw.offsets).ok_or_else(cut)?;
                    let to = raw.number(entry + raw.offsets as u64, raw.offsets).ok_or_else(cut)?;
                    let cache = raw.number(entry + 2 * raw.offsets as u64, 4).ok_or_else(cut)?;
                    let text = usize::try_from(place).ok().and_then(|p| heap_bytes.get(p..));
                    let text = text.and_then(|t| t.split(|&b| b == 0).next()).ok_or_else(cut)?;
                    // 2: a symbolic link, which is not followed.
                    if cache != 2 {
                        out.push((name(text, entry)?, to));
                    }
                }
            }
            _ => return Err(Fault::bad(at, "neither a tree nor a node of a group")),
        }
    }
    Ok(())
}

/// The data of a local heap.
fn local_heap<'a>(raw: &Raw<'a>, at: u64) -> Result<&'a [u8], Fault> {
    let fault = || Fault::bad(at, "no local heap is there");
    if raw.get(at, 4) != Some(b"HEAP") {
        return Err(fault());
    }
    let size = raw.number(at + 8, raw.lengths).ok_or_else(fault)?;
    let data = raw.number(at + 8 + 2 * raw.lengths as u64, raw.offsets).ok_or_else(fault)?;
    raw.need(data, size)
}
