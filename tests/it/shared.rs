//! Shared reference material, when it is there.

use ndarray::Array2;
use safetensors::SafeTensors;
use std::path::PathBuf;

/// A file of the shared material; prints why and gives `None` when it is absent.
pub fn path(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LAOCOON_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {relative} is not here");
    None
}

/// Its text as JSON.
pub fn json(relative: &str) -> Option<serde_json::Value> {
    Some(serde_json::from_slice(&std::fs::read(path(relative)?).unwrap()).unwrap())
}

/// A tensor of a safetensors file as numbers, with its shape.
pub fn tensor(relative: &str, name: &str) -> Option<(Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(path(relative)?).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let data = view.data();
    let values = match view.dtype() {
        safetensors::Dtype::F32 => {
            data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
        }
        safetensors::Dtype::F64 => {
            data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
        }
        safetensors::Dtype::I64 => {
            data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
        }
        safetensors::Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("{name}: {other:?}"),
    };
    Some((view.shape().to_vec(), values))
}

/// A matrix of a safetensors file.
pub fn matrix(relative: &str, name: &str) -> Option<Array2<f32>> {
    let (shape, values) = tensor(relative, name)?;
    Some(Array2::from_shape_vec((shape[0], shape[1]), values.iter().map(|&x| x as f32).collect()).unwrap())
}

/// Integers of a safetensors file.
pub fn integers(relative: &str, name: &str) -> Option<Vec<usize>> {
    Some(tensor(relative, name)?.1.iter().map(|&x| x as usize).collect())
}

/// A little-endian f32 matrix in numpy's own format.
pub fn npy(relative: &str) -> Option<Array2<f32>> {
    let bytes = std::fs::read(path(relative)?).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..10 + header]).into_owned();
    assert!(text.contains("'<f4'") && text.contains("'fortran_order': False"), "{text}");
    let inside = text.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let shape: Vec<usize> = inside.split(',').filter_map(|s| s.trim().parse().ok()).collect();
    let values: Vec<f32> =
        bytes[10 + header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    Some(Array2::from_shape_vec((shape[0], shape[1]), values).unwrap())
}
