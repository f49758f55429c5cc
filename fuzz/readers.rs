//! Every reader of foreign bytes, by name: for the mutation harness on stable Rust (`tests/it/fuzz.rs`) and for
//! `cargo fuzz` (`fuzz_targets/`). Whatever the bytes are, a reader answers; it never panics.

use laocoon::case::{CaseState, journal, stamp};
use laocoon::evidence::archive::{tar, unpack::Packing, zip::Zip};
use laocoon::evidence::dataset::{Expect, load_file};
use laocoon::evidence::intake::{Bytes, quiet};
use laocoon::evidence::pickle::{Caps, Pickle};
use laocoon::evidence::provenance::{Key, parse_manifest};
use laocoon::evidence::{CaseFile, Format, Limits, ModelEntry, Role, SafeTensors, hdf5, torch};
use laocoon::network::description::Description;
use laocoon::network::load::open_model;
use laocoon::network::{keras, onnx};
use laocoon::triage::examine::{examine, recognise};
use laocoon::triage::readable;
use std::path::Path;
use std::sync::Arc;

/// A reader.
pub type Reader = fn(&[u8]);

/// All of them.
pub const READERS: [(&str, Reader); 17] = [
    ("pickle", pickle),
    ("zip", zip),
    ("tar", tape),
    ("packed", packed),
    ("safetensors", safetensors),
    ("onnx", network),
    ("checkpoint", checkpoint),
    ("description", description),
    ("hdf5", hierarchy),
    ("dataset", dataset),
    ("labels", labels),
    ("journal", session),
    ("case-file", case_file),
    ("signatures", signatures),
    ("yaml", |bytes| pipeline("a.yaml", bytes)),
    ("python", |bytes| pipeline("a.py", bytes)),
    ("inspect", inspect),
];

/// Caps small enough for thousands of runs in a second.
fn limits() -> Limits {
    Limits { image_side: 256, tensor_elements: 1 << 18, activation_bytes: 1 << 20, ..Limits::default() }
}

/// The bytes as a file that never was.
fn file(name: &str, bytes: &[u8]) -> Bytes {
    Bytes {
        path: Path::new("/nonexistent").join(name),
        data: Arc::new(bytes.to_vec()),
        sha256: "0".repeat(64),
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn pickle(bytes: &[u8]) {
    let read = Pickle::read(bytes, &Caps { opcodes: 100_000, ..Caps::default() });
    assert!(read.streams.iter().all(|s| s.range.end <= bytes.len() as u64), "a stream ends behind the file");
}

fn zip(bytes: &[u8]) {
    let zip = Zip::read(bytes);
    for member in zip.members.iter().take(16) {
        if let Some(content) = zip.unpack(member, 1 << 14) {
            assert!(content.bytes().len() <= 1 << 14, "more than its cap was unpacked");
        }
    }
}

fn tape(bytes: &[u8]) {
    let _ = tar::read(bytes);
}

fn packed(bytes: &[u8]) {
    if let Some(packing) = Packing::of(bytes) {
        assert!(packing.unpack(bytes, 1 << 14).data.len() <= 1 << 14, "more than its cap was unpacked");
    }
}

fn safetensors(bytes: &[u8]) {
    if let Ok(file) = SafeTensors::parse(Path::new("x.safetensors"), bytes, &limits()) {
        assert!(safetensors_crate(bytes), "accepted, and refused by the safetensors crate");
        for tensor in file.iter() {
            let _ = file.get(tensor.name.raw());
        }
    }
}

/// Whether the format's own crate takes it: ours may be stricter and never more lenient.
fn safetensors_crate(bytes: &[u8]) -> bool {
    safetensors::SafeTensors::deserialize(bytes).is_ok()
}

fn network(bytes: &[u8]) {
    let _ = onnx::read(Path::new("x.onnx"), bytes, Some([1, 8, 8]), &limits());
}

fn checkpoint(bytes: &[u8]) {
    let file = file("x.pt", bytes);
    let _ = torch::read(&file.path, bytes, &limits());
    let entry = ModelEntry {
        path: file.path.clone(),
        architecture: None,
        sha256: None,
        signature: None,
        key: None,
        labels: None,
        input: None,
        analyse_flagged: true,
        external_data: false,
    };
    let _ = open_model(&entry, &file, None, &[], &limits());
}

fn description(bytes: &[u8]) {
    let _ = Description::parse(&text(bytes));
}

fn hierarchy(bytes: &[u8]) {
    let _ = hdf5::read(bytes);
    let limits = limits();
    let path = Path::new("x.h5");
    if let Ok(open) = hdf5::File::open(path, bytes, &limits) {
        for object in open.paths().take(64) {
            let _ =
                (open.array(object), open.texts(object, "model_config"), open.texts(object, "weight_names"));
        }
    }
    let _ = keras::read(path, bytes, Format::KerasH5, Some([3, 8, 8]), &limits);
    let _ = keras::read(path, bytes, Format::KerasV3, Some([3, 8, 8]), &limits);
}

fn dataset(bytes: &[u8]) {
    let bytes = file("x.bin", bytes);
    let (_, found) = recognise(&bytes);
    if matches!(found, Format::Safetensors | Format::Npz | Format::Npy | Format::Idx | Format::Parquet) {
        let _ = load_file(&bytes, found, Role::Training, &Expect::default(), &limits(), &quiet);
    }
}

fn labels(bytes: &[u8]) {
    let bytes = file("labels.csv", bytes);
    let _ = laocoon::evidence::dataset::check_list(&bytes, &limits());
    let _ = laocoon::evidence::dataset::class_names(&bytes, &limits());
}

fn session(bytes: &[u8]) {
    let read = journal::parse(bytes);
    let _ = CaseState::fold(&read.records);
}

fn case_file(bytes: &[u8]) {
    let _ = CaseFile::parse(&text(bytes), Path::new("case.toml"), Path::new("."));
}

fn signatures(bytes: &[u8]) {
    let _ = parse_manifest(&file("x.sums", bytes));
    let _ = Key::parse(&text(bytes));
    let _ = stamp::read(bytes);
}

fn pipeline(name: &str, bytes: &[u8]) {
    let _ = readable(name, &text(bytes));
}

fn inspect(bytes: &[u8]) {
    let bytes = file("x", bytes);
    let (name, found) = recognise(&bytes);
    let _ = examine(&bytes, &name, found, &limits());
}
