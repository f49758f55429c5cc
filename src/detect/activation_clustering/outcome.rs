//! What all classes together come to.

use super::figure::scatter;
use super::look::{Call, Seen};
use super::reclassify::Reclassified;
use super::{DOUBT, ERROR, FEWEST, RATIO, SILHOUETTE, SILHOUETTE_SAMPLES};
use crate::detect::classes;
use crate::detect::features::{Features, Request};
use crate::figure::{Bar, Body, Figure};
use crate::procedure::{
    Case, Concern, Confidence, Context, Finding, Outcome, Severity, Tensor, Verdict, number,
};
use ndarray::{Array1, Array2};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(super) fn of(
    case: &Case,
    request: &Request,
    features: &Features,
    seen: &[Option<Seen>],
    second: &BTreeMap<usize, Reclassified>,
    cx: &mut Context,
) -> Outcome {
    let n = features.values.nrows();
    let (mut assignments, mut score) = (Array1::<i64>::from_elem(n, -1), Array1::<f32>::zeros(n));
    let mut planes = Array2::<f32>::zeros((n, 2));
    let mut figures = BTreeMap::new();
    let mut bars = Vec::new();
    for (class, seen) in seen.iter().enumerate() {
        let name = classes::name(case, class);
        let Some(seen) = seen else {
            bars.push(Bar { label: name, value: 0.0, flagged: false, spread: None });
            continue;
        };
        for (at, &i) in features.members[class].iter().enumerate() {
            assignments[i] = seen.partition.cluster[at] as i64;
            planes.row_mut(i).assign(&seen.plane.row(at));
            // A class that does not fall apart has nothing to rank: its silhouette weighs the position.
            score[i] = (seen.silhouette.value.max(0.0) * seen.along[at].clamp(0.0, 1.5)) as f32;
        }
        bars.push(Bar { label: name, value: seen.silhouette.value, flagged: seen.suspicious, spread: None });
        let rng = cx.rng(&format!("points/class{class}"));
        figures.insert(format!("pca/{class}"), scatter(case, features, class, seen, rng));
    }
    let title = "Silhouette of two clusters per class (0 where there are too few samples)".to_owned();
    let value_label = "silhouette".to_owned();
    figures.insert(
        "silhouette".into(),
        Figure { title, body: Body::Bars { value_label, bars, threshold: Some(SILHOUETTE) } },
    );

    let suspicious: Vec<usize> =
        (0..seen.len()).filter(|&k| seen[k].as_ref().is_some_and(|s| s.suspicious)).collect();
    let too_few: Vec<usize> = (0..seen.len()).filter(|&k| seen[k].is_none()).collect();
    let sizes =
        |s: &Option<Seen>| s.as_ref().map_or([0, 0], |s| [s.partition.sizes[0], s.partition.sizes[1]]);
    let value = |f: fn(&Seen) -> f64| {
        Value::Array(seen.iter().map(|s| s.as_ref().map_or(Value::Null, |s| number(f(s)))).collect())
    };
    let measures = BTreeMap::from([
        ("sizes".to_owned(), json!(seen.iter().map(sizes).collect::<Vec<_>>())),
        ("ratio".to_owned(), value(|s| s.ratio)),
        ("silhouette".to_owned(), value(|s| s.silhouette.value)),
        ("suspicious".to_owned(), json!(suspicious)),
        (
            "clean_share".to_owned(),
            value(|s| s.clean.map_or(f64::NAN, |c| c.count as f64 / c.of.max(1) as f64)),
        ),
        ("clean_chance".to_owned(), value(|s| s.clean.map_or(f64::NAN, |c| c.chance))),
        (
            "exclusionary".to_owned(),
            Value::Array(
                (0..seen.len()).map(|k| second.get(&k).map_or(Value::Null, |s| number(s.ratio()))).collect(),
            ),
        ),
        ("too_few_samples".to_owned(), json!(too_few)),
        ("layer".to_owned(), json!(crate::evidence::text::visible(request.layer_name()))),
    ]);
    let tested = seen.iter().flatten().filter(|s| s.clean.is_some()).count();
    let calls: Vec<Call> =
        seen.iter().map(|s| s.as_ref().map_or(Call::Nothing, |s| s.call(tested))).collect();
    let called: Vec<usize> = (0..seen.len()).filter(|&k| calls[k] != Call::Nothing).collect();
    let (verdict, summary) = verdict(seen, &calls, &called, &suspicious, features.values.nrows());
    let least = seen.iter().flatten().filter_map(|s| Some(s.clean?.chance)).fold(f64::INFINITY, f64::min);
    let decided = least.is_finite();
    Outcome {
        verdict,
        summary,
        statistic: decided.then(|| -least.max(f64::MIN_POSITIVE).log10()),
        threshold: decided.then(|| -(ERROR / tested.max(1) as f64).log10()),
        threshold_origin: format!(
            "−log₁₀ of the chance of so few clean images of a label in its smaller cluster (Fisher's exact test), {ERROR} over the \
             {tested} labels tested (Bonferroni); a lead from {DOUBT}. The seed documents' rule (silhouette above {SILHOUETTE}, size \
             ratio between {} and {}) is reported and decides only whether there is a lead without clean images",
            RATIO.0, RATIO.1
        ),
        findings: called
            .iter()
            .filter_map(|&k| finding(case, request, features, k, seen[k].as_ref()?, calls[k], second.get(&k)))
            .collect(),
        measures,
        arrays: BTreeMap::from([
            ("assignments".to_owned(), Tensor::I64(assignments.into_dyn())),
            ("pca".to_owned(), Tensor::F32(planes.into_dyn())),
            ("score".to_owned(), Tensor::F32(score.into_dyn())),
        ]),
        figures,
        limits: limits(features, seen, &too_few),
    }
}

fn verdict(
    seen: &[Option<Seen>],
    calls: &[Call],
    called: &[usize],
    suspicious: &[usize],
    samples: usize,
) -> (Verdict, String) {
    let examined = seen.iter().flatten().count();
    if examined == 0 {
        return (Verdict::Inconclusive, format!("no label has the {FEWEST} samples this needs"));
    }
    let rule = format!("the seed documents' rule names {} labels", suspicious.len());
    let foreign: Vec<usize> = called.iter().copied().filter(|&k| calls[k] == Call::Foreign).collect();
    if !foreign.is_empty() {
        let which = list(&foreign);
        let text = format!(
            "{} of {examined} labels split off a group that clean images do not show: class {which}; {rule}",
            foreign.len()
        );
        return (Verdict::Flagged, text);
    }
    if !called.is_empty() {
        let text = format!(
            "{} of {examined} labels split off a group that may be a variety of the class: class {}; {rule}",
            called.len(),
            list(called)
        );
        return (Verdict::Inconclusive, text);
    }
    let covered: usize = seen.iter().flatten().map(|s| s.partition.cluster.len()).sum();
    if 2 * covered < samples {
        return (
            Verdict::Inconclusive,
            format!("most samples are in labels with fewer than {FEWEST} samples; {rule}"),
        );
    }
    (
        Verdict::NothingFound,
        format!("none of {examined} labels splits off a group that clean images do not show; {rule}"),
    )
}

fn list(classes: &[usize]) -> String {
    let shown: Vec<String> = classes.iter().take(8).map(ToString::to_string).collect();
    let more = if classes.len() > 8 { format!(" and {} more", classes.len() - 8) } else { String::new() };
    shown.join(", ") + &more
}

fn finding(
    case: &Case,
    request: &Request,
    features: &Features,
    class: usize,
    seen: &Seen,
    call: Call,
    second: Option<&Reclassified>,
) -> Option<Finding> {
    let n = features.members.get(class)?.len();
    let title = format!(
        "Samples labelled {} form two groups, {} of {n} apart",
        classes::name(case, class),
        seen.partition.sizes[1]
    );
    let mut detail = match seen.clean {
        Some(held) => format!(
            "{} of {} clean images of the label lie with the smaller group, chance {:.1e}. ",
            held.count, held.of, held.chance
        ),
        None => "There are no clean images of the label to hold it against. ".to_owned(),
    };
    let _ = write!(
        detail,
        "Silhouette {:.3}, size ratio {:.3}. The small group may be planted samples, or a variety of the class that clean images lack: \
         look at its images.",
        seen.silhouette.value, seen.ratio
    );
    if let Some(second) = second {
        let _ = write!(
            detail,
            " Taught without the group, an early layer takes {} of it for its label and {} for class {}.",
            second.own, second.other, second.class
        );
    }
    let (severity, confidence) = match call {
        Call::Foreign => (Severity::Medium, Confidence::Medium),
        _ => (Severity::Low, Confidence::Low),
    };
    Some(
        Finding::new(Concern::DataPoisoning, severity, confidence, title, detail)
            .class(class)
            .on(&request.inputs(case)),
    )
}

fn limits(features: &Features, seen: &[Option<Seen>], too_few: &[usize]) -> String {
    let mut limits = format!(
        "Looked at {}. Planted samples that the network treats like the rest of their label (clean-label, invisible or weak \
         triggers), or that are under 1 % or over 23 % of it, stay unseen; natural varieties of a class look the same as planted ones.",
        features.source
    );
    if !too_few.is_empty() {
        let _ = write!(limits, " Not examined, fewer than {FEWEST} samples: class {}.", list(too_few));
    }
    let sampled = seen.iter().flatten().filter(|s| !s.silhouette.exact).count();
    if sampled > 0 {
        let _ = write!(
            limits,
            " The silhouette of {sampled} large classes is over {SILHOUETTE_SAMPLES} samples drawn by seed."
        );
    }
    limits
}
