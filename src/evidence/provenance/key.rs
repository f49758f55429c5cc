//! Keys, and signatures over bytes.

use super::certificate::Certificate;
use super::{Checked, Signature};
use crate::evidence::{EvidenceError, Limits, intake, text};
use base64::Engine as _;
use p256::pkcs8::DecodePublicKey as _;
use signature::Verifier as _;
use std::io::Cursor;
use std::path::Path;

/// A key or certificate that somebody vouched for.
#[derive(Debug, Clone)]
pub enum Key {
    /// ECDSA over NIST P-256 with SHA-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECDSA over NIST P-384 with SHA-384.
    P384(p384::ecdsa::VerifyingKey),
    /// Ed25519.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// A minisign key (Ed25519 in a form of its own).
    Minisign(Box<minisign::PublicKey>),
    /// A certificate that a chain may end in.
    Root(Box<Certificate>),
}

impl Key {
    /// Reads a public key (PEM, minisign) or certificate (PEM) from a file.
    ///
    /// # Errors
    /// Unreadable, or of an unknown kind (`provenance.key`). A private key is refused by that name.
    pub fn read(path: &Path, limits: &Limits) -> Result<Vec<Self>, EvidenceError> {
        let (_, source) = intake::read_text(path, limits)?;
        Self::parse(&source).map_err(|why| EvidenceError::whole(path, "provenance.key", why))
    }

    /// Keys in a text: one public key, or certificates one after the other.
    ///
    /// # Errors
    /// In words, when it is neither.
    pub fn parse(source: &str) -> Result<Vec<Self>, String> {
        if source.contains("PRIVATE KEY") {
            return Err("a private key; give the public one".to_owned());
        }
        if source.contains("BEGIN CERTIFICATE") {
            let all = Certificate::pem(source)?;
            return Ok(all.into_iter().map(|c| Self::Root(Box::new(c))).collect());
        }
        if source.contains("BEGIN PUBLIC KEY") {
            let der = pem(source, "PUBLIC KEY").ok_or("the key is not whole")?;
            return Ok(vec![Self::spki(&der)?]);
        }
        let boxed =
            minisign::PublicKeyBox::from_string(source).and_then(minisign::PublicKeyBox::into_public_key);
        let key = boxed.or_else(|_| minisign::PublicKey::from_base64(source.trim()));
        key.map(|k| vec![Self::Minisign(Box::new(k))])
            .map_err(|_| "no public key, certificate or minisign key".to_owned())
    }

    /// A key by its `SubjectPublicKeyInfo`.
    pub(super) fn spki(der: &[u8]) -> Result<Self, String> {
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::P256(key));
        }
        if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::P384(key));
        }
        ed25519_dalek::VerifyingKey::from_public_key_der(der)
            .map(Self::Ed25519)
            .map_err(|_| "a key of a kind that is not read (P-256, P-384 and Ed25519 are)".to_owned())
    }

    /// What the key is called: its kind and the first half of the SHA-256 of its bytes.
    pub fn label(&self) -> String {
        let (kind, bytes) = match self {
            Self::P256(k) => ("P-256", k.to_encoded_point(false).as_bytes().to_vec()),
            Self::P384(k) => ("P-384", k.to_encoded_point(false).as_bytes().to_vec()),
            Self::Ed25519(k) => ("Ed25519", k.as_bytes().to_vec()),
            Self::Minisign(_) => return "minisign key".to_owned(),
            Self::Root(c) => return format!("certificate of {}", c.subject()),
        };
        format!("{kind} key {}", &intake::sha256(&bytes)[..32])
    }

    /// Whether a signature over bytes fits; `None` for kinds that sign nothing directly.
    pub(super) fn fits(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        match self {
            Self::P256(key) => Some(
                p256::ecdsa::DerSignature::try_from(signature).is_ok_and(|s| key.verify(message, &s).is_ok()),
            ),
            Self::P384(key) => Some(
                p384::ecdsa::DerSignature::try_from(signature).is_ok_and(|s| key.verify(message, &s).is_ok()),
            ),
            Self::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                Some(signature.is_ok_and(|s| key.verify_strict(message, &s).is_ok()))
            }
            Self::Minisign(_) | Self::Root(_) => None,
        }
    }
}

/// Judges a signature by the keys that were given.
pub(super) fn judge(keys: &[Key], message: &[u8], signature: &[u8]) -> Signature {
    let mut tried = 0;
    for key in keys {
        match key.fits(message, signature) {
            Some(true) => return Signature::Valid(key.label()),
            Some(false) => tried += 1,
            None => {}
        }
    }
    if tried == 0 {
        Signature::Unjudged("no key of its kind was given".to_owned())
    } else {
        Signature::Wrong(format!("it fits none of the {tried} keys that were given"))
    }
}

/// Whether bytes are a minisign signature.
pub(super) fn is_minisign(bytes: &[u8]) -> bool {
    bytes.starts_with(b"untrusted comment:")
}

/// A minisign signature over one file.
pub(super) fn minisign(bytes: &[u8], keys: &[Key], target: &Path) -> Result<Checked, String> {
    let source = std::str::from_utf8(bytes).map_err(|_| "not text")?;
    let signature = minisign::SignatureBox::from_string(source).map_err(|e| e.to_string())?;
    let comment = signature.trusted_comment().map_err(|e| e.to_string())?;
    let data = intake::read(target, Limits::in_force()).map_err(|e| e.to_string())?;
    let mut all =
        keys.iter().filter_map(|k| if let Key::Minisign(k) = k { Some(k) } else { None }).peekable();
    let judged = if all.peek().is_none() {
        Signature::Unjudged("no minisign key was given".to_owned())
    } else {
        let fits = |k: &&minisign::PublicKey| {
            minisign::verify(k, &signature, Cursor::new(data.data.as_slice()), true, false, true).is_ok()
        };
        match all.map(Box::as_ref).find(fits) {
            Some(_) => Signature::Valid("minisign key".to_owned()),
            None => Signature::Wrong("it fits none of the minisign keys that were given".to_owned()),
        }
    };
    let mut out = Checked::new("minisign", judged);
    out.matched = 1;
    out.facts.insert("comment".to_owned(), text::visible(&comment).into());
    Ok(out)
}

/// The bytes between two PEM lines.
pub(super) fn pem(source: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let body = source.split_once(&begin)?.1.split_once(&end)?.0;
    base64(body.as_bytes())
}

/// Base64 with any blanks and line ends.
pub(super) fn base64(raw: &[u8]) -> Option<Vec<u8>> {
    let dense: Vec<u8> = raw.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(dense).ok()
}
