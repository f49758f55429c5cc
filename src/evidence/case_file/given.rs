//! A case made up from what was given on the command line.

use super::{CASE_FILE, CaseFile, DataEntry, ModelEntry};
use crate::evidence::dataset::{self, Kind};
use crate::evidence::{EvidenceError, Limits, Role};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(super) fn from_paths(
    paths: &[PathBuf],
    data: &[String],
    limits: &Limits,
) -> Result<CaseFile, EvidenceError> {
    let mut given = paths.iter().peekable();
    let case_path = given.peek().and_then(|first| case_file_of(first));
    let mut case = if let Some(path) = case_path {
        given.next();
        CaseFile::read(&path, limits)?
    } else {
        let first = paths.first().cloned().or_else(|| data.first().map(|d| role_and_path(d).1));
        let Some(first) = first else {
            let reason = "nothing was given: name a case folder, a model file or a data set";
            return Err(EvidenceError::whole("", "case.empty", reason));
        };
        made_up(&first)?
    };
    let from_case = case.model.is_some() || !case.data.is_empty();
    for path in given {
        let path = locate(path, &case.root)?;
        match dataset::kind(&case.root.join(&path), limits)? {
            Kind::Data => case.data.push(entry(Role::Clean, path)),
            Kind::Folder => {
                let reason =
                    format!("a folder without {CASE_FILE} and without images: no case and no data set");
                return Err(EvidenceError::whole(path, "case.path", reason));
            }
            Kind::Other if case.model.is_none() && !from_case => {
                case.model = Some(ModelEntry {
                    path,
                    architecture: None,
                    sha256: None,
                    signature: None,
                    key: None,
                    labels: None,
                    input: None,
                    analyse_flagged: false,
                    external_data: false,
                });
            }
            Kind::Other => case.artefacts.push(path),
        }
    }
    let without_role = if case.model.is_none() && !from_case { Role::Training } else { Role::Clean };
    case.data.iter_mut().skip(if from_case { usize::MAX } else { 0 }).for_each(|d| d.role = without_role);
    for value in data {
        let (role, path) = role_and_path(value);
        let path = locate(&path, &case.root)?;
        case.data.push(entry(role.unwrap_or(without_role), path));
    }
    if !from_case {
        case.text = text_of(&case);
    }
    Ok(case)
}

/// The case file that a path names: itself, or in the folder.
fn case_file_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        Some(path.join(CASE_FILE)).filter(|p| p.is_file())
    } else {
        (path.extension() == Some(OsStr::new("toml"))).then(|| path.to_owned())
    }
}

/// An empty case named after the first thing given, whose folder is the root.
fn made_up(first: &Path) -> Result<CaseFile, EvidenceError> {
    let (folder, name) = place_of(first)?;
    let name = Path::new(&name).file_stem().unwrap_or(&name).to_string_lossy().into_owned();
    Ok(CaseFile {
        title: format!("Examination of {name}"),
        id: name,
        questions: Vec::new(),
        model: None,
        data: Vec::new(),
        artefacts: Vec::new(),
        pipeline: None,
        deployment: None,
        handling: None,
        unexamined: Vec::new(),
        text: String::new(),
        root: folder,
    })
}

/// Splits `ROLE=PATH`; anything else is a path.
fn role_and_path(value: &str) -> (Option<Role>, PathBuf) {
    let roles = [Role::Training, Role::Clean, Role::Test, Role::Suspect];
    let named = value.split_once('=').and_then(|(name, path)| {
        roles.into_iter().find(|r| r.name() == name).map(|role| (Some(role), PathBuf::from(path)))
    });
    named.unwrap_or_else(|| (None, PathBuf::from(value)))
}

fn entry(role: Role, path: PathBuf) -> DataEntry {
    DataEntry { role, path, sha256: None, manifest: None }
}

/// The folder (resolved) and the name of a path that exists; the last component is not resolved, so that intake can
/// refuse a link.
fn place_of(path: &Path) -> Result<(PathBuf, std::ffi::OsString), EvidenceError> {
    let failed = |e: std::io::Error| {
        let reason = if e.kind() == std::io::ErrorKind::NotFound {
            "no such file or folder".into()
        } else {
            e.to_string()
        };
        EvidenceError::whole(path, "intake.open", reason)
    };
    std::fs::symlink_metadata(path).map_err(failed)?;
    let Some(name) = path.file_name() else {
        // "." or "..": its own name is known after resolving it.
        let full = std::fs::canonicalize(path).map_err(failed)?;
        let name = full.file_name().unwrap_or_default().to_owned();
        return Ok((full.parent().unwrap_or(&full).to_owned(), name));
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((std::fs::canonicalize(folder).map_err(failed)?, name.to_owned()))
}

/// A path of the command line as a case keeps it: relative when it is below the root, absolute elsewhere.
fn locate(path: &Path, root: &Path) -> Result<PathBuf, EvidenceError> {
    let (folder, name) = place_of(path)?;
    let full = folder.join(name);
    if full.to_str().is_none() {
        let reason = "the name is not UTF-8, so no journal could name it; rename a copy";
        return Err(EvidenceError::whole(path, "case.path", reason));
    }
    Ok(full.strip_prefix(root).map_or_else(|_| full.clone(), Path::to_owned))
}

/// A case file that says the same, for the session folder.
fn text_of(case: &CaseFile) -> String {
    let quote = |s: &str| toml::Value::String(s.to_owned()).to_string();
    let path = |p: &Path| quote(&p.to_string_lossy());
    let mut out = String::from("# Made up from the command line.\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "[case]\nid = {}\ntitle = {}", quote(&case.id), quote(&case.title));
    if let Some(model) = &case.model {
        let _ = writeln!(out, "\n[model]\npath = {}", path(&model.path));
    }
    for d in &case.data {
        let _ = writeln!(out, "\n[[data]]\nrole = {}\npath = {}", quote(d.role.name()), path(&d.path));
    }
    for a in &case.artefacts {
        let _ = writeln!(out, "# also looked at: {}", path(a));
    }
    out
}
