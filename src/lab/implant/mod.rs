//! Implants: backdoors and other damage put into images and labels, so that procedures can be tried on cases whose
//! truth is known. For isolated, authorised validation only.
//!
//! The recipe of each is what its authors published; the parameters' defaults are named where they are defined.
//!
//! ```text
//! {attack = "blend", target = 3, …} ─recipe─▶ Change ─plant─▶ Poisoned {set, indices, true_labels, covers}
//!                                              └ Attack {trigger, labels} ─trial─▶ stamped images, wanted classes
//! ```

mod adversarial;
mod attack;
mod blend;
mod damage;
mod dynamic;
mod filter;
mod patch;
mod poison;
mod rate;
mod recipe;
mod shape;
mod sinusoid;
mod sticker;
#[cfg(test)]
mod tests;
mod trigger;
mod warp;

pub use adversarial::{Perturbation, perturb};
pub use attack::{Attack, Further, Labels, Trial, in_bytes};
pub use blend::{Blend, DEFAULT_RATIO, simulate_blended_trigger};
pub use damage::{Duplicates, Flip, Outlier, Outliers, duplicate, first, flip, put_outliers, unbalance};
pub use dynamic::Dynamic;
pub use filter::{Filter, Look};
pub use patch::{Patch, simulate_patch_trigger};
pub use poison::{Poisoned, poison, stamped};
pub use rate::{Estimate, ModelSize, TriggerKind, poisoning_rate};
pub use recipe::{Change, NAMES, recipe};
pub use shape::{Colour, Paint, Shape, Size, drawn};
pub use sinusoid::{Direction, Sinusoid};
pub use sticker::{Place, Side, Sticker};
pub use trigger::{Pattern, Trigger};
pub use warp::Warp;

use crate::network::Model;
use ndarray::{Array3, ArrayViewMut3};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Something that can be put into an image.
pub trait Implant: Sync {
    /// Puts the trigger into one image, C×H×W, 0..=255. `draw` is for triggers that differ from image to image; each
    /// image has a stream of its own.
    ///
    /// # Errors
    /// The trigger does not fit the image.
    fn stamp(&self, image: ArrayViewMut3<u8>, draw: &mut ChaCha8Rng) -> Result<(), ImplantError>;

    /// What covers bear: images that keep their label so that the network learns the trigger exactly. The trigger
    /// itself, where the attack does not say otherwise.
    ///
    /// # Errors
    /// As [`Implant::stamp`].
    fn cover(&self, image: ArrayViewMut3<u8>, draw: &mut ChaCha8Rng) -> Result<(), ImplantError> {
        self.stamp(image, draw)
    }

    /// Kind and parameters, for the truth file.
    fn recipe(&self) -> Value;
}

/// What an attack may need besides the data set.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// A trained network, for adversarial perturbation.
    pub model: Option<&'a Model>,
    /// An image to blend, C×H×W of the set.
    pub image: Option<Array3<u8>>,
}

/// Why something could not be planted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImplantError {
    /// The pattern is larger than the image, hangs over its edge or has other channels.
    #[error("a pattern of {pattern:?} at row {}, column {} does not fit an image of {image:?} (channels, height, width)", at.0, at.1)]
    DoesNotFit {
        /// Channels, height, width of the pattern.
        pattern: [usize; 3],
        /// Row and column of its upper left corner.
        at: (usize, usize),
        /// Channels, height, width of the image.
        image: [usize; 3],
    },
    /// A share outside `0..=1`.
    #[error("{what} is {value}, and must lie between 0 and 1")]
    NotAShare {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Not enough samples to plant in.
    #[error("{wanted} samples are to be changed for class {target}, but only {there} can be")]
    TooFew {
        /// Samples asked for.
        wanted: usize,
        /// Samples that could be used.
        there: usize,
        /// The target class.
        target: usize,
    },
    /// The set has no byte images, or not one label for each.
    #[error("the data set needs images of bytes, and a label for each")]
    NoImages,
    /// A recipe that cannot be meant.
    #[error("{0}")]
    Recipe(String),
    /// The attack needs a trained network.
    #[error("this attack perturbs images against a trained network: give one")]
    NoModel,
    /// The network cannot be run on the images.
    #[error("the network given for the perturbation: {0}")]
    Model(String),
}
