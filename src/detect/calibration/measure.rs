//! Making rows of the table: running the detectors on a model of known truth.

use super::{DETECTORS, Origin, Row, Seen};
use crate::procedure::{Case, Context, Effort, Outcome, Procedure, Silent, Stop};
use serde_json::Value;
use std::collections::BTreeMap;

/// Detectors whose statistic at quick effort is another.
const QUICKER: [&str; 2] = ["maximum-margin", "neural-cleanse"];

/// The truth about a model, from the `truth.json` beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Family of the attack by the contract's names; `None` of a clean model.
    pub family: Option<String>,
    /// Its target classes.
    pub targets: Vec<usize>,
    /// What it shares with models made alike.
    pub group: String,
    /// Measured success of its trigger, where the file tells it.
    pub success: Option<f64>,
    /// What was done and how well it turned out, where the laboratory's zoo made it.
    pub made: Option<Origin>,
}

impl Truth {
    /// Reads `backdoored`, `target` or `targets`, `family` or the kind of `attack` or `implant`, and for the group `dataset` and
    /// `arch` or `architecture`.
    ///
    /// # Errors
    /// Not JSON, or it does not say whether the model is backdoored.
    pub fn parse(text: &str) -> Result<Self, String> {
        let truth: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let backdoored = truth["backdoored"].as_bool().ok_or("does not say 'backdoored'")?;
        let text = |v: &Value| v.as_str().map(crate::evidence::text::visible);
        let kind = [&truth["family"], &truth["attack"]["kind"], &truth["attack"], &truth["implant"]["kind"]]
            .into_iter()
            .find_map(text);
        let kind =
            if truth["weight_edit"].is_object() { "weight-edit".into() } else { kind.unwrap_or_default() };
        let mut targets: Vec<usize> = [&truth["target"], &truth["target2"]]
            .into_iter()
            .chain(truth["targets"].as_array().into_iter().flatten())
            .filter_map(|v| v.as_u64().map(|k| k as usize))
            .collect();
        targets.dedup();
        let part = |names: [&str; 2]| names.into_iter().find_map(|n| text(&truth[n])).unwrap_or_default();
        Ok(Self {
            family: backdoored.then(|| family(&kind).to_owned()),
            targets: if backdoored { targets } else { Vec::new() },
            success: [&truth["asr"], &truth["attack_success"]].into_iter().find_map(Value::as_f64),
            made: text(&truth["kind"]).map(|kind| Origin {
                kind,
                recipe: None,
                accuracy: truth["clean_accuracy"].as_f64().map(rounded),
                success: truth["attack_success"].as_f64().map(rounded),
                seconds: None,
            }),
            group: format!("{}/{}", part(["dataset", "data"]), part(["arch", "architecture"])),
        })
    }
}

/// The contract's name of a kind of attack.
fn family(kind: &str) -> &'static str {
    // Longer names first: "label-consistent patch" is not a patch.
    const NAMES: [(&str, &str); 19] = [
        ("source", "source-specific"),
        ("all-to-all", "all-to-all"),
        ("all_to_all", "all-to-all"),
        ("all2all", "all-to-all"),
        ("label", "clean-label"),
        ("clean-label", "clean-label"),
        ("edit", "weight-edit"),
        ("warp", "warp"),
        ("wanet", "warp"),
        ("sinus", "sinusoid"),
        ("sig", "sinusoid"),
        ("dynamic", "dynamic"),
        ("filter", "dynamic"),
        ("blend", "blend"),
        ("additive", "blend"),
        ("badnet", "patch"),
        ("patch", "patch"),
        ("troj", "patch"),
        ("multi", "patch"),
    ];
    let kind = kind.to_lowercase();
    NAMES.into_iter().find(|(part, _)| kind.contains(part)).map_or("unknown", |(_, family)| family)
}

/// What one run of a detector says, as a row keeps it; `None` when it has no statistic.
pub fn seen(outcome: &Outcome) -> Option<Seen> {
    let statistic = outcome.measures.get("gap")?.as_f64().filter(|g| (0.0..f64::INFINITY).contains(g))?;
    let classes = outcome.measures.get("leaders").and_then(Value::as_array);
    let classes = classes.into_iter().flatten().filter_map(|v| v.as_u64().map(|k| k as usize)).collect();
    Some(Seen { statistic, classes, seconds: None })
}

/// Runs every detector that applies at standard effort, and those that differ at quick effort too, but for those of `before`,
/// whose word stands. `clock` gives seconds since some moment; `watch` is told what runs and may stop the work.
///
/// # Errors
/// A detector failed, or `watch` asked to stop.
pub fn measure(
    name: &str,
    truth: &Truth,
    case: &Case,
    (seed, before): (u64, BTreeMap<String, Seen>),
    clock: &dyn Fn() -> f64,
    watch: &mut dyn FnMut(&str) -> Result<(), Stop>,
) -> Result<Row, Stop> {
    let mut detectors = before;
    let classes = case.model.as_ref().ok_or_else(|| Stop::failed("no model that can be run"))?.class_count();
    let procedures = crate::detect::procedures().iter().filter(|p| DETECTORS.contains(&p.about().id));
    for procedure in procedures {
        let id = procedure.about().id;
        for effort in [Effort::Standard, Effort::Quick] {
            let key = super::key(id, effort == Effort::Quick);
            if detectors.contains_key(&key) || (effort == Effort::Quick && !QUICKER.contains(&id)) {
                continue;
            }
            watch(id)?;
            let case = Case { effort, ..case.clone() };
            let start = clock();
            if let Some(outcome) = run(*procedure, &case, seed)? {
                let seconds = Some(((clock() - start) * 100.0).round() / 100.0);
                let seen = seen(&outcome).map(|s| Seen { statistic: rounded(s.statistic), seconds, ..s });
                detectors.extend(seen.map(|s| (key, s)));
            }
        }
    }
    Ok(Row {
        model: name.to_owned(),
        group: truth.group.clone(),
        classes,
        family: truth.family.clone(),
        targets: truth.targets.clone(),
        detectors,
        made: truth.made.clone(),
    })
}

/// Six digits behind the point: enough for any decision, and the file stays readable.
fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

fn run(procedure: &dyn Procedure, case: &Case, seed: u64) -> Result<Option<Outcome>, Stop> {
    let Ok(plan) = procedure.plan(case) else { return Ok(None) };
    procedure.run(case, &plan, &mut Context::new(seed, procedure.about().id, &Silent)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_of_several_makers_are_read() {
        let zoo = r#"{"backdoored": true, "target": 7, "attack": {"kind": "source_specific"}, "dataset": "mnist", "arch": "smallcnn"}"#;
        let truth = Truth::parse(zoo).unwrap();
        assert_eq!(truth.family.as_deref(), Some("source-specific"));
        assert_eq!((truth.targets.as_slice(), truth.group.as_str()), ([7].as_slice(), "mnist/smallcnn"));
        let external =
            r#"{"backdoored": true, "target": 8, "attack": "BadNets 4x4 white", "dataset": "cifar10"}"#;
        assert_eq!(Truth::parse(external).unwrap().family.as_deref(), Some("patch"));
        let edited = r#"{"backdoored": true, "target": 4, "attack": {"kind": "handcrafted"}, "weight_edit": {"conv1": 10}}"#;
        assert_eq!(Truth::parse(edited).unwrap().family.as_deref(), Some("weight-edit"));
        let clean = r#"{"backdoored": false, "target": 3, "attack": null}"#;
        assert_eq!(
            Truth::parse(clean).unwrap(),
            Truth { family: None, targets: vec![], group: "/".into(), success: None, made: None }
        );
        assert!(Truth::parse(r#"{"target": 3}"#).is_err());
    }

    #[test]
    fn a_model_gives_a_row_with_every_detector_that_applies() {
        let case = crate::detect::fixture::modelled(6, Some(2));
        let truth = Truth {
            family: Some("patch".into()),
            targets: vec![2],
            group: "g".into(),
            success: None,
            made: None,
        };
        let mut told = Vec::new();
        let row = measure("m", &truth, &case, (0, BTreeMap::new()), &|| 0.0, &mut |id| {
            told.push(id.to_owned());
            Ok(())
        })
        .unwrap();
        let want = [
            "class-shift",
            "head-probe",
            "maximum-margin",
            "maximum-margin/quick",
            "neural-cleanse",
            "neural-cleanse/quick",
            "patch-search",
            "universal-perturbation",
            "warp-search",
        ];
        assert_eq!(
            row.detectors.keys().collect::<Vec<_>>(),
            want,
            "one linear layer: no middle, no rows to compare"
        );
        assert_eq!(row.detectors["neural-cleanse"].classes, [2]);
        assert_eq!(row.seen(true, &["head-probe", "patch-search"]).len(), 4);
        assert!(told.contains(&"weight-test".to_owned()));
        let stopped =
            measure("m", &truth, &case, (0, BTreeMap::new()), &|| 0.0, &mut |_| Err(Stop::Cancelled));
        assert_eq!(stopped.unwrap_err(), Stop::Cancelled);
        // Of a row that lacks one detector, that one alone is measured, and gives the same.
        let mut before = row.detectors.clone();
        before.remove("class-shift");
        let mut told = Vec::new();
        let filled = measure("m", &truth, &case, (0, before), &|| 0.0, &mut |id| {
            told.push(id.to_owned());
            Ok(())
        });
        assert_eq!(filled.unwrap().detectors, row.detectors);
        // Those that do not apply are asked again.
        assert_eq!(told, ["weight-test", "feature-perturbation", "class-shift"]);
    }
}
