//! Content-addressed results: `blobs/<sha256>.safetensors` (an array under its own name) and `.json` (a figure).
//!
//! A blob is on disk under its final name before the record that names it is written; same content, same bytes, same
//! name. Every read checks the hash.

use super::{json, line, write_whole};
use crate::evidence::intake;
use crate::evidence::safetensors::Stored;
use crate::evidence::{self, text};
use crate::figure::Figure;
use crate::procedure::{Outcome, Record, Tensor, number};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest blob read, in bytes.
const CAP: u64 = 4 << 30;

const ARRAY: &str = "safetensors";
const FIGURE: &str = "json";

/// Why a blob could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("blob {sha256}: {reason}")]
pub struct BlobError {
    /// Its hash.
    pub sha256: String,
    /// Why.
    pub reason: String,
}

impl BlobError {
    fn new(sha256: &str, reason: impl std::fmt::Display) -> Self {
        Self { sha256: text::visible(sha256), reason: reason.to_string() }
    }
}

/// The blobs of a session folder.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// The blobs of a session folder (which need not exist yet).
    pub fn new(session: &Path) -> Self {
        Self { folder: session.join("blobs") }
    }

    /// Reads a figure, checking its hash.
    ///
    /// # Errors
    /// Missing, changed, or not a figure.
    pub fn figure(&self, sha256: &str) -> Result<Figure, BlobError> {
        let value = json::strict(&self.read(sha256, FIGURE)?).map_err(|e| BlobError::new(sha256, e))?;
        serde_json::from_value(value).map_err(|e| BlobError::new(sha256, e))
    }

    /// Reads an array with its name, checking its hash.
    ///
    /// # Errors
    /// Missing, changed, or not a safetensors file of one array of `f32` or `i64`.
    pub fn tensor(&self, sha256: &str) -> Result<(String, Tensor), BlobError> {
        let bytes = self.read(sha256, ARRAY)?;
        decode(&bytes).map_err(|e| BlobError::new(sha256, e))
    }

    /// Where an array's blob is (or would be).
    pub fn tensor_path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.safetensors"))
    }

    /// Keeps a figure and gives its hash.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn put_figure(&self, figure: &Figure) -> Result<String, BlobError> {
        self.write(&json::to_vec(figure).map_err(|e| BlobError::new("", e))?, FIGURE)
    }

    /// Keeps an array under its name and gives its hash.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn put_tensor(&self, name: &str, tensor: &Tensor) -> Result<String, BlobError> {
        self.write(&encode(name, tensor).map_err(|e| BlobError::new("", e))?, ARRAY)
    }

    /// Whether a blob named by a record is there and has its hash.
    ///
    /// # Errors
    /// Missing or changed.
    pub fn check(&self, sha256: &str, kind: BlobKind) -> Result<(), BlobError> {
        self.read(sha256, kind.extension()).map(drop)
    }

    /// The outcome as the journal keeps it: arrays and figures put into blobs. A figure that cannot be kept because it
    /// holds a number that is none is left out, and the limits say so.
    ///
    /// # Errors
    /// The disk does not take a blob.
    pub fn keep(&self, outcome: &Outcome) -> Result<Record, BlobError> {
        record(outcome, |bytes, extension| self.write(bytes, extension))
    }

    fn read(&self, sha256: &str, extension: &str) -> Result<Vec<u8>, BlobError> {
        // The name comes from the journal of a session that somebody else may have made.
        if !line::is_sha256(sha256) {
            return Err(BlobError::new(sha256, "not a SHA-256"));
        }
        let path = self.folder.join(format!("{sha256}.{extension}"));
        let meta = fs::symlink_metadata(&path).map_err(|e| BlobError::new(sha256, e))?;
        if !meta.is_file() {
            return Err(BlobError::new(sha256, "not a regular file"));
        }
        if meta.len() > CAP {
            return Err(BlobError::new(sha256, format!("larger than a blob may be ({CAP} bytes)")));
        }
        let bytes = fs::read(&path).map_err(|e| BlobError::new(sha256, e))?;
        if intake::sha256(&bytes) != sha256 {
            return Err(BlobError::new(sha256, "its content does not have this hash"));
        }
        Ok(bytes)
    }

    /// Temporary file, sync, rename, sync of the folder: the name is there with the whole content or not at all.
    fn write(&self, bytes: &[u8], extension: &str) -> Result<String, BlobError> {
        let sha256 = intake::sha256(bytes);
        if self.read(&sha256, extension).is_ok() {
            return Ok(sha256);
        }
        let path = self.folder.join(format!("{sha256}.{extension}"));
        let put = || {
            fs::create_dir_all(&self.folder)?;
            write_whole(&path, bytes)
        };
        put().map_err(|e| BlobError::new(&sha256, e))?;
        Ok(sha256)
    }
}

/// The record that [`Blobs::keep`] would give, without keeping anything.
///
/// # Errors
/// An array has no safetensors form.
pub fn record_of(outcome: &Outcome) -> Result<Record, BlobError> {
    record(outcome, |bytes, _| Ok(intake::sha256(bytes)))
}

fn record(
    outcome: &Outcome,
    mut put: impl FnMut(&[u8], &'static str) -> Result<String, BlobError>,
) -> Result<Record, BlobError> {
    let mut limits = outcome.limits.clone();
    let (mut figures, mut blobs) = (BTreeMap::new(), BTreeMap::new());
    for (name, figure) in &outcome.figures {
        if let Some(bytes) = json::to_vec(figure).ok().filter(|bytes| reads_back(figure, bytes)) {
            figures.insert(name.clone(), put(&bytes, FIGURE)?);
        } else {
            let lost = [" The figure '", name, "' holds a value that is no number and was not kept."];
            limits.push_str(&lost.concat());
        }
    }
    for (name, tensor) in &outcome.arrays {
        let bytes = encode(name, tensor).map_err(|e| BlobError::new("", e))?;
        blobs.insert(name.clone(), put(&bytes, ARRAY)?);
    }
    Ok(Record {
        verdict: outcome.verdict,
        summary: outcome.summary.clone(),
        statistic: outcome.statistic.map_or(Value::Null, number),
        threshold: outcome.threshold.map_or(Value::Null, number),
        threshold_origin: outcome.threshold_origin.clone(),
        findings: outcome.findings.clone(),
        measures: outcome.measures.clone(),
        blobs,
        figures,
        limits,
    })
}

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// An array.
    Array,
    /// A figure.
    Figure,
}

impl BlobKind {
    fn extension(self) -> &'static str {
        match self {
            BlobKind::Array => ARRAY,
            BlobKind::Figure => FIGURE,
        }
    }
}

fn reads_back(figure: &Figure, bytes: &[u8]) -> bool {
    serde_json::from_slice::<Figure>(bytes).is_ok_and(|back| back == *figure)
}

fn encode(name: &str, tensor: &Tensor) -> Result<Vec<u8>, String> {
    let stored = match tensor {
        Tensor::F32(a) => Stored::from(a.view()),
        Tensor::I64(a) => Stored::from(a.view()),
    };
    evidence::safetensors::write([(name, &stored)], &BTreeMap::new()).map_err(|e| e.to_string())
}

fn decode(bytes: &[u8]) -> Result<(String, Tensor), String> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let mut tensors = file.iter();
    let (Some((name, view)), None) = (tensors.next(), tensors.next()) else {
        return Err("not a file of one array".to_owned());
    };
    let shape = view.shape().to_vec();
    let data = view.data();
    let tensor = match view.dtype() {
        Dtype::F32 => {
            let values = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            Tensor::F32(ArrayD::from_shape_vec(shape, values).map_err(|e| e.to_string())?)
        }
        Dtype::I64 => {
            let values = data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
            Tensor::I64(ArrayD::from_shape_vec(shape, values).map_err(|e| e.to_string())?)
        }
        other => return Err(format!("an array of {other:?} is not kept by this program")),
    };
    Ok((name.to_owned(), tensor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Bar, Body};
    use crate::procedure::Verdict;
    use ndarray::{Array, Dim, IxDyn};

    fn bars(value: f64) -> Figure {
        let bars = vec![Bar { label: "7 \u{1b}".into(), value, flagged: true, spread: None }];
        let body = Body::Bars { value_label: "MAD".into(), bars, threshold: Some(2.0) };
        Figure { title: "Anomaly index per class".into(), body }
    }

    fn outcome() -> Outcome {
        Outcome {
            verdict: Verdict::Flagged,
            summary: "class 7".into(),
            statistic: Some(f64::INFINITY),
            threshold: Some(2.0),
            threshold_origin: "paper".into(),
            findings: Vec::new(),
            measures: BTreeMap::new(),
            arrays: BTreeMap::from([
                ("masks".into(), Tensor::F32(Array::from_elem(IxDyn(&[2, 3, 4]), 0.25))),
                ("assignments".into(), Tensor::I64(Array::from_iter(-2..3).into_dyn())),
            ]),
            figures: BTreeMap::from([("index".into(), bars(3.7)), ("odd".into(), bars(f64::NAN))]),
            limits: "small triggers only.".into(),
        }
    }

    #[test]
    fn an_outcome_is_kept_and_read_back_and_the_same_content_has_the_same_bytes() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outcome = outcome();
        let record = Blobs::new(a.path()).keep(&outcome).unwrap();
        assert_eq!(Blobs::new(b.path()).keep(&outcome).unwrap(), record);
        let names = |p: &Path| {
            let mut all: Vec<_> =
                fs::read_dir(p.join("blobs")).unwrap().map(|e| e.unwrap().file_name()).collect();
            all.sort();
            all
        };
        assert_eq!((names(a.path()), names(a.path()).len()), (names(b.path()), 3));
        assert_eq!(record.statistic, "inf");
        assert!(record.limits.contains("'odd'") && !record.figures.contains_key("odd"));
        let blobs = Blobs::new(a.path());
        assert_eq!(blobs.figure(&record.figures["index"]).unwrap(), outcome.figures["index"]);
        for (name, tensor) in &outcome.arrays {
            assert_eq!(blobs.tensor(&record.blobs[name]).unwrap(), (name.clone(), tensor.clone()));
        }
    }

    #[test]
    fn layout_in_memory_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path());
        let a = Array::from_shape_vec(Dim([2, 3]), vec![1f32, 2., 3., 4., 5., 6.]).unwrap();
        let turned = a.t().as_standard_layout().into_owned().reversed_axes();
        assert_eq!(turned, a);
        let hash = blobs.put_tensor("x", &Tensor::F32(a.into_dyn())).unwrap();
        assert_eq!(blobs.put_tensor("x", &Tensor::F32(turned.into_dyn())).unwrap(), hash);
    }

    #[test]
    fn a_changed_missing_or_misnamed_blob_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path());
        let hash = blobs.put_figure(&bars(1.0)).unwrap();
        let path = folder.path().join("blobs").join(format!("{hash}.json"));
        let mut bytes = fs::read(&path).unwrap();
        assert!(!bytes.contains(&0x1b), "controls are escaped");
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(blobs.figure(&hash).unwrap_err().reason.contains("hash"));
        assert_eq!(blobs.put_figure(&bars(1.0)).unwrap(), hash);
        assert!(blobs.figure(&hash).is_ok(), "writing it again repairs it");
        assert!(blobs.figure(&"0".repeat(64)).is_err());
        assert!(blobs.figure("../../etc/passwd").unwrap_err().reason.contains("not a SHA-256"));
        assert!(blobs.tensor(&hash).is_err());
        assert!(blobs.check(&hash, BlobKind::Figure).is_ok() && blobs.check(&hash, BlobKind::Array).is_err());
    }
}
