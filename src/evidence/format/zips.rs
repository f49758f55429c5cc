//! What a zip archive is, by the names of its members. Nothing is unpacked here.

use super::Format;
use std::io::Cursor;

/// Members listed.
const MEMBERS: usize = 65_536;

/// Torch, TorchScript, Keras, npz or just an archive. Names come from the directory at the end and, since the two
/// can disagree, from the local headers too.
pub(super) fn kind(bytes: &[u8]) -> Format {
    let mut names = local_names(bytes);
    if let Ok(archive) = zip::ZipArchive::new(Cursor::new(bytes)) {
        names.extend(archive.file_names().take(MEMBERS).map(str::to_owned));
    }
    let names: Vec<String> = names.into_iter().map(|n| n.to_ascii_lowercase().replace('\\', "/")).collect();
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|n| test(n));
    let ends = |n: &str, with: &str| n.ends_with(with);
    let base = |n: &str, file: &str| n == file || n.ends_with(&format!("/{file}"));
    if any(&|n| base(n, "constants.pkl") || n.starts_with("code/") || n.contains("/code/")) {
        return Format::TorchScript;
    }
    if any(&|n| base(n, "data.pkl")) {
        return Format::TorchZip;
    }
    if any(&|n| n == "config.json") && any(&|n| n == "metadata.json" || n.ends_with("model.weights.h5")) {
        return Format::KerasV3;
    }
    if !names.is_empty() && names.iter().all(|n| ends(n, ".npy")) {
        return Format::Npz;
    }
    // A torch archive with its pickle renamed.
    if any(&|n| base(n, "byteorder") || n.contains("/data/") || ends(n, ".pkl") || n.contains(".data/")) {
        return Format::TorchZip;
    }
    Format::Zip
}

/// Names in the local headers, following sizes and, where a header does not say its size, the next signature.
fn local_names(bytes: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0usize);
    while names.len() < MEMBERS {
        let Some(found) = find(bytes, at, *b"PK\x03\x04") else { break };
        let Some(header) = bytes.get(found..found + 30) else { break };
        let (packed, name, extra) = (le(&header[18..22]), le(&header[26..28]), le(&header[28..30]));
        let end = found + 30 + name;
        let Some(raw) = bytes.get(found + 30..end) else { break };
        names.push(String::from_utf8_lossy(raw).into_owned());
        // Never step over the directory because of a size that lies.
        at = end.saturating_add(extra).saturating_add(packed);
        if at > bytes.len() {
            at = end;
        }
    }
    names
}

fn le(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
}

fn find(bytes: &[u8], from: usize, signature: [u8; 4]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(4).position(|w| w == signature).map(|i| from + i)
}

/// Whether a file ends with a zip directory that points at itself: the end record is there, and the directory it
/// names begins with a directory entry.
pub(super) fn ends_as_archive(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(22 + 65_535);
    let mut at = from;
    while let Some(found) = find(bytes, at, *b"PK\x05\x06") {
        if let Some(record) = bytes.get(found..found + 22) {
            let (entries, size, comment) = (le(&record[10..12]), le(&record[12..16]), le(&record[20..22]));
            let whole = found + 22 + comment <= bytes.len();
            // The directory lies right before the end record whatever stands in front of the archive.
            let directory = found.checked_sub(size).and_then(|s| bytes.get(s..s + 4));
            if whole && (entries == 0 && size == 0 || directory == Some(b"PK\x01\x02")) {
                return true;
            }
        }
        at = found + 4;
    }
    false
}

/// The number of members in the last end record.
pub(super) fn declared_members(bytes: &[u8]) -> Option<usize> {
    let tail = &bytes[bytes.len().saturating_sub(22 + 65_535)..];
    let at = tail.windows(4).rposition(|w| w == b"PK\x05\x06")?;
    let count = le(tail.get(at + 10..at + 12)?);
    (count != 0xffff).then_some(count)
}
