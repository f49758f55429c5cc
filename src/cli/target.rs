//! From paths and options on the command line to the case that is investigated.

use super::{CaseOptions, Usage};
use crate::evidence::{CaseFile, Limits};
use crate::investigation::{Desk, Options};
use crate::procedure::{Effort, Phase};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The case that the paths name. Anything wrong with it is wrong usage (exit code 2).
pub fn case(paths: &[PathBuf], options: &CaseOptions) -> anyhow::Result<CaseFile> {
    let mut case = CaseFile::from_paths(paths, &options.data, Limits::in_force())
        .map_err(|error| Usage(error.to_string()))?;
    if let Some(architecture) = &options.architecture {
        let Some(model) = &mut case.model else {
            return Err(Usage("--architecture needs a model".into()).into());
        };
        model.architecture = Some(architecture.clone());
    }
    if options.external_data {
        let Some(model) = &mut case.model else {
            return Err(Usage("--external-data needs a model".into()).into());
        };
        model.external_data = true;
    }
    if options.analyse_flagged {
        let Some(model) = &mut case.model else {
            return Err(Usage("--analyse-flagged needs a model".into()).into());
        };
        model.analyse_flagged = true;
    }
    Ok(case)
}

impl Options {
    /// Options of an investigation of `case` in `session`.
    pub fn from_cli(case: CaseFile, session: PathBuf, options: &CaseOptions) -> Self {
        Self {
            target: case,
            session,
            seed: options.seed.unwrap_or(0),
            effort: options.effort.map_or(Effort::Standard, Effort::from),
            threads: options.threads,
            only: options.only.clone(),
            phases: options.phase.iter().copied().map(Phase::from).collect(),
            overrides: overrides(&options.set),
            limits: Limits::in_force().clone(),
            budget: options.budget(),
            analyst: options.analyst(),
        }
    }
}

/// Parameters as procedures read them: a JSON object each.
fn overrides(set: &[super::Setting]) -> BTreeMap<String, Value> {
    let mut out: BTreeMap<String, Value> = BTreeMap::new();
    for (id, name, value) in set {
        let own = out.entry(id.clone()).or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Value::Object(own) = own {
            own.insert(name.clone(), value.clone());
        }
    }
    out
}

impl CaseOptions {
    /// Who works.
    pub fn analyst(&self) -> String {
        self.analyst.clone().unwrap_or_else(crate::case::analyst)
    }

    /// What a saved session is gone on with.
    pub fn desk(&self) -> Desk {
        Desk {
            threads: self.threads,
            limits: Limits::in_force().clone(),
            budget: self.budget(),
            analyst: self.analyst(),
        }
    }
}
