//! One photograph of a sign: where it stands, how the light falls, what is in front of it, what the camera does.

use super::backdrop::{Backdrop, Noise, blend};
use super::shape::Point;
use super::sign::{Colour, Face, colour_at};
use crate::lab::exact::turn;
use ndarray::Array3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Samples per pixel and axis.
const GRID: usize = 4;

/// A photograph of a sign, 3×`side`×`side`, 0..=255. All of it follows from `rng`.
pub fn photograph(face: &Face, side: usize, rng: &mut ChaCha8Rng) -> Array3<u8> {
    let scene = Scene::new(rng);
    let mut light = vec![[0.0f32; 3]; side * side];
    for (i, pixel) in light.iter_mut().enumerate() {
        for k in 0..GRID * GRID {
            let at = |cell: usize, sub: usize| (cell as f32 + (sub as f32 + 0.5) / GRID as f32) / side as f32;
            let colour = scene.colour(face, at(i % side, k % GRID), at(i / side, k / GRID));
            for (sum, c) in pixel.iter_mut().zip(colour) {
                *sum += c / (GRID * GRID) as f32;
            }
        }
    }
    let light = blurred(&light, side, scene.blur);
    let mut out = Array3::zeros((3, side, side));
    for (i, pixel) in light.iter().enumerate() {
        for (c, value) in pixel.iter().enumerate() {
            // The sum of three uniform draws is close enough to a camera's noise, and exact everywhere.
            let noise = (0..3).map(|_| rng.r#gen::<f32>()).sum::<f32>() - 1.5;
            let value = value + noise * scene.noise;
            out[[c, i / side, i % side]] = (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        }
    }
    out
}

/// Everything that was drawn by lot for one photograph. Lengths are fractions of the picture's side.
struct Scene {
    backdrop: Backdrop,
    centre: Point,
    /// Half height of the sign.
    radius: f32,
    /// Cosine and sine of the tilt.
    tilt: [f32; 2],
    /// Width as seen from the side, as a fraction.
    narrow: f32,
    gain: Colour,
    haze: f32,
    slope: [f32; 2],
    shadow: Option<Shadow>,
    leaves: Vec<(Point, f32, Colour)>,
    dirt: (Noise, f32),
    blur: f32,
    noise: f32,
}

/// Darker on one side of a line.
struct Shadow {
    through: Point,
    normal: [f32; 2],
    depth: f32,
}

impl Scene {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let backdrop = Backdrop::new(rng);
        let radius = rng.gen_range(0.28..0.42);
        let centre = [0.5 + rng.gen_range(-0.09..0.09), 0.46 + rng.gen_range(-0.08..0.08)];
        let day: f32 = rng.gen_range(0.45..1.12);
        let warm: f32 = rng.gen_range(-0.09..0.09);
        let gain = [day * (1.0 + warm), day, day * (1.0 - warm)];
        let shadow = rng.gen_bool(0.25).then(|| Shadow {
            through: [rng.gen_range(0.3..0.7), rng.gen_range(0.3..0.7)],
            normal: turn(rng.r#gen()),
            depth: rng.gen_range(0.45..0.75),
        });
        let mut leaves = Vec::new();
        if rng.gen_bool(0.25) {
            let [cos, sin] = turn(rng.r#gen());
            let root = [centre[0] + cos * radius * 0.95, centre[1] + sin * radius * 0.95];
            let green: f32 = rng.gen_range(0.22..0.45);
            for _ in 0..rng.gen_range(4..9) {
                let at = [root[0] + rng.gen_range(-0.13..0.13), root[1] + rng.gen_range(-0.13..0.13)];
                let shade: f32 = rng.gen_range(0.7..1.2);
                leaves.push((
                    at,
                    rng.gen_range(0.03..0.075),
                    [green * 0.55 * shade, green * shade, green * 0.3 * shade],
                ));
            }
        }
        Self {
            backdrop,
            centre,
            radius,
            tilt: turn(rng.gen_range(-0.03..0.03)),
            narrow: rng.gen_range(0.8..1.0),
            gain,
            haze: rng.gen_range(0.0..0.3),
            slope: [rng.gen_range(-0.3..0.3), rng.gen_range(-0.3..0.3)],
            shadow,
            leaves,
            dirt: (Noise::new(rng), rng.gen_range(0.0..0.3)),
            blur: rng.gen_range(0.0..0.28),
            noise: rng.gen_range(0.01..0.05),
        }
    }

    /// The light from a point of the picture.
    fn colour(&self, face: &Face, x: f32, y: f32) -> Colour {
        let mut colour = self.surface(face, x, y);
        let mut gain = 1.0 + self.slope[0] * (x - 0.5) + self.slope[1] * (y - 0.5);
        if let Some(s) = &self.shadow
            && (x - s.through[0]) * s.normal[0] + (y - s.through[1]) * s.normal[1] > 0.0
        {
            gain *= s.depth;
        }
        for (value, channel) in colour.iter_mut().zip(self.gain) {
            *value *= gain * channel;
        }
        blend(colour, [0.72 * self.gain[1]; 3], self.haze)
    }

    /// What is seen at a point: leaves before the sign, the sign before its pole, the pole before the place.
    fn surface(&self, face: &Face, x: f32, y: f32) -> Colour {
        let on = |&&(at, r, _): &&(Point, f32, Colour)| {
            let (dx, dy) = (x - at[0], y - at[1]);
            dx * dx + dy * dy <= r * r
        };
        if let Some(leaf) = self.leaves.iter().rev().find(on) {
            return leaf.2;
        }
        let (dx, dy) = ((x - self.centre[0]) / self.radius, (y - self.centre[1]) / self.radius);
        let [cos, sin] = self.tilt;
        let p = [(dx * cos + dy * sin) / self.narrow, dy * cos - dx * sin];
        if let Some(colour) = colour_at(face, p) {
            let (noise, amount) = &self.dirt;
            let grime = (noise.at(p[0] * 2.5 + 8.0, p[1] * 2.5 + 8.0) - 0.35).max(0.0);
            return blend(colour, [0.36, 0.33, 0.28], grime * amount * 2.0);
        }
        if p[1] > 0.0 && p[0].abs() < 0.09 {
            return blend([0.58, 0.59, 0.60], [0.36, 0.37, 0.38], (p[0] + 0.09) / 0.18);
        }
        self.backdrop.at(x, y)
    }
}

/// Mixes each pixel with the mean of its four neighbours (itself where the picture ends).
fn blurred(light: &[Colour], side: usize, amount: f32) -> Vec<Colour> {
    (0..light.len())
        .map(|i| {
            let (x, y) = (i % side, i / side);
            let near = [
                if x > 0 { i - 1 } else { i },
                if x + 1 < side { i + 1 } else { i },
                if y > 0 { i - side } else { i },
                if y + 1 < side { i + side } else { i },
            ];
            std::array::from_fn(|c| {
                let around = near.iter().map(|&j| light[j][c]).sum::<f32>() / 4.0;
                light[i][c] * (1.0 - amount) + around * amount
            })
        })
        .collect()
}
