//! Argo, Kubeflow and Tekton.

use super::super::tree::{Node, Value};
use super::workflow::{STEPS, Step, Workflow};
use super::yaml::{command, settings};
use std::collections::BTreeMap;

/// `{{tasks.NAME.outputs…}}` and `{{steps.NAME…}}` in any text below a node.
pub(super) fn mentioned(node: &Node) -> Vec<String> {
    let mut out = Vec::new();
    for (_, text, _) in node.leaves() {
        for start in ["tasks.", "steps."] {
            for (at, _) in text.match_indices(start) {
                let rest = &text[at + start.len()..];
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
                out.push(name);
            }
        }
    }
    out
}

/// Names in Argo's `depends: "a.Succeeded && b"`.
pub(super) fn names_in(expression: &str) -> Vec<String> {
    let parts = expression.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')));
    parts.filter_map(|p| p.split('.').next()).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

#[expect(clippy::too_many_lines, reason = "one field of a task after the other")]
pub(super) fn argo(spec: &Node) -> Workflow {
    let mut flow = Workflow { kind: "argo", ..Workflow::default() };
    flow.settings = settings(spec, &["templates", "workflowMetadata", "arguments"]);
    for p in spec.at(&["arguments", "parameters"]).into_iter().flat_map(Node::items) {
        flow.settings.insert(format!("parameter.{}", p.word("name")), p.word("value").to_owned());
    }
    let templates: BTreeMap<&str, &Node> =
        spec.get("templates").into_iter().flat_map(Node::items).map(|t| (t.word("name"), t)).collect();
    let inherit = |task: &Node, step: &mut Step| {
        let template = templates.get(task.word("template")).copied().or_else(|| task.get("inline"));
        let Some(template) = template else {
            step.image = task.get("templateRef").map(Node::joined).unwrap_or_default();
            return;
        };
        for key in ["container", "script"] {
            if let Some(container) = template.get(key) {
                container.word("image").clone_into(&mut step.image);
                step.command = command(container);
                step.settings.extend(settings(container, &["image", "command", "args", "source", "name"]));
            }
        }
        if template.has("suspend") {
            step.settings.insert("suspend".into(), "manual".into());
        }
        step.settings.extend(settings(
            template,
            &["container", "script", "name", "inputs", "outputs", "metadata", "dag", "steps"],
        ));
    };
    let mut open = vec![(spec.word("entrypoint").to_owned(), String::new(), Vec::<String>::new(), 0)];
    let mut used = Vec::new();
    if let Some(exit) = spec.get("onExit").and_then(Node::text) {
        used.push(exit.to_owned());
    }
    while let Some((name, prefix, outer, depth)) = open.pop() {
        let Some(template) = templates.get(name.as_str()) else { continue };
        if depth > 20 || flow.steps.len() >= STEPS {
            continue;
        }
        let tasks = template.at(&["dag", "tasks"]);
        let rows: Vec<Vec<&Node>> = match tasks {
            Some(tasks) => tasks.items().iter().map(|t| vec![t]).collect(),
            None => template
                .get("steps")
                .into_iter()
                .flat_map(Node::items)
                .map(|row| row.each().iter().collect())
                .collect(),
        };
        if rows.is_empty() && prefix.is_empty() {
            let mut step = Step { id: name.clone(), line: template.line, ..Step::default() };
            inherit(
                &Node {
                    line: 0,
                    value: Value::Map(vec![(
                        "template".into(),
                        Node { line: 0, value: Value::Text(name.clone()) },
                    )]),
                },
                &mut step,
            );
            flow.add(step);
        }
        let mut previous = outer.clone();
        for row in rows {
            let mut here = Vec::new();
            for task in row {
                let local = |n: String| format!("{prefix}{n}");
                let depends = task.word("depends");
                let mut needs: Vec<String> = names_in(depends).into_iter().map(local).collect();
                needs.extend(
                    task.get("dependencies")
                        .into_iter()
                        .flat_map(Node::items)
                        .filter_map(Node::text)
                        .map(|n| local(n.to_owned())),
                );
                needs.extend(task.get("arguments").map(mentioned).unwrap_or_default().into_iter().map(local));
                needs.extend(mentioned(task.get("when").unwrap_or(&Node::default())).into_iter().map(local));
                needs.extend(if tasks.is_some() { outer.iter() } else { previous.iter() }.cloned());
                let failed = [".Failed", ".Errored", ".Omitted", ".Skipped", ".Daemoned", ".AnySucceeded"];
                let mut step = Step {
                    id: local(task.word("name").to_owned()),
                    line: task.line,
                    needs,
                    condition: task.word("when").to_owned(),
                    tolerant: task.has("continueOn")
                        || failed.iter().any(|f| depends.contains(f))
                        || depends.contains("||"),
                    settings: settings(
                        task,
                        &["name", "template", "depends", "dependencies", "when", "continueOn", "inline"],
                    ),
                    ..Step::default()
                };
                inherit(task, &mut step);
                let template = task.word("template").to_owned();
                let nested = templates.get(template.as_str()).is_some_and(|t| t.has("dag") || t.has("steps"));
                let id = flow.add(step);
                if nested {
                    open.push((template, format!("{id}/"), vec![id.clone()], depth + 1));
                }
                here.push(id);
            }
            previous = here;
        }
    }
    for name in used {
        if let Some(template) =
            templates.get(name.as_str()).filter(|_| flow.steps.iter().all(|s| s.id != name))
        {
            flow.add(Step { id: format!("on-exit/{name}"), line: template.line, ..Step::default() });
        }
    }
    flow
}

pub(super) fn tekton(spec: &Node) -> Workflow {
    let mut flow = Workflow { kind: "tekton", ..Workflow::default() };
    let body = spec.get("pipelineSpec").unwrap_or(spec);
    flow.settings = settings(spec, &["tasks", "finally", "pipelineSpec"]);
    for task in body.get("tasks").into_iter().flat_map(Node::items) {
        let own = task.get("taskSpec");
        let steps = own.and_then(|s| s.get("steps")).map(Node::items).unwrap_or_default();
        let mut needs: Vec<String> = task
            .get("runAfter")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect();
        needs.extend(task.get("params").map(mentioned).unwrap_or_default());
        flow.add(Step {
            id: task.word("name").to_owned(),
            line: task.line,
            needs,
            image: steps
                .first()
                .map(|s| s.word("image"))
                .filter(|i| !i.is_empty())
                .unwrap_or(task.at(&["taskRef", "name"]).and_then(Node::text).unwrap_or_default())
                .to_owned(),
            command: steps.iter().map(command).collect::<Vec<_>>().join("\n"),
            condition: task
                .get("when")
                .or_else(|| task.get("conditions"))
                .map(Node::joined)
                .unwrap_or_default(),
            tolerant: task.word("onError") == "continue",
            settings: settings(task, &["name", "runAfter", "taskSpec", "when"]),
        });
    }
    flow
}

pub(super) fn kubeflow(doc: &Node) -> Workflow {
    let mut flow = Workflow { kind: "kubeflow", ..Workflow::default() };
    let executors = doc.at(&["deploymentSpec", "executors"]);
    let components = doc.get("components");
    let mut open = vec![(doc.get("root"), String::new(), Vec::<String>::new(), 0)];
    while let Some((dag, prefix, outer, depth)) = open.pop() {
        let Some(tasks) = dag.and_then(|d| d.at(&["dag", "tasks"])).filter(|_| depth < 20) else { continue };
        for (name, task) in tasks.entries() {
            let local = |n: &str| format!("{prefix}{n}");
            let mut needs: Vec<String> = task
                .get("dependentTasks")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(Node::text)
                .map(local)
                .collect();
            for (path, text, _) in task.get("inputs").map(Node::leaves).unwrap_or_default() {
                if path.ends_with("producerTask") {
                    needs.push(local(text));
                }
            }
            needs.extend(outer.iter().cloned());
            let component =
                task.at(&["componentRef", "name"]).and_then(Node::text).and_then(|c| components?.get(c));
            let executor = component.and_then(|c| executors?.get(c.word("executorLabel")));
            let container = executor.and_then(|e| e.get("container"));
            let strategy = task.at(&["triggerPolicy", "strategy"]).and_then(Node::text).unwrap_or_default();
            let mut all = settings(
                task,
                &["dependentTasks", "componentRef", "taskInfo", "triggerPolicy", "cachingOptions"],
            );
            all.extend(container.map(|c| settings(c, &["image", "command", "args"])).unwrap_or_default());
            let id = flow.add(Step {
                id: local(name),
                line: task.line,
                needs,
                image: container.map(|c| c.word("image")).unwrap_or_default().to_owned(),
                command: container.map(command).unwrap_or_default(),
                condition: task
                    .at(&["triggerPolicy", "condition"])
                    .and_then(Node::text)
                    .unwrap_or_default()
                    .to_owned(),
                tolerant: strategy == "ALL_UPSTREAM_TASKS_COMPLETED",
                settings: all,
            });
            if component.is_some_and(|c| c.has("dag")) {
                open.push((component, format!("{id}/"), vec![id], depth + 1));
            }
        }
    }
    flow
}
