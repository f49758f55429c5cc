//! Nodes that compute: convolutions, normalisation, pooling, linear layers, arithmetic, functions of one number.

use super::fault::Fault;
use super::fixed::axes;
use super::lower::{Context, Step};
use super::place::Live;
use crate::network::graph::ValueId;
use crate::network::op::{
    Activation, AdaptiveAvgPool, Arith, Arithmetic, AvgPool, BatchNorm, Conv2d, LayerNorm, Linear, MatMul,
    MaxPool, Op, Operand, PRelu, Reduce, Reduction, Softmax, View, Window, same_padding,
};
use ndarray::{Array2, ArrayD, Ix2};

/// The value of a node.
pub(crate) fn lower<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    if let Some(activation) = activation(cx, step)? {
        let x = cx.need_placed(step, 0)?;
        return Ok(x.with(cx.push(step, Op::Activation(activation), &[x.id])?));
    }
    match step.node.op_type.as_str() {
        "ReduceMean" | "ReduceSum" | "ReduceMax" => reduce(cx, step),
        "MatMul" => matmul(cx, step),
        "Gemm" => gemm(cx, step),
        "LayerNormalization" => layer_norm(cx, step),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => arithmetic(cx, step),
        "Pow" => power(cx, step),
        "Softmax" | "LogSoftmax" => softmax(cx, step),
        _ => planes(cx, step).map(Live::first),
    }
}

/// The value of a node that takes a batch of images or vectors, batch first.
fn planes<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<ValueId, Fault> {
    match step.node.op_type.as_str() {
        "Conv" => conv(cx, step),
        "BatchNormalization" => batch_norm(cx, step),
        "MaxPool" => {
            if step.node.output.get(1).is_some_and(|o| !o.is_empty()) {
                return Err(step.unsupported("with indices"));
            }
            let x = cx.need(step, 0)?;
            let window = window(cx, step, x)?;
            cx.push(step, Op::MaxPool(MaxPool(window)), &[x])
        }
        "AveragePool" => {
            let x = cx.need(step, 0)?;
            let pool = AvgPool {
                window: window(cx, step, x)?,
                count_padding: step.int("count_include_pad", 0) != 0,
            };
            cx.push(step, Op::AvgPool(pool), &[x])
        }
        "GlobalAveragePool" => {
            let x = cx.need(step, 0)?;
            cx.push(step, Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [1, 1] }), &[x])
        }
        "GlobalMaxPool" => {
            let x = cx.need(step, 0)?;
            let &[_, h, w] = cx.builder.shape(x) else {
                return Err(step.unsupported("other than of planes"));
            };
            cx.push(step, Op::MaxPool(MaxPool(Window::new([h, w], [h, w]))), &[x])
        }
        "PRelu" => {
            let (x, slope) = (cx.need(step, 0)?, cx.need_param(step, 1, true)?);
            cx.push(step, Op::PRelu(PRelu { slope }), &[x])
        }
        _ => Err(step.unsupported("")),
    }
}

fn activation<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Option<Activation>, Fault> {
    Ok(Some(match step.node.op_type.as_str() {
        "Relu" => Activation::Relu,
        "LeakyRelu" => Activation::LeakyRelu(step.float("alpha", 0.01)),
        "Elu" => Activation::Elu(step.float("alpha", 1.0)),
        "Selu" => Activation::Selu {
            alpha: step.float("alpha", 1.673_263_2),
            gamma: step.float("gamma", 1.050_701),
        },
        "Clip" => {
            let bound = |k: usize, name: &str, default: f32| match step.attr(name) {
                Some(a) => Ok(a.f),
                None => {
                    Ok::<_, Fault>(cx.floats(step, k)?.and_then(|v| v.first().copied()).unwrap_or(default))
                }
            };
            Activation::Clip { min: bound(1, "min", f32::MIN)?, max: bound(2, "max", f32::MAX)? }
        }
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        "HardSwish" => Activation::HardSwish,
        "HardSigmoid" => {
            Activation::HardSigmoid { alpha: step.float("alpha", 0.2), beta: step.float("beta", 0.5) }
        }
        "Gelu" => Activation::Gelu { tanh: step.text("approximate").as_deref() == Some("tanh") },
        "Softplus" => Activation::Softplus,
        "Swish" if step.float("alpha", 1.0).to_bits() == 1f32.to_bits() => Activation::Silu,
        "Min" | "Max" if step.node.input.len() == 2 => {
            let Some(bound) = cx.floats(step, 1)?.filter(|v| v.len() == 1).and_then(|v| v.first().copied())
            else {
                return Ok(None);
            };
            match step.node.op_type.as_str() {
                "Min" => Activation::Clip { min: f32::MIN, max: bound },
                _ => Activation::Clip { min: bound, max: f32::MAX },
            }
        }
        "Erf" => Activation::Erf,
        "Exp" => Activation::Exp,
        "Sqrt" => Activation::Sqrt,
        "Neg" => Activation::Neg,
        "Abs" => Activation::Abs,
        _ => return Ok(None),
    }))
}

fn pair(list: Option<Vec<usize>>, default: [usize; 2]) -> [usize; 2] {
    list.map_or(default, |l| [l[0], l[1]])
}

/// Padding above, left, below, right: given, or worked out from `auto_pad`.
fn padding(
    cx: &Context,
    step: &Step,
    x: ValueId,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
) -> Result<[usize; 4], Fault> {
    let upper = match step.text("auto_pad").as_deref() {
        None | Some("" | "NOTSET") => {
            return Ok(step.sizes("pads", 4, 0)?.map_or([0; 4], |p| [p[0], p[1], p[2], p[3]]));
        }
        Some("VALID") => return Ok([0; 4]),
        Some("SAME_UPPER") => true,
        Some("SAME_LOWER") => false,
        Some(_) => return Err(step.fault("onnx.op.attr", "'auto_pad' is not one of the four")),
    };
    let &[_, h, w] = cx.builder.shape(x) else { return Err(step.unsupported("other than of planes")) };
    let mut out = [0; 4];
    for (axis, size) in [h, w].into_iter().enumerate() {
        let total = same_padding(size, kernel[axis], stride[axis], dilation[axis]);
        let (less, more) = (total / 2, total - total / 2);
        (out[axis], out[axis + 2]) = if upper { (less, more) } else { (more, less) };
    }
    Ok(out)
}

fn conv<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<ValueId, Fault> {
    let x = cx.need(step, 0)?;
    let weight = cx.need_param(step, 1, true)?;
    let shape = cx.builder.params()[weight].value.shape().to_vec();
    let &[_, _, kh, kw] = &shape[..] else {
        return Err(step.unsupported(&format!("with weights of shape {shape:?}")));
    };
    let kernel = pair(step.sizes("kernel_shape", 2, 1)?, [kh, kw]);
    let stride = pair(step.sizes("strides", 2, 1)?, [1, 1]);
    let dilation = pair(step.sizes("dilations", 2, 1)?, [1, 1]);
    if kernel != [kh, kw] || kernel.contains(&0) {
        return Err(
            step.fault("onnx.graph.shape", format!("kernel {kernel:?} does not fit weights {shape:?}"))
        );
    }
    let groups = usize::try_from(step.int("group", 1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(|| step.fault("onnx.op.attr", "'group' must be at least 1"))?;
    let padding = padding(cx, step, x, kernel, stride, dilation)?;
    let bias = cx.param(step, 2, true)?;
    cx.push(step, Op::Conv2d(Conv2d { weight, bias, kernel, stride, padding, dilation, groups }), &[x])
}

fn window(cx: &Context, step: &Step, x: ValueId) -> Result<Window, Fault> {
    let kernel = step.sizes("kernel_shape", 2, 1)?;
    let kernel = kernel.ok_or_else(|| step.fault("onnx.op.attr", "has no 'kernel_shape'"))?;
    let kernel = [kernel[0], kernel[1]];
    let stride = pair(step.sizes("strides", 2, 1)?, [1, 1]);
    let dilation = pair(step.sizes("dilations", 2, 1)?, [1, 1]);
    let padding = padding(cx, step, x, kernel, stride, dilation)?;
    Ok(Window { kernel, stride, padding, dilation, ceil: step.int("ceil_mode", 0) != 0 })
}

fn batch_norm<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<ValueId, Fault> {
    if step.int("training_mode", 0) != 0 {
        return Err(step.unsupported("in training mode"));
    }
    let x = cx.need(step, 0)?;
    let norm = BatchNorm {
        weight: Some(cx.need_param(step, 1, true)?),
        bias: Some(cx.need_param(step, 2, true)?),
        mean: cx.need_param(step, 3, false)?,
        var: cx.need_param(step, 4, false)?,
        eps: step.float("epsilon", 1e-5),
        momentum: 1.0 - step.float("momentum", 0.9),
    };
    cx.push(step, Op::BatchNorm(norm), &[x])
}

fn reduce<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let rank = cx.rank(x);
    let list = axes(cx, step)?.unwrap_or_default();
    if list.is_empty() {
        return Err(step.unsupported("over all axes, the batch among them"));
    }
    let mut list: Vec<usize> =
        list.into_iter().map(|a| step.placed_axis(a, rank, x)).collect::<Result<_, _>>()?;
    list.sort_unstable();
    list.dedup();
    if x.merged() && list.contains(&x.at) {
        return Err(step.unsupported("along the batch axis"));
    }
    let shape = cx.builder.shape(x.id).to_vec();
    let kind = match step.node.op_type.as_str() {
        "ReduceMean" => Reduction::Mean,
        "ReduceSum" => Reduction::Sum,
        _ => Reduction::Max,
    };
    let op = if kind == Reduction::Mean && shape.len() == 3 && list == [1, 2] {
        Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [1, 1] })
    } else {
        Op::Reduce(Reduce { kind, axes: list.clone() })
    };
    let made = cx.push(step, op, &[x.id])?;
    if step.int("keepdims", 1) != 0 {
        return Ok(x.with(made));
    }
    let left: Vec<usize> = (0..shape.len()).filter(|a| !list.contains(a)).map(|a| shape[a]).collect();
    let left = if left.is_empty() { vec![1] } else { left };
    let at = x.at - list.iter().filter(|&&a| a < x.at).count();
    let id = cx.push(step, Op::View(View::Reshape(left)), &[made])?;
    Ok(Live { id, at, merge: x.merge })
}

fn layer_norm<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let rank = cx.rank(x);
    let first = step.whole_axis(step.int("axis", -1), rank)?;
    if first <= x.at {
        return Err(step.unsupported("along the batch axis"));
    }
    if step.node.output.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(step.unsupported("with its moments as outputs"));
    }
    let norm = LayerNorm {
        axes: rank - first,
        weight: cx.param(step, 1, true)?,
        bias: cx.param(step, 2, true)?,
        eps: step.float("epsilon", 1e-5),
    };
    Ok(x.with(cx.push(step, Op::LayerNorm(norm), &[x.id])?))
}

/// Constant input `k` as a matrix, transposed if asked, times `alpha`.
fn weights<'a>(
    cx: &Context<'a>,
    step: &Step<'a>,
    k: usize,
    transpose: bool,
    alpha: f32,
) -> Result<Array2<f32>, Fault> {
    let array =
        cx.floats(step, k)?.ok_or_else(|| step.unsupported("of two values that depend on the image"))?;
    let shape = array.shape().to_vec();
    let matrix = array.into_dimensionality::<Ix2>().map_err(|_| {
        step.fault("onnx.graph.shape", format!("weights of shape {shape:?} are not a matrix"))
    })?;
    let matrix = if transpose { matrix.reversed_axes() } else { matrix };
    Ok(if (alpha - 1.0).abs() > 0.0 { matrix * alpha } else { matrix })
}

fn gemm<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    if step.int("transA", 0) != 0 {
        return Err(step.unsupported("with 'transA'"));
    }
    let x = cx.need_placed(step, 0)?;
    if x.at != 0 || cx.rank(x) != 2 {
        return Err(step.unsupported("other than of a batch of rows"));
    }
    if cx.placed(step, 1)?.is_some() {
        return Err(step.unsupported("of two values that depend on the image"));
    }
    let weight = weights(cx, step, 1, step.int("transB", 0) == 0, step.float("alpha", 1.0))?;
    let outputs = weight.nrows();
    let beta = step.float("beta", 1.0);
    let bias = match cx.floats(step, 2)? {
        None => None,
        Some(c) if c.len() == outputs => Some(c.iter().map(|v| v * beta).collect::<Vec<f32>>()),
        Some(c) if c.len() == 1 => Some(vec![c.first().copied().unwrap_or_default() * beta; outputs]),
        Some(c) => {
            return Err(step
                .fault("onnx.graph.shape", format!("bias {:?} does not fit {outputs} outputs", c.shape())));
        }
    };
    let name = |k: usize| step.node.input.get(k).map_or("", String::as_str);
    let weight = cx.builder.param(name(1), weight.into_dyn(), true);
    let bias = bias.map(|b| cx.builder.param(name(2), ndarray::Array1::from(b).into_dyn(), true));
    Ok(x.with(cx.push(step, Op::Linear(Linear { weight, bias }), &[x.id])?))
}

fn matmul<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let rank = cx.rank(x);
    if let Some(right) = cx.placed(step, 1)? {
        if !x.like(right) || rank < 3 || cx.rank(right) != rank || x.at + 2 >= rank {
            return Err(step.unsupported("of two values whose batch is not in front of both matrices"));
        }
        return Ok(x.with(cx.push(step, Op::MatMul(MatMul), &[x.id, right.id])?));
    }
    if x.at + 1 == rank {
        return Err(step.unsupported("along the batch axis"));
    }
    let weight = weights(cx, step, 1, true, 1.0)?;
    let weight = cx.builder.param(&step.node.input[1], weight.into_dyn(), true);
    Ok(x.with(cx.push(step, Op::Linear(Linear { weight, bias: None }), &[x.id])?))
}

fn arithmetic<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let kind = match step.node.op_type.as_str() {
        "Sub" => Arithmetic::Sub,
        "Mul" => Arithmetic::Mul,
        "Div" => Arithmetic::Div,
        _ => Arithmetic::Add,
    };
    let together = |a: Live, b: Live| {
        if a.like(b) { Ok(()) } else { Err(step.unsupported("of values with the batch on different axes")) }
    };
    if step.node.op_type == "Sum" {
        let mut sum = cx.need_placed(step, 0)?;
        for k in 1..step.node.input.len() {
            let next = cx.need_placed(step, k)?;
            together(sum, next)?;
            sum = sum.with(cx.push(step, Op::Arith(Arith::of_inputs(kind)), &[sum.id, next.id])?);
        }
        return Ok(sum);
    }
    match (cx.placed(step, 0)?, cx.placed(step, 1)?) {
        (Some(a), Some(b)) => {
            together(a, b)?;
            Ok(a.with(cx.push(step, Op::Arith(Arith::of_inputs(kind)), &[a.id, b.id])?))
        }
        (Some(x), None) => with_constant(cx, step, kind, x, 1),
        (None, Some(x)) => with_constant(cx, step, kind, x, 0),
        (None, None) => Err(step.unsupported("of constants")),
    }
}

/// `x` and the constant input `k`, in the order of the node.
fn with_constant<'a>(
    cx: &mut Context<'a>,
    step: &Step<'a>,
    kind: Arithmetic,
    x: Live,
    k: usize,
) -> Result<Live, Fault> {
    let id = cx.need_param(step, k, true)?;
    let mut shape = cx.builder.params()[id].value.shape().to_vec();
    let rank = cx.rank(x);
    // The axis of the constant that lies along the batch, counted from the end, must be 1 and is left out.
    if let Some(at) = (shape.len() + x.at).checked_sub(rank).filter(|at| *at < shape.len()) {
        if shape[at] != 1 {
            let reason = format!("a constant of shape {shape:?} has other numbers for each image");
            return Err(step.fault("onnx.graph.shape", reason));
        }
        if !x.merged() {
            shape.remove(at);
        }
    }
    let own = cx.builder.shape(x.id).len();
    if shape.len() > own {
        return Err(step.fault(
            "onnx.graph.shape",
            format!("constant of shape {shape:?} does not fit {own} axes per image"),
        ));
    }
    let constant = Operand::Constant(id, shape);
    let (left, right) = if k == 1 { (Operand::Input(0), constant) } else { (constant, Operand::Input(0)) };
    Ok(x.with(cx.push(step, Op::Arith(Arith { kind, left, right }), &[x.id])?))
}

fn power<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let exponent = match cx.known_ints(step, 1)? {
        Some(v) => v.first().map(|&v| v as f32),
        None => cx.floats(step, 1)?.filter(|v: &ArrayD<f32>| v.len() == 1).and_then(|v| v.first().copied()),
    };
    let product = || Op::Arith(Arith::of_inputs(Arithmetic::Mul));
    Ok(x.with(match exponent {
        Some(1.0) => cx.push(step, Op::View(View::Identity), &[x.id])?,
        Some(2.0) => cx.push(step, product(), &[x.id, x.id])?,
        Some(3.0) => {
            let square = cx.push(step, product(), &[x.id, x.id])?;
            cx.push(step, product(), &[square, x.id])?
        }
        Some(0.5) => cx.push(step, Op::Activation(Activation::Sqrt), &[x.id])?,
        _ => return Err(step.unsupported("with an exponent other than 0.5, 1, 2 or 3")),
    }))
}

fn softmax<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let rank = cx.rank(x);
    let log = step.node.op_type == "LogSoftmax";
    let whole = step.whole_axis(step.int("axis", if cx.opset < 13 { 1 } else { -1 }), rank)?;
    // Before operator set 13 all axes from 'axis' on were one.
    if cx.opset < 13 && whole + 1 != rank {
        return Err(step.unsupported("over several axes at once"));
    }
    let axis = step.placed_axis(whole as i64, rank, x)?;
    Ok(x.with(cx.push(step, Op::Softmax(Softmax { axis, log }), &[x.id])?))
}
