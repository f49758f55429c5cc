//! What the deployed model answered, against what the model at hand answers to the same inputs.

use super::super::moment;
use super::super::sighting::{Seen, Sighting};
use super::super::table::{Table, number};
use crate::evidence::dataset::{DataSet, Pixels};
use crate::evidence::text::visible;
use crate::evidence::{Limits, Untrusted, intake};
use crate::figure::{Bar, Body};
use crate::math::robust::median;
use crate::network::Model;
use crate::procedure::{Case, Concern, Confidence, Severity};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Answers that must differ before it counts: at least so many, and this share.
const ANSWERS: usize = 3;
const SHARE: f64 = 0.01;

/// A replayed answer this close to another class is a matter of rounding.
const MARGIN: f64 = 0.05;

/// One answer of the log.
pub(crate) struct Answer {
    pub time: Option<f64>,
    pub input: String,
    pub class: Option<usize>,
    pub confidence: Option<f64>,
}

pub(crate) fn read(text: &str, model: &Model) -> Result<(Vec<Answer>, usize), String> {
    let table = Table::read(text)?;
    let column = |names: &[&str]| table.column(names);
    let input = column(&[
        "input_sha256",
        "sha256",
        "input",
        "path",
        "file",
        "image",
        "input_path",
        "input_sha256_or_path",
        "request",
    ])
    .ok_or("no column of inputs")?;
    let class = column(&["predicted", "prediction", "predicted_class", "class", "label", "output", "pred"])
        .ok_or("no column of predicted classes")?;
    let (time, confidence) = (
        column(&["time", "timestamp", "ts", "date"]),
        column(&["confidence", "score", "probability", "prob"]),
    );
    let named = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|c| *c < model.class_count())
            .or_else(|| model.classes.iter().position(|c| c.raw().eq_ignore_ascii_case(text)))
    };
    let mut unknown = 0;
    let answers = table.rows.iter().map(|row| {
        let cell = |c: Option<usize>| c.and_then(|c| row.get(c)).unwrap_or_default();
        let class = named(cell(Some(class)));
        unknown += usize::from(class.is_none());
        Answer {
            time: moment::parse(cell(time)),
            input: cell(Some(input)).trim_start_matches("sha256:").to_owned(),
            class,
            confidence: number(cell(confidence))
                .filter(|c| c.is_finite())
                .map(|c| if c > 1.0 { c / 100.0 } else { c }),
        }
    });
    let answers = answers.collect();
    Ok((answers, unknown))
}

/// Bytes of a sample's pixels as stored, channels first.
fn pixels(set: &DataSet, i: usize) -> Vec<u8> {
    match &set.images {
        Some(Pixels::U8(a)) => a.index_axis(ndarray::Axis(0), i).iter().copied().collect(),
        Some(Pixels::F32(a)) => {
            a.index_axis(ndarray::Axis(0), i).iter().flat_map(|x| x.to_le_bytes()).collect()
        }
        None => Vec::new(),
    }
}

/// The same with channels last, as images are often sent.
fn interleaved(set: &DataSet, i: usize) -> Vec<u8> {
    match &set.images {
        Some(Pixels::U8(a)) => {
            a.index_axis(ndarray::Axis(0), i).permuted_axes([1, 2, 0]).iter().copied().collect()
        }
        Some(Pixels::F32(a)) => a
            .index_axis(ndarray::Axis(0), i)
            .permuted_axes([1, 2, 0])
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
        None => Vec::new(),
    }
}

/// Where each input of the log is among the data: by digest of its pixels or of its file, or by its path.
pub(crate) fn inputs(case: &Case) -> HashMap<String, (usize, usize)> {
    let mut out = HashMap::new();
    for (d, data) in case.data.iter().enumerate() {
        for i in 0..data.set.len() {
            out.insert(intake::sha256(&pixels(&data.set, i)), (d, i));
            out.insert(intake::sha256(&interleaved(&data.set, i)), (d, i));
            let Some(name) = data.set.names.get(i) else { continue };
            out.insert(name.raw().to_owned(), (d, i));
            let item = case.register.iter().find(|r| r.id == data.item);
            if let Some(folder) =
                item.and_then(|r| case.file.locate(Path::new(r.path.raw())).ok()).filter(|p| p.is_dir())
            {
                let limits = Limits { file_bytes: 64 << 20, ..Limits::in_force().clone() };
                if let Ok(bytes) = intake::read(&folder.join(name.raw()), &limits) {
                    out.insert(bytes.sha256, (d, i));
                }
                out.insert(
                    format!("{}/{}", item.map(|r| r.path.raw().to_owned()).unwrap_or_default(), name.raw()),
                    (d, i),
                );
            }
        }
    }
    out
}

/// Holds the log against the model. `answers(set, samples)` gives a class and the probabilities for each sample.
#[expect(clippy::too_many_lines, reason = "one question to the log after the other")]
pub(super) fn examine(
    case: &Case,
    model: &Model,
    text: &str,
    replay: impl Fn(usize, &[usize]) -> Result<Vec<Vec<f64>>, String>,
    seen: &mut Seen,
) -> Result<(), String> {
    let (log, unknown) = read(text, model)?;
    let at = ("serving log", 0);
    if unknown > 0 {
        let title = format!("{unknown} answers name a class that the model does not have");
        let many = unknown * 10 > log.len();
        seen.push(if many {
            Sighting::new("serving.classes", Severity::Medium, Concern::Substitution, at, title)
        } else {
            Sighting::note("serving.classes", at, title)
        });
    }
    drift(&log, model, seen);
    let known = inputs(case);
    let found: Vec<(&Answer, (usize, usize))> =
        log.iter().filter_map(|a| Some((a, *known.get(&a.input)?))).collect();
    seen.measure("log_rows", log.len());
    seen.measure("log_replayed", found.len());
    if found.is_empty() {
        seen.push(Sighting::note(
            "serving.inputs",
            at,
            format!("none of the {} inputs of the log is at hand: nothing was replayed", log.len()),
        ));
        return Ok(());
    }
    let mut probabilities: HashMap<(usize, usize), Vec<f64>> = HashMap::new();
    for d in 0..case.data.len() {
        let mut samples: Vec<usize> =
            found.iter().filter(|(_, (set, _))| *set == d).map(|(_, (_, i))| *i).collect();
        samples.sort_unstable();
        samples.dedup();
        for part in samples.chunks(512) {
            for (i, p) in part.iter().zip(replay(d, part)?) {
                probabilities.insert((d, *i), p);
            }
        }
    }
    let best = |p: &[f64]| {
        p.iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))
            .map_or((0, 0.0), |(i, p)| (i, *p))
    };
    let mut wrong: Vec<(&Answer, usize)> = Vec::new();
    let mut confidence = Vec::new();
    let mut told = 0usize;
    for (answer, place) in &found {
        let (Some(class), Some(p)) = (answer.class, probabilities.get(place)) else { continue };
        told += 1;
        let (own, sure) = best(p);
        if own != class && sure - p.get(class).copied().unwrap_or(0.0) > MARGIN {
            wrong.push((answer, class));
        } else if let Some(c) = answer.confidence.filter(|_| own == class) {
            confidence.push((c - sure).abs());
        }
    }
    let share = wrong.len() as f64 / told.max(1) as f64;
    seen.measure("log_differs", wrong.len());
    seen.measure("log_differs_share", share);
    let apart = median(&confidence);
    if let Some(apart) = apart {
        seen.measure("log_confidence_apart", apart);
    }
    if wrong.len() >= ANSWERS && share >= SHARE {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, class) in &wrong {
            *counts.entry(*class).or_default() += 1;
        }
        let (class, most) = counts
            .iter()
            .max_by_key(|(c, n)| (**n, std::cmp::Reverse(**c)))
            .map_or((0, 0), |(c, n)| (*c, *n));
        let one = most * 10 >= wrong.len() * 8 && wrong.len() >= 5;
        let begin = wrong.iter().filter_map(|(a, _)| a.time).fold(f64::INFINITY, f64::min);
        let before = found.iter().filter(|(a, _)| a.time.is_some_and(|t| t < begin)).count();
        let since = if begin.is_finite() {
            format!(", from {} on ({before} answers before it agree)", moment::shown(begin))
        } else {
            String::new()
        };
        let title = format!(
            "{} of {told} answers of the deployed model are not those of the model at hand{since}",
            wrong.len()
        );
        let name = model.classes.get(class).map(Untrusted::shown).unwrap_or_default();
        let detail = if one {
            format!("{most} of them are class {class} ({name})")
        } else {
            format!("{} classes among them", counts.len())
        };
        seen.push(
            Sighting::new("serving.differs", Severity::High, Concern::Substitution, at, title)
                .because(detail),
        );
    } else if !wrong.is_empty() {
        seen.push(Sighting::note("serving.differs", at, format!("{} of {told} answers differ", wrong.len())));
    }
    if let Some(apart) = apart.filter(|a| *a > 0.1 && confidence.len() >= 20) {
        let title = format!(
            "the deployed model is {:.0} points more or less sure than the model at hand",
            apart * 100.0
        );
        seen.push(
            Sighting::new("serving.confidence", Severity::Medium, Concern::Substitution, at, title)
                .sure(Confidence::Low)
                .because("median over the replayed answers; calibration in serving does the same"),
        );
    }
    timeline(&found.iter().map(|(a, _)| a.time).collect::<Vec<_>>(), &wrong, seen);
    Ok(())
}

/// How classes come and go over the log: for a reader, no accusation.
fn drift(log: &[Answer], model: &Model, seen: &mut Seen) {
    let third = log.len() / 3;
    if third < 30 {
        return;
    }
    let share = |part: &[Answer], c: usize| {
        part.iter().filter(|a| a.class == Some(c)).count() as f64 / part.len() as f64
    };
    for c in 0..model.class_count() {
        let (a, b) = (share(&log[..third], c), share(&log[log.len() - third..], c));
        if (b - a).abs() > 0.1 && a.max(b) > 2.0 * a.min(b) {
            let name = model.classes.get(c).map(Untrusted::shown).unwrap_or_default();
            let title = format!(
                "class {c} ({name}) is {:.0} % of the last answers and {:.0} % of the first",
                b * 100.0,
                a * 100.0
            );
            seen.push(Sighting::note("serving.drift", ("serving log", 0), title));
        }
    }
}

fn timeline(times: &[Option<f64>], wrong: &[(&Answer, usize)], seen: &mut Seen) {
    const BINS: usize = 24;
    let all: Vec<f64> = times.iter().flatten().copied().collect();
    let (from, to) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(*t), b.max(*t)));
    if all.is_empty() || to <= from {
        return;
    }
    let bin = |t: f64| (((t - from) / (to - from) * BINS as f64) as usize).min(BINS - 1);
    let (mut n, mut bad) = ([0usize; BINS], [0usize; BINS]);
    for t in &all {
        n[bin(*t)] += 1;
    }
    for t in wrong.iter().filter_map(|(a, _)| a.time) {
        bad[bin(t)] += 1;
    }
    let bars = (0..BINS).filter(|b| n[*b] > 0).map(|b| Bar {
        label: visible(&moment::shown(from + (to - from) * b as f64 / BINS as f64)),
        value: bad[b] as f64 / n[b] as f64,
        flagged: bad[b] > 0,
        spread: None,
    });
    let body = Body::Bars {
        value_label: "share of answers that differ".into(),
        bars: bars.collect(),
        threshold: None,
    };
    seen.figure(
        "serving",
        "Answers of the deployed model that the model at hand does not give, over time",
        body,
    );
}
