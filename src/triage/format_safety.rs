//! Can opening these files hurt, are they whole, and do their names say the truth?

use super::examine::{Reason, Ruling, examine, is_about_the_file, recognise};
use crate::evidence::{EvidenceError, Format, Item, ItemState, Limits, Role, format, intake, text};
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Concern, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
    Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The procedure `format-safety`.
#[derive(Debug)]
pub struct FormatSafety;

/// The one instance.
pub static FORMAT_SAFETY: FormatSafety = FormatSafety;

static ABOUT: About = About {
    id: "format-safety",
    title: "Format safety",
    phase: Phase::Triage,
    version: 2,
    question: "What are these files by content, and can opening them elsewhere run code?",
    needs: "any evidence",
    reference: "format specifications; CVE-2019-6446, CVE-2024-3660, CVE-2025-1550, CVE-2025-32434, CVE-2024-34359",
    cost: Cost::Low,
    after: &[],
    page: include_str!("format_safety.md"),
};

/// Reasons of one kind in a folder named in one finding.
const NAMED: usize = 5;

impl Procedure for FormatSafety {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        if case.register.is_empty() {
            return Err(Skip("there is no evidence in the register".to_owned()));
        }
        let units = case.register.iter().map(|i| i.files.max(1)).sum();
        let inputs = case.register.iter().map(|i| i.id.clone()).collect();
        Ok(Plan { params: json!({}), units, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        for item in &case.register {
            let found = item_reasons(case, item, &mut seen, plan.units, cx);
            match found {
                Ok(reasons) => seen.take(item, reasons),
                Err(e) if e.code == "intake.stopped" => return Err(Stop::Cancelled),
                Err(e) => seen.unread.push(format!("{} ({e})", item.id)),
            }
            cx.check()?;
        }
        cx.step(plan.units, plan.units)?;
        Ok(seen.outcome())
    }
}

/// What was learnt so far.
#[derive(Default)]
struct Seen {
    done: u64,
    formats: BTreeMap<Format, u64>,
    unread: Vec<String>,
    reasons: Vec<Value>,
    findings: Vec<Finding>,
}

/// A file below an item and what is to be said about it.
type Found = (PathBuf, Vec<Reason>);

/// Looks at the file, or at each file of the folder, that an item is.
fn item_reasons(
    case: &Case,
    item: &Item,
    seen: &mut Seen,
    units: u64,
    cx: &mut Context,
) -> Result<Vec<Found>, EvidenceError> {
    let limits = Limits::in_force();
    let path = case.file.locate(Path::new(item.path.raw()))?;
    let stopped = |_| EvidenceError::whole(&path, "intake.stopped", "stopped");
    if path.is_dir() && !path.is_symlink() {
        let (files, others) = intake::list(&path, limits)?;
        let mut out: Vec<Found> = Vec::new();
        for file in files {
            let mut reasons = file_in_folder(&path.join(&file), seen, limits)?;
            reasons.retain(|r| !of_its_nature(item.role, &path, &file, r));
            if !reasons.is_empty() {
                out.push((file, reasons));
            }
            seen.done += 1;
            cx.step(seen.done.min(units), units).map_err(stopped)?;
        }
        let link = |p: PathBuf| {
            let detail = "a link, pipe or device, which is neither followed nor hashed".to_owned();
            (p, vec![Reason::coded("intake.not_a_file", String::new(), detail)])
        };
        out.extend(others.into_iter().map(link));
        out.extend(refusal(item, &[]).map(|r| (PathBuf::new(), vec![r])));
        return Ok(out);
    }
    let bytes = intake::read_with(&path, limits, &|_, _| cx.check().is_ok())?;
    if !item.sha256.is_empty() && bytes.sha256 != item.sha256 {
        return Err(EvidenceError::whole(&path, "intake.changed", "changed since intake"));
    }
    let (name, found) = recognise(&bytes);
    *seen.formats.entry(found).or_default() += 1;
    let mut reasons = examine(&bytes, &name, found, limits).reasons;
    reasons.retain(|r| !of_its_nature(item.role, &path, Path::new(""), r));
    reasons.extend(refusal(item, &reasons));
    reasons.extend(unsafe_model(item, found, &reasons));
    seen.done += 1;
    cx.step(seen.done.min(units), units).map_err(stopped)?;
    Ok(vec![(PathBuf::new(), reasons)])
}

/// What material of a pipeline holds by its nature: scripts, tables and texts of any form, a repository's own files.
fn of_its_nature(role: Role, folder: &Path, file: &Path, reason: &Reason) -> bool {
    if !role.is_pipeline() || role == Role::Checkpoints {
        return false;
    }
    let repository = file.components().any(|c| c.as_os_str() == ".git");
    let script = || {
        intake::head(&if file.as_os_str().is_empty() { folder.to_owned() } else { folder.join(file) })
            .is_ok_and(|(head, _)| head.starts_with(b"#!"))
    };
    let code = reason.code.as_str();
    repository
        || (code == "format.executable" && script())
        || ["csv.", "json."].iter().any(|family| code.starts_with(family))
        || matches!(code, "format.unknown" | "format.empty" | "format.source_code")
}

/// Files of a folder are told by their beginning; the readers of the data set have read the rest.
fn file_in_folder(path: &Path, seen: &mut Seen, limits: &Limits) -> Result<Vec<Reason>, EvidenceError> {
    let (head, len) = intake::head(path)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let found = format::sniff(&head, len, Some(&name));
    *seen.formats.entry(found).or_default() += 1;
    if head.len() as u64 == len {
        let bytes = intake::Bytes { path: path.to_owned(), data: head.into(), sha256: String::new() };
        return Ok(examine(&bytes, &name, found, limits).reasons);
    }
    let bytes = intake::read(path, limits)?;
    let (name, found) = recognise(&bytes);
    Ok(examine(&bytes, &name, found, limits).reasons)
}

/// What the readers said when the item was taken in or loaded, if it is about the file and not said already.
fn refusal(item: &Item, known: &[Reason]) -> Option<Reason> {
    let code = item.refusal_code().filter(|c| is_about_the_file(c))?;
    let ItemState::Refused(reason) = &item.state else { return None };
    let same = |r: &Reason| r.code == code;
    (!known.iter().any(same)).then(|| Reason::coded(code, String::new(), reason.clone()))
}

/// A model in a format that runs code when loaded, whether or not it could be read here as data.
fn unsafe_model(item: &Item, found: Format, known: &[Reason]) -> Option<Reason> {
    let about = format::describe(found);
    let said = known.iter().any(|r| r.code == "format.unsafe");
    let dangerous = item.role == Role::Model && about.code == format::CodeRisk::WhenLoaded && !said;
    let detail =
        || format!("this is a {}: {}; it was read as data here, and not unpickled", about.what, about.danger);
    dangerous.then(|| Reason::new("format.unsafe", detail()))
}

impl Seen {
    /// Makes findings of what was found in an item: one per kind of trouble.
    fn take(&mut self, item: &Item, found: Vec<Found>) {
        let mut kinds: BTreeMap<String, Vec<(PathBuf, Reason)>> = BTreeMap::new();
        for (file, reasons) in found {
            for reason in reasons {
                self.reasons.push(json!({
                    "evidence": item.id, "member": text::visible(&file.to_string_lossy()), "code": reason.code,
                    "severity": reason.severity, "ruling": reason.ruling, "inside": reason.member, "offset": reason.offset,
                    "place": reason.place, "detail": reason.detail,
                }));
                // What is merely worth knowing is kept above, and accuses nobody.
                if reason.ruling > Ruling::Accept || reason.code.ends_with(".nonfinite") {
                    kinds.entry(reason.code.clone()).or_default().push((file.clone(), reason));
                }
            }
        }
        for (code, all) in kinds {
            if let Some(finding) = finding(item, &code, &all) {
                self.findings.push(finding);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let files: u64 = self.formats.values().sum();
        let n = self.findings.len();
        let worst = self.findings.iter().map(|f| f.severity).max();
        let verdict = match (n, self.unread.is_empty()) {
            (1.., _) => Verdict::Flagged,
            (0, false) => Verdict::Inconclusive,
            (0, true) => Verdict::NothingFound,
        };
        let unread = if self.unread.is_empty() {
            String::new()
        } else {
            format!(" Not read: {}.", self.unread.join("; "))
        };
        let summary = match worst {
            Some(worst) => format!("{n} findings about {files} files, the worst is {}.{unread}", word(worst)),
            None if self.unread.is_empty() => {
                format!("{files} files: nothing in them would act when loaded, and they are whole.")
            }
            None => format!("Nothing found in the {files} files that could be read.{unread}"),
        };
        let formats: serde_json::Map<String, Value> =
            self.formats.iter().map(|(f, n)| (f.name().to_owned(), Value::from(*n))).collect();
        Outcome {
            verdict,
            summary,
            statistic: Some(n as f64),
            threshold: Some(0.0),
            threshold_origin: "each finding counts; its weight is the format's or the reader's (see the page)".to_owned(),
            findings: self.findings,
            measures: BTreeMap::from([
                ("files".to_owned(), Value::from(files)),
                ("formats".to_owned(), Value::Object(formats)),
                ("reasons".to_owned(), Value::Array(self.reasons)),
                ("unread".to_owned(), Value::from(self.unread)),
            ]),
            arrays: BTreeMap::new(),
            figures: BTreeMap::from([("formats".to_owned(), figure(&self.formats))]),
            limits: "Nothing was loaded. A pickle is accepted when every name it imports is on a list of names that saved \
                     models need; what those libraries do with their arguments is not followed. 7z, rar, zstd and lz4 are \
                     recognised and not opened, HDF5 is followed by its links and texts only. Code can also be in a loader \
                     that comes with a model, which is no part of the files judged here."
                .to_owned(),
        }
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// One finding for all reasons of one code in an item.
fn finding(item: &Item, code: &str, all: &[(PathBuf, Reason)]) -> Option<Finding> {
    let worst = all.iter().max_by_key(|(_, r)| r.severity).map(|(_, r)| r)?;
    let parts = [worst.member.as_str(), worst.place.as_str()].into_iter().filter(|p| !p.is_empty());
    let place: String = parts.flat_map(|p| [p, ": "]).collect();
    let name = match all.iter().find(|(file, _)| !file.as_os_str().is_empty()) {
        None => item.path.shown(),
        Some((file, _)) if all.len() == 1 => {
            format!("{}/{}", item.path.shown(), text::visible(&file.to_string_lossy()))
        }
        Some(_) => format!("{} files of {}", all.len(), item.path.shown()),
    };
    let mut detail = format!("{place}{} [{code}]", worst.detail);
    if all.len() > 1 {
        let names: Vec<String> =
            all.iter().take(NAMED).map(|(f, _)| text::visible(&f.to_string_lossy())).collect();
        let more = if all.len() > NAMED { ", …" } else { "" };
        detail = format!("{detail}; files: {}{more}", names.join(", "));
    }
    let title = format!("{name}: {}", headline(code, worst));
    Some(
        Finding::new(worst.concern, worst.severity, worst.confidence, title, detail)
            .on(std::slice::from_ref(&item.id)),
    )
}

/// A code in a few words.
fn headline(code: &str, worst: &Reason) -> String {
    match (code.split_once('.'), worst.ruling, worst.concern) {
        (Some(("format", "mismatch")), ..) => "its name does not say what it is",
        (Some(("format", "unknown")), ..) => "of an unknown format",
        (Some(("format" | "file", "empty" | "empty_or_short")), ..) => "empty",
        (Some(("format", "lfs_pointer")), ..) => "a Git LFS pointer, not the file",
        (Some(("format", "executable")), ..) => "a program",
        (Some(("format", "source_code")), ..) => "source code",
        (Some(("container", _)), ..) => "a container that cannot be looked into",
        (Some(("polyglot", _)), ..) => "two formats in one file",
        (Some(("npy", "object")), ..) => "a pickle inside an array",
        (Some((_, "architecture.branch" | "branch")), ..) => "a branch that the input decides",
        (Some((_, "name_unprintable")), ..) => "names that act on a screen",
        (Some(("intake", _)), ..) => "no regular file",
        (_, Ruling::Flag, Concern::UnsafeFormat) => "loading it would run what it names",
        (_, Ruling::Flag, _) => "built to mislead its readers",
        (_, Ruling::Review, Concern::UnsafeFormat) => "it names code that nothing is known about",
        (_, Ruling::Review | Ruling::Accept, _) => "odd",
        _ => "malformed",
    }
    .to_owned()
}

/// Files per format, those that can run code marked.
fn figure(formats: &BTreeMap<Format, u64>) -> Figure {
    let bar = |(f, n): (&Format, &u64)| Bar {
        label: f.name().to_owned(),
        value: *n as f64,
        flagged: format::describe(*f).code >= format::CodeRisk::WhenLoaded,
        spread: None,
    };
    Figure {
        title: "Files by recognised format (marked: loading can run code)".to_owned(),
        body: Body::Bars {
            value_label: "files".to_owned(),
            bars: formats.iter().map(bar).collect(),
            threshold: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::examine::tests::{case_of, onnx_file, run};
    use std::fs;

    #[test]
    fn safe_formats_find_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), onnx_file()).unwrap();
        fs::write(dir.path().join("l.txt"), b"cat\ndog\n").unwrap();
        let toml = "[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\nlabels = \"l.txt\"\n";
        let out = run(&FORMAT_SAFETY, &case_of(dir.path(), toml));
        assert_eq!((out.verdict, out.statistic), (Verdict::NothingFound, Some(0.0)));
        assert_eq!(out.measures["formats"], json!({"onnx": 1, "text": 1}));
        let Body::Bars { bars, .. } = &out.figures["formats"].body else { panic!() };
        assert!(bars.iter().all(|b| !b.flagged));
    }

    #[test]
    fn a_pickle_as_model_and_a_program_among_images() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), b"\x80\x02cos\nsystem\nq\0.").unwrap();
        fs::create_dir_all(dir.path().join("d/cat")).unwrap();
        image::ImageBuffer::from_pixel(2, 2, image::Luma([1u8]))
            .save(dir.path().join("d/cat/a.png"))
            .unwrap();
        fs::write(dir.path().join("d/cat/b.png"), b"\x7fELF\x02").unwrap();
        let toml =
            "[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\n[[data]]\nrole = \"clean\"\npath = \"d\"\n";
        let out = run(&FORMAT_SAFETY, &case_of(dir.path(), toml));
        assert_eq!(out.verdict, Verdict::Flagged);
        let titles: Vec<_> =
            out.findings.iter().map(|f| (f.title.as_str(), f.severity, f.evidence[0].as_str())).collect();
        for expected in [
            ("m.onnx: loading it would run what it names", Severity::Critical, "E1"),
            ("m.onnx: its name does not say what it is", Severity::High, "E1"),
            ("d/cat/b.png: a program", Severity::Critical, "E2"),
            ("d/cat/b.png: its name does not say what it is", Severity::High, "E2"),
        ] {
            assert!(titles.contains(&expected), "{titles:?}");
        }
        assert!(out.findings.iter().all(|f| f.concern != Concern::Backdoor));
    }

    #[test]
    fn malformed_files_and_what_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.safetensors"), b"\x02\0\0\0\0\0\0\0{}hidden").unwrap();
        let toml = "[case]\nid = \"x\"\n[model]\npath = \"m.safetensors\"\n";
        let out = run(&FORMAT_SAFETY, &case_of(dir.path(), toml));
        assert_eq!((out.findings[0].concern, out.findings[0].severity), (Concern::Malformed, Severity::High));
        assert!(out.findings[0].detail.contains("st.trailing_data"), "{}", out.findings[0].detail);
        fs::remove_file(dir.path().join("m.safetensors")).unwrap();
        let out = run(&FORMAT_SAFETY, &case_of(dir.path(), toml));
        assert_eq!(out.verdict, Verdict::Inconclusive);
        assert!(out.summary.contains("E1"), "{}", out.summary);
    }
}
