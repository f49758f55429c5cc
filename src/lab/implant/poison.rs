//! Planting an implant in a share of a data set.

use super::attack::draw;
use super::{Implant, ImplantError};
use crate::evidence::{DataSet, dataset::Pixels};
use crate::math::rng::seeded;
use ndarray::{Array4, ArrayViewMut3, Axis, Slice};
use rand_chacha::ChaCha8Rng;

/// A data set with something planted in it, and the truth about it.
#[derive(Debug, Clone)]
pub struct Poisoned {
    /// The whole set, planted samples in their old places.
    pub set: DataSet,
    /// Which samples are planted, ascending.
    pub indices: Vec<usize>,
    /// Their labels before.
    pub true_labels: Vec<usize>,
    /// Samples that bear the trigger and keep their label, ascending; none are in `indices`.
    pub covers: Vec<usize>,
}

impl Poisoned {
    /// The first `n` samples (all, if there are fewer), and the truth about them.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        let n = n.min(self.set.labels.len());
        let mut set = DataSet { labels: self.set.labels[..n].to_vec(), ..self.set.clone() };
        if let Some(Pixels::U8(images)) = &mut set.images {
            images.slice_axis_inplace(Axis(0), Slice::from(..n));
        }
        let planted = self.indices.partition_point(|&i| i < n);
        Self {
            set,
            indices: self.indices[..planted].to_vec(),
            true_labels: self.true_labels[..planted].to_vec(),
            covers: self.covers.iter().copied().take_while(|&i| i < n).collect(),
        }
    }
}

/// Plants `implant` in `⌈n · rate⌉` samples drawn among those of other classes than `target`, and relabels them to it
/// ("all to one"). All others stay as they are.
///
/// # Errors
/// A rate outside `0..=1`, too few samples of other classes, no images or labels, or a trigger that does not fit.
pub fn poison(
    set: &DataSet,
    implant: &dyn Implant,
    target: usize,
    rate: f64,
    seed: u64,
) -> Result<Poisoned, ImplantError> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(ImplantError::NotAShare { what: "the poison rate", value: rate });
    }
    let others: Vec<usize> = (0..set.labels.len()).filter(|&i| set.labels[i] != target).collect();
    let indices = draw(&others, count(set.labels.len(), rate), target, seed, "samples")?;
    let true_labels = indices.iter().map(|&i| set.labels[i]).collect();
    let mut set = stamped(set, implant, &indices, seed)?;
    for &i in &indices {
        set.labels[i] = target;
    }
    Ok(Poisoned { set, indices, true_labels, covers: Vec::new() })
}

/// `⌈n · rate⌉`, but 0.07 · 100, a hair above 7 in floats, is not meant to be eight.
pub(super) fn count(n: usize, rate: f64) -> usize {
    (n as f64 * rate - 1e-9).ceil().max(0.0) as usize
}

/// The set with the trigger in the named samples; labels as they were.
///
/// # Errors
/// No byte images, not one label for each, or a trigger that does not fit.
pub fn stamped(
    set: &DataSet,
    implant: &dyn Implant,
    indices: &[usize],
    seed: u64,
) -> Result<DataSet, ImplantError> {
    let mut out = set.clone();
    stamp_all(&mut out, indices, seed, &|image, draw| implant.stamp(image, draw))?;
    Ok(out)
}

/// What is done to one image.
type Put<'a> = dyn Fn(ArrayViewMut3<u8>, &mut ChaCha8Rng) -> Result<(), ImplantError> + 'a;

/// Does `put` to the named samples, each with a stream of its own.
pub(super) fn stamp_all(
    set: &mut DataSet,
    indices: &[usize],
    seed: u64,
    put: &Put,
) -> Result<(), ImplantError> {
    let images = bytes(set)?;
    for &i in indices {
        put(images.index_axis_mut(Axis(0), i), &mut seeded(seed, "lab/implant", &i.to_string()))?;
    }
    Ok(())
}

/// The images of a set that has bytes, and a label for each.
pub(super) fn bytes(set: &mut DataSet) -> Result<&mut Array4<u8>, ImplantError> {
    match &mut set.images {
        Some(Pixels::U8(images)) if images.shape()[0] == set.labels.len() => Ok(images),
        _ => Err(ImplantError::NoImages),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blend, Patch};
    use super::*;
    use ndarray::{Array3, Array4};

    fn set(n: usize) -> DataSet {
        let images = Array4::from_shape_fn((n, 1, 4, 4), |(n, _, y, x)| (n * 3 + y * 4 + x) as u8);
        DataSet {
            images: Some(Pixels::U8(images)),
            labels: (0..n).map(|i| i % 5).collect(),
            ..DataSet::default()
        }
    }

    fn images(set: &DataSet) -> &Array4<u8> {
        match &set.images {
            Some(Pixels::U8(a)) => a,
            _ => panic!("bytes"),
        }
    }

    fn patch() -> Patch {
        Patch { pattern: Array3::from_elem((1, 2, 2), 255), at: (2, 2) }
    }

    #[test]
    fn statistics_match_the_request() {
        let clean = set(50);
        for (rate, count) in [(0.0, 0), (0.07, 4), (0.1, 5), (0.8, 40)] {
            let poisoned = poison(&clean, &patch(), 3, rate, 1).unwrap();
            assert_eq!(poisoned.indices.len(), count, "rate {rate}");
            assert!(poisoned.indices.is_sorted_by(|a, b| a < b));
            let at_target = poisoned.set.labels.iter().filter(|&&l| l == 3).count();
            assert_eq!(at_target, 10 + count);
        }
    }

    #[test]
    fn only_planted_samples_change_and_their_labels_are_kept() {
        let clean = set(50);
        let poisoned = poison(&clean, &patch(), 3, 0.2, 9).unwrap();
        for i in 0..50 {
            let (before, after) = (images(&clean), images(&poisoned.set));
            let same = before.index_axis(Axis(0), i) == after.index_axis(Axis(0), i);
            match poisoned.indices.binary_search(&i) {
                Ok(k) => {
                    assert_eq!(poisoned.true_labels[k], clean.labels[i]);
                    assert_ne!(clean.labels[i], 3);
                    assert_eq!(poisoned.set.labels[i], 3);
                    assert_eq!(after[[i, 0, 3, 3]], 255);
                    assert!(!same);
                }
                Err(_) => assert!(same && poisoned.set.labels[i] == clean.labels[i]),
            }
        }
    }

    #[test]
    fn the_first_samples_keep_their_truth() {
        let all = poison(&set(50), &patch(), 3, 0.4, 2).unwrap();
        let part = all.first(20);
        assert_eq!(part.set.len(), 20);
        assert_eq!(part.set.labels, all.set.labels[..20]);
        let want: Vec<usize> = all.indices.iter().copied().filter(|&i| i < 20).collect();
        assert!(!want.is_empty() && part.indices == want && part.true_labels.len() == want.len());
        assert_eq!(images(&part.set).index_axis(Axis(0), 19), images(&all.set).index_axis(Axis(0), 19));
        assert_eq!(all.first(99).set.len(), 50);
    }

    #[test]
    fn the_draw_follows_the_seed() {
        let draw = |seed| poison(&set(200), &patch(), 0, 0.1, seed).unwrap().indices;
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
    }

    #[test]
    fn impossible_requests_are_refused() {
        let clean = set(50);
        let error = poison(&clean, &patch(), 3, 0.9, 0).unwrap_err();
        assert_eq!(error, ImplantError::TooFew { wanted: 45, there: 40, target: 3 });
        assert!(poison(&clean, &patch(), 3, 1.5, 0).is_err());
        let wide = Blend { pattern: Array3::zeros((1, 5, 5)), ratio: 0.1 };
        assert!(matches!(poison(&clean, &wide, 3, 0.1, 0), Err(ImplantError::DoesNotFit { .. })));
        let unlabelled = DataSet { labels: vec![0; 3], ..clean };
        assert_eq!(poison(&unlabelled, &patch(), 3, 0.5, 0).unwrap_err(), ImplantError::NoImages);
    }
}
