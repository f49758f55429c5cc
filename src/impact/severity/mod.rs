//! How bad it is, by a written rule over what impact measured.

use crate::detect::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Severity by rule.
pub static SEVERITY: SeverityRule = SeverityRule;

/// See [`SEVERITY`].
#[derive(Debug)]
pub struct SeverityRule;

/// Its id.
pub const ID: &str = "severity";

static ABOUT: About = About {
    id: "severity",
    title: "Severity",
    phase: Phase::Impact,
    version: 1,
    question: "How bad is it, and which measures make it so?",
    needs: "an outcome of trigger-probe",
    reference: "a rule of this program (see the page)",
    cost: Cost::Instant,
    after: &[PROBE, TOLERANCE, CLEAN, EXPOSURE],
    page: include_str!("page.md"),
};

const PROBE: &str = super::trigger_probe::ID;
const TOLERANCE: &str = super::trigger_tolerance::ID;
const CLEAN: &str = super::clean_effect::ID;
const EXPOSURE: &str = super::exposure::ID;

/// Points from which it is so bad.
const LEVELS: [(&str, i64); 3] = [("critical", 6), ("high", 4), ("medium", 2)];

/// One line of the rule that was applied.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    points: i64,
    /// What gave them.
    why: String,
    /// The procedure whose record says so.
    from: &'static str,
}

impl Procedure for SeverityRule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ID, &[])?;
        if case.earlier.record(PROBE).is_none() {
            return Err(Skip(format!("{PROBE} has not probed a trigger: there is no effect to judge")));
        }
        let levels: BTreeMap<&str, i64> = LEVELS.into_iter().collect();
        Ok(Plan { params: json!({"points": levels}), units: 1, inputs: Vec::new() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        cx.step(0, plan.units)?;
        let lines = lines(case);
        let points: i64 = lines.iter().map(|l| l.points).sum();
        let accused = case.earlier.flagged(PROBE);
        let level = level(points, accused);
        cx.step(plan.units, plan.units)?;
        Ok(outcome(&lines, points, level, accused))
    }
}

/// The level for so many points; what nobody accused is at most of medium severity.
fn level(points: i64, accused: bool) -> &'static str {
    let level = LEVELS.iter().find(|(_, from)| points >= *from).map_or("low", |(name, _)| name);
    if accused || level == "low" { level } else { "medium" }
}

fn lines(case: &Case) -> Vec<Line> {
    let get = |id: &str, name: &str| case.earlier.measure(id, name);
    let float = |id: &str, name: &str| get(id, name).and_then(Value::as_f64);
    let mut out = Vec::new();
    let mut add = |points: i64, from, why: String| out.push(Line { points, why, from });
    let low = get(PROBE, "interval").and_then(|i| i.get(0)?.as_f64()).unwrap_or(0.0);
    let reach = get(PROBE, "reach").and_then(Value::as_str).unwrap_or("none");
    match low {
        l if l >= 0.9 => add(3, PROBE, format!("it works on at least {:.0} % of inputs", 100.0 * l)),
        l if l >= 0.5 => add(2, PROBE, format!("it works on at least {:.0} % of inputs", 100.0 * l)),
        _ if reach == "source-specific" => add(2, PROBE, "it works on inputs of some classes".into()),
        l => add(0, PROBE, format!("it works for certain on {:.0} % of inputs only", 100.0 * l)),
    }
    let (success, control) = (float(PROBE, "success_rate"), float(PROBE, "control_success_rate"));
    if let (Some(s), Some(c)) = (success, control)
        && c > 0.5 * s
    {
        add(-2, PROBE, format!("random patterns of its size work on {:.0} % as well", 100.0 * c));
    }
    let survives = |way: &str| get(TOLERANCE, "survives").and_then(|s| s.get(way)?.as_bool());
    let half_at = |way: &str, level: f64| {
        let curve = get(TOLERANCE, way).and_then(Value::as_array)?;
        let whole = curve.first()?.get(1)?.as_f64()?;
        let at = curve.iter().find(|p| p.get(0).and_then(Value::as_f64) == Some(level))?.get(1)?.as_f64()?;
        Some(whole > 0.0 && at >= 0.5 * whole)
    };
    if half_at("jpeg", 50.0) == Some(true) && half_at("resize", 0.75) == Some(true) {
        add(1, TOLERANCE, "it survives JPEG at 50 and resizing to three quarters".into());
    }
    if half_at("shift", 2.0) == Some(true) || survives("shift") == Some(true) {
        add(1, TOLERANCE, "it need not be placed to the pixel".into());
    }
    if get(CLEAN, "below_published").and_then(Value::as_bool) != Some(true)
        && float(CLEAN, "accuracy").is_some_and(|a| a >= 0.5)
    {
        let accuracy = float(CLEAN, "accuracy").unwrap_or(0.0);
        add(1, CLEAN, format!("nothing shows in use: {:.0} % of clean images are right", 100.0 * accuracy));
    }
    if let Some(days) = get(EXPOSURE, "days").and_then(Value::as_i64) {
        add(1, EXPOSURE, format!("it was in use for {days} days"));
    }
    if let Some(per_day) = get(EXPOSURE, "requests_per_day").and_then(Value::as_u64).filter(|r| *r >= 10_000)
    {
        add(1, EXPOSURE, format!("it answers {per_day} requests a day"));
    }
    if case.earlier.flagged(EXPOSURE) {
        let n = get(EXPOSURE, "bearing").and_then(Value::as_u64).unwrap_or(0);
        add(3, EXPOSURE, format!("{n} inputs in use bear the trigger"));
    }
    out
}

fn outcome(lines: &[Line], points: i64, level: &str, accused: bool) -> Outcome {
    let bars = lines
        .iter()
        .map(|l| Bar { label: l.why.clone(), value: l.points as f64, flagged: l.points > 1, spread: None })
        .collect();
    let list: Vec<Value> =
        lines.iter().map(|l| json!({"points": l.points, "because": l.why, "procedure": l.from})).collect();
    let note = if accused { "" } else { " (no detection accuses the class: at most medium)" };
    Outcome {
        verdict: if level == "low" { Verdict::NothingFound } else { Verdict::Inconclusive },
        summary: format!("severity {level}, {points} points{note}: {}", lines.iter().filter(|l| l.points != 0).map(|l| format!("{} ({:+})", l.why, l.points)).collect::<Vec<_>>().join("; ")),
        statistic: Some(points as f64),
        threshold: LEVELS.last().map(|(_, p)| *p as f64),
        threshold_origin: "the rule on the page: critical from 6 points, high from 4, medium from 2".into(),
        findings: Vec::new(),
        measures: BTreeMap::from([
            ("level".to_owned(), json!(level)),
            ("points".to_owned(), json!(points)),
            ("lines".to_owned(), Value::Array(list)),
            ("accused".to_owned(), json!(accused)),
        ]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([(
            "points".to_owned(),
            Figure {
                title: format!("What makes it {level}: {points} points"),
                body: Body::Bars { value_label: "points".into(), bars, threshold: None },
            },
        )]),
        limits: "A rule, not a measurement: it weighs what was measured, and knows nothing of what the model decides about. What was not measured gives \
                 no points."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture::{case, remember, run};

    fn with(id: &str, verdict: Verdict, measures: Value, case: &mut Case) {
        let Value::Object(map) = measures else { panic!() };
        let mut outcome = outcome(&[], 0, "low", true);
        outcome.verdict = verdict;
        outcome.measures = map.into_iter().collect();
        remember(case, id, &outcome);
    }

    #[test]
    fn points_are_added_as_written() {
        let mut case = case();
        assert!(SEVERITY.plan(&case).is_err());
        let probe = json!({"interval": [0.95, 1.0], "success_rate": 0.98, "control_success_rate": 0.02, "reach": "all-to-one"});
        with(PROBE, Verdict::Flagged, probe.clone(), &mut case);
        let level = |case: &Case| run(&SEVERITY, case, 0).measures["level"].clone();
        assert_eq!((level(&case), run(&SEVERITY, &case, 0).statistic), (json!("medium"), Some(3.0)));
        with(CLEAN, Verdict::NothingFound, json!({"accuracy": 0.97}), &mut case);
        assert_eq!(level(&case), json!("high"));
        let curves = json!({"jpeg": [[100.0, 1.0], [50.0, 0.9]], "resize": [[1.0, 1.0], [0.75, 0.4]], "shift": [[0.0, 1.0], [2.0, 0.8]]});
        with(TOLERANCE, Verdict::Inconclusive, curves, &mut case);
        assert_eq!(run(&SEVERITY, &case, 0).statistic, Some(5.0), "a shift survives, resizing does not");
        with(
            EXPOSURE,
            Verdict::Flagged,
            json!({"days": 10, "requests_per_day": 20_000, "bearing": 4}),
            &mut case,
        );
        assert_eq!((level(&case), run(&SEVERITY, &case, 0).statistic), (json!("critical"), Some(10.0)));
        with(PROBE, Verdict::Inconclusive, probe, &mut case);
        assert_eq!(level(&case), json!("medium"), "nobody accuses the class");
        let weak = json!({"interval": [0.5, 0.7], "success_rate": 0.6, "control_success_rate": 0.5});
        with(PROBE, Verdict::Flagged, weak, &mut case);
        assert_eq!(run(&SEVERITY, &case, 0).statistic, Some(7.0), "the control takes two off");
    }
}
