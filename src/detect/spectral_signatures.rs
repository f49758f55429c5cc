//! Spectral signatures (Tran et al. 2018): does one direction of a label's activations stand out by a few samples?

use super::classes;
use super::features::{Features, Request};
use super::params::Params;
use super::spectre;
use crate::figure::{Bar, Body, Counts, Figure};
use crate::math::robust::Robust;
use crate::math::{dip, stats, svd};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use ndarray::{Array1, Axis};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Centred spectral signatures.
pub static SPECTRAL_SIGNATURES: SpectralSignatures = SpectralSignatures;

/// See [`SPECTRAL_SIGNATURES`].
#[derive(Debug)]
pub struct SpectralSignatures;

static ABOUT: About = About {
    id: "spectral-signatures",
    title: "Spectral signatures",
    phase: Phase::Detection,
    version: 2,
    question: "Does the strongest direction of some label's activations split its samples in two, unlike clean images?",
    needs: "a labelled training set, and a model or recorded activations; clean images for a verdict",
    reference: "Tran, Li, Madry 2018, Spectral Signatures in Backdoor Attacks (NeurIPS); Hartigan and Hartigan 1985 (dip)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("spectral_signatures.md"),
};

/// Samples of a label to look at all.
const FEWEST: usize = 5;
/// Samples of a label, in training and among the clean images, for a test.
const FEWEST_TESTED: usize = 10;
/// Robust standard deviations above the median at which a sample is listed (the seed documents' rule).
const LIST_AT: f64 = 1.5;
/// Share of a normal projection that this rule lists: |z| has median 0.6745 and median absolute deviation 0.3991, so
/// P(|z| > 0.6745 + 1.5 · 1.4826 · 0.3991) = P(|z| > 1.562).
const LISTED_OF_NORMAL: f64 = 0.118;
/// Chance that any class is called split when every class has a single peak.
const ERROR: f64 = 0.01;
/// The same for the inconclusive band.
const DOUBT: f64 = 0.10;
/// Draws of the null per rayon item; each item has its own generator.
const DRAWS: usize = 500;
/// Classes examined at a time, whatever the number of cores.
const WAVE: usize = 8;

/// What was seen in one class.
struct Seen {
    /// (x − mean)·v₁ of each member, signed.
    projection: Vec<f64>,
    /// Largest singular value.
    top: f64,
    /// The rule's threshold on |projection|.
    threshold: f64,
    /// √n · dip of the projection; `None` with too few samples.
    dip: Option<f64>,
    /// Chance of clean images of the class lying as differently along v₁ (Kolmogorov–Smirnov); `None` without.
    unlike_clean: Option<f64>,
    /// That chance if not one clean image were in the smaller part: the least that so many clean images can show.
    least_chance: Option<f64>,
    /// Robust scores (SPECTRE), in the members' order.
    robust: Vec<f64>,
}

impl Seen {
    fn listed(&self) -> impl Iterator<Item = usize> {
        self.projection.iter().enumerate().filter(|(_, p)| p.abs() > self.threshold).map(|(at, _)| at)
    }
}

/// What the tests say about a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Nothing,
    /// Split, but no clean images to tell a planted group from a variety of the class; or in the band of doubt.
    Lead,
    Split,
}

impl Procedure for SpectralSignatures {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let params = Params::of(case, ABOUT.id, &["layer"])?;
        let request = Request::plan(case, &params)?;
        let clean = request.clean(case);
        let mut inputs = request.inputs(case);
        inputs.extend(clean.map(|data| data.item.clone()));
        Ok(Plan {
            params: json!({
                "layer": request.layer_name(), "list_above_median_by": LIST_AT, "fewest_samples": FEWEST,
                "error": ERROR, "doubt": DOUBT, "null_draws": draws(request.classes),
            }),
            units: request.units(request.data)
                + clean.map_or(0, |data| request.units(data))
                + request.classes as u64
                + null_items(request.classes),
            inputs,
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
        let mut seen = Vec::with_capacity(all.len());
        for wave in all.chunks(WAVE) {
            cx.step(done, plan.units)?;
            let shared = &*cx;
            let look = |&class: &usize| look(&features, clean.as_ref(), class, shared);
            let results: Vec<_> = wave.par_iter().map(look).collect();
            for result in results {
                seen.push(result?);
                done += 1;
            }
        }
        let null = null(request.classes, cx, done, plan.units)?;
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, plan, &features, &seen, &Null::new(null, &seen)))
    }
}

/// Projects one class on its top singular vector; `None` when it has too few samples.
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
    let samples = features.select(members);
    let Some(mean) = samples.mean_axis(Axis(0)) else { return Ok(None) };
    let centred = &samples - &mean;
    let mut rng = cx.rng(&format!("class{class}"));
    let leading = svd::leading(centred.view(), 1, &mut rng, || cx.check())?;
    let direction = leading.vectors.row(0);
    let projection = centred.dot(&direction).to_vec();
    let scores: Vec<f64> = projection.iter().map(|p| p.abs()).collect();
    let threshold = Robust::of(&scores).map_or(f64::INFINITY, |r| r.median + LIST_AT * r.scale());
    let tested = members.len() >= FEWEST_TESTED;
    let dip = tested.then(|| dip::dip(&projection) * (members.len() as f64).sqrt());
    let clean = clean.filter(|c| tested && c.members[class].len() >= FEWEST_TESTED);
    let unlike_clean = clean.and_then(|clean| {
        let reference = (clean.select(&clean.members[class]) - &mean).dot(&direction).to_vec();
        stats::kolmogorov_smirnov(&projection, &reference).map(|(_, chance)| chance)
    });
    let least_chance = clean.map(|clean| {
        let part = smaller_part(&projection);
        stats::kolmogorov_chance(part, members.len(), clean.members[class].len())
    });
    let robust = spectre::scores(samples.view(), &mut rng, || cx.check())?;
    Ok(Some(Seen {
        projection,
        top: leading.values.first().copied().unwrap_or(0.0),
        threshold,
        dip,
        unlike_clean,
        least_chance,
        robust,
    }))
}

/// Share of the smaller part when the values are cut in two where the parts' means differ most (Otsu 1979); 0 for
/// equal values.
fn smaller_part(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    let (mut below, mut best) = (0.0, (0.0, 0.0));
    for (at, pair) in sorted.windows(2).enumerate() {
        below += pair[0];
        let share = (at + 1) as f64 / n;
        let between = share * (1.0 - share) * (below / share - (total - below) / (1.0 - share)).powi(2);
        if pair[1] > pair[0] && between > best.0 {
            best = (between, share.min(1.0 - share));
        }
    }
    best.1
}

/// Enough draws that the family-wise error can be resolved, within reason.
fn draws(classes: usize) -> usize {
    (classes * 200).clamp(10_000, 400_000)
}

fn null_items(classes: usize) -> u64 {
    draws(classes).div_ceil(DRAWS) as u64
}

/// √n·dip under a single peak, in fixed portions with a generator each.
fn null(classes: usize, cx: &mut Context, done: u64, total: u64) -> Result<Vec<f64>, Stop> {
    let items: Vec<u64> = (0..null_items(classes)).collect();
    let mut null = Vec::with_capacity(draws(classes));
    for wave in items.chunks(WAVE) {
        cx.step(done + wave[0], total)?;
        let shared = &*cx;
        let portions: Vec<Vec<f64>> =
            wave.par_iter().map(|item| dip::null(DRAWS, &mut shared.rng(&format!("null{item}")))).collect();
        null.extend(portions.into_iter().flatten());
    }
    Ok(null)
}

/// The null distribution and the thresholds it gives for the number of classes tested.
struct Null {
    sorted: Vec<f64>,
    tested: usize,
}

impl Null {
    fn new(mut draws: Vec<f64>, seen: &[Option<Seen>]) -> Self {
        draws.sort_by(f64::total_cmp);
        Self { sorted: draws, tested: seen.iter().flatten().filter(|s| s.dip.is_some()).count() }
    }

    /// The value that the largest of the tested classes passes with chance `error` (Šidák).
    fn threshold(&self, error: f64) -> f64 {
        let each = (1.0 - error).powf(1.0 / self.tested.max(1) as f64);
        stats::quantile(&self.sorted, each).unwrap_or(f64::INFINITY)
    }

    /// Chance, under a single peak, of a value at least this large in one class.
    fn chance(&self, value: f64) -> f64 {
        let above = self.sorted.len() - self.sorted.partition_point(|&x| x < value);
        (above + 1) as f64 / (self.sorted.len() + 1) as f64
    }

    fn call(&self, seen: &Seen) -> Call {
        let Some(dip) = seen.dip else { return Call::Nothing };
        match seen.unlike_clean {
            // As many clean images as this could not have shown the difference: they do not speak for the class.
            Some(chance) if chance > ERROR && seen.least_chance.is_some_and(|least| least > ERROR) => {
                if dip > self.threshold(DOUBT) { Call::Lead } else { Call::Nothing }
            }
            Some(chance) if chance > DOUBT => Call::Nothing,
            Some(chance) if dip > self.threshold(ERROR) && chance <= ERROR => Call::Split,
            _ if dip > self.threshold(DOUBT) => Call::Lead,
            _ => Call::Nothing,
        }
    }
}

fn outcome(case: &Case, plan: &Plan, features: &Features, seen: &[Option<Seen>], null: &Null) -> Outcome {
    let mut scores = Array1::<f32>::zeros(features.values.nrows());
    let mut robust = scores.clone();
    let mut listed_samples = Vec::new();
    for (seen, members) in seen.iter().zip(&features.members) {
        let Some(seen) = seen else { continue };
        for (&i, p) in members.iter().zip(&seen.projection) {
            scores[i] = p.abs() as f32;
        }
        members.iter().zip(&seen.robust).for_each(|(&i, &r)| robust[i] = r as f32);
        listed_samples.push(seen.listed().map(|at| members[at]).collect::<Vec<_>>());
    }
    let mut listed_samples = listed_samples.concat();
    listed_samples.sort_unstable();

    let calls: Vec<Call> = seen.iter().map(|s| s.as_ref().map_or(Call::Nothing, |s| null.call(s))).collect();
    let strongest =
        seen.iter().enumerate().filter_map(|(k, s)| Some((k, s.as_ref()?.dip?))).max_by(|a, b| {
            (calls[a.0], a.1).partial_cmp(&(calls[b.0], b.1)).unwrap_or(std::cmp::Ordering::Equal)
        });
    let per_class = |f: &dyn Fn(&Seen) -> Value| {
        Value::Array(seen.iter().map(|s| s.as_ref().map_or(Value::Null, f)).collect())
    };
    let optional = |x: Option<f64>| x.map_or(Value::Null, number);
    let measures = BTreeMap::from([
        ("top_singular_value".to_owned(), per_class(&|s| number(s.top))),
        ("threshold".to_owned(), per_class(&|s| number(s.threshold))),
        (
            "flagged".to_owned(),
            json!(seen.iter().map(|s| s.as_ref().map_or(0, |s| s.listed().count())).collect::<Vec<_>>()),
        ),
        ("flagged_samples".to_owned(), json!(listed_samples)),
        ("expected_flagged_share".to_owned(), number(LISTED_OF_NORMAL)),
        ("dip".to_owned(), per_class(&|s| optional(s.dip))),
        ("dip_chance".to_owned(), per_class(&|s| optional(s.dip.map(|d| null.chance(d))))),
        ("clean_chance".to_owned(), per_class(&|s| optional(s.unlike_clean))),
        ("least_clean_chance".to_owned(), per_class(&|s| optional(s.least_chance))),
    ]);
    let (n, leads) = (scores.len(), calls.iter().filter(|&&c| c != Call::Nothing).count());
    let threshold = null.threshold(ERROR);
    let tested_samples: usize =
        seen.iter().flatten().filter(|s| s.dip.is_some()).map(|s| s.projection.len()).sum();
    let verdict = match calls.iter().max() {
        Some(Call::Split) => Verdict::Flagged,
        Some(Call::Lead) => Verdict::Inconclusive,
        // Silence about most of the data is no finding of nothing.
        _ if null.tested == 0 || 2 * tested_samples < features.values.nrows() => Verdict::Inconclusive,
        _ => Verdict::NothingFound,
    };
    let findings = (0..seen.len())
        .filter(|&k| calls[k] != Call::Nothing)
        .filter_map(|k| Some(finding(case, plan, k, seen[k].as_ref()?, calls[k], null)))
        .collect();
    Outcome {
        verdict,
        summary: summary(verdict, strongest, threshold, listed_samples.len(), n, leads),
        statistic: strongest.map(|(_, d)| d),
        threshold: (null.tested > 0).then_some(threshold),
        threshold_origin: format!(
            "Hartigan's dip test on the top projection: {} draws from the uniform distribution, {:.0} % error over the {} \
             classes tested (Šidák); inconclusive from {:.0} %. Flagged only when clean images of the class lie differently too \
             (Kolmogorov–Smirnov, {ERROR})",
            null.sorted.len(),
            ERROR * 100.0,
            null.tested,
            DOUBT * 100.0
        ),
        findings,
        measures,
        arrays: BTreeMap::from([
            ("scores".to_owned(), Tensor::F32(scores.into_dyn())),
            ("robust_scores".to_owned(), Tensor::F32(robust.into_dyn())),
        ]),
        figures: figures(case, seen, &calls, threshold),
        limits: limits(features, seen),
    }
}

fn summary(
    verdict: Verdict,
    strongest: Option<(usize, f64)>,
    threshold: f64,
    listed: usize,
    n: usize,
    leads: usize,
) -> String {
    let list = format!(
        "{listed} of {n} samples pass the listing rule (about {:.0} would with nothing planted)",
        LISTED_OF_NORMAL * n as f64
    );
    match (verdict, strongest) {
        (_, None) => format!("no label has the {FEWEST_TESTED} samples a test needs; {list}"),
        (Verdict::Flagged, Some((k, d))) => {
            format!(
                "class {k} falls in two along its strongest direction, and clean images of it do not (dip {d:.2}, above {threshold:.2}); {list}"
            )
        }
        (Verdict::Inconclusive, Some((k, d))) if d < threshold && leads == 0 => {
            format!("most samples are in labels too small to test (largest: class {k}, dip {d:.2}); {list}")
        }
        (Verdict::Inconclusive, Some((k, d))) => {
            format!(
                "class {k} seems to fall in two along its strongest direction (dip {d:.2}, {threshold:.2} needed), which a natural variety would do too; {list}"
            )
        }
        (Verdict::NothingFound, Some((k, d))) => {
            format!(
                "no class falls in two along its strongest direction in a way clean images do not (largest: class {k}, dip {d:.2}, {threshold:.2} needed); {list}"
            )
        }
    }
}

fn finding(case: &Case, plan: &Plan, class: usize, seen: &Seen, call: Call, null: &Null) -> Finding {
    let dip = seen.dip.unwrap_or(0.0);
    let clean = match seen.unlike_clean {
        Some(chance) => format!("clean images of the class lie this differently with chance {chance:.2e}"),
        None => "there are no clean images of the class to compare with".to_owned(),
    };
    let title = format!("Samples labelled {} fall in two along one direction", classes::name(case, class));
    let detail = format!(
        "√n·dip {dip:.3}, chance {:.2e} under a single peak; {clean}. {} of {} samples pass the listing rule.",
        null.chance(dip),
        seen.listed().count(),
        seen.projection.len()
    );
    let confidence = if call == Call::Split { Confidence::Medium } else { Confidence::Low };
    let severity = if call == Call::Split { Severity::High } else { Severity::Low };
    Finding::new(Concern::DataPoisoning, severity, confidence, title, detail).class(class).on(&plan.inputs)
}

fn figures(case: &Case, seen: &[Option<Seen>], calls: &[Call], threshold: f64) -> BTreeMap<String, Figure> {
    let mut figures = BTreeMap::new();
    let bar = |k: usize| Bar {
        label: classes::name(case, k),
        value: seen[k].as_ref().and_then(|s| s.dip).unwrap_or(0.0),
        flagged: calls[k] == Call::Split,
        spread: None,
    };
    let title = "Dip of the strongest direction per class (0 where there are too few samples)".to_owned();
    let bars = (0..seen.len()).map(bar).collect();
    let body = Body::Bars {
        value_label: "√n · dip".into(),
        bars,
        threshold: Some(threshold).filter(|t| t.is_finite()),
    };
    figures.insert("dip".to_owned(), Figure { title, body });
    for (k, seen) in seen.iter().enumerate() {
        let Some(seen) = seen else { continue };
        figures.insert(format!("scores/{k}"), histogram(&classes::name(case, k), seen));
    }
    figures
}

/// Scores of a class in 24 bins.
fn histogram(name: &str, seen: &Seen) -> Figure {
    const BINS: usize = 24;
    let scores: Vec<f64> = seen.projection.iter().map(|p| p.abs()).collect();
    let top = scores.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut counts = vec![0.0; BINS];
    for score in scores {
        counts[((score / top * BINS as f64) as usize).min(BINS - 1)] += 1.0;
    }
    Figure {
        title: format!("Spectral scores of class {name}; samples right of the line are listed"),
        body: Body::Histogram {
            x_label: "|projection| on the top singular vector".into(),
            edges: (0..=BINS).map(|i| top * i as f64 / BINS as f64).collect(),
            series: vec![Counts { name: "samples".into(), counts }],
            threshold: Some(seen.threshold).filter(|t| t.is_finite()),
        },
    }
}

fn limits(features: &Features, seen: &[Option<Seen>]) -> String {
    let mut limits = format!(
        "Looked at {}. A planted group that is under about 5 % of its label, or that does not dominate the strongest direction, \
         stays unseen; the listing rule names about 12 % of any class.",
        features.source
    );
    let few = seen.iter().filter(|s| s.as_ref().is_none_or(|s| s.dip.is_none())).count();
    if few > 0 {
        let _ = write!(limits, " {few} classes have fewer than {FEWEST_TESTED} samples and were not tested.");
    }
    let unheld = seen.iter().flatten().filter(|s| s.dip.is_some() && s.unlike_clean.is_none()).count();
    if unheld > 0 {
        let _ = write!(
            limits,
            " For {unheld} classes there are no {FEWEST_TESTED} clean images to compare with: there, a split is a lead at most."
        );
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use crate::evidence::{DataSet, Role};
    use crate::procedure::{Data, Silent};
    use ndarray::Array2;
    use rand::Rng;
    use std::sync::Arc;

    /// Two classes; a fifth of class 1 lies elsewhere when `split`.
    fn samples(n: usize, split: bool, salt: u64) -> (Array2<f32>, Vec<usize>) {
        let mut rng = crate::math::rng::seeded(salt, "ss", "samples");
        let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
        let values = Array2::from_shape_fn((n, 12), |(i, j)| {
            let away = split && labels[i] == 1 && i % 10 == 1 && j < 2;
            rng.gen_range(-1.0..1.0) + if away { 6.0 } else { 0.0 }
        });
        (values, labels)
    }

    fn case(training_split: bool, clean_split: Option<bool>) -> Case {
        let (values, labels) = samples(400, training_split, 1);
        let mut case = fixture::recorded(values, labels);
        if let Some(split) = clean_split {
            let (values, labels) = samples(200, split, 2);
            let set = DataSet { labels, activations: Some(values), ..DataSet::default() };
            case.data.push(Data { item: "E2".into(), role: Role::Clean, set: Arc::new(set) });
        }
        case
    }

    fn run(case: &Case) -> Outcome {
        let plan = SPECTRAL_SIGNATURES.plan(case).unwrap();
        SPECTRAL_SIGNATURES.run(case, &plan, &mut Context::new(3, ABOUT.id, &Silent)).unwrap()
    }

    #[test]
    fn a_split_counts_only_against_clean_images() {
        let planted = run(&case(true, Some(false)));
        assert_eq!(planted.verdict, Verdict::Flagged, "{}", planted.summary);
        assert_eq!(planted.findings[0].class, Some(1));
        assert!(planted.statistic.unwrap() > planted.threshold.unwrap());
        let natural = run(&case(true, Some(true)));
        assert_eq!(natural.verdict, Verdict::NothingFound, "{}", natural.summary);
        let unheld = run(&case(true, None));
        assert_eq!(unheld.verdict, Verdict::Inconclusive, "{}", unheld.summary);
        assert_eq!(unheld.findings[0].severity, Severity::Low);
        let nothing = run(&case(false, Some(false)));
        assert_eq!(nothing.verdict, Verdict::NothingFound, "{}", nothing.summary);
        assert!(nothing.findings.is_empty());
    }

    #[test]
    fn the_rule_lists_and_the_scores_rank() {
        let got = run(&case(true, Some(false)));
        let Tensor::F32(scores) = &got.arrays["scores"] else { panic!() };
        let own: Vec<f64> = (0..400).filter(|i| i % 2 == 1).map(|i| f64::from(scores[i])).collect();
        let planted: Vec<bool> = (0..400).filter(|i| i % 2 == 1).map(|i| i % 10 == 1).collect();
        assert_eq!(stats::roc_auc(&own, &planted), Some(1.0));
        let listed: Vec<usize> = serde_json::from_value(got.measures["flagged_samples"].clone()).unwrap();
        assert!((0..400).filter(|i| i % 10 == 1).all(|i| listed.contains(&i)));
        let counts: Vec<usize> = serde_json::from_value(got.measures["flagged"].clone()).unwrap();
        assert_eq!(counts.iter().sum::<usize>(), listed.len());
        assert!(got.figures.contains_key("dip") && got.figures.contains_key("scores/1"));
    }

    #[test]
    fn the_share_listed_of_a_normal_class_is_as_stated() {
        use statrs::distribution::{ContinuousCDF, Normal};
        let normal = Normal::standard();
        let median = normal.inverse_cdf(0.75);
        // MAD a of |z|: P(median − a < |z| < median + a) = 1/2, by bisection.
        let (mut low, mut high) = (0.0, median);
        for _ in 0..60 {
            let a = f64::midpoint(low, high);
            let inside = 2.0 * (normal.cdf(median + a) - normal.cdf(median - a));
            if inside < 0.5 { low = a } else { high = a }
        }
        let share = 2.0 * (1.0 - normal.cdf(median + LIST_AT * crate::math::robust::CONSISTENCY * low));
        assert!((share - LISTED_OF_NORMAL).abs() < 5e-4, "{share}");
    }

    #[test]
    fn few_clean_images_cannot_clear_a_class() {
        let mut case = case(true, None);
        let (values, labels) = samples(30, true, 2);
        let set = DataSet { labels, activations: Some(values), ..DataSet::default() };
        case.data.push(Data { item: "E2".into(), role: Role::Clean, set: Arc::new(set) });
        let got = run(&case);
        assert_eq!(got.verdict, Verdict::Inconclusive, "{}", got.summary);
        assert!(got.measures["least_clean_chance"][1].as_f64().unwrap() > ERROR);
        assert!((smaller_part(&[1.0, 1.1, 0.9, 7.0]) - 0.25).abs() < 1e-12);
        assert!(smaller_part(&[2.0; 5]).abs() < 1e-12 && smaller_part(&[]).abs() < 1e-12);
    }

    #[test]
    fn few_or_equal_samples_do_not_crash() {
        let got = run(&fixture::recorded(Array2::zeros((30, 4)), vec![1; 30]));
        assert_eq!(got.verdict, Verdict::NothingFound);
        let got = run(&fixture::recorded(Array2::zeros((6, 4)), vec![0, 0, 0, 0, 0, 2]));
        assert_eq!((got.verdict, got.threshold), (Verdict::Inconclusive, None));
    }
}
