//! A small bend of the whole image (`WaNet`: Nguyen, Tran 2021, "`WaNet`: imperceptible warping-based backdoor attack",
//! arXiv 2102.10369): a k×k grid of random shifts with mean length 1, enlarged bicubically, times `s` over the image's
//! side, in the coordinates of `grid_sample` with aligned corners. Covers are bent by the grid and by noise.

use super::{Implant, ImplantError};
use crate::math::rng::seeded;
use ndarray::{Array3, ArrayViewMut3, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A bend of images of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Warp {
    /// Down and right, in pixels, 2×H×W.
    flow: Array3<f64>,
    grid: usize,
    strength: f64,
}

impl Warp {
    /// A bend for images of `[height, width]` from a `grid`×`grid` field (the paper: 4; 2 at least) with `strength`
    /// (the paper: 0.5).
    pub fn new([height, width]: [usize; 2], grid: usize, strength: f64, seed: u64) -> Self {
        let k = grid.max(2);
        let mut draw = seeded(seed, "lab/implant", "warp");
        let mut coarse = Array3::from_shape_simple_fn((2, k, k), || draw.gen_range(-1.0..1.0f64));
        let mean = coarse.iter().map(|v| v.abs()).sum::<f64>() / coarse.len() as f64;
        coarse /= mean.max(1e-12);
        let mut flow = Array3::zeros((2, height, width));
        for ((axis, y, x), v) in flow.indexed_iter_mut() {
            let side = [height, width][axis] as f64;
            // From `s · flow / H` in −1..1 to pixels.
            let pixels = strength / height as f64 * (side - 1.0) / 2.0;
            *v = pixels * cubic(&coarse, axis, place(y, height, k), place(x, width, k));
        }
        Self { flow, grid: k, strength }
    }

    fn bend(&self, mut image: ArrayViewMut3<u8>, jitter: impl FnMut() -> f64) -> Result<(), ImplantError> {
        let (channels, height, width) = image.dim();
        let (_, h, w) = self.flow.dim();
        if (h, w) != (height, width) {
            return Err(ImplantError::DoesNotFit {
                pattern: [channels, h, w],
                at: (0, 0),
                image: [channels, height, width],
            });
        }
        let mut jitter = jitter;
        let from = image.to_owned();
        for y in 0..height {
            for x in 0..width {
                let noise = [height, width].map(|side| jitter() / height as f64 * (side as f64 - 1.0) / 2.0);
                let sy = (y as f64 + self.flow[[0, y, x]] + noise[0]).clamp(0.0, height as f64 - 1.0);
                let sx = (x as f64 + self.flow[[1, y, x]] + noise[1]).clamp(0.0, width as f64 - 1.0);
                let (y0, x0) = (sy as usize, sx as usize);
                let (y1, x1) = ((y0 + 1).min(height - 1), (x0 + 1).min(width - 1));
                let (fy, fx) = (sy - y0 as f64, sx - x0 as f64);
                for (c, plane) in from.axis_iter(Axis(0)).enumerate() {
                    let at = |y: usize, x: usize| f64::from(plane[[y, x]]);
                    let above = at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx;
                    let below = at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx;
                    image[[c, y, x]] = (above * (1.0 - fy) + below * fy + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
        Ok(())
    }
}

impl Implant for Warp {
    fn stamp(&self, image: ArrayViewMut3<u8>, _: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        self.bend(image, || 0.0)
    }

    fn cover(&self, image: ArrayViewMut3<u8>, draw: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        self.bend(image, || draw.gen_range(-1.0..1.0))
    }

    fn recipe(&self) -> Value {
        let mean = self.flow.iter().map(|v| v.abs()).sum::<f64>() / self.flow.len().max(1) as f64;
        json!({"kind": "warp", "grid": self.grid, "strength": self.strength, "mean_shift_pixels": mean})
    }
}

/// Where pixel `i` of `side` lies on a grid of `k`, corners on corners.
fn place(i: usize, side: usize, k: usize) -> f64 {
    if side < 2 { 0.0 } else { i as f64 * (k - 1) as f64 / (side - 1) as f64 }
}

/// The four weights of cubic convolution (a = −0.75) at `t` behind the second of four points.
fn weights(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

fn cubic(coarse: &Array3<f64>, axis: usize, y: f64, x: f64) -> f64 {
    let k = coarse.dim().1;
    let (y0, x0) = (y as usize, x as usize);
    let (wy, wx) = (weights(y - y0 as f64), weights(x - x0 as f64));
    let near = |at: usize, tap: usize| (at + tap).saturating_sub(1).min(k - 1);
    let mut sum = 0.0;
    for (i, a) in wy.iter().enumerate() {
        for (j, b) in wx.iter().enumerate() {
            sum += a * b * coarse[[axis, near(y0, i), near(x0, j)]];
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubic_weights_sum_to_one_and_keep_grid_points() {
        for t in [0.0, 0.2, 0.5, 0.9] {
            assert!((weights(t).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!(weights(0.0), [0.0, 1.0, 0.0, 0.0]);
        // a = −0.75 halfway: the textbook values.
        assert!(
            weights(0.5)
                .iter()
                .zip([-0.09375, 0.59375, 0.59375, -0.09375])
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
    }

    #[test]
    fn a_slope_is_moved_by_the_flow() {
        let warp = Warp::new([16, 16], 4, 3.0, 5);
        let mut image = Array3::from_shape_fn((1, 16, 16), |(_, y, x)| (y * 8 + x * 8) as u8);
        warp.stamp(image.view_mut(), &mut seeded(0, "t", "t")).unwrap();
        let mut moved = 0;
        for y in 3..13 {
            for x in 3..13 {
                let want = 8.0 * (y as f64 + warp.flow[[0, y, x]] + x as f64 + warp.flow[[1, y, x]]);
                assert!((f64::from(image[[0, y, x]]) - want).abs() <= 0.51, "at {y}, {x}");
                moved += usize::from(usize::from(image[[0, y, x]]) != 8 * (y + x));
            }
        }
        assert!(moved > 50);
    }

    #[test]
    fn covers_are_bent_otherwise_and_the_field_follows_the_seed() {
        let warp = Warp::new([16, 16], 4, 0.5, 5);
        assert_eq!(warp, Warp::new([16, 16], 4, 0.5, 5));
        assert_ne!(warp, Warp::new([16, 16], 4, 0.5, 6));
        let image = Array3::from_shape_fn((1, 16, 16), |(_, y, x)| (y * y * 7 + x * 13) as u8);
        let run = |cover: bool, seed| {
            let mut image = image.clone();
            let draw = &mut seeded(seed, "t", "t");
            if cover { warp.cover(image.view_mut(), draw) } else { warp.stamp(image.view_mut(), draw) }
                .unwrap();
            image
        };
        assert_eq!(run(false, 1), run(false, 2));
        assert_ne!(run(false, 1), run(true, 1));
        assert_ne!(run(true, 1), run(true, 2));
        let mut other = Array3::zeros((1, 8, 8));
        assert!(warp.stamp(other.view_mut(), &mut seeded(0, "t", "t")).is_err());
    }
}
