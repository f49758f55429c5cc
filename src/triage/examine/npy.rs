//! NumPy arrays: strict reading, and the pickle that an array of objects is.

use super::pickles::{self, Setting};
use super::reason::Reason;
use super::scan::Scan;
use crate::evidence::dataset::Npy;
use crate::evidence::{Untrusted, text};

pub(super) fn look(scan: &mut Scan, data: &[u8], name: &str, depth: u32) {
    let read = Npy::parse(scan.path, Untrusted::new(""), data, scan.limits);
    let e = match read {
        Err(e) => e,
        Ok(array) => {
            values(scan, &array, name);
            return;
        }
    };
    let (header, body) = parts(data);
    let header = String::from_utf8_lossy(header);
    if text::visible(header.trim_end()) != header.trim_end()
        || header.contains("\\x1b")
        || header.contains("\\u202e")
    {
        scan.say(Reason::new("name_unprintable", "its header holds what acts on a screen"));
    }
    // Fields of records can be objects too.
    let objects =
        e.code == "npy.object" || header.contains("'O'") || header.contains("|O") || header.contains("\"O\"");
    if e.code != "npy.dtype" || objects || !is_other_type(&header, body.len()) {
        scan.say(Reason::refused(&e));
    }
    if objects && !body.is_empty() {
        let judged = pickles::judge(body, Setting::Alone);
        scan.take(judged, depth);
    }
}

/// An array that holds nothing, and class numbers below zero.
fn values(scan: &mut Scan, array: &Npy, name: &str) {
    let raw = array.raw();
    if raw.shape.contains(&0) {
        scan.say(Reason::new("data.empty", format!("shape {:?} holds nothing", raw.shape)));
    }
    let name = name.to_ascii_lowercase();
    let labels = ["label", "target", "y_train", "y_test"].iter().any(|w| name.contains(w));
    if labels
        && raw.shape.len() == 1
        && !raw.is_float()
        && let Ok(Some(n)) = raw.to_i64().map(|v| v.iter().copied().find(|&n| n < 0))
    {
        scan.say(Reason::new("labels.range", format!("{n} is no class number")));
    }
}

/// Header text and body, as far as they are there.
fn parts(data: &[u8]) -> (&[u8], &[u8]) {
    let (len, at) = match data.get(6) {
        Some(1) => (data.get(8..10).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]]))), 10),
        _ => (data.get(8..12).map_or(0, |b| b.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))), 12),
    };
    let rest = data.get(at..).unwrap_or_default();
    rest.split_at(len.min(rest.len()))
}

/// Whether a header has a type of NumPy that is no plain number (text, dates, complex numbers, records of such), which
/// is only not read here; with the size that it says, where that is simple.
fn is_other_type(header: &str, body: usize) -> bool {
    let Some((_, after)) = header.split_once("'descr':") else { return false };
    let after = after.trim_start();
    if let Some(rest) = after.strip_prefix('[') {
        let Some(end) = rest.find("],") else { return false };
        let fields: Vec<&str> = rest[..end].split('(').skip(1).collect();
        let kinds = fields.iter().map(|f| f.split('\'').nth(3).unwrap_or_default());
        return !fields.is_empty() && fields.len() <= 1000 && kinds.into_iter().all(|k| width(k).is_some());
    }
    let kind = after.trim_start_matches('\'').split('\'').next().unwrap_or_default();
    let shape = header.split_once("'shape':").map(|(_, s)| s.trim_start().trim_start_matches('('));
    let extents = shape.and_then(|s| s.split(')').next()).unwrap_or_default();
    let product = extents
        .split(',')
        .map(str::trim)
        .filter(|e| !e.is_empty())
        .try_fold(1usize, |n, e| n.checked_mul(e.parse().ok()?));
    width(kind).zip(product).and_then(|(w, n)| w.checked_mul(n)) == Some(body)
}

/// Bytes of an element of a type.
fn width(kind: &str) -> Option<usize> {
    let kind = kind.trim_start_matches(['<', '>', '|', '=']);
    let number: usize = kind.get(1..)?.split('[').next()?.parse().ok()?;
    match kind.as_bytes().first()? {
        b'f' => matches!(number, 2 | 4 | 8 | 16).then_some(number),
        b'i' | b'u' => matches!(number, 1 | 2 | 4 | 8).then_some(number),
        b'b' => (number == 1).then_some(1),
        b'c' => matches!(number, 8 | 16 | 32).then_some(number),
        b'M' | b'm' => (number == 8).then_some(8),
        b'S' | b'V' => (number <= 1 << 20).then_some(number),
        b'U' => (number <= 1 << 20).then_some(number * 4),
        _ => None,
    }
}
