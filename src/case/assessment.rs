//! What all finished procedures say together.

use super::{CaseState, Status};
use crate::procedure::{Concern, Phase, Record, Verdict};
use std::collections::BTreeSet;

/// The answer to "is it backdoored, is the data poisoned?", as far as the finished procedures go.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Flagged if any finished procedure flagged; inconclusive if one could not decide or none that could judge (a
    /// detection) finished; else nothing-found. Procedures that a fused verdict counts (its measure `counted`) have their say
    /// there and not a second time here.
    pub verdict: Verdict,
    /// Calibrated probability that the model is backdoored: the measure `model_score` of `model-verdict`. `None` when nothing
    /// could judge it.
    pub model_score: Option<f64>,
    /// Calibrated probability that the training data is poisoned. `None` as above.
    pub data_score: Option<f64>,
    /// Target classes accused by procedures that flagged, ascending.
    pub target_classes: Vec<usize>,
    /// Family of the attack by the contract's names: what the last procedure in the plan with a measure `family` says;
    /// `code-execution` for a file that runs code when loaded; `unknown` when flagged otherwise.
    pub family: Option<String>,
    /// Blob with a score per training sample, of the procedure `poisoned-samples`.
    pub poisoned_samples: Option<String>,
}

/// Assesses a state.
pub fn assess(state: &CaseState) -> Assessment {
    let finished: Vec<(Option<Phase>, &str, &Record)> = state
        .procedures
        .iter()
        .map(|p| state.superseded.get(&p.id).unwrap_or(p))
        .filter_map(|p| match &p.status {
            Status::Finished { record, .. } => Some((p.phase, p.id.as_str(), record.as_ref())),
            _ => None,
        })
        .collect();
    let fused = finished.iter().find(|(_, id, _)| *id == "model-verdict").map(|(_, _, r)| *r);
    let counted: Vec<&str> = fused
        .and_then(|r| r.measures.get("counted")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let finished: Vec<_> = finished.into_iter().filter(|(_, id, _)| !counted.contains(id)).collect();
    let judged = |phase: Option<Phase>, r: &Record| {
        phase == Some(Phase::Detection) && r.verdict == Verdict::NothingFound
    };
    let verdict = if finished.iter().any(|(_, _, r)| r.verdict == Verdict::Flagged) {
        Verdict::Flagged
    } else if finished.iter().any(|(_, _, r)| r.verdict == Verdict::Inconclusive)
        || !finished.iter().any(|(phase, _, r)| judged(*phase, r))
    {
        Verdict::Inconclusive
    } else {
        Verdict::NothingFound
    };
    let findings = || {
        finished
            .iter()
            .filter(|(_, _, r)| r.verdict == Verdict::Flagged)
            .flat_map(|(_, _, r)| r.findings.iter())
    };
    let target_classes: BTreeSet<usize> = findings()
        .filter(|f| matches!(f.concern, Concern::Backdoor | Concern::DataPoisoning))
        .filter_map(|f| f.class)
        .collect();
    let named = finished.iter().rev().find_map(|(_, _, r)| r.measures.get("family")?.as_str());
    let family = named.map(crate::evidence::text::visible).or_else(|| match verdict {
        Verdict::Flagged if findings().any(|f| f.concern == Concern::UnsafeFormat) => {
            Some("code-execution".into())
        }
        Verdict::Flagged => Some("unknown".into()),
        _ => None,
    });
    let samples = finished.iter().find(|(_, id, _)| *id == "poisoned-samples");
    Assessment {
        verdict,
        model_score: fused.and_then(|r| r.measures.get("model_score")?.as_f64()),
        data_score: None,
        target_classes: target_classes.into_iter().collect(),
        family,
        poisoned_samples: samples.and_then(|(_, _, r)| r.blobs.get("score").cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Event;
    use crate::case::fixture::{self, ended};
    use crate::procedure::Severity;

    fn assessed(events: &[Event]) -> Assessment {
        let mut state = CaseState::default();
        for (n, e) in [fixture::opened("x"), fixture::planned(&["a", "b", "c", "model-verdict"])]
            .iter()
            .chain(events)
            .enumerate()
        {
            state.apply(n as u64, fixture::TIME, "", e);
        }
        assess(&state)
    }

    fn inconclusive() -> Record {
        Record { verdict: Verdict::Inconclusive, ..fixture::flagged(3, Severity::Low) }
    }

    #[test]
    fn the_worst_news_decides_and_no_judge_is_no_good_news() {
        let nothing = ended("a", fixture::record(""));
        let failed = Event::JobFailed { procedure: "b".into(), reason: "x".into() };
        assert_eq!(assessed(&[]).verdict, Verdict::Inconclusive);
        assert_eq!(assessed(&[failed]).verdict, Verdict::Inconclusive);
        assert_eq!(assessed(&[ended("not-a-detection", fixture::record(""))]).verdict, Verdict::Inconclusive);
        assert_eq!(assessed(std::slice::from_ref(&nothing)).verdict, Verdict::NothingFound);
        let leads = assessed(&[nothing.clone(), ended("b", inconclusive())]);
        assert_eq!(
            (leads.verdict, leads.target_classes, leads.family),
            (Verdict::Inconclusive, vec![], None)
        );
        let flagged = [
            ended("c", fixture::flagged(7, Severity::Low)),
            ended("b", fixture::flagged(2, Severity::High)),
            nothing,
        ];
        let all = assessed(&flagged);
        assert_eq!((all.verdict, all.target_classes), (Verdict::Flagged, vec![2, 7]));
        assert_eq!((all.family.as_deref(), all.model_score, all.data_score), (Some("unknown"), None, None));
    }

    #[test]
    fn a_fused_verdict_speaks_for_what_it_counts() {
        let mut fused = fixture::record("no detector shows more than clean models do");
        fused.measures.insert("model_score".into(), serde_json::json!(0.07));
        fused.measures.insert("counted".into(), serde_json::json!(["a", "b"]));
        let parts = [ended("a", inconclusive()), ended("b", fixture::record(""))];
        let all = assessed(&[parts.as_slice(), &[ended("model-verdict", fused.clone())]].concat());
        assert_eq!(
            (all.verdict, all.model_score, all.target_classes.len()),
            (Verdict::NothingFound, Some(0.07), 0)
        );
        let other =
            assessed(&[ended("model-verdict", fused), ended("c", fixture::flagged(2, Severity::High))]);
        assert_eq!((other.verdict, other.target_classes), (Verdict::Flagged, vec![2]), "others still count");
    }

    #[test]
    fn a_named_family_and_sample_scores_are_passed_on() {
        let mut named = fixture::flagged(7, Severity::Low);
        named.measures.insert("family".into(), "patch".into());
        let mut samples = fixture::record("");
        samples.blobs.insert("score".into(), "ab".repeat(32));
        let all = assessed(&[ended("a", named), ended("poisoned-samples", samples)]);
        assert_eq!(all.family.as_deref(), Some("patch"));
        assert_eq!(all.poisoned_samples, Some("ab".repeat(32)));
    }
}
