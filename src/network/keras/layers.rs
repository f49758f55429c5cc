//! What each class of layer becomes.

use super::activation::{self, by_name, closing};
use super::graph::{Call, Given, Net, along};
use super::value::{Form, Live, places};
use super::{merge, planes, shapes};
use crate::evidence::EvidenceError;
use crate::network::op::{Arith, Arithmetic, BatchNorm, Conv2d, LayerNorm, Linear, Op, Operand, Transpose};
use ndarray::{Array1, ArrayD};

/// Layers that change nothing outside training.
const NOTHING: [&str; 16] = [
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "Identity",
    "InputLayer",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomContrast",
    "RandomBrightness",
    "RandomErasing",
];

/// The value of a call.
pub(super) fn lower(
    net: &mut Net,
    call: &Call,
    given: &[Given],
    live: &[Live],
) -> Result<Live, EvidenceError> {
    if call.layer.is_function() {
        return merge::function(net, call, given, live);
    }
    if live.len() != given.len() {
        return Err(net.unsupported(call, "of constants"));
    }
    if let Some(value) = merge::lower(net, call, live)? {
        return Ok(value);
    }
    let &[v] = live else {
        return Err(net.fail(call, format!("takes one input, has {}", live.len())));
    };
    if NOTHING.contains(&call.layer.class) {
        return Ok(v);
    }
    if let Some(layout) = call.set.text("data_format").filter(|l| *l != "channels_last") {
        let how = format!("with data_format '{}'", crate::evidence::text::visible(layout));
        return Err(net.unsupported(call, &how));
    }
    if let Some(value) = activation::layer_of(net, call, v)? {
        return Ok(value);
    }
    if let Some(value) = planes::lower(net, call, v)? {
        return Ok(value);
    }
    if let Some(value) = shapes::lower(net, call, v)? {
        return Ok(value);
    }
    match call.layer.class {
        "Dense" => dense(net, call, v),
        "BatchNormalization" => batch_norm(net, call, v),
        "LayerNormalization" => layer_norm(net, call, v),
        "Rescaling" => rescaling(net, call, v),
        "Normalization" => normalization(net, call, v),
        _ => Err(net.unsupported(call, "")),
    }
}

/// A matrix over the last axis.
fn dense(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let biased = call.set.flag("use_bias", true);
    let mut weights = net.weights(call, if biased { &["kernel", "bias"] } else { &["kernel"] })?;
    let kernel = weights.swap_remove(0);
    let shape = net.shape(v);
    let &[inputs, outputs] = kernel.shape() else {
        return Err(net.fail(call, format!("has a kernel of shape {:?}, a matrix is needed", kernel.shape())));
    };
    if shape.last() != Some(&inputs) {
        return Err(net.fail(call, format!("has a kernel for {inputs} numbers, gets {shape:?}")));
    }
    let bias = weights.pop().map(|b| net.param(call, "bias", b, true));
    let turned = kernel.reversed_axes();
    let id = if v.form == Form::Planes {
        // Over the channels of each pixel: a convolution of one pixel.
        let kernel = turned
            .as_standard_layout()
            .into_owned()
            .into_shape_with_order(vec![outputs, inputs, 1, 1])
            .map_err(|e| net.fail(call, e.to_string()))?;
        let weight = net.param(call, "kernel", kernel, true);
        let conv = Conv2d {
            weight,
            bias,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
            dilation: [1, 1],
            groups: 1,
        };
        net.push(&call.name, Op::Conv2d(conv), &[v.id])?
    } else {
        let kernel = match v.form {
            Form::Flat(planes) => {
                let columns: Vec<usize> = places(planes).collect();
                turned.select(ndarray::Axis(1), &columns)
            }
            _ => turned.as_standard_layout().into_owned(),
        };
        let weight = net.param(call, "kernel", kernel, true);
        net.push(&call.name, Op::Linear(Linear { weight, bias }), &[v.id])?
    };
    let value = if v.form == Form::Planes { v.with(id) } else { Live::plain(id) };
    closing(net, call, value)
}

/// Whether an axis, the batch counted, is the last.
fn last_axis(net: &Net, call: &Call, v: Live) -> Result<(), EvidenceError> {
    let axis = call.set.axis("axis", -1).map_err(|r| net.fail(call, r))?;
    if axis == -1 || axis == net.shape(v).len() as i64 {
        return Ok(());
    }
    Err(net.unsupported(call, &format!("along axis {axis}")))
}

fn batch_norm(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    last_axis(net, call, v)?;
    let (scale, center) = (call.set.flag("scale", true), call.set.flag("center", true));
    let eps = call.set.float("epsilon", 1e-3).map_err(|r| net.fail(call, r))?;
    let momentum = call.set.float("momentum", 0.99).map_err(|r| net.fail(call, r))?;
    let mut roles = Vec::new();
    roles.extend(scale.then_some("gamma"));
    roles.extend(center.then_some("beta"));
    roles.extend(["moving_mean", "moving_variance"]);
    let mut params = net.weights(call, &roles)?.into_iter();
    let mut next = || params.next().unwrap_or_default();
    let weight = scale.then(&mut next);
    let bias = center.then(&mut next);
    let (mean, var) = (next(), next());
    if v.form == Form::Plain && net.shape(v).len() > 1 {
        // Along the last axis of something else than an image: a factor and a term.
        let factor: Vec<f32> = var.iter().map(|&x| 1.0 / (x + eps).sqrt()).collect();
        let factor =
            ArrayD::from_shape_vec(var.shape(), factor).map_err(|e| net.fail(call, e.to_string()))?;
        if weight.iter().chain(&bias).chain([&mean]).any(|a| a.shape() != factor.shape()) {
            return Err(net.fail(call, "its weights are of different lengths"));
        }
        let factor = weight.map_or(factor.clone(), |w| w * &factor);
        let term = bias.unwrap_or_else(|| ArrayD::zeros(mean.shape())) - &mean * &factor;
        return affine(net, call, v, factor, term);
    }
    let mut param = |role: &str, a: ArrayD<f32>, train: bool| net.param(call, role, along(v.form, a), train);
    let norm = BatchNorm {
        weight: weight.map(|w| param("gamma", w, true)),
        bias: bias.map(|b| param("beta", b, true)),
        mean: param("moving_mean", mean, false),
        var: param("moving_variance", var, false),
        eps,
        momentum: 1.0 - momentum,
    };
    Ok(v.with(net.push(&call.name, Op::BatchNorm(norm), &[v.id])?))
}

fn layer_norm(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    last_axis(net, call, v)?;
    if call.set.flag("rms_scaling", false) {
        return Err(net.unsupported(call, "with 'rms_scaling'"));
    }
    let (scale, center) = (call.set.flag("scale", true), call.set.flag("center", true));
    let mut roles = Vec::new();
    roles.extend(scale.then_some("gamma"));
    roles.extend(center.then_some("beta"));
    let mut params = net.weights(call, &roles)?.into_iter();
    let weight = scale.then(|| params.next().unwrap_or_default());
    let bias = center.then(|| params.next().unwrap_or_default());
    let eps = call.set.float("epsilon", 1e-3).map_err(|r| net.fail(call, r))?;
    let from = net.in_order(v, &call.name)?;
    let norm = LayerNorm {
        axes: 1,
        weight: weight.map(|w| net.param(call, "gamma", w, true)),
        bias: bias.map(|b| net.param(call, "beta", b, true)),
        eps,
    };
    let id = net.push(&call.name, Op::LayerNorm(norm), &[from.id])?;
    if v.form != Form::Planes {
        return Ok(Live::plain(id));
    }
    let back = Op::Transpose(Transpose { order: vec![2, 0, 1] });
    Ok(Live::planes(net.push(&format!("{}/planes", call.name), back, &[id])?))
}

fn rescaling(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let list = |key: &str, default: f32| {
        let found = call.set.floats(key).map_err(|r| net.fail(call, r))?;
        Ok::<_, EvidenceError>(Array1::from(found.unwrap_or_else(|| vec![default])).into_dyn())
    };
    let (scale, offset) = (list("scale", 1.0)?, list("offset", 0.0)?);
    // A hundredth and less of a pixel is wanted: pixels are bytes.
    net.bytes |= v.id == 0 && scale.iter().all(|s| s.abs() < 0.01);
    affine(net, call, v, scale, offset)
}

fn normalization(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    if call.set.flag("invert", false) {
        return Err(net.unsupported(call, "with 'invert'"));
    }
    let given = |key: &str| call.set.floats(key).map_err(|r| net.fail(call, r));
    let (mean, var) = if let (Some(mean), Some(var)) = (given("mean")?, given("variance")?) {
        (Array1::from(mean).into_dyn(), Array1::from(var).into_dyn())
    } else {
        let mut found = net.weights(call, &["mean|adapt_mean", "variance|adapt_variance"])?;
        let var = found.pop().unwrap_or_default();
        (found.pop().unwrap_or_default(), var)
    };
    if mean.len() != var.len() {
        return Err(net.fail(call, "its mean and variance are of different lengths"));
    }
    if mean.len() > 1 {
        last_axis(net, call, v)?;
    }
    net.bytes |= v.id == 0 && mean.iter().any(|&m| m > 2.0);
    let one = |a: &ArrayD<f32>, f: &dyn Fn(usize) -> f32| Array1::from_iter((0..a.len()).map(f)).into_dyn();
    let (mean, var): (Vec<f32>, Vec<f32>) = (mean.iter().copied().collect(), var.iter().copied().collect());
    let base = Array1::from(mean.clone()).into_dyn();
    // Keras divides by no less than its epsilon.
    let factor = one(&base, &|k| 1.0 / var[k].sqrt().max(1e-7));
    let term = one(&base, &|k| -mean[k] / var[k].sqrt().max(1e-7));
    affine(net, call, v, factor, term)
}

/// `v · factor + term`, each one number or one per place of the last axis.
fn affine(
    net: &mut Net,
    call: &Call,
    v: Live,
    factor: ArrayD<f32>,
    term: ArrayD<f32>,
) -> Result<Live, EvidenceError> {
    let shape = net.shape(v);
    let last = shape.last().copied().unwrap_or(1);
    let mut from = v.id;
    for (kind, role, numbers) in [(Arithmetic::Mul, "scale", factor), (Arithmetic::Add, "offset", term)] {
        let count = numbers.len();
        if count != 1 && count != last {
            return Err(net.fail(call, format!("has {count} numbers for {last} channels")));
        }
        let numbers = along(v.form, numbers.flatten().into_owned().into_dyn());
        let shape = if v.form == Form::Planes { vec![count, 1, 1] } else { vec![count] };
        let id = net.param(call, role, numbers, false);
        let op = Op::Arith(Arith { kind, left: Operand::Input(0), right: Operand::Constant(id, shape) });
        let name = if kind == Arithmetic::Add { call.name.clone() } else { format!("{}/{role}", call.name) };
        from = net.push(&name, op, &[from])?;
    }
    Ok(v.with(from))
}

/// One of Keras' functions that is an activation; `None` when it is another.
pub(super) fn function(net: &mut Net, call: &Call, v: Live) -> Result<Option<Live>, EvidenceError> {
    let name = match call.layer.class {
        "Relu" => "relu",
        "Relu6" => "relu6",
        "Sigmoid" => "sigmoid",
        "Silu" => "silu",
        "Tanh" => "tanh",
        "HardSigmoid" => "hard_sigmoid",
        "HardSilu" => "hard_silu",
        _ => return Ok(None),
    };
    by_name(net, call, v, name).map(Some)
}
