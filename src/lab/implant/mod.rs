//! Implants: what plants a behaviour into a data set, so that detectors can be tried on cases whose truth is known.
//! For isolated, authorised validation only.
//!
//! The recipe of each is what its authors published; the parameters' defaults are named where they are defined.

mod blend;
mod patch;
mod poison;
mod rate;

pub use blend::{Blend, DEFAULT_RATIO, simulate_blended_trigger};
pub use patch::{Patch, simulate_patch_trigger};
pub use poison::{Poisoned, poison, stamped};
pub use rate::{Estimate, ModelSize, TriggerKind, poisoning_rate};

use ndarray::ArrayViewMut3;
use serde_json::Value;

/// Something that can be put into an image.
pub trait Implant: Sync {
    /// Puts the trigger into one image, C×H×W, 0..=255.
    ///
    /// # Errors
    /// The trigger does not fit the image.
    fn stamp(&self, image: ArrayViewMut3<u8>) -> Result<(), ImplantError>;

    /// Kind and parameters, for the truth file.
    fn recipe(&self) -> Value;
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
    /// Not enough samples of other classes to plant in.
    #[error("{wanted} samples are to be planted, but only {there} have another label than {target}")]
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
}
