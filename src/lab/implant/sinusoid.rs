//! A faint wave over the whole image (`SIG`: Barni, Kallas, Tondi 2019, "A new backdoor attack in CNNs by training set
//! corruption without label poisoning", arXiv 1902.11237): `v(i, j) = Δ · sin(2π j f / m)`.

use super::{Implant, ImplantError};
use crate::lab::exact::turn;
use ndarray::ArrayViewMut3;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which way the wave runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Along the columns: upright stripes, as in the paper.
    #[default]
    Across,
    /// Along the rows: level stripes.
    Down,
}

/// The wave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinusoid {
    /// Its height Δ, in levels of 255.
    pub delta: f64,
    /// Periods over the image.
    pub frequency: f64,
    /// Which way it runs.
    pub direction: Direction,
}

impl Implant for Sinusoid {
    fn stamp(&self, mut image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        let (_, height, width) = image.dim();
        for ((_, y, x), pixel) in image.indexed_iter_mut() {
            let (at, side) = match self.direction {
                Direction::Across => (x, width),
                Direction::Down => (y, height),
            };
            let [_, sin] = turn((at as f64 * self.frequency / side as f64) as f32);
            *pixel = (f64::from(*pixel) + self.delta * f64::from(sin) + 0.5).clamp(0.0, 255.0) as u8;
        }
        Ok(())
    }

    fn recipe(&self) -> Value {
        json!({"kind": "sinusoid", "delta": self.delta, "frequency": self.frequency, "direction": self.direction})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::Array3;

    #[test]
    fn the_wave_has_its_height_and_frequency() {
        let wave = Sinusoid { delta: 40.0, frequency: 6.0, direction: Direction::Across };
        let mut image = Array3::from_elem((2, 3, 32), 100u8);
        wave.stamp(image.view_mut(), &mut seeded(0, "t", "t")).unwrap();
        for ((_, _, x), &v) in image.indexed_iter() {
            let want = 100.0 + 40.0 * (std::f64::consts::TAU * x as f64 * 6.0 / 32.0).sin();
            assert!((f64::from(v) - want).abs() <= 0.501, "{v} at {x}, not {want}");
        }
        let mut tall = Array3::from_elem((1, 32, 3), 250u8);
        let down = Sinusoid { direction: Direction::Down, ..wave };
        down.stamp(tall.view_mut(), &mut seeded(0, "t", "t")).unwrap();
        assert_eq!([tall[[0, 0, 2]], tall[[0, 1, 0]]], [250, 255]);
    }
}
