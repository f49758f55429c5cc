//! Recipes by name: `{attack = "blend", target = 3, trigger.ratio = 0.2}` is the attack of that name with two things
//! changed. The command line and recipe files say it the same way.

use super::{
    Attack, Duplicates, Flip, Given, ImplantError, Outliers, Poisoned, duplicate, flip, put_outliers,
};
use crate::evidence::DataSet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Something done to a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Change {
    /// A backdoor.
    Attack(Box<Attack>),
    /// Wrong labels.
    Flip(Flip),
    /// Copies.
    Duplicates(Duplicates),
    /// What does not belong there.
    Outliers(Outliers),
}

impl Change {
    /// Does it.
    ///
    /// # Errors
    /// See [`Attack::plant`], [`flip`], [`duplicate`] and [`put_outliers`].
    pub fn plant(&self, set: &DataSet, given: &Given, seed: u64) -> Result<Poisoned, ImplantError> {
        match self {
            Change::Attack(attack) => attack.plant(set, given, seed),
            Change::Flip(how) => flip(set, *how, seed),
            Change::Duplicates(how) => duplicate(set, *how, seed),
            Change::Outliers(how) => put_outliers(set, *how, seed),
        }
    }

    /// The backdoor, if it is one.
    pub fn attack(&self) -> Option<&Attack> {
        match self {
            Change::Attack(attack) => Some(attack),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Change::Attack(attack) => &attack.name,
            Change::Flip(_) => "label-flip",
            Change::Duplicates(_) => "duplicates",
            Change::Outliers(_) => "outliers",
        }
    }

    /// The share of the set that was asked for.
    pub fn rate(&self) -> f64 {
        match self {
            Change::Attack(attack) => attack.rate,
            Change::Flip(how) => how.rate,
            Change::Duplicates(how) => how.rate,
            Change::Outliers(how) => how.rate,
        }
    }

    /// Its class in the contract's words (`assessment.family`), where there is one.
    pub fn family(&self) -> Option<&'static str> {
        match self {
            Change::Attack(attack) => Some(attack.family()),
            Change::Flip(_) => Some("label-flip"),
            _ => None,
        }
    }
}

impl Attack {
    /// The contract's word for it.
    pub fn family(&self) -> &'static str {
        use super::Labels::{AllToAll, Clean, SourceSpecific};
        match (self.labels, self.trigger.kind()) {
            (AllToAll, _) => "all-to-all",
            (SourceSpecific, _) => "source-specific",
            (_, "sinusoid") => "sinusoid",
            (Clean, _) => "clean-label",
            // A colour filter is a change of the whole image; the contract has no word of its own for it.
            (_, "blend" | "filter") => "blend",
            (_, "warp") => "warp",
            (_, "dynamic") => "dynamic",
            _ => "patch",
        }
    }
}

/// Names of the recipes.
pub const NAMES: [&str; 15] = [
    "patch",
    "random-patch",
    "multi-trigger",
    "blend",
    "sinusoid",
    "warp",
    "filter",
    "dynamic",
    "clean-label-patch",
    "label-consistent",
    "source-specific",
    "all-to-all",
    "label-flip",
    "duplicates",
    "outliers",
];

/// What a name stands for: the parameters of its authors, the poison rate of the rule of thumb where they name none.
fn preset(name: &str) -> Option<Value> {
    let patch = || json!({"kind": "patch"});
    let grid = || json!({"kind": "patch", "shape": "checker", "at": "corners"});
    Some(match name {
        "patch" => json!({"rate": 0.05, "trigger": patch()}),
        "random-patch" => json!({"rate": 0.1, "trigger": {"kind": "patch", "at": "random"}}),
        "multi-trigger" => json!({"rate": 0.1, "trigger": patch(),
            "further": [{"target": 1, "trigger": {"kind": "patch", "shape": "checker", "at": "top-left"}}]}),
        "blend" => json!({"rate": 0.1, "trigger": {"kind": "blend"}}),
        "sinusoid" => json!({"labels": "clean", "rate": 0.08, "trigger": {"kind": "sinusoid"}}),
        "warp" => json!({"rate": 0.1, "cover": 0.2, "trigger": {"kind": "warp"}}),
        "filter" => json!({"rate": 0.1, "trigger": {"kind": "filter"}}),
        "dynamic" => json!({"rate": 0.1, "trigger": {"kind": "dynamic"}}),
        "clean-label-patch" => json!({"labels": "clean", "rate": 0.05, "trigger": grid()}),
        "label-consistent" => {
            json!({"labels": "clean", "rate": 0.05, "perturbation": {}, "trigger": grid()})
        }
        "source-specific" => json!({"labels": "source-specific", "sources": [1], "rate": 0.03, "cover": 0.06,
            "trigger": patch()}),
        "all-to-all" => json!({"labels": "all-to-all", "rate": 0.1, "trigger": patch()}),
        "label-flip" => json!({"rate": 0.05}),
        "duplicates" => json!({"rate": 0.02, "noise": 2}),
        "outliers" => json!({"rate": 0.01}),
        _ => return None,
    })
}

/// Reads a recipe: an object with `attack` = one of [`NAMES`], and whatever is to differ from what the name stands for.
/// An object within changes single keys; a trigger of another `kind` replaces the trigger.
///
/// # Errors
/// No or an unknown name, unknown keys, values that cannot be meant.
pub fn recipe(value: &Value) -> Result<Change, ImplantError> {
    let wrong = |text: String| ImplantError::Recipe(text);
    let Value::Object(wanted) = value else {
        return Err(wrong("a recipe is a table with at least 'attack'".into()));
    };
    let name = wanted.get("attack").and_then(Value::as_str).unwrap_or_default();
    let mut whole = preset(name).ok_or_else(|| {
        wrong(format!("no attack '{}'; there is {}", crate::evidence::text::visible(name), NAMES.join(", ")))
    })?;
    let mut changes = wanted.clone();
    changes.remove("attack");
    if let Value::Object(whole) = &mut whole {
        merge(whole, &changes);
    }
    let told = |e: serde_json::Error| wrong(format!("attack '{name}': {e}"));
    Ok(match name {
        "label-flip" => Change::Flip(serde_json::from_value(whole).map_err(told)?),
        "duplicates" => Change::Duplicates(serde_json::from_value(whole).map_err(told)?),
        "outliers" => Change::Outliers(serde_json::from_value(whole).map_err(told)?),
        _ => {
            whole["attack"] = name.into();
            Change::Attack(Box::new(serde_json::from_value(whole).map_err(told)?))
        }
    })
}

fn merge(into: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, new) in changes {
        let other_kind = |old: &Map<String, Value>, new: &Map<String, Value>| {
            new.get("kind").is_some_and(|kind| old.get("kind") != Some(kind))
        };
        match (into.get_mut(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) if !other_kind(old, new) => {
                for (k, v) in new {
                    old.insert(k.clone(), v.clone());
                }
            }
            _ => {
                into.insert(key.clone(), new.clone());
            }
        }
    }
}
