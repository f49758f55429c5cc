//! Element types and extents.

use super::fault::Fault;
use super::raw::Cursor;
use crate::evidence::array::Dtype;
use crate::evidence::limits::{Limits, cap};

/// What the elements of an array or attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers.
    Number { dtype: Dtype, big_endian: bool },
    /// Text of so many bytes.
    Text(usize),
    /// Text of any length, in the global heap.
    Heap,
}

impl Kind {
    /// Bytes of an element as it lies in the file.
    pub(super) fn width(self, offsets: usize) -> usize {
        match self {
            Self::Number { dtype, .. } => dtype.bitsize() / 8,
            Self::Text(n) => n,
            Self::Heap => 8 + offsets,
        }
    }

    pub(super) fn read(from: &mut Cursor) -> Result<Self, Fault> {
        let at = from.at;
        let class = from.u8()? & 15;
        let bits = from.take(3)?.first().copied().unwrap_or_default();
        let size = from.u32()?;
        let unread = |what: &str| Fault::unread(at, format!("elements that are {what}"));
        match class {
            0 => {
                let (offset, precision) = (from.u16()?, from.u16()?);
                if offset != 0 || u32::from(precision) != size.saturating_mul(8) {
                    return Err(unread("whole numbers with unused bits"));
                }
                let dtype = match (size, bits & 8 != 0) {
                    (1, true) => Dtype::I8,
                    (1, false) => Dtype::U8,
                    (2, true) => Dtype::I16,
                    (2, false) => Dtype::U16,
                    (4, true) => Dtype::I32,
                    (4, false) => Dtype::U32,
                    (8, true) => Dtype::I64,
                    (8, false) => Dtype::U64,
                    _ => return Err(unread("whole numbers of an odd width")),
                };
                Ok(Self::Number { dtype, big_endian: bits & 1 != 0 })
            }
            1 => {
                let layout = from.take(12)?;
                let dtype = match (size, layout) {
                    (2, [0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0]) => Dtype::F16,
                    (2, [0, 0, 16, 0, 7, 8, 0, 7, 127, 0, 0, 0]) => Dtype::BF16,
                    (4, [0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]) => Dtype::F32,
                    (8, [0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0]) => Dtype::F64,
                    _ => return Err(unread("floats other than those of IEEE")),
                };
                if bits & 0x40 != 0 {
                    return Err(unread("floats in the byte order of a VAX"));
                }
                Ok(Self::Number { dtype, big_endian: bits & 1 != 0 })
            }
            3 => Ok(Self::Text(size as usize)),
            9 if bits & 15 == 1 => Ok(Self::Heap),
            2 => Err(unread("times")),
            4 => Err(unread("bit fields")),
            5 => Err(unread("opaque")),
            6 => Err(unread("compounds")),
            7 => Err(unread("references")),
            8 => Err(unread("enumerations")),
            9 => Err(unread("sequences")),
            10 => Err(unread("arrays")),
            _ => Err(Fault::bad(at, format!("elements of the unknown class {class}"))),
        }
    }
}

/// Extents; empty for one element.
pub(super) fn extents(from: &mut Cursor, limits: &Limits) -> Result<Vec<usize>, Fault> {
    let at = from.at;
    let (version, rank, _flags) = (from.u8()?, usize::from(from.u8()?), from.u8()?);
    match version {
        1 => drop(from.take(5)?),
        2 => {
            if from.u8()? == 2 {
                return Err(Fault::unread(at, "an array without elements"));
            }
        }
        _ => return Err(Fault::unread(at, format!("extents of version {version}"))),
    }
    if rank > limits.rank {
        return Err(Fault::limit(at, format!("{rank} dimensions; {}", cap!(limits, rank))));
    }
    let mut out = Vec::with_capacity(rank);
    for _ in 0..rank {
        out.push(usize::try_from(from.length()?).unwrap_or(usize::MAX));
    }
    let count = out.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
    if count.is_none_or(|n| n > limits.tensor_elements) {
        let reason = format!("shape {out:?}; {}", cap!(limits, tensor_elements));
        return Err(Fault::limit(at, reason));
    }
    Ok(out)
}
