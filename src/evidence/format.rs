//! What a file is, by its content.

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
