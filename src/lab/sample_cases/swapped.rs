//! A training run whose checkpoints were kept, one of them, which is the one that was delivered, taken from another
//! run.

use super::files::{Folder, ModelFile};
use super::stories::Story;
use super::{File, LabError, Truth, Watch};
use crate::lab::architecture::architecture;
use crate::lab::draw::digits;
use crate::lab::edit::substitute;
use crate::lab::implant::{ImplantError, Poisoned};
use crate::lab::specimen::{sha256, weights_bytes};
use crate::lab::train::{Recipe, Schedule, go_on, share};
use crate::network::train::initialise;
use crate::network::{Graph, Model};
use serde_json::Value;

const SIDE: usize = 16;
const CLASSES: usize = 10;
/// Checkpoints of the run, one every pass, and the one that was delivered.
const CHECKPOINTS: usize = 8;
const DELIVERED: usize = 5;

pub(super) fn make(story: &'static Story, seed: u64, watch: Watch) -> Result<Vec<Folder>, LabError> {
    let fresh = digits(SIDE, 40, "fresh", seed);
    let run = run(seed, seed, watch)?;
    let other = self::run(seed, seed ^ 0x5eed, watch)?;
    let (honest, foreign) = (&run[DELIVERED], &other[DELIVERED]);
    let swapped = substitute(honest, foreign, 1.0, &[])?;
    let published = sha256(&weights_bytes(honest)?);
    let shape = honest.input.shape;
    let network = architecture("mlp", shape, CLASSES)?.to_json()?.into_bytes();
    let set = digits(SIDE, 60, "train", seed);
    let untouched = Poisoned { set, indices: vec![], true_labels: vec![], covers: vec![] };
    let mut out = Vec::new();
    for (part, delivered, record) in
        [(&story.twin, honest, None), (&story.suspect, &swapped.model, Some(swapped.record.clone()))]
    {
        let mut others = Vec::new();
        for (k, model) in run.iter().enumerate() {
            let model = if k == DELIVERED { delivered } else { model };
            others.push((format!("checkpoints/epoch-{:02}.safetensors", k + 1), weights_bytes(model)?));
        }
        let truth = Truth {
            attack: record.is_some().then(|| "checkpoint-substitution".to_owned()),
            measured_on: fresh.len(),
            clean_accuracy: Some(share(delivered, &fresh, |i| Some(fresh.labels[i]))?),
            ..Truth::of(None, &untouched, record.unwrap_or(Value::Null), seed)
        };
        out.push(Folder {
            name: part.name,
            part,
            model: Some(ModelFile {
                path: "model.safetensors",
                bytes: weights_bytes(delivered)?,
                architecture: Some(("network.json", network.clone())),
                input: delivered.input.clone(),
                published: Some(published.clone()),
            }),
            labels: Some(untouched.set.classes.iter().map(crate::evidence::Untrusted::shown).collect()),
            data: vec![],
            others,
            more: "[pipeline]\ncheckpoints = \"checkpoints\"\n".to_owned(),
            truth: Some(truth),
            facts: vec![("delivered", format!("{:02}", DELIVERED + 1))],
        });
    }
    Ok(out)
}

/// A run: the network after each pass over the same images, from weights of `start`.
fn run(seed: u64, start: u64, watch: Watch) -> Result<Vec<Model>, LabError> {
    let set = digits(SIDE, 60, "train", seed);
    let shape = set.shape().ok_or(ImplantError::NoImages)?;
    let description = architecture("mlp", shape, CLASSES)?;
    let recipe = Recipe { epochs: 1, rate: 0.01, schedule: Schedule::Constant, ..Recipe::default() };
    let mut graph: Graph = initialise(&description, start, crate::evidence::Limits::in_force())?;
    let mut out = Vec::new();
    for k in 0..CHECKPOINTS {
        let trained = go_on(&set, graph, description.input_spec(), &recipe, start + k as u64, watch)?;
        graph = trained.model.graph().clone();
        out.push(trained.model);
    }
    Ok(out)
}

/// No data set is shipped.
#[expect(clippy::unnecessary_wraps, reason = "as all stories have it")]
pub(super) fn data(_: &'static Story, _: u64) -> Result<Vec<File>, LabError> {
    Ok(Vec::new())
}
