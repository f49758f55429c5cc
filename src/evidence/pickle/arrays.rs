//! joblib writes the raw bytes of an array right behind its `NumpyArrayWrapper`, between two opcodes.

use super::{Pickle, Value};

/// What follows a wrapper.
pub(super) enum Follows {
    /// So many bytes, after padding whose length is in one byte if so.
    Raw { padded: bool, bytes: u64 },
    /// An array of objects: another pickle.
    Pickle,
}

/// What follows the wrapper that `target` is, once its state is set; `None` when it is no wrapper, or an unreadable one.
pub(super) fn follows(pickle: &Pickle, target: Value, state: Value) -> Option<Follows> {
    let call = pickle.call(target)?;
    let (module, name) = pickle.global(call.callee)?;
    if name != "NumpyArrayWrapper" || !module.ends_with("joblib.numpy_pickle") {
        return None;
    }
    let dtype = pickle.get(state, "dtype")?;
    let spec = pickle.text(*pickle.called(dtype, "numpy", "dtype")?.first()?)?;
    let spec = spec.trim_start_matches(['<', '>', '|', '=']);
    let kind = spec.chars().next()?;
    if kind == 'O' {
        return Some(Follows::Pickle);
    }
    let width: u64 = spec.get(kind.len_utf8()..)?.parse().ok()?;
    let width = if kind == 'U' { width.checked_mul(4)? } else { width };
    let shape = pickle.elements(pickle.get(state, "shape")?)?;
    let product = shape.iter().try_fold(width, |n, &d| {
        let extent = pickle.int(d).and_then(|d| u64::try_from(d).ok())?;
        n.checked_mul(extent)
    });
    let padded = pickle
        .get(state, "numpy_array_alignment_bytes")
        .is_some_and(|v| !matches!(v, Value::None | Value::Unknown));
    // A product beyond 64 bits is beyond every file.
    Some(Follows::Raw { padded, bytes: product.unwrap_or(u64::MAX) })
}
