//! A checkpoint that acts when it is loaded. The payload is a marker: it would write one text file, and nobody ever
//! runs it.

use super::files::{Folder, ModelFile};
use super::stories::{Part, Story};
use super::{File, LabError, Truth, Watch, torch};
use crate::lab::architecture::architecture;
use crate::lab::draw::digits;
use crate::lab::implant::{ImplantError, Poisoned};
use crate::lab::specimen::weights_bytes;
use crate::lab::train::{Recipe, share, train};
use serde_json::{Value, json};

const SIDE: usize = 20;
const CLASSES: usize = 10;

/// What the pickle would hand to `exec`.
const MARKER: &str =
    "open('laocoon-specimen-was-loaded.txt', 'w').write('This checkpoint ran code when it was loaded.')";

pub(super) fn make(story: &'static Story, seed: u64, watch: Watch) -> Result<Vec<Folder>, LabError> {
    let set = digits(SIDE, 40, "train", seed);
    let fresh = digits(SIDE, 30, "fresh", seed);
    let description = architecture("smallcnn", set.shape().ok_or(ImplantError::NoImages)?, CLASSES)?;
    let model = train(&set, &description, &Recipe { epochs: 12, ..Recipe::default() }, seed, watch)?;
    let names: Vec<String> = set.classes.iter().map(crate::evidence::Untrusted::shown).collect();
    let network = description.to_json()?.into_bytes();
    let untouched = Poisoned { set, indices: vec![], true_labels: vec![], covers: vec![] };
    let accuracy = share(&model, &fresh, |i| Some(fresh.labels[i]))?;
    let truth = |acts: bool| Truth {
        attack: acts.then(|| "malicious-checkpoint".to_owned()),
        family: acts.then(|| "code-execution".to_owned()),
        implant: if acts { json!({"call": "builtins.exec", "argument": MARKER}) } else { Value::Null },
        measured_on: fresh.len(),
        clean_accuracy: Some(accuracy),
        ..Truth::of(None, &untouched, Value::Null, seed)
    };
    let file = |path, bytes, architecture| ModelFile {
        path,
        bytes,
        architecture,
        input: model.input.clone(),
        published: None,
    };
    let malicious = torch::saved(model.graph(), "checkpoint", Some(MARKER));
    let honest = torch::saved(model.graph(), "checkpoint", None);
    let folder = |part: &'static Part, model, others, more: &str, truth| Folder {
        name: part.name,
        part,
        model: Some(model),
        labels: Some(names.clone()),
        data: vec![],
        others,
        more: more.to_owned(),
        truth: Some(truth),
        facts: vec![],
    };
    let weights = file("model.safetensors", weights_bytes(&model)?, Some(("network.json", network)));
    Ok(vec![
        folder(
            &story.twin,
            weights,
            vec![("checkpoints/checkpoint.pt".to_owned(), honest)],
            "[pipeline]\ncheckpoints = \"checkpoints\"\n",
            truth(false),
        ),
        folder(&story.suspect, file("checkpoint.pt", malicious, None), vec![], "", truth(true)),
    ])
}

/// No data set is shipped.
#[expect(clippy::unnecessary_wraps, reason = "as all stories have it")]
pub(super) fn data(_: &'static Story, _: u64) -> Result<Vec<File>, LabError> {
    Ok(Vec::new())
}
