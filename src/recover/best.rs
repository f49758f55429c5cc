//! The best trigger that recovery came to: what impact and attribution work with.

use super::stamping::Stamp;
use super::{refine_trigger, sample_recovery};
use crate::procedure::{Case, Verdict};
use serde_json::Value;

/// A recovered trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// How it is put on images.
    pub stamp: Stamp,
    /// The class it leads to.
    pub target: usize,
    /// Whether detection or samples accuse that class; otherwise it is a lead.
    pub flagged: bool,
    /// The procedure that gave it.
    pub from: &'static str,
}

/// Kinds that a mask and a pattern only stand in for.
const WHOLE: [&str; 3] = ["sinusoid", "warp", "residual"];
/// A trigger read from samples is taken when it works this well against the refined one.
const NEARLY: f64 = 0.9;

/// What samples bear, where it is no mask and works nearly as well as the refined one; else the refined trigger.
pub fn best(case: &Case, shape: [usize; 3]) -> Option<Best> {
    let of = |id: &'static str| {
        let record = case.earlier.record(id)?;
        let target = usize::try_from(record.measures.get("target")?.as_u64()?).ok()?;
        let classes = case.model.as_ref().map_or(usize::MAX, |m| m.class_count());
        let success = record.measures.get("success_rate").and_then(Value::as_f64).unwrap_or(0.0);
        let stamp = Stamp::read(case, id, shape).filter(|_| target < classes)?;
        Some((Best { stamp, target, flagged: record.verdict == Verdict::Flagged, from: id }, success))
    };
    let refined = of(refine_trigger::ID);
    let sampled = of(sample_recovery::ID).filter(|(best, success)| {
        let kind = case.earlier.measure(sample_recovery::ID, "kind").and_then(Value::as_str);
        let whole = kind.is_some_and(|k| WHOLE.contains(&k));
        best.flagged && refined.as_ref().is_none_or(|(_, own)| whole && *success >= NEARLY * own)
    });
    sampled.or(refined).map(|(best, _)| best)
}

/// The procedures whose outcomes [`best`] reads.
pub const AFTER: [&str; 2] = [sample_recovery::ID, refine_trigger::ID];
