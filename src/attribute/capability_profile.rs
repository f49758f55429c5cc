//! What whoever did it could reach and knew how to do, by rules that are shown.

use super::findings::{READ, flagged};
use crate::detect::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Concern, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The profile.
pub static CAPABILITY_PROFILE: CapabilityProfile = CapabilityProfile;

/// See [`CAPABILITY_PROFILE`].
#[derive(Debug)]
pub struct CapabilityProfile;

const ID: &str = "capability-profile";

static ABOUT: About = About {
    id: "capability-profile",
    title: "Capability profile",
    phase: Phase::Attribution,
    version: 1,
    question: "What access, skill and stealth does what was found imply?",
    needs: "findings of other procedures",
    reference: "rules of this program (see the page); terms of NIST AI 100-2e2025, section 2.1",
    cost: Cost::Instant,
    after: &READ,
    page: include_str!("capability_profile.md"),
};

/// A trait with the rule's words and where it comes from.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    /// access, skill or stealth.
    of: &'static str,
    /// training-data, training-code, weights, pipeline, file; low, medium, high.
    value: &'static str,
    /// The rule that applied.
    because: String,
    /// The record it rests on.
    from: &'static str,
}

impl Procedure for CapabilityProfile {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ID, &[])?;
        if flagged(case).is_empty() {
            return Err(Skip("there is no finding to draw conclusions from".into()));
        }
        Ok(Plan { params: json!({}), units: 1, inputs: Vec::new() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        cx.step(0, plan.units)?;
        let mut lines = access(case);
        lines.extend(skill(case));
        lines.extend(stealth(case));
        cx.step(plan.units, plan.units)?;
        Ok(outcome(&lines))
    }
}

fn line(of: &'static str, value: &'static str, from: &'static str, because: impl Into<String>) -> Line {
    Line { of, value, because: because.into(), from }
}

/// What must have been reachable.
fn access(case: &Case) -> Vec<Line> {
    let mut out = Vec::new();
    let all = flagged(case);
    let by = |concern: Concern| {
        READ.into_iter().find(|id| all.iter().any(|f| f.finding.concern == concern && f.procedure == *id))
    };
    if let Some(from) = by(Concern::DataPoisoning) {
        out.push(line(
            "access",
            "training-data",
            from,
            "samples of the training set were planted or relabelled",
        ));
    }
    if let Some(from) = by(Concern::TrainingCode) {
        out.push(line("access", "training-code", from, "the training code was changed"));
    }
    if let Some(from) = by(Concern::Pipeline) {
        out.push(line("access", "pipeline", from, "the pipeline did not run as it was reviewed"));
    }
    if let Some(from) = by(Concern::Substitution) {
        out.push(line("access", "weights", from, "an artefact is not what the step before it made"));
    }
    let family = case
        .earlier
        .measure("trigger-kind", "family")
        .or_else(|| case.earlier.measure("model-verdict", "family"));
    if family.and_then(Value::as_str) == Some("weight-edit") {
        let from = if case.earlier.flagged("weight-test") { "weight-test" } else { "model-verdict" };
        out.push(line(
            "access",
            "weights",
            from,
            "the weights look edited by hand: no training sample is needed for that",
        ));
    }
    if let Some(from) = by(Concern::UnsafeFormat).or_else(|| by(Concern::Integrity)) {
        out.push(line(
            "access",
            "file",
            from,
            "the file itself was altered or replaced, on its way or at its place",
        ));
    }
    let backdoor = by(Concern::Backdoor);
    if let (true, Some(from)) = (out.is_empty(), backdoor) {
        let looked = case.earlier.record("poisoned-samples").is_some();
        out.push(if looked {
            line("access", "weights", from, "the model has a backdoor and no planted sample was found in the training set at hand: another training set, the code or the weights")
        } else {
            line("access", "training-data or weights", from, "the model has a backdoor; without the training set it cannot be said how it got in")
        });
    }
    out
}

/// What one must know how to do.
fn skill(case: &Case) -> Vec<Line> {
    let mut out = Vec::new();
    let text = |id: &str, name: &str| case.earlier.measure(id, name).and_then(Value::as_str);
    match text("trigger-kind", "kind") {
        Some("patch" | "multi-patch") => out.push(line(
            "skill",
            "low",
            "trigger-kind",
            "a patch stamped on samples: every public toolkit does it",
        )),
        Some("blend" | "sinusoid") => {
            out.push(line(
                "skill",
                "low",
                "trigger-kind",
                "a blend or wave over samples: most public toolkits do it",
            ));
        }
        Some("warp" | "dynamic") => {
            out.push(line(
                "skill",
                "medium",
                "trigger-kind",
                "a warp, or a trigger of its own for every image: needs care in training",
            ));
        }
        _ => {}
    }
    let family = text("trigger-kind", "family").or_else(|| text("poisoned-samples", "family"));
    match family {
        Some("clean-label") => out.push(line(
            "skill",
            "medium",
            "poisoned-samples",
            "labels are true: the attack works without relabelling",
        )),
        Some("source-specific") => out.push(line(
            "skill",
            "medium",
            "trigger-kind",
            "works from some classes only: needs cover samples",
        )),
        Some("weight-edit") => {
            out.push(line(
                "skill",
                "high",
                "trigger-kind",
                "weights edited by hand without loss of accuracy",
            ));
        }
        _ => {}
    }
    if all_of(case, &[Concern::TrainingCode]) {
        out.push(line("skill", "medium", "training-code", "training code that steers what is learnt"));
    }
    out
}

fn all_of(case: &Case, concerns: &[Concern]) -> bool {
    flagged(case).iter().any(|f| concerns.contains(&f.finding.concern))
}

/// How hard it is to notice.
fn stealth(case: &Case) -> Vec<Line> {
    let mut out = Vec::new();
    let float = |id: &str, name: &str| case.earlier.measure(id, name).and_then(Value::as_f64);
    if let (Some(list), Some(training)) = (
        case.earlier.measure("poisoned-samples", "indices").and_then(Value::as_array),
        case.training().map(|d| d.set.len()).filter(|n| *n > 0),
    ) && case.earlier.flagged("poisoned-samples")
    {
        let rate = list.len() as f64 / training as f64;
        let value = if rate < 0.01 {
            "high"
        } else if rate < 0.05 {
            "medium"
        } else {
            "low"
        };
        out.push(line(
            "stealth",
            value,
            "poisoned-samples",
            format!("{:.2} % of the training samples were planted", 100.0 * rate),
        ));
    }
    let kind = case.earlier.measure("trigger-kind", "kind").and_then(Value::as_str);
    if let (Some("patch" | "multi-patch"), Some(area)) = (kind, float("trigger-kind", "area")) {
        let value = if area < 0.005 { "medium" } else { "low" };
        out.push(line(
            "stealth",
            value,
            "trigger-kind",
            format!("a visible patch on {:.1} % of the picture", 100.0 * area),
        ));
    }
    if let Some("blend" | "sinusoid" | "warp") = kind {
        out.push(line("stealth", "high", "trigger-kind", "spread over the picture: hard to see"));
    }
    if case.earlier.measure("trigger-kind", "family").and_then(Value::as_str) == Some("clean-label") {
        out.push(line(
            "stealth",
            "high",
            "poisoned-samples",
            "labels agree with the pictures: a look at samples shows nothing",
        ));
    }
    out
}

fn outcome(lines: &[Line]) -> Outcome {
    let of = |what: &str| {
        let mut all: Vec<&str> = lines.iter().filter(|l| l.of == what).map(|l| l.value).collect();
        all.dedup();
        all
    };
    let most = |what: &str| {
        let all = of(what);
        ["high", "medium", "low"].into_iter().find(|v| all.contains(v)).unwrap_or("unknown")
    };
    // A chain is as stealthy as its plainest part.
    let least = |what: &str| {
        let all = of(what);
        ["low", "medium", "high"].into_iter().find(|v| all.contains(v)).unwrap_or("unknown")
    };
    let access = of("access").join(", ");
    let access = if access.is_empty() { "unknown".to_owned() } else { access };
    let list: Vec<Value> = lines
        .iter()
        .map(|l| json!({"of": l.of, "value": l.value, "because": l.because, "procedure": l.from}))
        .collect();
    let height = |v: &str| match v {
        "high" => 3.0,
        "medium" => 2.0,
        "low" => 1.0,
        _ => 0.0,
    };
    let bars = lines
        .iter()
        .filter(|l| l.of != "access")
        .map(|l| Bar {
            label: format!("{}: {}", l.of, l.because),
            value: height(l.value),
            flagged: false,
            spread: None,
        })
        .collect();
    Outcome {
        verdict: if lines.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive },
        summary: format!(
            "access to {access}; skill {}, stealth {} (at least, by what was found)",
            most("skill"),
            least("stealth")
        ),
        statistic: None,
        threshold: None,
        threshold_origin: "none: rules from findings to traits, on the page".into(),
        findings: Vec::new(),
        measures: BTreeMap::from([
            ("access".to_owned(), json!(of("access"))),
            ("skill".to_owned(), json!(most("skill"))),
            ("stealth".to_owned(), json!(least("stealth"))),
            ("lines".to_owned(), Value::Array(list)),
        ]),
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([(
            "traits".to_owned(),
            Figure {
                title: "What the traits rest on: 1 low, 2 medium, 3 high".into(),
                body: Body::Bars { value_label: "level".into(), bars, threshold: None },
            },
        )]),
        limits: "What was found implies at least so much; whoever did it may have had more. A profile describes means, never persons: insiders, toolkits \
                 and accidents look alike."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::toolkit_match::tests::{case, record};
    use crate::procedure::{Confidence, Finding, Severity, Silent};

    fn run(case: &Case) -> Outcome {
        let plan = CAPABILITY_PROFILE.plan(case).unwrap();
        CAPABILITY_PROFILE.run(case, &plan, &mut Context::new(0, ID, &Silent)).unwrap()
    }

    fn found(case: &mut Case, procedure: &str, concern: Concern, measures: &[(&str, Value)]) {
        let mut record = record(Verdict::Flagged);
        record.findings = vec![Finding::new(concern, Severity::High, Confidence::High, "t", "d")];
        record.measures = measures.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        case.earlier.records.insert(procedure.into(), record);
    }

    #[test]
    fn access_follows_from_findings() {
        let mut case = case();
        assert!(CAPABILITY_PROFILE.plan(&case).is_err());
        found(&mut case, "neural-cleanse", Concern::Backdoor, &[]);
        assert_eq!(run(&case).measures["access"], json!(["training-data or weights"]));
        case.earlier.records.insert("poisoned-samples".into(), record(Verdict::NothingFound));
        assert_eq!(run(&case).measures["access"], json!(["weights"]));
        found(&mut case, "poisoned-samples", Concern::DataPoisoning, &[]);
        found(&mut case, "training-code", Concern::TrainingCode, &[]);
        let got = run(&case);
        assert_eq!(got.measures["access"], json!(["training-data", "training-code"]));
        assert!(got.measures["lines"].as_array().unwrap().iter().all(|l| l["procedure"].is_string()));
    }

    #[test]
    fn skill_and_stealth_follow_from_kind_and_family() {
        let mut case = case();
        found(&mut case, "trigger-probe", Concern::Backdoor, &[]);
        let kind = |kind: &str, family: &str| {
            vec![("kind", json!(kind)), ("family", json!(family)), ("area", json!(0.01))]
        };
        found(&mut case, "trigger-kind", Concern::Backdoor, &kind("patch", "patch"));
        let got = run(&case);
        assert_eq!((&got.measures["skill"], &got.measures["stealth"]), (&json!("low"), &json!("low")));
        found(&mut case, "trigger-kind", Concern::Backdoor, &kind("warp", "warp"));
        let got = run(&case);
        assert_eq!((&got.measures["skill"], &got.measures["stealth"]), (&json!("medium"), &json!("high")));
        found(&mut case, "trigger-kind", Concern::Backdoor, &kind("patch", "weight-edit"));
        let got = run(&case);
        assert_eq!((&got.measures["skill"], &got.measures["access"]), (&json!("high"), &json!(["weights"])));
    }
}
