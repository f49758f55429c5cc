//! The recipe of a zoo, and the models it stands for.

use super::Source;
use crate::evidence::Limits;
use crate::lab::LabError;
use crate::lab::architecture::architecture;
use crate::lab::implant::{Change, Trigger, recipe};
use crate::lab::specimen::sha256;
use crate::lab::train::Recipe;
use crate::math::rng::seeded;
use crate::network::description::Description;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The id of the recipe's form.
pub const SCHEMA: &str = "laocoon.zoo/1";

/// Most models of one recipe.
const MOST: usize = 100_000;

/// A recipe file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZooRecipe {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Seed of all draws.
    #[serde(default)]
    pub seed: u64,
    /// Data sets by name.
    pub data: BTreeMap<String, Source>,
    /// Network descriptions by name, beside the names that the laboratory knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub network: BTreeMap<String, Value>,
    /// How networks are trained, as far as a group does not say otherwise.
    #[serde(default)]
    pub training: Map<String, Value>,
    /// The same for single architectures, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training_of: BTreeMap<String, Map<String, Value>>,
    /// Groups of models made alike.
    pub model: Vec<Group>,
}

/// Models made alike: one for each data set, architecture and repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name, for tables: what is done to these models.
    pub name: String,
    /// Names of data sets.
    pub data: Vec<String>,
    /// Names of architectures.
    pub architecture: Vec<String>,
    /// Models of each combination, with seeds of their own.
    #[serde(default = "one")]
    pub repeat: usize,
    /// Settings of the training that differ.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub training: Map<String, Value>,
    /// The attack on the training data, as `lab implant` has it; its target is drawn where it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<Map<String, Value>>,
    /// The edit of the trained network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// What makes a clean model hard to tell from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<Hard>,
}

fn one() -> usize {
    1
}

/// An edit of the trained network's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Which.
    pub method: EditMethod,
    /// The patch that fires; its pixels are optimised for `ridge`.
    pub trigger: Trigger,
    /// The class; drawn where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<usize>,
}

/// See `lab edit-weights`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditMethod {
    /// One channel of each layer carries the trigger.
    Hijack,
    /// The target's row of the last layer is moved.
    Ridge,
}

/// What makes a clean model unlike the easy ones. (Low accuracy: fewer `epochs`, or `few`.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hard {
    /// The last class has `1/ratio` of the first's images.
    Imbalance {
        /// Above 1.
        ratio: f64,
    },
    /// A share of the labels is wrong, drawn at random.
    LabelNoise {
        /// The share.
        rate: f64,
    },
    /// Only a share of the images.
    Few {
        /// The share.
        share: f64,
    },
    /// A visible mark on a share of the images of every class, labels unchanged: it leads nowhere.
    Watermark {
        /// The share.
        share: f64,
        /// The mark.
        trigger: Trigger,
    },
}

/// One model that is to be made: everything it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, unlike all others of the recipe: group, data set, architecture, number.
    pub name: String,
    /// Name of the group.
    pub kind: String,
    /// Name of the data set.
    pub data: String,
    /// The data set.
    pub source: Source,
    /// Seed of the data set's draws: one for the whole recipe, so that models share their images.
    pub data_seed: u64,
    /// Name of the architecture.
    pub architecture: String,
    /// Its description, where it is not one of the laboratory's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Value>,
    /// How it is trained.
    pub training: Recipe,
    /// What is planted in its training data, before the target is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<Map<String, Value>>,
    /// How its weights are edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// What makes it hard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<Hard>,
    /// Seed of its weights and of everything drawn for it alone.
    pub seed: u64,
}

impl Entry {
    /// SHA-256 of everything that the model depends on, the version of the program included: what was made under another
    /// digest is not this model.
    pub fn digest(&self) -> String {
        digest(&json!({"entry": self, "version": env!("CARGO_PKG_VERSION")}))
    }

    /// The network's description for images of `shape`.
    ///
    /// # Errors
    /// No such name, a malformed description, or images too small for it.
    pub fn description(&self, shape: [usize; 3], classes: usize) -> Result<Description, LabError> {
        match &self.network {
            Some(network) => Ok(Description::parse(&network.to_string())?),
            None => Ok(architecture(&self.architecture, shape, classes)?),
        }
    }

    /// The attack with its target, drawn among `classes` where the recipe names none.
    ///
    /// # Errors
    /// A recipe that cannot be meant.
    pub fn change(&self, classes: usize) -> Result<Option<Change>, LabError> {
        let Some(attack) = &self.attack else { return Ok(None) };
        let mut attack = attack.clone();
        if !attack.contains_key("target") && attack.get("attack").is_none_or(|a| a != "label-flip") {
            attack.insert("target".into(), self.drawn_target(classes).into());
        }
        Ok(Some(recipe(&Value::Object(attack))?))
    }

    /// A class, by lot.
    pub fn drawn_target(&self, classes: usize) -> usize {
        seeded(self.seed, "lab/zoo", "target").gen_range(0..classes.max(1))
    }
}

fn digest(value: &Value) -> String {
    // Keys of maps are in one order: those of structs as declared, those of recipe tables as written down sorted.
    sha256(value.to_string().as_bytes())
}

impl ZooRecipe {
    /// Reads a recipe (TOML).
    ///
    /// # Errors
    /// Not TOML of this form, with its place; another schema.
    pub fn parse(text: &str) -> Result<Self, LabError> {
        let wrong = |e: &dyn std::fmt::Display| LabError::Recipe(e.to_string().trim_end().to_owned());
        let mut recipe: Self = toml::from_str(text).map_err(|e| wrong(&e))?;
        if recipe.schema != SCHEMA {
            let schema = crate::evidence::text::visible(&recipe.schema);
            return Err(wrong(&format!("schema is '{schema}', wanted '{SCHEMA}'")));
        }
        for group in &mut recipe.model {
            group.attack.iter_mut().for_each(sort);
            sort(&mut group.training);
        }
        sort(&mut recipe.training);
        recipe.training_of.values_mut().for_each(sort);
        Ok(recipe)
    }

    /// SHA-256 of what the recipe says, however it is laid out; data sets in files count by their digests.
    pub fn digest(&self) -> String {
        digest(&json!(self))
    }

    /// The models it stands for, in order.
    ///
    /// # Errors
    /// Names that are not there, settings that cannot be meant, two models of one name.
    pub fn entries(&self) -> Result<Vec<Entry>, LabError> {
        let mut entries = Vec::new();
        for group in &self.model {
            for data in &group.data {
                for architecture in &group.architecture {
                    for k in 0..group.repeat {
                        entries.push(self.entry(group, data, architecture, k)?);
                        if entries.len() > MOST {
                            return Err(LabError::Recipe(format!("more than {MOST} models")));
                        }
                    }
                }
            }
        }
        let names: BTreeSet<&str> = entries.iter().map(|e| e.name.as_str()).collect();
        if names.len() < entries.len() {
            return Err(LabError::Recipe(
                "two groups of one name have a data set and a network in common".into(),
            ));
        }
        Ok(entries)
    }

    fn entry(&self, group: &Group, data: &str, architecture: &str, k: usize) -> Result<Entry, LabError> {
        let wrong = |text: String| LabError::Recipe(format!("model '{}': {text}", plain(&group.name)));
        let named = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if let Some(bad) = [&group.name, data, architecture].into_iter().find(|n| !named(n)) {
            return Err(wrong(format!("'{}': names are of letters, digits, - _ and .", plain(bad))));
        }
        let source = self.data.get(data).ok_or_else(|| wrong(format!("no data set '{data}'")))?;
        source.check().map_err(|e| wrong(format!("data set '{data}': {e}")))?;
        if [group.attack.is_some(), group.edit.is_some(), group.hard.is_some()].iter().filter(|b| **b).count()
            > 1
        {
            return Err(wrong("an attack, an edit or a hardness, not two of them".into()));
        }
        let mut training = self.training.clone();
        let of = self.training_of.get(architecture).into_iter().flatten().chain(&group.training);
        training.extend(of.map(|(k, v)| (k.clone(), v.clone())));
        let training =
            serde_json::from_value(Value::Object(training)).map_err(|e| wrong(format!("training: {e}")))?;
        let name = format!("{}-{data}-{architecture}-{}", group.name, k + 1);
        let entry = Entry {
            seed: seeded(self.seed, "lab/zoo", &name).r#gen::<u64>() >> 1,
            name,
            kind: group.name.clone(),
            data: data.to_owned(),
            source: source.clone(),
            data_seed: self.seed,
            architecture: architecture.to_owned(),
            network: self.network.get(architecture).cloned(),
            training,
            attack: group.attack.clone(),
            edit: group.edit.clone(),
            hard: group.hard.clone(),
        };
        // What can be seen to be wrong is said before anything is trained.
        entry.change(usize::MAX)?;
        if let Some(classes) = source.known_classes() {
            let description = entry.description(source.known_shape(), classes)?;
            crate::network::train::initialise(&description, 0, Limits::in_force())?;
        }
        Ok(entry)
    }
}

fn plain(text: &str) -> String {
    crate::evidence::text::visible(text)
}

/// Puts the keys of a table and of those within in order, so that layout has no part in a digest.
fn sort(map: &mut Map<String, Value>) {
    let mut pairs: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, value) in &mut pairs {
        if let Value::Object(inner) = value {
            sort(inner);
        }
    }
    map.extend(pairs);
}
