//! Is the trigger of some class too small to be chance? A one-sided outlier test on the logarithm of the norms.
//!
//! The published index divides by the MAD of the raw norms. Norms are positive and skewed (one class that needs a huge
//! mask widens the yardstick for all), and with ten classes the MAD of ten numbers is itself uncertain: what an index
//! of 2 means depends on the number of classes. Here the logarithms are taken as normal, the smallest are held against
//! the rest (after Grubbs 1950, and Rosner 1975 for several), the largest tenth is set aside (a class that hardly any
//! trigger reaches says nothing about the others), and the chance is found by drawing norms of as many classes.

use crate::math::robust::Robust;
use rand::Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Norms below it count as this much in the logarithm: half a pixel.
pub const FLOOR: f64 = 0.5;
/// Draws of the null.
pub const DRAWS: usize = 20_000;

/// The published anomaly index of each norm: (median − norm) / (1.4826 · MAD), so that smaller norms are higher. With
/// MAD 0 all are 0.
pub fn published(norms: &[f64]) -> Vec<f64> {
    Robust::of(norms).map_or_else(Vec::new, |r| norms.iter().map(|&n| -r.z(n)).collect())
}

/// The logarithms the test works on.
pub fn logarithms(norms: &[f64]) -> Vec<f64> {
    norms.iter().map(|n| n.max(FLOOR).ln()).collect()
}

/// The suspects of a set of norms and how strange they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Classes with the smallest norms, smallest first: the number of them for which the gap to the rest is strangest.
    pub suspects: Vec<usize>,
    /// Studentised distance of each class below the mean logarithm of the classes that are not suspects.
    pub distance: Vec<f64>,
    /// Of the suspect nearest to the rest: what decides.
    pub statistic: f64,
    /// −ln of its nominal p-value: comparable between numbers of suspects.
    strangeness: f64,
}

/// How many suspects are considered: a quarter of the classes, at most three (more backdoors in one model are not an
/// outlier problem).
fn most(classes: usize) -> usize {
    (classes / 4).clamp(1, 3)
}

/// Splits the norms' logarithms; `None` with fewer than three classes, where there is nothing to compare with.
pub fn split(logs: &[f64]) -> Option<Split> {
    let k = logs.len();
    if k < 3 {
        return None;
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| logs[a].total_cmp(&logs[b]).then(a.cmp(&b)));
    let sorted: Vec<f64> = order.iter().map(|&i| logs[i]).collect();
    let (count, strangeness) = strangest(&sorted);
    let rest = Rest::of(ordinary(&sorted, count));
    let distance: Vec<f64> = logs.iter().map(|&x| rest.distance(x)).collect();
    Some(Split {
        statistic: rest.distance(sorted[count - 1]),
        suspects: order[..count].to_vec(),
        distance,
        strangeness,
    })
}

/// Number of suspects with the strangest gap, and −ln of its nominal p-value, of ascending logarithms.
fn strangest(sorted: &[f64]) -> (usize, f64) {
    let k = sorted.len();
    let strangeness = |count: usize| {
        let rest = Rest::of(ordinary(sorted, count));
        -nominal(rest.distance(sorted[count - 1]), k, count).max(1e-300).ln()
    };
    let mut best = (1, strangeness(1));
    for count in 2..=most(k).min(k - 2) {
        let here = strangeness(count);
        if here > best.1 {
            best = (count, here);
        }
    }
    best
}

/// The classes that suspects are held against: neither suspects nor the largest tenth, at least one (where three are
/// left to choose from).
fn ordinary(sorted: &[f64], suspects: usize) -> &[f64] {
    let rest = &sorted[suspects..];
    let aside = if rest.len() < 3 { 0 } else { sorted.len().div_ceil(10) };
    &rest[..rest.len() - aside.min(rest.len() - 2)]
}

/// Mean and standard deviation of the classes held to be ordinary.
struct Rest {
    mean: f64,
    scale: f64,
}

impl Rest {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { mean, scale: (variance * (1.0 + 1.0 / n)).sqrt() }
    }

    fn distance(&self, value: f64) -> f64 {
        // Where the rest is all equal there is no yardstick.
        if self.scale > 1e-9 { (self.mean - value) / self.scale } else { 0.0 }
    }
}

/// Bonferroni p-value of the `count`-th smallest of `k` at `distance` from the rest, as if none were set aside: a yardstick
/// between numbers of suspects, whose own chance comes from [`Null`].
fn nominal(distance: f64, k: usize, count: usize) -> f64 {
    let freedom = (k - count - 1).max(1) as f64;
    let tail = StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |t| t.sf(distance));
    (k - count + 1) as f64 * tail
}

/// The same split of norms that are all alike: draws of its strangeness, sorted.
#[derive(Debug, Clone)]
pub struct Null {
    classes: usize,
    sorted: Vec<f64>,
}

impl Null {
    /// By simulation: the logarithms of `classes` norms are independent and normal (location and scale cancel).
    pub fn draw(classes: usize, rng: &mut impl Rng) -> Self {
        let mut draw = || {
            let mut logs: Vec<f64> = (0..classes).map(|_| normal(rng)).collect();
            logs.sort_by(f64::total_cmp);
            strangest(&logs).1
        };
        let mut sorted: Vec<f64> =
            if classes < 3 { Vec::new() } else { (0..DRAWS).map(|_| draw()).collect() };
        sorted.sort_by(f64::total_cmp);
        Self { classes, sorted }
    }

    /// Chance of a split at least as strange.
    pub fn chance(&self, split: &Split) -> f64 {
        let below = self.sorted.partition_point(|&s| s < split.strangeness);
        (self.sorted.len() - below + 1) as f64 / (self.sorted.len() + 1) as f64
    }

    /// The statistic a split with as many suspects must pass for a chance of `error`.
    pub fn threshold(&self, split: &Split, error: f64) -> f64 {
        let Some(strangeness) = crate::math::stats::quantile(&self.sorted, 1.0 - error) else {
            return f64::INFINITY;
        };
        let count = split.suspects.len();
        let freedom = (self.classes - count - 1).max(1) as f64;
        let tail = (-strangeness).exp() / (self.classes - count + 1) as f64;
        StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |t| -t.inverse_cdf(tail.clamp(1e-300, 1.0)))
    }
}

/// A standard normal value (Box–Muller, one of the pair).
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;

    fn null(classes: usize) -> Null {
        Null::draw(classes, &mut seeded(0, "norms", "null"))
    }

    #[test]
    fn one_small_norm_is_named_and_one_huge_norm_is_not() {
        let norms = [60.0, 75.0, 9.0, 55.0, 80.0, 66.0, 500.0, 71.0, 58.0, 63.0];
        assert!(published(&norms)[2] > 3.0);
        let found = split(&logarithms(&norms)).unwrap();
        assert_eq!(found.suspects, [2]);
        let even =
            split(&logarithms(&[60.0, 75.0, 59.0, 55.0, 80.0, 66.0, 500.0, 71.0, 58.0, 63.0])).unwrap();
        assert!(null(10).chance(&even) > 0.2 && null(10).chance(&found) < 0.001, "{even:?} {found:?}");
    }

    #[test]
    fn several_targets_do_not_hide_each_other() {
        let norms = [60.0, 5.0, 70.0, 55.0, 80.0, 6.0, 90.0, 71.0, 58.0, 63.0, 66.0, 74.0];
        let found = split(&logarithms(&norms)).unwrap();
        assert_eq!(found.suspects, [1, 5]);
        assert!(null(12).chance(&found) < 0.001);
        assert!(found.distance[1] > found.distance[5] && (found.distance[5] - found.statistic).abs() < 1e-12);
    }

    #[test]
    fn the_error_is_what_it_says() {
        // Norms that are log-normal with another location and scale, from another stream.
        for classes in [4, 10, 43] {
            let null = null(classes);
            let mut rng = seeded(7, "norms", "size");
            let trials = 2000;
            let flagged = (0..trials)
                .filter(|_| {
                    let norms: Vec<f64> =
                        (0..classes).map(|_| (4.0 + 0.3 * normal(&mut rng)).exp()).collect();
                    let found = split(&logarithms(&norms)).unwrap();
                    let by_chance = null.chance(&found) <= 0.05;
                    assert_eq!(
                        by_chance,
                        found.statistic >= null.threshold(&found, 0.05) - 1e-3,
                        "two ways to say it"
                    );
                    by_chance
                })
                .count();
            let share = flagged as f64 / f64::from(trials);
            assert!((share - 0.05).abs() < 0.015, "{classes}: {share}");
        }
    }

    #[test]
    fn too_few_classes_and_equal_norms() {
        assert_eq!(split(&logarithms(&[1.0, 50.0])), None);
        assert_eq!(published(&[5.0, 5.0, 5.0]), [0.0, 0.0, 0.0]);
        let equal = split(&logarithms(&[5.0; 6])).unwrap();
        assert!(equal.statistic == 0.0 && null(6).chance(&equal) > 0.5);
        assert!(logarithms(&[0.0])[0].is_finite());
    }
}
