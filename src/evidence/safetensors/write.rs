//! Writing safetensors: same arrays, same bytes.

use ndarray::{Array, ArrayView, CowArray, Dimension, IxDyn};
use safetensors::Dtype;
use safetensors::tensor::View;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Arrays that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Two arrays of one name.
    #[error("two arrays are named '{0}'")]
    Duplicate(String),
    /// The format's own writer refused.
    #[error("safetensors: {0}")]
    Format(String),
}

/// An array to be stored, borrowed or owned.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named after the element types")]
pub enum Stored<'a> {
    F32(CowArray<'a, f32, IxDyn>),
    F64(CowArray<'a, f64, IxDyn>),
    I64(CowArray<'a, i64, IxDyn>),
    U8(CowArray<'a, u8, IxDyn>),
}

macro_rules! stored {
    ($($variant:ident $t:ty),*) => {$(
        impl<D: Dimension> From<Array<$t, D>> for Stored<'_> {
            fn from(array: Array<$t, D>) -> Self {
                Stored::$variant(array.into_dyn().into())
            }
        }
        impl<'a, D: Dimension> From<ArrayView<'a, $t, D>> for Stored<'a> {
            fn from(array: ArrayView<'a, $t, D>) -> Self {
                Stored::$variant(array.into_dyn().into())
            }
        }
    )*};
}
stored!(F32 f32, F64 f64, I64 i64, U8 u8);

impl View for &Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Stored::F32(_) => Dtype::F32,
            Stored::F64(_) => Dtype::F64,
            Stored::I64(_) => Dtype::I64,
            Stored::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Stored::F32(a) => a.shape(),
            Stored::F64(a) => a.shape(),
            Stored::I64(a) => a.shape(),
            Stored::U8(a) => a.shape(),
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Stored::F32(a) => a.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Stored::F64(a) => a.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Stored::I64(a) => a.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Stored::U8(a) => match a.as_slice() {
                Some(bytes) => bytes.into(),
                None => a.iter().copied().collect(),
            },
        }
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// The bytes of a safetensors file: tensors ordered by the format's own writer, metadata sorted, so that the same
/// arrays give the same bytes.
///
/// # Errors
/// Two arrays of one name, or a header above the format's cap.
pub fn write<'n, 's: 'n>(
    arrays: impl IntoIterator<Item = (&'n str, &'n Stored<'s>)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, WriteError> {
    let arrays: Vec<_> = arrays.into_iter().collect();
    let mut names = BTreeSet::new();
    if let Some((name, _)) = arrays.iter().find(|(name, _)| !names.insert(*name)) {
        return Err(WriteError::Duplicate((*name).to_owned()));
    }
    let format = |e: &dyn std::fmt::Display| WriteError::Format(e.to_string());
    let bytes = safetensors::serialize(arrays, None).map_err(|e| format(&e))?;
    if metadata.is_empty() {
        return Ok(bytes);
    }
    // The crate writes metadata from a hash map, in another order every time: put in sorted here.
    let metadata = serde_json::to_string(metadata).map_err(|e| format(&e))?;
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| format(&"no header"))?;
    let (header, data) = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|n| rest.split_at_checked(n))
        .ok_or_else(|| format(&"no header"))?;
    let header = String::from_utf8_lossy(header);
    let tensors = header.trim_end().strip_prefix('{').unwrap_or("}");
    let comma = if tensors == "}" { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{metadata}{comma}{tensors}");
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat())
}
