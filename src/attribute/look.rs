//! What earlier procedures and the files give a toolkit comparison to look at.

use super::fingerprints::MARKS;
use super::geometry::Geometry;
use super::weigh::Seen;
use crate::evidence::text::visible;
use crate::procedure::{Case, Tensor, Verdict};
use ndarray::{ArrayView2, ArrayView3, Axis, Ix2, Ix3};
use serde_json::Value;

/// Everything there is to compare.
pub fn look(case: &Case) -> Seen {
    let refined = case
        .earlier
        .record("refine-trigger")
        .filter(|r| r.verdict == Verdict::Flagged)
        .and_then(|r| Some((index(r.measures.get("target")?)?, refined(case)?)));
    let recovered = refined.or_else(|| {
        let class = accused(case, "neural-cleanse")?;
        Some((class, cleansed(case, class)?))
    });
    let text = |id: &str, name: &str| case.earlier.measure(id, name).and_then(Value::as_str);
    let kind = text("trigger-kind", "kind").filter(|k| *k != "unknown");
    let sampled = case.earlier.flagged("sample-recovery");
    let target = recovered
        .as_ref()
        .map(|(class, _)| *class)
        .or_else(|| index(case.earlier.measure("sample-recovery", "target").filter(|_| sampled)?));
    let classes = case
        .earlier
        .measure("neural-cleanse", "l1")
        .and_then(Value::as_array)
        .map(Vec::len)
        .or_else(|| case.model.as_ref().map(|m| m.class_count()));
    // A mask that stands in for a trigger over the whole picture has no place of its own.
    let placed = kind.is_none_or(|k| k.ends_with("patch"));
    let parameter = |name: &str| {
        case.earlier.measure("sample-recovery", "parameters").filter(|_| sampled)?.get(name)?.as_f64()
    };
    let read = |k: &str| kind == Some(k);
    Seen {
        geometry: recovered.filter(|_| placed).map(|(_, g)| g),
        exact: text("refine-trigger", "from").is_some_and(|f| f.contains("samples")),
        kind: kind.map(|k| (k.to_owned(), text("trigger-kind", "certainty") != Some("low"))),
        share: parameter("share").filter(|_| read("blend")),
        wave: parameter("amplitude_of_255").zip(parameter("periods_across")).filter(|_| read("sinusoid")),
        target: target.zip(classes),
        rate: listed(case).or_else(|| target.and_then(|class| rate(case, class))),
        marks: marks(case),
    }
}

/// Share of the training set that poisoned-samples lists, when it flagged.
fn listed(case: &Case) -> Option<f64> {
    let list = case
        .earlier
        .measure("poisoned-samples", "indices")
        .filter(|_| case.earlier.flagged("poisoned-samples"))?;
    let all = case.training().map(|d| d.set.len()).filter(|n| *n > 0)?;
    Some(list.as_array()?.len() as f64 / all as f64).filter(|r| *r > 0.0)
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// The class a procedure accuses when it flagged.
fn accused(case: &Case, procedure: &str) -> Option<usize> {
    let record = case.earlier.record(procedure).filter(|r| r.verdict == Verdict::Flagged)?;
    record.findings.iter().find_map(|f| f.class)
}

fn floats<'a>(case: &'a Case, procedure: &str, name: &str) -> Option<&'a ndarray::ArrayD<f32>> {
    match case.earlier.array(procedure, name)? {
        Tensor::F32(a) => Some(a),
        Tensor::I64(_) => None,
    }
}

/// The last two axes of a mask whose other axes have length 1.
fn flat(mut mask: ndarray::ArrayViewD<f32>) -> Option<ArrayView2<f32>> {
    while mask.ndim() > 2 && mask.shape().first() == Some(&1) {
        mask = mask.index_axis_move(Axis(0), 0);
    }
    mask.into_dimensionality::<Ix2>().ok()
}

fn volume(mut pattern: ndarray::ArrayViewD<f32>) -> Option<ArrayView3<f32>> {
    while pattern.ndim() > 3 && pattern.shape().first() == Some(&1) {
        pattern = pattern.index_axis_move(Axis(0), 0);
    }
    pattern.into_dimensionality::<Ix3>().ok()
}

fn refined(case: &Case) -> Option<Geometry> {
    let mask = flat(floats(case, "refine-trigger", "mask")?.view())?;
    Geometry::of(mask, floats(case, "refine-trigger", "pattern").and_then(|p| volume(p.view())))
}

fn cleansed(case: &Case, class: usize) -> Option<Geometry> {
    let masks = floats(case, "neural-cleanse", "masks")?;
    let of = |a: &'_ ndarray::ArrayD<f32>| class < a.shape().first().copied().unwrap_or(0);
    if !of(masks) {
        return None;
    }
    let patterns = floats(case, "neural-cleanse", "patterns").filter(|p| of(p));
    let pattern = patterns.and_then(|p| volume(p.index_axis(Axis(0), class)));
    Geometry::of(flat(masks.index_axis(Axis(0), class))?, pattern)
}

/// Samples in the smaller cluster of the accused class over all samples, when activation clustering calls that class
/// suspicious.
fn rate(case: &Case, class: usize) -> Option<f64> {
    let measure = |name| case.earlier.measure("activation-clustering", name).and_then(Value::as_array);
    if !case.earlier.flagged("activation-clustering")
        || measure("suspicious").is_some_and(|s| !suspicious(s, class))
    {
        return None;
    }
    let sizes = measure("sizes")?;
    let pair = |v: &Value| Some((v.get(0)?.as_f64()?, v.get(1)?.as_f64()?));
    let all: f64 = sizes.iter().filter_map(pair).map(|(a, b)| a + b).sum();
    let (a, b) = pair(sizes.get(class)?)?;
    (all > 0.0).then(|| a.min(b) / all)
}

/// `suspicious[]` may hold a truth value per class, or the accused classes.
fn suspicious(list: &[Value], class: usize) -> bool {
    match list.first() {
        Some(Value::Bool(_)) => list.get(class).and_then(Value::as_bool).unwrap_or(false),
        _ => list.iter().any(|v| index(v) == Some(class)),
    }
}

/// Toolkits' names in paths, in what readers learnt of the files, and in what triage measured.
fn marks(case: &Case) -> Vec<(usize, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for item in &case.register {
        texts.push((format!("the name of {}", item.id), item.path.raw().to_lowercase()));
        texts.extend(
            item.facts.iter().map(|f| (format!("the content of {}", item.id), f.raw().to_lowercase())),
        );
    }
    for id in ["integrity", "format-safety"] {
        if let Some(record) = case.earlier.record(id) {
            for (name, value) in &record.measures {
                texts.push((visible(&format!("{id}, {name}")), value.to_string().to_lowercase()));
            }
        }
    }
    let found = MARKS.iter().enumerate().filter_map(|(i, mark)| {
        let place = texts.iter().find(|(_, text)| text.contains(mark.text))?;
        Some((i, place.0.clone()))
    });
    found.collect()
}
