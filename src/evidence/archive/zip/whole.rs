//! Every byte of the file: members that overlap, and ranges that belong to nothing.

use super::directory::{DESCRIPTOR, find};
use super::{Listed, Zip};
use std::ops::Range;

impl Zip<'_> {
    pub(super) fn check_coverage(&mut self) {
        let len = self.bytes.len() as u64;
        let mut taken: Vec<(Range<u64>, usize)> = Vec::with_capacity(self.members.len());
        for (i, m) in self.members.iter().enumerate() {
            let mut end = m.start.saturating_add(m.packed).min(len);
            if m.flags & 8 != 0 {
                end = self.after_descriptor(end);
            }
            taken.push((m.header.min(len)..end, i));
        }
        taken.sort_by_key(|(r, _)| (r.start, r.end));
        let (mut at, mut holes) = (0u64, Vec::new());
        let mut overlaps = Vec::new();
        for (range, member) in &taken {
            if range.start > at {
                holes.push(at..range.start);
            } else if range.start < at && range.end > range.start {
                overlaps.push((range.start, *member));
            }
            at = at.max(range.end);
        }
        holes.push(at..len);
        for (at, member) in overlaps {
            let name = self.members.get(member).map_or_else(String::new, |m| m.name.clone());
            self.say("zip.overlap", at, &name, "it shares bytes with another member");
        }
        for hole in holes {
            self.hole(hole);
        }
    }

    /// The end of a data descriptor, if one stands at `at`.
    fn after_descriptor(&self, at: u64) -> u64 {
        let rest = usize::try_from(at).ok().and_then(|a| self.bytes.get(a..)).unwrap_or_default();
        let signed = rest.starts_with(DESCRIPTOR);
        let width = |n: usize| rest.get(n..).is_some_and(|r| r.starts_with(b"PK"));
        let n = match (signed, ()) {
            (true, ()) if width(16) => 16,
            (true, ()) if width(24) => 24,
            (false, ()) if width(12) => 12,
            (false, ()) if width(20) => 20,
            (true, ()) => 16,
            _ => 0,
        };
        at + n.min(rest.len() as u64)
    }

    /// A range between members: directories and end records belong, anything else is hidden.
    fn hole(&mut self, hole: Range<u64>) {
        let (mut at, end) = (
            usize::try_from(hole.start).unwrap_or(usize::MAX),
            usize::try_from(hole.end).unwrap_or(usize::MAX),
        );
        let mut stray: Option<usize> = None;
        let mut found = Vec::new();
        while at < end {
            let step = self.record(at).filter(|&n| at + n <= end);
            if let Some(n) = step {
                if let Some(from) = stray.take() {
                    found.push(from as u64..at as u64);
                }
                at += n.max(1);
            } else {
                stray.get_or_insert(at);
                // The next thing that could be a record.
                at = find_pk(self.bytes, at + 1, end).unwrap_or(end);
            }
        }
        if let Some(from) = stray {
            found.push(from as u64..end as u64);
        }
        for range in found {
            let (from, n) = (range.start, range.end - range.start);
            let bytes = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            let blank =
                bytes.and_then(|(a, b)| self.bytes.get(a..b)).is_none_or(|b| b.iter().all(|&b| b == 0));
            // Padding that aligns members is not hiding anything.
            let padding = blank && n <= 4096;
            let said = from == 0 && self.odd.iter().any(|o| o.code == "zip.hidden_bytes" && o.at == 0);
            if !padding && !said {
                self.say("zip.hidden_bytes", from, "", format!("{n} bytes belong to no member"));
            }
            self.hidden.push(range);
        }
    }

    /// The length of a directory entry, end record, or data descriptor at an offset.
    fn record(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let field = |o: usize| rest.get(o..)?.first_chunk().map(|b| usize::from(u16::from_le_bytes(*b)));
        match rest.get(..4)? {
            b"PK\x01\x02" => Some(46 + field(28)? + field(30)? + field(32)?),
            b"PK\x05\x06" => Some(22 + field(20)?),
            b"PK\x06\x06" => Some(56),
            b"PK\x06\x07" => Some(20),
            _ => None,
        }
    }

    /// Whether a member is one that the usual readers see.
    pub fn is_listed(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|m| m.listed == Listed::Central)
    }
}

fn find_pk(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    [b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"]
        .into_iter()
        .filter_map(|s| find(bytes, from, to, *s))
        .min()
}
