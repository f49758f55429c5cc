//! Layers and functions of several values.

use super::graph::{Call, Given, Net};
use super::value::{Form, Live};
use crate::evidence::EvidenceError;
use crate::network::op::{Arith, Arithmetic, Concat, Op, Operand};
use ndarray::Array1;

/// A layer that joins values; `None` when it is another.
pub(super) fn lower(net: &mut Net, call: &Call, live: &[Live]) -> Result<Option<Live>, EvidenceError> {
    let (kind, mean) = match call.layer.class {
        "Add" => (Arithmetic::Add, false),
        "Average" => (Arithmetic::Add, true),
        "Subtract" => (Arithmetic::Sub, false),
        "Multiply" => (Arithmetic::Mul, false),
        "Concatenate" => return concatenate(net, call, live).map(Some),
        _ => return Ok(None),
    };
    let all = alike(net, call, live)?;
    let Some((&first, rest)) = all.split_first() else {
        return Err(net.fail(call, "has no input"));
    };
    if rest.is_empty() || kind == Arithmetic::Sub && rest.len() != 1 {
        return Err(net.fail(call, format!("joins {} values", all.len())));
    }
    let mut value = first;
    for next in rest {
        let op = Op::Arith(Arith::of_inputs(kind));
        // The larger side keeps its form; both are of one form here.
        value = value.with(net.push(&call.name, op, &[value.id, next.id])?);
    }
    if mean {
        value = constant(net, call, value, Arithmetic::Mul, 1.0 / all.len() as f32, false)?;
    }
    Ok(Some(value))
}

/// All values in one form, of the same number of axes.
fn alike(net: &mut Net, call: &Call, live: &[Live]) -> Result<Vec<Live>, EvidenceError> {
    let first = live.first().copied();
    let same = live.iter().all(|v| Some(v.form) == first.map(|f| f.form));
    let all: Vec<Live> = if same {
        live.to_vec()
    } else {
        live.iter().map(|&v| net.in_order(v, &call.name)).collect::<Result<_, _>>()?
    };
    let ranks: Vec<usize> = all.iter().map(|&v| net.shape(v).len()).collect();
    if ranks.windows(2).any(|w| w[0] != w[1]) {
        return Err(net.unsupported(call, "of values with different numbers of axes"));
    }
    Ok(all)
}

fn concatenate(net: &mut Net, call: &Call, live: &[Live]) -> Result<Live, EvidenceError> {
    let planes = live.iter().all(|v| v.form == Form::Planes);
    let all: Vec<Live> = if planes {
        live.to_vec()
    } else {
        live.iter().map(|&v| net.in_order(v, &call.name)).collect::<Result<_, _>>()?
    };
    let Some(&first) = all.first() else { return Err(net.fail(call, "has no input")) };
    let rank = net.shape(first).len();
    let asked = call.set.axis("axis", -1).map_err(|r| net.fail(call, r))?;
    // Keras counts the batch.
    let axis = if asked < 0 { asked + rank as i64 } else { asked - 1 };
    let Some(axis) = usize::try_from(axis).ok().filter(|&a| a < rank) else {
        return Err(net.unsupported(call, &format!("along axis {asked}")));
    };
    let axis = if planes { (axis + 1) % 3 } else { axis };
    let ids: Vec<usize> = all.iter().map(|v| v.id).collect();
    Ok(first.with(net.push(&call.name, Op::Concat(Concat { axis }), &ids)?))
}

/// A value and a number.
fn constant(
    net: &mut Net,
    call: &Call,
    v: Live,
    kind: Arithmetic,
    number: f32,
    number_first: bool,
) -> Result<Live, EvidenceError> {
    let id = net.param(call, "number", Array1::from(vec![number]).into_dyn(), false);
    let number = Operand::Constant(id, vec![1]);
    let (left, right) = if number_first { (number, Operand::Input(0)) } else { (Operand::Input(0), number) };
    Ok(v.with(net.push(&call.name, Op::Arith(Arith { kind, left, right }), &[v.id])?))
}

/// One of Keras' functions on arrays.
pub(super) fn function(
    net: &mut Net,
    call: &Call,
    given: &[Given],
    live: &[Live],
) -> Result<Live, EvidenceError> {
    let kind = match call.layer.class {
        "Add" => Arithmetic::Add,
        "Subtract" => Arithmetic::Sub,
        "Multiply" => Arithmetic::Mul,
        "TrueDivide" | "Divide" => Arithmetic::Div,
        _ => {
            let found = match live {
                &[v] if given.len() == 1 => super::layers::function(net, call, v)?,
                _ => None,
            };
            return found.ok_or_else(|| net.unsupported(call, "(a function on arrays)"));
        }
    };
    match *given {
        [Given::Live(a), Given::Number(n)] => constant(net, call, a, kind, n, false),
        [Given::Number(n), Given::Live(b)] => constant(net, call, b, kind, n, true),
        [Given::Live(_), Given::Live(_)] => {
            let all = alike(net, call, live)?;
            let ids: Vec<usize> = all.iter().map(|v| v.id).collect();
            Ok(all[0].with(net.push(&call.name, Op::Arith(Arith::of_inputs(kind)), &ids)?))
        }
        _ => Err(net.unsupported(call, "(a function on arrays) of other than two values")),
    }
}
