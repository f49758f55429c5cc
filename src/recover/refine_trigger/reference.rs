//! The seed documents' procedure: Adam at 0.005 on mask logits and pattern, cross-entropy + 0.005·L1, 200 epochs.

use super::{BATCH, Found, History, Work, look};
use crate::detect::stamp::{Trigger, pull};
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::{logit, sigmoid};
use crate::procedure::{Context, Stop};
use rand::seq::SliceRandom;

/// Weight of the mask's L1.
const COST: f32 = 0.005;
const RATE: f32 = 0.005;
/// Mask values are brought this far inside 0..1 before the logit, so that a saturated pixel can still move.
const MARGIN: f32 = 1e-3;
/// Epochs between partial figures.
const PARTIAL: u64 = 10;

pub(super) fn refine(work: &Work, epochs: u64, batches: u64, cx: &mut Context) -> Result<Found, Stop> {
    let candidate = &work.setup.candidate;
    // The documents start from the mask of the inversion.
    let start = candidate
        .starts
        .iter()
        .find(|s| !s.sampled)
        .or_else(|| candidate.starts.first())
        .ok_or_else(|| Stop::failed("there is nothing to start from"))?;
    let pixels = start.trigger.mask.len();
    let mut raw: Vec<f32> = start.trigger.mask.iter().map(|&m| logit(m, MARGIN)).collect();
    raw.extend_from_slice(&start.trigger.pattern);
    let current = |raw: &[f32]| Trigger {
        mask: raw[..pixels].iter().map(|&x| sigmoid(x)).collect(),
        pattern: raw[pixels..].to_vec(),
    };
    let mut adam = Adam::new(raw.len(), AdamSettings { rate: RATE, betas: (0.9, 0.999), epsilon: 1e-8 });
    let mut rng = cx.rng("batches");
    let mut history = History::default();
    let mut order = work.order.to_vec();
    let mut at = order.len();
    for epoch in 0..epochs {
        cx.step(work.from + epoch, work.plan.units)?;
        let (mut loss, mut success, mut l1) = (0.0, 0.0, 0.0);
        for _ in 0..batches {
            if at >= order.len() {
                order.shuffle(&mut rng);
                at = 0;
            }
            let batch = &order[at..(at + BATCH).min(order.len())];
            at += BATCH;
            let trigger = current(&raw);
            let pull =
                pull(work.setup.model, &trigger, &work.pool.images, batch, candidate.class, &|| cx.check())?;
            let norm = trigger.l1();
            loss += pull.loss + f64::from(COST) * norm;
            success += pull.success;
            l1 += norm;
            let mask = pull.mask.iter().zip(&trigger.mask).map(|(g, &m)| (g + COST) * m * (1.0 - m));
            let gradient: Vec<f32> = mask.chain(pull.pattern.iter().copied()).collect();
            adam.step(&mut raw, &gradient);
            raw[pixels..].iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
        }
        let n = batches as f64;
        history.loss.push(loss / n);
        history.success.push(success / n);
        history.l1.push(l1 / n);
        if epoch % PARTIAL == PARTIAL - 1 {
            cx.partial("history", look::curves(&history));
            cx.partial("trigger", look::picture(work, &current(&raw)));
        }
    }
    let trigger = current(&raw);
    Ok(Found { soft: trigger.clone(), trigger, history, from: start.from.to_owned() })
}
