//! From a file or folder to a data set, by format.

use super::images::{Source, decode_all, is_image_name};
use super::{DataSet, Expect, Npy, arrays, idx::Idx, idx::label_files, list, npz};
use crate::evidence::intake::{self, Bytes, FolderDigest, Progress, quiet};
use crate::evidence::{EvidenceError, Format, Limits, RawArray, Role, SafeTensors, Untrusted, format, text};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

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

fn loaded(set: DataSet, format: Format, more: impl IntoIterator<Item = String>) -> Loaded {
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
                "{reason}; {role} data is read from safetensors, npz, npy, IDX, labels.csv or images"
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

fn idx_pair(
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

fn parse_list(bytes: &Bytes, expect: &Expect, limits: &Limits) -> Result<list::List, EvidenceError> {
    if bytes.data.len() as u64 > limits.text_bytes {
        let reason = format!("{} bytes, the cap is {} (text_bytes)", bytes.data.len(), limits.text_bytes);
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

fn listed(
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

/// Reads a data set from a folder already hashed: with `labels.csv`, with IDX files, by class, or just images.
///
/// # Errors
/// None of these, or something in it is malformed or changed since it was hashed.
pub fn load_folder(
    path: &Path,
    digest: &FolderDigest,
    role: Role,
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    // Files that file managers leave behind are no samples.
    let hidden = |p: &Path| {
        p.iter().any(|part| {
            part.to_string_lossy().starts_with('.') || part == "Thumbs.db" || part == "desktop.ini"
        })
    };
    let files: Vec<PathBuf> = digest.files.iter().map(|f| f.path.clone()).filter(|p| !hidden(p)).collect();
    let source = Source::folder(path, digest, limits);
    if files.iter().any(|f| f == Path::new("labels.csv")) {
        let bytes = unchanged(path, Path::new("labels.csv"), digest, limits)?;
        let list = parse_list(&bytes, expect, limits)?;
        let known = |f: &&PathBuf| digest.files.binary_search_by(|d| order(&d.path, f)).is_err();
        if let Some(missing) = list.files.iter().find(known) {
            let name = text::visible(&missing.to_string_lossy());
            let reason = format!("it names '{name}', which is not in the folder");
            return Err(EvidenceError::whole(&bytes.path, "data.missing", reason));
        }
        let images = decode_all(&source, &list.files, expect, progress)?;
        return listed(images, list, path, Format::ImageFolder, limits, String::new());
    }
    let idx: Vec<&PathBuf> = files.iter().filter(|f| is_idx_images(f)).collect();
    if !idx.is_empty() {
        return idx_folder(path, &idx, digest, role, expect, limits);
    }
    if !files.iter().any(|f| is_image_name(f)) {
        let reason = "no labels.csv, no IDX files and no PNG, JPEG or BMP images in it; name a data set file, or a folder of images by class";
        return Err(EvidenceError::whole(path, "data.folder", reason));
    }
    by_class(path, &source, &files, expect, limits, progress)
}

fn order(a: &Path, b: &Path) -> std::cmp::Ordering {
    use std::os::unix::ffi::OsStrExt as _;
    a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes())
}

fn unchanged(
    root: &Path,
    name: &Path,
    digest: &FolderDigest,
    limits: &Limits,
) -> Result<Bytes, EvidenceError> {
    let bytes = intake::read(&root.join(name), limits)?;
    let same = digest.files.iter().any(|f| f.path == name && f.sha256 == bytes.sha256);
    if same {
        Ok(bytes)
    } else {
        Err(EvidenceError::whole(name, "intake.changed", "changed since it was hashed"))
    }
}

/// A file at the top of the folder that is named as IDX images are.
fn is_idx_images(file: &Path) -> bool {
    let name = file.to_string_lossy();
    !name.contains('/') && name.contains("images") && (name.contains("ubyte") || name.contains("idx"))
}

fn idx_folder(
    root: &Path,
    images: &[&PathBuf],
    digest: &FolderDigest,
    role: Role,
    expect: &Expect,
    limits: &Limits,
) -> Result<Loaded, EvidenceError> {
    let training = |p: &Path| p.to_string_lossy().contains("train");
    let fitting: Vec<&PathBuf> =
        images.iter().copied().filter(|p| training(p) == (role == Role::Training)).collect();
    let chosen = match (images, &fitting[..]) {
        ([one], _) | (_, [one]) => *one,
        _ => {
            let names: Vec<String> = images.iter().map(|p| text::visible(&p.to_string_lossy())).collect();
            let reason = format!("several IDX files of images ({}); name one of them", names.join(", "));
            return Err(EvidenceError::whole(root, "data.folder", reason));
        }
    };
    let bytes = unchanged(root, chosen, digest, limits)?;
    let labels = label_files(chosen).into_iter().find(|l| digest.files.iter().any(|f| f.path == *l));
    let labels = labels.map(|l| unchanged(root, &l, digest, limits)).transpose()?;
    let mut out = idx_pair(&Idx::parse(&bytes, "images", limits)?, labels.as_ref(), root, expect, limits)?;
    out.facts.push(Untrusted::new(format!("images from {}", text::visible(&chosen.to_string_lossy()))));
    Ok(out)
}

/// A folder per class, or images without labels.
fn by_class(
    path: &Path,
    source: &Source,
    files: &[PathBuf],
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    let class = |f: &Path| {
        let mut parts = f.components();
        let first = parts.next()?;
        parts.next().is_some().then(|| first.as_os_str().to_string_lossy().into_owned())
    };
    let classes: Vec<Option<String>> = files.iter().map(|f| class(f)).collect();
    let (inside, loose) = (classes.iter().flatten().count(), classes.iter().filter(|c| c.is_none()).count());
    if inside == 0 {
        let images: Vec<PathBuf> = files.iter().filter(|f| is_image_name(f)).cloned().collect();
        let skipped = files.len() - images.len();
        let set = decode_all(source, &images, expect, progress)?;
        let note = if skipped == 0 {
            String::new()
        } else {
            format!("{skipped} files that are no images were left out")
        };
        arrays::check_counts(path, &set, limits)?;
        return Ok(loaded(set, Format::ImageFolder, ["no labels".to_owned(), note]));
    }
    // Images beside the class folders belong to no class; leaving them out in silence would hide them.
    if let Some(stray) =
        files.iter().zip(&classes).find(|(f, c)| c.is_none() && is_image_name(f)).map(|(f, _)| f)
    {
        let name = text::visible(&stray.to_string_lossy());
        let reason = format!("'{name}' lies beside the class folders, in none of them");
        return Err(EvidenceError::whole(path, "data.folder", reason));
    }
    let names: BTreeSet<&str> = classes.iter().flatten().map(String::as_str).collect();
    let (index, order, note) = list::class_index(&names, &expect.classes);
    let samples: Vec<(PathBuf, usize)> = files
        .iter()
        .zip(&classes)
        .filter_map(|(f, c)| Some((f.clone(), *index.get(c.as_deref()?)?)))
        .collect();
    let (images, labels): (Vec<PathBuf>, Vec<usize>) = samples.into_iter().unzip();
    let set = DataSet { labels, classes: order, ..decode_all(source, &images, expect, progress)? };
    arrays::check_counts(path, &set, limits)?;
    let left = if loose == 0 {
        String::new()
    } else {
        format!("{loose} files beside the class folders were left out")
    };
    Ok(loaded(set, Format::ImageFolder, [note, left]))
}

/// What a path given without a role seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A data set.
    Data,
    /// A folder that is no data set.
    Folder,
    /// Any other file.
    Other,
}

/// Tells data sets from other things by content, reading only the beginning of files: a safetensors file with
/// `images`, `labels` or `activations`, npy, npz, IDX, a list in CSV, a folder with any of these or images.
///
/// # Errors
/// The path cannot be read.
pub fn kind(path: &Path, limits: &Limits) -> Result<Kind, EvidenceError> {
    if path.is_dir() && !path.is_symlink() {
        let (files, _) = intake::list(path, limits)?;
        let data = files.iter().any(|f| is_image_name(f) || is_idx_images(f) || f == Path::new("labels.csv"));
        return Ok(if data { Kind::Data } else { Kind::Folder });
    }
    let (head, len) = intake::head(path)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let data = match format::sniff(&head, len, name.as_deref()) {
        Format::Safetensors => {
            let names = SafeTensors::names(&head, limits).unwrap_or_default();
            names.iter().any(|n| ["images", "labels", "activations"].contains(&n.raw()))
        }
        Format::Npy | Format::Npz | Format::Idx | Format::Csv | Format::Image => true,
        _ => false,
    };
    Ok(if data { Kind::Data } else { Kind::Other })
}

/// Class names: one a line, or a JSON list of texts.
///
/// # Errors
/// No text, an empty line among names, or JSON of another shape (code `labels.schema`).
pub fn class_names(bytes: &Bytes, limits: &Limits) -> Result<Vec<Untrusted>, EvidenceError> {
    let fail = |place: String, reason: String| EvidenceError::at(&bytes.path, place, "labels.schema", reason);
    if bytes.data.len() as u64 > limits.text_bytes {
        let reason = format!("{} bytes, the cap is {} (text_bytes)", bytes.data.len(), limits.text_bytes);
        return Err(EvidenceError::whole(&bytes.path, "labels.limit", reason));
    }
    let source = intake::text_of(bytes)?;
    let trimmed = source.trim_end();
    if trimmed.starts_with(['{', '[']) {
        let names: Vec<String> = serde_json::from_str(trimmed).map_err(|e| {
            let words = text::visible(&e.to_string());
            fail(format!("line {}", e.line()), format!("class names in JSON are a list of texts: {words}"))
        })?;
        return Ok(names.into_iter().map(Untrusted::new).collect());
    }
    if trimmed.is_empty() {
        return Err(fail(String::new(), "there are no class names in it".to_owned()));
    }
    let name = |(i, line): (usize, &str)| match line.trim() {
        "" => Err(fail(format!("line {}", i + 1), "empty; one class name a line is needed".to_owned())),
        name => Ok(Untrusted::new(name)),
    };
    trimmed.lines().enumerate().map(name).collect()
}
