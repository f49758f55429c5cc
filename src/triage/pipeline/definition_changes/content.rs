//! What a step would fetch and run: places, programs piped into a shell, parameters that are code.

use super::places::{is_pinned, places, shape};
use super::workflow::{Step, Task};
use crate::procedure::Severity;

/// Something a step does, told by its text. What has the same `key` in the reviewed definition is no news.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Act {
    pub key: String,
    pub code: &'static str,
    /// `None`: worth a note.
    pub severity: Option<Severity>,
    pub what: String,
}

pub(super) fn act(
    key: impl Into<String>,
    code: &'static str,
    severity: impl Into<Option<Severity>>,
    what: impl Into<String>,
) -> Act {
    Act { key: key.into(), code, severity: severity.into(), what: what.into() }
}

/// All that a step does, in no order.
pub(super) fn acts(step: &Step) -> Vec<Act> {
    let settings = step.settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let task = step.task();
    let mut out = Vec::new();
    for (key, text) in [("", step.command.as_str())].into_iter().chain(settings) {
        let output =
            ["output", "log", "artifact", "result", "doc"].iter().any(|w| key.to_lowercase().contains(w));
        places(text, task, output, &mut out);
        commands(text, &mut out);
    }
    code(step, &mut out);
    for (key, value) in &step.settings {
        power(key, value, &mut out);
    }
    out
}

/// Single commands of a script.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ';']).flat_map(|l| l.split("&&")).map(str::trim).filter(|l| !l.is_empty())
}

fn commands(text: &str, out: &mut Vec<Act>) {
    let pinned = is_pinned(text);
    for line in lines(text) {
        let has = |w: &str| line.contains(w);
        let words: Vec<&str> = line.split_whitespace().collect();
        let fetches = words.iter().any(|w| matches!(*w, "curl" | "wget" | "aria2c"));
        let shell = line.split('|').skip(1).any(|part| {
            let program =
                part.trim().trim_start_matches("sudo ").split_whitespace().next().unwrap_or_default();
            matches!(program, "sh" | "bash" | "zsh" | "python" | "python3" | "perl" | "node")
        });
        let key = || shape(line);
        if (fetches && shell) || has("bash <(curl") || has("sh <(curl") || has("$(curl") || has("$(wget") {
            out.push(act(
                key(),
                "fetch.run",
                Severity::High,
                format!("what is fetched is run at once: {line}"),
            ));
        } else if (has("base64 -d") || has("base64 --decode") || has("xxd -r")) && (shell || has("eval")) {
            out.push(act(key(), "code.hidden", Severity::High, format!("encoded text is run: {line}")));
        } else if fetches && !pinned && line.contains("://") {
            out.push(act(
                key(),
                "fetch.unpinned",
                Severity::Medium,
                format!("is fetched at run time without a pinned digest: {line}"),
            ));
        } else if has("git clone") && !pinned {
            out.push(act(
                key(),
                "fetch.unpinned",
                Severity::Medium,
                format!("is cloned at run time at no fixed commit: {line}"),
            ));
        } else if (has("pip install") || has("pip3 install") || has("uv pip install")) && !pinned {
            if has("--index-url") || has("--extra-index-url") || has("--trusted-host") || has("--find-links")
            {
                out.push(act(
                    key(),
                    "fetch.index",
                    Severity::High,
                    format!("packages come from another index: {line}"),
                ));
            } else if has("git+") || has("http://") || has("https://") {
                out.push(act(
                    key(),
                    "fetch.unpinned",
                    Severity::Medium,
                    format!("a package comes from an address at no fixed version: {line}"),
                ));
            } else {
                out.push(act(key(), "fetch.package", None, format!("packages are installed: {line}")));
            }
        }
        if has("--no-check-certificate")
            || words.iter().any(|w| matches!(*w, "-k" | "--insecure")) && fetches
            || has("GIT_SSL_NO_VERIFY")
        {
            out.push(act(
                format!("insecure {}", key()),
                "fetch.insecure",
                Severity::High,
                format!("certificates are not checked: {line}"),
            ));
        }
    }
    for call in ["hf_hub_download(", "snapshot_download(", "from_pretrained(", "urlretrieve("] {
        for (at, _) in text.match_indices(call) {
            let piece: String = text[at..].chars().take(160).collect();
            let fixed = piece.contains("revision=") || is_pinned(&piece);
            let severity = (!fixed && call == "urlretrieve(").then_some(Severity::Medium);
            out.push(act(
                format!("{call} {}", shape(&piece)),
                "fetch.unpinned",
                severity,
                format!("is fetched at run time: {piece}"),
            ));
        }
    }
}

/// Parameters in the place of a program.
fn code(step: &Step, out: &mut Vec<Act>) {
    let text = &step.command;
    let open = ["{{", "${{", "$(params.", "$(inputs.", "${"];
    let starts = |s: &str| {
        let s = s.trim_start_matches(['"', '\'', ' ', '(']);
        open[..4].iter().find(|o| s.starts_with(**o)).map(|_| s.chars().take(80).collect::<String>())
    };
    for line in lines(text) {
        let run = ["sh -c ", "bash -c ", "python -c ", "python3 -c ", "eval ", "exec ", "-ec ", "-lc "];
        let first = starts(line.trim_start_matches("- "));
        let inner = run.iter().find_map(|r| line.split_once(r).and_then(|(_, rest)| starts(rest)));
        if let Some(what) = first.or(inner) {
            out.push(act(
                format!("code {}", shape(line)),
                "parameter.code",
                Severity::High,
                format!("a parameter is run as code: {what}"),
            ));
        }
        if let Some((_, rest)) = line.split_once("eval ")
            && rest.trim_start_matches(['"', '\'']).starts_with('$')
        {
            out.push(act(
                format!("eval {line}"),
                "parameter.code",
                Severity::High,
                format!("a variable is run as code: {line}"),
            ));
        }
    }
    // What a stranger may write, put into a script as it is.
    let stranger = [
        "github.event.issue",
        "github.event.comment",
        "github.event.pull_request.title",
        "github.event.pull_request.body",
        "github.event.pull_request.head.ref",
        "github.head_ref",
        "github.event.head_commit.message",
        "github.event.client_payload",
        "dag_run.conf",
        "$CI_COMMIT_MESSAGE",
        "$CI_MERGE_REQUEST_TITLE",
        "trigger_payload",
    ];
    for word in stranger.iter().filter(|w| text.contains(**w)) {
        out.push(act(
            format!("stranger {word}"),
            "parameter.code",
            Severity::High,
            format!("what a stranger writes is put into the script: {word}"),
        ));
    }
    for call in ["exec(", "eval("] {
        for (at, _) in text.match_indices(call) {
            let before = text[..at].chars().next_back();
            let argument: String = text[at + call.len()..].chars().take(60).collect();
            let own = before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
            if own && !argument.trim_start().starts_with(')') {
                out.push(act(
                    format!("{call}{}", shape(&argument)),
                    "parameter.code",
                    Severity::High,
                    format!("a value is run as code: {call}{argument}"),
                ));
            }
        }
    }
}

/// Settings that give a step power over its machine or the project.
fn power(key: &str, value: &str, out: &mut Vec<Act>) {
    let lower = key.to_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default().to_owned();
    let yes = value.eq_ignore_ascii_case("true");
    let strong =
        (yes && matches!(
            last.as_str(),
            "privileged" | "hostnetwork" | "hostpid" | "hostipc" | "allowprivilegeescalation"
        )) || lower.contains("hostpath.path")
            || value.contains("docker.sock")
            || (lower.contains("capabilities.add")
                && matches!(value, "SYS_ADMIN" | "ALL" | "SYS_PTRACE" | "NET_ADMIN"));
    if strong {
        out.push(act(
            format!("power {last} {value}"),
            "step.power",
            Severity::High,
            format!("power over the machine: {key} = {value}"),
        ));
    } else if lower.ends_with("serviceaccountname")
        || lower.ends_with("service_account_name")
        || lower.ends_with("rolearn")
    {
        out.push(act(
            format!("account {value}"),
            "step.account",
            Severity::Medium,
            format!("another account is used: {value}"),
        ));
    } else if lower.starts_with("permissions") && (value == "write-all" || value == "write") {
        out.push(act(
            format!("permission {last} {value}"),
            "step.permission",
            Severity::Medium,
            format!("permission to write: {key} = {value}"),
        ));
    } else if value.contains("secrets.") && !value.contains("GITHUB_TOKEN") {
        out.push(act(
            format!("secret {value}"),
            "step.secret",
            None,
            format!("a secret is handed in: {key} = {value}"),
        ));
    }
}

/// Permissions of the whole workflow.
pub(super) fn whole(settings: &std::collections::BTreeMap<String, String>) -> Vec<Act> {
    let mut out = Vec::new();
    for (key, value) in settings {
        power(key, value, &mut out);
        places(value, Task::Ingest, false, &mut out);
        if key.starts_with("include.") && !value.contains("://") {
            out.push(act(
                format!("include {}", shape(value)),
                "source.include",
                None,
                format!("another definition is included: {value}"),
            ));
        }
    }
    out
}
