//! `laocoon inspect --network FILE`: the network in a file, for a person.

use super::{InspectArgs, InspectFormat};
use crate::cli::{Exit, Usage, deliver};
use crate::evidence::{Bytes, EvidenceError, InputSpec, Limits, ModelEntry, intake, text::visible};
use crate::network::load::{Architecture, open_model};
use crate::network::{Model, onnx, show};
use crate::triage::examine::{examine, held_back, recognise};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Prints the network of each file. Exits with 3 when one could not be opened.
pub(super) fn run(args: &InspectArgs, limits: &Limits) -> anyhow::Result<Exit> {
    if let Some(folder) = args.paths.iter().find(|p| p.is_dir()) {
        return Err(Usage(format!("{}: a folder; --network takes model files", folder.display())).into());
    }
    if !matches!(args.input.len(), 0 | 3) {
        return Err(Usage("--input takes three numbers: channels,height,width".to_owned()).into());
    }
    let (mut text, mut files, mut whole) = (String::new(), Vec::new(), true);
    for path in &args.paths {
        let bytes = intake::read(path, limits)?;
        let opened = open(args, path, &bytes, limits);
        whole &= opened.is_ok();
        match args.format {
            InspectFormat::Text => tell(&mut text, path, &bytes, &opened, limits),
            InspectFormat::Json => files.push(value(path, &bytes, &opened)),
        }
    }
    if matches!(args.format, InspectFormat::Json) {
        text = serde_json::to_string_pretty(&json!({"schema": "laocoon.network/1", "files": files}))? + "\n";
    }
    deliver(args.output.as_deref(), text.as_bytes())?;
    Ok(if whole || args.allow_incomplete { Exit::Pass } else { Exit::Incomplete })
}

fn open(args: &InspectArgs, path: &Path, bytes: &Bytes, limits: &Limits) -> Result<Model, EvidenceError> {
    if let Some(why) = held_back(bytes, limits).filter(|_| !args.analyse_flagged) {
        return Err(why);
    }
    let input = match args.input[..] {
        [c, h, w] => {
            Some(InputSpec { shape: [c, h, w], range: [0.0, 1.0], mean: Vec::new(), std: Vec::new() })
        }
        _ => None,
    };
    let entry = ModelEntry {
        path: path.to_owned(),
        architecture: args.architecture.clone(),
        sha256: None,
        signature: None,
        key: None,
        labels: None,
        input,
        analyse_flagged: args.analyse_flagged,
        external_data: args.external_data,
    };
    let described;
    let architecture = match &args.architecture {
        Some(name) if name.contains('/') || Path::new(name).extension().is_some() => {
            described = intake::read_text(Path::new(name), limits)?.1;
            Some(Architecture::Description { path: Path::new(name), text: &described })
        }
        Some(name) => Some(Architecture::Named(name)),
        None => None,
    };
    open_model(&entry, bytes, architecture, &[], limits)
}

fn tell(
    out: &mut String,
    path: &Path,
    bytes: &Bytes,
    opened: &Result<Model, EvidenceError>,
    limits: &Limits,
) {
    let (name, found) = recognise(bytes);
    let examined = examine(bytes, &name, found, limits);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{} ({} bytes, SHA-256 {})",
        visible(&path.to_string_lossy()),
        bytes.data.len(),
        bytes.sha256
    );
    let codes: Vec<&str> = examined.reasons.iter().map(|r| r.code.as_str()).collect();
    let codes = if codes.is_empty() { "nothing".to_owned() } else { codes.join(", ") };
    let _ = writeln!(out, "  {}; triage holds against it: {codes}", found.name());
    match opened {
        Ok(model) => out.push_str(&show::text(model)),
        Err(e) => {
            let _ = writeln!(out, "  cannot be run: {}{} [{}]", place(e), e.reason, e.code);
            let operators = onnx::operators(&bytes.data);
            let list = |known: bool| {
                let of = operators.iter().filter(|o| o.known == known);
                of.map(|o| format!("{} {}", o.name, o.count)).collect::<Vec<_>>().join(", ")
            };
            if !operators.is_empty() {
                let _ = writeln!(out, "operators that are run in their usual forms: {}", list(true));
                for o in operators.iter().filter(|o| !o.known) {
                    let _ = writeln!(
                        out,
                        "unsupported: {} ({} nodes, the first is {})",
                        o.name, o.count, o.first
                    );
                }
            }
        }
    }
    out.push('\n');
}

fn place(e: &EvidenceError) -> String {
    if e.place.is_empty() { String::new() } else { format!("{}: ", e.place) }
}

fn value(path: &Path, bytes: &Bytes, opened: &Result<Model, EvidenceError>) -> Value {
    let mut value = match opened {
        Ok(model) => show::json(model),
        Err(e) => {
            let operators = onnx::operators(&bytes.data);
            let unsupported: Vec<Value> = operators
                .iter()
                .filter(|o| !o.known)
                .map(|o| json!({"operator": o.name, "count": o.count, "first": o.first}))
                .collect();
            json!({"error": {"code": e.code, "place": e.place, "reason": e.reason}, "unsupported": unsupported})
        }
    };
    value["path"] = json!(visible(&path.to_string_lossy()));
    value["sha256"] = json!(bytes.sha256);
    value
}
