//! Outliers and near-duplicates among the training samples, by exact nearest neighbours.

pub mod copies;
pub mod near_duplicates;
pub mod outliers;
#[cfg(test)]
mod tests;

use super::features::Request;
use super::params::Params;
use crate::math::neighbours::{Metric, Neighbours, nearest};
use crate::math::robust::median;
use crate::procedure::{Case, Context, Skip, Stop};

/// Neighbours of a sample (Datalab's default).
pub const NEIGHBOURS: usize = 10;
/// Above so many features distances are cosine, as in Datalab.
const FEW_FEATURES: usize = 3;
/// Parameters of both procedures.
const PARAMS: [&str; 2] = ["layer", "metric"];
/// Every pair is looked at: above this many samples that is refused.
pub const MOST_SAMPLES: usize = 400_000;

/// A checked request with the metric asked for.
struct Asked<'a> {
    request: Request<'a>,
    metric: Option<Metric>,
}

impl<'a> Asked<'a> {
    fn plan(case: &'a Case, procedure: &'static str) -> Result<Self, Skip> {
        let params = Params::of(case, procedure, &PARAMS)?;
        let request = Request::plan(case, &params)?;
        let metric = match params.text("metric")? {
            None => None,
            Some("cosine") => Some(Metric::Cosine),
            Some("euclidean") => Some(Metric::Euclidean),
            Some(_) => return Err(Skip("parameter 'metric' must be 'cosine' or 'euclidean'".into())),
        };
        let n = request.data.set.len();
        if n > MOST_SAMPLES {
            return Err(Skip(format!(
                "{n} samples: every pair is compared, the cap is {MOST_SAMPLES} samples"
            )));
        }
        Ok(Self { request, metric })
    }

    fn metric_name(&self) -> &'static str {
        self.metric.map_or("cosine above 3 features, else euclidean", Metric::name)
    }

    /// The neighbours of every training sample, the metric used, and where the features come from.
    fn find(&self, case: &Case, cx: &mut Context, total: u64) -> Result<(Neighbours, Metric, String), Stop> {
        let features = self.request.load(case, self.request.data, cx, 0, total)?;
        cx.step(self.request.units(self.request.data), total)?;
        let wide = features.values.ncols() > FEW_FEATURES;
        let metric = self.metric.unwrap_or(if wide { Metric::Cosine } else { Metric::Euclidean });
        let shared = &*cx;
        let found = nearest(features.values.view(), NEIGHBOURS, metric, &|| shared.check())?;
        Ok((found, metric, features.source))
    }
}

/// Datalab's outlier rule: mean distance to the neighbours above Q₃ + (1/0.37037 − 1) · IQR; score e^(−mean / median mean).
#[derive(Debug, Clone, PartialEq)]
pub struct Outlying {
    /// Mean distance of each sample.
    pub mean: Vec<f64>,
    /// 0..=1, lower = farther out.
    pub score: Vec<f64>,
    /// What a mean distance is held against.
    pub threshold: f64,
    /// Samples above it, ascending.
    pub outliers: Vec<usize>,
}

/// The rule over the neighbours of every sample.
pub fn outlying(found: &Neighbours, metric: Metric) -> Outlying {
    let k = found.distances.ncols().max(1) as f64;
    let mean: Vec<f64> = found.distances.rows().into_iter().map(|r| r.sum() / k).collect();
    let at = |q| crate::math::stats::quantile(&mean, q).unwrap_or(0.0);
    let (low, high) = (at(0.25), at(0.75));
    let threshold = high + (1.0 / 0.37037 - 1.0) * (high - low);
    let scale = median(&mean).unwrap_or(0.0).max(100.0 * f64::EPSILON);
    // Distances within rounding of nothing count as nothing.
    let nothing = match metric {
        Metric::Cosine => 100.0 * f64::EPSILON / 2.0,
        Metric::Euclidean => (100.0 * f64::EPSILON).sqrt(),
    };
    let score = mean.iter().map(|&m| if m < nothing { 1.0 } else { (-m / scale).exp() }).collect();
    let outliers = (0..mean.len()).filter(|&i| mean[i] > threshold).collect();
    Outlying { mean, score, threshold, outliers }
}

/// Datalab's rule for near-duplicates: nearer than 0.13 of the median distance to the nearest neighbour.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicates {
    /// Near-duplicates of each sample, ascending, both ways.
    pub of: Vec<Vec<usize>>,
    /// 1 − e^(−distance to the nearest / median); 0 for an exact copy.
    pub score: Vec<f64>,
    /// Median distance to the nearest neighbour.
    pub median: f64,
}

/// Share of the median nearest distance.
const NEAR: f64 = 0.13;

/// The rule over the neighbours of every sample.
pub fn duplicates(found: &Neighbours) -> Duplicates {
    let n = found.distances.nrows();
    let first: Vec<f64> = found.distances.rows().into_iter().filter_map(|r| r.first().copied()).collect();
    let middle = median(&first).unwrap_or(0.0);
    let mut of = vec![Vec::new(); n];
    for (i, (near, row)) in found.indices.rows().into_iter().zip(found.distances.rows()).enumerate() {
        for (&j, &d) in near.iter().zip(row) {
            // Where half of the samples have an exact copy the yardstick is 0, and only exact copies count.
            if d < NEAR * middle || d == 0.0 {
                of[i].push(j);
                of[j].push(i);
            }
        }
    }
    for list in &mut of {
        list.sort_unstable();
        list.dedup();
    }
    let scale = middle.max(f64::MIN_POSITIVE);
    let score = first.iter().map(|&d| if d <= 1e-8 { 0.0 } else { 1.0 - (-d / scale).exp() }).collect();
    Duplicates { of, score, median: middle }
}

impl Duplicates {
    /// Connected sets of two samples or more, each ascending, in order of their first.
    pub fn sets(&self) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.of.len()];
        let mut sets = Vec::new();
        for start in 0..self.of.len() {
            if seen[start] || self.of[start].is_empty() {
                continue;
            }
            let (mut set, mut open) = (Vec::new(), vec![start]);
            seen[start] = true;
            while let Some(i) = open.pop() {
                set.push(i);
                for &j in &self.of[i] {
                    if !std::mem::replace(&mut seen[j], true) {
                        open.push(j);
                    }
                }
            }
            set.sort_unstable();
            sets.push(set);
        }
        sets
    }
}
