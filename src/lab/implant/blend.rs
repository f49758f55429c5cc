//! A pattern over the whole image, faintly (Chen et al. 2017, "Targeted backdoor attacks on deep learning systems using
//! data poisoning", arXiv 1712.05526).

use super::{Implant, ImplantError};
use ndarray::{Array3, Array4, ArrayView3, ArrayView4, ArrayViewMut3, Zip};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The usual share of the pattern.
pub const DEFAULT_RATIO: f64 = 0.1;

/// A pattern blended into the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Blend {
    /// C×H×W, 0..=255.
    pub pattern: Array3<u8>,
    /// Share of the pattern, `0..=1`; see [`DEFAULT_RATIO`].
    pub ratio: f64,
}

impl Implant for Blend {
    fn stamp(&self, image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        mix(image, self.pattern.view(), self.ratio)
    }

    fn recipe(&self) -> Value {
        let bytes: Vec<u8> = self.pattern.iter().copied().collect();
        let digest = format!("{:x}", Sha256::digest(bytes));
        json!({"kind": "blend", "ratio": self.ratio, "pattern_sha256": digest})
    }
}

/// A pixel on the scale `0..=255`.
pub trait Pixel: Copy {
    /// Its value.
    fn level(self) -> f64;
    /// The pixel of a value, cut to `0..=255`; of a type that knows no fractions, the next lower.
    fn from_level(level: f64) -> Self;
}

impl Pixel for u8 {
    fn level(self) -> f64 {
        f64::from(self)
    }

    fn from_level(level: f64) -> Self {
        level.clamp(0.0, 255.0) as u8
    }
}

impl Pixel for f32 {
    fn level(self) -> f64 {
        f64::from(self)
    }

    fn from_level(level: f64) -> Self {
        level.clamp(0.0, 255.0) as f32
    }
}

/// Copies of the images, N×C×H×W: `(1 − ratio)·image + ratio·pattern`, pattern C×H×W, cut to 0..=255. The pixels' type
/// is kept, and fractions are dropped when it knows none (as a cast does).
///
/// # Errors
/// The pattern has another shape than the images, or the ratio is no share.
pub fn simulate_blended_trigger<A: Pixel>(
    images: ArrayView4<A>,
    pattern: ArrayView3<A>,
    ratio: f64,
) -> Result<Array4<A>, ImplantError> {
    let mut out = images.to_owned();
    for image in out.outer_iter_mut() {
        mix(image, pattern, ratio)?;
    }
    Ok(out)
}

fn mix<A: Pixel>(image: ArrayViewMut3<A>, pattern: ArrayView3<A>, ratio: f64) -> Result<(), ImplantError> {
    if !(0.0..=1.0).contains(&ratio) {
        return Err(ImplantError::NotAShare { what: "the blend ratio", value: ratio });
    }
    if image.dim() != pattern.dim() {
        let ((c, h, w), (channels, height, width)) = (pattern.dim(), image.dim());
        return Err(ImplantError::DoesNotFit {
            pattern: [c, h, w],
            at: (0, 0),
            image: [channels, height, width],
        });
    }
    Zip::from(image).and(pattern).for_each(|pixel, &over| {
        *pixel = A::from_level((1.0 - ratio) * pixel.level() + ratio * over.level());
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_mixed_and_cut_down_to_whole_levels() {
        let images = Array4::from_shape_vec((1, 1, 1, 4), vec![0u8, 100, 200, 255]).unwrap();
        let pattern = Array3::from_shape_vec((1, 1, 4), vec![255u8, 0, 255, 255]).unwrap();
        let out = simulate_blended_trigger(images.view(), pattern.view(), DEFAULT_RATIO).unwrap();
        // 25.5, 90, 205.5, 255
        assert_eq!(out.into_raw_vec_and_offset().0, [25, 90, 205, 255]);
    }

    #[test]
    fn floats_keep_fractions_and_are_cut_at_both_ends() {
        let images = Array4::from_shape_vec((1, 1, 1, 3), vec![1.0f32, 300.0, -20.0]).unwrap();
        let pattern = Array3::from_shape_vec((1, 1, 3), vec![2.0f32, 300.0, -20.0]).unwrap();
        let out = simulate_blended_trigger(images.view(), pattern.view(), 0.25).unwrap();
        assert_eq!(out.into_raw_vec_and_offset().0, [1.25, 255.0, 0.0]);
    }

    #[test]
    fn wrong_shapes_and_ratios_are_refused() {
        let images = Array4::<u8>::zeros((1, 1, 2, 2));
        let pattern = Array3::<u8>::zeros((1, 2, 1));
        assert!(simulate_blended_trigger(images.view(), pattern.view(), 0.1).is_err());
        let pattern = Array3::<u8>::zeros((1, 2, 2));
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert!(simulate_blended_trigger(images.view(), pattern.view(), ratio).is_err(), "{ratio}");
        }
    }
}
