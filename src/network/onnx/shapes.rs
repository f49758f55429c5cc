//! Nodes that move numbers or rename shapes.

use super::fault::Fault;
use super::fixed::axes;
use super::lower::{Context, Step};
use crate::network::graph::ValueId;
use crate::network::op::{Concat, Op, Pad, Transpose, View};

/// The value of a node of this kind; `None` for any other.
pub(crate) fn lower<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Option<ValueId>, Fault> {
    let op = step.node.op_type.as_str();
    if !matches!(
        op,
        "Identity"
            | "Dropout"
            | "Cast"
            | "Flatten"
            | "Reshape"
            | "Squeeze"
            | "Unsqueeze"
            | "Transpose"
            | "Concat"
            | "Pad"
    ) {
        return Ok(None);
    }
    if op == "Concat" {
        let inputs: Vec<ValueId> =
            (0..step.node.input.len()).map(|k| cx.need(step, k)).collect::<Result<_, _>>()?;
        let first = *inputs.first().ok_or_else(|| step.fault("onnx.graph.undefined", "joins nothing"))?;
        let axis = step.axis(step.int("axis", 1), cx.rank(first))?;
        return cx.push(step, Op::Concat(Concat { axis }), &inputs).map(Some);
    }
    let x = cx.need(step, 0)?;
    let shape = cx.builder.shape(x).to_vec();
    let op = match op {
        "Identity" => Op::View(View::Identity),
        "Dropout" => Op::View(View::Dropout),
        "Cast" => match step.int("to", 1) {
            1 | 10 | 11 | 16 => Op::View(View::Identity),
            _ => return Err(step.unsupported("to whole numbers")),
        },
        "Flatten" => match step.int("axis", 1) {
            1 => Op::View(View::Flatten),
            a if a < 0 && a + cx.rank(x) as i64 == 1 => Op::View(View::Flatten),
            _ => return Err(step.unsupported("that merges the batch with other axes")),
        },
        "Reshape" => Op::View(View::Reshape(reshape(cx, step, &shape)?)),
        "Squeeze" => Op::View(View::Reshape(squeeze(cx, step, &shape)?)),
        "Unsqueeze" => Op::View(View::Reshape(unsqueeze(cx, step, &shape)?)),
        "Transpose" => transpose(cx, step, x)?,
        _ => Op::Pad(pad(cx, step, shape.len())?),
    };
    cx.push(step, op, &[x]).map(Some)
}

fn reshape<'a>(cx: &Context<'a>, step: &Step<'a>, shape: &[usize]) -> Result<Vec<usize>, Fault> {
    let to = cx.ints(step, 1)?.ok_or_else(|| step.unsupported("to a computed shape"))?.data;
    let size: usize = shape.iter().product();
    let misfit = || {
        let shown: Vec<String> = to.iter().map(|d| d.map_or("batch".into(), |d| d.to_string())).collect();
        step.fault("onnx.graph.shape", format!("batch × {shape:?} cannot become [{}]", shown.join(", ")))
    };
    let Some((first, rest)) = to.split_first() else { return Err(misfit()) };
    let mut out = Vec::with_capacity(rest.len());
    let mut open = None;
    for (k, d) in rest.iter().enumerate() {
        match d {
            Some(-1) if open.is_none() => {
                open = Some(k);
                out.push(1);
            }
            Some(0) => out.push(*shape.get(k).ok_or_else(misfit)?),
            Some(d) => out.push(usize::try_from(*d).map_err(|_| misfit())?),
            None => return Err(misfit()),
        }
    }
    let product =
        out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0).ok_or_else(misfit)?;
    if let Some(k) = open {
        out[k] = size / product;
    }
    // The first axis must stay the batch: named as such, copied, as large as the file's fixed batch, or what is left.
    let batch = match first {
        None | Some(0) => true,
        Some(-1) => open.is_none() && product == size,
        Some(d) => cx.batch == Some(*d),
    };
    if !batch || out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(size) {
        return Err(misfit());
    }
    Ok(if out.is_empty() { vec![1] } else { out })
}

fn squeeze<'a>(cx: &Context<'a>, step: &Step<'a>, shape: &[usize]) -> Result<Vec<usize>, Fault> {
    let drop: Vec<usize> = match axes(cx, step)? {
        Some(list) => list.into_iter().map(|a| step.axis(a, shape.len() + 1)).collect::<Result<_, _>>()?,
        None => (0..shape.len()).filter(|&a| shape[a] == 1).collect(),
    };
    if let Some(&a) = drop.iter().find(|&&a| shape[a] != 1) {
        return Err(step.fault("onnx.graph.shape", format!("axis {} has {} numbers, not 1", a + 1, shape[a])));
    }
    let left: Vec<usize> = (0..shape.len()).filter(|a| !drop.contains(a)).map(|a| shape[a]).collect();
    Ok(if left.is_empty() { vec![1] } else { left })
}

fn unsqueeze<'a>(cx: &Context<'a>, step: &Step<'a>, shape: &[usize]) -> Result<Vec<usize>, Fault> {
    let list = axes(cx, step)?.ok_or_else(|| step.unsupported("along computed axes"))?;
    let rank = shape.len() + 1 + list.len();
    if rank > cx.limits.rank + 1 {
        return Err(
            step.fault("onnx.op.attr", format!("makes {rank} axes, the cap 'rank' is {}", cx.limits.rank))
        );
    }
    let mut new: Vec<usize> = list.into_iter().map(|a| step.axis(a, rank)).collect::<Result<_, _>>()?;
    new.sort_unstable();
    let mut out = shape.to_vec();
    for a in new {
        if a > out.len() {
            return Err(step.fault("onnx.op.attr", "names an axis that does not exist"));
        }
        out.insert(a, 1);
    }
    Ok(out)
}

fn transpose(cx: &Context, step: &Step, x: ValueId) -> Result<Op, Fault> {
    let rank = cx.rank(x);
    let perm: Vec<i64> = match step.attr("perm") {
        Some(a) => a.ints.clone(),
        None => (0..rank as i64).rev().collect(),
    };
    if perm.first() != Some(&0) {
        return Err(step.unsupported("that moves the batch axis"));
    }
    let order: Vec<usize> = perm[1..].iter().map(|&a| step.axis(a, rank)).collect::<Result<_, _>>()?;
    Ok(Op::Transpose(Transpose { order }))
}

fn pad<'a>(cx: &Context<'a>, step: &Step<'a>, rank: usize) -> Result<Pad, Fault> {
    if step.text("mode").is_some_and(|m| m != "constant") {
        return Err(step.unsupported("other than with a constant"));
    }
    let amounts = match step.attr("pads") {
        Some(a) => a.ints.clone(),
        None => cx.known_ints(step, 1)?.ok_or_else(|| step.unsupported("by a computed amount"))?,
    };
    let value = match step.attr("value") {
        Some(a) => a.f,
        None => cx.floats(step, 2)?.and_then(|v| v.first().copied()).unwrap_or(0.0),
    };
    if cx.known_ints(step, 3)?.is_some() {
        return Err(step.unsupported("along given axes"));
    }
    if rank != 3 || amounts.len() != 8 || [0, 1, 4, 5].iter().any(|&k| amounts[k] != 0) {
        return Err(step.unsupported("other than of height and width"));
    }
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip([2, 3, 6, 7]) {
        *to = usize::try_from(amounts[from])
            .map_err(|_| step.fault("onnx.op.attr", "crops: negative padding is not supported"))?;
    }
    Ok(Pad { amounts: four, value })
}
