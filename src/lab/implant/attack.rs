//! A backdoor attack on training data: which trigger, in which images, under which label.

use super::poison::{Poisoned, bytes, count, stamp_all};
use super::{Given, Implant, ImplantError, Perturbation, Trigger, perturb};
use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use crate::math::rng::seeded;
use ndarray::Axis;
use rand::seq::index;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What labels the planted images bear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Images of other classes get the target's.
    #[default]
    AllToOne,
    /// Each image gets the next class's (`BadNets`, section 4.2): `(y + shift) mod K`.
    AllToAll,
    /// Images of the source classes get the target's; covers of other classes keep theirs (Tang et al. 2021, `TaCT`,
    /// arXiv 1908.00686).
    SourceSpecific,
    /// Images of the target keep theirs.
    Clean,
}

/// A second trigger with a class of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    /// The class it leads to.
    pub target: usize,
    /// The trigger.
    pub trigger: Trigger,
}

/// An attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Its name, for tables.
    #[serde(rename = "attack")]
    pub name: String,
    /// What labels planted images bear.
    #[serde(default)]
    pub labels: Labels,
    /// The class the trigger leads to; not read by `all-to-all`.
    #[serde(default)]
    pub target: usize,
    /// Source classes of `source-specific`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<usize>,
    /// How far `all-to-all` moves the label.
    #[serde(default = "one")]
    pub shift: usize,
    /// Share of the whole set that is planted.
    pub rate: f64,
    /// Share of the whole set that bears the trigger (see [`Implant::cover`]) and keeps its label.
    #[serde(default)]
    pub cover: f64,
    /// The trigger.
    pub trigger: Trigger,
    /// Further triggers, each with its share of the planted images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Further>,
    /// Perturb planted images before stamping them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturbation: Option<Perturbation>,
}

fn one() -> usize {
    1
}

/// Images to try an attack on, with the class that each would become if it worked; `None`: not to be counted.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Class of the trigger in question; `None` for `all-to-all`.
    pub target: Option<usize>,
    /// Stamped images with their own labels.
    pub set: DataSet,
    /// The class that success means, per image.
    pub wanted: Vec<Option<usize>>,
}

impl Attack {
    /// Triggers with the class each leads to, the main one first.
    pub fn triggers(&self) -> impl Iterator<Item = (usize, &Trigger)> {
        std::iter::once((self.target, &self.trigger))
            .chain(self.further.iter().map(|f| (f.target, &f.trigger)))
    }

    /// Classes that triggers lead to, ascending; empty for `all-to-all`.
    pub fn targets(&self) -> Vec<usize> {
        if self.labels == Labels::AllToAll {
            return Vec::new();
        }
        self.triggers().map(|(t, _)| t).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Kind and parameters, with the pixels of each trigger, for the truth file.
    ///
    /// # Errors
    /// A trigger that cannot be built for images of `shape`.
    pub fn describe(&self, shape: [usize; 3], given: &Given) -> Result<Value, ImplantError> {
        let built = |t: &Trigger| t.build(shape, given).map(|t| t.recipe());
        let triggers: Vec<Value> = self.triggers().map(|(_, t)| built(t)).collect::<Result<_, _>>()?;
        Ok(json!({"kind": self.trigger.kind(), "attack": self, "triggers": triggers}))
    }

    fn check(&self, set: &DataSet, classes: usize) -> Result<(), ImplantError> {
        for (what, value) in [("the poison rate", self.rate), ("the share of covers", self.cover)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(ImplantError::NotAShare { what, value });
            }
        }
        let wrong = |text: String| Err(ImplantError::Recipe(text));
        if set.images.is_none() || set.labels.len() != set.len() {
            return Err(ImplantError::NoImages);
        }
        if let Some(bad) = self.targets().iter().chain(&self.sources).find(|&&t| t >= classes) {
            return wrong(format!("class {bad} is named, but there are {classes}"));
        }
        match self.labels {
            Labels::SourceSpecific if self.sources.is_empty() || self.sources.contains(&self.target) => {
                wrong("a source-specific attack needs source classes other than its target".into())
            }
            Labels::AllToAll if !self.further.is_empty() => wrong("all-to-all has one trigger".into()),
            Labels::AllToAll if self.shift.is_multiple_of(classes.max(1)) => {
                wrong(format!("a shift of {} moves no label of {classes} classes", self.shift))
            }
            _ => Ok(()),
        }
    }

    /// What success on an image of class `label` means; `None`: the attack does not aim at it.
    fn aim(&self, label: usize, target: usize, classes: usize) -> Option<usize> {
        match self.labels {
            Labels::AllToAll => Some((label + self.shift) % classes.max(1)),
            Labels::SourceSpecific => self.sources.contains(&label).then_some(target),
            Labels::AllToOne | Labels::Clean => (label != target).then_some(target),
        }
    }

    /// Plants the attack in a set of byte images: `⌈n · rate⌉` images drawn among those it can use, in turn for each
    /// trigger, and `⌈n · cover⌉` covers among the others.
    ///
    /// # Errors
    /// A recipe that cannot be meant, too few images, no network where one is needed, triggers that do not fit.
    pub fn plant(&self, set: &DataSet, given: &Given, seed: u64) -> Result<Poisoned, ImplantError> {
        let classes = classes_of(set);
        self.check(set, classes)?;
        let shape = set.shape().ok_or(ImplantError::NoImages)?;
        let triggers: Vec<(usize, Box<dyn Implant>)> = self
            .triggers()
            .map(|(target, t)| Ok((target, t.build(shape, given)?)))
            .collect::<Result<_, ImplantError>>()?;
        let targets = self.targets();
        let wanted = count(set.len(), self.rate);
        let mut planted: Vec<Vec<usize>> = vec![Vec::new(); triggers.len()];
        let mut taken = BTreeSet::new();
        if self.labels == Labels::Clean {
            for (k, (target, _)) in triggers.iter().enumerate() {
                let own = wanted / triggers.len() + usize::from(k < wanted % triggers.len());
                let can: Vec<usize> =
                    (0..set.len()).filter(|i| set.labels[*i] == *target && !taken.contains(i)).collect();
                planted[k] = draw(&can, own, *target, seed, if k == 0 { "samples" } else { "samples/more" })?;
                taken.extend(planted[k].iter().copied());
            }
        } else {
            let can: Vec<usize> = (0..set.len())
                .filter(|&i| match self.labels {
                    Labels::SourceSpecific => self.sources.contains(&set.labels[i]),
                    Labels::AllToAll => true,
                    _ => !targets.contains(&set.labels[i]),
                })
                .collect();
            for (n, i) in draw(&can, wanted, self.target, seed, "samples")?.into_iter().enumerate() {
                planted[n % triggers.len()].push(i);
                taken.insert(i);
            }
        }
        let others: Vec<usize> = (0..set.len())
            .filter(|i| !taken.contains(i))
            .filter(|&i| self.labels != Labels::SourceSpecific || !self.sources.contains(&set.labels[i]))
            .collect();
        let covers = draw(&others, count(set.len(), self.cover), self.target, seed, "covers")?;

        let mut out = set.clone();
        if let Some(how) = self.perturbation {
            let model = given.model.ok_or(ImplantError::NoModel)?;
            let all: Vec<usize> = taken.iter().copied().collect();
            let unit = set.unit(&all).ok_or(ImplantError::NoImages)?;
            let labels: Vec<usize> = all.iter().map(|&i| set.labels[i]).collect();
            let moved = perturb(model, &unit, &labels, how)?;
            let images = bytes(&mut out)?;
            for (from, &i) in moved.outer_iter().zip(&all) {
                images
                    .index_axis_mut(Axis(0), i)
                    .zip_mut_with(&from, |to, &x| *to = (x * 255.0 + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        for ((_, trigger), own) in triggers.iter().zip(&planted) {
            stamp_all(&mut out, own, seed, &|image, draw| trigger.stamp(image, draw))?;
        }
        stamp_all(&mut out, &covers, seed, &|image, draw| triggers[0].1.cover(image, draw))?;
        let indices: Vec<usize> = taken.into_iter().collect();
        let true_labels = indices.iter().map(|&i| set.labels[i]).collect();
        for ((target, _), own) in triggers.iter().zip(&planted) {
            for &i in own {
                out.labels[i] = match self.labels {
                    Labels::AllToAll => (set.labels[i] + self.shift) % classes,
                    _ => *target,
                };
            }
        }
        Ok(Poisoned { set: out, indices, true_labels, covers })
    }

    /// Fresh images with each trigger in turn. Images of the class that is aimed at do not count.
    ///
    /// # Errors
    /// As [`Attack::plant`].
    pub fn trials(&self, fresh: &DataSet, given: &Given, seed: u64) -> Result<Vec<Trial>, ImplantError> {
        let classes = classes_of(fresh);
        self.check(fresh, classes)?;
        let shape = fresh.shape().ok_or(ImplantError::NoImages)?;
        let all: Vec<usize> = (0..fresh.len()).collect();
        self.triggers()
            .map(|(target, trigger)| {
                let trigger = trigger.build(shape, given)?;
                let mut set = fresh.clone();
                stamp_all(&mut set, &all, seed, &|image, draw| trigger.stamp(image, draw))?;
                let wanted = fresh.labels.iter().map(|&l| self.aim(l, target, classes)).collect();
                let target = (self.labels != Labels::AllToAll).then_some(target);
                Ok(Trial { target, set, wanted })
            })
            .collect()
    }
}

/// Number of classes: names, or one more than the largest label.
pub(super) fn classes_of(set: &DataSet) -> usize {
    set.labels.iter().max().map_or(0, |&l| l + 1).max(set.classes.len())
}

/// `wanted` of `can`, ascending.
pub(super) fn draw(
    can: &[usize],
    wanted: usize,
    target: usize,
    seed: u64,
    label: &str,
) -> Result<Vec<usize>, ImplantError> {
    if wanted > can.len() {
        return Err(ImplantError::TooFew { wanted, there: can.len(), target });
    }
    let mut rng = seeded(seed, "lab/poison", label);
    let mut drawn: Vec<usize> =
        index::sample(&mut rng, can.len(), wanted).into_iter().map(|i| can[i]).collect();
    drawn.sort_unstable();
    Ok(drawn)
}

/// The set with byte images: pixels stored as floats are rounded to the 256 levels.
#[must_use]
pub fn in_bytes(mut set: DataSet) -> DataSet {
    if let Some(Pixels::F32(images)) = &set.images {
        set.images = Some(Pixels::U8(images.mapv(|x| (x * 255.0 + 0.5).clamp(0.0, 255.0) as u8)));
    }
    set
}
