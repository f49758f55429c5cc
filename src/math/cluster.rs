//! k-means: starts by `linfa-clustering`, their end over all samples by our own kernels; and the silhouette.

use laocoon_kernels::each;
use laocoon_kernels::points::{self, Sums, Tiles};
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::Rng;
use rand::seq::SliceRandom;

/// A partition of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Cluster of each sample, 0..k. Clusters are numbered by falling size (the lower first sample first), so that
    /// numbering does not depend on the start.
    pub cluster: Vec<usize>,
    /// Number of samples in each cluster; a cluster may be empty when the samples have fewer distinct values.
    pub sizes: Vec<usize>,
    /// Sum of squared distances to the cluster means.
    pub inertia: f64,
}

/// Samples that the starts of [`k_means`] are compared on.
const COMPARED: usize = 1000;
/// Largest move of a mean, as a share of the samples' spread, at which a run has come to rest; of many samples; and
/// where starts are only compared.
const AT_REST: f64 = 1e-7;
const OF_MANY: f64 = 1e-4;
const COMPARING: f64 = 1e-3;
/// Rounds of a run at most.
const ROUNDS: usize = 300;

/// Partitions `samples` (n×d, finite, n ≥ 1) into `k` clusters: the best by inertia of `starts` runs of Lloyd's
/// algorithm from k-means++ seeds (Arthur and Vassilvitskii 2007), brought to rest. Of more than a thousand samples, the
/// starts are compared on a thousand drawn at random, and the best goes on with all of them. `check` is called before
/// each start.
///
/// linfa counts the old mean among a cluster's samples, so that its runs creep towards their end: they are stopped early
/// and ended by our own.
///
/// # Errors
/// Whatever `check` returns.
pub fn k_means<E>(
    samples: ArrayView2<f64>,
    k: usize,
    starts: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Partition, E> {
    let n = samples.nrows();
    let single = Partition { cluster: vec![0; n], sizes: sizes(&vec![0; n], k), inertia: 0.0 };
    let mean = samples.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(samples.ncols()));
    let points = Points::new((&samples - &mean).iter().copied().collect(), samples.ncols());
    let spread = (points.flat.iter().map(|x| x * x).sum::<f64>() / n.max(1) as f64).sqrt();
    if k == 0 || n == 0 || spread == 0.0 {
        return Ok(single);
    }
    let few = (n > COMPARED).then(|| points.some(&rand::seq::index::sample(rng, n, COMPARED).into_vec()));
    let (compared, rest) = few.as_ref().map_or((&points, AT_REST), |few| (few, OF_MANY));
    // linfa's tolerance is absolute: the spread is brought to 1.
    let scaled = compared.flat.iter().map(|x| x / spread).collect();
    let Ok(scaled) = Array2::from_shape_vec((compared.n, compared.d), scaled) else { return Ok(single) };
    let data = DatasetBase::from(scaled);
    let mut best: Option<Run> = None;
    for _ in 0..starts.max(1) {
        check()?;
        let Some(means) = start(&data, k, rng) else { continue };
        let run = compared.run(means.iter().map(|x| x * spread).collect());
        if best.as_ref().is_none_or(|best| run.inertia < best.inertia) {
            best = Some(run);
        }
    }
    check()?;
    let Some(best) = best.map(|best| points.lloyd(best.means, rest * spread)) else { return Ok(single) };
    let cluster = renumber(&best.cluster, k);
    Ok(Partition { sizes: sizes(&cluster, k), cluster, inertia: best.inertia })
}

/// The means that one of linfa's runs comes to, k×d; `None` when it comes to none.
fn start(data: &DatasetBase<Array2<f64>, Array1<()>>, k: usize, rng: &mut impl Rng) -> Option<Array2<f64>> {
    // Each start goes on in the stream: linfa clones the generator it is given.
    let seed: [u8; 32] = rng.r#gen();
    let own = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::from_seed(seed);
    let run = KMeans::params_with_rng(k, own).init_method(KMeansInit::KMeansPlusPlus).n_runs(1);
    let run = run.tolerance(COMPARING).max_n_iterations(ROUNDS as u64).fit(data).ok()?;
    Some(run.centroids().clone())
}

/// Samples as they are compared with means.
struct Points {
    /// One after another.
    flat: Vec<f64>,
    tiles: Tiles,
    n: usize,
    d: usize,
}

/// Where a run of Lloyd's algorithm came to rest.
struct Run {
    /// k means, one after another.
    means: Vec<f64>,
    cluster: Vec<usize>,
    inertia: f64,
}

impl Points {
    fn new(flat: Vec<f64>, d: usize) -> Self {
        let n = flat.len() / d.max(1);
        let tiles = Tiles::new(n, d, |i, j| flat[i * d + j]);
        Self { flat, tiles, n, d }
    }

    fn point(&self, i: usize) -> &[f64] {
        &self.flat[i * self.d..(i + 1) * self.d]
    }

    fn some(&self, which: &[usize]) -> Self {
        Self::new(which.iter().flat_map(|&i| self.point(i)).copied().collect(), self.d)
    }

    /// Lloyd's algorithm from `means` until none moves further than `rest`. A mean that lost its samples stays.
    fn lloyd(&self, mut means: Vec<f64>, rest: f64) -> Run {
        let mut cluster = vec![0; self.n];
        for _ in 0..ROUNDS {
            let seen = self.tiles.nearest(&means, &mut cluster);
            let mut moved: f64 = 0.0;
            let sums = seen.sums.chunks_exact(self.d);
            for ((mean, sum), &count) in means.chunks_exact_mut(self.d).zip(sums).zip(&seen.counts) {
                if count > 0 {
                    let own: Vec<f64> = sum.iter().map(|s| s / count as f64).collect();
                    moved = moved.max(distance2(mean, &own));
                    mean.copy_from_slice(&own);
                }
            }
            if moved.sqrt() <= rest {
                break;
            }
        }
        self.run(means)
    }

    /// Which samples `means` get, and what that is worth.
    fn run(&self, means: Vec<f64>) -> Run {
        let mut cluster = vec![0; self.n];
        let own = self.tiles.nearest(&means, &mut cluster);
        let inertia = self.inertia(&cluster, &own);
        Run { means, cluster, inertia }
    }

    /// Sum of squared distances to the means of the clusters as they are.
    fn inertia(&self, cluster: &[usize], seen: &Sums) -> f64 {
        let d = self.d;
        let mean = |(i, sum): (usize, &f64)| sum / seen.counts[i / d].max(1) as f64;
        let means: Vec<f64> = seen.sums.iter().enumerate().map(mean).collect();
        let apart = |(point, &c): (&[f64], &usize)| distance2(point, &means[c * d..(c + 1) * d]);
        self.flat.chunks_exact(d).zip(cluster).map(apart).sum()
    }
}

fn distance2(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

fn sizes(cluster: &[usize], k: usize) -> Vec<usize> {
    let mut sizes = vec![0; k];
    for &c in cluster {
        if let Some(size) = sizes.get_mut(c) {
            *size += 1;
        }
    }
    sizes
}

/// Largest cluster first; of equals, the one whose first sample comes first.
fn renumber(cluster: &[usize], k: usize) -> Vec<usize> {
    let sizes = sizes(cluster, k);
    let first = |c| cluster.iter().position(|&x| x == c);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c]), first(c)));
    let mut rank = vec![0; k];
    for (new, &old) in order.iter().enumerate() {
        rank[old] = new;
    }
    cluster.iter().map(|&c| rank[c]).collect()
}

/// A silhouette and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silhouette {
    /// Mean over samples of (b − a) / max(a, b), in −1..1 (Rousseeuw 1987); 0 for samples alone in their cluster, and
    /// 0 altogether when there is only one cluster.
    pub value: f64,
    /// Samples it was computed on.
    pub samples: usize,
    /// Whether that was all of them.
    pub exact: bool,
}

/// The mean silhouette of a two-or-more-cluster partition: exact up to `most` samples, above that over a seeded
/// subsample of `most`.
///
/// # Errors
/// Whatever `check` returns; it is called for every sample.
pub fn silhouette<E>(
    samples: ArrayView2<f64>,
    partition: &Partition,
    most: usize,
    rng: &mut impl Rng,
    check: impl Fn() -> Result<(), E>,
) -> Result<Silhouette, E> {
    let n = samples.nrows();
    let mut chosen: Vec<usize> = (0..n).collect();
    if n > most {
        chosen.shuffle(rng);
        chosen.truncate(most);
        chosen.sort_unstable();
    }
    let chosen_points = samples.select(Axis(0), &chosen);
    let cluster: Vec<usize> = chosen.iter().map(|&i| partition.cluster[i]).collect();
    let k = partition.sizes.len();
    let sizes = sizes(&cluster, k);
    let done = |value| Silhouette { value, samples: chosen.len(), exact: n <= most };
    if sizes.iter().filter(|&&s| s > 0).count() < 2 {
        return Ok(done(0.0));
    }
    // By cluster, so that what is added up lies together; every pair is measured once.
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    order.sort_by_key(|&i| cluster[i]);
    let cluster: Vec<usize> = order.iter().map(|&i| cluster[i]).collect();
    let columns: Vec<Vec<f64>> = chosen_points
        .columns()
        .into_iter()
        .map(|column| order.iter().map(|&i| column[i]).collect())
        .collect();
    let ends: Vec<usize> = (0..k).map(|c| cluster.partition_point(|&own| own <= c)).collect();
    let m = chosen.len();
    // Sums of distances from each point to each cluster.
    let mut sums = vec![vec![0.0; m]; k];
    let mut distances = vec![0.0; m];
    for i in 0..m {
        check()?;
        let point: Vec<f64> = columns.iter().map(|column| column[i]).collect();
        let others: Vec<&[f64]> = columns.iter().map(|column| &column[i + 1..]).collect();
        let to = &mut distances[i + 1..];
        points::distances(&point, &others, to);
        each::add(&mut sums[cluster[i]][i + 1..], to);
        let mut start = i + 1;
        for (sums, &end) in sums.iter_mut().zip(&ends).filter(|(_, end)| **end > i + 1) {
            sums[i] += points::total(&distances[start..end]);
            start = end;
        }
    }
    let mut total = 0.0;
    for (i, &own) in cluster.iter().enumerate() {
        if sizes[own] < 2 {
            continue;
        }
        let a = sums[own][i] / (sizes[own] - 1) as f64;
        let b = (0..k)
            .filter(|&c| c != own && sizes[c] > 0)
            .map(|c| sums[c][i] / sizes[c] as f64)
            .fold(f64::INFINITY, f64::min);
        let widest = a.max(b);
        if widest > 0.0 {
            total += (b - a) / widest;
        }
    }
    Ok(done(total / chosen.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::seeded;
    use ndarray::{Array2, array};
    use std::convert::Infallible;

    fn cluster(samples: &Array2<f64>, seed: u64) -> Partition {
        k_means(samples.view(), 2, 10, &mut seeded(seed, "k", "t"), || Ok::<_, Infallible>(())).unwrap()
    }

    fn sil(samples: &Array2<f64>, partition: &Partition, most: usize) -> Silhouette {
        let mut rng = seeded(0, "s", "t");
        silhouette(samples.view(), partition, most, &mut rng, || Ok::<_, Infallible>(())).unwrap()
    }

    #[test]
    fn two_blobs_are_found_at_any_scale_and_numbered_by_size() {
        for scale in [1e-7, 1.0, 1e7] {
            let mut rng = seeded(3, "k", "blobs");
            let samples = Array2::from_shape_fn((100, 4), |(i, _)| {
                scale * (rng.gen_range(-1.0..1.0) + if i % 5 == 0 { 8.0 } else { 0.0 })
            });
            let p = cluster(&samples, 0);
            assert_eq!(p.sizes, [80, 20]);
            assert!(p.cluster.iter().enumerate().all(|(i, &c)| (c == 1) == (i % 5 == 0)));
            assert_eq!(p, cluster(&samples, 0), "same seed, same partition");
            assert_eq!(
                p.cluster,
                cluster(&samples, 9).cluster,
                "an obvious partition does not depend on the seed"
            );
            assert!(sil(&samples, &p, 2000).value > 0.7);
        }
    }

    #[test]
    fn silhouette_of_four_points_by_hand() {
        let samples = array![[0.0], [1.0], [10.0], [12.0]];
        let p = Partition { cluster: vec![0, 0, 1, 1], sizes: vec![2, 2], inertia: 0.0 };
        // a = 1, 1, 2, 2; b = 11, 10, 9.5, 11.5
        let want = ((10.0 / 11.0) + 0.9 + (7.5 / 9.5) + (9.5 / 11.5)) / 4.0;
        let got = sil(&samples, &p, 2000);
        assert!((got.value - want).abs() < 1e-12 && got.exact && got.samples == 4);
        let sampled = sil(&samples, &p, 3);
        assert!(!sampled.exact && sampled.samples == 3 && sampled.value > 0.5);
    }

    #[test]
    fn inertia_is_that_of_the_means() {
        let samples = array![[0.0], [2.0], [10.0], [14.0]];
        let p = cluster(&samples, 0);
        assert!((p.inertia - 10.0).abs() < 1e-9);
    }

    #[test]
    fn samples_without_two_values_do_not_crash() {
        let same = Array2::from_elem((12, 3), 4.0);
        let p = cluster(&same, 0);
        assert_eq!((p.sizes.as_slice(), sil(&same, &p, 2000).value), ([12, 0].as_slice(), 0.0));
        assert_eq!(cluster(&Array2::zeros((3, 0)), 0).sizes, [3, 0]);
        let p = cluster(&array![[1.0], [2.0]], 0);
        assert_eq!(p.sizes, [1, 1]);
        assert_eq!(sil(&array![[1.0], [2.0]], &p, 2000).value, 0.0);
    }
}
