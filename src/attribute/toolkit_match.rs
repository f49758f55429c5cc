//! Whose tools does it resemble? Recovered geometry and file names against published defaults.

use super::fingerprints::{FINGERPRINTS, Fingerprint, MARKS};
use super::look::look;
use super::weigh::{Reason, Seen, reasons};
use crate::figure::label::number as shown;
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Verdict, number,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Recovered geometry and file names against published defaults.
pub static TOOLKIT_MATCH: ToolkitMatch = ToolkitMatch;

/// See [`TOOLKIT_MATCH`].
#[derive(Debug)]
pub struct ToolkitMatch;

static ABOUT: About = About {
    id: "toolkit-match",
    title: "Toolkit match",
    phase: Phase::Attribution,
    version: 2,
    question: "Which public attack toolkit's defaults is the recovered trigger consistent with, if any?",
    needs: "a recovered trigger (refine-trigger or neural-cleanse), or files with a toolkit's names",
    reference: "defaults read in ten public toolkits at named commits (see the page)",
    cost: Cost::Instant,
    after: &[
        "format-safety",
        "neural-cleanse",
        "activation-clustering",
        "poisoned-samples",
        "sample-recovery",
        "refine-trigger",
        "trigger-kind",
    ],
    page: include_str!("toolkit_match.md"),
};

/// Weight of an origin that is not listed, before anything is seen.
const UNLISTED: f64 = 0.5;
/// A comparison counts as for or against from this ratio on, or its inverse.
const COUNTS: f64 = 2.0;

impl Procedure for ToolkitMatch {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let seen = look(case);
        if seen.geometry.is_none() && seen.kind.is_none() && seen.marks.is_empty() {
            return Err(Skip(
                "no trigger was recovered and no file carries a toolkit's names: run neural-cleanse or refine-trigger first".to_owned(),
            ));
        }
        let inputs = case.model_item().map(|i| i.id.clone()).into_iter().collect();
        let params = json!({"unlisted_weight": UNLISTED, "counts_from": COUNTS});
        Ok(Plan { params, units: FINGERPRINTS.len() as u64, inputs })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let seen = look(case);
        let each = (1.0 - UNLISTED) / FINGERPRINTS.len() as f64;
        let mut candidates = Vec::new();
        for (n, f) in FINGERPRINTS.iter().enumerate() {
            cx.step(n as u64, plan.units)?;
            let reasons = reasons(f, &seen);
            let ratio: f64 = reasons.iter().map(|r| r.ratio).product();
            candidates.push(Candidate { of: Some(f), ratio, weight: each * ratio, reasons });
        }
        candidates.push(Candidate { of: None, ratio: 1.0, weight: UNLISTED, reasons: Vec::new() });
        let total: f64 = candidates.iter().map(|c| c.weight).sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(Stop::failed("the comparison has no finite weight"));
        }
        for c in &mut candidates {
            c.weight /= total;
        }
        // Stable: equal weights keep the order of the table.
        candidates.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let listed: f64 = candidates.iter().filter(|c| c.of.is_some()).map(|c| c.weight).sum();
        cx.step(plan.units, plan.units)?;

        let verdict = if listed > UNLISTED { Verdict::Inconclusive } else { Verdict::NothingFound };
        let near = near(&candidates);
        let mut measures = BTreeMap::from([
            ("candidates".to_owned(), candidates.iter().map(Candidate::json).collect()),
            ("listed_share".to_owned(), number(listed)),
            ("toolkits".to_owned(), toolkits(&candidates)),
            (
                "cannot_be_told_apart".to_owned(),
                near.iter().map(|f| f.toolkit).collect::<BTreeSet<_>>().into_iter().collect(),
            ),
            ("would_discriminate".to_owned(), json!(discriminators(&near, &seen))),
        ]);
        measures.extend(facts(&seen));
        Ok(Outcome {
            verdict,
            summary: summary(verdict, &candidates),
            statistic: Some(listed),
            threshold: Some(UNLISTED),
            threshold_origin: "half of the weight is given to an origin that is not listed before anything is seen; the listed \
                               toolkits together must outweigh it"
                .to_owned(),
            findings: Vec::new(),
            measures,
            arrays: BTreeMap::new(),
            figures: BTreeMap::from([("candidates".to_owned(), figure(&candidates))]),
            limits: "Hypotheses about tools, never about persons: defaults are public and anybody can copy or change them. Only \
                     the listed toolkits were compared. Base rates and densities are assumptions (see the page). A recovered mask \
                     is an approximation of the trigger."
                .to_owned(),
        })
    }
}

struct Candidate {
    /// `None`: none of the listed.
    of: Option<&'static Fingerprint>,
    /// Likelihood ratio against an unlisted origin.
    ratio: f64,
    weight: f64,
    reasons: Vec<Reason>,
}

impl Candidate {
    fn name(&self) -> String {
        self.of.map_or_else(|| "none of the listed".to_owned(), |f| format!("{}: {}", f.toolkit, f.attack))
    }

    fn json(&self) -> Value {
        let said = |wanted: fn(f64) -> bool| -> Vec<String> {
            let mut kept: Vec<_> = self.reasons.iter().filter(|r| wanted(r.ratio)).collect();
            kept.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
            kept.iter().map(|r| format!("{} (ratio {})", r.text, shown(r.ratio))).collect()
        };
        json!({
            "toolkit": self.of.map_or("none of the listed", |f| f.toolkit),
            "attack": self.of.map_or("", |f| f.attack),
            "source": self.of.map_or("", |f| f.source),
            "score": number(self.weight),
            "likelihood_ratio": number(self.ratio),
            "for": said(|r| r >= COUNTS),
            "against": said(|r| r <= 1.0 / COUNTS),
            "neutral": said(|r| r < COUNTS && r > 1.0 / COUNTS),
        })
    }
}

/// The listed candidates that share the first place: within a third of the best; none when the best stands alone.
fn near(candidates: &[Candidate]) -> Vec<&'static Fingerprint> {
    let listed: Vec<&Candidate> = candidates.iter().filter(|c| c.of.is_some()).collect();
    let best = listed.first().map_or(0.0, |c| c.weight);
    let near: Vec<_> = listed.iter().filter(|c| c.weight * 3.0 >= best).filter_map(|c| c.of).collect();
    let several = near.iter().map(|f| f.toolkit).collect::<BTreeSet<_>>().len() > 1;
    if several { near } else { Vec::new() }
}

/// The share of each toolkit, its attacks together, best first.
fn toolkits(candidates: &[Candidate]) -> Value {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for c in candidates {
        *sums.entry(c.of.map_or("none of the listed", |f| f.toolkit)).or_default() += c.weight;
    }
    let mut all: Vec<(&str, f64)> = sums.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.into_iter().map(|(toolkit, share)| json!({"toolkit": toolkit, "share": number(share)})).collect()
}

/// What would tell the candidates of the first place apart: defaults in which they differ and that were not seen, and the names
/// that each would have left.
fn discriminators(near: &[&'static Fingerprint], seen: &Seen) -> Vec<String> {
    let mut out = Vec::new();
    let mut differ = |what: &str, missing: bool, of: &dyn Fn(&Fingerprint) -> String| {
        let all: BTreeSet<String> = near.iter().map(|f| of(f)).collect();
        if missing && all.len() > 1 {
            let list: Vec<String> = near.iter().map(|f| format!("{}: {}", f.toolkit, of(f))).collect();
            out.push(format!("{what} ({})", list.join("; ")));
        }
    };
    differ("the target class", seen.target.is_none(), &|f| {
        let all: Vec<String> = f.targets.iter().map(ToString::to_string).collect();
        if all.is_empty() { "any".into() } else { all.join(" or ") }
    });
    differ("the share of planted samples, from the whole training set", seen.rate.is_none(), &|f| {
        f.rate.map_or("not given".into(), |r| format!("{} %", shown(100.0 * r)))
    });
    differ("the colours of the patch, from planted samples", !seen.exact && seen.geometry.is_some(), &|f| {
        f.colour.map_or("varies".into(), |c| format!("mean {:.2}/{:.2}/{:.2}", c[0], c[1], c[2]))
    });
    for toolkit in near.iter().map(|f| f.toolkit).collect::<BTreeSet<_>>() {
        let names: Vec<&str> =
            MARKS.iter().filter(|m| toolkit.starts_with(m.toolkit)).map(|m| m.text).collect();
        if !names.is_empty() && !seen.marks.iter().any(|(i, _)| toolkit.starts_with(MARKS[*i].toolkit)) {
            out.push(format!(
                "names that {toolkit} leaves in original files and checkpoints: {}",
                names.join(", ")
            ));
        }
    }
    out
}

fn summary(verdict: Verdict, candidates: &[Candidate]) -> String {
    if verdict == Verdict::NothingFound {
        return "Not like the defaults of any listed toolkit: an origin outside the list remains the better explanation.".to_owned();
    }
    let listed: Vec<_> = candidates.iter().filter(|c| c.of.is_some()).collect();
    let best = listed.first().map_or(0.0, |c| c.weight);
    let near: Vec<_> = listed
        .iter()
        .filter(|c| c.weight * 3.0 >= best)
        .take(4)
        .map(|c| format!("{} ({:.0} %)", c.name(), 100.0 * c.weight))
        .collect();
    let unlisted = candidates.iter().find(|c| c.of.is_none()).map_or(0.0, |c| 100.0 * c.weight);
    let tail = if near.len() > 1 { " These cannot be told apart with confidence." } else { "" };
    format!(
        "Consistent with the defaults of {}; an unlisted origin keeps {unlisted:.0} %.{tail} A hypothesis about tools, not about \
         persons.",
        near.join(", ")
    )
}

fn figure(candidates: &[Candidate]) -> Figure {
    let bars = candidates
        .iter()
        .take(10)
        .map(|c| Bar { label: c.name(), value: c.weight, flagged: false, spread: None })
        .collect();
    Figure {
        title: "Toolkits whose defaults fit, best first".to_owned(),
        body: Body::Bars { value_label: "share (assumed base rates)".to_owned(), bars, threshold: None },
    }
}

/// What was compared, for the record.
fn facts(seen: &Seen) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    if let Some(g) = &seen.geometry {
        out.insert("place".to_owned(), json!(g.place()));
        out.insert("centre".to_owned(), json!([number(g.centre.0), number(g.centre.1)]));
        out.insert("bounds".to_owned(), json!(g.bounds));
        out.insert("area".to_owned(), number(g.area));
        out.insert("scatter".to_owned(), number(g.scatter));
        out.insert("colour".to_owned(), crate::procedure::numbers(&g.colour));
    }
    out.extend(seen.target.map(|(class, _)| ("target".to_owned(), json!(class))));
    out.extend(seen.rate.map(|r| ("poison_rate".to_owned(), number(r))));
    out.extend(seen.kind.as_ref().map(|(k, _)| ("kind".to_owned(), json!(k))));
    out.extend(seen.share.map(|s| ("blend_share".to_owned(), number(s))));
    out.extend(seen.wave.map(|(a, p)| ("wave".to_owned(), json!([number(a), number(p)]))));
    out.insert("read_from_samples".to_owned(), json!(seen.exact));
    let marks: Vec<_> = seen.marks.iter().map(|(i, place)| json!([MARKS[*i].text, place])).collect();
    out.insert("marks".to_owned(), Value::Array(marks));
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evidence::{CaseFile, Format, Item, ItemState, Role, Untrusted};
    use crate::procedure::{Concern, Confidence, Earlier, Effort, Finding, Record, Severity, Silent, Tensor};
    use ndarray::{Array, IxDyn};
    use std::sync::Arc;

    /// A case with nothing in it.
    pub fn case() -> Case {
        Case {
            file: CaseFile {
                id: "t".into(),
                title: String::new(),
                questions: vec![],
                model: None,
                data: vec![],
                artefacts: vec![],
                pipeline: None,
                deployment: None,
                handling: None,
                unexamined: vec![],
                text: String::new(),
                root: ".".into(),
            },
            register: vec![],
            model: None,
            data: vec![],
            effort: Effort::Standard,
            overrides: BTreeMap::new(),
            earlier: Earlier::default(),
        }
    }

    pub fn item(id: &str, role: Role, path: &str) -> Item {
        Item {
            id: id.into(),
            role,
            path: Untrusted::new(path),
            format: Format::Onnx,
            bytes: 1,
            sha256: "00".repeat(32),
            files: 1,
            published: None,
            state: ItemState::Accepted,
            facts: vec![],
        }
    }

    pub fn record(verdict: Verdict) -> Record {
        Record {
            verdict,
            summary: String::new(),
            statistic: Value::Null,
            threshold: Value::Null,
            threshold_origin: String::new(),
            findings: vec![],
            measures: BTreeMap::new(),
            blobs: BTreeMap::new(),
            figures: BTreeMap::new(),
            limits: "x".into(),
        }
    }

    fn run(case: &Case) -> Outcome {
        let plan = TOOLKIT_MATCH.plan(case).unwrap();
        TOOLKIT_MATCH.run(case, &plan, &mut Context::new(0, ABOUT.id, &Silent)).unwrap()
    }

    /// Neural Cleanse flagged class `class` of ten with a white square at `at..at + side`.
    fn cleansed_case(class: usize, at: usize, side: usize) -> Case {
        let mut case = case();
        let mut nc = record(Verdict::Flagged);
        nc.findings =
            vec![Finding::new(Concern::Backdoor, Severity::High, Confidence::High, "", "").class(class)];
        nc.measures.insert("l1".into(), json!([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        let lit = |i: usize| (at..at + side).contains(&i);
        let masks = Array::from_shape_fn(IxDyn(&[10, 32, 32]), |i| {
            if i[0] == class && lit(i[1]) && lit(i[2]) { 0.95 } else { 0.0 }
        });
        let patterns = Array::<f32, _>::ones(IxDyn(&[10, 3, 32, 32]));
        case.earlier.records.insert("neural-cleanse".into(), nc);
        for (name, array) in [("masks", masks), ("patterns", patterns)] {
            case.earlier.arrays.insert(("neural-cleanse".into(), name.into()), Arc::new(Tensor::F32(array)));
        }
        case
    }

    fn best(outcome: &Outcome) -> String {
        outcome.measures["candidates"][0]["toolkit"].as_str().unwrap().to_owned()
    }

    #[test]
    fn without_trigger_and_names_it_is_skipped() {
        assert!(TOOLKIT_MATCH.plan(&case()).unwrap_err().0.contains("no trigger"));
    }

    #[test]
    fn a_white_square_top_left_with_target_0_resembles_trojanzoo() {
        let outcome = run(&cleansed_case(0, 0, 3));
        assert_eq!((outcome.verdict, best(&outcome).as_str()), (Verdict::Inconclusive, "TrojanZoo"));
        assert!(outcome.findings.is_empty());
        let first = &outcome.measures["candidates"][0];
        assert!(first["for"][0].as_str().unwrap().contains("top-left"));
        let shares: f64 = outcome.measures["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["score"].as_f64().unwrap())
            .sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn equal_pixels_stay_ambiguous_and_the_rate_helps() {
        let mut case = cleansed_case(1, 29, 3);
        let names = |o: &Outcome| o.summary.clone();
        assert!(names(&run(&case)).contains("BackdoorBox"), "{}", names(&run(&case)));
        let mut clusters = record(Verdict::Flagged);
        clusters.measures.insert("sizes".into(), json!([[100, 0], [100, 50], [100, 0], [650, 0]]));
        clusters.measures.insert("suspicious".into(), json!([false, true, false, false]));
        case.earlier.records.insert("activation-clustering".into(), clusters);
        let outcome = run(&case);
        assert_eq!(outcome.measures["poison_rate"], json!(0.05));
        assert_eq!(best(&outcome), "BackdoorBox");
    }

    #[test]
    fn a_large_odd_patch_elsewhere_is_nobodys_default() {
        let outcome = run(&cleansed_case(6, 10, 7));
        let none = outcome.measures["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["toolkit"] == "none of the listed");
        assert!(none.unwrap()["score"].as_f64().unwrap() > 0.3);
        assert!(!outcome.summary.contains("told apart") || outcome.verdict == Verdict::Inconclusive);
    }

    #[test]
    fn names_in_files_count_even_without_a_trigger() {
        let mut case = case();
        case.register = vec![item("E1", Role::Model, "dump/full_base_aug_seed=2333.pt")];
        let outcome = run(&case);
        assert_eq!(best(&outcome), "backdoor-toolbox");
        assert_eq!(outcome.measures["marks"][0], json!(["full_base_aug_seed=", "the name of E1"]));
    }

    #[test]
    fn foreign_numbers_do_not_panic() {
        let mut case = cleansed_case(3, 0, 3);
        case.earlier.records.get_mut("neural-cleanse").unwrap().findings[0].class = Some(usize::MAX);
        assert!(TOOLKIT_MATCH.plan(&case).is_err());
        let mut refine = record(Verdict::Flagged);
        refine.measures.insert("target".into(), json!(3));
        case.earlier.records.insert("refine-trigger".into(), refine);
        let odd = Tensor::F32(Array::from_elem(IxDyn(&[1, 1, 4, 4]), f32::NAN));
        case.earlier.arrays.insert(("refine-trigger".into(), "mask".into()), Arc::new(odd));
        assert!(TOOLKIT_MATCH.plan(&case).is_err());
    }
}
