//! Does each checkpoint come from the one before it by training, or was one replaced or edited?

mod steps;
#[cfg(test)]
mod tests;

use super::material::{self, Folder, base};
use super::sighting::{Seen, Sighting, Words};
use crate::evidence::Role;
use crate::evidence::limits::{Limits, cap};
use crate::figure::{Body, Series};
use crate::math::robust::median;
use crate::procedure::{
    About, Case, Concern, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop, numbers,
};
use serde_json::json;
use std::collections::BTreeMap;
use steps::{Move, Step, Weights, distance, key, read, step};

/// The procedure `checkpoint-lineage`.
#[derive(Debug)]
pub struct CheckpointLineage;

/// The one instance.
pub static CHECKPOINT_LINEAGE: CheckpointLineage = CheckpointLineage;

static ABOUT: About = About {
    id: "checkpoint-lineage",
    title: "Checkpoint lineage",
    phase: Phase::Triage,
    version: 1,
    question: "Does each checkpoint come from the one before by training, or was one replaced or edited, and where?",
    needs: "a folder of checkpoints of one run (safetensors)",
    reference: "distance and direction between successive weights, each held against the other steps of the same run",
    cost: Cost::Medium,
    after: &[],
    page: include_str!("../checkpoint_lineage.md"),
};

/// A step this many times its neighbours is a jump; one this far ahead of the usual, for a checkpoint off the path.
const JUMP: f64 = 5.0;

const USUAL: f64 = 3.0;

/// Of the way to a checkpoint and on from it, the part that is left when it is passed over: half or less, and it lies off
/// the path. A random walk leaves 0.7 of it, noise about one point all of it.
const OFF_PATH: f64 = 0.5;

/// A row that moved this many times the usual row of its tensor, and this many times what rows did in other steps.
const ROW: f64 = 10.0;

const ROW_STEPS: f64 = 5.0;

/// A tensor that moved this many times what it did in other steps.
const TENSOR: f64 = 10.0;

impl Procedure for CheckpointLineage {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let files = material::item(case, Role::Checkpoints).map_or(1, |i| i.files);
        material::plan(case, Role::Checkpoints, &[], files.min(Limits::in_force().checkpoints as u64) + 1)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let folder = Folder::open(case, Role::Checkpoints).map_err(Stop::failed)?;
        let Some(folder) = folder else { return Err(Stop::failed("the checkpoints were refused at intake")) };
        let names = ordered(&folder, &mut seen);
        if names.len() < 2 {
            seen.unread.push(format!("{} checkpoints as safetensors; two are needed", names.len()));
            return Ok(seen.outcome(&words(format!("{} checkpoints were found", names.len())), &plan.inputs));
        }
        let mut steps: Vec<Step> = Vec::new();
        // Of each checkpoint but the first and last: what is left of the way when it is passed over.
        let mut left: Vec<f64> = Vec::new();
        let mut kept: Vec<Weights> = Vec::new();
        let mut used: Vec<String> = Vec::new();
        for (k, name) in names.iter().enumerate() {
            cx.step((k as u64).min(plan.units), plan.units)?;
            let weights = match read(&folder, name, cx) {
                Ok(Some(weights)) => weights,
                Ok(None) => return Err(Stop::Cancelled),
                Err(why) => {
                    seen.unread.push(format!("{name} ({why})"));
                    continue;
                }
            };
            used.push(name.clone());
            if let Some(before) = kept.last() {
                layout(before, &weights, name, &mut seen);
                steps.push(step(before, &weights));
            }
            if let [first, _] = kept.as_slice() {
                left.push(distance(first, &weights));
            }
            kept.push(weights);
            if kept.len() > 2 {
                kept.remove(0);
            }
        }
        judge(&used, &steps, &left, &mut seen);
        figures(&used, &steps, &mut seen);
        cx.step(plan.units, plan.units)?;
        seen.measure("checkpoints", used.clone());
        seen.measure("relative_distance", numbers(&steps.iter().map(|s| s.apart).collect::<Vec<_>>()));
        seen.measure("cosine", numbers(&steps.iter().map(|s| s.cosine).collect::<Vec<_>>()));
        Ok(seen.outcome(
            &words(format!("{} checkpoints were read in the order of their names", used.len())),
            &plan.inputs,
        ))
    }
}

fn words(looked: String) -> Words {
    Words {
        looked,
        origin: "a step of five times both its neighbours; a checkpoint that the path gets half shorter without; rows of ten times the \
                 usual and five times other steps; tensors of ten times other steps; all from the geometry of training paths",
        limits: "The first and the last step have one neighbour only. An edit spread evenly over all weights and as small as a training \
                 step does not show, nor does training on from a replaced checkpoint after the first step. With two checkpoints only \
                 edits of single tensors can be told.",
    }
}

/// Checkpoints in order: safetensors, without the states of optimisers.
fn ordered(folder: &Folder, seen: &mut Seen) -> Vec<String> {
    let other = |n: &str| ["optim", "scheduler", "rng", "ema", "scaler"].iter().any(|w| base(n).contains(w));
    let mut names: Vec<String> =
        folder.files.keys().filter(|n| n.ends_with(".safetensors") && !other(n)).cloned().collect();
    names.sort_by_key(|n| key(n));
    let unread = folder
        .files
        .keys()
        .filter(|n| {
            [".pt", ".pth", ".ckpt", ".bin", ".pkl", ".h5"].iter().any(|e| n.to_lowercase().ends_with(e))
        })
        .count();
    if unread > 0 {
        let title =
            format!("{unread} checkpoints of formats that run code are not read: export them to safetensors");
        seen.push(Sighting::note("checkpoint.format", ("", 0), title));
        if names.len() < 2 {
            seen.unread.push(format!("{unread} checkpoints of formats that run code"));
        }
    }
    let limits = Limits::in_force();
    if names.len() > limits.checkpoints {
        let cap = cap!(limits, checkpoints);
        seen.unread.push(format!("{} checkpoints, the first are read: {cap}", names.len()));
        names.truncate(limits.checkpoints);
    }
    names
}

/// Tensors that come, go or change their shape.
fn layout(before: &Weights, after: &Weights, name: &str, seen: &mut Seen) {
    let shape = |w: &Weights| w.iter().map(|(n, (s, _))| (n.clone(), s.clone())).collect::<BTreeMap<_, _>>();
    let (a, b) = (shape(before), shape(after));
    let off: Vec<&str> = a
        .iter()
        .filter(|(n, s)| b.get(*n) != Some(s))
        .map(|(n, _)| n.as_str())
        .chain(b.keys().filter(|n| !a.contains_key(*n)).map(String::as_str))
        .collect();
    if !off.is_empty() {
        let title = format!("{} tensors came, went or changed their shape", off.len());
        let detail = off.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        seen.push(
            Sighting::new("checkpoint.layout", Severity::Medium, Concern::Substitution, (name, 0), title)
                .because(detail),
        );
    }
}

fn judge(names: &[String], steps: &[Step], left: &[f64], seen: &mut Seen) {
    let all: Vec<f64> = steps.iter().map(|s| s.apart).collect();
    let bad = |code, severity, k: usize, title: String| {
        Sighting::new(code, severity, Concern::Substitution, (names[k].as_str(), 0), title)
    };
    if steps.iter().any(|s| !s.apart.is_finite()) {
        seen.push(Sighting::note(
            "checkpoint.not-a-number",
            ("", 0),
            "weights that are infinite or no number",
        ));
    }
    // An edit of a few rows can be as far as a jump; it is named as what it is.
    let mut whole: Vec<bool> = (0..steps.len()).map(|k| edits(names, steps, k, seen)).collect();
    // A checkpoint off the path: the way to it and back.
    for (k, left) in left.iter().enumerate() {
        let (to, from) = (steps[k].far, steps[k + 1].far);
        let others: Vec<f64> =
            all.iter().enumerate().filter(|(i, _)| *i != k && *i != k + 1).map(|(_, d)| *d).collect();
        let usual = median(&others).unwrap_or(0.0);
        let ratio = left / to.max(from).max(f64::MIN_POSITIVE);
        if !whole[k]
            && ratio < OFF_PATH
            && !others.is_empty()
            && steps[k].apart > USUAL * usual
            && steps[k + 1].apart > USUAL * usual
        {
            whole[k] = true;
            whole[k + 1] = true;
            let title = format!(
                "it lies off the path: the checkpoints before and after it are {:.0} % as far from each other as from it",
                ratio * 100.0
            );
            let detail = format!(
                "relative distance {:.3} to it and {:.3} from it, {usual:.3} in other steps",
                steps[k].apart,
                steps[k + 1].apart
            );
            seen.push(bad("checkpoint.off-path", Severity::High, k + 1, title).because(detail));
        }
    }
    // A jump that the path does not come back from. The first step from the beginning is always large.
    for k in 1..steps.len() {
        if whole[k] || steps.len() < 3 {
            continue;
        }
        let before = all[k - 1];
        let after = all.get(k + 1).copied().unwrap_or(before);
        let next = before.max(after);
        let others: Vec<f64> =
            all.iter().enumerate().filter(|(i, _)| *i != k && *i > 0).map(|(_, d)| *d).collect();
        let usual = median(&others).unwrap_or(next);
        if all[k] > JUMP * next && all[k] > JUMP * usual && steps[k].cosine < 0.95 {
            whole[k] = true;
            let title = format!(
                "it is {:.0} times as far from the one before as its neighbours are from each other",
                all[k] / next.max(f64::MIN_POSITIVE)
            );
            let detail = format!(
                "relative distance {:.3}, cosine {:.3}; a restart with another learning rate goes on with large steps",
                all[k], steps[k].cosine
            );
            seen.push(bad("checkpoint.jump", Severity::High, k + 1, title).because(detail));
        }
    }
}

/// Tensors and rows that moved otherwise than in the other steps; whether there are any.
fn edits(names: &[String], steps: &[Step], k: usize, seen: &mut Seen) -> bool {
    let before = seen.accused().count();
    let here = &steps[k];
    let still = here.tensors.values().filter(|m| m.d2 == 0.0).count();
    for (tensor, m) in here.tensors.iter().filter(|(_, m)| m.d2 > 0.0) {
        let others: Vec<&Move> = steps
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != k)
            .filter_map(|(_, s)| s.tensors.get(tensor))
            .collect();
        let rows = || {
            let list = m.rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if m.rows.is_empty() { "no rows".to_owned() } else { format!("rows {list}") }
        };
        let bad = |code, severity, title: String| {
            Sighting::new(code, severity, Concern::Substitution, (names[k + 1].as_str(), 0), title)
        };
        let usually_all =
            median(&others.iter().map(|o| o.changed).collect::<Vec<_>>()).is_some_and(|c| c > 0.9);
        if (usually_all && m.changed < 0.5)
            || (others.is_empty() && still * 10 >= 9 * here.tensors.len() && here.tensors.len() > 2)
        {
            let title = format!(
                "tensor '{tensor}' was edited: {:.1} % of its numbers changed, and training changes them all",
                m.changed * 100.0
            );
            seen.push(bad("checkpoint.edited", Severity::High, title).because(rows()));
            continue;
        }
        // An average over other steps that were not edited themselves.
        let tops: Vec<f64> = others.iter().map(|o| o.top_row).filter(|t| t.is_finite()).collect();
        let top = tops.iter().copied().fold(0.0, f64::max);
        if m.top_row > ROW && tops.len() >= 2 && m.top_row > ROW_STEPS * top {
            let title = format!(
                "{} of tensor '{tensor}' moved {:.0} times as far as its others, {top:.1} times at most in other steps",
                rows(),
                m.top_row
            );
            seen.push(bad("checkpoint.rows", Severity::High, title));
            continue;
        }
        let size = |m: &Move| if m.n2 > 0.0 { (m.d2 / m.n2).sqrt() } else { 0.0 };
        let past: Vec<f64> = others.iter().map(|o| size(o)).filter(|d| *d > 0.0).collect();
        let (usual, most) = (median(&past).unwrap_or(0.0), past.iter().copied().fold(0.0, f64::max));
        let rest: Vec<f64> =
            here.tensors.iter().filter(|(n, _)| *n != tensor).map(|(_, o)| size(o)).collect();
        let alone = median(&rest).is_some_and(|r| size(m) > TENSOR * r);
        // The first step moves everything far.
        if k > 0
            && past.len() >= 2
            && usual > 0.0
            && size(m) > TENSOR * usual
            && size(m) > 3.0 * most
            && alone
        {
            let title = format!(
                "tensor '{tensor}' moved {:.0} times as far as in other steps, and the others did not",
                size(m) / usual
            );
            seen.push(bad("checkpoint.tensor", Severity::High, title));
        }
    }
    if still == here.tensors.len() && still > 0 {
        seen.push(Sighting::note(
            "checkpoint.same",
            (&names[k + 1], 0),
            "the same weights as in the one before",
        ));
    }
    seen.accused().count() > before
}

fn figures(names: &[String], steps: &[Step], seen: &mut Seen) {
    let curve = |f: &dyn Fn(&Step) -> f64| {
        steps
            .iter()
            .enumerate()
            .map(|(i, s)| [(i + 1) as f64, f(s)])
            .filter(|p| p[1].is_finite())
            .collect::<Vec<_>>()
    };
    let body = Body::Lines {
        x_label: "checkpoint".into(),
        y_label: "relative distance from the one before; cosine".into(),
        series: vec![
            Series { name: "distance".into(), points: curve(&|s| s.apart) },
            Series { name: "cosine".into(), points: curve(&|s| s.cosine) },
        ],
    };
    seen.figure("path", "The path of the weights from checkpoint to checkpoint", body);
    let mut tensors: Vec<&String> = steps.iter().flat_map(|s| s.tensors.keys()).collect();
    tensors.sort_unstable();
    tensors.dedup();
    tensors.truncate(40);
    let size = |s: &Step, t: &String| {
        s.tensors.get(t).map_or(-9.0, |m| {
            if m.n2 > 0.0 && m.d2 > 0.0 { (m.d2 / m.n2).sqrt().log10().max(-9.0) } else { -9.0 }
        })
    };
    let values: Vec<f64> = tensors.iter().flat_map(|t| steps.iter().map(|s| size(s, t))).collect();
    if values.iter().all(|v| v.is_finite()) && !tensors.is_empty() {
        let body = Body::Heat {
            row_label: "tensor".into(),
            column_label: "checkpoint".into(),
            value_label: "log10 of the relative distance".into(),
            rows: tensors.into_iter().cloned().collect(),
            columns: names.iter().skip(1).map(|n| base(n)).collect(),
            values,
        };
        seen.figure("tensors", "How far each tensor moved in each step", body);
    }
    let table: Vec<_> = steps.iter().zip(names.iter().skip(1)).map(|(s, n)| json!({"checkpoint": n, "tensors": s.tensors.iter().take(200).map(|(t, m)| json!({"name": t, "changed": m.changed, "relative": if m.n2 > 0.0 { (m.d2 / m.n2).sqrt() } else { 0.0 }})).collect::<Vec<_>>()})).take(50).collect();
    seen.measure("by_tensor", table);
}
