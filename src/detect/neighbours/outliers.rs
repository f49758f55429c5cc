//! Training samples far from all others.

use super::{Asked, NEIGHBOURS, outlying};
use crate::detect::classes;
use crate::figure::{Body, Counts, Figure};
use crate::procedure::{
    About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop, Tensor, Verdict, number,
};
use ndarray::Array1;
use serde_json::json;
use std::collections::BTreeMap;

/// Outliers.
pub static OUTLIERS: Outliers = Outliers;

/// See [`OUTLIERS`].
#[derive(Debug)]
pub struct Outliers;

static ABOUT: About = About {
    id: "outliers",
    title: "Outliers",
    phase: Phase::Detection,
    version: 1,
    question: "Which training samples lie far from all others inside the network?",
    needs: "a labelled training set, and a model or recorded activations",
    reference: "Kuan, Mueller 2022, Back to the Basics: Revisiting Out-of-Distribution Detection Baselines (arXiv 2207.03061); rules as in cleanlab 2.9 (Datalab)",
    cost: Cost::Low,
    after: &[],
    page: include_str!("outliers.md"),
};

/// Indices kept in the measures.
const MOST_LISTED: usize = 100_000;
const BINS: usize = 30;

impl Procedure for Outliers {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let asked = Asked::plan(case, ABOUT.id)?;
        Ok(Plan {
            params: json!({"layer": asked.request.layer_name(), "metric": asked.metric_name(), "neighbours": NEIGHBOURS}),
            units: asked.request.units(asked.request.data) + 1,
            inputs: asked.request.inputs(case),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let asked = Asked::plan(case, ABOUT.id).map_err(Stop::failed)?;
        let (found, metric, source) = asked.find(case, cx, plan.units)?;
        let seen = outlying(&found, metric);
        cx.step(plan.units, plan.units)?;
        let n = seen.mean.len();
        let labels = &asked.request.data.set.labels;
        let mut per_class = vec![0usize; asked.request.classes];
        for &i in &seen.outliers {
            per_class[labels[i]] += 1;
        }
        let mut ranked = seen.outliers.clone();
        ranked.sort_by(|&a, &b| seen.score[a].total_cmp(&seen.score[b]).then(a.cmp(&b)));
        let most = per_class.iter().enumerate().max_by_key(|(c, n)| (**n, std::cmp::Reverse(*c)));
        let mut summary = format!(
            "{} of {n} training samples lie unusually far from their {NEIGHBOURS} nearest",
            ranked.len()
        );
        if let Some((class, count)) = most.filter(|(_, n)| **n > 0) {
            summary = format!("{summary}; most have the label {} ({count})", classes::name(case, class));
        }
        let enough = n > NEIGHBOURS;
        Ok(Outcome {
            // Being far out is no accusation: the list is for other procedures and for people.
            verdict: if enough { Verdict::NothingFound } else { Verdict::Inconclusive },
            summary,
            statistic: seen.mean.iter().copied().reduce(f64::max),
            threshold: enough.then_some(seen.threshold),
            threshold_origin: "Datalab's rule for the list: third quartile of the mean distance plus 1.7 interquartile ranges; it decides no verdict".into(),
            findings: Vec::new(),
            measures: BTreeMap::from([
                ("outliers".to_owned(), json!(ranked.iter().take(MOST_LISTED).collect::<Vec<_>>())),
                ("outliers_per_class".to_owned(), json!(per_class)),
                ("threshold".to_owned(), number(seen.threshold)),
                ("metric".to_owned(), json!(metric.name())),
            ]),
            arrays: BTreeMap::from([(
                "scores".to_owned(),
                Tensor::F32(seen.score.iter().map(|&s| s as f32).collect::<Array1<f32>>().into_dyn()),
            )]),
            figures: BTreeMap::from([("distances".to_owned(), histogram(&seen.mean, seen.threshold))]),
            limits: format!(
                "Looked at {source}, {} distance. Planted samples lie close to one another and are seldom outliers; rare but honest \
                 pictures are.",
                metric.name()
            ),
        })
    }
}

fn histogram(mean: &[f64], threshold: f64) -> Figure {
    let top = mean.iter().copied().fold(threshold, f64::max).max(f64::MIN_POSITIVE);
    let mut counts = vec![0.0; BINS];
    for m in mean {
        counts[((m / top * BINS as f64) as usize).min(BINS - 1)] += 1.0;
    }
    let body = Body::Histogram {
        x_label: "mean distance to the nearest neighbours".into(),
        edges: (0..=BINS).map(|i| top * i as f64 / BINS as f64).collect(),
        series: vec![Counts { name: "samples".into(), counts }],
        threshold: Some(threshold),
    };
    Figure {
        title: "How far training samples lie from their neighbours; right of the line they are listed".into(),
        body,
    }
}
