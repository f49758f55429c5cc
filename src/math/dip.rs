//! Hartigan's dip: how far a sample is from any distribution with a single peak.

use rand::Rng;

/// The dip statistic: the smallest possible maximum distance between the empirical distribution function and a
/// unimodal one (Hartigan and Hartigan 1985), in `1/(2n)..=1/4`. Input in any order, finite; 0 for fewer than two
/// values or when all are equal.
///
/// Follows AS 217 (P. M. Hartigan 1985) with the corrections of Maechler's R package `diptest`: greatest convex
/// minorant and least concave majorant of the distribution function over a shrinking modal interval.
pub fn dip(values: &[f64]) -> f64 {
    let mut x = values.to_vec();
    x.sort_by(f64::total_cmp);
    let n = x.len();
    if n < 2 || x[0] >= x[n - 1] {
        return 0.0;
    }
    let (below, above) = (minorant_links(&x), majorant_links(&x));
    let (mut low, mut high) = (0, n - 1);
    let mut dip = 1.0f64; // in units of 1/(2n)
    loop {
        // Corners of the minorant from `high` down to `low`, of the majorant from `low` up to `high`.
        let minorant = follow(&below, high, low);
        let majorant = follow(&above, low, high);
        let (widest, g, h) = widest_gap(&x, &minorant, &majorant);
        if widest < dip {
            break;
        }
        for pair in minorant[g..].windows(2) {
            dip = dip.max(bulge(&x, pair[1], pair[0], 1.0));
        }
        for pair in majorant[h..].windows(2) {
            dip = dip.max(bulge(&x, pair[0], pair[1], -1.0));
        }
        if (low, high) == (minorant[g], majorant[h]) {
            break;
        }
        (low, high) = (minorant[g], majorant[h]);
    }
    dip / (2.0 * n as f64)
}

/// For each j, the corner before it on the greatest convex minorant of the points up to j.
fn minorant_links(x: &[f64]) -> Vec<usize> {
    let mut link = vec![0; x.len()];
    for j in 1..x.len() {
        let mut a = j - 1;
        while a != 0 {
            let b = link[a];
            if (x[j] - x[a]) * ((a - b) as f64) < (x[a] - x[b]) * ((j - a) as f64) {
                break;
            }
            a = b;
        }
        link[j] = a;
    }
    link
}

/// For each k, the corner after it on the least concave majorant of the points from k.
fn majorant_links(x: &[f64]) -> Vec<usize> {
    let last = x.len() - 1;
    let mut link = vec![last; x.len()];
    for k in (0..last).rev() {
        let mut a = k + 1;
        while a != last {
            let b = link[a];
            if (x[a] - x[k]) * ((b - a) as f64) < (x[b] - x[a]) * ((a - k) as f64) {
                break;
            }
            a = b;
        }
        link[k] = a;
    }
    link
}

fn follow(link: &[usize], from: usize, to: usize) -> Vec<usize> {
    let mut corners = vec![from];
    let mut at = from;
    while at != to {
        at = link[at];
        corners.push(at);
    }
    corners
}

/// The largest distance between minorant and majorant, and the corners (of each) that enclose it.
fn widest_gap(x: &[f64], minorant: &[usize], majorant: &[usize]) -> (f64, usize, usize) {
    let (last_g, last_h) = (minorant.len() - 1, majorant.len() - 1);
    if last_g == 1 && last_h == 1 {
        return (1.0, last_g, last_h);
    }
    let (mut widest, mut at) = (0.0, (last_g, last_h));
    let (mut i, mut v) = (last_g - 1, 1);
    loop {
        let (g, h) = (minorant[i], majorant[v]);
        if g > h {
            // The next corner is the majorant's.
            let from = minorant[i + 1];
            let chord = (x[h] - x[from]) * (g - from) as f64 / (x[g] - x[from]);
            let distance = (h - from + 1) as f64 - chord;
            v += 1;
            if distance >= widest {
                (widest, at) = (distance, (i + 1, v - 1));
            }
        } else {
            let from = majorant[v - 1];
            let chord = (x[g] - x[from]) * (h - from) as f64 / (x[h] - x[from]);
            let distance = chord - (g as f64 - from as f64 - 1.0);
            if distance >= widest {
                (widest, at) = (distance, (i, v));
            }
            i = i.saturating_sub(1);
        }
        v = v.min(last_h);
        if minorant[i] == majorant[v] {
            return (widest, at.0, at.1);
        }
    }
}

/// How far the distribution function leaves the chord between two corners, at least 1 (`side` 1: above, −1: below).
fn bulge(x: &[f64], from: usize, to: usize, side: f64) -> f64 {
    if to - from < 2 || x[to] <= x[from] {
        return 1.0;
    }
    let slope = (to - from) as f64 / (x[to] - x[from]);
    (from..=to).map(|j| side * ((j - from) as f64 - (x[j] - x[from]) * slope) + 1.0).fold(1.0, f64::max)
}

/// `draws` values of √n · dip of n = 500 uniform values: the least favourable single-peaked distribution (Hartigan and
/// Hartigan 1985), so that a p-value from them is an upper bound for every single-peaked truth. √n · dip grows slightly
/// with n and is settled at a few hundred: for fewer values this null errs on the careful side.
pub fn null(draws: usize, rng: &mut impl Rng) -> Vec<f64> {
    let n = 500;
    let draw = |_| {
        let values: Vec<f64> = (0..n).map(|_| rng.r#gen()).collect();
        dip(&values) * f64::from(n).sqrt()
    };
    (0..draws).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;

    #[test]
    fn extremes_have_their_closed_forms() {
        // Evenly spaced: as unimodal as a sample can be, 1/(2n).
        let even: Vec<f64> = (0..20).map(f64::from).collect();
        assert!((dip(&even) - 1.0 / 40.0).abs() < 1e-12);
        // Two equal point masses: 1/4 in the limit.
        let two: Vec<f64> = (0..200).map(|i| f64::from(i % 2) + 1e-9 * f64::from(i)).collect();
        assert!((dip(&two) - 0.25).abs() < 0.01, "{}", dip(&two));
        assert_eq!((dip(&[]), dip(&[1.0]), dip(&[2.0; 9])), (0.0, 0.0, 0.0));
    }

    #[test]
    fn separated_groups_give_half_the_smaller_share() {
        for share in [0.1, 0.2, 0.4] {
            let n = 1000;
            let cut = (share * f64::from(n)) as i32;
            let values: Vec<f64> =
                (0..n).map(|i| f64::from(i) / 1e3 + if i < cut { 0.0 } else { 1e3 }).collect();
            assert!((dip(&values) - share / 2.0).abs() < 2e-3, "{share}: {}", dip(&values));
        }
    }

    #[test]
    fn published_example_comes_out() {
        // `statfaculty` of Hartigan and Hartigan (1985) as in R's diptest: D = 0.05952381.
        let faculty = [
            30, 33, 35, 36, 37, 37, 39, 39, 39, 39, 39, 40, 40, 40, 40, 41, 42, 43, 43, 43, 44, 44, 45, 45,
            46, 46, 47, 47, 48, 48, 48, 49, 50, 50, 51, 52, 52, 53, 53, 53, 53, 53, 54, 54, 57, 57, 59, 60,
            60, 60, 61, 61, 61, 61, 62, 62, 62, 62, 63, 66, 70, 72, 72,
        ];
        let d = dip(&faculty.map(f64::from));
        assert!((d - 0.059_523_81).abs() < 1e-8, "{d}");
        let mirrored = dip(&faculty.map(|x| -f64::from(x)));
        assert!((d - mirrored).abs() < 1e-12, "the dip has no direction");
    }

    #[test]
    fn null_agrees_with_the_published_table() {
        // R's qDiptab, n = 500: median .0165, 95 % .0236, 99 % .0273.
        let mut null = null(4000, &mut seeded(0, "dip", "null"));
        null.sort_by(f64::total_cmp);
        for (q, want) in [(0.50, 0.0165), (0.95, 0.0236), (0.99, 0.0273)] {
            let got = null[(q * 4000.0) as usize] / 500f64.sqrt();
            assert!((got - want).abs() < 0.0008, "{q}: {got}");
        }
    }
}
