//! Where things come from: addresses, buckets, images.

use super::content::{Act, act};
use super::workflow::Task;
use crate::procedure::Severity;

/// The text with runs of digits as `#` and templates as `{}`: dates and run numbers are no news.
pub(super) fn shape(text: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0usize);
    for c in text.chars() {
        match c {
            '{' => {
                if depth == 0 {
                    out.push_str("{}");
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            c if c.is_ascii_digit() => {
                if !out.ends_with('#') {
                    out.push('#');
                }
            }
            c => out.push(c),
        }
    }
    out.trim_end_matches(['/', '.', ',', ';']).to_owned()
}

/// Scheme, place (host or bucket) and path of each address in a text.
pub(super) fn addresses(text: &str) -> Vec<(String, String, String)> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme: String =
            text[..at].chars().rev().take_while(|c| c.is_ascii_alphanumeric() || *c == '+').collect();
        let scheme: String = scheme.chars().rev().collect();
        let rest: &str = &text[at + 3..];
        let end = rest
            .find(|c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '`' | '|' | '>' | '<' | '\\' | ',')
            })
            .unwrap_or(rest.len());
        let rest = &rest[..end];
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = place.rsplit('@').next().unwrap_or(place).to_lowercase();
        if !scheme.is_empty() && !place.is_empty() {
            out.push((scheme.to_lowercase(), place, path.to_owned()));
        }
    }
    for (at, _) in text.match_indices("git@") {
        let rest: String =
            text[at + 4..].chars().take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
        if let Some((host, path)) = rest.split_once(':') {
            out.push(("ssh".into(), host.to_lowercase(), path.to_owned()));
        }
    }
    out
}

/// Whether a host is of the inside: no dot, cluster names, private addresses.
pub(super) fn inside(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    if let Ok(ip) = name.parse::<std::net::Ipv4Addr>() {
        return ip.is_private() || ip.is_loopback() || ip.is_link_local();
    }
    !name.contains('.')
        || [".svc", ".local", ".internal", ".cluster.local", ".lan", ".corp"]
            .iter()
            .any(|e| name.ends_with(e))
}

pub(super) fn places(text: &str, task: Task, output: bool, out: &mut Vec<Act>) {
    let data = matches!(task, Task::Ingest | Task::Transform | Task::Validate | Task::Train) && !output;
    let pinned = is_pinned(text);
    for (scheme, place, path) in addresses(text) {
        // A template stands for a value that is not here.
        if place.contains(['{', '$']) {
            continue;
        }
        let whole = format!("{scheme}://{place}/{path}");
        match scheme.as_str() {
            "http" | "ftp" => {
                if place.starts_with("www.w3.org") || place.starts_with("schemas.") || inside(&place) {
                    continue;
                }
                out.push(act(
                    format!("plain {place}"),
                    "source.plain",
                    Severity::High,
                    format!("is fetched without protection: {whole}"),
                ));
            }
            "https" | "ssh" | "git" | "git+https" | "git+ssh" | "sftp" => {
                if inside(&place) {
                    continue;
                }
                let bare = place.split(':').next().unwrap_or_default().parse::<std::net::IpAddr>().is_ok();
                let severity = match (bare, pinned) {
                    (true, _) => Some(Severity::High),
                    (false, true) => None,
                    (false, false) => Some(Severity::Medium),
                };
                out.push(act(
                    format!("host {place}"),
                    "source.host",
                    severity,
                    format!("another host is used: {whole}"),
                ));
                // On a host shared by the world the account is the place.
                let shared = [
                    "github.com",
                    "gitlab.com",
                    "huggingface.co",
                    "raw.githubusercontent.com",
                    "bitbucket.org",
                ];
                if shared.contains(&place.as_str())
                    && let Some(owner) = path.split('/').find(|p| !p.is_empty() && *p != "datasets")
                {
                    out.push(act(
                        format!("owner {place}/{owner}"),
                        "source.owner",
                        severity,
                        format!("another account is used: {whole}"),
                    ));
                }
            }
            "s3" | "s3a" | "s3n" | "gs" | "gcs" | "abfs" | "abfss" | "wasbs" | "hdfs" | "oss" | "minio"
            | "dvc" | "azureml" | "dbfs" => {
                let severity = if data { Severity::High } else { Severity::Medium };
                out.push(act(
                    format!("bucket {place}"),
                    "source.bucket",
                    severity,
                    format!("another bucket is used: {whole}"),
                ));
                if data {
                    out.push(act(
                        format!("path {place}/{}", shape(&path)),
                        "source.path",
                        Severity::Medium,
                        format!("another path is read: {whole}"),
                    ));
                }
            }
            _ => {}
        }
    }
}

/// Whether a text checks what it fetches.
pub(super) fn is_pinned(text: &str) -> bool {
    let hex = |n: usize| {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|w| w.len() == n && w.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    hex(64)
        || hex(40)
        || [
            "sha256sum -c",
            "sha256sum --check",
            "sha512sum -c",
            "--require-hashes",
            "cosign verify",
            "gpg --verify",
            "minisign -V",
        ]
        .iter()
        .any(|w| text.contains(w))
}

/// An image or action as registry, name, and version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub owner: String,
    pub name: String,
    pub version: String,
    pub digest: String,
}

/// Splits `registry/owner/name:tag@sha256:…` or `owner/action@ref`.
pub(super) fn image(text: &str) -> Image {
    let (text, digest) = text.split_once("@sha256:").map_or((text, ""), |(t, d)| (t, d));
    let (path, version) = match text.split_once('@') {
        Some((path, reference)) => (path, reference),
        None => match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (text, ""),
        },
    };
    let path =
        path.trim_start_matches("docker.io/").trim_start_matches("docker://").trim_start_matches("library/");
    let (owner, name) = path.rsplit_once('/').unwrap_or(("", path));
    // A commit is as good as a digest.
    let commit = version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = if commit { version } else { digest };
    Image {
        owner: owner.to_lowercase(),
        name: name.to_lowercase(),
        version: version.to_owned(),
        digest: digest.to_owned(),
    }
}
