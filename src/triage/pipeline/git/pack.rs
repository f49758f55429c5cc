//! Packs: many objects in one file, some as changes to others.

use super::Oid;
use crate::evidence::intake;
use flate2::read::ZlibDecoder;
use std::io::Read;

/// Bytes of one object, one pack, and all packs.
pub(super) const OBJECT: usize = 32 << 20;

pub(super) struct Pack {
    pub index: intake::Bytes,
    pub data: intake::Bytes,
    pub count: usize,
}

impl Pack {
    /// Where an object begins.
    pub(super) fn find(&self, id: &Oid) -> Option<usize> {
        let data = &self.index.data;
        let name = |i: usize| data.get(8 + 1024 + 20 * i..8 + 1024 + 20 * i + 20);
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            match name(middle)?.cmp(&id[..]) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let offsets = 8 + 1024 + 24 * self.count;
                    let short = word(data, offsets + 4 * middle)?;
                    if short & 0x8000_0000 == 0 {
                        return Some(short as usize);
                    }
                    let far = offsets + 4 * self.count + 8 * (short & 0x7fff_ffff) as usize;
                    let bytes: [u8; 8] = data.get(far..far + 8)?.try_into().ok()?;
                    return usize::try_from(u64::from_be_bytes(bytes)).ok();
                }
            }
        }
        None
    }
}

pub(super) fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// At most `cap` bytes of a zlib stream.
pub(super) fn inflate(data: &[u8], cap: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    ZlibDecoder::new(data)
        .take(cap as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|e| format!("not whole: {e}"))?;
    if out.len() > cap { Err(format!("unpacks to more than {cap} bytes")) } else { Ok(out) }
}

/// Kind, size and length of the header of a packed object.
pub(super) fn header(data: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *data.first()?;
    let (kind, mut size, mut shift, mut used) = ((first >> 4) & 7, usize::from(first & 15), 4, 1);
    let mut byte = first;
    while byte & 0x80 != 0 {
        byte = *data.get(used)?;
        size |= usize::from(byte & 0x7f).checked_shl(shift)?;
        (shift, used) = (shift + 7, used + 1);
        if shift > 60 {
            return None;
        }
    }
    Some((kind, size, used))
}

/// How far back the base of a delta is.
pub(super) fn distance(data: &[u8]) -> Option<(usize, usize)> {
    let mut byte = *data.first()?;
    let (mut value, mut used) = (usize::from(byte & 0x7f), 1);
    while byte & 0x80 != 0 {
        byte = *data.get(used)?;
        value = value.checked_add(1)?.checked_mul(128)? | usize::from(byte & 0x7f);
        used += 1;
    }
    Some((value, used))
}

/// Applies a delta.
pub(super) fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    let mut next = || {
        let byte = delta.get(at).copied();
        at += 1;
        byte
    };
    let mut size = || {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = next()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            if shift > 56 {
                return None;
            }
        }
    };
    let (from, to) = (size()?, size()?);
    if from != base.len() || to > OBJECT {
        return None;
    }
    let mut out = Vec::with_capacity(to);
    while let Some(op) = next() {
        if op & 0x80 == 0 {
            for _ in 0..op {
                out.push(next()?);
            }
            if op == 0 {
                return None;
            }
        } else {
            let mut number = |bits: std::ops::Range<u8>| -> Option<usize> {
                let mut value = 0;
                for (k, bit) in bits.enumerate() {
                    if op & (1 << bit) != 0 {
                        value |= usize::from(next()?) << (8 * k);
                    }
                }
                Some(value)
            };
            let (offset, length) = (number(0..4)?, number(4..7)?);
            let length = if length == 0 { 0x10000 } else { length };
            out.extend_from_slice(base.get(offset..offset.checked_add(length)?)?);
        }
        if out.len() > to {
            return None;
        }
    }
    (out.len() == to).then_some(out)
}
