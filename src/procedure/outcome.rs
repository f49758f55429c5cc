//! What a procedure gives back, and the form of it that the journal keeps.

use super::Finding;
use crate::figure::Figure;
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a finished procedure says. There is no "clean".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The statistic passed its threshold.
    Flagged,
    /// It did not, within the limits stated.
    NothingFound,
    /// Too close, too few samples, or contradictory.
    Inconclusive,
}

impl Verdict {
    /// The name used in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Flagged => "flagged",
            Verdict::NothingFound => "nothing-found",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

/// A named array that goes to a blob (`blobs/<sha256>.safetensors`, the array under its own name).
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 64-bit integers.
    I64(ArrayD<i64>),
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The answer.
    pub verdict: Verdict,
    /// One sentence that a manager understands, with the deciding number.
    pub summary: String,
    /// The deciding number, if there is one.
    pub statistic: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
    /// Where the threshold comes from (paper, section; simulation; calibration zoo).
    pub threshold_origin: String,
    /// Accusations; empty unless flagged (or a lead in an inconclusive run).
    pub findings: Vec<Finding>,
    /// Raw measures by the contract's names; see [`number`] for non-finite values.
    pub measures: BTreeMap<String, Value>,
    /// Arrays for blobs by the contract's names.
    pub arrays: BTreeMap<String, Tensor>,
    /// Figures by name; the first by name order is not special: panes ask by name.
    pub figures: BTreeMap<String, Figure>,
    /// What this run could not have seen. Never empty.
    pub limits: String,
}

/// An [`Outcome`] as the journal keeps it: arrays and figures replaced by the hashes of their blobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// See [`Outcome::verdict`].
    pub verdict: Verdict,
    /// See [`Outcome::summary`].
    pub summary: String,
    /// See [`Outcome::statistic`]; a JSON number, or `"inf"`/`"-inf"`/`"nan"` as text.
    pub statistic: Value,
    /// See [`Outcome::threshold`].
    pub threshold: Value,
    /// See [`Outcome::threshold_origin`].
    pub threshold_origin: String,
    /// See [`Outcome::findings`].
    pub findings: Vec<Finding>,
    /// See [`Outcome::measures`].
    pub measures: BTreeMap<String, Value>,
    /// Name → SHA-256 of `blobs/<sha256>.safetensors`.
    pub blobs: BTreeMap<String, String>,
    /// Name → SHA-256 of `blobs/<sha256>.json`.
    pub figures: BTreeMap<String, String>,
    /// See [`Outcome::limits`].
    pub limits: String,
}

/// A float as JSON: a number when finite, else the text `"inf"`, `"-inf"` or `"nan"`, so that nothing becomes `null`
/// in silence.
pub fn number(x: f64) -> Value {
    match serde_json::Number::from_f64(x) {
        Some(n) => Value::Number(n),
        None if x.is_nan() => Value::from("nan"),
        None if x > 0.0 => Value::from("inf"),
        None => Value::from("-inf"),
    }
}

/// A slice of floats as a JSON array; see [`number`].
pub fn numbers<'a>(xs: impl IntoIterator<Item = &'a f64>) -> Value {
    Value::Array(xs.into_iter().map(|&x| number(x)).collect())
}
