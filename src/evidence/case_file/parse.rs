//! The text of a case file to a [`CaseFile`]: known keys only, values checked, every error with its line.

use super::{
    CaseFile, DataEntry, Deployment, Handling, InputSpec, ModelEntry, Pipeline, digest, is_description,
    leaves_folder, quoted,
};
use crate::evidence::{EvidenceError, Role, text};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Pixels of one image side or channels: beyond it, the shape is a mistake.
const EXTENT: usize = 16_384;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    case: RawCase,
    model: Option<RawModel>,
    #[serde(default)]
    data: Vec<RawData>,
    pipeline: Option<RawPipeline>,
    deployment: Option<RawDeployment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    id: Spanned<String>,
    title: Option<String>,
    #[serde(default)]
    questions: Vec<String>,
    requester: Option<String>,
    authority: Option<String>,
    organisation: Option<String>,
    classification: Option<String>,
}

type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    path: Spanned<String>,
    architecture: Text,
    sha256: Text,
    signature: Text,
    key: Text,
    labels: Text,
    input: Option<RawInput>,
    #[serde(default)]
    external_data: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    shape: Spanned<Vec<usize>>,
    range: Option<Spanned<Vec<f32>>>,
    mean: Option<Spanned<Vec<f32>>>,
    std: Option<Spanned<Vec<f32>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawRole {
    Training,
    Clean,
    Test,
    Suspect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawData {
    role: RawRole,
    path: Spanned<String>,
    sha256: Text,
    manifest: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPipeline {
    baseline: Text,
    current: Text,
    stages: Text,
    metrics: Text,
    expected: Text,
    compute: Text,
    prices: Text,
    egress: Text,
    allow: Text,
    checkpoints: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeployment {
    first_seen: Option<Spanned<toml::Value>>,
    last_seen: Option<Spanned<toml::Value>>,
    requests_per_day: Option<u64>,
    log: Text,
}

pub(super) fn parse(source: &str, path: &Path, root: &Path) -> Result<CaseFile, EvidenceError> {
    let file = File { source, path };
    let raw: Raw = toml::from_str(source).map_err(|e| file.syntax(&e))?;
    if raw.case.id.get_ref().trim().is_empty() {
        return Err(file.value(&raw.case.id, "id is empty"));
    }
    let model = raw.model.map(|m| file.model(m)).transpose()?;
    let data = raw.data.into_iter().map(|d| file.data(&d)).collect::<Result<Vec<_>, _>>()?;
    let mut unexamined = Vec::new();
    let pipeline = raw.pipeline.map(|p| file.pipeline(&p)).transpose()?;
    let deployment = raw.deployment.map(|d| file.deployment(&d)).transpose()?;
    if deployment.as_ref().is_some_and(|d| *d != Deployment { log: d.log.clone(), ..Deployment::default() }) {
        unexamined.push("deployment".to_owned());
    }
    let log = deployment.as_ref().is_some_and(|d| d.log.is_some());
    if model.is_none() && data.is_empty() && pipeline.is_none() && !log {
        let reason = "neither [model] nor [[data]] nor [pipeline]: there is nothing to examine";
        return Err(EvidenceError::whole(path, "case.empty", reason));
    }
    let handling = Handling {
        requester: raw.case.requester,
        authority: raw.case.authority,
        organisation: raw.case.organisation,
        classification: raw.case.classification,
    };
    let id = raw.case.id.into_inner();
    Ok(CaseFile {
        title: raw.case.title.unwrap_or_else(|| id.clone()),
        id,
        questions: raw.case.questions,
        model,
        data,
        artefacts: Vec::new(),
        pipeline: pipeline.map(Box::new),
        deployment: deployment.map(Box::new),
        handling: (handling != Handling::default()).then(|| Box::new(handling)),
        unexamined,
        text: source.to_owned(),
        root: root.to_owned(),
    })
}

/// The text being parsed, for errors with lines.
struct File<'a> {
    source: &'a str,
    path: &'a Path,
}

impl File<'_> {
    fn line(&self, offset: usize) -> String {
        let before = self.source.get(..offset).unwrap_or(self.source);
        format!("line {}", before.matches('\n').count() + 1)
    }

    fn syntax(&self, e: &toml::de::Error) -> EvidenceError {
        let code = match e.message() {
            m if m.starts_with("unknown field") => "case.unknown-key",
            m if m.starts_with("missing field") => "case.missing-key",
            m if m.starts_with("unknown variant") || m.starts_with("invalid") => "case.value",
            m if m.starts_with("duplicate") => "case.duplicate-key",
            _ => "case.syntax",
        };
        let place = e.span().map(|s| self.line(s.start)).unwrap_or_default();
        let message = e.message().replace('\n', "; ").replace("unknown field", "unknown key");
        let message = message.replace("missing field", "missing key");
        EvidenceError::at(self.path, place, code, text::visible(&message))
    }

    fn at<T>(&self, field: &Spanned<T>, code: &'static str, reason: impl Into<String>) -> EvidenceError {
        EvidenceError::at(self.path, self.line(field.span().start), code, reason)
    }

    fn value<T>(&self, field: &Spanned<T>, reason: impl Into<String>) -> EvidenceError {
        self.at(field, "case.value", reason)
    }

    /// A path that stays in the case's folder.
    fn confined(&self, field: &Spanned<String>) -> Result<PathBuf, EvidenceError> {
        let path = PathBuf::from(field.get_ref());
        match leaves_folder(&path) {
            None => Ok(path),
            Some(why) => {
                let name = quoted(field.get_ref());
                let reason =
                    format!("path {name}: {why}; paths must be relative and stay in the case's folder");
                Err(self.at(field, "case.path", reason))
            }
        }
    }

    fn optional(&self, field: Option<&Spanned<String>>) -> Result<Option<PathBuf>, EvidenceError> {
        field.map(|f| self.confined(f)).transpose()
    }

    fn pipeline(&self, p: &RawPipeline) -> Result<Pipeline, EvidenceError> {
        let path = |field: &Text| self.optional(field.as_ref());
        Ok(Pipeline {
            baseline: path(&p.baseline)?,
            current: path(&p.current)?,
            stages: path(&p.stages)?,
            metrics: path(&p.metrics)?,
            expected: path(&p.expected)?,
            compute: path(&p.compute)?,
            prices: path(&p.prices)?,
            egress: path(&p.egress)?,
            allow: path(&p.allow)?,
            checkpoints: path(&p.checkpoints)?,
        })
    }

    fn deployment(&self, d: &RawDeployment) -> Result<Deployment, EvidenceError> {
        // TOML has dates of its own; people write them as text too.
        let day = |field: &Option<Spanned<toml::Value>>| match field.as_ref().map(|f| (f, f.get_ref())) {
            None => Ok(None),
            Some((_, toml::Value::String(text))) => Ok(Some(text.clone())),
            Some((_, toml::Value::Datetime(date))) => Ok(Some(date.to_string())),
            Some((field, _)) => Err(self.value(field, "must be a date, such as 2026-03-02")),
        };
        Ok(Deployment {
            first_seen: day(&d.first_seen)?,
            last_seen: day(&d.last_seen)?,
            requests_per_day: d.requests_per_day,
            log: self.optional(d.log.as_ref())?,
        })
    }

    fn sha256(&self, field: Option<&Spanned<String>>) -> Result<Option<String>, EvidenceError> {
        let Some(field) = field else { return Ok(None) };
        let found = digest(field.get_ref());
        found.map(Some).ok_or_else(|| self.value(field, "sha256 must be 64 hexadecimal digits"))
    }

    fn model(&self, m: RawModel) -> Result<ModelEntry, EvidenceError> {
        if let Some(name) = m.architecture.as_ref().filter(|a| is_description(a.get_ref())) {
            self.confined(name)?;
        }
        Ok(ModelEntry {
            path: self.confined(&m.path)?,
            sha256: self.sha256(m.sha256.as_ref())?,
            signature: self.optional(m.signature.as_ref())?,
            key: self.optional(m.key.as_ref())?,
            labels: self.optional(m.labels.as_ref())?,
            architecture: m.architecture.map(Spanned::into_inner),
            input: m.input.map(|i| self.input(&i)).transpose()?,
            analyse_flagged: false,
            external_data: m.external_data,
        })
    }

    fn input(&self, i: &RawInput) -> Result<InputSpec, EvidenceError> {
        let shape = match i.shape.get_ref()[..] {
            [c, h, w] if [c, h, w].iter().all(|&d| (1..=EXTENT).contains(&d)) => [c, h, w],
            [_, _, _] => {
                return Err(self.value(&i.shape, format!("shape: each extent must be in 1..={EXTENT}")));
            }
            ref other => {
                let reason =
                    format!("shape has {} numbers; it must be [channels, height, width]", other.len());
                return Err(self.value(&i.shape, reason));
            }
        };
        let range = match i.range.as_ref().map(|r| (r, &r.get_ref()[..])) {
            None => [0.0, 1.0],
            Some((_, &[lo, hi])) if lo.is_finite() && hi.is_finite() && lo < hi => [lo, hi],
            Some((field, _)) => {
                return Err(
                    self.value(field, "range must be two finite numbers [lowest, highest], lowest first")
                );
            }
        };
        let per_channel =
            |field: &Option<Spanned<Vec<f32>>>, name: &str, positive: bool| match field {
                None => Ok(Vec::new()),
                Some(f) if f.get_ref().len() != shape[0] => {
                    let (has, needs) = (f.get_ref().len(), shape[0]);
                    Err(self.value(f, format!("{name} has {has} numbers, the input has {needs} channels")))
                }
                Some(f) if f.get_ref().iter().any(|x| !x.is_finite()) => {
                    Err(self.value(f, format!("{name} must be finite")))
                }
                Some(f) if positive && f.get_ref().iter().any(|&x| x <= 0.0) => Err(self
                    .value(f, format!("{name} must be above 0 in every channel: pixels are divided by it"))),
                Some(f) => Ok(f.get_ref().clone()),
            };
        let (mean, std) = (per_channel(&i.mean, "mean", false)?, per_channel(&i.std, "std", true)?);
        Ok(InputSpec { shape, range, mean, std })
    }

    fn data(&self, d: &RawData) -> Result<DataEntry, EvidenceError> {
        let role = match d.role {
            RawRole::Training => Role::Training,
            RawRole::Clean => Role::Clean,
            RawRole::Test => Role::Test,
            RawRole::Suspect => Role::Suspect,
        };
        Ok(DataEntry {
            role,
            path: self.confined(&d.path)?,
            sha256: self.sha256(d.sha256.as_ref())?,
            manifest: self.optional(d.manifest.as_ref())?,
        })
    }
}
