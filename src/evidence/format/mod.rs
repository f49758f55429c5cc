//! What a file is, by its content; its name only breaks ties between kinds of text.

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

mod describe;
mod pickle;
mod protobuf;
mod texts;
mod zips;

pub use describe::{CodeRisk, Description, container, describe, refusal};
pub use zips::kind_of as zip_kind;

use super::archive::tar;
use super::archive::unpack::Packing;
use serde::{Deserialize, Serialize};

/// Recognised formats. `Unknown` is an answer too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the formats' own")]
pub enum Format {
    Onnx,
    Safetensors,
    Pickle,
    TorchZip,
    TorchLegacy,
    TorchScript,
    KerasH5,
    KerasV3,
    SavedModel,
    Gguf,
    Npy,
    Npz,
    Idx,
    CifarBinary,
    Parquet,
    ImageFolder,
    Image,
    Csv,
    Json,
    Toml,
    Text,
    Zip,
    Gzip,
    Folder,
    Executable,
    LfsPointer,
    Empty,
    Unknown,
}

impl Format {
    /// The name used in JSON and the register.
    pub fn name(self) -> &'static str {
        describe(self).name
    }
}

/// Bytes of a file that are looked at for what cannot be told from its first bytes.
const LOOK: usize = 1 << 20;

/// Recognises a file by its content. `head` is the whole file where it is at hand (an archive's directory is at its
/// end), else its beginning; `len` is the size of the whole file; `name` only decides between kinds of text, and whose reader
/// is to say what is wrong with a file that looks like nothing known.
///
/// Total and bounded: looks at most at about a megabyte and at 65,536 archive members.
pub fn sniff(head: &[u8], len: u64, name: Option<&str>) -> Format {
    if len == 0 || head.is_empty() {
        return Format::Empty;
    }
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let look = head.get(..LOOK).unwrap_or(head);
    // Order matters: a safetensors length field can look like a pickle, never the other way round.
    if is_safetensors(head, len) {
        return Format::Safetensors;
    }
    // Pixels can look like anything: the name and all labels decide.
    if crate::evidence::dataset::cifar::label_bytes(look, len, &name).is_some() {
        return Format::CifarBinary;
    }
    if let Some(format) = by_magic(look, len) {
        return format;
    }
    if look.starts_with(b"PK\x03\x04")
        || look.starts_with(b"PK\x05\x06")
        || look.starts_with(b"PK\x07\x08PK\x03\x04")
    {
        return zips::kind(head);
    }
    if look.starts_with(&[0x1f, 0x8b]) {
        let inside = unpacked_head(look);
        return if idx_header(&inside).is_some() { Format::Idx } else { Format::Gzip };
    }
    if is_idx(look, len, &name) {
        return Format::Idx;
    }
    // Their first bytes can be read as protobuf or text too. A zlib header is no more than two letters.
    let packing = Packing::of(look).is_some_and(|p| p != Packing::Zlib);
    if packing || tar::is_tar(look) || container(look).is_some_and(|(code, _)| code != "container.zlib") {
        return Format::Unknown;
    }
    if pickle::is_torch_legacy(look) {
        return Format::TorchLegacy;
    }
    if pickle::is_binary(look) {
        return Format::Pickle;
    }
    if let Some(format) = protobuf::kind(look) {
        return format;
    }
    if pickle::is_text(look, promised(&name) == Some(Format::Pickle)) {
        return Format::Pickle;
    }
    let whole = head.len() as u64 == len && head.len() == look.len();
    if let Some(text) = texts::kind(look, whole, &name) {
        return text;
    }
    // Nothing is known: the reader of the format that the name promises can say best what is wrong.
    match promised(&name) {
        Some(format) if format != Format::Pickle && container(look).is_none() => format,
        _ => Format::Unknown,
    }
}

/// What a name promises, where that decides anything.
fn promised(name: &str) -> Option<Format> {
    match name.rsplit_once('.')?.1 {
        "onnx" => Some(Format::Onnx),
        "safetensors" => Some(Format::Safetensors),
        "npy" => Some(Format::Npy),
        "pkl" | "pickle" | "pt" | "pth" | "ckpt" | "joblib" => Some(Format::Pickle),
        _ => None,
    }
}

/// A length field within the file and a JSON object after it.
fn is_safetensors(head: &[u8], len: u64) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    let begins = rest.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    begins && (length <= len.saturating_sub(8) || length < 1 << 27)
}

/// Formats with a fixed signature.
fn by_magic(head: &[u8], len: u64) -> Option<Format> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let any = |magics: &[&[u8]]| magics.iter().any(|m| at(0, m));
    // HDF5 allows a block of anything of 512·2ⁿ bytes in front of its signature.
    let hdf5 = [0, 512, 1024, 2048, 4096, 8192].iter().any(|&o| at(o, b"\x89HDF\r\n\x1a\n"));
    let png_jpeg = any(&[b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"]);
    let webp = at(0, b"RIFF") && at(8, b"WEBP");
    let bmp = at(0, b"BM") && head.get(2..6).is_some_and(|n| u64::from(le32(n)) == len) && at(6, &[0; 4]);
    let mach_o = any(&[b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce"]);
    let windows = at(0, b"MZ") && head.get(0x3c..0x40).is_some_and(|n| at(le32(n) as usize, b"PE\0\0"));
    // Programs that are a shell script and a Windows program at once (llamafile).
    let portable = at(0, b"MZqFpD=") || at(0, b"jartsr=");
    let program = any(&[b"\x7fELF", b"#!", b"\0asm"]) || mach_o || windows || portable;
    match () {
        () if hdf5 => Some(Format::KerasH5),
        () if at(0, b"GGUF") => Some(Format::Gguf),
        () if at(0, b"PAR1") => Some(Format::Parquet),
        () if at(0, b"\x93NUMPY") => Some(Format::Npy),
        () if at(0, b"version https://git-lfs.github.com/spec/") => Some(Format::LfsPointer),
        () if png_jpeg || webp || bmp => Some(Format::Image),
        () if program => Some(Format::Executable),
        () => None,
    }
}

fn le32(b: &[u8]) -> u32 {
    b.iter().take(4).rev().fold(0, |n, &b| n << 8 | u32::from(b))
}

/// Element width and extents of an IDX header: two zeros, type, number of axes, big-endian extents.
pub(super) fn idx_header(head: &[u8]) -> Option<(u8, Vec<u32>, usize)> {
    let [0, 0, kind @ (0x08 | 0x09 | 0x0b..=0x0e), axes @ 1..=4, rest @ ..] = head else { return None };
    let (extents, _) = rest.split_at_checked(4 * usize::from(*axes))?;
    let extents = extents.chunks_exact(4).map(|b| b.iter().fold(0, |n, &b| n << 8 | u32::from(b))).collect();
    Some((*kind, extents, 4 + 4 * usize::from(*axes)))
}

/// Bytes of an IDX element of a type code.
pub(super) fn idx_width(kind: u8) -> u64 {
    match kind {
        0x08 | 0x09 => 1,
        0x0b => 2,
        0x0e => 8,
        _ => 4,
    }
}

fn is_idx(head: &[u8], len: u64, name: &str) -> bool {
    idx_header(head).is_some_and(|(kind, extents, at)| {
        let elements = extents.iter().try_fold(idx_width(kind), |n, &d| n.checked_mul(u64::from(d)));
        elements.and_then(|n| n.checked_add(at as u64)) == Some(len)
            || name.contains("idx")
            || name.contains("ubyte")
    })
}

/// The first bytes of what a gzip file unpacks to.
fn unpacked_head(head: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut out = Vec::new();
    // A damaged stream still yields what came before the damage; that is enough here.
    let _ = flate2::read::GzDecoder::new(head).take(64).read_to_end(&mut out);
    out
}

/// Whether a file that is something else ends as a zip archive does: one file, two readings.
pub fn hidden_zip(bytes: &[u8], format: Format) -> bool {
    let archive = matches!(
        format,
        Format::Zip | Format::Npz | Format::TorchZip | Format::TorchScript | Format::KerasV3 | Format::Empty
    );
    !archive && zips::ends_as_archive(bytes)
}

#[cfg(test)]
mod tests;
