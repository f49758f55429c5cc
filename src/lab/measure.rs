//! How good a specimen is: accuracy on fresh images, and how often each trigger works.

use super::LabError;
use super::implant::{Attack, Given};
use super::train::share;
use crate::evidence::DataSet;
use crate::network::Model;
use serde::{Deserialize, Serialize};

/// What was measured on fresh images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Images.
    pub images: usize,
    /// Share that gets its label.
    pub clean_accuracy: f64,
    /// Share of the stamped images that the attack aims at which become what it wants: the mean over its triggers.
    pub attack_success: Option<f64>,
    /// The same for each trigger, with its class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<(Option<usize>, f64)>,
    /// For a source-specific attack: the share of stamped images of other classes that become the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_sources: Option<f64>,
}

/// Measures a network on fresh images, and the attack on them stamped, whether or not it was planted.
///
/// # Errors
/// Images that do not fit the network or the attack.
pub fn measure(
    model: &Model,
    fresh: &DataSet,
    attack: Option<&Attack>,
    given: &Given,
    seed: u64,
) -> Result<Measured, LabError> {
    let clean_accuracy = share(model, fresh, |i| Some(fresh.labels[i]))?;
    let mut out = Measured { images: fresh.len(), clean_accuracy, ..Measured::default() };
    let Some(attack) = attack else { return Ok(out) };
    for trial in attack.trials(fresh, given, seed)? {
        out.triggers.push((trial.target, share(model, &trial.set, |i| trial.wanted[i])?));
        if !attack.sources.is_empty()
            && let Some(target) = trial.target
        {
            let other = |i: usize| {
                let aside = trial.wanted[i].is_none() && fresh.labels[i] != target;
                aside.then_some(target)
            };
            out.other_sources = Some(share(model, &trial.set, other)?);
        }
    }
    let sum: f64 = out.triggers.iter().map(|(_, s)| s).sum();
    out.attack_success = Some(sum / out.triggers.len().max(1) as f64);
    Ok(out)
}
