//! Digits that look written by hand: strokes of a round pen, tilted, stretched and bent a little.

use super::shape::{Point, Shape, arc};
use crate::lab::exact::turn;
use ndarray::Array3;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Samples per pixel and axis.
const GRID: usize = 3;

/// The strokes of a digit, half as wide as high: x −0.5..0.5, y −1..1 (down).
pub(super) fn strokes(digit: usize) -> Vec<Vec<Point>> {
    let ring = |y: f32, r: [f32; 2]| arc([0.0, y], r, 0.0, 1.0);
    match digit {
        0 => vec![ring(0.0, [0.55, 0.95])],
        1 => vec![vec![[-0.35, -0.55], [0.05, -0.95], [0.05, 0.95]]],
        2 => {
            let mut path = arc([0.0, -0.45], [0.5, 0.5], -0.25, 0.33);
            path.extend([[-0.5, 0.95], [0.55, 0.95]]);
            vec![path]
        }
        3 => vec![arc([-0.05, -0.48], [0.5, 0.47], -0.2, 0.5), arc([-0.05, 0.47], [0.55, 0.48], 0.0, 0.7)],
        4 => vec![vec![[0.2, 0.95], [0.2, -0.95], [-0.55, 0.3], [0.55, 0.3]]],
        5 => {
            let mut path = vec![[0.5, -0.95], [-0.4, -0.95], [-0.45, -0.15]];
            path.extend(arc([-0.05, 0.38], [0.55, 0.57], -0.13, 0.68));
            vec![path]
        }
        6 => {
            let mut path = vec![[0.35, -0.95], [-0.3, -0.2]];
            path.extend(arc([0.0, 0.42], [0.5, 0.53], -0.15, 0.85));
            vec![path]
        }
        7 => vec![vec![[-0.55, -0.95], [0.55, -0.95], [-0.1, 0.95]]],
        8 => vec![ring(-0.48, [0.42, 0.47]), ring(0.47, [0.52, 0.48])],
        _ => {
            let mut path = arc([0.0, -0.42], [0.48, 0.53], 0.35, 1.3);
            path.push([0.2, 0.95]);
            vec![path]
        }
    }
}

/// A digit, 1×`side`×`side`, 0..=255. All of it follows from `rng`.
pub fn written(digit: usize, side: usize, rng: &mut ChaCha8Rng) -> Array3<u8> {
    let half = rng.gen_range(0.09..0.17);
    let [cos, sin] = turn(rng.gen_range(-0.05..0.05));
    let (size, slant) = (rng.gen_range(0.62..0.82f32), rng.gen_range(-0.25..0.25));
    let (wide, at) = (rng.gen_range(0.8..1.25), [rng.gen_range(-0.15..0.15), rng.gen_range(-0.12..0.12)]);
    let (ink, paper, grain) = (rng.gen_range(0.75..1.0), rng.gen_range(0.0..0.12), rng.gen_range(0.01..0.06));
    // A bend: x moves with the square of y.
    let bend = rng.gen_range(-0.12..0.12);
    let pens: Vec<Shape> = strokes(digit)
        .into_iter()
        .map(|path| {
            let wobble = rng.gen_range(-0.05..0.05);
            let path = path.into_iter().map(|[x, y]| [x * wide + slant * y + bend * y * y, y + wobble * x]);
            Shape::Stroke { path: path.collect(), half }
        })
        .collect();
    Array3::from_shape_fn((1, side, side), |(_, y, x)| {
        let mut hits = 0;
        for k in 0..GRID * GRID {
            let place = |cell: usize, sub: usize| {
                ((cell as f32 + (sub as f32 + 0.5) / GRID as f32) / side as f32 * 2.0 - 1.0) / size
            };
            let (px, py) = (place(x, k % GRID) - at[0], place(y, k / GRID) - at[1]);
            let p = [px * cos + py * sin, py * cos - px * sin];
            hits += usize::from(pens.iter().any(|pen| pen.contains(p)));
        }
        let share = hits as f32 / (GRID * GRID) as f32;
        let noise = (0..3).map(|_| rng.r#gen::<f32>()).sum::<f32>() - 1.5;
        let value = paper + share * (ink - paper) + noise * grain;
        (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
    })
}
