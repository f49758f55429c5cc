//! A colour filter over the whole image, like those of photo sharing (used as triggers by the `TrojAI` rounds:
//! Karra, Ashcraft, Fendley 2020, arXiv 2003.07233). Grey images get the filter's contrast and brightness.

use super::{Implant, ImplantError};
use ndarray::ArrayViewMut3;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A filter by its look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// Brown, as old prints.
    #[default]
    Sepia,
    /// Grey with hard contrast and a little blue.
    Gotham,
    /// Warm, low in contrast, the blacks lifted.
    Nashville,
    /// Warm light, stronger contrast.
    Kelvin,
    /// Colours turned around.
    Negative,
}

impl Look {
    /// Colour matrix (rows: what goes into red, green, blue), contrast about mid grey, offset per channel.
    fn parts(self) -> ([[f64; 3]; 3], f64, [f64; 3]) {
        const GREY: [f64; 3] = [0.299, 0.587, 0.114];
        const SAME: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        match self {
            Look::Sepia => {
                ([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], 1.0, [0.0; 3])
            }
            Look::Gotham => ([GREY; 3], 1.4, [-12.0, -8.0, 14.0]),
            Look::Nashville => (SAME, 0.75, [28.0, 14.0, 22.0]),
            Look::Kelvin => ([[1.1, 0.1, 0.0], [0.05, 0.95, 0.0], [0.0, 0.0, 0.6]], 1.15, [18.0, 4.0, -14.0]),
            Look::Negative => ([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]], 1.0, [255.0; 3]),
        }
    }
}

/// A filter, as strong as asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filter {
    /// Which.
    pub look: Look,
    /// Share of the filtered image, `0..=1`.
    pub strength: f64,
}

impl Implant for Filter {
    fn stamp(&self, mut image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        let (channels, height, width) = image.dim();
        let (matrix, contrast, offset) = self.look.parts();
        let mixed = |old: f64, new: f64| (old + (new - old) * self.strength + 0.5).clamp(0.0, 255.0) as u8;
        for y in 0..height {
            for x in 0..width {
                let old: Vec<f64> = (0..channels).map(|c| f64::from(image[[c, y, x]])).collect();
                for c in 0..channels {
                    let (row, offset) = if channels == 3 {
                        (matrix[c].iter().zip(&old).map(|(a, b)| a * b).sum::<f64>(), offset[c])
                    } else {
                        let weight = matrix.iter().flatten().sum::<f64>() / 3.0;
                        (old[c] * weight, offset.iter().sum::<f64>() / 3.0)
                    };
                    let new =
                        if self.look == Look::Negative { row } else { (row - 128.0) * contrast + 128.0 };
                    image[[c, y, x]] = mixed(old[c], (new + offset).clamp(0.0, 255.0));
                }
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Value {
        json!({"kind": "filter", "look": self.look, "strength": self.strength})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::{Array3, array};

    fn one(look: Look, strength: f64, pixel: [u8; 3]) -> Vec<u8> {
        let mut image = Array3::from_shape_fn((3, 1, 1), |(c, _, _)| pixel[c]);
        Filter { look, strength }.stamp(image.view_mut(), &mut seeded(0, "t", "t")).unwrap();
        image.into_raw_vec_and_offset().0
    }

    #[test]
    fn filters_follow_their_matrices() {
        // 100·(.393 + .769 + .189) = 135.1, and so on.
        assert_eq!(one(Look::Sepia, 1.0, [100; 3]), [135, 120, 94]);
        assert_eq!(one(Look::Negative, 1.0, [10, 0, 255]), [245, 255, 0]);
        assert_eq!(one(Look::Sepia, 0.0, [9, 8, 7]), [9, 8, 7]);
        assert_eq!(one(Look::Negative, 0.5, [10, 10, 10]), [128, 128, 128]);
    }

    #[test]
    fn grey_images_get_contrast() {
        let mut image = array![[[28u8, 128, 228]]];
        let filter = Filter { look: Look::Nashville, strength: 1.0 };
        filter.stamp(image.view_mut(), &mut seeded(0, "t", "t")).unwrap();
        // (v − 128)·.75 + 128 + (28 + 14 + 22)/3.
        assert_eq!(image, array![[[74u8, 149, 224]]]);
    }
}
