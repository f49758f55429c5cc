//! What all finished procedures say together.

use super::CaseState;
use crate::procedure::Verdict;

/// The answer to "is it backdoored, is the data poisoned?", as far as the finished procedures go.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Flagged if any accusation stands; inconclusive if nothing could judge or something could not decide.
    pub verdict: Verdict,
    /// Calibrated probability that the model is backdoored; `None` until a calibration exists.
    pub model_score: Option<f64>,
    /// Calibrated probability that the training data is poisoned; `None` until a calibration exists.
    pub data_score: Option<f64>,
    /// Accused target classes, ascending.
    pub target_classes: Vec<usize>,
    /// Family of the attack by the contract's names, when a procedure names one.
    pub family: Option<String>,
    /// Blob with a score per training sample.
    pub poisoned_samples: Option<String>,
}

/// Assesses a state.
pub fn assess(state: &CaseState) -> Assessment {
    let _ = state;
    todo!()
}
