//! All classes at once: most of the original's work goes into classes that could never be accused.

use super::{PARTIAL, Reversed, Setup, look, search::Best};
use crate::detect::images::Pool;
use crate::detect::invert::{self, Arm, Budget, Settings, gap};
use crate::detect::neural_cleanse::norm_outlier::FLOOR;
use crate::procedure::{Case, Context, Stop};

pub(super) fn search(
    case: &Case,
    setup: &Setup,
    settings: &Settings,
    (budget, twin): (Budget, bool),
    pool: &Pool,
    total: u64,
    cx: &mut Context,
) -> Result<Vec<Reversed>, Stop> {
    let [_, h, w] = setup.model.input.shape;
    let (loading, mut told) = (setup.loading(), 0);
    let mut tell = |done: u64, arms: &[Arm], cx: &mut Context| {
        cx.step(loading + done, total)?;
        told += 1;
        if told % PARTIAL == 0 && !arms.is_empty() {
            let sizes: Vec<f64> = arms.iter().map(Arm::size).collect();
            let heights = look::above_median(&gap::smallness(sizes.iter().copied(), FLOOR));
            cx.partial("anomaly", look::anomaly(case, &heights, &[], &[], None));
            if let Some(arm) = arms.iter().min_by(|a, b| a.size().total_cmp(&b.size())) {
                let trigger = arm.found().trigger(h * w);
                cx.partial(
                    &format!("mask/{}", arm.target),
                    look::picture(case, setup, arm.target, &trigger, Some(pool)),
                );
            }
        }
        Ok(())
    };
    let aims = invert::every_class(setup.model, pool);
    let how = (settings, budget);
    let compared = invert::compare(setup.model, pool, &aims, how, (FLOOR, twin), cx, &mut tell)?;
    let reversed = |(size, smallness): (invert::Size, f64)| {
        let trigger = size.found.trigger(h * w);
        Reversed {
            best: Best { l1: trigger.l1(), trigger, success: size.found.success },
            size: size.size,
            spread: size.spread,
            range: size.range,
            smallness,
            reached: size.reached,
            steps: size.steps,
        }
    };
    Ok(compared.found.into_iter().zip(compared.smallness).map(reversed).collect())
}
