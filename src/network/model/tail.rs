//! The second half of a network as a network of its own: what a middle layer's values become.

use super::{Layer, Model};
use crate::evidence::{InputSpec, Limits};
use crate::network::NetworkError;
use crate::network::graph::{Builder, Graph, ValueId};
use crate::network::op::{Kernel, Op, View};

impl Model {
    /// Values that everything passes through on the way from the image to the logits, in the order of execution: where
    /// the network can be cut in two. Names are those that [`Model::activations`] takes. Views are left out.
    pub fn cuts(&self) -> Vec<Layer> {
        let graph = &self.fast;
        cut_values(graph)
            .into_iter()
            .map(|v| Layer {
                name: graph.name(v).to_owned(),
                operator: graph.nodes[v - 1].op.name(),
                shape: graph.shape(v).to_vec(),
            })
            .collect()
    }

    /// The network behind a cut, with the cut's values as its images: C×H×W as they are, D numbers as D×1×1. Its unit
    /// pixels are the values themselves, unscaled and unbounded.
    ///
    /// # Errors
    /// No such cut (see [`Model::cuts`]), or values that are neither planes nor a vector.
    pub fn tail(&self, cut: &str) -> Result<Model, NetworkError> {
        let graph = &self.fast;
        let fail = |reason: String| {
            NetworkError::malformed(format!("cut '{}'", crate::evidence::text::visible(cut)), reason)
        };
        let value = graph
            .find(cut)
            .filter(|v| cut_values(graph).contains(v))
            .ok_or_else(|| fail("the network cannot be cut there".into()))?;
        let (shape, flat) = match *graph.shape(value) {
            [c, h, w] => ([c, h, w], false),
            [d] => ([d, 1, 1], true),
            ref other => return Err(fail(format!("its shape is {other:?}"))),
        };
        // The whole was checked against the caps; a part is never larger.
        let limits =
            Limits { activation_bytes: u64::MAX, graph_nodes: usize::MAX, ..Limits::in_force().clone() };
        let mut to = Builder::new(graph.name(value), &shape, &limits)?;
        for p in &graph.params {
            to.param(&p.name, p.value.clone(), p.trainable);
        }
        let mut map = vec![0; graph.nodes.len() + 1];
        if flat {
            map[value] = to.push("flat", Op::View(View::Flatten), &[0])?;
        }
        for (i, node) in graph.nodes.iter().enumerate().skip(value) {
            let inputs: Vec<ValueId> = node.inputs.iter().map(|&v| map[v]).collect();
            map[i + 1] = to.push(&node.name, node.op.clone(), &inputs)?;
            if let Some(residual) = node.residual {
                to.residual(map[residual]);
            }
            if let Some(clamp) = node.clamp {
                to.clamp(clamp);
            }
        }
        let input = InputSpec { shape, range: [0.0, 1.0], mean: Vec::new(), std: Vec::new() };
        Model::from_graph(to.finish(map[graph.output])?, input, self.classes.clone())
    }
}

/// Values that no later node reaches past.
fn cut_values(graph: &Graph) -> Vec<ValueId> {
    let mut cuts = Vec::new();
    // The earliest value that nodes after `v` read, from the end.
    let mut earliest = graph.output;
    for v in (1..graph.output).rev() {
        let node = &graph.nodes[v];
        let reads = node.inputs.iter().chain(&node.residual).copied().min().unwrap_or(usize::MAX);
        earliest = earliest.min(reads);
        if earliest == v && graph.root[v] == v {
            cuts.push(v);
        }
    }
    cuts.reverse();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::description::builtin;
    use crate::network::train::initialise;
    use ndarray::Array4;

    #[test]
    fn the_tail_of_a_cut_gives_the_logits_of_the_whole() {
        for name in builtin::NAMES {
            let description = builtin::describe(name, [3, 16, 16], 7).unwrap();
            let graph = initialise(&description, 5, &Limits::default()).unwrap();
            let model = Model::from_graph(graph, description.input_spec(), vec![]).unwrap();
            let images = Array4::from_shape_fn((3, 3, 16, 16), |(n, c, y, x)| {
                ((n * 7 + c * 5 + y * 3 + x) % 11) as f32 / 10.0
            });
            let cuts = model.cuts();
            assert!(cuts.len() >= 3, "{name}: {cuts:?}");
            for cut in cuts {
                let (values, logits) = model.activations(images.view(), &cut.name).unwrap();
                let tail = model.tail(&cut.name).unwrap();
                let [c, h, w] = tail.input.shape;
                let values = values.into_shape_with_order((3, c, h, w)).unwrap();
                let again = tail.logits(values.view()).unwrap();
                let most = logits.iter().fold(1.0f32, |m, x| m.max(x.abs()));
                let apart = (&again - &logits).iter().fold(0.0f32, |m, d| m.max(d.abs()));
                assert!(apart < 1e-4 * most, "{name} at {}: {apart} of {most}", cut.name);
            }
            assert!(model.tail("nowhere").is_err());
        }
    }
}
