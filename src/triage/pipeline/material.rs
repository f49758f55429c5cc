//! The files of a pipeline: opened read-only, listed without following links, never run.

use crate::evidence::limits::cap;
use crate::evidence::text::visible;
use crate::evidence::{EvidenceError, Item, ItemState, Limits, Role, intake};
use crate::procedure::{Case, Plan, Skip};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders whose content is no part of a pipeline: a repository's own, caches, installed packages.
const SKIPPED: [&str; 8] = [
    ".git",
    "__pycache__",
    ".venv",
    "venv",
    "node_modules",
    ".ipynb_checkpoints",
    "site-packages",
    ".mypy_cache",
];

/// The item of a role, if the case has one.
pub(crate) fn item(case: &Case, role: Role) -> Option<&Item> {
    case.register.iter().find(|i| i.role == role)
}

/// The plan of a procedure that reads these roles, of which the first must be there.
pub(super) fn plan(case: &Case, needed: Role, others: &[Role], units: u64) -> Result<Plan, Skip> {
    let Some(first) = item(case, needed) else {
        return Err(Skip(format!("the case names no {} ([pipeline] of the case file)", needed.name())));
    };
    if let ItemState::Refused(reason) = &first.state {
        return Err(Skip(format!("{} was refused: {reason}", first.id)));
    }
    let others = others.iter().filter_map(|r| item(case, *r)).filter(|i| i.accepted());
    let inputs = std::iter::once(first).chain(others).map(|i| i.id.clone()).collect();
    Ok(Plan { params: json!({}), units: units.max(1), inputs })
}

/// The text of a file of the case, no matter how long a log is, as it was at intake.
pub(crate) fn log(case: &Case, item: &Item) -> Result<String, EvidenceError> {
    let path = case.file.locate(Path::new(item.path.raw()))?;
    let bytes = intake::read_capped(&path, Limits::in_force().log_bytes, "log_bytes", &intake::quiet)?;
    if !item.sha256.is_empty() && bytes.sha256 != item.sha256 {
        return Err(EvidenceError::whole(&path, "intake.changed", "changed since intake"));
    }
    intake::text_of(&bytes)
}

/// A folder of the case.
#[derive(Debug)]
pub(super) struct Folder {
    pub root: PathBuf,
    /// Visible relative name to path.
    pub files: BTreeMap<String, PathBuf>,
}

impl Folder {
    /// Lists a folder item; `None` when the case has none, or it was refused.
    pub(super) fn open(case: &Case, role: Role) -> Result<Option<Self>, EvidenceError> {
        let Some(item) = item(case, role).filter(|i| i.accepted()) else { return Ok(None) };
        let root = case.file.locate(Path::new(item.path.raw()))?;
        let (files, _) = intake::list(&root, Limits::in_force())?;
        let own = |p: &PathBuf| p.components().all(|c| !SKIPPED.iter().any(|s| c.as_os_str() == *s));
        let files: Vec<PathBuf> = files.into_iter().filter(own).collect();
        if files.len() > Limits::in_force().pipeline_files {
            let reason = format!("{} files, {}", files.len(), cap!(Limits::in_force(), pipeline_files));
            return Err(EvidenceError::whole(&root, "pipeline.files", reason));
        }
        let files = files.into_iter().map(|p| (visible(&p.to_string_lossy()), p)).collect();
        Ok(Some(Self { root, files }))
    }

    /// The text of a file.
    pub(super) fn text(&self, name: &str) -> Result<String, EvidenceError> {
        let Some(path) = self.files.get(name) else {
            return Err(EvidenceError::whole(name, "intake.open", "no such file"));
        };
        let most = Limits::in_force().script_bytes;
        let read = intake::read_capped(&self.root.join(path), most, "script_bytes", &intake::quiet);
        let read = read.and_then(|bytes| intake::text_of(&bytes));
        // Named as in its folder, not by where it lies on this machine.
        read.map_err(|e| EvidenceError { path: PathBuf::from(name), ..e })
    }

    /// The texts of the files that `wanted` picks by name; what could not be read goes to `unread`.
    pub(super) fn texts(
        &self,
        wanted: impl Fn(&str) -> bool,
        unread: &mut Vec<String>,
    ) -> BTreeMap<String, String> {
        let (mut out, mut total) = (BTreeMap::new(), 0);
        for name in self.files.keys().filter(|n| wanted(n)) {
            if total > Limits::in_force().scripts_bytes {
                let cap = cap!(Limits::in_force(), scripts_bytes);
                unread.push(format!("{name} and what follows: too much text; {cap}"));
                break;
            }
            match self.text(name) {
                Ok(text) => {
                    total += text.len() as u64;
                    out.insert(name.clone(), text);
                }
                Err(e) => unread.push(e.to_string()),
            }
        }
        out
    }
}

/// The last part of a path, in lower case.
pub(super) fn base(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase()
}

/// The ending of a name in lower case, without the dot.
pub(super) fn ending(name: &str) -> String {
    base(name).rsplit_once('.').map(|(_, e)| e.to_owned()).unwrap_or_default()
}
