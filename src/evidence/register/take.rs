//! Taking in what a case names: opened, hashed, recognised, read; refused with a reason where something is wrong.

use super::{Item, ItemState, Role};
use crate::evidence::dataset::{self, DataSet, Expect};
use crate::evidence::intake::{self, Bytes, Fingerprint, Progress};
use crate::evidence::{
    CaseFile, EvidenceError, Format, InputSpec, Limits, SafeTensors, Untrusted, format, text,
};
use std::path::{Path, PathBuf};

/// One thing that a case names, before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// "E1", "E2", …
    pub id: String,
    /// What it is for.
    pub role: Role,
    /// The path as named.
    pub path: PathBuf,
    /// Digest the case file publishes for it.
    pub published: Option<String>,
}

/// What a case names, in the order of the register: model, architecture, labels, data sets, artefacts, pipeline, serving
/// log.
pub fn entries(case: &CaseFile) -> Vec<Entry> {
    let mut named: Vec<(Role, &Path, Option<&String>)> = Vec::new();
    if let Some(model) = &case.model {
        named.push((Role::Model, &model.path, model.sha256.as_ref()));
        named.extend(case.architecture_file().map(|p| (Role::Architecture, p, None)));
        named.extend(model.labels.as_deref().map(|p| (Role::Labels, p, None)));
    }
    named.extend(case.data.iter().map(|d| (d.role, d.path.as_path(), d.sha256.as_ref())));
    named.extend(case.artefacts.iter().map(|p| (Role::Artefact, p.as_path(), None)));
    named.extend(pipeline(case).into_iter().filter_map(|(role, path)| Some((role, path?, None))));
    let entry = |(i, (role, path, published)): (usize, (Role, &Path, Option<&String>))| Entry {
        id: format!("E{}", i + 1),
        role,
        path: path.to_owned(),
        published: published.cloned(),
    };
    named.into_iter().enumerate().map(entry).collect()
}

/// What the sections `[pipeline]` and `[deployment]` name.
fn pipeline(case: &CaseFile) -> Vec<(Role, Option<&Path>)> {
    let mut named = Vec::new();
    if let Some(p) = &case.pipeline {
        named.extend([
            (Role::Approved, p.baseline.as_deref()),
            (Role::AsRun, p.current.as_deref()),
            (Role::Stages, p.stages.as_deref()),
            (Role::Metrics, p.metrics.as_deref()),
            (Role::Expected, p.expected.as_deref()),
            (Role::Compute, p.compute.as_deref()),
            (Role::Prices, p.prices.as_deref()),
            (Role::Egress, p.egress.as_deref()),
            (Role::AllowList, p.allow.as_deref()),
            (Role::Checkpoints, p.checkpoints.as_deref()),
        ]);
    }
    named.extend(case.deployment.as_ref().map(|d| (Role::ServingLog, d.log.as_deref())));
    named
}

/// What was read of an accepted item.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A model, network description or artefact: its bytes.
    File(Bytes),
    /// Class names in order.
    Names(Vec<Untrusted>),
    /// Samples.
    Data(Box<DataSet>),
    /// Material of the pipeline: hashed and described here, read by the procedures about it.
    Pipeline,
}

/// An item taken in.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The register line, accepted or refused.
    pub item: Item,
    /// What was read; `None` when refused.
    pub payload: Option<Payload>,
    /// For noticing later that it changed ([`intake::changed`]); `None` when it could not be read at all.
    pub fingerprint: Option<Fingerprint>,
}

/// Opens, hashes, recognises and reads one thing that the case names. Whatever is wrong with it becomes the reason of a
/// refused item. `expect` is what is known of the model so far: images of
/// another shape and labels that are no class of it refuse the item.
///
/// `None` only when `progress` (bytes, or files of a folder) asked to stop.
pub fn take_in(
    entry: &Entry,
    case: &CaseFile,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Option<Taken> {
    let item = Item {
        id: entry.id.clone(),
        role: entry.role,
        path: Untrusted::new(entry.path.to_string_lossy()),
        format: Format::Unknown,
        bytes: 0,
        sha256: String::new(),
        files: 0,
        published: entry.published.clone(),
        state: ItemState::Accepted,
        facts: Vec::new(),
    };
    let mut taken = Taken { item, payload: None, fingerprint: None };
    let outcome =
        case.locate(&entry.path).and_then(|path| open(&mut taken, &path, entry, expect, limits, progress));
    match outcome {
        Ok(payload) => taken.payload = Some(payload),
        Err(e) if e.code == "intake.stopped" => return None,
        Err(mut e) => {
            // Name it as the case does, not by where it lies on this machine.
            if case.locate(&entry.path).is_ok_and(|full| full == e.path) {
                e.path.clone_from(&entry.path);
            }
            taken.item.refuse(&e);
        }
    }
    Some(taken)
}

fn open(
    taken: &mut Taken,
    path: &Path,
    entry: &Entry,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Payload, EvidenceError> {
    if path.is_dir() && !path.is_symlink() {
        return folder(taken, path, entry.role, expect, limits, progress);
    }
    taken.fingerprint = intake::fingerprint(path, limits).ok();
    let bytes = match intake::read_with(path, limits, progress) {
        Ok(bytes) => bytes,
        Err(e) => {
            // Too large to be read is not too large to be named.
            taken.item.bytes = taken.fingerprint.as_ref().map_or(0, |f| f.bytes);
            return Err(e);
        }
    };
    let item = &mut taken.item;
    (item.bytes, item.files) = (bytes.data.len() as u64, 1);
    item.sha256.clone_from(&bytes.sha256);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    item.format = format::sniff(&bytes.data, item.bytes, name.as_deref());
    let about = format::describe(item.format);
    match entry.role {
        Role::Model => {
            let wanted = [
                Format::Onnx,
                Format::Safetensors,
                Format::TorchZip,
                Format::TorchLegacy,
                Format::KerasH5,
                Format::KerasV3,
            ];
            usable(path, item.format, &wanted, &bytes, "a model")?;
            if item.format == Format::Safetensors {
                let file = SafeTensors::parse(path, &bytes.data, limits)?;
                let elements: usize = file.iter().map(|t| t.shape.iter().product::<usize>()).sum();
                let fact = format!("safetensors: {} tensors, {elements} elements", file.len());
                item.facts.push(Untrusted::new(fact));
            }
            Ok(Payload::File(bytes))
        }
        Role::Architecture => {
            usable(path, item.format, &[Format::Json], &bytes, "a network description")?;
            Ok(Payload::File(bytes))
        }
        Role::Labels => {
            let names = dataset::class_names(&bytes, limits)?;
            item.facts.push(Untrusted::new(format!("{} class names", names.len())));
            Ok(Payload::Names(names))
        }
        Role::Artefact => {
            item.facts.push(Untrusted::new(about.what));
            Ok(Payload::File(bytes))
        }
        Role::Approved | Role::AsRun | Role::Checkpoints => {
            let reason = format!("a file; {} must be a folder", entry.role.name());
            Err(EvidenceError::whole(path, "intake.not_a_folder", reason))
        }
        Role::Stages
        | Role::Metrics
        | Role::Expected
        | Role::Compute
        | Role::Prices
        | Role::Egress
        | Role::AllowList
        | Role::ServingLog => {
            let lines = intake::text_of(&bytes)?.lines().count();
            item.facts.push(Untrusted::new(format!("{lines} lines of text")));
            Ok(Payload::Pipeline)
        }
        Role::Training | Role::Clean | Role::Test | Role::Suspect => {
            let loaded = dataset::load_owned(bytes, item.format, entry.role, expect, limits, progress)?;
            item.facts.extend(loaded.facts);
            fits(&loaded.set, path, expect)?;
            Ok(Payload::Data(Box::new(loaded.set)))
        }
    }
}

/// Shape and labels against what is known of the model.
fn fits(set: &DataSet, path: &Path, expect: &Expect) -> Result<(), EvidenceError> {
    let Some(shape) = expect.shape.or_else(|| set.shape()) else { return Ok(()) };
    let classes = if expect.classes.is_empty() { usize::MAX } else { expect.classes.len() };
    set.check_against(path, classes, shape)
}

fn folder(
    taken: &mut Taken,
    path: &Path,
    role: Role,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Payload, EvidenceError> {
    taken.item.format = Format::Folder;
    let tree = matches!(role, Role::Approved | Role::AsRun | Role::Checkpoints);
    let one = matches!(role, Role::Model | Role::Architecture | Role::Labels | Role::Artefact);
    if one || (role.is_pipeline() && !tree) {
        let reason = format!("a folder; a {} must be one file", role.name());
        return Err(EvidenceError::whole(path, "intake.not_a_file", reason));
    }
    taken.fingerprint = intake::fingerprint(path, limits).ok();
    let digest = intake::digest_folder(path, limits, progress)?;
    let item = &mut taken.item;
    (item.bytes, item.files) = (digest.bytes, digest.files.len() as u64);
    item.sha256.clone_from(&digest.sha256);
    let loaded =
        (!tree).then(|| dataset::load_folder(path, &digest, role, expect, limits, progress)).transpose()?;
    match &loaded {
        Some(loaded) => {
            item.format = loaded.format;
            item.facts.extend(loaded.facts.iter().cloned());
        }
        None => item.facts.push(Untrusted::new(format!("{} files", digest.files.len()))),
    }
    if !digest.others.is_empty() {
        let (n, first) =
            (digest.others.len(), digest.others.first().map(|p| p.to_string_lossy().into_owned()));
        let first = text::visible(&first.unwrap_or_default());
        item.facts.push(Untrusted::new(format!(
            "{n} links, pipes or devices in it were not followed (first: {first})"
        )));
    }
    let Some(loaded) = loaded else { return Ok(Payload::Pipeline) };
    fits(&loaded.set, path, expect)?;
    Ok(Payload::Data(Box::new(loaded.set)))
}

/// Refuses a file whose content is not one of the formats a role can use, saying what it is instead.
fn usable(
    path: &Path,
    found: Format,
    wanted: &[Format],
    bytes: &Bytes,
    what: &str,
) -> Result<(), EvidenceError> {
    if wanted.contains(&found) {
        return Ok(());
    }
    let (code, reason) = format::refusal(found, &bytes.data);
    let names: Vec<&str> = wanted.iter().map(|f| format::describe(*f).name).collect();
    let reason = format!("{reason}; {what} is read from {}: export it", names.join(" or "));
    Err(EvidenceError::whole(path, code, reason))
}

impl Expect {
    /// What a case file alone says about its images.
    pub fn of(case: &CaseFile) -> Self {
        let input: Option<&InputSpec> = case.model.as_ref().and_then(|m| m.input.as_ref());
        Self { shape: input.map(|i| i.shape), range: input.map(|i| i.range), classes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::intake::quiet;
    use crate::evidence::safetensors::{Stored, write};
    use std::fs;

    fn case_in(dir: &Path, text: &str) -> CaseFile {
        fs::write(dir.join("case.toml"), text).unwrap();
        CaseFile::read(&dir.join("case.toml"), &Limits::default()).unwrap()
    }

    fn take_all(case: &CaseFile) -> Vec<Taken> {
        let take = |e: &Entry| take_in(e, case, &Expect::of(case), &Limits::default(), &quiet).unwrap();
        entries(case).iter().map(take).collect()
    }

    #[test]
    fn items_in_order_with_digest_format_and_facts() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let weights =
            write([("w", &Stored::from(ndarray::array![1f32]))], &std::collections::BTreeMap::default())
                .unwrap();
        put("m.safetensors", &weights);
        put("net.json", b"{\"layers\": []}");
        put("labels.txt", b"cat\ndog\n");
        let images = Stored::from(ndarray::Array4::<u8>::zeros((2, 1, 3, 3)));
        put("d.safetensors", &write([("images", &images)], &std::collections::BTreeMap::default()).unwrap());
        let case = case_in(
            dir.path(),
            "[case]\nid = \"x\"\n[model]\npath = \"m.safetensors\"\narchitecture = \"net.json\"\nlabels = \"labels.txt\"\n\
             [[data]]\nrole = \"clean\"\npath = \"d.safetensors\"\n",
        );
        let taken = take_all(&case);
        let lines: Vec<_> = taken.iter().map(|t| (t.item.id.as_str(), t.item.role, t.item.format)).collect();
        assert_eq!(
            lines,
            [
                ("E1", Role::Model, Format::Safetensors),
                ("E2", Role::Architecture, Format::Json),
                ("E3", Role::Labels, Format::Text),
                ("E4", Role::Clean, Format::Safetensors),
            ]
        );
        assert!(taken.iter().all(|t| t.item.accepted() && t.fingerprint.is_some()));
        assert_eq!(taken[0].item.sha256, intake::sha256(&weights));
        assert_eq!(taken[0].item.facts[0].shown(), "safetensors: 1 tensors, 1 elements");
        assert!(matches!(&taken[2].payload, Some(Payload::Names(n)) if n.len() == 2));
        assert!(matches!(&taken[3].payload, Some(Payload::Data(d)) if d.len() == 2));
        assert_eq!(taken[3].item.facts[0].shown(), "2 images 3×3×1 (u8)");
    }

    #[test]
    fn what_is_wrong_becomes_the_reason_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), b"\x80\x02cos\nsystem\nq\0.").unwrap();
        std::os::unix::fs::symlink("m.onnx", dir.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let case = case_in(
            dir.path(),
            "[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\n[[data]]\nrole = \"clean\"\npath = \"none.npz\"\n\
             [[data]]\nrole = \"test\"\npath = \"link\"\n[[data]]\nrole = \"suspect\"\npath = \"folder\"\n",
        );
        let taken = take_all(&case);
        let codes: Vec<_> = taken.iter().map(|t| t.item.refusal_code().unwrap()).collect();
        assert_eq!(codes, ["format.unsafe", "intake.open", "intake.symlink", "data.folder"]);
        let item = &taken[0].item;
        assert_eq!((item.format, item.bytes, item.sha256.len()), (Format::Pickle, 16, 64));
        assert!(taken.iter().all(|t| t.payload.is_none()));
        let ItemState::Refused(reason) = &taken[1].item.state else { panic!() };
        assert_eq!(reason, "none.npz: no such file or folder [intake.open]");
    }

    #[test]
    fn a_stop_gives_no_item() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m"), b"abc").unwrap();
        let case = case_in(dir.path(), "[case]\nid = \"x\"\n[model]\npath = \"m\"\n");
        let stop = |_, _| false;
        assert!(take_in(&entries(&case)[0], &case, &Expect::default(), &Limits::default(), &stop).is_none());
    }
}
