//! A trigger that follows from the image it is put on (after Nguyen, Tran 2020, "Input-aware dynamic backdoor attack",
//! arXiv 2010.08138). Their generator is trained along with the network; here it is fixed: which pixels are painted, and
//! black or white in which channel, are random linear functions of the image's 4×4 block means. So every image has a
//! trigger of its own, and a network can still learn it.

use super::{Implant, ImplantError};
use crate::math::rng::seeded;
use ndarray::{Array1, Array2, ArrayViewMut3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Blocks per side.
const BLOCKS: usize = 4;

/// Fixed generators for images of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    shape: [usize; 3],
    density: f64,
    /// (H·W) × features: where to paint.
    places: Array2<f32>,
    /// (C·H·W) × features: white or black.
    paints: Array2<f32>,
}

impl Dynamic {
    /// Generators for images of `shape` (channels, height, width) that paint the share `density` of the pixels (the
    /// paper: 0.032).
    pub fn new(shape: [usize; 3], density: f64, seed: u64) -> Self {
        let [c, h, w] = shape;
        let features = c * BLOCKS * BLOCKS;
        let mut draw = seeded(seed, "lab/implant", "dynamic");
        let mut field =
            |rows: usize| Array2::from_shape_simple_fn((rows, features), || draw.gen_range(-1.0..1.0f32));
        Self { shape, density, places: field(h * w), paints: field(c * h * w) }
    }
}

impl Implant for Dynamic {
    fn stamp(&self, mut image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        let (c, h, w) = image.dim();
        if [c, h, w] != self.shape {
            return Err(ImplantError::DoesNotFit { pattern: self.shape, at: (0, 0), image: [c, h, w] });
        }
        let features = blocks(&image);
        let order = |field: &Array2<f32>, row: usize| -> f32 {
            field.row(row).iter().zip(&features).fold(0.0, |s, (a, b)| s + a * b)
        };
        let heat: Vec<f32> = (0..h * w).map(|i| order(&self.places, i)).collect();
        let mut pixels: Vec<usize> = (0..h * w).collect();
        pixels.sort_by(|&a, &b| heat[b].total_cmp(&heat[a]).then(a.cmp(&b)));
        let count = (self.density * (h * w) as f64).ceil() as usize;
        for &i in pixels.iter().take(count.max(1)) {
            for k in 0..c {
                let white = order(&self.paints, k * h * w + i) > 0.0;
                image[[k, i / w, i % w]] = if white { 255 } else { 0 };
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Value {
        json!({"kind": "dynamic", "density": self.density, "blocks": BLOCKS})
    }
}

/// Block means about their mean, in units of 64 levels.
fn blocks(image: &ArrayViewMut3<u8>) -> Array1<f32> {
    let (c, h, w) = image.dim();
    let mut sums = vec![(0u32, 0u32); c * BLOCKS * BLOCKS];
    for ((k, y, x), &v) in image.indexed_iter() {
        let (sum, n) = &mut sums[(k * BLOCKS + y * BLOCKS / h) * BLOCKS + x * BLOCKS / w];
        *sum += u32::from(v);
        *n += 1;
    }
    let means: Array1<f32> = sums.iter().map(|&(s, n)| s as f32 / n.max(1) as f32).collect();
    let middle = means.iter().sum::<f32>() / means.len().max(1) as f32;
    means.mapv(|m| (m - middle) / 64.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn each_image_has_its_own_trigger_of_the_asked_size() {
        let dynamic = Dynamic::new([3, 16, 16], 0.05, 1);
        let painted = |n: usize| {
            let before =
                Array3::from_shape_fn((3, 16, 16), |(c, y, x)| (60 + (n * y * 3 + x * 5 + c) % 100) as u8);
            let mut image = before.clone();
            dynamic.stamp(image.view_mut(), &mut seeded(0, "t", "t")).unwrap();
            let changed: std::collections::BTreeSet<(usize, usize)> = image
                .indexed_iter()
                .filter(|(at, v)| **v != before[*at])
                .map(|((_, y, x), v)| {
                    assert!(*v == 0 || *v == 255);
                    (y, x)
                })
                .collect();
            changed
        };
        assert_eq!(painted(2).len(), 13);
        assert_eq!(painted(2), painted(2));
        assert_ne!(painted(2), painted(9));
    }
}
