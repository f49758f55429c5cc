//! What functions and classes are for.

use super::super::python::{dotted, last};
use super::flow::Test;
use ruff_python_ast::{Stmt, StmtClassDef, StmtFunctionDef};

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Anything else.
    Other,
    /// Makes samples: `__getitem__`, collate functions, transforms.
    Data,
    /// Computes a loss or trains.
    Training,
    /// A layer's forward pass.
    Layer,
    /// Called by others while training: callbacks and hooks.
    Callback,
}

impl Place {
    pub(super) fn words(self) -> &'static str {
        match self {
            Place::Other => "module code",
            Place::Data => "data loading",
            Place::Training => "the training step",
            Place::Layer => "a layer",
            Place::Callback => "a callback or hook",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub path: String,
    pub place: Option<Place>,
    pub class: Kind,
    /// Innermost decision by the input that the code is under, and the line it is on.
    pub under: Option<(Test, usize)>,
    /// Under any condition about the sample.
    pub picked: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Plain,
    Layer,
    Data,
    Transform,
    Callback,
    Loss,
}

pub(super) fn kind_of(class: &StmtClassDef) -> Kind {
    let name = class.name.as_str();
    let bases: Vec<String> =
        class.arguments.iter().flat_map(|a| a.args.iter()).map(|b| last(&dotted(b)).to_owned()).collect();
    let base = |words: &[&str]| bases.iter().any(|b| words.iter().any(|w| b.contains(w)));
    let has = |wanted: &[&str]| {
        class.body.iter().any(|s| matches!(s, Stmt::FunctionDef(f) if wanted.contains(&f.name.as_str())))
    };
    if base(&["Callback", "Hook"]) || name.ends_with("Callback") {
        Kind::Callback
    } else if name.contains("Loss") || base(&["Loss"]) {
        Kind::Loss
    } else if base(&["Dataset", "DataModule", "Sequence"]) || has(&["__getitem__"]) {
        Kind::Data
    } else if ["Transform", "Augment", "Collat", "Processor"].iter().any(|w| name.contains(w)) {
        Kind::Transform
    } else if base(&["Module", "Layer", "Model", "Block"]) || has(&["forward"]) {
        Kind::Layer
    } else {
        Kind::Plain
    }
}

pub(super) fn place_of(function: &StmtFunctionDef, scope: &Scope) -> Place {
    let name = function.name.as_str();
    let lower = name.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    match scope.class {
        Kind::Callback => Place::Callback,
        _ if lower.starts_with("on_") || any(&["hook", "callback"]) => Place::Callback,
        Kind::Data if matches!(name, "__getitem__" | "__iter__" | "__getitems__") => Place::Data,
        Kind::Transform if matches!(name, "__call__" | "forward") => Place::Data,
        _ if any(&["collate", "augment", "load_sample", "make_batch"]) => Place::Data,
        Kind::Loss if matches!(name, "forward" | "__call__" | "call") => Place::Training,
        _ if any(&[
            "training_step",
            "train_step",
            "train_epoch",
            "train_one",
            "compute_loss",
            "loss",
            "fit",
            "finetune",
        ]) =>
        {
            Place::Training
        }
        _ if lower == "train" || lower.starts_with("train_") || lower == "main" => Place::Training,
        Kind::Layer if matches!(name, "forward" | "call" | "__call__") => Place::Layer,
        _ => match scope.place {
            // A function in a function does its work.
            Some(place) if scope.class == Kind::Plain => place,
            _ if any(&["transform", "preprocess"]) => Place::Data,
            _ => Place::Other,
        },
    }
}
