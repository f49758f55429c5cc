//! One tensor: the call that would rebuild it, its view of a storage, and its numbers in row-major order.

use super::container::{Container, Place, Storages};
use crate::evidence::Limits;
use crate::evidence::array::Dtype;
use crate::evidence::limits::cap;
use crate::evidence::pickle::{Action, Pickle, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// A stable code and a reason.
type Wrong = (&'static str, String);

/// What the whole numbers of a quantised tensor stand for: `(number − zero) · scale`, of the whole tensor or by index
/// along an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    /// One for the whole tensor, or one for each index along `axis`.
    pub scale: Vec<f64>,
    /// As many.
    pub zero: Vec<f64>,
    /// The axis; 0 when there is one scale.
    pub axis: usize,
}

/// A tensor's view of its storage, checked.
pub(super) struct View<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) quantised: Option<Quantised>,
    strides: Vec<usize>,
    offset: usize,
    place: Place<'a>,
}

/// Calls that give their first argument back.
const WRAPPERS: [&str; 3] = ["_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter"];

/// Whether a value is a tensor or parameter.
pub(super) fn is_tensor(pickle: &Pickle, value: Value) -> bool {
    rebuilt(pickle, value).is_some()
}

/// The function and arguments that rebuild a tensor, with parameters and subclasses unwrapped.
fn rebuilt<'p>(pickle: &'p Pickle, mut value: Value) -> Option<(&'p str, &'p [Value])> {
    for _ in 0..4 {
        let call = pickle.call(value)?;
        let (module, name) = pickle.global(call.callee)?;
        match (module, name) {
            ("torch._utils" | "torch.nn.parameter", name) if WRAPPERS.contains(&name) => {
                value = *pickle.args(call).first()?;
            }
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let [function, _, args, ..] = pickle.args(call)[..] else { return None };
                let ("torch._utils", name) = pickle.global(function)? else { return None };
                return rebuilds(name).then_some((name, pickle.tuple(args)?));
            }
            ("torch._utils", name) if rebuilds(name) => return Some((name, pickle.args(call))),
            _ => return None,
        }
    }
    None
}

fn rebuilds(name: &str) -> bool {
    matches!(name, "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" | "_rebuild_qtensor")
}

/// The type of a storage class or dtype; `None` for what has no array type here.
pub fn dtype(name: &str) -> Option<Dtype> {
    Some(match name.trim_end_matches("Storage") {
        "Float" | "float32" | "float" => Dtype::F32,
        "Double" | "float64" | "double" => Dtype::F64,
        "Half" | "float16" | "half" => Dtype::F16,
        "BFloat16" | "bfloat16" => Dtype::BF16,
        "Long" | "int64" | "long" => Dtype::I64,
        "Int" | "int32" | "int" | "QInt32" => Dtype::I32,
        "Short" | "int16" | "short" => Dtype::I16,
        "Char" | "int8" | "QInt8" => Dtype::I8,
        "Byte" | "uint8" | "QUInt8" | "Untyped" => Dtype::U8,
        "Bool" | "bool" => Dtype::BOOL,
        _ => return None,
    })
}

/// Key, class and number of elements of the storage that a persistent object stands for, and the offset and length of
/// a view of it (old layout).
struct Named<'p> {
    key: &'p str,
    class: &'p str,
    elements: u64,
}

fn storage<'p>(pickle: &'p Pickle, value: Value) -> Option<Named<'p>> {
    let parts = pickle.tuple(pickle.persistent(value)?)?;
    if !matches!(parts.get(5), None | Some(Value::None)) {
        return None;
    }
    let (_, class) =
        pickle.global(*parts.get(1)?).filter(|(m, _)| matches!(*m, "torch" | "torch.storage"))?;
    let elements = u64::try_from(pickle.int(*parts.get(4)?)?).ok()?;
    Some(Named { key: pickle.text(*parts.get(2)?)?, class, elements })
}

/// Bytes of an element of each storage that the pickle asks for.
pub(super) fn widths<'p>(pickle: &'p Pickle) -> HashMap<&'p str, u64> {
    let mut out = HashMap::new();
    for event in &pickle.events {
        let Action::PersistentId(id) = event.action else { continue };
        let named = storage(pickle, Value::Ref(id));
        if let Some((key, width)) = named.and_then(|n| Some((n.key, dtype(n.class)?.bitsize() as u64 / 8))) {
            out.insert(key, width);
        }
    }
    out
}

/// The view that a tensor takes of its storage, checked against it.
pub(super) fn view<'a>(
    pickle: &Pickle,
    value: Value,
    storages: &Storages<'a>,
    limits: &Limits,
) -> Result<View<'a>, Wrong> {
    let bounds = |reason: String| ("torch.tensor.bounds", reason);
    let (function, args) =
        rebuilt(pickle, value).ok_or_else(|| bounds("is rebuilt by no known function".to_owned()))?;
    let [first, offset, size, stride, rest @ ..] = args else {
        return Err(bounds("is rebuilt from too few arguments".to_owned()));
    };
    let named = storage(pickle, *first).ok_or_else(|| bounds("has no storage".to_owned()))?;
    let class = match (function, rest.get(2).and_then(|v| pickle.global(*v))) {
        ("_rebuild_tensor_v3", Some(("torch", name))) => name,
        _ => named.class,
    };
    let dtype = dtype(class).ok_or_else(|| {
        (
            "torch.storage.type",
            format!("numbers of type '{}' are not read", crate::evidence::text::visible(class)),
        )
    })?;
    let sizes = |v: Value| -> Option<Vec<usize>> {
        pickle.elements(v)?.iter().map(|&d| usize::try_from(pickle.int(d)?).ok()).collect()
    };
    let one = pickle.int(*offset).and_then(|o| usize::try_from(o).ok());
    let (Some(shape), Some(strides), Some(offset)) = (sizes(*size), sizes(*stride), one) else {
        return Err(bounds("its shape, strides or offset are no sizes".to_owned()));
    };
    if shape.len() != strides.len() || shape.len() > limits.rank {
        return Err(bounds(format!("shape {shape:?} with strides {strides:?} ({})", cap!(limits, rank))));
    }
    let width = dtype.bitsize() / 8;
    let stored = if class == named.class {
        named.elements
    } else {
        // An untyped storage counts bytes.
        named.elements / width as u64
    };
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let last = if shape.contains(&0) {
        Some(0)
    } else {
        let reach = |at: usize, (&d, &s): (&usize, &usize)| at.checked_add((d - 1).checked_mul(s)?);
        shape.iter().zip(&strides).try_fold(offset, reach).and_then(|l| l.checked_add(1))
    };
    let fits = |n: Option<usize>| n.is_some_and(|n| n as u64 <= stored.min(limits.tensor_elements));
    if !fits(last) || !fits(count) {
        return Err(bounds(format!(
            "shape {shape:?} with strides {strides:?} from {offset} does not fit its storage of {stored} numbers ({})",
            cap!(limits, tensor_elements)
        )));
    }
    let place = storages.get(named.key).copied().ok_or_else(|| {
        let key = crate::evidence::text::visible(named.key);
        ("torch.storage.missing", format!("its storage '{key}' is not in the file"))
    })?;
    let quantised = match (function, rest.first()) {
        ("_rebuild_qtensor", Some(params)) => Some(quantised(pickle, *params).ok_or_else(|| {
            (
                "torch.storage.type",
                "is quantised in a way that is not read (one scale for the whole tensor is)".to_owned(),
            )
        })?),
        _ => None,
    };
    Ok(View { dtype, shape, quantised, strides, offset, place })
}

/// `(qscheme, scale, zero point)` of a tensor with one scale.
fn quantised(pickle: &Pickle, params: Value) -> Option<Quantised> {
    let [scheme, scale, zero] = pickle.tuple(params)? else { return None };
    let ("torch", "per_tensor_affine" | "per_tensor_symmetric") = pickle.global(*scheme)? else {
        return None;
    };
    let Value::Float(scale) = *scale else { return None };
    let zero = pickle.int(*zero)? as f64;
    Some(Quantised { scale: vec![scale], zero: vec![zero], axis: 0 })
}

impl<'a> View<'a> {
    /// Bytes of its numbers. Cannot overflow: there are not more of them than its storage has.
    pub(super) fn bytes(&self) -> u64 {
        (self.shape.iter().product::<usize>() as u64).saturating_mul(self.dtype.bitsize() as u64 / 8)
    }

    /// Its numbers in row-major order.
    pub(super) fn numbers(&self, container: &Container<'a>, limits: &Limits) -> Result<Cow<'a, [u8]>, Wrong> {
        let width = self.dtype.bitsize() / 8;
        let count: usize = self.shape.iter().product();
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let last = self.shape.iter().zip(&self.strides).fold(self.offset, |at, (&d, &s)| at + (d - 1) * s);
        let end = (last + 1).saturating_mul(width);
        let missing = |reason| ("torch.storage.missing", reason);
        let storage = container.bytes(self.place, end as u64, limits).map_err(missing)?;
        if self.in_order() {
            let range = self.offset * width..(self.offset + count) * width;
            return Ok(match storage {
                Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(range).unwrap_or_default()),
                Cow::Owned(bytes) => Cow::Owned(bytes.get(range).unwrap_or_default().to_vec()),
            });
        }
        let mut out = Vec::with_capacity(count * width);
        let (mut index, mut at) = (vec![0; self.shape.len()], self.offset);
        for _ in 0..count {
            out.extend_from_slice(storage.get(at * width..(at + 1) * width).unwrap_or_default());
            for ((index, &extent), &stride) in index.iter_mut().zip(&self.shape).zip(&self.strides).rev() {
                *index += 1;
                at += stride;
                if *index < extent {
                    break;
                }
                at -= stride * *index;
                *index = 0;
            }
        }
        Ok(Cow::Owned(out))
    }

    /// Whether the numbers lie in row-major order already.
    fn in_order(&self) -> bool {
        let mut wanted = 1;
        for (&d, &s) in self.shape.iter().zip(&self.strides).rev() {
            if d != 1 && s != wanted {
                return false;
            }
            wanted *= d;
        }
        true
    }
}
