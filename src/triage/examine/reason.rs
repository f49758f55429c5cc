//! What is said about a file, and what each code means.

use crate::evidence::EvidenceError;
use crate::procedure::{Concern, Confidence, Severity};
use serde::Serialize;

/// What a file deserves, from least to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// Nothing was found against it.
    Accept,
    /// Unknown or ambiguous: a person should look.
    Review,
    /// Malformed.
    Reject,
    /// It would act when loaded, or it is built to mislead.
    Flag,
}

/// Something about a file that a responder should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable dotted code.
    pub code: String,
    /// What it makes of the file.
    pub ruling: Ruling,
    /// What kind of trouble.
    pub concern: Concern,
    /// How bad if true.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Part of the file, as visible text; empty for the whole.
    pub place: String,
    /// Offset in the file, or in the member that `member` names.
    pub offset: Option<u64>,
    /// Path of the archive member, members of members joined by `!`, as visible text; empty for the file itself.
    pub member: String,
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
        let (ruling, concern, severity) = weight(code);
        Self {
            code: code.to_owned(),
            ruling,
            concern,
            severity,
            confidence: Confidence::High,
            place,
            offset: None,
            member: String::new(),
            detail,
        }
    }

    /// A reason with the weight that its code has, about the whole.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self::coded(code, String::new(), detail.into())
    }

    /// Names the offset.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        if self.place.is_empty() {
            self.place = format!("byte {offset}");
        }
        self
    }

    /// Puts it below a member of an archive.
    #[must_use]
    pub fn inside(mut self, member: &str) -> Self {
        self.member = match (member, self.member.as_str()) {
            (outer, "") => outer.to_owned(),
            (outer, inner) => format!("{outer}!{inner}"),
        };
        self
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
/// What a code means. What is malformed and not named here is rejected.
fn weight(code: &str) -> (Ruling, Concern, Severity) {
    use Concern::{Backdoor, Integrity, Malformed, UnsafeFormat};
    use Ruling::{Accept, Flag, Reject, Review};
    use Severity::{Critical, High, Low, Medium};
    match code {
        // It runs code when loaded.
        "pickle.global.dangerous"
        | "format.executable"
        | "keras.lambda"
        | "keras.module_ref"
        | "tf.op"
        | "gguf.template" => (Flag, UnsafeFormat, Critical),
        "pickle.global.computed"
        | "pickle.global.import_side_effect"
        | "pickle.global.unprintable"
        | "pickle.call.computed"
        | "pickle.ext_registry"
        | "pickle.build.on_global"
        | "pickle.build.inner_attribute"
        | "pickle.setitem.on_global"
        | "pickle.allowlisted.bad_args"
        | "pickle.nested"
        | "pickle.persid.unexpected"
        | "keras.guard_off"
        | "config.target_callable"
        | "torch.storage.type"
        | "code.dangerous" => (Flag, UnsafeFormat, High),
        // It is built so that readers disagree, or to hide something.
        "pickle.frame.divergence"
        | "pickle.proto.misplaced"
        | "pickle.trailing_data"
        | "pickle.buried"
        | "torch.storage.key"
        | "zip.lh_cd_mismatch"
        | "zip.flags"
        | "zip.crc"
        | "zip.duplicate_name"
        | "zip.orphan"
        | "zip.multiple_eocd"
        | "zip.hidden_bytes"
        | "zip.path_traversal"
        | "zip.symlink"
        | "zip.name_unprintable"
        | "zip.ratio"
        | "zip.limit"
        | "zip.overlap"
        | "zip.method"
        | "zip.size_mismatch"
        | "zip.encrypted"
        | "zip.depth"
        | "tar.path_traversal"
        | "tar.link"
        | "tar.duplicate_name"
        | "polyglot.zip"
        | "polyglot.pickle_zip"
        | "polyglot"
        | "gzip.ratio"
        | "gzip.limit"
        | "hdf5.external"
        | "index.path_traversal"
        | "session.path"
        | "dataset.path_traversal"
        | "onnx.external.traversal"
        | "onnx.external.special"
        | "onnx.tensor.ambiguous"
        | "container.7z"
        | "container.rar"
        | "container.opaque" => (Flag, Malformed, High),
        // A path that another input could switch on.
        "onnx.architecture.branch" | "torchscript.branch" => (Review, Backdoor, Medium),
        // For a person to look at.
        "pickle.global.unknown"
        | "format.unsafe"
        | "zip.code_member"
        | "tar.code_member"
        | "container.lz4"
        | "container.zstd"
        | "keras.unknown_module"
        | "tf.op.unknown"
        // Loading it needs a pickle; what that pickle does is said by itself.
        | "npy.object"
        | "format.source_code" => (Review, UnsafeFormat, Medium),
        "torch.serialization_id" => (Review, Integrity, Medium),
        "format.unknown"
        | "name_unprintable"
        | "st.name_unprintable"
        | "st.name_injection"
        | "onnx.name_unprintable"
        | "onnx.unused_initializer"
        | "onnx.graph.order"
        | "onnx.trailing_data"
        | "npz.member"
        | "csv.formula"
        | "csv.limit"
        | "journal.torn_tail"
        | "journal.time"
        | "journal.whitespace"
        | "onnx.unsupported" => (Review, Malformed, Low),
        // Worth knowing, and nothing against the file.
        "weights.nonfinite"
        | "data.nonfinite"
        | "data.empty"
        | "journal.anchor"
        | "onnx.external"
        | "config.unknown_target" => (Accept, Malformed, Low),
        // Rejected, and hiding or exhausting rather than damaged.
        "st.duplicate_key"
        | "st.offset.overlap"
        | "st.offset.gap"
        | "st.trailing_data"
        | "onnx.function.recursive"
        | "onnx.limit"
        | "config.yaml"
        | "pickle.limit" => (Reject, Malformed, High),
        "format.empty"
        | "file.empty_or_short"
        | "format.lfs_pointer"
        | "onnx.version"
        | "onnx.op.unknown"
        | "onnx.op.attr"
        | "onnx.graph.shape"
        | "onnx.function"
        | "onnx.external.missing" => (Reject, Malformed, Low),
        _ => (Reject, Malformed, Medium),
    }
}

/// Whether a reason code speaks about the file itself, and not about how it fits the case or whether it could be read.
pub fn is_about_the_file(code: &str) -> bool {
    const OTHERS: [&str; 6] = ["intake.", "case.", "labels.", "data.", "network.", "train."];
    code.contains('.') && !OTHERS.iter().any(|f| code.starts_with(f))
}
