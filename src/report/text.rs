//! The result of a scan for a person at a terminal or in a CI log: verdict first, then findings, then every procedure.

use super::ledger::{Accusation, Ledger, Run};
use super::{Format, Write as Writer};
use crate::case::gate::Standing;
use crate::figure::label;
use crate::procedure::Record;
use serde_json::Value;
use std::fmt::Write;

/// The format.
pub const FORMAT: Format = Format {
    name: "text",
    about: "for a terminal or a CI log",
    extension: "txt",
    write: Writer::Data(write),
};

/// The text, lines of moderate width, a line break at the end.
pub fn write(ledger: &Ledger) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = lines(ledger, &mut out);
    out
}

fn lines(ledger: &Ledger, out: &mut String) -> std::fmt::Result {
    let assessment = &ledger.assessment;
    let named = !(ledger.case.is_empty() && ledger.title.is_empty());
    writeln!(out, "{}", if named { format!("{} – {}", ledger.case, ledger.title) } else { String::new() })?;
    write!(out, "verdict: {}", assessment.verdict.name())?;
    if !assessment.target_classes.is_empty() {
        let classes: Vec<String> = assessment.target_classes.iter().map(ToString::to_string).collect();
        write!(out, ", target class {}", classes.join(", "))?;
    }
    writeln!(out)?;
    for item in &ledger.exhibits {
        let how =
            item.refused.as_ref().map_or_else(|| "accepted".to_owned(), |why| format!("refused: {why}"));
        let digest = item.sha256.get(..12).unwrap_or("no digest");
        writeln!(out, "  {} {} {} {digest} {how}", item.id, item.role.name(), item.path)?;
    }
    findings(ledger, out)?;
    writeln!(out, "procedures:")?;
    for run in &ledger.runs {
        procedure(run, out)?;
    }
    for line in &ledger.open {
        writeln!(out, "incomplete: {line}")?;
    }
    Ok(())
}

fn findings(ledger: &Ledger, out: &mut String) -> std::fmt::Result {
    let of = |wanted: fn(&Standing) -> bool| -> Vec<&Accusation> {
        ledger.findings.iter().filter(|f| wanted(&f.standing)).collect()
    };
    let new = of(|s| *s == Standing::New);
    let known = of(|s| *s == Standing::Known);
    let word = if ledger.ruling.compared { "new findings" } else { "findings" };
    if new.is_empty() {
        writeln!(out, "{word}: none, within the limits below; there is no verdict \"clean\"")?;
    } else {
        writeln!(out, "{word}:")?;
    }
    for f in new {
        let grade = format!("{:?}/{:?}", f.finding.severity, f.finding.confidence).to_lowercase();
        writeln!(out, "  {} {grade} {}: {}", f.id, f.procedure, f.finding.title)?;
        writeln!(out, "     fingerprint {}", f.fingerprint)?;
    }
    if !known.is_empty() {
        let ids: Vec<&str> = known.iter().map(|f| f.id.as_str()).collect();
        writeln!(out, "known from the baseline, not listed: {}", ids.join(", "))?;
    }
    for f in &ledger.findings {
        if let Standing::Waived(waiver) = &f.standing {
            writeln!(
                out,
                "waived until {}: {} {} ({})",
                waiver.expires, f.id, f.finding.title, waiver.reason
            )?;
        }
    }
    for remark in &ledger.ruling.remarks {
        writeln!(out, "gate: {remark}")?;
    }
    Ok(())
}

fn procedure(run: &Run, out: &mut String) -> std::fmt::Result {
    let id = &run.id;
    match (&run.record, run.status) {
        (Some(record), "finished") => {
            let seconds = run.seconds.unwrap_or_default();
            writeln!(out, "  {id:<22} {:<14} {} ({seconds:.1} s)", record.verdict.name(), measured(record))?;
            writeln!(out, "  {:<22} limits: {}", "", crate::evidence::text::visible(&record.limits))
        }
        (_, status) => writeln!(out, "  {id:<22} {status:<14} {}", run.why.as_deref().unwrap_or_default()),
    }
}

/// The deciding number against its threshold.
fn measured(record: &Record) -> String {
    let show = |value: &Value| match value {
        Value::Null => None,
        Value::Number(n) => n.as_f64().map(label::number),
        other => other.as_str().map(str::to_owned),
    };
    match (show(&record.statistic), show(&record.threshold)) {
        (Some(statistic), Some(threshold)) => format!("statistic {statistic}, threshold {threshold}"),
        (Some(statistic), None) => format!("statistic {statistic}"),
        _ => String::new(),
    }
}
