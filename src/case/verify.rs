//! Checks a session folder: chain, blobs, and the evidence it was made from.

use super::journal::{self, FILE};
use super::{BlobKind, Blobs, CaseState, Event, SessionError, seal};
use crate::evidence::{Item, Limits, intake, text};
use std::collections::BTreeSet;
use std::path::Path;

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// As it was.
    Good,
    /// Not as it was: what differs.
    Differs(String),
    /// Could not be checked: why.
    Cannot(String),
}

/// A checked thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was checked ("chain of 38 records", "blob 3fa9…", "E1 model.onnx").
    pub what: String,
    /// How it is.
    pub check: Check,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Hash of the last good record: to be compared with one kept elsewhere. A journal that was cut at a line break or
    /// rewritten as a whole shows only so.
    pub head: String,
    /// Number of good records.
    pub records: usize,
    /// Every check.
    pub checks: Vec<Checked>,
}

impl Verification {
    /// 1 if something differs, else 3 if something could not be checked, else 0.
    pub fn exit_code(&self) -> u8 {
        let any = |f: fn(&Check) -> bool| self.checks.iter().any(|c| f(&c.check));
        if any(|c| matches!(c, Check::Differs(_))) {
            super::gate::FINDINGS
        } else if any(|c| matches!(c, Check::Cannot(_))) {
            super::gate::INCOMPLETE
        } else {
            super::gate::PASS
        }
    }
}

/// Checks the chain, every blob that a record names, and the seal if there is one.
///
/// # Errors
/// There is no session.
pub fn verify(session: &Path) -> Result<Verification, SessionError> {
    verify_by(session, None)
}

/// As [`verify`], and the seal's signature by a minisign public key.
///
/// # Errors
/// As [`verify`].
pub fn verify_by(session: &Path, public: Option<&Path>) -> Result<Verification, SessionError> {
    let read = journal::read(&session.join(FILE))?;
    let chain = match (&read.bad, read.torn) {
        (Some(bad), _) => Check::Differs(format!("record {}: {}", bad.n, bad.reason)),
        (None, 0) => Check::Good,
        (None, torn) => Check::Differs(format!("{torn} bytes of a torn record at the end")),
    };
    let mut checks = vec![Checked { what: format!("chain of {} records", read.records.len()), check: chain }];
    let blobs = Blobs::new(session);
    let mut seen = BTreeSet::new();
    for record in &read.records {
        let Event::JobEnded { procedure, record, .. } = &record.event else { continue };
        let arrays = record.blobs.iter().map(|(name, hash)| (name, hash, BlobKind::Array));
        let figures = record.figures.iter().map(|(name, hash)| (name, hash, BlobKind::Figure));
        for (name, hash, kind) in arrays.chain(figures) {
            if seen.insert((hash, kind == BlobKind::Array)) {
                let check =
                    blobs.check(hash, kind).map_or_else(|e| Check::Differs(e.reason), |()| Check::Good);
                let what = text::visible(&format!("blob {hash} ({procedure} {name})"));
                checks.push(Checked { what, check });
            }
        }
    }
    checks.extend(seal::check(session, public));
    Ok(Verification { head: read.head().to_owned(), records: read.records.len(), checks })
}

/// Checks the evidence against the register of a state. `folder` is where the case's folder lies now, if not where it
/// lay.
pub fn evidence(state: &CaseState, folder: Option<&Path>, limits: &Limits) -> Vec<Checked> {
    let Some(mut case) = state.case.clone() else { return Vec::new() };
    if let Some(folder) = folder {
        folder.clone_into(&mut case.root);
    }
    let digest = |item: &Item| {
        let path = case.locate(Path::new(item.path.raw()))?;
        intake::digest(&path, limits, &intake::quiet)
    };
    let check = |item: &Item| {
        let what = format!("{} {}", text::visible(&item.id), item.path.shown());
        let check = match digest(item) {
            _ if item.sha256.is_empty() => {
                Check::Cannot("it could not be read when the case was opened".to_owned())
            }
            Ok(now) if now == item.sha256 => Check::Good,
            Ok(now) => Check::Differs(format!("its sha256 is {now}, was {}", text::visible(&item.sha256))),
            Err(e) => Check::Cannot(e.reason),
        };
        Checked { what, check }
    };
    state.evidence.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, TIME};
    use crate::case::journal::Journal;
    use crate::procedure::{Severity, Tensor};
    use std::fs;

    fn session() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let array = Tensor::I64(ndarray::Array::from_iter(0..3).into_dyn());
        let hash = Blobs::new(folder.path()).put_tensor("x", &array).unwrap();
        let mut record = fixture::flagged(1, Severity::Low);
        record.blobs.insert("x".into(), hash.clone());
        let mut journal = Journal::open(folder.path()).unwrap().journal.unwrap();
        journal.append(TIME, &fixture::opened("x")).unwrap();
        journal.append(TIME, &fixture::ended("a", record)).unwrap();
        (folder, hash)
    }

    #[test]
    fn a_good_session_is_good_and_each_damage_is_named() {
        let (folder, hash) = session();
        let good = verify(folder.path()).unwrap();
        assert_eq!((good.exit_code(), good.records, good.checks.len()), (0, 2, 2));
        assert_eq!(good.head.len(), 64);
        let blob = folder.path().join(format!("blobs/{hash}.safetensors"));
        let mut bytes = fs::read(&blob).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&blob, bytes).unwrap();
        let bad = verify(folder.path()).unwrap();
        assert_eq!(bad.exit_code(), 1);
        assert!(bad.checks[1].what.contains(&hash) && matches!(&bad.checks[1].check, Check::Differs(_)));
        fs::remove_file(&blob).unwrap();
        assert_eq!(verify(folder.path()).unwrap().exit_code(), 1);
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let torn = verify(folder.path()).unwrap();
        assert!(matches!(&torn.checks[0].check, Check::Differs(why) if why.contains("torn")), "{torn:?}");
    }

    #[test]
    fn evidence_is_compared_by_digest_wherever_it_lies_now() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = CaseState::default();
        state.apply(0, TIME, "", &fixture::opened("x"));
        let mut item = fixture::item("E1", crate::evidence::ItemState::Accepted);
        item.path = crate::evidence::Untrusted::new("model.onnx");
        item.sha256 = intake::sha256(b"model");
        state.apply(1, TIME, "", &Event::EvidenceAdded { item });
        let check = || evidence(&state, Some(folder.path()), &Limits::default()).remove(0).check;
        assert!(matches!(check(), Check::Cannot(_)));
        fs::write(folder.path().join("model.onnx"), b"model").unwrap();
        assert_eq!(check(), Check::Good);
        fs::write(folder.path().join("model.onnx"), b"other").unwrap();
        assert!(matches!(check(), Check::Differs(_)));
    }
}
