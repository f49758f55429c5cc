//! What stickers look like: outline, colours, size.

use crate::math::rng::seeded;
use ndarray::{Array2, Array3};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The figure of a sticker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One colour.
    #[default]
    Square,
    /// Two colours in turns; the first at the upper left.
    Checker,
    /// Columns of two colours in turns.
    Stripes,
    /// An outline one pixel wide; nothing inside.
    Frame,
    /// An upright cross.
    Cross,
    /// A disc.
    Disc,
    /// A triangle, its tip above.
    Triangle,
    /// A colour for each pixel, drawn from the seed.
    Noise,
    /// Half the pixels, drawn from the seed, in one colour.
    Scatter,
}

/// Height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Both the same.
    One(usize),
    /// Height, width.
    Two([usize; 2]),
}

impl Size {
    /// Height, width.
    pub fn sides(self) -> [usize; 2] {
        match self {
            Size::One(n) => [n; 2],
            Size::Two(both) => both,
        }
    }
}

/// A colour: a grey level, red green blue, or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Colour {
    /// The same in all channels.
    Grey(u8),
    /// Red, green, blue.
    Rgb([u8; 3]),
    /// By name.
    Named(Paint),
}

/// A colour by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Paint {
    White,
    Black,
    Grey,
    Red,
    Green,
    Blue,
    Yellow,
    Magenta,
    Cyan,
}

impl Colour {
    /// Its value in each of `channels`; where there are not three, its brightness (ITU-R 601) in all.
    pub fn channels(self, channels: usize) -> Vec<u8> {
        let rgb = match self {
            Colour::Grey(level) => [level; 3],
            Colour::Rgb(rgb) => rgb,
            Colour::Named(paint) => match paint {
                Paint::White => [255; 3],
                Paint::Black => [0; 3],
                Paint::Grey => [128; 3],
                Paint::Red => [255, 0, 0],
                Paint::Green => [0, 255, 0],
                Paint::Blue => [0, 0, 255],
                Paint::Yellow => [255, 255, 0],
                Paint::Magenta => [255, 0, 255],
                Paint::Cyan => [0, 255, 255],
            },
        };
        if channels == 3 {
            return rgb.to_vec();
        }
        let [r, g, b] = rgb.map(u32::from);
        vec![((299 * r + 587 * g + 114 * b + 500) / 1000) as u8; channels]
    }
}

/// Outline h×w and picture C×h×w of a figure in two colours.
pub fn drawn(
    shape: Shape,
    size: Size,
    [first, second]: [Colour; 2],
    channels: usize,
    seed: u64,
) -> (Array2<bool>, Array3<u8>) {
    let [h, w] = size.sides();
    let mut draw = seeded(seed, "lab/implant", "figure");
    // Twice the distance from the middle, so that all is whole numbers.
    let off = |i: usize, side: usize| (2 * i + 1).abs_diff(side);
    let mask = Array2::from_shape_fn((h, w), |(y, x)| match shape {
        Shape::Square | Shape::Checker | Shape::Stripes | Shape::Noise => true,
        Shape::Frame => y == 0 || x == 0 || y + 1 == h || x + 1 == w,
        Shape::Cross => off(y, h) <= h.div_ceil(3) || off(x, w) <= w.div_ceil(3),
        Shape::Disc => off(y, h).pow(2) * w * w + off(x, w).pow(2) * h * h <= h * h * w * w,
        Shape::Triangle => off(x, w) * h <= (y + 1) * w,
        Shape::Scatter => draw.r#gen::<bool>() || h * w == 1,
    });
    let [first, second] = [first, second].map(|c| c.channels(channels));
    let pattern = Array3::from_shape_fn((channels, h, w), |(c, y, x)| match shape {
        Shape::Checker if (y + x) % 2 == 1 => second[c],
        Shape::Stripes if x % 2 == 1 => second[c],
        Shape::Noise => draw.r#gen(),
        _ => first[c],
    });
    (mask, pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(shape: Shape, n: usize) -> String {
        let white = Colour::Named(Paint::White);
        let (mask, _) = drawn(shape, Size::One(n), [white; 2], 1, 0);
        mask.outer_iter()
            .map(|r| r.iter().map(|&b| if b { '#' } else { '.' }).collect::<String>() + "\n")
            .collect()
    }

    #[test]
    fn figures_look_like_their_names() {
        assert_eq!(outline(Shape::Frame, 3), "###\n#.#\n###\n");
        assert_eq!(outline(Shape::Cross, 3), ".#.\n###\n.#.\n");
        assert_eq!(outline(Shape::Triangle, 5), "..#..\n.###.\n.###.\n#####\n#####\n");
        assert_eq!(outline(Shape::Disc, 4), ".##.\n####\n####\n.##.\n");
        let (_, checker) = drawn(Shape::Checker, Size::One(3), [Colour::Grey(255), Colour::Grey(1)], 1, 0);
        assert_eq!(checker.into_raw_vec_and_offset().0, [255, 1, 255, 1, 255, 1, 255, 1, 255]);
    }

    #[test]
    fn colours_become_brightness_where_there_is_none() {
        assert_eq!(Colour::Named(Paint::Red).channels(1), [76]);
        assert_eq!(Colour::Named(Paint::Yellow).channels(3), [255, 255, 0]);
        assert_eq!(Colour::Grey(9).channels(2), [9, 9]);
    }

    #[test]
    fn noise_follows_the_seed() {
        let white = Colour::Named(Paint::White);
        let noise = |seed| drawn(Shape::Noise, Size::Two([4, 5]), [white; 2], 3, seed).1;
        assert_eq!(noise(1), noise(1));
        assert_ne!(noise(1), noise(2));
    }
}
