//! Signed statements about files: who says that these bytes are those, and is it so? Everything offline, with keys and
//! certificates that were given.
//!
//! Formats: `sha256sum` lists, DSSE envelopes with in-toto statements (`OpenSSF` model signing, SLSA provenance), Sigstore
//! bundles, cosign blob signatures, minisign, `CycloneDX`. A signature by a key that nobody vouched for says nothing, so
//! without a key a statement is compared but not believed.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

mod bundle;
mod certificate;
mod key;
mod manifest;
mod statement;

#[cfg(test)]
mod tests;

pub use key::Key;
pub use manifest::{Manifest, parse as parse_manifest};

use super::{EvidenceError, Limits, intake, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a signature turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// It fits, under this key.
    Valid(String),
    /// It does not fit; why.
    Wrong(String),
    /// It could not be judged; why.
    Unjudged(String),
    /// There is none: a list of digests only.
    None,
}

/// A statement about files, compared with the files.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Kind of statement ("`OpenSSF` model signature", "minisign").
    pub kind: &'static str,
    /// The signature over it.
    pub signature: Signature,
    /// Files that are as stated.
    pub matched: usize,
    /// Files that are not as stated, as visible text.
    pub different: Vec<String>,
    /// Files that are stated and not there.
    pub missing: Vec<String>,
    /// Files that are there and not stated.
    pub extra: Vec<String>,
    /// What is wrong with the statement itself.
    pub problems: Vec<String>,
    /// Signer, builder, materials and the like.
    pub facts: Map<String, Value>,
}

impl Checked {
    fn new(kind: &'static str, signature: Signature) -> Self {
        Self {
            kind,
            signature,
            matched: 0,
            different: Vec::new(),
            missing: Vec::new(),
            extra: Vec::new(),
            problems: Vec::new(),
            facts: Map::new(),
        }
    }

    /// Whether the files are exactly those of the statement.
    pub fn agrees(&self) -> bool {
        let none = self.different.is_empty()
            && self.missing.is_empty()
            && self.extra.is_empty()
            && self.problems.is_empty();
        none && self.matched > 0
    }

    /// Whether it is signed by a key that was given, and agrees.
    pub fn proved(&self) -> bool {
        matches!(self.signature, Signature::Valid(_)) && self.agrees()
    }

    /// Compares stated digests with the files below a folder, or with one file.
    fn compare(
        &mut self,
        stated: &BTreeMap<String, (String, String)>,
        target: &Target,
        whole: bool,
    ) -> Result<(), EvidenceError> {
        for (name, (algorithm, digest)) in stated {
            let shown = text::visible(name);
            let Some(path) = target.file(name) else {
                self.missing.push(shown);
                continue;
            };
            match digest_of(&path, algorithm)? {
                None => {
                    self.problems.push(format!("{shown}: {} is not computed here", text::visible(algorithm)));
                }
                Some(is) if is.eq_ignore_ascii_case(digest) => self.matched += 1,
                Some(_) => self.different.push(shown),
            }
        }
        if whole {
            self.extra =
                target.files.keys().filter(|f| !stated.contains_key(*f)).map(|f| text::visible(f)).collect();
        }
        Ok(())
    }
}

/// The file or folder that a statement is about.
struct Target {
    root: PathBuf,
    /// Names below the folder, or the one file's name, to paths.
    files: BTreeMap<String, PathBuf>,
    single: bool,
}

impl Target {
    fn open(path: &Path, except: &[&Path], limits: &Limits) -> Result<Self, EvidenceError> {
        if !path.is_dir() {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let files = BTreeMap::from([(name, path.to_owned())]);
            return Ok(Self { root: path.to_owned(), files, single: true });
        }
        let (found, others) = intake::list(path, limits)?;
        let skip: Vec<PathBuf> = except.iter().filter_map(|p| std::fs::canonicalize(p).ok()).collect();
        let files = found
            .iter()
            .chain(&others)
            .map(|f| (f.to_string_lossy().into_owned(), path.join(f)))
            .filter(|(_, p)| !skip.iter().any(|s| std::fs::canonicalize(p).is_ok_and(|c| c == *s)))
            .collect();
        Ok(Self { root: path.to_owned(), files, single: false })
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let plain = name.strip_prefix("./").unwrap_or(name);
        // A single file may be stated under the name it had elsewhere.
        let only = || self.files.values().next().filter(|_| self.single).cloned();
        self.files.get(plain).cloned().or_else(only)
    }
}

/// What a JSON document has at a path (RFC 6901), `null` where there is nothing.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    static NOTHING: Value = Value::Null;
    value.pointer(path).unwrap_or(&NOTHING)
}

/// A file's digest in lower-case hexadecimal; `None` for an algorithm that is not known.
fn digest_of(path: &Path, algorithm: &str) -> Result<Option<String>, EvidenceError> {
    use sha2::{Digest, Sha384, Sha512};
    let algorithm = algorithm.to_ascii_lowercase().replace('-', "");
    Ok(match algorithm.as_str() {
        "sha256" => Some(intake::digest_file(path, &intake::quiet)?.0),
        "sha384" => Some(intake::hex(&Sha384::digest(&*intake::read(path, Limits::in_force())?.data))),
        "sha512" => Some(intake::hex(&Sha512::digest(&*intake::read(path, Limits::in_force())?.data))),
        _ => None,
    })
}

/// Checks a statement (a signature file, manifest, bundle or bill of materials) about a file or folder. `keys` are those
/// somebody vouched for: public keys, or certificates that a chain may end in.
///
/// # Errors
/// A file that cannot be read, or a statement of an unknown or broken form (`provenance.malformed`).
pub fn check(
    statement: &Path,
    keys: &[Key],
    target: &Path,
    limits: &Limits,
) -> Result<Checked, EvidenceError> {
    let bytes = intake::read(statement, limits)?;
    let fail = |why: String| EvidenceError::whole(statement, "provenance.malformed", why);
    let about = Target::open(target, &[statement], limits)?;
    if key::is_minisign(&bytes.data) {
        return key::minisign(&bytes.data, keys, &about.root).map_err(fail);
    }
    if let Ok(value) = serde_json::from_slice::<Value>(&bytes.data) {
        return bundle::check(&value, keys, &about).map_err(fail)?;
    }
    if let Some(signature) =
        key::base64(&bytes.data).filter(|s| (64..=200).contains(&s.len()) && s.first() == Some(&0x30))
    {
        let data = intake::read(target, limits)?;
        let mut out = Checked::new("cosign blob signature", key::judge(keys, &data.data, &signature));
        out.matched = 1;
        return Ok(out);
    }
    let listed = manifest::parse(&bytes)?;
    let mut out = Checked::new("list of SHA-256 digests", Signature::None);
    let stated = listed
        .into_iter()
        .map(|(path, digest)| (path.to_string_lossy().into_owned(), ("sha256".to_owned(), digest)))
        .collect();
    out.compare(&stated, &about, !about.single)?;
    out.facts.insert("listed".to_owned(), json!(stated.len()));
    Ok(out)
}
