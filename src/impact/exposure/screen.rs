//! Which images bear a trigger, by a score whose false alarms are counted on clean images.

use crate::math::stats::wilson;
use crate::recover::stamping::Stamp;
use ndarray::{Array1, Array4, ArrayView3, Axis};

/// Masks with less opacity than this are looked for as an addition, not as pixels.
const OPAQUE: f32 = 0.75;
/// Threshold for opaque triggers: the mean difference to the pattern, under the mask.
const CLOSE: f64 = 0.12;

/// A way to tell images that bear the trigger.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    kind: Kind,
    /// Scores from here on count.
    pub threshold: f64,
    /// Share of clean images that count, with the upper end of its 95 % interval.
    pub false_alarm: f64,
    pub false_alarm_upper: f64,
    /// Share of clean images that count once the trigger is put on them.
    pub power: f64,
    pub clean: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Minus the mean difference to the pattern, weighted by the mask.
    Pixels { mask: Vec<f32>, pattern: Vec<f32> },
    /// Projection on what the trigger adds to the mean clean image, 1 when it is all there.
    Added { direction: Array1<f32>, middle: Array1<f32> },
}

impl Screen {
    /// For a trigger and clean images; `None` for a warp, which leaves nothing in an image by itself.
    pub(super) fn of(stamp: &Stamp, clean: &Array4<f32>) -> Option<Self> {
        let flat = |a: ArrayView3<f32>| a.iter().copied().collect::<Array1<f32>>();
        let middle = clean.mean_axis(Axis(0))?;
        let kind = match stamp {
            Stamp::Blend(t) if t.mask.iter().copied().fold(0.0, f32::max) >= OPAQUE => {
                Kind::Pixels { mask: t.mask.clone(), pattern: t.pattern.clone() }
            }
            Stamp::Blend(_) | Stamp::Add(_) => {
                let direction = flat(stamp.on(middle.view()).view()) - flat(middle.view());
                Kind::Added { direction, middle: flat(middle.view()) }
            }
            Stamp::Warp(_) => return None,
        };
        let own: Vec<f64> = clean.outer_iter().map(|i| kind.score(i)).collect();
        let with: Vec<f64> = clean.outer_iter().map(|i| kind.score(stamp.on(i).view())).collect();
        let threshold = match &kind {
            Kind::Pixels { .. } => -CLOSE,
            // Halfway between clean images and the same with the trigger.
            Kind::Added { .. } => f64::midpoint(mean(&own), mean(&with)).max(quantile(&own, 0.99)),
        };
        let above = |v: &[f64]| v.iter().filter(|s| **s >= threshold).count();
        let n = own.len();
        Some(Self {
            kind,
            threshold,
            false_alarm: above(&own) as f64 / n.max(1) as f64,
            false_alarm_upper: wilson(above(&own), n, 0.95)[1],
            power: above(&with) as f64 / n.max(1) as f64,
            clean: n,
        })
    }

    /// Larger is more like the trigger.
    pub(super) fn score(&self, image: ArrayView3<f32>) -> f64 {
        self.kind.score(image)
    }
}

impl Kind {
    fn score(&self, image: ArrayView3<f32>) -> f64 {
        match self {
            Kind::Pixels { mask, pattern } => {
                let (mut sum, mut mass) = (0.0, 0.0);
                for (i, (&x, &p)) in image.iter().zip(pattern).enumerate() {
                    let m = f64::from(mask[i % mask.len().max(1)]);
                    sum += m * f64::from((x - p).abs());
                    mass += m;
                }
                -sum / mass.max(1e-9)
            }
            Kind::Added { direction, middle } => {
                let (mut dot, mut norm) = (0.0, 0.0);
                for ((&x, &m), &d) in image.iter().zip(middle).zip(direction) {
                    dot += f64::from((x - m) * d);
                    norm += f64::from(d * d);
                }
                dot / norm.max(1e-9)
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn quantile(values: &[f64], q: f64) -> f64 {
    crate::math::stats::quantile(values, q).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::stamp::Trigger;
    use rand::Rng;

    fn pictures(n: usize) -> Array4<f32> {
        let mut rng = crate::math::rng::seeded(8, "t", "screen");
        Array4::from_shape_simple_fn((n, 3, 12, 12), || rng.gen_range(0.2..0.6f32))
    }

    #[test]
    fn patches_and_blends_are_seen_and_clean_images_hardly_ever() {
        let clean = pictures(200);
        let mut mask = vec![0.0; 144];
        mask[143] = 1.0;
        mask[142] = 1.0;
        let patch = Stamp::Blend(Trigger { mask, pattern: vec![1.0; 432] });
        let blend = Stamp::Blend(Trigger {
            mask: vec![0.2; 144],
            pattern: (0..432).map(|i| f32::from(u8::from(i % 3 == 0))).collect(),
        });
        let wave = Stamp::Add((0..432).map(|i| 0.1 * (i as f32).sin()).collect());
        for stamp in [patch, blend, wave] {
            let screen = Screen::of(&stamp, &clean).unwrap();
            assert!(screen.false_alarm <= 0.02 && screen.power > 0.9, "{screen:?}");
            let image = clean.index_axis(Axis(0), 0);
            assert!(screen.score(stamp.on(image).view()) >= screen.threshold);
        }
        assert!(Screen::of(&Stamp::Warp(vec![0.0; 288]), &clean).is_none());
    }
}
