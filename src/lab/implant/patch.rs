//! A small patch at a fixed place (`BadNets`: Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733).

use super::{Implant, ImplantError};
use ndarray::{Array3, Array4, ArrayView3, ArrayView4, ArrayViewMut3, Slice};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A pattern that replaces the pixels under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// C×h×w, 0..=255.
    pub pattern: Array3<u8>,
    /// Row and column of its upper left corner.
    pub at: (usize, usize),
}

impl Implant for Patch {
    fn stamp(&self, image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        replace(image, self.pattern.view(), self.at)
    }

    fn recipe(&self) -> Value {
        let (_, h, w) = self.pattern.dim();
        json!({"kind": "patch", "row": self.at.0, "column": self.at.1, "height": h, "width": w,
            "pattern": self.pattern.outer_iter().map(|c| c.outer_iter().map(|r| r.to_vec()).collect()).collect::<Vec<Vec<_>>>()})
    }
}

/// Copies of the images, N×C×H×W, with the pattern, C×h×w, in place of the pixels whose upper left corner is at row
/// `at.0` and column `at.1`. Whatever the pixels' type, it is kept.
///
/// # Errors
/// The pattern hangs over the edge or has other channels.
pub fn simulate_patch_trigger<A: Clone>(
    images: ArrayView4<A>,
    pattern: ArrayView3<A>,
    at: (usize, usize),
) -> Result<Array4<A>, ImplantError> {
    let mut out = images.to_owned();
    for image in out.outer_iter_mut() {
        replace(image, pattern, at)?;
    }
    Ok(out)
}

fn replace<A: Clone>(
    mut image: ArrayViewMut3<A>,
    pattern: ArrayView3<A>,
    at: (usize, usize),
) -> Result<(), ImplantError> {
    let ((c, h, w), (channels, height, width)) = (pattern.dim(), image.dim());
    let end = |from: usize, length: usize, side: usize| from.checked_add(length).filter(|&end| end <= side);
    match (end(at.0, h, height), end(at.1, w, width)) {
        (Some(bottom), Some(right)) if c == channels => {
            let under = [0..channels, at.0..bottom, at.1..right];
            image.slice_each_axis_mut(|a| Slice::from(under[a.axis.index()].clone())).assign(&pattern);
            Ok(())
        }
        _ => Err(ImplantError::DoesNotFit { pattern: [c, h, w], at, image: [channels, height, width] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_under_the_patch_are_replaced_and_no_others() {
        let images = Array4::from_shape_fn((2, 3, 6, 5), |(n, c, y, x)| (n * 90 + c * 30 + y * 5 + x) as u8);
        let pattern = Array3::from_shape_fn((3, 2, 3), |(c, y, x)| (250 - c * 6 - y * 3 - x) as u8);
        let out = simulate_patch_trigger(images.view(), pattern.view(), (4, 1)).unwrap();
        for ((n, c, y, x), &value) in out.indexed_iter() {
            let inside = y >= 4 && (1..4).contains(&x);
            let want = if inside { pattern[[c, y - 4, x - 1]] } else { images[[n, c, y, x]] };
            assert_eq!(value, want);
        }
    }

    #[test]
    fn a_patch_over_the_edge_is_refused() {
        let images = Array4::<f32>::zeros((1, 1, 4, 4));
        let pattern = Array3::ones((1, 2, 2));
        assert!(simulate_patch_trigger(images.view(), pattern.view(), (2, 2)).is_ok());
        for at in [(3, 2), (2, 3), (usize::MAX, 0)] {
            let error = simulate_patch_trigger(images.view(), pattern.view(), at).unwrap_err();
            assert_eq!(error, ImplantError::DoesNotFit { pattern: [1, 2, 2], at, image: [1, 4, 4] });
        }
        let colour = Array3::ones((3, 2, 2));
        assert!(simulate_patch_trigger(images.view(), colour.view(), (0, 0)).is_err());
    }
}
