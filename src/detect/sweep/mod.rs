//! Procedures that search, for every class at once, the smallest change of some kind that sends images there, and ask
//! whether one class (up to three) is reached by a far smaller change than the others.

mod look;
mod run;
#[cfg(test)]
mod tests;

use super::invert::{Form, gap::Gap};
use crate::procedure::{About, Cost, Phase};

/// Where a change is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the image.
    Image,
    /// On the values halfway through the network.
    Middle,
}

/// One such procedure.
#[derive(Debug)]
pub struct Sweep {
    about: About,
    form: Form,
    place: Place,
    rate: f32,
    first_weight: f64,
    steps: u32,
    /// Changes below this size count as of this size.
    floor: f64,
    /// What the change is called.
    noun: &'static str,
    /// Name of the measure with the size per class.
    measure: &'static str,
    /// Unit of that size.
    unit: &'static str,
    /// What it could not have seen.
    limits: &'static str,
}

/// Additive perturbations of the image.
pub static UNIVERSAL_PERTURBATION: Sweep = Sweep {
    about: About {
        id: "universal-perturbation",
        title: "Universal perturbation",
        phase: Phase::Detection,
        version: 1,
        question: "Is there a class that a far weaker pattern added to every image reaches than the other classes?",
        needs: "a model and images",
        reference: "Moosavi-Dezfooli, Fawzi, Fawzi, Frossard 2017 (CVPR); Tao et al. 2022 (CVPR)",
        cost: Cost::Medium,
        after: &[],
        page: include_str!("universal_perturbation.md"),
    },
    form: Form::Image,
    place: Place::Image,
    rate: 0.02,
    first_weight: 0.1,
    steps: 60,
    floor: 0.05,
    noun: "pattern added to the image",
    measure: "l2",
    unit: "L2 norm, unit pixels",
    limits: "Finds fixed patterns of small energy, added to every image: blends, invisible triggers, small patches. Blind to \
             source-specific and dynamic triggers, and to patterns stronger than what any clean class needs.",
};

/// Additive perturbations of the values halfway.
pub static FEATURE_PERTURBATION: Sweep = Sweep {
    about: About {
        id: "feature-perturbation",
        title: "Feature perturbation",
        phase: Phase::Detection,
        version: 1,
        question: "Is there a class that a far weaker change of the network's middle values reaches than the others?",
        needs: "a model that can be cut in two, and images",
        reference: "after Wang, Mei, Zhai, Ma 2022, Rethinking the Reverse-engineering of Trojan Triggers (NeurIPS)",
        cost: Cost::Low,
        after: &[],
        page: include_str!("feature_perturbation.md"),
    },
    form: Form::Feature,
    place: Place::Middle,
    rate: 0.02,
    first_weight: 0.1,
    steps: 60,
    floor: 0.05,
    noun: "change of the middle values",
    measure: "l2",
    unit: "L2 norm, tenths of the mean norm of the values",
    limits: "Finds units that were made to answer to a weak signal, above all weights edited by hand. A class that is naturally \
             near to all others in the middle of the network looks the same.",
};

/// Smooth displacements.
pub static WARP_SEARCH: Sweep = Sweep {
    about: About {
        id: "warp-search",
        title: "Warp search",
        phase: Phase::Detection,
        version: 1,
        question: "Is there a class that a far weaker warp of every image reaches than the other classes?",
        needs: "a model and images",
        reference: "own search for triggers after Nguyen, Tran 2021, WaNet (ICLR)",
        cost: Cost::Medium,
        after: &[],
        page: include_str!("warp_search.md"),
    },
    form: Form::Flow,
    place: Place::Image,
    rate: 0.15,
    first_weight: 0.3,
    steps: 60,
    floor: 0.03,
    noun: "smooth warp",
    measure: "displacement",
    unit: "root mean square displacement, pixels",
    limits: "Finds fixed smooth displacements. Blind to every trigger that adds something to the image.",
};

/// What a sweep's sizes say.
struct Decision {
    gap: Option<Gap>,
    judged: Option<super::calibration::Judged>,
    verdict: crate::procedure::Verdict,
    /// Leaders that were reached, strangest first.
    accused: Vec<usize>,
}
