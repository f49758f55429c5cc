//! The result of a scan for a person at a terminal or in a CI log: verdict first, then findings, then every procedure.

use crate::case::{CaseState, Status, assess, gate};
use crate::evidence::ItemState;
use crate::evidence::text::visible;
use crate::figure::label;
use crate::procedure::Record;
use serde_json::Value;
use std::fmt::Write;

/// The text, lines of moderate width, a line break at the end.
pub fn write(state: &CaseState) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = lines(state, &mut out);
    out
}

fn lines(state: &CaseState, out: &mut String) -> std::fmt::Result {
    let assessment = assess(state);
    let title = state.case.as_ref().map(|c| format!("{} – {}", visible(&c.id), visible(&c.title)));
    writeln!(out, "{}", title.unwrap_or_default())?;
    write!(out, "verdict: {}", assessment.verdict.name())?;
    if !assessment.target_classes.is_empty() {
        let classes: Vec<String> = assessment.target_classes.iter().map(ToString::to_string).collect();
        write!(out, ", target class {}", classes.join(", "))?;
    }
    writeln!(out)?;
    for item in &state.evidence {
        let how = match &item.state {
            ItemState::Accepted => "accepted".to_owned(),
            ItemState::Refused(why) => format!("refused: {}", visible(why)),
        };
        let digest = item.sha256.get(..12).unwrap_or("no digest");
        writeln!(out, "  {} {} {} {digest} {how}", item.id, item.role.name(), item.path.shown())?;
    }
    if state.findings.is_empty() {
        writeln!(out, "findings: none, within the limits below; there is no verdict \"clean\"")?;
    } else {
        writeln!(out, "findings:")?;
    }
    for numbered in &state.findings {
        let finding = &numbered.finding;
        let grade = format!("{:?}/{:?}", finding.severity, finding.confidence).to_lowercase();
        writeln!(out, "  {} {grade} {}: {}", numbered.id, numbered.procedure, visible(&finding.title))?;
    }
    writeln!(out, "procedures:")?;
    for procedure in &state.procedures {
        let id = visible(&procedure.id);
        match &procedure.status {
            Status::Finished { record, seconds } => {
                writeln!(
                    out,
                    "  {id:<22} {:<14} {} ({seconds:.1} s)",
                    record.verdict.name(),
                    measured(record)
                )?;
                writeln!(out, "  {:<22} limits: {}", "", visible(&record.limits))?;
            }
            Status::Skipped(why) => writeln!(out, "  {id:<22} skipped        {}", visible(why))?,
            Status::Stopped { done, units } => {
                writeln!(out, "  {id:<22} stopped        at {done} of {units}")?;
            }
            Status::Failed(why) => writeln!(out, "  {id:<22} failed         {}", visible(why))?,
            Status::Queued | Status::Running => writeln!(out, "  {id:<22} not finished")?,
        }
    }
    for line in gate::missing(state) {
        writeln!(out, "incomplete: {}", visible(&line))?;
    }
    Ok(())
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
