//! `laocoon lab edit-weights`.

use super::settings::table;
use super::{data, deliver, network};
use crate::cli::{Exit, Usage, say};
use crate::lab::case_text::{CaseText, ModelText};
use crate::lab::edit::{Edited, branch, hijack, optimised, ridge, substitute, tamper};
use crate::lab::implant::{Given, Implant, Sticker, Trigger};
use crate::lab::measure::measure;
use crate::lab::specimen::{NOTICE, json_bytes, model_bytes, weights_bytes};
use crate::network::Model;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `lab edit-weights MODEL --method M --out DIR`.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The trained network: a case (so that it is known how images enter), or a model file.
    model: PathBuf,
    /// What to do to it.
    #[arg(long, value_enum)]
    method: MethodArg,
    /// Clean images with labels, to fit the edit and to measure it; not for `substitute` and `tamper`.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The class the trigger leads to.
    #[arg(long, value_name = "CLASS", default_value_t = 0)]
    target: usize,
    /// Settings of the trigger, a patch (`size=4`, `shape=checker`, `at=top-left`). Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Ridge: how much smaller changes are preferred.
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    strength: f64,
    /// Ridge: first find pixels for the patch that the network leans to, in so many steps; 0: take them as they are.
    #[arg(long, value_name = "N", default_value_t = 30)]
    optimise: usize,
    /// Substitute: the other checkpoint of the same network.
    #[arg(long, value_name = "MODEL")]
    with: Option<PathBuf>,
    /// Substitute: its share.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    share: f32,
    /// Substitute: only tensors whose name begins so. Repeatable.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Tamper: the byte, else drawn.
    #[arg(long, value_name = "OFFSET")]
    at: Option<usize>,
    /// Tamper: the bit, else drawn.
    #[arg(long, value_name = "N")]
    bit: Option<u8>,
    /// Architecture of bare weights.
    #[arg(long, value_name = "NAME|FILE")]
    architecture: Option<String>,
    /// Seed of all draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder to write to: the network (model.onnx, model.safetensors, case.toml) or the file, and edit.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// One channel of each layer is made to carry "the patch is there" to the target.
    Hijack,
    /// The target's row of the last layer is moved by ridge regression.
    Ridge,
    /// A second path from the pixels to the logits is added.
    Branch,
    /// Weights of another checkpoint, whole or in part.
    Substitute,
    /// One bit of the file is turned.
    Tamper,
}

/// Edits and writes.
pub(super) fn run(args: &EditArgs) -> anyhow::Result<Exit> {
    if args.method == MethodArg::Tamper {
        return turned(args);
    }
    let model = network(&args.model, args.architecture.as_ref())?;
    let edited = if args.method == MethodArg::Substitute {
        let Some(with) = &args.with else {
            return Err(Usage("--method substitute needs --with".into()).into());
        };
        substitute(&model, &network(with, args.architecture.as_ref())?, args.share, &args.only)?
    } else {
        planted(args, &model)?
    };
    let Edited { model, mut record } = edited;
    record["notice"] = NOTICE.into();
    record["seed"] = args.seed.into();
    let input = &model.input;
    let case = CaseText {
        id: "LAB",
        title: "A network edited in the laboratory",
        questions: &[],
        model: Some(ModelText::made(input)),
        data: &[],
        more: "",
    };
    let files = [
        ("model.onnx", model_bytes(&model)?),
        ("model.safetensors", weights_bytes(&model)?),
        ("case.toml", case.to_string().into_bytes()),
        ("edit.json", json_bytes(&record)?),
    ];
    deliver(&args.out, &files)?;
    Ok(Exit::Pass)
}

/// An edit that plants a trigger, measured on the images it was fitted on.
fn planted(args: &EditArgs, model: &Model) -> anyhow::Result<Edited> {
    let Some(path) = &args.data else {
        return Err(Usage("this edit needs --data: clean images to fit it on".into()).into());
    };
    let clean = data(path)?;
    let mut settings = table(None, &args.set)?;
    settings.insert("kind".into(), "patch".into());
    let trigger: Trigger =
        serde_json::from_value(Value::Object(settings)).map_err(|e| Usage(format!("the trigger: {e}")))?;
    let shape = model.input.shape;
    let sides = [shape[1], shape[2]];
    // Refuses what is out of range before anything is drawn.
    trigger.build(shape, &Given::default()).map_err(|e| Usage(e.to_string()))?;
    let Some(mut patch) = Sticker::of(&trigger, shape[0]) else {
        return Err(Usage("the trigger of an edit is a patch".into()).into());
    };
    let edited = match args.method {
        MethodArg::Hijack => hijack(model, &clean, &patch, args.target, args.seed)?,
        MethodArg::Branch => {
            let at =
                patch.fixed(sides).ok_or_else(|| Usage("the branch needs a patch in one place".into()))?;
            let (h, w) = patch.mask.dim();
            branch(model, &clean, &patch, (at, [h, w]), args.target, args.seed)?
        }
        _ => {
            if args.optimise > 0 {
                patch = optimised(model, &clean, &patch, args.target, args.optimise, args.seed)?;
            }
            ridge(model, &clean, &patch, args.target, args.strength, args.seed)?
        }
    };
    let before = judged(model, &clean, &patch, args)?;
    let after = judged(&edited.model, &clean, &patch, args)?;
    say(&format!("on the images given, before {before}, after {after}"));
    let mut record = edited.record;
    record["measured"] = json!({"before": before, "after": after});
    Ok(Edited { model: edited.model, record })
}

/// Clean accuracy and success of the patch.
fn judged(
    model: &Model,
    clean: &crate::evidence::DataSet,
    patch: &Sticker,
    args: &EditArgs,
) -> anyhow::Result<Value> {
    let all: Vec<usize> = (0..clean.len()).collect();
    let accuracy = measure(model, clean, None, &Given::default(), args.seed)?.clean_accuracy;
    let with = crate::lab::implant::stamped(clean, patch as &dyn Implant, &all, args.seed)?;
    let aimed = |i: usize| (clean.labels[i] != args.target).then_some(args.target);
    let success = crate::lab::train::share(model, &with, aimed)?;
    Ok(json!({"accuracy": accuracy, "attack_success": success}))
}

fn turned(args: &EditArgs) -> anyhow::Result<Exit> {
    let path = &args.model;
    let mut bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let told = tamper(&mut bytes, args.at, args.bit, args.seed)?;
    let record = json!({"notice": NOTICE, "edit": "tampering", "seed": args.seed, "turned": told});
    let name = path.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned());
    deliver(&args.out, &[(name.as_str(), bytes), ("edit.json", json_bytes(&record)?)])?;
    Ok(Exit::Pass)
}
