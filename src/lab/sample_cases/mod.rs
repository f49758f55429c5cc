//! The sample cases that are shipped, rebuilt bit for bit from their seed.
//!
//! Each is a folder with a case file, the evidence it names, the truth (which the case file does not name), what is
//! expected of an examination, and a story. Each has a clean twin: the same made without the damage.
//!
//! | file here | cases |
//! |---|---|
//! | `stories.rs` | names, titles, questions; the text of each is in `stories/`, what is expected too |
//! | `trained.rs` | planted in the training data: patch, blend, label-consistent, source-specific |
//! | `edited.rs` | a hijacked network |
//! | `flipped.rs` | training data alone, some labels turned |
//! | `checkpoint.rs`, `torch.rs` | a checkpoint that acts when loaded, as a file of `torch.save` |
//! | `swapped.rs` | a run whose published checkpoint was exchanged |
//! | `pipeline/` | definitions, artefacts and logs around a training |

mod checkpoint;
mod edited;
mod files;
mod flipped;
mod pipeline;
mod stories;
mod swapped;
mod torch;
mod trained;

use super::expected::Truth;
use super::specimen;
use super::{LabError, Progress, Watch};
use files::Folder;
use std::path::Path;
use stories::STORIES;

/// The seed of the shipped cases.
pub const SEED: u64 = 0;

/// File at the top that lists the SHA-256 of all others, in the form of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";

/// What a specimen must reach to be of use.
const WANTED: f64 = 0.9;

/// What was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Name of the case, which is its folder's.
    pub name: &'static str,
    /// Share of fresh clean images that get their label; `None` where there is no network.
    pub clean_accuracy: Option<f64>,
    /// See [`Truth::attack_success`].
    pub attack_success: Option<f64>,
    /// Bytes of its files.
    pub bytes: usize,
}

impl std::fmt::Display for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}: ", self.name)?;
        for (what, share) in
            [("clean accuracy", self.clean_accuracy), ("attack success", self.attack_success)]
        {
            if let Some(share) = share {
                write!(f, "{what} {share:.3}, ")?;
            }
        }
        write!(f, "{} bytes", self.bytes)
    }
}

/// A file to be written: its path from the output folder, with `/`, and its content.
pub type File = (String, Vec<u8>);

/// Makes all sample cases from a seed (shipped: [`SEED`]) and writes them below `out`, over whatever files of the same
/// names are there. Where `only` names some (without `-twin`), those pairs alone, and no [`SUMS`].
///
/// # Errors
/// A name that is none, a file that cannot be written, a specimen that comes out too poor to be of use, or `watch` asks
/// to stop.
pub fn build(out: &Path, seed: u64, only: &[String], watch: Watch) -> Result<Vec<Built>, LabError> {
    if let Some(bad) = only.iter().find(|o| STORIES.iter().all(|s| s.name != *o)) {
        let names: Vec<&str> = STORIES.iter().map(|s| s.name).collect();
        let bad = crate::evidence::text::visible(bad);
        return Err(LabError::Recipe(format!("no sample case '{bad}'; there is {}", names.join(", "))));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let (files, built) = make(seed, &wanted, watch)?;
    for (path, bytes) in files.into_iter().filter(|(path, _)| only.is_empty() || path != SUMS) {
        specimen::write(&out.join(path), &bytes)?;
    }
    Ok(built)
}

/// Makes sample cases in memory: their files in order of path, and what was built.
///
/// # Errors
/// See [`build`].
pub fn make(
    seed: u64,
    wanted: &dyn Fn(&str) -> bool,
    watch: Watch,
) -> Result<(Vec<File>, Vec<Built>), LabError> {
    let (mut files, mut built) = (Vec::new(), Vec::new());
    for story in STORIES.iter().filter(|s| wanted(s.name)) {
        // The last made is the suspect: the twin comes first, since some attacks start from it.
        for folder in (story.make)(story, seed, &mut |p| watch(Progress { what: story.name, ..p }))? {
            let Folder { name, truth, .. } = &folder;
            let (name, truth) = (*name, truth.clone());
            let own = folder.files()?;
            built.push(Built {
                name,
                clean_accuracy: truth.as_ref().and_then(|t| t.clean_accuracy),
                attack_success: truth.as_ref().and_then(|t| t.attack_success),
                bytes: own.iter().map(|(_, bytes)| bytes.len()).sum(),
            });
            files.extend(own);
        }
    }
    files.sort();
    files.push((SUMS.to_owned(), files::sums(&files).into_bytes()));
    Ok((files, built))
}

/// The data sets of the cases that need no network to be drawn, byte for byte as they are shipped.
///
/// # Errors
/// See [`build`].
pub fn data(seed: u64) -> Result<Vec<File>, LabError> {
    let mut out = Vec::new();
    for story in &STORIES {
        out.extend((story.data)(story, seed)?);
    }
    Ok(out)
}

/// An error when a specimen is too poor to be of use.
fn good(specimen: &'static str, what: &'static str, value: f64) -> Result<f64, LabError> {
    if value < WANTED { Err(LabError::Poor { specimen, what, value, wanted: WANTED }) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::expected::{Expected, SCHEMA};

    /// Rebuilds the shipped cases: `SAMPLE_CASES=sample-cases cargo test --lib build_by_hand -- --nocapture`.
    #[test]
    fn build_by_hand() {
        let Some(out) = std::env::var_os("SAMPLE_CASES") else { return };
        for made in build(Path::new(&out), SEED, &[], &mut |_| std::ops::ControlFlow::Continue(())).unwrap() {
            println!("{made:?}");
        }
    }

    #[test]
    fn every_story_has_a_twin_a_text_and_expectations_of_its_own() {
        let mut ids = std::collections::BTreeSet::new();
        for story in &STORIES {
            for part in [&story.suspect, &story.twin] {
                assert!(ids.insert(part.id), "{}", part.id);
                assert!(!part.questions.is_empty() && part.readme.contains("{notice}"), "{}", part.id);
                assert!(
                    part.readme.contains("## What you are told") && part.readme.contains("| pane |"),
                    "{}",
                    part.id
                );
                let expected: Expected = serde_json::from_str(part.expected).unwrap();
                assert_eq!(expected.schema, SCHEMA, "{}", part.id);
            }
            let suspect: Expected = serde_json::from_str(story.suspect.expected).unwrap();
            let twin: Expected = serde_json::from_str(story.twin.expected).unwrap();
            assert!(twin.must_flag.is_empty(), "{}: the twin is clean", story.name);
            assert_eq!(twin.exit_code, u8::from(!twin.false_alarms.is_empty()), "{}", story.name);
            assert!(suspect.exit_code == 1 || !suspect.missed.is_empty(), "{}", story.name);
        }
        assert!(STORIES.len() >= 9);
    }
}
