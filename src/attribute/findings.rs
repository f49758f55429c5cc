//! Findings of all earlier phases, with who made them: what attribution reads.

use crate::procedure::{Case, Finding, Verdict};

/// Everything that may have a finding: attribution comes after all of it.
pub const READ: [&str; 41] = [
    "integrity",
    "provenance",
    "format-safety",
    "definition-changes",
    "training-code",
    "configuration-drift",
    "data-manifest",
    "artefact-chain",
    "checkpoint-lineage",
    "training-metrics",
    "compute-use",
    "egress",
    "behavioural-screening",
    "weight-test",
    "head-probe",
    "maximum-margin",
    "patch-search",
    "neural-cleanse",
    "universal-perturbation",
    "feature-perturbation",
    "warp-search",
    "class-pairs",
    "class-shift",
    "activation-clustering",
    "spectral-signatures",
    "label-issues",
    "outliers",
    "near-duplicates",
    "poisoned-samples",
    "strip",
    "scale-up",
    "ibd-psc",
    "common-patch",
    "model-verdict",
    "sample-recovery",
    "refine-trigger",
    "trigger-kind",
    "trigger-probe",
    "trigger-tolerance",
    "exposure",
    "severity",
];

/// A finding of a procedure that flagged.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Who made it.
    pub procedure: &'a str,
    /// The finding.
    pub finding: &'a Finding,
}

impl Found<'_> {
    /// "procedure: title", as the reading that rests on it names it.
    pub fn named(&self) -> String {
        format!("{}: {}", self.procedure, self.finding.title)
    }
}

/// All findings of procedures that flagged, by procedure.
pub fn flagged(case: &Case) -> Vec<Found<'_>> {
    case.earlier
        .records
        .iter()
        .filter(|(_, record)| record.verdict == Verdict::Flagged)
        .flat_map(|(procedure, record)| {
            record.findings.iter().map(move |finding| Found { procedure, finding })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::Phase;

    #[test]
    fn everything_with_findings_is_read() {
        let before: Vec<&str> = crate::registry::all()
            .iter()
            .map(|p| p.about())
            .filter(|a| a.phase != Phase::Attribution)
            .map(|a| a.id)
            .collect();
        for id in READ {
            assert!(before.contains(&id), "{id} is no procedure of an earlier phase");
        }
        // Leads and readings that never have a finding of their own.
        let silent = ["two-components", "beatrix", "prediction-check", "clean-effect"];
        let missing: Vec<_> = before.iter().filter(|id| !READ.contains(id) && !silent.contains(id)).collect();
        assert!(missing.is_empty(), "{missing:?} are not read");
    }
}
