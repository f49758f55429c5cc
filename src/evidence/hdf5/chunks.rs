//! Arrays in chunks: the index that names them, and putting them together.

use super::data::{Filter, undo};
use super::fault::Fault;
use super::raw::{Cursor, NOWHERE, Raw};
use crate::evidence::limits::{Limits, cap};
use std::collections::HashSet;

/// How an array is cut.
#[derive(Debug, Clone)]
pub(super) struct Chunking<'f> {
    at: u64,
    /// Extents of a chunk.
    extents: Vec<usize>,
    index: Index,
    filters: &'f [Filter],
}

#[derive(Debug, Clone, Copy)]
enum Index {
    /// A B-tree of version 1 at an address.
    Tree(u64),
    /// The one chunk: address, packed bytes, filters left out.
    One(u64, u64, u32),
    /// All chunks one after the other, unpacked.
    Row(u64),
}

/// A chunk: where in the array, where in the file.
struct Chunk {
    offset: Vec<usize>,
    at: u64,
    size: u64,
    mask: u32,
}

impl<'f> Chunking<'f> {
    /// The rest of a layout message after version and class.
    pub(super) fn read(
        from: &mut Cursor,
        version: u8,
        shape: &[usize],
        width: usize,
        filters: &'f [Filter],
    ) -> Result<Self, Fault> {
        let at = from.at;
        let flags = if version == 4 { from.u8()? } else { 0 };
        // The last extent is the width of an element.
        if usize::from(from.u8()?) != shape.len() + 1 {
            return Err(Fault::bad(at, "chunks of another number of dimensions than the array"));
        }
        let mut address = NOWHERE;
        let bytes = if version == 4 {
            usize::from(from.u8()?)
        } else {
            address = from.address()?;
            4
        };
        if bytes == 0 || bytes > 8 {
            return Err(Fault::bad(at, "extents of chunks of an odd width"));
        }
        let mut extents = Vec::new();
        for _ in shape {
            extents.push(usize::try_from(from.plain(bytes)?).unwrap_or(usize::MAX));
        }
        if from.plain(bytes)? != width as u64 || extents.contains(&0) {
            return Err(Fault::bad(at, "chunks whose extents do not fit the elements"));
        }
        let whole = extents.iter().try_fold(width, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX) as u64;
        let index = if version == 4 {
            match from.u8()? {
                1 if flags & 2 != 0 => {
                    let (size, mask) = (from.length()?, from.u32()?);
                    Index::One(from.address()?, size, mask)
                }
                1 => Index::One(from.address()?, whole, u32::MAX),
                2 => Index::Row(from.address()?),
                3 => return Err(Fault::unread(at, "chunks listed in a fixed array (libver='latest')")),
                4 => return Err(Fault::unread(at, "chunks listed in an extensible array (libver='latest')")),
                5 => {
                    return Err(Fault::unread(
                        at,
                        "chunks listed in a B-tree of version 2 (libver='latest')",
                    ));
                }
                k => return Err(Fault::bad(at, format!("chunks listed in the unknown index {k}"))),
            }
        } else {
            Index::Tree(address)
        };
        Ok(Self { at, extents, index, filters })
    }

    /// Bytes of a chunk, unpacked.
    fn bytes(&self, width: usize) -> Option<usize> {
        self.extents.iter().try_fold(width, |n, &d| n.checked_mul(d))
    }
}

/// The array from its chunks; every one must be there.
pub(super) fn gather(
    raw: &Raw,
    chunking: &Chunking,
    shape: &[usize],
    width: usize,
    budget: &mut u64,
    limits: &Limits,
) -> Result<Vec<u8>, Fault> {
    let at = chunking.at;
    let bad = |reason: &str| Fault::bad(at, reason);
    let bytes = chunking.bytes(width).ok_or_else(|| bad("a chunk too large"))?;
    let grid: Vec<usize> = shape.iter().zip(&chunking.extents).map(|(&s, &c)| s.div_ceil(c)).collect();
    let wanted =
        grid.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(|| bad("too many chunks"))?;
    if wanted > limits.hdf5_objects {
        return Err(Fault::limit(at, format!("{wanted} chunks; {}", cap!(limits, hdf5_objects))));
    }
    let all = match chunking.index {
        Index::Tree(tree) => tree_chunks(raw, tree, shape.len(), limits)?,
        Index::One(at, size, mask) => vec![Chunk { offset: vec![0; shape.len()], at, size, mask }],
        Index::Row(first) => {
            let step = |k: usize| first.saturating_add((k as u64).saturating_mul(bytes as u64));
            let place = |k| Chunk {
                offset: place_in(&grid, &chunking.extents, k),
                at: step(k),
                size: bytes as u64,
                mask: 0,
            };
            (0..wanted).map(place).collect()
        }
    };
    // Every chunk is unpacked whole, also where most of it hangs over the edge.
    let all_bytes = (all.len() as u64).checked_mul(bytes as u64).ok_or_else(|| bad("chunks too large"))?;
    *budget = budget.checked_sub(all_bytes).ok_or_else(|| {
        Fault::limit(
            at,
            format!("{} chunks of {bytes} bytes are too many for a file of this size", all.len()),
        )
    })?;
    let mut out = vec![0; shape.iter().product::<usize>() * width];
    let mut seen = HashSet::new();
    for chunk in &all {
        let fits =
            chunk.offset.iter().zip(&chunking.extents).zip(shape).all(|((&o, &c), &s)| o % c == 0 && o < s);
        if !fits || !seen.insert(chunk.offset.clone()) {
            return Err(Fault::bad(chunk.at, "a chunk that is there twice, or outside the array"));
        }
        let packed = raw.need(chunk.at, chunk.size)?;
        let data = undo(packed, chunking.filters, chunk.mask, bytes, width, chunk.at)?;
        place(&mut out, shape, &data, &chunking.extents, &chunk.offset, width);
    }
    if seen.len() == wanted { Ok(out) } else { Err(bad("chunks are missing")) }
}

/// Where chunk `k` in row-major order lies.
fn place_in(grid: &[usize], extents: &[usize], mut k: usize) -> Vec<usize> {
    let mut offset: Vec<usize> = grid
        .iter()
        .zip(extents)
        .rev()
        .map(|(&n, &c)| {
            let i = k % n.max(1);
            k /= n.max(1);
            i * c
        })
        .collect();
    offset.reverse();
    offset
}

/// The chunks of a B-tree of version 1.
fn tree_chunks(raw: &Raw, tree: u64, rank: usize, limits: &Limits) -> Result<Vec<Chunk>, Fault> {
    let (mut open, mut seen, mut out) = (vec![tree], HashSet::new(), Vec::new());
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            return Err(Fault::bad(at, "the tree of an array's chunks runs in a circle"));
        }
        if seen.len() > limits.hdf5_objects || out.len() > limits.hdf5_objects {
            return Err(Fault::limit(at, format!("too many chunks; {}", cap!(limits, hdf5_objects))));
        }
        if raw.get(at, 5) != Some(b"TREE\x01") {
            return Err(Fault::bad(at, "no tree of chunks is there"));
        }
        let cut = || Fault::bad(at, "a tree of chunks is cut");
        let level = raw.byte(at + 5).ok_or_else(cut)?;
        let count = raw.number(at + 6, 2).filter(|&n| n != NOWHERE).ok_or_else(cut)?;
        let key = 8 + 8 * (rank as u64 + 1);
        let first = at + 8 + 2 * raw.offsets as u64;
        for i in 0..count {
            let from = first + i * (key + raw.offsets as u64);
            let child = raw.number(from + key, raw.offsets).ok_or_else(cut)?;
            if level > 0 {
                open.push(child);
                continue;
            }
            let size = raw.number(from, 4).ok_or_else(cut)?;
            let mask = raw.number(from + 4, 4).and_then(|m| u32::try_from(m).ok()).ok_or_else(cut)?;
            let offset: Option<Vec<usize>> = (0..rank as u64)
                .map(|d| raw.number(from + 8 + 8 * d, 8).and_then(|o| usize::try_from(o).ok()))
                .collect();
            out.push(Chunk { offset: offset.ok_or_else(cut)?, at: child, size, mask });
        }
    }
    Ok(out)
}

/// Copies the rows of a chunk that lie inside the array.
fn place(out: &mut [u8], shape: &[usize], chunk: &[u8], extents: &[usize], offset: &[usize], width: usize) {
    let Some((&last, outer)) = shape.split_last() else {
        out.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        return;
    };
    let (row, first) = (extents.last().copied().unwrap_or(1), offset.last().copied().unwrap_or(0));
    let keep = row.min(last - first) * width;
    let mut index = vec![0usize; outer.len()];
    for from in chunk.chunks_exact(row * width) {
        let inside = index.iter().zip(offset).zip(outer).all(|((&i, &o), &s)| o + i < s);
        let to =
            index.iter().zip(offset).zip(outer).fold(0, |n, ((&i, &o), &s)| n * s + o + i) * last + first;
        if inside
            && let (Some(to), Some(from)) = (out.get_mut(to * width..to * width + keep), from.get(..keep))
        {
            to.copy_from_slice(from);
        }
        for (i, &n) in index.iter_mut().zip(extents).rev() {
            *i += 1;
            if *i < n {
                break;
            }
            *i = 0;
        }
    }
}
