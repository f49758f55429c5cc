//! A network together with how images become its input and what its classes are called.
//!
//! Everything outside `network` works in *unit pixels*: N×C×H×W, 0 = black, 1 = white. Range and normalisation of the
//! case are applied here, and gradients come back in unit pixels.

use super::fold::fold;
use super::graph::{Graph, Param, ValueId};
use super::op::{Kernel, Op};
use super::pack::{Packs, Weights, packs};
use super::run::{self, Keep, Pool, Work};
use super::{NetworkError, scalar::Scalar};
use crate::evidence::{InputSpec, Untrusted};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis, Slice};
use rayon::prelude::*;

mod tail;

/// A suspect model, loaded and ready to run. Methods may be called from several threads at once.
#[derive(Debug)]
pub struct Model {
    /// How pixels become network input.
    pub input: InputSpec,
    /// Class names; as long as there are classes ("class 3" where none was given).
    pub classes: Vec<Untrusted>,
    /// What its reader learnt, for people; empty when it was built in memory.
    pub facts: Vec<Untrusted>,
    graph: Graph,
    fast: Graph,
    logits: ValueId,
    penultimate: ValueId,
    closing_softmax: bool,
    pixels: Pixels,
    /// Images computed together.
    chunk: usize,
    /// Packed weights of `graph` and of `fast`.
    packs: Vec<Packs<f32>>,
    fast_packs: Vec<Packs<f32>>,
    forward_pool: Pool<f32>,
    full_pool: Pool<f32>,
    gradient_pool: Pool<f32>,
}

/// A layer that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, as visible text: what [`Model::activations`] takes.
    pub name: String,
    /// Its operator ("conv2d", "relu").
    pub operator: &'static str,
    /// Shape of its output per image.
    pub shape: Vec<usize>,
}

/// Per channel: network input = unit pixel · scale + shift.
#[derive(Debug, Clone)]
pub(crate) struct Pixels {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Pixels {
    pub(crate) fn new(input: &InputSpec) -> Result<Self, NetworkError> {
        let channels = input.shape[0];
        let fail = |reason: String| NetworkError::malformed("model.input", reason);
        for (name, list) in [("mean", &input.mean), ("std", &input.std)] {
            if !list.is_empty() && list.len() != channels {
                return Err(fail(format!("{name} has {} numbers for {channels} channels", list.len())));
            }
        }
        let [lo, hi] = input.range.map(f64::from);
        let (mut scale, mut shift) = (Vec::new(), Vec::new());
        for c in 0..channels {
            let mean = input.mean.get(c).map_or(0.0, |&m| f64::from(m));
            let std = input.std.get(c).map_or(1.0, |&s| f64::from(s));
            let (a, b) = ((hi - lo) / std, (lo - mean) / std);
            if std == 0.0 || !a.is_finite() || !b.is_finite() {
                return Err(fail(format!("range, mean and std of channel {c} do not give numbers")));
            }
            scale.push(a as f32);
            shift.push(b as f32);
        }
        Ok(Self { scale, shift })
    }

    /// Writes the network input of images into the working memory.
    pub(crate) fn load<T: Scalar>(&self, images: &ArrayView4<f32>, work: &mut Work<T>) {
        let mut x = work.value_buffer(0, images.len());
        let channels = self.scale.len();
        // Interleaved, as the executor takes images.
        let pixels = images.view().permuted_axes([0, 2, 3, 1]);
        for (i, (t, &p)) in x.iter_mut().zip(&pixels).enumerate() {
            let c = i % channels;
            *t = T::of(f64::from(p * self.scale[c] + self.shift[c]));
        }
        work.values[0] = x;
    }

    /// Turns gradients with respect to the network input into gradients with respect to unit pixels.
    fn unload(&self, plane: usize, input: &[f32], gradient: &mut [f32]) {
        let channels = self.scale.len();
        for (k, to) in gradient.chunks_exact_mut(plane).enumerate() {
            let (image, c) = (k / channels, k % channels);
            let from = &input[image * plane * channels + c..];
            for (t, &g) in to.iter_mut().zip(from.iter().step_by(channels)) {
                *t = g * self.scale[c];
            }
        }
    }
}

impl Model {
    /// A model over a graph that gives one number per class. A closing softmax (or log-softmax) is recognised, and
    /// logits are taken before it. Without class names they are "class 0", "class 1", ….
    ///
    /// # Errors
    /// Input or output of another shape, class names that do not fit.
    pub fn from_graph(graph: Graph, input: InputSpec, classes: Vec<Untrusted>) -> Result<Self, NetworkError> {
        if graph.input_shape != input.shape {
            return Err(NetworkError::InputShape {
                got: input.shape.to_vec(),
                want: graph.input_shape.clone(),
            });
        }
        let (logits, closing_softmax) = logits_of(&graph);
        let &[count] = graph.shape(logits) else {
            return Err(NetworkError::malformed(
                format!("output '{}'", graph.name(logits)),
                format!(
                    "has shape {:?} per image, a classifier gives one number per class",
                    graph.shape(logits)
                ),
            ));
        };
        let classes = if classes.is_empty() {
            (0..count).map(|k| Untrusted::new(format!("class {k}"))).collect()
        } else {
            classes
        };
        if classes.len() != count {
            return Err(NetworkError::malformed(
                "labels",
                format!("{} class names for {count} outputs", classes.len()),
            ));
        }
        // A part of a network that was folded already (`tail.rs`) is as it should be.
        let folded = graph.nodes.iter().any(|n| n.clamp.is_some() || n.residual.is_some());
        let fast = if folded { graph.clone() } else { fold(&graph, logits)? };
        Ok(Self {
            pixels: Pixels::new(&input)?,
            chunk: run::chunk(&fast),
            packs: packs(&graph),
            fast_packs: packs(&fast),
            fast,
            penultimate: penultimate_of(&graph, logits),
            input,
            classes,
            facts: Vec::new(),
            graph,
            logits,
            closing_softmax,
            forward_pool: Pool::default(),
            full_pool: Pool::default(),
            gradient_pool: Pool::default(),
        })
    }

    /// Number of classes K.
    pub fn class_count(&self) -> usize {
        self.classes.len()
    }

    /// The network as it was loaded.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The value of [`Self::graph`] that logits are taken from.
    pub fn logits_value(&self) -> ValueId {
        self.logits
    }

    /// Whether the network ends in a softmax or log-softmax (which [`Self::logits`] leaves out).
    pub fn closing_softmax(&self) -> bool {
        self.closing_softmax
    }

    /// Layers in execution order.
    pub fn layers(&self) -> Vec<Layer> {
        let layer = |(i, node): (usize, &super::graph::Node)| Layer {
            name: self.graph.name(i + 1).to_owned(),
            operator: node.op.name(),
            shape: node.shape.clone(),
        };
        self.graph.nodes.iter().enumerate().map(layer).collect()
    }

    /// Logits N×K (before a closing softmax, where there is one) of unit pixels N×C×H×W. Any number of images:
    /// memory in use does not grow with it.
    ///
    /// # Errors
    /// Input of another shape.
    pub fn logits(&self, unit: ArrayView4<f32>) -> Result<Array2<f32>, NetworkError> {
        self.check(&unit)?;
        let mut all =
            self.forward(&self.fast, &self.fast_packs, &self.forward_pool, &unit, &[self.fast.output]);
        Ok(all.swap_remove(0))
    }

    /// What the network itself puts out, N×K: probabilities where it ends in a softmax, else the logits.
    ///
    /// # Errors
    /// Input of another shape.
    pub fn outputs(&self, unit: ArrayView4<f32>) -> Result<Array2<f32>, NetworkError> {
        if !self.closing_softmax {
            return self.logits(unit);
        }
        self.check(&unit)?;
        let mut all = self.forward(&self.graph, &self.packs, &self.full_pool, &unit, &[self.graph.output]);
        Ok(all.swap_remove(0))
    }

    /// Output of a named layer, flattened per sample: N×D, together with the logits. Names are those of
    /// [`Self::layers`]; names of values in the file work too.
    ///
    /// # Errors
    /// No such layer; input of another shape.
    pub fn activations(
        &self,
        unit: ArrayView4<f32>,
        layer: &str,
    ) -> Result<(Array2<f32>, Array2<f32>), NetworkError> {
        self.check(&unit)?;
        // A layer that was merged into another is only there in the network as loaded.
        let mut all = if let Some(value) = self.fast.find(layer) {
            let wanted = [value, self.fast.output];
            self.forward(&self.fast, &self.fast_packs, &self.forward_pool, &unit, &wanted)
        } else {
            let wanted = [self.layer(layer)?, self.logits];
            self.forward(&self.graph, &self.packs, &self.full_pool, &unit, &wanted)
        };
        let logits = all.swap_remove(1);
        Ok((all.swap_remove(0), logits))
    }

    /// Outputs of several layers, flattened per sample, and the logits, in one pass; see [`Self::activations`].
    ///
    /// # Errors
    /// No such layer; input of another shape.
    pub fn activations_of(
        &self,
        unit: ArrayView4<f32>,
        layers: &[&str],
    ) -> Result<(Vec<Array2<f32>>, Array2<f32>), NetworkError> {
        self.check(&unit)?;
        let merged: Option<Vec<ValueId>> = layers.iter().map(|name| self.fast.find(name)).collect();
        let (graph, packs, pool, mut wanted, logits) = if let Some(values) = merged {
            (&self.fast, &self.fast_packs, &self.forward_pool, values, self.fast.output)
        } else {
            let values = layers.iter().map(|name| self.layer(name)).collect::<Result<_, _>>()?;
            (&self.graph, &self.packs, &self.full_pool, values, self.logits)
        };
        wanted.push(logits);
        let mut all = self.forward(graph, packs, pool, &unit, &wanted);
        let logits = all.swap_remove(layers.len());
        Ok((all, logits))
    }

    /// Name of the layer whose output enters the last linear layer.
    pub fn penultimate(&self) -> &str {
        self.graph.name(self.penultimate)
    }

    /// Logits, and the gradient in unit pixels of a loss given by its gradient in the logits (N×K). Takes the batch
    /// as a whole: every value of every image is kept until the gradient is done.
    ///
    /// # Errors
    /// Input of another shape; a loss whose gradient is not N×K.
    pub fn input_gradient(
        &self,
        unit: ArrayView4<f32>,
        loss: &mut dyn FnMut(ArrayView2<f32>) -> Array2<f32>,
    ) -> Result<(Array2<f32>, Array4<f32>), NetworkError> {
        self.check(&unit)?;
        let graph = &self.fast;
        let params: Vec<&[f32]> = graph.params.iter().map(Param::data).collect();
        let weights = Weights { params: &params, packs: &self.fast_packs };
        let (n, k, output) = (unit.shape()[0], self.class_count(), graph.output);
        let mut works: Vec<Work<f32>> = chunks(n, self.chunk)
            .into_par_iter()
            .map(|(start, end)| {
                let mut work = self.gradient_pool.take(graph, end - start);
                self.pixels.load(&unit.slice_axis(Axis(0), Slice::from(start..end)), &mut work);
                run::forward(graph, weights, 0..graph.nodes.len(), Keep::All, &mut work);
                work
            })
            .collect();
        let mut logits = Vec::with_capacity(n * k);
        for work in &works {
            logits.extend_from_slice(&work.planar(graph, output));
        }
        let logits = shaped2(n, k, logits);
        let seed = loss(logits.view());
        if seed.shape() != [n, k] {
            return Err(NetworkError::malformed(
                "loss",
                format!("its gradient has shape {:?}, the logits {:?}", seed.shape(), [n, k]),
            ));
        }
        let mut gradient = Array4::<f32>::zeros(unit.raw_dim());
        let size = graph.size(0);
        let plane = unit.shape()[2] * unit.shape()[3];
        if let Some(flat) = gradient.as_slice_mut() {
            works.par_iter_mut().zip(flat.par_chunks_mut(self.chunk * size)).enumerate().for_each(
                |(c, (work, to))| {
                    let rows = seed.slice_axis(Axis(0), Slice::from(c * self.chunk..c * self.chunk + work.n));
                    work.seed(graph, output, rows.iter().copied());
                    run::backward(graph, weights, 0..graph.nodes.len(), true, None, work);
                    if !work.grads[0].is_empty() {
                        self.pixels.unload(plane, &work.grads[0], to);
                    }
                },
            );
        }
        // In reverse, so that the next call finds them in the same order.
        for work in works.into_iter().rev() {
            self.gradient_pool.give(work);
        }
        Ok((logits, gradient))
    }

    fn check(&self, unit: &ArrayView4<f32>) -> Result<(), NetworkError> {
        if unit.shape()[1..] == self.input.shape {
            Ok(())
        } else {
            Err(NetworkError::InputShape { got: unit.shape()[1..].to_vec(), want: self.input.shape.to_vec() })
        }
    }

    fn layer(&self, name: &str) -> Result<ValueId, NetworkError> {
        self.graph.find(name).ok_or_else(|| {
            let names: Vec<&str> = self.graph.nodes.iter().map(|n| n.name.as_str()).take(40).collect();
            let more = if self.graph.nodes.len() > names.len() { ", …" } else { "" };
            NetworkError::NoLayer {
                asked: crate::evidence::text::visible(name),
                known: format!("{}{more}", names.join(", ")),
            }
        })
    }

    /// The wanted values over all images, N×D each.
    fn forward(
        &self,
        graph: &Graph,
        packs: &[Packs<f32>],
        pool: &Pool<f32>,
        unit: &ArrayView4<f32>,
        wanted: &[ValueId],
    ) -> Vec<Array2<f32>> {
        let params: Vec<&[f32]> = graph.params.iter().map(Param::data).collect();
        let weights = Weights { params: &params, packs };
        let roots: Vec<ValueId> = wanted.iter().map(|&v| graph.root[v]).collect();
        let last = wanted.iter().copied().max().unwrap_or(0);
        let pieces: Vec<Vec<Vec<f32>>> = chunks(unit.shape()[0], self.chunk)
            .into_par_iter()
            .map(|(start, end)| {
                let mut work = pool.take(graph, end - start);
                self.pixels.load(&unit.slice_axis(Axis(0), Slice::from(start..end)), &mut work);
                run::forward(graph, weights, 0..last, Keep::Only(&roots), &mut work);
                let found = wanted.iter().map(|&v| work.planar(graph, v).into_owned()).collect();
                pool.give(work);
                found
            })
            .collect();
        let join = |(k, &v): (usize, &ValueId)| {
            let size = graph.size(v);
            let mut all = Vec::with_capacity(unit.shape()[0] * size);
            for piece in &pieces {
                all.extend_from_slice(&piece[k]);
            }
            shaped2(unit.shape()[0], size, all)
        };
        wanted.iter().enumerate().map(join).collect()
    }
}

/// Start and end of each chunk of `n` images.
fn chunks(n: usize, chunk: usize) -> Vec<(usize, usize)> {
    (0..n).step_by(chunk).map(|start| (start, (start + chunk).min(n))).collect()
}

fn shaped2(rows: usize, cols: usize, data: Vec<f32>) -> Array2<f32> {
    Array2::from_shape_vec((rows, cols), data).unwrap_or_else(|_| Array2::zeros((rows, cols)))
}

/// The value logits are taken from, and whether a softmax follows it.
pub(crate) fn logits_of(graph: &Graph) -> (ValueId, bool) {
    let mut value = graph.output;
    while let Some(node) = graph.maker(value) {
        match &node.op {
            Op::View(_) if graph.shape(node.inputs[0]) == node.shape => value = node.inputs[0],
            Op::Softmax(s) if node.shape.len() == 1 && s.axis == 0 => return (node.inputs[0], true),
            _ => break,
        }
    }
    (graph.output, false)
}

/// What enters the last linear layer on the way to the logits; failing that the last convolution, failing that the
/// node of the logits itself.
fn penultimate_of(graph: &Graph, logits: ValueId) -> ValueId {
    let before = |wanted: fn(&Op) -> bool| {
        graph.nodes[..logits].iter().rev().find(|n| wanted(&n.op)).map(|n| n.inputs[0])
    };
    before(|op| matches!(op, Op::Linear(_)))
        .or_else(|| before(|op| matches!(op, Op::Conv2d(_))))
        .or_else(|| graph.maker(logits).map(|n| n.inputs[0]))
        .unwrap_or(logits)
}

#[cfg(test)]
mod tests;
