//! Procedures that judge single inputs: does the network stay with its answer where an honest image's answer would change?
//!
//! Each gives every suspect input a score (higher is more suspect) and holds it against a threshold; how many clean images pass that
//! threshold by themselves is measured on clean images, and too many suspects past it is the finding.

mod filter;
mod ibd_psc;
mod scale_up;
mod strip;
#[cfg(test)]
mod tests;

use super::images::Pool;
use crate::network::Model;
use crate::procedure::{About, Case, Context, Cost, Phase, Stop};
use ndarray::Array4;

/// How a filter scores images: the images, what the network says of them, and a way to tell how many are done.
type Scores<'a> = &'a mut dyn FnMut(usize, &mut Context) -> Result<(), Stop>;

/// What a filter works with.
struct Work<'a> {
    case: &'a Case,
    model: &'a Model,
    /// Clean images that may be used to make changes or choose settings.
    clean: &'a Pool,
}

/// One of the filters.
#[derive(Debug)]
pub struct Filter {
    about: About,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Strip,
    ScaleUp,
    IbdPsc,
}

/// Superimposes clean images.
pub static STRIP: Filter = Filter {
    about: About {
        id: "strip",
        title: "STRIP",
        phase: Phase::Detection,
        version: 1,
        question: "Which suspect inputs keep their class when other images are laid over them?",
        needs: "a model, suspect inputs (role 'suspect') and clean images",
        reference: "Gao, Xu, Wang, Chen, Ranasinghe, Nepal 2019, STRIP (ACSAC)",
        cost: Cost::Medium,
        after: &[],
        page: include_str!("strip.md"),
    },
    kind: Kind::Strip,
};

/// Multiplies the pixels.
pub static SCALE_UP: Filter = Filter {
    about: About {
        id: "scale-up",
        title: "Scaled prediction consistency",
        phase: Phase::Detection,
        version: 1,
        question: "Which suspect inputs keep their class when their pixels are multiplied?",
        needs: "a model, suspect inputs (role 'suspect') and clean images",
        reference: "Guo, Li, Chen, Guo, Sun, Liu 2023, SCALE-UP (ICLR)",
        cost: Cost::Low,
        after: &[],
        page: include_str!("scale_up.md"),
    },
    kind: Kind::ScaleUp,
};

/// Multiplies the network's last layers.
pub static IBD_PSC: Filter = Filter {
    about: About {
        id: "ibd-psc",
        title: "Parameter-scaled consistency",
        phase: Phase::Detection,
        version: 1,
        question: "Which suspect inputs keep their class, and their confidence, when the network's last layers are amplified?",
        needs: "a model with convolutions, suspect inputs (role 'suspect') and clean images",
        reference: "Hou, Feng, Hua, Luo, Zhang, Li 2024, IBD-PSC (ICML)",
        cost: Cost::Low,
        after: &[],
        page: include_str!("ibd_psc.md"),
    },
    kind: Kind::IbdPsc,
};

impl Kind {
    /// Scores of images whose predicted classes are `predicted`; higher is more suspect.
    fn scores(
        self,
        work: &Work,
        images: &Array4<f32>,
        predicted: &[usize],
        cx: &mut Context,
        tell: Scores,
    ) -> Result<Vec<f64>, Stop> {
        match self {
            Kind::Strip => strip::scores(work, images, cx, tell),
            Kind::ScaleUp => scale_up::scores(work, images, predicted, cx, tell),
            Kind::IbdPsc => ibd_psc::scores(work, images, predicted, cx, tell),
        }
    }
}
