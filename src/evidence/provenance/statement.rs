//! in-toto statements: model signatures, build provenance, and digests of subjects.

use super::{Checked, EvidenceError, Signature, Target, at};
use crate::evidence::intake;
use crate::evidence::text;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Files that model signing leaves out unless told otherwise.
const IGNORED: [&str; 4] = [".git", ".gitignore", ".gitattributes", ".github"];

/// Compares what a statement says with the target.
pub(super) fn compare(
    value: &Value,
    signature: Signature,
    target: &Target,
) -> Result<Checked, EvidenceError> {
    let predicate = value["predicateType"].as_str().unwrap_or_default();
    if predicate.starts_with("https://model_signing/signature") {
        return model(value, signature, target);
    }
    let slsa = predicate.starts_with("https://slsa.dev/provenance");
    let mut out = Checked::new(if slsa { "SLSA build provenance" } else { "in-toto statement" }, signature);
    out.facts.insert("predicate".to_owned(), json!(text::visible(predicate)));
    if slsa {
        provenance(&value["predicate"], &mut out);
    }
    let mut stated = BTreeMap::new();
    for subject in value["subject"].as_array().into_iter().flatten() {
        let name = subject["name"].as_str().unwrap_or_default().to_owned();
        let digests = subject["digest"].as_object();
        let strong =
            ["sha256", "sha512", "sha384"].into_iter().find_map(|a| Some((a, digests?.get(a)?.as_str()?)));
        match strong {
            Some((algorithm, digest)) => {
                stated.insert(name, (algorithm.to_owned(), digest.to_owned()));
            }
            None => out.problems.push(format!("the subject {} has no strong digest", text::visible(&name))),
        }
    }
    if stated.is_empty() {
        out.problems.push("it has no subject".to_owned());
    }
    out.compare(&stated, target, false)?;
    Ok(out)
}

/// `OpenSSF` model signing: every file by name, and one digest over all.
fn model(value: &Value, signature: Signature, target: &Target) -> Result<Checked, EvidenceError> {
    let mut out = Checked::new("OpenSSF model signature", signature);
    let serialization = at(value, "/predicate/serialization");
    let (mut stated, mut sum) = (BTreeMap::new(), Sha256::new());
    for resource in at(value, "/predicate/resources").as_array().into_iter().flatten() {
        let field = |k: &str| resource.get(k).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, digest) = (field("name"), field("digest"));
        match from_hex(&digest) {
            Some(raw) => sum.update(raw),
            None => out.problems.push(format!("{}: its digest is no hex", text::visible(&name))),
        }
        if stated.insert(name.clone(), (field("algorithm"), digest)).is_some() {
            out.problems.push(format!("{} is stated twice", text::visible(&name)));
        }
    }
    let over_all = at(value, "/subject/0/digest/sha256").as_str().unwrap_or_default();
    if over_all != intake::hex(&sum.finalize()) {
        out.problems.push("the digest over all files does not fit the files it lists".to_owned());
    }
    if at(serialization, "/method").as_str().is_some_and(|m| m != "files") {
        out.problems.push("it digests shards of files, which is not read".to_owned());
    }
    let ignored: Vec<String> = at(serialization, "/ignore_paths")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|p| p.as_str().map(str::to_owned))
        .collect();
    out.compare(&stated, target, !target.single)?;
    let below = |file: &str, folder: &str| {
        file == folder || file.strip_prefix(folder).is_some_and(|r| r.starts_with('/'))
    };
    out.extra.retain(|f| !ignored.iter().any(|i| below(f, i)) && !IGNORED.iter().any(|i| below(f, i)));
    out.facts.insert("files".to_owned(), json!(stated.len()));
    out.facts
        .insert("ignored".to_owned(), json!(ignored.iter().map(|i| text::visible(i)).collect::<Vec<_>>()));
    Ok(out)
}

/// Builder and materials, of either version of the predicate.
fn provenance(predicate: &Value, out: &mut Checked) {
    let text_at = |path: &str| at(predicate, path).as_str();
    let builder = text_at("/builder/id").or_else(|| text_at("/runDetails/builder/id"));
    let kind = text_at("/buildType").or_else(|| text_at("/buildDefinition/buildType"));
    let listed_at = |path: &str| at(predicate, path).as_array();
    let materials = listed_at("/materials").or_else(|| listed_at("/buildDefinition/resolvedDependencies"));
    let listed: Vec<Value> = materials
        .into_iter()
        .flatten()
        .take(200)
        .map(|m| json!({"uri": m["uri"].as_str().map(text::visible), "pinned": m["digest"].as_object().is_some_and(|d| !d.is_empty())}))
        .collect();
    let loose = listed.iter().filter(|m| m["pinned"] == json!(false)).count();
    if loose > 0 {
        out.problems.push(format!("{loose} materials are not pinned by a digest"));
    }
    if builder.is_none() {
        out.problems.push("it names no builder".to_owned());
    }
    out.facts.insert("builder".to_owned(), json!(builder.map(text::visible)));
    out.facts.insert("build_type".to_owned(), json!(kind.map(text::visible)));
    out.facts.insert("materials".to_owned(), json!(listed));
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    (digits.len().is_multiple_of(2) && digits.is_ascii()).then_some(())?;
    digits.as_bytes().chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect()
}
