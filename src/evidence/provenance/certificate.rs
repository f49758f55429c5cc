//! X.509 certificates: the key of the leaf, and the chain to one that was given.

use super::key::{Key, base64};
use crate::evidence::text;
use x509_cert::der::{Decode as _, Encode as _};

/// Certificates in a chain.
const CHAIN: usize = 10;

/// A certificate that was read.
#[derive(Debug, Clone)]
pub struct Certificate {
    inner: x509_cert::Certificate,
    der: Vec<u8>,
}

impl Certificate {
    pub(super) fn der(der: Vec<u8>) -> Result<Self, String> {
        let inner =
            x509_cert::Certificate::from_der(&der).map_err(|e| format!("a broken certificate: {e}"))?;
        Ok(Self { inner, der })
    }

    /// All certificates of a PEM file.
    pub(super) fn pem(source: &str) -> Result<Vec<Self>, String> {
        let parts = source.split("-----BEGIN CERTIFICATE-----").skip(1).take(CHAIN);
        let bodies = parts.map(|p| p.split("-----END CERTIFICATE-----").next().unwrap_or_default());
        bodies.map(|b| Self::der(base64(b.as_bytes()).ok_or("a certificate that is no base64")?)).collect()
    }

    /// Its subject, as visible text.
    pub fn subject(&self) -> String {
        text::visible(&self.inner.tbs_certificate.subject.to_string())
    }

    /// Its issuer, as visible text.
    pub fn issuer(&self) -> String {
        text::visible(&self.inner.tbs_certificate.issuer.to_string())
    }

    /// From and until when it is valid.
    pub fn validity(&self) -> (String, String) {
        let v = &self.inner.tbs_certificate.validity;
        (v.not_before.to_string(), v.not_after.to_string())
    }

    /// Whether it was valid at a time (seconds since 1970).
    pub(super) fn valid_at(&self, seconds: u64) -> bool {
        let v = &self.inner.tbs_certificate.validity;
        (v.not_before.to_unix_duration().as_secs()..=v.not_after.to_unix_duration().as_secs())
            .contains(&seconds)
    }

    /// Its public key.
    pub(super) fn key(&self) -> Result<Key, String> {
        let spki = &self.inner.tbs_certificate.subject_public_key_info;
        Key::spki(&spki.to_der().map_err(|e| e.to_string())?)
    }

    /// Whether `issuer` signed it.
    fn signed_by(&self, issuer: &Self) -> bool {
        let named = self.inner.tbs_certificate.issuer == issuer.inner.tbs_certificate.subject;
        let Ok(message) = self.inner.tbs_certificate.to_der() else { return false };
        let Some(signature) = self.inner.signature.as_bytes() else { return false };
        named && issuer.may_sign() && issuer.key().is_ok_and(|k| k.fits(&message, signature) == Some(true))
    }

    /// Whether it may issue others: basic constraints say so.
    fn may_sign(&self) -> bool {
        use x509_cert::ext::pkix::BasicConstraints;
        let extensions = self.inner.tbs_certificate.extensions.as_deref().unwrap_or_default();
        let basic = extensions.iter().find(|e| e.extn_id.to_string() == "2.5.29.19");
        basic.and_then(|e| BasicConstraints::from_der(e.extn_value.as_bytes()).ok()).is_some_and(|b| b.ca)
    }
}

/// Whether a chain (leaf first) leads to one of the roots; the subject of that root.
pub(super) fn leads_to(chain: &[Certificate], roots: &[&Certificate]) -> Option<String> {
    let mut at = chain.first()?;
    for next in 0..=chain.len().min(CHAIN) {
        if let Some(root) = roots.iter().find(|r| r.der == at.der || at.signed_by(r)) {
            return Some(root.subject());
        }
        let step = chain.get(next + 1)?;
        if !at.signed_by(step) {
            return None;
        }
        at = step;
    }
    None
}
