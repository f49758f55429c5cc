//! The data sets of a zoo: drawn, or the responder's own.

use crate::evidence::{DataSet, dataset::Pixels};
use crate::lab::LabError;
use crate::lab::draw::{MOST_PLATES, SIGNS, digits, grey, plates, some_signs};
use crate::lab::implant::ImplantError;
use crate::math::rng::seeded;
use ndarray::Axis;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawing {
    /// Road signs; up to 12 classes.
    Signs,
    /// Plates with digits; up to 50 classes.
    Plates,
    /// Digits that look written by hand; 10 classes, grey.
    Digits,
}

/// Where a data set comes from: `draw` or `path`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<Drawing>,
    /// A labelled data set in any form of the contract, relative to the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// SHA-256 of the images and labels at `path`; filled in when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Width and height of drawn images.
    #[serde(default = "side")]
    pub side: usize,
    /// Number of classes that are drawn; all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// One channel instead of three.
    #[serde(default)]
    pub grey: bool,
    /// Images per class to train on (drawn; of a path: what is left).
    #[serde(default = "train")]
    pub train: usize,
    /// Images per class for the detectors.
    #[serde(default = "clean")]
    pub clean: usize,
    /// Images per class to measure accuracy and success on.
    #[serde(default = "fresh")]
    pub fresh: usize,
}

fn side() -> usize {
    32
}
fn train() -> usize {
    150
}
fn clean() -> usize {
    20
}
fn fresh() -> usize {
    25
}

/// The parts of a data set.
#[derive(Debug, Clone)]
pub struct Sets {
    /// What networks are trained on.
    pub train: DataSet,
    /// What detectors get.
    pub clean: DataSet,
    /// What accuracy and success are measured on.
    pub fresh: DataSet,
}

impl Source {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Says why not.
    pub(super) fn check(&self) -> Result<(), String> {
        let most = match (self.draw, &self.path) {
            (Some(Drawing::Signs), None) => SIGNS.len(),
            (Some(Drawing::Plates), None) => MOST_PLATES,
            (Some(Drawing::Digits), None) => 10,
            (None, Some(_)) => usize::MAX,
            _ => return Err("needs either 'draw' or 'path'".into()),
        };
        let fewest = if self.draw == Some(Drawing::Digits) { 10 } else { 2 };
        if let Some(bad) = self.classes.filter(|c| !(fewest..=most).contains(c)) {
            return Err(format!("{bad} classes cannot be drawn"));
        }
        if self.draw.is_some() && !(16..=256).contains(&self.side) {
            return Err(format!("images of {} pixels; 16 to 256 are drawn", self.side));
        }
        if [self.train, self.clean, self.fresh].contains(&0)
            || self.train.max(self.clean).max(self.fresh) > 100_000
        {
            return Err("images per class: from 1 to 100000".into());
        }
        Ok(())
    }

    /// Number of classes of a drawn set.
    pub(super) fn known_classes(&self) -> Option<usize> {
        let most = match self.draw? {
            Drawing::Signs => SIGNS.len(),
            Drawing::Plates => MOST_PLATES,
            Drawing::Digits => 10,
        };
        Some(self.classes.unwrap_or(most))
    }

    /// Channels, height and width of a drawn set.
    pub(super) fn known_shape(&self) -> [usize; 3] {
        let one = self.grey || self.draw == Some(Drawing::Digits);
        [if one { 1 } else { 3 }, self.side, self.side]
    }

    /// The parts: drawn from `seed`, or `given`, what was read from `path`, parted by lot class by class.
    ///
    /// # Errors
    /// A path without a set, too few images of a class.
    pub fn sets(&self, given: Option<&DataSet>, seed: u64) -> Result<Sets, LabError> {
        let Some(draw) = self.draw else {
            return self.parted(given.ok_or(ImplantError::NoImages)?, seed);
        };
        let classes = self.known_classes().unwrap_or_default();
        let part = |name: &str, per_class: usize| {
            let set = match draw {
                Drawing::Signs => some_signs(classes, self.side, per_class, name, seed),
                Drawing::Plates => plates(classes, self.side, per_class, name, seed),
                Drawing::Digits => digits(self.side, per_class, name, seed),
            };
            if self.grey { grey(set) } else { set }
        };
        Ok(Sets {
            train: part("train", self.train),
            clean: part("clean", self.clean),
            fresh: part("fresh", self.fresh),
        })
    }

    fn parted(&self, all: &DataSet, seed: u64) -> Result<Sets, LabError> {
        let Some(Pixels::U8(images)) = &all.images else { return Err(ImplantError::NoImages.into()) };
        let mut order: Vec<usize> = (0..all.labels.len()).collect();
        order.shuffle(&mut seeded(seed, "lab/zoo", "parts"));
        let classes = all.labels.iter().max().map_or(0, |l| l + 1);
        let mut seen = vec![0usize; classes];
        let mut parts: [Vec<usize>; 3] = Default::default();
        for i in order {
            let at = seen[all.labels[i]];
            seen[all.labels[i]] += 1;
            let part = match at {
                _ if at < self.clean => 1,
                _ if at < self.clean + self.fresh => 2,
                _ => 0,
            };
            parts[part].push(i);
        }
        let needed = self.clean + self.fresh;
        if let Some(class) = seen.iter().position(|&n| 0 < n && n <= needed) {
            return Err(LabError::Recipe(format!(
                "class {class} has {} images; {needed} are kept back to examine and to measure, none is left to train on",
                seen[class]
            )));
        }
        let of = |part: &[usize]| DataSet {
            images: Some(Pixels::U8(images.select(Axis(0), part))),
            labels: part.iter().map(|&i| all.labels[i]).collect(),
            classes: all.classes.clone(),
            ..DataSet::default()
        };
        Ok(Sets { train: of(&parts[0]), clean: of(&parts[1]), fresh: of(&parts[2]) })
    }
}
