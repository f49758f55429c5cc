//! The contract's `laocoon.scan/1`: what machines read, from `scan` and from a session alike.

use crate::case::{CaseState, Planned, ProcedureState, Status, assess, gate};
use crate::evidence::text::visible;
use crate::evidence::{Format, Item, ItemState};
use crate::procedure::number;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The schema id.
pub const SCHEMA: &str = "laocoon.scan/1";

/// A format by the name the journal uses.
pub fn format_name(format: Format) -> String {
    match serde_json::to_value(format) {
        Ok(Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

/// The document.
pub fn scan(state: &CaseState) -> Value {
    let missing = gate::missing(state);
    let assessment = assess(state);
    let case = state.case.as_ref();
    let text = |t: Option<&String>| t.map(|t| visible(t)).unwrap_or_default();
    json!({
        "schema": SCHEMA,
        "tool": {"name": "laocoon", "version": state.tool, "build": state.build},
        "case": {"id": text(case.map(|c| &c.id)), "title": text(case.map(|c| &c.title))},
        "seed": state.seed,
        "effort": state.effort.name(),
        "complete": missing.is_empty(),
        "open": missing,
        "evidence": state.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "procedures": procedures(state),
        "findings": state.findings.iter().map(finding).collect::<Vec<_>>(),
        "assessment": {
            "verdict": assessment.verdict.name(),
            "model_score": assessment.model_score,
            "data_score": assessment.data_score,
            "target_classes": assessment.target_classes,
            "family": assessment.family,
            "poisoned_samples": assessment.poisoned_samples,
        },
        "unexamined": case.map(|c| c.unexamined.clone()).unwrap_or_default(),
        "journal": {"events": state.events, "head": state.head},
    })
}

/// The document as text, indented, with a line break at the end. Characters that act on a terminal or mislead a reader
/// are written as JSON escapes: nothing is lost, nothing acts.
pub fn text(state: &CaseState) -> String {
    // A Value holds no map key but text and no float but finite ones: it always prints.
    let plain = format!("{:#}\n", scan(state));
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c == '\n' || visible(c.encode_utf8(&mut [0; 4])).chars().eq([c]) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn evidence(item: &Item) -> Value {
    let (state, reason) = match &item.state {
        ItemState::Accepted => ("accepted", Value::Null),
        ItemState::Refused(why) => ("refused", Value::from(visible(why))),
    };
    json!({
        "id": item.id, "path": item.path.shown(), "kind": item.role.name(), "format": format_name(item.format),
        "bytes": item.bytes, "sha256": item.sha256, "files": item.files, "state": state, "reason": reason,
        "facts": item.facts.iter().map(crate::evidence::Untrusted::shown).collect::<Vec<_>>(),
    })
}

/// Procedures that were queued or skipped in the order of the plan, then those planned and never come to.
fn procedures(state: &CaseState) -> Vec<Value> {
    let untouched = state.planned.iter().filter(|p| state.procedure(&p.id).is_none());
    state
        .procedures
        .iter()
        .map(|p| procedure(p, state.superseded.get(&p.id)))
        .chain(untouched.map(never))
        .collect()
}

/// A procedure as it stands; `earlier` is the run whose outcome stands while it runs again.
fn procedure(p: &ProcedureState, earlier: Option<&ProcedureState>) -> Value {
    let mut out = Map::new();
    out.insert("id".into(), p.id.clone().into());
    out.insert("phase".into(), p.phase.map_or(Value::Null, |p| p.name().into()));
    let (status, reason) = match &p.status {
        Status::Finished { .. } => ("finished", Value::Null),
        Status::Skipped(why) => ("skipped", visible(why).into()),
        Status::Failed(why) => ("failed", visible(why).into()),
        Status::Stopped { done, units } => {
            ("stopped", format!("stopped after {done} of {units} units").into())
        }
        Status::Queued => ("stopped", "planned and not started".into()),
        Status::Running => ("stopped", "interrupted: no end is recorded".into()),
    };
    out.insert("status".into(), status.into());
    let (record, seconds) = match &earlier.unwrap_or(p).status {
        Status::Finished { record, seconds } => (Some(record), number(*seconds)),
        _ => (None, Value::Null),
    };
    let of = |f: fn(&crate::procedure::Record) -> Value| record.map_or(Value::Null, |r| f(r));
    out.insert("verdict".into(), of(|r| r.verdict.name().into()));
    out.insert("reason".into(), reason);
    out.insert("summary".into(), of(|r| r.summary.clone().into()));
    out.insert("statistic".into(), of(|r| r.statistic.clone()));
    out.insert("threshold".into(), of(|r| r.threshold.clone()));
    out.insert("threshold_origin".into(), of(|r| r.threshold_origin.clone().into()));
    out.insert("seconds".into(), seconds);
    let map = |f: fn(&crate::procedure::Record) -> Value| record.map_or_else(|| json!({}), |r| f(r));
    out.insert("measures".into(), map(|r| json!(r.measures)));
    out.insert("limits".into(), of(|r| r.limits.clone().into()));
    out.insert("blobs".into(), map(|r| json!(r.blobs)));
    out.insert("figures".into(), map(|r| json!(r.figures)));
    out.insert("version".into(), p.version.into());
    out.insert("params".into(), p.params.clone());
    Value::Object(out)
}

fn never(p: &Planned) -> Value {
    json!({
        "id": p.id, "phase": p.phase.name(), "status": "stopped", "verdict": null, "reason": "planned and never run",
        "summary": null, "statistic": null, "threshold": null, "threshold_origin": null, "seconds": null,
        "measures": {}, "limits": null, "blobs": {}, "figures": {}, "version": p.version, "params": null,
    })
}

fn finding(f: &crate::case::Numbered) -> Value {
    let of = &f.finding;
    json!({
        "id": f.id, "procedure": f.procedure, "concern": of.concern, "severity": of.severity,
        "confidence": of.confidence, "title": visible(&of.title), "detail": visible(&of.detail), "class": of.class,
        "source_class": of.source_class, "evidence": of.evidence, "atlas": of.atlas, "owasp": of.owasp,
    })
}
