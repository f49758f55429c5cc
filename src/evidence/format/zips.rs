//! What a zip archive is, by the names of its members. Nothing is unpacked here.

use super::Format;
use crate::evidence::archive::zip::Zip;
use std::borrow::Cow;
use std::ops::Range;

/// Torch, TorchScript, Keras, npz or just an archive. Names come from the directory at the end and, since the two
/// can disagree, from the local headers too.
pub(super) fn kind(bytes: &[u8]) -> Format {
    kind_of(&Zip::listing(bytes))
}

/// As `kind`, of an archive that was read.
pub fn kind_of(zip: &Zip) -> Format {
    let names: Vec<Cow<str>> = zip.members.iter().map(|m| plain(&m.name)).collect();
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|n| test(n));
    let ends = |n: &str, with: &str| n.ends_with(with);
    let base = |n: &str, file: &str| n.strip_suffix(file).is_some_and(|r| r.is_empty() || r.ends_with('/'));
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

/// In lower case and with plain slashes.
fn plain(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase() || b == b'\\') {
        Cow::Owned(name.to_ascii_lowercase().replace('\\', "/"))
    } else {
        Cow::Borrowed(name)
    }
}

fn le(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
}

fn find(bytes: &[u8], from: usize, signature: [u8; 4]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, &signature).map(|i| from + i)
}

/// Whether a file ends with a zip directory that points at itself: the end record is there, and the directory it
/// names begins with a directory entry.
pub(super) fn ends_as_archive(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(22 + 65_535);
    let mut at = from;
    while let Some(found) = find(bytes, at, *b"PK\x05\x06") {
        if let Some(record) = bytes.get(found..found + 22) {
            let field = |range: Range<usize>| le(record.get(range).unwrap_or_default());
            let (entries, size, comment) = (field(10..12), field(12..16), field(20..22));
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
