//! Activation clustering (Chen et al. 2018): do the samples of a label fall into two groups?

mod figure;
mod look;
mod outcome;
mod reclassify;
#[cfg(test)]
mod tests;

use super::features::Request;
use super::params::Params;
use crate::procedure::{About, Case, Context, Cost, Outcome, Phase, Plan, Procedure, Skip, Stop};
use look::{Seen, look};
use rayon::prelude::*;
use serde_json::json;

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
                    let figure = figure::scatter(
                        case,
                        &features,
                        class,
                        seen,
                        cx.rng(&format!("points/class{class}")),
                    );
                    cx.partial(&format!("pca/{class}"), figure);
                }
            }
        }
        let tested = seen.iter().flatten().filter(|s| s.clean.is_some()).count();
        let second = reclassify::second_look(case, &request, &features, &seen, tested, cx)?;
        cx.step(plan.units, plan.units)?;
        Ok(outcome::of(case, &request, &features, &seen, &second, cx))
    }
}
