//! The seal: `seal.json` says what a session is, so that a cut tail or a whole rewrite shows later. It can be signed
//! (minisign, Ed25519) and time-stamped (RFC 3161) outside; this program holds no keys.

use super::journal::{self, FILE, Journal};
use super::verify::{Check, Checked};
use super::{Event, Session, SessionError, json, line, now, stamp, write_whole};
use crate::evidence::intake;
use crate::evidence::text::visible;
use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// Its name in the session folder.
pub const SEAL: &str = "seal.json";
/// Its minisign signature.
pub const SIGNATURE: &str = "seal.json.minisig";
/// Its RFC 3161 time stamp.
pub const STAMP: &str = "seal.json.tsr";
/// Version of the format.
pub const FORMAT: &str = "laocoon.seal/1";
/// Largest seal, signature, key or time stamp read, in bytes.
pub(super) const CAP: u64 = 64 << 20;

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// [`FORMAT`].
    pub format: String,
    /// The case's id.
    pub case: String,
    /// Number of records sealed.
    pub events: u64,
    /// Hash of the last of them.
    pub head: String,
    /// Bytes of the journal up to there.
    pub journal_bytes: u64,
    /// Their SHA-256.
    pub journal_sha256: String,
    /// SHA-256 of `case.toml` as read, if it is there.
    pub case_toml_sha256: Option<String>,
    /// Names of all blobs, sorted; a blob's name is its digest.
    pub blobs: Vec<String>,
    /// What was taken out, if this is a redacted copy, and the head of the session it was made from.
    pub redacted: Option<(Vec<String>, String)>,
    /// Program version.
    pub tool: String,
    /// Build identification.
    pub build: String,
    /// Who sealed it.
    pub analyst: String,
    /// When, RFC 3339 UTC.
    pub time: String,
}

/// Why a session could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It could not be opened.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It is not whole, or another program has it open.
    #[error("{}: not sealed: {reason}", path.display())]
    NotWhole {
        /// The session folder.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// A key, a time stamp or the seal could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
}

fn file(path: &Path, reason: impl std::fmt::Display) -> SealError {
    SealError::File { path: path.to_owned(), reason: reason.to_string() }
}

/// Seals a session: journals it, checks chain and blobs, and writes `seal.json`. An earlier seal's signature and time
/// stamp are removed: they are of another seal.
///
/// # Errors
/// Damaged, open elsewhere, or the disk does not take it.
pub fn seal(session: &Path, analyst: &str) -> Result<Seal, SealError> {
    let not_whole = |reason: String| SealError::NotWhole { path: session.to_owned(), reason };
    let opened = Journal::open(session)?;
    let mut journal = opened.journal.map_err(not_whole)?;
    let differing = super::verify::verify(session)?.checks.into_iter().find_map(|c| match c.check {
        // The seal before covers less than this one will.
        Check::Differs(how) if !c.what.starts_with("seal") => Some(format!("{}: {how}", c.what)),
        _ => None,
    });
    if let Some(how) = differing {
        return Err(not_whole(how));
    }
    let time = now();
    journal
        .append(&time, &Event::Sealed { analyst: analyst.to_owned() })
        .map_err(|e| not_whole(e.to_string()))?;
    for old in [SIGNATURE, STAMP] {
        match fs::remove_file(session.join(old)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(file(&session.join(old), e)),
            _ => {}
        }
    }
    write(session, analyst, &time)
}

/// Writes the seal over what is there.
pub(super) fn write(session: &Path, analyst: &str, time: &str) -> Result<Seal, SealError> {
    let path = session.join(FILE);
    let bytes = fs::read(&path).map_err(|e| file(&path, e))?;
    let records = Session::open(session)?;
    let state = records.state();
    let blobs = blob_names(session).map_err(|e| file(&session.join("blobs"), e))?;
    let seal = Seal {
        format: FORMAT.to_owned(),
        case: state.case.as_ref().map(|c| c.id.clone()).unwrap_or_default(),
        events: state.events,
        head: state.head.clone(),
        journal_bytes: bytes.len() as u64,
        journal_sha256: intake::sha256(&bytes),
        case_toml_sha256: fs::read(session.join("case.toml")).ok().map(|b| intake::sha256(&b)),
        blobs,
        redacted: state.redacted.clone(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        build: super::build(),
        analyst: analyst.to_owned(),
        time: time.to_owned(),
    };
    let path = session.join(SEAL);
    let mut text = json::to_vec(&seal).map_err(|e| file(&path, e))?;
    text.push(b'\n');
    write_whole(&path, &text).map_err(|e| file(&path, e))?;
    Ok(seal)
}

/// Names of the regular files in `blobs/`, sorted.
pub(super) fn blob_names(session: &Path) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(session.join("blobs")) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && is_blob(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a file name is that of a blob.
pub(super) fn is_blob(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(hash, kind)| line::is_sha256(hash) && matches!(kind, "json" | "safetensors"))
}

/// Signs `seal.json` with a minisign secret key; `minisign -Vm seal.json -p key.pub` checks it as well.
///
/// # Errors
/// No seal, no key, a wrong password.
pub fn sign(session: &Path, key: &Path, password: Option<String>) -> Result<(), SealError> {
    let (text, seal) = read(session)?;
    let boxed = read_capped(key).and_then(|b| String::from_utf8(b).map_err(|e| e.to_string()));
    let secret = boxed.and_then(|text| secret(&text, password)).map_err(|e| file(key, e))?;
    let comment = format!("laocoon case {} events {} head {}", visible(&seal.case), seal.events, seal.head);
    let public = PublicKey::from_secret_key(&secret).map_err(|e| file(key, e))?;
    let signature = minisign::sign(
        Some(&public),
        &secret,
        Cursor::new(&text),
        Some(&comment),
        Some("signature of a laocoon seal"),
    )
    .map_err(|e| file(key, e))?;
    let path = session.join(SIGNATURE);
    write_whole(&path, signature.into_string().as_bytes()).map_err(|e| file(&path, e))
}

fn secret(text: &str, password: Option<String>) -> Result<SecretKey, String> {
    let boxed = || SecretKeyBox::from_string(text).map_err(|e| e.to_string());
    match (boxed()?.into_unencrypted_secret_key(), password) {
        (Ok(key), _) => Ok(key),
        (Err(_), Some(password)) => boxed()?.into_secret_key(Some(password)).map_err(|e| e.to_string()),
        (Err(e), None) => Err(format!("{e} (an encrypted key needs its password in LAOCOON_KEY_PASSWORD)")),
    }
}

/// Attaches a time stamp (a DER `TimeStampResp` or token) that an authority gave for `seal.json`.
///
/// # Errors
/// No seal; not a time stamp; a time stamp of something else.
pub fn attach_stamp(session: &Path, stamp: &Path) -> Result<stamp::Stamp, SealError> {
    let (text, _) = read(session)?;
    let bytes = read_capped(stamp).map_err(|e| file(stamp, e))?;
    let read = stamp::read(&bytes).map_err(|e| file(stamp, e))?;
    if !read.is_of(&text) {
        return Err(file(stamp, "a time stamp of something else than this session's seal.json"));
    }
    let path = session.join(STAMP);
    write_whole(&path, &bytes).map_err(|e| file(&path, e))?;
    Ok(read)
}

/// The seal of a session and its bytes.
///
/// # Errors
/// None there, or it is not one.
pub fn read(session: &Path) -> Result<(Vec<u8>, Seal), SealError> {
    let path = session.join(SEAL);
    let bytes = read_capped(&path).map_err(|e| file(&path, e))?;
    let value = json::strict(&bytes).map_err(|e| file(&path, e))?;
    let seal: Seal = serde_json::from_value(value).map_err(|e| file(&path, e))?;
    if seal.format != FORMAT {
        return Err(file(&path, format!("format '{}' is not known to this version", visible(&seal.format))));
    }
    Ok((bytes, seal))
}

fn read_capped(path: &Path) -> Result<Vec<u8>, String> {
    let meta = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("not a regular file".to_owned());
    }
    if meta.len() > CAP {
        return Err(format!("larger than it may be ({CAP} bytes)"));
    }
    fs::read(path).map_err(|e| e.to_string())
}

/// Checks the seal of a session, if it has one, and what hangs on it.
pub(super) fn check(session: &Path, public: Option<&Path>) -> Vec<Checked> {
    if !session.join(SEAL).exists() {
        let missing = "this session has no seal to check a signature of";
        let asked =
            public.map(|_| Checked { what: "seal".into(), check: Check::Differs(missing.to_owned()) });
        return asked.into_iter().collect();
    }
    let (text, seal) = match read(session) {
        Ok(read) => read,
        Err(e) => return vec![Checked { what: "seal".into(), check: Check::Differs(e.to_string()) }],
    };
    let mut all = vec![covers(session, &seal)];
    if let Some(key) = public {
        all.push(signature(session, &text, key));
    }
    if session.join(STAMP).exists() {
        let path = session.join(STAMP);
        let read = read_capped(&path).and_then(|bytes| stamp::read(&bytes));
        let (what, check) = match read {
            Ok(stamp) if stamp.is_of(&text) => {
                (format!("time stamp {} of the seal", stamp.time), Check::Good)
            }
            Ok(stamp) => {
                (format!("time stamp {}", stamp.time), Check::Differs("it is of something else".to_owned()))
            }
            Err(e) => ("time stamp".to_owned(), Check::Differs(e)),
        };
        all.push(Checked { what: visible(&what), check });
    }
    all
}

/// Whether the journal still starts with what was sealed, and every sealed blob is there.
fn covers(session: &Path, seal: &Seal) -> Checked {
    let differs = || -> Option<String> {
        let bytes = fs::read(session.join(FILE)).ok()?;
        let Some(sealed) = usize::try_from(seal.journal_bytes).ok().and_then(|n| bytes.get(..n)) else {
            return Some(format!(
                "the journal has {} bytes, {} were sealed: its end was cut off",
                bytes.len(),
                seal.journal_bytes
            ));
        };
        if intake::sha256(sealed) != seal.journal_sha256 {
            return Some("the journal is not the one that was sealed".to_owned());
        }
        let read = journal::parse(sealed);
        if read.head() != seal.head || read.records.len() as u64 != seal.events {
            return Some("it does not fit the journal it names".to_owned());
        }
        let there = blob_names(session).unwrap_or_default();
        if let Some(gone) = seal.blobs.iter().find(|name| !there.contains(name)) {
            return Some(format!("the sealed blob {} is missing", visible(gone)));
        }
        let case = fs::read(session.join("case.toml")).ok().map(|b| intake::sha256(&b));
        (case != seal.case_toml_sha256).then(|| "case.toml is not the one that was sealed".to_owned())
    };
    let total = journal::read(&session.join(FILE)).map_or(0, |r| r.records.len() as u64);
    let since = match total.saturating_sub(seal.events) {
        0 => String::new(),
        n => format!(" ({n} added since)"),
    };
    let by = if seal.analyst.is_empty() { String::new() } else { format!(" by {}", seal.analyst) };
    let what = format!("seal of {} records, {}{by}{since}", seal.events, seal.time);
    Checked { what: visible(&what), check: differs().map_or(Check::Good, Check::Differs) }
}

fn signature(session: &Path, text: &[u8], key: &Path) -> Checked {
    let check = || -> Result<String, String> {
        let utf8 = |path: &Path| {
            let bytes = read_capped(path).map_err(|e| format!("{}: {e}", path.display()))?;
            String::from_utf8(bytes).map_err(|e| format!("{}: {e}", path.display()))
        };
        let public = PublicKeyBox::from_string(&utf8(key)?)
            .and_then(PublicKeyBox::into_public_key)
            .map_err(|e| format!("{}: {e}", key.display()))?;
        let boxed = SignatureBox::from_string(&utf8(&session.join(SIGNATURE))?).map_err(|e| e.to_string())?;
        minisign::verify(&public, &boxed, Cursor::new(text), true, false, false)
            .map_err(|e| e.to_string())?;
        boxed.trusted_comment().map_err(|e| e.to_string())
    };
    match check() {
        Ok(comment) => {
            Checked { what: visible(&format!("signature of the seal ({comment})")), check: Check::Good }
        }
        Err(why) => Checked { what: "signature of the seal".into(), check: Check::Differs(visible(&why)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, TIME};
    use crate::case::verify::verify;
    use crate::procedure::Tensor;
    use minisign::KeyPair;

    fn session() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let array = Tensor::I64(ndarray::Array::from_iter(0..3).into_dyn());
        let hash = crate::case::Blobs::new(folder.path()).put_tensor("x", &array).unwrap();
        let mut record = fixture::record("x");
        record.blobs.insert("x".into(), hash);
        fs::write(folder.path().join("case.toml"), "[case]\n").unwrap();
        let mut journal = Journal::open(folder.path()).unwrap().journal.unwrap();
        for event in [fixture::opened("x"), fixture::planned(&["a"]), fixture::ended("a", record)] {
            journal.append(TIME, &event).unwrap();
        }
        folder
    }

    fn seal_check(folder: &Path) -> Check {
        check(folder, None).remove(0).check
    }

    #[test]
    fn a_sealed_session_shows_a_cut_a_rewrite_and_a_lost_blob_and_allows_going_on() {
        let folder = session();
        let at = folder.path();
        let sealed = seal(at, "ana").unwrap();
        assert_eq!((sealed.events, sealed.blobs.len()), (4, 1));
        assert_eq!(verify(at).unwrap().exit_code(), 0);
        let whole = fs::read(at.join(FILE)).unwrap();
        let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
        fs::write(at.join(FILE), lines[..3].concat()).unwrap();
        assert!(matches!(seal_check(at), Check::Differs(how) if how.contains("cut off")));
        assert_eq!(verify(at).unwrap().exit_code(), 1);
        fs::remove_file(at.join(FILE)).unwrap();
        let mut journal = Journal::open(at).unwrap().journal.unwrap();
        for text in ["one", "two", "three", "four"] {
            let event = Event::Noted { text: text.into() };
            let first = (text == "one").then(|| fixture::opened("x"));
            journal.append(TIME, &first.unwrap_or(event)).unwrap();
        }
        drop(journal);
        assert!(matches!(seal_check(at), Check::Differs(_)), "a rewrite that verifies by itself");
        fs::write(at.join(FILE), &whole).unwrap();
        assert_eq!(seal_check(at), Check::Good);
        let mut journal = Journal::open(at).unwrap().journal.unwrap();
        journal.append(TIME, &Event::Noted { text: "later".into() }).unwrap();
        drop(journal);
        let after = check(at, None).remove(0);
        assert!(after.check == Check::Good && after.what.contains("(1 added since)"), "{}", after.what);
        fs::remove_file(at.join("blobs").join(&sealed.blobs[0])).unwrap();
        assert!(matches!(seal_check(at), Check::Differs(how) if how.contains("missing")));
        assert!(matches!(seal(at, ""), Err(SealError::NotWhole { .. })));
    }

    #[test]
    fn a_signature_is_of_this_seal_by_this_key() {
        let folder = session();
        let (at, keys) = (folder.path(), tempfile::tempdir().unwrap());
        seal(at, "ana").unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let (secret, public) = (keys.path().join("key"), keys.path().join("key.pub"));
        fs::write(&secret, pair.sk.to_box(None).unwrap().into_string()).unwrap();
        fs::write(&public, pair.pk.to_box().unwrap().into_string()).unwrap();
        assert!(matches!(check(at, Some(&public))[1].check, Check::Differs(_)), "not signed yet");
        sign(at, &secret, None).unwrap();
        let good = check(at, Some(&public));
        assert!(good[1].check == Check::Good && good[1].what.contains("events 4"), "{good:?}");
        let other = KeyPair::generate_unencrypted_keypair().unwrap().pk.to_box().unwrap().into_string();
        fs::write(&public, other).unwrap();
        assert!(matches!(check(at, Some(&public))[1].check, Check::Differs(_)));
        seal(at, "ana").unwrap();
        assert!(!at.join(SIGNATURE).exists(), "a new seal drops the signature of the old one");
    }
}
