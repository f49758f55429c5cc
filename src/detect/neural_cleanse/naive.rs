//! Trigger inversion without images: the variant of the documents this program was asked for with.

use super::search::Best;
use crate::detect::stamp::{Trigger, pull};
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::sigmoid;
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::Array4;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Optimisation steps ("epochs").
pub const STEPS: u64 = 100;
/// Random inputs of a step.
pub const BATCH: usize = 16;
/// Weight of the mask's L1.
const COST: f32 = 0.01;
/// A step counts when its cross-entropy is below it.
const LOSS: f64 = 0.1;

/// The smallest mask among the steps whose cross-entropy is below 0.1, and whether there was one; failing that, the last
/// step's mask. Mask logits and pattern start at 0; inputs are uniform noise; Adam at 0.01.
///
/// # Errors
/// Cancelled; the network fails.
pub fn invert(model: &Model, class: usize, mut rng: ChaCha8Rng, cx: &Context) -> Result<(Best, bool), Stop> {
    let [c, h, w] = model.input.shape;
    let pixels = h * w;
    let mut raw = vec![0.0f32; pixels * (c + 1)];
    let mut adam = Adam::new(raw.len(), AdamSettings { rate: 0.01, betas: (0.9, 0.999), epsilon: 1e-8 });
    let all: Vec<usize> = (0..BATCH).collect();
    let (mut best, mut last): (Option<Best>, Option<Best>) = (None, None);
    for _ in 0..STEPS {
        let noise = Array4::from_shape_simple_fn((BATCH, c, h, w), || rng.r#gen::<f32>());
        let trigger = Trigger {
            mask: raw[..pixels].iter().map(|&x| sigmoid(x)).collect(),
            pattern: raw[pixels..].to_vec(),
        };
        let pull = pull(model, &trigger, &noise, &all, class, &|| cx.check())?;
        let mask = pull.mask.iter().zip(&trigger.mask).map(|(g, &m)| (g + COST) * m * (1.0 - m));
        let gradient: Vec<f32> = mask.chain(pull.pattern.iter().copied()).collect();
        adam.step(&mut raw, &gradient);
        raw[pixels..].iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
        let here = Best { l1: trigger.l1(), trigger, success: pull.success };
        if pull.loss < LOSS && best.as_ref().is_none_or(|b| here.l1 < b.l1) {
            best = Some(here.clone());
        }
        last = Some(here);
    }
    let reached = best.is_some();
    best.or(last).map(|b| (b, reached)).ok_or_else(|| Stop::failed("no step was done"))
}
