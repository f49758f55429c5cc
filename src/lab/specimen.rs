//! What the laboratory writes down: every file that can carry metadata says what it is.

use super::LabError;
use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use crate::evidence::safetensors::{Stored, write as write_arrays};
use crate::network::Model;
use crate::network::save::onnx;
use ndarray::Array1;
use prost::Message as _;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// What every made file says about itself.
pub const NOTICE: &str = "Laboratory specimen made by `laocoon lab` for isolated, authorised validation of forensic \
                          methods. Not for deployment.";

/// A data set as the bytes of a safetensors file: `images` (u8, N×C×H×W) and `labels` (i64), with the [`NOTICE`] in its
/// metadata. The same set gives the same bytes.
///
/// # Errors
/// The set has no byte images.
pub fn dataset_bytes(set: &DataSet) -> Result<Vec<u8>, LabError> {
    let Some(Pixels::U8(images)) = &set.images else {
        return Err(super::implant::ImplantError::NoImages.into());
    };
    let images = Stored::from(images.view());
    let labels = Stored::from(set.labels.iter().map(|&l| l as i64).collect::<Array1<i64>>());
    let metadata = BTreeMap::from([("notice".to_owned(), NOTICE.to_owned())]);
    write_arrays([("images", &images), ("labels", &labels)], &metadata)
        .map_err(|e| LabError::write("data set", e))
}

/// The part of an ONNX model that holds metadata (`ModelProto.metadata_props`).
#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(message, repeated, tag = "14")]
    entries: Vec<Entry>,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A network as the bytes of an ONNX file, with the [`NOTICE`] in its metadata. The same network gives the same bytes.
///
/// # Errors
/// An operator that ONNX has no single form for.
pub fn model_bytes(model: &Model) -> Result<Vec<u8>, LabError> {
    let mut bytes = onnx(model.graph())?;
    let notice = Entry { key: "notice".to_owned(), value: NOTICE.to_owned() };
    // The parts of a protobuf message may stand in any order: metadata goes behind the rest.
    bytes.extend(Metadata { entries: vec![notice] }.encode_to_vec());
    Ok(bytes)
}

/// The weights of a network as the bytes of a safetensors file, with the [`NOTICE`] in its metadata.
///
/// # Errors
/// Two parameters of one name.
pub fn weights_bytes(model: &Model) -> Result<Vec<u8>, LabError> {
    let params = &model.graph().params;
    let stored: Vec<(&str, Stored)> =
        params.iter().map(|p| (p.name.as_str(), Stored::from(p.value.view()))).collect();
    let metadata = BTreeMap::from([("notice".to_owned(), NOTICE.to_owned())]);
    write_arrays(stored.iter().map(|(name, array)| (*name, array)), &metadata)
        .map_err(|e| LabError::write("weights", e))
}

/// A value as JSON of several lines.
///
/// # Errors
/// It has no JSON form.
pub fn json_bytes(value: &impl serde::Serialize) -> Result<Vec<u8>, LabError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| LabError::write("json", e))?;
    text.push(b'\n');
    Ok(text)
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Writes a file, making its folder.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), LabError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| LabError::write(folder, e))?;
    }
    std::fs::write(path, bytes).map_err(|e| LabError::write(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::draw::road_signs;
    use safetensors::SafeTensors;

    #[test]
    fn a_written_set_reads_back_and_says_what_it_is() {
        let set = road_signs(1, "train", 3);
        let bytes = dataset_bytes(&set).unwrap();
        assert_eq!(bytes, dataset_bytes(&set).unwrap());
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["notice"], NOTICE);
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.tensor("images").unwrap().shape(), [12, 3, 32, 32]);
        let labels: Vec<usize> = read
            .tensor("labels")
            .unwrap()
            .data()
            .chunks(8)
            .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as usize)
            .collect();
        assert_eq!(labels, set.labels);
    }
}
