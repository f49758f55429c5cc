//! Images to work on the model with: clean ones of the case, as unit pixels, with what the network says of them.

use crate::evidence::Role;
use crate::math::softmax::argmax;
use crate::procedure::{Case, Context, Data, Skip, Stop};
use ndarray::{Array4, Axis};
use rand::seq::SliceRandom;

/// Images run through the network between two looks at the cancel.
const BATCH: usize = 16;
/// Cap on the pixels held at once (1 GiB of f32).
const MOST_PIXELS: usize = 1 << 28;

/// Sets smaller than this are not divided.
const DIVIDED: usize = 40;

/// Which images of the set: a trigger must be judged on images that it was not made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// About three in four, for finding a trigger. All of a set under 40.
    Work,
    /// The others, held back for judging it. All of a set under 40.
    Held,
}

/// Whether the image at an index is held back: about one in four, by a hash of the index (`SplitMix64`), so that no order of
/// the set (sorted, or classes in turn) lines up with it, and every procedure agrees.
fn held(index: usize) -> bool {
    let mut z = (index as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).is_multiple_of(4)
}

/// Which data set images are taken from: clean, else test, else training.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The set.
    pub data: &'a Data,
    share: Share,
}

impl<'a> Choice<'a> {
    /// The set of `case` that fits the model; `Ok(None)` when the case has no images.
    ///
    /// # Errors
    /// Images of another shape than the network takes.
    pub fn of(case: &'a Case, share: Share) -> Result<Option<Self>, Skip> {
        let Some(model) = &case.model else { return Ok(None) };
        let sets = [Role::Clean, Role::Test, Role::Training];
        let with_images = |data: &&Data| data.set.images.is_some() && !data.set.is_empty();
        let Some(data) = sets.iter().find_map(|&role| case.data(role).filter(with_images)) else {
            return Ok(None);
        };
        match data.set.shape() {
            Some(shape) if shape == model.input.shape => Ok(Some(Self { data, share })),
            shape => Err(Skip(format!(
                "{} images have shape {:?}, the network takes {:?} (channels, height, width)",
                data.role.name(),
                shape.unwrap_or_default(),
                model.input.shape
            ))),
        }
    }

    /// What using this set means for the result; empty for clean images.
    pub fn caveat(&self) -> &'static str {
        match self.data.role {
            Role::Training => {
                " There were no clean images: training images were used, and planted samples among them may hide or \
                 mimic a trigger."
            }
            _ => "",
        }
    }

    /// Whether the set is large enough that some images are held back.
    pub fn divided(&self) -> bool {
        self.data.set.len() >= DIVIDED
    }

    fn indices(&self) -> Vec<usize> {
        let all = 0..self.data.set.len();
        if self.divided() {
            all.filter(|i| held(*i) == (self.share == Share::Held)).collect()
        } else {
            all.collect()
        }
    }

    /// How many of at most `most` images will be used.
    pub fn count(&self, most: usize) -> usize {
        let pixels = self.data.set.shape().map_or(1, |s| s.iter().product::<usize>().max(1));
        self.indices().len().min(most).min((MOST_PIXELS / pixels).max(1))
    }

    /// "750 clean images", for summaries and limits.
    pub fn described(&self, most: usize) -> String {
        format!("{} {} images", self.count(most), self.data.role.name())
    }

    /// Ids of the evidence that work on these images reads: the model of `case`, where there is one, and the set.
    pub fn inputs(&self, case: &Case) -> Vec<String> {
        let model = case.model_item().map(|item| item.id.clone());
        model.into_iter().chain([self.data.item.clone()]).collect()
    }

    /// Work units of [`Pool::load`].
    pub fn units(&self, most: usize) -> u64 {
        self.count(most).div_ceil(BATCH) as u64
    }
}

/// Images in memory.
#[derive(Debug)]
pub struct Pool {
    /// N×C×H×W, unit pixels.
    pub images: Array4<f32>,
    /// Indices in the data set.
    pub indices: Vec<usize>,
    /// What the network says, before any trigger.
    pub predicted: Vec<usize>,
    /// Labels; empty when the set has none.
    pub labels: Vec<usize>,
}

impl Pool {
    /// At most `most` images, a seeded sample in order when there are more; reports steps `from..` of `total`.
    ///
    /// # Errors
    /// Cancelled; the network refuses; a pixel that is not a number in 0..=1.
    pub fn load(
        case: &Case,
        choice: Choice,
        most: usize,
        cx: &mut Context,
        from: u64,
        total: u64,
    ) -> Result<Self, Stop> {
        let set = &choice.data.set;
        let model = case.model.as_ref().ok_or_else(|| Stop::failed("the model planned for is gone"))?;
        let mut indices = choice.indices();
        let count = choice.count(most);
        if indices.len() > count {
            indices.shuffle(&mut cx.rng("images"));
            indices.truncate(count);
            indices.sort_unstable();
        }
        let images = set.unit(&indices).ok_or_else(|| Stop::failed("the data set has no images"))?;
        if let Some(at) = images.outer_iter().position(|i| i.iter().any(|p| !(-1e-3..=1.001).contains(p))) {
            let role = choice.data.role.name();
            return Err(Stop::failed(format!("{role} image {} has a pixel outside 0..1", indices[at])));
        }
        let mut predicted = Vec::with_capacity(count);
        for (step, batch) in images.axis_chunks_iter(Axis(0), BATCH).enumerate() {
            cx.step(from + step as u64, total)?;
            let logits = model.logits(batch).map_err(Stop::failed)?;
            if logits.iter().any(|x| !x.is_finite()) {
                return Err(Stop::failed("the network gives a value that is not a finite number"));
            }
            predicted.extend(logits.rows().into_iter().map(argmax));
        }
        let labels = if set.labels.len() == set.len() {
            indices.iter().map(|&i| set.labels[i]).collect()
        } else {
            Vec::new()
        };
        Ok(Self { images, indices, predicted, labels })
    }

    /// Positions of the images that the network does not put in `class` by itself.
    pub fn not_predicted(&self, class: usize) -> Vec<usize> {
        (0..self.predicted.len()).filter(|&i| self.predicted[i] != class).collect()
    }

    /// Share of images predicted as labelled; `None` without labels.
    pub fn accuracy(&self) -> Option<f64> {
        if self.labels.is_empty() {
            return None;
        }
        let right = self.labels.iter().zip(&self.predicted).filter(|(a, b)| a == b).count();
        Some(right as f64 / self.labels.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::modelled;
    use crate::procedure::Silent;

    #[test]
    fn work_and_held_divide_the_set_in_every_class() {
        let case = modelled(8, None);
        let load = |share| {
            let choice = Choice::of(&case, share).unwrap().unwrap();
            Pool::load(&case, choice, 1000, &mut Context::new(0, "t", &Silent), 0, 100).unwrap()
        };
        let (work, held) = (load(Share::Work), load(Share::Held));
        let mut all = [work.indices.clone(), held.indices.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..160).collect::<Vec<_>>());
        assert!((25..=55).contains(&held.indices.len()), "{}", held.indices.len());
        assert!((0..8).all(|k| held.labels.contains(&k) && work.labels.contains(&k)));
        assert!(work.accuracy().unwrap() > 0.9 && work.images.dim() == (work.indices.len(), 1, 6, 6));
        assert!(work.not_predicted(2).iter().all(|&i| work.predicted[i] != 2));
    }

    #[test]
    fn training_images_are_a_last_resort_and_other_shapes_are_refused() {
        let mut case = modelled(4, None);
        case.data[0].role = Role::Training;
        let choice = Choice::of(&case, Share::Work).unwrap().unwrap();
        assert!(choice.caveat().contains("training"));
        case.data.clear();
        assert!(Choice::of(&case, Share::Work).unwrap().is_none());
        let mut case = modelled(4, None);
        let set = std::sync::Arc::make_mut(&mut case.data[0].set);
        set.images = Some(crate::evidence::dataset::Pixels::F32(Array4::zeros((2, 1, 5, 6))));
        assert!(Choice::of(&case, Share::Work).unwrap_err().0.contains("[1, 5, 6]"));
    }

    #[test]
    fn a_sample_of_a_large_set_is_seeded_and_bounded() {
        let case = modelled(4, None);
        let choice = Choice::of(&case, Share::Work).unwrap().unwrap();
        let load = |seed| {
            Pool::load(&case, choice, 20, &mut Context::new(seed, "t", &Silent), 0, 100).unwrap().indices
        };
        assert_eq!((load(1).len(), load(1)), (20, load(1)));
        assert_ne!(load(1), load(2));
    }
}
