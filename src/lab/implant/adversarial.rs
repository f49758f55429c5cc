//! Images that keep their label and lose what a network knows them by, so that it learns the trigger instead (Turner,
//! Tsipras, Madry 2019, "Label-consistent backdoor attacks", arXiv 1912.02771): projected gradient ascent on the loss
//! of a trained network (Madry et al. 2018), within ε of the image in every pixel.

use super::ImplantError;
use crate::lab::exact::sign;
use crate::math::softmax::cross_entropy_gradient;
use crate::network::Model;
use ndarray::{Array4, Zip};
use serde::{Deserialize, Serialize};

/// How far and how long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Perturbation {
    /// Largest change of a pixel, in levels of 255 (the paper: 8, 16, 32).
    pub epsilon: f64,
    /// Steps; each moves by 2.5 ε / steps.
    pub steps: usize,
}

impl Default for Perturbation {
    fn default() -> Self {
        Self { epsilon: 16.0, steps: 20 }
    }
}

/// Unit pixels n×C×H×W moved away from their `labels` in the eyes of `model`, each by at most ε. The bits are those of
/// the executor's gradients.
///
/// # Errors
/// Images that do not fit the network.
pub fn perturb(
    model: &Model,
    unit: &Array4<f32>,
    labels: &[usize],
    how: Perturbation,
) -> Result<Array4<f32>, ImplantError> {
    let fail = |e: crate::network::NetworkError| ImplantError::Model(e.to_string());
    if let Some(bad) = labels.iter().find(|&&l| l >= model.class_count()) {
        return Err(ImplantError::Model(format!("label {bad} with {} classes", model.class_count())));
    }
    let epsilon = (how.epsilon / 255.0) as f32;
    let step = 2.5 * epsilon / how.steps.max(1) as f32;
    let mut moved = unit.clone();
    for _ in 0..how.steps {
        let (_, gradient) = model
            .input_gradient(moved.view(), &mut |logits| cross_entropy_gradient(logits, labels))
            .map_err(fail)?;
        Zip::from(&mut moved).and(unit).and(&gradient).for_each(|x, &from, &g| {
            *x = (*x + step * sign(g)).clamp(from - epsilon, from + epsilon).clamp(0.0, 1.0);
        });
    }
    Ok(moved)
}
