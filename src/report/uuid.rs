//! Names as UUIDs: the same name, the same UUID (RFC 9562, version 5).

use sha1::{Digest, Sha1};

/// A UUID.
pub type Uuid = [u8; 16];

/// Name space of what this program names itself.
const OURS: Uuid =
    [0x6b, 0x1d, 0x0e, 0x6c, 0x5f, 0x0b, 0x5a, 0x0e, 0x9d, 0x3c, 0x8a, 0x41, 0x6c, 0x61, 0x6f, 0x63];

/// The UUID of a name in a name space, as text.
pub fn v5(space: Uuid, name: &str) -> String {
    let digest = Sha1::new().chain_update(space).chain_update(name.as_bytes()).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = crate::evidence::intake::hex(&id);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The UUID of something in a session: `what` it is and the session's head hash.
pub fn ours(head: &str, what: &str) -> String {
    v5(OURS, &format!("{head}\n{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_5_as_published() {
        // RFC 9562, appendix A.4: www.example.com in the DNS name space.
        let dns =
            [0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
        assert_eq!(v5(dns, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        assert_ne!(ours("a", "b"), ours("a", "c"));
    }
}
