//! What a gate is held against: a threshold, findings that are known already, and waivers.

use super::fingerprint::fingerprint;
use crate::case::CaseState;
use crate::case::line::is_sha256;
use crate::evidence::text::visible;
use crate::procedure::Severity;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest time a waiver may run, in days: an exception that never ends is an off switch.
pub const LONGEST: i32 = 366;

/// Why a file of terms was refused, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TermsError(pub String);

/// What the gate decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Findings of this severity or above fail.
    pub fail_on: Severity,
    /// Something that did not finish is no reason to fail.
    pub allow_incomplete: bool,
    /// Findings that are known: they are told apart from new ones and do not fail.
    pub baseline: Option<Baseline>,
    /// Findings that are accepted for a while.
    pub waivers: Vec<Waiver>,
}

impl Default for Terms {
    /// The contract's: from medium on, nothing known, nothing waived.
    fn default() -> Self {
        Self { fail_on: Severity::Medium, allow_incomplete: false, baseline: None, waivers: Vec::new() }
    }
}

/// Findings of an earlier scan, by fingerprint, with their severity of then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline(BTreeMap<String, Severity>);

impl Baseline {
    /// The findings of a session.
    pub fn of_state(state: &CaseState) -> Self {
        Self(state.findings.iter().map(|f| (fingerprint(state, f), f.finding.severity)).collect())
    }

    /// The findings in a result of `scan`: `laocoon.scan/1` or our SARIF.
    ///
    /// # Errors
    /// No JSON, another document, or a finding without fingerprint or severity.
    pub fn parse(text: &str) -> Result<Self, TermsError> {
        let refuse = |why: String| TermsError(visible(&why));
        let doc: Value = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
        let of = |finding: &Value, print: &str, severity: &str| {
            let print = finding.pointer(print).and_then(Value::as_str).filter(|p| is_sha256(p));
            let severity = finding.pointer(severity).cloned().map(serde_json::from_value::<Severity>);
            match (print, severity) {
                (Some(print), Some(Ok(severity))) => Ok((print.to_owned(), severity)),
                _ => Err(refuse("a finding has no fingerprint or no severity".into())),
            }
        };
        let found: Result<BTreeMap<_, _>, _> = if doc["schema"] == "laocoon.scan/1" {
            let findings = doc["findings"].as_array().ok_or_else(|| refuse("it has no findings".into()))?;
            findings.iter().map(|f| of(f, "/fingerprint", "/severity")).collect()
        } else if doc.pointer("/runs/0/tool/driver/name").and_then(Value::as_str) == Some("laocoon") {
            let runs = doc["runs"].as_array().into_iter().flatten();
            let results = runs.flat_map(|run| run["results"].as_array().into_iter().flatten());
            results
                .map(|r| of(r, "/partialFingerprints/laocoonFinding~1v1", "/properties/severity"))
                .collect()
        } else {
            Err(refuse("neither a result of 'scan --format json' nor of 'scan --format sarif'".into()))
        };
        found.map(Self)
    }

    /// Whether a finding is known: the same fingerprint, and no worse than it was then.
    pub fn knows(&self, fingerprint: &str, severity: Severity) -> bool {
        self.0.get(fingerprint).is_some_and(|then| severity <= *then)
    }

    /// Number of findings.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A finding that is accepted for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Fingerprint of the finding, which holds the digests of the evidence: other bytes are not waived.
    pub finding: String,
    /// Why it is accepted.
    pub reason: String,
    /// Who accepted it, if said.
    pub approved_by: Option<String>,
    /// Last day (UTC) that it holds.
    pub expires: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    waiver: Vec<RawWaiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    finding: String,
    reason: String,
    expires: String,
    approved_by: Option<String>,
}

/// Reads a file of waivers (TOML, `[[waiver]]` with `finding`, `reason`, `expires` and maybe `approved_by`).
///
/// # Errors
/// No TOML, an unknown or missing key, a `finding` that is no fingerprint, an empty reason, a day that is none.
pub fn waivers(text: &str) -> Result<Vec<Waiver>, TermsError> {
    let raw: RawFile =
        toml::from_str(text).map_err(|e| TermsError(visible(&e.to_string()).replace("\\n", "; ")))?;
    raw.waiver
        .into_iter()
        .enumerate()
        .map(|(n, w)| one(w).map_err(|why| TermsError(format!("waiver {}: {why}", n + 1))))
        .collect()
}

fn one(raw: RawWaiver) -> Result<Waiver, String> {
    if !is_sha256(&raw.finding) {
        return Err(format!(
            "finding '{}' is no fingerprint (64 hex digits, as 'scan' prints them)",
            visible(&raw.finding)
        ));
    }
    if raw.reason.trim().is_empty() {
        return Err("the reason is empty".into());
    }
    let expires = raw
        .expires
        .parse::<Date>()
        .map_err(|_| format!("expires '{}' is no day such as 2027-03-31", visible(&raw.expires)))?;
    let approved_by = raw.approved_by.map(|who| visible(&who)).filter(|who| !who.trim().is_empty());
    Ok(Waiver { finding: raw.finding, reason: visible(&raw.reason), approved_by, expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waivers_say_what_why_and_until_when() {
        let print = "ab".repeat(32);
        let good = format!(
            "[[waiver]]\nfinding = \"{print}\"\nreason = \"known\\u001b\"\nexpires = \"2027-03-31\"\n"
        );
        let read = waivers(&good).unwrap();
        assert_eq!(
            (read[0].reason.as_str(), read[0].expires.to_string().as_str()),
            ("known\\u{1b}", "2027-03-31")
        );
        assert!(waivers("").unwrap().is_empty());
        for (from, to, said) in [
            (print.as_str(), "F1", "waiver 1: finding 'F1' is no fingerprint"),
            ("known\\u001b", " ", "waiver 1: the reason is empty"),
            ("2027-03-31", "never", "waiver 1: expires 'never' is no day"),
            ("reason", "why", "unknown field"),
            ("expires = \"2027-03-31\"\n", "", "missing field"),
        ] {
            let error = waivers(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_baseline_is_read_from_both_results_of_scan() {
        let print = "cd".repeat(32);
        let json = format!(
            r#"{{"schema":"laocoon.scan/1","findings":[{{"fingerprint":"{print}","severity":"medium"}}]}}"#
        );
        let sarif = format!(
            r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"laocoon"}}}},"results":[{{"partialFingerprints":{{"laocoonFinding/v1":"{print}"}},"properties":{{"severity":"medium"}}}}]}}]}}"#
        );
        for text in [json.as_str(), &sarif] {
            let known = Baseline::parse(text).unwrap();
            assert_eq!((known.len(), known.is_empty()), (1, false));
            assert!(known.knows(&print, Severity::Low) && known.knows(&print, Severity::Medium));
            assert!(!known.knows(&print, Severity::High), "worse than it was is new");
            assert!(!known.knows(&"ab".repeat(32), Severity::Low));
        }
        for text in ["{", "{}", "[]", &json.replace(&print, "x"), &json.replace("medium", "odd")] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
    }
}
