//! `labels.csv`: one line per image, file and label.

use crate::evidence::case_file::leaves_folder;
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, Untrusted, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files and labels of a list, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    pub files: Vec<PathBuf>,
    pub labels: Vec<usize>,
    /// Names of the classes, when labels are names; else empty.
    pub classes: Vec<Untrusted>,
    /// How names became numbers, for the register; empty when they were numbers.
    pub note: String,
}

/// Parses the text of a list. The header (`file,label`) is optional; other columns are ignored when there is one.
/// Labels are numbers, or names: of `classes` when they all are in it, else numbered in their sorted order.
pub(super) fn parse(
    path: &Path,
    source: &str,
    classes: &[Untrusted],
    limits: &Limits,
) -> Result<List, EvidenceError> {
    let fail =
        |line: u64, code, reason: String| EvidenceError::at(path, format!("line {line}"), code, reason);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source.as_bytes());
    let (mut files, mut given, mut columns) = (Vec::new(), Vec::new(), (0, 1));
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            fail(line, "csv.malformed", text::visible(&e.to_string()))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if let Some(found) = header(&record).filter(|_| i == 0) {
            columns = found;
            continue;
        }
        let (Some(file), Some(label)) = (record.get(columns.0), record.get(columns.1)) else {
            let reason = format!("{} fields; a file and a label are needed", record.len());
            return Err(fail(line, "csv.malformed", reason));
        };
        let file = PathBuf::from(file.trim());
        if let Some(why) = leaves_folder(&file) {
            let name = text::visible(&file.to_string_lossy());
            let reason = format!("path '{name}': {why}; files must be below the folder of the list");
            return Err(fail(line, "dataset.path_traversal", reason));
        }
        if files.len() >= limits.samples {
            return Err(fail(line, "csv.limit", format!("too many lines: {}", cap!(limits, samples))));
        }
        if label.trim().is_empty() {
            return Err(fail(line, "csv.malformed", "the label is empty".to_owned()));
        }
        files.push(file);
        given.push((line, label.trim().to_owned()));
    }
    if files.is_empty() {
        return Err(EvidenceError::whole(path, "data.empty", "the list names no files"));
    }
    let (labels, classes, note) = numbered(path, &given, classes)?;
    Ok(List { files, labels, classes, note })
}

/// The columns of file and label, if the first line is a header.
fn header(record: &csv::StringRecord) -> Option<(usize, usize)> {
    let find =
        |names: &[&str]| record.iter().position(|f| names.contains(&f.trim().to_ascii_lowercase().as_str()));
    let file = find(&["file", "filename", "file_name", "path", "image", "name"])?;
    Some((file, find(&["label", "labels", "class", "classid", "target"])?))
}

type Numbered = (Vec<usize>, Vec<Untrusted>, String);

/// Labels as numbers.
fn numbered(path: &Path, given: &[(u64, String)], classes: &[Untrusted]) -> Result<Numbered, EvidenceError> {
    let numbers: Vec<Option<i64>> = given.iter().map(|(_, l)| l.parse().ok()).collect();
    if numbers.iter().all(Option::is_some) {
        let number = |((line, _), n): (&(u64, String), Option<i64>)| {
            usize::try_from(n.unwrap_or(-1)).map_err(|_| {
                let reason = format!("label {} is negative", n.unwrap_or(-1));
                EvidenceError::at(path, format!("line {line}"), "labels.range", reason)
            })
        };
        let labels = given.iter().zip(numbers).map(number).collect::<Result<_, _>>()?;
        return Ok((labels, Vec::new(), String::new()));
    }
    let names: BTreeSet<&str> = given.iter().map(|(_, l)| l.as_str()).collect();
    let (index, order, note) = class_index(&names, classes);
    let labels = given.iter().map(|(_, l)| index.get(l.as_str()).copied().unwrap_or(0)).collect();
    Ok((labels, order, note))
}

/// Numbers for class names: their place in `known` when all are there, their own value when all are numbers, else
/// their place in sorted order. With the names in order and how it was decided.
pub(super) fn class_index<'a>(
    names: &BTreeSet<&'a str>,
    known: &[Untrusted],
) -> (BTreeMap<&'a str, usize>, Vec<Untrusted>, String) {
    let place = |name: &str| known.iter().position(|k| k.raw() == name);
    if !names.is_empty() && names.iter().all(|n| place(n).is_some()) {
        let index = names.iter().map(|n| (*n, place(n).unwrap_or(0))).collect();
        return (index, known.to_vec(), "classes numbered by the case's class names".to_owned());
    }
    let number = |name: &str| name.parse::<usize>().ok().filter(|_| name.bytes().all(|b| b.is_ascii_digit()));
    if !names.is_empty() && names.iter().all(|n| number(n).is_some()) {
        let index = names.iter().map(|n| (*n, number(n).unwrap_or(0))).collect();
        return (index, Vec::new(), "class names are numbers and taken as such".to_owned());
    }
    let index = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    (
        index,
        names.iter().map(|n| Untrusted::new(*n)).collect(),
        "classes numbered in the sorted order of their names".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Result<List, EvidenceError> {
        parse(Path::new("labels.csv"), text, &[], &Limits::default())
    }

    #[test]
    fn header_quotes_and_names() {
        let plain = list("a.png,1\n\"b, c.png\",0\n").unwrap();
        assert_eq!((plain.files[1].to_str(), plain.labels), (Some("b, c.png"), vec![1, 0]));
        let wide = list("id,Label,Filename\n7,dog,x/a.png\n8,cat,b.png\n").unwrap();
        assert_eq!((wide.labels, wide.files[0].to_str()), (vec![1, 0], Some("x/a.png")));
        assert_eq!(wide.classes, [Untrusted::new("cat"), Untrusted::new("dog")]);
        let known = [Untrusted::new("dog"), Untrusted::new("cat")];
        assert_eq!(parse(Path::new("l"), "a,cat\n", &known, &Limits::default()).unwrap().labels, [1]);
    }

    #[test]
    fn bad_lines_are_named() {
        let shown = |text: &str| list(text).unwrap_err().to_string();
        assert_eq!(
            shown("file,label\na.png\n"),
            "labels.csv: line 2: 1 fields; a file and a label are needed"
        );
        assert!(shown("file,label\n\"open,0\nx,1\n").contains("line 2: 1 fields"));
        assert!(shown("a.png,-1\n").contains("line 1: label -1 is negative"));
        assert!(shown("a.png,0\nb.png,\n").contains("line 2: the label is empty"));
        assert_eq!(list("../../etc/passwd,0\n").unwrap_err().code, "dataset.path_traversal");
        assert_eq!(list("/etc/shadow,0\n").unwrap_err().code, "dataset.path_traversal");
        assert_eq!(list("file,label\n").unwrap_err().code, "data.empty");
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_an_error(text in "\\PC{0,80}") {
            if let Ok(list) = list(&text) {
                prop_assert_eq!(list.files.len(), list.labels.len());
            }
        }
    }
}
