//! Two sessions side by side: before and after a clean-up, two checkpoints, two versions of the program.

use super::{CaseState, Numbered, Status, assess};
use crate::evidence::text::visible;
use crate::procedure::Record;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The schema id.
pub const SCHEMA: &str = "laocoon.diff/1";

/// A value of both sessions; `Null` where one has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// What it is.
    pub name: String,
    /// In the first session.
    pub a: Value,
    /// In the second.
    pub b: Value,
}

impl Pair {
    fn new(name: impl Into<String>, a: impl Into<Value>, b: impl Into<Value>) -> Self {
        Self { name: name.into(), a: a.into(), b: b.into() }
    }

    /// Whether the two are the same.
    pub fn same(&self) -> bool {
        self.a == self.b
    }

    /// `b − a`, where both are numbers.
    pub fn change(&self) -> Option<f64> {
        Some(self.b.as_f64()? - self.a.as_f64()?)
    }
}

/// A procedure in both sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Procedure {
    /// Its id.
    pub id: String,
    /// Status, verdict, statistic, threshold.
    pub standing: Vec<Pair>,
    /// Every measure.
    pub measures: Vec<Pair>,
    /// Hashes of the figures, by name.
    pub figures: Vec<Pair>,
}

impl Procedure {
    /// Whether nothing differs.
    pub fn same(&self) -> bool {
        self.standing.iter().chain(&self.measures).chain(&self.figures).all(Pair::same)
    }
}

/// How two sessions compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// Case, model digest, seed, effort, program.
    pub setting: Vec<Pair>,
    /// Verdict, scores, target classes, family.
    pub assessment: Vec<Pair>,
    /// Findings of the first session that the second does not have.
    pub gone: Vec<String>,
    /// Findings of the second session that the first does not have.
    pub new: Vec<String>,
    /// Procedures of either, in the order of the first, then of the second.
    pub procedures: Vec<Procedure>,
}

impl Diff {
    /// Whether what was found is the same, whatever the setting.
    pub fn same(&self) -> bool {
        self.assessment.iter().all(Pair::same)
            && self.gone.is_empty()
            && self.new.is_empty()
            && self.procedures.iter().all(Procedure::same)
    }

    /// As JSON of [`SCHEMA`].
    pub fn json(&self) -> Value {
        let pairs = |all: &[Pair]| {
            let one = |p: &Pair| (p.name.clone(), json!({"a": p.a, "b": p.b, "same": p.same()}));
            Value::Object(all.iter().map(one).collect::<Map<_, _>>())
        };
        let procedures = self.procedures.iter().map(|p| {
            json!({"id": p.id, "same": p.same(), "standing": pairs(&p.standing), "measures": pairs(&p.measures),
                   "figures": pairs(&p.figures)})
        });
        json!({
            "schema": SCHEMA, "same": self.same(), "setting": pairs(&self.setting),
            "assessment": pairs(&self.assessment), "findings": {"gone": self.gone, "new": self.new},
            "procedures": procedures.collect::<Vec<_>>(),
        })
    }
}

/// Compares two sessions.
pub fn diff(a: &CaseState, b: &CaseState) -> Diff {
    let ids: BTreeSet<&str> = a.procedures.iter().map(|p| p.id.as_str()).collect();
    let rest = b.procedures.iter().map(|p| p.id.as_str()).filter(|id| !ids.contains(id));
    let order = a.procedures.iter().map(|p| p.id.as_str()).chain(rest);
    let (gone, new) = findings(a, b);
    Diff {
        setting: setting(a, b),
        assessment: assessment(a, b),
        gone,
        new,
        procedures: order.map(|id| procedure(id, a, b)).collect(),
    }
}

fn setting(a: &CaseState, b: &CaseState) -> Vec<Pair> {
    let facts = |s: &CaseState| {
        let case = s.case.as_ref().map_or(Value::Null, |c| visible(&c.id).into());
        let mut facts = vec![
            ("case".to_owned(), case),
            ("seed".to_owned(), s.seed.into()),
            ("effort".to_owned(), s.effort.name().into()),
            ("tool".to_owned(), s.tool.clone().into()),
            ("build".to_owned(), s.build.clone().into()),
        ];
        let item =
            |i: &crate::evidence::Item| (format!("{} {}", i.id, i.role.name()), i.sha256.clone().into());
        facts.extend(s.evidence.iter().map(item));
        facts
    };
    let (a, b) = (facts(a), facts(b));
    let of = |all: &[(String, Value)], name: &str| {
        all.iter().find(|(n, _)| n == name).map_or(Value::Null, |(_, v)| v.clone())
    };
    let rest = b.iter().filter(|(name, _)| !a.iter().any(|(n, _)| n == name));
    a.iter().chain(rest).map(|(name, _)| Pair::new(name.clone(), of(&a, name), of(&b, name))).collect()
}

fn assessment(a: &CaseState, b: &CaseState) -> Vec<Pair> {
    let (a, b) = (assess(a), assess(b));
    vec![
        Pair::new("verdict", a.verdict.name(), b.verdict.name()),
        Pair::new("model_score", a.model_score, b.model_score),
        Pair::new("data_score", a.data_score, b.data_score),
        Pair::new("target_classes", a.target_classes, b.target_classes),
        Pair::new("family", json!(a.family), json!(b.family)),
        Pair::new("poisoned_samples", a.poisoned_samples, b.poisoned_samples),
    ]
}

/// Findings are the same when procedure, concern and classes are: titles hold numbers.
fn findings(a: &CaseState, b: &CaseState) -> (Vec<String>, Vec<String>) {
    let key = |f: &Numbered| {
        (f.procedure.clone(), json!(f.finding.concern).to_string(), f.finding.class, f.finding.source_class)
    };
    let without = |all: &[Numbered], other: &[Numbered]| {
        let other: BTreeSet<_> = other.iter().map(key).collect();
        let line = |f: &Numbered| {
            let severity = json!(f.finding.severity);
            let severity = severity.as_str().unwrap_or_default();
            visible(&format!("{severity} {}: {}", f.procedure, f.finding.title))
        };
        all.iter().filter(|f| !other.contains(&key(f))).map(line).collect()
    };
    (without(&a.findings, &b.findings), without(&b.findings, &a.findings))
}

fn procedure(id: &str, a: &CaseState, b: &CaseState) -> Procedure {
    let status = |s: &CaseState| {
        s.procedure(id).map_or(Value::Null, |p| {
            Value::from(match &p.status {
                Status::Queued => "queued",
                Status::Running => "interrupted",
                Status::Finished { .. } => "finished",
                Status::Skipped(_) => "skipped",
                Status::Stopped { .. } => "stopped",
                Status::Failed(_) => "failed",
            })
        })
    };
    let (ra, rb) = (a.record(id), b.record(id));
    let of = |f: fn(&Record) -> Value| (ra.map_or(Value::Null, f), rb.map_or(Value::Null, f));
    let mut standing = vec![Pair::new("status", status(a), status(b))];
    for (name, get) in [
        ("verdict", (|r| r.verdict.name().into()) as fn(&Record) -> Value),
        ("statistic", |r| r.statistic.clone()),
        ("threshold", |r| r.threshold.clone()),
    ] {
        let (a, b) = of(get);
        standing.push(Pair::new(name, a, b));
    }
    let measures = |r: Option<&Record>| r.map(|r| r.measures.clone()).unwrap_or_default();
    let figures = |r: Option<&Record>| {
        let named = |(n, h): (&String, &String)| (n.clone(), Value::from(h.clone()));
        r.map(|r| r.figures.iter().map(named).collect()).unwrap_or_default()
    };
    Procedure {
        id: visible(id),
        standing,
        measures: pairs(&measures(ra), &measures(rb)),
        figures: pairs(&figures(ra), &figures(rb)),
    }
}

fn pairs(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> Vec<Pair> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let of = |all: &BTreeMap<String, Value>, name: &String| all.get(name).cloned().unwrap_or_default();
    names.into_iter().map(|name| Pair::new(name.clone(), of(a, name), of(b, name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Event;
    use crate::case::fixture::{self, ended, planned};
    use crate::procedure::Severity;

    fn fold(events: &[Event]) -> CaseState {
        let mut state = CaseState::default();
        for (n, event) in events.iter().enumerate() {
            state.apply(n as u64, fixture::TIME, &format!("h{n}"), event);
        }
        state
    }

    #[test]
    fn what_a_clean_up_changed_is_told_and_what_it_left_is_not() {
        let start = [fixture::opened("x"), planned(&["a", "b"])];
        let before = fold(
            &[
                &start[..],
                &[ended("a", fixture::flagged(7, Severity::High)), ended("b", fixture::record("b"))],
            ]
            .concat(),
        );
        let mut quiet = fixture::record("a");
        quiet.statistic = json!(0.3);
        let after = fold(&[&start[..], &[ended("a", quiet), ended("b", fixture::record("b"))]].concat());
        let same = diff(&before, &before);
        assert!(same.same() && same.procedures.len() == 2);
        let changed = diff(&before, &after);
        assert!(!changed.same());
        assert_eq!((changed.gone.len(), changed.new.len()), (1, 0));
        assert!(changed.procedures[1].same() && !changed.procedures[0].same());
        let verdict = &changed.procedures[0].standing[1];
        assert_eq!((verdict.a.as_str(), verdict.b.as_str()), (Some("flagged"), Some("nothing-found")));
        assert!((changed.procedures[0].standing[2].change().unwrap() - 0.2).abs() < 1e-12);
        let json = changed.json();
        assert_eq!(json["findings"]["gone"].as_array().unwrap().len(), 1);
        assert_eq!(json["procedures"][0]["standing"]["verdict"]["same"], false);
    }

    #[test]
    fn a_procedure_of_one_session_only_stands_beside_nothing() {
        let one = fold(&[fixture::opened("x"), ended("a", fixture::record("a"))]);
        let other = fold(&[fixture::opened("x"), ended("b", fixture::record("b"))]);
        let both = diff(&one, &other);
        let ids: Vec<&str> = both.procedures.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(both.procedures[0].standing[0], Pair::new("status", "finished", Value::Null));
        assert_eq!(both.procedures[1].measures[0].a, Value::Null);
    }
}
