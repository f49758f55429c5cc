//! The text of a case file of the laboratory.

use super::specimen::NOTICE;
use crate::evidence::InputSpec;
use std::fmt::Write as _;

/// What a case file names; paths are relative to it.
#[derive(Debug, Clone, Copy)]
pub struct CaseText<'a> {
    /// Case id.
    pub id: &'a str,
    /// One line.
    pub title: &'a str,
    /// What is to be answered.
    pub questions: &'a [&'a str],
    /// The suspect model, if there is one.
    pub model: Option<ModelText<'a>>,
    /// Role, path and digest of each data set.
    pub data: &'a [(&'a str, &'a str, Option<String>)],
    /// Further sections, as they are to stand there.
    pub more: &'a str,
}

/// The model of a case file.
#[derive(Debug, Clone, Copy)]
pub struct ModelText<'a> {
    /// The file.
    pub path: &'a str,
    /// Network description or built-in name, for bare weights.
    pub architecture: Option<&'a str>,
    /// Published digest.
    pub sha256: Option<&'a str>,
    /// File with the class names.
    pub labels: Option<&'a str>,
    /// How images enter.
    pub input: &'a InputSpec,
}

impl<'a> ModelText<'a> {
    /// The network that the laboratory writes beside a case: `model.onnx`, with nothing said of it.
    pub fn made(input: &'a InputSpec) -> Self {
        Self { path: "model.onnx", architecture: None, sha256: None, labels: None, input }
    }
}

impl std::fmt::Display for CaseText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
        writeln!(f, "# {NOTICE}\n[case]\nid = {}\ntitle = {}", quote(self.id), quote(self.title))?;
        if !self.questions.is_empty() {
            writeln!(f, "questions = [")?;
            for q in self.questions {
                writeln!(f, "    {},", quote(q))?;
            }
            writeln!(f, "]")?;
        }
        if let Some(model) = self.model {
            writeln!(f, "\n[model]\npath = {}", quote(model.path))?;
            for (key, value) in [("architecture", model.architecture), ("labels", model.labels)] {
                if let Some(value) = value {
                    writeln!(f, "{key} = {}", quote(value))?;
                }
            }
            if let Some(digest) = model.sha256 {
                writeln!(f, "sha256 = {} # as published by the supplier", quote(digest))?;
            }
            let InputSpec { shape, range, mean, std } = model.input;
            writeln!(f, "\n[model.input]\nshape = {shape:?}\nrange = {range:?}")?;
            for (key, list) in [("mean", mean), ("std", std)] {
                if !list.is_empty() {
                    writeln!(f, "{key} = {list:?}")?;
                }
            }
        }
        for (role, path, digest) in self.data {
            writeln!(f, "\n[[data]]\nrole = {}\npath = {}", quote(role), quote(path))?;
            if let Some(digest) = digest {
                writeln!(f, "sha256 = {}", quote(digest))?;
            }
        }
        if !self.more.is_empty() {
            let mut more = String::new();
            write!(more, "\n{}", self.more.trim())?;
            writeln!(f, "{more}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::CaseFile;
    use std::path::Path;

    #[test]
    fn a_case_file_is_read_back_as_it_was_meant() {
        let input = InputSpec { shape: [3, 8, 8], range: [0.0, 1.0], mean: vec![0.5; 3], std: vec![0.25; 3] };
        let model =
            ModelText { path: "m.onnx", architecture: None, sha256: None, labels: None, input: &input };
        let text = CaseText {
            id: "X-1",
            title: "A \"quoted\" title",
            questions: &["Is it?"],
            model: Some(model),
            data: &[("training", "t.safetensors", Some("ab".repeat(32))), ("clean", "c.safetensors", None)],
            more: "",
        }
        .to_string();
        let case = CaseFile::parse(&text, Path::new("case.toml"), Path::new(".")).unwrap();
        assert_eq!(
            (case.title.as_str(), case.questions.len(), case.data.len()),
            ("A \"quoted\" title", 1, 2)
        );
        assert_eq!(case.model.unwrap().input, Some(input));
        assert!(text.contains(NOTICE));
    }
}
