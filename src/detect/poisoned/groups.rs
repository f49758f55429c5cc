//! Groups within a label that lie apart from its clean images: candidates for what was planted.

use crate::math::robust::median;
use crate::math::stats::quantile;
use crate::math::svd;
use crate::procedure::Stop;
use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
use rand::Rng;

/// Fewest samples of a group.
pub const FEWEST: usize = 5;
/// Rounds of moving samples between group and rest.
const ROUNDS: usize = 15;
/// Rounds of 2-means.
const LLOYD: usize = 20;
/// Separation, discounted by the share of clean images that look like the group, from which it is a candidate.
const APART: f64 = 3.5;
/// How far the middle of the group lies past nearly all clean images, in spreads of clean images.
const PAST: f64 = 1.5;
/// "Nearly all" clean images.
const NEARLY: f64 = 0.98;

/// A group of samples of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Positions in the rows it was found in, ascending.
    pub members: Vec<usize>,
    /// Share of the rows it takes.
    pub share: f64,
    /// Share of the clean images of the label that would be counted in.
    pub clean_share: f64,
    /// Distance between group and rest along the line between their means, in pooled standard deviations; the sample at
    /// hand never helps to draw its own line.
    pub separation: f64,
    /// How far the group's median lies past `NEARLY` of the clean images, along the same line.
    pub past_clean: f64,
}

impl Group {
    /// Separation less what clean images show as well.
    pub fn quality(&self) -> f64 {
        self.separation * (1.0 - self.clean_share / self.share.max(f64::MIN_POSITIVE)).max(0.0)
    }

    /// What candidates are ordered by: quality, and more for larger groups.
    pub fn weight(&self) -> f64 {
        self.quality() * (self.members.len() as f64).sqrt()
    }

    /// Whether it is worth asking what it causes.
    pub fn stands_out(&self) -> bool {
        self.members.len() >= FEWEST && self.quality() >= APART && self.past_clean >= PAST
    }

    /// Shared members over all members of both.
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared = self.members.iter().filter(|m| other.members.binary_search(m).is_ok()).count();
        shared as f64 / (self.members.len() + other.members.len() - shared).max(1) as f64
    }
}

/// Candidate groups among whitened samples of one label (n×D, clean mean at 0), given whitened clean images of it.
/// Groups that are nearly the same are given once, the weightiest first.
///
/// # Errors
/// What `check` returns.
pub fn search(
    samples: ArrayView2<f32>,
    clean: ArrayView2<f32>,
    rng: &mut impl Rng,
    check: &dyn Fn() -> Result<(), Stop>,
) -> Result<Vec<Group>, Stop> {
    let n = samples.nrows();
    if n < 2 * FEWEST || samples.ncols() == 0 {
        return Ok(Vec::new());
    }
    let lengths: Array1<f32> = samples.rows().into_iter().map(|r| r.dot(&r)).collect();
    let mut starts: Vec<Vec<bool>> = two_means(samples, rng, check)?.into_iter().collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| lengths[b].total_cmp(&lengths[a]).then(a.cmp(&b)));
    for m in [5, 10, n / 20, n * 12 / 100, n * 30 / 100] {
        if m >= 3 && m < n {
            let mut start = vec![false; n];
            order[..m].iter().for_each(|&i| start[i] = true);
            starts.push(start);
        }
    }
    let mut found: Vec<Group> = Vec::new();
    for start in starts {
        check()?;
        let Some(group) = refine(samples, clean, &lengths, start) else { continue };
        match found.iter_mut().find(|g| g.overlap(&group) > 0.8) {
            Some(same) if same.weight() < group.weight() => *same = group,
            Some(_) => {}
            None => found.push(group),
        }
    }
    found.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    Ok(found)
}

/// Two clusters by Lloyd's algorithm, started at cuts along the top singular direction; the one farther from the clean
/// mean. `None` when the samples are all alike.
fn two_means(
    samples: ArrayView2<f32>,
    rng: &mut impl Rng,
    check: &dyn Fn() -> Result<(), Stop>,
) -> Result<Option<Vec<bool>>, Stop> {
    let wide = samples.mapv(f64::from);
    let Some(mean) = wide.mean_axis(Axis(0)) else { return Ok(None) };
    let centred = &wide - &mean;
    let top = svd::leading(centred.view(), 1, rng, check)?;
    let along = centred.dot(&top.vectors.row(0)).to_vec();
    let mut best: Option<(f64, Vec<bool>)> = None;
    for cut in [0.5, 0.9, 0.1, 0.97, 0.03] {
        check()?;
        let Some(at) = quantile(&along, cut) else { continue };
        let mut side: Vec<bool> = along.iter().map(|&a| a > at).collect();
        let mut spread = f64::INFINITY;
        for _ in 0..LLOYD {
            let Some((means, _)) = sums(samples, &side) else { break };
            let [a, b] = means;
            let (da, db) = (distances(samples, &a), distances(samples, &b));
            let next: Vec<bool> = da.iter().zip(&db).map(|(x, y)| x < y).collect();
            spread = da.iter().zip(&db).map(|(x, y)| f64::from(x.min(*y))).sum();
            if next == side {
                break;
            }
            side = next;
        }
        let in_use = side.iter().any(|&s| s) && side.iter().any(|&s| !s);
        if in_use && best.as_ref().is_none_or(|(b, _)| spread < *b) {
            best = Some((spread, side));
        }
    }
    let Some((_, mut side)) = best else { return Ok(None) };
    if let Some(([a, b], _)) = sums(samples, &side)
        && a.dot(&a) < b.dot(&b)
    {
        for s in &mut side {
            *s = !*s;
        }
    }
    Ok(Some(side))
}

/// Means of the samples inside and outside, and their numbers; `None` when one side is empty.
fn sums(samples: ArrayView2<f32>, inside: &[bool]) -> Option<([Array1<f32>; 2], [usize; 2])> {
    let d = samples.ncols();
    let (mut a, mut b) = (Array1::<f64>::zeros(d), Array1::<f64>::zeros(d));
    let (mut na, mut nb) = (0usize, 0usize);
    for (row, &is_in) in samples.rows().into_iter().zip(inside) {
        let (sum, count) = if is_in { (&mut a, &mut na) } else { (&mut b, &mut nb) };
        sum.zip_mut_with(&row, |s, &x| *s += f64::from(x));
        *count += 1;
    }
    let mean = |sum: Array1<f64>, n: usize| sum.mapv(|s| (s / n as f64) as f32);
    (na > 0 && nb > 0).then(|| ([mean(a, na), mean(b, nb)], [na, nb]))
}

fn distances(samples: ArrayView2<f32>, to: &Array1<f32>) -> Vec<f32> {
    let square = |r: ArrayView1<f32>| r.iter().zip(to).map(|(x, y)| (x - y) * (x - y)).sum();
    samples.rows().into_iter().map(square).collect()
}

/// Moves samples between group and rest until each lies on its own side of the midpoint.
fn refine(
    samples: ArrayView2<f32>,
    clean: ArrayView2<f32>,
    lengths: &Array1<f32>,
    mut inside: Vec<bool>,
) -> Option<Group> {
    let n = samples.nrows();
    let mut along = Vec::new();
    let mut threshold = 0.0;
    for _ in 0..ROUNDS {
        along = project(samples, lengths, &inside)?;
        let side = |wanted: bool| {
            let of: Vec<f64> =
                along.iter().zip(&inside).filter(|(_, s)| **s == wanted).map(|(a, _)| *a).collect();
            median(&of)
        };
        threshold = f64::midpoint(side(true)?, side(false)?);
        let next: Vec<bool> = along.iter().map(|&a| a > threshold).collect();
        let size = next.iter().filter(|&&s| s).count();
        if size < 3 || size + 3 > n {
            return None;
        }
        if next == inside {
            break;
        }
        inside = next;
    }
    let ([a, b], [na, nb]) = sums(samples, &inside)?;
    let line = &a - &b;
    let length = line.dot(&line).sqrt();
    if length == 0.0 || !length.is_finite() {
        return None;
    }
    let clean_along: Vec<f64> = clean.dot(&(line / length)).iter().map(|&x| f64::from(x)).collect();
    let stats = |wanted: bool| {
        let of: Vec<f64> =
            along.iter().zip(&inside).filter(|(_, s)| **s == wanted).map(|(a, _)| *a).collect();
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        (mean, of.iter().map(|x| (x - mean).powi(2)).sum::<f64>(), median(&of).unwrap_or(mean))
    };
    let ((mean_in, square_in, median_in), (mean_out, square_out, _)) = (stats(true), stats(false));
    let spread = ((square_in + square_out) / (na + nb).saturating_sub(2).max(1) as f64).sqrt();
    let above = clean_along.iter().filter(|&&x| x > threshold).count();
    Some(Group {
        members: (0..n).filter(|&i| inside[i]).collect(),
        share: na as f64 / n as f64,
        // With no clean image at all nothing can be discounted; one more half than was seen guards the small numbers.
        clean_share: if clean_along.is_empty() {
            0.0
        } else {
            (above as f64 + 0.5) / (clean_along.len() as f64 + 1.0)
        },
        separation: if spread > 0.0 { (mean_in - mean_out) / spread } else { 0.0 },
        past_clean: median_in - quantile(&clean_along, NEARLY).unwrap_or(0.0),
    })
}

/// Position of each sample along the line from the rest's mean to the group's, both taken without the sample itself.
fn project(samples: ArrayView2<f32>, lengths: &Array1<f32>, inside: &[bool]) -> Option<Vec<f64>> {
    let ([a, b], [na, nb]) = sums(samples, inside)?;
    let (to_a, to_b) = (samples.dot(&a), samples.dot(&b));
    let (aa, bb, ab) = (f64::from(a.dot(&a)), f64::from(b.dot(&b)), f64::from(a.dot(&b)));
    let along = (0..samples.nrows()).map(|i| {
        let (xa, xb, xx) = (f64::from(to_a[i]), f64::from(to_b[i]), f64::from(lengths[i]));
        // Own mean m of n samples without x: (n·m − x) / (n − 1).
        let (n, own, other, own2, other2) =
            if inside[i] { (na, xa, xb, aa, bb) } else { (nb, xb, xa, bb, aa) };
        let n = n as f64;
        if n < 2.0 {
            return 0.0;
        }
        let left = (n * own - xx) / (n - 1.0);
        let left2 = (n * n * own2 - 2.0 * n * own + xx) / (n - 1.0).powi(2);
        let left_other = (n * ab - other) / (n - 1.0);
        let length = (left2 - 2.0 * left_other + other2).max(f64::MIN_POSITIVE).sqrt();
        let towards_own = (left - other) / length;
        if inside[i] { towards_own } else { -towards_own }
    });
    Some(along.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::Array2;

    fn noise(n: usize, d: usize, label: &str) -> Array2<f32> {
        let mut rng = seeded(1, "groups", label);
        Array2::from_shape_simple_fn((n, d), || (0..6).map(|_| rng.gen_range(-0.7f32..0.7)).sum())
    }

    fn found(samples: &Array2<f32>, clean: &Array2<f32>) -> Vec<Group> {
        search(samples.view(), clean.view(), &mut seeded(0, "groups", "search"), &|| Ok(())).unwrap()
    }

    #[test]
    fn a_planted_group_is_the_first_candidate_at_any_rate() {
        for planted in [8, 40, 150] {
            let mut samples = noise(200, 30, "samples");
            for i in 0..planted {
                samples.row_mut(i).iter_mut().take(4).for_each(|x| *x += 5.0);
            }
            let groups = found(&samples, &noise(100, 30, "clean"));
            assert!(groups[0].stands_out(), "{planted}: {:?}", groups[0]);
            assert_eq!(groups[0].members, (0..planted).collect::<Vec<_>>());
            assert!(groups[0].separation > 5.0 && groups[0].past_clean > 3.0);
        }
    }

    #[test]
    fn noise_and_what_clean_images_show_too_do_not_stand_out() {
        assert!(found(&noise(200, 30, "samples"), &noise(100, 30, "clean")).iter().all(|g| !g.stands_out()));
        // A natural variety: a fifth of the training samples and a fifth of the clean images.
        let (mut samples, mut clean) = (noise(200, 30, "samples"), noise(100, 30, "clean"));
        for set in [&mut samples, &mut clean] {
            set.rows_mut().into_iter().step_by(5).for_each(|mut r| r[0] += 9.0);
        }
        let groups = found(&samples, &clean);
        assert!(groups.iter().all(|g| !g.stands_out()), "{groups:?}");
    }

    #[test]
    fn projections_leave_the_sample_out() {
        let samples = noise(12, 5, "samples");
        let inside: Vec<bool> = (0..12).map(|i| i % 3 == 0).collect();
        let lengths = samples.rows().into_iter().map(|r| r.dot(&r)).collect();
        let got = project(samples.view(), &lengths, &inside).unwrap();
        for (i, &got) in got.iter().enumerate() {
            let mean = |wanted: bool| {
                let of: Vec<usize> = (0..12).filter(|&j| j != i && inside[j] == wanted).collect();
                samples.select(Axis(0), &of).mean_axis(Axis(0)).unwrap()
            };
            let line = mean(true) - mean(false);
            let want = samples.row(i).dot(&line) / line.dot(&line).sqrt();
            assert!((got - f64::from(want)).abs() < 1e-4, "{i}: {got} {want}");
        }
    }

    #[test]
    fn degenerate_samples_give_no_group() {
        let same = Array2::from_elem((30, 4), 3.0);
        assert!(found(&same, &same).is_empty());
        assert!(found(&noise(4, 4, "few"), &same).is_empty());
        assert!(found(&Array2::zeros((30, 0)), &Array2::zeros((3, 0))).is_empty());
    }
}
