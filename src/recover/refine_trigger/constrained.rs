//! The smallest trigger at a success asked for: the weight of the size rises while a running mean of the success is high
//! enough and falls while it is not; what is found is then brought to a minimal support with full opacity.

use super::super::stamping::{self, flat_mask};
use super::{BATCH, Found, History, Work, look};
use crate::detect::stamp::{Trigger, pull};
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::{logit, sigmoid};
use crate::procedure::{Context, Stop};
use rand::Rng;
use rand::seq::SliceRandom;

/// Learning rate of mask and pattern logits.
pub(super) const RATE: f32 = 0.1;
/// Factor of the weight of the size from step to step.
const PACE: f64 = 1.15;
/// Weight of the size at the start, and its bounds.
const WEIGHT: f64 = 0.01;
const WEIGHTS: [f64; 2] = [1e-5, 10.0];
/// Share of the running success that a step leaves in place.
const MEMORY: f64 = 0.7;
/// Values are brought this far inside 0..1 before the logit.
const MARGIN: f32 = 0.01;
/// Steps between partial figures.
const PARTIAL: u64 = 10;
/// Images that a support is judged on.
const JUDGED: usize = 128;
/// What a support may lose against the trigger it is cut from.
const LOST: f64 = 0.03;
/// Largest support, as a share of the picture; past it the trigger is no patch and stays soft.
const LARGEST: f64 = 0.2;
/// Steps of the pattern alone on a fixed support, and its learning rate.
const POLISH: u64 = 12;

/// Effort and aim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub steps: u64,
    pub restarts: u64,
    /// Success from which a trigger counts.
    pub goal: f64,
    /// A mask for each channel.
    pub channel_masks: bool,
}

impl Settings {
    pub(super) fn units(self) -> u64 {
        self.restarts * (self.steps + 2 * POLISH)
    }
}

/// Searches from what detection found (the mask of the inversion, a square) and from random starts; the smallest that reaches the goal, else the one of best
/// success.
pub(super) fn refine(work: &Work, settings: Settings, cx: &mut Context) -> Result<Found, Stop> {
    let [c, h, w] = work.setup.model.input.shape;
    let mut given = work.setup.candidate.starts.iter().filter(|s| !s.sampled);
    let mut all: Vec<(Found, f64)> = Vec::new();
    for restart in 0..settings.restarts {
        let mut rng = cx.rng(&format!("start{restart}"));
        let (start, from) = if let Some(start) = given.next() {
            (start.trigger.clone(), start.from.to_owned())
        } else {
            let mask = (0..h * w).map(|_| rng.gen_range(0.05..0.2)).collect();
            let pattern = (0..c * h * w).map(|_| rng.gen_range(0.0..1.0)).collect();
            (Trigger { mask, pattern }, format!("random start {restart}"))
        };
        let before = work.from + restart * (settings.steps + 2 * POLISH);
        let (soft, history) = search(work, settings, &start, restart, before, cx)?;
        let judged = &work.order[..work.order.len().min(JUDGED)];
        let plain = success(work, &soft, judged, cx)?;
        let goal = settings.goal.min(plain) - LOST;
        let trigger = sharpen(work, &soft, judged, goal, before + settings.steps, cx)?;
        let reached = success(work, &trigger, judged, cx)?;
        cx.partial("trigger", look::picture(work, &trigger));
        all.push((Found { trigger, soft, history, from }, reached));
    }
    let enough = settings.goal - 2.0 * LOST;
    let size = |f: &Found| stamping::pixels_of(&f.trigger, h * w);
    all.sort_by(|(a, sa), (b, sb)| match (*sa >= enough, *sb >= enough) {
        (true, true) => size(a).total_cmp(&size(b)),
        (x, y) => y.cmp(&x).then(sb.total_cmp(sa)),
    });
    let best = all.into_iter().next();
    best.map(|(f, _)| f).ok_or_else(|| Stop::failed("there is nothing to start from"))
}

fn success(work: &Work, trigger: &Trigger, which: &[usize], cx: &Context) -> Result<f64, Stop> {
    let predicted = trigger.predictions(work.setup.model, &work.pool.images, which, &|| cx.check())?;
    Ok(stamping::share(&predicted, work.setup.candidate.class))
}

/// Images in turn, shuffled again when they run out.
struct Turn<R> {
    order: Vec<usize>,
    at: usize,
    rng: R,
}

impl<R: Rng> Turn<R> {
    fn next(&mut self) -> &[usize] {
        if self.at >= self.order.len() {
            self.order.shuffle(&mut self.rng);
            self.at = 0;
        }
        let from = self.at;
        self.at += BATCH;
        &self.order[from..self.at.min(self.order.len())]
    }
}

fn search(
    work: &Work,
    settings: Settings,
    start: &Trigger,
    restart: u64,
    before: u64,
    cx: &mut Context,
) -> Result<(Trigger, History), Stop> {
    let pixels = start.mask.len();
    let channels = start.pattern.len() / pixels.max(1);
    let copies = if settings.channel_masks && pixels < start.pattern.len() { channels } else { 1 };
    let length = pixels * copies;
    let mut raw: Vec<f32> = (0..copies).flat_map(|_| &start.mask).map(|&m| logit(m, MARGIN)).collect();
    raw.extend(start.pattern.iter().map(|&p| logit(p, MARGIN)));
    let current = |raw: &[f32]| Trigger {
        mask: raw[..length].iter().map(|&x| sigmoid(x)).collect(),
        pattern: raw[length..].iter().map(|&x| sigmoid(x)).collect(),
    };
    let mut adam = Adam::new(raw.len(), AdamSettings { rate: RATE, betas: (0.5, 0.9), epsilon: 1e-8 });
    let mut turn =
        Turn { at: work.order.len(), order: work.order.to_vec(), rng: cx.rng(&format!("batches{restart}")) };
    let (mut weight, mut running) = (WEIGHT, 0.0);
    let mut history = History::default();
    let mut best: Option<(f64, Trigger)> = None;
    for step in 0..settings.steps {
        cx.step(before + step, work.plan.units)?;
        let trigger = current(&raw);
        let target = work.setup.candidate.class;
        let pull = pull(work.setup.model, &trigger, &work.pool.images, turn.next(), target, &|| cx.check())?;
        running = if step == 0 { pull.success } else { MEMORY * running + (1.0 - MEMORY) * pull.success };
        let size = stamping::pixels_of(&trigger, pixels);
        history.loss.push(pull.loss + weight * size);
        history.success.push(pull.success);
        history.l1.push(size);
        let enough = running >= settings.goal;
        if enough && best.as_ref().is_none_or(|(least, _)| size < *least) {
            best = Some((size, trigger.clone()));
        }
        let cost = (weight / copies as f64) as f32;
        let mask = pull.mask.iter().zip(&trigger.mask).map(|(g, &m)| (g + cost) * m * (1.0 - m));
        let pattern = pull.pattern.iter().zip(&trigger.pattern).map(|(g, &p)| g * p * (1.0 - p));
        let gradient: Vec<f32> = mask.chain(pattern).collect();
        adam.step(&mut raw, &gradient);
        weight = (weight * if enough { PACE } else { 1.0 / PACE }).clamp(WEIGHTS[0], WEIGHTS[1]);
        if step % PARTIAL == PARTIAL - 1 {
            cx.partial("history", look::curves(&history));
            cx.partial("trigger", look::picture(work, &trigger));
        }
    }
    Ok((best.map_or_else(|| current(&raw), |(_, t)| t), history))
}

/// The fewest pixels, strongest first, that with full opacity still have the success; their pattern is improved once in between.
/// The trigger as it is when that takes too many.
fn sharpen(
    work: &Work,
    soft: &Trigger,
    judged: &[usize],
    goal: f64,
    before: u64,
    cx: &mut Context,
) -> Result<Trigger, Stop> {
    let [_, h, w] = work.setup.model.input.shape;
    let flat = flat_mask(&soft.mask, h * w);
    let mut order: Vec<usize> = (0..h * w).collect();
    order.sort_by(|&a, &b| flat[b].total_cmp(&flat[a]).then(a.cmp(&b)));
    let most = ((h * w) as f64 * LARGEST).ceil() as usize;
    let cut = |pattern: &[f32], k: usize| {
        let mut mask = vec![0.0; soft.mask.len()];
        for &i in &order[..k] {
            for j in (i..mask.len()).step_by(h * w) {
                // A channel that the soft mask leaves alone is left alone.
                mask[j] = f32::from(u8::from(soft.mask[j] >= 0.5 * flat[i]));
            }
        }
        Trigger { mask, pattern: pattern.to_vec() }
    };
    let mut pattern = soft.pattern.clone();
    let mut found = None;
    for round in 0..2 {
        let most = found.unwrap_or(most);
        if success(work, &cut(&pattern, most), judged, cx)? < goal {
            // The first time: not a patch of this size. The second: polishing did not help, keep what there was.
            if round == 0 {
                let polished = polish(work, cut(&pattern, most), before, cx)?;
                if success(work, &polished, judged, cx)? < goal {
                    return Ok(soft.clone());
                }
                pattern = polished.pattern;
            } else {
                break;
            }
        }
        let (mut low, mut high) = (0, most);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if success(work, &cut(&pattern, middle), judged, cx)? >= goal {
                high = middle;
            } else {
                low = middle;
            }
        }
        found = Some(high);
        if round == 0 {
            let polished = polish(work, cut(&pattern, high), before + POLISH, cx)?;
            if success(work, &polished, judged, cx)? >= goal {
                pattern = polished.pattern;
            }
        }
    }
    Ok(found.map_or_else(|| soft.clone(), |k| cut(&pattern, k)))
}

/// Improves the pattern under a fixed mask.
fn polish(work: &Work, start: Trigger, before: u64, cx: &mut Context) -> Result<Trigger, Stop> {
    let mut raw: Vec<f32> = start.pattern.iter().map(|&p| logit(p, MARGIN)).collect();
    let mut adam = Adam::new(raw.len(), AdamSettings { rate: 2.0 * RATE, betas: (0.5, 0.9), epsilon: 1e-8 });
    let mut turn = Turn { at: 0, order: work.order.to_vec(), rng: cx.rng("polish") };
    let mut trigger = start;
    for step in 0..POLISH {
        cx.step(before + step, work.plan.units)?;
        let target = work.setup.candidate.class;
        let pull = pull(work.setup.model, &trigger, &work.pool.images, turn.next(), target, &|| cx.check())?;
        let gradient: Vec<f32> =
            pull.pattern.iter().zip(&trigger.pattern).map(|(g, &p)| g * p * (1.0 - p)).collect();
        adam.step(&mut raw, &gradient);
        trigger.pattern = raw.iter().map(|&x| sigmoid(x)).collect();
    }
    Ok(trigger)
}
