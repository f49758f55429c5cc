//! A redacted copy of a session: paths of the machine and pictures of samples taken out, chained anew, and saying so.

use super::journal::{FILE, Journal};
use super::seal::{SealError, write as write_seal};
use super::{Blobs, Event, Session};
use crate::figure::Body;
use crate::procedure::Record;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// What can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// Folders of the machine that the work was done on (they hold user names). Names of files stay.
    Paths,
    /// Small pictures in figures: samples, stamped examples, masks, patterns.
    Thumbnails,
}

impl Redaction {
    fn name(self) -> &'static str {
        match self {
            Redaction::Paths => "paths",
            Redaction::Thumbnails => "thumbnails",
        }
    }
}

/// What stands where a folder stood.
const GONE: &str = "(redacted)";

/// Writes a redacted, sealed copy of a session into an empty folder. Its journal tells what was taken out and the head
/// hash of the session it was made from; times are those of the original, so the same session gives the same bytes.
///
/// # Errors
/// No session, a blob that cannot be read, or the disk does not take it.
pub fn redact(session: &Path, what: &[Redaction], into: &Path) -> Result<(), SealError> {
    let what: BTreeSet<Redaction> = what.iter().copied().collect();
    let original = Session::open(session)?;
    let state = original.state();
    let not = |path: &Path, reason: String| SealError::File { path: path.to_owned(), reason };
    let folders = if what.contains(&Redaction::Paths) { folders(&original) } else { Vec::new() };
    let mut journal = Journal::open(into)?
        .journal
        .map_err(|why| not(into, format!("the copy cannot be written: {why}")))?;
    let (from, to) = (original.blobs(), Blobs::new(into));
    let mut time = String::new();
    let sealed = Event::Sealed { analyst: state.analyst.clone() };
    let told = Event::Redacted {
        what: what.iter().map(|w| w.name().to_owned()).collect(),
        head: state.head.clone(),
    };
    let records = original.records.iter().map(|r| (r.time.as_str(), r.event.clone()));
    let last = original.records.last().map(|r| r.time.as_str()).unwrap_or_default();
    for (at, event) in records.chain([(last, told), (last, sealed)]) {
        let mut event = without(event, &folders).map_err(|e| not(&session.join(FILE), e))?;
        if let Event::JobEnded { record, .. } = &mut event {
            let pictures = !what.contains(&Redaction::Thumbnails);
            copy_blobs(record, from, &to, &folders, pictures).map_err(|e| not(session, e))?;
        }
        journal.append(at, &event).map_err(|e| not(&into.join(FILE), e.to_string()))?;
        at.clone_into(&mut time);
    }
    drop(journal);
    if let Some(case) = Session::open(into)?.state().case {
        let path = into.join("case.toml");
        super::write_whole(&path, case.text.as_bytes()).map_err(|e| not(&path, e.to_string()))?;
    }
    write_seal(into, &state.analyst, &time).map(drop)
}

/// Folders of the machine that the journal can name, longest first.
fn folders(session: &Session) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut add = |path: &Path| {
        // The root of all is no secret, and everywhere.
        if path.is_absolute() && path.components().any(|c| matches!(c, Component::Normal(_))) {
            found.insert(path.display().to_string());
        }
    };
    let parent = |path: &str| PathBuf::from(path).parent().map(Path::to_owned);
    for record in &session.records {
        match &record.event {
            Event::CaseOpened { case, .. } => {
                add(&case.root);
                let given = case.model.iter().map(|m| &m.path).chain(case.data.iter().map(|d| &d.path));
                given.filter_map(|p| p.parent()).for_each(&mut add);
            }
            Event::EvidenceAdded { item } => parent(item.path.raw()).iter().for_each(|p| add(p)),
            _ => {}
        }
    }
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
    found
}

/// The event with every mention of a folder replaced. What a newer version wrote cannot be looked through and is
/// replaced whole.
fn without(event: Event, folders: &[String]) -> Result<Event, String> {
    if let Event::Unknown { kind, .. } = &event {
        return Ok(Event::Noted {
            text: format!("an event of type '{kind}' was left out of this redacted copy"),
        });
    }
    if folders.is_empty() {
        return Ok(event);
    }
    let mut value = serde_json::to_value(&event).map_err(|e| e.to_string())?;
    clear(&mut value, folders);
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn clear(value: &mut Value, folders: &[String]) {
    match value {
        Value::String(text) => {
            for folder in folders.iter().filter(|f| text.contains(f.as_str())).collect::<Vec<_>>() {
                *text = text.replace(folder.as_str(), GONE);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|v| clear(v, folders)),
        Value::Object(all) => all.values_mut().for_each(|v| clear(v, folders)),
        _ => {}
    }
}

/// Copies what a record names, pictures emptied when they are to go.
fn copy_blobs(
    record: &mut Record,
    from: &Blobs,
    to: &Blobs,
    folders: &[String],
    pictures: bool,
) -> Result<(), String> {
    for hash in record.figures.values_mut() {
        let mut figure = from.figure(hash).map_err(|e| e.to_string())?;
        if let Body::Thumbnails { images } = &mut figure.body
            && !pictures
        {
            images.clear();
        }
        let mut value = serde_json::to_value(&figure).map_err(|e| e.to_string())?;
        clear(&mut value, folders);
        let figure = serde_json::from_value(value).map_err(|e| e.to_string())?;
        *hash = to.put_figure(&figure).map_err(|e| e.to_string())?;
    }
    for hash in record.blobs.values() {
        let (name, tensor) = from.tensor(hash).map_err(|e| e.to_string())?;
        to.put_tensor(&name, &tensor).map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, TIME};
    use crate::case::verify::verify;
    use crate::case::{bundle, seal};
    use crate::figure::{Figure, Thumbnail};
    use std::fs;

    #[test]
    fn a_redacted_copy_holds_neither_folders_nor_pictures_and_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("session");
        fs::create_dir(&at).unwrap();
        let image =
            Thumbnail { label: "sample 3".into(), width: 1, height: 1, channels: 1, pixels: vec![200] };
        let figure = Figure { title: "samples".into(), body: Body::Thumbnails { images: vec![image] } };
        let mut record = fixture::record("in /evidence/train/3.png");
        record.figures.insert("samples".into(), Blobs::new(&at).put_figure(&figure).unwrap());
        let mut journal = Journal::open(&at).unwrap().journal.unwrap();
        for event in [fixture::opened("x"), fixture::ended("a", record)] {
            journal.append(TIME, &event).unwrap();
        }
        drop(journal);
        let head = seal::seal(&at, "ana").unwrap().head;
        let copy = |name: &str| {
            let into = folder.path().join(name);
            fs::create_dir(&into).unwrap();
            redact(&at, &[Redaction::Thumbnails, Redaction::Paths], &into).unwrap();
            let mut bytes = Vec::new();
            bundle::write(&into, &mut bytes).unwrap();
            (into, bytes)
        };
        let ((into, one), (_, two)) = (copy("one"), copy("two"));
        assert_eq!(one, two, "same session, same bytes");
        assert!(!one.windows(9).any(|w| w == b"/evidence"));
        assert_eq!(verify(&into).unwrap().exit_code(), 0);
        let copied = Session::open(&into).unwrap();
        let state = copied.state();
        assert_eq!(state.redacted, Some((vec!["paths".to_owned(), "thumbnails".to_owned()], head)));
        let record = state.record("a").unwrap();
        assert_eq!(record.summary, "in (redacted)/train/3.png");
        let figure = copied.blobs().figure(&record.figures["samples"]).unwrap();
        assert_eq!(figure.body, Body::Thumbnails { images: Vec::new() });
        assert_eq!(seal::read(&into).unwrap().1.redacted, state.redacted);
    }
}
