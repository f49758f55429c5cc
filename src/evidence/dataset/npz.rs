//! `.npz`: a zip archive of npy files. Members are checked before anything is unpacked.

use crate::evidence::archive::zip::{Content, Zip, crc32};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, Untrusted};
use std::borrow::Cow;
use std::path::Path;

/// Names and bytes of arrays.
pub type Members<'a> = Vec<(Untrusted, Cow<'a, [u8]>)>;

/// The members of an npz archive: array name (without `.npy`) and bytes, in the archive's order. What is only stored is
/// not copied.
///
/// # Errors
/// Anything odd about the archive (`zip.…`: a member twice, a name that climbs, encryption, directories that disagree,
/// a ratio beyond the cap), an unpacked size beyond the caps (`zip.limit`), a wrong checksum (`zip.crc`) or size
/// (`zip.size_mismatch`), a member that is no npy file (`npz.member`).
pub fn members<'a>(path: &Path, bytes: &'a [u8], limits: &Limits) -> Result<Members<'a>, EvidenceError> {
    let zip = Zip::read(bytes);
    if let Some(odd) = zip.odd.first() {
        let place = if odd.member.is_empty() { String::new() } else { format!("member '{}'", odd.member) };
        return Err(EvidenceError::at(path, place, odd.code, odd.detail.clone()));
    }
    let (mut out, mut total) = (Vec::with_capacity(zip.members.len().min(64)), 0u64);
    for member in &zip.members {
        let name = Untrusted::new(member.name.as_str());
        let place = format!("member '{}'", name.shown());
        let fail = |code, reason: String| EvidenceError::at(path, place.clone(), code, reason);
        if name.raw().contains(['/', '\\']) {
            return Err(fail("zip.path_traversal", "its name is a path; arrays have plain names".to_owned()));
        }
        let Some(array) = name.raw().strip_suffix(".npy").map(Untrusted::new) else {
            return Err(fail("npz.member", "no .npy file; an npz archive holds nothing else".to_owned()));
        };
        total = total.saturating_add(member.size);
        if total > limits.unpacked_bytes {
            let cap = cap!(limits, unpacked_bytes);
            return Err(fail("zip.limit", format!("unpacks to {total} bytes so far, {cap}")));
        }
        // The declared size bounds what is kept, so a size that lies costs nothing.
        let Some(content) = zip.unpack(member, member.size) else {
            return Err(fail("zip.method", format!("compression method {} is not read", member.method)));
        };
        let (size, got) = (member.size, content.bytes().len() as u64);
        if content.is_cut() || got != size {
            return Err(fail("zip.size_mismatch", format!("{size} bytes declared, {got} unpacked")));
        }
        if crc32(content.bytes()) != member.crc {
            return Err(fail("zip.crc", "its checksum is wrong".to_owned()));
        }
        out.push((
            array,
            match content {
                Content::Stored(bytes, _) => Cow::Borrowed(bytes),
                Content::Unpacked(unpacked) => Cow::Owned(unpacked.data),
            },
        ));
    }
    Ok(out)
}
