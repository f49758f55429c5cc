//! Optimisers.

use crate::network::graph::Graph;

/// How gradients change weights. Weight decay is added to the gradient, as in the common toolkits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent: `v ← momentum · v + g`, `w ← w − rate · v`.
    Sgd {
        /// Learning rate.
        rate: f32,
        /// 0: none.
        momentum: f32,
        /// 0: none.
        weight_decay: f32,
    },
    /// Kingma & Ba 2015, with bias correction, ε = 1e-8.
    Adam {
        /// Learning rate.
        rate: f32,
        /// Decay of the first and second moments (usually 0.9, 0.999).
        betas: [f32; 2],
        /// 0: none.
        weight_decay: f32,
    },
}

impl Optimizer {
    /// Adam with the usual decay rates.
    pub fn adam(rate: f32) -> Self {
        Self::Adam { rate, betas: [0.9, 0.999], weight_decay: 0.0 }
    }
}

/// An optimiser with what it remembers.
#[derive(Debug)]
pub(super) struct State {
    optimizer: Optimizer,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    steps: i32,
}

impl State {
    pub(super) fn new(optimizer: Optimizer, graph: &Graph) -> Self {
        let zeros = || graph.params.iter().map(|p| vec![0.0; p.len()]).collect::<Vec<Vec<f32>>>();
        let second = if matches!(optimizer, Optimizer::Adam { .. }) { zeros() } else { Vec::new() };
        Self { optimizer, first: zeros(), second, steps: 0 }
    }

    pub(super) fn set_rate(&mut self, new: f32) {
        match &mut self.optimizer {
            Optimizer::Sgd { rate, .. } | Optimizer::Adam { rate, .. } => *rate = new,
        }
    }

    /// Changes the trainable parameters by their gradients.
    pub(super) fn apply(&mut self, graph: &mut Graph, grads: &[Vec<f32>]) {
        self.steps += 1;
        for (p, param) in graph.params.iter_mut().enumerate() {
            if !param.trainable {
                continue;
            }
            let each = param.value.iter_mut().zip(&grads[p]).zip(&mut self.first[p]);
            match self.optimizer {
                Optimizer::Sgd { rate, momentum, weight_decay } => {
                    for ((w, &g), v) in each {
                        *v = momentum * *v + (g + weight_decay * *w);
                        *w -= rate * *v;
                    }
                }
                Optimizer::Adam { rate, betas: [b1, b2], weight_decay } => {
                    let correct = |b: f32| 1.0 - f64::from(b).powi(self.steps);
                    let (c1, c2) = (correct(b1) as f32, correct(b2) as f32);
                    for (((w, &g), m), v) in each.zip(&mut self.second[p]) {
                        let g = g + weight_decay * *w;
                        *m = b1 * *m + (1.0 - b1) * g;
                        *v = b2 * *v + (1.0 - b2) * g * g;
                        *w -= rate * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
                    }
                }
            }
        }
    }
}
