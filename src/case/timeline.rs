//! An event in one line of visible text, for the timeline.

use super::Event;
use crate::evidence::ItemState;
use crate::evidence::text::visible;

/// What happened.
pub(super) fn what(event: &Event) -> String {
    visible(&match event {
        Event::CaseOpened { case, tool, seed, effort, analyst, .. } => {
            let (id, effort) = (&case.id, effort.name());
            format!("case {id} opened{} with laocoon {tool}, seed {seed}, effort {effort}", by(analyst))
        }
        Event::Resumed { tool, analyst, .. } => format!("opened again{} with laocoon {tool}", by(analyst)),
        Event::Planned { procedures, .. } => format!("{} procedures planned", procedures.len()),
        Event::Requested { procedures } => format!("asked for: {}", procedures.join(", ")),
        Event::EvidenceAdded { item } => {
            let (id, role, path) = (&item.id, item.role.name(), item.path.raw());
            match &item.state {
                ItemState::Accepted => format!("{id} {role} {path} accepted, sha256 {}", item.sha256),
                ItemState::Refused(why) => format!("{id} {role} {path} refused: {why}"),
            }
        }
        Event::EvidenceChanged { id, detail } => format!("{id} changed: {detail}"),
        Event::EvidenceChecked { items, how } => {
            format!("{} compared with intake by {how}", items.join(", "))
        }
        Event::JobQueued { procedure, .. } => format!("{procedure} queued"),
        Event::JobStarted { procedure } => format!("{procedure} started"),
        Event::JobEnded { procedure, record, seconds } => {
            format!(
                "{procedure} finished after {seconds:.1} s, {}: {}",
                record.verdict.name(),
                record.summary
            )
        }
        Event::JobSkipped { procedure, reason } => format!("{procedure} does not apply: {reason}"),
        Event::JobStopped { procedure, done, units } => format!("{procedure} stopped at {done} of {units}"),
        Event::JobFailed { procedure, reason } => format!("{procedure} failed: {reason}"),
        Event::Noted { text } => format!("note: {text}"),
        Event::Annotated { about, text } => format!("note on {}: {text}", about.name()),
        Event::Judged { about, judgement, reason } => {
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("{} {} by the analyst{reason}", about.name(), judgement.name())
        }
        Event::Tagged { about, tag, on: true } => format!("{} tagged {tag}", about.name()),
        Event::Tagged { about, tag, on: false } => format!("tag {tag} taken off {}", about.name()),
        Event::Undone { event } => format!("event {event} taken back"),
        Event::Exported { format, sha256 } => format!("exported as {format}, sha256 {sha256}"),
        Event::Sealed { analyst } => format!("sealed{}", by(analyst)),
        Event::Redacted { what, head } => {
            format!("redacted copy, without {}, of the session that ends in {head}", what.join(" and "))
        }
        Event::Recovered { bytes, kept } => format!("{bytes} bytes of a torn record set aside in {kept}"),
        Event::Unknown { kind, .. } => {
            format!("'{kind}', written by a version that knows more; not shown here")
        }
    })
}

fn by(analyst: &str) -> String {
    if analyst.is_empty() { String::new() } else { format!(" by {analyst}") }
}
