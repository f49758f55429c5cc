//! A bill of materials of what was examined: `CycloneDX` 1.6 with the model as a component and its card, data sets as data,
//! findings as annotations.

use super::escape;
use super::ledger::{Exhibit, Ledger};
use super::uuid;
use super::{Format, Write};
use crate::case::line::is_sha256;
use crate::evidence::Role;
use crate::evidence::text::visible;
use crate::procedure::Phase;
use serde_json::{Map, Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "cyclonedx",
    about: "a bill of materials of what was examined, CycloneDX 1.6 ML-BOM",
    extension: "cdx.json",
    write: Write::Data(write),
};

/// The bill.
pub fn write(ledger: &Ledger) -> String {
    let stamp = ledger.closed.parse::<jiff::Timestamp>().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = format!("{stamp:.3}");
    let mut tool =
        json!({"type": "application", "bom-ref": "tool", "name": "laocoon", "version": ledger.tool});
    if let Some(digest) = ledger.build.split(' ').next_back().filter(|d| is_sha256(d)) {
        tool["hashes"] = json!([{"alg": "SHA-256", "content": digest}]);
    }
    let annotations: Vec<Value> = ledger
        .findings
        .iter()
        .map(|f| {
            let on: Vec<&str> = ledger.rests_on(&f.finding).into_iter().map(|e| e.id.as_str()).collect();
            let grade = format!("{:?} severity, {:?} confidence", f.finding.severity, f.finding.confidence).to_lowercase();
            json!({
                "bom-ref": f.id, "subjects": on, "annotator": {"component": {"type": "application", "name": "laocoon", "version": ledger.tool}},
                "timestamp": time,
                "text": format!("{} ({grade}; {}; {}): {}", f.id, f.procedure, f.finding.atlas.join(", "), f.finding.title),
            })
        })
        .filter(|a| a["subjects"].as_array().is_some_and(|s| !s.is_empty()))
        .collect();
    escape::json(&json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid::ours(&ledger.head, "bom")),
        "version": 1,
        "metadata": {
            "timestamp": time,
            "tools": {"components": [tool]},
            "properties": properties(&[("laocoon:case", &ledger.case), ("laocoon:journal:head", &ledger.head), ("laocoon:results:sha256", &ledger.results)]),
        },
        "components": ledger.exhibits.iter().map(|e| component(ledger, e)).collect::<Vec<_>>(),
        "annotations": annotations,
    }))
}

fn properties(pairs: &[(&str, &str)]) -> Vec<Value> {
    pairs
        .iter()
        .filter(|(_, v)| !v.is_empty())
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

fn component(ledger: &Ledger, e: &Exhibit) -> Value {
    let kind = match e.role {
        Role::Model => "machine-learning-model",
        Role::Training | Role::Clean | Role::Test | Role::Suspect => "data",
        _ => "file",
    };
    let mut c = Map::new();
    c.insert("type".into(), json!(kind));
    c.insert("bom-ref".into(), json!(e.id));
    c.insert("name".into(), json!(e.name()));
    let (bytes, files) = (e.bytes.to_string(), e.files.to_string());
    let state = e.refused.as_ref().map_or_else(|| "accepted".to_owned(), |why| format!("refused: {why}"));
    let mut pairs = vec![
        ("laocoon:role", e.role.name()),
        ("laocoon:path", &e.path),
        ("laocoon:format", &e.format),
        ("laocoon:bytes", &bytes),
        ("laocoon:state", &state),
    ];
    if e.folder {
        pairs.push(("laocoon:files", &files));
        pairs.push(("laocoon:folder:sha256", &e.sha256));
    } else if is_sha256(&e.sha256) {
        c.insert("hashes".into(), json!([{"alg": "SHA-256", "content": e.sha256}]));
    }
    pairs.extend(e.facts.iter().map(|f| ("laocoon:fact", f.as_str())));
    if kind == "machine-learning-model" {
        c.insert("modelCard".into(), card(ledger));
    } else if kind == "data" {
        c.insert(
            "data".into(),
            json!([{"type": "dataset", "name": e.name(), "description": format!("{} data", e.role.name())}]),
        );
    }
    c.insert("properties".into(), json!(properties(&pairs)));
    Value::Object(c)
}

/// The model's card: the data sets it is said to come from, what was measured, and where its limits are.
fn card(ledger: &Ledger) -> Value {
    let training: Vec<Value> =
        ledger.exhibits.iter().filter(|e| e.role == Role::Training).map(|e| json!({"ref": e.id})).collect();
    let measured =
        ledger.runs.iter().filter(|r| r.phase == Some(Phase::Detection) || r.phase == Some(Phase::Impact));
    let metrics: Vec<Value> = measured
        .filter_map(|r| {
            let record = r.record.as_ref().filter(|record| record.statistic.is_number())?;
            Some(json!({"type": format!("laocoon:{}", r.id), "value": record.statistic.to_string()}))
        })
        .collect();
    let limits: Vec<String> = ledger
        .runs
        .iter()
        .filter_map(|r| Some(format!("{}: {}", r.id, visible(&r.record.as_ref()?.limits))))
        .collect();
    let mut card = json!({
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {"technicalLimitations": limits},
        "properties": properties(&[
            ("laocoon:verdict", ledger.assessment.verdict.name()),
            ("laocoon:family", ledger.assessment.family.as_deref().unwrap_or_default()),
            ("laocoon:complete", if ledger.open.is_empty() { "yes" } else { "no" }),
        ]),
    });
    if !training.is_empty() {
        card["modelParameters"] = json!({"datasets": training});
    }
    card
}
