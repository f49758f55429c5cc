//! Training samples that are the same, nearly the same, or the same but for a small part.

use super::copies::{self, Pair};
use super::{Asked, NEIGHBOURS, duplicates};
use crate::detect::{classes, thumbnails};
use crate::figure::{Body, Figure};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Tensor, Verdict, number,
};
use ndarray::Array1;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Near-duplicates.
pub static NEAR_DUPLICATES: NearDuplicates = NearDuplicates;

/// See [`NEAR_DUPLICATES`].
#[derive(Debug)]
pub struct NearDuplicates;

static ABOUT: About = About {
    id: "near-duplicates",
    title: "Near-duplicates",
    phase: Phase::Detection,
    version: 1,
    question: "Which training samples are copies of others, with another label or with something stamped on?",
    needs: "a labelled training set, and a model or recorded activations; images for copies that differ in a small part",
    reference: "rules for near-duplicates as in cleanlab 2.9 (Datalab); equal cells for altered copies are this program's",
    cost: Cost::Low,
    after: &[],
    page: include_str!("near_duplicates.md"),
};

/// Altered copies that end with one label before they are a lead.
const LEAD: usize = 5;
/// Sets and pairs kept in the measures.
const MOST_LISTED: usize = 20_000;
/// Pairs shown.
const SHOWN: usize = 8;

impl Procedure for NearDuplicates {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let asked = Asked::plan(case, ABOUT.id)?;
        Ok(Plan {
            params: json!({"layer": asked.request.layer_name(), "metric": asked.metric_name(), "neighbours": NEIGHBOURS}),
            units: asked.request.units(asked.request.data) + 2,
            inputs: asked.request.inputs(case),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let asked = Asked::plan(case, ABOUT.id).map_err(Stop::failed)?;
        let (found, metric, source) = asked.find(case, cx, plan.units)?;
        let seen = duplicates(&found);
        cx.step(plan.units - 1, plan.units)?;
        let set = &asked.request.data.set;
        let labels = &set.labels;
        let sets = seen.sets();
        let differs = |set: &&Vec<usize>| set.iter().map(|&i| labels[i]).collect::<BTreeSet<_>>().len() > 1;
        let mixed: Vec<&Vec<usize>> = sets.iter().filter(differs).collect();
        let pairs = copies::pairs(set);
        let relabelled: Vec<&Pair> = pairs.iter().filter(|p| labels[p.a] != labels[p.b]).collect();
        cx.step(plan.units, plan.units)?;
        let mut into = vec![0usize; asked.request.classes];
        for p in &relabelled {
            into[labels[p.a]] += 1;
            into[labels[p.b]] += 1;
        }
        let target =
            (0..into.len()).filter(|&c| into[c] >= LEAD).max_by_key(|&c| (into[c], std::cmp::Reverse(c)));
        let listed: usize = sets.iter().map(Vec::len).sum();
        let summary = format!(
            "{listed} of {} training samples have a near-duplicate ({} sets, {} of them with different labels); {} pairs are equal but for a \
             small part, {} of them with different labels",
            labels.len(),
            sets.len(),
            mixed.len(),
            pairs.len(),
            relabelled.len()
        );
        let findings = target.map(|class| {
            let title = format!("{} altered copies end with the label {}", into[class], classes::name(case, class));
            let detail = format!(
                "{} pairs of training pictures are equal, bit for bit, in at least 12 of 16 cells, differ in the others, and have different labels. \
                 Copies with a patch and a new label look like this; so do frames of a still camera.",
                relabelled.len()
            );
            Finding::new(Concern::DataPoisoning, Severity::Medium, Confidence::Low, title, detail).class(class).on(&plan.inputs)
        });
        let mut figures = BTreeMap::new();
        if let Some(figure) = pictures(case, &relabelled, &mixed) {
            figures.insert("pairs".to_owned(), figure);
        }
        Ok(Outcome {
            verdict: if target.is_some() || labels.len() <= NEIGHBOURS {
                Verdict::Inconclusive
            } else {
                Verdict::NothingFound
            },
            summary,
            statistic: target.map(|c| into[c] as f64),
            threshold: Some(LEAD as f64),
            threshold_origin: format!(
                "a convention: {LEAD} altered copies with different labels, one of them common to all, are worth a look"
            ),
            findings: findings.into_iter().collect(),
            measures: BTreeMap::from([
                ("sets".to_owned(), json!(sets.iter().take(MOST_LISTED).collect::<Vec<_>>())),
                (
                    "sets_with_different_labels".to_owned(),
                    json!(mixed.iter().take(MOST_LISTED).collect::<Vec<_>>()),
                ),
                (
                    "altered_copies".to_owned(),
                    json!(pairs.iter().take(MOST_LISTED).map(|p| [p.a, p.b]).collect::<Vec<_>>()),
                ),
                ("median_nearest_distance".to_owned(), number(seen.median)),
                ("metric".to_owned(), json!(metric.name())),
            ]),
            arrays: BTreeMap::from([(
                "scores".to_owned(),
                Tensor::F32(seen.score.iter().map(|&s| s as f32).collect::<Array1<f32>>().into_dyn()),
            )]),
            figures,
            limits: format!(
                "Looked at {source}, {} distance, {NEIGHBOURS} neighbours; altered copies only where the rest of the picture is equal bit for \
                 bit. A planted sample whose original is not in the set has no pair.",
                metric.name()
            ),
        })
    }
}

/// The first pairs, side by side.
fn pictures(case: &Case, relabelled: &[&Pair], mixed: &[&Vec<usize>]) -> Option<Figure> {
    let data = case.training()?;
    let shape = data.set.shape()?;
    let of_pairs = relabelled.iter().map(|p| [p.a, p.b]);
    let of_sets = mixed.iter().filter_map(|s| {
        let other = s.iter().find(|&&i| data.set.labels[i] != data.set.labels[s[0]])?;
        Some([s[0], *other])
    });
    let which: Vec<usize> = of_pairs.chain(of_sets).take(SHOWN).flatten().collect();
    let images = data.set.unit(&which)?;
    let picture = |(i, image): (&usize, ndarray::ArrayView3<f32>)| {
        let values: Vec<f32> = image.iter().copied().collect();
        thumbnails::colour(format!("sample {i}, label {}", data.set.labels[*i]), &values, shape)
    };
    let images: Vec<_> = which.iter().zip(images.outer_iter()).map(picture).collect();
    (!images.is_empty()).then(|| Figure {
        title: "Copies with different labels, in pairs".into(),
        body: Body::Thumbnails { images },
    })
}
