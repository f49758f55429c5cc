//! Whether a file's name says the truth.

use super::reason::Reason;
use crate::evidence::format::{CodeRisk, describe};
use crate::evidence::{Format, text};
use crate::procedure::{Concern, Severity};

/// An empty file, in the words of the reader that its name promises.
pub(super) fn empty(name: &str) -> Reason {
    let code = match extension(name).as_deref() {
        Some("safetensors") => "st.header.short",
        Some("onnx" | "npy") => "format.mismatch",
        Some("pkl" | "pickle" | "pt" | "pth" | "joblib" | "bin" | "ckpt") => "file.empty_or_short",
        _ => "format.empty",
    };
    Reason::new(code, "an empty file")
}

pub(super) fn extension(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase())
}

/// Whether a name promises a pickle.
pub(super) fn promises_pickle(name: &str) -> bool {
    matches!(
        extension(name).as_deref(),
        Some("pkl" | "pickle" | "pt" | "pth" | "ckpt" | "joblib" | "p" | "dill")
    )
}

/// A name that promises another format than the content has.
pub(super) fn misnamed(name: &str, found: Format, packed: bool) -> Option<Reason> {
    use Format::{
        Csv, Gguf, Idx, Image, Json, KerasH5, KerasV3, Npy, Npz, Onnx, Parquet, Pickle, Safetensors,
        SavedModel, Text, Toml, TorchLegacy, TorchScript, TorchZip, Zip,
    };
    let extension = extension(name)?;
    let promised: &[Format] = match extension.as_str() {
        "onnx" => &[Onnx],
        "safetensors" => &[Safetensors],
        "pt" | "pth" | "ckpt" => &[TorchZip, TorchLegacy, TorchScript, Pickle],
        "pkl" | "pickle" | "joblib" => &[Pickle, TorchLegacy],
        "h5" | "hdf5" => &[KerasH5],
        "keras" => &[KerasV3, KerasH5],
        "pb" => &[SavedModel, Onnx],
        "gguf" => &[Gguf],
        "npy" => &[Npy],
        "npz" => &[Npz, Zip],
        "parquet" => &[Parquet],
        "png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" | "tif" | "tiff" => &[Image],
        "json" | "jsonl" => &[Json],
        "toml" => &[Toml],
        "csv" => &[Csv, Text],
        "txt" | "md" => &[Text, Csv, Json, Toml],
        "yaml" | "yml" => &[Text, Json, Toml, Csv],
        "zip" => &[Zip, Npz, TorchZip, KerasV3, TorchScript],
        _ => return None,
    };
    let about = describe(found);
    // Empty files and pointers are said already; what is packed is judged by what is in it.
    let said = matches!(found, Format::Empty | Format::LfsPointer | Idx) || packed;
    if promised.contains(&found) || said || found == Format::Unknown && promised[0] == Pickle {
        return None;
    }
    // An archive under a pickle's name, or the reverse, is what loaders take too; one without a pickle is not.
    let plain_zip = promised[0] == Pickle && matches!(found, Zip | Npz);
    let loaders_agree =
        |f: &Format| matches!(f, Pickle | TorchZip | TorchLegacy | TorchScript | Zip | Npz | KerasV3);
    if loaders_agree(&promised[0]) && loaders_agree(&found) && !plain_zip {
        return None;
    }
    let says = describe(promised[0]);
    let detail = format!("its name ends in .{}, its content is: {}", text::visible(&extension), about.what);
    let mut reason = Reason::new("format.mismatch", detail);
    // Worst when a name that promises mere data hides what runs code.
    reason.severity = match (says.code, about.code) {
        (CodeRisk::No, CodeRisk::WhenLoaded) | (_, CodeRisk::IsProgram) => Severity::High,
        (_, CodeRisk::Indirect) => Severity::Medium,
        _ => Severity::Low,
    };
    if about.code >= CodeRisk::WhenLoaded {
        reason.concern = Concern::UnsafeFormat;
    }
    Some(reason)
}
