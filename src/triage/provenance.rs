//! Is the model what was signed? The signature and statement that the case file names, judged by the key it names.

use crate::evidence::provenance::{Checked, Key, Signature, check};
use crate::evidence::{EvidenceError, Limits, text};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The procedure `provenance`.
#[derive(Debug)]
pub struct Provenance;

/// The one instance.
pub static PROVENANCE: Provenance = Provenance;

static ABOUT: About = About {
    id: "provenance",
    title: "Provenance",
    phase: Phase::Triage,
    version: 1,
    question: "Who says that the model is what it claims, and do the files fit what was signed?",
    needs: "a signature or statement about the model; a key somebody vouched for",
    reference: "DSSE v1.0; in-toto Statement v1; OpenSSF model signing v1.0; SLSA v1; minisign; FIPS 186-5",
    cost: Cost::Low,
    after: &[],
    page: include_str!("provenance.md"),
};

/// Files named in one finding.
const NAMED: usize = 10;

impl Procedure for Provenance {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let Some(model) = &case.file.model else { return Err(Skip("the case has no model".to_owned())) };
        if model.signature.is_none() {
            return Err(Skip("the case file names no signature of the model".to_owned()));
        }
        let inputs = case
            .register
            .iter()
            .filter(|i| i.path.raw() == model.path.to_string_lossy())
            .map(|i| i.id.clone())
            .collect();
        Ok(Plan { params: json!({}), units: 1, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let checked = checked(case);
        cx.step(1, 1)?;
        Ok(match checked {
            Ok(checked) => outcome(&checked, &plan.inputs),
            Err(e) => unreadable(&e),
        })
    }
}

fn checked(case: &Case) -> Result<Checked, EvidenceError> {
    let limits = Limits::in_force();
    let missing = |what: &str| EvidenceError::whole("case.toml", "case.missing-key", format!("no {what}"));
    let model = case.file.model.as_ref().ok_or_else(|| missing("model"))?;
    let signature = case.file.locate(model.signature.as_deref().ok_or_else(|| missing("signature"))?)?;
    let keys = match &model.key {
        Some(key) => Key::read(&case.file.locate(key)?, limits)?,
        None => Vec::new(),
    };
    check(&signature, &keys, &case.file.locate(&model.path)?, limits)
}

/// The parts of a comparison in words: "2 differ (a, b)".
pub(super) fn differences(checked: &Checked) -> Vec<String> {
    [
        ("differ", &checked.different),
        ("are missing", &checked.missing),
        ("are not stated", &checked.extra),
        ("problems", &checked.problems),
    ]
    .into_iter()
    .filter(|(_, list)| !list.is_empty())
    .map(|(what, list)| {
        let more = if list.len() > NAMED { ", …" } else { "" };
        let names: Vec<&str> = list.iter().take(NAMED).map(String::as_str).collect();
        format!("{} {what} ({}{more})", list.len(), names.join("; "))
    })
    .collect()
}

/// The signature in words.
pub(super) fn signed(checked: &Checked) -> String {
    match &checked.signature {
        Signature::Valid(by) => format!("signed by {by}"),
        Signature::Wrong(why) => format!("the signature is wrong: {why}"),
        Signature::Unjudged(why) => format!("the signature was not judged: {why}"),
        Signature::None => "not signed".to_owned(),
    }
}

fn outcome(checked: &Checked, inputs: &[String]) -> Outcome {
    let parts = differences(checked);
    let total =
        checked.different.len() + checked.missing.len() + checked.extra.len() + checked.problems.len();
    let wrong = matches!(checked.signature, Signature::Wrong(_));
    let mut findings = Vec::new();
    let mut accuse = |severity, title: String, detail: String| {
        findings.push(Finding::new(Concern::Integrity, severity, Confidence::High, title, detail).on(inputs));
    };
    if wrong {
        accuse(
            Severity::Critical,
            "the model's signature is wrong".to_owned(),
            format!("{}: {}", checked.kind, signed(checked)),
        );
    }
    if total > 0 {
        let worst = if checked.different.is_empty() && checked.missing.is_empty() && checked.extra.is_empty()
        {
            Severity::Medium
        } else {
            Severity::Critical
        };
        accuse(
            worst,
            format!("the files differ from what was stated in {total} places"),
            format!("{}: {}", checked.kind, parts.join("; ")),
        );
    }
    let verdict = match (wrong || total > 0, checked.proved()) {
        (true, _) => Verdict::Flagged,
        (false, true) => Verdict::NothingFound,
        (false, false) => Verdict::Inconclusive,
    };
    let rest =
        if parts.is_empty() { format!("{} files are as stated", checked.matched) } else { parts.join("; ") };
    Outcome {
        verdict,
        summary: format!("{}: {}; {rest}.", checked.kind, signed(checked)),
        statistic: Some((total + usize::from(wrong)) as f64),
        threshold: Some(0.0),
        threshold_origin: "any difference counts; a signature fits or does not".to_owned(),
        findings,
        measures: BTreeMap::from([
            ("kind".to_owned(), json!(checked.kind)),
            ("signature".to_owned(), json!(signed(checked))),
            ("matched".to_owned(), json!(checked.matched)),
            ("different".to_owned(), json!(checked.different)),
            ("missing".to_owned(), json!(checked.missing)),
            ("extra".to_owned(), json!(checked.extra)),
            ("problems".to_owned(), json!(checked.problems)),
            ("facts".to_owned(), Value::Object(checked.facts.clone())),
        ]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: "A signature says who vouches for these bytes, not that they are harmless. The key is believed because \
                 the case file names it. No transparency log was asked, and no revocation list."
            .to_owned(),
    }
}

fn unreadable(e: &EvidenceError) -> Outcome {
    Outcome {
        verdict: Verdict::Inconclusive,
        summary: format!("The statement could not be judged: {}.", text::visible(&e.to_string())),
        statistic: None,
        threshold: None,
        threshold_origin: "nothing was compared".to_owned(),
        findings: Vec::new(),
        measures: BTreeMap::from([("unread".to_owned(), json!([e.to_string()]))]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::new(),
        limits: "Nothing was verified.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::examine::tests::{case_of, run};
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    use ed25519_dalek::{Signer as _, SigningKey};
    use std::fs;

    #[test]
    fn a_signature_that_fits_one_that_does_not_and_one_without_a_key() {
        use base64::Engine as _;
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let pem = key
            .verifying_key()
            .to_public_key_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
            .unwrap();
        put("m.onnx", b"model");
        put("k.pem", pem.as_bytes());
        let digest = crate::evidence::intake::sha256(b"model");
        let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [{"name": "m.onnx", "digest": {"sha256": digest}}],
            "predicate": {"runDetails": {"builder": {"id": "https://builder"}}, "buildDefinition": {"resolvedDependencies": [{"uri": "git+x", "digest": {"sha1": "00"}}]}}});
        let payload = statement.to_string();
        let kind = "application/vnd.in-toto+json";
        let encoded = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let b64 = |b: &[u8]| base64::engine::general_purpose::STANDARD.encode(b);
        let envelope = json!({"payloadType": kind, "payload": b64(payload.as_bytes()),
            "signatures": [{"sig": b64(&key.sign(encoded.as_bytes()).to_bytes())}]});
        put("m.dsse", envelope.to_string().as_bytes());
        let toml = |key: &str| {
            format!("[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\nsignature = \"m.dsse\"\n{key}")
        };
        let with = toml("key = \"k.pem\"\n");
        let good = run(&PROVENANCE, &case_of(dir.path(), &with));
        assert_eq!((good.verdict, good.statistic), (Verdict::NothingFound, Some(0.0)), "{}", good.summary);
        assert_eq!(good.measures["facts"]["builder"], "https://builder");
        let unjudged = run(&PROVENANCE, &case_of(dir.path(), &toml("")));
        assert_eq!(unjudged.verdict, Verdict::Inconclusive);
        put("m.onnx", b"Model");
        let changed = run(&PROVENANCE, &case_of(dir.path(), &with));
        assert_eq!((changed.verdict, changed.findings[0].severity), (Verdict::Flagged, Severity::Critical));
        put("m.onnx", b"model");
        put("m.dsse", envelope.to_string().replace("vnd.in-toto", "vnd.in_toto").as_bytes());
        let forged = run(&PROVENANCE, &case_of(dir.path(), &with));
        assert!(forged.findings[0].title.contains("signature is wrong"), "{forged:?}");
        put("m.dsse", b"{}");
        assert_eq!(run(&PROVENANCE, &case_of(dir.path(), &with)).verdict, Verdict::Inconclusive);
        assert!(
            PROVENANCE
                .plan(&case_of(dir.path(), "[case]\nid = \"x\"\n[model]\npath = \"m.onnx\"\n"))
                .is_err()
        );
    }
}
