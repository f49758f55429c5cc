//! What happened, one event a journal line.

use super::{Judgement, Topic};
use crate::evidence::{CaseFile, Item};
use crate::procedure::{Effort, Phase, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An evidence item named by id and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRef {
    /// "E1".
    pub id: String,
    /// Lower-case hex SHA-256 at intake.
    pub sha256: String,
}

/// A procedure that belongs to a complete investigation of the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Procedure id.
    pub id: String,
    /// Its phase.
    pub phase: Phase,
    /// Version of the method.
    pub version: u32,
}

/// An event. `Unknown` keeps a type written by a newer version, so that it is shown and not dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "the large one is the first of a journal and there once")]
pub enum Event {
    /// First event of a session: all that the rest is computed under.
    CaseOpened {
        /// The case as read.
        case: CaseFile,
        /// Program version.
        tool: String,
        /// Build identification: target, features, digest of the program's file.
        build: String,
        /// Who works, as they or their system name them; a claim, not a proof.
        #[serde(default)]
        analyst: String,
        /// Seed of every random draw.
        seed: u64,
        /// Amount of work asked for.
        effort: Effort,
        /// Only these procedures, if not empty.
        only: Vec<String>,
        /// Only these phases, if not empty.
        phases: Vec<String>,
    },
    /// The session was opened again.
    Resumed {
        /// Program version.
        tool: String,
        /// Build identification, as in `CaseOpened`.
        #[serde(default)]
        build: String,
        /// Who works now.
        #[serde(default)]
        analyst: String,
    },
    /// What a complete investigation under the restriction runs, in order; written at the start, and again when program
    /// or restriction changed.
    Planned {
        /// The procedures.
        procedures: Vec<Planned>,
        /// Parameters the analyst set, by procedure id.
        overrides: BTreeMap<String, serde_json::Value>,
    },
    /// These were asked for. Holds after an interruption until each has come to an end.
    Requested {
        /// Procedure ids in the order of work.
        procedures: Vec<String>,
    },
    /// An item entered the register.
    EvidenceAdded {
        /// The register line, accepted or refused.
        item: Item,
    },
    /// An item is no longer what it was at intake.
    EvidenceChanged {
        /// "E1".
        id: String,
        /// What differs, in words.
        detail: String,
    },
    /// Items were compared with what they were at intake; what differs has events of its own.
    EvidenceChecked {
        /// Ids of the items compared.
        items: Vec<String>,
        /// How: `sha256` of the whole content, or `attributes` (size, times, inode; digest only where those differ).
        how: String,
    },
    /// A procedure was planned; holds everything needed to run it again.
    JobQueued {
        /// Procedure id.
        procedure: String,
        /// Version of the method.
        version: u32,
        /// Checked parameters.
        params: serde_json::Value,
        /// Work units.
        units: u64,
        /// What it reads.
        inputs: Vec<InputRef>,
    },
    /// It runs.
    JobStarted {
        /// Procedure id.
        procedure: String,
    },
    /// It finished.
    JobEnded {
        /// Procedure id.
        procedure: String,
        /// What it found.
        record: Record,
        /// Wall time.
        seconds: f64,
    },
    /// It does not apply.
    JobSkipped {
        /// Procedure id.
        procedure: String,
        /// What is missing.
        reason: String,
    },
    /// The analyst stopped it.
    JobStopped {
        /// Procedure id.
        procedure: String,
        /// Work units done of those planned.
        done: u64,
        /// See `done`.
        units: u64,
    },
    /// It could not finish.
    JobFailed {
        /// Procedure id.
        procedure: String,
        /// Why.
        reason: String,
    },
    /// The analyst wrote something down.
    Noted {
        /// The text.
        text: String,
    },
    /// The analyst wrote something down about one thing.
    Annotated {
        /// What it is about.
        about: Topic,
        /// The text.
        text: String,
    },
    /// The analyst's verdict on something the program found.
    Judged {
        /// What it is about.
        about: Topic,
        /// The verdict.
        judgement: Judgement,
        /// Why; never empty when something is dismissed in the workbench.
        reason: String,
    },
    /// The analyst set a tag, or took it off.
    Tagged {
        /// What it is about.
        about: Topic,
        /// The tag.
        tag: String,
        /// Set, or taken off.
        on: bool,
    },
    /// The analyst took back a note, verdict or tag, or took that back.
    Undone {
        /// Number of the event.
        event: u64,
    },
    /// A report left the workbench.
    Exported {
        /// `html`, `markdown`, …
        format: String,
        /// Digest of the file written.
        sha256: String,
    },
    /// The session was sealed: `seal.json` covers everything up to and with this event.
    Sealed {
        /// Who sealed it.
        analyst: String,
    },
    /// This session is a redacted copy of another.
    Redacted {
        /// What was taken out.
        what: Vec<String>,
        /// Head hash of the session it was made from.
        head: String,
    },
    /// A torn last line was set aside on opening.
    Recovered {
        /// Bytes set aside.
        bytes: u64,
        /// File in the session folder that holds them.
        kept: String,
    },
    /// Written by a version that knows more.
    #[serde(skip)]
    Unknown {
        /// Its `type`.
        kind: String,
        /// The whole line as read.
        line: String,
    },
}

impl Event {
    /// The types this version knows, as the journal names them.
    pub const KINDS: [&str; 22] = [
        "case_opened",
        "resumed",
        "planned",
        "requested",
        "evidence_added",
        "evidence_changed",
        "evidence_checked",
        "job_queued",
        "job_started",
        "job_ended",
        "job_skipped",
        "job_stopped",
        "job_failed",
        "noted",
        "annotated",
        "judged",
        "tagged",
        "undone",
        "exported",
        "sealed",
        "redacted",
        "recovered",
    ];

    /// Its `type` in the journal.
    pub fn kind(&self) -> &str {
        match self {
            Event::CaseOpened { .. } => "case_opened",
            Event::Resumed { .. } => "resumed",
            Event::Planned { .. } => "planned",
            Event::Requested { .. } => "requested",
            Event::EvidenceAdded { .. } => "evidence_added",
            Event::EvidenceChanged { .. } => "evidence_changed",
            Event::EvidenceChecked { .. } => "evidence_checked",
            Event::JobQueued { .. } => "job_queued",
            Event::JobStarted { .. } => "job_started",
            Event::JobEnded { .. } => "job_ended",
            Event::JobSkipped { .. } => "job_skipped",
            Event::JobStopped { .. } => "job_stopped",
            Event::JobFailed { .. } => "job_failed",
            Event::Noted { .. } => "noted",
            Event::Annotated { .. } => "annotated",
            Event::Judged { .. } => "judged",
            Event::Tagged { .. } => "tagged",
            Event::Undone { .. } => "undone",
            Event::Exported { .. } => "exported",
            Event::Sealed { .. } => "sealed",
            Event::Redacted { .. } => "redacted",
            Event::Recovered { .. } => "recovered",
            Event::Unknown { kind, .. } => kind,
        }
    }
}
