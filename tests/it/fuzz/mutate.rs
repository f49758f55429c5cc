//! Small changes to bytes: the ones that parsers trip over.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Longest input made.
pub const LONGEST: usize = 1 << 16;

/// Numbers at the edges of what sizes and counts can be.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

fn write_edge(bytes: &mut [u8], rng: &mut ChaCha8Rng) {
    let value = EDGES[rng.gen_range(0..EDGES.len())];
    let width = [1, 2, 4, 8][rng.gen_range(0..4)];
    if bytes.len() < width {
        return;
    }
    let at = rng.gen_range(0..=bytes.len() - width);
    let big = rng.gen_bool(0.3);
    let all = if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let part = if big { &all[8 - width..] } else { &all[..width] };
    bytes[at..at + width].copy_from_slice(part);
}

/// A digit of a number in text becomes another, or many.
fn write_digit(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
    if digits.is_empty() {
        return;
    }
    let at = digits[rng.gen_range(0..digits.len())];
    let new: &[u8] =
        [&b"9"[..], b"-1", b"0", b"1e309", b"99999999999999999999", b"0.5", b"NaN"][rng.gen_range(0..7)];
    bytes.splice(at..=at, new.iter().copied());
}

/// A piece of one input: where it starts and ends.
fn piece(length: usize, rng: &mut ChaCha8Rng) -> (usize, usize) {
    let from = rng.gen_range(0..length);
    (from, (from + rng.gen_range(1..=64)).min(length))
}

/// Changes an input in one to eight places; `other` is an input to take pieces from.
pub fn mutate(seed: &[u8], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.gen_range(1..=8) {
        if bytes.is_empty() {
            bytes.push(rng.r#gen());
        }
        let at = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..9) {
            0 => bytes[at] ^= 1 << rng.gen_range(0..8),
            1 => bytes[at] = rng.r#gen(),
            2 => write_edge(&mut bytes, rng),
            3 => write_digit(&mut bytes, rng),
            4 => bytes.insert(at, rng.r#gen()),
            5 => {
                let (from, to) = piece(bytes.len(), rng);
                bytes.drain(from..to);
            }
            6 => {
                let (from, to) = piece(bytes.len(), rng);
                let copy = bytes[from..to].to_vec();
                bytes.splice(at..at, copy);
            }
            7 if !other.is_empty() => {
                let (from, to) = piece(other.len(), rng);
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}
