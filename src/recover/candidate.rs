//! Which class a trigger is worth recovering for, and where the search starts.

use super::sample_recovery;
use super::stamping::Stamp;
use crate::detect::params::Params;
use crate::detect::stamp::Trigger;
use crate::procedure::{Case, Skip, Tensor, Verdict};
use ndarray::{ArrayD, Axis};
use serde_json::Value;

/// The detection whose masks are refined.
pub const SOURCE: &str = "neural-cleanse";
/// The detection that finds opaque squares: a second place to start from.
pub const SQUARES: &str = crate::detect::patch_search::ID;
/// Success from which a square is worth starting from.
const WORKS: f64 = 0.5;
/// What names a class together with other detectors.
const FUSED: &str = "model-verdict";
/// What found a shared patch in listed samples.
const SHARED: &str = "common-patch";

/// Something to start from.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Which procedure gave it.
    pub from: &'static str,
    /// The trigger.
    pub trigger: Trigger,
    /// Whether it was read from samples: then it is the trigger itself, not something that works like it.
    pub sampled: bool,
}

/// A class and how sure detection was of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The target class.
    pub class: usize,
    /// Whether detection flagged it; otherwise it is a lead, or the analyst's choice.
    pub flagged: bool,
    /// Which procedure named the class; "analyst" for the parameter `target`.
    pub by: &'static str,
    /// The one class the trigger works from, when samples say so.
    pub source: Option<usize>,
    /// Where to start, samples first; at least one.
    pub starts: Vec<Start>,
}

/// A class with who named it.
type Named = (usize, &'static str);

impl Candidate {
    /// The class the analyst names (parameter `target`); else that of listed samples whose trigger works; else the flagged class of
    /// smallest norm; else the class that all detectors together accuse; else, when detection was inconclusive, the class
    /// of smallest norm.
    ///
    /// # Errors
    /// Detection has not run, found nothing, or left no mask for this network.
    pub fn of(case: &Case, params: &Params, shape: [usize; 3]) -> Result<Self, Skip> {
        let norms = norms(case);
        let sampled = sampled(case);
        if case.earlier.record(SOURCE).is_none() && sampled.is_none() {
            return Err(Skip(format!("{SOURCE} has not finished: its masks are where this starts")));
        }
        let classes = case.model.as_ref().map_or(norms.len(), |m| m.class_count());
        let last = classes.saturating_sub(1) as u64;
        let asked = params.count("target", u64::MAX, 0..=last)?;
        let accused = accused(case, &norms);
        let (class, by) = if asked <= last {
            (asked as usize, "analyst")
        } else {
            sampled
                .or_else(|| accused.first().copied())
                .or_else(|| lead(case, &norms))
                .filter(|(class, _)| *class < classes)
                .ok_or_else(|| {
                    Skip(format!(
                        "{SOURCE} found no candidate class, nor did {FUSED} or listed samples (parameter 'target' chooses one all the same)"
                    ))
                })?
        };
        let flagged = sampled.iter().chain(&accused).any(|(k, _)| *k == class);
        let mut starts = Vec::new();
        for from in [sample_recovery::ID, SHARED] {
            let own = case.earlier.flagged(from) && target(case, from) == Some(class);
            if let Some(Stamp::Blend(trigger)) = own.then(|| Stamp::read(case, from, shape)).flatten()
                && additive(case, from).is_none()
            {
                starts.push(Start { from, trigger, sampled: true });
                break;
            }
        }
        starts.extend(row(case, SOURCE, class, shape).map(|trigger| Start {
            from: SOURCE,
            trigger,
            sampled: false,
        }));
        let works = square_works(case, class);
        starts.extend(works.then(|| row(case, SQUARES, class, shape)).flatten().map(|trigger| Start {
            from: SQUARES,
            trigger,
            sampled: false,
        }));
        if starts.is_empty() {
            return Err(Skip(format!("the masks of {SOURCE} are not at hand, or are of another network")));
        }
        let source = source(case, class);
        Ok(Self { class, flagged, by, source, starts })
    }
}

/// Whether the strongest square of a class sends images there.
fn square_works(case: &Case, class: usize) -> bool {
    let rates = case.earlier.measure(SQUARES, "success_rate").and_then(Value::as_array);
    rates.and_then(|r| r.get(class)?.as_f64()).is_some_and(|s| s >= WORKS)
}

/// The one class that a trigger to `class` works from, as listed samples have it.
fn source(case: &Case, class: usize) -> Option<usize> {
    case.earlier
        .measure(sample_recovery::ID, "source_class")
        .filter(|_| target(case, sample_recovery::ID) == Some(class))
        .and_then(Value::as_u64)
        .and_then(|s| usize::try_from(s).ok())
}

/// Sinusoids of common-patch are kept as a picture around grey that is added, not blended.
fn additive(case: &Case, from: &str) -> Option<()> {
    (from == SHARED && case.earlier.measure(from, "kind").and_then(Value::as_str) == Some("sinusoid"))
        .then_some(())
}

fn target(case: &Case, procedure: &str) -> Option<usize> {
    case.earlier.measure(procedure, "target").and_then(Value::as_u64).and_then(|t| usize::try_from(t).ok())
}

fn norms(case: &Case) -> Vec<f64> {
    let list = case.earlier.measure(SOURCE, "l1").and_then(Value::as_array);
    list.map(|list| list.iter().map(|v| v.as_f64().unwrap_or(f64::INFINITY)).collect()).unwrap_or_default()
}

/// The label of listed samples whose trigger works on other images.
fn sampled(case: &Case) -> Option<Named> {
    [sample_recovery::ID, SHARED]
        .into_iter()
        .filter(|id| case.earlier.flagged(id))
        .find_map(|id| Some((target(case, id)?, id)))
}

/// Classes that detection flagged: by smallest norm, then those of all detectors together.
fn accused(case: &Case, norms: &[f64]) -> Vec<Named> {
    let mut out: Vec<Named> = Vec::new();
    for id in [SOURCE, FUSED] {
        let Some(record) = case.earlier.record(id).filter(|r| r.verdict == Verdict::Flagged) else {
            continue;
        };
        let mut own: Vec<usize> = record.findings.iter().filter_map(|f| f.class).collect();
        own.retain(|&k| id != SOURCE || k < norms.len());
        let norm = |k: usize| norms.get(k).copied().unwrap_or(f64::INFINITY);
        own.sort_by(|&a, &b| norm(a).total_cmp(&norm(b)));
        out.extend(own.into_iter().map(|k| (k, id)));
    }
    out
}

/// The class of smallest norm when Neural Cleanse could not decide, or what the detectors together lean to.
fn lead(case: &Case, norms: &[f64]) -> Option<Named> {
    let open = |id: &str| case.earlier.record(id).filter(|r| r.verdict == Verdict::Inconclusive);
    let of_source = open(SOURCE).and_then(|record| {
        let named: Vec<usize> =
            record.findings.iter().filter_map(|f| f.class).filter(|&k| k < norms.len()).collect();
        let all: Vec<usize> = if named.is_empty() { (0..norms.len()).collect() } else { named };
        all.into_iter().min_by(|&a, &b| norms[a].total_cmp(&norms[b])).map(|k| (k, SOURCE))
    });
    of_source.or_else(|| Some((open(FUSED)?.findings.iter().find_map(|f| f.class)?, FUSED)))
}

/// A trigger kept as row `class` of `masks` and `patterns`.
fn row(case: &Case, procedure: &str, class: usize, [c, h, w]: [usize; 3]) -> Option<Trigger> {
    let array = |name: &str| match case.earlier.array(procedure, name)? {
        Tensor::F32(a) if class < a.shape().first().copied().unwrap_or(0) => {
            Some(a.index_axis(Axis(0), class).to_owned())
        }
        _ => None,
    };
    let values = |a: &ArrayD<f32>| a.iter().map(|v| v.clamp(0.0, 1.0)).collect::<Vec<f32>>();
    let (mask, pattern) = (array("masks")?, array("patterns")?);
    let fits = mask.shape() == [h, w] && pattern.shape() == [c, h, w];
    let finite = mask.iter().chain(pattern.iter()).all(|v| v.is_finite());
    (fits && finite).then(|| Trigger { mask: values(&mask), pattern: values(&pattern) })
}
