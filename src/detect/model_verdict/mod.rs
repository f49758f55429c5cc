//! The verdict on the model: what all detectors that could judge it say together.

use super::calibration::{self, Curve, DETECTORS, Fused, Seen, Table};
use super::classes;
use super::params::Params;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Effort, Finding, Outcome, Phase, Plan, Procedure,
    Severity, Skip, Stop, Verdict, number,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The fused verdict.
pub static MODEL_VERDICT: ModelVerdict = ModelVerdict;

/// See [`MODEL_VERDICT`].
#[derive(Debug)]
pub struct ModelVerdict;

/// Its id.
pub const ID: &str = "model-verdict";

static ABOUT: About = About {
    id: "model-verdict",
    title: "Verdict on the model",
    phase: Phase::Detection,
    version: 1,
    question: "Taking all detectors together: how likely is it that the model is backdoored, and to which class?",
    needs: "at least one finished model detector",
    reference: "Šidák 1967 (several tests); Platt 1999 (probabilities); the calibration table of this program",
    cost: Cost::Instant,
    after: &AFTER,
    page: include_str!("page.md"),
};

/// Chance, of all detectors together, from which a clean model would be flagged.
pub const FLAGGED: f64 = 0.005;
/// The same for the inconclusive band.
pub const DOUBT: f64 = 0.20;
/// The procedure that judges the training data.
const DATA: &str = "poisoned-samples";
/// What it reads.
const AFTER: [&str; 10] = [
    "weight-test",
    "head-probe",
    "maximum-margin",
    "patch-search",
    "neural-cleanse",
    "universal-perturbation",
    "feature-perturbation",
    "warp-search",
    "class-shift",
    DATA,
];
/// How far a list of planted samples is believed: on sets not used to make the method, 8 of 10 poisoned and 1 of 11 clean ones had one, which
/// with even odds is (8/10) / (8/10 + 1/11).
const LIST: f64 = 0.898;
/// Detectors whose finding says what kind of trigger it is.
const FAMILIES: [(&str, &str); 7] = [
    ("patch-search", "patch"),
    ("neural-cleanse", "patch"),
    ("warp-search", "warp"),
    ("universal-perturbation", "blend"),
    ("class-shift", "all-to-all"),
    ("weight-test", "weight-edit"),
    ("feature-perturbation", "weight-edit"),
];

/// What the finished detectors saw, by id.
fn seen(case: &Case) -> BTreeMap<String, Seen> {
    let one = |id: &&str| {
        let record = case.earlier.record(id)?;
        let statistic = record.measures.get("gap")?.as_f64().filter(|g| (0.0..f64::INFINITY).contains(g))?;
        let classes = record.measures.get("leaders").and_then(Value::as_array);
        let class = |v: &Value| v.as_u64().map(|k| k as usize);
        let classes = classes.into_iter().flatten().filter_map(class).collect();
        Some(((*id).to_owned(), Seen { statistic, classes, seconds: None }))
    };
    DETECTORS.iter().filter_map(one).collect()
}

/// What the training data says, when it was judged.
struct OfData {
    score: f64,
    flagged: bool,
    classes: Vec<usize>,
}

fn of_data(case: &Case) -> Option<OfData> {
    let record = case.earlier.record(DATA)?;
    let flagged = record.verdict == Verdict::Flagged;
    let said = record.measures.get("data_score").and_then(Value::as_f64).filter(|p| (0.0..=1.0).contains(p));
    let score = said.or(flagged.then_some(LIST))?;
    let mut classes: Vec<usize> = record.findings.iter().filter_map(|f| f.class).collect();
    classes.sort_unstable();
    classes.dedup();
    Some(OfData { score, flagged, classes })
}

impl Procedure for ModelVerdict {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        Params::of(case, ID, &[])?;
        if case.model.is_none() {
            return Err(Skip("no model that can be run".into()));
        }
        if seen(case).is_empty() {
            return Err(Skip(format!("no model detector has finished; there are: {}", DETECTORS.join(", "))));
        }
        let inputs = case.model_item().map(|item| item.id.clone()).into_iter().collect();
        Ok(Plan { params: json!({"flagged_at": FLAGGED, "doubt": DOUBT}), units: 1, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        cx.step(0, 1)?;
        let table =
            calibration::shipped().ok_or_else(|| Stop::failed("the calibration table cannot be read"))?;
        let model = case.model.as_ref().ok_or_else(|| Stop::failed("the model is gone"))?;
        let quick = case.effort == Effort::Quick;
        let fused = calibration::fuse(table, model.class_count(), &seen(case), quick)
            .ok_or_else(|| Stop::failed("the calibration table knows none of the finished detectors"))?;
        let curve = calibration::curve(table, quick)
            .ok_or_else(|| Stop::failed("the calibration table has too few models for a probability"))?;
        cx.step(1, 1)?;
        Ok(outcome(case, plan, &fused, &curve, of_data(case).as_ref(), table))
    }
}

fn outcome(
    case: &Case,
    plan: &Plan,
    fused: &Fused,
    curve: &Curve,
    data: Option<&OfData>,
    table: &Table,
) -> Outcome {
    let rows = table.rows.len();
    let alone = curve.probability(fused.strangeness());
    let score = data.map_or(alone, |d| 1.0 - (1.0 - alone) * (1.0 - d.score));
    let by_data = data.is_some_and(|d| d.flagged);
    let by_model = fused.chance <= FLAGGED;
    let verdict = match fused.chance {
        _ if by_model || by_data => Verdict::Flagged,
        p if p <= DOUBT => Verdict::Inconclusive,
        _ => Verdict::NothingFound,
    };
    let mut accused =
        if by_model || (verdict == Verdict::Inconclusive) { fused.classes.clone() } else { vec![] };
    if let Some(d) = data.filter(|_| by_data) {
        // Samples that plant a behaviour are the stronger evidence of its target.
        accused.clone_from(&d.classes);
    }
    let family = (verdict == Verdict::Flagged && by_model).then(|| family(fused));
    let summary = summary(fused, verdict, score, &accused, by_model, by_data);
    let findings = match verdict {
        Verdict::NothingFound => vec![],
        _ => findings(case, plan, verdict, score, &accused, &summary),
    };
    let parts: Vec<Value> = fused
        .parts
        .iter()
        .map(|p| {
            json!({"procedure": p.detector, "statistic": number(p.statistic), "chance": number(p.chance),
                   "classes": p.classes})
        })
        .collect();
    // A ranking without a verdict of its own is not to make the whole inconclusive.
    let counted: Vec<&str> = fused.parts.iter().map(|p| p.detector.as_str()).chain(["class-pairs"]).collect();
    let mut measures = BTreeMap::from([
        ("model_score".to_owned(), number(score)),
        ("score_of_detectors".to_owned(), number(alone)),
        ("chance".to_owned(), number(fused.chance)),
        ("parts".to_owned(), Value::Array(parts)),
        ("counted".to_owned(), json!(counted)),
        ("target_classes".to_owned(), json!(accused)),
        // What the verdict rests on, so that it can be told from one by another table.
        (
            "calibration".to_owned(),
            json!({"table": calibration::digest(), "recipes": table.recipes(), "models": rows}),
        ),
    ]);
    if let Some(family) = family.flatten() {
        measures.insert("family".to_owned(), Value::from(family));
    }
    if let Some(d) = data {
        measures.insert("score_of_data".to_owned(), number(d.score));
    }
    Outcome {
        verdict,
        summary,
        statistic: Some(fused.strangeness()),
        threshold: Some(-FLAGGED.log10()),
        threshold_origin: format!(
            "−log10 of the chance that any of {} detectors is as strange on a clean model (Šidák), by their nulls over the clean \
             models of the calibration table: flagged at {:.1} %, inconclusive up to {:.0} %. The probability is a logistic curve \
             over all {rows} models of the table, backdoored and clean of equal weight",
            fused.parts.len(),
            100.0 * FLAGGED,
            100.0 * DOUBT
        ),
        findings,
        measures,
        arrays: BTreeMap::new(),
        figures: BTreeMap::from([("evidence".to_owned(), figure(fused))]),
        limits: limits(fused),
    }
}

/// The kind of trigger, by the strangest detector that tells one.
fn family(fused: &Fused) -> Option<&'static str> {
    let told = |p: &calibration::Part| {
        let (_, family) = FAMILIES.iter().find(|(id, _)| *id == p.detector)?;
        (p.chance <= DOUBT / 2.0).then_some(*family)
    };
    fused.parts.iter().find_map(told)
}

fn summary(
    fused: &Fused,
    verdict: Verdict,
    score: f64,
    accused: &[usize],
    by_model: bool,
    by_data: bool,
) -> String {
    let first = fused.parts.first().map_or("", |p| p.detector.as_str());
    let target = match accused {
        [] => String::new(),
        [one] => format!(", target class {one}"),
        many => format!(
            ", target classes {}",
            many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ),
    };
    let why = match (by_model, by_data) {
        (true, true) => format!("by {first} and by the training data"),
        (false, true) => "by the training data".to_owned(),
        _ => format!("by {first} above all"),
    };
    match verdict {
        Verdict::Flagged => format!("backdoored with probability {score:.2}{target}, {why}"),
        Verdict::Inconclusive => {
            format!(
                "not beyond doubt: probability {score:.2}{target}, {why} (chance {:.3} on a clean model)",
                fused.chance
            )
        }
        Verdict::NothingFound => format!(
            "no detector shows more than clean models do: probability {score:.2}, strangest is {first} (chance {:.2})",
            fused.chance
        ),
    }
}

fn findings(
    case: &Case,
    plan: &Plan,
    verdict: Verdict,
    score: f64,
    accused: &[usize],
    detail: &str,
) -> Vec<Finding> {
    let (severity, confidence) = match verdict {
        Verdict::Flagged if score >= 0.9 => (Severity::High, Confidence::High),
        Verdict::Flagged => (Severity::High, Confidence::Medium),
        _ => (Severity::Low, Confidence::Low),
    };
    let what = if verdict == Verdict::Flagged {
        "The model is backdoored"
    } else {
        "Lead: the model may be backdoored"
    };
    let finding =
        |title: String| Finding::new(Concern::Backdoor, severity, confidence, title, detail).on(&plan.inputs);
    if accused.is_empty() {
        return vec![finding(format!("{what}; its target is not known"))];
    }
    accused.iter().map(|&k| finding(format!("{what}, towards {}", classes::name(case, k))).class(k)).collect()
}

fn figure(fused: &Fused) -> Figure {
    let threshold = -(1.0 - (1.0 - FLAGGED).powf(1.0 / fused.parts.len().max(1) as f64)).log10();
    let bar = |p: &calibration::Part| {
        let value = -p.chance.log10();
        Bar { label: p.detector.clone(), value, flagged: value >= threshold, spread: None }
    };
    Figure {
        title: "How strange each detector finds the model".into(),
        body: Body::Bars {
            value_label: "−log10 of the chance on a clean model".into(),
            bars: fused.parts.iter().map(bar).collect(),
            threshold: Some(threshold),
        },
    }
}

fn limits(fused: &Fused) -> String {
    let missing: Vec<&str> =
        DETECTORS.into_iter().filter(|id| !fused.parts.iter().any(|p| p.detector == *id)).collect();
    let mut limits = String::from(
        "As good as the detectors it counts and as the models it was calibrated on, which are small image classifiers. Without \
         training data, source-specific, sinusoid and sample-specific backdoors mostly stay unseen; `nothing-found` \
         does not mean that there is none.",
    );
    if !missing.is_empty() {
        let note = format!(" Had no say, as they did not apply or did not finish: {}.", missing.join(", "));
        limits += &note;
    }
    limits
}

#[cfg(test)]
mod tests;
