//! Sigstore bundles, bare DSSE envelopes, and bills of materials: JSON that states digests.

use super::certificate::{Certificate, leads_to};
use super::key::{Key, base64, judge};
use super::{Checked, EvidenceError, Signature, Target, at, statement};
use crate::evidence::{Limits, intake, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Checks any JSON statement. The outer error: it is none that is known.
pub(super) fn check(
    value: &Value,
    keys: &[Key],
    target: &Target,
) -> Result<Result<Checked, EvidenceError>, String> {
    if value.get("bomFormat").and_then(Value::as_str) == Some("CycloneDX") {
        return Ok(bill(value, target));
    }
    if value.get("mediaType").and_then(Value::as_str).is_some_and(|m| m.contains("sigstore.bundle")) {
        return bundle(value, keys, target);
    }
    if value.get("payloadType").is_some() {
        return envelope(value, &Trust { keys, certificate: None, note: None }, target);
    }
    if value
        .get("_type")
        .and_then(Value::as_str)
        .is_some_and(|t| t.starts_with("https://in-toto.io/Statement"))
    {
        return Ok(statement::compare(
            value,
            Signature::Unjudged("the statement is not signed".to_owned()),
            target,
        ));
    }
    Err("no signature, bundle, statement or bill of materials that is known".to_owned())
}

/// What signatures are judged by.
struct Trust<'k> {
    keys: &'k [Key],
    /// The key of a certificate that leads to one that was given.
    certificate: Option<(Key, String)>,
    /// Why no certificate is believed.
    note: Option<String>,
}

impl Trust<'_> {
    fn judge(&self, message: &[u8], signature: &[u8]) -> Signature {
        if let Some((key, name)) = &self.certificate {
            return match key.fits(message, signature) {
                Some(true) => Signature::Valid(name.clone()),
                _ => Signature::Wrong("it does not fit the certificate's key".to_owned()),
            };
        }
        match (judge(self.keys, message, signature), &self.note) {
            (Signature::Unjudged(_), Some(note)) => Signature::Unjudged(note.clone()),
            (other, _) => other,
        }
    }
}

fn bundle(value: &Value, keys: &[Key], target: &Target) -> Result<Result<Checked, EvidenceError>, String> {
    let material = at(value, "/verificationMaterial");
    let mut facts = serde_json::Map::new();
    let mut trust = Trust { keys, certificate: None, note: None };
    let raw = |c: &Value| c.get("rawBytes").and_then(Value::as_str).and_then(|b| base64(b.as_bytes()));
    let listed = at(material, "/x509CertificateChain/certificates").as_array().cloned().unwrap_or_default();
    let single = material.get("certificate").cloned();
    let chain: Result<Vec<Certificate>, String> =
        single.iter().chain(&listed).filter_map(raw).map(Certificate::der).collect();
    let chain = chain?;
    if let Some(leaf) = chain.first() {
        let (from, until) = leaf.validity();
        facts.insert(
            "certificate".to_owned(),
            json!({"subject": leaf.subject(), "issuer": leaf.issuer(), "not_before": from, "not_after": until}),
        );
        let roots: Vec<&Certificate> =
            keys.iter().filter_map(|k| if let Key::Root(c) = k { Some(c.as_ref()) } else { None }).collect();
        match leads_to(&chain, &roots) {
            Some(root) => {
                trust.certificate = Some((leaf.key()?, format!("{} (issued under {root})", leaf.subject())));
            }
            None if roots.is_empty() => {
                trust.note = Some("it is signed by a certificate, and no root was given".to_owned());
            }
            None => trust.note = Some("its certificate does not lead to one that was given".to_owned()),
        }
        let logged =
            at(material, "/tlogEntries/0/integratedTime").as_str().and_then(|t| t.parse::<u64>().ok());
        match logged {
            Some(at) if !leaf.valid_at(at) => {
                trust.certificate = None;
                trust.note = Some("its certificate was not valid when it was logged".to_owned());
            }
            Some(_) => {}
            None => {
                facts.insert("signing_time".to_owned(), json!("not proved: no log entry"));
            }
        }
    }
    let mut done = if let Some(dsse) = value.get("dsseEnvelope") {
        envelope(dsse, &trust, target)?
    } else {
        message(&value["messageSignature"], &trust, target)?
    };
    if let Ok(done) = &mut done {
        facts.append(&mut done.facts);
        done.facts = facts;
    }
    Ok(done)
}

/// A bundle that signs one blob.
fn message(signed: &Value, trust: &Trust, target: &Target) -> Result<Result<Checked, EvidenceError>, String> {
    let signature = signed["signature"]
        .as_str()
        .and_then(|s| base64(s.as_bytes()))
        .ok_or("the bundle has no signature")?;
    let data = match intake::read(&target.root, Limits::in_force()) {
        Ok(data) => data,
        Err(e) => return Ok(Err(e)),
    };
    let mut out = Checked::new("Sigstore blob signature", trust.judge(&data.data, &signature));
    let stated = at(signed, "/messageDigest/digest").as_str().and_then(|d| base64(d.as_bytes()));
    match stated {
        Some(stated) if crate::evidence::intake::hex(&stated) != data.sha256 => {
            out.different.push(text::visible(&target.root.to_string_lossy()));
        }
        _ => out.matched = 1,
    }
    Ok(Ok(out))
}

/// A DSSE envelope: the signature is over its pre-authentication encoding.
fn envelope(dsse: &Value, trust: &Trust, target: &Target) -> Result<Result<Checked, EvidenceError>, String> {
    let kind = dsse["payloadType"].as_str().ok_or("the envelope names no payload type")?;
    let payload =
        dsse["payload"].as_str().and_then(|p| base64(p.as_bytes())).ok_or("the envelope has no payload")?;
    let signatures = dsse["signatures"].as_array().ok_or("the envelope has no signatures")?;
    let encoded = pae(kind, &payload);
    let mut judged = Signature::Unjudged("the envelope has no signature".to_owned());
    for signature in signatures.iter().take(100) {
        let raw = signature["sig"]
            .as_str()
            .and_then(|s| base64(s.as_bytes()))
            .ok_or("a signature that is no base64")?;
        judged = trust.judge(&encoded, &raw);
        if matches!(judged, Signature::Valid(_)) {
            break;
        }
    }
    let inner: Value =
        serde_json::from_slice(&payload).map_err(|e| format!("the payload is no JSON: {e}"))?;
    Ok(statement::compare(&inner, judged, target))
}

/// `DSSEv1 length type length body`.
fn pae(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A `CycloneDX` bill of materials: components with hashes, found by name or by digest.
fn bill(value: &Value, target: &Target) -> Result<Checked, EvidenceError> {
    let mut out = Checked::new("CycloneDX bill of materials", Signature::None);
    let mut open: Vec<&Value> = value["components"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(value["metadata"].get("component"))
        .collect();
    let mut stated = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(component) = open.pop() {
        open.extend(component["components"].as_array().into_iter().flatten());
        let kind = component["type"].as_str().unwrap_or_default();
        *kinds.entry(text::visible(kind)).or_default() += 1;
        let Some(name) = component["name"].as_str() else { continue };
        let hashes = component["hashes"].as_array().cloned().unwrap_or_default();
        let strong =
            hashes.iter().find(|h| h["alg"].as_str().is_some_and(|a| a.starts_with("SHA-") && a != "SHA-1"));
        // A library is not a file of the model.
        let is_file =
            matches!(kind, "machine-learning-model" | "data" | "file") || target.files.contains_key(name);
        if let Some(hash) = strong.filter(|_| is_file) {
            let field = |k: &str| hash[k].as_str().unwrap_or_default().to_owned();
            stated.insert(name.to_owned(), (field("alg"), field("content")));
        } else if is_file {
            out.problems.push(format!("{} has no strong hash", text::visible(name)));
        }
    }
    out.facts.insert("components".to_owned(), json!(kinds));
    out.compare(&stated, target, false)?;
    Ok(out)
}
