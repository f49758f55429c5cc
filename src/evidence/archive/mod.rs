//! Archives and compressed files, read by our own readers: both directories of a zip, every byte of it, and unpacking
//! that stops at a cap.

pub mod tar;
pub mod unpack;
pub mod zip;

/// Something wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Stable reason code.
    pub code: &'static str,
    /// Offset in the archive.
    pub at: u64,
    /// The member, as visible text; empty for the archive.
    pub member: String,
    /// What was seen.
    pub detail: String,
}

/// Whether a member's name would leave the folder that it is unpacked into.
pub fn climbs(name: &str) -> bool {
    let name = name.replace('\\', "/");
    let drive =
        name.as_bytes().get(1) == Some(&b':') && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    name.starts_with('/') || drive || name.contains('\0') || name.split('/').any(|part| part == "..")
}
