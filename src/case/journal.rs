//! The journal: append-only, hash-chained JSON Lines, on disk before anything is shown as done.
//!
//! What the chain shows: any edit, insertion, swap or deletion before the last record. What it cannot show: a clean cut
//! at a line break, or a whole rewrite; those only show against a head hash kept elsewhere (a report, a seal).

use super::line::{self, LineError};
use super::whole::sync_folder;
use super::{Event, JournalRecord, SessionError};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Its name in the session folder.
pub const FILE: &str = "journal.jsonl";
/// Torn last lines are kept in files whose names start so.
pub const TORN: &str = "journal.torn-";
/// Largest journal read, in bytes.
const CAP: u64 = 1 << 30;

/// The first record that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Its number.
    pub n: u64,
    /// What is wrong.
    pub reason: String,
}

/// A journal as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Read {
    /// Every good record up to the first bad one.
    pub records: Vec<JournalRecord>,
    /// Bytes they take.
    pub good: u64,
    /// Bytes of a torn last line after them.
    pub torn: u64,
    /// The first bad record, if there is one that is not a torn last line.
    pub bad: Option<Bad>,
    /// Oddities that are no damage: clocks that went back.
    pub odd: Vec<String>,
}

impl Read {
    /// What is wrong or odd, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let bad = self.bad.iter().map(|b| {
            format!("journal record {}: {}; nothing from there on is shown or trusted", b.n, b.reason)
        });
        let torn = (self.torn > 0).then(|| {
            let n = self.records.len();
            format!("journal record {n} is torn ({} bytes without a line break); it is not shown", self.torn)
        });
        bad.chain(torn).chain(self.odd.iter().cloned()).collect()
    }

    /// Hash of the last good record; empty if there is none.
    pub fn head(&self) -> &str {
        self.records.last().map_or("", |r| r.hash.as_str())
    }
}

/// Reads a journal and checks its chain; changes nothing.
///
/// # Errors
/// No readable journal, or not one good record in it.
pub fn read(path: &Path) -> Result<Read, SessionError> {
    let no_session =
        |reason: String| SessionError::NoSession { path: path.parent().unwrap_or(path).to_owned(), reason };
    let mut file = options().read(true).open(path).map_err(|e| no_session(e.to_string()))?;
    let read = parse(&contents(&mut file).map_err(|e| no_session(e.to_string()))?);
    if read.records.is_empty() {
        let reason = read.warnings().into_iter().next().unwrap_or_else(|| "it is empty".to_owned());
        return Err(SessionError::Empty { path: path.to_owned(), reason });
    }
    Ok(read)
}

/// Reads the bytes of a journal. Pure.
pub fn parse(bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n');
        let (line, after) = match end {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        // A write cut short leaves a line without its break; a file system may fill what it lost with NULs.
        if end.is_none() || (after.is_empty() && line.contains(&0)) {
            read.torn = rest.len() as u64;
            break;
        }
        match check(line, read.records.len() as u64, read.records.last()) {
            Ok(record) => {
                if let Some(last) = read.records.last().filter(|last| went_back(&last.time, &record.time)) {
                    read.odd.push(format!(
                        "record {}: the clock went back from {} to {}",
                        record.n, last.time, record.time
                    ));
                }
                read.records.push(record);
                read.good += line.len() as u64 + 1;
                rest = after;
            }
            Err(reason) => {
                read.bad = Some(Bad { n: read.records.len() as u64, reason });
                break;
            }
        }
    }
    read
}

fn check(line: &[u8], n: u64, last: Option<&JournalRecord>) -> Result<JournalRecord, String> {
    let record = line::decode(line)?;
    if record.n != n {
        return Err(format!("its number is {}", record.n));
    }
    let (prev, wrong) = match (last, &record.event) {
        (Some(last), _) => (last.hash.clone(), "it is not chained to the record before".to_owned()),
        (None, Event::CaseOpened { case, .. }) => (
            line::anchor(&case.id),
            format!("it is not the start of a {} (a newer format, or another case's record)", line::FORMAT),
        ),
        (None, other) => return Err(format!("a journal starts with 'case_opened', not '{}'", other.kind())),
    };
    if record.prev == prev { Ok(record) } else { Err(wrong) }
}

/// Order is `n`; the clock is shown, not repaired.
fn went_back(a: &str, b: &str) -> bool {
    matches!((a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()), (Ok(a), Ok(b)) if b < a)
}

/// Why an event is not on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It can never be written.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The disk did not take it (full, failing); the file was put back to its last good length. Trying again may help.
    #[error("the journal could not be written: {0}")]
    Io(String),
    /// The file is no longer what this program wrote. Nothing more is written to it.
    #[error("the journal was changed by someone else: {0}")]
    Lost(String),
}

/// A journal open for appending, locked against a second writer.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    good: u64,
    next: u64,
    head: String,
    broken: bool,
}

/// A journal opened for going on.
#[derive(Debug)]
pub struct Opened {
    /// The writer, or why the session is read-only.
    pub journal: Result<Journal, String>,
    /// What is there.
    pub read: Read,
    /// Torn lines set aside that no record tells of yet: bytes and file name.
    pub recovered: Vec<(u64, String)>,
}

impl Journal {
    /// Opens or creates the journal of a session folder, which must exist. A torn last line is set aside. Anything
    /// wrong before it, or another writer, makes the session read-only.
    ///
    /// # Errors
    /// It can neither be written nor read.
    pub fn open(session: &Path) -> Result<Opened, SessionError> {
        let path = session.join(FILE);
        let new = !path.try_exists().unwrap_or(true);
        let opened = options().read(true).append(true).create(true).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(_) if !new && read(&path).is_ok() => {
                let reason = "the journal may be read but not written".to_owned();
                return Ok(Opened { read: read(&path)?, journal: Err(reason), recovered: Vec::new() });
            }
            Err(e) => return Err(SessionError::Write { path, reason: e.to_string() }),
        };
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err("another laocoon has it open".to_owned()),
            Err(TryLockError::Error(e)) => Err(format!("it cannot be locked: {e}")),
        };
        Self::take(path, file, locked, new)
    }

    fn take(
        path: PathBuf,
        mut file: File,
        locked: Result<(), String>,
        new: bool,
    ) -> Result<Opened, SessionError> {
        let write = |e: io::Error| SessionError::Write { path: path.clone(), reason: e.to_string() };
        let bytes = contents(&mut file).map_err(write)?;
        let mut read = parse(&bytes);
        let closed = locked.err().or_else(|| {
            read.bad.as_ref().map(|b| format!("journal record {} is damaged: {}", b.n, b.reason))
        });
        if let Some(reason) = closed {
            return Ok(Opened { journal: Err(reason), read, recovered: Vec::new() });
        }
        if new {
            file.sync_all().and_then(|()| sync_folder(&path)).map_err(write)?;
        }
        if read.torn > 0 {
            let torn = bytes.get(read.good as usize..).unwrap_or_default();
            set_aside(&path, read.records.len(), torn).map_err(write)?;
            file.set_len(read.good).and_then(|()| file.sync_all()).map_err(write)?;
            read.torn = 0;
        }
        let recovered = untold(&path, &read.records).map_err(write)?;
        let journal = Journal {
            good: read.good,
            next: read.records.len() as u64,
            head: read.head().to_owned(),
            broken: false,
            path,
            file,
        };
        Ok(Opened { journal: Ok(journal), read, recovered })
    }

    /// Appends an event: one write of the whole line, then a sync of its data. When this returns `Ok`, it is on disk.
    ///
    /// # Errors
    /// [`AppendError::Line`]: never to be written. [`AppendError::Io`]: not written, try again later.
    /// [`AppendError::Lost`]: the file is not ours any more.
    pub fn append(&mut self, time: &str, event: &Event) -> Result<JournalRecord, AppendError> {
        let start;
        let prev = match (self.next, event) {
            (0, Event::CaseOpened { case, .. }) => {
                start = line::anchor(&case.id);
                &start
            }
            (0, other) => {
                let reason = format!("a journal starts with 'case_opened', not '{}'", other.kind());
                return Err(LineError::NotFaithful(reason).into());
            }
            _ => &self.head,
        };
        let (line, record) = line::encode(self.next, time, prev, event)?;
        if self.broken {
            self.reopen()?;
        }
        if let Err(e) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            self.broken = true;
            // Best effort: whatever is left behind is cut off again before the next attempt.
            let _ = self.file.set_len(self.good);
            return Err(AppendError::Io(e.to_string()));
        }
        self.good += line.len() as u64;
        self.next += 1;
        self.head.clone_from(&record.hash);
        Ok(record)
    }

    /// After a failed write or sync nothing that the old handle says can be trusted: opens the file anew, checks what
    /// is there against what was acknowledged, and cuts off what was not.
    fn reopen(&mut self) -> Result<(), AppendError> {
        let io = |e: io::Error| AppendError::Io(e.to_string());
        let mut file = options().read(true).append(true).open(&self.path).map_err(io)?;
        self.file.unlock().map_err(io)?;
        if let Err(e) = file.try_lock() {
            return Err(AppendError::Lost(format!("it cannot be locked again: {e}")));
        }
        let bytes = contents(&mut file).map_err(io)?;
        let ours = bytes.get(..self.good as usize).map(parse);
        if ours.is_none_or(|r| {
            r.records.len() as u64 != self.next || r.head() != self.head || r.good != self.good
        }) {
            return Err(AppendError::Lost(format!("its first {} records are not those written", self.next)));
        }
        file.set_len(self.good).and_then(|()| file.sync_all()).map_err(io)?;
        self.file = file;
        self.broken = false;
        Ok(())
    }
}

/// Never follows a link in the last place, never waits on a FIFO.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    options
}

fn contents(file: &mut File) -> io::Result<Vec<u8>> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if meta.len() > CAP {
        return Err(io::Error::other(format!("larger than a journal may be ({CAP} bytes)")));
    }
    file.rewind()?;
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.take(CAP).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps the bytes of a torn line in `journal.torn-<n>`. An earlier attempt that was itself cut off is replaced; other
/// torn bytes of the same number get a name of their own.
fn set_aside(journal: &Path, n: usize, bytes: &[u8]) -> io::Result<()> {
    let mut path = journal.with_file_name(format!("{TORN}{n}"));
    let mut k = 1;
    while std::fs::read(&path).is_ok_and(|there| !bytes.starts_with(&there)) {
        path = journal.with_file_name(format!("{TORN}{n}-{k}"));
        k += 1;
    }
    let mut file = File::create(&path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(&path)
}

/// Torn files that no `recovered` record names: the program may have died between setting one aside and saying so.
fn untold(journal: &Path, records: &[JournalRecord]) -> io::Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(journal.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let told = |r: &JournalRecord| matches!(&r.event, Event::Recovered { kept, .. } if *kept == name);
        if name.starts_with(TORN) && !records.iter().any(told) {
            found.push((entry.metadata()?.len(), name));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::fixture::{self, TIME};
    use crate::procedure::Severity;
    use proptest::prelude::*;
    use std::fs;

    fn open(session: &Path) -> (Journal, Opened) {
        let mut opened = Journal::open(session).unwrap();
        let journal = std::mem::replace(&mut opened.journal, Err("taken".into())).unwrap();
        (journal, opened)
    }

    fn five() -> Vec<Event> {
        vec![
            fixture::opened("x"),
            fixture::planned(&["a"]),
            fixture::queued("a"),
            fixture::ended("a", fixture::flagged(7, Severity::High)),
            Event::Noted { text: "停 see \u{1b}[31m ticket".into() },
        ]
    }

    fn bytes_of(events: &[Event]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path());
        for event in events {
            journal.append(TIME, event).unwrap();
        }
        fs::read(folder.path().join(FILE)).unwrap()
    }

    #[test]
    fn what_is_appended_is_read_back_and_goes_on_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let all = fixture::one_of_each();
        let (mut journal, opened) = open(folder.path());
        assert!(opened.read.records.is_empty());
        let mut told: Vec<_> = all[..4].iter().map(|e| journal.append(TIME, e).unwrap()).collect();
        drop(journal);
        let (mut journal, opened) = open(folder.path());
        assert_eq!(opened.read.records, told);
        told.extend(all[4..].iter().map(|e| journal.append(TIME, e).unwrap()));
        let read = read(&folder.path().join(FILE)).unwrap();
        assert_eq!(read.records, told);
        assert_eq!(read.records.iter().map(|r| &r.event).collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
        assert_eq!((read.warnings(), read.head()), (Vec::new(), told.last().unwrap().hash.as_str()));
    }

    #[test]
    fn a_journal_starts_with_its_case() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path());
        let early = journal.append(TIME, &Event::Noted { text: "x".into() });
        assert!(matches!(early, Err(AppendError::Line(_))));
        journal.append(TIME, &fixture::opened("x")).unwrap();
    }

    #[test]
    fn every_single_bit_flip_shows() {
        let whole = bytes_of(&five());
        let good = parse(&whole);
        assert_eq!((good.records.len(), &good.bad), (5, &None));
        let mut flips = 0;
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let seen = parse(&flipped);
                assert!(seen.bad.is_some() || seen.torn > 0, "byte {at} bit {bit} went unseen");
                assert!(seen.records.len() < 5);
                flips += 1;
            }
        }
        assert_eq!(flips, 8 * whole.len());
    }

    #[test]
    fn edits_of_whole_lines_show_except_a_clean_cut_and_a_rewrite_which_only_a_head_hash_tells() {
        let whole = bytes_of(&five());
        let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
        let head = parse(&whole).head().to_owned();
        let bad = |order: &[usize]| parse(&order.iter().flat_map(|i| lines[*i].to_vec()).collect::<Vec<_>>());
        assert_eq!(bad(&[0, 2, 3, 4]).bad.unwrap().n, 1, "deleted");
        assert_eq!(bad(&[0, 2, 1, 3, 4]).bad.unwrap().n, 1, "swapped");
        assert_eq!(bad(&[0, 1, 1, 2, 3, 4]).bad.unwrap().n, 2, "repeated");
        assert_eq!(bad(&[1, 2, 3, 4]).bad.unwrap().n, 0, "beheaded");
        let mut other = five();
        other[0] = fixture::opened("y");
        let other = bytes_of(&other);
        let spliced = parse(&[lines[0], other.split_inclusive(|b| *b == b'\n').nth(1).unwrap()].concat());
        assert_eq!(spliced.bad.unwrap().n, 1, "spliced from another case");
        // These two verify; only the head hash differs.
        let cut = bad(&[0, 1, 2, 3]);
        assert!(cut.bad.is_none() && cut.torn == 0 && cut.head() != head);
        let mut rewritten = five();
        rewritten[4] = Event::Noted { text: "all fine".into() };
        let rewritten = parse(&bytes_of(&rewritten));
        assert!(rewritten.bad.is_none() && rewritten.records.len() == 5 && rewritten.head() != head);
    }

    #[test]
    fn a_cut_at_any_byte_keeps_the_whole_records_sets_the_rest_aside_and_goes_on() {
        let whole = bytes_of(&five());
        let ends: Vec<usize> =
            whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        // Every length is parsed; around the ends of lines the file is really reopened and written on.
        for cut in 0..=whole.len() {
            let kept = ends.iter().filter(|e| **e <= cut).count();
            let start = ends.get(kept.wrapping_sub(1)).copied().unwrap_or(0);
            let seen = parse(&whole[..cut]);
            assert_eq!(
                (seen.records.len(), seen.torn, &seen.bad),
                (kept, (cut - start) as u64, &None),
                "cut at {cut}"
            );
            if cut % 97 != 0 && !ends.iter().any(|e| e.abs_diff(cut) <= 1) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), &whole[..cut]).unwrap();
            let (mut journal, opened) = open(folder.path());
            assert_eq!(opened.read.records.len(), kept);
            let mut next = kept;
            if kept == 0 {
                journal.append(TIME, &fixture::opened("x")).unwrap();
                next += 1;
            }
            for (bytes, name) in &opened.recovered {
                assert_eq!(*bytes, (cut - start) as u64);
                assert_eq!(fs::read(folder.path().join(name)).unwrap(), &whole[start..cut]);
                journal.append(TIME, &Event::Recovered { bytes: *bytes, kept: name.clone() }).unwrap();
                next += 1;
            }
            assert_eq!(opened.recovered.len(), usize::from(cut > start), "cut at {cut}");
            drop(journal);
            let (_, again) = open(folder.path());
            assert_eq!((again.read.records.len(), again.read.torn, again.recovered.len()), (next, 0, 0));
        }
    }

    #[test]
    fn nul_tails_are_torn_tails() {
        let whole = bytes_of(&five());
        for n in [1, 7, 512, 4096] {
            let mut padded = whole.clone();
            padded.resize(whole.len() + n, 0);
            let seen = parse(&padded);
            assert_eq!((seen.records.len(), seen.torn, &seen.bad), (5, n as u64, &None));
        }
    }

    #[test]
    fn dying_while_a_torn_line_is_set_aside_loses_and_repeats_nothing() {
        let whole = bytes_of(&five());
        let folder = tempfile::tempdir().unwrap();
        let torn = format!("{TORN}4");
        let last = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        // Died while copying: half a copy is there, the journal still has its torn line.
        fs::write(folder.path().join(FILE), &whole[..whole.len() - 1]).unwrap();
        fs::write(folder.path().join(&torn), &whole[last..last + 5]).unwrap();
        let (journal, opened) = open(folder.path());
        let bytes = (whole.len() - 1 - last) as u64;
        assert_eq!(opened.recovered, [(bytes, torn.clone())]);
        drop(journal);
        // Died before the record about it was written: it is told of again.
        let (mut journal, opened) = open(folder.path());
        assert_eq!(opened.recovered, [(bytes, torn.clone())]);
        journal.append(TIME, &Event::Recovered { bytes, kept: torn }).unwrap();
        drop(journal);
        assert!(open(folder.path()).1.recovered.is_empty());
    }

    #[test]
    fn damage_makes_it_read_only_and_is_named() {
        let mut whole = bytes_of(&five());
        let at = whole.len() / 2;
        whole[at] ^= 1;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), &whole).unwrap();
        let opened = Journal::open(folder.path()).unwrap();
        let bad = opened.read.bad.clone().unwrap();
        assert!(opened.journal.unwrap_err().contains(&format!("record {}", bad.n)));
        assert!(opened.read.warnings()[0].contains(&format!("record {}", bad.n)));
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), whole, "nothing is repaired");
    }

    #[test]
    fn a_second_writer_is_kept_out_and_reads() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path());
        journal.append(TIME, &fixture::opened("x")).unwrap();
        let second = Journal::open(folder.path()).unwrap();
        assert_eq!(second.read.records.len(), 1);
        assert!(second.journal.unwrap_err().contains("another laocoon"));
        drop(journal);
        assert!(Journal::open(folder.path()).unwrap().journal.is_ok());
    }

    #[test]
    fn after_a_failed_write_the_file_is_checked_and_cut_back_before_going_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (mut journal, _) = open(folder.path());
        journal.append(TIME, &fixture::opened("x")).unwrap();
        // As a failed sync leaves it: a whole line on disk that was never acknowledged.
        let (line, _) =
            line::encode(1, TIME, &journal.head, &Event::Noted { text: "unacknowledged".into() }).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&line).unwrap();
        journal.broken = true;
        journal.append(TIME, &Event::Noted { text: "again".into() }).unwrap();
        let seen = read(&path).unwrap();
        assert_eq!(seen.records.len(), 2);
        assert_eq!(seen.records[1].event, Event::Noted { text: "again".into() });
        // As somebody else leaves it.
        fs::write(&path, b"gone").unwrap();
        journal.broken = true;
        assert!(matches!(journal.append(TIME, &five()[1]), Err(AppendError::Lost(_))));
        assert_eq!(fs::read(&path).unwrap(), b"gone", "what is not ours is not touched");
    }

    #[test]
    fn a_full_disk_loses_nothing_that_was_acknowledged() {
        // /dev/full fails every write as a full disk does.
        let Ok(full) = OpenOptions::new().append(true).open("/dev/full") else { return };
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path());
        journal.append(TIME, &fixture::opened("x")).unwrap();
        let real = std::mem::replace(&mut journal.file, full);
        drop(real);
        let note = Event::Noted { text: "kept".into() };
        assert!(matches!(journal.append(TIME, &note), Err(AppendError::Io(_))));
        assert_eq!(journal.append(TIME, &note).unwrap().n, 1, "works once there is room");
        assert_eq!(read(&folder.path().join(FILE)).unwrap().records.len(), 2);
    }

    #[test]
    fn a_journal_that_is_no_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FILE)).unwrap();
        assert!(read(&folder.path().join(FILE)).is_err());
        assert!(Journal::open(folder.path()).is_err());
        assert!(matches!(read(Path::new("no/such/journal.jsonl")), Err(SessionError::NoSession { .. })));
    }

    #[test]
    fn a_clock_that_went_back_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path());
        journal.append("2026-03-01T12:00:00Z", &fixture::opened("x")).unwrap();
        journal.append("2026-03-01T11:00:00.5Z", &Event::Noted { text: "x".into() }).unwrap();
        let seen = read(&folder.path().join(FILE)).unwrap();
        assert!(seen.bad.is_none() && seen.warnings()[0].contains("record 1: the clock went back"));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let (text, number) =
            (any::<String>, || prop_oneof![any::<f64>().prop_filter("finite", |x| x.is_finite())]);
        prop_oneof![
            text().prop_map(|text| Event::Noted { text }),
            (text(), text()).prop_map(|(procedure, reason)| Event::JobFailed { procedure, reason }),
            (text(), any::<u64>(), any::<u64>()).prop_map(|(procedure, done, units)| Event::JobStopped {
                procedure,
                done,
                units
            }),
            (text(), proptest::collection::vec(number(), 0..9), number(), text()).prop_map(
                |(procedure, xs, seconds, key)| {
                    let mut record = fixture::record(&key);
                    record.measures.insert(key, crate::procedure::numbers(&xs));
                    Event::JobEnded { procedure, record, seconds }
                }
            ),
            proptest::sample::select(fixture::one_of_each()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_sequence_of_events_round_trips(events in proptest::collection::vec(any_event(), 0..6)) {
            let mut all = vec![fixture::opened("x")];
            all.extend(events);
            let mut bytes = Vec::new();
            let mut prev = line::anchor("x");
            for (n, event) in all.iter().enumerate() {
                let (line, record) = line::encode(n as u64, TIME, &prev, event).unwrap();
                prop_assert!(!line[..line.len() - 1].iter().any(u8::is_ascii_control));
                bytes.extend(line);
                prev = record.hash;
            }
            let seen = parse(&bytes);
            prop_assert_eq!(&seen.bad, &None);
            prop_assert_eq!(seen.records.into_iter().map(|r| r.event).collect::<Vec<_>>(), all);
        }
    }
}
