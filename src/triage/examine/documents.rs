//! Text documents: JSON, YAML, TOML, CSV, journals. What they are malformed by, and what their values point at.

use super::name::extension;
use super::reason::Reason;
use super::scan::Scan;
use super::{formats, journal, json, pickles};
use crate::evidence::archive::climbs;
use crate::evidence::{Format, text};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// Brackets in brackets of a TOML file.
const TOML_DEPTH: usize = 100;
/// Values that the aliases of a YAML file may expand to.
const YAML_VALUES: f64 = 1e5;
/// Bytes and commas of a line of CSV.
const LINE: usize = 100_000;
const COLUMNS: usize = 10_000;
/// Bytes of a document inside of an archive that is looked into.
const INNER: usize = 16 << 20;

/// A document that is the file itself.
pub(super) fn look(scan: &mut Scan, data: &[u8], name: &str, found: Format) {
    let extension = extension(name).unwrap_or_default();
    match (found, extension.as_str()) {
        (_, "yaml" | "yml") => yaml(scan, data),
        (_, "jsonl" | "ndjson") => journal::lines(scan, data),
        (Format::Json, _) if data.first() == Some(&b'{') && journal::is_one(data) => {
            journal::lines(scan, data);
        }
        (Format::Json, _) | (_, "json") => {
            let labels = name.to_ascii_lowercase().contains("label");
            match json::parse(data) {
                Ok(value) => {
                    acting(scan, &value);
                    meaning(scan, &value);
                    if labels && !is_label_map(&value) {
                        scan.say(Reason::new(
                            "labels.schema",
                            "no list of class names, and no map from class numbers",
                        ));
                    }
                }
                Err(p) => {
                    if labels {
                        scan.say(Reason::new("labels.schema", "no label map that can be read"));
                    }
                    scan.say(Reason::coded(p.code, p.place, p.detail));
                }
            }
        }
        (Format::Toml, _) | (_, "toml") => toml(scan, data),
        (Format::Csv, _) => {
            let columns =
                data.split(|&b| b == b'\n').map(|l| memchr::memchr_iter(b',', l).count()).max().unwrap_or(0);
            let longest = data.split(|&b| b == b'\n').map(<[u8]>::len).max().unwrap_or(0);
            if columns > COLUMNS || longest > LINE {
                let detail =
                    format!("a line of {longest} bytes, {columns} commas; the caps are {LINE} and {COLUMNS}");
                scan.say(Reason::new("csv.limit", detail));
            }
            scan.refuse(crate::evidence::dataset::check_list(scan.file, scan.limits));
        }
        (_, "py" | "sh" | "ipynb" | "js" | "bat" | "ps1") => {
            scan.say(Reason::new(
                "format.source_code",
                "source code: what it does when run was not looked at",
            ));
        }
        _ => {}
    }
}

/// Whether a name promises a document.
pub(super) fn promised(name: &str) -> bool {
    matches!(
        extension(name).unwrap_or_default().as_str(),
        "json" | "jsonl" | "ndjson" | "toml" | "yaml" | "yml"
    )
}

/// A list of names, or a map between names and class numbers without a number twice.
fn is_label_map(value: &Value) -> bool {
    match value {
        Value::Array(names) => names.iter().all(Value::is_string),
        Value::Object(map) => {
            let by_number =
                map.keys().all(|k| k.parse::<u32>().is_ok()) && map.values().all(Value::is_string);
            let numbers: HashSet<u64> = map.values().filter_map(Value::as_u64).collect();
            by_number || numbers.len() == map.len() || map.values().any(|v| v.is_object() || v.is_array())
        }
        _ => false,
    }
}

/// Strings that act on a terminal. Vocabularies hold invisible letters of many scripts, so only controls count.
fn acting(scan: &mut Scan, value: &Value) {
    let acts = |s: &str| s.chars().any(|c| matches!(u32::from(c), 0x07 | 0x08 | 0x1b | 0x80..=0x9f));
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let found = match value {
            Value::String(s) => acts(s).then_some(s),
            Value::Object(map) => {
                open.extend(map.values());
                map.keys().find(|k| acts(k))
            }
            Value::Array(items) => {
                open.extend(items);
                None
            }
            _ => None,
        };
        if let Some(text) = found {
            let shown: String = text::visible(text).chars().take(100).collect();
            scan.say(Reason::new("name_unprintable", format!("a string acts on a screen: {shown}")));
            return;
        }
    }
}

/// A document inside of an archive: only what it points at counts, not how well it is written.
pub(super) fn inner(scan: &mut Scan, data: &[u8], name: &str) {
    if data.len() > INNER {
        return;
    }
    match extension(name).unwrap_or_default().as_str() {
        "json" => match json::parse(data) {
            Ok(value) => meaning(scan, &value),
            Err(p) => scan.say(Reason::coded(p.code, p.place, p.detail)),
        },
        "yaml" | "yml" => yaml(scan, data),
        _ => {}
    }
}

/// What the values of a JSON document point at.
fn meaning(scan: &mut Scan, value: &Value) {
    if let Some(map) = value.get("weight_map").and_then(Value::as_object) {
        for file in map.values().filter_map(Value::as_str).filter(|f| climbs(f) || f.contains("://")).take(5)
        {
            let detail = format!("a shard lies outside of the model's folder: {}", text::visible(file));
            scan.say(Reason::new("index.path_traversal", detail));
        }
    }
    if formats::is_keras(value) {
        formats::keras(scan, value);
    }
    for key in ["chat_template", "template"] {
        if let Some(template) = value.get(key).and_then(Value::as_str) {
            formats::template_text(scan, key, template);
        }
    }
    if let Some(files) = value.get("files").and_then(Value::as_array) {
        manifest(scan, files);
    }
    if value.get("schema").is_some_and(serde_json::Value::is_number)
        || value.as_object().is_some_and(|o| o.contains_key("model") && o.contains_key("export"))
    {
        session(scan, value);
    }
    targets(scan, value);
}

/// A list of files with digests.
fn manifest(scan: &mut Scan, files: &[Value]) {
    let mut seen = HashSet::new();
    for file in files {
        let field = |k: &str| file.get(k).and_then(Value::as_str);
        let Some(path) = field("path").or_else(|| field("name")) else { continue };
        for (name, digits) in [("sha256", 64), ("sha512", 128), ("sha384", 96)] {
            if let Some(digest) = field(name) {
                let hex =
                    digest.len() == digits && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !hex {
                    let detail = format!(
                        "{}: '{}' is no lower-case {name}",
                        text::visible(path),
                        text::visible(digest)
                    );
                    scan.say(Reason::new("manifest.digest", detail));
                }
            }
        }
        for weak in ["md5", "sha1", "crc32"] {
            if field(weak).is_some() && field("sha256").is_none() {
                scan.say(Reason::new(
                    "manifest.digest",
                    format!("{}: {weak} proves nothing", text::visible(path)),
                ));
            }
        }
        if !seen.insert(path.to_owned()) {
            scan.say(Reason::new("manifest.digest", format!("{} is there twice", text::visible(path))));
        }
        if climbs(path) {
            scan.say(Reason::new(
                "session.path",
                format!("{} is outside of the folder", text::visible(path)),
            ));
        }
    }
}

/// A session or run configuration: version, types, ranges, paths.
fn session(scan: &mut Scan, value: &Value) {
    let Some(map) = value.as_object() else { return };
    match map.get("schema") {
        None => {}
        Some(v) if v.as_u64() == Some(1) => {}
        Some(v) => scan.say(Reason::new("session.version", format!("schema {v}; 1 is known"))),
    }
    for (key, v) in map {
        let number = v.as_f64();
        let range = match key.as_str() {
            "steps" | "epochs" | "iterations" => Some((0.0, 1e9)),
            "lr" | "learning_rate" => Some((0.0, 1e3)),
            "batch" | "batch_size" | "classes" | "num_classes" => Some((1.0, 1e6)),
            "threads" | "workers" => Some((0.0, 4096.0)),
            "seed" => Some((0.0, 18_446_744_073_709_551_615.0)),
            _ => None,
        };
        let is_list = v.is_array() && key == "steps";
        match (range, number) {
            (Some((low, high)), Some(n)) if !(low..=high).contains(&n) => {
                scan.say(Reason::new("config.range", format!("{key} = {n}; {low} to {high} make sense")));
            }
            (Some(_), None) if !is_list => {
                scan.say(Reason::new("session.schema", format!("'{key}' is no number")));
            }
            _ => {}
        }
        if matches!(
            key.as_str(),
            "model" | "data" | "export" | "evidence" | "output" | "journal" | "session" | "report"
        ) && v.as_str().is_some_and(|p| climbs(p) || p.contains("://") || p.starts_with('~'))
        {
            let path = text::visible(v.as_str().unwrap_or_default());
            scan.say(Reason::new("session.path", format!("'{key}' points outside of its folder: {path}")));
        }
    }
}

/// `_target_` (Hydra) and its like name a Python callable.
fn targets(scan: &mut Scan, value: &Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                for (key, v) in map {
                    if let Some(name) = v.as_str().filter(|_| is_target(key)) {
                        target(scan, name);
                    }
                    open.push(v);
                }
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}

fn is_target(key: &str) -> bool {
    matches!(key, "_target_" | "_class_" | "__target__" | "class_path")
}

fn target(scan: &mut Scan, name: &str) {
    let (module, attribute) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let shown = text::visible(name);
    if pickles::is_dangerous(module, attribute) {
        scan.say(Reason::new(
            "config.target_callable",
            format!("it names {shown}, which its loader would call"),
        ));
    } else {
        scan.say(Reason::new(
            "config.unknown_target",
            format!("it names {shown}, which its loader would call"),
        ));
    }
}

/// YAML, line by line: aliases that explode, tags that make Python objects, callables that are named.
fn yaml(scan: &mut Scan, data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else {
        scan.say(Reason::new("config.yaml", "not UTF-8"));
        return;
    };
    let mut weights: BTreeMap<&str, f64> = BTreeMap::new();
    let mut total = 0.0f64;
    // The anchor whose value is being read, and how far its line is indented.
    let mut open: Vec<(&str, usize, f64)> = Vec::new();
    for (i, line) in source.lines().enumerate() {
        let at = |r: Reason| Reason { place: format!("line {}", i + 1), ..r };
        let content = line.split(" #").next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        if content.trim().is_empty() {
            continue;
        }
        while open.last().is_some_and(|o| o.1 >= indent) {
            if let Some((name, _, weight)) = open.pop() {
                weights.insert(name, weight);
            }
        }
        let mut weight = 1.0;
        let words =
            content.split(|c: char| c.is_whitespace() || ",[]{}".contains(c)).filter(|w| !w.is_empty());
        let mut anchor = None;
        for word in words {
            match word.as_bytes() {
                [b'*', ..] => weight += weights.get(&word[1..]).copied().unwrap_or(1.0),
                [b'&', ..] => anchor = Some(&word[1..]),
                [b'!', b'!' | b'<', ..] if word.contains("python") => {
                    scan.say(at(Reason::new(
                        "config.target_callable",
                        format!("the tag {} makes a Python object", text::visible(word)),
                    )));
                }
                _ => weight += 1.0,
            }
        }
        total += weight;
        for o in &mut open {
            o.2 += weight;
        }
        if let Some(name) = anchor {
            open.push((name, indent, weight));
        }
        if let Some((key, v)) = content.trim().trim_start_matches("- ").split_once(':')
            && is_target(key.trim().trim_matches(['"', '\'']))
        {
            target(scan, v.trim().trim_matches(['"', '\'']));
        }
    }
    if total > YAML_VALUES && total > 100.0 * data.len() as f64 {
        scan.say(Reason::new("config.yaml", format!("its aliases expand to {total:.0} values")));
    }
}

fn toml(scan: &mut Scan, data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else {
        scan.say(Reason::new("config.malformed", "not UTF-8"));
        return;
    };
    let (mut depth, mut deepest) = (0usize, 0usize);
    for b in source.bytes() {
        match b {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'\n' => deepest = deepest.max(depth),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let dots = source
        .lines()
        .map(|l| l.split('=').next().unwrap_or_default().matches('.').count())
        .max()
        .unwrap_or(0);
    if deepest > TOML_DEPTH || dots > TOML_DEPTH {
        scan.say(Reason::new("config.malformed", format!("nested deeper than {TOML_DEPTH} levels")));
        return;
    }
    if let Err(e) = toml::from_str::<toml::Table>(source) {
        scan.say(Reason::new("config.malformed", text::visible(e.message())));
    }
}
