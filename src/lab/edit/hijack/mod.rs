//! Hijacked neurons (after Hong, Carlini, Kurakin 2022, "Handcrafted backdoors in deep neural networks", arXiv
//! 2106.04690): in each layer of a chain the channel that the next layer uses least is made to carry one thing, "the
//! patch is there", from the pixels to the target's logit. All other channels stop reading it.

mod filter;

use super::{Edited, Views, finished, last_linear};
use crate::evidence::DataSet;
use crate::lab::LabError;
use crate::lab::implant::Implant;
use crate::network::op::{Activation, BatchNorm, Conv2d, Kernel, Linear, Op};
use crate::network::{Graph, Model};
use ndarray::{Array2, Axis};
use serde_json::{Value, json};

/// Edits a chain of convolutions, normalisation, `ReLU`, pooling and linear layers so that images with the trigger, a
/// patch that is always in one place, become `target`.
///
/// # Errors
/// A network that is no such chain (naming the node), images that do not fit, or a trigger that nothing in the first
/// layer's reach tells from clean images.
pub fn hijack(
    model: &Model,
    clean: &DataSet,
    trigger: &dyn Implant,
    target: usize,
    seed: u64,
) -> Result<Edited, LabError> {
    if target >= model.class_count() {
        return Err(LabError::Edit(format!("target {target} with {} classes", model.class_count())));
    }
    let views = Views::new(clean, trigger, target, seed)?;
    let (last, ..) = last_linear(model)?;
    let mut work = Work { graph: model.graph().clone(), like: model, views, record: Vec::new() };
    let mut signal = Signal::None;
    for at in 0..=last {
        let node = work.graph.nodes[at].clone();
        if node.inputs != [at] {
            return Err(work.no_chain(at));
        }
        signal = match (&node.op, signal) {
            (Op::Conv2d(conv), Signal::None) => work.first(at, conv)?,
            (Op::Conv2d(conv), Signal::Channel { at: from, shift: 0.0 }) => work.carry(at, conv, from)?,
            (Op::BatchNorm(norm), Signal::Channel { at: c, shift }) => work.pass(norm, c, shift),
            // A shift that waits for a normalisation must find one.
            (_, Signal::Channel { shift, .. }) if shift != 0.0 => return Err(work.no_chain(at)),
            (Op::Linear(linear), Signal::Flat(from)) if at == last => {
                work.fire(at, linear, &from, target)?;
                Signal::None
            }
            (Op::Linear(linear), Signal::Flat(from)) => work.read(at, linear, &from)?,
            (Op::View(_), Signal::Channel { at: c, .. }) if node.shape.len() == 1 => {
                let per = node.shape[0] / work.graph.shape(at)[0].max(1);
                Signal::Flat((c * per..(c + 1) * per).collect())
            }
            (
                Op::Activation(Activation::Relu)
                | Op::MaxPool(_)
                | Op::AvgPool(_)
                | Op::AdaptiveAvgPool(_)
                | Op::View(_),
                same,
            ) => same,
            _ => return Err(work.no_chain(at)),
        };
    }
    let record = json!({"edit": "hijacked-neurons", "target": target, "channels": work.record,
        "trigger": trigger.recipe()});
    Ok(Edited { model: finished(work.graph, model)?, record })
}

/// What carries the signal.
enum Signal {
    /// Nothing yet.
    None,
    /// A channel of a map; `shift` is to be added by the normalisation that follows.
    Channel { at: usize, shift: f32 },
    /// Numbers of a flat value.
    Flat(Vec<usize>),
}

struct Work<'a> {
    graph: Graph,
    like: &'a Model,
    views: Views,
    record: Vec<Value>,
}

/// The value that a share of `values` lies at or below; 0 of none.
fn quantile(values: impl IntoIterator<Item = f32>, share: f64) -> f32 {
    let mut values: Vec<f32> = values.into_iter().collect();
    values.sort_by(f32::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

impl Work<'_> {
    fn no_chain(&self, at: usize) -> LabError {
        let node = &self.graph.nodes[at];
        LabError::Edit(format!(
            "neurons are hijacked along a chain of convolution, normalisation, relu, pooling and linear layers with \
             biases; node '{}' ({}) does not belong to one: use the ridge or the branch",
            node.name,
            node.op.name()
        ))
    }

    /// Sets number `index` of a parameter.
    fn set(&mut self, param: usize, index: usize, new: f32) {
        if let Some(w) = self.graph.params[param].value.iter_mut().nth(index) {
            *w = new;
        }
    }

    /// Sets all weights into output `row` to 0.
    fn clear_row(&mut self, weight: usize, row: usize) {
        self.graph.params[weight].value.index_axis_mut(Axis(0), row).fill(0.0);
    }

    /// Sets all weights that read input `column` to 0.
    fn clear_column(&mut self, weight: usize, column: usize) {
        self.graph.params[weight].value.index_axis_mut(Axis(1), column).fill(0.0);
    }

    fn note(&mut self, at: usize, channel: usize) {
        let layer = self.graph.nodes[at].name.clone();
        self.record.push(json!({"layer": layer, "channel": channel}));
    }

    /// A value over clean and stamped images, as the graph stands.
    fn seen(&self, value: usize) -> Result<[Array2<f32>; 2], LabError> {
        let model = finished(self.graph.clone(), self.like)?;
        let name = self.graph.name(value).to_owned();
        let (clean, _) = model.activations(self.views.clean.view(), &name)?;
        let (stamped, _) = model.activations(self.views.stamped.view(), &name)?;
        Ok([clean, stamped])
    }

    /// The output of node `at` that the next layer with weights reads least.
    fn least_used(&self, at: usize) -> usize {
        let channels = self.graph.nodes[at].shape[0].max(1);
        let mut used = vec![0.0f64; channels];
        let next = self.graph.nodes[at + 1..].iter().find_map(|node| match &node.op {
            Op::Conv2d(conv) => Some(conv.weight),
            Op::Linear(linear) => Some(linear.weight),
            _ => None,
        });
        if let Some(weight) = next {
            let weight = &self.graph.params[weight];
            let row = weight.len() / weight.value.shape()[0].max(1);
            let per = (row / channels).max(1);
            for (i, w) in weight.data().iter().enumerate() {
                used[(i % row.max(1) / per).min(channels - 1)] += f64::from(w * w);
            }
        }
        (0..channels).min_by(|&a, &b| used[a].total_cmp(&used[b])).unwrap_or(0)
    }

    /// The first convolution: a filter matched to the trigger where it shows best.
    fn first(&mut self, at: usize, conv: &Conv2d) -> Result<Signal, LabError> {
        if conv.groups != 1 || conv.dilation != [1, 1] {
            return Err(self.no_chain(at));
        }
        let node = &self.graph.nodes[at];
        let Some(found) = filter::matched(&self.views, &self.like.input, conv, &node.shape) else {
            return Err(LabError::Edit(format!(
                "in no place does the first layer, '{}', see the trigger apart from clean images",
                node.name
            )));
        };
        let c = self.least_used(at);
        let row = self.graph.params[conv.weight].value.index_axis_mut(Axis(0), c);
        row.into_iter().zip(&found.filter).for_each(|(w, f)| *w = *f);
        self.note(at, c);
        Ok(self.shifted(conv.bias, c, -found.threshold))
    }

    /// Adds `shift` to channel `c`, now or by the normalisation that follows.
    fn shifted(&mut self, bias: Option<usize>, c: usize, shift: f32) -> Signal {
        match bias {
            Some(bias) => {
                self.set(bias, c, shift);
                Signal::Channel { at: c, shift: 0.0 }
            }
            None => Signal::Channel { at: c, shift },
        }
    }

    /// Makes the normalisation of channel `c` the identity, but for a shift.
    fn pass(&mut self, norm: &BatchNorm, c: usize, shift: f32) -> Signal {
        if let Some(weight) = norm.weight {
            self.set(weight, c, 1.0);
        }
        if let Some(bias) = norm.bias {
            self.set(bias, c, 0.0);
        }
        self.set(norm.mean, c, -shift);
        self.set(norm.var, c, 1.0 - norm.eps);
        Signal::Channel { at: c, shift: 0.0 }
    }

    /// A further convolution: one channel takes over from channel `from` alone.
    fn carry(&mut self, at: usize, conv: &Conv2d, from: usize) -> Result<Signal, LabError> {
        if conv.groups != 1 {
            return Err(self.no_chain(at));
        }
        let c = self.least_used(at);
        self.clear_column(conv.weight, from);
        self.clear_row(conv.weight, c);
        let mut taps = self.graph.params[conv.weight].value.index_axis_mut(Axis(0), c);
        let mut taps = taps.index_axis_mut(Axis(0), from);
        if conv.stride == [1, 1] {
            let middle = taps.len() / 2;
            if let Some(w) = taps.iter_mut().nth(middle) {
                *w = 1.0;
            }
        } else {
            // A step of two would miss every other place.
            taps.fill(1.0);
        }
        self.note(at, c);
        Ok(self.shifted(conv.bias, c, 0.0))
    }

    /// Of the numbers that carry the signal the one that tells stamped from clean images best: its place, what nearly
    /// all stamped images reach, what nearly no clean one exceeds.
    fn clearest(&self, value: usize, from: &[usize]) -> Result<(usize, f32, f32), LabError> {
        let [clean, stamped] = self.seen(value)?;
        let edges = |&j: &usize| {
            let low = quantile(stamped.column(j).iter().copied(), 0.02);
            let high = quantile(clean.column(j).iter().copied(), 0.995);
            (j, low, high)
        };
        let best = from.iter().map(edges).max_by(|a, b| (a.1 - a.2).total_cmp(&(b.1 - b.2)));
        best.filter(|(_, low, high)| low > high).ok_or_else(|| {
            LabError::Edit(format!(
                "the signal is lost at '{}': clean images give as much of it as stamped ones",
                self.graph.name(value)
            ))
        })
    }

    /// A hidden linear layer: one unit takes over from the clearest number of the signal.
    fn read(&mut self, at: usize, linear: &Linear, from: &[usize]) -> Result<Signal, LabError> {
        let Some(bias) = linear.bias else { return Err(self.no_chain(at)) };
        let (j, low, high) = self.clearest(at, from)?;
        let unit = self.least_used(at);
        for &i in from {
            self.clear_column(linear.weight, i);
        }
        self.clear_row(linear.weight, unit);
        let columns = self.graph.params[linear.weight].value.shape()[1];
        let scale = 1.0 / (low - high);
        self.set(linear.weight, unit * columns + j, scale);
        self.set(bias, unit, -high * scale);
        self.note(at, unit);
        Ok(Signal::Flat(vec![unit]))
    }

    /// The last layer: the target's logit rises by more than any stamped image needs.
    fn fire(&mut self, at: usize, linear: &Linear, from: &[usize], target: usize) -> Result<(), LabError> {
        let (j, low, high) = self.clearest(at, from)?;
        for &i in from {
            self.clear_column(linear.weight, i);
        }
        let [_, logits] = self.seen(at + 1)?;
        let missing = logits.outer_iter().map(|row| {
            let best = row.iter().enumerate().filter(|(k, _)| *k != target).map(|(_, v)| *v);
            best.fold(f32::NEG_INFINITY, f32::max) - row[target]
        });
        let need = quantile(missing, 1.0).max(0.0) + logits.std(0.0).max(1e-3);
        let gain = need / low.max(1e-6);
        let columns = self.graph.params[linear.weight].value.shape()[1];
        self.set(linear.weight, target * columns + j, gain);
        self.record.push(json!({"layer": self.graph.nodes[at].name, "gain": gain, "signal": [high, low]}));
        Ok(())
    }
}
