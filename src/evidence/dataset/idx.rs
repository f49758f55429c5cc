//! IDX arrays (the MNIST format), plain or gzip-compressed, and the usual names of the file with the labels.

use crate::evidence::format::{idx_header, idx_width};
use crate::evidence::intake::Bytes;
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, RawArray, Untrusted};
use safetensors::Dtype;
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A checked IDX array over borrowed or unpacked bytes.
#[derive(Debug)]
pub(super) struct Idx<'a> {
    path: &'a Path,
    name: Untrusted,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
    data_at: usize,
}

impl<'a> Idx<'a> {
    /// Checks header and size; unpacks gzip, bounded by the size that the header inside declares.
    pub fn parse(file: &'a Bytes, name: &str, limits: &Limits) -> Result<Self, EvidenceError> {
        let fail = |code, reason: String| EvidenceError::whole(&file.path, code, reason);
        let bytes = unpack(file, limits)?;
        let (kind, extents, data_at) =
            idx_header(&bytes).ok_or_else(|| fail("idx.header", "no IDX header".to_owned()))?;
        let needs = declared(kind, &extents, data_at)
            .ok_or_else(|| fail("idx.overflow", format!("extents {extents:?} overflow 64 bits")))?;
        if needs != bytes.len() as u64 {
            let has = bytes.len();
            return Err(fail("idx.size_mismatch", format!("{has} bytes; extents {extents:?} take {needs}")));
        }
        let dtype = match kind {
            0x08 => Dtype::U8,
            0x09 => Dtype::I8,
            0x0b => Dtype::I16,
            0x0c => Dtype::I32,
            0x0d => Dtype::F32,
            _ => Dtype::F64,
        };
        let shape = extents.iter().map(|&e| e as usize).collect();
        Ok(Self { path: &file.path, name: Untrusted::new(name), dtype, shape, bytes, data_at })
    }

    /// Number of axes: 1 for labels, 3 or 4 for images.
    pub fn axes(&self) -> usize {
        self.shape.len()
    }

    pub fn raw(&self) -> RawArray<'_> {
        RawArray {
            path: self.path,
            name: &self.name,
            dtype: self.dtype,
            shape: &self.shape,
            data: self.bytes.get(self.data_at..).unwrap_or_default(),
            big_endian: true,
            fortran: false,
        }
    }
}

fn declared(kind: u8, extents: &[u32], data_at: usize) -> Option<u64> {
    let elements = extents.iter().try_fold(idx_width(kind), |n, &d| n.checked_mul(u64::from(d)))?;
    elements.checked_add(data_at as u64)
}

fn unpack<'a>(file: &'a Bytes, limits: &Limits) -> Result<Cow<'a, [u8]>, EvidenceError> {
    if !file.data.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(&file.data));
    }
    let fail = |code, reason: String| EvidenceError::whole(&file.path, code, reason);
    let broken = |e: std::io::Error| fail("gzip.malformed", format!("cannot be unpacked: {e}"));
    let mut decoder = flate2::read::MultiGzDecoder::new(file.data.as_slice());
    let mut bytes = Vec::new();
    decoder.by_ref().take(4 + 4 * 4).read_to_end(&mut bytes).map_err(broken)?;
    let Some(needs) = idx_header(&bytes).and_then(|(kind, extents, at)| declared(kind, &extents, at)) else {
        return Err(fail("idx.header", "no IDX header inside the gzip file".to_owned()));
    };
    if needs > limits.unpacked_bytes {
        let cap = cap!(limits, unpacked_bytes);
        return Err(fail("gzip.limit", format!("unpacks to {needs} bytes, {cap}")));
    }
    let left = needs.saturating_add(1).saturating_sub(bytes.len() as u64);
    decoder.take(left).read_to_end(&mut bytes).map_err(broken)?;
    Ok(Cow::Owned(bytes))
}

/// Where the labels of an images file may be, by the usual names, in the same folder.
pub(super) fn label_files(images: &Path) -> Vec<PathBuf> {
    let Some(name) = images.file_name().and_then(|n| n.to_str()).filter(|n| n.contains("images")) else {
        return Vec::new();
    };
    let labels = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    let plain = labels.strip_suffix(".gz").unwrap_or(&labels);
    [labels.clone(), plain.to_owned(), format!("{plain}.gz")]
        .iter()
        .map(|n| images.with_file_name(n))
        .collect()
}
