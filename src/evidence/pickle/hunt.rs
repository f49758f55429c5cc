//! All streams of a file, and the search of what is left over for pickles that no reader is meant to see.

use super::fault::{Bound, Fault};
use super::machine::{End, Machine};
use super::value::{Action, Value};
use super::{Caps, Pickle, Stream};

/// PyTorch's magic number of the layout before 1.6, little-endian.
const TORCH_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Pickles of that layout in front of its storages.
const TORCH_STREAMS: usize = 5;
/// Opcodes of one attempt to read a buried pickle, and of all of them, bytes counting by the 64.
const ATTEMPT: u64 = 20_000;
const ATTEMPTS: u64 = 5_000_000;
/// Bytes in front of an INST that are searched for the MARK it needs, and MARKs tried.
const BEFORE: usize = 1024;
const MARKS: usize = 8;

/// Where a reading can be taken back to.
struct Checkpoint {
    nodes: usize,
    cells: usize,
    calls: usize,
    builds: usize,
    imports: usize,
    events: usize,
    elements: u64,
    limited: u32,
    arrays: usize,
}

impl Pickle<'_> {
    pub(super) fn read_all(&mut self, caps: &Caps) {
        let (mut at, end, mut most) = (0usize, self.bytes.len(), caps.streams);
        while at < end && self.streams.len() < most {
            let before = self.checkpoint();
            let (stream, done, next) = self.stream(at, caps.opcodes.saturating_sub(self.opcodes), caps);
            let first = self.streams.is_empty();
            let whole = done && stream.broken_at.is_none();
            if !whole && !first && !self.imports_since(&before) {
                self.take_back(&before);
                break;
            }
            let magic = first && stream.root.is_some_and(|root| self.is_torch_magic(root));
            self.streams.push(stream);
            at = next;
            if magic {
                self.torch_legacy = true;
                most = TORCH_STREAMS;
            }
            if !done {
                break;
            }
        }
        self.rest = at as u64..end as u64;
        if self.streams.len() >= caps.streams && at < end {
            self.fault(at, Fault::Limit(Bound::Streams));
        }
        if !self.torch_legacy {
            self.hunt(at, end, caps);
        }
    }

    fn is_torch_magic(&self, root: Value) -> bool {
        matches!(self.of(root), Some(super::Object::BigInt { span, text: false }) if self.span(*span) == TORCH_MAGIC)
    }

    /// Reads one pickle; whether it reached STOP, and where it ended.
    fn stream(&mut self, at: usize, opcodes: u64, caps: &Caps) -> (Stream, bool, usize) {
        let first = self.events.len();
        let run = Machine::new(self, at, caps).run(opcodes);
        let stops = |a: &Action| matches!(a, Action::Fault(f) if f.stops_python());
        let broken =
            self.events.get(first..).unwrap_or_default().iter().find(|e| stops(&e.action)).map(|e| e.at);
        let root = match run.end {
            End::Stop(root) => Some(root),
            End::Broken => None,
        };
        let straddled = run.straddled;
        let stream = Stream {
            range: at as u64..run.at as u64,
            protocol: run.protocol,
            root,
            broken_at: broken,
            buried: false,
        };
        for (from, to) in straddled {
            self.hunt(from, to, caps);
        }
        (stream, root.is_some(), run.at)
    }

    /// Searches bytes for pickles that import something. What is found is kept as a buried stream.
    fn hunt(&mut self, from: usize, to: usize, caps: &Caps) {
        let (mut at, mut spent) = (from, 0u64);
        while let Some(start) = candidate(self.bytes, at, to) {
            let before = self.checkpoint();
            let run = Machine::new(self, start, caps).run(ATTEMPT);
            spent += run.opcodes + ((run.at - start) / 64) as u64;
            let root = if let End::Stop(root) = run.end { Some(root) } else { None };
            let (end, protocol) = (run.at, run.protocol);
            // Two words on lines of their own behind an `i` are prose (a list of hosts), unless a pickle leads there or
            // goes on from there to its end: INST takes what is on the stack since a MARK.
            let found = self.imports_since(&before);
            let alone = found && self.bytes.get(start) == Some(&b'i') && root.is_none();
            let prose = alone && !self.leads_to(from, start, caps, &mut spent);
            if found && !prose {
                let range = start as u64..end as u64;
                self.streams.push(Stream { range, protocol, root, broken_at: None, buried: true });
                at = end.max(start + 1);
            } else {
                self.take_back(&before);
                at = start + 1;
            }
            if spent > ATTEMPTS {
                self.fault(at, Fault::Limit(Bound::Search));
                break;
            }
        }
    }

    /// Whether opcodes from one of the nearest MARKs in front of it can be followed to the one at `start`; what that takes
    /// counts among the attempts.
    fn leads_to(&mut self, from: usize, start: usize, caps: &Caps, spent: &mut u64) -> bool {
        let first = start.saturating_sub(BEFORE).max(from);
        let before = self.bytes.get(first..start).unwrap_or_default();
        let marks: Vec<usize> =
            (0..before.len()).rev().filter(|&k| before.get(k) == Some(&b'(')).take(MARKS).collect();
        marks.into_iter().any(|k| {
            let then = self.checkpoint();
            let run = Machine::new(self, first + k, caps).run(ATTEMPT);
            *spent += run.opcodes + ((run.at - first - k) / 64) as u64;
            let wanted = start as u64;
            let reached = self
                .events
                .iter()
                .skip(then.events)
                .any(|e| e.at == wanted && matches!(e.action, Action::Import(_)));
            self.take_back(&then);
            reached
        })
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            nodes: self.nodes.len(),
            cells: self.cells.len(),
            calls: self.calls.len(),
            builds: self.builds.len(),
            imports: self.imports.len(),
            events: self.events.len(),
            elements: self.elements,
            limited: self.limited,
            arrays: self.arrays.len(),
        }
    }

    fn take_back(&mut self, to: &Checkpoint) {
        self.nodes.truncate(to.nodes);
        self.cells.truncate(to.cells);
        self.calls.truncate(to.calls);
        self.builds.truncate(to.builds);
        for import in self.imports.drain(to.imports..) {
            self.known.remove(&super::machine::key(&import.module, &import.name));
        }
        self.events.truncate(to.events);
        self.arrays.truncate(to.arrays);
        (self.elements, self.limited) = (to.elements, to.limited);
    }

    /// Whether anything since then imports under a name that is one.
    fn imports_since(&self, then: &Checkpoint) -> bool {
        self.events.iter().skip(then.events).any(|e| match e.action {
            Action::Import(i) => self.imports.get(i as usize).is_some_and(super::value::Import::is_plausible),
            _ => false,
        })
    }
}

/// The next offset at which a pickle can begin that imports: PROTO, a GLOBAL or INST with two words, or text of a word
/// in front of a `STACK_GLOBAL`.
fn candidate(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    (from..to.min(bytes.len())).find(|&i| {
        let here = bytes.get(i..).unwrap_or_default();
        match here {
            [0x80, 0..=5, rest @ ..] => !rest.is_empty(),
            [b'c' | b'i', rest @ ..] => two_words(rest),
            [0x8c | b'U', n, rest @ ..] | [b'X', n, 0, 0, 0, rest @ ..] => {
                *n > 0 && rest.get(..usize::from(*n)).is_some_and(is_word)
            }
            [b'S', b'\'' | b'"', rest @ ..] | [b'V', rest @ ..] => {
                let line = rest.get(..200).unwrap_or(rest);
                line.iter().position(|&b| b == b'\n').is_some_and(|n| {
                    let word = line.get(..n).unwrap_or(line);
                    let word = word.strip_suffix(b"'").unwrap_or(word);
                    is_word(word.strip_suffix(b"\"").unwrap_or(word))
                })
            }
            _ => false,
        }
    })
}

fn two_words(rest: &[u8]) -> bool {
    let look = rest.get(..400).unwrap_or(rest);
    let mut lines = look.split(|&b| b == b'\n');
    let whole = look.iter().filter(|&&b| b == b'\n').take(2).count() == 2;
    let word = |l: Option<&[u8]>| l.is_some_and(|l| is_word(l.strip_suffix(b"\r").unwrap_or(l)));
    whole && word(lines.next()) && word(lines.next())
}

/// A Python name, possibly dotted.
pub(super) fn is_word(word: &[u8]) -> bool {
    let begins = word.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    begins && word.len() <= 200 && word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}
