//! Training data alone: no network to examine, a share of one class's labels turned to another.

use super::files::Folder;
use super::stories::Story;
use super::{File, LabError, Truth, Watch};
use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use crate::evidence::safetensors::{Stored, write as write_arrays};
use crate::lab::architecture::architecture;
use crate::lab::draw::digits;
use crate::lab::implant::{Change, Flip, Given, ImplantError, Poisoned};
use crate::lab::specimen::NOTICE;
use crate::lab::train::{Recipe, train};
use ndarray::{Array1, Array2};
use serde_json::Value;
use std::collections::BTreeMap;

const SIDE: usize = 20;
/// Images per class: the training set, and those that the responder's own network was trained on.
const SIZES: [usize; 2] = [60, 60];
/// The layer whose output is recorded for every image.
const LAYER: &str = "fc1";

/// A fifth of the fours are called nines.
const FLIP: Flip = Flip { rate: 0.2, from: Some(4), to: Some(9) };

fn set(seed: u64) -> DataSet {
    digits(SIDE, SIZES[0], "train", seed)
}

pub(super) fn make(story: &'static Story, seed: u64, watch: Watch) -> Result<Vec<Folder>, LabError> {
    let set = set(seed);
    let flipped = Change::Flip(FLIP).plant(&set, &Given::default(), seed)?;
    let honest = Poisoned { set: set.clone(), indices: vec![], true_labels: vec![], covers: vec![] };
    // Another network, by the responder, on images of its own: it has seen none of the labels in question.
    let own = digits(SIDE, SIZES[1], "reference", seed);
    let description = architecture("smallcnn", [1, SIDE, SIDE], 10)?;
    let model = train(&own, &description, &Recipe { epochs: 12, ..Recipe::default() }, seed, watch)?;
    let unit = set.unit(&(0..set.len()).collect::<Vec<_>>()).ok_or(ImplantError::NoImages)?;
    let (seen, _) = model.activations(unit.view(), LAYER)?;
    let mut out = Vec::new();
    for (part, poisoned) in [(&story.twin, &honest), (&story.suspect, &flipped)] {
        let change = Change::Flip(FLIP);
        let told = (!poisoned.indices.is_empty()).then_some(&change);
        let described = told.map_or(Ok(Value::Null), serde_json::to_value);
        let described = described.map_err(|e| LabError::write("truth.json", e))?;
        let truth = Truth {
            // Of the whole set, as elsewhere; the recipe's share is of one class.
            rate: poisoned.indices.len() as f64 / set.len() as f64,
            ..Truth::of(told, poisoned, described, seed)
        };
        out.push(Folder {
            name: part.name,
            part,
            model: None,
            labels: None,
            data: vec![("training", "train.safetensors", bytes(&poisoned.set, &seen)?)],
            others: Vec::new(),
            more: String::new(),
            truth: Some(truth),
            facts: vec![],
        });
    }
    Ok(out)
}

/// The set with what the responder's network sees in each image.
fn bytes(set: &DataSet, seen: &Array2<f32>) -> Result<Vec<u8>, LabError> {
    let Some(Pixels::U8(images)) = &set.images else { return Err(ImplantError::NoImages.into()) };
    let arrays = [
        ("activations", Stored::from(seen.view())),
        ("images", Stored::from(images.view())),
        ("labels", Stored::from(set.labels.iter().map(|&l| l as i64).collect::<Array1<i64>>())),
    ];
    let metadata = BTreeMap::from([("notice".to_owned(), NOTICE.to_owned())]);
    write_arrays(arrays.iter().map(|(name, a)| (*name, a)), &metadata)
        .map_err(|e| LabError::write("data set", e))
}

/// Nothing: the recorded activations are a network's, and need it trained.
#[expect(clippy::unnecessary_wraps, reason = "as all stories have it")]
pub(super) fn data(_: &'static Story, _: u64) -> Result<Vec<File>, LabError> {
    Ok(Vec::new())
}
