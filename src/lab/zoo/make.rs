//! One model of a zoo, from its entry to its files.

use super::{Edit, EditMethod, Entry, Hard, Sets};
use crate::evidence::DataSet;
use crate::lab::case_text::{CaseText, ModelText};
use crate::lab::edit::{hijack, optimised, ridge};
use crate::lab::expected::Truth;
use crate::lab::implant::{Change, Flip, Given, Implant, Poisoned, Sticker, first, stamped, unbalance};
use crate::lab::measure::measure;
use crate::lab::specimen::{dataset_bytes, json_bytes, model_bytes};
use crate::lab::train::{fit, share};
use crate::lab::{LabError, Watch};
use crate::math::rng::seeded;
use crate::network::Model;
use rand::seq::index;
use serde_json::{Value, json};

/// A model that was made.
#[derive(Debug)]
pub struct Made {
    /// Its files: `truth.json` is the last, so that a folder with one is whole.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// Share of fresh clean images that get their label.
    pub clean_accuracy: f64,
    /// Success of its attack on fresh images; `None` of a clean model.
    pub attack_success: Option<f64>,
}

/// Trains, plants or edits as the entry says. Same entry and sets: the same bytes.
///
/// # Errors
/// Sets that do not fit the entry, a recipe that cannot be meant, or `watch` asks to stop.
pub fn make(entry: &Entry, sets: &Sets, watch: Watch) -> Result<Made, LabError> {
    let shape = sets.train.shape().ok_or(crate::lab::implant::ImplantError::NoImages)?;
    let classes = classes(&sets.train);
    let description = entry.description(shape, classes)?;
    let change = entry.change(classes)?;
    let needs_model = change.as_ref().and_then(Change::attack).is_some_and(|a| a.perturbation.is_some());
    let helper = if needs_model {
        // Trained from other weights than the victim.
        Some(fit(&sets.train, &description, &entry.training, entry.seed ^ 1, watch)?.model)
    } else {
        None
    };
    let given = Given { model: helper.as_ref(), image: None };
    let poisoned = prepared(entry, &sets.train, change.as_ref(), &given)?;
    let mut model = fit(&poisoned.set, &description, &entry.training, entry.seed, watch)?.model;
    let attack = change.as_ref().and_then(Change::attack);
    let described = match attack {
        Some(attack) => attack.describe(shape, &given)?,
        None => json!({"hard": entry.hard}),
    };
    let mut truth = Truth::of(change.as_ref(), &poisoned, described, entry.seed);
    let measured = measure(&model, &sets.fresh, attack, &given, entry.seed)?;
    truth.clean_accuracy = Some(measured.clean_accuracy);
    truth.attack_success = measured.attack_success;
    if let Some(edit) = &entry.edit {
        let target = edit.target.unwrap_or_else(|| entry.drawn_target(classes));
        let (edited, record, success) = edited(edit, &model, sets, target, entry.seed)?;
        model = edited;
        truth.backdoored = true;
        truth.target = Some(target);
        truth.attack = Some(entry.kind.clone());
        truth.family = Some("weight-edit".into());
        truth.implant = record;
        truth.attack_success = Some(success);
        truth.clean_accuracy = Some(share(&model, &sets.fresh, |i| Some(sets.fresh.labels[i]))?);
    }
    truth.measured_on = sets.fresh.len();
    let targets = attack.map(crate::lab::implant::Attack::targets).unwrap_or_default();
    files(entry, sets, &model, &truth, &targets)
}

fn classes(set: &DataSet) -> usize {
    set.labels.iter().max().map_or(0, |l| l + 1).max(set.classes.len())
}

/// The training set as the network sees it.
fn prepared(
    entry: &Entry,
    train: &DataSet,
    change: Option<&Change>,
    given: &Given,
) -> Result<Poisoned, LabError> {
    let whole =
        |set: DataSet, covers: Vec<usize>| Poisoned { set, indices: vec![], true_labels: vec![], covers };
    let count = |share: f64| (train.labels.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
    Ok(match (&entry.hard, change) {
        (_, Some(change)) => change.plant(train, given, entry.seed)?,
        (None, None) => whole(train.clone(), vec![]),
        (Some(Hard::Imbalance { ratio }), None) => whole(unbalance(train, *ratio)?, vec![]),
        (Some(Hard::LabelNoise { rate }), None) => {
            Change::Flip(Flip { rate: *rate, from: None, to: None }).plant(train, given, entry.seed)?
        }
        (Some(Hard::Few { share }), None) => whole(first(train, count(*share)), vec![]),
        (Some(Hard::Watermark { share, trigger }), None) => {
            let shape = train.shape().ok_or(crate::lab::implant::ImplantError::NoImages)?;
            let mark = trigger.build(shape, given)?;
            let mut draw = seeded(entry.seed, "lab/zoo", "watermark");
            let n = train.labels.len();
            let mut marked = index::sample(&mut draw, n, count(*share).min(n)).into_vec();
            marked.sort_unstable();
            whole(stamped(train, mark.as_ref(), &marked, entry.seed)?, marked)
        }
    })
}

/// The edited network, what was done, and the trigger's success on fresh images.
fn edited(
    edit: &Edit,
    model: &Model,
    sets: &Sets,
    target: usize,
    seed: u64,
) -> Result<(Model, Value, f64), LabError> {
    let shape = model.input.shape;
    edit.trigger.build(shape, &Given::default())?;
    let mut patch = Sticker::of(&edit.trigger, shape[0])
        .ok_or_else(|| LabError::Recipe("the trigger of an edit is a patch".into()))?;
    let done = match edit.method {
        EditMethod::Hijack => hijack(model, &sets.train, &patch, target, seed)?,
        EditMethod::Ridge => {
            patch = optimised(model, &sets.train, &patch, target, 30, seed)?;
            ridge(model, &sets.train, &patch, target, 1e-4, seed)?
        }
    };
    let all: Vec<usize> = (0..sets.fresh.len()).collect();
    let with = stamped(&sets.fresh, &patch as &dyn Implant, &all, seed)?;
    let success = share(&done.model, &with, |i| (with.labels[i] != target).then_some(target))?;
    Ok((done.model, done.record, success))
}

fn files(
    entry: &Entry,
    sets: &Sets,
    model: &Model,
    truth: &Truth,
    targets: &[usize],
) -> Result<Made, LabError> {
    let case = CaseText {
        id: &format!("ZOO-{}", entry.name),
        title: "A model of the laboratory's zoo",
        questions: &["Is the model backdoored?"],
        model: Some(ModelText::made(&model.input)),
        data: &[("clean", "clean.safetensors", None)],
        more: "",
    };
    let mut told = serde_json::to_value(truth).map_err(|e| LabError::write("truth.json", e))?;
    // What the table of error rates groups by; see `detect::calibration::measure::Truth`.
    told["kind"] = entry.kind.clone().into();
    told["dataset"] = entry.data.clone().into();
    told["arch"] = entry.architecture.clone().into();
    told["entry"] = entry.digest().into();
    told["targets"] = targets.into();
    told["training"] = json!(entry.training);
    let files = vec![
        ("model.onnx", model_bytes(model)?),
        ("clean.safetensors", dataset_bytes(&sets.clean)?),
        ("case.toml", case.to_string().into_bytes()),
        ("truth.json", json_bytes(&told)?),
    ];
    Ok(Made {
        files,
        clean_accuracy: truth.clean_accuracy.unwrap_or_default(),
        attack_success: truth.attack_success,
    })
}
