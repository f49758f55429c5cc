//! Parquet as Hugging Face keeps image data sets: a column of encoded images (bytes, or a struct of bytes and path), a
//! column of labels, class names in the metadata; in one file or in shards (`train-00000-of-00002.parquet`).

use super::images::{Stack, decode_bytes, size_of_bytes};
use super::load::loaded;
use super::{DataSet, Expect, Loaded, Pixels, arrays};
use crate::evidence::intake::Progress;
use crate::evidence::limits::cap;
use crate::evidence::parquet::{Cell, File, Kind};
use crate::evidence::{EvidenceError, Format, Limits, Role, Untrusted, text};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names that columns of images go by, the likeliest first.
const IMAGES: [&str; 7] = ["image", "img", "images", "picture", "photo", "jpg", "png"];
/// Names that columns of labels go by.
const LABELS: [&str; 8] = ["label", "labels", "fine_label", "class", "target", "category", "y", "label_fine"];
/// Images decoded between two looks at whether to go on.
const BATCH: usize = 256;

/// Where things are in a file.
struct Columns {
    images: usize,
    paths: Option<usize>,
    labels: Option<usize>,
    names: Vec<Untrusted>,
}

/// What was read so far, over all shards.
pub(super) struct Reading<'e> {
    expect: &'e Expect,
    limits: &'e Limits,
    stack: Option<Stack>,
    labels: Vec<usize>,
    names: Vec<Untrusted>,
    /// Every image so far has a file name.
    named: bool,
    classes: Option<Vec<Untrusted>>,
    facts: Vec<String>,
    rows: usize,
}

impl<'e> Reading<'e> {
    pub(super) fn new(expect: &'e Expect, limits: &'e Limits) -> Self {
        Self {
            expect,
            limits,
            stack: None,
            labels: Vec::new(),
            names: Vec::new(),
            named: true,
            classes: None,
            facts: Vec::new(),
            rows: 0,
        }
    }

    /// Adds the rows of a file.
    pub(super) fn add(&mut self, path: &Path, bytes: &[u8], progress: Progress) -> Result<(), EvidenceError> {
        let file = File::open(path, bytes, self.limits)?;
        let columns = columns(path, &file)?;
        if self.classes.as_ref().is_some_and(|c| *c != columns.names) {
            let reason = "its class names are not those of the shards before it";
            return Err(EvidenceError::whole(path, "data.arrays", reason));
        }
        if self.rows > 0 && columns.labels.is_some() == self.labels.is_empty() {
            let reason = "only some of the shards have labels";
            return Err(EvidenceError::whole(path, "data.arrays", reason));
        }
        self.classes = Some(columns.names.clone());
        if self.rows + file.rows() > self.limits.samples {
            let reason = format!("{} rows, {}", self.rows + file.rows(), cap!(self.limits, samples));
            return Err(EvidenceError::whole(path, "data.limit", reason));
        }
        let of = bytes.len() as u64;
        for (g, group) in file.groups.iter().enumerate() {
            let first = self.rows;
            file.column(g, columns.images, self.limits, &mut |cells| {
                if !progress((of * g as u64).checked_div(file.groups.len() as u64).unwrap_or(0), of) {
                    return Err(EvidenceError::whole(path, "intake.stopped", "reading was stopped"));
                }
                self.images(path, cells)
            })?;
            if let Some(labels) = columns.labels {
                file.column(g, labels, self.limits, &mut |cells| self.numbers(path, cells))?;
            }
            match columns.paths.filter(|_| self.named) {
                Some(paths) => file.column(g, paths, self.limits, &mut |cells| {
                    self.paths(cells);
                    Ok(())
                })?,
                None => self.named = false,
            }
            if self.rows != first + group.rows {
                return Err(EvidenceError::whole(
                    path,
                    "parquet.malformed",
                    "a row group states other rows than it has",
                ));
            }
        }
        Ok(())
    }

    /// Decodes a page of images, in parallel, in order.
    fn images(&mut self, path: &Path, cells: &[Option<Cell>]) -> Result<(), EvidenceError> {
        for batch in cells.chunks(BATCH) {
            let first = self.rows;
            let at = |k: usize, e: EvidenceError| EvidenceError {
                path: path.to_owned(),
                place: format!("row {}", first + k),
                ..e
            };
            let bytes = |k: usize| match batch.get(k).copied().flatten() {
                Some(Cell::Bytes(bytes)) if !bytes.is_empty() => Ok(bytes),
                _ => {
                    let reason = "has no image: no bytes are stored, at most the path of another file";
                    Err(at(k, EvidenceError::whole(path, "data.missing", reason)))
                }
            };
            if self.stack.is_none() {
                let first = bytes(0)?;
                let (size, reference) = if let Some([_, h, w]) = self.expect.shape {
                    ((h, w), "the model's input".to_owned())
                } else {
                    let size = size_of_bytes(first, path, self.limits).map_err(|e| at(0, e))?;
                    (size, "the first image".to_owned())
                };
                self.stack = Some(Stack::new(size, reference, self.expect.shape.map(|s| s[0])));
            }
            let Some(stack) = &mut self.stack else { continue };
            let decoded: Vec<_> = (0..batch.len())
                .into_par_iter()
                .map(|k| {
                    decode_bytes(bytes(k)?, path, stack.size, &stack.reference, self.limits)
                        .map_err(|e| at(k, e))
                })
                .collect();
            for (k, image) in decoded.into_iter().enumerate() {
                stack.push(&image?, path, self.limits).map_err(|e| at(k, e))?;
                self.rows += 1;
            }
        }
        Ok(())
    }

    fn numbers(&mut self, path: &Path, cells: &[Option<Cell>]) -> Result<(), EvidenceError> {
        for cell in cells {
            let row = self.labels.len();
            let label = match cell {
                Some(Cell::Int(n)) => {
                    usize::try_from(*n).map_err(|_| format!("label {n} is negative (unlabelled)"))
                }
                _ => Err("has no label".to_owned()),
            };
            let label = label
                .map_err(|reason| EvidenceError::at(path, format!("row {row}"), "labels.range", reason))?;
            self.labels.push(label);
        }
        Ok(())
    }

    fn paths(&mut self, cells: &[Option<Cell>]) {
        for cell in cells {
            match cell {
                Some(Cell::Bytes(name)) if !name.is_empty() => {
                    self.names.push(Untrusted::new(String::from_utf8_lossy(name)));
                }
                _ => self.named = false,
            }
        }
    }

    /// The data set of all rows.
    pub(super) fn finish(mut self, path: &Path) -> Result<Loaded, EvidenceError> {
        let Some(stack) = self.stack else {
            return Err(EvidenceError::whole(path, "data.empty", "there are no images"));
        };
        let classes = self.classes.unwrap_or_default();
        if !classes.is_empty() && !self.expect.classes.is_empty() && classes != self.expect.classes {
            self.facts.push(
                "its class names are not those of the case, in this order; labels are taken as numbers"
                    .into(),
            );
        }
        if self.labels.is_empty() {
            self.facts.push("no column of labels".into());
        }
        let set = DataSet {
            images: Some(Pixels::U8(stack.finish(path)?)),
            labels: self.labels,
            names: if self.named { self.names } else { Vec::new() },
            classes,
            ..DataSet::default()
        };
        arrays::check_counts(path, &set, self.limits)?;
        Ok(loaded(set, Format::Parquet, self.facts))
    }
}

/// Reads one file.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    expect: &Expect,
    limits: &Limits,
    progress: Progress,
) -> Result<Loaded, EvidenceError> {
    let mut reading = Reading::new(expect, limits);
    reading.add(path, bytes, progress)?;
    reading.finish(path)
}

fn columns(path: &Path, file: &File) -> Result<Columns, EvidenceError> {
    let rank = |names: &[&str], name: &str| names.iter().position(|n| name.eq_ignore_ascii_case(n));
    // A struct of bytes and path, or plain bytes; the likeliest name first.
    let image = |(k, leaf): (usize, &crate::evidence::parquet::Leaf)| {
        if leaf.kind != Kind::Bytes || leaf.repeated {
            return None;
        }
        match &leaf.path[..] {
            [name] => rank(&IMAGES, name).map(|r| (r, k)),
            [name, bytes] if bytes == "bytes" => Some((rank(&IMAGES, name).unwrap_or(IMAGES.len()), k)),
            _ => None,
        }
    };
    let Some((_, images)) = file.leaves.iter().enumerate().filter_map(image).min() else {
        let has: Vec<String> = file.leaves.iter().take(8).map(|l| text::visible(&l.path.join("."))).collect();
        let reason =
            format!("no column of images (bytes, or a struct with 'bytes'); there is: {}", has.join(", "));
        return Err(EvidenceError::whole(path, "data.arrays", reason));
    };
    let outer = file.leaves.get(images).filter(|l| l.path.len() == 2).and_then(|l| l.path.first().cloned());
    let beside = |name: &str| {
        outer.as_ref().and_then(|o| file.leaves.iter().position(|l| l.path == [o.as_str(), name]))
    };
    let paths = beside("path").filter(|&k| file.leaves.get(k).is_some_and(|l| l.kind == Kind::Bytes));
    let class_names = class_labels(file);
    let label = |(k, leaf): (usize, &crate::evidence::parquet::Leaf)| {
        let [name] = &leaf.path[..] else { return None };
        let known = class_names.contains_key(name);
        let at = rank(&LABELS, name).or(known.then_some(LABELS.len()))?;
        // What is declared a class label comes before what is only called so.
        (matches!(leaf.kind, Kind::Int32 | Kind::Int64) && !leaf.repeated).then_some((!known, at, k))
    };
    let labels = file.leaves.iter().enumerate().filter_map(label).min().map(|(_, _, k)| k);
    let text_label = |l: &&crate::evidence::parquet::Leaf| {
        l.kind == Kind::Bytes
            && l.path.len() == 1
            && l.path.first().is_some_and(|n| rank(&LABELS, n).is_some())
    };
    if labels.is_none() && file.leaves.iter().any(|l| text_label(&l)) {
        let reason = "its labels are texts; whole numbers with class names (ClassLabel) are read";
        return Err(EvidenceError::whole(path, "labels.type", reason));
    }
    let name = labels.and_then(|k| file.leaves.get(k)).and_then(|l| l.path.first());
    let names = name.and_then(|n| class_names.get(n)).cloned().unwrap_or_default();
    Ok(Columns { images, paths, labels, names })
}

/// Columns that the `datasets` library declared as class labels, with the names of the classes.
fn class_labels(file: &File) -> BTreeMap<String, Vec<Untrusted>> {
    let text = file.metadata.iter().find(|(key, _)| key == "huggingface").map_or("", |(_, text)| text);
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let features = value.pointer("/info/features").and_then(Value::as_object);
    let class_label = |(name, feature): (&String, &Value)| {
        let names = feature["names"].as_array().filter(|_| feature["_type"] == "ClassLabel")?;
        let names = names.iter().map(|n| n.as_str().map(Untrusted::new)).collect::<Option<Vec<_>>>()?;
        Some((name.clone(), names))
    };
    features.into_iter().flatten().filter_map(class_label).collect()
}

/// Whether a file of a folder is a Parquet file.
pub(super) fn is_parquet(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
}

/// The shards of a folder for a role: those of its split, all there, in order.
pub(super) fn shards(root: &Path, files: &[PathBuf], role: Role) -> Result<Vec<PathBuf>, EvidenceError> {
    let mut splits: BTreeMap<String, Vec<(usize, Option<usize>, PathBuf)>> = BTreeMap::new();
    for file in files {
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let (split, k, of) = parts(&stem);
        splits.entry(split).or_default().push((k, of, file.clone()));
    }
    let wanted: &[&str] = match role {
        Role::Training => &["train", "training"],
        _ => &["test", "validation", "valid", "val"],
    };
    let named = wanted.iter().find_map(|w| splits.keys().find(|s| s.as_str() == *w).cloned());
    let chosen = match (splits.len(), named) {
        (1, _) => splits.keys().next().cloned(),
        (_, named) => named,
    };
    let Some(shards) = chosen.as_ref().and_then(|split| splits.get_mut(split)) else {
        let names: Vec<String> = splits.keys().map(|s| text::visible(s)).collect();
        let reason = format!(
            "several splits in Parquet ({}); name one of the files, or a folder of one split",
            names.join(", ")
        );
        return Err(EvidenceError::whole(root, "data.folder", reason));
    };
    shards.sort();
    let whole =
        shards.iter().enumerate().all(|(i, (k, of, _))| of.is_none_or(|of| *k == i && of == shards.len()));
    if !whole {
        let split = text::visible(&chosen.unwrap_or_default());
        let reason = format!(
            "{} shards of '{split}' are there, which are not all that their names count",
            shards.len()
        );
        return Err(EvidenceError::whole(root, "data.missing", reason));
    }
    Ok(shards.iter().map(|(_, _, file)| file.clone()).collect())
}

/// `train-00000-of-00002` as split, number, count.
fn parts(stem: &str) -> (String, usize, Option<usize>) {
    let found = stem.split_once("-of-").and_then(|(front, of)| {
        let (split, k) = front.rsplit_once('-')?;
        // The hub puts a digest behind the count.
        let of = of.split('-').next()?;
        Some((split.to_owned(), k.parse().ok()?, of.parse().ok()?))
    });
    if let Some((split, k, of)) = found {
        return (split, k, Some(of));
    }
    // `0000.parquet` in a folder of its split, as the hub converts them.
    let number = stem.parse().ok();
    (if number.is_some() { String::new() } else { stem.to_owned() }, number.unwrap_or(0), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::dataset::{Kind as Seems, kind, load_file, load_folder};
    use crate::evidence::intake::{self, quiet};
    use crate::evidence::parquet::tests::golden;

    fn file(name: &str, limits: &Limits) -> Result<Loaded, EvidenceError> {
        let bytes = intake::read(&golden(name), limits).unwrap();
        assert_eq!(kind(&golden(name), limits).unwrap(), Seems::Data);
        load_file(&bytes, Format::Parquet, Role::Training, &Expect::default(), limits, &quiet)
    }

    fn folder(name: &str, role: Role) -> Result<Loaded, EvidenceError> {
        let limits = Limits::default();
        let digest = intake::digest_folder(&golden(name), &limits, &quiet).unwrap();
        load_folder(&golden(name), &digest, role, &Expect::default(), &limits, &quiet)
    }

    fn pixel(row: usize, channel: usize, y: usize, x: usize) -> u8 {
        ((row * 7 + channel * 50 + y * 10 + x) % 256) as u8
    }

    fn same(set: &DataSet, channels: usize, value: impl Fn(usize, usize, usize, usize) -> u8) {
        let Some(Pixels::U8(images)) = &set.images else { panic!("no images") };
        assert_eq!(images.shape()[1..], [channels, 4, 4]);
        for ((row, c, y, x), &p) in images.indexed_iter() {
            assert_eq!(p, value(row, c, y, x), "row {row}, channel {c}, {y}, {x}");
        }
    }

    #[test]
    fn shards_of_a_split_are_one_data_set_with_its_class_names() {
        let loaded = folder("data", Role::Training).unwrap();
        assert_eq!((loaded.set.len(), loaded.format), (12, Format::Parquet));
        same(&loaded.set, 3, pixel);
        assert_eq!(loaded.set.labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
        let classes: Vec<&str> = loaded.set.classes.iter().map(Untrusted::raw).collect();
        assert_eq!(classes, ["cat", "dog", "stop sign"]);
        assert_eq!((loaded.set.names.len(), loaded.set.names[11].raw()), (12, "11.png"));
        assert!(loaded.facts.iter().any(|f| f.raw().contains("2 Parquet files")), "{:?}", loaded.facts);
        assert_eq!(folder("data", Role::Clean).unwrap().set.len(), 3, "the test split");
    }

    #[test]
    fn a_missing_shard_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let name = "train-00001-of-00002.parquet";
        std::fs::copy(golden("data").join(name), dir.path().join(name)).unwrap();
        let digest = intake::digest_folder(dir.path(), &Limits::default(), &quiet).unwrap();
        let e = load_folder(dir.path(), &digest, Role::Clean, &Expect::default(), &Limits::default(), &quiet);
        assert_eq!(e.unwrap_err().code, "data.missing");
    }

    #[test]
    fn grey_images_become_colour_with_the_first_coloured_one() {
        let loaded = file("plain.parquet", &Limits::default()).unwrap();
        same(&loaded.set, 3, |row, c, y, x| pixel(row, if row == 3 { c } else { 0 }, y, x));
        assert_eq!((loaded.set.labels.as_slice(), loaded.set.names.len()), (&[1, 1, 1, 0, 1][..], 0));
    }

    #[test]
    fn rows_without_image_other_codecs_and_caps_are_named() {
        let e = file("hole.parquet", &Limits::default()).unwrap_err();
        assert_eq!((e.code, e.place.as_str()), ("data.missing", "row 2"), "{e}");
        let e = file("zstd.parquet", &Limits::default()).unwrap_err();
        assert_eq!(e.code, "parquet.unsupported", "{e}");
        let e = file("plain.parquet", &Limits { samples: 4, ..Limits::default() }).unwrap_err();
        assert!(e.code == "parquet.limit" && e.reason.contains("--limit samples"), "{e}");
        let e = file("plain.parquet", &Limits { unpacked_bytes: 150, ..Limits::default() }).unwrap_err();
        assert!(e.reason.contains("unpacked_bytes"), "{e}");
    }

    #[test]
    fn splits_are_told_by_the_names_of_the_shards() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let of = |names: &[&str], role| shards(Path::new("d"), &files(names), role).map_err(|e| e.code);
        let hub = ["data/test-00000-of-00001-ab12.parquet", "data/train-00000-of-00001-cd34.parquet"];
        assert_eq!(of(&hub, Role::Training).unwrap(), files(&hub[1..]));
        assert_eq!(of(&hub, Role::Suspect).unwrap(), files(&hub[..1]));
        assert_eq!(
            of(&["0001.parquet", "0000.parquet"], Role::Clean).unwrap(),
            files(&["0000.parquet", "0001.parquet"])
        );
        assert_eq!(of(&["a.parquet", "b.parquet"], Role::Clean), Err("data.folder"));
        assert_eq!(
            of(&["train-0-of-3.parquet", "train-2-of-3.parquet"], Role::Training),
            Err("data.missing")
        );
    }
}
