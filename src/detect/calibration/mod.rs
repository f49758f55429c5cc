//! What ordinary models show: the measured null of each detector, and how evidence adds up to a probability.
//!
//! `table.json` is data: one row per model of known truth with the statistic of each detector, made by `laocoon lab
//! calibrate`. Everything else is computed from its rows, here and at the time of use, so that nothing in the program is
//! tuned by hand. See `fused.md` for the figures that cross-validation gives.

pub mod document;
mod fit;
pub mod measure;
pub mod rates;

pub use fit::{Curve, DETECTORS, Fused, Held, Part, curve, fuse, held_out};

use crate::procedure::Verdict;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The id of the table's form.
pub const SCHEMA: &str = "laocoon.calibration/1";

/// A network of more classes than this is compared with others of more.
pub const MANY: usize = 20;
/// Clean models of like number of classes below which all are taken.
const FEWEST: usize = 5;

/// A model of known truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub model: String,
    /// Models made alike, which are left out together in cross-validation (data set and architecture).
    pub group: String,
    /// Number of classes.
    pub classes: usize,
    /// Family of the attack by the contract's names; `None` of a clean model.
    pub family: Option<String>,
    /// Target classes, when there are any in particular.
    #[serde(default)]
    pub targets: Vec<usize>,
    /// Per detector that finished: its statistic and the classes that it accuses.
    pub detectors: BTreeMap<String, Seen>,
    /// How it was made, where that is known; for the documents and the record, never for a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Origin>,
}

/// How a model of known truth was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// What was done to it ("clean-noise", "random-patch").
    pub kind: String,
    /// SHA-256 of the recipe of its zoo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Share of fresh clean images that get their label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Success of its trigger on fresh images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<f64>,
    /// Seconds it took to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Row {
    /// What was seen at an effort, by detector id: at quick effort what was measured so, and the detectors that are the same
    /// at any (`same`).
    pub fn seen(&self, quick: bool, same: &[&str]) -> BTreeMap<String, Seen> {
        let wanted = |(name, seen): (&String, &Seen)| {
            let (id, of_quick) = name.strip_suffix(QUICK).map_or((name.as_str(), false), |id| (id, true));
            (of_quick == quick || (quick && same.contains(&id))).then(|| (id.to_owned(), seen.clone()))
        };
        self.detectors.iter().filter_map(wanted).collect()
    }
}

/// What a detector says of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its statistic: higher is stranger, never below 0.
    pub statistic: f64,
    /// The classes it would accuse, strangest first.
    pub classes: Vec<usize>,
    /// Seconds it took when the table was made, for the documents only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// [`SCHEMA`].
    pub schema: String,
    /// The command that made it.
    pub made_by: String,
    /// The models.
    pub rows: Vec<Row>,
    /// Models that were made and say nothing about detectors, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A model without a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its name.
    pub model: String,
    /// Why.
    pub why: String,
}

impl Table {
    /// The table as text: one row on one line, so that a change reads well. The same table gives the same text.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let rows: Vec<String> = self.rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let left_out = match self.left_out.as_slice() {
            [] => String::new(),
            some => format!(", \"left_out\": {}", serde_json::to_string(some)?),
        };
        Ok(format!(
            "{{\"schema\": {}, \"made_by\": {}{left_out}, \"rows\": [\n{}\n]}}\n",
            serde_json::to_string(&self.schema)?,
            serde_json::to_string(&self.made_by)?,
            rows.join(",\n")
        ))
    }

    /// Digests of the recipes that its models were made by, ascending.
    pub fn recipes(&self) -> Vec<&str> {
        let made = self.rows.iter().filter_map(|r| r.made.as_ref());
        let mut all: Vec<&str> = made.filter_map(|m| m.recipe.as_deref()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Reads a table.
    ///
    /// # Errors
    /// Not of this form, or a statistic that is negative or not a number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if table.schema != SCHEMA {
            return Err(format!(
                "schema is '{}', wanted '{SCHEMA}'",
                crate::evidence::text::visible(&table.schema)
            ));
        }
        for row in &table.rows {
            if let Some((id, _)) =
                row.detectors.iter().find(|(_, s)| !(0.0..f64::INFINITY).contains(&s.statistic))
            {
                return Err(format!("{}: statistic of {id} is not a number of 0 or more", row.model));
            }
        }
        Ok(table)
    }

    /// The null of a detector for networks of so many classes; `None` when no clean model was seen by it.
    pub fn null(&self, detector: &str, classes: usize) -> Option<Null> {
        self.null_without(detector, classes, &|_| false)
    }

    /// [`Self::null`] without the rows that `left` names.
    fn null_without(&self, detector: &str, classes: usize, left: &dyn Fn(&Row) -> bool) -> Option<Null> {
        let seen = |like: bool| -> Vec<f64> {
            self.rows
                .iter()
                .filter(|r| r.family.is_none() && !left(r))
                .filter(|r| !like || (r.classes > MANY) == (classes > MANY))
                .filter_map(|r| Some(r.detectors.get(detector)?.statistic))
                .collect()
        };
        let mut values = seen(true);
        if values.len() < FEWEST {
            values = seen(false);
        }
        Null::of(&values)
    }
}

/// The distribution of a detector's statistic over ordinary models: a gamma distribution, known from a few models only. The
/// spacing between the leading values of a sample is exponential (Rényi 1953), which is the gamma distribution of shape 1;
/// what models show draws the shape away from there, to lighter tails and to heavier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Null {
    /// Number of clean models.
    pub models: usize,
    /// Sum of their statistics.
    pub sum: f64,
    /// Shape, in [`SHAPES`].
    pub shape: f64,
}

/// Statistics below this count as this much when the shape is found: many are cut off at zero.
const RESOLUTION: f64 = 0.01;
/// Shapes that few models can speak for.
pub const SHAPES: [f64; 2] = [0.3, 4.0];
/// The exponential distribution counts like so many models.
const PRIOR: f64 = 10.0;

/// Shape of a gamma distribution by maximum likelihood (Minka 2002, *Estimating a Gamma distribution*, closed form), less its
/// bias (Cordeiro and Klein 1994, to the first order), drawn to 1.
fn shape(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let seen = || values.iter().map(|v| v.max(RESOLUTION));
    let s = (seen().sum::<f64>() / n).ln() - seen().map(f64::ln).sum::<f64>() / n;
    let k = if s > 1e-9 {
        let k = (3.0 - s + ((s - 3.0).powi(2) + 24.0 * s).sqrt()) / (12.0 * s);
        k - (3.0 * k - 2.0 / 3.0 * k / (1.0 + k) - 0.8 * k / (1.0 + k).powi(2)) / n
    } else {
        SHAPES[1]
    };
    (n / (n + PRIOR) * k.clamp(SHAPES[0], SHAPES[1]).ln()).exp()
}

impl Null {
    fn of(values: &[f64]) -> Option<Self> {
        let sum = values.iter().sum::<f64>();
        (!values.is_empty() && sum > 0.0).then(|| Self { models: values.len(), sum, shape: shape(values) })
    }

    /// The chance of a statistic at least as large from one more model of the same kind. Of gamma distributions of one scale,
    /// x / (x + Σ) follows the beta distribution of shapes k and nk, whatever the scale is; with shape 1 this is (1 + x/Σ)⁻ⁿ.
    pub fn chance(&self, statistic: f64) -> f64 {
        let rest = self.sum / (statistic.max(0.0) + self.sum);
        beta_reg(self.models as f64 * self.shape, self.shape, rest)
    }

    /// The statistic of a given chance, to nine digits.
    pub fn quantile(&self, chance: f64) -> f64 {
        let (mut low, mut high) = (0.0, self.sum);
        while self.chance(high) > chance && high < 1e9 * self.sum {
            (low, high) = (high, 2.0 * high);
        }
        while high - low > 1e-9 * high {
            let middle = f64::midpoint(low, high);
            if self.chance(middle) > chance {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

const TEXT: &str = include_str!("table.json");

static SHIPPED: LazyLock<Option<Table>> = LazyLock::new(|| Table::parse(TEXT).ok());

/// SHA-256 of the table that comes with the program, for the record of every verdict that rests on it.
pub fn digest() -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(TEXT.as_bytes()))
}

/// The table that comes with the program; `None` only if it is broken, which a test rules out.
pub fn shipped() -> Option<&'static Table> {
    SHIPPED.as_ref()
}

/// Name of a detector in the table: its id, or with `/quick` behind it where quick effort changes the statistic.
pub fn key(detector: &str, quick: bool) -> String {
    if quick { format!("{detector}{QUICK}") } else { detector.to_owned() }
}

/// See [`key`].
const QUICK: &str = "/quick";

/// Chance from which a detector's statistic is held to be an accusation by itself.
pub const FLAGGED: f64 = 0.0025;
/// The same for the inconclusive band.
pub const DOUBT: f64 = 0.05;

/// What the shipped table says of a detector's statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Chance of as much from a clean model.
    pub chance: f64,
    /// Statistic of chance [`FLAGGED`].
    pub threshold: f64,
    /// Clean models it rests on.
    pub models: usize,
}

impl Judged {
    /// Where the threshold comes from; `of` names the statistic.
    pub fn origin(&self, of: &str) -> String {
        format!(
            "gamma null of {of} over {} clean models of the calibration table: {:.1} % chance per model (inconclusive up to \
             {:.0} %)",
            self.models,
            100.0 * FLAGGED,
            100.0 * DOUBT
        )
    }
}

/// Judges a statistic by the shipped table.
pub fn judge(detector: &str, classes: usize, statistic: f64) -> Option<Judged> {
    let null = shipped()?.null(detector, classes)?;
    Some(Judged { chance: null.chance(statistic), threshold: null.quantile(FLAGGED), models: null.models })
}

/// The verdict of a detector by itself; `reached` when some class that it leads to was really reached.
pub fn verdict(judged: Option<&Judged>, reached: bool) -> Verdict {
    match judged.map(|j| j.chance) {
        Some(p) if p > DOUBT => Verdict::NothingFound,
        Some(p) if p <= FLAGGED && reached => Verdict::Flagged,
        Some(_) | None => Verdict::Inconclusive,
    }
}

/// Where the threshold of a judged statistic comes from; `null` says of what.
pub fn origin(judged: Option<&Judged>, null: impl FnOnce(&Judged) -> String) -> String {
    judged.map_or_else(
        || "none: no clean model in the calibration table was seen by this procedure".into(),
        null,
    )
}

#[cfg(test)]
mod tests;
