//! What each format is, whether opening it elsewhere can run code, and what this program does with it.

use super::Format;

/// Whether loading a file of this format with its usual library can run code that is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodeRisk {
    /// It holds numbers, pixels or text only.
    No,
    /// It can hold what acts when used (templates, custom operators), though loading weights does not run it.
    Indirect,
    /// Loading it runs code if it is in there.
    WhenLoaded,
    /// It is a program.
    IsProgram,
}

/// A format in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Stable name, as in JSON.
    pub name: &'static str,
    /// What it is, without article: "PyTorch archive (zip with a pickle)".
    pub what: &'static str,
    /// Whether loading it elsewhere can run code.
    pub code: CodeRisk,
    /// Why, in one sentence; empty when it cannot.
    pub danger: &'static str,
    /// What this program does with it.
    pub handling: &'static str,
}

const NEVER: &str = "recognised and described, never loaded";
const AS_DATA: &str = "its tensors are read as data; never unpickled";
const KERAS: &str =
    "its layers and weights are read as data and run by our own executor; nothing of it is called";
const DATA: &str = "read as a data set";

/// The description of a format.
#[expect(clippy::too_many_lines, reason = "one table, a line or two per format")]
pub fn describe(format: Format) -> &'static Description {
    macro_rules! d {
        ($name:literal, $what:literal, $code:ident, $danger:literal, $handling:expr) => {{
            const D: Description = Description {
                name: $name,
                what: $what,
                code: CodeRisk::$code,
                danger: $danger,
                handling: $handling,
            };
            &D
        }};
    }
    match format {
        Format::Onnx => d!("onnx", "ONNX graph", No, "", "read and run by our own executor"),
        Format::Safetensors => {
            d!(
                "safetensors",
                "safetensors weights",
                No,
                "",
                "read; run with the architecture that fits, a named or a described one"
            )
        }
        Format::Pickle => d!(
            "pickle",
            "Python pickle",
            WhenLoaded,
            "unpickling calls any function that the file names",
            NEVER
        ),
        Format::TorchZip => d!(
            "torch-zip",
            "PyTorch archive (zip with a pickle)",
            WhenLoaded,
            "torch.load unpickles data.pkl, which calls any function that it names unless weights_only holds",
            AS_DATA
        ),
        Format::TorchLegacy => d!(
            "torch-legacy",
            "PyTorch file from before 1.6 (five pickles in a row)",
            WhenLoaded,
            "torch.load unpickles it, which calls any function that it names unless weights_only holds",
            AS_DATA
        ),
        Format::TorchScript => d!(
            "torch-script",
            "TorchScript archive",
            WhenLoaded,
            "torch.jit.load compiles and runs the code in it; its pickles are unpickled",
            NEVER
        ),
        Format::KerasH5 => d!(
            "keras-h5",
            "HDF5 file, as Keras models are",
            WhenLoaded,
            "Keras runs the byte code of Lambda layers and follows links to other files",
            KERAS
        ),
        Format::KerasV3 => d!(
            "keras-v3",
            "Keras v3 archive",
            WhenLoaded,
            "its config.json names Python objects that Keras imports and calls",
            KERAS
        ),
        Format::SavedModel => d!(
            "saved-model",
            "TensorFlow SavedModel",
            WhenLoaded,
            "its graph can read and write files and call Python when it is run",
            NEVER
        ),
        Format::Gguf => d!(
            "gguf",
            "GGUF language-model weights",
            Indirect,
            "its chat template is a program that some loaders render without a sandbox",
            NEVER
        ),
        Format::Npy => d!("npy", "NumPy array", No, "", DATA),
        Format::Npz => d!("npz", "NumPy arrays (npz)", No, "", DATA),
        Format::CifarBinary => d!("cifar-binary", "CIFAR binary batch", No, "", DATA),
        Format::Parquet => d!("parquet", "Parquet table", No, "", DATA),
        Format::Idx => d!("idx", "IDX array (MNIST format)", No, "", DATA),
        Format::ImageFolder => d!("image-folder", "folder of images", No, "", DATA),
        Format::Image => d!("image", "image", No, "", "read as a sample of a data set"),
        Format::Csv => d!("csv", "CSV table", No, "", "read as a list of samples and labels"),
        Format::Json => d!("json", "JSON text", No, "", "read as a network description"),
        Format::Toml => d!("toml", "TOML text", No, "", "read as a case file"),
        Format::Text => d!("text", "text file", No, "", "read as class names or digests"),
        Format::Zip => d!(
            "zip",
            "zip archive",
            Indirect,
            "what it unpacks to can be anything",
            "recognised and described, never unpacked"
        ),
        Format::Gzip => d!(
            "gzip",
            "gzip-compressed file",
            Indirect,
            "what it unpacks to can be anything",
            "recognised and described; unpacked only when it is IDX"
        ),
        Format::Folder => d!("folder", "folder", No, "", "read as a data set where it is one"),
        Format::Executable => {
            d!("executable", "program (binary or script)", IsProgram, "opening it runs it", NEVER)
        }
        Format::LfsPointer => d!(
            "lfs-pointer",
            "Git LFS pointer: the real file was never fetched",
            No,
            "",
            "refused; fetch the file with `git lfs pull`"
        ),
        Format::Empty => d!("empty", "empty file", No, "", "refused"),
        Format::Unknown => {
            d!("unknown", "file of an unknown format", Indirect, "nothing is known about it", "refused")
        }
    }
}

/// A container that is recognised by its first bytes but not looked into.
pub fn container(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    match () {
        () if at(0, b"7z\xbc\xaf\x27\x1c") => Some(("container.7z", "7z archive")),
        () if at(257, b"ustar") => Some(("container.tar", "tar archive")),
        () if at(0, b"\xfd7zXZ\0") => Some(("container.xz", "xz-compressed file")),
        () if at(0, b"BZh") => Some(("container.bzip2", "bzip2-compressed file")),
        () if at(0, b"\x28\xb5\x2f\xfd") => Some(("container.zstd", "Zstandard-compressed file")),
        () if at(0, b"\x04\x22\x4d\x18") => Some(("container.lz4", "LZ4-compressed file")),
        () if at(0, b"Rar!\x1a\x07") => Some(("container.rar", "RAR archive")),
        // zlib (as joblib writes it): a header whose two bytes are a multiple of 31.
        () if matches!(head, [0x78, b @ (0x01 | 0x5e | 0x9c | 0xda), ..] if (0x7800 + u32::from(*b)) % 31 == 0) => {
            Some(("container.zlib", "zlib-compressed file"))
        }
        () => None,
    }
}

/// Reason code and words for refusing a file that is not what its role needs.
pub fn refusal(format: Format, head: &[u8]) -> (&'static str, String) {
    let about = describe(format);
    let plain = |what: &str| {
        let article =
            if what.starts_with(['a', 'e', 'i', 'o', 'u', 'I', 'O', 'H', 'L']) { "an" } else { "a" };
        format!("this is {article} {what}")
    };
    match (format, container(head)) {
        (Format::Unknown, Some((code, what))) => (code, format!("{}, which is not looked into", plain(what))),
        (Format::Unknown, None) => ("format.unknown", plain(about.what)),
        (Format::Empty, _) => ("format.empty", "this file is empty".to_owned()),
        (Format::LfsPointer, _) => {
            ("format.lfs_pointer", format!("{}; {}", plain(about.what), "fetch it with `git lfs pull`"))
        }
        (Format::Executable, _) => ("format.executable", plain(about.what)),
        (_, _) if about.code >= CodeRisk::WhenLoaded => {
            ("format.unsafe", format!("{}: {}; it is never loaded here", plain(about.what), about.danger))
        }
        _ => ("format.mismatch", plain(about.what)),
    }
}
