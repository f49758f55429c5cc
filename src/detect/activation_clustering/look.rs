//! One class: its two clusters, and what clean images say of the smaller one.

use super::{
    COMPONENTS, DOUBT, ERROR, FEWEST, FEWEST_CLEAN, FOREIGN, MODEST, RATIO, SILHOUETTE, SILHOUETTE_SAMPLES,
    STARTS,
};
use crate::detect::features::Features;
use crate::math::cluster::{self, Partition, Silhouette};
use crate::math::pca::{self, PcaError};
use crate::procedure::{Context, Stop};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// What was seen in one class.
pub(super) struct Seen {
    pub(super) partition: Partition,
    pub(super) silhouette: Silhouette,
    /// min / max of the two sizes.
    pub(super) ratio: f64,
    pub(super) suspicious: bool,
    /// What clean images of the label say about the smaller cluster.
    pub(super) clean: Option<Held>,
    /// First two components, n×2.
    pub(super) plane: Array2<f32>,
    /// Position along the line from the large cluster's mean (0) to the small one's (1).
    pub(super) along: Vec<f64>,
}

/// The smaller cluster held against clean images of the label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// Clean images nearer to the smaller cluster's mean, of all of the label.
    pub(super) count: usize,
    pub(super) of: usize,
    /// Chance of so few among them, were they as the training samples are (Fisher's exact test).
    pub(super) chance: f64,
}

/// What is said of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Nothing,
    Lead,
    Foreign,
}

impl Seen {
    pub(super) fn call(&self, tested: usize) -> Call {
        let Some(held) = self.clean else {
            // With nothing to hold it against, a clear split is a lead.
            return if self.suspicious { Call::Lead } else { Call::Nothing };
        };
        let share = self.partition.sizes[1] as f64 / self.partition.cluster.len().max(1) as f64;
        let foreign = held.count as f64 / held.of.max(1) as f64 <= FOREIGN * share;
        let tests = tested.max(1) as f64;
        if foreign && held.chance <= ERROR / tests && self.silhouette.value > MODEST {
            Call::Foreign
        } else if foreign && held.chance <= DOUBT / tests {
            Call::Lead
        } else {
            Call::Nothing
        }
    }
}

/// Clusters one class; `None` when it has too few samples.
pub(super) fn look(
    features: &Features,
    clean: Option<&Features>,
    class: usize,
    cx: &Context,
) -> Result<Option<Seen>, Stop> {
    let members = &features.members[class];
    if members.len() < FEWEST {
        return Ok(None);
    }
    let check = || cx.check();
    let mut rng = cx.rng(&format!("class{class}"));
    let reduced =
        pca::sketched(features.values.view(), members, COMPONENTS, &mut rng, check).map_err(|e| match e {
            PcaError::Stopped(stop) => stop,
            PcaError::Solver(reason) => Stop::failed(format!("class {class}: {reason}")),
        })?;
    let partition = cluster::k_means(reduced.view(), 2, STARTS, &mut rng, check)?;
    let silhouette = cluster::silhouette(reduced.view(), &partition, SILHOUETTE_SAMPLES, &mut rng, check)?;
    let ratio = partition.sizes[1] as f64 / partition.sizes[0].max(1) as f64;
    let suspicious = silhouette.value > SILHOUETTE && ratio > RATIO.0 && ratio < RATIO.1;
    let plane = Array2::from_shape_fn((members.len(), 2), |(i, j)| {
        reduced.get((i, j)).copied().unwrap_or(0.0) as f32
    });
    let along = along(&reduced, &partition);
    let clean = clean.filter(|c| c.members[class].len() >= FEWEST_CLEAN && partition.sizes[1] > 0).map(|c| {
        let clean = Rows { values: c.values.view(), members: &c.members[class] };
        held(&Rows { values: features.values.view(), members }, &partition, &clean)
    });
    Ok(Some(Seen { partition, silhouette, ratio, suspicious, clean, plane, along }))
}

/// Rows of a matrix, where they are.
struct Rows<'a> {
    values: ArrayView2<'a, f32>,
    members: &'a [usize],
}

impl Rows<'_> {
    fn each(&self) -> impl Iterator<Item = ArrayView1<'_, f32>> {
        self.members.iter().map(|&i| self.values.row(i))
    }
}

/// Puts clean images of the label to the nearer of the two cluster means.
fn held(samples: &Rows, partition: &Partition, clean: &Rows) -> Held {
    let width = samples.values.ncols();
    let mut means = [Array1::<f64>::zeros(width), Array1::zeros(width)];
    for (row, &c) in samples.each().zip(&partition.cluster) {
        means[c].zip_mut_with(&row, |m, &x| *m += f64::from(x));
    }
    for (mean, &size) in means.iter_mut().zip(&partition.sizes) {
        *mean /= size.max(1) as f64;
    }
    let distance = |row: &ArrayView1<f32>, mean: &Array1<f64>| {
        row.iter().zip(mean).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>()
    };
    let smaller = |row: &ArrayView1<f32>| distance(row, &means[1]) < distance(row, &means[0]);
    // The training samples are asked the same question as the clean ones.
    let inside = samples.each().filter(smaller).count();
    let (count, of) = (clean.each().filter(smaller).count(), clean.members.len());
    Held { count, of, chance: crate::math::stats::fisher_greater(inside, samples.members.len(), count, of) }
}

/// Position of each sample between the two cluster means: 0 at the large one's, 1 at the small one's.
fn along(reduced: &Array2<f64>, partition: &Partition) -> Vec<f64> {
    let mut means = [Array1::<f64>::zeros(reduced.ncols()), Array1::zeros(reduced.ncols())];
    for (row, &c) in reduced.rows().into_iter().zip(&partition.cluster) {
        means[c] += &row;
    }
    for (mean, &size) in means.iter_mut().zip(&partition.sizes) {
        *mean /= size.max(1) as f64;
    }
    let line = &means[1] - &means[0];
    let length2 = line.dot(&line);
    if partition.sizes[1] == 0 || length2 == 0.0 {
        return vec![0.0; reduced.nrows()];
    }
    reduced.rows().into_iter().map(|row| (&row - &means[0]).dot(&line) / length2).collect()
}
