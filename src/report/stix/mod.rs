//! STIX 2.1: what was examined (files with hashes), what was seen (notes), what to watch for (indicators), the techniques
//! and the courses of action under the ids that MITRE publishes. Every id is a function of the session.

mod published;

use super::escape;
use super::ledger::{Accusation, Exhibit, Ledger, Run};
use super::uuid::{self, Uuid};
use super::{Format, Write};
use crate::case::line::is_sha256;
use crate::evidence::text::visible;
use crate::procedure::{Confidence, taxonomy};
use serde_json::{Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "stix",
    about: "a bundle for threat intelligence platforms, STIX 2.1",
    extension: "stix.json",
    write: Write::Data(write),
};

/// The name space of deterministic ids of cyber-observables (STIX 2.1, section 2.9).
const OBSERVABLES: Uuid =
    [0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7];
/// When ATLAS was first released. The published objects are never older, so that none of them is replaced by ours.
const ATLAS_SINCE: &str = "2021-05-13T00:00:00.000Z";

/// The bundle.
pub fn write(ledger: &Ledger) -> String {
    let writer = Writer::new(ledger);
    escape::json(&json!({"type": "bundle", "id": writer.id("bundle", ""), "objects": writer.objects()}))
}

/// What every object needs.
struct Writer<'a> {
    ledger: &'a Ledger,
    /// Time of the last event with milliseconds: when all this was made.
    time: String,
    /// The identity that says it.
    by: String,
}

impl<'a> Writer<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        let stamp = ledger.closed.parse::<jiff::Timestamp>().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let by = format!("identity--{}", uuid::ours("laocoon", "identity"));
        Self { ledger, time: format!("{stamp:.3}"), by }
    }

    fn id(&self, kind: &str, what: &str) -> String {
        format!("{kind}--{}", uuid::ours(&self.ledger.head, &format!("{kind}\n{what}")))
    }

    /// An object of our making.
    fn object(&self, kind: &str, what: &str, more: Value) -> Value {
        let mut object = json!({
            "type": kind, "spec_version": "2.1", "id": self.id(kind, what), "created_by_ref": self.by,
            "created": self.time, "modified": self.time,
        });
        merge(&mut object, more);
        object
    }

    fn objects(&self) -> Vec<Value> {
        let ledger = self.ledger;
        let mut all = vec![self.identity()];
        let files: Vec<Value> = ledger.exhibits.iter().filter_map(file).collect();
        // The same bytes under the same name are one object.
        for file in files {
            if !all.iter().any(|o| o["id"] == file["id"]) {
                all.push(file);
            }
        }
        let techniques = ledger.techniques();
        all.extend(techniques.iter().filter_map(|id| Self::attack_pattern(id)));
        for mitigation in taxonomy::MITIGATIONS {
            let hit: Vec<&str> =
                techniques.iter().copied().filter(|t| mitigation.addresses.contains(t)).collect();
            if let Some(id) = published::id(mitigation.id).filter(|_| !hit.is_empty()) {
                all.push(Self::course_of_action(mitigation, id));
                for technique in hit.iter().filter_map(|t| published::id(t)) {
                    all.push(self.relationship("mitigates", id, technique));
                }
            }
        }
        for f in &ledger.findings {
            all.extend(self.finding(f));
        }
        for run in &ledger.runs {
            all.push(self.outcome(run));
        }
        all.push(self.report(&all));
        all
    }

    fn identity(&self) -> Value {
        json!({
            "type": "identity", "spec_version": "2.1", "id": self.by, "created": ATLAS_SINCE, "modified": ATLAS_SINCE,
            "name": "laocoon", "identity_class": "system",
            "description": "A forensics workbench for machine-learning models.",
        })
    }

    fn attack_pattern(atlas: &str) -> Option<Value> {
        let technique = taxonomy::TECHNIQUES.iter().find(|t| t.id == atlas)?;
        let phases: Vec<Value> = technique
            .tactics
            .iter()
            .map(|t| json!({"kill_chain_name": "mitre-atlas", "phase_name": t.to_lowercase().replace(' ', "-")}))
            .collect();
        Some(json!({
            "type": "attack-pattern", "spec_version": "2.1", "id": published::id(atlas)?,
            "created": ATLAS_SINCE, "modified": ATLAS_SINCE, "name": technique.name, "kill_chain_phases": phases,
            "external_references": [reference("techniques", atlas)],
        }))
    }

    fn course_of_action(mitigation: taxonomy::Mitigation, id: &str) -> Value {
        json!({
            "type": "course-of-action", "spec_version": "2.1", "id": id,
            "created": ATLAS_SINCE, "modified": ATLAS_SINCE, "name": mitigation.name,
            "external_references": [reference("mitigations", mitigation.id)],
        })
    }

    fn relationship(&self, kind: &str, from: &str, to: &str) -> Value {
        self.object(
            "relationship",
            &format!("{kind}\n{from}\n{to}"),
            json!({"relationship_type": kind, "source_ref": from, "target_ref": to}),
        )
    }

    /// An indicator on the bytes that a finding rests on, tied to its techniques, and a note with what was seen.
    fn finding(&self, f: &Accusation) -> Vec<Value> {
        let finding = &f.finding;
        let on: Vec<&Exhibit> =
            self.ledger.rests_on(finding).into_iter().filter(|e| file(e).is_some()).collect();
        let mut digests: Vec<&str> = on.iter().map(|e| e.sha256.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        let mut all = Vec::new();
        let mut about: Vec<String> =
            on.iter().filter_map(|e| Some(file(e)?["id"].as_str()?.to_owned())).collect();
        if !digests.is_empty() {
            // Nothing but hexadecimal digits of a checked digest enters the pattern.
            let pattern: Vec<String> =
                digests.iter().map(|d| format!("[file:hashes.'SHA-256' = '{d}']")).collect();
            let indicator = self.object(
                "indicator",
                &format!("{} {}", f.id, f.fingerprint),
                json!({
                    "name": escape::cut(&finding.title, 500), "description": escape::cut(&finding.detail, 4000),
                    "indicator_types": ["compromised"], "pattern": pattern.join(" OR "), "pattern_type": "stix",
                    "pattern_version": "2.1", "valid_from": self.time, "confidence": confidence(finding.confidence),
                    "labels": [format!("severity:{:?}", finding.severity).to_lowercase()],
                }),
            );
            let id = indicator["id"].as_str().unwrap_or_default().to_owned();
            all.push(indicator);
            for technique in finding.atlas.iter().filter_map(|t| published::id(t)) {
                all.push(self.relationship("indicates", &id, technique));
            }
            about.push(id);
        }
        if about.is_empty() {
            about.push(self.by.clone());
        }
        about.sort_unstable();
        about.dedup();
        let class = finding.class.map_or_else(String::new, |c| format!("\nTarget class: {c}"));
        all.push(self.object(
            "note",
            &format!("{} {}", f.id, f.fingerprint),
            json!({
                "abstract": escape::cut(&format!("{}: {}", f.id, finding.title), 500),
                "content": format!("{}\nFound by: {}{class}\nStanding: {}", finding.detail, f.procedure, f.standing.name()),
                "confidence": confidence(finding.confidence), "object_refs": about,
            }),
        ));
        all
    }

    /// What a procedure said, negatives and what was not run included.
    fn outcome(&self, run: &Run) -> Value {
        let mut lines = vec![format!("Status: {}", run.status)];
        lines.extend(run.why.as_ref().map(|why| format!("Why: {why}")));
        if let Some(r) = &run.record {
            lines.push(format!("Verdict: {}", r.verdict.name()));
            lines.push(visible(&r.summary));
            lines.push(format!(
                "Statistic: {}; threshold: {} ({})",
                r.statistic,
                r.threshold,
                visible(&r.threshold_origin)
            ));
            lines.push(format!("Limits: {}", visible(&r.limits)));
        }
        let on: Vec<Value> =
            self.ledger.exhibits.iter().filter_map(|e| Some(file(e)?["id"].clone())).collect();
        let on = if on.is_empty() { vec![json!(self.by)] } else { on };
        self.object(
            "note",
            &format!("procedure {}", run.id),
            json!({"abstract": format!("Procedure {} ({})", run.id, run.title()), "content": lines.join("\n"), "object_refs": unique(on)}),
        )
    }

    fn report(&self, all: &[Value]) -> Value {
        let ledger = self.ledger;
        let refs: Vec<Value> = all.iter().map(|o| o["id"].clone()).collect();
        let open = if ledger.open.is_empty() {
            "complete".to_owned()
        } else {
            format!("incomplete: {}", ledger.open.join("; "))
        };
        self.object(
            "report",
            "",
            json!({
                "name": escape::cut(&format!("Model forensics report: {} {}", ledger.case, ledger.title), 500),
                "description": format!("Verdict: {}. Examination {open}. Nothing found is never proof of absence.", ledger.assessment.verdict.name()),
                "report_types": ["threat-report"], "published": self.time, "object_refs": unique(refs),
                "external_references": [{"source_name": "laocoon journal", "external_id": ledger.head}],
            }),
        )
    }
}

/// STIX's scale for high, medium and low (section 3.2, appendix A).
fn confidence(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::High => 85,
        Confidence::Medium => 50,
        Confidence::Low => 15,
    }
}

fn reference(kind: &str, atlas: &str) -> Value {
    json!({"source_name": "mitre-atlas", "external_id": atlas, "url": format!("https://atlas.mitre.org/{kind}/{atlas}")})
}

/// A file of the register; `None` when it could not be hashed, or is a folder, whose digest is not that of any file. Its id follows from hash and name, as the standard says:
/// whoever else describes the file makes the same id.
fn file(exhibit: &Exhibit) -> Option<Value> {
    if exhibit.folder || !is_sha256(&exhibit.sha256) {
        return None;
    }
    let name = exhibit.name();
    // RFC 8785: keys sorted, no spaces; serde_json escapes a text as that form does.
    let id = json!({"hashes": {"SHA-256": exhibit.sha256}, "name": name}).to_string();
    Some(json!({
        "type": "file", "spec_version": "2.1", "id": format!("file--{}", uuid::v5(OBSERVABLES, &id)),
        "hashes": {"SHA-256": exhibit.sha256}, "name": name, "size": exhibit.bytes,
    }))
}

fn unique(mut refs: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::BTreeSet::new();
    refs.retain(|r| seen.insert(r.to_string()));
    refs
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
