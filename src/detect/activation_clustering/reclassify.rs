//! Exclusionary reclassification, the second look.

use super::MOST_RECLASSIFIED;
use super::look::{Call, Seen};
use crate::detect::features::{Features, Request};
use crate::detect::poisoned::content::Content;
use crate::detect::poisoned::views::Taps;
use crate::procedure::{Case, Context, Stop};
use ndarray::Axis;
use std::collections::BTreeMap;

/// Exclusionary reclassification (section 4.3 of the paper): what a classifier that has not seen the group takes it for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reclassified {
    /// Samples of the group taken for their own label.
    pub(super) own: usize,
    /// And for the class that most others are taken for.
    pub(super) other: usize,
    pub(super) class: usize,
}

impl Reclassified {
    /// The paper's l/p: below 1 the group belongs elsewhere.
    pub(super) fn ratio(self) -> f64 {
        self.own as f64 / self.other.max(1) as f64
    }
}

/// Asks a linear classifier on an early layer, taught with the training samples outside the group.
pub(super) fn second_look(
    case: &Case,
    request: &Request,
    features: &Features,
    seen: &[Option<Seen>],
    tested: usize,
    cx: &mut Context,
) -> Result<BTreeMap<usize, Reclassified>, Stop> {
    let called = |k: &usize| seen[*k].as_ref().is_some_and(|s| s.call(tested) != Call::Nothing);
    let called: Vec<usize> = (0..seen.len()).filter(called).take(MOST_RECLASSIFIED).collect();
    let (Some(model), false, Some(_)) = (&case.model, called.is_empty(), &request.layer) else {
        return Ok(BTreeMap::new());
    };
    let set = &request.data.set;
    let views = Taps::of(model).view(model, set, cx, 0, Taps::units(set))?;
    let mut out = BTreeMap::new();
    for class in called {
        cx.check()?;
        let Some(seen) = &seen[class] else { continue };
        let members = &features.members[class];
        let group: Vec<usize> =
            members.iter().zip(&seen.partition.cluster).filter(|(_, c)| **c == 1).map(|(&i, _)| i).collect();
        let rest: Vec<usize> = (0..set.labels.len()).filter(|i| group.binary_search(i).is_err()).collect();
        let labels: Vec<usize> = rest.iter().map(|&i| set.labels[i]).collect();
        let content = Content::learn(&views.early.select(Axis(0), &rest), &labels, request.classes)?;
        let mut votes = vec![0usize; request.classes];
        content.classify(&views.early.select(Axis(0), &group)).into_iter().for_each(|k| votes[k] += 1);
        let other =
            (0..votes.len()).filter(|&k| k != class).max_by_key(|&k| (votes[k], std::cmp::Reverse(k)));
        if let Some(other) = other {
            out.insert(class, Reclassified { own: votes[class], other: votes[other], class: other });
        }
    }
    Ok(out)
}
