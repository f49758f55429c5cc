//! Files and folders looked at without a case: hash, format, and what they would do.

use super::examine::{Examined, Reason, Ruling, examine, recognise};
use super::provenance::{differences, signed};
use crate::evidence::format::describe;
use crate::evidence::provenance::{Checked, Key, Signature, check};
use crate::evidence::{EvidenceError, Limits, intake, text};
use crate::procedure::Severity;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Files looked at side by side before the next are begun.
const BATCH: usize = 256;

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// As given, or below the folder that was given.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Lower-case hex SHA-256; empty when it could not be read.
    pub sha256: String,
    /// Name of its format, or of the container that it is packed in.
    pub format: String,
    /// What it deserves.
    pub ruling: Ruling,
    /// Worst first.
    pub reasons: Vec<Reason>,
    /// Facts for people and tools.
    pub facts: Map<String, Value>,
    /// It could not be read.
    pub unread: bool,
}

/// All files of an inspection, in the order of the arguments and by path within a folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    /// The files.
    pub files: Vec<File>,
    /// What a signature or statement says of them, if one was given.
    pub statement: Option<Checked>,
}

/// Looks at files and folders. When `go_on` says no, which is asked between files and while one is read, what is left is
/// reported as not read.
///
/// # Errors
/// A path that is not there, or a folder beyond the caps.
pub fn inspect(
    paths: &[PathBuf],
    limits: &Limits,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Inspection, EvidenceError> {
    let mut wanted = Vec::new();
    for path in paths {
        let kind = std::fs::symlink_metadata(path)
            .map_err(|e| EvidenceError::whole(path, "intake.open", e.to_string()))?
            .file_type();
        if !kind.is_dir() {
            wanted.push(path.clone());
            continue;
        }
        let (files, others) = intake::list(path, limits)?;
        let mut below: Vec<PathBuf> = files.iter().chain(&others).map(|f| path.join(f)).collect();
        below.sort();
        wanted.extend(below);
    }
    let mut out = Inspection::default();
    let mut stopped = false;
    for batch in wanted.chunks(BATCH) {
        if stopped || !go_on() {
            stopped = true;
            let why = |p: &PathBuf| EvidenceError::whole(p, "intake.stopped", "stopped before it was read");
            out.files.extend(batch.iter().map(|p| not_read(p, &why(p))));
            continue;
        }
        match batch {
            // By itself on the thread that asks: the system's allocator is slower in others.
            [only] => out.files.push(one_while(only, limits, go_on)),
            _ => out.files.par_extend(batch.par_iter().map(|p| one_while(p, limits, go_on))),
        }
    }
    Ok(out)
}

/// Looks at one file.
pub fn one(path: &Path, limits: &Limits) -> File {
    one_while(path, limits, &|| true)
}

/// As [`one`], as long as `go_on` says so.
fn one_while(path: &Path, limits: &Limits, go_on: &(dyn Fn() -> bool + Sync)) -> File {
    match intake::read_with(path, limits, &|_, _| go_on()) {
        Err(e) => not_read(path, &e),
        Ok(bytes) => {
            let (name, found) = recognise(&bytes);
            let Examined { format, ruling, reasons, facts } = examine(&bytes, &name, found, limits);
            let packed = facts.get("container").and_then(Value::as_str).map(str::to_owned);
            File {
                path: path.to_owned(),
                bytes: bytes.data.len() as u64,
                sha256: bytes.sha256,
                format: packed.unwrap_or_else(|| describe(format).name.to_owned()),
                ruling,
                reasons,
                facts,
                unread: false,
            }
        }
    }
}

fn not_read(path: &Path, e: &EvidenceError) -> File {
    let mut reason = Reason::refused(e);
    reason.ruling = Ruling::Review;
    File {
        path: path.to_owned(),
        bytes: 0,
        sha256: String::new(),
        format: "unread".to_owned(),
        ruling: Ruling::Review,
        reasons: vec![reason],
        facts: Map::new(),
        unread: true,
    }
}

impl Inspection {
    /// Holds a signature or statement against what was inspected.
    ///
    /// # Errors
    /// A statement, key or file that cannot be read.
    pub fn hold_against(
        &mut self,
        statement: &Path,
        keys: &[PathBuf],
        target: &Path,
        limits: &Limits,
    ) -> Result<(), EvidenceError> {
        let read: Result<Vec<Vec<Key>>, _> = keys.iter().map(|k| Key::read(k, limits)).collect();
        self.statement = Some(check(statement, &read?.concat(), target, limits)?);
        Ok(())
    }

    /// Whether every file was read, and the statement, if there is one, could be judged.
    pub fn complete(&self) -> bool {
        let judged = self.statement.as_ref().is_none_or(|s| !matches!(s.signature, Signature::Unjudged(_)));
        judged && self.files.iter().all(|f| !f.unread)
    }

    /// The worst severity of what was found; what is merely worth knowing does not count.
    pub fn worst(&self) -> Option<Severity> {
        let counts = |r: &&Reason| r.ruling > Ruling::Accept;
        let files = self.files.iter().filter(|f| !f.unread).flat_map(|f| f.reasons.iter().filter(counts));
        let forged =
            self.statement.as_ref().filter(|s| !s.agrees() || matches!(s.signature, Signature::Wrong(_)));
        files.map(|r| r.severity).chain(forged.map(|_| Severity::Critical)).max()
    }

    /// Schema `laocoon.inspect/1`.
    pub fn json(&self) -> Value {
        let reason = |r: &Reason| {
            let member = if r.member.is_empty() { Value::Null } else { json!(r.member) };
            json!({"code": r.code, "severity": r.severity, "offset": r.offset, "member": member, "detail": told(r)})
        };
        let file = |f: &File| {
            json!({
                "path": text::visible(&f.path.to_string_lossy()), "bytes": f.bytes, "sha256": f.sha256, "format": f.format,
                "verdict": f.ruling, "reasons": f.reasons.iter().map(reason).collect::<Vec<_>>(), "facts": f.facts,
            })
        };
        let files: Vec<Value> = self.files.iter().map(file).collect();
        let statement = self.statement.as_ref().map(|s| {
            json!({
                "kind": s.kind, "signature": signed(s), "proved": s.proved(), "matched": s.matched, "different": s.different,
                "missing": s.missing, "extra": s.extra, "problems": s.problems, "facts": s.facts,
            })
        });
        json!({
            "schema": "laocoon.inspect/1", "tool": {"name": "laocoon", "version": env!("CARGO_PKG_VERSION")},
            "complete": self.complete(), "files": files, "statement": statement,
        })
    }

    /// For people: a line for each file, and one for each reason.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for f in &self.files {
            let path = text::visible(&f.path.to_string_lossy());
            let _ = writeln!(out, "{:<7} {path}  ({}, {} bytes)", word(f.ruling), f.format, f.bytes);
            if !f.sha256.is_empty() {
                let _ = writeln!(out, "        sha256 {}", f.sha256);
            }
            for r in &f.reasons {
                let member = if r.member.is_empty() { String::new() } else { format!("{}: ", r.member) };
                let severity = format!("{:?}", r.severity).to_lowercase();
                let _ = writeln!(out, "        {severity:<8} {}  {member}{}", r.code, told(r));
            }
        }
        if let Some(s) = &self.statement {
            let parts = differences(s);
            let rest = if parts.is_empty() {
                format!("{} files are as stated", s.matched)
            } else {
                parts.join("; ")
            };
            let _ = writeln!(out, "{}: {}; {rest}", s.kind, signed(s));
        }
        let count = |ruling| self.files.iter().filter(|f| f.ruling == ruling).count();
        let n = self.files.len();
        let _ = writeln!(
            out,
            "{n} files: {} accepted, {} to review, {} rejected, {} flagged",
            count(Ruling::Accept),
            count(Ruling::Review),
            count(Ruling::Reject),
            count(Ruling::Flag)
        );
        out.push_str("Nothing was loaded or run. Accepted means: nothing known was found in what this program reads.\n");
        out
    }
}

/// The reason with its place, in words.
fn told(r: &Reason) -> String {
    if r.place.is_empty() { r.detail.clone() } else { format!("{}: {}", r.place, r.detail) }
}

fn word(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Accept => "accept",
        Ruling::Review => "review",
        Ruling::Reject => "reject",
        Ruling::Flag => "FLAG",
    }
}
