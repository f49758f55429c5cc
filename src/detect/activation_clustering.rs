//! Activation clustering (Chen et al. 2018): do the samples of a label fall into two groups?

use super::classes;
use super::features::{Features, Request};
use super::params::Params;
use super::poisoned::content::Content;
use super::poisoned::views::Taps;
use crate::figure::{Bar, Body, Figure, Group};
use crate::math::cluster::{self, Partition, Silhouette};
use crate::math::pca::{self, PcaError};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Activation clustering as the seed documents define it.
pub static ACTIVATION_CLUSTERING: ActivationClustering = ActivationClustering;

/// See [`ACTIVATION_CLUSTERING`].
#[derive(Debug)]
pub struct ActivationClustering;

static ABOUT: About = About {
    id: "activation-clustering",
    title: "Activation clustering",
    phase: Phase::Detection,
    version: 2,
    question: "Do the training samples of some label fall into a large and a small group inside the network?",
    needs: "a labelled training set, and a model or recorded activations",
    reference: "Chen et al. 2018, Detecting Backdoor Attacks on Deep Neural Networks by Activation Clustering (arXiv 1811.03728)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("activation_clustering.md"),
};

const FEWEST: usize = 10;
const COMPONENTS: usize = 10;
const STARTS: usize = 10;
/// The seed documents' rule: reported, never the verdict.
const SILHOUETTE: f64 = 0.5;
const RATIO: (f64, f64) = (0.01, 0.3);
/// Chance, over all labels, that a split is called foreign to clean images when it is not.
const ERROR: f64 = 0.001;
/// The same for a lead.
const DOUBT: f64 = 0.01;
/// A foreign group may show in clean images at no more than this part of its share in training.
const FOREIGN: f64 = 0.25;
/// Two clusters of anything are at least this far apart where there are two: Kaufman and Rousseeuw (1990) call less "no
/// substantial structure".
const MODEST: f64 = 0.25;
/// Clean images of a label that can speak for it.
const FEWEST_CLEAN: usize = 10;
/// Above this many samples the silhouette is taken over a seeded subsample.
const SILHOUETTE_SAMPLES: usize = 1_000;
const POINTS: usize = 2_000;
/// Labels looked at a second time.
const MOST_RECLASSIFIED: usize = 20;
/// Classes examined at a time, whatever the number of cores.
const WAVE: usize = 8;

/// What was seen in one class.
struct Seen {
    partition: Partition,
    silhouette: Silhouette,
    /// min / max of the two sizes.
    ratio: f64,
    suspicious: bool,
    /// What clean images of the label say about the smaller cluster.
    clean: Option<Held>,
    /// First two components, n×2.
    plane: Array2<f32>,
    /// Position along the line from the large cluster's mean (0) to the small one's (1).
    along: Vec<f64>,
}

/// The smaller cluster held against clean images of the label.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Clean images nearer to the smaller cluster's mean, of all of the label.
    count: usize,
    of: usize,
    /// Chance of so few among them, were they as the training samples are (Fisher's exact test).
    chance: f64,
}

/// What is said of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Nothing,
    Lead,
    Foreign,
}

impl Seen {
    fn call(&self, tested: usize) -> Call {
        let Some(held) = self.clean else {
            // With nothing to hold it against, a clear split is a lead.
            return if self.suspicious { Call::Lead } else { Call::Nothing };
        };
        let share = self.partition.sizes[1] as f64 / self.partition.cluster.len().max(1) as f64;
        let foreign = held.count as f64 / held.of.max(1) as f64 <= FOREIGN * share;
        let tests = tested.max(1) as f64;
        if foreign && held.chance <= ERROR / tests && self.silhouette.value > MODEST {
            Call::Foreign
        } else if foreign && held.chance <= DOUBT / tests {
            Call::Lead
        } else {
            Call::Nothing
        }
    }
}

impl Procedure for ActivationClustering {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let params = Params::of(case, ABOUT.id, &["layer"])?;
        let request = Request::plan(case, &params)?;
        Ok(Plan {
            params: json!({
                "layer": request.layer_name(), "components": COMPONENTS, "clusters": 2, "starts": STARTS,
                "fewest_samples": FEWEST, "silhouette_above": SILHOUETTE, "ratio_between": [RATIO.0, RATIO.1],
                "error": ERROR, "doubt": DOUBT,
            }),
            units: request.units(request.data)
                + request.clean(case).map_or(0, |data| request.units(data))
                + request.classes as u64,
            inputs: request
                .inputs(case)
                .into_iter()
                .chain(request.clean(case).map(|d| d.item.clone()))
                .collect(),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let params = Params::of(case, ABOUT.id, &["layer"]).map_err(Stop::failed)?;
        let request = Request::plan(case, &params).map_err(Stop::failed)?;
        let features = request.load(case, request.data, cx, 0, plan.units)?;
        let mut done = request.units(request.data);
        let clean = match request.clean(case) {
            Some(data) => {
                let clean = request.load(case, data, cx, done, plan.units)?;
                done += request.units(data);
                Some(clean).filter(|c| c.values.ncols() == features.values.ncols())
            }
            None => None,
        };
        let all: Vec<usize> = (0..features.members.len()).collect();
        let mut seen: Vec<Option<Seen>> = Vec::with_capacity(all.len());
        for wave in all.chunks(WAVE) {
            cx.step(done + seen.len() as u64, plan.units)?;
            let results: Vec<_> = {
                let shared = &*cx;
                wave.par_iter().map(|&class| look(&features, clean.as_ref(), class, shared)).collect()
            };
            for result in results {
                seen.push(result?);
            }
            for &class in wave {
                if let Some(seen) = &seen[class] {
                    let figure =
                        scatter(case, &features, class, seen, cx.rng(&format!("points/class{class}")));
                    cx.partial(&format!("pca/{class}"), figure);
                }
            }
        }
        let tested = seen.iter().flatten().filter(|s| s.clean.is_some()).count();
        let second = reclassify(case, &request, &features, &seen, tested, cx)?;
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, &request, &features, &seen, &second, cx))
    }
}

/// Clusters one class; `None` when it has too few samples.
fn look(
    features: &Features,
    clean: Option<&Features>,
    class: usize,
    cx: &Context,
) -> Result<Option<Seen>, Stop> {
    let members = &features.members[class];
    if members.len() < FEWEST {
        return Ok(None);
    }
    let check = || cx.check();
    let samples = || features.values.select(Axis(0), members);
    let mut rng = cx.rng(&format!("class{class}"));
    let reduced = pca::sketched(samples(), COMPONENTS, &mut rng, check).map_err(|e| match e {
        PcaError::Stopped(stop) => stop,
        PcaError::Solver(reason) => Stop::failed(format!("class {class}: {reason}")),
    })?;
    let partition = cluster::k_means(reduced.view(), 2, STARTS, &mut rng, check)?;
    let silhouette = cluster::silhouette(reduced.view(), &partition, SILHOUETTE_SAMPLES, &mut rng, check)?;
    let ratio = partition.sizes[1] as f64 / partition.sizes[0].max(1) as f64;
    let suspicious = silhouette.value > SILHOUETTE && ratio > RATIO.0 && ratio < RATIO.1;
    let plane = Array2::from_shape_fn((members.len(), 2), |(i, j)| {
        reduced.get((i, j)).copied().unwrap_or(0.0) as f32
    });
    let along = along(&reduced, &partition);
    let clean = clean
        .filter(|c| c.members[class].len() >= FEWEST_CLEAN && partition.sizes[1] > 0)
        .map(|c| held(&samples(), &partition, &c.values.select(Axis(0), &c.members[class])));
    Ok(Some(Seen { partition, silhouette, ratio, suspicious, clean, plane, along }))
}

/// Puts clean images (m×d) of the label to the nearer of the two cluster means.
fn held(samples: &Array2<f32>, partition: &Partition, clean: &Array2<f32>) -> Held {
    let mut means = [Array1::<f64>::zeros(samples.ncols()), Array1::zeros(samples.ncols())];
    for (row, &c) in samples.rows().into_iter().zip(&partition.cluster) {
        means[c].zip_mut_with(&row, |m, &x| *m += f64::from(x));
    }
    for (mean, &size) in means.iter_mut().zip(&partition.sizes) {
        *mean /= size.max(1) as f64;
    }
    let distance = |row: &ndarray::ArrayView1<f32>, mean: &Array1<f64>| {
        row.iter().zip(mean).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>()
    };
    let smaller = |row: &ndarray::ArrayView1<f32>| distance(row, &means[1]) < distance(row, &means[0]);
    // The training samples are asked the same question as the clean ones.
    let inside = samples.rows().into_iter().filter(smaller).count();
    let (count, of) = (clean.rows().into_iter().filter(smaller).count(), clean.nrows());
    Held { count, of, chance: crate::math::stats::fisher_greater(inside, samples.nrows(), count, of) }
}

/// Position of each sample between the two cluster means: 0 at the large one's, 1 at the small one's.
fn along(reduced: &Array2<f64>, partition: &Partition) -> Vec<f64> {
    let mut means = [Array1::<f64>::zeros(reduced.ncols()), Array1::zeros(reduced.ncols())];
    for (row, &c) in reduced.rows().into_iter().zip(&partition.cluster) {
        means[c] += &row;
    }
    for (mean, &size) in means.iter_mut().zip(&partition.sizes) {
        *mean /= size.max(1) as f64;
    }
    let line = &means[1] - &means[0];
    let length2 = line.dot(&line);
    if partition.sizes[1] == 0 || length2 == 0.0 {
        return vec![0.0; reduced.nrows()];
    }
    reduced.rows().into_iter().map(|row| (&row - &means[0]).dot(&line) / length2).collect()
}

fn outcome(
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

/// Exclusionary reclassification (section 4.3 of the paper): what a classifier that has not seen the group takes it for.
#[derive(Debug, Clone, Copy)]
struct Reclassified {
    /// Samples of the group taken for their own label.
    own: usize,
    /// And for the class that most others are taken for.
    other: usize,
    class: usize,
}

impl Reclassified {
    /// The paper's l/p: below 1 the group belongs elsewhere.
    fn ratio(self) -> f64 {
        self.own as f64 / self.other.max(1) as f64
    }
}

/// Asks a linear classifier on an early layer, taught with the training samples outside the group.
fn reclassify(
    case: &Case,
    request: &Request,
    features: &Features,
    seen: &[Option<Seen>],
    tested: usize,
    cx: &mut Context,
) -> Result<BTreeMap<usize, Reclassified>, Stop> {
    let called = |k: &usize| seen[*k].as_ref().is_some_and(|s| s.call(tested) != Call::Nothing);
    let called: Vec<usize> = (0..seen.len()).filter(called).take(MOST_RECLASSIFIED).collect();
    let (Some(model), false, Some(_)) = (&case.model, called.is_empty(), &request.layer) else {
        return Ok(BTreeMap::new());
    };
    let set = &request.data.set;
    let views = Taps::of(model).view(model, set, cx, 0, Taps::units(set))?;
    let mut out = BTreeMap::new();
    for class in called {
        cx.check()?;
        let Some(seen) = &seen[class] else { continue };
        let members = &features.members[class];
        let group: Vec<usize> =
            members.iter().zip(&seen.partition.cluster).filter(|(_, c)| **c == 1).map(|(&i, _)| i).collect();
        let rest: Vec<usize> = (0..set.labels.len()).filter(|i| group.binary_search(i).is_err()).collect();
        let labels: Vec<usize> = rest.iter().map(|&i| set.labels[i]).collect();
        let content = Content::learn(&views.early.select(Axis(0), &rest), &labels, request.classes)?;
        let mut votes = vec![0usize; request.classes];
        content.classify(&views.early.select(Axis(0), &group)).into_iter().for_each(|k| votes[k] += 1);
        let other =
            (0..votes.len()).filter(|&k| k != class).max_by_key(|&k| (votes[k], std::cmp::Reverse(k)));
        if let Some(other) = other {
            out.insert(class, Reclassified { own: votes[class], other: votes[other], class: other });
        }
    }
    Ok(out)
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

/// The class in its first two components, clusters as groups.
fn scatter(case: &Case, features: &Features, class: usize, seen: &Seen, mut rng: impl rand::Rng) -> Figure {
    let members = &features.members[class];
    let mut shown: Vec<usize> = (0..members.len()).collect();
    let mut title = format!("Class {} in its first two principal components", classes::name(case, class));
    if shown.len() > POINTS {
        shown = rand::seq::index::sample(&mut rng, members.len(), POINTS).into_vec();
        shown.sort_unstable();
        let _ = write!(title, ", {POINTS} of {} samples", members.len());
    }
    let groups = [(0, "larger cluster"), (1, "smaller cluster")].map(|(c, name)| {
        let of: Vec<usize> = shown.iter().copied().filter(|&at| seen.partition.cluster[at] == c).collect();
        Group {
            name: format!("{name} ({})", seen.partition.sizes[c]),
            flagged: c == 1 && seen.suspicious,
            points: seen
                .plane
                .select(Axis(0), &of)
                .rows()
                .into_iter()
                .map(|r| [f64::from(r[0]), f64::from(r[1])])
                .collect(),
            samples: of.iter().map(|&at| members[at]).collect(),
        }
    });
    Figure {
        title,
        body: Body::Scatter {
            x_label: "component 1".into(),
            y_label: "component 2".into(),
            groups: groups.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use crate::procedure::Silent;
    use rand::Rng;

    /// Three classes of 60, 120 and 4 samples; every tenth sample of class 1 is planted far away.
    fn planted() -> Case {
        let mut rng = crate::math::rng::seeded(1, "ac", "planted");
        let labels: Vec<usize> = [vec![0; 60], vec![1; 120], vec![2; 4]].concat();
        let values = Array2::from_shape_fn((labels.len(), 20), |(i, j)| {
            let planted = labels[i] == 1 && i % 10 == 0 && j < 3;
            rng.gen_range(-1.0..1.0) + if planted { 9.0 } else { 0.0 } + labels[i] as f32
        });
        fixture::recorded(values, labels)
    }

    fn run(case: &Case, seed: u64) -> Outcome {
        let plan = ACTIVATION_CLUSTERING.plan(case).unwrap();
        ACTIVATION_CLUSTERING.run(case, &plan, &mut Context::new(seed, ABOUT.id, &Silent)).unwrap()
    }

    #[test]
    fn the_planted_group_is_found_and_ranked_first() {
        let case = planted();
        let got = run(&case, 0);
        assert_eq!(
            got.verdict,
            Verdict::Inconclusive,
            "without clean images a split is a lead: {}",
            got.summary
        );
        assert_eq!(got.measures["suspicious"], json!([1]));
        assert_eq!(got.measures["sizes"][1], json!([108, 12]));
        assert_eq!(got.measures["too_few_samples"], json!([2]));
        assert_eq!(
            (got.measures["silhouette"][2].clone(), got.measures["sizes"][2].clone()),
            (Value::Null, json!([0, 0]))
        );
        assert_eq!(got.findings[0].class, Some(1));
        let Tensor::F32(score) = &got.arrays["score"] else { panic!() };
        let planted: Vec<bool> = (0..184).map(|i| (60..180).contains(&i) && i % 10 == 0).collect();
        let scores: Vec<f64> = score.iter().map(|&s| f64::from(s)).collect();
        assert_eq!(crate::math::stats::roc_auc(&scores, &planted), Some(1.0));
        let Tensor::I64(assignments) = &got.arrays["assignments"] else { panic!() };
        assert!(assignments.iter().zip(&planted).all(|(&a, &p)| !p || a == 1) && assignments[183] == -1);
        let Body::Scatter { groups, .. } = &got.figures["pca/1"].body else { panic!() };
        assert!(
            groups[1].flagged
                && groups[1].points.len() == 12
                && groups[1].samples.iter().all(|i| i % 10 == 0)
        );
        assert!(!got.figures.contains_key("pca/2") && got.figures.contains_key("silhouette"));
    }

    /// The same with clean recorded activations; with `natural`, they split as the training samples do.
    fn held(natural: bool) -> Case {
        let mut case = planted();
        let mut rng = crate::math::rng::seeded(2, "ac", "clean");
        let labels: Vec<usize> = (0..600).map(|i| i % 2).collect();
        let values = Array2::from_shape_fn((600, 20), |(i, j)| {
            let away = natural && labels[i] == 1 && i % 10 == 1 && j < 3;
            rng.gen_range(-1.0..1.0) + if away { 9.0 } else { 0.0 } + labels[i] as f32
        });
        let set = crate::evidence::DataSet { labels, activations: Some(values), ..Default::default() };
        let set = std::sync::Arc::new(set);
        let role = crate::evidence::Role::Clean;
        case.data.push(crate::procedure::Data { item: "E2".into(), role, set });
        case
    }

    #[test]
    fn clean_images_decide_whether_a_split_is_foreign() {
        let planted = run(&held(false), 0);
        assert_eq!(planted.verdict, Verdict::Flagged, "{}", planted.summary);
        assert_eq!(planted.findings[0].class, Some(1));
        assert!(planted.statistic.unwrap() > planted.threshold.unwrap());
        let natural = run(&held(true), 0);
        assert_eq!(natural.verdict, Verdict::NothingFound, "{}", natural.summary);
        assert_eq!(natural.measures["suspicious"], json!([1]), "the rule alone would name it");
    }

    #[test]
    fn same_seed_same_bits_at_any_thread_count() {
        let case = planted();
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let (one, three) = (pool(1).install(|| run(&case, 5)), pool(3).install(|| run(&case, 5)));
        assert_eq!((one.measures, one.arrays, one.figures), (three.measures, three.arrays, three.figures));
    }

    #[test]
    fn identical_samples_and_empty_classes_do_not_crash() {
        let got = run(&fixture::recorded(Array2::zeros((30, 4)), vec![3; 30]), 0);
        assert_eq!(got.verdict, Verdict::NothingFound);
        let got = run(&fixture::recorded(Array2::zeros((3, 4)), vec![0, 1, 2]), 0);
        assert_eq!((got.verdict, got.statistic), (Verdict::Inconclusive, None));
    }
}
