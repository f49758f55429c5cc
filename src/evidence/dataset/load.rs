//! From a file to a data set, by format.

use super::images::{Source, decode_all};
use super::{DataSet, Expect, Npy, arrays, idx::Idx, idx::label_files, list, npz};
use crate::evidence::intake::{self, Bytes, Progress, quiet};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Format, Limits, RawArray, Role, SafeTensors, Untrusted, format, text};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A data set with what was learnt while reading it.
#[derive(Debug)]
pub struct Loaded {
    /// The samples.
    pub set: DataSet,
    /// What it was stored as.
    pub format: Format,
    /// Facts for the register; the first is the summary.
    pub facts: Vec<Untrusted>,
}

pub(super) fn loaded(set: DataSet, format: Format, more: impl IntoIterator<Item = String>) -> Loaded {
    let wild = set.activations.as_ref().map_or(0, |a| a.iter().filter(|x| !x.is_finite()).count());
    let wild = if wild == 0 { String::new() } else { format!("{wild} activations are not finite") };
    let facts = std::iter::once(set.summary())
        .chain(more)
        .chain([wild])
        .filter(|f| !f.is_empty())
        .map(Untrusted::new)
        .collect();
    Loaded { set, format, facts }
}

/// As [`load_file`], of bytes that nobody else needs: where they are the pixels themselves they become the images, and
/// are not held twice.
///
/// # Errors
/// As [`load_file`].
pub fn load_owned(
    bytes: Bytes,
    found: Format,
    role: Role,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    if found != Format::CifarBinary {
        return load_file(&bytes, found, role, expect, limits, progress);
    }
    let name = file_name(&bytes.path);
    let data = Arc::try_unwrap(bytes.data).unwrap_or_else(|shared| shared.to_vec());
    Ok(loaded(super::cifar::read(&bytes.path, data, &name, limits)?, found, []))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Reads a data set from a file already read and recognised. Files that belong to it (the labels of an IDX file, the
/// images of a list) are read beside it, and their digests become facts.
///
/// # Errors
/// Not a format of data sets, malformed, or arrays that do not fit together.
pub fn load_file(
    bytes: &Bytes,
    found: Format,
    role: Role,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    let path = bytes.path.as_path();
    match found {
        Format::Safetensors => {
            let file = SafeTensors::parse(path, &bytes.data, limits)?;
            let names: Vec<&Untrusted> = file.iter().map(|t| t.name).collect();
            let set = from_named(path, &names, &|n| file.get(n), expect, limits)?;
            Ok(loaded(set, found, others(&names)))
        }
        Format::Npz => {
            let members = npz::members(path, &bytes.data, limits)?;
            let arrays = members.iter().map(|(name, data)| Npy::parse(path, name.clone(), data, limits));
            let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
            let names: Vec<&Untrusted> = arrays.iter().map(Npy::name).collect();
            let get = |n: &str| arrays.iter().find(|a| a.name().raw() == n).map(Npy::raw);
            let set = from_named(path, &names, &get, expect, limits)?;
            Ok(loaded(set, found, others(&names)))
        }
        Format::Npy => {
            let npy = Npy::parse(path, Untrusted::new(""), &bytes.data, limits)?;
            let array = npy.raw();
            let role = meaning(&array)?;
            let set = arrays::assemble(path, &|n| (n == role).then_some(array), expect, limits)?;
            Ok(loaded(set, found, [format!("one array, taken as {role}")]))
        }
        Format::Idx => idx_file(bytes, expect, limits),
        Format::CifarBinary => {
            let name = file_name(path);
            let set = super::cifar::read(path, bytes.data.to_vec(), &name, limits)?;
            Ok(loaded(set, found, []))
        }
        Format::Parquet => super::parquet::read(path, &bytes.data, expect, limits, progress),
        Format::Csv => csv_list(bytes, expect, limits, progress),
        Format::Image => {
            let root = path.parent().unwrap_or(Path::new("."));
            let name = PathBuf::from(path.file_name().unwrap_or_default());
            let set = decode_all(&Source { root, hashed: None, limits }, &[name], expect, progress)?;
            Ok(loaded(set, found, []))
        }
        other => {
            let (code, reason) = format::refusal(other, &bytes.data);
            let role = role.name();
            let reason = format!(
                "{reason}; {role} data is read from safetensors, npz, npy, IDX, Parquet, labels.csv or images"
            );
            Err(EvidenceError::whole(path, code, reason))
        }
    }
}

/// Assembles the arrays of the contract; says what there is instead when none of them is there.
fn from_named<'a>(
    path: &Path,
    names: &[&Untrusted],
    get: &dyn Fn(&str) -> Option<RawArray<'a>>,
    expect: &Expect,
    limits: &Limits,
) -> Result<DataSet, EvidenceError> {
    if !names.iter().any(|n| ["images", "labels", "activations"].contains(&n.raw())) {
        let has: Vec<String> = names.iter().take(8).map(|n| n.shown()).collect();
        let reason = format!("no array 'images', 'labels' or 'activations'; there is: {}", has.join(", "));
        return Err(EvidenceError::whole(path, "data.arrays", reason));
    }
    arrays::assemble(path, get, expect, limits)
}

/// A fact about arrays that are not used.
fn others(names: &[&Untrusted]) -> Option<String> {
    let unused: Vec<String> =
        names.iter().filter(|n| !arrays::NAMES.contains(&n.raw())).take(5).map(|n| n.shown()).collect();
    (!unused.is_empty()).then(|| format!("other arrays, not used: {}", unused.join(", ")))
}

/// What a single array without a name can only be.
fn meaning(array: &RawArray) -> Result<&'static str, EvidenceError> {
    match (array.shape.len(), array.is_integer()) {
        (1, true) => Ok("labels"),
        (2, _) if array.is_float() => Ok("activations"),
        (3 | 4, _) => Ok("images"),
        _ => {
            let reason = format!(
                "shape {:?} of {:?} is neither images, labels nor activations",
                array.shape, array.dtype
            );
            Err(array.error("data.shape", reason))
        }
    }
}

fn idx_file(bytes: &Bytes, expect: &Expect, limits: &Limits) -> Result<Loaded, EvidenceError> {
    let first = Idx::parse(bytes, "images", limits)?;
    if first.axes() == 1 {
        let labels = Idx::parse(bytes, "labels", limits)?;
        let set = arrays::assemble(&bytes.path, &|n| (n == "labels").then(|| labels.raw()), expect, limits)?;
        return Ok(loaded(set, Format::Idx, []));
    }
    let beside = label_files(&bytes.path).into_iter().find(|p| std::fs::symlink_metadata(p).is_ok());
    let labels_bytes = beside.map(|p| intake::read(&p, limits)).transpose()?;
    idx_pair(&first, labels_bytes.as_ref(), &bytes.path, expect, limits)
}

pub(super) fn idx_pair(
    images: &Idx,
    labels_bytes: Option<&Bytes>,
    path: &Path,
    expect: &Expect,
    limits: &Limits,
) -> Result<Loaded, EvidenceError> {
    let labels = labels_bytes.map(|b| Idx::parse(b, "labels", limits)).transpose()?;
    let get = |n: &str| match n {
        "images" => Some(images.raw()),
        "labels" => labels.as_ref().map(Idx::raw),
        _ => None,
    };
    let set = arrays::assemble(path, &get, expect, limits)?;
    let fact = match labels_bytes {
        Some(b) => {
            let name = b.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
            format!("labels from {}, SHA-256 {}", text::visible(&name), b.sha256)
        }
        None => "no labels beside it".to_owned(),
    };
    Ok(loaded(set, Format::Idx, [fact]))
}

fn csv_list(
    bytes: &Bytes,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    let list = parse_list(bytes, expect, limits)?;
    let root = bytes.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files = list.files.clone();
    files.sort();
    files.dedup();
    confined(root, &files, &bytes.path)?;
    let digest = intake::digest_listed(root, &files, &quiet)?;
    let images = decode_all(&Source::folder(root, &digest, limits), &list.files, expect, progress)?;
    let fact =
        format!("{} files named by it, SHA-256 over their digests {}", digest.files.len(), digest.sha256);
    listed(images, list, &bytes.path, Format::Csv, limits, fact)
}

/// No listed file may be reached through a link that leads out of the list's folder.
fn confined(root: &Path, files: &[PathBuf], list: &Path) -> Result<(), EvidenceError> {
    let root_full = std::fs::canonicalize(root).ok();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|f| f.parent()).collect();
    for folder in folders {
        let inside = match (std::fs::canonicalize(root.join(folder)), &root_full) {
            (Ok(full), Some(root)) => full.starts_with(root),
            // What cannot be resolved cannot be opened either, and is named then.
            _ => true,
        };
        if !inside {
            let name = text::visible(&folder.to_string_lossy());
            let reason = format!("folder '{name}' is a link that leads out of the folder of the list");
            return Err(EvidenceError::whole(list, "dataset.path_traversal", reason));
        }
    }
    Ok(())
}

pub(super) fn parse_list(
    bytes: &Bytes,
    expect: &Expect,
    limits: &Limits,
) -> Result<list::List, EvidenceError> {
    if bytes.data.len() as u64 > limits.text_bytes {
        let reason = format!("{} bytes, {}", bytes.data.len(), cap!(limits, text_bytes));
        return Err(EvidenceError::whole(&bytes.path, "csv.limit", reason));
    }
    list::parse(&bytes.path, &intake::text_of(bytes)?, &expect.classes, limits)
}

/// Whether a CSV file is well-formed and names no file outside its folder. What its columns mean is not judged.
///
/// # Errors
/// Not UTF-8, a line that is no record of two fields or more, a path that climbs, or beyond the caps.
pub fn check_list(bytes: &Bytes, limits: &Limits) -> Result<(), EvidenceError> {
    match parse_list(bytes, &Expect::default(), limits) {
        Err(e) if !e.code.starts_with("labels.") && !e.code.starts_with("data.") => Err(e),
        _ => Ok(()),
    }
}

pub(super) fn listed(
    images: DataSet,
    list: list::List,
    path: &Path,
    format: Format,
    limits: &Limits,
    fact: String,
) -> Result<Loaded, EvidenceError> {
    let set = DataSet { labels: list.labels, classes: list.classes, ..images };
    arrays::check_counts(path, &set, limits)?;
    Ok(loaded(set, format, [list.note, fact]))
}
