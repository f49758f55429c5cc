//! Tensors of an ONNX file: sizes checked against the bytes that are there before anything is allocated.

use super::fault::{Fault, quoted};
use super::place::BATCH;
use super::proto::TensorProto;
use crate::evidence::limits::{Limits, cap};
use crate::network::load::half;
use ndarray::{ArrayD, IxDyn};

/// A small tensor of whole numbers; multiples of [`BATCH`] stand for those of the batch size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ints {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<i64>,
}

impl Ints {
    pub(crate) fn list(data: Vec<i64>) -> Self {
        Self { shape: vec![data.len()], data }
    }

    pub(crate) fn known(&self) -> Option<Vec<i64>> {
        (!self.data.iter().any(|&d| d != 0 && d % BATCH == 0)).then(|| self.data.clone())
    }
}

/// Bytes of one number of a data type that is read as numbers.
fn width(kind: i32) -> Option<usize> {
    match kind {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 => Some(8),
        _ => None,
    }
}

pub(crate) fn is_float(t: &TensorProto) -> bool {
    matches!(t.data_type, 1 | 10 | 11 | 16)
}

/// Name of a floating-point type other than f32, which is converted.
pub(crate) fn converted(t: &TensorProto) -> Option<&'static str> {
    match t.data_type {
        10 => Some("f16"),
        11 => Some("f64"),
        16 => Some("bf16"),
        _ => None,
    }
}

/// Checks dims, type, data and external references; returns the shape.
pub(crate) fn check(t: &TensorProto, limits: &Limits) -> Result<Vec<usize>, Fault> {
    let place = format!("tensor {}", quoted(&t.name));
    let fail = |code, reason: String| Err(Fault::new(place.clone(), code, reason));
    if t.dims.len() > limits.rank {
        return fail("onnx.tensor.dims", format!("has {} dimensions, {}", t.dims.len(), cap!(limits, rank)));
    }
    let mut shape = Vec::with_capacity(t.dims.len());
    for &d in &t.dims {
        match usize::try_from(d) {
            Ok(d) => shape.push(d),
            Err(_) => return fail("onnx.tensor.dims", format!("has dimension {d}")),
        }
    }
    if is_external(t) {
        return external(t, &place).map(|()| shape);
    }
    let Some(width) = width(t.data_type) else {
        return fail("onnx.tensor.dtype", format!("data type {} is not one that is read", t.data_type));
    };
    let count = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
    let Some(count) = count.filter(|&n| n <= limits.tensor_elements) else {
        let cap = cap!(limits, tensor_elements);
        return fail("onnx.tensor.size", format!("shape {shape:?} holds too many numbers: {cap}"));
    };
    let typed = t.float_data.len() + t.int32_data.len() + t.int64_data.len() + t.double_data.len();
    let given = match (&t.raw_data, typed) {
        (Some(raw), typed) if !raw.is_empty() && typed > 0 => {
            return fail(
                "onnx.tensor.ambiguous",
                "has both raw and typed data; readers differ in which they take".into(),
            );
        }
        (Some(raw), 0) => {
            if raw.len() as u64 != count * width as u64 {
                let want = count * width as u64;
                return fail(
                    "onnx.tensor.size",
                    format!("shape {shape:?} needs {want} bytes, has {}", raw.len()),
                );
            }
            count
        }
        _ => match t.data_type {
            1 => t.float_data.len() as u64,
            11 => t.double_data.len() as u64,
            7 => t.int64_data.len() as u64,
            12 | 13 if count > 0 => {
                return fail("onnx.tensor.dtype", "unsigned typed data is not read".into());
            }
            _ => t.int32_data.len() as u64,
        },
    };
    if given != count {
        return fail("onnx.tensor.size", format!("shape {shape:?} needs {count} numbers, has {given}"));
    }
    Ok(shape)
}

/// Whether the numbers of a tensor are in another file.
pub(crate) fn is_external(t: &TensorProto) -> bool {
    t.data_location == 1 || !t.external_data.is_empty()
}

/// Bytes that the shape of an external tensor takes.
pub(crate) fn external_bytes(t: &TensorProto, limits: &Limits, place: &str) -> Result<u64, Fault> {
    let fail = |code, reason: String| Fault::new(place, code, reason);
    if t.dims.len() > limits.rank {
        return Err(fail(
            "onnx.tensor.dims",
            format!("has {} dimensions, {}", t.dims.len(), cap!(limits, rank)),
        ));
    }
    let width = width(t.data_type).ok_or_else(|| {
        fail("onnx.tensor.dtype", format!("data type {} is not one that is read", t.data_type))
    })?;
    let count = t.dims.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::try_from(d).ok()?));
    let count = count.filter(|&n| n <= limits.tensor_elements);
    count.and_then(|n| n.checked_mul(width as u64)).ok_or_else(|| {
        fail("onnx.tensor.size", format!("too many numbers: {}", cap!(limits, tensor_elements)))
    })
}

/// Where the numbers of an external tensor are, if that is beside the model. The codes say what the reference would have
/// done.
pub(crate) fn location(t: &TensorProto, place: &str) -> Result<String, Fault> {
    let fail = |code, reason: String| Err(Fault::new(place, code, reason));
    let mut seen = Vec::new();
    for e in &t.external_data {
        if seen.contains(&e.key.as_str())
            || !matches!(e.key.as_str(), "location" | "offset" | "length" | "checksum")
        {
            return fail(
                "onnx.external.keys",
                format!("external data has a repeated or unknown key {}", quoted(&e.key)),
            );
        }
        seen.push(&e.key);
    }
    let get = |key: &str| t.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let location = get("location").unwrap_or_default();
    let shown = quoted(location);
    for key in ["offset", "length"] {
        if get(key).is_some_and(|v| v.parse::<u64>().is_err()) {
            return fail(
                "onnx.external.range",
                format!("external {key} {} is not a size", quoted(get(key).unwrap_or_default())),
            );
        }
    }
    if location.contains("://") || location.starts_with("/dev/") || location.starts_with("/proc/") {
        return fail(
            "onnx.external.special",
            format!("external data at {shown}: a URL or device is never opened"),
        );
    }
    let drive = location.as_bytes().get(1) == Some(&b':');
    if location.split(['/', '\\']).any(|part| part == "..")
        || location.starts_with(['/', '\\'])
        || location.contains('\0')
        || drive
    {
        return fail(
            "onnx.external.traversal",
            format!("external data at {shown} leaves the folder of the model"),
        );
    }
    Ok(location.to_owned())
}

/// Weights outside the file are not followed unless the responder asks for it.
fn external(t: &TensorProto, place: &str) -> Result<(), Fault> {
    let shown = quoted(&location(t, place)?);
    let advice = "weights in a second file are read only when asked for: [model] external_data = true, or --external-data";
    Err(Fault::new(place, "onnx.external.missing", format!("external data at {shown}: {advice}")))
}

/// The numbers of a floating-point tensor that passed [`check`].
pub(crate) fn floats(t: &TensorProto, limits: &Limits) -> Result<ArrayD<f32>, Fault> {
    let shape = check(t, limits)?;
    let raw = t.raw_data.as_deref().unwrap_or_default();
    let two = |f: fn(u16) -> f32| -> Vec<f32> {
        if raw.is_empty() {
            t.int32_data.iter().map(|&v| f(v as u16)).collect()
        } else {
            raw.chunks_exact(2).map(|b| f(u16::from_le_bytes([b[0], b[1]]))).collect()
        }
    };
    let data: Vec<f32> = match t.data_type {
        1 if raw.is_empty() => t.float_data.clone(),
        1 => raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        11 if raw.is_empty() => t.double_data.iter().map(|&v| v as f32).collect(),
        11 => raw.chunks_exact(8).map(|b| eight(b, f64::from_le_bytes) as f32).collect(),
        10 => two(half::from_f16),
        16 => two(half::from_bf16),
        other => {
            let place = format!("tensor {}", quoted(&t.name));
            return Err(Fault::new(
                place,
                "onnx.tensor.dtype",
                format!("data type {other} where numbers of a network are needed"),
            ));
        }
    };
    let place = format!("tensor {}", quoted(&t.name));
    ArrayD::from_shape_vec(IxDyn(&shape), data)
        .map_err(|e| Fault::new(place, "onnx.tensor.size", e.to_string()))
}

fn eight<T>(b: &[u8], f: fn([u8; 8]) -> T) -> T {
    f([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
}

/// The numbers of a tensor of 8-bit or 32-bit whole numbers that passed [`check`], as they are.
pub(crate) fn whole(t: &TensorProto, limits: &Limits) -> Result<ArrayD<f32>, Fault> {
    let shape = check(t, limits)?;
    let raw = t.raw_data.as_deref().unwrap_or_default();
    let place = format!("tensor {}", quoted(&t.name));
    let data: Vec<f32> = match (t.data_type, raw.is_empty()) {
        (3, false) => raw.iter().map(|&b| f32::from(b.cast_signed())).collect(),
        (2, false) => raw.iter().map(|&b| f32::from(b)).collect(),
        (6, false) => raw.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
        (2 | 3 | 6, true) => t.int32_data.iter().map(|&v| v as f32).collect(),
        (other, _) => {
            let reason = format!("data type {other} where 8-bit numbers are needed");
            return Err(Fault::new(place, "onnx.tensor.dtype", reason));
        }
    };
    ArrayD::from_shape_vec(IxDyn(&shape), data)
        .map_err(|e| Fault::new(place, "onnx.tensor.size", e.to_string()))
}

/// The whole numbers of a small integer tensor that passed [`check`].
pub(crate) fn ints(t: &TensorProto, limits: &Limits) -> Result<Ints, Fault> {
    let shape = check(t, limits)?;
    let count: usize = shape.iter().product();
    let place = format!("tensor {}", quoted(&t.name));
    if count > limits.shape_numbers {
        return Err(Fault::new(
            place,
            "onnx.limit",
            format!("{count} whole numbers used as a shape, {}", cap!(limits, shape_numbers)),
        ));
    }
    let raw = t.raw_data.as_deref().unwrap_or_default();
    let data: Vec<i64> = match (t.data_type, raw.is_empty()) {
        (7, true) => t.int64_data.clone(),
        (7 | 13, false) => raw.chunks_exact(8).map(|b| eight(b, i64::from_le_bytes)).collect(),
        (6, false) => {
            raw.chunks_exact(4).map(|b| i64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
        }
        (12, false) => {
            raw.chunks_exact(4).map(|b| i64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
        }
        (5, false) => raw.chunks_exact(2).map(|b| i64::from(i16::from_le_bytes([b[0], b[1]]))).collect(),
        (4, false) => raw.chunks_exact(2).map(|b| i64::from(u16::from_le_bytes([b[0], b[1]]))).collect(),
        (3, false) => raw.iter().map(|&b| i64::from(b.cast_signed())).collect(),
        (2 | 9, false) => raw.iter().map(|&b| i64::from(b)).collect(),
        (_, true) => t.int32_data.iter().map(|&v| i64::from(v)).collect(),
        (other, _) => {
            return Err(Fault::new(
                place,
                "onnx.tensor.dtype",
                format!("data type {other} where whole numbers are needed"),
            ));
        }
    };
    Ok(Ints { shape, data })
}
