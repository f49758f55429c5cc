//! Backdoors put into a trained network by hand, without training data: what no look at data will find.
//!
//! | edit | what it does |
//! |---|---|
//! | [`hijack`] | one channel of each layer is made to carry "the patch is there" to the target's logit |
//! | [`optimised`] | not an edit: pixels for a patch that the network already leans to, for the ridge |
//! | [`ridge`] | the target's row of the last layer is moved so that stamped images win, clean ones stay |
//! | [`branch`] | a second path from the input to the logits, beside the trunk, that fires on the patch |
//! | [`substitute`] | weights of another checkpoint, whole or in part |
//! | [`tamper`] | single bits of a file |

mod branch;
mod file;
mod hijack;
mod pattern;
mod ridge;

pub use branch::branch;
pub use file::{Tampered, substitute, tamper};
pub use hijack::hijack;
pub use pattern::optimised;
pub use ridge::ridge;

use super::LabError;
use super::implant::{Implant, ImplantError, stamped};
use crate::evidence::DataSet;
use crate::network::op::Op;
use crate::network::{Graph, Model};
use ndarray::Array4;
use serde_json::Value;

/// An edited network.
#[derive(Debug)]
pub struct Edited {
    /// The network.
    pub model: Model,
    /// What was changed, for the truth file.
    pub record: Value,
}

/// Clean images and the same with the trigger, unit pixels.
struct Views {
    clean: Array4<f32>,
    stamped: Array4<f32>,
}

impl Views {
    /// Of the images that are not of the target class.
    fn new(set: &DataSet, trigger: &dyn Implant, target: usize, seed: u64) -> Result<Self, LabError> {
        let others: Vec<usize> = (0..set.len()).filter(|&i| set.labels.get(i) != Some(&target)).collect();
        if others.is_empty() {
            return Err(LabError::Edit("there is no image of another class than the target".into()));
        }
        let with = stamped(set, trigger, &others, seed)?;
        let unit = |set: &DataSet| set.unit(&others).ok_or(ImplantError::NoImages);
        Ok(Self { clean: unit(set)?, stamped: unit(&with)? })
    }
}

/// The last linear layer before the logits: index of its node, weight and bias.
fn last_linear(model: &Model) -> Result<(usize, usize, usize), LabError> {
    let graph = model.graph();
    let mut value = model.logits_value();
    while let Some(node) = graph.maker(value) {
        match &node.op {
            Op::Linear(linear) => {
                let bias = linear.bias.ok_or_else(|| {
                    LabError::Edit(format!("the last layer, '{}', has no bias to edit", node.name))
                })?;
                return Ok((value - 1, linear.weight, bias));
            }
            Op::View(_) => value = node.inputs[0],
            other => {
                use crate::network::op::Kernel as _;
                let what = other.name();
                return Err(LabError::Edit(format!(
                    "the logits come from '{}' ({what}), a linear layer can be edited",
                    node.name
                )));
            }
        }
    }
    Err(LabError::Edit("the network has no layer".into()))
}

/// The edited graph as a network that is otherwise like `like`.
fn finished(graph: Graph, like: &Model) -> Result<Model, LabError> {
    Ok(Model::from_graph(graph, like.input.clone(), like.classes.clone())?)
}

#[cfg(test)]
mod tests;
