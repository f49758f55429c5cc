//! What starts a pipeline, and how often.

use super::super::sighting::{Seen, Sighting};
use super::compare::{bad, tidy};
use super::workflow::Workflow;
use crate::procedure::{Confidence, Severity};

/// What starts the pipeline.
pub(super) fn triggers(old: Option<&Workflow>, new: &Workflow, seen: &mut Seen) {
    let Some(old) = old else { return };
    let at = (new.file.as_str(), 0);
    for (name, value) in &new.triggers {
        let was = old.triggers.get(name);
        let detail = format!("was '{}', is '{value}'", was.map_or("absent", String::as_str));
        let sighting = match (name.as_str(), was) {
            (_, Some(was)) if tidy(was) == tidy(value) => continue,
            ("pull_request_target" | "issue_comment", None) => {
                bad("trigger.added", Severity::High, at, format!("strangers can start it now: {name}"))
            }
            ("workflow_run" | "repository_dispatch" | "issues" | "discussion" | "fork" | "watch", None) => {
                bad("trigger.added", Severity::Medium, at, format!("something outside starts it now: {name}"))
            }
            ("schedule", was) => schedule(was.map(String::as_str), value, at),
            ("push" | "pull_request", Some(was))
                if !was.is_empty()
                    && (value.is_empty() || value.split_whitespace().any(|w| matches!(w, "*" | "**"))) =>
            {
                bad("trigger.widened", Severity::Medium, at, format!("any branch starts it now: {name}"))
            }
            _ => Sighting::note("trigger.changed", at, format!("trigger '{name}' was changed or added")),
        };
        seen.push(sighting.because(detail));
    }
    for name in old.triggers.keys().filter(|n| !new.triggers.contains_key(*n)) {
        let title = format!("trigger '{name}' was removed");
        seen.push(Sighting::note("trigger.removed", at, title));
    }
}

/// Runs a day of a schedule, where it can be told.
pub(super) fn runs_a_day(text: &str) -> Option<f64> {
    let text = text.replace("cron", " ").replace(['(', ')', '"', '\'', '?'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["@hourly"] => return Some(24.0),
        ["@daily" | "@midnight"] => return Some(1.0),
        ["@weekly"] => return Some(1.0 / 7.0),
        ["@monthly"] => return Some(1.0 / 30.0),
        _ => {}
    }
    let at = words.len().checked_sub(5)?;
    let fields: Vec<&str> = words[at..].to_vec();
    let often = |field: &str, of: f64| -> f64 {
        field
            .split(',')
            .map(|part| match part.split_once('/') {
                Some((_, step)) => of / step.parse::<f64>().unwrap_or(1.0).max(1.0),
                None if part == "*" => of,
                None => match part.split_once('-') {
                    Some((a, b)) => {
                        (b.parse::<f64>().unwrap_or(0.0) - a.parse::<f64>().unwrap_or(0.0) + 1.0).max(1.0)
                    }
                    None => 1.0,
                },
            })
            .sum()
    };
    let days = (often(fields[2], 30.0) / 30.0).min(often(fields[4], 7.0) / 7.0);
    Some(often(fields[0], 60.0) * often(fields[1], 24.0) * days)
}

pub(super) fn schedule(was: Option<&str>, is: &str, at: (&str, usize)) -> Sighting {
    let (a, b) = (was.and_then(runs_a_day), runs_a_day(is));
    match (was, a, b) {
        (_, Some(a), Some(b)) if b >= 4.0 * a => bad(
            "trigger.schedule",
            Severity::Medium,
            at,
            format!("it runs {:.0} times as often: {is}", b / a),
        ),
        (Some(_), Some(_), Some(_)) => {
            Sighting::note("trigger.schedule", at, format!("it runs at another time: {is}"))
        }
        (None, ..) => bad("trigger.schedule", Severity::Medium, at, format!("it runs by itself now: {is}"))
            .sure(Confidence::Medium),
        _ => Sighting::note("trigger.schedule", at, format!("its schedule was changed: {is}")),
    }
}
