//! A case for `TheHive` 5: `case` for `POST /api/v1/case`, then `observables` and `procedures` one by one to the case made.

use super::escape;
use super::ledger::Ledger;
use super::{Format, Write};
use crate::case::line::is_sha256;
use crate::procedure::{Severity, Verdict, taxonomy};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The format.
pub const FORMAT: Format = Format {
    name: "thehive",
    about: "a case with observables and procedures, TheHive 5",
    extension: "thehive.json",
    write: Write::Data(write),
};

/// The document.
pub fn write(ledger: &Ledger) -> String {
    escape::json(
        &json!({"case": case(ledger), "observables": observables(ledger), "procedures": procedures(ledger)}),
    )
}

/// Low 1, medium 2, high 3, critical 4.
fn severity(severity: Option<Severity>) -> u8 {
    severity.map_or(1, |s| s as u8 + 1)
}

fn millis(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

/// The traffic light of a classification such as "TLP:AMBER"; amber when it says nothing of the kind.
fn tlp(classification: Option<&str>) -> u8 {
    let said = classification.unwrap_or_default().to_uppercase();
    match said.trim_start_matches("TLP:").split([' ', '+', ',']).next() {
        Some("CLEAR" | "WHITE") => 0,
        Some("GREEN") => 1,
        Some("RED") => 3,
        _ => 2,
    }
}

fn case(ledger: &Ledger) -> Value {
    let md = escape::markdown;
    let worst = ledger.findings.iter().map(|f| f.finding.severity).max();
    let mut text =
        format!("Verdict: **{}**. There is no verdict \"clean\".\n\n", ledger.assessment.verdict.name());
    for question in &ledger.questions {
        let _ = writeln!(text, "- Asked: {}", md(question));
    }
    for f in &ledger.findings {
        let grade = format!("{:?} severity, {:?} confidence", f.finding.severity, f.finding.confidence)
            .to_lowercase();
        let _ = writeln!(text, "- {} ({grade}, {}): {}", f.id, f.standing.name(), md(&f.finding.title));
    }
    for line in &ledger.open {
        let _ = writeln!(text, "- Open: {}", md(line));
    }
    let _ = writeln!(
        text,
        "\nJournal head `{}`, results `{}`, laocoon {}.",
        ledger.head,
        ledger.results,
        md(&ledger.tool)
    );
    let mut concerns: Vec<_> = ledger.findings.iter().map(|f| f.finding.concern).collect();
    concerns.sort_unstable();
    concerns.dedup();
    let tasks: Vec<Value> = concerns
        .iter()
        .flat_map(|c| taxonomy::map(*c).steps)
        .map(|step| json!({"title": escape::cut(step, 120), "group": "laocoon", "description": step}))
        .collect();
    let mut tags = vec!["laocoon".to_owned(), format!("verdict:{}", ledger.assessment.verdict.name())];
    tags.extend(ledger.techniques().into_iter().map(|t| format!("atlas:{t}")));
    tags.extend(ledger.assessment.family.iter().map(|f| format!("family:{f}")));
    json!({
        "title": escape::cut(&format!("[{}] {}", ledger.case, ledger.title), 500),
        "description": text,
        "severity": severity(worst),
        "startDate": millis(&ledger.opened),
        "flag": ledger.assessment.verdict == Verdict::Flagged,
        "tlp": tlp(ledger.handling.classification.as_deref()),
        "pap": 2,
        "tags": tags,
        "tasks": tasks,
    })
}

fn observables(ledger: &Ledger) -> Vec<Value> {
    let accused =
        |id: &str| ledger.findings.iter().any(|f| ledger.rests_on(&f.finding).iter().any(|e| e.id == id));
    ledger
        .exhibits
        .iter()
        .filter(|e| !e.folder && is_sha256(&e.sha256))
        .map(|e| {
            json!({
                "dataType": "hash",
                "data": e.sha256,
                "message": format!("{} {}: {}", e.id, e.role.name(), escape::markdown(&e.path)),
                "tags": ["sha256", e.role.name(), e.format],
                "ioc": accused(&e.id),
                "sighted": true,
                "startDate": millis(&ledger.opened),
            })
        })
        .collect()
}

fn procedures(ledger: &Ledger) -> Vec<Value> {
    let one = |id: &str| {
        let by: Vec<&str> = ledger
            .findings
            .iter()
            .filter(|f| f.finding.atlas.iter().any(|a| a == id))
            .map(|f| f.id.as_str())
            .collect();
        let name = taxonomy::name(id).unwrap_or_default();
        let tactic = taxonomy::TECHNIQUES.iter().find(|t| t.id == id).and_then(|t| t.tactics.first());
        json!({
            "occurDate": millis(&ledger.closed),
            "patternId": id,
            "tactic": tactic.map_or_else(|| "unknown".to_owned(), |t| t.to_lowercase().replace(' ', "-")),
            "description": format!("{name}: {}", by.join(", ")),
        })
    };
    ledger.techniques().into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lights_by_name() {
        assert_eq!(
            [Some("TLP:RED"), Some("tlp:amber+strict"), Some("TLP:CLEAR"), Some("secret"), None].map(tlp),
            [3, 2, 0, 2, 2]
        );
        assert_eq!((severity(None), severity(Some(Severity::Critical)), millis("x")), (1, 4, 0));
    }
}
