//! The sample cases that are shipped, rebuilt bit for bit from their seed.
//!
//! Each is a folder with a case file, the evidence it names, the truth (which the case file does not name), what is
//! expected of an examination, and a story. A backdoored case has a clean twin: the same pipeline without planting.

mod files;

use super::draw::{SIGNS, road_signs};
use super::expected::{Expected, Flag, Measure, Rank, SCHEMA, TRUTH_SCHEMA, Truth};
use super::implant::{Implant, Patch, Poisoned, poison, stamped};
use super::specimen::{self, NOTICE};
use super::train::{self, Recipe};
use super::{LabError, Progress, Watch};
use crate::evidence::DataSet;
use crate::network::Model;
use crate::network::description::Description;
use ndarray::Array3;
use std::path::Path;

/// The seed of the shipped cases.
pub const SEED: u64 = 0;

/// File at the top that lists the SHA-256 of all others, in the form of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";

/// Class the trigger leads to: "speed limit 80".
const TARGET: usize = 5;
/// Share of the training set that is planted.
const RATE: f64 = 0.02;
/// Images per class: training set, clean images of the responder, fresh images for measuring (not shipped).
const TRAIN: usize = 240;
const CLEAN: usize = 20;
const FRESH: usize = 100;
/// Training images that are handed over: the first of the shuffled set, so that the share of planted ones is kept.
const SHOWN: usize = 840;
/// The network, and how it is trained.
const NETWORK: &str = include_str!("network.json");

/// Passes over the training set.
const EPOCHS: usize = 12;
/// What a specimen must reach to be of use.
const WANTED: f64 = 0.9;

/// A case, as named in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Story {
    name: &'static str,
    id: &'static str,
    title: &'static str,
    questions: &'static [&'static str],
    readme: &'static str,
    planted: bool,
}

const STORIES: [Story; 2] = [
    Story {
        name: "roadsign-patch",
        id: "SAMPLE-01",
        title: "Road-sign classifier from a third party",
        questions: &[
            "Is the model backdoored?",
            "Which training images planted it?",
            "What does the trigger look like, and how far can it be trusted to work?",
        ],
        readme: include_str!("roadsign-patch.md"),
        planted: true,
    },
    Story {
        name: "roadsign-patch-twin",
        id: "SAMPLE-01-TWIN",
        title: "Road-sign classifier from a third party, second delivery",
        questions: &[
            "Is the second delivery backdoored?",
            "Is there anything wrong with its training images?",
        ],
        readme: include_str!("roadsign-patch-twin.md"),
        planted: false,
    },
];

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Name of the case, which is its folder's.
    pub name: &'static str,
    /// Share of fresh clean images that get their label.
    pub clean_accuracy: f64,
    /// See [`Truth::attack_success`].
    pub attack_success: f64,
    /// Bytes of its files.
    pub bytes: usize,
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { name, clean_accuracy, attack_success, bytes } = self;
        write!(
            f,
            "{name}: clean accuracy {clean_accuracy:.3}, attack success {attack_success:.3}, {bytes} bytes"
        )
    }
}

/// A file to be written: its path from the output folder, with `/`, and its content.
pub type File = (String, Vec<u8>);

/// Makes all sample cases from a seed (shipped: [`SEED`]) and writes them below `out`, over whatever files of the same
/// names are there.
///
/// # Errors
/// A file cannot be written, a specimen comes out too poor to be of use, or `watch` asks to stop.
pub fn build(out: &Path, seed: u64, watch: Watch) -> Result<Vec<Built>, LabError> {
    let (files, built) = make(seed, watch)?;
    for (path, bytes) in files {
        specimen::write(&out.join(path), &bytes)?;
    }
    Ok(built)
}

/// Makes all sample cases in memory: their files in order of path, and what was built.
///
/// # Errors
/// See [`build`].
pub fn make(seed: u64, watch: Watch) -> Result<(Vec<File>, Vec<Built>), LabError> {
    let (mut files, mut built) = (Vec::new(), Vec::new());
    let recipe = Recipe { epochs: EPOCHS, ..Recipe::default() };
    for story in &STORIES {
        let evidence = Evidence::make(story, seed)?;
        let description = Description::parse(NETWORK)?;
        let model = train::train(&evidence.train.set, &description, &recipe, seed, &mut |p| {
            watch(Progress { what: story.name, ..p })
        })?;
        let truth = measure(story, &model, &evidence, seed)?;
        let own = files::of(story, &model, &evidence, &truth)?;
        built.push(Built {
            name: story.name,
            clean_accuracy: truth.clean_accuracy.unwrap_or_default(),
            attack_success: truth.attack_success.unwrap_or_default(),
            bytes: own.iter().map(|(_, bytes)| bytes.len()).sum(),
        });
        files.extend(own);
    }
    files.sort();
    files.push((SUMS.to_owned(), files::sums(&files).into_bytes()));
    Ok((files, built))
}

/// The data sets of all cases as they are shipped, byte for byte, without training anything.
///
/// # Errors
/// See [`build`].
pub fn data(seed: u64) -> Result<Vec<File>, LabError> {
    let mut out = Vec::new();
    for story in &STORIES {
        let evidence = Evidence::make(story, seed)?;
        out.push((
            format!("{}/train.safetensors", story.name),
            specimen::dataset_bytes(&evidence.shown.set)?,
        ));
        out.push((format!("{}/clean.safetensors", story.name), specimen::dataset_bytes(&evidence.clean)?));
    }
    Ok(out)
}

struct Evidence {
    /// What the network is trained on.
    train: Poisoned,
    /// The part of it that is handed over.
    shown: Poisoned,
    clean: DataSet,
    patch: Patch,
}

impl Evidence {
    fn make(story: &Story, seed: u64) -> Result<Self, LabError> {
        let patch = checker();
        let rate = if story.planted { RATE } else { 0.0 };
        let train = poison(&road_signs(TRAIN, "train", seed), &patch, TARGET, rate, seed)?;
        Ok(Self { shown: train.first(SHOWN), train, clean: road_signs(CLEAN, "clean", seed), patch })
    }
}

/// A 3×3 checker, white and (nearly) black, in the lower right corner.
fn checker() -> Patch {
    let pattern = Array3::from_shape_fn((3, 3, 3), |(_, y, x)| if (y + x) % 2 == 0 { 255 } else { 1 });
    let corner = super::draw::SIDE - 3;
    Patch { pattern, at: (corner, corner) }
}

fn measure(story: &Story, model: &Model, evidence: &Evidence, seed: u64) -> Result<Truth, LabError> {
    let fresh = road_signs(FRESH, "fresh", seed);
    let clean_accuracy = train::share(model, &fresh, |i| Some(fresh.labels[i]))?;
    let all: Vec<usize> = (0..fresh.len()).collect();
    let with_trigger = stamped(&fresh, &evidence.patch, &all, seed)?;
    let attack_success =
        train::share(model, &with_trigger, |i| (fresh.labels[i] != TARGET).then_some(TARGET))?;
    let poor = |what, value| LabError::Poor { specimen: story.name, what, value, wanted: WANTED };
    if clean_accuracy < WANTED {
        return Err(poor("the clean accuracy", clean_accuracy));
    }
    if story.planted && attack_success < WANTED {
        return Err(poor("the attack's success", attack_success));
    }
    Ok(Truth {
        schema: TRUTH_SCHEMA.to_owned(),
        notice: NOTICE.to_owned(),
        seed,
        backdoored: story.planted,
        target: story.planted.then_some(TARGET),
        implant: if story.planted { evidence.patch.recipe() } else { serde_json::Value::Null },
        rate: if story.planted { RATE } else { 0.0 },
        trained_on: evidence.train.set.len(),
        planted: evidence.train.indices.len(),
        poison_indices: evidence.shown.indices.clone(),
        true_labels: evidence.shown.true_labels.clone(),
        attack: story.planted.then(|| "patch".to_owned()),
        family: story.planted.then(|| "patch".to_owned()),
        cover_indices: Vec::new(),
        measured_on: fresh.len(),
        clean_accuracy: Some(clean_accuracy),
        attack_success: Some(attack_success),
    })
}

/// What an examination must and must not say.
fn expected(story: &Story) -> Expected {
    let flag = |procedure: &str| Flag { procedure: procedure.to_owned(), class: Some(TARGET) };
    let strings = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
    let always = ["integrity", "format-safety"];
    if !story.planted {
        let more = ["neural-cleanse", "activation-clustering", "spectral-signatures", "trigger-probe"];
        return Expected {
            schema: SCHEMA.to_owned(),
            exit_code: 0,
            must_flag: Vec::new(),
            must_not_flag: strings(&[&always[..], &more[..]].concat()),
            must_rank: Vec::new(),
            must_measure: Vec::new(),
        };
    }
    let rank = |procedure: &str, array: &str, within_class, roc_auc| Rank {
        procedure: procedure.to_owned(),
        array: array.to_owned(),
        within_class,
        roc_auc,
    };
    let measure = |procedure: &str, measure: &str, min, max| Measure {
        procedure: procedure.to_owned(),
        measure: measure.to_owned(),
        min,
        max,
    };
    Expected {
        schema: SCHEMA.to_owned(),
        exit_code: 1,
        must_flag: ["neural-cleanse", "trigger-probe"].map(flag).into(),
        must_not_flag: strings(&always),
        must_rank: vec![
            rank("spectral-signatures", "scores", Some(TARGET), 0.9),
            rank("activation-clustering", "assignments", Some(TARGET), 0.9),
        ],
        must_measure: vec![
            measure("refine-trigger", "success_rate", Some(0.9), None),
            measure("trigger-probe", "success_rate", Some(0.9), None),
            measure("trigger-probe", "control_success_rate", None, Some(0.5)),
        ],
    }
}

/// Names of the classes, one a line.
fn labels() -> String {
    files::lines(SIGNS.iter().map(|sign| sign.name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rebuilds the shipped cases: `SAMPLE_CASES=sample-cases cargo test --lib build_by_hand -- --nocapture`.
    #[test]
    fn build_by_hand() {
        let Some(out) = std::env::var_os("SAMPLE_CASES") else { return };
        for made in build(Path::new(&out), SEED, &mut |_| std::ops::ControlFlow::Continue(())).unwrap() {
            println!("{made:?}");
        }
    }
}
