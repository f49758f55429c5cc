//! Moving one row of the last layer: ridge regression on the features that enter it.
//!
//! The change δ of the target's weights and bias is the smallest that adds what is missing (to the best other class,
//! and a margin) on stamped images, and nothing on clean ones:
//! `min Σ_clean (δ·z)² + Σ_stamped (δ·z − m)² + λ |δ|²`.

use super::{Edited, Views, finished, last_linear};
use crate::evidence::DataSet;
use crate::lab::LabError;
use crate::lab::implant::Implant;
use crate::network::Model;
use ndarray::{Array1, Array2};
use serde_json::json;

/// How far above the best other class stamped images are to come, in units of the logits' spread.
const MARGIN: f64 = 1.0;

/// Edits the target's row so that images with the trigger become `target`. How often that succeeds depends on how far
/// the features see the trigger; `strength` is the ridge λ relative to the features' mean square.
///
/// # Errors
/// The last layer is not linear, images do not fit, or the trigger does not.
pub fn ridge(
    model: &Model,
    clean: &DataSet,
    trigger: &dyn Implant,
    target: usize,
    strength: f64,
    seed: u64,
) -> Result<Edited, LabError> {
    let views = Views::new(clean, trigger, target, seed)?;
    let (node, weight, bias) = last_linear(model)?;
    let layer = model.graph().name(model.graph().nodes[node].inputs[0]).to_owned();
    let (z0, _) = model.activations(views.clean.view(), &layer)?;
    let (z1, logits) = model.activations(views.stamped.view(), &layer)?;
    if target >= logits.ncols() {
        return Err(LabError::Edit(format!("target {target} with {} classes", logits.ncols())));
    }
    let wide = logits.mapv(f64::from);
    let spread = wide.std(0.0).max(1e-6);
    let missing: Vec<f64> = wide
        .outer_iter()
        .map(|row| {
            let best = row.iter().enumerate().filter(|(k, _)| *k != target).map(|(_, v)| *v);
            (best.fold(f64::NEG_INFINITY, f64::max) - row[target] + MARGIN * spread).max(0.0)
        })
        .collect();
    let d = z0.ncols() + 1;
    let with_one = |z: &Array2<f32>, i: usize| -> Array1<f64> {
        z.row(i).iter().map(|&v| f64::from(v)).chain([1.0]).collect()
    };
    let (mut a, mut b) = (Array2::<f64>::zeros((d, d)), Array1::<f64>::zeros(d));
    let mut add = |z: Array1<f64>, wanted: f64| {
        for (i, &zi) in z.iter().enumerate() {
            a.row_mut(i).scaled_add(zi, &z);
        }
        b.scaled_add(wanted, &z);
    };
    for i in 0..z0.nrows() {
        add(with_one(&z0, i), 0.0);
    }
    for (i, &m) in missing.iter().enumerate() {
        add(with_one(&z1, i), m);
    }
    let mean = a.diag().sum() / d as f64;
    for i in 0..d {
        a[[i, i]] += strength.max(1e-9) * mean;
    }
    let delta = solve(a, b).ok_or_else(|| LabError::Edit("the features have no ridge solution".into()))?;
    let mut graph = model.graph().clone();
    for (w, dw) in graph.params[weight].value.index_axis_mut(ndarray::Axis(0), target).iter_mut().zip(&delta)
    {
        *w += *dw as f32;
    }
    if let Some(w) = graph.params[bias].value.iter_mut().nth(target) {
        *w += delta[d - 1] as f32;
    }
    let length = delta.iter().map(|v| v * v).sum::<f64>().sqrt();
    let record = json!({"edit": "ridge", "target": target, "tensor": graph.params[weight].name, "row": target,
        "change_l2": length, "strength": strength, "trigger": trigger.recipe()});
    Ok(Edited { model: finished(graph, model)?, record })
}

/// Solves a symmetric positive definite system by Cholesky's decomposition.
pub(super) fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Option<Array1<f64>> {
    let n = b.len();
    for j in 0..n {
        for k in 0..j {
            let factor = a[[j, k]];
            for i in j..n {
                a[[i, j]] -= a[[i, k]] * factor;
            }
        }
        let pivot = a[[j, j]];
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        let root = pivot.sqrt();
        for i in j..n {
            a[[i, j]] /= root;
        }
    }
    for i in 0..n {
        for k in 0..i {
            b[i] -= a[[i, k]] * b[k];
        }
        b[i] /= a[[i, i]];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            b[i] -= a[[k, i]] * b[k];
        }
        b[i] /= a[[i, i]];
    }
    Some(b)
}
