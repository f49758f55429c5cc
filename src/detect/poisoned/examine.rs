//! The examination: views, spaces, candidate groups, what each causes, and what follows for every sample.

use super::causal::{self, MOST_MEMBERS, Shared};
use super::content::Content;
use super::groups::{self, Group};
use super::space::{Space, medians};
use super::views::{Taps, Views};
use crate::evidence::DataSet;
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::{Array1, Array2, Array4, Axis, concatenate};
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Clean images that triggers are tried on.
const CARRIERS: usize = 300;
/// Candidate groups whose effect is tried.
pub const MOST_CANDIDATES: usize = 24;
/// Classes searched at a time, whatever the number of cores.
const WAVE: usize = 8;
/// Clean images of a class whose mean is taken.
const FEWEST_OF_MEAN: usize = 2;
/// Carriers of one class that a source-specific effect is judged on.
const FEWEST_OF_SOURCE: usize = 10;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// The suspect network.
    pub model: &'a Model,
    /// The training set, with images and labels.
    pub train: &'a DataSet,
    /// Clean images; without any, the training images themselves.
    pub clean: &'a DataSet,
    /// Whether `clean` is known to be clean.
    pub trusted: bool,
    /// Number of classes.
    pub classes: usize,
}

/// How often images of other classes are put in the group's label.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effect {
    /// With what the group shares.
    pub group: f64,
    /// With the same made from the rest of the label.
    pub control: f64,
}

/// What a group causes.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Share of the picture covered by what all members show at the same place; 0 when nothing.
    pub area: f64,
    /// With the shared patch.
    pub stamp: Effect,
    /// With the shared patch, for the source class it works best on, if it works on hardly any other.
    pub source: Option<(usize, f64)>,
    /// With the mean difference to similar clean images.
    pub add: Effect,
    /// With the fine detail of single members.
    pub detail: Effect,
    /// Share of samples that an early layer puts in another class than their label.
    pub content: Effect,
    /// Distance to the nearest member over distance to the nearest other image, at the median. Far below 1: copies.
    pub inside: f64,
}

/// A group and what it causes.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The label.
    pub class: usize,
    /// Where it was found.
    pub view: &'static str,
    /// Sizes and distances; members are indices in the training set.
    pub group: Group,
    /// What it causes.
    pub evidence: Evidence,
    /// What it shares.
    pub shared: Option<Shared>,
}

/// Everything an examination found.
#[derive(Debug)]
pub struct Examined {
    /// Groups that stand out, the weightiest first.
    pub candidates: Vec<Candidate>,
    /// The training set inside the network.
    pub train: Whitened,
    /// The clean images.
    pub clean: Whitened,
    /// Class of each clean image.
    pub clean_classes: Vec<usize>,
    /// Whether an early layer takes a training sample for another class than its label.
    pub disagrees: Vec<bool>,
}

/// Views relative to the clean mean of the label.
#[derive(Debug)]
pub struct Whitened {
    /// What the network says.
    pub predicted: Vec<usize>,
    /// Whitened views: the last layer, channel moments, the middle.
    pub views: [Array2<f32>; 3],
    /// Squared distances to the clean mean in each.
    pub distances: [Array1<f32>; 3],
}

/// Names of the views.
pub const VIEWS: [&str; 3] = ["last layer", "channels", "middle layer"];

/// Work units of [`examine`].
pub fn units(train: &DataSet, clean: &DataSet, classes: usize) -> u64 {
    Taps::units(train) + Taps::units(clean) + classes as u64 + MOST_CANDIDATES as u64
}

/// Looks for groups of training samples that stand apart from clean images of their label, and tries what they cause.
///
/// # Errors
/// Cancelled; the network refuses; a value that is not finite.
pub fn examine(m: Material, cx: &mut Context) -> Result<Examined, Stop> {
    let total = units(m.train, m.clean, m.classes);
    let taps = Taps::of(m.model);
    let train = taps.view(m.model, m.train, cx, 0, total)?;
    let mut done = Taps::units(m.train);
    let clean = taps.view(m.model, m.clean, cx, done, total)?;
    done += Taps::units(m.clean);
    let clean_classes =
        if m.clean.labels.len() == m.clean.len() { m.clean.labels.clone() } else { clean.predicted.clone() };
    let content = Content::learn(&clean.early, &clean_classes, m.classes)?;
    let disagrees = content.disagrees(&train.early, &m.train.labels);
    let labels = &m.train.labels;
    let members = members_of(labels, m.classes);
    // A mean of clean images, or else what most training samples of the label have.
    let fewest = if m.trusted { FEWEST_OF_MEAN } else { usize::MAX };
    let (train, clean) = whiten(train, clean, labels, &clean_classes, &members, fewest)?;

    let mut found: Vec<(usize, usize, Group)> = Vec::new();
    let classes: Vec<usize> = (0..m.classes).collect();
    for wave in classes.chunks(WAVE) {
        cx.step(done, total)?;
        let shared = &*cx;
        let one = |&class: &usize| {
            let rows: Vec<usize> =
                members[class].iter().copied().filter(|&i| train.predicted[i] == class).collect();
            let clean_rows: Vec<usize> = (0..clean_classes.len())
                .filter(|&i| m.trusted && clean_classes[i] == class && clean.predicted[i] == class)
                .collect();
            let mut of_class = Vec::new();
            for view in 0..2 {
                let groups = search(&train, &clean, class, view, &rows, &clean_rows, shared)?;
                of_class.extend(groups.into_iter().map(|group| (class, view, group)));
            }
            Ok(of_class)
        };
        let results: Vec<Result<Vec<_>, Stop>> = wave.par_iter().map(one).collect();
        for result in results {
            found.extend(result?);
        }
        done += wave.len() as u64;
    }
    found.sort_by(|a, b| b.2.weight().total_cmp(&a.2.weight()));
    found.truncate(MOST_CANDIDATES);

    let trials = Trials::prepare(m, &clean, &clean_classes, cx)?;
    let mut candidates = Vec::with_capacity(found.len());
    for (class, view, group) in found {
        cx.step(done, total)?;
        let rest: Vec<usize> = members[class]
            .iter()
            .copied()
            .filter(|&i| train.predicted[i] == class && group.members.binary_search(&i).is_err())
            .collect();
        let (mut evidence, shared) = trials.of(class, &group.members, &rest, cx)?;
        let share =
            |of: &[usize]| of.iter().filter(|&&i| disagrees[i]).count() as f64 / of.len().max(1) as f64;
        evidence.content = Effect { group: share(&group.members), control: share(&rest) };
        candidates.push(Candidate { class, view: VIEWS[view], group, evidence, shared });
        done += 1;
    }
    cx.step(total, total)?;
    Ok(Examined { candidates, train, clean, clean_classes, disagrees })
}

/// The same over recorded activations: groups that stand apart, without any effect tried. The network's predictions are
/// not known: labels stand for them.
///
/// # Errors
/// Cancelled; a value that is not finite.
pub fn recorded(
    labels: &[usize],
    values: &Array2<f32>,
    clean: Option<(&DataSet, &Array2<f32>)>,
    classes: usize,
    cx: &mut Context,
) -> Result<Examined, Stop> {
    let total = 1 + classes as u64;
    cx.step(0, total)?;
    let (reference, clean_classes) =
        clean.map_or((values, labels), |(set, values)| (values, set.labels.as_slice()));
    for (name, values) in [("training", values), ("clean", reference)] {
        if let Some(at) = values.rows().into_iter().position(|row| row.iter().any(|x| !x.is_finite())) {
            return Err(Stop::failed(format!("an activation of {name} sample {at} is not a finite number")));
        }
    }
    let view = |values: &Array2<f32>, labels: &[usize]| {
        let none = || Array2::zeros((values.nrows(), 0));
        Views {
            last: values.clone(),
            channels: none(),
            middle: none(),
            early: none(),
            predicted: labels.to_vec(),
        }
    };
    let members = members_of(labels, classes);
    let fewest = if clean.is_some() { FEWEST_OF_MEAN } else { usize::MAX };
    let (train, reference) = whiten(
        view(values, labels),
        view(reference, clean_classes),
        labels,
        clean_classes,
        &members,
        fewest,
    )?;
    let mut found = Vec::new();
    for (class, rows) in members.iter().enumerate() {
        cx.step(1 + class as u64, total)?;
        let clean_rows: Vec<usize> =
            (0..clean_classes.len()).filter(|&i| clean.is_some() && clean_classes[i] == class).collect();
        let groups = search(&train, &reference, class, 0, rows, &clean_rows, cx)?;
        found.extend(groups.into_iter().map(|group| Candidate {
            class,
            view: VIEWS[0],
            group,
            evidence: Evidence { inside: 1.0, ..Evidence::default() },
            shared: None,
        }));
    }
    found.sort_by(|a, b| b.group.weight().total_cmp(&a.group.weight()));
    found.truncate(MOST_CANDIDATES);
    cx.step(total, total)?;
    let disagrees = vec![false; labels.len()];
    Ok(Examined {
        candidates: found,
        train,
        clean: reference,
        clean_classes: clean_classes.to_vec(),
        disagrees,
    })
}

fn members_of(labels: &[usize], classes: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); classes];
    for (i, &label) in labels.iter().enumerate() {
        if let Some(of) = members.get_mut(label) {
            of.push(i);
        }
    }
    members
}

/// Groups of a class that stand out in one view; members are indices in the training set.
fn search(
    train: &Whitened,
    clean: &Whitened,
    class: usize,
    view: usize,
    rows: &[usize],
    clean_rows: &[usize],
    cx: &Context,
) -> Result<Vec<Group>, Stop> {
    let samples = train.views[view].select(Axis(0), rows);
    let reference = clean.views[view].select(Axis(0), clean_rows);
    let mut rng = cx.rng(&format!("groups/{view}/{class}"));
    let mut groups = groups::search(samples.view(), reference.view(), &mut rng, &|| cx.check())?;
    groups.retain(Group::stands_out);
    for group in &mut groups {
        group.members.iter_mut().for_each(|i| *i = rows[*i]);
    }
    Ok(groups)
}

fn whiten(
    train: Views,
    clean: Views,
    labels: &[usize],
    clean_classes: &[usize],
    members: &[Vec<usize>],
    fewest: usize,
) -> Result<(Whitened, Whitened), Stop> {
    let one = |samples: Array2<f32>, reference: Array2<f32>| {
        let space = Space::learn(reference.view(), clean_classes, &medians(samples.view(), members), fewest)?;
        let (a, b) = (space.whiten(samples.view(), labels), space.whiten(reference.view(), clean_classes));
        let (da, db) = (space.distances(&a, labels), space.distances(&b, clean_classes));
        Ok(((a, da), (b, db)))
    };
    let (l, lc) = one(train.last, clean.last)?;
    let (c, cc) = one(train.channels, clean.channels)?;
    let (m, mc) = one(train.middle, clean.middle)?;
    let pack = |predicted, [a, b, c]: [(Array2<f32>, Array1<f32>); 3]| Whitened {
        predicted,
        views: [a.0, b.0, c.0],
        distances: [a.1, b.1, c.1],
    };
    Ok((pack(train.predicted, [l, c, m]), pack(clean.predicted, [lc, cc, mc])))
}

impl Whitened {
    /// The last layer and the channel moments of some samples, side by side.
    pub fn joined(&self, of: &[usize]) -> Array2<f32> {
        let [a, b] = [0, 1].map(|v| self.views[v].select(Axis(0), of));
        concatenate(Axis(1), &[a.view(), b.view()]).unwrap_or(a)
    }
}

/// Images to try things on.
struct Trials<'a> {
    material: Material<'a>,
    /// Clean images that are not of the class at hand are taken from these.
    images: Array4<f32>,
    classes: Vec<usize>,
    predicted: Vec<usize>,
}

impl<'a> Trials<'a> {
    fn prepare(
        material: Material<'a>,
        clean: &Whitened,
        classes: &[usize],
        cx: &Context,
    ) -> Result<Self, Stop> {
        let mut chosen: Vec<usize> = (0..material.clean.len()).collect();
        chosen.shuffle(&mut cx.rng("carriers"));
        chosen.truncate(CARRIERS);
        chosen.sort_unstable();
        let images =
            material.clean.unit(&chosen).ok_or_else(|| Stop::failed("the clean set has no images"))?;
        let of = |all: &[usize]| chosen.iter().map(|&i| all[i]).collect();
        Ok(Self { material, images, classes: of(classes), predicted: of(&clean.predicted) })
    }

    fn images_of(&self, of: &[usize], rng: &mut impl rand::Rng) -> Result<(Array4<f32>, Vec<usize>), Stop> {
        let mut chosen = of.to_vec();
        chosen.shuffle(rng);
        chosen.truncate(MOST_MEMBERS);
        chosen.sort_unstable();
        let images =
            self.material.train.unit(&chosen).ok_or_else(|| Stop::failed("the data set has no images"))?;
        Ok((images, chosen))
    }

    fn of(
        &self,
        class: usize,
        members: &[usize],
        rest: &[usize],
        cx: &Context,
    ) -> Result<(Evidence, Option<Shared>), Stop> {
        let mut rng = cx.rng(&format!("members/{class}"));
        let (own, _) = self.images_of(members, &mut rng)?;
        let (control, _) = self.images_of(rest, &mut rng)?;
        let others: Vec<usize> = (0..self.classes.len())
            .filter(|&i| self.classes[i] != class && self.predicted[i] != class)
            .collect();
        let mut evidence = Evidence { inside: inside(&own, &control, &self.images), ..Evidence::default() };
        if others.is_empty() {
            return Ok((evidence, None));
        }
        let carriers = self.images.select(Axis(0), &others);
        let check = || cx.check();
        let share = |flags: &[bool]| flags.iter().filter(|&&f| f).count() as f64 / flags.len().max(1) as f64;
        // The same size as the group, so that chance has the same room.
        let half = control.dim().0 / 2;
        let half = half.min(own.dim().0.max(1));
        let (mine, others_of_rest) = control.view().split_at(Axis(0), half);
        let shared = causal::shared(&own, &control, &self.images);
        let null = causal::shared(&mine.to_owned(), &others_of_rest.to_owned(), &self.images);
        evidence.area = shared.area();
        let model = self.material.model;
        if shared.has_patch() {
            let flags =
                causal::moved(model, &carriers, class, &check, &|_, image| causal::stamped(&shared, image))?;
            evidence.stamp.group = share(&flags);
            evidence.source = self.source(&others, &flags);
            if null.has_patch() {
                let flags = causal::moved(model, &carriers, class, &check, &|_, image| {
                    causal::stamped(&null, image)
                })?;
                evidence.stamp.control = share(&flags);
            }
        }
        for (effect, what) in [(&mut evidence.add.group, &shared), (&mut evidence.add.control, &null)] {
            *effect = share(&causal::moved(model, &carriers, class, &check, &|_, image| {
                causal::added(what, image)
            })?);
        }
        for (effect, from) in [(&mut evidence.detail.group, &own), (&mut evidence.detail.control, &control)] {
            let n = from.dim().0;
            if n == 0 {
                continue;
            }
            let details: Vec<_> = from.outer_iter().map(causal::high_pass).collect();
            *effect = share(&causal::moved(model, &carriers, class, &check, &|i, image| {
                causal::plus(image, details[i % n].view())
            })?);
        }
        Ok((evidence, Some(shared)))
    }

    /// The class whose images the patch moves best, when it moves few others.
    fn source(&self, others: &[usize], flags: &[bool]) -> Option<(usize, f64)> {
        let classes: std::collections::BTreeSet<usize> = others.iter().map(|&i| self.classes[i]).collect();
        let rate = |wanted: &dyn Fn(usize) -> bool| {
            let of: Vec<bool> = others
                .iter()
                .zip(flags)
                .filter(|(i, _)| wanted(self.classes[**i]))
                .map(|(_, &f)| f)
                .collect();
            (of.iter().filter(|&&f| f).count() as f64 / of.len().max(1) as f64, of.len())
        };
        let (best, (hits, count)) = classes
            .iter()
            .map(|&c| (c, rate(&|k| k == c)))
            .filter(|(_, (_, n))| *n >= FEWEST_OF_SOURCE)
            .max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(&a.0)))?;
        let (elsewhere, _) = rate(&|k| k != best);
        (count > 0 && elsewhere < 0.5 * hits).then_some((best, hits))
    }
}

/// Distance to the nearest other member over the distance to the nearest image outside, at the median over members.
fn inside(own: &Array4<f32>, control: &Array4<f32>, clean: &Array4<f32>) -> f64 {
    let flat = |a: &Array4<f32>| {
        let (n, c, h, w) = a.dim();
        Array2::from_shape_vec((n, c * h * w), a.iter().copied().collect()).unwrap_or_default()
    };
    let (own, control, clean) = (flat(own), flat(control), flat(clean));
    let nearest = |row: ndarray::ArrayView1<f32>, of: &Array2<f32>, not: Option<usize>| {
        let distance = |(j, r): (usize, ndarray::ArrayView1<f32>)| {
            (Some(j) != not).then(|| r.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum::<f32>())
        };
        of.rows().into_iter().enumerate().filter_map(distance).fold(f32::INFINITY, f32::min)
    };
    let ratios: Vec<f64> = (0..own.nrows())
        .into_par_iter()
        .map(|i| {
            let row = own.row(i);
            let outside = nearest(row, &control, None).min(nearest(row, &clean, None));
            let within = nearest(row, &own, Some(i));
            if outside > 0.0 { f64::from((within / outside).sqrt()) } else { 1.0 }
        })
        .collect();
    crate::math::robust::median(&ratios).unwrap_or(1.0)
}
