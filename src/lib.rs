//! **laocoon**: a forensics workbench for suspect machine-learning models.
//!
//! One natural way through the house:
//!
//! ```text
//! file ─intake─▶ evidence::Item ─load─▶ network::Model / evidence::DataSet
//! Params ─check─▶ Plan ─▶ Procedure::run(&Case, &Plan, &mut Context) ─▶ Outcome
//! Outcome ─▶ case::Event ─append─▶ journal (hash-chained) + blobs ─fold─▶ CaseState ─▶ panes · report · JSON
//! ```
//!
//! A module imports only from the left of this line (a test reads `src/` and fails on an upward import):
//! `math | figure | jobs < evidence < network < procedure, lab < triage, detect, recover, impact, attribute
//! < registry | case < investigation | report < tui < cli`.

// Tests compare exact numbers on purpose: same seed, same bits.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp))]

pub mod attribute;
pub mod case;
pub mod cli;
pub mod detect;
pub mod evidence;
pub mod figure;
pub mod impact;
pub mod investigation;
pub mod jobs;
pub mod lab;
pub mod math;
pub mod network;
pub mod procedure;
pub mod recover;
pub mod registry;
pub mod report;
pub mod triage;
pub mod tui;
