//! Small cases for tests.

use crate::evidence::{CaseFile, DataSet, Role};
use crate::procedure::{Case, Data, Earlier, Effort};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A case with nothing in it.
pub(crate) fn case() -> Case {
    let file = CaseFile {
        id: "t".into(),
        title: "test".into(),
        questions: vec![],
        model: None,
        data: vec![],
        artefacts: vec![],
        unexamined: vec![],
        text: String::new(),
        root: std::path::PathBuf::new(),
    };
    Case {
        file,
        register: vec![],
        model: None,
        data: vec![],
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    }
}

/// A data-only case: a training set of recorded activations.
pub(crate) fn recorded(activations: Array2<f32>, labels: Vec<usize>) -> Case {
    let set = DataSet { labels, activations: Some(activations), ..DataSet::default() };
    Case { data: vec![Data { item: "E1".into(), role: Role::Training, set: Arc::new(set) }], ..case() }
}
