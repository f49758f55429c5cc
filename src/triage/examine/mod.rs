//! One file, looked at without running anything: what it is, whether opening it elsewhere can hurt, whether it is
//! whole, and whether its name says the truth. No case is needed.

mod odd;

use crate::evidence::dataset::{Npy, check_image, check_list, npz_members};
use crate::evidence::format::{CodeRisk, container, describe, hidden_zip};
use crate::evidence::intake::Bytes;
use crate::evidence::{EvidenceError, Format, Limits, SafeTensors, Untrusted, format, text};
use crate::network::onnx;
use crate::procedure::{Concern, Confidence, Severity};

/// Something about a file that a responder should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable dotted code.
    pub code: String,
    /// What kind of trouble.
    pub concern: Concern,
    /// How bad if true.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Part of the file, as visible text; empty for the whole.
    pub place: String,
    /// What was seen, as visible text.
    pub detail: String,
}

impl Reason {
    /// A reason for what a reader refused.
    pub fn refused(e: &EvidenceError) -> Self {
        Self::coded(e.code, e.place.clone(), e.reason.clone())
    }

    /// A reason with the weight that its code has.
    pub fn coded(code: &str, place: String, detail: String) -> Self {
        let (concern, severity) = weight(code);
        Self { code: code.to_owned(), concern, severity, confidence: Confidence::High, place, detail }
    }
}

/// What a reader's refusal means: hiding bytes, climbing out and exhausting memory are built, not accidents.
fn weight(code: &str) -> (Concern, Severity) {
    const BUILT: [&str; 17] = [
        "st.duplicate_key",
        "st.offset.overlap",
        "st.offset.gap",
        "st.trailing_data",
        "zip.path_traversal",
        "zip.duplicate_name",
        "zip.ratio",
        "zip.limit",
        "gzip.limit",
        "zip.encrypted",
        "dataset.path_traversal",
        "polyglot.zip",
        "onnx.external.traversal",
        "onnx.external.special",
        "onnx.tensor.ambiguous",
        "onnx.function.recursive",
        "onnx.limit",
    ];
    match code {
        "npy.object" => (Concern::UnsafeFormat, Severity::High),
        "format.executable" => (Concern::UnsafeFormat, Severity::Critical),
        c if BUILT.contains(&c) => (Concern::Malformed, Severity::High),
        // Odd, or more than this program can do, and no damage.
        "format.empty"
        | "format.lfs_pointer"
        | "name_unprintable"
        | "st.name_unprintable"
        | "st.name_injection"
        | "csv.formula"
        | "weights.nonfinite"
        | "data.nonfinite"
        | "onnx.version"
        | "onnx.op.unknown"
        | "onnx.op.attr"
        | "onnx.graph.shape"
        | "onnx.function"
        | "onnx.external.missing" => (Concern::Malformed, Severity::Low),
        _ => (Concern::Malformed, Severity::Medium),
    }
}

/// Whether a reason code speaks about the file itself, and not about how it fits the case or whether it could be read.
pub fn is_about_the_file(code: &str) -> bool {
    const FAMILIES: [&str; 13] = [
        "json.",
        "st.",
        "npy.",
        "npz.",
        "zip.",
        "gzip.",
        "idx.",
        "csv.",
        "image.",
        "onnx.",
        "dataset.",
        "polyglot.",
        "text.",
    ];
    FAMILIES.iter().any(|f| code.starts_with(f)) || ["format.empty", "format.lfs_pointer"].contains(&code)
}

/// Everything that is to be said about one file whose content was recognised as `found`.
pub fn examine(bytes: &Bytes, name: &str, found: Format, limits: &Limits) -> Vec<Reason> {
    let mut out = Vec::new();
    out.extend(risk(found, &bytes.data));
    out.extend(misnamed(name, found));
    if hidden_zip(&bytes.data, found) {
        let detail = format!("it reads as {} and, from its end, as a zip archive", describe(found).what);
        out.push(Reason::coded("polyglot.zip", String::new(), detail));
    }
    match well_formed(bytes, name, found, limits) {
        Err(e) => out.push(Reason::refused(&e)),
        Ok(()) => out.extend(odd::look(bytes, found, limits)),
    }
    out
}

/// What the format alone means.
fn risk(found: Format, data: &[u8]) -> Option<Reason> {
    let about = describe(found);
    let severity = match found {
        Format::Executable => Severity::Critical,
        Format::Pickle => Severity::High,
        _ if about.code == CodeRisk::WhenLoaded => Severity::Medium,
        _ => Severity::Low,
    };
    let reason = |code: &str, confidence, detail| Reason {
        code: code.to_owned(),
        concern: Concern::UnsafeFormat,
        severity,
        confidence,
        place: String::new(),
        detail,
    };
    match found {
        Format::Empty | Format::LfsPointer => {
            let code = if found == Format::Empty { "format.empty" } else { "format.lfs_pointer" };
            Some(Reason::coded(code, String::new(), about.what.to_owned()))
        }
        Format::Unknown => Some(match container(data) {
            Some((code, what)) => Reason {
                severity: Severity::Medium,
                ..reason(code, Confidence::Medium, format!("{what}: what is in it was not looked at"))
            },
            None => reason("format.unknown", Confidence::Low, format!("{}: {}", about.what, about.danger)),
        }),
        _ if about.code == CodeRisk::No => None,
        _ => {
            let code =
                format!("format.{}", if found == Format::Executable { "executable" } else { about.name });
            Some(reason(
                &code,
                Confidence::High,
                format!("{}: {}; {}", about.what, about.danger, about.handling),
            ))
        }
    }
}

/// A name that promises another format than the content has.
fn misnamed(name: &str, found: Format) -> Option<Reason> {
    use Format::{
        Csv, Gguf, Idx, Image, Json, KerasH5, KerasV3, Npy, Npz, Onnx, Pickle, Safetensors, SavedModel, Text,
        Toml, TorchLegacy, TorchScript, TorchZip, Zip,
    };
    let lower = name.to_ascii_lowercase();
    let (_, extension) = lower.rsplit_once('.')?;
    let promised: &[Format] = match extension {
        "onnx" => &[Onnx],
        "safetensors" => &[Safetensors],
        "pt" | "pth" | "ckpt" => &[TorchZip, TorchLegacy, TorchScript, Pickle],
        "pkl" | "pickle" | "joblib" => &[Pickle],
        "h5" | "hdf5" => &[KerasH5],
        "keras" => &[KerasV3, KerasH5],
        "pb" => &[SavedModel, Onnx],
        "gguf" => &[Gguf],
        "npy" => &[Npy],
        "npz" => &[Npz, Zip],
        "png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" | "tif" | "tiff" => &[Image],
        "json" => &[Json],
        "toml" => &[Toml],
        "csv" => &[Csv, Text],
        "txt" | "md" => &[Text, Csv, Json, Toml],
        "zip" => &[Zip, Npz, TorchZip, KerasV3],
        _ => return None,
    };
    let about = describe(found);
    // Nothing is known about an unknown file, and empty files and pointers are said already.
    if promised.contains(&found) || matches!(found, Format::Empty | Format::LfsPointer | Idx) {
        return None;
    }
    let says = describe(promised[0]);
    // Worst when a name that promises mere data hides what runs code.
    let severity = match (says.code, about.code) {
        (CodeRisk::No, CodeRisk::WhenLoaded) | (_, CodeRisk::IsProgram) => Severity::High,
        (_, CodeRisk::Indirect) => Severity::Medium,
        _ => Severity::Low,
    };
    Some(Reason {
        code: "format.mismatch".to_owned(),
        concern: if about.code >= CodeRisk::WhenLoaded { Concern::UnsafeFormat } else { Concern::Malformed },
        severity,
        confidence: Confidence::High,
        place: String::new(),
        detail: format!("its name ends in .{}, its content is: {}", text::visible(extension), about.what),
    })
}

/// Reads a file of data as strictly as its reader does, keeping nothing.
fn well_formed(bytes: &Bytes, name: &str, found: Format, limits: &Limits) -> Result<(), EvidenceError> {
    let path = bytes.path.as_path();
    let named = |ending: &str| name.to_ascii_lowercase().ends_with(ending);
    match found {
        Format::Safetensors => SafeTensors::parse(path, &bytes.data, limits).map(drop),
        Format::Empty if named(".safetensors") => SafeTensors::parse(path, &bytes.data, limits).map(drop),
        // Sizes that the file leaves open are the case's to fill in, not damage.
        Format::Onnx => match onnx::read(path, &bytes.data, None, limits) {
            Err(e) if e.code.starts_with("onnx.") || e.code == "format.mismatch" => Err(e),
            _ => Ok(()),
        },
        Format::Npy => Npy::parse(path, Untrusted::new(""), &bytes.data, limits).map(drop),
        Format::Npz => npz_members(path, &bytes.data, limits)?
            .into_iter()
            .try_for_each(|(name, data)| Npy::parse(path, name, &data, limits).map(drop)),
        Format::Image => check_image(bytes, limits),
        Format::Csv => check_list(bytes, limits),
        Format::Json if !named(".jsonl") => json(bytes),
        _ => Ok(()),
    }
}

/// One JSON value and nothing after it, not nested too deep.
fn json(bytes: &Bytes) -> Result<(), EvidenceError> {
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(&bytes.data);
    parsed.map(drop).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        EvidenceError::at(&bytes.path, place, "json.malformed", text::visible(&e.to_string()))
    })
}

/// The format of bytes under a name.
pub fn recognise(bytes: &Bytes) -> (String, Format) {
    let name = bytes.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, Some(&name));
    (name, found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evidence::dataset::Expect;
    use crate::evidence::intake::quiet;
    use crate::evidence::register::{entries, take_in};
    use crate::evidence::{CaseFile, intake};
    use crate::procedure::{Case, Context, Earlier, Effort, Outcome, Procedure, Silent};
    use std::path::Path;

    /// A case as the program sees it, from the text of its case file.
    pub fn case_of(dir: &Path, toml: &str) -> Case {
        std::fs::write(dir.join("case.toml"), toml).unwrap();
        let limits = Limits::default();
        let file = CaseFile::read(&dir.join("case.toml"), &limits).unwrap();
        let take = |e| take_in(e, &file, &Expect::of(&file), &limits, &quiet).unwrap().item;
        Case {
            register: entries(&file).iter().map(take).collect(),
            file,
            model: None,
            data: Vec::new(),
            effort: Effort::default(),
            overrides: std::collections::BTreeMap::default(),
            earlier: Earlier::default(),
        }
    }

    pub fn run(procedure: &'static dyn Procedure, case: &Case) -> Outcome {
        let plan = procedure.plan(case).unwrap();
        let out = procedure.run(case, &plan, &mut Context::new(0, procedure.about().id, &Silent)).unwrap();
        assert!(!out.limits.is_empty());
        out
    }

    /// A whole ONNX file: Flatten from 1×1×2×2 to 1×4.
    pub fn onnx_file() -> Vec<u8> {
        let field = |n: u8, body: &[u8]| [&[n << 3 | 2, body.len() as u8], body].concat();
        let value = |name: &[u8], dims: &[u8]| {
            let dims: Vec<u8> = dims.iter().flat_map(|&d| field(1, &[8, d])).collect();
            let tensor = [&[8, 1], &field(2, &dims)[..]].concat();
            [field(1, name), field(2, &field(1, &tensor))].concat()
        };
        let node = [field(1, b"x"), field(2, b"y"), field(4, b"Flatten")].concat();
        let ends = [field(11, &value(b"x", &[1, 1, 2, 2])), field(12, &value(b"y", &[1, 4]))].concat();
        let graph = [field(1, &node), field(2, b"g"), ends].concat();
        [&[8, 8], &field(7, &graph)[..], &field(8, &[16, 17])].concat()
    }

    fn codes(name: &str, data: &[u8]) -> Vec<(String, Severity)> {
        let bytes = Bytes { path: name.into(), data: data.to_vec().into(), sha256: intake::sha256(data) };
        let (name, found) = recognise(&bytes);
        examine(&bytes, &name, found, &Limits::default()).into_iter().map(|r| (r.code, r.severity)).collect()
    }

    fn one(name: &str, data: &[u8]) -> (String, Severity) {
        let mut all = codes(name, data);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn safe_formats_under_their_names_say_nothing() {
        assert!(codes("a.onnx", &onnx_file()).is_empty());
        assert!(codes("a.safetensors", b"\x02\0\0\0\0\0\0\0{}").is_empty());
        assert!(codes("labels.txt", b"cat\ndog\n").is_empty());
        assert!(codes("net.json", b"{}").is_empty());
    }

    #[test]
    fn what_runs_code_is_named_and_worse_under_a_false_name() {
        let pickle = b"\x80\x02cos\nsystem\nq\0.";
        assert_eq!(one("a.pkl", pickle), ("format.pickle".to_owned(), Severity::High));
        assert_eq!(one("a.pt", pickle), ("format.pickle".to_owned(), Severity::High));
        let hidden = codes("a.safetensors", pickle);
        assert_eq!(hidden[1], ("format.mismatch".to_owned(), Severity::High));
        assert_eq!(codes("a.bin", b"\x7fELF\x02")[0], ("format.executable".to_owned(), Severity::Critical));
        assert_eq!(one("x.gguf", b"GGUF\x03\0\0\0").1, Severity::Low);
        assert_eq!(one("x.h5", b"\x89HDF\r\n\x1a\n"), ("format.keras-h5".to_owned(), Severity::Medium));
        assert_eq!(codes("x.pt", b"7z\xbc\xaf\x27\x1c")[0].0, "container.7z");
    }

    #[test]
    fn malformed_hidden_and_acting_content() {
        assert_eq!(
            one("a.safetensors", b"\x02\0\0\0\0\0\0\0{}PK"),
            ("st.trailing_data".to_owned(), Severity::High)
        );
        let archive = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let both = [b"\x93NUMPY", &archive[..]].concat();
        assert!(codes("a.npy", &both).iter().any(|c| c.0 == "polyglot.zip"));
        let named = b"{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
        let file = [&(named.len() as u64).to_le_bytes()[..], named].concat();
        assert_eq!(one("a.safetensors", &file), ("st.name_unprintable".to_owned(), Severity::Low));
        assert_eq!(codes("a.safetensors", b"")[0], ("format.empty".to_owned(), Severity::Low));
        assert_eq!(one("a.bin", b"").0, "format.empty");
        let nan = [
            &b"\x93NUMPY\x01\0\x39\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"[..],
            &[0, 0, 0xc0, 0x7f],
        ];
        assert_eq!(one("a.npy", &nan.concat()).0, "data.nonfinite");
        assert_eq!(one("a.csv", b"file,label\n=cmd|x,1\n-1.5,2\n").0, "csv.formula");
        assert_eq!(one("a.txt", b"cat\n\x1b[2Jdog\n").0, "name_unprintable");
        assert_eq!(one("a.json", b"{\"a\": NaN}").0, "json.malformed");
        assert_eq!(one("a.onnx", &onnx_file()[..20]), ("onnx.protobuf".to_owned(), Severity::Medium));
    }
}
