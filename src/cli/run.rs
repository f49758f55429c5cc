//! `laocoon run`: a network over images; what it puts out, and the activations of a layer.
//!
//! `logits` is the network's own output. Where that is a softmax, the values before it are written too, as
//! `logits_before_softmax`.

use super::bounds::Bounds;
use super::{CaseOptions, Exit, Usage, deliver, say, target};
use crate::evidence::safetensors::{Stored, write};
use crate::evidence::{CaseFile, Item, ItemState, Limits};
use crate::investigation::{Loaded, load};
use crate::jobs::Watch;
use anyhow::bail;
use clap::Args;
use ndarray::{Array2, Axis, concatenate};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `laocoon run MODEL --data PATH -o FILE.safetensors`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The model file.
    model: PathBuf,
    /// Images to run it over.
    #[arg(long, value_name = "PATH", required = true)]
    data: PathBuf,
    /// Also write the output of this layer, flattened, as `activations` (N×D).
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Take the input description (and architecture) from this case file.
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
    /// Architecture of bare weights: a built-in name, or a network description file (JSON).
    #[arg(long, value_name = "NAME|FILE")]
    architecture: Option<String>,
    /// Run the network of a file that triage flags or rejects too. It is read as data; nothing else of it is run.
    #[arg(long)]
    analyse_flagged: bool,
    /// Read weights that an ONNX file keeps in files beside it.
    #[arg(long)]
    external_data: bool,
    /// Where to write `logits` (N×K) and `activations`.
    #[arg(short, long, value_name = "FILE.safetensors")]
    output: PathBuf,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Images that are in memory as floats at a time.
const BATCH: usize = 256;

/// Runs the network.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let watch = Watch::begin(args.bounds.budget());
    let Loaded { items, model, data } = load(&case(args)?, Limits::in_force());
    for Item { state, .. } in &items {
        if let ItemState::Refused(why) = state {
            bail!("{why}");
        }
    }
    let (Some(model), Some(data)) = (model, data.into_iter().next()) else {
        bail!("the model or the data could not be loaded");
    };
    let (mut outputs, mut logits, mut activations) = (Vec::new(), Vec::new(), Vec::new());
    let all: Vec<usize> = (0..data.set.len()).collect();
    for (k, some) in all.chunks(BATCH).enumerate() {
        if watch.is_over() {
            let (why, done) = (watch.why().unwrap_or_default(), k * BATCH);
            say(&format!("{why}; {done} of {} images were run, nothing was written", all.len()));
            return Ok(Exit::Incomplete);
        }
        let Some(unit) = data.set.unit(some) else { bail!("{}: holds no images", args.data.display()) };
        outputs.push(model.outputs(unit.view())?);
        if model.closing_softmax() {
            logits.push(model.logits(unit.view())?);
        }
        if let Some(layer) = &args.layer {
            let (a, _) = model.activations(unit.view(), layer).map_err(|e| Usage(e.to_string()))?;
            activations.push(a);
        }
    }
    let mut arrays = vec![("logits", stack(&outputs)?)];
    for (name, parts) in [("logits_before_softmax", logits), ("activations", activations)] {
        if !parts.is_empty() {
            arrays.push((name, stack(&parts)?));
        }
    }
    let stored: Vec<(&str, Stored)> =
        arrays.iter().map(|(name, a)| (*name, Stored::from(a.view().into_dyn()))).collect();
    let bytes = write(stored.iter().map(|(name, s)| (*name, s)), &BTreeMap::new())?;
    deliver(Some(&args.output), &bytes)?;
    Ok(Exit::Pass)
}

/// The model under the input description of the case file, if one was given, and the data as clean images.
fn case(args: &RunArgs) -> anyhow::Result<CaseFile> {
    let data = format!("clean={}", args.data.display());
    let options = CaseOptions {
        data: vec![data],
        architecture: args.architecture.clone(),
        analyse_flagged: args.analyse_flagged,
        external_data: args.external_data,
        ..CaseOptions::default()
    };
    let mut case = target::case(std::slice::from_ref(&args.model), &options)?;
    let Some(file) = &args.case else { return Ok(case) };
    let described = target::case(std::slice::from_ref(file), &CaseOptions::default())?;
    let Some((model, like)) = case.model.as_mut().zip(described.model) else {
        return Err(Usage(format!("{}: describes no model", file.display())).into());
    };
    let beside = |path: PathBuf| described.root.join(path);
    model.input = like.input;
    if model.architecture.is_none() {
        // A name stays a name; a description is a file beside the case file.
        model.architecture = like.architecture.map(|name| match beside(name.clone().into()) {
            file if file.is_file() => file.to_string_lossy().into_owned(),
            _ => name,
        });
    }
    Ok(case)
}

fn stack(parts: &[Array2<f32>]) -> anyhow::Result<Array2<f32>> {
    let views: Vec<_> = parts.iter().map(Array2::view).collect();
    Ok(concatenate(Axis(0), &views)?)
}
