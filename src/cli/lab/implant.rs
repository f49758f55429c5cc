//! `laocoon lab implant`.

use super::settings::{put, table};
use super::{data, deliver, network};
use crate::cli::{Exit, Usage, say};
use crate::evidence::dataset::Pixels;
use crate::lab::expected::Truth;
use crate::lab::implant::{Change, Given, NAMES, Poisoned, recipe};
use crate::lab::specimen::{dataset_bytes, json_bytes};
use clap::Args;
use ndarray::Axis;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// `lab implant DATA --attack NAME --out DIR`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub struct ImplantArgs {
    /// The data set: any form of the contract, with labels.
    data: PathBuf,
    /// What to plant.
    #[arg(long, value_name = "NAME")]
    attack: Option<String>,
    /// The class the trigger leads to.
    #[arg(long, value_name = "CLASS")]
    target: Option<usize>,
    /// Share of the set that is planted.
    #[arg(long, value_name = "SHARE")]
    rate: Option<f64>,
    /// Any other setting of the recipe (`trigger.size=4`, `trigger.at=random`). Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A recipe file (TOML) with the same keys; options of the command line go first.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// A trained network, for attacks that perturb images (label-consistent): a model file or a case.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Architecture of bare weights.
    #[arg(long, value_name = "NAME|FILE")]
    architecture: Option<String>,
    /// A data set or picture whose first image is blended (`trigger.pattern=image`).
    #[arg(long, value_name = "PATH")]
    image: Option<PathBuf>,
    /// Seed of all draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder to write to: train.safetensors, poison.csv, truth.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn after_help() -> String {
    format!("Attacks: {}. Their settings: src/lab/README.md.", NAMES.join(", "))
}

/// Plants and writes.
pub(super) fn run(args: &ImplantArgs) -> anyhow::Result<Exit> {
    let mut settings = table(args.recipe.as_deref(), &args.set)?;
    let given = [
        ("attack", args.attack.clone().map(Value::from)),
        ("target", args.target.map(Value::from)),
        ("rate", args.rate.map(Value::from)),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            put(&mut settings, key, value);
        }
    }
    let change = recipe(&Value::Object(settings)).map_err(|e| Usage(e.to_string()))?;
    let set = data(&args.data)?;
    let model = args.model.as_ref().map(|path| network(path, args.architecture.as_ref())).transpose()?;
    let image = match &args.image {
        None => None,
        Some(path) => match in_image(path)? {
            Some(image) => Some(image),
            None => return Err(Usage(format!("{}: holds no image", path.display())).into()),
        },
    };
    let given = Given { model: model.as_ref(), image };
    let poisoned = change.plant(&set, &given, args.seed)?;
    let described = match (change.attack(), set.shape()) {
        (Some(attack), Some(shape)) => attack.describe(shape, &given)?,
        _ => serde_json::to_value(&change)?,
    };
    let truth = Truth::of(Some(&change), &poisoned, described, args.seed);
    let files = [
        ("train.safetensors", dataset_bytes(&poisoned.set)?),
        ("poison.csv", list(&change, &poisoned).into_bytes()),
        ("truth.json", json_bytes(&truth)?),
    ];
    deliver(&args.out, &files)?;
    let Poisoned { indices, covers, .. } = &poisoned;
    say(&format!("{} of {} samples planted, {} covers", indices.len(), set.len(), covers.len()));
    Ok(Exit::Pass)
}

/// The first image of a data set or picture.
fn in_image(path: &std::path::Path) -> anyhow::Result<Option<ndarray::Array3<u8>>> {
    let given = format!("clean={}", path.display());
    let options = crate::cli::CaseOptions { data: vec![given], ..crate::cli::CaseOptions::default() };
    let loaded = super::taken(&crate::cli::target::case(&[], &options)?)?;
    let set = loaded.data.into_iter().next().map(|d| crate::lab::implant::in_bytes((*d.set).clone()));
    Ok(match set.and_then(|s| s.images) {
        Some(Pixels::U8(images)) if images.shape()[0] > 0 => Some(images.index_axis(Axis(0), 0).to_owned()),
        _ => None,
    })
}

/// The list of what was changed, as CSV.
fn list(change: &Change, poisoned: &Poisoned) -> String {
    let mut text = "index,label_before,label_after,role\n".to_owned();
    let labels = &poisoned.set.labels;
    let mut rows: Vec<(usize, usize, &str)> =
        poisoned.indices.iter().zip(&poisoned.true_labels).map(|(&i, &l)| (i, l, change.name())).collect();
    rows.extend(poisoned.covers.iter().map(|&i| (i, labels[i], "cover")));
    rows.sort_unstable();
    for (i, before, role) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{i},{before},{},{role}", labels[i]);
    }
    text
}
