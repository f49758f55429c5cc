//! Who waits for whom, then and now.

use super::super::sighting::{Seen, Sighting};
use super::compare::bad;
use super::workflow::{Task, Workflow};
use crate::procedure::Severity;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Steps that no longer wait for what they waited for.
pub(super) fn order(old: &Workflow, new: &Workflow, to: &[Option<usize>], seen: &mut Seen) {
    let (before, now) = (old.before(), new.before());
    let file = new.file.as_str();
    let mut freed: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut moved = 0;
    for (g, step) in old.steps.iter().enumerate() {
        let Some(g2) = to[g] else { continue };
        for &c in &before[g] {
            let Some(c2) = to[c].filter(|c2| !now[g2].contains(c2)) else { continue };
            let (what, then) = (old.steps[c].task(), step.task());
            if what.checks() && !then.checks() {
                freed.entry(c2).or_default().push(g2);
            } else if then == Task::Validate && matches!(what, Task::Ingest | Task::Transform) {
                // Data that was validated is brought in behind the validation, and still used.
                let used = new
                    .steps
                    .iter()
                    .enumerate()
                    .any(|(t, s)| s.task() == Task::Train && now[t].contains(&c2));
                if used {
                    let severity = if what == Task::Ingest { Severity::High } else { Severity::Medium };
                    let title = format!(
                        "'{}', which {}, reaches training without passing '{}'",
                        new.steps[c2].id,
                        what.words(),
                        new.steps[g2].id
                    );
                    seen.push(bad("order.data", severity, (file, new.steps[c2].line), title));
                }
            } else {
                moved += 1;
            }
        }
    }
    for (check, free) in freed {
        // Where the order of the two is turned around, or one of them waits for nothing: name the next ones only.
        let names: Vec<&str> = free.iter().map(|g| new.steps[*g].id.as_str()).collect();
        let guarded = free.iter().any(|g| {
            matches!(new.steps[*g].task(), Task::Train | Task::Deploy | Task::Ingest | Task::Transform)
        });
        let title = format!(
            "'{}' no longer wait{} for '{}'",
            names.join("', '"),
            if names.len() == 1 { "s" } else { "" },
            new.steps[check].id
        );
        let at = (file, free.first().map_or(0, |g| new.steps[*g].line));
        seen.push(if guarded {
            bad("order.gate", Severity::High, at, title)
        } else {
            Sighting::note("order.changed", at, title)
        });
    }
    if moved > 0 {
        seen.push(Sighting::note(
            "order.changed",
            (file, 0),
            format!("{moved} pairs of other steps changed their order"),
        ));
    }
}

/// New steps that do what was only done behind a check, or feed training past the validation.
pub(super) fn around(old: &Workflow, new: &Workflow, to: &[Option<usize>], seen: &mut Seen) {
    let (before, now) = (old.before(), new.before());
    let known: BTreeSet<usize> = to.iter().flatten().copied().collect();
    let file = new.file.as_str();
    let checks: HashMap<Task, BTreeSet<usize>> = [Task::Train, Task::Deploy]
        .into_iter()
        .map(|task| {
            let sets = old.steps.iter().zip(&before).filter(|(s, _)| s.task() == task);
            let checks = |b: &BTreeSet<usize>| {
                b.iter().copied().filter(|c| old.steps[*c].task().checks()).collect::<BTreeSet<_>>()
            };
            let common = sets
                .map(|(_, b)| checks(b))
                .reduce(|a, b| a.intersection(&b).copied().collect())
                .unwrap_or_default();
            (task, common)
        })
        .collect();
    let validated = |t: usize| {
        old.steps
            .iter()
            .enumerate()
            .any(|(v, s)| s.task() == Task::Validate && to[v].is_some_and(|v2| now[t].contains(&v2)))
    };
    for (j, step) in new.steps.iter().enumerate().filter(|(j, _)| !known.contains(j)) {
        let task = step.task();
        if let Some(common) = checks.get(&task) {
            let missed: Vec<&str> = common
                .iter()
                .filter(|c| to[**c].is_none_or(|c2| !now[j].contains(&c2)))
                .map(|c| old.steps[*c].id.as_str())
                .collect();
            if !missed.is_empty() {
                let title = format!(
                    "new step '{}', which {}, goes around '{}'",
                    step.id,
                    task.words(),
                    missed.join("', '")
                );
                seen.push(bad("path.around", Severity::High, (file, step.line), title));
            }
        }
        if task == Task::Ingest {
            let feeds = |t: usize| new.steps[t].task() == Task::Train && now[t].contains(&j);
            let checked =
                (0..new.steps.len()).any(|v| new.steps[v].task() == Task::Validate && now[v].contains(&j));
            if let Some(t) = (0..new.steps.len()).find(|t| feeds(*t) && validated(*t)).filter(|_| !checked) {
                let title = format!(
                    "new step '{}' brings data to '{}' that nothing validates",
                    step.id, new.steps[t].id
                );
                seen.push(bad("path.data", Severity::High, (file, step.line), title));
            }
        }
    }
}

/// A workflow that was not among those reviewed.
pub(super) fn added(old: &[Workflow], new: &Workflow, seen: &mut Seen) {
    let file = new.file.as_str();
    seen.push(Sighting::note(
        "workflow.added",
        (file, 0),
        format!("workflow '{}' was not among those reviewed", new.name),
    ));
    let before = new.before();
    for (j, step) in
        new.steps.iter().enumerate().filter(|(_, s)| matches!(s.task(), Task::Train | Task::Deploy))
    {
        let task = step.task();
        let guarded = |w: &Workflow| {
            let before = w.before();
            w.steps
                .iter()
                .zip(before)
                .any(|(s, b)| s.task() == task && b.iter().any(|c| w.steps[*c].task().checks()))
        };
        let own = before[j].iter().any(|c| new.steps[*c].task().checks());
        if !own && old.iter().any(guarded) {
            let title = format!(
                "step '{}' of a workflow that was not reviewed {} without any check",
                step.id,
                task.words()
            );
            seen.push(bad("path.around", Severity::High, (file, step.line), title));
        }
    }
}
