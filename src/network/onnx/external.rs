//! Weights in a second file beside the model: read only when the responder asks for it, only from the model's own folder,
//! never through a link, and only what the declared sizes take.

use super::fault::{Fault, quoted};
use super::proto::{ModelProto, TensorProto};
use super::tensor;
use crate::evidence::limits::cap;
use crate::evidence::{Bytes, Limits, intake};
use std::collections::BTreeMap;
use std::path::Path;

/// Puts the numbers of external initialisers in place; gives a fact for each file that was read.
pub(super) fn resolve(model: &mut ModelProto, path: &Path, limits: &Limits) -> Result<Vec<String>, Fault> {
    let Some(graph) = &mut model.graph else { return Ok(Vec::new()) };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut total = 0u64;
    for t in graph.initializer.iter_mut().filter(|t| tensor::is_external(t)) {
        let place = format!("tensor {}", quoted(&t.name));
        let fail = |code, reason: String| Fault::new(place.clone(), code, reason);
        let location = tensor::location(t, &place)?;
        if location.contains(['/', '\\']) {
            let reason =
                format!("external data at {}: only files beside the model are read", quoted(&location));
            return Err(fail("onnx.external.traversal", reason));
        }
        if !files.contains_key(&location) {
            if files.len() >= limits.external_files {
                let cap = cap!(limits, external_files);
                return Err(fail("onnx.limit", format!("too many files of external data: {cap}")));
            }
            let read = intake::read(&folder.join(&location), limits);
            let read = read.map_err(|e| {
                let shown = quoted(&location);
                fail("onnx.external.missing", format!("external data at {shown}: {} [{}]", e.reason, e.code))
            })?;
            files.insert(location.clone(), read);
        }
        let Some(file) = files.get(&location) else { continue };
        let wanted = tensor::external_bytes(t, limits, &place)?;
        total = total.saturating_add(wanted);
        if total > limits.file_bytes {
            let cap = cap!(limits, file_bytes);
            return Err(fail("onnx.limit", format!("too many bytes of external data: {cap}")));
        }
        let bytes = range(t, &file.data, wanted).ok_or_else(|| {
            fail("onnx.external.range", format!("its {wanted} bytes are not all in {}", quoted(&location)))
        })?;
        t.raw_data = Some(bytes.to_vec());
        t.external_data.clear();
        t.data_location = 0;
    }
    Ok(files
        .iter()
        .map(|(name, b)| format!("weights from {} beside it, SHA-256 {}", quoted(name), b.sha256))
        .collect())
}

/// The bytes that a tensor takes of a file: from its offset on, as many as its shape needs; its length must agree.
fn range<'b>(t: &TensorProto, data: &'b [u8], wanted: u64) -> Option<&'b [u8]> {
    let number = |key: &str| match t.external_data.iter().find(|e| e.key == key) {
        None => Some(None),
        Some(e) => e.value.parse::<u64>().ok().map(Some),
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(wanted));
    (length == wanted).then_some(())?;
    let start = usize::try_from(offset).ok()?;
    data.get(start..start.checked_add(usize::try_from(wanted).ok()?)?)
}
