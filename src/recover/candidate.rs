//! Which class a trigger is worth recovering for.

use crate::detect::params::Params;
use crate::detect::stamp::Trigger;
use crate::procedure::{Case, Skip, Tensor, Verdict};
use ndarray::{ArrayD, Axis};
use serde_json::Value;

/// The detection whose triggers are refined.
pub const SOURCE: &str = "neural-cleanse";

/// A class and how sure detection was of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The target class.
    pub class: usize,
    /// Whether detection flagged it; otherwise it is a lead, or the analyst's choice.
    pub flagged: bool,
}

impl Candidate {
    /// The class the analyst names (parameter `target`); else the flagged class of smallest norm; else, when detection was
    /// inconclusive, the class of smallest norm.
    ///
    /// # Errors
    /// Detection has not run, or found nothing.
    pub fn of(case: &Case, params: &Params) -> Result<Self, Skip> {
        let record = case
            .earlier
            .record(SOURCE)
            .ok_or_else(|| Skip(format!("{SOURCE} has not finished: its masks are where this starts")))?;
        let norms: Vec<f64> = record
            .measures
            .get("l1")
            .and_then(Value::as_array)
            .map(|list| list.iter().map(|v| v.as_f64().unwrap_or(f64::INFINITY)).collect())
            .unwrap_or_default();
        let smallest = |among: &[usize]| among.iter().copied().min_by(|&a, &b| norms[a].total_cmp(&norms[b]));
        let accused: Vec<usize> =
            record.findings.iter().filter_map(|f| f.class).filter(|&k| k < norms.len()).collect();
        let flagged = record.verdict == Verdict::Flagged;
        if let Some(last) = norms.len().checked_sub(1) {
            let asked = params.count("target", u64::MAX, 0..=last as u64)?;
            if let Ok(class) = usize::try_from(asked)
                && class <= last
            {
                return Ok(Self { class, flagged: flagged && accused.contains(&class) });
            }
        }
        let all: Vec<usize> = (0..norms.len()).collect();
        match record.verdict {
            Verdict::Flagged => smallest(&accused),
            Verdict::Inconclusive => smallest(&accused).or_else(|| smallest(&all)),
            Verdict::NothingFound => None,
        }
        .map(|class| Self { class, flagged })
        .ok_or_else(|| {
            Skip(format!("{SOURCE} found no candidate class (parameter 'target' chooses one all the same)"))
        })
    }
}

/// A trigger kept as the arrays `mask` and `pattern`, or as row `class` of `masks` and `patterns`.
pub fn trigger(case: &Case, procedure: &str, class: Option<usize>, shape: [usize; 3]) -> Option<Trigger> {
    let array = |one: &str, many: &str| match (
        class,
        case.earlier.array(procedure, if class.is_some() { many } else { one })?,
    ) {
        (Some(k), Tensor::F32(a)) if k < a.shape().first().copied().unwrap_or(0) => {
            Some(a.index_axis(Axis(0), k).to_owned())
        }
        (None, Tensor::F32(a)) => Some(a.clone()),
        _ => None,
    };
    let [c, h, w] = shape;
    let values = |a: &ArrayD<f32>| a.iter().map(|v| v.clamp(0.0, 1.0)).collect::<Vec<f32>>();
    let (mask, pattern) = (array("mask", "masks")?, array("pattern", "patterns")?);
    let fits = mask.shape() == [h, w] && pattern.shape() == [c, h, w];
    let finite = mask.iter().chain(pattern.iter()).all(|v| v.is_finite());
    (fits && finite).then(|| Trigger { mask: values(&mask), pattern: values(&pattern) })
}
