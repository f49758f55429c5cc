//! A data set in memory: images, labels, and the optional arrays of the contract.

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

mod arrays;
pub(crate) mod cifar;
mod folder;
mod idx;
mod images;
mod kind;
mod list;
mod load;
mod names;
mod npy;
mod npz;
mod parquet;

pub use folder::load_folder;
pub use images::check as check_image;
pub use kind::{Kind, kind};
pub use load::{Loaded, check_list, load_file, load_owned};
pub use names::class_names;
pub use npy::Npy;
pub use npz::members as npz_members;

use super::{EvidenceError, Untrusted};
use ndarray::{Array1, Array2, Array4, Axis};
use std::path::Path;

/// What is known of the model that the images are for; everything may be unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Channels, height, width.
    pub shape: Option<[usize; 3]>,
    /// What pixel values become before normalisation; float images may be stored in it.
    pub range: Option<[f32; 2]>,
    /// Class names in order; empty: unknown.
    pub classes: Vec<Untrusted>,
}

/// Pixels as stored, N×C×H×W.
#[derive(Debug, Clone)]
pub enum Pixels {
    /// 0..=255.
    U8(Array4<u8>),
    /// Already unit-scaled to 0..=1.
    F32(Array4<f32>),
}

/// Predicted probabilities as stored, N×K.
#[derive(Debug, Clone)]
pub enum Probabilities {
    /// In single precision: half the memory.
    F32(Array2<f32>),
    /// In double precision.
    F64(Array2<f64>),
}

impl Probabilities {
    /// Samples and classes.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::F32(p) => p.dim(),
            Self::F64(p) => p.dim(),
        }
    }

    /// The first row for which `bad` holds, given in double precision.
    pub fn first_row(&self, bad: impl Fn(&[f64]) -> bool) -> Option<usize> {
        fn first<T: Copy + Into<f64>>(p: &Array2<T>, bad: impl Fn(&[f64]) -> bool) -> Option<usize> {
            let mut wide = Vec::with_capacity(p.ncols());
            p.outer_iter().position(|row| {
                wide.clear();
                wide.extend(row.iter().map(|&x| -> f64 { x.into() }));
                bad(&wide)
            })
        }
        match self {
            Self::F32(p) => first(p, bad),
            Self::F64(p) => first(p, bad),
        }
    }
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
    pub pred_probs: Option<Probabilities>,
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
            Some(Pixels::U8(a)) => a.len_of(Axis(0)),
            Some(Pixels::F32(a)) => a.len_of(Axis(0)),
            None => self.activations.as_ref().map_or(self.labels.len(), |a| a.len_of(Axis(0))),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels, height, width of the images.
    pub fn shape(&self) -> Option<[usize; 3]> {
        let (_, c, h, w) = match self.images.as_ref()? {
            Pixels::U8(a) => a.dim(),
            Pixels::F32(a) => a.dim(),
        };
        Some([c, h, w])
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
                    to.zip_mut_with(&a.index_axis(Axis(0), i), |t, &p| *t = f32::from(p) / 255.0);
                }
                Pixels::F32(a) => to.assign(&a.index_axis(Axis(0), i)),
            }
        }
        Some(out)
    }

    /// Whether the images and labels fit a model with `classes` classes and input `shape`; `path` is for the message.
    ///
    /// # Errors
    /// Images of another shape (code `data.shape`); a label that is no class (code `labels.range`), naming its row.
    pub fn check_against(&self, path: &Path, classes: usize, shape: [usize; 3]) -> Result<(), EvidenceError> {
        if let Some(has) = self.shape().filter(|has| *has != shape) {
            let (has, wants) = (extent(has), extent(shape));
            let reason = format!("images are {has} (height×width×channels), the model takes {wants}");
            return Err(EvidenceError::at(path, "images", "data.shape", reason));
        }
        match self.labels.iter().enumerate().find(|&(_, &l)| l >= classes) {
            None => Ok(()),
            Some((row, label)) => {
                let named = self.names.get(row).map(|n| format!(" ({})", n.shown())).unwrap_or_default();
                let place = format!("labels, row {row}{named}");
                let reason = format!(
                    "label {label} is no class of the model, which has {classes} (0 to {})",
                    classes.saturating_sub(1)
                );
                Err(EvidenceError::at(path, place, "labels.range", reason))
            }
        }
    }

    /// One line for people: "1,800 images 28×28×1 (u8), 10 classes, 1,800 labels".
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(pixels), Some(shape)) = (&self.images, self.shape()) {
            let kind = if matches!(pixels, Pixels::U8(_)) { "u8" } else { "f32" };
            parts.push(format!("{} images {} ({kind})", thousands(self.len()), extent(shape)));
        }
        if !self.labels.is_empty() {
            let classes = self.labels.iter().collect::<std::collections::BTreeSet<_>>().len();
            parts.push(format!("{classes} classes"));
            parts.push(format!("{} labels", thousands(self.labels.len())));
        }
        if let Some(a) = &self.activations {
            parts.push(format!("activations {}×{}", thousands(a.nrows()), a.ncols()));
        }
        if let Some(p) = &self.pred_probs {
            parts.push(format!("predicted probabilities {}×{}", thousands(p.dim().0), p.dim().1));
        }
        if self.groups.is_some() {
            parts.push("groups".to_owned());
        }
        parts.join(", ")
    }
}

/// Height×width×channels of (channels, height, width).
fn extent([c, h, w]: [usize; 3]) -> String {
    format!("{h}×{w}×{c}")
}

/// A count with commas.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests;
