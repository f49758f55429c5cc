//! Confident learning (Northcutt, Jiang, Chuang 2021, JAIR 70): which labels are wrong, from predicted probabilities.
//!
//! Rules and rounding are those of cleanlab 2.9, so that the two agree index by index; ties are broken by the lower index,
//! where cleanlab leaves them to an unstable sort.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// Slack in comparing a probability with its class's threshold.
const SLACK: f64 = 1e-6;
/// Thresholds are at least this.
const LEAST_THRESHOLD: f64 = 2e-6;
/// Threshold of a class without samples: no probability reaches it.
const MISSING: f64 = 2.0;
/// Rows worked on at a time, whatever the number of cores.
const CHUNK: usize = 4096;

/// Probabilities come in single or double precision; they are worked with in double.
pub trait Probability: Copy + Into<f64> + Send + Sync {}

impl Probability for f32 {}
impl Probability for f64 {}

/// Which samples are label issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// For each pair of given and other class, as many of the largest margins as the joint says.
    PruneByNoiseRate,
    /// For each class, as many of the least self-confident as the joint says.
    PruneByClass,
    /// Both of the above.
    Both,
    /// Samples counted off the diagonal of the confident joint.
    ConfidentLearning,
    /// Samples predicted as another class.
    PredictedNeqGiven,
    /// As many of the lowest normalised margins as there are confident errors.
    LowNormalizedMargin,
    /// As many of the lowest self-confidences.
    LowSelfConfidence,
}

impl Filter {
    /// All of them.
    pub const ALL: [Filter; 7] = [
        Self::PruneByNoiseRate,
        Self::PruneByClass,
        Self::Both,
        Self::ConfidentLearning,
        Self::PredictedNeqGiven,
        Self::LowNormalizedMargin,
        Self::LowSelfConfidence,
    ];

    /// cleanlab's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PruneByNoiseRate => "prune_by_noise_rate",
            Self::PruneByClass => "prune_by_class",
            Self::Both => "both",
            Self::ConfidentLearning => "confident_learning",
            Self::PredictedNeqGiven => "predicted_neq_given",
            Self::LowNormalizedMargin => "low_normalized_margin",
            Self::LowSelfConfidence => "low_self_confidence",
        }
    }
}

/// How good a label is, 0..=1, higher = better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// p of the label.
    SelfConfidence,
    /// (p of the label − largest other + 1) / 2.
    NormalizedMargin,
    /// ln(x + 1) / x with x the normalised entropy over the self-confidence.
    ConfidenceWeightedEntropy,
}

impl Quality {
    /// All of them.
    pub const ALL: [Quality; 3] =
        [Self::SelfConfidence, Self::NormalizedMargin, Self::ConfidenceWeightedEntropy];

    /// cleanlab's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SelfConfidence => "self_confidence",
            Self::NormalizedMargin => "normalized_margin",
            Self::ConfidenceWeightedEntropy => "confidence_weighted_entropy",
        }
    }
}

/// What confident learning counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Confident {
    /// Mean self-confidence of each class.
    pub thresholds: Vec<f64>,
    /// K×K: given class × confident class; the diagonal is at least 1.
    pub joint: Array2<i64>,
    /// The joint with its rows scaled to the sizes of the given classes.
    pub calibrated: Array2<i64>,
    /// Samples counted off the diagonal, ascending.
    pub off_diagonal: Vec<usize>,
    /// Samples whose label is the most probable class (within `SLACK`): never an issue.
    pub agrees: Vec<bool>,
}

/// Counts over probabilities (N×K, each row summing to 1) and labels (all below K).
pub fn study<P: Probability>(probabilities: ArrayView2<P>, labels: &[usize]) -> Confident {
    let (n, k) = probabilities.dim();
    let (mut sums, mut counts) = (vec![0.0; k], vec![0usize; k]);
    for (row, &label) in probabilities.rows().into_iter().zip(labels) {
        sums[label] += row[label].into();
        counts[label] += 1;
    }
    let threshold = |(sum, &count): (&f64, &usize)| {
        if count == 0 { MISSING } else { (sum / count as f64).max(LEAST_THRESHOLD) }
    };
    let thresholds: Vec<f64> = sums.iter().zip(&counts).map(threshold).collect();
    let rows: Vec<usize> = (0..n).collect();
    let seen: Vec<(Option<usize>, bool)> = rows
        .par_chunks(CHUNK)
        .flat_map_iter(|chunk| chunk.iter().map(|&i| confident(probabilities.row(i), labels[i], &thresholds)))
        .collect();
    let mut joint = Array2::<i64>::zeros((k, k));
    let mut off_diagonal = Vec::new();
    for (i, (guess, _)) in seen.iter().enumerate() {
        if let Some(guess) = guess {
            joint[[labels[i], *guess]] += 1;
            if *guess != labels[i] {
                off_diagonal.push(i);
            }
        }
    }
    joint.diag_mut().mapv_inplace(|d| d.max(1));
    let calibrated = calibrate(&joint, &counts);
    Confident { thresholds, joint, calibrated, off_diagonal, agrees: seen.into_iter().map(|s| s.1).collect() }
}

/// The class a row is confidently counted for, and whether its label is the most probable.
fn confident<P: Probability>(row: ArrayView1<P>, label: usize, thresholds: &[f64]) -> (Option<usize>, bool) {
    let (mut bins, mut first, mut top) = (0, None, (0, f64::NEG_INFINITY));
    let (mut near, mut near_at) = (f64::NEG_INFINITY, 0);
    for (k, (&p, &t)) in row.iter().zip(thresholds).enumerate() {
        let p: f64 = p.into();
        if p >= t - SLACK {
            bins += 1;
            first = first.or(Some(k));
        }
        if p > top.1 {
            top = (k, p);
        }
        let lifted = if k == label { p + SLACK } else { p };
        if lifted > near {
            (near, near_at) = (lifted, k);
        }
    }
    (if bins > 1 { Some(top.0) } else { first }, near_at == label)
}

/// Rows scaled to the class sizes and rounded, keeping their sums.
fn calibrate(joint: &Array2<i64>, counts: &[usize]) -> Array2<i64> {
    let mut scaled = joint.mapv(|x| x as f64);
    for (mut row, &count) in scaled.rows_mut().into_iter().zip(counts) {
        let sum = row.sum().max(1e-10);
        row.mapv_inplace(|x| x / sum * count as f64);
    }
    let total = scaled.sum().max(1e-10);
    let n = counts.iter().sum::<usize>() as f64;
    scaled.mapv_inplace(|x| x / total * n);
    round_rows(&scaled)
}

/// Rounds to integers that keep the (rounded) sum of each row: the entries that rounding moved most are moved back.
fn round_rows(matrix: &Array2<f64>) -> Array2<i64> {
    let mut out = Array2::<i64>::zeros(matrix.raw_dim());
    for (row, mut to) in matrix.rows().into_iter().zip(out.rows_mut()) {
        let mut whole: Vec<f64> = row.iter().map(|x| x.round_ties_even()).collect();
        let wanted = row.sum().round_ties_even();
        loop {
            let missing = (wanted - whole.iter().sum::<f64>()).round_ties_even();
            if missing == 0.0 || whole.is_empty() {
                break;
            }
            let mut order: Vec<usize> = (0..whole.len()).collect();
            order.sort_by(|&a, &b| (row[a] - whole[a]).total_cmp(&(row[b] - whole[b])).then(a.cmp(&b)));
            if missing > 0.0 {
                order.reverse();
            }
            for &i in order.iter().take(missing.abs() as usize) {
                whole[i] += missing.signum();
            }
        }
        to.iter_mut().zip(whole).for_each(|(t, w)| *t = w as i64);
    }
    out
}

/// How many of each (true class, given class) to remove, at least one of every class kept; `share` of the noise. Parts of a
/// sample are cut off, as cleanlab does.
fn prune_counts(calibrated: &Array2<i64>, share: f64) -> Array2<i64> {
    let counts = calibrated.t().mapv(|x| x as f64);
    let k = counts.nrows();
    let mut out = Array2::<i64>::zeros(counts.raw_dim());
    for given in 0..k {
        let grown = (1.0 - counts[[given, given]]).max(0.0);
        let noisy = (counts.column(given).iter().filter(|&&x| x != 0.0).count() as f64 - 1.0).max(1.0);
        let mut kept = 0.0;
        for actual in (0..k).filter(|&a| a != given) {
            let less = (counts[[actual, given]] - grown / noisy).max(0.0);
            kept += less * (1.0 - share);
            out[[actual, given]] = (less * share) as i64;
        }
        out[[given, given]] = (counts[[given, given]].max(1.0) + kept) as i64;
    }
    out
}

/// Indices of label issues, ascending. `share` (0..=1) of the estimated noise for the pruning filters.
pub fn issues<P: Probability>(
    probabilities: ArrayView2<P>,
    labels: &[usize],
    confident: &Confident,
    filter: Filter,
    share: f64,
) -> Vec<usize> {
    let n = labels.len();
    let mut marked = vec![false; n];
    let lowest = |quality: Quality| {
        let count = confident.off_diagonal.iter().filter(|&&i| !confident.agrees[i]).count();
        let scores = self::quality(probabilities, labels, quality);
        take_least((0..n).collect(), count, &|i| scores[i])
    };
    match filter {
        Filter::PruneByNoiseRate => mark(&mut marked, &by_rate(probabilities, labels, confident, share)),
        Filter::PruneByClass => mark(&mut marked, &by_class(probabilities, labels, confident, share)),
        Filter::Both => {
            mark(&mut marked, &by_rate(probabilities, labels, confident, share));
            let mut other = vec![false; n];
            mark(&mut other, &by_class(probabilities, labels, confident, share));
            marked.iter_mut().zip(other).for_each(|(a, b)| *a &= b);
        }
        Filter::ConfidentLearning => mark(&mut marked, &confident.off_diagonal),
        Filter::PredictedNeqGiven => marked.fill(true),
        Filter::LowNormalizedMargin => mark(&mut marked, &lowest(Quality::NormalizedMargin)),
        Filter::LowSelfConfidence => mark(&mut marked, &lowest(Quality::SelfConfidence)),
    }
    let keeps = matches!(filter, Filter::LowNormalizedMargin | Filter::LowSelfConfidence);
    (0..n).filter(|&i| marked[i] && (keeps || !confident.agrees[i])).collect()
}

fn mark(marked: &mut [bool], which: &[usize]) {
    for &i in which {
        marked[i] = true;
    }
}

fn members(labels: &[usize], k: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); k];
    for (i, &label) in labels.iter().enumerate() {
        members[label].push(i);
    }
    members
}

/// For each class the least self-confident, as many as are not on the diagonal.
fn by_class<P: Probability>(
    p: ArrayView2<P>,
    labels: &[usize],
    confident: &Confident,
    share: f64,
) -> Vec<usize> {
    let counts = prune_counts(&confident.calibrated, share);
    let pick = |(k, members): (usize, Vec<usize>)| {
        let size = members.len();
        let wrong = (size as i64 - counts[[k, k]]).max(0) as usize;
        if size > 1 { take_least(members, wrong, &|i| p[[i, k]].into()) } else { Vec::new() }
    };
    members(labels, p.ncols()).into_par_iter().enumerate().map(pick).collect::<Vec<_>>().concat()
}

/// For each given class and each other, the largest margins.
fn by_rate<P: Probability>(
    p: ArrayView2<P>,
    labels: &[usize],
    confident: &Confident,
    share: f64,
) -> Vec<usize> {
    let counts = prune_counts(&confident.calibrated, share);
    let pick = |(k, members): (usize, Vec<usize>)| {
        let mut out = Vec::new();
        // A margin above the slack means another class is more probable: such samples are few, come first, and are
        // nearly always enough.
        let contrary: Vec<usize> = members.iter().copied().filter(|&i| !confident.agrees[i]).collect();
        for j in (0..counts.nrows()).filter(|&j| j != k && members.len() > 1) {
            let wanted = counts[[j, k]].max(0) as usize;
            if wanted > 0 {
                let margin = |i: usize| -> f64 { p[[i, k]].into() - p[[i, j]].into() };
                let ahead: Vec<usize> = contrary.iter().copied().filter(|&i| margin(i) < -SLACK).collect();
                let among = if ahead.len() >= wanted { ahead } else { members.clone() };
                out.extend(take_least(among, wanted, &margin));
            }
        }
        out
    };
    members(labels, p.ncols()).into_par_iter().enumerate().map(pick).collect::<Vec<_>>().concat()
}

/// The `count` of least value, the lower index first among equals.
fn take_least(which: Vec<usize>, count: usize, value: &dyn Fn(usize) -> f64) -> Vec<usize> {
    let mut keyed: Vec<(f64, usize)> = which.into_iter().map(|i| (value(i), i)).collect();
    if count < keyed.len() && count > 0 {
        keyed.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    keyed.truncate(count);
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// A score per label; 1 where K is 1.
pub fn quality<P: Probability>(probabilities: ArrayView2<P>, labels: &[usize], quality: Quality) -> Vec<f64> {
    let ln_k = (probabilities.ncols() as f64).ln();
    let one = |i: usize| {
        let (row, label) = (probabilities.row(i), labels[i]);
        let own: f64 = row[label].into();
        match quality {
            Quality::SelfConfidence => own,
            Quality::NormalizedMargin => {
                let other = row.iter().enumerate().filter(|(k, _)| *k != label).map(|(_, &p)| p.into());
                let other = other.fold(f64::NEG_INFINITY, f64::max);
                if other.is_finite() { f64::midpoint(own - other, 1.0) } else { 1.0 }
            }
            Quality::ConfidenceWeightedEntropy => {
                let wide = row.iter().map(|&p| -> f64 { p.into() });
                let entropy: f64 = wide.filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
                let normal = if ln_k > 0.0 { entropy / ln_k } else { 0.0 };
                let weighted = normal / own.max(SLACK);
                (weighted + 1.0).ln() / weighted.max(SLACK)
            }
        }
    };
    let rows: Vec<usize> = (0..labels.len()).collect();
    rows.par_chunks(CHUNK).flat_map_iter(|chunk| chunk.iter().map(|&i| one(i))).collect()
}

/// Probabilities less the class thresholds, shifted above 0 and normalised: accounts for uneven classes.
pub fn adjusted<P: Probability>(probabilities: ArrayView2<P>, thresholds: &[f64]) -> Array2<f64> {
    let largest = thresholds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut out = probabilities.mapv(Into::into);
    for mut row in out.rows_mut() {
        row.iter_mut().zip(thresholds).for_each(|(p, t)| *p = *p - t + largest);
        let sum = row.sum();
        row /= sum;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_small_joint_by_hand() {
        let p = array![[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7], [0.95, 0.05]];
        let labels = [0, 0, 0, 1, 1, 1];
        let c = study(p.view(), &labels);
        // Means of the own class: (.9 + .8 + .2) / 3 and (.9 + .7 + .05) / 3.
        assert!((c.thresholds[0] - 1.9 / 3.0).abs() < 1e-12 && (c.thresholds[1] - 0.55).abs() < 1e-12);
        assert_eq!(c.joint, array![[2, 1], [1, 2]]);
        assert_eq!(c.off_diagonal, [2, 5]);
        for filter in Filter::ALL {
            assert_eq!(issues(p.view(), &labels, &c, filter, 1.0), [2, 5], "{filter:?}");
        }
        let margin = quality(p.view(), &labels, Quality::NormalizedMargin);
        assert!((margin[2] - 0.2).abs() < 1e-12 && (margin[0] - 0.9).abs() < 1e-12);
        assert!(
            quality(p.view(), &labels, Quality::ConfidenceWeightedEntropy)
                .iter()
                .all(|s| (0.0..=1.0).contains(s))
        );
        let even = adjusted(p.view(), &c.thresholds);
        assert!(even.rows().into_iter().all(|r| (r.sum() - 1.0).abs() < 1e-12));
    }

    #[test]
    fn rounding_keeps_the_sums() {
        let rounded = round_rows(&array![[0.5, 0.5, 1.0], [0.3, 0.3, 0.4], [2.6, 1.7, 0.7]]);
        assert_eq!(rounded.rows().into_iter().map(|r| r.sum()).collect::<Vec<_>>(), [2, 1, 5]);
    }

    #[test]
    fn missing_classes_and_nothing_at_all() {
        let p = array![[0.5, 0.2, 0.3], [0.6, 0.2, 0.2]];
        let c = study(p.view(), &[0, 0]);
        assert_eq!(c.thresholds[1..], [MISSING, MISSING]);
        assert!(issues(p.view(), &[0, 0], &c, Filter::PruneByNoiseRate, 1.0).is_empty());
        let nothing = Array2::<f64>::zeros((0, 3));
        let none = study(nothing.view(), &[]);
        assert!(issues(nothing.view(), &[], &none, Filter::Both, 1.0).is_empty());
    }
}
