//! tar: headers of 512 octal-numbered bytes, read without trusting any of them.

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

use super::{Oddity, climbs};
use crate::evidence::limits::{Limits, cap};
use crate::evidence::text;
use std::collections::HashSet;

const BLOCK: usize = 512;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its path, as written.
    pub name: String,
    /// Offset of its header.
    pub at: u64,
    /// Its content; empty for what is no file.
    pub data: &'a [u8],
    /// The type byte of its header.
    pub kind: u8,
}

/// The members of a tar archive and what is odd about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tar<'a> {
    /// In the order of the file.
    pub members: Vec<Member<'a>>,
    /// What is wrong.
    pub odd: Vec<Oddity>,
}

/// Whether bytes begin with a tar header: its sum is right.
pub fn is_tar(head: &[u8]) -> bool {
    head.first().is_some_and(|&b| b != 0) && head.get(..BLOCK).is_some_and(sum_is_right)
}

fn sum_is_right(header: &[u8]) -> bool {
    let stated = header.get(148..156).and_then(octal);
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u64::from(b) })
        .sum();
    stated == Some(sum)
}

/// Reads a tar archive.
pub fn read(bytes: &[u8]) -> Tar<'_> {
    let (mut out, limits) = (Tar::default(), Limits::in_force());
    let (mut at, mut long, mut seen) = (0usize, None::<String>, HashSet::new());
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.iter().all(|&b| b == 0) {
            break;
        }
        let mut odd = |code, member: &str, detail: String| {
            out.odd.push(Oddity { code, at: at as u64, member: text::visible(member), detail });
        };
        if !sum_is_right(header) {
            odd("tar.header", "", "a header whose sum is wrong".to_owned());
            break;
        }
        if out.members.len() >= limits.archive_entries {
            odd("zip.limit", "", format!("too many members: {}", cap!(limits, archive_entries)));
            break;
        }
        let field = |range: std::ops::Range<usize>| {
            let raw = header.get(range).unwrap_or_default();
            let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
            String::from_utf8_lossy(raw.get(..end).unwrap_or_default()).into_owned()
        };
        let kind = header.get(156).copied().unwrap_or_default();
        let size = header.get(124..136).and_then(octal).and_then(|n| usize::try_from(n).ok());
        let start = at + BLOCK;
        let body = size.and_then(|n| Some((n, bytes.get(start..start.checked_add(n)?)?)));
        let Some((size, data)) = body else {
            odd("tar.truncated", "", "a member reaches beyond the file".to_owned());
            break;
        };
        let ustar = header.get(257..262) == Some(b"ustar".as_slice());
        let prefix = if ustar { field(345..500) } else { String::new() };
        let short = if prefix.is_empty() { field(0..100) } else { format!("{prefix}/{}", field(0..100)) };
        match kind {
            // GNU long name; pax headers, of which only the path matters here.
            b'L' => long = Some(String::from_utf8_lossy(data).trim_end_matches('\0').to_owned()),
            b'x' => long = pax_path(data).or(long),
            b'g' | b'K' => {}
            _ => {
                let name = long.take().unwrap_or(short);
                if climbs(&name) {
                    odd(
                        "tar.path_traversal",
                        &name,
                        "its path leaves the folder it is unpacked into".to_owned(),
                    );
                }
                let link = field(157..257);
                match kind {
                    b'1' | b'2' if climbs(&link) => {
                        odd(
                            "tar.link",
                            &name,
                            format!("a link to {}, outside of the archive", text::visible(&link)),
                        );
                    }
                    b'3' | b'4' | b'6' => odd("tar.link", &name, "a device or pipe".to_owned()),
                    _ => {}
                }
                if text::visible(&name) != name {
                    odd("zip.name_unprintable", &name, "its name acts on a screen".to_owned());
                }
                if kind != b'5' && !seen.insert(name.clone()) {
                    odd("tar.duplicate_name", &name, "two members have this name".to_owned());
                }
                let file = matches!(kind, b'0' | 0 | b'7');
                out.members.push(Member { name, at: at as u64, data: if file { data } else { &[] }, kind });
            }
        }
        at = start + size.div_ceil(BLOCK) * BLOCK;
    }
    out
}

/// `path` of a pax header: lines of `length key=value\n`.
fn pax_path(data: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(data);
    text.lines().find_map(|l| Some(l.split_once(' ')?.1.strip_prefix("path=")?.to_owned()))
}

/// Octal digits, or a big-endian number behind a byte with its highest bit set.
fn octal(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        return rest
            .iter()
            .try_fold(u64::from(first & 0x7f), |n, &b| n.checked_mul(256)?.checked_add(u64::from(b)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == '\0' || c == ' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &[u8], kind: u8, link: &[u8], data: &[u8]) -> Vec<u8> {
        let mut h = vec![0u8; 512];
        h[..name.len()].copy_from_slice(name);
        h[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        h[156] = kind;
        h[157..157 + link.len()].copy_from_slice(link);
        h[148..156].copy_from_slice(b"        ");
        let sum: u64 = h.iter().map(|&b| u64::from(b)).sum();
        h[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        h.extend_from_slice(data);
        h.resize(h.len().div_ceil(512) * 512, 0);
        h
    }

    #[test]
    fn members_are_read_and_those_that_climb_are_named() {
        let file = [
            member(b"a.txt", b'0', b"", b"hello"),
            member(b"../b", b'0', b"", b""),
            member(b"l", b'2', b"/etc/passwd", b""),
            vec![0; 1024],
        ]
        .concat();
        assert!(is_tar(&file));
        let tar = read(&file);
        assert_eq!((tar.members[0].name.as_str(), tar.members[0].data), ("a.txt", &b"hello"[..]));
        let codes: Vec<_> = tar.odd.iter().map(|o| o.code).collect();
        assert_eq!(codes, ["tar.path_traversal", "tar.link"]);
        let mut broken = file.clone();
        broken[124] = b'7';
        assert!(!is_tar(&broken));
        assert_eq!(read(&file[..515]).odd[0].code, "tar.truncated");
        let long =
            [member(b"././@LongLink", b'L', b"", b"../../x\0"), member(b"short", b'0', b"", b"")].concat();
        assert_eq!(read(&long).members[0].name, "../../x");
    }
}
