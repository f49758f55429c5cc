//! One form for all kinds of pipeline definitions: steps, what each needs, what it runs, when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Steps of one workflow.
pub(super) const STEPS: usize = 2_000;

/// A pipeline as defined in one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Workflow {
    pub name: String,
    pub kind: &'static str,
    pub file: String,
    pub steps: Vec<Step>,
    /// What starts it: name to value.
    pub triggers: BTreeMap<String, String>,
    /// Settings of the whole: permissions, parameters.
    pub settings: BTreeMap<String, String>,
}

/// One step.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub id: String,
    pub line: usize,
    /// Ids of the steps it waits for.
    pub needs: Vec<String>,
    /// Container image, action, or imported component.
    pub image: String,
    /// What it runs, as text.
    pub command: String,
    /// When it runs at all; empty: always.
    pub condition: String,
    /// Whether its failure, or the failure of what it waits for, stops nothing.
    pub tolerant: bool,
    /// Everything else that is set, by dotted path.
    pub settings: BTreeMap<String, String>,
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Task {
    Ingest,
    Transform,
    Validate,
    Train,
    Evaluate,
    Gate,
    Deploy,
    Other,
}

impl Task {
    /// Whether others rely on its having passed.
    pub(super) fn checks(self) -> bool {
        matches!(self, Task::Validate | Task::Evaluate | Task::Gate)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Task::Ingest => "brings data in",
            Task::Transform => "changes data",
            Task::Validate => "validates",
            Task::Train => "trains",
            Task::Evaluate => "evaluates",
            Task::Gate => "approves",
            Task::Deploy => "releases",
            Task::Other => "does something else",
        }
    }
}

const WORDS: [(Task, &[&str]); 7] = [
    (Task::Gate, &["approv", "gate", "signoff", "sign_off", "manual_review", "human_review", "quality_bar"]),
    (
        Task::Transform,
        &[
            "split",
            "preproc",
            "prepar",
            "feature",
            "clean",
            "augment",
            "dedup",
            "tokeni",
            "filter",
            "transform",
            "normali",
        ],
    ),
    (
        Task::Validate,
        &[
            "validat",
            "verif",
            "check",
            "schema",
            "quality",
            "expectation",
            "checksum",
            "integrity",
            "scan",
            "audit",
            "sanit",
            "test",
            "lint",
            "assert",
        ],
    ),
    (Task::Evaluate, &["eval", "benchmark", "holdout", "score", "metric"]),
    (
        Task::Deploy,
        &[
            "deploy",
            "serv",
            "release",
            "promot",
            "publish",
            "regist",
            "rollout",
            "push_model",
            "upload_model",
        ],
    ),
    (Task::Train, &["train", "fit", "finetun", "fine_tun", "tune", "hpo"]),
    (
        Task::Ingest,
        &[
            "ingest", "fetch", "download", "extract", "collect", "pull", "sync", "load", "crawl", "scrape",
            "import",
        ],
    ),
];

/// Lower case words apart by `_`.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_uppercase() && out.chars().last().is_some_and(char::is_lowercase) {
            out.push('_');
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

fn task_in(text: &str) -> Option<Task> {
    // Words that hold the same letters and mean something else.
    let plain = [
        "checkpoint",
        "checkout",
        "latest",
        "build_test_image",
        "training_data",
        "train_data",
        "test_data",
        "trainset",
    ]
    .iter()
    .fold(text.to_owned(), |t, w| t.replace(w, ""));
    WORDS.iter().find(|(_, words)| words.iter().any(|w| plain.contains(w))).map(|(task, _)| *task)
}

impl Step {
    /// What the step is for, by its name, else by what it runs.
    pub(super) fn task(&self) -> Task {
        let own = snake(self.id.rsplit('/').next().unwrap_or_default());
        if let Some(task) = task_in(&own) {
            return task;
        }
        let program: String = self
            .command
            .split_whitespace()
            .filter(|w| w.contains(".py") || w.contains(".sh") || *w == "pytest" || w.contains("cosign"))
            .take(2)
            .map(|w| snake(w.rsplit('/').next().unwrap_or_default()) + " ")
            .collect();
        if program.contains("pytest") || program.contains("cosign") {
            return Task::Validate;
        }
        task_in(&program).unwrap_or(Task::Other)
    }
}

impl Workflow {
    /// Steps by id.
    pub(super) fn index(&self) -> HashMap<&str, usize> {
        self.steps.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect()
    }

    /// For each step the steps that must have run before it.
    pub(super) fn before(&self) -> Vec<BTreeSet<usize>> {
        let index = self.index();
        let needs: Vec<Vec<usize>> = self
            .steps
            .iter()
            .map(|s| s.needs.iter().filter_map(|n| index.get(n.as_str()).copied()).collect())
            .collect();
        (0..self.steps.len())
            .map(|i| {
                let (mut seen, mut open) = (BTreeSet::new(), needs[i].clone());
                while let Some(j) = open.pop() {
                    if seen.insert(j) {
                        open.extend(&needs[j]);
                    }
                }
                seen
            })
            .collect()
    }

    /// Adds a step under an id that is not taken; returns the id.
    pub(super) fn add(&mut self, mut step: Step) -> String {
        if self.steps.len() >= STEPS {
            return step.id;
        }
        let base = step.id.clone();
        let mut n = 2;
        while self.steps.iter().any(|s| s.id == step.id) {
            step.id = format!("{base}#{n}");
            n += 1;
        }
        let id = step.id.clone();
        self.steps.push(step);
        id
    }
}
