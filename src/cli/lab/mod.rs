//! `laocoon lab …`: known cases for validation. For isolated, authorised use only.

mod calibrate;
mod clean;
mod edit;
mod implant;
mod settings;
mod train;
mod zoo;

use super::{CaseOptions, Exit, Usage, say, target};
use crate::evidence::{CaseFile, DataSet, ItemState, Limits};
use crate::investigation::{Loaded, load};
use crate::lab::implant::in_bytes;
use crate::lab::{Progress, sample_cases, specimen};
use crate::network::Model;
use anyhow::bail;
use clap::{Args, Subcommand};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The lab's commands.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Plants a backdoor or other damage in a data set.
    Implant(implant::ImplantArgs),
    /// Trains a small network on a data set.
    Train(train::TrainArgs),
    /// Puts a backdoor into a trained network without training, or tampers with its file.
    EditWeights(edit::EditArgs),
    /// Sets accused training samples aside, trains again without them, and measures before and after.
    Clean(clean::CleanArgs),
    /// Measures the model detectors on models of known truth: the table behind their thresholds and probabilities, and
    /// the document with the error rates.
    Calibrate(calibrate::CalibrateArgs),
    /// Makes many models of known truth from a recipe, examines them, and says how often detectors err. Resumable; in shards.
    Zoo(zoo::ZooArgs),
    /// Brings the records of zoos and shards together: the calibration table and the document with the error rates.
    Merge(zoo::MergeArgs),
    /// Rebuilds the shipped sample cases from their seed, bit for bit.
    SampleCases(SampleArgs),
}

/// `lab sample-cases`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Folder to write them to; created if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of the drawings, the training and the planting; the shipped cases have 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Only this case and its twin (and no list of digests). Repeatable.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

/// Runs a lab command.
pub fn run(command: &LabCommand) -> anyhow::Result<Exit> {
    say("laboratory specimens: for validating detectors, in isolation, where you are authorised to");
    match command {
        LabCommand::Implant(args) => implant::run(args),
        LabCommand::Train(args) => train::run(args),
        LabCommand::EditWeights(args) => edit::run(args),
        LabCommand::Clean(args) => clean::run(args),
        LabCommand::Calibrate(args) => calibrate::run(args),
        LabCommand::Zoo(args) => zoo::run(args),
        LabCommand::Merge(args) => zoo::merge(args),
        LabCommand::SampleCases(args) => {
            for case in sample_cases::build(&args.out, args.seed, &args.only, &mut watch())? {
                say(&format!("{case}"));
            }
            Ok(Exit::Pass)
        }
    }
}

/// Tells of every tenth of a piece of work.
fn watch() -> impl FnMut(Progress) -> ControlFlow<()> {
    let mut told = ("", 0);
    move |at: Progress| {
        let tenth = (at.what, (10 * at.done).checked_div(at.total).unwrap_or(0));
        if tenth != told {
            told = tenth;
            say(&format!("{}: {} of {} steps, loss {:.3}", at.what, at.done, at.total, at.loss));
        }
        ControlFlow::Continue(())
    }
}

/// What a case names, or an error that says what is wrong with it.
fn taken(case: &CaseFile) -> anyhow::Result<Loaded> {
    let loaded = load(case, Limits::in_force());
    for item in &loaded.items {
        if let ItemState::Refused(why) = &item.state {
            bail!("{why}");
        }
    }
    Ok(loaded)
}

/// A data set in bytes (pixels stored as floats are rounded to 256 levels), with a label for each image.
fn data(path: &Path) -> anyhow::Result<DataSet> {
    let given = format!("clean={}", path.display());
    let case = target::case(&[], &CaseOptions { data: vec![given], ..CaseOptions::default() })?;
    let Some(data) = taken(&case)?.data.into_iter().next() else {
        bail!("{}: no data set could be loaded", path.display());
    };
    let set = in_bytes((*data.set).clone());
    if set.images.is_none() || set.labels.len() != set.len() {
        return Err(Usage(format!("{}: needs images, and a label for each", path.display())).into());
    }
    Ok(set)
}

/// The network of a model file or a case.
fn network(path: &Path, architecture: Option<&String>) -> anyhow::Result<Model> {
    let options = CaseOptions { architecture: architecture.cloned(), ..CaseOptions::default() };
    let mut case = target::case(&[path.to_owned()], &options)?;
    case.data.clear();
    let Some(model) = taken(&case)?.model else {
        bail!("{}: no network could be loaded", path.display());
    };
    std::sync::Arc::try_unwrap(model).map_err(|_| anyhow::anyhow!("the network is in use"))
}

/// Writes files into a folder and says so.
fn deliver(out: &Path, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
    for (name, bytes) in files {
        specimen::write(&out.join(name), bytes)?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    say(&format!("{}: {}", out.display(), names.join(", ")));
    Ok(())
}
