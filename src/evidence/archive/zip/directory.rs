//! Both directories: end records, central entries, local headers, and how they agree.

use super::{Listed, Member, Zip};
use crate::evidence::limits::{Limits, cap};
use crate::evidence::text;

const END: &[u8; 4] = b"PK\x05\x06";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
pub(super) const LOCAL: &[u8; 4] = b"PK\x03\x04";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
pub(super) const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";

/// An end record.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub at: usize,
    entries: u64,
    size: u64,
    offset: u64,
    comment: usize,
    /// A zip64 end record stands in front of it, at that offset.
    zip64: Option<usize>,
    /// Its numbers differ from those of the zip64 record.
    disagrees: bool,
}

/// A local header.
pub(super) struct Local<'a> {
    pub name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    pub start: u64,
    time: (u16, u16),
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*b.get(at..)?.first_chunk()?))
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*b.get(at..)?.first_chunk()?))
}

fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*b.get(at..)?.first_chunk()?))
}

pub(super) fn find(bytes: &[u8], from: usize, to: usize, signature: [u8; 4]) -> Option<usize> {
    let rest = bytes.get(from..to.min(bytes.len()))?;
    memchr::memmem::find(rest, &signature).map(|at| from + at)
}

/// The 64-bit fields of an extra field, in the order in which 32-bit ones are all ones.
fn zip64(extra: &[u8]) -> Option<&[u8]> {
    let mut rest = extra;
    while let (Some(id), Some(len)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let body = rest.get(4..4 + usize::from(len))?;
        if id == 1 {
            return Some(body);
        }
        rest = rest.get(4 + usize::from(len)..)?;
    }
    None
}

pub(super) fn local(bytes: &[u8], at: usize) -> Option<Local<'_>> {
    let h = bytes.get(at..)?.get(..30)?;
    if !h.starts_with(LOCAL) {
        return None;
    }
    let (n, e) = (usize::from(u16_at(h, 26)?), usize::from(u16_at(h, 28)?));
    let name = bytes.get(at + 30..at + 30 + n)?;
    let extra = bytes.get(at + 30 + n..at + 30 + n + e)?;
    let (mut packed, mut size) = (u64::from(u32_at(h, 18)?), u64::from(u32_at(h, 22)?));
    if let Some(wide) = zip64(extra) {
        let mut next = wide.chunks_exact(8).map(|c| u64_at(c, 0).unwrap_or(0));
        for field in [&mut size, &mut packed] {
            if *field == 0xffff_ffff {
                *field = next.next().unwrap_or(*field);
            }
        }
    }
    Some(Local {
        name,
        flags: u16_at(h, 6)?,
        method: u16_at(h, 8)?,
        crc: u32_at(h, 14)?,
        packed,
        size,
        start: (at + 30 + n + e) as u64,
        time: (u16_at(h, 12)?, u16_at(h, 10)?),
    })
}

fn name_of(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

impl Zip<'_> {
    pub(super) fn read_directories(&mut self) {
        let ends = self.end_records();
        // The usual reader takes the last record whose comment ends with the file.
        let last =
            ends.iter().rev().find(|e| e.at + 22 + e.comment == self.bytes.len()).or(ends.last()).copied();
        let mut headers = Vec::new();
        match last {
            None => {
                self.say(
                    "zip.truncated",
                    self.bytes.len() as u64,
                    "",
                    "there is no end record: the archive is cut, or was never finished",
                );
            }
            Some(end) => {
                let start = self.bytes.len().min(end.at + 22);
                let stop = self.bytes.len().min(start + end.comment);
                self.comment = self.bytes.get(start..stop).unwrap_or_default().to_vec();
                if end.at + 22 + end.comment != self.bytes.len() {
                    self.say(
                        "zip.eocd",
                        end.at as u64,
                        "",
                        "the comment's length does not end with the file",
                    );
                }
                self.complete = self.central(end, &mut headers);
            }
        }
        for other in ends.iter().filter(|e| last.is_some_and(|l| l.at != e.at)) {
            // What lies inside of a stored member belongs to that member.
            if !self.inside_member(other.at as u64) {
                self.say(
                    "zip.multiple_eocd",
                    other.at as u64,
                    "",
                    "a second end record offers another directory",
                );
                self.central(*other, &mut headers);
            }
        }
        headers.sort_unstable();
        self.orphans(&headers);
    }

    fn inside_member(&self, at: u64) -> bool {
        self.members
            .iter()
            .any(|m| m.listed == Listed::Central && (m.start..m.start.saturating_add(m.packed)).contains(&at))
    }

    fn end_records(&self) -> Vec<End> {
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some(found) = find(self.bytes, at, self.bytes.len(), *END) {
            at = found + 4;
            if let Some(end) = self.end_record(found) {
                out.push(end);
                if out.len() > 1000 {
                    break;
                }
            }
        }
        out
    }

    fn end_record(&self, at: usize) -> Option<End> {
        let h = self.bytes.get(at..)?.get(..22)?;
        let mut end = End {
            at,
            entries: u64::from(u16_at(h, 10)?),
            size: u64::from(u32_at(h, 12)?),
            offset: u64::from(u32_at(h, 16)?),
            comment: usize::from(u16_at(h, 20)?),
            zip64: None,
            disagrees: false,
        };
        // A zip64 locator stands right in front.
        let locator = at.checked_sub(20).and_then(|l| Some((l, self.bytes.get(l..l + 20)?)));
        if let Some((l, locator)) = locator
            && locator.starts_with(LOCATOR64)
        {
            let stated = usize::try_from(u64_at(locator, 8)?).unwrap_or(usize::MAX);
            let near =
                l.checked_sub(56).filter(|&n| self.bytes.get(n..).is_some_and(|b| b.starts_with(END64)));
            let found =
                Some(stated).filter(|&s| self.bytes.get(s..).is_some_and(|b| b.starts_with(END64))).or(near);
            if let Some(z) = found.and_then(|f| self.bytes.get(f..)?.get(..56)) {
                end.zip64 = found;
                let wide =
                    [(24, end.entries, 0xffff), (40, end.size, 0xffff_ffff), (48, end.offset, 0xffff_ffff)];
                end.disagrees =
                    wide.iter().any(|&(o, narrow, open)| narrow != open && u64_at(z, o) != Some(narrow));
                if end.entries == 0xffff {
                    end.entries = u64_at(z, 32)?;
                }
                if end.size == 0xffff_ffff {
                    end.size = u64_at(z, 40)?;
                }
                if end.offset == 0xffff_ffff {
                    end.offset = u64_at(z, 48)?;
                }
            }
        }
        Some(end)
    }

    /// Reads the directory of an end record; whether it is there as stated.
    fn central(&mut self, end: End, headers: &mut Vec<u64>) -> bool {
        if end.disagrees {
            self.say("zip.zip64", end.at as u64, "", "the 64-bit end record and the 32-bit one disagree");
        }
        let records = end.zip64.unwrap_or(end.at);
        let stated = usize::try_from(end.offset).ok();
        let by_size = usize::try_from(end.size).ok().and_then(|s| records.checked_sub(s));
        let begins = |at: usize| self.bytes.get(at..).is_some_and(|b| b.starts_with(CENTRAL));
        // What stands in front of the archive shifts every offset.
        let (start, shift) = match (stated, by_size) {
            (Some(s), Some(b)) if s == b => (s, 0u64),
            (Some(s), Some(b)) if begins(b) && b > s => (b, (b - s) as u64),
            (Some(s), _) if begins(s) => (s, 0),
            (_, Some(b)) if begins(b) => (b, 0),
            _ => {
                self.say("zip.eocd", end.at as u64, "", "the end record names no directory that is there");
                return false;
            }
        };
        if shift > 0 {
            self.say("zip.hidden_bytes", 0, "", format!("{shift} bytes stand in front of the archive"));
        }
        if stated != by_size && shift == 0 {
            self.say(
                "zip.eocd",
                end.at as u64,
                "",
                "the directory is not where, or not as long as, the end record says",
            );
        }
        let (mut at, mut count) = (start, 0u64);
        while self.bytes.get(at..).is_some_and(|b| b.starts_with(CENTRAL)) && at < records {
            count += 1;
            if self.members.len() >= Limits::in_force().archive_entries {
                let detail = format!("too many members: {}", cap!(Limits::in_force(), archive_entries));
                self.say("zip.limit", at as u64, "", detail);
                break;
            }
            let Some((member, next)) = self.entry(at, shift) else {
                self.say("zip.truncated", at as u64, "", "the directory ends inside an entry");
                break;
            };
            headers.push(member.header);
            if count <= end.entries.max(1) + Limits::in_force().archive_entries as u64 {
                self.members.push(member);
            }
            at = next;
        }
        if count != end.entries {
            let entries = end.entries;
            self.say(
                "zip.eocd",
                end.at as u64,
                "",
                format!("the end record counts {entries} members, the directory has {count}"),
            );
        }
        true
    }

    /// A central entry, compared with its local header, and where the next one begins.
    fn entry(&mut self, at: usize, shift: u64) -> Option<(Member, usize)> {
        let h = self.bytes.get(at..)?.get(..46)?;
        let lens = [28, 30, 32].map(|o| u16_at(h, o).map_or(0, usize::from));
        let name_at = at + 46;
        let raw = self.bytes.get(name_at..name_at + lens[0])?;
        let extra = self.bytes.get(name_at + lens[0]..name_at + lens[0] + lens[1])?;
        let next = name_at + lens.iter().sum::<usize>();
        let (mut packed, mut size) = (u64::from(u32_at(h, 20)?), u64::from(u32_at(h, 24)?));
        let mut offset = u64::from(u32_at(h, 42)?);
        let name = name_of(raw);
        if let Some(wide) = zip64(extra) {
            let mut values = wide.chunks_exact(8).map(|c| u64_at(c, 0).unwrap_or(0));
            let needed = [size, packed, offset].iter().filter(|&&v| v == 0xffff_ffff).count();
            for field in [&mut size, &mut packed, &mut offset] {
                if *field == 0xffff_ffff {
                    *field = values.next().unwrap_or(*field);
                }
            }
            if needed == 0 && !wide.is_empty() {
                self.say(
                    "zip.zip64",
                    at as u64,
                    &name,
                    "64-bit sizes beside 32-bit ones: readers choose differently",
                );
            }
        }
        let external = u32_at(h, 38)?;
        let header = offset.saturating_add(shift);
        let mut member = Member {
            name,
            listed: Listed::Central,
            method: u16_at(h, 10)?,
            flags: u16_at(h, 8)?,
            crc: u32_at(h, 16)?,
            packed,
            size,
            header,
            start: header,
            time: (u16_at(h, 14)?, u16_at(h, 12)?),
            mode: (h.get(5) == Some(&3)).then_some(external >> 16),
        };
        match usize::try_from(header).ok().and_then(|p| local(self.bytes, p)) {
            None => {
                let name = member.name.clone();
                self.say("zip.orphan", header, &name, "the directory names a member that is not there");
            }
            Some(local) => {
                member.start = local.start;
                self.compare(&member, &local);
            }
        }
        if member.start.saturating_add(member.packed) > self.bytes.len() as u64 {
            let wide = [member.packed, member.size, offset].iter().any(|&v| v > 0xffff_ffff);
            let code = if wide { "zip.zip64" } else { "zip.truncated" };
            let name = member.name.clone();
            self.say(code, header, &name, "it reaches beyond the end of the file");
        }
        Some((member, next))
    }

    fn compare(&mut self, m: &Member, l: &Local) {
        let name = &m.name;
        if String::from_utf8_lossy(l.name) != *name {
            let other = text::visible(&name_of(l.name));
            self.say("zip.lh_cd_mismatch", m.header, name, format!("its local header calls it '{other}'"));
        }
        if l.method != m.method {
            let (a, b) = (m.method, l.method);
            self.say(
                "zip.lh_cd_mismatch",
                m.header,
                name,
                format!("method {a} in the directory, {b} in the local header"),
            );
        }
        // Bits that change how content is read: encryption, patch data, strong encryption, masked headers.
        let odd = (l.flags | m.flags) & (0x1 | 0x20 | 0x40 | 0x2000);
        if l.flags != m.flags || odd != 0 {
            let (a, b) = (m.flags, l.flags);
            self.say(
                "zip.flags",
                m.header,
                name,
                format!("flags {a:#06x} in the directory, {b:#06x} in the local header"),
            );
        }
        let described = l.flags & 8 != 0;
        let same = |a: u64, b: u64| a == b || described && a == 0 || a == 0xffff_ffff;
        if !same(l.packed, m.packed) || !same(l.size, m.size) {
            let detail = format!(
                "{}/{} bytes in the local header, {}/{} in the directory",
                l.packed, l.size, m.packed, m.size
            );
            self.say("zip.size_mismatch", m.header, name, detail);
        }
        if l.crc != m.crc && !(described && l.crc == 0) {
            self.say(
                "zip.lh_cd_mismatch",
                m.header,
                name,
                "its checksum differs between directory and local header",
            );
        }
    }

    /// Members that only local headers show, outside of everything the directory names; `headers` are the offsets it names,
    /// sorted.
    fn orphans(&mut self, headers: &[u64]) {
        let (mut at, bytes) = (0usize, self.bytes);
        let mut covered: Vec<(u64, u64)> =
            self.members.iter().map(|m| (m.header, m.start.saturating_add(m.packed))).collect();
        covered.sort_unstable();
        let listed = !covered.is_empty();
        let finder = memchr::memmem::Finder::new(LOCAL);
        while let Some(found) = bytes.get(at..).and_then(|rest| finder.find(rest)).map(|n| at + n) {
            at = found + 4;
            let here = found as u64;
            let before = covered.partition_point(|c| c.0 <= here);
            let inside = before.checked_sub(1).and_then(|i| covered.get(i)).filter(|c| here < c.1);
            if let Some(cover) = inside {
                at = at.max(usize::try_from(cover.1).unwrap_or(usize::MAX));
                continue;
            }
            if headers.binary_search(&here).is_ok()
                || self.members.len() >= Limits::in_force().archive_entries
            {
                continue;
            }
            let Some(local) = local(bytes, found) else { continue };
            if listed || self.complete {
                self.say(
                    "zip.orphan",
                    here,
                    &name_of(local.name),
                    "a member that the directory does not name",
                );
            }
            let member = self.local_only(here, &local);
            let end = member.start.saturating_add(member.packed).min(bytes.len() as u64);
            at = at.max(usize::try_from(end).unwrap_or(usize::MAX));
            self.members.push(member);
        }
    }

    fn local_only(&self, header: u64, l: &Local) -> Member {
        let left = (self.bytes.len() as u64).saturating_sub(l.start);
        // Sizes that follow the data, or lie: up to the next header.
        let packed = if l.packed == 0 && l.flags & 8 != 0 || l.packed > left {
            let from = usize::try_from(l.start).unwrap_or(usize::MAX);
            let next = [LOCAL, CENTRAL, DESCRIPTOR]
                .into_iter()
                .filter_map(|s| find(self.bytes, from, self.bytes.len(), *s))
                .min();
            next.map_or(left, |n| n as u64 - l.start)
        } else {
            l.packed
        };
        Member {
            name: name_of(l.name),
            listed: Listed::LocalOnly,
            method: l.method,
            flags: l.flags,
            crc: l.crc,
            packed,
            size: l.size,
            header,
            start: l.start,
            time: l.time,
            mode: None,
        }
    }
}
