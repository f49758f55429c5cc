//! The contract's `laocoon.scan/1`: what machines read, from `scan` and from a session alike.

use super::escape;
use super::ledger::{Accusation, Exhibit, Ledger, Run};
use super::{Format, Write};
use crate::case::gate::Standing;
use crate::procedure::{Record, number};
use serde_json::{Value, json};

/// The schema id.
pub const SCHEMA: &str = "laocoon.scan/1";
/// The schema itself, JSON Schema 2020-12.
pub const SCHEMA_TEXT: &str = include_str!("scan.schema.json");

/// The format.
pub const FORMAT: Format = Format {
    name: "json",
    about: "everything as data, schema laocoon.scan/1",
    extension: "json",
    write: Write::Data(text),
};

/// The document as text, indented; what would act on a reader is a JSON escape.
pub fn text(ledger: &Ledger) -> String {
    escape::json(&scan(ledger))
}

/// The document.
pub fn scan(ledger: &Ledger) -> Value {
    let handling = &ledger.handling;
    json!({
        "schema": SCHEMA,
        "tool": {"name": "laocoon", "version": ledger.tool, "build": ledger.build},
        "case": {
            "id": ledger.case, "title": ledger.title, "questions": ledger.questions,
            "requester": handling.requester, "authority": handling.authority,
            "organisation": handling.organisation, "classification": handling.classification,
        },
        "analyst": ledger.analyst,
        "opened": ledger.opened,
        "closed": ledger.closed,
        "seed": ledger.seed,
        "effort": ledger.effort.name(),
        "complete": ledger.open.is_empty(),
        "open": ledger.open,
        "evidence": ledger.exhibits.iter().map(evidence).collect::<Vec<_>>(),
        "procedures": ledger.runs.iter().map(procedure).collect::<Vec<_>>(),
        "findings": ledger.findings.iter().map(finding).collect::<Vec<_>>(),
        "assessment": {
            "verdict": ledger.assessment.verdict.name(),
            "model_score": ledger.assessment.model_score,
            "data_score": ledger.assessment.data_score,
            "target_classes": ledger.assessment.target_classes,
            "family": ledger.assessment.family,
            "poisoned_samples": ledger.assessment.poisoned_samples,
        },
        "gate": {
            "fail_on": ledger.ruling.fail_on, "exit_code": ledger.ruling.code, "baseline": ledger.ruling.compared,
            "failing": ledger.findings.iter().filter(|f| f.fails).map(|f| &f.id).collect::<Vec<_>>(),
            "remarks": ledger.ruling.remarks,
        },
        "unexamined": ledger.unexamined,
        "results_sha256": ledger.results,
        "journal": {"events": ledger.events, "head": ledger.head},
    })
}

fn evidence(item: &Exhibit) -> Value {
    let state = if item.refused.is_none() { "accepted" } else { "refused" };
    json!({
        "id": item.id, "path": item.path, "kind": item.role.name(), "format": item.format,
        "bytes": item.bytes, "sha256": item.sha256, "files": item.files, "published": item.published,
        "state": state, "reason": item.refused, "facts": item.facts, "changed": item.changed,
    })
}

fn procedure(run: &Run) -> Value {
    let record = run.record.as_ref();
    let of = |f: fn(&Record) -> Value| record.map_or(Value::Null, f);
    let map = |f: fn(&Record) -> Value| record.map_or_else(|| json!({}), f);
    json!({
        "id": run.id,
        "phase": run.phase.map(crate::procedure::Phase::name),
        "status": run.status,
        "verdict": of(|r| r.verdict.name().into()),
        "reason": run.why,
        "summary": of(|r| r.summary.clone().into()),
        "statistic": of(|r| r.statistic.clone()),
        "threshold": of(|r| r.threshold.clone()),
        "threshold_origin": of(|r| r.threshold_origin.clone().into()),
        "seconds": run.seconds.map(number),
        "measures": map(|r| json!(r.measures)),
        "limits": of(|r| r.limits.clone().into()),
        "blobs": map(|r| json!(r.blobs)),
        "figures": map(|r| json!(r.figures)),
        "version": run.version,
        "params": run.params,
    })
}

fn finding(f: &Accusation) -> Value {
    let of = &f.finding;
    let waiver = match &f.standing {
        Standing::Waived(w) => {
            json!({"reason": w.reason, "expires": w.expires.to_string(), "approved_by": w.approved_by})
        }
        Standing::New | Standing::Known => Value::Null,
    };
    json!({
        "id": f.id, "procedure": f.procedure, "concern": of.concern, "severity": of.severity,
        "confidence": of.confidence, "title": of.title, "detail": of.detail, "class": of.class,
        "source_class": of.source_class, "evidence": of.evidence, "atlas": of.atlas, "owasp": of.owasp,
        "fingerprint": f.fingerprint, "standing": f.standing.name(), "waiver": waiver,
    })
}
