//! The original's search, and the variant on random inputs.

use super::search::{Best, Schedule, Search};
use super::{PARTIAL, Reversed, Setup, WAVE, look, naive, norm_outlier};
use crate::detect::images::Pool;
use crate::detect::stamp::Trigger;
use crate::procedure::{Case, Context, Stop};
use rayon::prelude::*;

/// All classes side by side, a step at a time, so that the picture grows evenly.
pub(super) fn search(
    case: &Case,
    setup: &Setup,
    schedule: Schedule,
    pool: &Pool,
    total: u64,
    cx: &mut Context,
) -> Result<Vec<Reversed>, Stop> {
    let [c, h, w] = setup.model.input.shape;
    let start = |k| Search::new(k, pool.not_predicted(k), c, h * w, schedule, cx.rng(&format!("class{k}")));
    let mut searches: Vec<Search> = (0..setup.model.class_count()).map(start).collect();
    for step in 0..schedule.steps {
        for first in (0..searches.len()).step_by(WAVE) {
            cx.step(setup.loading() + done(&searches, schedule.steps), total)?;
            let last = (first + WAVE).min(searches.len());
            let shared = &*cx;
            let results: Vec<Result<(), Stop>> = searches[first..last]
                .par_iter_mut()
                .map(|search| search.step(setup.model, &pool.images, shared))
                .collect();
            results.into_iter().collect::<Result<Vec<()>, Stop>>()?;
        }
        if searches.iter().all(|s| s.over) {
            break;
        }
        if step % PARTIAL == PARTIAL - 1 {
            partial(case, setup, pool, &searches, cx);
        }
    }
    let finish = |search: Search| {
        let (steps, reached) = (search.steps, search.reached.is_some());
        let current = || Best { l1: search.trigger().l1(), trigger: search.trigger(), success: 0.0 };
        let best = search.best().cloned().unwrap_or_else(current);
        Reversed::once(best, reached, steps)
    };
    Ok(searches.into_iter().map(finish).collect())
}

fn done(searches: &[Search], steps: u64) -> u64 {
    searches.iter().map(|s| if s.over { steps } else { s.steps }).sum()
}

/// The bars as they stand, and the trigger of the class that is smallest now.
fn partial(case: &Case, setup: &Setup, pool: &Pool, searches: &[Search], cx: &mut Context) {
    let triggers: Vec<Trigger> = searches
        .iter()
        .map(|s| s.reached.as_ref().map_or_else(|| s.trigger(), |b| b.trigger.clone()))
        .collect();
    let norms: Vec<f64> = triggers.iter().map(Trigger::l1).collect();
    if let Some(split) = norm_outlier::split(&norm_outlier::logarithms(&norms)) {
        cx.partial("anomaly", look::anomaly(case, &split.distance, &[], &[], None));
    }
    let smallest = (0..norms.len()).min_by(|&a, &b| norms[a].total_cmp(&norms[b]));
    if let Some(class) = smallest {
        cx.partial(&format!("mask/{class}"), look::picture(case, setup, class, &triggers[class], Some(pool)));
    }
}

/// The variant on random inputs, class by class.
pub(super) fn random(setup: &Setup, total: u64, cx: &mut Context) -> Result<Vec<Reversed>, Stop> {
    let all: Vec<usize> = (0..setup.model.class_count()).collect();
    let mut found = Vec::with_capacity(all.len());
    for wave in all.chunks(WAVE) {
        cx.step(found.len() as u64, total)?;
        let shared = &*cx;
        let invert =
            |&class: &usize| naive::invert(setup.model, class, shared.rng(&format!("class{class}")), shared);
        let results: Vec<_> = wave.par_iter().map(invert).collect();
        for result in results {
            let (best, reached) = result?;
            found.push(Reversed::once(best, reached, naive::STEPS));
        }
    }
    Ok(found)
}
