//! Findings in the words of public catalogues.

use crate::evidence::Role;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Concern, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict,
    taxonomy,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Findings in the words of public catalogues.
pub static TAXONOMY_MAPPING: TaxonomyMapping = TaxonomyMapping;

/// See [`TAXONOMY_MAPPING`].
#[derive(Debug)]
pub struct TaxonomyMapping;

static ABOUT: About = About {
    id: "taxonomy-mapping",
    title: "Taxonomy mapping",
    phase: Phase::Attribution,
    version: 2,
    question: "Which techniques of ATLAS, OWASP, NIST and CWE do the findings correspond to, and what mitigates them?",
    needs: "findings of other procedures",
    reference: "MITRE ATLAS v5.6.1; OWASP LLM 2025 and ML 2023; NIST AI 100-2e2025; CWE 4.17",
    cost: Cost::Instant,
    after: &super::findings::READ,
    page: include_str!("taxonomy_mapping.md"),
};

impl Procedure for TaxonomyMapping {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, _: &Case) -> Result<Plan, Skip> {
        Ok(Plan { params: json!({}), units: 1, inputs: Vec::new() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        cx.step(0, plan.units)?;
        let mut mapping = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (procedure, record) in &case.earlier.records {
            for finding in &record.findings {
                let primary = primary(case, finding);
                for id in &primary {
                    *counts.entry(id).or_default() += 1;
                }
                mapping.push(entry(procedure, finding, &primary));
            }
        }
        let summary = match mapping.len() {
            0 => "There is no finding to map.".to_owned(),
            n => format!(
                "{n} finding{} map to {} ATLAS technique{}: {}.",
                if n == 1 { "" } else { "s" },
                counts.len(),
                if counts.len() == 1 { "" } else { "s" },
                counts.keys().map(|id| named(id)).collect::<Vec<_>>().join("; ")
            ),
        };
        let bars = counts
            .iter()
            .map(|(id, n)| Bar { label: named(id), value: *n as f64, flagged: false, spread: None })
            .collect();
        let figure = Figure {
            title: "Findings per ATLAS technique".to_owned(),
            body: Body::Bars { value_label: "findings".to_owned(), bars, threshold: None },
        };
        let releases: Value =
            taxonomy::RELEASES.iter().map(|(name, release)| json!([name, release])).collect();
        cx.step(1, plan.units)?;
        Ok(Outcome {
            verdict: if mapping.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive },
            summary,
            statistic: None,
            threshold: None,
            threshold_origin: "none: a fixed table from kinds of finding to ids".to_owned(),
            findings: Vec::new(),
            figures: if mapping.is_empty() { BTreeMap::new() } else { BTreeMap::from([("techniques".to_owned(), figure)]) },
            measures: BTreeMap::from([
                ("mapping".to_owned(), Value::Array(mapping)),
                ("releases".to_owned(), releases),
            ]),
            arrays: BTreeMap::new(),
            limits: "A reading of findings, not a test: it is as right as they are. Related ids are what usually goes with \
                     a finding, not what was seen. Techniques without a finding are not ruled out."
                .to_owned(),
        })
    }
}

/// The techniques a finding shows: its own, with the place in the supply chain after what it rests on.
fn primary(case: &Case, finding: &Finding) -> Vec<&'static str> {
    let ids = taxonomy::ids(finding.concern).atlas.to_vec();
    if finding.concern != Concern::Integrity {
        return ids;
    }
    let data = |id: &String| {
        let role = case.register.iter().find(|i| i.id == *id).map(|i| i.role);
        matches!(role, Some(Role::Training | Role::Clean | Role::Test | Role::Suspect))
    };
    vec![taxonomy::supply_chain(!finding.evidence.is_empty() && finding.evidence.iter().all(data))]
}

fn named(id: &str) -> String {
    format!("{id} {}", taxonomy::name(id).unwrap_or_default()).trim_end().to_owned()
}

fn entry(procedure: &str, finding: &Finding, primary: &[&'static str]) -> Value {
    let map = taxonomy::map(finding.concern);
    let related = map.related.iter().filter(|id| !primary.contains(id));
    let technique = |id: &&'static str, relation: &str| {
        let tactics = taxonomy::TECHNIQUES.iter().find(|t| t.id == *id).map_or(&[][..], |t| t.tactics);
        json!({"id": id, "name": taxonomy::name(id), "tactics": tactics, "relation": relation})
    };
    let plain = |ids: &[&'static str]| -> Value {
        ids.iter().map(|id| json!({"id": id, "name": taxonomy::name(id)})).collect()
    };
    let mitigations: Vec<_> = taxonomy::MITIGATIONS
        .iter()
        .filter(|m| m.addresses.iter().any(|a| primary.contains(a)))
        .map(|m| m.id)
        .collect();
    let studies: Vec<Value> = taxonomy::CASE_STUDIES
        .iter()
        .filter(|s| s.techniques.iter().any(|t| primary.contains(t)))
        .map(|s| json!({"id": s.id, "name": s.name, "kind": s.kind}))
        .collect();
    let atlas: Vec<_> = primary
        .iter()
        .map(|id| technique(id, "primary"))
        .chain(related.map(|id| technique(id, "related")))
        .collect();
    json!({
        "procedure": procedure, "finding": finding.title, "concern": finding.concern, "class": finding.class,
        "atlas": atlas, "owasp": plain(map.ids.owasp), "nist": plain(map.nist), "cwe": plain(map.cwe),
        "mitigations": plain(&mitigations), "case_studies": studies, "severity": finding.severity, "confidence": finding.confidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::toolkit_match::tests::{case, item, record};
    use crate::procedure::{Confidence, Severity, Silent};

    fn run(case: &Case) -> Outcome {
        let plan = TAXONOMY_MAPPING.plan(case).unwrap();
        TAXONOMY_MAPPING.run(case, &plan, &mut Context::new(0, ABOUT.id, &Silent)).unwrap()
    }

    #[test]
    fn nothing_to_map_is_nothing_found() {
        let outcome = run(&case());
        assert_eq!(outcome.verdict, Verdict::NothingFound);
        assert_eq!(outcome.measures["mapping"], json!([]));
        assert!(outcome.figures.is_empty());
    }

    #[test]
    fn findings_get_their_ids_names_and_mitigations_and_none_is_added() {
        let mut case = case();
        case.register = vec![item("E1", Role::Model, "m.onnx"), item("E2", Role::Training, "t.npz")];
        let finding = |concern, on: &str| {
            Finding::new(concern, Severity::High, Confidence::High, "t", "d").class(7).on(&[on.to_owned()])
        };
        let mut record = record(Verdict::Flagged);
        record.findings = vec![
            finding(Concern::Backdoor, "E1"),
            finding(Concern::Integrity, "E2"),
            finding(Concern::Integrity, "E1"),
        ];
        case.earlier.records.insert("x".into(), record);
        let outcome = run(&case);
        assert_eq!(outcome.verdict, Verdict::Inconclusive);
        assert!(outcome.findings.is_empty(), "a reading accuses nobody");
        let mapping = &outcome.measures["mapping"];
        assert_eq!(mapping[0]["atlas"][0]["id"], "AML.T0018.000");
        assert_eq!(mapping[0]["atlas"][0]["name"], "Manipulate AI Model: Poison AI Model");
        assert_eq!(mapping[0]["atlas"][1]["relation"], "related");
        assert!(mapping[0]["case_studies"].as_array().unwrap().iter().any(|s| s["id"] == "AML.CS0019"));
        assert!(mapping[0]["mitigations"].as_array().unwrap().iter().any(|m| m["id"] == "AML.M0008"));
        assert_eq!(mapping[1]["atlas"][0]["id"], "AML.T0010.002", "a data set");
        assert_eq!(mapping[2]["atlas"][0]["id"], "AML.T0010.003", "a model");
        assert!(outcome.summary.starts_with("3 findings map to 3 ATLAS techniques"));
    }
}
