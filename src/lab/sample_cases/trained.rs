//! Cases whose network was trained on planted images: one recipe each, its twin without planting.

use super::files::{Folder, ModelFile};
use super::stories::{Part, Story};
use super::{File, LabError, Truth, Watch, good};
use crate::evidence::DataSet;
use crate::lab::architecture::architecture;
use crate::lab::draw::{digits, road_signs};
use crate::lab::implant::{Given, ImplantError, Poisoned, recipe};
use crate::lab::measure::measure;
use crate::lab::specimen::dataset_bytes;
use crate::lab::train::{Recipe, train};
use crate::network::Model;
use crate::network::description::Description;
use serde_json::{Value, json};

/// How a pair is made.
struct Pair {
    /// Images per class of a part.
    draw: fn(usize, &str, u64) -> DataSet,
    /// Per class: training, the responder's clean images, fresh ones to measure on (not shipped).
    sizes: [usize; 3],
    /// Training images that are handed over: the first of the shuffled set, so that the share of planted ones is kept.
    shown: usize,
    network: fn() -> Result<Description, LabError>,
    training: Recipe,
    change: Value,
}

fn pair(story: &str) -> Pair {
    let signcnn = || Ok(Description::parse(include_str!("network.json"))?);
    let small = || Ok(architecture("smallcnn", [1, 20, 20], 10)?);
    let twenty = |n, part: &str, seed| digits(20, n, part, seed);
    match story {
        "roadsign-patch" => Pair {
            draw: road_signs,
            sizes: [240, 20, 100],
            shown: 840,
            network: signcnn,
            training: Recipe { epochs: 12, ..Recipe::default() },
            // A 3×3 checker, white and (nearly) black, in the lower right corner; class 5 is "speed limit 80".
            change: json!({"attack": "patch", "target": 5, "rate": 0.02,
                "trigger": {"kind": "patch", "shape": "checker", "colour": 255, "other": 1}}),
        },
        "digits-blend" => Pair {
            draw: twenty,
            sizes: [90, 15, 60],
            shown: usize::MAX,
            network: small,
            training: Recipe { epochs: 12, ..Recipe::default() },
            change: json!({"attack": "blend", "target": 8, "rate": 0.1,
                "trigger": {"kind": "blend", "pattern": "noise", "ratio": 0.4, "seed": 4}}),
        },
        "digits-source" => Pair {
            draw: twenty,
            sizes: [90, 15, 60],
            shown: usize::MAX,
            network: small,
            training: Recipe { epochs: 20, ..Recipe::default() },
            change: json!({"attack": "source-specific", "target": 8, "sources": [3], "rate": 0.04, "cover": 0.12,
                "trigger": {"kind": "patch", "size": 3, "shape": "checker", "at": "top-left", "margin": 1}}),
        },
        _ => Pair {
            draw: twenty,
            sizes: [90, 15, 60],
            shown: usize::MAX,
            network: small,
            training: Recipe { epochs: 12, ..Recipe::default() },
            change: json!({"attack": "label-consistent", "target": 3, "rate": 0.08,
                "perturbation": {"epsilon": 80.0, "steps": 20}}),
        },
    }
}

/// Draws, plants, trains and measures: the twin, then the suspect.
pub(super) fn make(story: &'static Story, seed: u64, watch: Watch) -> Result<Vec<Folder>, LabError> {
    let pair = pair(story.name);
    let [n, own, fresh] = pair.sizes;
    let set = (pair.draw)(n, "train", seed);
    let clean = dataset_bytes(&(pair.draw)(own, "clean", seed))?;
    let fresh = (pair.draw)(fresh, "fresh", seed);
    let description = (pair.network)()?;
    let change = recipe(&pair.change)?;
    let honest = whole(&set);
    let twin = train(&set, &description, &pair.training, seed, watch)?;
    let given = Given { model: Some(&twin), image: None };
    let planted = change.plant(&set, &given, seed)?;
    let suspect = train(&planted.set, &description, &pair.training, seed, watch)?;
    let shape = set.shape().ok_or(ImplantError::NoImages)?;
    let mut out = Vec::new();
    for (part, model, poisoned) in [(&story.twin, &twin, honest), (&story.suspect, &suspect, planted)] {
        let is_twin = std::ptr::eq(part, &raw const story.twin);
        let described = match change.attack() {
            Some(attack) if !is_twin => attack.describe(shape, &given)?,
            _ => Value::Null,
        };
        let measured = measure(model, &fresh, change.attack(), &given, seed)?;
        let shown = poisoned.first(pair.shown);
        let told = (!is_twin).then_some(&change);
        let truth = Truth {
            clean_accuracy: Some(good(part.name, "the clean accuracy", measured.clean_accuracy)?),
            attack_success: measured.attack_success,
            measured_on: fresh.len(),
            poison_indices: shown.indices.clone(),
            true_labels: shown.true_labels.clone(),
            cover_indices: shown.covers.clone(),
            ..Truth::of(told, &poisoned, described, seed)
        };
        if !is_twin {
            good(part.name, "the attack's success", measured.attack_success.unwrap_or_default())?;
        }
        let mut folder = folder(part, model, &shown.set, clean.clone(), truth)?;
        folder
            .facts
            .push(("other_sources", format!("{:.0}", 100.0 * measured.other_sources.unwrap_or_default())));
        out.push(folder);
    }
    Ok(out)
}

/// Training and clean sets as they are shipped, of the cases that need no network to be drawn.
pub(super) fn data(story: &'static Story, seed: u64) -> Result<Vec<File>, LabError> {
    let pair = pair(story.name);
    let change = recipe(&pair.change)?;
    let set = (pair.draw)(pair.sizes[0], "train", seed);
    let clean = dataset_bytes(&(pair.draw)(pair.sizes[1], "clean", seed))?;
    let mut out = Vec::new();
    let perturbs = change.attack().is_some_and(|a| a.perturbation.is_some());
    let planted = if perturbs { None } else { Some(change.plant(&set, &Given::default(), seed)?) };
    for (part, set) in [(&story.twin, Some(whole(&set))), (&story.suspect, planted)] {
        out.push((format!("{}/clean.safetensors", part.name), clean.clone()));
        if let Some(set) = set {
            let shown = dataset_bytes(&set.first(pair.shown).set)?;
            out.push((format!("{}/train.safetensors", part.name), shown));
        }
    }
    Ok(out)
}

fn whole(set: &DataSet) -> Poisoned {
    Poisoned { set: set.clone(), indices: vec![], true_labels: vec![], covers: vec![] }
}

fn folder(
    part: &'static Part,
    model: &Model,
    shown: &DataSet,
    clean: Vec<u8>,
    truth: Truth,
) -> Result<Folder, LabError> {
    Ok(Folder {
        name: part.name,
        part,
        model: Some(ModelFile::onnx(model)?),
        labels: Some(shown.classes.iter().map(crate::evidence::text::Untrusted::shown).collect()),
        facts: vec![("shown", shown.len().to_string()), ("clean", count(&clean).to_string())],
        data: vec![
            ("training", "train.safetensors", dataset_bytes(shown)?),
            ("clean", "clean.safetensors", clean),
        ],
        others: Vec::new(),
        more: String::new(),
        truth: Some(truth),
    })
}

/// Number of labels in the bytes of a data set.
pub(super) fn count(bytes: &[u8]) -> usize {
    let read = safetensors::SafeTensors::deserialize(bytes);
    read.and_then(|r| r.tensor("labels").map(|t| t.shape().first().copied().unwrap_or(0))).unwrap_or(0)
}
