//! Layers that only say another shape.

use super::graph::{Call, Net, flat};
use super::value::{Form, Live};
use crate::evidence::EvidenceError;
use crate::network::op::{Op, Transpose, View};
use serde_json::Value;

/// A layer that moves numbers; `None` when it is another.
pub(super) fn lower(net: &mut Net, call: &Call, v: Live) -> Result<Option<Live>, EvidenceError> {
    Ok(Some(match call.layer.class {
        "Flatten" => flatten(net, call, v)?,
        "Reshape" => reshape(net, call, v)?,
        "Permute" => permute(net, call, v)?,
        _ => return Ok(None),
    }))
}

fn flatten(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    match v.form {
        Form::Flat(_) => Ok(v),
        Form::Plain => Ok(Live::plain(net.push(&call.name, Op::View(View::Flatten), &[v.id])?)),
        Form::Planes => {
            let planes = net.planes(call, v)?;
            Ok(flat(net.push(&call.name, Op::View(View::Flatten), &[v.id])?, planes))
        }
    }
}

/// The shape a list of sizes asks for; −1 is what is left.
fn target(net: &Net, call: &Call, count: usize) -> Result<Vec<usize>, EvidenceError> {
    let list = call.set.get("target_shape").and_then(Value::as_array).map(Vec::as_slice);
    let list = list.ok_or_else(|| net.fail(call, "has no 'target_shape'"))?;
    let mut known = list.iter().filter(|v| v.as_i64() != Some(-1));
    let known = known.try_fold(1usize, |n, v| n.checked_mul(usize::try_from(v.as_u64()?).ok()?));
    let rest = known.filter(|&n| n > 0).map(|n| count / n);
    let sizes = |v: &Value| {
        if v.as_i64() == Some(-1) { rest } else { v.as_u64().and_then(|n| usize::try_from(n).ok()) }
    };
    let shape: Option<Vec<usize>> = list.iter().map(sizes).collect();
    shape
        .filter(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(count))
        .ok_or_else(|| net.fail(call, format!("'target_shape' does not hold {count} numbers")))
}

fn reshape(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let count = net.shape(v).iter().product();
    let shape = target(net, call, count)?;
    if shape == net.shape(v) {
        return Ok(v);
    }
    // Back to the planes that were flattened.
    if let (Form::Flat([c, h, w]), &[th, tw, tc]) = (v.form, &shape[..])
        && [th, tw, tc] == [h, w, c]
    {
        return Ok(Live::planes(net.push(&call.name, Op::View(View::Reshape(vec![c, h, w])), &[v.id])?));
    }
    let from = net.in_order(v, &call.name)?;
    let &[h, w, c] = &shape[..] else {
        let op = if shape.len() == 1 { View::Flatten } else { View::Reshape(shape) };
        return Ok(Live::plain(net.push(&call.name, Op::View(op), &[from.id])?));
    };
    if c == 1 || h * w == 1 {
        return Ok(Live::planes(net.push(&call.name, Op::View(View::Reshape(vec![c, h, w])), &[from.id])?));
    }
    let id = net.push(&format!("{}/order", call.name), Op::View(View::Reshape(shape)), &[from.id])?;
    let planes = Op::Transpose(Transpose { order: vec![2, 0, 1] });
    Ok(Live::planes(net.push(&call.name, planes, &[id])?))
}

fn permute(net: &mut Net, call: &Call, v: Live) -> Result<Live, EvidenceError> {
    let rank = net.shape(v).len();
    let dims = call.set.get("dims").and_then(Value::as_array);
    // Keras counts from 1, the batch being 0.
    let dims: Option<Vec<usize>> = dims.and_then(|list| {
        list.iter().map(|d| usize::try_from(d.as_u64()?).ok()?.checked_sub(1).filter(|&d| d < rank)).collect()
    });
    let dims = dims.filter(|d| d.len() == rank).ok_or_else(|| net.fail(call, "'dims' are not its axes"))?;
    if v.form != Form::Planes {
        let from = net.in_order(v, &call.name)?;
        return Ok(Live::plain(net.push(
            &call.name,
            Op::Transpose(Transpose { order: dims }),
            &[from.id],
        )?));
    }
    // Keras' rows, columns, channels are axes 1, 2, 0 here.
    let here = |d: usize| (d + 1) % 3;
    let order = [2, 0, 1].iter().filter_map(|&k| dims.get(k)).map(|&d| here(d)).collect();
    Ok(Live::planes(net.push(&call.name, Op::Transpose(Transpose { order }), &[v.id])?))
}
