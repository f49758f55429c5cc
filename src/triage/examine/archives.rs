//! Archives and compressed files: what is odd about them, and each member looked at by itself.

use super::pickles::{Setting, judge_read};
use super::reason::Reason;
use super::scan::Scan;
use super::torch;
use crate::evidence::archive::unpack::Packing;
use crate::evidence::archive::zip::{Member, Zip, crc32, is_bomb, ratio_cap};
use crate::evidence::archive::{Oddity, tar as tape};
use crate::evidence::format::{self, zip_kind};
use crate::evidence::limits::cap;
use crate::evidence::pickle::{Caps, Pickle};
use crate::evidence::{Format, text};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashSet;

/// Hidden ranges that are looked into.
const HIDDEN: usize = 64;
/// Member names listed among the facts.
const LISTED: usize = 200;

fn odd(oddity: &Oddity) -> Reason {
    let reason = Reason::new(oddity.code, oddity.detail.clone()).at(oddity.at);
    if oddity.member.is_empty() { reason } else { reason.inside(&oddity.member) }
}

/// A zip archive of any kind.
pub(super) fn zip(scan: &mut Scan, zip: &Zip, data: &[u8], depth: u32) {
    let kind = zip_kind(zip);
    for oddity in &zip.odd {
        scan.say(odd(oddity));
    }
    if depth == 0 {
        let names: Vec<String> = zip.members.iter().take(LISTED).map(|m| text::visible(&m.name)).collect();
        let dated = || zip.members.iter().filter(|m| m.has_time());
        let (first, last) = (dated().min_by_key(|m| m.time), dated().max_by_key(|m| m.time));
        scan.facts.insert("members".to_owned(), json!(zip.members.len()));
        scan.facts.insert("names".to_owned(), json!(names));
        if let (Some(first), Some(last)) = (first.and_then(Member::modified), last.and_then(Member::modified))
        {
            scan.facts.insert("member_times".to_owned(), json!({"first": first, "last": last}));
        }
    }
    let (mut pickled, mut seen) = (Vec::new(), HashSet::new());
    let overlaps = zip.odd.iter().any(|o| o.code == "zip.overlap");
    for member in &zip.members {
        // Members that are the same bytes (a bomb of few bytes and many members): looked into once for each kind of name.
        // That they overlap was said.
        let extension = member.name.rsplit_once('.').map_or("", |(_, end)| end);
        if overlaps
            && !seen.insert((member.start, member.packed, member.method, extension, is_storage(&member.name)))
        {
            continue;
        }
        let content = one_member(scan, zip, member, kind, depth);
        if let Some(bytes) = content {
            pickled.push((member, bytes));
        }
    }
    let storages = torch::Beside::of(zip);
    for (member, bytes) in pickled {
        let first = scan.reasons.len();
        let pickle = Pickle::read(&bytes, &Caps::of(scan.limits));
        let setting = if kind == Format::TorchScript { Setting::TorchScript } else { Setting::Torch };
        let judged = judge_read(&pickle, setting);
        if kind == Format::TorchZip {
            torch::tensors_beside(scan, &storages, &member.name, &pickle);
        }
        scan.take(judged, depth + 1);
        scan.below(&text::visible(&member.name), first);
    }
    hidden(scan, zip, data, depth);
    match kind {
        Format::TorchZip => torch::marks(scan, zip, depth),
        Format::TorchScript => torch::script(scan, zip, depth),
        _ => {}
    }
}

/// Checks and looks at a member; hands back the pickles of a PyTorch archive, which are judged together with its
/// storages.
fn one_member<'a>(
    scan: &mut Scan,
    zip: &Zip<'a>,
    member: &Member,
    kind: Format,
    depth: u32,
) -> Option<Cow<'a, [u8]>> {
    use crate::evidence::archive::zip::Content;
    // Shown seldom, and there may be very many members.
    let name = || text::visible(&member.name);
    if member.is_folder() || member.encrypted() && member.method != 0 {
        return None;
    }
    let cap = if member.method == 0 { u64::MAX } else { scan.cap() };
    let content = zip.unpack(member, cap)?;
    if let Content::Unpacked(unpacked) = &content {
        scan.left = scan.left.saturating_sub(unpacked.data.len() as u64);
        let got = unpacked.data.len() as u64;
        if let Some(e) = &unpacked.error {
            let detail = format!("it cannot be unpacked whole: {}", text::visible(e));
            scan.say(Reason::new("zip.crc", detail).at(member.header).inside(&name()));
        }
        let bomb = is_bomb(got, member.packed);
        if bomb && member.size <= scan.limits.bomb_bytes {
            scan.say(
                Reason::new("zip.ratio", format!("it unpacks to {got} bytes and more"))
                    .at(member.header)
                    .inside(&name()),
            );
        }
        let short = got < member.size && !unpacked.more && unpacked.error.is_none();
        if short || got > member.size && member.flags & 8 == 0 {
            scan.say(
                Reason::new("zip.size_mismatch", format!("{} bytes stated, {got} unpacked", member.size))
                    .at(member.header)
                    .inside(&name()),
            );
        }
        if unpacked.more {
            cut(scan, &name(), &unpacked.data);
        }
    }
    let bytes = content.bytes();
    let whole = !content.is_cut() && (member.method == 0 || member.size <= scan.limits.member_bytes);
    if whole && crc32(bytes) != member.crc && !member.encrypted() {
        let detail = "its checksum is wrong: it was changed after it was packed";
        scan.say(Reason::new("zip.crc", detail).at(member.header).inside(&name()));
    }
    // Raw numbers of a tensor; read as such where their pickle is judged.
    let raw = matches!(kind, Format::TorchZip | Format::TorchScript) && is_storage(&member.name);
    if !raw {
        if let Some(reason) = code_member(&member.name, kind) {
            scan.say(reason.inside(&name()));
        }
        let base = member.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let format = format::sniff(bytes, bytes.len() as u64, Some(base));
        let own = matches!(kind, Format::TorchZip | Format::TorchScript);
        if own && matches!(format, Format::Pickle | Format::Unknown | Format::Text) && base.ends_with("pkl") {
            return Some(match content {
                Content::Stored(bytes, _) => Cow::Borrowed(bytes),
                Content::Unpacked(unpacked) => Cow::Owned(unpacked.data),
            });
        }
        scan.inside(&member.name, bytes, depth + 1);
    }
    None
}

/// `…/data/<number>` of a PyTorch archive.
pub(super) fn is_storage(name: &str) -> bool {
    let mut parts = name.rsplit('/');
    let number = parts.next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    number && matches!(parts.next(), Some("data" | "constants"))
}

/// A member that is code by its name.
fn code_member(name: &str, kind: Format) -> Option<Reason> {
    let lower = name.to_ascii_lowercase();
    let (_, extension) = lower.rsplit_once('.')?;
    let own =
        kind == Format::TorchScript && lower.contains("code/") && matches!(extension, "py" | "debug_pkl");
    let code = [
        "py", "pyc", "pyd", "so", "dll", "dylib", "sh", "bat", "cmd", "ps1", "exe", "js", "jar", "class",
        "rb", "pl", "ipynb", "pth_code", "wasm",
    ];
    (code.contains(&extension) && !own).then(|| Reason::new("zip.code_member", "code travels in the archive"))
}

/// Bytes that belong to no member.
fn hidden(scan: &mut Scan, zip: &Zip, data: &[u8], depth: u32) {
    for range in zip.hidden.iter().take(HIDDEN) {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let Some(bytes) = data.get(at(range.start)..at(range.end)) else { continue };
        if range.start == 0
            && matches!(format::sniff(bytes, bytes.len() as u64, None), Format::Pickle | Format::TorchLegacy)
        {
            let detail =
                "a pickle in front of an archive: one loader reads the pickle, the other the archive";
            scan.say(Reason::new("polyglot.pickle_zip", detail).at(0));
        }
        if bytes.len() < data.len() {
            scan.inside(&format!("bytes {} to {}", range.start, range.end), bytes, depth + 1);
        }
    }
}

/// A tar archive.
pub(super) fn tar(scan: &mut Scan, data: &[u8], depth: u32) {
    let archive = tape::read(data);
    if depth == 0 {
        scan.facts.insert("container".to_owned(), json!("tar"));
        let names: Vec<String> =
            archive.members.iter().take(LISTED).map(|m| text::visible(&m.name)).collect();
        scan.facts.insert("names".to_owned(), json!(names));
    }
    for oddity in &archive.odd {
        scan.say(odd(oddity));
    }
    for member in &archive.members {
        if let Some(mut reason) = code_member(&member.name, Format::Zip) {
            "tar.code_member".clone_into(&mut reason.code);
            scan.say(reason.inside(&text::visible(&member.name)));
        }
        if !member.data.is_empty() {
            scan.inside(&member.name, member.data, depth + 1);
        }
    }
}

/// The cap that ended unpacking.
fn said(scan: &Scan) -> String {
    if scan.left == 0 { cap!(scan.limits, scanned_bytes) } else { cap!(scan.limits, member_bytes) }
}

/// A member was not unpacked to its end: a reason where the rest could act, else a fact.
fn cut(scan: &mut Scan, name: &str, seen: &[u8]) {
    let found = format::sniff(seen, u64::MAX, name.rsplit('/').next());
    let detail = format!("only its first {} bytes were looked into; {}", seen.len(), said(scan));
    if scan.left == 0 || !format::describe(found).danger.is_empty() {
        scan.say(Reason::new("zip.limit", detail).inside(name));
    } else if let Value::Array(all) =
        scan.facts.entry("not_looked_into").or_insert_with(|| Value::Array(Vec::new()))
        && all.len() < LISTED
    {
        all.push(format!("{name}: {detail}").into());
    }
}

/// A compressed file, looked at as what it unpacks to.
pub(super) fn compressed(scan: &mut Scan, packing: Packing, data: &[u8], name: &str, depth: u32) {
    if depth == 0 {
        scan.facts.insert("container".to_owned(), json!(packing.name()));
    }
    if depth >= scan.limits.archive_depth {
        let cap = cap!(scan.limits, archive_depth);
        scan.say(Reason::new("zip.depth", format!("packed too many times; {cap}; this was not opened")));
        return;
    }
    let unpacked = packing.unpack(data, scan.cap());
    scan.left = scan.left.saturating_sub(unpacked.data.len() as u64);
    let (got, packed) = (unpacked.data.len() as u64, data.len() as u64);
    if is_bomb(got, packed) {
        let detail = format!(
            "{packed} bytes unpack to {got} and more: more than so many times as many; {}",
            ratio_cap()
        );
        scan.say(Reason::new("gzip.ratio", detail));
    }
    if let Some(e) = &unpacked.error {
        let words = text::visible(e);
        scan.say(Reason::new("gzip.malformed", format!("{} stream: {words}", packing.name())));
    }
    let inner = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let first = scan.reasons.len();
    scan.inside("unpacked", &unpacked.data, depth + 1);
    // What was seen in a part that was cut may be the cut's own doing: then too it is said.
    let dangerous =
        || !format::describe(format::sniff(&unpacked.data, u64::MAX, Some(inner))).danger.is_empty();
    if unpacked.error.is_none() && unpacked.more && (scan.reasons.len() > first || dangerous()) {
        scan.say(Reason::new(
            "gzip.limit",
            format!("it unpacks to more than {got} bytes; {}; the rest was not looked into", said(scan)),
        ));
    }
    if unpacked.used < packed && packing == Packing::Zlib {
        let at = usize::try_from(unpacked.used).unwrap_or(usize::MAX);
        let rest = data.get(at..).unwrap_or_default();
        scan.say(
            Reason::new("pickle.trailing_data", format!("{} bytes behind the packed stream", rest.len()))
                .at(unpacked.used),
        );
        scan.inside("behind the stream", rest, depth + 1);
    }
}
