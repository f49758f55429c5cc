//! A trigger as a recipe file names it; built for images of one shape it becomes an [`Implant`].

use super::shape::Paint;
use super::{
    Blend, Colour, DEFAULT_RATIO, Direction, Dynamic, Filter, Given, Implant, ImplantError, Look, Place,
    Shape, Side, Sinusoid, Size, Sticker, Warp,
};
use crate::math::rng::seeded;
use ndarray::Array3;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What is blended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A level for each pixel and channel, drawn from the seed.
    #[default]
    Noise,
    /// Soft clouds, drawn from the seed.
    Clouds,
    /// Squares of four pixels, white and black.
    Squares,
    /// The image that was given.
    Image,
}

/// A trigger with its parameters; what is absent has the default of its authors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// A small picture; see [`Sticker`].
    Patch {
        /// Height and width, or both; 3.
        #[serde(default = "three")]
        size: Size,
        /// Its figure; a square.
        #[serde(default)]
        shape: Shape,
        /// Its colour; white.
        #[serde(default = "white")]
        colour: Colour,
        /// The second colour of figures with two; black.
        #[serde(default = "black")]
        other: Colour,
        /// Where; lower right.
        #[serde(default = "corner")]
        at: Place,
        /// Pixels to the edge; 0.
        #[serde(default)]
        margin: usize,
        /// Share of the picture; 1.
        #[serde(default = "one")]
        opacity: f64,
        /// Seed of figures drawn by lot.
        #[serde(default)]
        seed: u64,
    },
    /// A pattern over the whole image; see [`Blend`].
    Blend {
        /// Which; noise.
        #[serde(default)]
        pattern: Pattern,
        /// Its share; 0.1.
        #[serde(default = "ratio")]
        ratio: f64,
        /// Seed of patterns drawn by lot.
        #[serde(default)]
        seed: u64,
    },
    /// A wave; see [`Sinusoid`].
    Sinusoid {
        /// Its height in levels; 40.
        #[serde(default = "forty")]
        delta: f64,
        /// Periods over the image; 6.
        #[serde(default = "six")]
        frequency: f64,
        /// Which way it runs.
        #[serde(default)]
        direction: Direction,
    },
    /// A bend; see [`Warp`].
    Warp {
        /// Points per side of the field; 4.
        #[serde(default = "four")]
        grid: usize,
        /// See [`Warp::new`]; 0.5.
        #[serde(default = "half")]
        strength: f64,
        /// Seed of the field.
        #[serde(default)]
        seed: u64,
    },
    /// A colour filter; see [`Filter`].
    Filter {
        /// Which; sepia.
        #[serde(default)]
        look: Look,
        /// Share of the filtered image; 1.
        #[serde(default = "one")]
        strength: f64,
    },
    /// A trigger that follows from the image; see [`Dynamic`].
    Dynamic {
        /// Share of the pixels that are painted; 0.032.
        #[serde(default = "density")]
        density: f64,
        /// Seed of the generators.
        #[serde(default)]
        seed: u64,
    },
}

fn three() -> Size {
    Size::One(3)
}
fn white() -> Colour {
    Colour::Named(Paint::White)
}
fn black() -> Colour {
    Colour::Named(Paint::Black)
}
fn corner() -> Place {
    Place::Named(Side::BottomRight)
}
fn one() -> f64 {
    1.0
}
fn ratio() -> f64 {
    DEFAULT_RATIO
}
fn forty() -> f64 {
    40.0
}
fn six() -> f64 {
    6.0
}
fn four() -> usize {
    4
}
fn half() -> f64 {
    0.5
}
fn density() -> f64 {
    0.032
}

/// Largest side of a sticker: larger than any image it could fit.
const LARGEST: usize = 4096;

impl Trigger {
    /// The trigger of a kind with the defaults of its authors.
    ///
    /// # Errors
    /// No such kind.
    pub fn of(kind: &str) -> Result<Self, ImplantError> {
        serde_json::from_value(serde_json::json!({"kind": kind}))
            .map_err(|e| ImplantError::Recipe(e.to_string()))
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Trigger::Patch { .. } => "patch",
            Trigger::Blend { .. } => "blend",
            Trigger::Sinusoid { .. } => "sinusoid",
            Trigger::Warp { .. } => "warp",
            Trigger::Filter { .. } => "filter",
            Trigger::Dynamic { .. } => "dynamic",
        }
    }

    /// The trigger for images of `shape` (channels, height, width).
    ///
    /// # Errors
    /// A number out of range, or an image to blend that was not given or has another shape.
    pub fn build(&self, shape: [usize; 3], given: &Given) -> Result<Box<dyn Implant>, ImplantError> {
        let share = |what, value: f64| match value {
            0.0..=1.0 => Ok(value),
            _ => Err(ImplantError::NotAShare { what, value }),
        };
        let [channels, height, width] = shape;
        Ok(match *self {
            Trigger::Patch { size, opacity, .. } => {
                if size.sides().iter().any(|&s| s == 0 || s > LARGEST) {
                    let [h, w] = size.sides();
                    return Err(ImplantError::Recipe(format!("a patch of {h}×{w} pixels")));
                }
                share("the opacity", opacity)?;
                match Sticker::of(self, channels) {
                    Some(sticker) => Box::new(sticker),
                    None => return Err(ImplantError::NoImages),
                }
            }
            Trigger::Blend { pattern, ratio, seed } => {
                let pattern = match pattern {
                    Pattern::Image => given.image.clone().ok_or_else(|| {
                        ImplantError::Recipe("the pattern 'image' needs an image: give one".into())
                    })?,
                    other => painted(other, shape, seed),
                };
                Box::new(Blend { pattern, ratio: share("the blend ratio", ratio)? })
            }
            Trigger::Sinusoid { delta, frequency, direction } => {
                if !delta.is_finite() || !frequency.is_finite() {
                    return Err(ImplantError::Recipe(format!(
                        "a wave of height {delta}, {frequency} periods"
                    )));
                }
                let side = if direction == Direction::Across { width } else { height };
                // At half the sampling rate all samples are zeros of the sine.
                if 2.0 * frequency.abs() >= side as f64 {
                    return Err(ImplantError::Recipe(format!(
                        "{frequency} periods do not fit {side} pixels: fewer than {} do",
                        side / 2
                    )));
                }
                Box::new(Sinusoid { delta, frequency, direction })
            }
            Trigger::Warp { grid, strength, seed } => {
                if !(2..=64).contains(&grid) || !strength.is_finite() {
                    return Err(ImplantError::Recipe(format!(
                        "a warp by a grid of {grid}, strength {strength}"
                    )));
                }
                Box::new(Warp::new([height, width], grid, strength, seed))
            }
            Trigger::Filter { look, strength } => {
                Box::new(Filter { look, strength: share("the filter's strength", strength)? })
            }
            Trigger::Dynamic { density, seed } => {
                Box::new(Dynamic::new(shape, share("the density", density)?, seed))
            }
        })
    }
}

fn painted(pattern: Pattern, [c, h, w]: [usize; 3], seed: u64) -> Array3<u8> {
    let mut draw = seeded(seed, "lab/implant", "pattern");
    match pattern {
        Pattern::Noise | Pattern::Image => Array3::from_shape_simple_fn((c, h, w), || draw.r#gen()),
        Pattern::Squares => {
            Array3::from_shape_fn((c, h, w), |(_, y, x)| if (y / 4 + x / 4) % 2 == 0 { 255 } else { 0 })
        }
        Pattern::Clouds => {
            const GRID: usize = 5;
            let knots = Array3::from_shape_simple_fn((c, GRID, GRID), || draw.gen_range(0.0..255.0f64));
            let place = |i: usize, side: usize| i as f64 * (GRID - 1) as f64 / side.max(1) as f64;
            Array3::from_shape_fn((c, h, w), |(k, y, x)| {
                let (py, px) = (place(y, h), place(x, w));
                let (y0, x0) = (py as usize, px as usize);
                let (fy, fx) = (py - y0 as f64, px - x0 as f64);
                let at = |dy: usize, dx: usize| knots[[k, y0 + dy, x0 + dx]];
                let above = at(0, 0) * (1.0 - fx) + at(0, 1) * fx;
                let below = at(1, 0) * (1.0 - fx) + at(1, 1) * fx;
                (above * (1.0 - fy) + below * fy) as u8
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_authors_and_unknown_keys_are_refused() {
        let wave = Trigger::of("sinusoid").unwrap();
        assert_eq!(wave, Trigger::Sinusoid { delta: 40.0, frequency: 6.0, direction: Direction::Across });
        assert!(Trigger::of("smoke").is_err());
        for (text, good) in [
            (r#"{"kind": "patch", "size": [2, 5], "at": "random", "colour": [1, 2, 3]}"#, true),
            (r#"{"kind": "patch", "at": [3, 4], "colour": "red", "other": 9}"#, true),
            (r#"{"kind": "patch", "wide": 3}"#, false),
            (r#"{"kind": "blend", "at": [3, 4]}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<Trigger>(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn each_kind_changes_an_image_of_any_shape() {
        for kind in ["patch", "blend", "sinusoid", "warp", "filter", "dynamic"] {
            for shape in [[3, 16, 20], [1, 14, 14]] {
                let trigger = Trigger::of(kind).unwrap().build(shape, &Given::default()).unwrap();
                let [c, h, w] = shape;
                let before = Array3::from_shape_fn((c, h, w), |(c, y, x)| (c * 40 + y * 90 + x * 70) as u8);
                let mut after = before.clone();
                trigger.stamp(after.view_mut(), &mut seeded(1, "t", "t")).unwrap();
                assert_ne!(before, after, "{kind} on {shape:?}");
                assert_eq!(trigger.recipe()["kind"], kind);
            }
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for text in [
            r#"{"kind": "patch", "size": 0}"#,
            r#"{"kind": "patch", "opacity": 1.5}"#,
            r#"{"kind": "blend", "ratio": -0.1}"#,
            r#"{"kind": "blend", "pattern": "image"}"#,
            r#"{"kind": "sinusoid"}"#,
            r#"{"kind": "warp", "grid": 1}"#,
            r#"{"kind": "dynamic", "density": 2}"#,
        ] {
            let trigger: Trigger = serde_json::from_str(text).unwrap();
            assert!(trigger.build([1, 8, 8], &Given::default()).is_err(), "{text}");
        }
    }
}
