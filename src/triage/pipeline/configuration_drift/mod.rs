//! Which settings of training, tokenizer, prompts and serving are not those that were reviewed?

mod keys;
#[cfg(test)]
mod tests;
mod tokens;

use super::material::{self, Folder, base, ending};
use super::sighting::{Seen, Sighting, Words};
use super::tree::{self, Node, Value};
use crate::evidence::Role;
use crate::procedure::{
    About, Case, Concern, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
};
use std::collections::BTreeMap;

/// The procedure `configuration-drift`.
#[derive(Debug)]
pub struct ConfigurationDrift;

/// The one instance.
pub static CONFIGURATION_DRIFT: ConfigurationDrift = ConfigurationDrift;

static ABOUT: About = About {
    id: "configuration-drift",
    title: "Configuration drift",
    phase: Phase::Triage,
    version: 1,
    question: "Which settings of training, tokenizer, prompts and serving are not those that were reviewed?",
    needs: "the pipeline's folder as reviewed and as found",
    reference: "NIST SP 800-128 (configuration change control)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../configuration_drift.md"),
};

impl Procedure for ConfigurationDrift {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        if material::item(case, Role::AsRun).is_none() {
            return Err(Skip("the case names no pipeline as it ran (pipeline.current)".to_owned()));
        }
        material::plan(case, Role::Approved, &[Role::AsRun], 2)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let open = |role| Folder::open(case, role).map_err(Stop::failed);
        let (Some(old), Some(new)) = (open(Role::Approved)?, open(Role::AsRun)?) else {
            return Err(Stop::failed("one of the two folders was refused at intake"));
        };
        let texts = |folder: &Folder, seen: &mut Seen| folder.texts(|n| kind(n).is_some(), &mut seen.unread);
        let (a, b) = (texts(&old, &mut seen), texts(&new, &mut seen));
        cx.step(1, plan.units)?;
        let mut compared = 0;
        for (name, is) in &b {
            cx.check()?;
            match a.get(name) {
                Some(was) => {
                    compared += 1;
                    if was != is {
                        file(name, was, is, &mut seen);
                    }
                }
                None => fresh(name, is, &mut seen),
            }
        }
        for name in a.keys().filter(|n| !b.contains_key(*n)) {
            let prompt = kind(name) == Some(Kind::Prompt);
            let title = "a reviewed configuration is not there any more";
            seen.push(if prompt {
                Sighting::new("prompt.removed", Severity::Medium, Concern::Pipeline, (name, 0), title)
            } else {
                Sighting::note("config.removed", (name, 0), title)
            });
        }
        cx.step(plan.units, plan.units)?;
        seen.measure("files_compared", compared);
        let looked = format!("{compared} configuration files were held against the reviewed ones");
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "a table of what settings mean by their names (see the page); other changes are notes",
                limits: "A setting is known by its name: one of another name, one that is made at run time, and defaults that \
                         changed with a version are not judged. Binary tokenizers are compared by digest alone.",
            },
            &plan.inputs,
        ))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Keys and values.
    Tree,
    Toml,
    /// `KEY=value` lines.
    Lines,
    Merges,
    Prompt,
}

fn kind(name: &str) -> Option<Kind> {
    let base = base(name);
    match ending(name).as_str() {
        "txt" | "bpe" if base.contains("merges") => Some(Kind::Merges),
        "txt" | "md" | "jinja" | "jinja2" | "j2" | "prompt"
            if ["prompt", "template", "instruction", "system", "persona", "guardrail"]
                .iter()
                .any(|w| base.contains(w)) =>
        {
            Some(Kind::Prompt)
        }
        "jinja" | "jinja2" | "prompt" => Some(Kind::Prompt),
        "json" | "yaml" | "yml" | "jsonnet" => Some(Kind::Tree),
        "toml" => Some(Kind::Toml),
        "ini" | "cfg" | "env" | "properties" | "conf" => Some(Kind::Lines),
        _ if base == ".env" => Some(Kind::Lines),
        _ => None,
    }
}

/// One file that differs.
fn file(name: &str, was: &str, is: &str, seen: &mut Seen) {
    let rules = |t: &str| {
        t.lines()
            .filter(|l| !l.starts_with("#version") && !l.trim().is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    match kind(name) {
        Some(Kind::Merges) => return tokens::merges(name, &rules(was), &rules(is), seen),
        Some(Kind::Prompt) => return tokens::prompt(name, 0, was, is, seen),
        _ => {}
    }
    let (old, new) = match (parse(name, was), parse(name, is)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let why = old.err().or(new.err()).unwrap_or_default();
            // A definition with templates in it is read by those who know them.
            let template =
                |t: &str| (t.contains("{{") && t.contains("}}")) || (t.contains("{%") && t.contains("%}"));
            if !template(is) {
                seen.unread.push(format!("{name} ({why})"));
            }
            return;
        }
    };
    // Definitions of steps are another procedure's.
    if old.iter().chain(&new).any(is_definition) {
        return;
    }
    for i in 0..old.len().max(new.len()) {
        let empty = Node { line: 0, value: Value::Map(Vec::new()) };
        tree_diff(name, old.get(i).unwrap_or(&empty), new.get(i).unwrap_or(&empty), seen);
    }
}

fn is_definition(doc: &Node) -> bool {
    ["jobs", "Steps", "stages", "root"].iter().any(|k| doc.has(k))
        && (doc.has("on") || doc.has("Version") || doc.has("deploymentSpec") || doc.has("stages"))
        || matches!(
            doc.word("kind"),
            "Workflow"
                | "WorkflowTemplate"
                | "CronWorkflow"
                | "Pipeline"
                | "PipelineRun"
                | "ClusterWorkflowTemplate"
        )
}

fn parse(name: &str, text: &str) -> Result<Vec<Node>, String> {
    match kind(name) {
        Some(Kind::Toml) => {
            let value: toml::Value = toml::from_str(text).map_err(|e| e.message().to_owned())?;
            let json = serde_json::to_string(&value).map_err(|e| e.to_string())?;
            tree::read(&json)
        }
        Some(Kind::Lines) => {
            let mut section = String::new();
            let mut entries = Vec::new();
            for (i, line) in text.lines().enumerate() {
                let line = line.trim();
                if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                    section = format!("{name}.");
                } else if let Some((key, value)) =
                    line.split_once(['=', ':']).filter(|_| !line.starts_with(['#', ';']))
                {
                    let value = Value::Text(value.trim().trim_matches(['"', '\'']).to_owned());
                    entries.push((
                        format!("{section}{}", key.trim().trim_start_matches("export ")),
                        Node { line: i + 1, value },
                    ));
                }
            }
            Ok(vec![Node { line: 1, value: Value::Map(entries) }])
        }
        _ => tree::read(text),
    }
}

/// Parts that are compared as what they are, and not key by key.
const TOKENIZER: [&str; 8] = [
    "model.vocab",
    "model.merges",
    "vocab.",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
];

fn tree_diff(name: &str, old: &Node, new: &Node, seen: &mut Seen) {
    let file = base(name);
    let tokenizer = file.contains("token") || file == "vocab.json";
    if tokenizer {
        tokens::tokenizer(name, old, new, seen);
        if file == "vocab.json" || file == "added_tokens.json" {
            return;
        }
    }
    let flat = |n: &Node| -> BTreeMap<String, (String, usize)> {
        let keep = |p: &str| !tokenizer || !TOKENIZER.iter().any(|t| p.starts_with(t));
        n.leaves().into_iter().filter(|(p, _, _)| keep(p)).map(|(p, t, l)| (p, (t.to_owned(), l))).collect()
    };
    let (a, b) = (flat(old), flat(new));
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let (was, is) = (a.get(key), b.get(key));
        let text = |v: Option<&(String, usize)>| v.map(|v| v.0.clone()).unwrap_or_default();
        let (before, after, line) = (text(was), text(is), is.map_or(0, |v| v.1));
        if same(&before, &after) && was.is_some() == is.is_some() {
            continue;
        }
        setting(name, &file, key, (&before, &after), line, seen);
    }
}

/// Numbers are the same however they are written.
fn same(a: &str, b: &str) -> bool {
    a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(x), Ok(y)) if x.total_cmp(&y).is_eq())
}

fn setting(name: &str, file: &str, key: &str, (was, is): (&str, &str), line: usize, seen: &mut Seen) {
    let last = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    let prompt = ["prompt", "chat_template", "instruction", "persona", "system_message"]
        .iter()
        .any(|w| last.contains(w));
    if prompt && was.len().max(is.len()) > 20 {
        return tokens::prompt(name, line, was, is, seen);
    }
    let change = match (was, is) {
        ("", is) => format!("{key} is '{is}', was not set"),
        (was, "") => format!("{key} is not set, was '{was}'"),
        (was, is) => format!("{key} is '{is}', was '{was}'"),
    };
    let at = (name, line);
    if let (Some(a), Some(b)) = (keys::place(was), keys::place(is))
        && a != b
    {
        let plain = b.starts_with("http://") && !a.starts_with("http://");
        let severity = if plain { Severity::High } else { Severity::Medium };
        let sighting = Sighting::new("config.source", severity, Concern::Pipeline, at, &change);
        return seen.push(sighting.because("data or models come from another place"));
    }
    match keys::judge(file, key, was, is) {
        Some(grade) => {
            seen.push(
                Sighting::new(grade.code, grade.severity, Concern::Pipeline, at, &change).because(grade.why),
            );
        }
        None => seen.push(Sighting::note("config.changed", at, &change)),
    }
}

/// A configuration that was not among those reviewed.
fn fresh(name: &str, text: &str, seen: &mut Seen) {
    seen.push(Sighting::note("config.added", (name, 0), "a configuration that was not among those reviewed"));
    let Ok(docs) = parse(name, text) else { return };
    for doc in docs.iter().filter(|d| !is_definition(d)) {
        for (key, value, line) in doc.leaves() {
            // Only what is wrong by itself: there is nothing to compare with.
            let Some(grade) =
                keys::judge(&base(name), &key, "", value).filter(|g| g.severity >= Severity::High)
            else {
                continue;
            };
            let change = format!("{key} is '{value}'");
            seen.push(
                Sighting::new(grade.code, grade.severity, Concern::Pipeline, (name, line), change)
                    .because(grade.why),
            );
        }
    }
}
