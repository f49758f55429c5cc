//! `expected.json`: what an examination of a known case must and must not say. The file is all there is to a sample
//! case's test: to add a case, add a folder.

use super::implant::{Change, Poisoned};
use super::specimen::NOTICE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The id of this form.
pub const SCHEMA: &str = "laocoon.expected/1";

/// What is expected of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// [`SCHEMA`].
    pub schema: String,
    /// What `scan` with default options exits with.
    pub exit_code: u8,
    /// Only these procedures, and those they read, are examined (`scan --only`); all, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Procedures that look for what is there and do not find it in this case, by this version: told, not tested as a
    /// virtue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// Procedures that accuse wrongly in this case, by this version: told, not tested as a virtue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub false_alarms: Vec<String>,
    /// Procedures that must finish and flag.
    #[serde(default)]
    pub must_flag: Vec<Flag>,
    /// Procedures that must finish without flagging and leave a lead: findings, all of them on the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_lead: Vec<Flag>,
    /// Procedures that must finish, or not apply, without flagging.
    #[serde(default)]
    pub must_not_flag: Vec<String>,
    /// Arrays that must rank the planted samples above the others.
    #[serde(default)]
    pub must_rank: Vec<Rank>,
    /// Numbers that must lie within bounds.
    #[serde(default)]
    pub must_measure: Vec<Measure>,
}

/// A procedure that must flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// Its id.
    pub procedure: String,
    /// The only class its findings may and must accuse; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
}

/// A ranking of the training samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// Id of the procedure.
    pub procedure: String,
    /// Name of its array, one number per training sample, higher = more suspect.
    pub array: String,
    /// Compare only samples that bear this label; all, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_class: Option<usize>,
    /// Smallest area under the ROC curve.
    pub roc_auc: f64,
}

/// A number within bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Id of the procedure.
    pub procedure: String,
    /// Name of the measure: one number.
    pub measure: String,
    /// Smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// `truth.json`: what was done to a case. Never named by its case file: no examination sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// `laocoon.truth/1`.
    pub schema: String,
    /// What the file says about itself.
    pub notice: String,
    /// Seed of everything in the case.
    pub seed: u64,
    /// Whether something was planted.
    pub backdoored: bool,
    /// Class the trigger leads to.
    pub target: Option<usize>,
    /// Name of what was done ("blend", "label-flip"); `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<String>,
    /// Its family in the contract's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Kind and parameters of the implant.
    pub implant: Value,
    /// Share of the training set that was asked for.
    pub rate: f64,
    /// Samples the network was trained on; the case may hold only the first of them.
    pub trained_on: usize,
    /// How many of these were planted.
    pub planted: usize,
    /// Planted samples of the training set in the case, ascending.
    pub poison_indices: Vec<usize>,
    /// Their labels before.
    pub true_labels: Vec<usize>,
    /// Samples in the case that bear the trigger and kept their label, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cover_indices: Vec<usize>,
    /// Number of fresh images the shares below were measured on.
    pub measured_on: usize,
    /// Share of fresh clean images that get their label; `None` where there is no network.
    pub clean_accuracy: Option<f64>,
    /// Share of fresh images that the attack aims at which get what it wants when stamped; of a clean twin, with the
    /// trigger that was not planted in it.
    pub attack_success: Option<f64>,
}

impl Truth {
    /// The truth about a poisoned set, nothing measured yet.
    pub fn of(change: Option<&Change>, poisoned: &Poisoned, implant: Value, seed: u64) -> Self {
        let attack = change.and_then(Change::attack);
        Self {
            schema: TRUTH_SCHEMA.to_owned(),
            notice: NOTICE.to_owned(),
            seed,
            backdoored: attack.is_some(),
            target: attack.filter(|a| !a.targets().is_empty()).map(|a| a.target),
            attack: change.map(|c| c.name().to_owned()),
            family: change.and_then(Change::family).map(ToOwned::to_owned),
            implant,
            rate: change.map_or(0.0, Change::rate),
            trained_on: poisoned.set.len(),
            planted: poisoned.indices.len(),
            poison_indices: poisoned.indices.clone(),
            true_labels: poisoned.true_labels.clone(),
            cover_indices: poisoned.covers.clone(),
            measured_on: 0,
            clean_accuracy: None,
            attack_success: None,
        }
    }
}

/// The id of [`Truth`]'s form.
pub const TRUTH_SCHEMA: &str = "laocoon.truth/1";

/// Area under the ROC curve: the chance that a random positive scores above a random negative, ties counting half.
/// `None` without at least one of each, or with a score that is not a number.
pub fn roc_auc(scores: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut scores: Vec<(f64, bool)> = scores.into_iter().collect();
    if scores.iter().any(|(s, _)| s.is_nan()) {
        return None;
    }
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scores.iter().filter(|(_, p)| *p).count();
    let negatives = scores.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut below, mut wins) = (0usize, 0.0);
    for tied in scores.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let hits = tied.iter().filter(|(_, p)| *p).count();
        let misses = tied.len() - hits;
        wins += hits as f64 * (below as f64 + misses as f64 / 2.0);
        below += misses;
    }
    Some(wins / (positives as f64 * negatives as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        let auc = |scores: &[(f64, bool)]| roc_auc(scores.iter().copied());
        assert_eq!(auc(&[(1.0, false), (2.0, true)]), Some(1.0));
        assert_eq!(auc(&[(2.0, false), (1.0, true)]), Some(0.0));
        assert_eq!(auc(&[(1.0, false), (1.0, true)]), Some(0.5));
        assert_eq!(auc(&[(0.0, false), (1.0, true), (1.0, false), (3.0, true)]), Some(0.875));
        assert_eq!(auc(&[(1.0, true)]), None);
        assert_eq!(auc(&[(f64::NAN, true), (1.0, false)]), None);
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let text = r#"{"schema": "laocoon.expected/1", "exit_code": 1, "must_flagg": []}"#;
        assert!(serde_json::from_str::<Expected>(text).unwrap_err().to_string().contains("must_flagg"));
    }
}
