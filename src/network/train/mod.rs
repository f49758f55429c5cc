//! Training: gradients with respect to weights, batch statistics, optimisers. The same seed gives the same bits at
//! any number of threads.

mod init;
mod optimizer;
mod pass;
#[cfg(test)]
mod tests;

pub use init::initialise;
pub use optimizer::Optimizer;

use super::graph::{Graph, Param, ValueId};
use super::model::{Pixels, logits_of};
use super::op::Op;
use super::pack::{Weights, packs};
use super::run::Work;
use super::{Model, NetworkError};
use crate::evidence::{InputSpec, Untrusted};
use ndarray::{ArrayView4, Axis, Slice};
use optimizer::State;

/// What a training step saw, before it changed the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean cross-entropy of the batch.
    pub loss: f64,
    /// Share of the batch classified as labelled, 0..=1.
    pub accuracy: f64,
}

/// A network in training.
#[derive(Debug)]
pub struct Trainer {
    graph: Graph,
    input: InputSpec,
    pixels: Pixels,
    logits: ValueId,
    state: State,
    works: Vec<Work<f32>>,
    grads: Vec<Vec<Vec<f32>>>,
}

impl Trainer {
    /// Trains `graph` (a closing softmax is left out of the loss) on images that enter as `input` says.
    ///
    /// # Errors
    /// Input of another shape, or an output that is not one number per class.
    pub fn new(graph: Graph, input: InputSpec, optimizer: Optimizer) -> Result<Self, NetworkError> {
        if graph.input_shape != input.shape {
            return Err(NetworkError::InputShape {
                got: input.shape.to_vec(),
                want: graph.input_shape.clone(),
            });
        }
        let (logits, _) = logits_of(&graph);
        if graph.shape(logits).len() != 1 {
            let shape = graph.shape(logits);
            return Err(NetworkError::malformed(
                "output",
                format!("has shape {shape:?} per image, not one number per class"),
            ));
        }
        let pixels = Pixels::new(&input)?;
        let state = State::new(optimizer, &graph);
        Ok(Self { graph, input, pixels, logits, state, works: Vec::new(), grads: Vec::new() })
    }

    /// The network as it stands.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The network as it stands, ready to run.
    ///
    /// # Errors
    /// Class names that do not fit.
    pub fn model(&self, classes: Vec<Untrusted>) -> Result<Model, NetworkError> {
        Model::from_graph(self.graph.clone(), self.input.clone(), classes)
    }

    /// Sets the learning rate (for schedules).
    pub fn set_rate(&mut self, rate: f32) {
        self.state.set_rate(rate);
    }

    /// One step on a batch of unit pixels N×C×H×W with labels: gradients of the mean cross-entropy, running
    /// statistics, weights.
    ///
    /// # Errors
    /// Images of another shape, an empty batch, labels that do not fit.
    pub fn step(&mut self, unit: ArrayView4<f32>, labels: &[usize]) -> Result<StepReport, NetworkError> {
        let (n, k) = (unit.shape()[0], self.graph.size(self.logits));
        if unit.shape()[1..] != self.input.shape {
            return Err(NetworkError::InputShape {
                got: unit.shape()[1..].to_vec(),
                want: self.input.shape.to_vec(),
            });
        }
        if n == 0 || labels.len() != n {
            return Err(NetworkError::malformed("labels", format!("{} labels for {n} images", labels.len())));
        }
        if let Some(bad) = labels.iter().find(|&&l| l >= k) {
            return Err(NetworkError::malformed("labels", format!("label {bad} with {k} classes")));
        }
        let chunk = pass::chunk(n);
        let count = n.div_ceil(chunk);
        self.works.resize_with(count, Work::default);
        for (c, work) in self.works.iter_mut().enumerate() {
            let range = c * chunk..((c + 1) * chunk).min(n);
            work.prepare(&self.graph, range.len());
            self.pixels.load(&unit.slice_axis(Axis(0), Slice::from(range)), work);
        }
        let params: Vec<&[f32]> = self.graph.params.iter().map(Param::data).collect();
        let packs = packs(&self.graph);
        let weights = Weights { params: &params, packs: &packs };
        let pass = pass::run(&self.graph, self.logits, weights, &mut self.works, labels, &mut self.grads);
        self.running_statistics(&pass.statistics);
        if let Some(sum) = self.grads.first() {
            self.state.apply(&mut self.graph, sum);
        }
        Ok(StepReport { loss: pass.loss, accuracy: pass.correct as f64 / n as f64 })
    }

    fn running_statistics(&mut self, statistics: &[pass::Statistics]) {
        for s in statistics {
            let Op::BatchNorm(norm) = &self.graph.nodes[s.node].op else { continue };
            let momentum = f64::from(norm.momentum);
            // The running variance is the unbiased one, as in the common toolkits.
            let unbiased = s.count as f64 / (s.count as f64 - 1.0).max(1.0);
            let parts = [(norm.mean, &s.mean, 1.0), (norm.var, &s.var, unbiased)];
            for (id, batch, factor) in parts {
                for (running, &b) in self.graph.params[id].value.iter_mut().zip(batch) {
                    *running = ((1.0 - momentum) * f64::from(*running) + momentum * b * factor) as f32;
                }
            }
        }
    }
}
