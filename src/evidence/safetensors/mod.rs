//! safetensors, read strictly: everything the format forbids is refused with a reason, including what the reference
//! parser lets through (duplicate keys, leading whitespace, unknown fields, absurd rank). What is accepted here, the
//! reference parser accepts too.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod header;
mod write;

pub use super::array::{Dtype, RawArray};
pub use write::{Stored, WriteError, write};

use super::{EvidenceError, Limits, Untrusted};
use crate::evidence::limits::cap;
use header::{Entry, Problem};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of the length field before the header.
const LENGTH_FIELD: usize = 8;

/// An open safetensors file: checked header over borrowed bytes.
#[derive(Debug)]
pub struct SafeTensors<'a> {
    path: PathBuf,
    data: &'a [u8],
    entries: Vec<Entry>,
    index: BTreeMap<String, usize>,
    metadata: BTreeMap<Untrusted, Untrusted>,
}

impl<'a> SafeTensors<'a> {
    /// Checks the whole header against `bytes`, the complete file; `path` is for messages only.
    ///
    /// # Errors
    /// Whatever the format forbids, with a reason code `st.*` and the tensor's name, and caps of `limits`.
    pub fn parse(path: &Path, bytes: &'a [u8], limits: &Limits) -> Result<Self, EvidenceError> {
        let fail = |p: Problem| EvidenceError::at(path, p.place, p.code, p.reason);
        let (text, data) = split(bytes, limits).map_err(fail)?;
        let parsed = header::parse(text, limits).map_err(fail)?;
        let mut entries = parsed.tensors;
        // Stable: equal ranges (several empty tensors) keep the order of the header.
        entries.sort_by_key(|e| (e.begin, e.end));
        check_layout(&entries, data.len() as u64, limits).map_err(fail)?;
        let index = entries.iter().enumerate().map(|(i, e)| (e.name.raw().to_owned(), i)).collect();
        Ok(Self { path: path.to_owned(), data, entries, index, metadata: parsed.metadata })
    }

    /// The names of the tensors, from a beginning of the file that holds the whole header.
    ///
    /// `None` when it does not, or when the header is malformed.
    pub fn names(head: &[u8], limits: &Limits) -> Option<Vec<Untrusted>> {
        let (text, _) = split(head, limits).ok()?;
        Some(header::parse(text, limits).ok()?.tensors.into_iter().map(|e| e.name).collect())
    }

    /// A tensor by its exact name.
    pub fn get(&self, name: &str) -> Option<RawArray<'_>> {
        self.index.get(name).and_then(|&i| self.entries.get(i)).map(|e| self.view(e))
    }

    /// All tensors in the order of their bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RawArray<'_>> {
        self.entries.iter().map(|e| self.view(e))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The `__metadata__` of the file, sorted.
    pub fn metadata(&self) -> &BTreeMap<Untrusted, Untrusted> {
        &self.metadata
    }

    /// A tensor by name, or an error that says which tensors there are.
    ///
    /// # Errors
    /// There is no such tensor.
    pub fn require(&self, name: &str) -> Result<RawArray<'_>, EvidenceError> {
        self.get(name).ok_or_else(|| {
            let known: Vec<String> = self.iter().take(8).map(|t| t.name.shown()).collect();
            let more = if self.len() > 8 { ", …" } else { "" };
            let reason =
                format!("no tensor '{}'; there is: {}{more}", super::text::visible(name), known.join(", "));
            EvidenceError::whole(&self.path, "st.missing_tensor", reason)
        })
    }

    fn view<'s>(&'s self, entry: &'s Entry) -> RawArray<'s> {
        // The range was checked against the data; an empty slice is unreachable.
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let data = self.data.get(at(entry.begin)..at(entry.end)).unwrap_or_default();
        RawArray {
            path: &self.path,
            name: &entry.name,
            dtype: entry.dtype,
            shape: &entry.shape,
            data,
            big_endian: false,
            fortran: false,
        }
    }
}

/// Splits a file into header text and tensor data, before anything is allocated.
fn split<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(&'a str, &'a [u8]), Problem> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_FIELD>() else {
        let reason = format!("{} bytes; the header length alone takes {LENGTH_FIELD}", bytes.len());
        return Err(Problem::new("", "st.header.short", reason));
    };
    let length = u64::from_le_bytes(*length);
    if length > limits.header_bytes {
        let reason = format!("header of {length} bytes, {}", cap!(limits, header_bytes));
        return Err(Problem::new("byte 0", "st.header.too_large", reason));
    }
    let header = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n));
    let Some((header, data)) = header else {
        let reason = format!("header of {length} bytes, the file has {} after the length", rest.len());
        return Err(Problem::new("byte 0", "st.header.length", reason));
    };
    match header.first() {
        None => return Err(Problem::new("header", "st.header.json", "the header is empty")),
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            return Err(Problem::new("header", "st.header.begin", "the header must begin with '{'"));
        }
        Some(_) => {}
    }
    let bom = header.starts_with(b"\xef\xbb\xbf").then_some("it begins with a byte order mark");
    let text = match (std::str::from_utf8(header), bom) {
        (Ok(text), None) => text,
        (Err(e), None) => {
            let at = LENGTH_FIELD + e.valid_up_to();
            return Err(Problem::new(format!("byte {at}"), "st.header.utf8", "the header is not UTF-8"));
        }
        (_, Some(why)) => return Err(Problem::new("header", "st.header.utf8", why)),
    };
    if !text.starts_with('{') {
        return Err(Problem::new("header", "st.header.json", "the header is not a JSON object"));
    }
    Ok((text, data))
}

/// Sizes, ranges, order, overlap, gaps and the end of the file. `entries` are sorted by range.
fn check_layout(entries: &[Entry], data: u64, limits: &Limits) -> Result<(), Problem> {
    for e in entries {
        let problem = |code, reason: String| Err(Problem::of(&e.name, code, reason));
        let elements = e.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
        let bits = elements.and_then(|n| n.checked_mul(e.dtype.bitsize() as u64));
        let (Some(elements), Some(bits)) = (elements, bits) else {
            return problem("st.overflow", format!("shape {:?} of {:?} overflows 64 bits", e.shape, e.dtype));
        };
        if bits % 8 != 0 {
            return problem(
                "st.misaligned",
                format!("{elements} elements of {:?} do not end on a byte", e.dtype),
            );
        }
        if e.begin > e.end {
            return problem(
                "st.offset.order",
                format!("it ends at {} before it begins at {}", e.end, e.begin),
            );
        }
        if e.end > data {
            return problem("st.offset.eof", format!("it ends at {} of {data} bytes of data", e.end));
        }
        if e.end - e.begin != bits / 8 {
            let (has, shape, needs) = (e.end - e.begin, &e.shape, bits / 8);
            return problem(
                "st.size_mismatch",
                format!("{has} bytes; {shape:?} of {:?} takes {needs}", e.dtype),
            );
        }
        if elements > limits.tensor_elements {
            let cap = cap!(limits, tensor_elements);
            return problem("st.limit", format!("{elements} elements, {cap}"));
        }
    }
    let mut at = 0;
    for e in entries {
        if e.begin < at {
            let reason = format!("it begins at {}, inside the tensor before it, which ends at {at}", e.begin);
            return Err(Problem::of(&e.name, "st.offset.overlap", reason));
        }
        if e.begin > at {
            let reason = format!("{} bytes before it belong to no tensor (from {at})", e.begin - at);
            return Err(Problem::of(&e.name, "st.offset.gap", reason));
        }
        at = e.end;
    }
    if at != data {
        let reason = format!("{} bytes after the last tensor belong to no tensor", data - at);
        return Err(Problem::new(format!("data offset {at}"), "st.trailing_data", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
