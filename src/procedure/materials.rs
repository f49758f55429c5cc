//! What a procedure may see of the case: the register, the loaded model and data, and earlier outcomes.

use super::{Effort, Record, Tensor, Verdict};
use crate::evidence::{CaseFile, DataSet, Item, Role};
use crate::network::Model;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A loaded data set and the item it came from.
#[derive(Debug, Clone)]
pub struct Data {
    /// Evidence id ("E2").
    pub item: String,
    /// What it is for.
    pub role: Role,
    /// The samples.
    pub set: Arc<DataSet>,
}

/// Records of finished procedures, and their arrays.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// By procedure id.
    pub records: BTreeMap<String, Record>,
    /// By (procedure id, array name).
    pub arrays: BTreeMap<(String, String), Arc<Tensor>>,
}

impl Earlier {
    /// The record of a finished procedure.
    pub fn record(&self, procedure: &str) -> Option<&Record> {
        self.records.get(procedure)
    }

    /// A measure of a finished procedure.
    pub fn measure(&self, procedure: &str, name: &str) -> Option<&Value> {
        self.records.get(procedure)?.measures.get(name)
    }

    /// An array of a finished procedure.
    pub fn array(&self, procedure: &str, name: &str) -> Option<&Tensor> {
        self.arrays.get(&(procedure.to_owned(), name.to_owned())).map(Arc::as_ref)
    }

    /// Whether a finished procedure flagged.
    pub fn flagged(&self, procedure: &str) -> bool {
        self.records.get(procedure).is_some_and(|r| r.verdict == Verdict::Flagged)
    }
}

/// Everything a procedure can look at.
#[derive(Debug, Clone)]
pub struct Case {
    /// The case file as read (or made up from the command line).
    pub file: CaseFile,
    /// The evidence register, accepted and refused.
    pub register: Vec<Item>,
    /// The suspect model, when it could be loaded.
    pub model: Option<Arc<Model>>,
    /// The data sets that could be loaded, in the order of the case file.
    pub data: Vec<Data>,
    /// How much work to do.
    pub effort: Effort,
    /// Parameters the analyst set, by procedure id: a JSON object each.
    pub overrides: BTreeMap<String, Value>,
    /// What is known already.
    pub earlier: Earlier,
}

impl Case {
    /// The first data set of a role.
    pub fn data(&self, role: Role) -> Option<&Data> {
        self.data.iter().find(|d| d.role == role)
    }

    /// Clean images: role `clean`, else `test`.
    pub fn clean(&self) -> Option<&Data> {
        self.data(Role::Clean).or_else(|| self.data(Role::Test))
    }

    /// The training set.
    pub fn training(&self) -> Option<&Data> {
        self.data(Role::Training)
    }

    /// Evidence id of the model.
    pub fn model_item(&self) -> Option<&Item> {
        self.register.iter().find(|i| i.role == Role::Model)
    }
}
