//! What to do about it: advice tied to findings, each with the mitigations that ATLAS lists.

use super::findings::{Found, READ, flagged};
use crate::detect::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Concern, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict, taxonomy,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Advice.
pub static REMEDIATION: Remediation = Remediation;

/// See [`REMEDIATION`].
#[derive(Debug)]
pub struct Remediation;

const ID: &str = "remediation";

static ABOUT: About = About {
    id: "remediation",
    title: "Remediation",
    phase: Phase::Attribution,
    version: 1,
    question: "What should be contained, cleaned up and controlled, and which finding asks for it?",
    needs: "findings of other procedures",
    reference: "MITRE ATLAS v5.6.1 mitigations; NIST SP 800-61 for the order of containment, eradication, recovery",
    cost: Cost::Instant,
    after: &READ,
    page: include_str!("remediation.md"),
};

/// When something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Containment,
    CleanUp,
    Control,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Containment => "containment",
            Stage::CleanUp => "clean-up",
            Stage::Control => "provenance and control",
        }
    }
}

/// A piece of advice: for which findings, and the mitigations it carries out.
struct Advice {
    stage: Stage,
    text: &'static str,
    mitigations: &'static [&'static str],
    applies: fn(&Found, &Case) -> bool,
}

fn is(found: &Found, concerns: &[Concern]) -> bool {
    concerns.contains(&found.finding.concern)
}

fn narrow(case: &Case) -> bool {
    let survives = |way: &str| {
        case.earlier.measure("trigger-tolerance", "survives").and_then(|s| s.get(way)?.as_bool())
            == Some(false)
    };
    survives("jpeg") || survives("resize")
}

const ADVICE: [Advice; 16] = [
    Advice {
        stage: Stage::Containment,
        text: "Take the model out of use, or route its decisions for the accused class past a second check, until it is replaced.",
        mitigations: &["AML.M0008", "AML.M0006"],
        applies: |f, _| is(f, &[Concern::Backdoor]),
    },
    Advice {
        stage: Stage::Containment,
        text: "Screen live inputs for the recovered trigger and keep those that bear it.",
        mitigations: &["AML.M0015"],
        applies: |f, _| f.procedure == "trigger-probe" || f.procedure == "refine-trigger",
    },
    Advice {
        stage: Stage::Containment,
        text: "As a stopgap, compress or resize inputs before the model: the trigger does not survive it (trigger-tolerance), most clean images do.",
        mitigations: &["AML.M0010"],
        applies: |f, case| f.procedure == "trigger-probe" && narrow(case),
    },
    Advice {
        stage: Stage::Containment,
        text: "Review the decisions on the requests that exposure lists, beginning with those answered with the accused class, and tell whom they concern.",
        mitigations: &["AML.M0015"],
        applies: |f, _| f.procedure == "exposure",
    },
    Advice {
        stage: Stage::Containment,
        text: "Do not load the file anywhere; treat every machine and account that loaded it as exposed and rotate what they hold.",
        mitigations: &["AML.M0011", "AML.M0016"],
        applies: |f, _| is(f, &[Concern::UnsafeFormat, Concern::Malformed]),
    },
    Advice {
        stage: Stage::Containment,
        text: "Stop the pipeline and freeze its state (definitions, logs, artefacts) before anything is repaired.",
        mitigations: &["AML.M0005"],
        applies: |f, _| is(f, &[Concern::Pipeline, Concern::TrainingCode, Concern::Substitution]),
    },
    Advice {
        stage: Stage::Containment,
        text: "Isolate the machines named, keep memory and disks, and cut the destinations that were written to.",
        mitigations: &["AML.M0005"],
        applies: |f, _| is(f, &[Concern::Misuse]),
    },
    Advice {
        stage: Stage::CleanUp,
        text: "Quarantine the listed samples, train again from known weights without them, and examine the result as this one was (diff of both sessions).",
        mitigations: &["AML.M0007", "AML.M0008"],
        applies: |f, _| is(f, &[Concern::DataPoisoning]),
    },
    Advice {
        stage: Stage::CleanUp,
        text: "Replace the model by one trained on data of known origin. Fine-tuning or pruning alone often leaves a backdoor in place: probe again with the recovered trigger afterwards.",
        mitigations: &["AML.M0008"],
        applies: |f, _| is(f, &[Concern::Backdoor]),
    },
    Advice {
        stage: Stage::CleanUp,
        text: "Get the file again from its publisher over another channel, compare digests, and find where the two parted.",
        mitigations: &["AML.M0014", "AML.M0013"],
        applies: |f, _| is(f, &[Concern::Integrity, Concern::UnsafeFormat, Concern::Malformed]),
    },
    Advice {
        stage: Stage::CleanUp,
        text: "Restore the reviewed definitions and code, and make every artefact since the change again from the last one that is accounted for.",
        mitigations: &["AML.M0014", "AML.M0013"],
        applies: |f, _| is(f, &[Concern::Pipeline, Concern::TrainingCode, Concern::Substitution]),
    },
    Advice {
        stage: Stage::CleanUp,
        text: "Examine every other model of the same origin, training set and pipeline.",
        mitigations: &["AML.M0008", "AML.M0023"],
        applies: |f, _| is(f, &[Concern::Backdoor, Concern::DataPoisoning, Concern::TrainingCode]),
    },
    Advice {
        stage: Stage::Control,
        text: "Record where every training sample came from, with a digest at collection, and who may add samples or change labels.",
        mitigations: &["AML.M0025", "AML.M0005"],
        applies: |f, _| is(f, &[Concern::DataPoisoning]),
    },
    Advice {
        stage: Stage::Control,
        text: "Take models only as signed artefacts in a format that holds data alone (safetensors, ONNX), and verify at every hand-off.",
        mitigations: &["AML.M0013", "AML.M0014"],
        applies: |f, _| {
            is(
                f,
                &[
                    Concern::Backdoor,
                    Concern::UnsafeFormat,
                    Concern::Integrity,
                    Concern::Malformed,
                    Concern::Substitution,
                ],
            )
        },
    },
    Advice {
        stage: Stage::Control,
        text: "Keep a bill of materials of model, data and code, so that what is affected can be named at once.",
        mitigations: &["AML.M0023"],
        applies: |f, _| {
            is(f, &[Concern::Backdoor, Concern::DataPoisoning, Concern::Integrity, Concern::Substitution])
        },
    },
    Advice {
        stage: Stage::Control,
        text: "Require review and signed commits for pipeline definitions and training code, and compare as-run with approved on every run.",
        mitigations: &["AML.M0005", "AML.M0013"],
        applies: |f, _| is(f, &[Concern::Pipeline, Concern::TrainingCode, Concern::Misuse]),
    },
];

impl Procedure for Remediation {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ID, &[])?;
        Ok(Plan { params: json!({"release": taxonomy::RELEASES[0].1}), units: 1, inputs: Vec::new() })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        cx.step(0, plan.units)?;
        let findings = flagged(case);
        let mut advice: Vec<(Stage, Value)> = Vec::new();
        let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
        for item in &ADVICE {
            let asked: Vec<String> =
                findings.iter().filter(|f| (item.applies)(f, case)).map(Found::named).collect();
            if asked.is_empty() {
                continue;
            }
            *counts.entry(item.stage).or_default() += 1;
            let mitigations: Vec<Value> =
                item.mitigations.iter().map(|id| json!({"id": id, "name": taxonomy::name(id)})).collect();
            let entry = json!({
                "stage": item.stage.name(), "advice": item.text, "mitigations": mitigations, "because_of": asked,
            });
            advice.push((item.stage, entry));
        }
        advice.sort_by_key(|(stage, _)| *stage);
        let summary = match advice.first() {
            None => "no finding asks for anything to be done".to_owned(),
            Some((_, first)) => format!(
                "{} steps, first: {}",
                advice.len(),
                first.get("advice").and_then(Value::as_str).unwrap_or_default()
            ),
        };
        let verdict = if advice.is_empty() { Verdict::NothingFound } else { Verdict::Inconclusive };
        let bars: Vec<Bar> = counts
            .iter()
            .map(|(stage, n)| Bar {
                label: stage.name().into(),
                value: *n as f64,
                flagged: false,
                spread: None,
            })
            .collect();
        let figure = Figure {
            title: "Steps asked for by findings".into(),
            body: Body::Bars { value_label: "steps".into(), bars, threshold: None },
        };
        cx.step(plan.units, plan.units)?;
        Ok(Outcome {
            verdict,
            summary,
            statistic: None,
            threshold: None,
            threshold_origin: "none: a fixed table from kinds of finding to advice".into(),
            findings: Vec::new(),
            measures: BTreeMap::from([
                ("advice".to_owned(), advice.into_iter().map(|(_, v)| v).collect()),
                ("release".to_owned(), json!(taxonomy::RELEASES[0])),
            ]),
            arrays: BTreeMap::new(),
            figures: if verdict == Verdict::NothingFound { BTreeMap::new() } else { BTreeMap::from([("steps".to_owned(), figure)]) },
            limits: "Advice by kind of finding, as right as the findings. What the model decides about, who depends on it and what the law asks is for the \
                     responder to weigh."
                .into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::toolkit_match::tests::{case, record};
    use crate::procedure::{Confidence, Finding, Severity, Silent};

    fn run(case: &Case) -> Outcome {
        let plan = REMEDIATION.plan(case).unwrap();
        REMEDIATION.run(case, &plan, &mut Context::new(0, ID, &Silent)).unwrap()
    }

    fn found(case: &mut Case, procedure: &str, concern: Concern) {
        let mut record = record(Verdict::Flagged);
        record.findings = vec![Finding::new(concern, Severity::High, Confidence::High, "t", "d")];
        case.earlier.records.insert(procedure.into(), record);
    }

    #[test]
    fn every_step_names_the_finding_that_asks_for_it_and_known_mitigations() {
        for advice in &ADVICE {
            assert!(!advice.mitigations.is_empty());
            for id in advice.mitigations {
                assert!(taxonomy::MITIGATIONS.iter().any(|m| m.id == *id), "{id}");
            }
        }
        let mut case = case();
        assert_eq!(run(&case).verdict, Verdict::NothingFound);
        found(&mut case, "poisoned-samples", Concern::DataPoisoning);
        let got = run(&case);
        let advice = got.measures["advice"].as_array().unwrap();
        assert!(advice.iter().all(|a| a["because_of"] == json!(["poisoned-samples: t"])));
        assert!(advice.iter().any(|a| a["mitigations"][0]["id"] == "AML.M0007"));
        assert_eq!(advice[0]["stage"], "clean-up", "nothing to contain");
        found(&mut case, "trigger-probe", Concern::Backdoor);
        let got = run(&case);
        assert_eq!(got.measures["advice"][0]["stage"], "containment", "in the order of work");
        assert!(!got.summary.contains("compress"));
        case.earlier.records.insert("neural-cleanse".into(), record(Verdict::Inconclusive));
        assert_eq!(run(&case).measures["advice"], got.measures["advice"], "leads ask for nothing");
    }
}
