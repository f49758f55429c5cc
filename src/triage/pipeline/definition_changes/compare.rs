//! An approved workflow against the one that ran.

use super::super::sighting::{Seen, Sighting};
use super::content::{self, Act};
use super::gates::{command, condition, loosened};
use super::graph::{added, around, order};
use super::places::{image, shape};
use super::triggers::triggers;
use super::workflow::{Step, Task, Workflow};
use crate::procedure::{Concern, Confidence, Severity};
use std::collections::BTreeSet;

pub(super) fn bad(
    code: &'static str,
    severity: Severity,
    at: (&str, usize),
    title: impl AsRef<str>,
) -> Sighting {
    Sighting::new(code, severity, Concern::Pipeline, at, title)
}

/// Everything that changed between two sets of workflows.
pub(super) fn compare(old: &[Workflow], new: &[Workflow], seen: &mut Seen) {
    let acts_before: BTreeSet<String> = old
        .iter()
        .flat_map(|w| w.steps.iter().flat_map(content::acts).chain(content::whole(&w.settings)))
        .map(|a| a.key)
        .collect();
    let pairs = pair(old, new);
    for (i, flow) in old.iter().enumerate() {
        if pairs.iter().any(|(a, _)| *a == Some(i)) {
            continue;
        }
        let checks: Vec<&str> =
            flow.steps.iter().filter(|s| s.task().checks()).map(|s| s.id.as_str()).collect();
        let at = (flow.file.as_str(), 0);
        if checks.is_empty() {
            seen.push(Sighting::note(
                "workflow.removed",
                at,
                format!("workflow '{}' is not there any more", flow.name),
            ));
        } else {
            let title = format!("workflow '{}' is not there any more, with its checks", flow.name);
            seen.push(
                bad("workflow.removed", Severity::High, at, title)
                    .because(format!("it had: {}", checks.join(", "))),
            );
        }
    }
    for (before, after) in pairs {
        let after = &new[after];
        match before {
            Some(i) => changes(&old[i], after, seen),
            None => added(old, after, seen),
        }
        triggers(before.map(|i| &old[i]), after, seen);
        for step in &after.steps {
            let mut known = BTreeSet::new();
            for a in content::acts(step) {
                if !acts_before.contains(&a.key) && known.insert((a.code, a.key.clone())) {
                    push_act(&a, &after.file, step, seen);
                }
            }
        }
        let own = Step { id: after.name.clone(), ..Step::default() };
        for a in content::whole(&after.settings).into_iter().filter(|a| !acts_before.contains(&a.key)) {
            push_act(&a, &after.file, &own, seen);
        }
    }
}

fn push_act(a: &Act, file: &str, step: &Step, seen: &mut Seen) {
    let title = format!("step '{}': {}", step.id, a.what);
    let at = (file, step.line);
    seen.push(match a.severity {
        Some(severity) => bad(a.code, severity, at, title).because("not so in the reviewed definition"),
        None => Sighting::note(a.code, at, title),
    });
}

/// Whether two workflows are the same one.
type Alike<'a> = &'a dyn Fn(&Workflow, &Workflow) -> bool;

/// Workflows of both sides that are the same one: by file and name, by file, by name, by their steps.
fn pair(old: &[Workflow], new: &[Workflow]) -> Vec<(Option<usize>, usize)> {
    let mut taken = BTreeSet::new();
    let mut out = vec![None; new.len()];
    let steps = |w: &Workflow| w.steps.iter().map(|s| s.id.clone()).collect::<BTreeSet<_>>();
    let alike: [Alike; 4] = [
        &|a, b| a.file == b.file && a.name == b.name,
        &|a, b| a.file == b.file,
        &|a, b| a.name == b.name && a.kind == b.kind,
        &|a, b| {
            let (a, b) = (steps(a), steps(b));
            a.intersection(&b).count() * 2 > a.union(&b).count()
        },
    ];
    for same in alike {
        for (j, b) in new.iter().enumerate() {
            if out[j].is_none()
                && let Some(i) = (0..old.len()).find(|i| !taken.contains(i) && same(&old[*i], b))
            {
                taken.insert(i);
                out[j] = Some(i);
            }
        }
    }
    out.into_iter().enumerate().map(|(j, i)| (i, j)).collect()
}

/// Share of words that two commands have in common.
pub(super) fn likeness(a: &str, b: &str) -> f64 {
    let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let (a, b) = (words(a), words(b));
    if a.is_empty() && b.is_empty() {
        0.0
    } else {
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }
}

/// For each old step the new one that it is: by id, else by what it runs.
fn matched(old: &Workflow, new: &Workflow) -> Vec<Option<usize>> {
    let index = new.index();
    let mut out: Vec<Option<usize>> = old.steps.iter().map(|s| index.get(s.id.as_str()).copied()).collect();
    let mut free: BTreeSet<usize> = (0..new.steps.len()).filter(|j| !out.contains(&Some(*j))).collect();
    for (i, step) in
        old.steps.iter().enumerate().filter(|(i, _)| !index.contains_key(old.steps[*i].id.as_str()))
    {
        let same = |j: &usize| {
            let other = &new.steps[*j];
            let (a, b) = (image(&step.image), image(&other.image));
            let runs = likeness(&step.command, &other.command);
            let bare = step.command.is_empty() && other.command.is_empty() && !a.name.is_empty();
            // The same name from another owner is what a substitution looks like.
            let near = if (&a.owner, &a.name) == (&b.owner, &b.name) { 0.5 } else { 0.0 };
            (runs >= 0.6 || (bare && a.name == b.name), runs + near)
        };
        let best = free
            .iter()
            .map(|j| (same(j), *j))
            .filter(|((ok, _), _)| *ok)
            .max_by(|a, b| a.0.1.total_cmp(&b.0.1).then(b.1.cmp(&a.1)));
        if let Some((_, j)) = best {
            free.remove(&j);
            out[i] = Some(j);
        }
    }
    out
}

fn changes(old: &Workflow, new: &Workflow, seen: &mut Seen) {
    let file = new.file.as_str();
    let to = matched(old, new);
    let all_commands: Vec<&str> = new.steps.iter().map(|s| s.command.as_str()).collect();
    for (step, now) in old.steps.iter().zip(&to) {
        let task = step.task();
        let Some(now) = now.map(|j| &new.steps[j]) else {
            let held = |c: &&&str| !step.command.trim().is_empty() && contains(c, &step.command);
            if let Some(at) = all_commands.iter().position(|c| held(&c)) {
                let title = format!("step '{}' is part of '{}' now", step.id, new.steps[at].id);
                seen.push(Sighting::note("step.merged", (file, new.steps[at].line), title));
            } else if task.checks() {
                let title = format!("step '{}', which {}, was removed", step.id, task.words());
                seen.push(
                    bad("step.removed", Severity::High, (file, 0), title)
                        .because(format!("line {} of the reviewed definition", step.line)),
                );
            } else {
                seen.push(Sighting::note(
                    "step.removed",
                    (file, 0),
                    format!("step '{}' was removed", step.id),
                ));
            }
            continue;
        };
        if now.id != step.id {
            seen.push(Sighting::note(
                "step.renamed",
                (file, now.line),
                format!("step '{}' is called '{}' now", step.id, now.id),
            ));
        }
        one(step, now, file, seen);
    }
    let known: BTreeSet<usize> = to.iter().flatten().copied().collect();
    for (_, step) in new.steps.iter().enumerate().filter(|(j, _)| !known.contains(j)) {
        seen.push(Sighting::note(
            "step.added",
            (file, step.line),
            format!("step '{}' was added; it {}", step.id, step.task().words()),
        ));
        stranger(old, step, file, seen);
    }
    order(old, new, &to, seen);
    around(old, new, &to, seen);
}

/// An added step whose image or action comes from a place that the reviewed workflow does not use.
fn stranger(old: &Workflow, step: &Step, file: &str, seen: &mut Seen) {
    const USUAL: [&str; 9] = [
        "actions",
        "github",
        "docker",
        "aws-actions",
        "google-github-actions",
        "azure",
        "hashicorp",
        "astral-sh",
        "gcr.io/kaniko-project",
    ];
    let new = image(&step.image);
    let known = old.steps.iter().any(|s| image(&s.image).owner == new.owner);
    if new.owner.is_empty()
        || new.owner == "."
        || known
        || USUAL.contains(&new.owner.as_str())
        || step.image.contains("{{")
    {
        return;
    }
    let title = format!("new step '{}' runs what comes from a new place: {}", step.id, step.image);
    let at = (file, step.line);
    seen.push(if new.digest.is_empty() {
        bad("image.source", Severity::Medium, at, title)
            .sure(Confidence::Low)
            .because("not pinned to a digest or commit")
    } else {
        Sighting::note("image.source", at, title)
    });
}

/// Whether a script holds all commands of another.
fn contains(script: &str, part: &str) -> bool {
    let script: BTreeSet<&str> = script.split_whitespace().collect();
    let words: Vec<&str> = part.split_whitespace().collect();
    words.len() > 1 && words.iter().filter(|w| script.contains(*w)).count() * 10 >= words.len() * 9
}

/// One step then and now.
fn one(old: &Step, new: &Step, file: &str, seen: &mut Seen) {
    let (task, at) = (old.task(), (file, new.line));
    let name = &new.id;
    let guarded = matches!(task, Task::Deploy | Task::Train);
    if new.tolerant && !old.tolerant {
        let title = format!("step '{name}': a failure before or in it stops nothing any more");
        seen.push(if task.checks() || guarded {
            bad("step.tolerant", Severity::High, at, title)
        } else {
            Sighting::note("step.tolerant", at, title)
        });
    }
    let (was, is) = (tidy(&old.condition), tidy(&new.condition));
    if was != is {
        condition(task, name, (&was, &is), at, seen);
    }
    let (was, is) = (tidy(&old.command), tidy(&new.command));
    if was != is {
        command(task, name, (&old.command, &new.command), at, seen);
    }
    images(old, new, at, seen);
    for (key, value) in &new.settings {
        let before = old.settings.get(key).map(String::as_str).unwrap_or_default();
        if before == value {
            continue;
        }
        if task.checks()
            && let Some(how) = loosened(key, before, value)
        {
            let title = format!("the bar of '{name}' was lowered: {how}");
            seen.push(bad("gate.lowered", Severity::High, at, title));
        } else if !shape_equal(before, value) {
            let title = format!(
                "step '{name}': {key} is '{value}'{}",
                if before.is_empty() { String::new() } else { format!(", was '{before}'") }
            );
            seen.push(Sighting::note("step.setting", at, title));
        }
    }
    for (key, value) in old.settings.iter().filter(|(k, _)| !new.settings.contains_key(*k)) {
        let approval = matches!(key.as_str(), "environment" | "environment.name" | "suspend")
            || key.starts_with("required_reviewers");
        let title = format!("step '{name}': {key} ('{value}') was removed");
        seen.push(if approval {
            bad("gate.removed", Severity::High, at, title)
                .because("an environment or a pause is where people approve")
                .sure(Confidence::Medium)
        } else {
            Sighting::note("step.setting", at, title)
        });
    }
}

pub(super) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "\"").replace(['(', ')'], "")
}

fn shape_equal(a: &str, b: &str) -> bool {
    shape(&tidy(a)) == shape(&tidy(b))
}

fn images(old: &Step, new: &Step, at: (&str, usize), seen: &mut Seen) {
    if old.image == new.image || (old.image.is_empty() && new.image.is_empty()) {
        return;
    }
    let (a, b) = (image(&old.image), image(&new.image));
    let detail = format!("was {}, is {}", old.image, new.image);
    let name = &new.id;
    let sighting = if old.image.is_empty()
        || new.image.is_empty()
        || new.image.contains("{{")
        || new.image.contains("${")
    {
        Sighting::note("image.changed", at, format!("the image of '{name}' is named otherwise"))
    } else if a.owner != b.owner {
        bad(
            "image.source",
            Severity::High,
            at,
            format!("the image of '{name}' comes from another place: {}", new.image),
        )
    } else if a.name != b.name {
        bad("image.source", Severity::Medium, at, format!("step '{name}' runs another image: {}", new.image))
    } else if !a.digest.is_empty() && b.digest.is_empty() {
        bad(
            "image.unpinned",
            Severity::Medium,
            at,
            format!("the image of '{name}' is not pinned any more: {}", new.image),
        )
    } else if a.version == b.version && !a.digest.is_empty() && a.digest != b.digest {
        bad(
            "image.digest",
            Severity::Medium,
            at,
            format!("the image of '{name}' has the same tag and another digest"),
        )
    } else if matches!(b.version.as_str(), "latest" | "main" | "master" | "nightly" | "dev")
        && b.digest.is_empty()
        && !matches!(a.version.as_str(), "" | "latest" | "main" | "master")
    {
        bad(
            "image.unpinned",
            Severity::Medium,
            at,
            format!("the image of '{name}' follows a moving tag: {}", new.image),
        )
    } else {
        Sighting::note(
            "image.version",
            at,
            format!("the image of '{name}' has another version: {}", new.image),
        )
    };
    seen.push(sighting.because(detail));
}
