//! GitHub and GitLab.

use super::super::tree::{Node, Value};
use super::workflow::{Step, Workflow};
use super::yaml::settings;
use std::collections::BTreeMap;

pub(super) fn github(doc: &Node) -> Workflow {
    let mut flow = Workflow { kind: "github", ..Workflow::default() };
    let on = doc.get("on").or_else(|| doc.get("true"));
    if let Some(node) = on {
        for (name, value) in node.entries() {
            flow.triggers.insert(name.clone(), value.joined());
        }
        for name in node.each().iter().filter_map(Node::text).filter(|t| !t.is_empty()) {
            flow.triggers.insert(name.to_owned(), String::new());
        }
    }
    flow.settings = settings(doc, &["on", "true", "jobs", "name", "run-name"]);
    let jobs = doc.get("jobs").map(Node::entries).unwrap_or_default();
    let mut last: BTreeMap<&str, String> = BTreeMap::new();
    let mut first: Vec<(String, Vec<&str>)> = Vec::new();
    for (job, node) in jobs {
        let needs: Vec<&str> =
            node.get("needs").into_iter().flat_map(Node::each).filter_map(Node::text).collect();
        let around = settings(node, &["steps", "needs", "if", "name", "uses"]);
        let condition = node.word("if");
        let lax = node.word("continue-on-error") == "true";
        let steps = node.get("steps").map(Node::items).unwrap_or_default();
        let mut previous: Option<String> = None;
        let whole = [node.clone()];
        for step in if steps.is_empty() { &whole[..] } else { steps } {
            let uses = step.word("uses");
            let run = step.word("run");
            let own = [
                step.word("name"),
                step.word("id"),
                uses.split('@').next().unwrap_or_default(),
                run.lines().next().unwrap_or_default(),
            ];
            let own: String =
                own.into_iter().find(|n| !n.is_empty()).unwrap_or("step").chars().take(60).collect();
            let inner = if steps.is_empty() { "" } else { step.word("if") };
            let condition =
                [condition, inner].iter().filter(|c| !c.is_empty()).copied().collect::<Vec<_>>().join(" && ");
            let mut all = around.clone();
            all.extend(settings(
                step,
                &["name", "id", "uses", "run", "if", "continue-on-error", "steps", "needs"],
            ));
            let id = flow.add(Step {
                id: if steps.is_empty() { job.clone() } else { format!("{job}/{own}") },
                line: step.line,
                needs: previous.iter().cloned().collect(),
                image: uses.to_owned(),
                command: run.to_owned(),
                condition,
                tolerant: lax || step.word("continue-on-error") == "true",
                settings: all,
            });
            if previous.is_none() {
                first.push((id.clone(), needs.clone()));
            }
            previous = Some(id);
        }
        if let Some(id) = previous {
            last.insert(job, id);
        }
    }
    // A job waits for the last steps of the jobs it needs.
    for (id, needs) in first {
        let ids: Vec<String> = needs.iter().filter_map(|n| last.get(n).cloned()).collect();
        if let Some(step) = flow.steps.iter_mut().find(|s| s.id == id) {
            step.needs.extend(ids);
        }
    }
    flow
}

pub(super) const GITLAB_WORDS: [&str; 13] = [
    "stages",
    "variables",
    "include",
    "default",
    "workflow",
    "image",
    "before_script",
    "after_script",
    "services",
    "cache",
    "spec",
    "pages",
    "types",
];

#[expect(clippy::too_many_lines, reason = "one field of a job after the other")]
pub(super) fn gitlab(doc: &Node) -> Workflow {
    let mut flow = Workflow { kind: "gitlab", ..Workflow::default() };
    flow.settings = settings(doc, &[])
        .into_iter()
        .filter(|(k, _)| ["variables", "workflow"].iter().any(|w| k.starts_with(w)))
        .collect();
    for (i, include) in doc.get("include").into_iter().flat_map(Node::each).enumerate() {
        flow.settings.insert(format!("include.{i}"), include.joined());
    }
    let stages: Vec<&str> = match doc.get("stages") {
        Some(list) => list.items().iter().filter_map(Node::text).collect(),
        None => vec![".pre", "build", "test", "deploy", ".post"],
    };
    let merged = |job: &Node| -> Node {
        // `extends` is a merge; what the job says itself wins.
        let (mut all, mut at, mut depth) = (job.clone(), job.clone(), 0);
        while let Some(base) = at
            .get("extends")
            .and_then(|e| e.each().last())
            .and_then(Node::text)
            .and_then(|n| doc.get(n))
            .cloned()
        {
            depth += 1;
            if let Value::Map(entries) = &mut all.value {
                let new: Vec<_> = base
                    .entries()
                    .iter()
                    .filter(|(k, _)| entries.iter().all(|(h, _)| h != k))
                    .cloned()
                    .collect();
                entries.extend(new);
            }
            if depth > 10 {
                break;
            }
            at = base;
        }
        all
    };
    let jobs: Vec<(String, Node)> = doc
        .entries()
        .iter()
        .filter(|(k, v)| {
            !k.starts_with('.') && !GITLAB_WORDS.contains(&k.as_str()) && !v.entries().is_empty()
        })
        .map(|(k, v)| (k.clone(), merged(v)))
        .collect();
    let stage = |job: &Node| {
        let name = if job.word("stage").is_empty() { "test" } else { job.word("stage") };
        stages.iter().position(|s| *s == name).unwrap_or(stages.len())
    };
    for (name, job) in &jobs {
        let needs: Vec<String> = match job.get("needs") {
            Some(list) => list
                .each()
                .iter()
                .map(|n| n.text().unwrap_or(n.word("job")).to_owned())
                .filter(|n| !n.is_empty())
                .collect(),
            None => {
                jobs.iter().filter(|(_, other)| stage(other) < stage(job)).map(|(n, _)| n.clone()).collect()
            }
        };
        let script = ["before_script", "script", "after_script"].iter().filter_map(|k| job.get(k));
        let rules = job.get("rules").or_else(|| job.get("only")).map(Node::joined).unwrap_or_default();
        flow.add(Step {
            id: name.clone(),
            line: job.line,
            needs,
            image: job
                .get("image")
                .map(|i| i.text().unwrap_or(i.word("name")))
                .or_else(|| doc.get("image").and_then(Node::text))
                .unwrap_or_default()
                .to_owned(),
            command: script
                .map(|s| s.each().iter().map(Node::joined).collect::<Vec<_>>().join("\n"))
                .collect::<Vec<_>>()
                .join("\n"),
            condition: [rules.as_str(), job.word("when")]
                .iter()
                .filter(|c| !c.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(" "),
            tolerant: job.get("allow_failure").is_some_and(|a| a.text() != Some("false")),
            settings: settings(
                job,
                &[
                    "stage",
                    "needs",
                    "script",
                    "before_script",
                    "after_script",
                    "image",
                    "rules",
                    "only",
                    "when",
                    "allow_failure",
                    "extends",
                ],
            ),
        });
    }
    flow
}
