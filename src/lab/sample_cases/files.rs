//! The files of one sample case.

use super::stories::Part;
use super::{File, Truth};
use crate::evidence::InputSpec;
use crate::lab::LabError;
use crate::lab::case_text::{CaseText, ModelText};
use crate::lab::expected::Expected;
use crate::lab::specimen::model_bytes;
use crate::lab::specimen::{NOTICE, json_bytes, sha256};
use crate::network::Model;

/// Numbers that the story's text has gaps for, by the gap's name.
pub(super) type Facts = Vec<(&'static str, String)>;

/// A case that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Its folder's name.
    pub(super) name: &'static str,
    /// Who says what.
    pub(super) part: &'static Part,
    /// The suspect network: file, bytes, how images enter, and for bare weights the file with its layers.
    pub(super) model: Option<ModelFile>,
    /// Class names.
    pub(super) labels: Option<Vec<String>>,
    /// Role and file of each data set.
    pub(super) data: Vec<(&'static str, &'static str, Vec<u8>)>,
    /// Other files.
    pub(super) others: Vec<(String, Vec<u8>)>,
    /// Further sections of the case file.
    pub(super) more: String,
    /// What was done.
    pub(super) truth: Option<Truth>,
    /// Further numbers of the story.
    pub(super) facts: Facts,
}

/// See [`Folder::model`].
#[derive(Debug, Clone)]
pub(super) struct ModelFile {
    pub(super) path: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) architecture: Option<(&'static str, Vec<u8>)>,
    pub(super) input: InputSpec,
    /// The digest that the supplier published, where it is not that of the file.
    pub(super) published: Option<String>,
}

impl ModelFile {
    /// A whole network as `model.onnx`, with its own digest published.
    pub(super) fn onnx(model: &Model) -> Result<Self, LabError> {
        let (bytes, input) = (model_bytes(model)?, model.input.clone());
        Ok(Self { path: "model.onnx", bytes, architecture: None, input, published: None })
    }
}

impl Folder {
    /// All its files.
    pub(super) fn files(self) -> Result<Vec<File>, LabError> {
        let mut files = vec![
            ("README.md".to_owned(), self.readme()?.into_bytes()),
            ("case.toml".to_owned(), self.case_file().into_bytes()),
            ("expected.json".to_owned(), json_bytes(&self.expected()?)?),
        ];
        if let Some(names) = &self.labels {
            files.push(("labels.txt".to_owned(), lines(names.iter().cloned()).into_bytes()));
        }
        if let Some(truth) = &self.truth {
            files.push(("truth.json".to_owned(), json_bytes(truth)?));
        }
        if let Some(model) = self.model {
            files.push((model.path.to_owned(), model.bytes));
            files.extend(model.architecture.map(|(path, bytes)| (path.to_owned(), bytes)));
        }
        files.extend(self.data.into_iter().map(|(_, path, bytes)| (path.to_owned(), bytes)));
        files.extend(self.others);
        Ok(files.into_iter().map(|(name, bytes)| (format!("{}/{name}", self.name), bytes)).collect())
    }

    fn expected(&self) -> Result<Expected, LabError> {
        serde_json::from_str(self.part.expected).map_err(|e| LabError::write("expected.json", e))
    }

    fn case_file(&self) -> String {
        let data: Vec<(&str, &str, Option<String>)> = self
            .data
            .iter()
            // The supplier publishes digests of what it hands over; the clean images are the responder's own.
            .map(|(role, path, bytes)| (*role, *path, (*role == "training").then(|| sha256(bytes))))
            .collect();
        let model = self.model.as_ref().map(|m| ModelText {
            path: m.path,
            architecture: m.architecture.as_ref().map(|(path, _)| *path),
            sha256: Some(m.published.as_deref().unwrap_or_default()),
            labels: self.labels.as_ref().map(|_| "labels.txt"),
            input: &m.input,
        });
        let own = self.model.as_ref().map(|m| sha256(&m.bytes)).unwrap_or_default();
        let model = model
            .map(|m| ModelText { sha256: m.sha256.filter(|d| !d.is_empty()).or(Some(own.as_str())), ..m });
        CaseText {
            id: self.part.id,
            title: self.part.title,
            questions: self.part.questions,
            model,
            data: &data,
            more: &self.more,
        }
        .to_string()
    }

    /// The story with its numbers filled in.
    fn readme(&self) -> Result<String, LabError> {
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        let mut facts: Facts = vec![("notice", NOTICE.to_owned())];
        if let Some(t) = &self.truth {
            facts.extend([
                ("train", t.trained_on.to_string()),
                ("planted", t.planted.to_string()),
                ("shown_planted", t.poison_indices.len().to_string()),
                ("covers", t.cover_indices.len().to_string()),
                ("rate", percent(t.rate)),
                ("tested", t.measured_on.to_string()),
                ("accuracy", percent(t.clean_accuracy.unwrap_or_default())),
                ("success", percent(t.attack_success.unwrap_or_default())),
                ("seed", t.seed.to_string()),
            ]);
        }
        facts.extend(self.facts.iter().cloned());
        let text = facts.into_iter().fold(self.part.readme.to_owned(), |text, (key, value)| {
            text.replace(&format!("{{{key}}}"), &value)
        });
        if text.contains(['{', '}']) {
            return Err(LabError::write(
                "README.md",
                format!("{}: a gap of the story was not filled", self.name),
            ));
        }
        Ok(text)
    }
}

/// Texts as lines.
fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |all, text| all + &text + "\n")
}

/// One line a file, as `sha256sum` writes and checks them.
pub(super) fn sums(files: &[File]) -> String {
    lines(files.iter().map(|(path, bytes)| format!("{}  {path}", sha256(bytes))))
}
