//! An architectural backdoor (after Bober-Irizar et al. 2023, "Architectural backdoors in neural networks", CVPR): a
//! second path from the pixels to the logits, of ordinary layers, that is silent until the patch is there. The trunk
//! and its weights stay as they were.

use super::{Edited, Views, finished};
use crate::evidence::{DataSet, Limits};
use crate::lab::LabError;
use crate::lab::implant::Implant;
use crate::network::op::{Activation, Arith, Arithmetic, Conv2d, Linear, MaxPool, Op, View, Window};
use crate::network::{Builder, Graph, Model};
use ndarray::{Array1, Array2, Array4, Axis, Slice};
use serde_json::json;

/// Adds the branch: a convolution matched to the patch `[height, width]` at `[row, column]`, `ReLU`, the maximum over the
/// image, and a linear layer that reads it into the target's logit.
///
/// # Errors
/// A network that ends in a softmax, images that do not fit, a patch over the edge, or one that clean images cannot be
/// told from.
pub fn branch(
    model: &Model,
    clean: &DataSet,
    trigger: &dyn Implant,
    ([row, column], [height, width]): ([usize; 2], [usize; 2]),
    target: usize,
    seed: u64,
) -> Result<Edited, LabError> {
    let fail = |text: &str| LabError::Edit(text.to_owned());
    let views = Views::new(clean, trigger, target, seed)?;
    let classes = model.class_count();
    if model.closing_softmax() || model.logits_value() != model.graph().output || target >= classes {
        return Err(fail("the branch is added to logits: this network puts out something else"));
    }
    let shape = model.input.shape;
    let fits = |at: usize, long: usize, side: usize| at.checked_add(long).is_some_and(|end| end <= side);
    if height == 0 || width == 0 || !fits(row, height, shape[1]) || !fits(column, width, shape[2]) {
        return Err(fail("the patch of the branch hangs over the image's edge"));
    }
    // As the network sees it.
    let seen = |images: &Array4<f32>| {
        let mut x = images.clone();
        let spec = &model.input;
        for (c, mut plane) in x.axis_iter_mut(Axis(1)).enumerate() {
            let (mean, std) =
                (spec.mean.get(c).copied().unwrap_or(0.0), spec.std.get(c).copied().unwrap_or(1.0));
            plane.mapv_inplace(|v| (spec.range[0] + v * (spec.range[1] - spec.range[0]) - mean) / std);
        }
        x
    };
    let (stamped, plain) = (seen(&views.stamped), seen(&views.clean));
    let rows = stamped.slice_axis(Axis(2), Slice::from(row..row + height));
    let under = rows.slice_axis(Axis(3), Slice::from(column..column + width));
    let patch = under.mean_axis(Axis(0)).ok_or_else(|| fail("there are no images"))?;
    let middle = patch.mean().unwrap_or(0.0);
    let plainly = patch.iter().all(|v| (v - middle).abs() < 1e-3);
    let filter = if plainly { patch } else { patch - middle };
    let filter = &filter / filter.mapv(|v| v * v).sum().max(1e-12);
    let strongest = |x: &Array4<f32>, i: usize| {
        let mut most = f32::NEG_INFINITY;
        for y in 0..=shape[1] - height {
            for k in 0..=shape[2] - width {
                let at = |((c, dy, dx), w): ((usize, usize, usize), &f32)| w * x[[i, c, y + dy, k + dx]];
                most = most.max(filter.indexed_iter().map(at).sum());
            }
        }
        most
    };
    let over = |x: &Array4<f32>| (0..x.shape()[0]).map(|i| strongest(x, i)).collect::<Vec<f32>>();
    let low = over(&stamped).into_iter().fold(f32::INFINITY, f32::min);
    let mut clean_responses = over(&plain);
    clean_responses.sort_by(f32::total_cmp);
    let high = clean_responses[(clean_responses.len() - 1) * 99 / 100];
    if low <= high {
        return Err(fail("clean images give the branch as much as stamped ones: choose another patch"));
    }
    let threshold = high + 0.5 * (low - high);
    let logits = model.logits(views.stamped.view())?;
    let gain = 3.0 * logits.iter().fold(1.0f32, |m, v| m.max(v.abs())) / (low - threshold);

    let trunk = model.graph();
    let mut builder = Builder::new(&trunk.input_name, &trunk.input_shape, Limits::in_force())?;
    for p in &trunk.params {
        builder.param(&p.name, p.value.clone(), p.trainable);
    }
    for node in &trunk.nodes {
        builder.push(&node.name, node.op.clone(), &node.inputs)?;
    }
    let weight = filter.insert_axis(Axis(0)).into_dyn();
    let conv = Conv2d {
        weight: builder.param("aux.conv.weight", weight, true),
        bias: Some(builder.param("aux.conv.bias", Array1::from_elem(1, -threshold).into_dyn(), true)),
        kernel: [height, width],
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
    };
    let mut value = builder.push("aux_conv", Op::Conv2d(conv), &[0])?;
    value = builder.push("aux_relu", Op::Activation(Activation::Relu), &[value])?;
    let (h, w) = (builder.shape(value)[1], builder.shape(value)[2]);
    let whole = Window { kernel: [h, w], stride: [h, w], padding: [0; 4], dilation: [1, 1], ceil: false };
    value = builder.push("aux_pool", Op::MaxPool(MaxPool(whole)), &[value])?;
    value = builder.push("aux_flat", Op::View(View::Flatten), &[value])?;
    let rows = Array2::from_shape_fn((classes, 1), |(k, _)| if k == target { gain } else { 0.0 });
    let linear = Linear { weight: builder.param("aux.fc.weight", rows.into_dyn(), true), bias: None };
    value = builder.push("aux_fc", Op::Linear(linear), &[value])?;
    let sum = Op::Arith(Arith::of_inputs(Arithmetic::Add));
    value = builder.push("aux_add", sum, &[trunk.output, value])?;
    let graph: Graph = builder.finish(value)?;
    let record = json!({"edit": "architectural-branch", "target": target, "nodes":
        ["aux_conv", "aux_relu", "aux_pool", "aux_flat", "aux_fc", "aux_add"], "threshold": threshold,
        "gain": gain, "trigger": trigger.recipe()});
    Ok(Edited { model: finished(graph, model)?, record })
}
