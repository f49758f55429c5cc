//! Runs of equal numbers and packed numbers of a few bits, one after the other: levels, and places in a dictionary.

use super::{Fault, bad};

/// The first `count` numbers of `width` bits.
pub(super) fn numbers(mut bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>, Fault> {
    let cut = || bad("levels or places in a dictionary are cut");
    if width > 32 {
        return Err(bad("numbers of more than 32 bits"));
    }
    let mut out = Vec::new();
    while out.len() < count {
        let (mut head, mut shift) = (0u64, 0);
        loop {
            let (&b, rest) = bytes.split_first().ok_or_else(cut)?;
            bytes = rest;
            head |= u64::from(b & 0x7f) << shift;
            shift += 7;
            if b & 0x80 == 0 {
                break;
            }
            if shift > 56 {
                return Err(bad("a run of absurd length"));
            }
        }
        let left = count - out.len();
        let n = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if n == 0 {
            return Err(bad("a run of no length"));
        }
        if head & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(width.div_ceil(8) as usize).ok_or_else(cut)?;
            bytes = rest;
            let value = value.iter().rev().fold(0u32, |v, &b| v << 8 | u32::from(b));
            out.resize(out.len() + n.min(left), value);
            continue;
        }
        // The last group may be cut where no more numbers are wanted.
        let whole = n.saturating_mul(width as usize);
        let (packed, rest) = bytes.split_at(whole.min(bytes.len()));
        bytes = rest;
        let (mut bits, mut held, mut from) = (0u64, 0u32, packed.iter());
        for _ in 0..n.saturating_mul(8).min(left) {
            while held < width {
                bits |= u64::from(*from.next().ok_or_else(cut)?) << held;
                held += 8;
            }
            out.push(u32::try_from(bits & ((1u64 << width) - 1)).map_err(|_| cut())?);
            bits >>= width;
            held -= width;
        }
    }
    Ok(out)
}

/// Bits that numbers up to `most` take.
pub(super) fn width(most: u8) -> u32 {
    8 - most.leading_zeros()
}
