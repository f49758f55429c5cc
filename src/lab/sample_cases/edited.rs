//! A network whose weights were edited after training; nothing was planted in any data.

use super::files::{Folder, ModelFile};
use super::stories::{Part, Story};
use super::trained::count;
use super::{File, LabError, Truth, Watch, good};
use crate::evidence::DataSet;
use crate::lab::architecture::architecture;
use crate::lab::draw::digits;
use crate::lab::edit::hijack;
use crate::lab::implant::{
    Colour, Implant, Paint, Place, Poisoned, Shape, Side, Size, Sticker, Trigger, stamped,
};
use crate::lab::specimen::dataset_bytes;
use crate::lab::train::{Recipe, share, train};
use crate::network::Model;
use serde_json::Value;

/// The class that the edit leads to.
const TARGET: usize = 0;
const SIDE: usize = 20;
/// Images per class: training (kept by the supplier), the responder's clean images, fresh ones to measure on.
const SIZES: [usize; 3] = [90, 15, 60];

fn sticker() -> Option<Sticker> {
    let trigger = Trigger::Patch {
        size: Size::One(4),
        shape: Shape::Checker,
        colour: Colour::Named(Paint::White),
        other: Colour::Named(Paint::Black),
        at: Place::Named(Side::BottomLeft),
        margin: 1,
        opacity: 1.0,
        seed: 0,
    };
    Sticker::of(&trigger, 1)
}

pub(super) fn make(story: &'static Story, seed: u64, watch: Watch) -> Result<Vec<Folder>, LabError> {
    let set = digits(SIDE, SIZES[0], "train", seed);
    let clean = digits(SIDE, SIZES[1], "clean", seed);
    let fresh = digits(SIDE, SIZES[2], "fresh", seed);
    let description = architecture("smallcnn", [1, SIDE, SIDE], 10)?;
    let model = train(&set, &description, &Recipe { epochs: 12, ..Recipe::default() }, seed, watch)?;
    let patch = sticker().ok_or_else(|| LabError::Edit("there is no sticker".into()))?;
    let edited = hijack(&model, &set, &patch, TARGET, seed)?;
    let all: Vec<usize> = (0..fresh.len()).collect();
    let with = stamped(&fresh, &patch as &dyn Implant, &all, seed)?;
    let clean = dataset_bytes(&clean)?;
    let mut out = Vec::new();
    for (part, model, record) in
        [(&story.twin, &model, None), (&story.suspect, &edited.model, Some(edited.record.clone()))]
    {
        let success = share(model, &with, |i| (with.labels[i] != TARGET).then_some(TARGET))?;
        let accuracy =
            good(part.name, "the clean accuracy", share(model, &fresh, |i| Some(fresh.labels[i]))?)?;
        if record.is_some() {
            good(part.name, "the attack's success", success)?;
        }
        let untouched = Poisoned { set: set.clone(), indices: vec![], true_labels: vec![], covers: vec![] };
        let truth = Truth {
            backdoored: record.is_some(),
            target: record.is_some().then_some(TARGET),
            attack: record.is_some().then(|| "hijacked-neurons".to_owned()),
            family: record.is_some().then(|| "weight-edit".to_owned()),
            measured_on: fresh.len(),
            clean_accuracy: Some(accuracy),
            attack_success: Some(success),
            ..Truth::of(None, &untouched, record.unwrap_or(Value::Null), seed)
        };
        out.push(folder(part, model, &set, clean.clone(), truth)?);
    }
    Ok(out)
}

fn folder(
    part: &'static Part,
    model: &Model,
    set: &DataSet,
    clean: Vec<u8>,
    truth: Truth,
) -> Result<Folder, LabError> {
    Ok(Folder {
        name: part.name,
        part,
        model: Some(ModelFile::onnx(model)?),
        labels: Some(set.classes.iter().map(crate::evidence::Untrusted::shown).collect()),
        facts: vec![("clean", count(&clean).to_string())],
        data: vec![("clean", "clean.safetensors", clean)],
        others: Vec::new(),
        more: String::new(),
        truth: Some(truth),
    })
}

pub(super) fn data(story: &'static Story, seed: u64) -> Result<Vec<File>, LabError> {
    let clean = dataset_bytes(&digits(SIDE, SIZES[1], "clean", seed))?;
    Ok([&story.twin, &story.suspect]
        .map(|part| (format!("{}/clean.safetensors", part.name), clean.clone()))
        .into())
}
