//! A MISP event: the case and its exhibits as forensic objects, files with their hashes, the model and the data as
//! components of an AI bill of materials. Techniques are plain tags: the galaxy of ATLAS in MISP has names of an old release.

use super::escape;
use super::ledger::{Exhibit, Ledger};
use super::{Format, Write};
use crate::case::line::is_sha256;
use crate::evidence::Role;
use crate::procedure::{Severity, Verdict, taxonomy};
use crate::report::uuid;
use serde_json::{Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "misp",
    about: "an event with forensic and AI component objects, MISP",
    extension: "misp.json",
    write: Write::Data(write),
};

/// An object template: name, meta category, UUID, version.
struct Template(&'static str, &'static str, &'static str, u8);

const CASE: Template = Template("forensic-case", "misc", "3ea36022-ae93-455e-88b1-d43aca789cac", 1);
const EVIDENCE: Template = Template("forensic-evidence", "misc", "fe44c648-63ef-43fc-b3de-af71a2e023e4", 2);
const FILE: Template = Template("file", "file", "688c46fb-5edb-40a3-8273-1af7923e2215", 25);
const MODEL: Template = Template("ai-model-component", "file", "e5162e7f-ca79-49b4-b997-9873521f05d9", 1);
const DATA: Template = Template("ai-dataset-component", "file", "2a7519c7-dbc9-441f-abd1-d1fc9e8e46ea", 1);

/// The event.
pub fn write(ledger: &Ledger) -> String {
    let stamp = ledger.closed.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let worst = ledger.findings.iter().map(|f| f.finding.severity).max();
    let threat = match worst {
        Some(Severity::Critical | Severity::High) => "1",
        Some(Severity::Medium) => "2",
        Some(Severity::Low) => "3",
        None => "4",
    };
    let mut tags = vec![format!("laocoon:verdict=\"{}\"", ledger.assessment.verdict.name())];
    tags.extend(ledger.techniques().iter().map(|t| format!("mitre-atlas:technique=\"{t}\"")));
    let comments = ledger.findings.iter().map(|f| {
        let names: Vec<String> = f
            .finding
            .atlas
            .iter()
            .map(|id| format!("{id} {}", taxonomy::name(id).unwrap_or_default()))
            .collect();
        attribute(
            ledger,
            &f.fingerprint,
            "comment",
            "Other",
            None,
            &format!("{} {}: {} ({})", f.id, f.procedure, f.finding.title, names.join("; ")),
            "",
        )
    });
    let mut objects = vec![case(ledger)];
    objects.extend(ledger.exhibits.iter().flat_map(|e| exhibit(ledger, e)));
    escape::json(&json!({"Event": {
        "uuid": uuid::ours(&ledger.head, "event"),
        "info": escape::cut(&format!("Model forensics {}: {}", ledger.case, ledger.title), 1000),
        "date": ledger.closed.get(..10).unwrap_or("1970-01-01"),
        "timestamp": stamp.to_string(),
        "threat_level_id": threat,
        "analysis": if ledger.open.is_empty() { "2" } else { "1" },
        "distribution": "0",
        "published": false,
        "Tag": tags.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "Attribute": comments.collect::<Vec<_>>(),
        "Object": objects,
    }}))
}

/// An attribute of the event, or with a relation of an object.
fn attribute(
    ledger: &Ledger,
    of: &str,
    kind: &str,
    category: &str,
    relation: Option<&str>,
    value: &str,
    comment: &str,
) -> Value {
    let id = uuid::ours(&ledger.head, &format!("{of}\n{kind}\n{relation:?}\n{value}"));
    let mut a = json!({"uuid": id, "type": kind, "category": category, "value": escape::cut(value, 8000), "to_ids": false, "disable_correlation": kind != "sha256", "comment": comment});
    if let Some(relation) = relation {
        a["object_relation"] = json!(relation);
    }
    a
}

fn object(
    ledger: &Ledger,
    template: &Template,
    of: &str,
    attributes: &[(&str, &str, String)],
    comment: &str,
) -> Value {
    let Template(name, meta, template_id, version) = template;
    let key = format!("{name} {of}");
    let list: Vec<Value> = attributes
        .iter()
        .filter(|(_, _, value)| !value.is_empty())
        .map(|(relation, kind, value)| {
            let category =
                if *kind == "sha256" || *kind == "filename" { "Payload delivery" } else { "Other" };
            attribute(ledger, &key, kind, category, Some(relation), value, "")
        })
        .collect();
    json!({
        "uuid": uuid::ours(&ledger.head, &key), "name": name, "meta-category": meta, "template_uuid": template_id,
        "template_version": version.to_string(), "description": "", "comment": comment, "Attribute": list,
    })
}

fn case(ledger: &Ledger) -> Value {
    let verdict = ledger.assessment.verdict;
    let said = match verdict {
        Verdict::NothingFound => "nothing found within the limits stated, which is not proof of absence",
        other => other.name(),
    };
    let note = format!("Verdict: {said}. Journal head {}; results {}.", ledger.head, ledger.results);
    object(
        ledger,
        &CASE,
        "",
        &[
            ("case-number", "text", ledger.case.clone()),
            ("case-name", "text", ledger.title.clone()),
            ("name-of-the-analyst", "text", ledger.analyst.clone()),
            ("analysis-start-date", "datetime", ledger.opened.clone()),
            ("additional-comments", "text", note),
        ],
        "",
    )
}

/// The exhibit itself, then what it is.
fn exhibit(ledger: &Ledger, e: &Exhibit) -> Vec<Value> {
    let state = e.refused.as_ref().map_or_else(|| "accepted".to_owned(), |why| format!("refused: {why}"));
    let digest = if is_sha256(&e.sha256) { e.sha256.clone() } else { String::new() };
    let what = format!("{}, {} files, {} bytes, sha256 {}, {state}", e.format, e.files, e.bytes, e.sha256);
    let mut all = vec![object(
        ledger,
        &EVIDENCE,
        &e.id,
        &[
            ("case-number", "text", ledger.case.clone()),
            ("evidence-number", "text", e.id.clone()),
            ("name", "text", e.path.clone()),
            ("type", "text", "Other".into()),
            ("acquisition-method", "text", "Logical collection".into()),
            ("additional-comments", "text", what),
        ],
        e.role.name(),
    )];
    // The digest of a folder is one over its files: no file has it.
    if !e.folder && !digest.is_empty() {
        all.push(object(
            ledger,
            &FILE,
            &e.id,
            &[
                ("filename", "filename", e.name().to_owned()),
                ("sha256", "sha256", digest.clone()),
                ("size-in-bytes", "size-in-bytes", e.bytes.to_string()),
            ],
            e.role.name(),
        ));
    }
    // A file says nothing of a version; the digest is the one that cannot be wrong.
    let version = if e.sha256.is_empty() { "unknown".to_owned() } else { format!("sha256:{}", e.sha256) };
    match e.role {
        Role::Model => all.push(object(
            ledger,
            &MODEL,
            &e.id,
            &[
                ("model-name", "text", e.name().to_owned()),
                ("model-version", "text", version),
                ("model-type", "text", "image classifier".into()),
                ("artifact-hash", "sha256", digest),
            ],
            "",
        )),
        Role::Training | Role::Clean | Role::Test | Role::Suspect => all.push(object(
            ledger,
            &DATA,
            &e.id,
            &[
                ("dataset-name", "text", e.name().to_owned()),
                ("dataset-version", "text", version),
                ("integrity-hash", "sha256", if e.folder { String::new() } else { digest }),
            ],
            e.role.name(),
        )),
        _ => {}
    }
    all
}
