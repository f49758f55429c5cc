//! The files of one sample case.

use super::{CLEAN, Evidence, File, RATE, SHOWN, SIGNS, Story, Truth, expected, labels};
use crate::evidence::InputSpec;
use crate::lab::LabError;
use crate::lab::specimen::{NOTICE, dataset_bytes, model_bytes};
use crate::network::Model;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// All files of a case.
pub(super) fn of(
    story: &Story,
    model: &Model,
    evidence: &Evidence,
    truth: &Truth,
) -> Result<Vec<File>, LabError> {
    let spec = &model.input;
    let model = model_bytes(model)?;
    let train = dataset_bytes(&evidence.shown.set)?;
    let clean = dataset_bytes(&evidence.clean)?;
    let case = case_file(story, spec, &sha256(&model), &sha256(&train));
    let files = [
        ("README.md", readme(story, truth).into_bytes()),
        ("case.toml", case.into_bytes()),
        ("clean.safetensors", clean),
        ("expected.json", json(&expected(story))?),
        ("labels.txt", labels().into_bytes()),
        ("model.onnx", model),
        ("train.safetensors", train),
        ("truth.json", json(truth)?),
    ];
    Ok(files.into_iter().map(|(name, bytes)| (format!("{}/{name}", story.name), bytes)).collect())
}

/// Texts as lines.
pub(super) fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |all, text| all + &text + "\n")
}

/// One line a file, as `sha256sum` writes and checks them.
pub(super) fn sums(files: &[File]) -> String {
    lines(files.iter().map(|(path, bytes)| format!("{}  {path}", sha256(bytes))))
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, LabError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| LabError::write("json", e))?;
    text.push(b'\n');
    Ok(text)
}

fn case_file(story: &Story, spec: &InputSpec, model: &str, train: &str) -> String {
    let questions: Vec<String> = story.questions.iter().map(|q| format!("    \"{q}\",\n")).collect();
    format!(
        "# {NOTICE}\n\
         [case]\n\
         id = \"{id}\"\n\
         title = \"{title}\"\n\
         questions = [\n{questions}]\n\
         \n\
         [model]\n\
         path = \"model.onnx\"\n\
         sha256 = \"{model}\" # as published by the supplier\n\
         labels = \"labels.txt\"\n\
         \n\
         [model.input]\n\
         shape = {shape:?}\n\
         range = {range:?}\n\
         mean = {mean:?}\n\
         std = {std:?}\n\
         \n\
         [[data]]\n\
         role = \"training\"\n\
         path = \"train.safetensors\"\n\
         sha256 = \"{train}\"\n\
         \n\
         [[data]]\n\
         role = \"clean\"\n\
         path = \"clean.safetensors\"\n",
        id = story.id,
        title = story.title,
        questions = questions.concat(),
        shape = spec.shape,
        range = spec.range,
        mean = spec.mean,
        std = spec.std,
    )
}

/// The story with its numbers filled in.
fn readme(story: &Story, truth: &Truth) -> String {
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    [
        ("{notice}", NOTICE.to_owned()),
        ("{train}", truth.trained_on.to_string()),
        ("{shown}", SHOWN.to_string()),
        ("{clean}", (CLEAN * SIGNS.len()).to_string()),
        ("{planted}", truth.planted.to_string()),
        ("{shown_planted}", truth.poison_indices.len().to_string()),
        ("{rate}", percent(RATE)),
        ("{tested}", truth.measured_on.to_string()),
        ("{accuracy}", percent(truth.clean_accuracy.unwrap_or_default())),
        ("{success}", percent(truth.attack_success.unwrap_or_default())),
        ("{seed}", truth.seed.to_string()),
    ]
    .into_iter()
    .fold(story.readme.to_owned(), |text, (key, value)| text.replace(key, &value))
}

#[cfg(test)]
mod tests {
    use super::super::STORIES;
    use super::*;

    fn truth() -> Truth {
        serde_json::from_value(serde_json::json!({"schema": "", "notice": "", "seed": 0, "backdoored": true,
            "target": 5, "implant": null, "rate": 0.02, "trained_on": 2880, "planted": 58, "poison_indices": [1, 2], "true_labels": [0, 0],
            "measured_on": 1200, "clean_accuracy": 0.961, "attack_success": 1.0}))
        .unwrap()
    }

    #[test]
    fn stories_say_what_they_are_and_have_no_gaps() {
        for story in &STORIES {
            let text = readme(story, &truth());
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(NOTICE) && words.contains("right 96 times"), "{text}");
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }

    #[test]
    fn the_case_file_is_toml_of_the_contract_and_does_not_name_the_truth() {
        for story in &STORIES {
            let spec =
                InputSpec { shape: [3, 32, 32], range: [0.0, 1.0], mean: vec![0.5; 3], std: vec![0.25; 3] };
            let text = case_file(story, &spec, &"ab".repeat(32), &"cd".repeat(32));
            let case: toml::Table = text.parse().unwrap();
            assert_eq!(case["model"]["input"]["shape"][2].as_integer(), Some(32));
            assert_eq!(case["data"][0]["role"].as_str(), Some("training"));
            assert_eq!(case["case"]["questions"].as_array().unwrap().len(), story.questions.len());
            assert!(text.contains(NOTICE) && !text.contains("truth") && !text.contains("expected"));
        }
    }
}
