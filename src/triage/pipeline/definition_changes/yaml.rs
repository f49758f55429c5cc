//! Definitions in YAML and JSON: Argo and Kubeflow, Tekton, GitHub, GitLab, `SageMaker`.

use super::super::tree::Node;
use super::argo::{argo, kubeflow, tekton};
use super::ci::{github, gitlab};
use super::workflow::{Step, Workflow};
use std::collections::BTreeMap;

/// The workflow that a document defines, if it is a definition of a known kind.
pub(super) fn read(doc: &Node, file: &str) -> Option<Workflow> {
    let kind = doc.word("kind");
    let spec = doc.get("spec");
    let mut flow = if matches!(kind, "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate") {
        argo(spec?)
    } else if kind == "CronWorkflow" {
        let spec = spec?;
        let mut flow = argo(spec.get("workflowSpec")?);
        for node in spec.get("schedule").into_iter().chain(spec.get("schedules")) {
            flow.triggers.insert("schedule".into(), node.joined());
        }
        flow
    } else if matches!(kind, "Pipeline" | "PipelineRun")
        && spec.is_some_and(|s| s.has("tasks") || s.at(&["pipelineSpec", "tasks"]).is_some())
    {
        tekton(spec?)
    } else if doc.at(&["root", "dag", "tasks"]).is_some()
        || doc.at(&["pipelineSpec", "root", "dag", "tasks"]).is_some()
    {
        kubeflow(doc.get("pipelineSpec").unwrap_or(doc))
    } else if doc.has("jobs") && (doc.has("on") || doc.has("true")) {
        github(doc)
    } else if doc.get("Steps").is_some_and(|s| !s.items().is_empty()) {
        sagemaker(doc)
    } else if super::super::material::base(file).contains("gitlab-ci")
        || (doc.has("stages") && doc.entries().iter().any(|(_, v)| v.has("script")))
    {
        gitlab(doc)
    } else {
        return None;
    };
    let name = [
        doc.at(&["metadata", "name"]),
        doc.at(&["metadata", "generateName"]),
        doc.at(&["pipelineInfo", "name"]),
        doc.get("name"),
    ];
    name.into_iter().flatten().find_map(Node::text).unwrap_or(file).clone_into(&mut flow.name);
    file.clone_into(&mut flow.file);
    (!flow.steps.is_empty()).then_some(flow)
}

/// Scalars below a node by path, those of the named keys left out.
pub(super) fn settings(node: &Node, without: &[&str]) -> BTreeMap<String, String> {
    let kept = node.entries().iter().filter(|(k, _)| !without.contains(&k.as_str()));
    kept.flat_map(|(key, value)| {
        value.leaves().into_iter().map(move |(path, text, _)| {
            (if path.is_empty() { key.clone() } else { format!("{key}.{path}") }, text.to_owned())
        })
    })
    .collect()
}

/// What a container runs.
pub(super) fn command(container: &Node) -> String {
    ["command", "args", "source", "script"]
        .iter()
        .filter_map(|k| container.get(k))
        .map(Node::joined)
        .collect::<Vec<_>>()
        .join(" ")
}

fn sagemaker(doc: &Node) -> Workflow {
    let mut flow = Workflow { kind: "sagemaker", ..Workflow::default() };
    for p in doc.get("Parameters").into_iter().flat_map(Node::items) {
        flow.settings.insert(format!("parameter.{}", p.word("Name")), p.word("DefaultValue").to_owned());
    }
    let mut open: Vec<(&Node, Vec<String>, usize)> =
        doc.get("Steps").into_iter().flat_map(Node::items).rev().map(|s| (s, Vec::new(), 0)).collect();
    while let Some((node, mut needs, depth)) = open.pop() {
        let name = node.word("Name").to_owned();
        needs.extend(
            node.get("DependsOn").into_iter().flat_map(Node::items).filter_map(Node::text).map(str::to_owned),
        );
        let arguments = node.get("Arguments");
        for (path, text, _) in node.leaves() {
            // What is inside a branch is the branch's.
            if path.starts_with("Arguments.IfSteps") || path.starts_with("Arguments.ElseSteps") {
                continue;
            }
            if let Some(step) = text.strip_prefix("Steps.") {
                needs.push(step.split(['.', '[']).next().unwrap_or_default().to_owned());
            }
        }
        let condition = node.word("Type") == "Condition";
        let own = arguments.map(|a| settings(a, &["IfSteps", "ElseSteps"])).unwrap_or_default();
        let pick = |wanted: &str| {
            own.iter()
                .filter(|(k, _)| k.contains(wanted))
                .map(|(_, v)| v.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let id = flow.add(Step {
            // A condition is a gate whatever it is called.
            id: if condition && !name.to_lowercase().contains("gate") {
                format!("{name} (condition gate)")
            } else {
                name.clone()
            },
            line: node.line,
            needs: needs
                .iter()
                .map(|n| {
                    flow.steps
                        .iter()
                        .find(|s| s.id.strip_suffix(" (condition gate)") == Some(n))
                        .map_or(n.clone(), |s| s.id.clone())
                })
                .collect(),
            image: pick("ImageUri"),
            command: [pick("ContainerEntrypoint"), pick("ContainerArguments")].join(" ").trim().to_owned(),
            condition: String::new(),
            tolerant: false,
            settings: own.clone(),
        });
        for branch in ["IfSteps", "ElseSteps"] {
            if let Some(steps) = arguments.and_then(|a| a.get(branch)).filter(|_| depth < 20) {
                open.extend(steps.items().iter().rev().map(|s| (s, vec![id.clone()], depth + 1)));
            }
        }
    }
    flow
}
