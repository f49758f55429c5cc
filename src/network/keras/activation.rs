//! Functions of one number, by the names Keras has for them.

use super::config::Layer;
use super::graph::{Call, Net};
use super::value::{Form, Live};
use crate::evidence::EvidenceError;
use crate::evidence::text::visible;
use crate::network::op::{Activation, Arith, Arithmetic, Op, Operand, PRelu, Softmax};
use serde_json::Value;

/// What a named activation is.
enum Function {
    Nothing,
    One(Activation),
    Softmax { log: bool },
}

fn named(name: &str, old: bool) -> Option<Function> {
    Some(Function::One(match name {
        "linear" => return Some(Function::Nothing),
        "softmax" => return Some(Function::Softmax { log: false }),
        "log_softmax" => return Some(Function::Softmax { log: true }),
        "relu" => Activation::Relu,
        "relu6" => Activation::Clip { min: 0.0, max: 6.0 },
        "leaky_relu" => Activation::LeakyRelu(0.2),
        "elu" => Activation::Elu(1.0),
        "selu" => Activation::Selu { alpha: 1.673_263_2, gamma: 1.050_701 },
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "hard_sigmoid" if old => Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        "hard_sigmoid" => Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
        "hard_silu" | "hard_swish" => Activation::HardSwish,
        "silu" | "swish" => Activation::Silu,
        "gelu" => Activation::Gelu { tanh: false },
        "softplus" => Activation::Softplus,
        "exponential" => Activation::Exp,
        _ => return None,
    }))
}

/// The activation that a layer ends in, by its setting.
pub(super) fn closing(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    match call.set.get("activation") {
        None => Ok(v),
        Some(Value::String(name)) => by_name(net, call, v, name),
        Some(value) => match Layer::read(value) {
            // A layer as the activation of another.
            Ok(layer) if layer.foreign().is_none() && !matches!(layer.class, "function") => {
                let inner = call.part(layer);
                layer_of(net, &inner, v)?.ok_or_else(|| net.unsupported(&inner, "as an activation"))
            }
            _ => {
                let name =
                    value["config"].as_str().or_else(|| value["class_name"].as_str()).unwrap_or_default();
                Err(net.unsupported(call, &format!("with the function '{}' of its author", visible(name))))
            }
        },
    }
}

/// The function of a name over a value.
pub(super) fn by_name(net: &mut Net, call: &Call, v: Live, name: &str) -> Result<Live, EvidenceError> {
    match named(name, net.old) {
        None => Err(net.unsupported(call, &format!("with the activation '{}'", visible(name)))),
        Some(Function::Nothing) => Ok(v),
        Some(Function::One(a)) => one(net, call, v, a),
        Some(Function::Softmax { log }) => softmax(net, call, v, -1, log),
    }
}

fn one(net: &mut Net, call: &Call, v: Live, a: Activation) -> Result<Live, EvidenceError> {
    use crate::network::op::Kernel as _;
    let op = Op::Activation(a);
    let name = format!("{}/{}", call.name, op.name());
    Ok(v.with(net.push(&name, op, &[v.id])?))
}

fn softmax(net: &mut Net, call: &Call, v: Live, axis: i64, log: bool) -> Result<Live, EvidenceError> {
    let rank = net.shape(v).len() as i64;
    // Keras counts the batch.
    let last = axis == -1 || axis == rank;
    if !last {
        return Err(net.unsupported(call, &format!("along axis {axis}")));
    }
    let axis = if v.form == Form::Planes { 0 } else { (rank - 1) as usize };
    let name = format!("{}/softmax", call.name);
    Ok(v.with(net.push(&name, Op::Softmax(Softmax { axis, log }), &[v.id])?))
}

/// A layer that is nothing but an activation; `None` when it is another.
pub(super) fn layer_of(net: &mut Net, call: &Call, v: Live) -> Result<Option<Live>, EvidenceError> {
    let float = |key: &str, default: f32| call.set.float(key, default).map_err(|r| net.fail(call, r));
    Ok(Some(match call.layer.class {
        "Activation" => closing(net, call, v)?,
        "ReLU" => {
            let (slope, threshold) = (float("negative_slope", 0.0)?, float("threshold", 0.0)?);
            let top = float("max_value", f32::INFINITY)?;
            if threshold != 0.0 || top < 0.0 {
                return Err(net.unsupported(call, "with a threshold"));
            }
            match (slope == 0.0, top.is_finite()) {
                (true, true) => one(net, call, v, Activation::Clip { min: 0.0, max: top })?,
                (true, false) => one(net, call, v, Activation::Relu)?,
                (false, false) => one(net, call, v, Activation::LeakyRelu(slope))?,
                (false, true) => {
                    let v = one(net, call, v, Activation::LeakyRelu(slope))?;
                    one(net, call, v, Activation::Clip { min: f32::MIN, max: top })?
                }
            }
        }
        "LeakyReLU" => {
            let slope = float("negative_slope", float("alpha", 0.3)?)?;
            one(net, call, v, Activation::LeakyRelu(slope))?
        }
        "ELU" => {
            let alpha = float("alpha", 1.0)?;
            one(net, call, v, Activation::Elu(alpha))?
        }
        "Softmax" => {
            let axis = call.set.axis("axis", -1).map_err(|r| net.fail(call, r))?;
            softmax(net, call, v, axis, false)?
        }
        "PReLU" => prelu(net, call, v)?,
        _ => return Ok(None),
    }))
}

/// One slope per channel, or per place.
fn prelu(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let slopes = net.weights(call, &["alpha"])?.swap_remove(0);
    let shape = net.shape(v);
    if slopes.ndim() != shape.len() {
        return Err(net.fail(call, format!("slopes {:?} do not fit {shape:?}", slopes.shape())));
    }
    if let (Form::Planes, &[1, 1, c]) = (v.form, slopes.shape()) {
        let slopes = slopes.into_shape_with_order(vec![c]).map_err(|e| net.fail(call, e.to_string()))?;
        let slope = net.param(call, "alpha", slopes, true);
        return Ok(v.with(net.push(&call.name, Op::PRelu(PRelu { slope }), &[v.id])?));
    }
    // max(x, 0) − slope · max(−x, 0).
    let slopes = match v.form {
        Form::Planes => slopes.permuted_axes(vec![2, 0, 1]),
        form => super::graph::along(form, slopes),
    };
    let shape = slopes.shape().to_vec();
    let slope = net.param(call, "alpha", slopes.as_standard_layout().into_owned(), true);
    let above = one(net, call, v, Activation::Relu)?;
    let turned = one(net, call, v, Activation::Neg)?;
    let below = one(net, call, turned, Activation::Relu)?;
    let product = Op::Arith(Arith {
        kind: Arithmetic::Mul,
        left: Operand::Input(0),
        right: Operand::Constant(slope, shape),
    });
    let below = net.push(&format!("{}/below", call.name), product, &[below.id])?;
    let difference = Op::Arith(Arith::of_inputs(Arithmetic::Sub));
    Ok(v.with(net.push(&call.name, difference, &[above.id, below])?))
}
