//! Where a checkpoint keeps its pickle and its storages: members of a zip archive, or one behind the other.

use crate::evidence::archive::zip::{Content, Listed, Member, Zip};
use crate::evidence::pickle::{Pickle, Value};
use crate::evidence::{EvidenceError, Limits, text};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// A storage's bytes by its key.
pub(super) type Storages<'a> = HashMap<String, Place<'a>>;

/// Where the bytes of a storage are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// As they lie in the file.
    Here(&'a [u8]),
    /// In a packed member: its number in the archive.
    Member(usize),
}

/// A checkpoint's parts.
pub(super) enum Container<'a> {
    /// `torch.save` since 1.6.
    Zip { zip: Zip<'a>, root: String, pickle: Cow<'a, [u8]>, big_endian: bool },
    /// Before: magic, protocol, system, object, keys, then raw storages.
    Legacy { bytes: &'a [u8] },
}

impl<'a> Container<'a> {
    pub(super) fn open(path: &Path, bytes: &'a [u8], limits: &Limits) -> Result<Self, EvidenceError> {
        if !bytes.starts_with(b"PK") {
            return Ok(Self::Legacy { bytes });
        }
        let zip = Zip::read(bytes);
        let fail = |code: &'static str, reason: String| EvidenceError::whole(path, code, reason);
        let listed = |m: &&Member| m.listed == Listed::Central;
        let mut pickles = zip
            .members
            .iter()
            .filter(listed)
            .filter(|m| m.name == "data.pkl" || m.name.ends_with("/data.pkl"));
        let (Some(member), None) = (pickles.next(), pickles.next()) else {
            return Err(fail("torch.layout", "has no data.pkl, or several".to_owned()));
        };
        let root = member.name.strip_suffix("data.pkl").unwrap_or_default().to_owned();
        let pickle = match unpacked(&zip, member, limits.pickle_bytes.min(limits.unpacked_bytes)) {
            Ok(pickle) => pickle,
            Err(reason) => return Err(fail("torch.layout", format!("data.pkl: {reason}"))),
        };
        let order = format!("{root}byteorder");
        let order = zip.members.iter().filter(listed).find(|m| m.name == order);
        let order = order.map(|m| unpacked(&zip, m, 16)).transpose();
        let big_endian = order.is_ok_and(|o| o.is_some_and(|o| o.trim_ascii() == b"big"));
        Ok(Self::Zip { zip, root, pickle, big_endian })
    }

    /// The bytes of the pickle (of the old layout: the whole file, of which the machine finds the end).
    pub(super) fn pickle(&self) -> &[u8] {
        match self {
            Self::Zip { pickle, .. } => pickle,
            Self::Legacy { bytes } => bytes,
        }
    }

    pub(super) fn big_endian(&self) -> bool {
        matches!(self, Self::Zip { big_endian: true, .. })
    }

    /// The object that was saved.
    pub(super) fn root(&self, pickle: &Pickle) -> Option<Value> {
        match self {
            Self::Zip { .. } => pickle.root(),
            Self::Legacy { .. } => streams(pickle).nth(3)?,
        }
    }

    /// The storages that there are.
    pub(super) fn storages(&self, pickle: &Pickle) -> Result<Storages<'a>, String> {
        match self {
            Self::Zip { zip, root, .. } => zipped(zip, root),
            Self::Legacy { bytes } => behind(pickle, bytes),
        }
    }

    /// The bytes of a storage; `needs` of them at least.
    pub(super) fn bytes(
        &self,
        place: Place<'a>,
        needs: u64,
        limits: &Limits,
    ) -> Result<Cow<'a, [u8]>, String> {
        let found = match (place, self) {
            (Place::Here(bytes), _) => Cow::Borrowed(bytes),
            (Place::Member(i), Self::Zip { zip, .. }) => match zip.members.get(i) {
                Some(member) => unpacked(zip, member, limits.unpacked_bytes.min(limits.file_bytes))?,
                None => return Err("is not in the archive".to_owned()),
            },
            (Place::Member(_), Self::Legacy { .. }) => return Err("is not in the file".to_owned()),
        };
        if (found.len() as u64) < needs {
            return Err(format!("its storage has {} bytes, {needs} are needed", found.len()));
        }
        Ok(found)
    }
}

/// A member's content, whole.
fn unpacked<'a>(zip: &Zip<'a>, member: &Member, cap: u64) -> Result<Cow<'a, [u8]>, String> {
    if member.encrypted() {
        return Err("is encrypted".to_owned());
    }
    match zip.unpack(member, cap) {
        None => Err(format!("is packed by method {}, which is not read", member.method)),
        Some(content) if content.is_cut() => Err(format!("unpacks to more than {cap} bytes")),
        Some(Content::Stored(bytes, _)) if bytes.len() as u64 == member.size => Ok(Cow::Borrowed(bytes)),
        Some(Content::Unpacked(u)) if u.data.len() as u64 == member.size => Ok(Cow::Owned(u.data)),
        Some(_) => Err("is shorter than its directory says".to_owned()),
    }
}

fn zipped<'a>(zip: &Zip<'a>, root: &str) -> Result<Storages<'a>, String> {
    let mut out = Storages::new();
    let data = format!("{root}data/");
    for (i, member) in zip.members.iter().enumerate().filter(|(_, m)| m.listed == Listed::Central) {
        let Some(key) = member.name.strip_prefix(&data) else { continue };
        let packed = zip.packed(member);
        let whole = member.method == 0 && !member.encrypted() && packed.len() as u64 == member.size;
        let place = if whole { Place::Here(packed) } else { Place::Member(i) };
        if out.insert(key.to_owned(), place).is_some() {
            return Err(format!("storage '{}' is there twice", text::visible(key)));
        }
    }
    Ok(out)
}

/// What each pickle of the old layout makes, in order.
fn streams<'p>(pickle: &'p Pickle) -> impl Iterator<Item = Option<Value>> + use<'p> {
    pickle.streams.iter().filter(|s| !s.buried).map(|s| s.root)
}

/// The raw storages behind the pickles: a count of elements, then the elements, in the order of the list of keys.
/// Elements are as wide as the persistent ids of the object say.
fn behind<'a>(pickle: &Pickle, bytes: &'a [u8]) -> Result<Storages<'a>, String> {
    let missing = || "the list of its storages is missing".to_owned();
    let keys = streams(pickle).nth(4).flatten().ok_or_else(missing)?;
    let keys = pickle.elements(keys).ok_or_else(missing)?;
    let little = streams(pickle).nth(2).flatten().and_then(|v| pickle.get(v, "little_endian"));
    if little == Some(Value::Bool(false)) {
        return Err("it was written most significant byte first, which is not read".to_owned());
    }
    let widths = super::tensor::widths(pickle);
    let at = |n: u64| usize::try_from(n).ok();
    let mut rest = at(pickle.rest.start).and_then(|from| bytes.get(from..)).ok_or_else(missing)?;
    let mut out = Storages::new();
    for key in keys {
        let key = pickle.text(*key).ok_or_else(|| "a storage key is no text".to_owned())?;
        let shown = text::visible(key);
        let width = widths.get(key).ok_or_else(|| format!("storage '{shown}' is used by no tensor"))?;
        let (count, tail) =
            rest.split_first_chunk::<8>().ok_or_else(|| format!("storage '{shown}' is missing"))?;
        let size =
            u64::try_from(i64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(*width)).and_then(at);
        let (data, tail) = size
            .and_then(|n| tail.split_at_checked(n))
            .ok_or_else(|| format!("storage '{shown}' reaches beyond the file"))?;
        if out.insert(key.to_owned(), Place::Here(data)).is_some() {
            return Err(format!("storage '{shown}' is there twice"));
        }
        rest = tail;
    }
    Ok(out)
}
