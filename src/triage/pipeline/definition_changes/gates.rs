//! Conditions, commands and bars of checks: what makes them weaker.

use super::super::sighting::{Seen, Sighting};
use super::compare::{bad, likeness, tidy};
use super::workflow::{Task, snake};
use crate::procedure::{Confidence, Severity};
use std::collections::BTreeMap;

/// A condition that never holds.
pub(super) fn never(text: &str) -> bool {
    let plain = text.replace(['$', '{', '}', ' ', '"'], "").to_lowercase();
    matches!(plain.as_str(), "false" | "never" | "0" | "1==2" | "1==0" | "false==true" | "true==false")
        || plain.ends_with("&&false")
        || plain.starts_with("false&&")
        || plain.split_terminator("when:").any(|p| p == "never")
        || text.split_whitespace().eq(["never"])
}

pub(super) fn condition(task: Task, name: &str, (was, is): (&str, &str), at: (&str, usize), seen: &mut Seen) {
    let detail = format!("was '{was}', is '{is}'");
    let always = is.contains("always()") || is.split_whitespace().any(|w| w == "always");
    if let (Some((left, op, a)), Some((left2, op2, b))) = (threshold(was), threshold(is))
        && left == left2
        && op == op2
        && a.total_cmp(&b).is_ne()
    {
        let lower = if op.starts_with('>') { b < a } else { b > a };
        let title = format!(
            "the bar that '{name}' depends on was {}: {a} to {b}",
            if lower { "lowered" } else { "raised" }
        );
        seen.push(
            if lower {
                bad("gate.lowered", Severity::High, at, title)
            } else {
                Sighting::note("gate.raised", at, title)
            }
            .because(detail),
        );
        return;
    }
    let sighting = if task.checks() && never(is) {
        bad("step.skipped", Severity::High, at, format!("step '{name}', which {}, never runs", task.words()))
    } else if task.checks() && is.contains("manual") && !was.contains("manual") && task != Task::Gate {
        bad(
            "step.skipped",
            Severity::High,
            at,
            format!("step '{name}', which {}, runs only by hand", task.words()),
        )
    } else if task.checks() && was.is_empty() {
        bad(
            "step.conditional",
            Severity::Medium,
            at,
            format!("step '{name}', which {}, runs only under a condition", task.words()),
        )
        .sure(Confidence::Medium)
    } else if matches!(task, Task::Deploy | Task::Train)
        && !was.is_empty()
        && (is.is_empty() || (always && !was.contains("always")))
    {
        bad(
            "gate.removed",
            Severity::High,
            at,
            format!("the condition of '{name}', which {}, was removed", task.words()),
        )
    } else if task == Task::Deploy && !was.is_empty() {
        bad(
            "gate.changed",
            Severity::Medium,
            at,
            format!("the condition of '{name}', which {}, was changed", task.words()),
        )
        .sure(Confidence::Medium)
    } else if matches!(task, Task::Deploy | Task::Train) && always {
        bad(
            "gate.removed",
            Severity::High,
            at,
            format!("step '{name}', which {}, runs whatever happened before", task.words()),
        )
    } else {
        Sighting::note("step.condition", at, format!("the condition of '{name}' was changed"))
    };
    seen.push(sighting.because(detail));
}

/// `left op number` of a comparison with a number.
pub(super) fn threshold(text: &str) -> Option<(String, &'static str, f64)> {
    for op in [">=", "<=", ">", "<"] {
        if let Some((left, right)) = text.split_once(op) {
            let number: String = right
                .trim_start_matches(['"', ' ', '\''])
                .chars()
                .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e'))
                .collect();
            if let Ok(value) = number.parse() {
                return Some((left.trim().trim_matches('"').to_owned(), op, value));
            }
        }
    }
    None
}

pub(super) const NEUTERED: [&str; 15] = [
    "|| true",
    "|| :",
    "; true",
    "exit 0",
    "set +e",
    "--skip",
    "--no-verify",
    "--dry-run",
    "--exit-zero",
    "--ignore-errors",
    "--no-check",
    "--no-fail",
    "--warn-only",
    "--soft-fail",
    "|| echo",
];

/// Whether a script does nothing.
pub(super) fn idle(text: &str) -> bool {
    let mut lines = text
        .split(['\n', ';'])
        .flat_map(|l| l.split("&&"))
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    !text.trim().is_empty()
        && lines.all(|l| {
            let l = ["sh -c ", "bash -c ", "/bin/sh -c ", "sh -ec ", "bash -ec "]
                .iter()
                .fold(l, |l, p| l.trim_start_matches(*p))
                .trim_matches(['"', '\'', ' ']);
            matches!(
                l.split_whitespace().next(),
                Some("echo" | "true" | "exit" | ":" | "set" | "sleep" | "printf")
            )
        })
}

pub(super) fn command(task: Task, name: &str, (was, is): (&str, &str), at: (&str, usize), seen: &mut Seen) {
    let detail = format!("was: {was} — is: {is}");
    if task.checks() {
        if idle(is) && !idle(was) {
            let title = format!("step '{name}', which {}, does nothing any more", task.words());
            return seen.push(bad("step.neutered", Severity::High, at, title).because(detail));
        }
        let (before, after) = (tidy(was), tidy(is));
        if let Some(word) = NEUTERED.iter().find(|w| after.contains(**w) && !before.contains(**w)) {
            let title = format!("step '{name}', which {}, cannot fail any more ({word})", task.words());
            return seen.push(bad("step.neutered", Severity::High, at, title).because(detail));
        }
        let (a, b) = (options(was), options(is));
        for (key, value) in &b {
            if let Some(before) = a.get(key)
                && let Some(how) = loosened(key, before, value)
            {
                return seen.push(
                    bad(
                        "gate.lowered",
                        Severity::High,
                        at,
                        format!("the bar of '{name}' was lowered: {how}"),
                    )
                    .because(detail),
                );
            }
        }
        if !was.trim().is_empty() && likeness(&before, &after) < 0.3 {
            let title = format!("step '{name}', which {}, runs something else", task.words());
            return seen.push(
                bad("step.replaced", Severity::Medium, at, title).because(detail).sure(Confidence::Medium),
            );
        }
    }
    seen.push(
        Sighting::note("step.command", at, format!("what step '{name}' runs was changed")).because(detail),
    );
}

/// Options with values: `--min-accuracy 0.9`, `MIN_ACC=0.9`, `min_accuracy: 0.9`.
pub(super) fn options(text: &str) -> BTreeMap<String, String> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '"' | '\''))
        .filter(|w| !w.is_empty())
        .collect();
    let mut out = BTreeMap::new();
    for (i, word) in words.iter().enumerate() {
        if let Some((key, value)) = word.split_once('=').filter(|(k, v)| !k.is_empty() && !v.is_empty()) {
            out.insert(key.trim_start_matches('-').to_owned(), value.to_owned());
        } else if matches!(word.strip_prefix("--").or(word.strip_suffix(':')), Some(w) if !w.is_empty())
            && let Some(value) = words.get(i + 1)
        {
            out.insert(word.trim_start_matches('-').trim_end_matches(':').to_owned(), (*value).to_owned());
        } else if matches!(*word, ">" | ">=" | "<" | "<=")
            && i > 0
            && let Some(value) = words.get(i + 1)
        {
            // A bar in code: `accuracy < 0.9` fails the step.
            let kind = if word.starts_with('<') { "min" } else { "max" };
            out.insert(format!("{kind} {}", words[i - 1]), (*value).to_owned());
        }
    }
    out
}

/// How a bar was lowered, if it was.
pub(super) fn loosened(key: &str, was: &str, is: &str) -> Option<String> {
    let (a, b): (f64, f64) = (was.parse().ok()?, is.parse().ok()?);
    let name = snake(key);
    let any = |words: &[&str]| words.iter().any(|w| name.contains(w));
    // Sizes and durations are no bars.
    let sizes = [
        "worker",
        "batch",
        "token",
        "length",
        "seq",
        "epoch",
        "step",
        "mem",
        "time",
        "retr",
        "parallel",
        "gpu",
        "cpu",
        "thread",
        "size",
        "row",
        "rate_limit",
        "learning",
        "max_lr",
        "min_lr",
        "grad",
    ];
    if any(&sizes) {
        return None;
    }
    let lower_is_looser =
        if any(&["max", "toleran", "drop", "drift", "allowed", "limit", "epsilon", "fpr", "error_rate"]) {
            false
        } else if any(&[
            "min",
            "thresh",
            "accurac",
            "f1",
            "auc",
            "score",
            "required",
            "coverage",
            "recall",
            "precision",
            "rightvalue",
            "right_value",
            "bar",
        ]) {
            true
        } else {
            return None;
        };
    let looser = if lower_is_looser { b < a } else { b > a };
    looser.then(|| format!("{key} from {was} to {is}"))
}
