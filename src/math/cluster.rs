//! k-means by `linfa-clustering`, and the silhouette.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans, KMeansInit};
use linfa_nn::distance::L2Dist;
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
/// Largest move of the means, as a share of the samples' spread, at which a run has come to rest; of many samples; and
/// where starts are only compared.
const AT_REST: f64 = 1e-7;
const OF_MANY: f64 = 1e-5;
const COMPARING: f64 = 1e-3;

/// Partitions `samples` (n×d, finite, n ≥ 1) into `k` clusters: the best by inertia of `starts` runs of Lloyd's
/// algorithm from k-means++ seeds. Of more than a thousand samples, the starts are compared on a thousand drawn at
/// random, and the best goes on with all of them. `check` is called before each start.
///
/// # Errors
/// Whatever `check` returns.
pub fn k_means<E>(
    samples: ArrayView2<f64>,
    k: usize,
    starts: usize,
    rng: &mut (impl Rng + Clone),
    check: impl Fn() -> Result<(), E>,
) -> Result<Partition, E> {
    let n = samples.nrows();
    let single = Partition { cluster: vec![0; n], sizes: sizes(&vec![0; n], k), inertia: 0.0 };
    // linfa's tolerance is absolute: standardise the total variance.
    let mean = samples.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(samples.ncols()));
    let centred = &samples - &mean;
    let total = centred.iter().map(|x| x * x).sum::<f64>();
    let norm = (total / n.max(1) as f64).sqrt();
    if k == 0 || n == 0 || norm == 0.0 {
        return Ok(single);
    }
    let data = DatasetBase::from(centred / norm);
    let few = (n > COMPARED).then(|| {
        let drawn = rand::seq::index::sample(rng, n, COMPARED).into_vec();
        DatasetBase::from(data.records.select(Axis(0), &drawn))
    });
    let (compared, rest) = few.as_ref().map_or((&data, AT_REST), |few| (few, COMPARING));
    let mut best: Option<(f64, KMeans<f64, L2Dist>, Vec<usize>)> = None;
    for _ in 0..starts.max(1) {
        check()?;
        let Some(model) = run(compared, k, KMeansInit::KMeansPlusPlus, rest, rng) else { continue };
        let cluster = model.predict(&compared.records).to_vec();
        let inertia = inertia(&compared.records, &cluster, k);
        if best.as_ref().is_none_or(|(b, ..)| inertia < *b) {
            best = Some((inertia, model, cluster));
        }
    }
    if few.is_some() {
        check()?;
        let further = best.and_then(|(_, model, _)| {
            let model = run(&data, k, KMeansInit::Precomputed(model.centroids().clone()), OF_MANY, rng)?;
            let cluster = model.predict(&data.records).to_vec();
            Some((inertia(&data.records, &cluster, k), model, cluster))
        });
        best = further;
    }
    let Some((inertia, _, cluster)) = best else { return Ok(Partition { inertia: total, ..single }) };
    let cluster = renumber(&cluster, k);
    Ok(Partition { sizes: sizes(&cluster, k), cluster, inertia: inertia * norm * norm })
}

/// One run to its rest; `None` when linfa finds none.
fn run(
    data: &DatasetBase<Array2<f64>, Array1<()>>,
    k: usize,
    init: KMeansInit<f64>,
    rest: f64,
    rng: &mut impl Rng,
) -> Option<KMeans<f64, L2Dist>> {
    // Each run continues the stream: linfa clones the generator it is given.
    let seed: [u8; 32] = rng.r#gen();
    let own = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::from_seed(seed);
    let run = KMeans::params_with_rng(k, own).init_method(init).n_runs(1);
    run.tolerance(rest).max_n_iterations(300).fit(data).ok()
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

/// Sum of squared distances to the means of the clusters as they are.
fn inertia(samples: &Array2<f64>, cluster: &[usize], k: usize) -> f64 {
    let mut means = Array2::<f64>::zeros((k, samples.ncols()));
    for (row, &c) in samples.rows().into_iter().zip(cluster) {
        let mut mean = means.row_mut(c);
        mean += &row;
    }
    for (mut mean, &size) in means.rows_mut().into_iter().zip(&sizes(cluster, k)) {
        mean /= size.max(1) as f64;
    }
    samples.rows().into_iter().zip(cluster).map(|(row, &c)| distance2(&row, &means.row(c))).sum()
}

fn distance2(a: &ndarray::ArrayView1<f64>, b: &ndarray::ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
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
    let points = samples.select(Axis(0), &chosen);
    let cluster: Vec<usize> = chosen.iter().map(|&i| partition.cluster[i]).collect();
    let k = partition.sizes.len();
    let sizes = sizes(&cluster, k);
    let done = |value| Silhouette { value, samples: chosen.len(), exact: n <= most };
    if sizes.iter().filter(|&&s| s > 0).count() < 2 {
        return Ok(done(0.0));
    }
    // Sums of distances from each point to each cluster; every pair is measured once.
    let d = points.ncols();
    let flat: Vec<f64> = points.iter().copied().collect();
    let point = |i: usize| &flat[i * d..(i + 1) * d];
    let mut sums = vec![0.0; chosen.len() * k];
    for i in 0..chosen.len() {
        check()?;
        let (row, own) = (point(i), cluster[i]);
        for j in i + 1..chosen.len() {
            let square: f64 = row.iter().zip(point(j)).map(|(x, y)| (x - y) * (x - y)).sum();
            let distance = square.sqrt();
            sums[i * k + cluster[j]] += distance;
            sums[j * k + own] += distance;
        }
    }
    let mut total = 0.0;
    for (sums, &own) in sums.chunks_exact(k).zip(&cluster) {
        if sizes[own] < 2 {
            continue;
        }
        let a = sums[own] / (sizes[own] - 1) as f64;
        let b = (0..k)
            .filter(|&c| c != own && sizes[c] > 0)
            .map(|c| sums[c] / sizes[c] as f64)
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
    use ndarray::array;
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
