//! What a procedure accuses, how bad it would be, and how sure it is.

use super::taxonomy;
use serde::{Deserialize, Serialize};

/// How bad it would be if true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Needs a decision.
    Medium,
    /// Do not deploy.
    High,
    /// Act now.
    Critical,
}

/// How sure the procedure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A lead.
    Low,
    /// More likely than not.
    Medium,
    /// Would stand alone.
    High,
}

/// What kind of trouble it is; decides the taxonomy ids (see [`taxonomy`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// A hidden behaviour trained or edited into the model.
    Backdoor,
    /// Planted or altered training samples.
    DataPoisoning,
    /// A file that runs code when loaded, or could.
    UnsafeFormat,
    /// A file that is not the one published or reviewed.
    Integrity,
    /// A file that is malformed or built to mislead.
    Malformed,
    /// A pipeline that did not run as it was reviewed: steps, sources, triggers, settings.
    Pipeline,
    /// Training code that steers what is learnt, or acts besides.
    TrainingCode,
    /// A model, stage or checkpoint that is not what the step before it made.
    Substitution,
    /// Machines used, or data sent, for something else than the training.
    Misuse,
}

/// One accusation with its references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of trouble.
    pub concern: Concern,
    /// How bad if true.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// One line for lists; text from evidence in it is already made visible.
    pub title: String,
    /// What was seen, with its numbers.
    pub detail: String,
    /// Target class, if one is accused.
    pub class: Option<usize>,
    /// Source class, if the behaviour is limited to one.
    pub source_class: Option<usize>,
    /// Evidence items it rests on ("E1").
    pub evidence: Vec<String>,
    /// MITRE ATLAS technique ids.
    pub atlas: Vec<String>,
    /// OWASP ids.
    pub owasp: Vec<String>,
}

impl Finding {
    /// A finding with the taxonomy ids of its concern.
    pub fn new(
        concern: Concern,
        severity: Severity,
        confidence: Confidence,
        title: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let ids = taxonomy::ids(concern);
        Self {
            concern,
            severity,
            confidence,
            title: title.into(),
            detail: detail.into(),
            class: None,
            source_class: None,
            evidence: Vec::new(),
            atlas: ids.atlas.iter().map(ToString::to_string).collect(),
            owasp: ids.owasp.iter().map(ToString::to_string).collect(),
        }
    }

    /// Names the target class.
    #[must_use]
    pub fn class(mut self, class: usize) -> Self {
        self.class = Some(class);
        self
    }

    /// Names the evidence items it rests on.
    #[must_use]
    pub fn on(mut self, evidence: &[String]) -> Self {
        self.evidence = evidence.to_vec();
        self
    }
}
