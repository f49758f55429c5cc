//! Intervals, ranking quality, and the distribution functions they need.

use statrs::distribution::{ContinuousCDF, Normal};

/// Wilson's score interval for `successes` of `trials` at two-sided confidence `level` (0..1): asymmetric near 0 and 1
/// and never outside them (Wilson 1927). `[0, 1]` without trials.
pub fn wilson(successes: usize, trials: usize, level: f64) -> [f64; 2] {
    if trials == 0 {
        return [0.0, 1.0];
    }
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, level));
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    [((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)]
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half
/// (Mann–Whitney). `None` without positives or without negatives, or when a score is NaN.
pub fn roc_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let n = scores.len().min(positive.len());
    let positives = positive[..n].iter().filter(|&&p| p).count();
    if positives == 0 || positives == n || scores[..n].iter().any(|s| s.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < n {
        let mut end = start + 1;
        #[expect(clippy::float_cmp, reason = "ties are exactly equal scores")]
        while end < n && scores[order[end]] == scores[order[start]] {
            end += 1;
        }
        let rank = (start + 1 + end) as f64 / 2.0;
        rank_sum += rank * order[start..end].iter().filter(|&&i| positive[i]).count() as f64;
        start = end;
    }
    let (p, q) = (positives as f64, (n - positives) as f64);
    Some((rank_sum - p * (p + 1.0) / 2.0) / (p * q))
}

/// The two-sample Kolmogorov–Smirnov test: the largest distance between the empirical distribution functions, and the
/// chance of one at least as large when both samples come from the same continuous distribution (asymptotic, with
/// Stephens' correction for small samples). `None` when a sample is empty or has a NaN.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|x| x.is_nan()) {
        return None;
    }
    let sort = |x: &[f64]| {
        let mut x = x.to_vec();
        x.sort_by(f64::total_cmp);
        x
    };
    let (a, b) = (sort(a), sort(b));
    let share = |x: &[f64], at: f64| x.partition_point(|&v| v <= at) as f64 / x.len() as f64;
    let distance = a.iter().chain(&b).map(|&at| (share(&a, at) - share(&b, at)).abs()).fold(0.0, f64::max);
    Some((distance, kolmogorov_chance(distance, a.len(), b.len())))
}

/// The chance that two samples of `n` and `m` values from one continuous distribution lie at least `distance` apart
/// (largest difference of their distribution functions; asymptotic, with Stephens' correction).
pub fn kolmogorov_chance(distance: f64, n: usize, m: usize) -> f64 {
    let (n, m) = (n as f64, m as f64);
    let root = (n * m / (n + m)).sqrt();
    let t = (root + 0.12 + 0.11 / root) * distance;
    // The alternating series fails to settle for tiny t, where the chance is 1 to all digits.
    let chance = if t < 0.2 {
        1.0
    } else {
        let term = |j: f64| (-2.0 * j * j * t * t).exp();
        2.0 * (1..=100)
            .map(|j| if j % 2 == 1 { term(f64::from(j)) } else { -term(f64::from(j)) })
            .sum::<f64>()
    };
    chance.clamp(0.0, 1.0)
}

/// Fisher's exact test, one-sided: the chance of at least `a` of the marked among the first `n`, when `a + b` marked
/// are spread over `n + m` at random. 1 when nothing is marked.
pub fn fisher_greater(a: usize, n: usize, b: usize, m: usize) -> f64 {
    use statrs::function::factorial::ln_binomial;
    let (n, m, marked) = (n as u64, m as u64, (a + b) as u64);
    let most = marked.min(n);
    let ln_all = ln_binomial(n + m, marked);
    let term = |x: u64| {
        if marked - x > m { 0.0 } else { (ln_binomial(n, x) + ln_binomial(m, marked - x) - ln_all).exp() }
    };
    (a as u64..=most).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// The value below which a share `q` (0..=1) of the values lies, interpolated linearly between order statistics (as
/// `numpy.quantile`). `None` for an empty slice.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = (at.floor() as usize).min(last);
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_matches_worked_values() {
        // Newcombe (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
        for (r, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [a, b] = wilson(r, n, 0.95);
            assert!((a - low).abs() < 1e-4 && (b - high).abs() < 1e-4, "{r}/{n}: {a} {b}");
        }
        let [a, b] = wilson(0, 0, 0.95);
        assert!(a.abs() < 1e-12 && (b - 1.0).abs() < 1e-12);
        assert!((wilson(5, 5, 0.95)[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn auc_counts_ties_half() {
        assert_eq!(roc_auc(&[1.0, 2.0, 3.0, 4.0], &[false, false, true, true]), Some(1.0));
        assert_eq!(roc_auc(&[4.0, 3.0, 2.0, 1.0], &[false, false, true, true]), Some(0.0));
        assert_eq!(roc_auc(&[1.0, 1.0, 1.0], &[true, false, true]), Some(0.5));
        assert_eq!(roc_auc(&[1.0, 2.0, 2.0, 3.0], &[false, true, false, true]), Some(0.875));
        assert_eq!(roc_auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(roc_auc(&[f64::NAN, 2.0], &[true, false]), None);
    }

    #[test]
    fn two_samples_are_told_apart() {
        let even: Vec<f64> = (0..100).map(f64::from).collect();
        let (d, p) = kolmogorov_smirnov(&even, &even).unwrap();
        assert!(d == 0.0 && p == 1.0);
        // Halves of the line: D = 0.5, t = (5 + .12 + .022)·.5·… = 5.773…·.5; 2·exp(−2t²).
        let (d, p) = kolmogorov_smirnov(&even, &even[..50]).unwrap();
        assert!((d - 0.5).abs() < 1e-12);
        let root = (5000.0f64 / 150.0).sqrt();
        let t = (root + 0.12 + 0.11 / root) * 0.5;
        assert!((p - 2.0 * (-2.0 * t * t).exp()).abs() < 1e-12);
        // Kolmogorov's 5 % point is 1.358.
        let term = |j: f64| (-2.0 * j * j * 1.358f64 * 1.358).exp();
        assert!((2.0 * (term(1.0) - term(2.0)) - 0.05).abs() < 1e-4);
        assert_eq!(kolmogorov_smirnov(&[], &even), None);
    }

    #[test]
    fn fisher_matches_the_lady_tasting_tea() {
        // All four right: 1/70; at least three: 17/70 (Fisher 1935).
        assert!((fisher_greater(4, 4, 0, 4) - 1.0 / 70.0).abs() < 1e-12);
        assert!((fisher_greater(3, 4, 1, 4) - 17.0 / 70.0).abs() < 1e-12);
        assert!((fisher_greater(0, 5, 0, 9) - 1.0).abs() < 1e-12);
        assert!((fisher_greater(0, 3, 2, 5) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_interpolate() {
        let v = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&v, 0.0), Some(1.0));
        assert_eq!(quantile(&v, 0.5), Some(2.5));
        assert_eq!(quantile(&v, 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
