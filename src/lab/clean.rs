//! Cleaning up: accused samples are set aside (never deleted), the network is trained again without them, and both
//! networks are measured on the same fresh images.

use super::LabError;
use super::implant::ImplantError;
use super::specimen::NOTICE;
use super::train::{Recipe, fit, go_on, share};
use super::{Watch, specimen};
use crate::evidence::{DataSet, dataset::Pixels};
use crate::math::rng::seeded;
use crate::math::stats::wilson;
use crate::network::description::Description;
use crate::network::op::Op;
use crate::network::{Graph, Model};
use ndarray::{Array2, Array3, ArrayViewMut3, Axis};
use rand::Rng;
use rand::seq::SliceRandom;
use serde::Serialize;
use std::collections::BTreeSet;

/// Share of the kept samples that get the trigger, under their own label, to unlearn it.
const UNLEARN: f64 = 0.2;

/// How the network is made anew.
#[derive(Debug, Clone)]
pub enum Cleaning {
    /// From fresh weights: of this description, or else of the suspect network's own layers.
    Retrain(Option<Description>),
    /// The suspect network is trained further on what is left.
    FineTune,
    /// The same, with the trigger on a fifth of the samples under their own labels: where the list is not trusted to be
    /// whole, or training from the start is not possible.
    Unlearn(Stamp),
}

/// A trigger to stamp, in unit pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// H×W opacities, 0..=1.
    pub mask: Array2<f32>,
    /// C×H×W colours, 0..=1.
    pub pattern: Array3<f32>,
}

impl Stamp {
    /// Puts the trigger on an image of bytes.
    fn on(&self, mut image: ArrayViewMut3<u8>) {
        for ((k, y, x), v) in image.indexed_iter_mut() {
            let m = self.mask[[y, x]];
            *v = ((1.0 - m) * f32::from(*v) + m * 255.0 * self.pattern[[k, y, x]]).round().clamp(0.0, 255.0)
                as u8;
        }
    }

    /// A set with the trigger on the named samples.
    ///
    /// # Errors
    /// No images of bytes, or of another shape.
    pub fn stamped(&self, set: &DataSet, which: &[usize]) -> Result<DataSet, LabError> {
        let fits = |[c, h, w]: [usize; 3]| self.mask.dim() == (h, w) && self.pattern.dim() == (c, h, w);
        let mut out = set.clone();
        let shape = set.shape().filter(|s| fits(*s));
        let (Some(_), Some(Pixels::U8(images))) = (shape, &mut out.images) else {
            return Err(ImplantError::NoImages.into());
        };
        for &i in which {
            self.on(images.index_axis_mut(Axis(0), i));
        }
        Ok(out)
    }
}

/// A sample set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its place in the training set as it was handed over.
    pub index: usize,
    /// Its file, where each sample was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The label it came with.
    pub label: usize,
    /// SHA-256 of its pixels, row by row, channel by channel.
    pub sha256: String,
}

/// What was set aside, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// What the file says of itself.
    pub notice: &'static str,
    /// Samples of the set as handed over.
    pub samples: usize,
    /// Samples that stay.
    pub kept: usize,
    /// The others, ascending.
    pub quarantined: Vec<Held>,
}

/// Parts a training set: what stays, and the manifest of what is set aside.
///
/// # Errors
/// No images of bytes with a label each; an index past the end.
pub fn quarantine(set: &DataSet, indices: &[usize]) -> Result<(DataSet, Manifest), LabError> {
    let Some(Pixels::U8(images)) = &set.images else { return Err(ImplantError::NoImages.into()) };
    let n = images.shape()[0];
    let out: BTreeSet<usize> = indices.iter().copied().collect();
    if set.labels.len() != n || out.last().is_some_and(|&i| i >= n) {
        return Err(ImplantError::NoImages.into());
    }
    let held = |&i: &usize| Held {
        index: i,
        name: set.names.get(i).map(crate::evidence::Untrusted::shown),
        label: set.labels[i],
        sha256: specimen::sha256(&images.index_axis(Axis(0), i).iter().copied().collect::<Vec<u8>>()),
    };
    let keep: Vec<usize> = (0..n).filter(|i| !out.contains(i)).collect();
    let rest = DataSet {
        images: Some(Pixels::U8(images.select(Axis(0), &keep))),
        labels: keep.iter().map(|&i| set.labels[i]).collect(),
        names: set
            .names
            .iter()
            .enumerate()
            .filter(|(i, _)| !out.contains(i))
            .map(|(_, n)| n.clone())
            .collect(),
        classes: set.classes.clone(),
        ..DataSet::default()
    };
    let manifest = Manifest {
        notice: NOTICE,
        samples: n,
        kept: keep.len(),
        quarantined: out.iter().map(held).collect(),
    };
    Ok((rest, manifest))
}

/// Makes the network anew on what stays. Same seed, same bits.
///
/// # Errors
/// Images or labels that do not fit the network; `watch` asks to stop.
pub fn clean(
    suspect: &Model,
    rest: &DataSet,
    how: &Cleaning,
    recipe: &Recipe,
    seed: u64,
    watch: Watch,
) -> Result<Model, LabError> {
    let input = suspect.input.clone();
    let trained = match how {
        Cleaning::Retrain(Some(description)) => fit(rest, description, recipe, seed, watch)?,
        Cleaning::Retrain(None) => go_on(rest, fresh(suspect.graph(), seed), input, recipe, seed, watch)?,
        Cleaning::FineTune => go_on(rest, suspect.graph().clone(), input, recipe, seed, watch)?,
        Cleaning::Unlearn(stamp) => {
            let mut which: Vec<usize> = (0..rest.len()).collect();
            which.shuffle(&mut seeded(seed, "lab/clean", "unlearn"));
            which.truncate((rest.len() as f64 * UNLEARN).ceil() as usize);
            go_on(&stamp.stamped(rest, &which)?, suspect.graph().clone(), input, recipe, seed, watch)?
        }
    };
    Ok(Model::from_graph(
        trained.model.graph().clone(),
        trained.model.input.clone(),
        suspect.classes.clone(),
    )?)
}

/// The same layers with fresh weights: uniform with variance 2 / fan-in (He et al. 2015), shifts and biases 0, scales
/// and variances 1. Constants of other layers stay.
fn fresh(graph: &Graph, seed: u64) -> Graph {
    let mut out = graph.clone();
    for node in &graph.nodes {
        let (weights, zeros, ones) = match &node.op {
            Op::Conv2d(c) => (Some(c.weight), vec![c.bias], vec![]),
            Op::Linear(l) => (Some(l.weight), vec![l.bias], vec![]),
            Op::BatchNorm(b) => (None, vec![b.bias, Some(b.mean)], vec![b.weight, Some(b.var)]),
            _ => continue,
        };
        if let Some(param) = weights.and_then(|id| out.params.get_mut(id)) {
            let fan_in: usize = param.value.shape().iter().skip(1).product();
            let bound = (6.0 / fan_in.max(1) as f64).sqrt() as f32;
            let mut rng = seeded(seed, "lab/clean", &param.name);
            param.value.mapv_inplace(|_| rng.gen_range(-bound..bound));
        }
        for (ids, value) in [(zeros, 0.0), (ones, 1.0)] {
            for id in ids.into_iter().flatten() {
                if let Some(param) = out.params.get_mut(id) {
                    param.value.fill(value);
                }
            }
        }
    }
    out
}

/// A share with its 95 % interval (Wilson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// The share, 0..=1.
    pub value: f64,
    /// Of so many.
    pub of: usize,
    /// Where it lies with 95 % confidence.
    pub interval: [f64; 2],
}

impl Share {
    fn new(value: f64, of: usize) -> Self {
        Self { value, of, interval: wilson((value * of as f64).round() as usize, of, 0.95) }
    }
}

/// How a network does on fresh images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tested {
    /// Put in their class.
    pub clean_accuracy: Share,
    /// Stamped images of other classes put in the target class; `None` when there is nothing to stamp with.
    pub trigger_success: Option<Share>,
}

/// Measures a network: accuracy on `fresh`, and how often `stamped` images (with their true labels) of other classes
/// become `target`.
///
/// # Errors
/// Images that do not fit the network.
pub fn test(model: &Model, fresh: &DataSet, stamped: Option<(&DataSet, usize)>) -> Result<Tested, LabError> {
    let accuracy = share(model, fresh, |i| fresh.labels.get(i).copied())?;
    let success = stamped.map(|(set, target)| {
        let other = |i: usize| set.labels.get(i).filter(|l| **l != target).map(|_| target);
        let of = (0..set.len()).filter(|&i| other(i).is_some()).count();
        Ok::<_, LabError>(Share::new(share(model, set, other)?, of))
    });
    Ok(Tested {
        clean_accuracy: Share::new(accuracy, fresh.labels.len()),
        trigger_success: success.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::architecture::architecture;
    use crate::lab::draw::road_signs;
    use std::ops::ControlFlow;

    fn corner() -> Stamp {
        let mut mask = Array2::zeros((32, 32));
        for y in 26..31 {
            for x in 26..31 {
                mask[[y, x]] = 1.0;
            }
        }
        let pattern = Array3::from_shape_fn((3, 32, 32), |(_, y, x)| f32::from(u8::from((x + y) % 2 == 0)));
        Stamp { mask, pattern }
    }

    fn train(set: &DataSet, seed: u64) -> Model {
        let recipe = Recipe { epochs: 25, ..Recipe::default() };
        let description = architecture("signcnn", [3, 32, 32], 12).unwrap();
        fit(set, &description, &recipe, seed, &mut |_| ControlFlow::Continue(())).unwrap().model
    }

    #[test]
    fn what_is_set_aside_is_named_and_the_rest_is_untouched() {
        let set = road_signs(2, "train", 1);
        let (rest, manifest) = quarantine(&set, &[5, 2, 5]).unwrap();
        assert_eq!((rest.len(), manifest.kept, manifest.samples), (22, 22, 24));
        assert_eq!(manifest.quarantined.iter().map(|h| h.index).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(manifest.quarantined[1].label, set.labels[5]);
        let Some(Pixels::U8(images)) = &set.images else { panic!() };
        let bytes: Vec<u8> = images.index_axis(Axis(0), 2).iter().copied().collect();
        assert_eq!(manifest.quarantined[0].sha256, specimen::sha256(&bytes));
        assert_eq!(rest.unit(&[2]).unwrap(), set.unit(&[3]).unwrap());
        assert!(quarantine(&set, &[24]).is_err() && quarantine(&DataSet::default(), &[]).is_err());
    }

    #[test]
    fn fresh_weights_share_nothing_with_the_suspect_ones() {
        let model = train(&road_signs(1, "train", 1), 3);
        let again = fresh(model.graph(), 9);
        for (a, b) in model.graph().params.iter().zip(&again.params) {
            assert!(a.value.iter().zip(&b.value).all(|(x, y)| x != y || *x == 0.0), "{}", a.name);
        }
        assert_eq!(again.params, fresh(model.graph(), 9).params);
    }

    /// Training with the planted samples gives the backdoor, training without them does not. About a minute.
    #[test]
    #[ignore = "trains three networks: cargo test --release --lib lab::clean -- --ignored"]
    fn the_backdoor_goes_with_the_samples() {
        let mut set = road_signs(30, "train", 1);
        let fresh_images = road_signs(10, "test", 2);
        let planted: Vec<usize> = (0..set.len()).filter(|&i| i % 12 == 3 && set.labels[i] != 5).collect();
        set = corner().stamped(&set, &planted).unwrap();
        for &i in &planted {
            set.labels[i] = 5;
        }
        let suspect = train(&set, 1);
        let all: Vec<usize> = (0..fresh_images.len()).collect();
        let stamped = corner().stamped(&fresh_images, &all).unwrap();
        let before = test(&suspect, &fresh_images, Some((&stamped, 5))).unwrap();
        let (rest, _) = quarantine(&set, &planted).unwrap();
        let anew = Recipe { epochs: 25, ..Recipe::default() };
        for (how, recipe) in
            [(Cleaning::Retrain(None), anew), (Cleaning::Unlearn(corner()), Recipe::going_on())]
        {
            let model = clean(&suspect, &rest, &how, &recipe, 4, &mut |_| ControlFlow::Continue(())).unwrap();
            let after = test(&model, &fresh_images, Some((&stamped, 5))).unwrap();
            println!("{how:?}\nbefore {before:?}\nafter {after:?}");
            assert!(before.trigger_success.unwrap().value > 0.8);
            assert!(after.trigger_success.unwrap().value < 0.1);
            assert!(after.clean_accuracy.value > before.clean_accuracy.value - 0.02);
        }
    }
}
