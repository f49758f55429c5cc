//! SARIF 2.1.0 for code scanning: a rule per procedure, a result per finding, ATLAS as a taxonomy.
//!
//! GitHub takes every result for an alert, whatever its `kind`, and does not read `suppressions` or `baselineState`. So only
//! findings that count are results; what is known or waived is named in the run's properties, and what found nothing, does
//! not apply or did not finish is a notification of the invocation.

use super::escape;
use super::ledger::{Accusation, Exhibit, Ledger, Run, percent};
use super::{Format, Write};
use crate::case::gate::Standing;
use crate::evidence::Role;
use crate::evidence::text::visible;
use crate::procedure::{Confidence, Severity, taxonomy};
use serde_json::{Map, Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "sarif",
    about: "findings for code scanning, SARIF 2.1.0",
    extension: "sarif",
    write: Write::Data(write),
};

/// Identifies the taxonomy within a log.
const ATLAS: &str = "8c5f5a6e-1f0f-5f6b-9a54-41544c415300";
/// Longest message, in characters.
const LONGEST: usize = 4000;

/// The log.
pub fn write(ledger: &Ledger) -> String {
    escape::json(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run(ledger)],
    }))
}

fn run(ledger: &Ledger) -> Value {
    let counted: Vec<&Accusation> = ledger.findings.iter().filter(|f| f.standing == Standing::New).collect();
    let mut automation = "laocoon/".to_owned();
    percent(&mut automation, &ledger.case);
    automation.push('/');
    let ids = |name: &str| -> Vec<Value> {
        let of = ledger.findings.iter().filter(|f| f.standing.name() == name);
        of.map(|f| json!({"id": f.id, "fingerprint": f.fingerprint, "title": f.finding.title})).collect()
    };
    let mut driver = json!({
        "name": "laocoon",
        "version": ledger.tool,
        "rules": ledger.runs.iter().map(|run| rule(ledger, run)).collect::<Vec<_>>(),
        "supportedTaxonomies": [{"name": "MITRE ATLAS", "index": 0, "guid": ATLAS}],
        "properties": {"build": ledger.build},
    });
    if is_semantic(&ledger.tool) {
        driver["semanticVersion"] = json!(ledger.tool);
    }
    json!({
        "tool": {"driver": driver},
        "automationDetails": {"id": automation},
        "invocations": [invocation(ledger)],
        "taxonomies": [taxonomy_of(ledger)],
        "artifacts": ledger.exhibits.iter().map(artifact).collect::<Vec<_>>(),
        "results": counted.iter().map(|f| result(ledger, f)).collect::<Vec<_>>(),
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": ledger.assessment.verdict.name(),
            "complete": ledger.open.is_empty(),
            "modelScore": ledger.assessment.model_score,
            "dataScore": ledger.assessment.data_score,
            "journalHead": ledger.head,
            "resultsSha256": ledger.results,
            "known": ids("known"),
            "waived": ids("waived"),
            "gateRemarks": ledger.ruling.remarks,
        },
    })
}

/// `major.minor.patch`, numbers only.
fn is_semantic(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

/// `neural-cleanse` as `NeuralCleanse`.
fn pascal(id: &str) -> String {
    let word = |w: &str| {
        let mut letters = w.chars();
        letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
    };
    id.split(|c: char| !c.is_ascii_alphanumeric()).map(word).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// Within the bands by which GitHub names severities: over 9, 7, 4 and 0.1.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

fn rule(ledger: &Ledger, run: &Run) -> Value {
    let found = || ledger.findings.iter().filter(|f| f.procedure == run.id).map(|f| &f.finding);
    let question = run.about.map_or("A procedure that this version does not know.", |a| a.question);
    let mut tags = vec!["security".to_owned()];
    tags.extend(run.phase.map(|p| p.name().to_owned()));
    tags.extend(found().flat_map(|f| &f.atlas).map(|id| format!("external/atlas/{}", id.to_lowercase())));
    tags.extend(
        found()
            .flat_map(|f| taxonomy::map(f.concern).cwe)
            .map(|id| format!("external/cwe/{}", id.to_lowercase())),
    );
    let mut unique: Vec<String> = Vec::new();
    for tag in tags {
        if !unique.contains(&tag) && unique.len() < 20 {
            unique.push(tag);
        }
    }
    let mut properties = Map::new();
    properties.insert("tags".into(), json!(unique));
    if let Some(worst) = found().map(|f| f.severity).max() {
        properties.insert("security-severity".into(), json!(score(worst)));
    }
    if let Some(surest) = found().map(|f| f.confidence).max() {
        properties.insert("precision".into(), json!(precision(surest)));
    }
    if let Some(about) = run.about {
        properties.insert("reference".into(), json!(about.reference));
    }
    properties.insert("version".into(), json!(run.version));
    let page = run.about.map_or(question, |a| if a.page.trim().is_empty() { a.question } else { a.page });
    json!({
        "id": run.id,
        "name": pascal(&run.id),
        "shortDescription": {"text": run.title()},
        "fullDescription": {"text": question},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": found().map(|f| f.severity).max().map_or("warning", level)},
        "properties": properties,
    })
}

fn location(ledger: &Ledger, exhibit: &Exhibit) -> Value {
    let index = ledger.exhibits.iter().position(|e| e.id == exhibit.id);
    json!({
        // A file of weights has no lines; GitHub wants one.
        "physicalLocation": {"artifactLocation": {"uri": exhibit.uri, "index": index}, "region": {"startLine": 1}},
        "message": {"text": format!("{} ({}), sha256 {}", exhibit.id, exhibit.role.name(), exhibit.sha256)},
    })
}

fn result(ledger: &Ledger, f: &Accusation) -> Value {
    let finding = &f.finding;
    let mut text = finding.title.clone();
    if !finding.detail.is_empty() && finding.detail != finding.title {
        text = format!("{text}. {}", finding.detail);
    }
    // First what is accused, then what it was compared with: the first place is where the alert is shown.
    let mut on = ledger.rests_on(finding);
    on.sort_by_key(|e| {
        matches!(e.role, Role::Approved | Role::Expected | Role::AllowList | Role::Clean | Role::Labels)
    });
    let mut locations: Vec<Value> = on.into_iter().take(10).map(|e| location(ledger, e)).collect();
    if locations.is_empty() {
        // A result without a place is refused; the case file is what all findings have in common.
        locations.push(json!({"physicalLocation": {"artifactLocation": {"uri": "case.toml"}, "region": {"startLine": 1}}}));
    }
    let related = locations.split_off(1);
    let mut result = json!({
        "ruleId": f.procedure,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": escape::cut(&text, LONGEST)},
        "locations": locations,
        "partialFingerprints": {
            "laocoonFinding/v1": f.fingerprint,
            "primaryLocationLineHash": format!("{}:1", f.fingerprint.get(..16).unwrap_or_default()),
        },
        "taxa": finding.atlas.iter().map(|id| json!({"id": id, "toolComponent": {"name": "MITRE ATLAS", "index": 0, "guid": ATLAS}})).collect::<Vec<_>>(),
        "rank": rank(finding.severity, finding.confidence),
        "properties": {
            "id": f.id, "severity": finding.severity, "confidence": finding.confidence, "concern": finding.concern,
            "class": finding.class, "sourceClass": finding.source_class, "owasp": finding.owasp,
            "evidence": finding.evidence, "failsGate": f.fails,
        },
    });
    if let Some(index) = ledger.runs.iter().position(|r| r.id == f.procedure) {
        result["ruleIndex"] = json!(index);
    }
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    if ledger.ruling.compared {
        result["baselineState"] = json!("new");
    }
    result
}

/// How much attention it wants, of 100.
fn rank(severity: Severity, confidence: Confidence) -> f64 {
    f64::from(25 * (severity as u8 + 1)) * f64::from(confidence as u8 + 1) / 3.0
}

fn artifact(exhibit: &Exhibit) -> Value {
    let mut artifact = json!({
        "location": {"uri": exhibit.uri},
        "length": exhibit.bytes,
        "roles": ["analysisTarget"],
        "description": {"text": format!("{} ({}), {}", exhibit.id, exhibit.role.name(), exhibit.format)},
    });
    if !exhibit.sha256.is_empty() {
        artifact["hashes"] = json!({"sha-256": exhibit.sha256});
    }
    artifact
}

fn invocation(ledger: &Ledger) -> Value {
    let level = |run: &Run| if matches!(run.status, "failed" | "stopped") { "error" } else { "note" };
    let mut notes: Vec<Value> = Vec::new();
    for run in &ledger.runs {
        let found = ledger.findings.iter().any(|f| f.procedure == run.id && f.standing == Standing::New);
        let said = match (&run.record, run.status) {
            (_, "finished") if found => continue,
            (Some(r), "finished") => format!("{}: {}", r.verdict.name(), visible(&r.summary)),
            (_, status) => format!("{status}: {}", run.why.as_deref().unwrap_or_default()),
        };
        notes.push(json!({
            "level": level(run),
            "message": {"text": escape::cut(&format!("{} {said}", run.id), LONGEST)},
            "associatedRule": {"id": run.id},
        }));
    }
    for line in &ledger.open {
        notes.push(json!({"level": "error", "message": {"text": format!("incomplete: {line}")}}));
    }
    let mut invocation = json!({
        "executionSuccessful": ledger.open.is_empty(),
        "commandLine": ledger.command,
        "toolExecutionNotifications": notes,
        "exitCode": ledger.ruling.code,
    });
    for (name, time) in [("startTimeUtc", &ledger.opened), ("endTimeUtc", &ledger.closed)] {
        if time.parse::<jiff::Timestamp>().is_ok() {
            invocation[name] = json!(time);
        }
    }
    invocation
}

fn taxonomy_of(ledger: &Ledger) -> Value {
    let release = taxonomy::RELEASES.iter().find(|(name, _)| *name == "MITRE ATLAS").map_or("", |(_, r)| r);
    let taxa: Vec<Value> = ledger
        .techniques()
        .into_iter()
        .map(|id| {
            let name = taxonomy::name(id).unwrap_or(id);
            json!({"id": id, "name": name, "shortDescription": {"text": name}, "helpUri": format!("https://atlas.mitre.org/techniques/{}", uri_id(id))})
        })
        .collect();
    json!({
        "name": "MITRE ATLAS",
        "guid": ATLAS,
        "version": release,
        "organization": "The MITRE Corporation",
        "shortDescription": {"text": "Adversarial Threat Landscape for AI Systems"},
        "informationUri": "https://atlas.mitre.org/",
        "isComprehensive": false,
        "taxa": taxa,
    })
}

fn uri_id(id: &str) -> String {
    let mut out = String::new();
    percent(&mut out, id);
    out
}
