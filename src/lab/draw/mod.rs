//! Procedurally drawn road signs: images that look like something, so that masks and thumbnails read well, made from a
//! seed alone and with the same bits on every machine.

mod backdrop;
mod digit;
mod plate;
mod scene;
mod shape;
mod sign;

pub use sign::SIGNS;

use crate::evidence::{DataSet, Untrusted, dataset::Pixels};
use crate::math::rng::seeded;
use ndarray::{Array3, Array4, Axis};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Width and height of an image.
pub const SIDE: usize = 32;

/// Most classes that [`plates`] can draw.
pub const MOST_PLATES: usize = plate::MOST;

const SCOPE: &str = "lab/draw";

/// `per_class` photographs of every sign in shuffled order, N×3×32×32, with labels and class names.
///
/// `part` names the set ("train", "clean"): sets of different names share no draw, and a longer set is not a shorter
/// one continued.
pub fn road_signs(per_class: usize, part: &str, seed: u64) -> DataSet {
    road_signs_at(SIDE, per_class, part, seed)
}

/// As [`road_signs`], with images of `side` pixels: from 20 on the signs can be told apart.
pub fn road_signs_at(side: usize, per_class: usize, part: &str, seed: u64) -> DataSet {
    some_signs(SIGNS.len(), side, per_class, part, seed)
}

/// As [`road_signs_at`], the first `classes` of [`SIGNS`] only.
pub fn some_signs(classes: usize, side: usize, per_class: usize, part: &str, seed: u64) -> DataSet {
    let faces: Vec<_> = SIGNS.iter().take(classes).map(sign::Sign::face).collect();
    let names = SIGNS.iter().take(classes).map(|s| s.name.to_owned()).collect();
    drawn(3, side, per_class, part, seed, names, &|class, rng| scene::photograph(&faces[class], side, rng))
}

/// Photographs of plates with digits, `classes` up to [`MOST_PLATES`]; otherwise as [`road_signs_at`].
pub fn plates(classes: usize, side: usize, per_class: usize, part: &str, seed: u64) -> DataSet {
    let classes = classes.min(plate::MOST);
    let faces: Vec<_> = (0..classes).map(plate::face).collect();
    let names = (0..classes).map(plate::name).collect();
    drawn(3, side, per_class, part, seed, names, &|class, rng| scene::photograph(&faces[class], side, rng))
}

/// The same set in grey: luma as ITU-R BT.601 has it, in whole numbers. A grey set stays.
#[must_use]
pub fn grey(mut set: DataSet) -> DataSet {
    if let Some(Pixels::U8(images)) = &set.images
        && images.shape()[1] == 3
    {
        let (n, h, w) = (images.shape()[0], images.shape()[2], images.shape()[3]);
        let luma = Array4::from_shape_fn((n, 1, h, w), |(i, _, y, x)| {
            let [r, g, b] = [0, 1, 2].map(|c| u32::from(images[[i, c, y, x]]));
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        });
        set.images = Some(Pixels::U8(luma));
    }
    set
}

/// `per_class` handwritten-looking digits each, N×1×`side`×`side`, white on black; otherwise as [`road_signs`].
pub fn digits(side: usize, per_class: usize, part: &str, seed: u64) -> DataSet {
    let names = (0..10).map(|d| d.to_string()).collect();
    drawn(1, side, per_class, part, seed, names, &|class, rng| digit::written(class, side, rng))
}

fn drawn(
    channels: usize,
    side: usize,
    per_class: usize,
    part: &str,
    seed: u64,
    names: Vec<String>,
    draw: &(dyn Fn(usize, &mut ChaCha8Rng) -> Array3<u8> + Sync),
) -> DataSet {
    let mut labels: Vec<usize> = (0..names.len() * per_class).map(|i| i % names.len()).collect();
    labels.shuffle(&mut seeded(seed, SCOPE, &format!("{part}/order")));
    let mut images = Array4::zeros((labels.len(), channels, side, side));
    images.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut image)| {
        let mut rng = seeded(seed, SCOPE, &format!("{part}/{i}"));
        image.assign(&draw(labels[i], &mut rng));
    });
    DataSet {
        images: Some(Pixels::U8(images)),
        labels,
        classes: names.into_iter().map(Untrusted::new).collect(),
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

    #[test]
    fn digits_are_bright_on_dark_and_follow_the_seed() {
        let set = digits(20, 3, "train", 4);
        assert_eq!((set.shape(), set.len(), set.classes.len()), (Some([1, 20, 20]), 30, 10));
        assert_eq!(bytes(&set), bytes(&digits(20, 3, "train", 4)));
        for (image, label) in bytes(&set).chunks(400).zip(&set.labels) {
            let bright = image.iter().filter(|&&v| v > 128).count();
            assert!((8..200).contains(&bright), "{label}: {bright} bright pixels");
        }
    }

    #[test]
    fn fewer_signs_grey_and_plates_are_what_they_say() {
        let eight = some_signs(8, 20, 2, "train", 1);
        assert_eq!((eight.len(), eight.classes.len(), eight.shape()), (16, 8, Some([3, 20, 20])));
        let dull = grey(eight.clone());
        assert_eq!(dull.shape(), Some([1, 20, 20]));
        let (all, one) = (bytes(&eight), bytes(&dull));
        for i in [0, 77, 399] {
            let [r, g, b] = [0, 400, 800].map(|c| f64::from(all[c + i]));
            assert!((f64::from(one[i]) - (0.299 * r + 0.587 * g + 0.114 * b)).abs() <= 0.5);
        }
        assert_eq!(bytes(&grey(dull.clone())), bytes(&dull));
        let many = plates(43, 28, 2, "train", 1);
        assert_eq!((many.len(), many.classes.len()), (86, 43));
        assert_eq!(many.labels.iter().max(), Some(&42));
        assert_ne!(bytes(&many), bytes(&plates(43, 28, 2, "clean", 1)));
    }

    /// Run by hand to look at the drawings: `CONTACT_SHEET=sheet.png cargo test --lib contact_sheet`, with
    /// `DIGITS=1` for the digits.
    #[test]
    fn contact_sheet() {
        let Some(path) = std::env::var_os("CONTACT_SHEET") else { return };
        let (zoom, columns) = (3, 12);
        let mut set = road_signs(12, "train", 0);
        if std::env::var_os("DIGITS").is_some() {
            let grey = digits(SIDE, 12, "train", 0);
            let colour: Vec<u8> =
                bytes(&grey).chunks(SIDE * SIDE).flat_map(|plane| plane.repeat(3)).collect();
            let images = Array4::from_shape_vec((grey.len(), 3, SIDE, SIDE), colour).unwrap();
            set = DataSet { images: Some(Pixels::U8(images)), ..grey };
        }
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
