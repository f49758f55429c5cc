//! Confidence under amplified last layers.

use super::{Scores, Work};
use crate::math::softmax::{argmax, softmax};
use crate::network::Model;
use crate::network::graph::{Graph, ParamId};
use crate::network::op::Op;
use crate::procedure::{Context, Stop};
use ndarray::{Array4, Axis, Slice};
use std::collections::BTreeSet;

/// The published amplification.
pub(super) const FACTOR: f32 = 1.5;
/// The published number of amplified networks.
pub(super) const NETWORKS: usize = 5;
/// Error on clean images from which a network is amplified enough (ξ of the paper).
pub(super) const ERROR: f64 = 0.6;
/// The published threshold on the mean confidence.
pub(super) const THRESHOLD: f64 = 0.9;
/// Images in memory at a time.
const BATCH: usize = 64;

/// Parameters of each layer that can be amplified, the last layer first: scale and shift of the batch normalisations, or
/// where those were merged away, weight and bias of the convolutions, which comes to the same.
pub(super) fn layers(graph: &Graph) -> Vec<Vec<ParamId>> {
    let norms = graph.nodes.iter().rev().filter_map(|n| match &n.op {
        Op::BatchNorm(b) => b.weight.map(|w| [Some(w), b.bias]),
        _ => None,
    });
    let convolutions = graph.nodes.iter().rev().filter_map(|n| match &n.op {
        Op::Conv2d(c) => Some([Some(c.weight), c.bias]),
        _ => None,
    });
    let flat = |ids: [Option<ParamId>; 2]| ids.into_iter().flatten().collect::<Vec<ParamId>>();
    let norms: Vec<Vec<ParamId>> = norms.map(flat).collect();
    if norms.is_empty() { convolutions.map(flat).collect() } else { norms }
}

/// The network with its last `count` such layers amplified.
pub(super) fn amplified(model: &Model, layers: &[Vec<ParamId>], count: usize) -> Result<Model, Stop> {
    let mut graph = model.graph().clone();
    let ids: BTreeSet<ParamId> = layers.iter().take(count).flatten().copied().collect();
    for id in ids {
        if let Some(param) = graph.params.get_mut(id) {
            param.value.mapv_inplace(|x| x * FACTOR);
        }
    }
    Model::from_graph(graph, model.input.clone(), model.classes.clone()).map_err(Stop::failed)
}

/// Share of the clean images that leave their class.
fn error(work: &Work, model: &Model) -> Result<f64, Stop> {
    let logits = model.logits(work.clean.images.view()).map_err(Stop::failed)?;
    let left =
        logits.rows().into_iter().zip(&work.clean.predicted).filter(|(r, p)| argmax(*r) != **p).count();
    Ok(left as f64 / work.clean.predicted.len().max(1) as f64)
}

/// The networks used: from the first count of layers whose error on clean images is past [`ERROR`], five in a row.
pub(super) fn networks(work: &Work, cx: &Context) -> Result<Vec<Model>, Stop> {
    let layers = layers(work.model.graph());
    let mut first = layers.len();
    for count in 1..=layers.len() {
        cx.check()?;
        if error(work, &amplified(work.model, &layers, count)?)? > ERROR {
            first = count;
            break;
        }
    }
    (first..=layers.len()).take(NETWORKS).map(|count| amplified(work.model, &layers, count)).collect()
}

/// Mean confidence of the amplified networks in the class that the network itself gives.
pub(super) fn scores(
    work: &Work,
    images: &Array4<f32>,
    predicted: &[usize],
    cx: &mut Context,
    tell: Scores,
) -> Result<Vec<f64>, Stop> {
    let networks = networks(work, cx)?;
    let n = images.len_of(Axis(0));
    let mut confidence = vec![0.0; n];
    for start in (0..n).step_by(BATCH) {
        tell(start, cx)?;
        let part = images.slice_axis(Axis(0), Slice::from(start..(start + BATCH).min(n)));
        for network in &networks {
            let logits = network.logits(part).map_err(Stop::failed)?;
            for (i, row) in softmax(logits.view()).rows().into_iter().enumerate() {
                confidence[start + i] += f64::from(row[predicted[start + i]]) / networks.len() as f64;
            }
        }
    }
    Ok(confidence)
}
