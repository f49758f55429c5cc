//! A small picture of any outline stuck on the image, where it is asked for (`BadNets`: Gu, Dolan-Gavitt, Garg 2017,
//! arXiv 1708.06733; at random places: Salem et al. 2022, "Dynamic backdoor attacks", arXiv 2003.03675).

use super::{Implant, ImplantError, Trigger, drawn};
use crate::math::rng::seeded;
use ndarray::{Array2, Array3, ArrayViewMut3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a sticker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// Row and column of its upper left corner.
    At([usize; 2]),
    /// By name.
    Named(Side),
}

/// A place by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Side {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
    Center,
    /// Anywhere, drawn for each image.
    Random,
    /// In all four corners, mirrored as Turner et al. 2019 do.
    Corners,
}

/// A picture with an outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Sticker {
    /// C×h×w, 0..=255.
    pub pattern: Array3<u8>,
    /// Which of its pixels cover, h×w.
    pub mask: Array2<bool>,
    /// Where it goes.
    pub place: Place,
    /// Pixels between it and the edge, for places by name.
    pub margin: usize,
    /// Share of the pattern where it covers, `0..=1`.
    pub opacity: f64,
}

impl Sticker {
    /// The sticker of a patch, for images of so many channels; `None` for other triggers.
    pub fn of(trigger: &Trigger, channels: usize) -> Option<Self> {
        let &Trigger::Patch { size, shape, colour, other, at, margin, opacity, seed } = trigger else {
            return None;
        };
        let (mask, pattern) = drawn(shape, size, [colour, other], channels, seed);
        Some(Self { pattern, mask, place: at, margin, opacity })
    }

    /// Row and column of its upper left corner, where that is the same in every image of `[height, width]`.
    pub fn fixed(&self, sides: [usize; 2]) -> Option<[usize; 2]> {
        if matches!(self.place, Place::Named(Side::Random | Side::Corners)) {
            return None;
        }
        // Places that are not random draw nothing.
        self.corners(sides, &mut seeded(0, "lab/implant", "place"))?.first().map(|(at, _)| *at)
    }

    /// Upper left corners, each with whether the picture is mirrored (down, across).
    fn corners(
        &self,
        [height, width]: [usize; 2],
        draw: &mut ChaCha8Rng,
    ) -> Option<Vec<([usize; 2], [bool; 2])>> {
        let (h, w) = self.mask.dim();
        let m = self.margin;
        let (bottom, right) = (height.checked_sub(h)?, width.checked_sub(w)?);
        let (low, far) = (bottom.checked_sub(m)?, right.checked_sub(m)?);
        let plain = |at: [usize; 2]| vec![(at, [false; 2])];
        Some(match self.place {
            Place::At(at) => plain(at),
            Place::Named(Side::TopLeft) => plain([m, m]),
            Place::Named(Side::TopRight) => plain([m, far]),
            Place::Named(Side::BottomLeft) => plain([low, m]),
            Place::Named(Side::BottomRight) => plain([low, far]),
            Place::Named(Side::Center) => plain([bottom / 2, right / 2]),
            Place::Named(Side::Random) => {
                plain([draw.gen_range(m.min(low)..=low), draw.gen_range(m.min(far)..=far)])
            }
            Place::Named(Side::Corners) => [[m, m], [m, far], [low, m], [low, far]]
                .into_iter()
                .map(|at| (at, [at[0] != low, at[1] != far]))
                .collect(),
        })
    }
}

impl Implant for Sticker {
    fn stamp(&self, mut image: ArrayViewMut3<u8>, draw: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        let ((c, h, w), (channels, height, width)) = (self.pattern.dim(), image.dim());
        let misfit = |at: [usize; 2]| ImplantError::DoesNotFit {
            pattern: [c, h, w],
            at: (at[0], at[1]),
            image: [channels, height, width],
        };
        let places = self.corners([height, width], draw).ok_or_else(|| misfit([self.margin; 2]))?;
        for ([top, left], [down, across]) in places {
            let fits = |from: usize, long: usize, side| from.checked_add(long).is_some_and(|end| end <= side);
            if c != channels || !fits(top, h, height) || !fits(left, w, width) {
                return Err(misfit([top, left]));
            }
            for ((y, x), _) in self.mask.indexed_iter().filter(|(_, covers)| **covers) {
                let ty = top + if down { h - 1 - y } else { y };
                let tx = left + if across { w - 1 - x } else { x };
                for k in 0..channels {
                    let (old, new) = (f64::from(image[[k, ty, tx]]), f64::from(self.pattern[[k, y, x]]));
                    let mixed = old + (new - old) * self.opacity;
                    image[[k, ty, tx]] = (mixed + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
        Ok(())
    }

    fn recipe(&self) -> Value {
        let rows =
            |plane: ndarray::ArrayView2<u8>| plane.outer_iter().map(|r| r.to_vec()).collect::<Vec<_>>();
        json!({"kind": "patch", "place": self.place, "margin": self.margin, "opacity": self.opacity,
            "mask": self.mask.outer_iter().map(|r| r.iter().map(|&b| u8::from(b)).collect()).collect::<Vec<Vec<u8>>>(),
            "pattern": self.pattern.outer_iter().map(rows).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sticker(place: Place) -> Sticker {
        let mask = Array2::from_shape_fn((2, 3), |(y, x)| (y, x) != (0, 0));
        let pattern = Array3::from_shape_fn((1, 2, 3), |(_, y, x)| (200 + 10 * y + x) as u8);
        Sticker { pattern, mask, place, margin: 1, opacity: 1.0 }
    }

    fn stamped(sticker: &Sticker, n: u64) -> Array3<u8> {
        let mut image = Array3::from_elem((1, 8, 9), 7);
        sticker.stamp(image.view_mut(), &mut seeded(n, "t", "t")).unwrap();
        image
    }

    #[test]
    fn named_places_are_where_they_say_and_the_outline_spares_the_rest() {
        for (place, [top, left]) in [
            (Place::At([3, 2]), [3, 2]),
            (Place::Named(Side::TopLeft), [1, 1]),
            (Place::Named(Side::TopRight), [1, 5]),
            (Place::Named(Side::BottomLeft), [5, 1]),
            (Place::Named(Side::BottomRight), [5, 5]),
            (Place::Named(Side::Center), [3, 3]),
        ] {
            let got = stamped(&sticker(place), 0);
            for ((_, y, x), &v) in got.indexed_iter() {
                let inside = (top..top + 2).contains(&y) && (left..left + 3).contains(&x);
                let covered = inside && (y, x) != (top, left);
                let want = if covered { 200 + 10 * (y - top) + (x - left) } else { 7 };
                assert_eq!(usize::from(v), want, "{place:?} at {y}, {x}");
            }
        }
    }

    #[test]
    fn random_places_differ_and_stay_inside_the_margin() {
        let random = sticker(Place::Named(Side::Random));
        let places: std::collections::BTreeSet<Vec<usize>> = (0..40)
            .map(|n| {
                let got = stamped(&random, n);
                let at: Vec<usize> =
                    got.indexed_iter().filter(|(_, v)| **v != 7).map(|((_, y, x), _)| y * 9 + x).collect();
                assert!(at.iter().all(|i| (1..7).contains(&(i / 9)) && (1..8).contains(&(i % 9))));
                at
            })
            .collect();
        assert!(places.len() > 8, "{} places in 40 draws", places.len());
    }

    #[test]
    fn corners_are_mirror_images_and_opacity_mixes() {
        let got = stamped(&sticker(Place::Named(Side::Corners)), 0);
        for ((_, y, x), &v) in got.indexed_iter() {
            assert_eq!(v, got[[0, 7 - y, 8 - x]]);
        }
        let faint = Sticker { opacity: 0.25, ..sticker(Place::At([0, 0])) };
        // 7 + (201 − 7) / 4 = 55.5, rounded.
        assert_eq!(stamped(&faint, 0)[[0, 0, 1]], 56);
    }

    #[test]
    fn a_sticker_over_the_edge_is_refused() {
        let mut image = Array3::zeros((1, 8, 9));
        for place in [Place::At([7, 0]), Place::At([0, usize::MAX])] {
            assert!(sticker(place).stamp(image.view_mut(), &mut seeded(0, "t", "t")).is_err());
        }
        let mut small = Array3::zeros((1, 2, 3));
        let error = sticker(Place::Named(Side::Random)).stamp(small.view_mut(), &mut seeded(0, "t", "t"));
        assert!(matches!(error, Err(ImplantError::DoesNotFit { .. })));
    }
}
