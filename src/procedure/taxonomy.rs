//! Taxonomy ids as facts: MITRE ATLAS, OWASP, NIST. Ids are the join keys; names change between releases.
//!
//! Source: atlas-data v5.6.1 (2026-05-05, Apache-2.0, © MITRE), OWASP Top 10 for LLM Applications 2025, NIST AI
//! 100-2e2025, NIST AI RMF 1.0.

use super::Concern;

/// Ids that a concern maps to.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// ATLAS technique ids.
    pub atlas: &'static [&'static str],
    /// OWASP ids.
    pub owasp: &'static [&'static str],
}

/// The ids of a concern.
pub fn ids(concern: Concern) -> Ids {
    match concern {
        Concern::Backdoor => Ids { atlas: &["AML.T0018.000"], owasp: &["LLM04:2025"] },
        Concern::DataPoisoning => Ids { atlas: &["AML.T0020"], owasp: &["LLM04:2025"] },
        Concern::UnsafeFormat => Ids { atlas: &["AML.T0011.000"], owasp: &["LLM03:2025"] },
        Concern::Integrity => Ids { atlas: &["AML.T0010.003"], owasp: &["LLM03:2025"] },
        Concern::Malformed => Ids { atlas: &["AML.T0011.000"], owasp: &["LLM03:2025"] },
    }
}
