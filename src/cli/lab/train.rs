//! `laocoon lab train`.

use super::settings::table;
use super::{data, deliver, watch};
use crate::cli::{Exit, Usage, say};
use crate::evidence::{Limits, intake::read_text};
use crate::lab::architecture::{OWN, architecture};
use crate::lab::case_text::{CaseText, ModelText};
use crate::lab::expected::Truth;
use crate::lab::implant::{Attack, Given};
use crate::lab::measure::measure;
use crate::lab::specimen::{NOTICE, json_bytes, model_bytes, weights_bytes};
use crate::lab::train::{Recipe, Trained, csv, fit};
use crate::network::description::{Description, builtin};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// `lab train DATA --architecture NAME --out DIR`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct TrainArgs {
    /// The training set, with labels.
    data: PathBuf,
    /// A network by name, or a network description file (JSON).
    #[arg(long, value_name = "NAME|FILE", default_value = "smallcnn")]
    architecture: String,
    /// Fresh images to measure accuracy on.
    #[arg(long, value_name = "PATH")]
    test: Option<PathBuf>,
    /// truth.json of `lab implant`: the success of its attack is measured on the fresh images.
    #[arg(long, value_name = "FILE", requires = "test")]
    truth: Option<PathBuf>,
    /// Passes over the training set.
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Any other setting of the training (`method=adam`, `rate=0.001`, `shift=2`). Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A recipe file (TOML) with the same keys; options of the command line go first.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Seed of the weights and of the order of images.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder to write to: model.onnx, model.safetensors, network.json, case.toml, curves.csv, training.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn after_help() -> String {
    let names = OWN.iter().chain(&builtin::NAMES).copied().collect::<Vec<_>>().join(", ");
    let mut settings = String::new();
    if let Ok(Value::Object(map)) = serde_json::to_value(Recipe::default()) {
        for (key, value) in map {
            let _ = write!(settings, " {key}={value}");
        }
    }
    format!("Networks: {names}.\nSettings and their defaults:{settings}")
}

/// Trains and writes.
pub(super) fn run(args: &TrainArgs) -> anyhow::Result<Exit> {
    let mut settings = table(args.recipe.as_deref(), &args.set)?;
    if let Some(epochs) = args.epochs {
        settings.insert("epochs".into(), epochs.into());
    }
    let recipe: Recipe =
        serde_json::from_value(Value::Object(settings)).map_err(|e| Usage(format!("training: {e}")))?;
    let set = data(&args.data)?;
    let Some(shape) = set.shape() else { return Err(Usage("the training set has no images".into()).into()) };
    let classes = set.labels.iter().max().map_or(0, |l| l + 1).max(set.classes.len());
    let description = description(&args.architecture, shape, classes)?;
    let trained = fit(&set, &description, &recipe, args.seed, &mut watch())?;
    let Trained { model, curves, kept } = &trained;
    let mut told = json!({"notice": NOTICE, "seed": args.seed, "recipe": recipe, "kept_epoch": kept,
        "trained_on": set.len(), "last": curves.last()});
    if let Some(path) = &args.test {
        let attack = args.truth.as_deref().map(attack).transpose()?;
        let measured = measure(model, &data(path)?, attack.as_ref(), &Given::default(), args.seed)?;
        say(&serde_json::to_string(&measured)?);
        told["measured"] = serde_json::to_value(measured)?;
    }
    let case = CaseText {
        id: "LAB",
        title: "A network trained in the laboratory",
        questions: &[],
        model: Some(ModelText::made(&model.input)),
        data: &[],
        more: "",
    };
    let files = [
        ("model.onnx", model_bytes(model)?),
        ("model.safetensors", weights_bytes(model)?),
        ("network.json", description.to_json()?.into_bytes()),
        ("case.toml", case.to_string().into_bytes()),
        ("curves.csv", csv(curves).into_bytes()),
        ("training.json", json_bytes(&told)?),
    ];
    deliver(&args.out, &files)?;
    Ok(Exit::Pass)
}

/// The attack of a truth file, with its triggers' pixels as they were described.
fn attack(path: &Path) -> anyhow::Result<Attack> {
    let (_, text) = read_text(path, Limits::in_force())?;
    let truth: Truth = serde_json::from_str(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
    serde_json::from_value(truth.implant["attack"].clone())
        .map_err(|e| Usage(format!("{}: names no attack with a trigger: {e}", path.display())).into())
}

fn description(name: &str, shape: [usize; 3], classes: usize) -> anyhow::Result<Description> {
    let path = Path::new(name);
    if path.extension().is_some() {
        let (_, text) = read_text(path, Limits::in_force())?;
        return Ok(Description::parse(&text)?);
    }
    architecture(name, shape, classes).map_err(|e| Usage(e.to_string()).into())
}
