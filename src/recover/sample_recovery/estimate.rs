//! Triggers as they follow from listed samples, the rest of their label and clean images, without any gradient.

use super::super::spectrum::{self, Wave};
use super::super::stamping::Stamp;
use super::blocks;
use crate::detect::invert::{Form, KNOTS};
use crate::detect::poisoned::causal::Shared;
use crate::detect::stamp::Trigger;
use crate::math::robust::median;
use crate::procedure::number;
use ndarray::{Array2, Array3, Array4, Axis};
use serde_json::{Value, json};

/// Share of the difference's energy in one wave that makes it a sinusoid.
pub const WAVE: f64 = 0.5;
/// A clean pixel has the colour of a shared one when every channel is as near; a shared pixel is the trigger's own when at most
/// such a share of clean images has its colour.
const ALIKE: f32 = 0.1;
const USUAL: f64 = 0.25;
/// A shared patch above this share of the picture is no patch.
const LARGEST: f64 = 0.15;
/// Looked-at pictures in block matching.
const MATCHED: usize = 60;
/// Clean images whose mean stands for a picture before it was bent.
const NEAREST: usize = 3;
/// Displacement, root mean square in pixels, below which nothing was bent.
const BENT: f64 = 0.2;

/// A trigger that may be what the samples share.
#[derive(Debug, Clone)]
pub struct Guess {
    /// patch, multi-patch, sinusoid, blend, warp or residual.
    pub kind: &'static str,
    /// How it is put on images.
    pub stamp: Stamp,
    /// Its parameters, for people and for toolkit comparison.
    pub facts: Value,
}

/// What there is to compare, each n×C×H×W in unit pixels.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Listed samples.
    pub own: &'a Array4<f32>,
    /// Others of their label.
    pub rest: &'a Array4<f32>,
    /// Clean images of all classes.
    pub clean: &'a Array4<f32>,
    /// What the listed share, by medians and mean differences.
    pub shared: &'a Shared,
}

/// Number of connected parts (8 neighbours) of a mask over H×W, each with its pixels.
pub fn parts(mask: &Array2<bool>) -> Vec<Vec<(usize, usize)>> {
    let (h, w) = mask.dim();
    let mut seen = Array2::from_elem((h, w), false);
    let mut out = Vec::new();
    for start in mask.indexed_iter().filter(|(_, m)| **m).map(|(at, _)| at) {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let (mut part, mut open) = (Vec::new(), vec![start]);
        while let Some((y, x)) = open.pop() {
            part.push((y, x));
            for v in y.saturating_sub(1)..(y + 2).min(h) {
                for u in x.saturating_sub(1)..(x + 2).min(w) {
                    if mask[[v, u]] && !seen[[v, u]] {
                        seen[[v, u]] = true;
                        open.push((v, u));
                    }
                }
            }
        }
        out.push(part);
    }
    out
}

/// How many of the parts are patches of their own: parts whose boxes, grown by two pixels, do not touch, so that the
/// halves of a checker count once. Parts of a single pixel beside a larger one are specks and do not count.
pub fn patches(mask: &Array2<bool>) -> usize {
    let (h, w) = mask.dim();
    let mut grown = Array2::from_elem((h, w), false);
    let all = parts(mask);
    let largest = all.iter().map(Vec::len).max().unwrap_or(0);
    for part in all.iter().filter(|p| p.len() > 1 || largest <= 2) {
        for &(y, x) in part {
            for v in y.saturating_sub(1)..(y + 2).min(h) {
                for u in x.saturating_sub(1)..(x + 2).min(w) {
                    grown[[v, u]] = true;
                }
            }
        }
    }
    parts(&grown).len()
}

/// The shared pixels that are the trigger's own: of a colour that few clean images have there. Without that, the black where the
/// rest of the label draws its strokes counts as shared.
fn unusual(m: Material) -> Array2<bool> {
    let (_, c, _, _) = m.clean.dim();
    let like = |y: usize, x: usize| {
        let same = |i: &ndarray::ArrayView3<f32>| {
            (0..c).all(|k| (i[[k, y, x]] - m.shared.colour[[k, y, x]]).abs() <= ALIKE)
        };
        m.clean.outer_iter().filter(same).count() as f64 / m.clean.dim().0.max(1) as f64
    };
    Array2::from_shape_fn(m.shared.mask.dim(), |(y, x)| m.shared.mask[[y, x]] && like(y, x) <= USUAL)
}

/// The shared patch, if there is one.
pub fn patch(m: Material) -> Option<Guess> {
    let own = unusual(m);
    let area = own.iter().filter(|&&on| on).count() as f64 / own.len().max(1) as f64;
    if area <= 0.0 || area > LARGEST {
        return None;
    }
    let mask: Vec<f32> = own.iter().map(|&on| f32::from(u8::from(on))).collect();
    let pixels = mask.len();
    let pattern = m.shared.colour.iter().enumerate().map(|(i, &p)| p * mask[i % pixels]).collect();
    let at = |axis: usize| {
        let places = own.indexed_iter().filter(|(_, on)| **on);
        let all: Vec<usize> = places.map(|((y, x), _)| if axis == 0 { y } else { x }).collect();
        json!([all.iter().min(), all.iter().max()])
    };
    let count = patches(&own);
    let colour: Vec<Value> = m
        .shared
        .colour
        .outer_iter()
        .map(|plane| {
            let on: Vec<f64> =
                plane.iter().zip(&own).filter(|(_, m)| **m).map(|(p, _)| f64::from(*p)).collect();
            number(on.iter().sum::<f64>() / on.len().max(1) as f64)
        })
        .collect();
    let covered = mask.iter().filter(|&&m| m > 0.5).count();
    Some(Guess {
        kind: if count > 1 { "multi-patch" } else { "patch" },
        facts: json!({"pixels": covered, "rows": at(0), "columns": at(1), "patches": count, "mean_colour": colour}),
        stamp: Stamp::Blend(Trigger { mask, pattern }),
    })
}

/// Pattern p and share α of x' = (1 − α)·x + α·p: mixing shrinks the spread of every pixel by 1 − α, and the mean
/// difference to like images is α·(p − mean). Chen et al. 2017.
pub fn blend(m: Material) -> Option<Guess> {
    let spread = |a: &Array4<f32>| a.std_axis(Axis(0), 0.0);
    let (mine, theirs) = (spread(m.own), spread(m.clean));
    let ratios: Vec<f64> =
        mine.iter().zip(&theirs).filter(|(_, t)| **t > 0.05).map(|(a, b)| f64::from(a / b)).collect();
    let shrink = median(&ratios)? as f32;
    let alpha = (1.0 - shrink).clamp(0.05, 0.9);
    let mean = m.clean.mean_axis(Axis(0))?;
    let pattern: Vec<f32> =
        (&mean + &(&m.shared.residual / alpha)).iter().map(|p| p.clamp(0.0, 1.0)).collect();
    let (_, h, w) = mean.dim();
    Some(Guess {
        kind: "blend",
        stamp: Stamp::Blend(Trigger { mask: vec![alpha; h * w], pattern }),
        facts: json!({"share": number(f64::from(alpha)), "spread_left": number(f64::from(shrink))}),
    })
}

/// The one wave that makes up most of the difference. Barni, Kallas, Tondi 2019. The difference is taken once against like
/// images and once against the rest of the label (where the labels are true, the content is the same): the clearer counts.
pub fn sinusoid(m: Material) -> Option<Guess> {
    let (_, c, h, w) = m.own.dim();
    let by_label = (!m.rest.is_empty())
        .then(|| Some(&m.own.mean_axis(Axis(0))? - &m.rest.mean_axis(Axis(0))?))
        .flatten();
    let fields: Vec<Array3<f32>> = std::iter::once(m.shared.residual.clone()).chain(by_label).collect();
    let clearer = |a: Wave, b: Wave| if b.share > a.share { b } else { a };
    let wave = fields.iter().filter_map(spectrum::strongest).reduce(clearer)?;
    if wave.share < WAVE || wave.down.hypot(wave.across) < 1.5 {
        return None;
    }
    let facts = json!({
        "periods_down": number(wave.down), "periods_across": number(wave.across), "amplitude": number(wave.amplitude),
        "amplitude_of_255": number(255.0 * wave.amplitude), "phase": number(wave.phase), "share_of_energy": number(wave.share),
    });
    let field = wave.field([c, h, w]).iter().copied().collect();
    Some(Guess { kind: "sinusoid", stamp: Stamp::Add(field), facts })
}

/// Displacements by block matching against the nearest clean images, less what the rest of the label shows.
pub fn warp(m: Material) -> Option<Guess> {
    let (_, c, h, w) = m.own.dim();
    let few = |a: &Array4<f32>| a.slice_axis(Axis(0), (0..a.dim().0.min(MATCHED)).into()).to_owned();
    let measured = |a: &Array4<f32>| blocks::displacement(a, &blocks::lookalikes(a, m.clean, NEAREST));
    let mut knots = measured(&few(m.own));
    if m.rest.dim().0 >= MATCHED / 4 {
        let natural = measured(&few(m.rest));
        knots.iter_mut().zip(natural).for_each(|(k, n)| *k -= n);
    }
    let size = (knots.iter().map(|&d| f64::from(d).powi(2)).sum::<f64>() / (KNOTS * KNOTS) as f64).sqrt();
    (size >= BENT).then(|| Guess {
        kind: "warp",
        stamp: Stamp::Warp(Form::Flow.field(&knots, [c, h, w])),
        facts: json!({"displacement": number(size), "knots": KNOTS, "by": "block matching"}),
    })
}

/// The mean difference itself, `gain` times: label-consistent attacks and whatever else is added.
pub fn residual(m: Material, gain: f32) -> Guess {
    let field: Vec<f32> = m.shared.residual.iter().map(|v| gain * v).collect();
    let norm = field.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    Guess {
        kind: "residual",
        stamp: Stamp::Add(field),
        facts: json!({"gain": f64::from(gain), "l2": number(norm)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::poisoned::causal;
    use rand::Rng;

    fn pictures(n: usize, seed: u64) -> Array4<f32> {
        let mut rng = crate::math::rng::seeded(seed, "t", "pictures");
        let level: Vec<f32> = (0..n).map(|_| rng.gen_range(0.2..0.8)).collect();
        Array4::from_shape_fn((n, 3, 16, 16), |(i, _, _, _)| level[i])
            + Array4::from_shape_simple_fn((n, 3, 16, 16), || rng.gen_range(-0.15..0.15f32))
    }

    fn shared(residual: Array3<f32>, mask: Array2<bool>) -> Shared {
        Shared { mask, colour: Array3::from_elem((3, 16, 16), 1.0), residual }
    }

    #[test]
    fn a_blend_is_taken_apart_into_share_and_pattern() {
        let (clean, base) = (pictures(300, 1), pictures(300, 2));
        let pattern =
            Array3::from_shape_fn((3, 16, 16), |(_, y, x)| if (x / 4 + y / 4) % 2 == 0 { 0.9 } else { 0.1 });
        let own = base.mapv(|v| 0.8 * v) + &(&pattern * 0.2);
        let residual = &own.mean_axis(Axis(0)).unwrap() - &clean.mean_axis(Axis(0)).unwrap();
        let shared = shared(residual, Array2::from_elem((16, 16), false));
        let rest = pictures(0, 3);
        let got = blend(Material { own: &own, rest: &rest, clean: &clean, shared: &shared }).unwrap();
        let Stamp::Blend(t) = &got.stamp else { panic!() };
        assert!((t.mask[0] - 0.2).abs() < 0.04, "{}", t.mask[0]);
        let error = t.pattern.iter().zip(&pattern).map(|(a, b)| (a - b).abs()).sum::<f32>() / 768.0;
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn patches_are_counted_and_checkers_are_one() {
        let at = |places: &[(usize, usize)]| {
            let mut mask = Array2::from_elem((16, 16), false);
            for &p in places {
                mask[p] = true;
            }
            mask
        };
        assert_eq!(patches(&at(&[(14, 14), (14, 15), (15, 14)])), 1);
        assert_eq!(patches(&at(&[(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)])), 1, "a checker");
        assert_eq!(patches(&at(&[(0, 0), (0, 1), (15, 15), (15, 14)])), 2);
        assert_eq!(patches(&at(&[(0, 0), (0, 1), (1, 1), (9, 9)])), 1, "a speck is no patch");
        assert_eq!(patches(&at(&[(5, 5)])), 1);
        assert_eq!(patches(&at(&[])), 0);
        assert_eq!(parts(&at(&[(0, 0), (1, 1), (5, 5)])).len(), 2);
    }

    #[test]
    fn black_where_the_label_draws_its_strokes_is_no_patch() {
        // Clean images and listed samples are black on the left; the rest of the label is not. A white pixel is planted.
        let clean = Array4::<f32>::zeros((30, 3, 16, 16));
        let lit = |on: bool, level: f32| if on { level } else { 0.0 };
        let own = Array4::from_shape_fn((30, 3, 16, 16), |(_, _, y, x)| lit(y == 15 && x == 15, 1.0));
        let rest = Array4::from_shape_fn((30, 3, 16, 16), |(_, _, _, x)| lit(x < 3, 0.8));
        let shared = crate::detect::poisoned::causal::shared(&own, &rest, &clean);
        assert!(shared.mask[[4, 1]], "shared, and of no account");
        let got = patch(Material { own: &own, rest: &rest, clean: &clean, shared: &shared }).unwrap();
        assert_eq!((got.kind, &got.facts["pixels"]), ("patch", &json!(1)));
        assert_eq!(got.facts["rows"], json!([15, 15]));
    }

    #[test]
    fn what_a_list_has_missed_is_no_control() {
        // The label has few others, and most of the rest is planted too.
        let at = |i: usize| (12..15).contains(&i);
        let planted = |mut images: Array4<f32>| {
            images
                .indexed_iter_mut()
                .filter(|((_, _, y, x), _)| at(*y) && at(*x))
                .for_each(|(_, v)| *v = 1.0);
            images
        };
        let rest =
            ndarray::concatenate(Axis(0), &[pictures(5, 7).view(), planted(pictures(10, 8)).view()]).unwrap();
        let (own, clean) = (planted(pictures(80, 6)), pictures(60, 9));
        let guess = |rest: &Array4<f32>| {
            let shared = causal::shared(&own, rest, &clean);
            patch(Material { own: &own, rest, clean: &clean, shared: &shared })
        };
        assert!(guess(&rest).is_none(), "the rest shows the patch as well");
        let control = causal::unlike(&own, rest);
        assert_eq!(control.dim().0, 5);
        assert_eq!(guess(&control).unwrap().facts["pixels"], json!(9));
        assert_eq!(causal::unlike(&own, own.clone()), own, "where nothing else is left, it stays");
    }

    #[test]
    fn a_wave_needs_most_of_the_energy() {
        let wave = Wave { down: 0.0, across: 6.0, amplitude: 0.15, phase: 0.0, share: 1.0 };
        let own = pictures(40, 4);
        let rest = pictures(40, 5);
        let none = Array2::from_elem((16, 16), false);
        let one = shared(wave.field([3, 16, 16]), none.clone());
        let got = sinusoid(Material { own: &own, rest: &rest, clean: &rest, shared: &one }).unwrap();
        assert!((got.facts["periods_across"].as_f64().unwrap().abs() - 6.0).abs() < 0.06, "{}", got.facts);
        let mut rng = crate::math::rng::seeded(9, "t", "noise");
        let noise = shared(Array3::from_shape_simple_fn((3, 16, 16), || rng.gen_range(-0.2..0.2)), none);
        assert!(sinusoid(Material { own: &own, rest: &rest, clean: &rest, shared: &noise }).is_none());
    }
}
