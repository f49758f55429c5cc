//! What every examination implements, and what it may see of the case.
//!
//! To add one: a file and a page in its phase's folder (`detect/foo.rs`, `detect/foo.md`), one line in
//! [`crate::registry`], one test. CLI, palette, help, report section, JSON and ETA all come from [`About`].

mod context;
mod finding;
mod materials;
mod outcome;
pub mod taxonomy;

pub use context::{Context, Monitor, Silent, Stop};
pub use finding::{Concern, Confidence, Finding, Severity};
pub use materials::{Case, Data, Earlier};
pub use outcome::{Outcome, Record, Tensor, Verdict, number, numbers};

use serde::{Deserialize, Serialize};

/// The five phases of an investigation; each is a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What are these files, are they what they claim, can opening them hurt?
    Triage,
    /// Is the model backdoored or the data poisoned?
    Detection,
    /// What does the trigger look like?
    Recovery,
    /// What harm could it do?
    Impact,
    /// Which techniques, and whose tools does it resemble?
    Attribution,
}

impl Phase {
    /// All phases in the order of work.
    pub const ALL: [Phase; 5] =
        [Phase::Triage, Phase::Detection, Phase::Recovery, Phase::Impact, Phase::Attribution];

    /// The name used on the command line, in JSON and in tabs.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Triage => "triage",
            Phase::Detection => "detection",
            Phase::Recovery => "recovery",
            Phase::Impact => "impact",
            Phase::Attribution => "attribution",
        }
    }
}

/// How much work to do, in steps and never in seconds, so that a run can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effort {
    /// Cheap looks only.
    Quick,
    /// The default.
    #[default]
    Standard,
    /// As far as the method goes.
    Thorough,
}

impl Effort {
    /// The name used on the command line and in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Effort::Quick => "quick",
            Effort::Standard => "standard",
            Effort::Thorough => "thorough",
        }
    }
}

/// What a procedure costs, for the plan shown before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Milliseconds.
    Instant,
    /// Seconds: a few passes over the data.
    Low,
    /// Up to a minute or so at standard effort.
    Medium,
    /// Minutes: an optimisation per class.
    High,
}

/// What a procedure is. Everything that names it (CLI, palette, help, report, JSON) reads this.
#[derive(Debug)]
pub struct About {
    /// Stable id, kebab-case (`neural-cleanse`).
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Phase and pane.
    pub phase: Phase,
    /// Version of the method: a change of results is a change of version.
    pub version: u32,
    /// One sentence: what question it answers.
    pub question: &'static str,
    /// What it needs, in words ("a model, clean images").
    pub needs: &'static str,
    /// Where the method comes from.
    pub reference: &'static str,
    /// What it costs.
    pub cost: Cost,
    /// Ids of procedures whose outcomes it reads: they run before it.
    pub after: &'static [&'static str],
    /// The page shown by `?` and `explain` (Markdown; *Looks at / Assumes / Wrong when / Costs / Reference*).
    pub page: &'static str,
}

/// Checked parameters and the size of the work. `params` holds everything needed to run it again and is journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The checked parameters, as a JSON object.
    pub params: serde_json::Value,
    /// Work units, the `total` of [`Context::step`]; at least 1.
    pub units: u64,
    /// Ids of the evidence items it reads ("E1").
    pub inputs: Vec<String>,
}

/// Why a procedure does not apply to this case: what is missing, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// One examination.
pub trait Procedure: Sync {
    /// What it is.
    fn about(&self) -> &'static About;

    /// Checked parameters and work units for this case.
    ///
    /// # Errors
    /// [`Skip`] says what is missing when the procedure does not apply. Not applying is not incompleteness.
    fn plan(&self, case: &Case) -> Result<Plan, Skip>;

    /// Does the work. Reports progress through `cx.step`, which also carries the cancel.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] when asked to stop, [`Stop::Failed`] with the reason when it could not finish.
    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop>;
}
