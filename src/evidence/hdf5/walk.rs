//! As far as it takes to see where a file reaches out of itself: its groups and links, and the messages of its objects.
//! Data is never read, and what is damaged ends a branch, not the walk.

use super::raw::{NOWHERE, Raw};
use crate::evidence::limits::{Limits, cap};
use std::collections::HashSet;

/// Blocks of one object's header.
const BLOCKS: usize = 1000;
/// Something in the file that another file is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Offset of the message or block.
    pub at: u64,
    /// What kind: "external link", "external data".
    pub kind: &'static str,
    /// File names and paths, as far as they are text.
    pub names: Vec<String>,
}

/// What was seen of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hdf5 {
    /// Version of the superblock.
    pub version: u8,
    /// Objects visited.
    pub objects: usize,
    /// Where it reaches out.
    pub outside: Vec<Outside>,
    /// Why the walk ended early, if it did.
    pub broken: Option<String>,
}

struct Walk<'a> {
    raw: Raw<'a>,
    offsets: usize,
    lengths: usize,
    open: Vec<u64>,
    seen: HashSet<u64>,
    out: Hdf5,
}

/// Walks the groups of a file. Never fails: what cannot be followed ends that branch.
pub fn read(bytes: &[u8]) -> Hdf5 {
    let Some(raw) = Raw::open(bytes) else {
        let broken = Some("its superblock is damaged or unknown".to_owned());
        let version = bytes.get(8).copied().filter(|_| bytes.starts_with(b"\x89HDF")).unwrap_or_default();
        return Hdf5 { version, broken, ..Hdf5::default() };
    };
    let mut walk = Walk {
        raw,
        offsets: raw.offsets,
        lengths: raw.lengths,
        open: vec![raw.root],
        seen: HashSet::new(),
        out: Hdf5 { version: raw.version, ..Hdf5::default() },
    };
    let most = Limits::in_force().hdf5_objects;
    while let Some(at) = walk.open.pop() {
        if !walk.seen.insert(at) {
            continue;
        }
        if walk.seen.len() > most {
            walk.out.broken = Some(format!("too many objects: {}", cap!(Limits::in_force(), hdf5_objects)));
            break;
        }
        walk.object(at);
    }
    walk.out.objects = walk.seen.len();
    walk.dense_links();
    walk.out
}

impl<'a> Walk<'a> {
    fn get(&self, at: u64, n: usize) -> Option<&'a [u8]> {
        self.raw.get(at, n)
    }

    fn number(&self, at: u64, width: usize) -> Option<u64> {
        self.raw.number(at, width)
    }

    /// The messages of an object, block by block.
    fn object(&mut self, at: u64) {
        let (mut blocks, mut done) = (Vec::new(), 0);
        let second = self.get(at, 4) == Some(b"OHDR");
        let first = if second { self.second_header(at) } else { self.first_header(at) };
        blocks.extend(first);
        while let Some((start, len, order)) = blocks.pop() {
            done += 1;
            if done > BLOCKS {
                return;
            }
            let more = self.messages(start, len, second, order);
            blocks.extend(
                more.into_iter()
                    .map(|(s, l)| if second { (s + 4, l.saturating_sub(8), order) } else { (s, l, order) }),
            );
        }
    }

    fn first_header(&self, at: u64) -> Option<(u64, u64, bool)> {
        (self.raw.byte(at)? == 1).then_some(())?;
        Some((at + 16, self.number(at + 8, 4)?, false))
    }

    fn second_header(&self, at: u64) -> Option<(u64, u64, bool)> {
        let flags = self.raw.byte(at + 5)?;
        let mut next = at + 6;
        if flags & 0x20 != 0 {
            next += 16;
        }
        if flags & 0x10 != 0 {
            next += 4;
        }
        let width = 1usize << (flags & 3);
        Some((next + width as u64, self.number(next, width)?, flags & 4 != 0))
    }

    /// Looks at the messages of a block; hands back the blocks that continue it.
    fn messages(&mut self, start: u64, len: u64, second: bool, order: bool) -> Vec<(u64, u64)> {
        let (mut at, end) = (start, start.saturating_add(len));
        let mut more = Vec::new();
        let head: u64 = if second { 4 + if order { 2 } else { 0 } } else { 8 };
        while at.saturating_add(head) <= end {
            let (kind, size) = if second {
                (self.number(at, 1), self.number(at + 1, 2))
            } else {
                (self.number(at, 2), self.number(at + 2, 2))
            };
            let (Some(kind), Some(size)) = (kind, size) else { break };
            // Two bytes of ones are a number here, not an address.
            let size = if size == NOWHERE { 0xffff } else { size };
            let body = at + head;
            match kind {
                0x06 => {
                    self.link(body);
                }
                0x07 => self.external_data(at, body),
                0x10 => {
                    let found = self
                        .number(body, self.offsets)
                        .zip(self.number(body + self.offsets as u64, self.lengths));
                    more.extend(found);
                }
                0x11 => {
                    let tree = self.number(body, self.offsets);
                    if let Some(tree) = tree {
                        self.tree(tree);
                    }
                }
                _ => {}
            }
            at = body.saturating_add(size);
        }
        more
    }

    /// A link message: hard links are followed, external ones are kept.
    fn link(&mut self, at: u64) -> Option<()> {
        let flags = self.raw.byte(at + 1)?;
        let mut next = at + 2;
        let kind = if flags & 8 != 0 {
            next += 1;
            self.raw.byte(next - 1)?
        } else {
            0
        };
        next += if flags & 4 != 0 { 8 } else { 0 } + u64::from(flags & 0x10 != 0);
        let width = 1usize << (flags & 3);
        let name = self.number(next, width)?;
        next = next.checked_add(width as u64)?.checked_add(name)?;
        match kind {
            0 => {
                let to = self.number(next, self.offsets)?;
                self.open.push(to);
            }
            64 => {
                let len = self.number(next, 2)?;
                let info = self.get(next + 2, usize::try_from(len).ok()?)?;
                self.out.outside.push(Outside { at, kind: "external link", names: texts(info.get(1..)?) });
            }
            _ => {}
        }
        Some(())
    }

    fn external_data(&mut self, at: u64, body: u64) {
        let heap = self.number(body + 8, self.offsets);
        let names = heap.and_then(|h| self.heap_names(h)).unwrap_or_default();
        self.out.outside.push(Outside { at, kind: "external data", names });
    }

    /// The texts of a local heap.
    fn heap_names(&self, at: u64) -> Option<Vec<String>> {
        (self.get(at, 4)? == b"HEAP").then_some(())?;
        let size = self.number(at + 8, self.lengths)?;
        let data = self.number(at + 8 + 2 * self.lengths as u64, self.offsets)?;
        Some(texts(self.get(data, usize::try_from(size.min(1 << 16)).ok()?)?))
    }

    /// A group's tree of symbol nodes.
    fn tree(&mut self, root: u64) {
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            if !self.seen.insert(at) || self.seen.len() > Limits::in_force().hdf5_objects {
                continue;
            }
            match self.get(at, 4) {
                Some(b"TREE") => {
                    let entries = self.number(at + 6, 2).filter(|&n| n != NOWHERE).unwrap_or(0);
                    let first = at + 8 + 2 * self.offsets as u64 + self.lengths as u64;
                    let step = (self.offsets + self.lengths) as u64;
                    open.extend((0..entries).map_while(|i| self.number(first + i * step, self.offsets)));
                }
                Some(b"SNOD") => {
                    let entries = self.number(at + 6, 2).filter(|&n| n != NOWHERE).unwrap_or(0);
                    let step = 2 * self.offsets as u64 + 24;
                    for i in 0..entries {
                        let Some(to) = self.number(at + 8 + i * step + self.offsets as u64, self.offsets)
                        else {
                            break;
                        };
                        self.open.push(to);
                    }
                }
                _ => {}
            }
        }
    }

    /// Links of large groups lie in blocks of a heap whose index is not followed; those that leave the file are found
    /// by their form.
    fn dense_links(&mut self) {
        let (mut from, bytes) = (0usize, self.raw.all());
        while let Some(found) = memchr::memmem::find(bytes.get(from..).unwrap_or_default(), b"FHDB") {
            let start = from + found;
            let block = bytes.get(start..bytes.len().min(start + (1 << 16))).unwrap_or_default();
            for (i, window) in block.windows(3).enumerate() {
                // Version 1, a type is given, and it is an external link.
                if matches!(window, [1, flags, 64] if flags & 8 != 0 && flags & 0xe0 == 0) {
                    let before = self.out.outside.len();
                    self.link(((start + i) as u64).saturating_sub(self.raw.base()));
                    let bad = self.out.outside.last().is_some_and(|o| o.names.len() < 2);
                    if bad && self.out.outside.len() > before {
                        self.out.outside.pop();
                    }
                }
            }
            from = start + 4;
            if self.out.outside.len() > 1000 {
                break;
            }
        }
    }
}

/// Texts that end with a NUL.
fn texts(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|&b| b == 0)
        .filter(|t| !t.is_empty())
        .filter_map(|t| std::str::from_utf8(t).ok())
        .map(str::to_owned)
        .take(16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A superblock of version 2 whose root lies at `root`, and an object header there when that is 48.
    fn file(root: u64, continuation: u64) -> Vec<u8> {
        let mut bytes = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0".to_vec();
        for address in [0, u64::MAX, 4096, root] {
            bytes.extend(address.to_le_bytes());
        }
        bytes.extend([0; 4]);
        // Version 1: 12 bytes and padding, then one message of kind 0x10 (the block goes on elsewhere).
        bytes.extend([1, 0, 1, 0, 1, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0x10, 0, 16, 0, 0, 0, 0, 0]);
        bytes.extend(continuation.to_le_bytes());
        bytes.extend(64u64.to_le_bytes());
        bytes
    }

    #[test]
    fn addresses_behind_the_end_of_all_files_are_followed_nowhere() {
        for far in [u64::MAX - 1, u64::MAX - 7, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 62] {
            assert!(read(&file(far, 0)).outside.is_empty());
            let read = read(&file(48, far));
            assert_eq!((read.version, read.outside.len()), (2, 0), "{far:x}");
        }
    }
}
