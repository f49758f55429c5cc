//! What the sizes of the triggers say.

use super::norm_outlier::{self, Null, Split};
use super::{Mode, PUBLISHED, Reversed, Setup, by_norm};
use crate::detect::calibration;
use crate::detect::invert::gap;
use crate::procedure::{Context, Verdict};

/// What the norms say.
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    pub(super) statistic: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) origin: String,
    /// Chance of norms this far apart; `None` when it was not computed.
    pub(super) chance: Option<f64>,
    /// Accused classes, smallest norm first.
    pub(super) accused: Vec<usize>,
    /// Classes that stand out most, whether or not by enough.
    pub(super) leaders: Vec<usize>,
    /// Length of each bar: what is held against the threshold.
    pub(super) bars: Vec<f64>,
}

/// Chance of flagging any class in reference mode, when the logarithms of the norms are normal.
pub(super) const ERROR: f64 = 0.05;
/// The same for its inconclusive band.
pub(super) const DOUBT: f64 = 0.20;

/// What the sizes say, by the rule of the mode.
pub(super) fn decide(setup: &Setup, found: &[Reversed], cx: &Context) -> Decision {
    let norms: Vec<f64> = found.iter().map(|r| r.size).collect();
    let reached: Vec<bool> = found.iter().map(|r| r.reached).collect();
    match setup.mode {
        Mode::Scheduled(..) => by_gap(setup, found),
        Mode::Reference(_) => by_outlier(&norms, &reached, cx),
        Mode::RandomInputs => by_published_rule(&norms, &reached),
    }
}

fn none(reason: &str, norms: &[f64]) -> Decision {
    Decision {
        verdict: Verdict::Inconclusive,
        statistic: None,
        threshold: None,
        origin: format!("none: {reason}"),
        chance: None,
        accused: Vec::new(),
        leaders: Vec::new(),
        bars: norm_outlier::published(norms),
    }
}

/// The gap below the smallest sizes, against what clean models show.
fn by_gap(setup: &Setup, found: &[Reversed]) -> Decision {
    let norms: Vec<f64> = found.iter().map(|r| r.size).collect();
    let smallness: Vec<f64> = found.iter().map(|r| r.smallness).collect();
    let Some(gap) = gap::gap(&smallness, gap::MOST) else {
        return none("an outlier among two classes cannot be told", &norms);
    };
    let bars = super::look::above_median(&smallness);
    let Some(judged) = calibration::judge(&setup.key(), norms.len(), gap.size) else {
        let decision = none("no clean model in the calibration table was seen by this procedure", &norms);
        return Decision { statistic: Some(gap.size), leaders: gap.leaders, bars, ..decision };
    };
    let accused: Vec<usize> = gap.leaders.iter().copied().filter(|&k| found[k].reached).collect();
    let verdict = calibration::verdict(Some(&judged), !accused.is_empty());
    Decision {
        verdict,
        statistic: Some(gap.size),
        threshold: Some(judged.threshold),
        origin: judged.origin("the gap between the logarithms of the sizes")
            + ". The published index above 2 is reported beside it",
        chance: Some(judged.chance),
        accused: if verdict == Verdict::NothingFound { Vec::new() } else { accused },
        leaders: gap.leaders,
        bars,
    }
}

/// The published rule, which on random inputs is worth a lead at most.
fn by_published_rule(norms: &[f64], reached: &[bool]) -> Decision {
    let index = norm_outlier::published(norms);
    let accused: Vec<usize> =
        by_norm(norms).into_iter().filter(|&k| index[k] > PUBLISHED && reached[k]).collect();
    Decision {
        verdict: if accused.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive },
        statistic: index.iter().copied().max_by(f64::total_cmp),
        threshold: Some(PUBLISHED),
        origin: "the published index above 2 (Wang et al. 2019, section IV), on random inputs: in measurements this flagged \
                 clean models and missed most backdoored ones, so that it is a lead at most"
            .into(),
        chance: None,
        accused,
        leaders: Vec::new(),
        bars: index,
    }
}

/// The outlier test on log-normal norms.
fn by_outlier(norms: &[f64], reached: &[bool], cx: &Context) -> Decision {
    let logs = norm_outlier::logarithms(norms);
    let Some(split) = norm_outlier::split(&logs) else {
        return none("an outlier among two classes cannot be told", norms);
    };
    let null = Null::draw(norms.len(), &mut cx.rng("null"));
    let chance = null.chance(&split);
    let accused: Vec<usize> = split.suspects.iter().copied().filter(|&k| reached[k]).collect();
    let verdict = match chance {
        p if p > DOUBT => Verdict::NothingFound,
        p if p <= ERROR && !accused.is_empty() => Verdict::Flagged,
        _ => Verdict::Inconclusive,
    };
    let threshold = null.threshold(&split, ERROR);
    let Split { statistic, distance, suspects, .. } = split;
    Decision {
        verdict,
        statistic: Some(statistic),
        threshold: Some(threshold).filter(|t| t.is_finite()),
        origin: format!(
            "one-sided outlier test on the logarithms of the norms (after Grubbs 1950): {:.0} % chance of flagging any of {} \
             classes whose norms are log-normal, from {} simulated sets; inconclusive up to {:.0} %. The published index above 2 \
             is reported beside it",
            ERROR * 100.0,
            norms.len(),
            norm_outlier::DRAWS,
            DOUBT * 100.0
        ),
        chance: Some(chance),
        accused: if verdict == Verdict::NothingFound { Vec::new() } else { accused },
        leaders: suspects,
        bars: distance,
    }
}
