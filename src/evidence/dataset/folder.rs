//! From a folder to a data set: with a list, with IDX files, with Parquet files, by class, or just images.

use super::images::{Source, decode_all, is_image_name};
use super::load::{idx_pair, listed, loaded, parse_list};
use super::parquet::{Reading, is_parquet, shards};
use super::{DataSet, Expect, Loaded, arrays, idx::Idx, idx::label_files, list};
use crate::evidence::intake::{self, Bytes, FolderDigest, Progress};
use crate::evidence::{EvidenceError, Format, Limits, Role, Untrusted, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Reads a data set from a folder already hashed: with `labels.csv`, with IDX files, with Parquet files of one
/// split, by class, or just images.
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
    let tables: Vec<PathBuf> = files.iter().filter(|f| is_parquet(f)).cloned().collect();
    if !tables.is_empty() {
        let mut reading = Reading::new(expect, limits);
        let shards = shards(path, &tables, role)?;
        for shard in &shards {
            // One shard is in memory at a time.
            let bytes = unchanged(path, shard, digest, limits)?;
            reading.add(&bytes.path, &bytes.data, progress)?;
        }
        let mut out = reading.finish(path)?;
        let first = shards.first().map(|s| text::visible(&s.to_string_lossy())).unwrap_or_default();
        out.facts.push(Untrusted::new(format!("{} Parquet files, the first is {first}", shards.len())));
        return Ok(out);
    }
    if !files.iter().any(|f| is_image_name(f)) {
        let reason = "no labels.csv, no IDX or Parquet files and no PNG, JPEG or BMP images in it; name a data set file, or a folder of images by class";
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
pub(super) fn is_idx_images(file: &Path) -> bool {
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
