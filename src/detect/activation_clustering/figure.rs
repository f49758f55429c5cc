//! A class as a picture.

use super::POINTS;
use super::look::Seen;
use crate::detect::classes;
use crate::detect::features::Features;
use crate::figure::{Body, Figure, Group};
use crate::procedure::Case;
use ndarray::Axis;
use std::fmt::Write as _;

/// The class in its first two components, clusters as groups.
pub(super) fn scatter(
    case: &Case,
    features: &Features,
    class: usize,
    seen: &Seen,
    mut rng: impl rand::Rng,
) -> Figure {
    let members = &features.members[class];
    let mut shown: Vec<usize> = (0..members.len()).collect();
    let mut title = format!("Class {} in its first two principal components", classes::name(case, class));
    if shown.len() > POINTS {
        shown = rand::seq::index::sample(&mut rng, members.len(), POINTS).into_vec();
        shown.sort_unstable();
        let _ = write!(title, ", {POINTS} of {} samples", members.len());
    }
    let groups = [(0, "larger cluster"), (1, "smaller cluster")].map(|(c, name)| {
        let of: Vec<usize> = shown.iter().copied().filter(|&at| seen.partition.cluster[at] == c).collect();
        Group {
            name: format!("{name} ({})", seen.partition.sizes[c]),
            flagged: c == 1 && seen.suspicious,
            points: seen
                .plane
                .select(Axis(0), &of)
                .rows()
                .into_iter()
                .map(|r| [f64::from(r[0]), f64::from(r[1])])
                .collect(),
            samples: of.iter().map(|&at| members[at]).collect(),
        }
    });
    Figure {
        title,
        body: Body::Scatter {
            x_label: "component 1".into(),
            y_label: "component 2".into(),
            groups: groups.into(),
        },
    }
}
