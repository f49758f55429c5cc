//! Nodes whose result is known without an image: constants, and the small arithmetic on shapes that exporters write
//! in front of a reshape.

use super::fault::Fault;
use super::lower::{Context, Step, Value};
use super::place::BATCH;
use super::tensor::{self, Ints};
use crate::evidence::limits::cap;
use ndarray::{ArrayD, Axis, IxDyn};

/// The constant a node stands for, if it is one.
pub(crate) fn fold<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Option<Value<'a>>, Fault> {
    match step.node.op_type.as_str() {
        "Constant" => return constant(cx, step).map(Some),
        "Shape" => return shape(cx, step).map(Some),
        "ConstantOfShape" => return filled(cx, step).map(Some),
        _ => {}
    }
    // Everything else is a constant only if all it reads is.
    for k in 0..step.node.input.len() {
        if cx.placed(step, k)?.is_some() {
            return Ok(None);
        }
    }
    if step.node.input.is_empty() {
        return Err(step.unsupported("without inputs"));
    }
    if step.node.op_type == "DequantizeLinear" {
        return dequantised(cx, step).map(Some);
    }
    // What is expanded to the batch is a value that each image gets.
    if step.node.op_type == "Expand" && cx.ints(step, 1)?.is_some_and(|to| to.known().is_none()) {
        return Ok(None);
    }
    if let Some(ints) = cx.ints(step, 0)? {
        return on_ints(cx, step, ints).map(Some);
    }
    on_floats(cx, step).map(Some)
}

fn constant<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Value<'a>, Fault> {
    let Some(a) = step.node.attribute.first() else {
        return Err(step.fault("onnx.op.attr", "has no value"));
    };
    Ok(match (a.name.as_str(), &a.t) {
        ("value", Some(t)) if tensor::is_float(t) => Value::Floats(tensor::floats(t, cx.limits)?),
        ("value", Some(t)) => Value::Ints(tensor::ints(t, cx.limits)?),
        ("value_float", _) => Value::Floats(ArrayD::from_elem(IxDyn(&[]), a.f)),
        ("value_floats", _) => Value::Floats(ndarray::Array1::from(a.floats.clone()).into_dyn()),
        ("value_int", _) => Value::Ints(Ints { shape: Vec::new(), data: vec![a.i] }),
        ("value_ints", _) => Value::Ints(Ints::list(a.ints.clone())),
        _ => return Err(step.unsupported("with such a value")),
    })
}

/// The batch size stays open, all other sizes are known.
fn shape<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Value<'a>, Fault> {
    let sizes: Vec<i64> = match cx.placed(step, 0)? {
        Some(x) => {
            let own = cx.builder.shape(x.id);
            let size = |a: usize| match x.axis(a) {
                Some(axis) => own[axis] as i64,
                None => BATCH.saturating_mul(if x.merged() { own[x.at] as i64 } else { 1 }),
            };
            (0..cx.rank(x)).map(size).collect()
        }
        None => match (cx.ints(step, 0)?, cx.floats(step, 0)) {
            (Some(ints), _) => ints.shape.iter().map(|&d| d as i64).collect(),
            (None, Ok(Some(a))) => a.shape().iter().map(|&d| d as i64).collect(),
            (None, other) => return other.and(Err(step.fault("onnx.graph.undefined", "reads nothing"))),
        },
    };
    let rank = sizes.len() as i64;
    let clamp = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (clamp(step.int("start", 0)), clamp(step.int("end", rank)));
    Ok(Value::Ints(Ints::list(sizes[start..end.max(start)].to_vec())))
}

fn filled<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Value<'a>, Fault> {
    let sizes = cx.known_ints(step, 0)?.ok_or_else(|| step.unsupported("of a computed shape"))?;
    let count = sizes
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
        .filter(|&n| n <= cx.limits.constant_numbers)
        .ok_or_else(|| {
            step.fault(
                "onnx.limit",
                format!("makes a constant of shape {sizes:?}, {}", cap!(cx.limits, constant_numbers)),
            )
        })?;
    let shape: Vec<usize> = sizes.iter().map(|&d| d as usize).collect();
    match step.attr("value").and_then(|a| a.t.as_ref()) {
        Some(t) if tensor::is_float(t) => {
            let value = tensor::floats(t, cx.limits)?.first().copied().unwrap_or_default();
            Ok(Value::Floats(ArrayD::from_elem(IxDyn(&shape), value)))
        }
        Some(t) if count <= 1 << 16 => {
            let value = tensor::ints(t, cx.limits)?.data.first().copied().unwrap_or_default();
            Ok(Value::Ints(Ints { shape, data: vec![value; count] }))
        }
        Some(_) => Err(step.fault("onnx.limit", "makes too many whole numbers")),
        None => Ok(Value::Floats(ArrayD::zeros(IxDyn(&shape)))),
    }
}

#[expect(clippy::too_many_lines, reason = "a line or two per operator")]
fn on_ints<'a>(cx: &Context<'a>, step: &Step<'a>, a: Ints) -> Result<Value<'a>, Fault> {
    let bad = |reason: &str| step.fault("onnx.op.attr", reason);
    let second = || cx.ints(step, 1)?.ok_or_else(|| step.unsupported("of mixed constants"));
    let list = match step.node.op_type.as_str() {
        "Identity" => a,
        "Cast" => match step.int("to", 7) {
            1 | 10 | 11 | 16 => {
                let known = a.known().ok_or_else(|| step.unsupported("of the batch size"))?;
                let data = known.into_iter().map(|v| v as f32).collect();
                let array = ArrayD::from_shape_vec(IxDyn(&a.shape), data).map_err(|_| bad("has no shape"))?;
                return Ok(Value::Floats(array));
            }
            _ => a,
        },
        "Unsqueeze" | "Squeeze" | "Reshape" | "Flatten" => {
            // The order of numbers stays; of the shape only "one number" and "a list" matter here.
            let scalar = step.node.op_type == "Squeeze" && a.data.len() == 1;
            Ints { shape: if scalar { Vec::new() } else { vec![a.data.len()] }, data: a.data }
        }
        "Gather" => {
            let index = cx.known_ints(step, 1)?.ok_or_else(|| bad("has no indices"))?;
            let scalar = cx.ints(step, 1)?.is_some_and(|i| i.shape.is_empty());
            let len = a.data.len() as i64;
            let pick = |&i: &i64| {
                let i = if i < 0 { i.checked_add(len)? } else { i };
                a.data.get(usize::try_from(i).ok()?).copied()
            };
            let data: Option<Vec<_>> = index.iter().map(pick).collect();
            let data = data.ok_or_else(|| bad("takes an index that does not exist"))?;
            Ints { shape: if scalar { Vec::new() } else { vec![data.len()] }, data }
        }
        "Concat" => {
            let mut data = Vec::new();
            for k in 0..step.node.input.len() {
                data.extend(cx.ints(step, k)?.ok_or_else(|| step.unsupported("of mixed constants"))?.data);
            }
            if data.len() > MAX_WHOLE {
                return Err(step.fault("onnx.limit", "joins too many whole numbers"));
            }
            Ints::list(data)
        }
        "Slice" => {
            let part = |k: usize, name: &str| match cx.known_ints(step, k)? {
                Some(v) => Ok::<_, Fault>(v.first().copied()),
                None => Ok(step.attr(name).and_then(|a| a.ints.first().copied())),
            };
            let len = a.data.len() as i64;
            let clamp = |v: i64| (if v < 0 { v.saturating_add(len) } else { v }).clamp(0, len) as usize;
            let (start, end) =
                (part(1, "starts")?.map_or(0, clamp), part(2, "ends")?.map_or(a.data.len(), clamp));
            match part(4, "steps")?.unwrap_or(1) {
                1 => Ints::list(a.data[start..end.max(start)].to_vec()),
                -1 if (end, start + 1) == (0, a.data.len()) => {
                    Ints::list(a.data.iter().rev().copied().collect())
                }
                _ => return Err(step.unsupported("with steps")),
            }
        }
        "ReduceProd" => {
            let product =
                a.data.iter().try_fold(1i64, |n, &v| n.checked_mul(v)).ok_or_else(|| bad("overflows"))?;
            Ints { shape: Vec::new(), data: vec![product] }
        }
        "Neg" => each(a, Ints { shape: Vec::new(), data: vec![0] }, |x, _| x.checked_neg())
            .ok_or_else(|| bad("overflows"))?,
        "Where" => {
            let (yes, no) =
                (second()?, cx.ints(step, 2)?.ok_or_else(|| step.unsupported("of mixed constants"))?);
            let flat = |i: &Ints, k: usize| i.data.get(if i.data.len() == 1 { 0 } else { k }).copied();
            let count = a.data.len().max(yes.data.len()).max(no.data.len());
            let one = |k: usize| if flat(&a, k)? != 0 { flat(&yes, k) } else { flat(&no, k) };
            let data = (0..count)
                .map(one)
                .collect::<Option<Vec<i64>>>()
                .ok_or_else(|| bad("has lists that do not fit"))?;
            Ints::list(data)
        }
        "Range" => {
            let third = cx.ints(step, 2)?.and_then(|i| i.known()).and_then(|i| i.first().copied());
            let end = second()?.known().and_then(|i| i.first().copied());
            let (Some(by), Some(end), Some(mut at)) = (third, end, a.data.first().copied()) else {
                return Err(step.unsupported("of the batch size"));
            };
            let mut data = Vec::new();
            while by > 0 && at < end || by < 0 && at > end {
                if data.len() >= MAX_WHOLE {
                    return Err(step.fault("onnx.limit", "makes too many whole numbers"));
                }
                data.push(at);
                at = at.saturating_add(by);
            }
            Ints::list(data)
        }
        op => {
            let made: fn(i64, i64) -> Option<i64> = match op {
                "Add" => i64::checked_add,
                "Sub" => i64::checked_sub,
                "Mul" => i64::checked_mul,
                "Div" => i64::checked_div,
                "Mod" => i64::checked_rem_euclid,
                "Min" => |x, y| Some(x.min(y)),
                "Max" => |x, y| Some(x.max(y)),
                "Equal" => |x, y| Some(i64::from(x == y)),
                "Greater" => |x, y| Some(i64::from(x > y)),
                "Less" => |x, y| Some(i64::from(x < y)),
                "GreaterOrEqual" => |x, y| Some(i64::from(x >= y)),
                "LessOrEqual" => |x, y| Some(i64::from(x <= y)),
                "And" => |x, y| Some(i64::from(x != 0 && y != 0)),
                "Or" => |x, y| Some(i64::from(x != 0 || y != 0)),
                _ => return Err(step.unsupported("of constants")),
            };
            each(a, second()?, made).ok_or_else(|| bad("overflows, or has lists that do not fit"))?
        }
    };
    Ok(Value::Ints(list))
}

/// Most whole numbers of a list that is made here.
const MAX_WHOLE: usize = 1 << 16;

/// Number by number; one number goes with all of the other side.
fn each(a: Ints, b: Ints, made: fn(i64, i64) -> Option<i64>) -> Option<Ints> {
    let (count, shape) =
        if a.data.len() >= b.data.len() { (a.data.len(), a.shape) } else { (b.data.len(), b.shape) };
    let of = |data: &[i64], k: usize| data.get(if data.len() == 1 { 0 } else { k }).copied();
    let data = (0..count).map(|k| made(of(&a.data, k)?, of(&b.data, k)?)).collect::<Option<Vec<i64>>>()?;
    Some(Ints { shape, data })
}

#[expect(clippy::too_many_lines, reason = "a line or two per operator")]
fn on_floats<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Value<'a>, Fault> {
    let missing = || step.fault("onnx.graph.undefined", "reads nothing");
    let a = cx.floats(step, 0)?.ok_or_else(missing)?;
    let shapes = |a: &ArrayD<f32>, b: &ArrayD<f32>| {
        format!("shapes {:?} and {:?} do not go together", a.shape(), b.shape())
    };
    let made = match step.node.op_type.as_str() {
        "Identity" | "Cast" | "Dropout" => a,
        "Sqrt" => a.mapv(f32::sqrt),
        "Neg" => -a,
        "Expand" => {
            let to = cx.known_ints(step, 1)?.ok_or_else(|| step.unsupported("to a computed shape"))?;
            let shape: Option<Vec<usize>> = to.iter().map(|&d| usize::try_from(d).ok()).collect();
            let count = shape.as_ref().and_then(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
            match (shape, count) {
                (Some(shape), Some(count)) if count <= cx.limits.constant_numbers => {
                    match a.broadcast(IxDyn(&shape)) {
                        Some(view) => view.to_owned(),
                        // An axis of 1 in the shape keeps that of the constant.
                        None => a,
                    }
                }
                _ => {
                    let cap = cap!(cx.limits, constant_numbers);
                    return Err(step.fault("onnx.limit", format!("makes a constant of shape {to:?}, {cap}")));
                }
            }
        }
        "Exp" => a.mapv(f32::exp),
        "Tanh" => a.mapv(f32::tanh),
        "Pow" => {
            let exponent = match cx.ints(step, 1)? {
                Some(i) => i.data.first().map(|&v| v as f32),
                None => cx.floats(step, 1)?.and_then(|v| v.first().copied()),
            };
            let exponent = exponent.ok_or_else(missing)?;
            a.mapv(|x| x.powf(exponent))
        }
        "Reciprocal" => a.mapv(f32::recip),
        "Transpose" => match step.attr("perm") {
            None => a.reversed_axes(),
            Some(perm) => {
                let order: Option<Vec<usize>> = perm.ints.iter().map(|&p| usize::try_from(p).ok()).collect();
                let mut sorted = order.clone().unwrap_or_default();
                sorted.sort_unstable();
                match order {
                    Some(order) if sorted.into_iter().eq(0..a.ndim()) => a.permuted_axes(order),
                    _ => return Err(step.fault("onnx.op.attr", "'perm' is not an order of the axes")),
                }
            }
        },
        "Reshape" => {
            let to = cx.known_ints(step, 1)?.ok_or_else(|| step.unsupported("to a computed shape"))?;
            let known: i64 =
                to.iter().filter(|&&d| d > 0).try_fold(1i64, |n, &d| n.checked_mul(d)).unwrap_or(0);
            let size = |(k, &d): (usize, &i64)| match d {
                -1 => a.len().checked_div(usize::try_from(known).ok()?),
                0 => a.shape().get(k).copied(),
                d => usize::try_from(d).ok(),
            };
            let shape: Option<Vec<usize>> = to.iter().enumerate().map(size).collect();
            let shape =
                shape.filter(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(a.len()));
            let shape = shape.ok_or_else(|| {
                step.fault("onnx.graph.shape", format!("{:?} cannot become {to:?}", a.shape()))
            })?;
            let flat = a.as_standard_layout().into_owned();
            flat.into_shape_with_order(IxDyn(&shape))
                .map_err(|e| step.fault("onnx.graph.shape", e.to_string()))?
        }
        "Unsqueeze" => {
            let axes = axes(cx, step)?.unwrap_or_default();
            let rank = (a.ndim() + axes.len()) as i64;
            let mut a = a;
            let mut axes: Vec<i64> =
                axes.into_iter().map(|x| if x < 0 { x.saturating_add(rank) } else { x }).collect();
            axes.sort_unstable();
            for axis in axes {
                match usize::try_from(axis) {
                    Ok(axis) if axis <= a.ndim() && a.ndim() < cx.limits.rank => {
                        a = a.insert_axis(Axis(axis));
                    }
                    _ => return Err(step.fault("onnx.op.attr", "names an axis that does not exist")),
                }
            }
            a
        }
        "Squeeze" => {
            let keep: Vec<usize> = a.shape().iter().copied().filter(|&d| d != 1).collect();
            if axes(cx, step)?.is_some_and(|axes| axes.len() != a.ndim() - keep.len()) {
                return Err(step.unsupported("of some axes of a constant"));
            }
            let flat = a.as_standard_layout().into_owned();
            flat.into_shape_with_order(IxDyn(&keep))
                .map_err(|e| step.fault("onnx.graph.shape", e.to_string()))?
        }
        op @ ("Add" | "Sub" | "Mul" | "Div") => {
            let b = cx.floats(step, 1)?.ok_or_else(missing)?;
            let reason = shapes(&a, &b);
            let fits = a.broadcast(b.shape()).is_some() || b.broadcast(a.shape()).is_some();
            if !fits {
                return Err(step.fault("onnx.graph.shape", reason));
            }
            match op {
                "Add" => a + b,
                "Sub" => a - b,
                "Mul" => a * b,
                _ => a / b,
            }
        }
        _ => return Err(step.unsupported("of constants")),
    };
    Ok(Value::Floats(made))
}

/// `(number − zero point) · scale` of stored 8-bit numbers, by tensor or along an axis.
fn dequantised<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Value<'a>, Fault> {
    let missing = || step.unsupported("of a computed value");
    let Some(Value::Stored(t)) = cx.value(step, 0)? else { return Err(missing()) };
    let numbers = tensor::whole(t, cx.limits)?;
    let scale = cx.floats(step, 1)?.ok_or_else(missing)?;
    let zero: Vec<f32> = match cx.value(step, 2)? {
        None => vec![0.0; scale.len()],
        Some(Value::Stored(t)) => tensor::whole(t, cx.limits)?.into_raw_vec_and_offset().0,
        Some(Value::Ints(i)) => i.data.iter().map(|&v| v as f32).collect(),
        Some(_) => return Err(missing()),
    };
    let rank = numbers.ndim();
    let axis = step.int("axis", 1);
    let axis = usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).unwrap_or(usize::MAX);
    let scale: Vec<f32> = scale.iter().copied().collect();
    let along = if scale.len() == 1 { 1 } else { numbers.shape().get(axis).copied().unwrap_or(0) };
    if scale.is_empty() || scale.len() != zero.len() || scale.len() != along {
        let reason =
            format!("{} scales and {} zero points for shape {:?}", scale.len(), zero.len(), numbers.shape());
        return Err(step.fault("onnx.graph.shape", reason));
    }
    let mut made = numbers;
    if let ([scale], [zero]) = (scale.as_slice(), zero.as_slice()) {
        made.mapv_inplace(|x| (x - zero) * scale);
    } else {
        for (k, mut part) in made.axis_iter_mut(Axis(axis)).enumerate() {
            part.mapv_inplace(|x| (x - zero[k]) * scale[k]);
        }
    }
    Ok(Value::Floats(made))
}

/// Axes given as an attribute (older operator sets) or as the second input.
pub(crate) fn axes<'a>(cx: &Context<'a>, step: &Step<'a>) -> Result<Option<Vec<i64>>, Fault> {
    match step.attr("axes") {
        Some(a) => Ok(Some(a.ints.clone())),
        None => cx.known_ints(step, 1),
    }
}
