//! A network together with how images become its input and what its classes are called.
//!
//! Everything outside `network` works in *unit pixels*: N×C×H×W, 0 = black, 1 = white. Range and normalisation of the
//! case are applied here, and gradients come back in unit pixels.

use super::NetworkError;
use crate::evidence::{InputSpec, Untrusted};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

/// A suspect model, loaded and ready to run.
#[derive(Debug)]
pub struct Model {
    /// How pixels become network input.
    pub input: InputSpec,
    /// Class names; as long as there are classes ("class 3" where none was given).
    pub classes: Vec<Untrusted>,
}

impl Model {
    /// Number of classes K.
    pub fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// Logits N×K (before a closing softmax, where there is one) of unit pixels N×C×H×W.
    ///
    /// # Errors
    /// Input of another shape.
    pub fn logits(&self, unit: ArrayView4<f32>) -> Result<Array2<f32>, NetworkError> {
        let _ = unit;
        todo!()
    }

    /// Output of a named layer, flattened per sample: N×D, together with the logits.
    ///
    /// # Errors
    /// No such layer; input of another shape.
    pub fn activations(
        &self,
        unit: ArrayView4<f32>,
        layer: &str,
    ) -> Result<(Array2<f32>, Array2<f32>), NetworkError> {
        let _ = (unit, layer);
        todo!()
    }

    /// Name of the layer whose output enters the last linear layer.
    pub fn penultimate(&self) -> &str {
        todo!()
    }

    /// Logits, and the gradient in unit pixels of a loss given by its gradient in the logits (N×K).
    ///
    /// # Errors
    /// Input of another shape.
    pub fn input_gradient(
        &self,
        unit: ArrayView4<f32>,
        loss: &mut dyn FnMut(ArrayView2<f32>) -> Array2<f32>,
    ) -> Result<(Array2<f32>, Array4<f32>), NetworkError> {
        let _ = (unit, loss);
        todo!()
    }
}
