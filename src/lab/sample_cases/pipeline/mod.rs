//! A training pipeline as it was reviewed and as it ran, with what surrounds a model: artefacts, checkpoints, metrics,
//! use of accelerators, network flows. Nothing is trained; definitions, scripts and settings are written by hand
//! (`texts/`), the rest is drawn (`artefacts.rs`, `logs.rs`).

mod artefacts;
mod logs;

use super::files::Folder;
use super::stories::{Part, Story};
use super::{File, LabError, Watch};

/// Where the parts lie, for the case file.
const SECTION: &str = r#"[pipeline]
baseline = "pipeline/approved"
current = "pipeline/as-run"
stages = "pipeline/stages.json"
metrics = "pipeline/metrics.csv"
expected = "pipeline/expected.csv"
compute = "pipeline/gpu.csv"
egress = "pipeline/flows.csv"
allow = "pipeline/allow.txt"
checkpoints = "pipeline/checkpoints"
"#;

/// Files of a definition: where each lies in the pipeline's folder, and its text.
type Texts = [(&'static str, &'static str); 6];

macro_rules! texts {
    ($folder:literal) => {
        [
            (".github/workflows/release.yml", include_str!(concat!("texts/", $folder, "/release.yml"))),
            ("configs/data_manifest.json", include_str!(concat!("texts/", $folder, "/data_manifest.json"))),
            ("configs/train.yaml", include_str!(concat!("texts/", $folder, "/train.yaml"))),
            ("src/dataset.py", include_str!("texts/dataset.py")),
            ("src/train.py", include_str!(concat!("texts/", $folder, "/train.py"))),
            ("workflow.yaml", include_str!(concat!("texts/", $folder, "/workflow.yaml"))),
        ]
    };
}

static APPROVED: Texts = texts!("approved");
static TAMPERED: Texts = texts!("tampered");
static ORDINARY: Texts = texts!("ordinary");

/// The seed is not asked: the logs tell one story, to the minute.
pub(super) fn make(story: &'static Story, _: u64, _: Watch) -> Result<Vec<Folder>, LabError> {
    [(&story.twin, false), (&story.suspect, true)]
        .into_iter()
        .map(|(part, tampered)| {
            Ok(Folder {
                name: part.name,
                part,
                model: None,
                labels: None,
                data: vec![],
                others: material(tampered)?,
                more: SECTION.to_owned(),
                truth: None,
                facts: vec![],
            })
        })
        .collect()
}

/// Everything: no network is trained.
pub(super) fn data(story: &'static Story, _: u64) -> Result<Vec<File>, LabError> {
    let below = |part: &Part, tampered| {
        let name = part.name;
        let files = material(tampered)?.into_iter();
        Ok::<_, LabError>(files.map(move |(path, bytes)| (format!("{name}/{path}"), bytes)))
    };
    Ok(below(&story.suspect, true)?.chain(below(&story.twin, false)?).collect())
}

/// The folder of the pipeline.
fn material(tampered: bool) -> Result<Vec<File>, LabError> {
    let mut files: Vec<File> = vec![("allow.txt".to_owned(), include_bytes!("texts/allow.txt").to_vec())];
    for (folder, texts) in [("approved", &APPROVED), ("as-run", if tampered { &TAMPERED } else { &ORDINARY })]
    {
        files.extend(texts.map(|(path, text)| (format!("{folder}/{path}"), text.as_bytes().to_vec())));
    }
    files.extend(artefacts::stages(tampered)?);
    files.extend(artefacts::checkpoints(tampered)?);
    files.extend(
        [
            ("metrics.csv", logs::metrics(tampered)),
            ("expected.csv", logs::expected()),
            ("gpu.csv", logs::compute(tampered)),
            ("flows.csv", logs::egress(tampered)),
        ]
        .map(|(path, text)| (path.to_owned(), text.into_bytes())),
    );
    Ok(files.into_iter().map(|(path, bytes)| (format!("pipeline/{path}"), bytes)).collect())
}
