//! Pictures that are the same but for a small part: a copy with something stamped on it.

use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// The picture is cut into this many cells a side.
const SIDE: usize = 4;
/// Cells that must be equal, bit for bit, of all 16.
const EQUAL: usize = 12;
/// Pictures that share a cell before it is called background, and says nothing.
const COMMON: usize = 8;
/// Pairs kept.
const MOST: usize = 100_000;

/// Two pictures that differ in a small part only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The lower index.
    pub a: usize,
    /// The higher index.
    pub b: usize,
    /// Cells (of 16) that differ, 1..=4.
    pub cells: usize,
}

/// Pairs of pictures that are equal bit for bit in at least 12 of 16 cells and differ in the others. A cell that many pictures share
/// (a plain background) leads to no pair.
pub fn pairs(set: &DataSet) -> Vec<Pair> {
    let (Some([c, h, w]), Some(pixels)) = (set.shape(), &set.images) else { return Vec::new() };
    if h < SIDE || w < SIDE {
        return Vec::new();
    }
    let digest = |i: usize, cell: usize| -> u64 {
        let (row, col) = (cell / SIDE, cell % SIDE);
        let mut hash = Sha256::new();
        for k in 0..c {
            for y in row * h / SIDE..(row + 1) * h / SIDE {
                for x in col * w / SIDE..(col + 1) * w / SIDE {
                    match pixels {
                        Pixels::U8(a) => hash.update([a[[i, k, y, x]]]),
                        Pixels::F32(a) => hash.update(a[[i, k, y, x]].to_le_bytes()),
                    }
                }
            }
        }
        let bytes = hash.finalize();
        bytes.iter().take(8).fold(0, |sum, &b| sum << 8 | u64::from(b))
    };
    let cells = SIDE * SIDE;
    let digests: Vec<Vec<u64>> =
        (0..set.len()).map(|i| (0..cells).map(|cell| digest(i, cell)).collect()).collect();
    let mut holders: HashMap<(usize, u64), Vec<usize>> = HashMap::new();
    for (i, of) in digests.iter().enumerate() {
        for (cell, &d) in of.iter().enumerate() {
            let list = holders.entry((cell, d)).or_default();
            if list.len() <= COMMON {
                list.push(i);
            }
        }
    }
    let mut found: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for list in holders.values().filter(|l| l.len() > 1 && l.len() <= COMMON) {
        for (at, &a) in list.iter().enumerate() {
            for &b in &list[at + 1..] {
                found
                    .entry((a, b))
                    .or_insert_with(|| digests[a].iter().zip(&digests[b]).filter(|(x, y)| x != y).count());
            }
        }
    }
    let small = |(&(a, b), &cells): (&(usize, usize), &usize)| {
        (1..=SIDE * SIDE - EQUAL).contains(&cells).then_some(Pair { a, b, cells })
    };
    found.iter().filter_map(small).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::{Array4, Axis};
    use rand::Rng;

    #[test]
    fn a_stamped_copy_is_found_and_plain_backgrounds_are_not() {
        let mut rng = seeded(1, "copies", "test");
        let mut images = Array4::<u8>::from_shape_simple_fn((40, 3, 16, 16), || rng.r#gen());
        // Many pictures with the same lower half.
        for i in 20..40 {
            images.index_axis_mut(Axis(0), i).slice_axis_mut(Axis(1), (8..16).into()).fill(7);
        }
        let copy = images.index_axis(Axis(0), 3).to_owned();
        images.index_axis_mut(Axis(0), 11).assign(&copy);
        for y in 12..16 {
            for x in 12..16 {
                images[[11, 0, y, x]] ^= 255;
            }
        }
        let set = |images| DataSet { images: Some(Pixels::U8(images)), ..DataSet::default() };
        assert_eq!(pairs(&set(images)), [Pair { a: 3, b: 11, cells: 1 }]);
        assert!(pairs(&set(Array4::zeros((30, 1, 8, 8)))).is_empty());
        assert!(pairs(&set(Array4::zeros((30, 1, 2, 2)))).is_empty());
        assert!(pairs(&DataSet::default()).is_empty());
    }
}
