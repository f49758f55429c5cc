//! Manifests of data: lists of digests, class counts, ratios.

use super::super::material::{base, ending};
use super::super::table::Table;
use super::super::tree::{self, Node};
use std::collections::BTreeMap;

/// What a manifest says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub files: BTreeMap<String, String>,
    pub classes: BTreeMap<String, f64>,
    pub samples: Option<f64>,
    /// Ratios and counts of deduplication, filtering and augmentation.
    pub numbers: BTreeMap<String, f64>,
}

/// Names that manifests give to a digest.
const DIGESTS: [&str; 4] = ["sha256", "digest", "hash", "checksum"];

pub(super) fn hex(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("sha256:").to_ascii_lowercase();
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}

impl Manifest {
    pub(super) fn read(name: &str, text: &str) -> Result<Self, String> {
        match ending(name).as_str() {
            "json" | "yaml" | "yml" | "lock" | "dvc" => {
                Ok(tree::read(text)?.first().map(Self::of_tree).unwrap_or_default())
            }
            "csv" | "tsv" => Self::of_table(text),
            _ if text.trim_start().starts_with(['{', '[']) => {
                Ok(tree::read(text)?.first().map(Self::of_tree).unwrap_or_default())
            }
            _ => Ok(Self::of_lines(text)),
        }
    }

    pub(super) fn of_lines(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            if let Some((digest, name)) = line.trim_start_matches('\\').split_once(' ')
                && let Some(digest) = hex(digest)
            {
                let name = name.trim_start_matches([' ', '*']).trim_start_matches("./");
                out.files.insert(name.to_owned(), digest);
            }
        }
        out.classes_of_folders();
        out
    }

    pub(super) fn of_table(text: &str) -> Result<Self, String> {
        let table = Table::read(text)?;
        let column = |names: &[&str]| table.column(names);
        let (path, digest) = (column(&["path", "file", "filename", "name", "image"]), column(&DIGESTS));
        let (label, count) =
            (column(&["label", "class", "class_name", "target"]), column(&["count", "samples", "n"]));
        let mut out = Self::default();
        for row in &table.rows {
            let cell = |c: Option<usize>| c.and_then(|c| row.get(c)).unwrap_or_default();
            if let Some(digest) = hex(cell(digest)) {
                out.files.insert(cell(path).trim_start_matches("./").to_owned(), digest);
            }
            if !cell(label).is_empty() {
                *out.classes.entry(cell(label).to_owned()).or_default() += cell(count).parse().unwrap_or(1.0);
            }
        }
        if out.classes.is_empty() {
            out.classes_of_folders();
        }
        Ok(out)
    }

    pub(super) fn of_tree(doc: &Node) -> Self {
        let mut out = Self::default();
        let number = |n: &Node| n.text().and_then(|t| t.parse::<f64>().ok()).filter(|x| x.is_finite());
        for key in ["classes", "class_counts", "per_class", "class_statistics", "labels", "label_counts"] {
            for (class, node) in doc.get(key).map(Node::entries).unwrap_or_default() {
                let count = number(node).or_else(|| {
                    ["count", "samples", "n", "train"].iter().find_map(|k| node.get(k).and_then(number))
                });
                if let Some(count) = count {
                    out.classes.insert(class.clone(), count);
                }
            }
        }
        out.samples = ["samples", "num_samples", "total", "n_samples", "count"]
            .iter()
            .find_map(|k| doc.get(k).and_then(number));
        let files = ["files", "entries", "items"].iter().find_map(|k| doc.get(k)).unwrap_or(doc);
        for (path, node) in files.entries() {
            if DIGESTS.contains(&path.to_ascii_lowercase().as_str()) {
                // The digest of the data as a whole: it changes with every sample, and names no file.
                continue;
            }
            if let Some(digest) = node.text().and_then(hex).or_else(|| hex(node.word("sha256"))) {
                out.files.insert(path.trim_start_matches("./").to_owned(), digest);
            }
        }
        let listed_classes = out.classes.is_empty();
        for node in files.items() {
            let word = |names: &[&str]| {
                names.iter().map(|n| node.word(n)).find(|t| !t.is_empty()).unwrap_or_default()
            };
            if let Some(digest) = hex(word(&DIGESTS)) {
                out.files.insert(word(&["path", "file", "name"]).trim_start_matches("./").to_owned(), digest);
            }
            let label = word(&["label", "class"]);
            if listed_classes && !label.is_empty() {
                *out.classes.entry(label.to_owned()).or_default() += 1.0;
            }
        }
        for (path, text, _) in doc.leaves() {
            let last = path.rsplit('.').next().unwrap_or_default().to_lowercase();
            let told = ["dedup", "duplic", "augment", "ratio", "removed", "dropped", "filtered", "kept"]
                .iter()
                .any(|w| last.contains(w) || path.to_lowercase().contains(w));
            if let Some(value) = text.parse::<f64>().ok().filter(|x| told && x.is_finite()) {
                out.numbers.insert(path, value);
            }
        }
        if out.classes.is_empty() {
            out.classes_of_folders();
        }
        out
    }

    /// Files in folders by class say how many there are of each.
    pub(super) fn classes_of_folders(&mut self) {
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for name in self.files.keys() {
            let Some((class, _)) = name.rsplit_once('/') else { return };
            *counts.entry(class.rsplit('/').next().unwrap_or(class).to_owned()).or_default() += 1.0;
        }
        if counts.len() > 1 {
            self.classes = counts;
        }
    }

    pub(super) fn says_something(&self) -> bool {
        !self.files.is_empty()
            || !self.classes.is_empty()
            || !self.numbers.is_empty()
            || self.samples.is_some()
    }
}

/// Whether a file of the pipeline is a manifest of data.
pub(super) fn is_manifest(name: &str) -> bool {
    let base = base(name);
    let data = [
        "manifest",
        "data_stats",
        "dataset_stats",
        "data-stats",
        "class_counts",
        "dataset_info",
        "dedup",
        "data_card",
    ]
    .iter()
    .any(|w| base.contains(w));
    (data && matches!(ending(name).as_str(), "json" | "yaml" | "yml" | "csv" | "txt" | "sha256"))
        || base == "sha256sums"
        || base.ends_with(".sha256")
}
