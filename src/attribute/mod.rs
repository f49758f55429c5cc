//! Phase 5: which techniques, and whose tools does it resemble? Hypotheses, never a named actor.

mod capability_profile;
mod findings;
mod fingerprints;
mod geometry;
mod look;
mod remediation;
mod taxonomy_mapping;
mod toolkit_match;
mod weigh;

use crate::procedure::Procedure;

static PROCEDURES: &[&dyn Procedure] = &[
    &taxonomy_mapping::TAXONOMY_MAPPING,
    &toolkit_match::TOOLKIT_MATCH,
    &capability_profile::CAPABILITY_PROFILE,
    &remediation::REMEDIATION,
];

/// The procedures of this phase, in the order of work.
pub fn procedures() -> &'static [&'static dyn Procedure] {
    PROCEDURES
}
