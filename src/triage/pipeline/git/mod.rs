//! A git repository as data: objects, packs and references are read from its files. Git itself is never run, so no hook,
//! filter, alternate or configured program of the evidence acts.

mod pack;
#[cfg(test)]
pub(super) mod tests;

use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, intake};
use pack::{OBJECT, Pack, apply, distance, header, inflate, word};
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

/// Deltas upon deltas.
const CHAIN: usize = 128;

/// Trees kept.
const KEPT: usize = 20_000;

/// The name of an object.
pub(super) type Oid = [u8; 20];

/// A commit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Commit {
    pub id: Oid,
    pub tree: Oid,
    pub parents: Vec<Oid>,
    /// "Name <mail>".
    pub author: String,
    pub committer: String,
    /// Seconds since 1970, of the committer.
    pub time: i64,
    pub signed: bool,
    pub message: String,
}

impl Commit {
    /// The first line of the message.
    pub(super) fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// What in the message names a reviewer or a reviewed request.
    pub(super) fn review(&self) -> Option<&str> {
        let trailers = [
            "Reviewed-by:",
            "Approved-by:",
            "Acked-by:",
            "Reviewed-on:",
            "Merge-request:",
            "See merge request",
            "Pull-Request:",
        ];
        let line = self.message.lines().map(str::trim).find(|l| trailers.iter().any(|t| l.starts_with(t)));
        line.or_else(|| {
            let s = self.subject();
            let request = s.starts_with("Merge pull request #")
                || (s.ends_with(')')
                    && s.rsplit_once("(#")
                        .is_some_and(|(_, n)| n.trim_end_matches(')').parse::<u64>().is_ok()));
            request.then_some(s)
        })
    }
}

/// A repository.
pub(super) struct Repository {
    folder: PathBuf,
    packs: Vec<Pack>,
    trees: HashMap<Oid, Vec<(String, Oid)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

fn bad(path: &Path, reason: impl Into<String>) -> EvidenceError {
    EvidenceError::whole(path, "git.malformed", reason)
}

/// Forty hexadecimal digits.
fn oid(text: &str) -> Option<Oid> {
    let text = text.trim();
    let mut out = [0; 20];
    if text.len() != 40 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

/// The first digits of a name.
pub(super) fn short(id: &Oid) -> String {
    id.iter().take(5).fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// The name that a file's content has.
pub(super) fn blob(content: &[u8]) -> Oid {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hash.finalize().into()
}

impl Repository {
    /// Opens the repository in a folder; `None` when there is none.
    ///
    /// # Errors
    /// Packs that are malformed or beyond the caps.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, EvidenceError> {
        let git = folder.join(".git");
        let is_folder = std::fs::symlink_metadata(&git).is_ok_and(|m| m.is_dir());
        if !is_folder || std::fs::symlink_metadata(git.join("HEAD")).is_err() {
            return Ok(None);
        }
        let mut repository = Self { folder: git, packs: Vec::new(), trees: HashMap::new() };
        repository.read_packs()?;
        Ok(Some(repository))
    }

    fn read_packs(&mut self) -> Result<(), EvidenceError> {
        let folder = self.folder.join("objects/pack");
        if !std::fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir()) {
            return Ok(());
        }
        let (files, _) = intake::list(&folder, Limits::in_force())?;
        let table = Limits::in_force();
        let read = |path: &Path| intake::read_capped(path, table.pack_bytes, "pack_bytes", &intake::quiet);
        let mut total = 0;
        for name in files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "idx")) {
            let path = folder.join(&name);
            let index = read(&path)?;
            let data = read(&path.with_extension("pack"))?;
            total += (index.data.len() + data.data.len()) as u64;
            if total > table.packs_bytes {
                return Err(bad(&folder, format!("packs too large together: {}", cap!(table, packs_bytes))));
            }
            let count = word(&index.data, 8 + 255 * 4).unwrap_or(0) as usize;
            let whole = count.checked_mul(28).and_then(|n| n.checked_add(8 + 1024 + 40));
            if !index.data.starts_with(b"\xfftOc\0\0\0\x02") || whole.is_none_or(|n| n > index.data.len()) {
                return Err(bad(&path, "no pack index of version 2"));
            }
            self.packs.push(Pack { index, data, count });
        }
        Ok(())
    }

    /// The commit that is checked out; `None` when there is none yet.
    ///
    /// # Errors
    /// A reference that cannot be read.
    pub(super) fn head(&self) -> Result<Option<Oid>, EvidenceError> {
        let mut name = "HEAD".to_owned();
        for _ in 0..5 {
            let path = Path::new(&name);
            if !path.components().all(|c| matches!(c, Component::Normal(_))) {
                return Err(bad(&self.folder, "a reference that leads out of the repository"));
            }
            let full = self.folder.join(path);
            if std::fs::symlink_metadata(&full).is_err() {
                return self.packed(&name);
            }
            let (_, text) = intake::read_text(&full, Limits::in_force())?;
            match text.trim().strip_prefix("ref: ") {
                Some(next) => next.trim().clone_into(&mut name),
                None => return Ok(oid(&text)),
            }
        }
        Err(bad(&self.folder, "references that go in circles"))
    }

    fn packed(&self, name: &str) -> Result<Option<Oid>, EvidenceError> {
        let path = self.folder.join("packed-refs");
        if std::fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        let (_, text) = intake::read_text(&path, Limits::in_force())?;
        Ok(text
            .lines()
            .filter_map(|l| l.split_once(' '))
            .find(|(_, n)| n.trim() == name)
            .and_then(|(id, _)| oid(id)))
    }

    /// A commit.
    ///
    /// # Errors
    /// It is not there, or is no commit.
    pub(super) fn commit(&self, id: &Oid) -> Result<Commit, EvidenceError> {
        let (kind, data) = self.object(id)?;
        let fail = || bad(&self.folder, format!("object {} is no commit", short(id)));
        if kind != Kind::Commit {
            return Err(fail());
        }
        let text = String::from_utf8_lossy(&data);
        let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let field =
            |name: &'static str| head.lines().filter_map(move |l| l.strip_prefix(name)?.strip_prefix(' '));
        let person = |name| {
            field(name).next().and_then(|l| Some(l.rsplit_once('>')?.0.to_owned() + ">")).unwrap_or_default()
        };
        let time = field("committer")
            .next()
            .and_then(|l| l.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok());
        Ok(Commit {
            id: *id,
            tree: field("tree").next().and_then(oid).ok_or_else(fail)?,
            parents: field("parent").filter_map(oid).collect(),
            author: person("author"),
            committer: person("committer"),
            time: time.unwrap_or(0),
            signed: field("gpgsig").next().is_some() || field("gpgsig-sha256").next().is_some(),
            message: message.to_owned(),
        })
    }

    /// The name of the content of a path in a tree; `None` when it is not there.
    ///
    /// # Errors
    /// A tree on the way cannot be read.
    pub(super) fn find(&mut self, tree: &Oid, path: &str) -> Result<Option<Oid>, EvidenceError> {
        let mut at = *tree;
        for part in path.split('/') {
            if !self.trees.contains_key(&at) {
                let (kind, data) = self.object(&at)?;
                if kind != Kind::Tree {
                    return Ok(None);
                }
                if self.trees.len() >= KEPT {
                    self.trees.clear();
                }
                self.trees.insert(at, entries(&data));
            }
            let Some(id) =
                self.trees.get(&at).and_then(|t| t.iter().find(|(n, _)| n == part)).map(|(_, id)| *id)
            else {
                return Ok(None);
            };
            at = id;
        }
        Ok(Some(at))
    }

    fn object(&self, id: &Oid) -> Result<(Kind, Vec<u8>), EvidenceError> {
        let hex = id.iter().fold(String::new(), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        });
        let loose = self
            .folder
            .join("objects")
            .join(hex.get(..2).unwrap_or_default())
            .join(hex.get(2..).unwrap_or_default());
        if std::fs::symlink_metadata(&loose).is_ok() {
            let bytes =
                intake::read(&loose, &Limits { file_bytes: OBJECT as u64, ..Limits::in_force().clone() })?;
            let data = inflate(&bytes.data, OBJECT).map_err(|e| bad(&loose, e))?;
            let end = data.iter().position(|b| *b == 0).ok_or_else(|| bad(&loose, "no header"))?;
            let head = String::from_utf8_lossy(data.get(..end).unwrap_or_default()).into_owned();
            let kind = match head.split(' ').next() {
                Some("commit") => Kind::Commit,
                Some("tree") => Kind::Tree,
                Some("blob") => Kind::Blob,
                _ => Kind::Tag,
            };
            return Ok((kind, data.get(end + 1..).unwrap_or_default().to_vec()));
        }
        for pack in &self.packs {
            if let Some(offset) = pack.find(id) {
                return Self::packed_object(pack, offset);
            }
        }
        Err(bad(&self.folder, format!("object {} is not there (a shallow or partial copy)", short(id))))
    }

    /// An object of a pack: deltas are gathered down to the whole object, then applied.
    fn packed_object(pack: &Pack, offset: usize) -> Result<(Kind, Vec<u8>), EvidenceError> {
        let fail = |why: &str| bad(&pack.data.path, format!("object at byte {offset}: {why}"));
        let (mut at, mut deltas) = (offset, Vec::new());
        let (kind, mut data) = loop {
            if deltas.len() > CHAIN {
                return Err(fail("more deltas upon deltas than the cap"));
            }
            let bytes = pack.data.data.get(at..).ok_or_else(|| fail("beyond the end"))?;
            let (kind, size, used) = header(bytes).ok_or_else(|| fail("no header"))?;
            if size > OBJECT {
                return Err(fail("larger than the cap"));
            }
            let body = bytes.get(used..).unwrap_or_default();
            match kind {
                6 => {
                    let (back, used) = distance(body).ok_or_else(|| fail("no distance"))?;
                    deltas.push(inflate(body.get(used..).unwrap_or_default(), size).map_err(|e| fail(&e))?);
                    at = at
                        .checked_sub(back)
                        .filter(|_| back > 0)
                        .ok_or_else(|| fail("a delta upon nothing"))?;
                }
                7 => {
                    let base: Oid =
                        body.get(..20).and_then(|b| b.try_into().ok()).ok_or_else(|| fail("no base"))?;
                    deltas.push(inflate(body.get(20..).unwrap_or_default(), size).map_err(|e| fail(&e))?);
                    at = pack.find(&base).ok_or_else(|| fail("a delta upon an object that is not there"))?;
                }
                1..=4 => {
                    let kind = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag][usize::from(kind) - 1];
                    break (kind, inflate(body, size).map_err(|e| fail(&e))?);
                }
                _ => return Err(fail("of no known kind")),
            }
        };
        for delta in deltas.iter().rev() {
            data = apply(&data, delta).ok_or_else(|| fail("a delta that does not fit"))?;
        }
        Ok((kind, data))
    }
}

/// Names and objects of a tree.
fn entries(data: &[u8]) -> Vec<(String, Oid)> {
    let (mut out, mut rest) = (Vec::new(), data);
    while let Some(end) = rest.iter().position(|b| *b == 0) {
        let head = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        let Some(id) = rest.get(end + 1..end + 21).and_then(|b| b.try_into().ok()) else { break };
        out.push((head.split_once(' ').map_or("", |(_, n)| n).to_owned(), id));
        rest = rest.get(end + 21..).unwrap_or_default();
    }
    out
}
