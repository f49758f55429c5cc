//! What a gate decides about a state under its terms.

use super::fingerprint::fingerprint;
use super::terms::{LONGEST, Terms, Waiver};
use super::{FINDINGS, INCOMPLETE, PASS, complete};
use crate::case::CaseState;
use crate::procedure::Severity;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Where a finding stands before the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Counts.
    New,
    /// In the baseline: told apart, does not count.
    Known,
    /// Accepted for a while: does not count until then.
    Waived(Waiver),
}

impl Standing {
    /// The name used in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Known => "known",
            Standing::Waived(_) => "waived",
        }
    }
}

/// A finding as the gate sees it, in the order of the state's findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruled {
    /// See [`fingerprint`].
    pub fingerprint: String,
    /// Where it stands.
    pub standing: Standing,
    /// Whether it alone makes the gate fail.
    pub fails: bool,
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// Threshold it was made by.
    pub fail_on: Severity,
    /// Whether there was a baseline.
    pub compared: bool,
    /// One per finding.
    pub findings: Vec<Ruled>,
    /// Waivers that did not hold, and why, one visible line each.
    pub remarks: Vec<String>,
    /// Exit code.
    pub code: u8,
}

/// Decides. Waivers are judged on the day of the last event, so that the same session under the same terms gives the same
/// decision at any time.
pub fn rule(state: &CaseState, terms: &Terms) -> Ruling {
    let today = today(state);
    let mut remarks = Vec::new();
    let mut used = vec![false; terms.waivers.len()];
    let findings: Vec<Ruled> = state
        .findings
        .iter()
        .map(|f| {
            let print = fingerprint(state, f);
            let mut standing = Standing::New;
            if terms.baseline.as_ref().is_some_and(|b| b.knows(&print, f.finding.severity)) {
                standing = Standing::Known;
            }
            for (waiver, used) in terms.waivers.iter().zip(&mut used).filter(|(w, _)| w.finding == print) {
                *used = true;
                match why_not(waiver, today) {
                    None => standing = Standing::Waived(waiver.clone()),
                    Some(why) => remarks.push(format!("the waiver of {} does not hold: {why}", f.id)),
                }
            }
            let fails = standing == Standing::New && f.finding.severity >= terms.fail_on;
            Ruled { fingerprint: print, standing, fails }
        })
        .collect();
    for (waiver, _) in terms.waivers.iter().zip(&used).filter(|(_, used)| !**used) {
        remarks.push(format!("no finding has the fingerprint {} that is waived", waiver.finding));
    }
    let code = if findings.iter().any(|f| f.fails) {
        FINDINGS
    } else if terms.allow_incomplete || complete(state) {
        PASS
    } else {
        INCOMPLETE
    };
    Ruling { fail_on: terms.fail_on, compared: terms.baseline.is_some(), findings, remarks, code }
}

/// The day of the last event, UTC.
fn today(state: &CaseState) -> Option<Date> {
    let last: jiff::Timestamp = state.timeline.last()?.time.parse().ok()?;
    Some(last.to_zoned(TimeZone::UTC).date())
}

/// Why a waiver does not hold on a day.
fn why_not(waiver: &Waiver, today: Option<Date>) -> Option<String> {
    let Some(today) = today else { return Some("the session does not say what day it is".into()) };
    if waiver.expires < today {
        return Some(format!("it expired on {}", waiver.expires));
    }
    let days = waiver.expires.since(today).map_or(i32::MAX, |span| span.get_days());
    (days > LONGEST)
        .then(|| format!("it runs until {}, more than {LONGEST} days from {today}", waiver.expires))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Event;
    use crate::case::fixture::{self, ended};
    use crate::case::gate::terms::{Baseline, waivers};

    fn state(severity: Severity) -> CaseState {
        let mut state = CaseState::default();
        let events = [
            fixture::opened("x"),
            fixture::planned(&["a"]),
            Event::EvidenceAdded { item: fixture::item("E1", crate::evidence::ItemState::Accepted) },
            ended("a", fixture::flagged(1, severity)),
        ];
        for (n, e) in events.iter().enumerate() {
            state.apply(n as u64, fixture::TIME, "", e);
        }
        state
    }

    fn waived(state: &CaseState, expires: &str) -> Ruling {
        let print = fingerprint(state, &state.findings[0]);
        let text = format!("[[waiver]]\nfinding = \"{print}\"\nreason = \"r\"\nexpires = \"{expires}\"\n");
        rule(state, &Terms { waivers: waivers(&text).unwrap(), ..Terms::default() })
    }

    #[test]
    fn a_waiver_holds_until_its_day_and_not_for_ever() {
        let state = state(Severity::High);
        assert_eq!(rule(&state, &Terms::default()).code, FINDINGS);
        // The session is of 2026-03-01.
        let holds = waived(&state, "2026-03-01");
        assert_eq!((holds.code, holds.findings[0].standing.name(), holds.remarks.len()), (PASS, "waived", 0));
        assert_eq!(waived(&state, "2027-03-02").code, PASS);
        for (expires, why) in [("2026-02-28", "expired on 2026-02-28"), ("2027-03-03", "more than 366 days")]
        {
            let ruling = waived(&state, expires);
            assert_eq!((ruling.code, &ruling.findings[0].standing), (FINDINGS, &Standing::New));
            assert!(ruling.remarks[0].contains(why), "{:?}", ruling.remarks);
        }
        let mut timeless = state.clone();
        timeless.timeline.clear();
        assert_eq!(waived(&timeless, "2026-03-01").code, FINDINGS);
        let mut other = state.clone();
        other.evidence[0].sha256 = "00".repeat(32);
        let print = fingerprint(&state, &state.findings[0]);
        let text = format!("[[waiver]]\nfinding = \"{print}\"\nreason = \"r\"\nexpires = \"2026-03-01\"\n");
        let ruling = rule(&other, &Terms { waivers: waivers(&text).unwrap(), ..Terms::default() });
        assert_eq!(ruling.code, FINDINGS, "other bytes are not waived");
        assert!(ruling.remarks[0].contains("no finding has the fingerprint"));
    }

    #[test]
    fn what_is_known_does_not_count_unless_it_got_worse() {
        let (low, high) = (state(Severity::Medium), state(Severity::High));
        let terms = Terms { baseline: Some(Baseline::of_state(&low)), ..Terms::default() };
        let known = rule(&low, &terms);
        assert_eq!((known.code, known.findings[0].standing.name(), known.compared), (PASS, "known", true));
        assert_eq!(rule(&high, &terms).code, FINDINGS);
    }
}
