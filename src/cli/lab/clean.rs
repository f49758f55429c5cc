//! `laocoon lab clean`: quarantine, train again, measure again.

use super::settings::table;
use super::{data, deliver, network, taken, watch};
use crate::case::{CaseState, Session};
use crate::cli::{CaseOptions, Exit, Usage, say, target};
use crate::evidence::intake::read_text;
use crate::evidence::{DataSet, Limits, Role};
use crate::lab::case_text::{CaseText, ModelText};
use crate::lab::clean::{Cleaning, Stamp, Tested, clean, quarantine, test};
use crate::lab::implant::in_bytes;
use crate::lab::specimen::{NOTICE, dataset_bytes, json_bytes, model_bytes};
use crate::lab::train::Recipe;
use crate::procedure::Tensor;
use anyhow::bail;
use clap::{Args, ValueEnum};
use ndarray::{Ix2, Ix3};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Points of accuracy that may be lost without a word.
const MOST_LOST: f64 = 2.0;
/// A trigger that works on so many is not gone.
const STILL: f64 = 0.1;

/// `lab clean CASE --session DIR --out DIR`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// The case: its model, its training set, and clean or test images to measure on.
    case: PathBuf,
    /// A session of this case: the list of poisoned-samples, and the trigger of refine-trigger where there is one.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    session: Option<PathBuf>,
    /// Instead of a session's list: a JSON array of sample indices.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// How the network is made anew [default: unlearn where there is a trigger, else retrain].
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Images with the trigger on, under their true labels, to measure its success on.
    #[arg(long, value_name = "PATH", requires = "target")]
    stamped: Option<PathBuf>,
    /// The class that the trigger leads to.
    #[arg(long, value_name = "CLASS")]
    target: Option<usize>,
    /// A setting of the training (`epochs=20`, `rate=0.01`). Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seed of the weights and of the order of images.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Folder to write to: quarantine.json, train.safetensors, clean.safetensors, model.onnx, case.toml, cleaned.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// From fresh weights, on what is left.
    Retrain,
    /// The suspect network goes on, on what is left.
    FineTune,
    /// The same with the session's trigger on a fifth of the samples, under their own labels.
    Unlearn,
}

/// Cleans up and writes what came of it.
pub(super) fn run(args: &CleanArgs) -> anyhow::Result<Exit> {
    let case = target::case(std::slice::from_ref(&args.case), &CaseOptions::default())?;
    let suspect = network(&args.case, None)?;
    let loaded = taken(&case)?;
    let set = |role: Role| loaded.data.iter().find(|d| d.role == role).map(|d| in_bytes((*d.set).clone()));
    let Some(train) = set(Role::Training) else {
        return Err(Usage("the case has no training set to clean".into()).into());
    };
    let Some(fresh) = set(Role::Clean).or_else(|| set(Role::Test)).filter(|f| f.labels.len() == f.len())
    else {
        return Err(Usage("the case has no clean or test images with labels to measure on".into()).into());
    };
    let session = args.session.as_deref().map(Session::open).transpose().map_err(|e| Usage(e.to_string()))?;
    let indices = match (&args.list, &session) {
        (Some(path), _) => listed(path)?,
        (None, Some(session)) => of_session(&session.state())?,
        (None, None) => bail!("there is no list"),
    };
    if let Some(past) = indices.iter().find(|i| **i >= train.len()) {
        return Err(Usage(format!("sample {past} is listed, the training set has {}", train.len())).into());
    }
    let found = session.as_ref().and_then(trigger);
    let goal = args.target.or(found.as_ref().and_then(|(_, target)| *target));
    let stamped: Option<DataSet> = match (&args.stamped, &found) {
        (Some(path), _) => Some(data(path)?),
        (None, Some((stamp, _))) => Some(stamp.stamped(&fresh, &(0..fresh.len()).collect::<Vec<_>>())?),
        (None, None) => None,
    };
    // Training from the start removes what the samples planted, but keeps the accuracy only where the whole set is at
    // hand; a trigger can be unlearnt with a part of it.
    let chosen = args.method.unwrap_or(if found.is_some() { MethodArg::Unlearn } else { MethodArg::Retrain });
    let how = match (chosen, found) {
        (MethodArg::Retrain, _) => Cleaning::Retrain(None),
        (MethodArg::FineTune, _) => Cleaning::FineTune,
        (MethodArg::Unlearn, Some((stamp, _))) => Cleaning::Unlearn(stamp),
        (MethodArg::Unlearn, None) => {
            return Err(Usage("to unlearn, the session must have a trigger (refine-trigger)".into()).into());
        }
    };
    let recipe = recipe(chosen, &args.set)?;
    let (rest, manifest) = quarantine(&train, &indices)?;
    say(&format!("{} of {} samples set aside", manifest.quarantined.len(), manifest.samples));
    let model = clean(&suspect, &rest, &how, &recipe, args.seed, &mut watch())?;
    let with = stamped.as_ref().zip(goal);
    let [before, after] = [test(&suspect, &fresh, with)?, test(&model, &fresh, with)?];
    for (when, t) in [("before", before), ("after", after)] {
        say(&format!("{when}: {}", told(&t)));
    }
    for doubt in doubts(chosen, &before, &after) {
        say(&doubt);
    }
    let report = json!({"notice": NOTICE, "method": format!("{chosen:?}").to_lowercase(), "seed": args.seed,
        "recipe": recipe, "quarantined": manifest.quarantined.len(), "target": goal, "before": before, "after": after});
    let text = CaseText {
        id: &format!("{}-cleaned", case.id),
        title: "The case after cleaning up",
        questions: &case.questions.iter().map(String::as_str).collect::<Vec<_>>(),
        model: Some(ModelText::made(&model.input)),
        data: &[("clean", "clean.safetensors", None), ("training", "train.safetensors", None)],
        more: "",
    };
    let files = [
        ("quarantine.json", json_bytes(&manifest)?),
        ("cleaned.json", json_bytes(&report)?),
        ("train.safetensors", dataset_bytes(&rest)?),
        ("clean.safetensors", dataset_bytes(&fresh)?),
        ("model.onnx", model_bytes(&model)?),
        ("case.toml", text.to_string().into_bytes()),
    ];
    deliver(&args.out, &files)?;
    say("scan the new case and compare: laocoon diff SESSION SESSION");
    Ok(Exit::Pass)
}

/// Settings of the training: those of the method, with the user's over them.
fn recipe(method: MethodArg, settings: &[String]) -> anyhow::Result<Recipe> {
    let usual = if method == MethodArg::Retrain { Recipe::default() } else { Recipe::going_on() };
    let mut all = serde_json::to_value(usual)?;
    if let Value::Object(all) = &mut all {
        all.extend(table(None, settings)?);
    }
    Ok(serde_json::from_value(all).map_err(|e| Usage(format!("training: {e}")))?)
}

/// What is not as it should be after the clean-up, and what to try.
fn doubts(method: MethodArg, before: &Tested, after: &Tested) -> Vec<String> {
    let mut out = Vec::new();
    let lost = 100.0 * (before.clean_accuracy.value - after.clean_accuracy.value);
    if lost > MOST_LOST {
        let why = if method == MethodArg::Retrain {
            "was the whole training set at hand? With a trigger, --method unlearn keeps more"
        } else {
            "try a lower rate (--set rate=…)"
        };
        out.push(format!("the clean accuracy fell by {lost:.1} points: {why}"));
    }
    if after.trigger_success.is_some_and(|s| s.value >= STILL) {
        out.push("the trigger still works: try more epochs (--set epochs=…), or a longer list".to_owned());
    }
    out
}

fn told(t: &Tested) -> String {
    let share = |s: &crate::lab::clean::Share| {
        format!("{:.3} ({:.3} to {:.3}, {} images)", s.value, s.interval[0], s.interval[1], s.of)
    };
    let success = t.trigger_success.as_ref().map_or("not measured".to_owned(), share);
    format!("clean accuracy {}, trigger success {success}", share(&t.clean_accuracy))
}

fn listed(path: &Path) -> anyhow::Result<Vec<usize>> {
    let (_, text) = read_text(path, Limits::in_force())?;
    let list: Value = serde_json::from_str(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
    serde_json::from_value(list)
        .map_err(|e| Usage(format!("{}: not an array of sample indices: {e}", path.display())).into())
}

/// The list of a session.
fn of_session(state: &CaseState) -> anyhow::Result<Vec<usize>> {
    let record = state
        .record("poisoned-samples")
        .ok_or_else(|| Usage("in the session poisoned-samples has not finished".into()))?;
    let list = record.measures.get("indices").cloned().unwrap_or_default();
    let list: Vec<usize> = serde_json::from_value(list)?;
    if list.is_empty() {
        return Err(Usage("in the session poisoned-samples lists nothing".into()).into());
    }
    Ok(list)
}

/// The refined trigger of a session and its target, when it has one.
fn trigger(session: &Session) -> Option<(Stamp, Option<usize>)> {
    let state = session.state();
    let record = state.record("refine-trigger")?;
    let array = |name: &str| match session.blobs().tensor(record.blobs.get(name)?).ok()? {
        (_, Tensor::F32(a)) => Some(a),
        _ => None,
    };
    let mask = array("mask")?.into_dimensionality::<Ix2>().ok()?;
    let pattern = array("pattern")?.into_dimensionality::<Ix3>().ok()?;
    let target = record.measures.get("target").and_then(Value::as_u64).map(|t| t as usize);
    Some((Stamp { mask, pattern }, target))
}
