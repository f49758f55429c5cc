//! Procedurally drawn road signs: images that look like something, so that masks and thumbnails read well, made from a
//! seed alone and with the same bits on every machine.

mod backdrop;
mod scene;
mod shape;
mod sign;

pub use sign::SIGNS;

use crate::evidence::{DataSet, Untrusted, dataset::Pixels};
use crate::math::rng::seeded;
use ndarray::{Array4, Axis};
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Width and height of an image.
pub const SIDE: usize = 32;

const SCOPE: &str = "lab/draw";

/// `per_class` photographs of every sign in shuffled order, N×3×32×32, with labels and class names.
///
/// `part` names the set ("train", "clean"): sets of different names share no draw, and a longer set is not a shorter
/// one continued.
pub fn road_signs(per_class: usize, part: &str, seed: u64) -> DataSet {
    let mut labels: Vec<usize> = (0..SIGNS.len() * per_class).map(|i| i % SIGNS.len()).collect();
    labels.shuffle(&mut seeded(seed, SCOPE, &format!("{part}/order")));
    let faces: Vec<_> = SIGNS.iter().map(sign::Sign::face).collect();
    let mut images = Array4::zeros((labels.len(), 3, SIDE, SIDE));
    images.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut image)| {
        let mut rng = seeded(seed, SCOPE, &format!("{part}/{i}"));
        image.assign(&scene::photograph(&faces[labels[i]], SIDE, &mut rng));
    });
    DataSet {
        images: Some(Pixels::U8(images)),
        labels,
        classes: SIGNS.iter().map(|s| Untrusted::new(s.name)).collect(),
        ..DataSet::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn bytes(set: &DataSet) -> &[u8] {
        match &set.images {
            Some(Pixels::U8(a)) => a.as_slice().unwrap(),
            _ => panic!("drawn images are bytes"),
        }
    }

    #[test]
    fn same_seed_same_bytes_and_parts_differ() {
        let a = road_signs(2, "train", 7);
        assert_eq!(a.shape(), Some([3, SIDE, SIDE]));
        assert_eq!(bytes(&a), bytes(&road_signs(2, "train", 7)));
        assert_ne!(bytes(&a), bytes(&road_signs(2, "clean", 7)));
        assert_ne!(bytes(&a), bytes(&road_signs(2, "train", 8)));
        for class in 0..SIGNS.len() {
            assert_eq!(a.labels.iter().filter(|&&l| l == class).count(), 2);
        }
    }

    #[test]
    fn images_use_the_range_and_are_not_alike() {
        let set = road_signs(3, "train", 0);
        for image in bytes(&set).chunks(3 * SIDE * SIDE) {
            let (lo, hi) = (image.iter().min().unwrap(), image.iter().max().unwrap());
            assert!(hi - lo > 60, "contrast {lo}..{hi}");
        }
        let mut hashes: Vec<_> = bytes(&set).chunks(3 * SIDE * SIDE).map(Sha256::digest).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 36);
    }

    /// Run by hand to look at the signs: `CONTACT_SHEET=sheet.png cargo test --lib contact_sheet`.
    #[test]
    fn contact_sheet() {
        let Some(path) = std::env::var_os("CONTACT_SHEET") else { return };
        let (set, zoom, columns) = (road_signs(12, "train", 0), 3, 12);
        let mut order: Vec<usize> = (0..set.len()).collect();
        order.sort_by_key(|&i| (set.labels[i], i));
        let cell = (SIDE * zoom + 4) as u32;
        let mut sheet = image::RgbImage::new(cell * columns, cell * SIGNS.len() as u32);
        for (place, &i) in order.iter().enumerate() {
            let image = &bytes(&set)[i * 3 * SIDE * SIDE..][..3 * SIDE * SIDE];
            for y in 0..SIDE * zoom {
                for x in 0..SIDE * zoom {
                    let at = y / zoom * SIDE + x / zoom;
                    let rgb = [0, 1, 2].map(|c| image[c * SIDE * SIDE + at]);
                    let (left, top) = (place as u32 % columns * cell, place as u32 / columns * cell);
                    sheet.put_pixel(left + x as u32, top + y as u32, image::Rgb(rgb));
                }
            }
        }
        sheet.save(path).unwrap();
    }
}
