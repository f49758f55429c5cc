//! A data set in memory: images, labels, and the optional arrays of the contract.

use super::Untrusted;
use ndarray::{Array1, Array2, Array4};

/// Pixels as stored, N×C×H×W.
#[derive(Debug, Clone)]
pub enum Pixels {
    /// 0..=255.
    U8(Array4<u8>),
    /// Already unit-scaled to 0..=1.
    F32(Array4<f32>),
}

/// Samples in order.
#[derive(Debug, Clone, Default)]
pub struct DataSet {
    /// Images, N×C×H×W.
    pub images: Option<Pixels>,
    /// Labels as given; empty when there are none. Checked to be ≥ 0.
    pub labels: Vec<usize>,
    /// Activations recorded elsewhere, N×D.
    pub activations: Option<Array2<f32>>,
    /// Out-of-sample predicted probabilities, N×K.
    pub pred_probs: Option<Array2<f64>>,
    /// Group of each sample (video track, source).
    pub groups: Option<Array1<i64>>,
    /// File name of each sample, when each was a file; else empty.
    pub names: Vec<Untrusted>,
    /// Class names found with the data (folder names); else empty.
    pub classes: Vec<Untrusted>,
}

impl DataSet {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match &self.images {
            Some(Pixels::U8(a)) => a.shape()[0],
            Some(Pixels::F32(a)) => a.shape()[0],
            None => self.activations.as_ref().map_or(self.labels.len(), |a| a.shape()[0]),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels, height, width of the images.
    pub fn shape(&self) -> Option<[usize; 3]> {
        let s = match self.images.as_ref()? {
            Pixels::U8(a) => a.shape(),
            Pixels::F32(a) => a.shape(),
        };
        Some([s[1], s[2], s[3]])
    }

    /// The named samples as unit-scaled pixels (0..=1), n×C×H×W. Panics only on an index out of range.
    ///
    /// Returns `None` when the set has no images.
    pub fn unit(&self, indices: &[usize]) -> Option<Array4<f32>> {
        let [c, h, w] = self.shape()?;
        let mut out = Array4::<f32>::zeros((indices.len(), c, h, w));
        for (mut to, &i) in out.outer_iter_mut().zip(indices) {
            match self.images.as_ref()? {
                Pixels::U8(a) => {
                    to.zip_mut_with(&a.index_axis(ndarray::Axis(0), i), |t, &p| *t = f32::from(p) / 255.0)
                }
                Pixels::F32(a) => to.assign(&a.index_axis(ndarray::Axis(0), i)),
            }
        }
        Some(out)
    }
}

/// What a path given without a role seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A data set.
    Data,
    /// A folder that is no data set.
    Folder,
    /// Any other file.
    Other,
}

/// Tells data sets from other things by content: a safetensors file with `images`, `labels` or `activations`, npy,
/// npz, IDX, a list in CSV, a folder with any of these or images.
///
/// # Errors
/// The path cannot be read.
pub fn kind(path: &std::path::Path, limits: &super::Limits) -> Result<Kind, super::EvidenceError> {
    if path.is_dir() {
        return Ok(Kind::Folder);
    }
    let bytes = super::intake::read(path, limits)?;
    let data =
        super::SafeTensors::parse(path, &bytes.data, limits).is_ok_and(|st| st.get("images").is_some());
    Ok(if data { Kind::Data } else { Kind::Other })
}
