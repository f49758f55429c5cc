//! Telling data sets from other things, before anything is read whole.

use super::folder::is_idx_images;
use super::images::is_image_name;
use super::parquet::is_parquet;
use crate::evidence::{EvidenceError, Format, Limits, SafeTensors, format, intake};
use std::path::Path;

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

/// Tells data sets from other things by content, reading only the beginning of files: a safetensors file with
/// `images`, `labels` or `activations`, npy, npz, IDX, a list in CSV, Parquet, a folder with any of these or images.
///
/// # Errors
/// The path cannot be read.
pub fn kind(path: &Path, limits: &Limits) -> Result<Kind, EvidenceError> {
    if path.is_dir() && !path.is_symlink() {
        let (files, _) = intake::list(path, limits)?;
        let data = files
            .iter()
            .any(|f| is_image_name(f) || is_idx_images(f) || is_parquet(f) || f == Path::new("labels.csv"));
        return Ok(if data { Kind::Data } else { Kind::Folder });
    }
    let (head, len) = intake::head(path)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let data = match format::sniff(&head, len, name.as_deref()) {
        Format::Safetensors => {
            let names = SafeTensors::names(&head, limits).unwrap_or_default();
            names.iter().any(|n| ["images", "labels", "activations"].contains(&n.raw()))
        }
        Format::Npy
        | Format::Npz
        | Format::Idx
        | Format::CifarBinary
        | Format::Parquet
        | Format::Csv
        | Format::Image => true,
        _ => false,
    };
    Ok(if data { Kind::Data } else { Kind::Other })
}
