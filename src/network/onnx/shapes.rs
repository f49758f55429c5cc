//! Nodes that move numbers or rename shapes. Where the batch axis stands is followed through them: see
//! [`super::place::Live`].

use super::fault::Fault;
use super::fixed::axes;
use super::lower::{Context, Step};
use super::place::{BATCH, Live, Merge};
use crate::evidence::limits::cap;
use crate::network::graph::ValueId;
use crate::network::op::{Concat, Constant, Op, Pad, Pick, Transpose, View};

/// The values of a node of this kind, one for each output; `None` for any other.
pub(crate) fn lower<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Option<Vec<Live>>, Fault> {
    Ok(Some(match step.node.op_type.as_str() {
        "Concat" => vec![concat(cx, step)?],
        "Split" => split(cx, step)?,
        "Slice" => vec![slice(cx, step)?],
        "Gather" => vec![gather(cx, step)?],
        "Expand" => vec![expand(cx, step)?],
        "Identity" => vec![view(cx, step, View::Identity)?],
        "Dropout" => vec![view(cx, step, View::Dropout)?],
        "Cast" => match step.int("to", 1) {
            1 | 10 | 11 | 16 => vec![view(cx, step, View::Identity)?],
            _ => return Err(step.unsupported("to whole numbers")),
        },
        "Flatten" => vec![flatten(cx, step)?],
        "Reshape" => vec![reshape(cx, step)?],
        "Squeeze" => vec![squeeze(cx, step)?],
        "Unsqueeze" => vec![unsqueeze(cx, step)?],
        "Transpose" => vec![transpose(cx, step)?],
        "Pad" => {
            let x = cx.need(step, 0)?;
            let rank = cx.builder.shape(x).len();
            let pad = pad(cx, step, rank)?;
            vec![Live::first(cx.push(step, Op::Pad(pad), &[x])?)]
        }
        _ => return Ok(None),
    }))
}

fn view<'a>(cx: &mut Context<'a>, step: &Step<'a>, view: View) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    Ok(x.with(cx.push(step, Op::View(view), &[x.id])?))
}

/// The same numbers under another shape and place of the batch.
fn renamed<'a>(
    cx: &mut Context<'a>,
    step: &Step<'a>,
    x: Live,
    shape: Vec<usize>,
    at: usize,
    merge: Merge,
) -> Result<Live, Fault> {
    // A vector of one number stands for a number: a value has at least one axis per image.
    let shape = if shape.is_empty() { vec![1] } else { shape };
    let id = cx.push(step, Op::View(View::Reshape(shape)), &[x.id])?;
    Ok(Live { id, at, merge })
}

fn flatten<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need(step, 0)?;
    match step.int("axis", 1) {
        a if a == 1 || a < 0 && a + cx.builder.shape(x).len() as i64 + 1 == 1 => {
            Ok(Live::first(cx.push(step, Op::View(View::Flatten), &[x])?))
        }
        _ => Err(step.unsupported("that merges the batch with other axes")),
    }
}

fn reshape<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let shape = cx.builder.shape(x.id).to_vec();
    let to = cx.ints(step, 1)?.ok_or_else(|| step.unsupported("to a computed shape"))?.data;
    let misfit = || {
        let shown: Vec<String> =
            to.iter().map(|&d| if d == BATCH { "batch".into() } else { d.to_string() }).collect();
        step.fault("onnx.graph.shape", format!("batch × {shape:?} cannot become [{}]", shown.join(", ")))
    };
    // The batch axis stays where as many numbers of an image are in front of it as before, else numbers would move.
    // An axis of its own is looked for first: a fixed batch of 1 could be part of any.
    let candidates: Vec<(usize, Vec<usize>)> =
        (0..to.len()).filter_map(|j| sizes(cx, x, &shape, &to, j)).collect();
    let front = x.front(&shape);
    let before = |j: usize, out: &[usize]| out[..j].iter().product::<usize>();
    for merge in [Merge::Alone, Merge::Outer, Merge::Inner] {
        for (j, out) in &candidates {
            let (j, taken) = (*j, out[*j]);
            let fits = match merge {
                Merge::Alone => taken == 1 && before(j, out) == front,
                Merge::Outer => taken > 1 && before(j, out) == front,
                Merge::Inner => taken > 1 && before(j, out).checked_mul(taken) == Some(front),
            };
            if fits {
                let mut out = out.clone();
                if merge == Merge::Alone {
                    out.remove(j);
                }
                return renamed(cx, step, x, out, j, merge);
            }
        }
    }
    Err(misfit())
}

/// The sizes that a reshape gives each image if axis `j` is that of the batch, and how many numbers of each image that
/// axis takes in (in its place); `None` if it cannot be.
fn sizes(cx: &Context, x: Live, shape: &[usize], to: &[i64], j: usize) -> Option<(usize, Vec<usize>)> {
    let size: usize = shape.iter().product();
    let mut open = None;
    let mut out = Vec::with_capacity(to.len());
    for (k, &d) in to.iter().enumerate() {
        out.push(match d {
            -1 if open.is_none() => {
                open = Some(k);
                1
            }
            0 if k == j => (j == x.at).then(|| if x.merged() { shape[x.at] } else { 1 })?,
            // An axis that is copied has the same number on both sides.
            0 => x.axis(k).and_then(|axis| shape.get(axis).copied())?,
            d if k == j && d > 0 && d % BATCH == 0 => usize::try_from(d / BATCH).ok()?,
            d if k == j => {
                let batch = cx.batch.filter(|&b| d > 0 && d % b == 0)?;
                usize::try_from(d / batch).ok()?
            }
            d => usize::try_from(d).ok()?,
        });
    }
    let known = out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0)?;
    if let Some(k) = open {
        out[k] = size / known;
    }
    (out.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(size)).then_some((j, out))
}

fn squeeze<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let shape = cx.builder.shape(x.id).to_vec();
    let rank = cx.rank(x);
    let drop: Vec<usize> = match axes(cx, step)? {
        Some(list) => list.into_iter().map(|a| step.placed_axis(a, rank, x)).collect::<Result<_, _>>()?,
        None => (0..shape.len()).filter(|&a| shape[a] == 1 && !(x.merged() && a == x.at)).collect(),
    };
    if let Some(&a) = drop.iter().find(|&&a| shape[a] != 1) {
        return Err(step.fault("onnx.graph.shape", format!("axis {} has {} numbers, not 1", a + 1, shape[a])));
    }
    let at = x.at - drop.iter().filter(|&&a| a < x.at).count();
    let left: Vec<usize> = (0..shape.len()).filter(|a| !drop.contains(a)).map(|a| shape[a]).collect();
    renamed(cx, step, x, left, at, x.merge)
}

fn unsqueeze<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let shape = cx.builder.shape(x.id).to_vec();
    let list = axes(cx, step)?.ok_or_else(|| step.unsupported("along computed axes"))?;
    let rank = cx.rank(x) + list.len();
    if rank > cx.limits.rank + 1 {
        let cap = cap!(cx.limits, rank);
        return Err(step.fault("onnx.op.attr", format!("makes {rank} axes, {cap}")));
    }
    let mut new: Vec<usize> = list.into_iter().map(|a| step.whole_axis(a, rank)).collect::<Result<_, _>>()?;
    new.sort_unstable();
    // All axes with the batch among them, as `None`.
    let mut all: Vec<Option<usize>> = shape.iter().map(|&d| Some(d)).collect();
    if x.merged() {
        all[x.at] = None;
    } else {
        all.insert(x.at, None);
    }
    for a in new {
        if a > all.len() {
            return Err(step.fault("onnx.op.attr", "names an axis that does not exist"));
        }
        all.insert(a, Some(1));
    }
    let at = all.iter().position(Option::is_none).unwrap_or(0);
    let merged = x.merged().then(|| shape[x.at]);
    let out: Vec<usize> = all.into_iter().filter_map(|d| d.or(merged)).collect();
    renamed(cx, step, x, out, at, x.merge)
}

fn transpose<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let rank = cx.rank(x);
    let perm: Vec<usize> = match step.attr("perm") {
        Some(a) => a.ints.iter().map(|&a| step.whole_axis(a, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(step.fault("onnx.op.attr", "'perm' is not an order of the axes"));
    }
    let at = perm.iter().position(|&a| a == x.at).unwrap_or(0);
    let order: Vec<usize> =
        perm.iter().filter_map(|&a| if a == x.at && x.merged() { Some(x.at) } else { x.axis(a) }).collect();
    let placed = Live { at, ..x };
    if order.iter().copied().eq(0..order.len()) {
        return Ok(placed.with(cx.push(step, Op::View(View::Identity), &[x.id])?));
    }
    Ok(placed.with(cx.push(step, Op::Transpose(Transpose { order }), &[x.id])?))
}

fn concat<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let count = step.node.input.len();
    let mut first = None;
    for k in 0..count {
        first = first.or(cx.placed(step, k)?);
    }
    let first = first.ok_or_else(|| step.fault("onnx.graph.undefined", "joins nothing"))?;
    let mut inputs: Vec<ValueId> = Vec::with_capacity(count);
    for k in 0..count {
        inputs.push(match cx.placed(step, k)? {
            Some(v) if v.like(first) => v.id,
            Some(_) => return Err(step.unsupported("of values with the batch on different axes")),
            None => {
                let value =
                    cx.floats(step, k)?.ok_or_else(|| step.fault("onnx.graph.undefined", "joins nothing"))?;
                // A constant beside the batch would have to be of the batch's size.
                if cx.batch != Some(1) || value.shape().get(first.at) != Some(&1) || first.merged() {
                    return Err(step.unsupported("of a constant that is not expanded to the batch"));
                }
                let shape: Vec<usize> = value
                    .shape()
                    .iter()
                    .enumerate()
                    .filter(|(a, _)| *a != first.at)
                    .map(|(_, &d)| d)
                    .collect();
                constant(cx, step, k, shape)?
            }
        });
    }
    let axis = step.placed_axis(step.int("axis", 1), cx.rank(first), first)?;
    Ok(first.with(cx.push(step, Op::Concat(Concat { axis }), &inputs)?))
}

/// A constant input as a value that every image gets.
fn constant<'a>(
    cx: &mut Context<'a>,
    step: &Step<'a>,
    k: usize,
    shape: Vec<usize>,
) -> Result<ValueId, Fault> {
    let value = cx.need_param(step, k, true)?;
    let name = format!("{}.constant", step.node.input[k]);
    Ok(cx.builder.push(&name, Op::Constant(Constant { value, shape }), &[])?)
}

/// A constant that is repeated for every image of the batch.
fn expand<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    if cx.placed(step, 0)?.is_some() {
        return Err(step.unsupported("of a value that depends on the image"));
    }
    let to = cx.ints(step, 1)?.ok_or_else(|| step.unsupported("to a computed shape"))?.data;
    let value = cx.floats(step, 0)?.ok_or_else(|| step.fault("onnx.graph.undefined", "reads nothing"))?;
    let own = value.shape().to_vec();
    let at = to.iter().position(|&d| d == BATCH).or_else(|| to.iter().position(|&d| Some(d) == cx.batch));
    let same = |(k, &d): (usize, &usize)| Some(k) == at || usize::try_from(to[k]) == Ok(d) || to[k] == 1;
    match at {
        Some(at) if own.len() == to.len() && own[at] == 1 && own.iter().enumerate().all(same) => {
            let shape = own.iter().enumerate().filter(|(k, _)| *k != at).map(|(_, &d)| d).collect();
            Ok(Live { id: constant(cx, step, 0, shape)?, at, merge: Merge::Alone })
        }
        _ => Err(step.unsupported("other than of a constant to the batch")),
    }
}

/// The value's indices along an axis, as a node; the whole axis costs nothing.
fn pick<'a>(
    cx: &mut Context<'a>,
    step: &Step<'a>,
    x: Live,
    axis: usize,
    indices: Vec<usize>,
) -> Result<Live, Fault> {
    if indices.len() > cx.limits.constant_numbers {
        let cap = cap!(cx.limits, constant_numbers);
        return Err(step.fault("onnx.limit", format!("takes {} indices, {cap}", indices.len())));
    }
    let size = cx.builder.shape(x.id)[axis];
    if indices.iter().copied().eq(0..size) {
        return Ok(x.with(cx.push(step, Op::View(View::Identity), &[x.id])?));
    }
    Ok(x.with(cx.push(step, Op::Pick(Pick { axis, indices }), &[x.id])?))
}

fn split<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Vec<Live>, Fault> {
    let x = cx.need_placed(step, 0)?;
    let axis = step.placed_axis(step.int("axis", 0), cx.rank(x), x)?;
    let size = cx.builder.shape(x.id)[axis];
    let outputs = step.node.output.len();
    let given = match step.attr("split") {
        Some(a) => Some(a.ints.clone()),
        None => cx.known_ints(step, 1)?,
    };
    let sizes: Vec<usize> = if let Some(list) = given {
        list.iter().filter_map(|&d| usize::try_from(d).ok().filter(|&d| d > 0)).collect()
    } else {
        // Equal parts, the last one smaller.
        let part = size.div_ceil(outputs.max(1));
        (0..outputs).map(|k| part.min(size.saturating_sub(k * part))).collect()
    };
    let sum = sizes.iter().try_fold(0usize, |n, &d| n.checked_add(d));
    if sizes.len() != outputs || sum != Some(size) || sizes.contains(&0) {
        return Err(step.fault("onnx.graph.shape", format!("{size} numbers do not split into {sizes:?}")));
    }
    let mut from = 0;
    sizes
        .into_iter()
        .map(|d| {
            from += d;
            pick(cx, step, x, axis, (from - d..from).collect())
        })
        .collect()
}

fn slice<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let mut x = cx.need_placed(step, 0)?;
    let list = |k: usize, name: &str| match step.attr(name) {
        Some(a) => Ok(Some(a.ints.clone())),
        None => cx.known_ints(step, k),
    };
    let computed = || step.unsupported("with computed bounds");
    let (starts, ends) = (list(1, "starts")?.ok_or_else(computed)?, list(2, "ends")?.ok_or_else(computed)?);
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = cx.known_ints(step, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return Err(step.fault("onnx.op.attr", "starts, ends, axes and steps differ in number"));
    }
    for (k, &axis) in axes.iter().enumerate() {
        let whole = (starts[k], steps[k]) == (0, 1) && ends[k] >= i64::from(i32::MAX);
        if whole && step.whole_axis(axis, cx.rank(x))? == x.at {
            continue;
        }
        let axis = step.placed_axis(axis, cx.rank(x), x)?;
        let size = cx.builder.shape(x.id)[axis] as i64;
        let clamp =
            |v: i64, low: i64, high: i64| (if v < 0 { v.saturating_add(size) } else { v }).clamp(low, high);
        let by = steps[k];
        let mut indices = Vec::new();
        let (mut at, end) = match by {
            1.. => (clamp(starts[k], 0, size), clamp(ends[k], 0, size)),
            0 => return Err(step.fault("onnx.op.attr", "a step of 0")),
            _ => (
                clamp(starts[k], -1, size - 1),
                if ends[k] < -size { -1 } else { clamp(ends[k], -1, size - 1) },
            ),
        };
        while if by > 0 { at < end } else { at > end } {
            indices.extend(usize::try_from(at));
            at = at.saturating_add(by);
        }
        if indices.is_empty() {
            return Err(step.fault("onnx.graph.shape", "takes nothing"));
        }
        x = pick(cx, step, x, axis, indices)?;
    }
    Ok(x)
}

fn gather<'a>(cx: &mut Context<'a>, step: &Step<'a>) -> Result<Live, Fault> {
    let x = cx.need_placed(step, 0)?;
    let axis = step.placed_axis(step.int("axis", 0), cx.rank(x), x)?;
    let shape = cx.builder.shape(x.id).to_vec();
    let index = cx.ints(step, 1)?.ok_or_else(|| step.unsupported("of computed indices"))?;
    let size = shape[axis] as i64;
    let one = |&i: &i64| usize::try_from(if i < 0 { i + size } else { i }).ok().filter(|&i| i < shape[axis]);
    let indices: Option<Vec<usize>> = index.data.iter().map(one).collect();
    let indices = indices.filter(|i| !i.is_empty());
    let indices = indices.ok_or_else(|| step.fault("onnx.op.attr", "takes an index that does not exist"))?;
    if index.shape.len() > 1 {
        return Err(step.unsupported("of indices that are no list"));
    }
    let picked = pick(cx, step, x, axis, indices)?;
    if !index.shape.is_empty() {
        return Ok(picked);
    }
    let mut left = shape;
    left.remove(axis);
    let at = x.at - usize::from(axis < x.at);
    renamed(cx, step, picked, left, at, x.merge)
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
