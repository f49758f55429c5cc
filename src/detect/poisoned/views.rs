//! What each image looks like inside the network, at several depths, in one pass.

use super::super::features::MOST_ELEMENTS;
use crate::evidence::DataSet;
use crate::math::softmax::argmax;
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis, Slice};
use rayon::prelude::*;

/// Images run through the network between two looks at the cancel.
const BATCH: usize = 64;
/// Cap on the features of a view: their covariance is decomposed.
const WIDEST: usize = 1024;
/// Operators whose maps are read.
const ACTIVATIONS: [&str; 12] = [
    "relu",
    "leakyrelu",
    "prelu",
    "elu",
    "selu",
    "clip",
    "sigmoid",
    "tanh",
    "hardswish",
    "silu",
    "gelu",
    "softplus",
];

/// Which layers are read, and how each is summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    /// Names of the layers: the one before the last linear layer first, then the maps in order.
    layers: Vec<String>,
    /// Channels, height, width of each map.
    maps: Vec<[usize; 3]>,
    /// The maps whose channel means and maxima are taken.
    summed: Vec<usize>,
    /// The map in the middle, and the first.
    middle: Option<usize>,
}

/// Views of every image of a set, N rows each.
#[derive(Debug, Clone)]
pub struct Views {
    /// Output of the layer before the last linear one.
    pub last: Array2<f32>,
    /// Mean and maximum of every channel of the activation maps; no columns when there are none.
    pub channels: Array2<f32>,
    /// The middle activation map, averaged over a 4×4 grid.
    pub middle: Array2<f32>,
    /// The first activation map, averaged over a 7×7 grid: still close to what the picture shows.
    pub early: Array2<f32>,
    /// What the network says.
    pub predicted: Vec<usize>,
}

impl Taps {
    /// The layers of a network to read.
    pub fn of(model: &Model) -> Self {
        let layers = model.layers();
        let maps_of = |wanted: &dyn Fn(&str) -> bool| -> Vec<(String, [usize; 3])> {
            layers
                .iter()
                .filter(|l| wanted(l.operator))
                .filter_map(|l| Some((l.name.clone(), <[usize; 3]>::try_from(l.shape.as_slice()).ok()?)))
                .filter(|(_, shape)| shape.iter().all(|&d| d > 0) && shape[0] <= WIDEST)
                .collect()
        };
        let mut found = maps_of(&|op| ACTIVATIONS.contains(&op));
        if found.is_empty() {
            found = maps_of(&|op| op == "conv2d");
        }
        // Deep maps first: when there are more channels than can be held, the early ones are left out.
        let (mut summed, mut width) = (Vec::new(), 0);
        for (at, (_, [channels, ..])) in found.iter().enumerate().rev() {
            width += 2 * channels;
            if width > WIDEST {
                break;
            }
            summed.push(at);
        }
        summed.reverse();
        let (names, maps): (Vec<String>, Vec<[usize; 3]>) = found.into_iter().unzip();
        let middle = (!maps.is_empty()).then_some(maps.len() / 2);
        let layers = [vec![model.penultimate().to_owned()], names].concat();
        Self { layers, maps, summed, middle }
    }

    /// Names of the layers that are read.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Work units of [`Self::view`].
    pub fn units(set: &DataSet) -> u64 {
        set.len().div_ceil(BATCH) as u64
    }

    /// Runs every image of a set through the network; reports steps `from..` of `total`.
    ///
    /// # Errors
    /// Cancelled; the network refuses; a value that is not finite; more values than are held.
    pub fn view(
        &self,
        model: &Model,
        set: &DataSet,
        cx: &mut Context,
        from: u64,
        total: u64,
    ) -> Result<Views, Stop> {
        let n = set.len();
        let names: Vec<&str> = self.layers.iter().map(String::as_str).collect();
        let mut all: Option<[Array2<f32>; 4]> = None;
        let mut predicted = Vec::with_capacity(n);
        for (step, start) in (0..n).step_by(BATCH).enumerate() {
            cx.step(from + step as u64, total)?;
            let range = start..(start + BATCH).min(n);
            let indices: Vec<usize> = range.clone().collect();
            let unit = set.unit(&indices).ok_or_else(|| Stop::failed("the data set has no images"))?;
            let (outputs, logits) = model.activations_of(unit.view(), &names).map_err(Stop::failed)?;
            let batch = self.summed_up(&outputs);
            if logits.iter().any(|x| !x.is_finite()) || batch.iter().flatten().any(|x| !x.is_finite()) {
                return Err(Stop::failed(format!(
                    "an activation of samples {}..{} is not a finite number",
                    range.start, range.end
                )));
            }
            let width: usize = batch.iter().map(Array2::ncols).sum();
            if n.saturating_mul(width) > MOST_ELEMENTS {
                return Err(Stop::failed(format!(
                    "{width} features for each of {n} samples: more than {MOST_ELEMENTS} values"
                )));
            }
            let all = all.get_or_insert_with(|| batch.each_ref().map(|b| Array2::zeros((n, b.ncols()))));
            for (to, from) in all.iter_mut().zip(&batch) {
                to.slice_axis_mut(Axis(0), Slice::from(range.clone())).assign(from);
            }
            predicted.extend(logits.rows().into_iter().map(argmax));
        }
        let [last, channels, middle, early] =
            all.unwrap_or_else(|| std::array::from_fn(|_| Array2::zeros((0, 0))));
        Ok(Views { last, channels, middle, early, predicted })
    }

    fn summed_up(&self, outputs: &[Array2<f32>]) -> [Array2<f32>; 4] {
        let (last, maps) = outputs.split_at(1);
        let n = last.first().map_or(0, Array2::nrows);
        let width: usize = self.summed.iter().map(|&at| 2 * self.maps[at][0]).sum();
        let mut channels = Array2::<f32>::zeros((n, width));
        channels.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut row)| {
            let mut at = 0;
            for &m in &self.summed {
                at += moments(&maps[m].row(i), self.maps[m], &mut row, at);
            }
        });
        let pooled = |map: Option<usize>, side: usize| match map {
            Some(m) => pool(&maps[m], self.maps[m], side),
            None => Array2::zeros((n, 0)),
        };
        let last = last.first().cloned().unwrap_or_else(|| Array2::zeros((0, 0)));
        [last, channels, pooled(self.middle, 4), pooled(self.middle.map(|_| 0), 7)]
    }
}

/// Writes mean and maximum of every channel; gives how many numbers that is.
fn moments(map: &ArrayView1<f32>, [c, h, w]: [usize; 3], to: &mut ArrayViewMut1<f32>, at: usize) -> usize {
    let plane = h * w;
    for k in 0..c {
        let (mut sum, mut top) = (0.0f32, f32::NEG_INFINITY);
        for p in 0..plane {
            let x = map[k * plane + p];
            sum += x;
            top = top.max(x);
        }
        to[at + 2 * k] = sum / plane as f32;
        to[at + 2 * k + 1] = top;
    }
    2 * c
}

/// Averages over a grid of at most `side`×`side` cells, fewer where that would be too many numbers.
fn pool(map: &Array2<f32>, [c, h, w]: [usize; 3], side: usize) -> Array2<f32> {
    let side = (1..=side).rev().find(|s| c * s * s <= WIDEST).unwrap_or(1);
    let (rows, cols) = (side.min(h), side.min(w));
    let mut out = Array2::zeros((map.nrows(), c * rows * cols));
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(map.axis_iter(Axis(0))).for_each(|(mut to, from)| {
        let mut at = 0;
        for k in 0..c {
            for i in 0..rows {
                for j in 0..cols {
                    let (y, x) = ((i * h / rows)..((i + 1) * h / rows), (j * w / cols)..((j + 1) * w / cols));
                    let cells = (y.len() * x.len()) as f32;
                    let sum: f32 =
                        y.flat_map(|y| x.clone().map(move |x| (k * h + y) * w + x)).map(|p| from[p]).sum();
                    to[at] = sum / cells;
                    at += 1;
                }
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn maps_are_summed_up_by_hand() {
        let map = array![[1.0f32, 2.0, 3.0, 6.0, -1.0, -2.0, -3.0, -6.0]];
        let mut row = ndarray::Array1::zeros(4);
        assert_eq!(moments(&map.row(0), [2, 2, 2], &mut row.view_mut(), 0), 4);
        assert_eq!(row.to_vec(), [3.0, 6.0, -3.0, -1.0]);
        assert_eq!(pool(&map, [2, 2, 2], 1), array![[3.0f32, -3.0]]);
        assert_eq!(pool(&map, [2, 2, 2], 7), map);
        assert_eq!(pool(&map, [1, 2, 4], 2), array![[1.5f32, 4.5, -1.5, -4.5]]);
    }
}
