//! Zip archives as different readers see them: the central directory, the local headers, and every byte between.
//!
//! Nothing is taken from one directory alone. Where the two disagree, where bytes belong to no member, and where a
//! second end record offers another view, that is an [`Oddity`], and all views are offered for reading.

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

mod directory;
mod whole;

#[cfg(test)]
mod tests;

use super::unpack::{Packing, Unpacked};
use super::{Oddity, climbs};
use crate::evidence::limits::{Limits, cap};
use crate::evidence::text;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Whether so many unpacked bytes from so many packed ones are those of a bomb.
pub fn is_bomb(unpacked: u64, packed: u64) -> bool {
    let limits = Limits::in_force();
    unpacked > limits.bomb_bytes && unpacked / packed.max(1) > limits.archive_ratio
}

/// What a message says about the ratio that a bomb is beyond.
pub fn ratio_cap() -> String {
    cap!(Limits::in_force(), archive_ratio)
}

/// Where a member was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// In the central directory.
    Central,
    /// Only by a local header: usual readers do not see it.
    LocalOnly,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path as the directory has it (or the local header, where that is all there is).
    pub name: String,
    /// How it was found.
    pub listed: Listed,
    /// Compression method.
    pub method: u16,
    /// General-purpose flags.
    pub flags: u16,
    /// CRC-32 as stated.
    pub crc: u32,
    /// Packed bytes as stated.
    pub packed: u64,
    /// Unpacked bytes as stated.
    pub size: u64,
    /// Offset of the local header.
    pub header: u64,
    /// Offset of the first packed byte.
    pub start: u64,
    /// DOS date and time, as written.
    pub time: (u16, u16),
    /// Unix mode, if the archive was made on Unix.
    pub mode: Option<u32>,
}

impl Member {
    /// Whether its content is encrypted.
    pub fn encrypted(&self) -> bool {
        self.flags & 0x41 != 0
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Whether it says when it was changed: PyTorch writes the time zero.
    pub fn has_time(&self) -> bool {
        self.time.0 != 0 && self.time != (0x21, 0)
    }

    /// Its last change as `YYYY-MM-DD hh:mm:ss`; `None` for the time zero that PyTorch writes.
    pub fn modified(&self) -> Option<String> {
        if !self.has_time() {
            return None;
        }
        let (date, time) = self.time;
        let (y, m, d) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
        Some(format!("{y:04}-{m:02}-{d:02} {:02}:{:02}:{:02}", time >> 11, time >> 5 & 63, (time & 31) * 2))
    }
}

/// An archive and what is odd about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zip<'a> {
    bytes: &'a [u8],
    /// In the order of the directory, then those that only local headers show.
    pub members: Vec<Member>,
    /// What is wrong.
    pub odd: Vec<Oddity>,
    /// Bytes that belong to no member and to no directory.
    pub hidden: Vec<Range<u64>>,
    /// The archive's comment.
    pub comment: Vec<u8>,
    /// There is an end record, and the directory it names is there.
    pub complete: bool,
}

impl<'a> Zip<'a> {
    /// Reads an archive. Never fails: what is wrong is in [`Zip::odd`].
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut zip = Zip { bytes, ..Zip::default() };
        zip.read_directories();
        zip.check_names();
        zip.check_sizes();
        zip.check_coverage();
        zip
    }

    /// The packed bytes of a member that are in the file.
    pub fn packed(&self, member: &Member) -> &'a [u8] {
        let start = usize::try_from(member.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let end =
            start.saturating_add(usize::try_from(member.packed).unwrap_or(usize::MAX)).min(self.bytes.len());
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Unpacks a member, at most `cap` bytes. Stored members are borrowed, not copied. `None` for methods that are not
    /// read.
    pub fn unpack(&self, member: &Member, cap: u64) -> Option<Content<'a>> {
        let packed = self.packed(member);
        let packing = match member.method {
            0 => {
                let keep = packed.len().min(usize::try_from(cap).unwrap_or(usize::MAX));
                let kept = packed.get(..keep).unwrap_or_default();
                return Some(Content::Stored(kept, packed.len() > keep));
            }
            8 => Packing::Deflate,
            12 => Packing::Bzip2,
            95 => Packing::Xz,
            _ => return None,
        };
        Some(Content::Unpacked(packing.unpack(packed, cap)))
    }

    fn say(&mut self, code: &'static str, at: u64, member: &str, detail: impl Into<String>) {
        // A directory of lies would repeat itself a hundred thousand times.
        if self.odd.iter().rev().take(200).filter(|o| o.code == code).count() < 20 {
            self.odd.push(Oddity { code, at, member: text::visible(member), detail: detail.into() });
        }
    }

    /// The members of an archive and the oddities of its directories alone: enough to tell what it is.
    pub fn listing(bytes: &'a [u8]) -> Self {
        let mut zip = Zip { bytes, ..Zip::default() };
        zip.read_directories();
        zip
    }

    fn check_names(&mut self) {
        let members = std::mem::take(&mut self.members);
        // By the name as readers that fold case and slashes see it: the first that has it. Further ones are in `more`.
        let mut folded: HashMap<Cow<str>, &str> = HashMap::with_capacity(members.len());
        let mut more: HashSet<&str> = HashSet::new();
        for Member { name, header: at, mode, listed, .. } in &members {
            let at = *at;
            if climbs(name) {
                self.say("zip.path_traversal", at, name, "its path leaves the folder it is unpacked into");
            }
            if !text::is_plain(name) || name.contains('\u{fffd}') || name.len() > 4096 {
                self.say(
                    "zip.name_unprintable",
                    at,
                    name,
                    "its name acts on a screen, is no text, or is absurdly long",
                );
            }
            if mode.is_some_and(|m| m & 0o170_000 == 0o120_000) {
                self.say("zip.symlink", at, name, "a symbolic link");
            }
            if *listed == Listed::LocalOnly {
                continue;
            }
            match folded.entry(fold(name)) {
                Entry::Vacant(free) => {
                    free.insert(name);
                }
                Entry::Occupied(first) if *first.get() == name || more.contains(name.as_str()) => self.say(
                    "zip.duplicate_name",
                    at,
                    name,
                    "two members have this name: readers take the first or the last",
                ),
                Entry::Occupied(first) => {
                    more.insert(name);
                    let other = text::visible(first.get());
                    let detail = format!("its name differs from '{other}' by case or slashes only");
                    self.say("zip.duplicate_name", at, name, detail);
                }
            }
        }
        self.members = members;
    }

    fn check_sizes(&mut self) {
        let mut total = 0u64;
        let members = std::mem::take(&mut self.members);
        for m in &members {
            total = total.saturating_add(m.size);
            if m.encrypted() {
                self.say("zip.encrypted", m.header, &m.name, "encrypted: what is in it cannot be seen");
            }
            if !matches!(m.method, 0 | 8) {
                self.say(
                    "zip.method",
                    m.header,
                    &m.name,
                    format!("compression method {}, which not every reader knows", m.method),
                );
            }
            if m.method == 0 && m.packed != m.size && !m.encrypted() {
                let (packed, size) = (m.packed, m.size);
                self.say(
                    "zip.size_mismatch",
                    m.header,
                    &m.name,
                    format!("stored, with {packed} bytes packed and {size} unpacked"),
                );
            }
            if is_bomb(m.size, m.packed) {
                let (packed, size) = (m.packed, m.size);
                self.say(
                    "zip.ratio",
                    m.header,
                    &m.name,
                    format!(
                        "{packed} bytes unpack to {size}: more than so many times as many; {}",
                        ratio_cap()
                    ),
                );
            }
        }
        self.members = members;
        let limits = Limits::in_force();
        if total > limits.declared_bytes && total / (self.bytes.len() as u64).max(1) > limits.archive_ratio {
            let detail = format!("members unpack to {total} bytes; {}", cap!(limits, declared_bytes));
            self.say("zip.ratio", 0, "", detail);
        }
    }
}

/// A name as readers that fold case and slashes see it.
fn fold(name: &str) -> Cow<'_, str> {
    let same = name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase() && b != b'\\');
    if same { Cow::Borrowed(name) } else { Cow::Owned(name.replace('\\', "/").to_lowercase()) }
}

/// The content of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// As it lies in the file, and whether there is more than the cap.
    Stored(&'a [u8], bool),
    /// Unpacked.
    Unpacked(Unpacked),
}

impl Content<'_> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Stored(bytes, _) => bytes,
            Self::Unpacked(u) => &u.data,
        }
    }

    /// Whether there is more than the cap.
    pub fn is_cut(&self) -> bool {
        match self {
            Self::Stored(_, cut) => *cut,
            Self::Unpacked(u) => u.more,
        }
    }
}

/// CRC-32 as zip has it.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
