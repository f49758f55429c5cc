//! Which groups are accused, which samples are listed, and how all are ranked.

use super::causal;
use super::examine::{Candidate, Evidence, Examined, Material};
use crate::math::robust::median;
use crate::math::softmax::argmax;
use crate::math::stats::quantile;
use crate::procedure::Stop;
use ndarray::{Array1, ArrayView2, Axis};

/// Share of other images moved, above the control, from which a cause is accepted. A convention: most images, and far
/// from what any part of an honest class does.
pub const CAUSE: f64 = 0.6;
/// The same for what is less telling: a mean difference, or a patch that works on one class.
pub const WEAKER: f64 = 0.7;
/// From here on a cause needs no further support.
const ALONE: f64 = 0.85;
/// Half-way to a cause: a lead.
pub const LEAD: f64 = 0.4;
/// A patch that covers more is suspected of being the object itself.
const SMALL: f64 = 0.06;
/// Below it members are copies of one another (frames of one video) and share everything.
const COPIES: f64 = 0.6;
/// Fewest members that are enough to tell a patch from an accident.
const ENOUGH: usize = 8;
/// Share of a class whose labels contradict what the pictures show.
const MISLABELLED: f64 = 0.8;
/// Clean images of the label that may look like what is listed.
const NEARLY_ALL: f64 = 0.99;
/// Images run through the network at a time.
const TILE: usize = 32;

/// Why a group is accused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// What all members show at the same place sends other images to the label.
    Patch,
    /// The same, for images of one class.
    PatchOnOneClass(usize),
    /// The mean difference to similar clean images does.
    Overlay,
    /// The fine detail of single members does: a trigger without a fixed place.
    Detail,
    /// The members show other classes than their label, and the rest of the label does not.
    Mislabelled,
}

impl Cause {
    /// In words, for reports.
    pub fn words(self) -> String {
        match self {
            Self::Patch => "a patch they share sends images of other classes to this label".into(),
            Self::PatchOnOneClass(s) => format!("a patch they share sends images of class {s} to this label"),
            Self::Overlay => {
                "what they have on top of similar clean images sends other images to this label".into()
            }
            Self::Detail => "their fine detail sends images of other classes to this label".into(),
            Self::Mislabelled => "they show other classes than their label, unlike the rest of it".into(),
        }
    }

    /// The contract's name of the family.
    pub fn family(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::PatchOnOneClass(_) => "source-specific",
            Self::Overlay => "blend",
            Self::Detail => "dynamic",
            Self::Mislabelled => "unknown",
        }
    }
}

/// Share moved above the control, by the cause that does most.
pub fn strength(e: &Evidence) -> f64 {
    [e.stamp, e.add, e.detail].iter().map(|e| e.group - e.control).fold(0.0, f64::max)
}

/// The cause a group is accused for, if any.
pub fn cause(candidate: &Candidate) -> Option<Cause> {
    let (e, n) = (&candidate.evidence, candidate.group.members.len());
    let above = |effect: &super::examine::Effect| effect.group - effect.control;
    let no_copies = e.inside >= COPIES;
    let stamp = above(&e.stamp);
    if stamp >= ALONE || (stamp >= CAUSE && e.area <= SMALL && no_copies && n >= ENOUGH) {
        return Some(Cause::Patch);
    }
    if above(&e.add) >= WEAKER && no_copies {
        return Some(Cause::Overlay);
    }
    let contradicts = above(&e.content);
    if let Some((class, rate)) = e.source
        && rate - e.stamp.control >= WEAKER
        && contradicts >= LEAD / 2.0
        && no_copies
        && n >= ENOUGH
    {
        return Some(Cause::PatchOnOneClass(class));
    }
    // Fine detail alone moves images to some classes of every network: the group must do so far more than the rest.
    if e.detail.group >= CAUSE && above(&e.detail) >= LEAD && n >= ENOUGH {
        return Some(Cause::Detail);
    }
    (e.content.group >= MISLABELLED
        && contradicts >= WEAKER
        && no_copies
        && candidate.group.share >= 0.04
        && n >= 12)
        .then_some(Cause::Mislabelled)
}

/// An accused label and its list.
#[derive(Debug, Clone)]
pub struct Accused {
    /// The label.
    pub class: usize,
    /// Which candidate it rests on.
    pub candidate: usize,
    /// Why.
    pub cause: Cause,
    /// Samples listed, ascending.
    pub listed: Vec<usize>,
    /// Share of them that the network no longer puts in the label once the trigger is taken off; `None` for causes
    /// whose trigger cannot be taken off.
    pub released: Option<f64>,
}

/// Accused labels, each by its weightiest accused group, in order of class.
///
/// # Errors
/// What `check` returns; the network refuses.
pub fn accuse(
    m: &Material,
    found: &Examined,
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
) -> Result<Vec<Accused>, Stop> {
    let mut accused: Vec<Accused> = Vec::new();
    for (at, candidate) in found.candidates.iter().enumerate() {
        let Some(cause) = cause(candidate) else { continue };
        let class = candidate.class;
        if accused.iter().any(|a| a.class == class && overlaps(&a.listed, &candidate.group.members)) {
            continue;
        }
        let mut listed = list(m, found, candidate);
        let released = release(m, found, candidate, cause, &mut listed, check)?;
        match accused.iter_mut().find(|a| a.class == class) {
            Some(same) => {
                same.listed.extend(listed);
                same.listed.sort_unstable();
                same.listed.dedup();
            }
            None => accused.push(Accused { class, candidate: at, cause, listed, released }),
        }
    }
    accused.sort_by_key(|a| a.class);
    Ok(accused)
}

fn overlaps(listed: &[usize], members: &[usize]) -> bool {
    2 * members.iter().filter(|i| listed.binary_search(i).is_ok()).count() >= members.len()
}

/// Samples of the label on the group's side of the line between the group and everything else of the label, clean
/// images included; past the midpoint, and past nearly all clean images.
fn list(m: &Material, found: &Examined, candidate: &Candidate) -> Vec<usize> {
    let class = candidate.class;
    let of: Vec<usize> = (0..m.train.labels.len()).filter(|&i| m.train.labels[i] == class).collect();
    let clean: Vec<usize> =
        (0..found.clean_classes.len()).filter(|&i| m.trusted && found.clean_classes[i] == class).collect();
    let rest: Vec<usize> =
        of.iter().copied().filter(|i| candidate.group.members.binary_search(i).is_err()).collect();
    let inside = found.train.joined(&candidate.group.members);
    let (others, reference) = (found.train.joined(&rest), found.clean.joined(&clean));
    let sum = |x: &ArrayView2<f32>| x.sum_axis(Axis(0)).mapv(f64::from);
    let count = (others.nrows() + reference.nrows()).max(1) as f64;
    let line = sum(&inside.view()) / inside.nrows().max(1) as f64
        - (sum(&others.view()) + sum(&reference.view())) / count;
    let line: Array1<f32> = line.mapv(|v| v as f32);
    let along = |x: ArrayView2<f32>| x.dot(&line).iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let (a, b, c) = (along(inside.view()), along(others.view()), along(reference.view()));
    let middle = f64::midpoint(median(&a).unwrap_or(0.0), median(&[b, c.clone()].concat()).unwrap_or(0.0));
    let threshold = middle.max(quantile(&c, NEARLY_ALL).unwrap_or(f64::NEG_INFINITY));
    let all = along(found.train.joined(&of).view());
    of.into_iter().zip(all).filter(|(_, v)| *v > threshold).map(|(i, _)| i).collect()
}

/// Takes the trigger off every listed sample and asks the network again. Where that releases most of them, those which
/// stay and also show their label to an early layer carry the trigger under their own label: they are let go.
fn release(
    m: &Material,
    found: &Examined,
    candidate: &Candidate,
    cause: Cause,
    listed: &mut Vec<usize>,
    check: &(dyn Fn() -> Result<(), Stop> + Sync),
) -> Result<Option<f64>, Stop> {
    let Some(shared) = &candidate.shared else { return Ok(None) };
    let patch = match cause {
        Cause::Patch | Cause::PatchOnOneClass(_) => true,
        Cause::Overlay => false,
        Cause::Detail | Cause::Mislabelled => return Ok(None),
    };
    let mut stays = Vec::with_capacity(listed.len());
    for tile in listed.chunks(TILE) {
        check()?;
        let mut images = m.train.unit(tile).ok_or_else(|| Stop::failed("the data set has no images"))?;
        for mut image in images.outer_iter_mut() {
            let off = if patch {
                causal::filled(shared, image.view())
            } else {
                causal::taken_off(shared, image.view())
            };
            image.assign(&off);
        }
        let logits = m.model.logits(images.view()).map_err(Stop::failed)?;
        stays.extend(logits.rows().into_iter().map(|r| argmax(r) == candidate.class));
    }
    let released = stays.iter().filter(|&&s| !s).count() as f64 / stays.len().max(1) as f64;
    if released >= CAUSE {
        let keep = stays.iter().zip(&*listed).map(|(&stays, &i)| !stays || found.disagrees[i]);
        let keep: Vec<bool> = keep.collect();
        let mut flags = keep.iter();
        listed.retain(|_| flags.next().copied().unwrap_or(true));
    }
    Ok(Some(released))
}

/// A score per training sample in 0..=1, higher = more suspect: listed samples above ½ by their distance from clean
/// images, then members of groups with half a cause, then all others by their distance.
pub fn score(found: &Examined, accused: &[Accused]) -> Array1<f32> {
    let n = found.train.predicted.len();
    let mut rank = vec![0.0f64; n];
    let views = found.train.views.iter().zip(&found.train.distances).filter(|(view, _)| view.ncols() > 0);
    let count = views.clone().count().max(1) as f64;
    for (_, distances) in views {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]).then(b.cmp(&a)));
        for (at, i) in order.into_iter().enumerate() {
            rank[i] += at as f64 / n.max(1) as f64 / count;
        }
    }
    let mut tier = vec![0u8; n];
    for candidate in found.candidates.iter().filter(|c| strength(&c.evidence) >= LEAD) {
        candidate.group.members.iter().for_each(|&i| tier[i] = 1);
    }
    accused.iter().flat_map(|a| &a.listed).for_each(|&i| tier[i] = 2);
    let place = |(r, t): (&f64, &u8)| match t {
        2 => 0.5 + 0.5 * r,
        1 => 0.4 + 0.1 * r,
        _ => 0.4 * r,
    };
    rank.iter().zip(&tier).map(|p| place(p) as f32).collect()
}
