//! `.npz`: a zip archive of npy files. Members are checked before anything is unpacked.

use crate::evidence::{EvidenceError, Limits, Untrusted, format, text};
use std::io::{Cursor, Read};
use std::path::Path;

/// Unpacked to packed size above which a member counts as a bomb, once it is larger than [`BOMB_BYTES`].
const RATIO: u64 = 200;

/// Members smaller than this may compress as well as they like.
const BOMB_BYTES: u64 = 16 << 20;

/// The members of an npz archive, unpacked: array name (without `.npy`) and bytes, in the archive's order.
///
/// # Errors
/// No archive (`zip.malformed`), a member twice (`zip.duplicate_name`), a name that climbs (`zip.path_traversal`),
/// encryption, an unpacked size or ratio beyond the caps (`zip.limit`, `zip.ratio`), a wrong checksum (`zip.crc`), a
/// member that is no npy file (`npz.member`).
pub fn members(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<(Untrusted, Vec<u8>)>, EvidenceError> {
    let whole = |code, reason: String| EvidenceError::whole(path, code, reason);
    let malformed = |e: &zip::result::ZipError| whole("zip.malformed", text::visible(&e.to_string()));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| malformed(&e))?;
    // The reader keeps one of several members of the same name; the end record counts them all.
    if format::declared_members(bytes).is_some_and(|n| n != archive.len()) {
        return Err(whole(
            "zip.duplicate_name",
            "two members have the same name, or the directory is cut".to_owned(),
        ));
    }
    let (mut out, mut total) = (Vec::with_capacity(archive.len().min(64)), 0u64);
    for i in 0..archive.len() {
        let raw = archive.by_index_raw(i).map_err(|e| malformed(&e))?;
        let name = Untrusted::new(raw.name());
        let place = format!("member '{}'", name.shown());
        let fail = |code, reason: String| EvidenceError::at(path, place.clone(), code, reason);
        if raw.enclosed_name().is_none() || name.raw().contains(['/', '\\']) {
            return Err(fail("zip.path_traversal", "its name is a path; arrays have plain names".to_owned()));
        }
        if raw.encrypted() {
            return Err(fail("zip.encrypted", "encrypted, so it cannot be read".to_owned()));
        }
        let Some(array) = name.raw().strip_suffix(".npy").map(Untrusted::new) else {
            return Err(fail("npz.member", "no .npy file; an npz archive holds nothing else".to_owned()));
        };
        let (size, packed) = (raw.size(), raw.compressed_size());
        drop(raw);
        total = total.saturating_add(size);
        if total > limits.unpacked_bytes {
            let cap = limits.unpacked_bytes;
            return Err(fail(
                "zip.limit",
                format!("unpacks to {total} bytes so far, the cap is {cap} (unpacked_bytes)"),
            ));
        }
        if size > BOMB_BYTES && size / packed.max(1) > RATIO {
            let ratio = size / packed.max(1);
            return Err(fail(
                "zip.ratio",
                format!("{packed} bytes unpack to {size}, {ratio} times as many; the cap is {RATIO}"),
            ));
        }
        let mut member = archive.by_index(i).map_err(|e| malformed(&e))?;
        let mut data = Vec::new();
        // The declared size bounds what is kept, so a size that lies costs nothing.
        let read = member.by_ref().take(size.saturating_add(1)).read_to_end(&mut data);
        read.map_err(|e| fail("zip.crc", text::visible(&e.to_string())))?;
        if data.len() as u64 != size {
            return Err(fail("zip.size_mismatch", format!("{size} bytes declared, {} unpacked", data.len())));
        }
        out.push((array, data));
    }
    Ok(out)
}
