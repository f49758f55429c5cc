//! The search: many windows, few steps; the best go on.

use crate::detect::images::Pool;
use crate::detect::stamp::Trigger;
use crate::math::adam::{Adam, AdamSettings};
use crate::math::softmax::{cross_entropy_gradient, sigmoid};
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::{Array2, Array4, ArrayView1, Axis, Slice};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// Images of one call of the network: the granularity of parallel work, whatever the number of cores.
const TILE: usize = 16;
/// Learning rate of Adam on the colours' log odds (betas 0.5 and 0.9).
pub const RATE: f32 = 0.8;
/// Colours stay within ± this, in log odds: 0.018 to 0.982 of the range.
const LIMIT: f32 = 4.0;
/// Share of the running mean of the margin that a step leaves in place.
const MEMORY: f64 = 0.6;
/// Images that the patches left at the end are judged on, of each class.
pub const JUDGED: usize = 96;
/// Images that the network's own margin is taken from.
const CLEAN: usize = 200;

/// One round of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Steps of every arm.
    pub steps: u32,
    /// Images of a step.
    pub images: usize,
    /// Share of a class's arms that go on after it.
    pub keep: f64,
    /// Classes that go on after it: this share of them, but at least so many.
    pub classes: (f64, usize),
}

/// Where patches are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window, pixels.
    pub side: usize,
    /// Upper left corners: (row, column).
    pub places: Vec<(usize, usize)>,
}

impl Windows {
    /// Windows of a share of the shorter side (at least three pixels, at most half), `stride` apart, the last at the edge.
    pub fn of([_, h, w]: [usize; 3], share: f64, per_side: f64) -> Option<Self> {
        let short = h.min(w);
        let side = ((short as f64 * share).round() as usize).max(3);
        if side > short / 2 {
            return None;
        }
        let stride = ((side as f64 / per_side).round() as usize).max(1);
        let along = |n: usize| {
            let last = n - side;
            (0..last).step_by(stride).chain([last]).collect::<Vec<_>>()
        };
        let places = along(h).into_iter().flat_map(|y| along(w).into_iter().map(move |x| (y, x))).collect();
        Some(Self { side, places })
    }
}

/// A patch in one place for one class.
struct Arm {
    class: usize,
    place: (usize, usize),
    /// Log odds of the colours, C·side·side.
    raw: Vec<f32>,
    adam: Adam,
    /// Running mean of the margin.
    margin: f64,
    started: bool,
    /// The next image, a position in the class's order.
    at: usize,
}

/// The strongest patch found for a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Upper left corner: (row, column).
    pub place: (usize, usize),
    /// Colours in 0..=1, C·side·side.
    pub colours: Vec<f32>,
    /// Mean over images of the class's logit less the largest other one.
    pub margin: f64,
    /// Share of them that the network puts in the class; of a class that ended early `None`.
    pub success: Option<f64>,
}

impl Patch {
    /// As a mask and a pattern over images of `shape`.
    pub fn trigger(&self, [c, h, w]: [usize; 3], side: usize) -> Trigger {
        let (mut mask, mut pattern) = (vec![0.0; h * w], vec![0.5; c * h * w]);
        for (i, &colour) in self.colours.iter().enumerate() {
            let (plane, y, x) = (i / (side * side), i / side % side, i % side);
            let at = (self.place.0 + y) * w + self.place.1 + x;
            mask[at] = 1.0;
            pattern[plane * h * w + at] = colour;
        }
        Trigger { mask, pattern }
    }
}

/// What there is to search in.
pub struct Ground<'a> {
    /// The network.
    pub model: &'a Model,
    /// Images.
    pub pool: &'a Pool,
    /// Where patches are put.
    pub windows: &'a Windows,
}

/// Arm steps of all rounds, for so many classes and places.
pub fn units(classes: usize, places: usize, rounds: &[Round]) -> u64 {
    let (mut classes, mut arms, mut sum) = (classes, places, 0);
    for round in rounds {
        sum += (classes * arms) as u64 * u64::from(round.steps);
        (classes, arms) = (on(classes, round), kept(arms, round));
    }
    sum
}

/// Image gradients of all rounds.
pub fn gradients(classes: usize, places: usize, rounds: &[Round]) -> u64 {
    let (mut classes, mut arms, mut sum) = (classes, places, 0);
    for round in rounds {
        sum += (classes * arms * round.images) as u64 * u64::from(round.steps);
        (classes, arms) = (on(classes, round), kept(arms, round));
    }
    sum
}

/// Classes that go on after a round.
fn on(classes: usize, round: &Round) -> usize {
    ((classes as f64 * round.classes.0).ceil() as usize).max(round.classes.1).min(classes)
}

/// Arms of a class that go on after a round.
fn kept(arms: usize, round: &Round) -> usize {
    ((arms as f64 * round.keep).ceil() as usize).clamp(1, arms)
}

/// The strongest patch of every class; `None` for a class that every image is in already. `tell` is given the number of arm
/// steps done.
///
/// # Errors
/// Cancelled; the network fails, or gives a value that is not finite.
pub fn search(
    ground: &Ground,
    rounds: &[Round],
    cx: &mut Context,
    tell: &mut dyn FnMut(u64, &mut Context) -> Result<(), Stop>,
) -> Result<Vec<Option<Patch>>, Stop> {
    let (model, pool) = (ground.model, ground.pool);
    let (_, c, _, _) = pool.images.dim();
    let length = c * ground.windows.side * ground.windows.side;
    let settings = AdamSettings { rate: RATE, betas: (0.5, 0.9), epsilon: 1e-8 };
    let mut orders = Vec::new();
    let mut arms: Vec<Vec<Arm>> = Vec::new();
    for class in 0..model.class_count() {
        let mut rng = cx.rng(&format!("suspect/class{class}"));
        let mut order = pool.not_predicted(class);
        order.shuffle(&mut rng);
        let places = if order.is_empty() { &[][..] } else { &ground.windows.places };
        let mut arm = |&place| Arm {
            class,
            place,
            raw: (0..length).map(|_| rng.gen_range(-1.0..1.0)).collect(),
            adam: Adam::new(length, settings),
            margin: 0.0,
            started: false,
            at: rng.gen_range(0..order.len()),
        };
        arms.push(places.iter().map(&mut arm).collect());
        orders.push(order);
    }
    let mut done = 0;
    let mut found: Vec<Option<Patch>> = vec![None; arms.len()];
    for (number, round) in rounds.iter().enumerate() {
        for _ in 0..round.steps {
            tell(done, cx)?;
            let mut live: Vec<&mut Arm> = arms.iter_mut().flatten().collect();
            done += live.len() as u64;
            step(&mut live, round.images, ground, &orders, cx)?;
        }
        for own in &mut arms {
            own.sort_by(|a, b| b.margin.total_cmp(&a.margin));
            own.truncate(kept(own.len().max(1), round));
        }
        // What is known of a class that ends here.
        for (patch, own) in found.iter_mut().zip(&arms) {
            if let Some(best) = own.first() {
                *patch = Some(best.patch());
            }
        }
        if number + 1 < rounds.len() {
            cull(&mut arms, on(model.class_count(), round));
        }
    }
    let judged = |arm: &Arm| {
        cx.check()?;
        let order = &orders[arm.class];
        judge(arm, &order[..order.len().min(JUDGED)], ground)
    };
    let left: Vec<&Arm> = arms.iter().flatten().collect();
    let patches: Vec<Result<Patch, Stop>> = left.par_iter().map(|&arm| judged(arm)).collect();
    let mut done = vec![false; found.len()];
    for (arm, patch) in left.into_iter().zip(patches) {
        let (patch, slot) = (patch?, &mut found[arm.class]);
        let first = !std::mem::replace(&mut done[arm.class], true);
        if first || slot.as_ref().is_none_or(|b| patch.margin > b.margin) {
            *slot = Some(patch);
        }
    }
    Ok(found)
}

/// Ends the arms of all but the `most` classes with the strongest patches.
fn cull(arms: &mut [Vec<Arm>], most: usize) {
    let best = |own: &Vec<Arm>| own.first().map_or(f64::NEG_INFINITY, |a| a.margin);
    let mut order: Vec<usize> = (0..arms.len()).collect();
    order.sort_by(|&a, &b| best(&arms[b]).total_cmp(&best(&arms[a])).then(a.cmp(&b)));
    for &class in order.iter().skip(most) {
        arms[class].clear();
    }
}

impl Arm {
    fn patch(&self) -> Patch {
        let colours = self.raw.iter().map(|&x| sigmoid(x)).collect();
        Patch { place: self.place, colours, margin: self.margin, success: None }
    }

    /// Takes in the mean margin of a step and the gradient in the colours, and moves.
    fn update(&mut self, margin: f64, colours: &[f32], gradient: &mut [f32]) {
        self.margin = if self.started { MEMORY * self.margin + (1.0 - MEMORY) * margin } else { margin };
        self.started = true;
        gradient.iter_mut().zip(colours).for_each(|(g, c)| *g *= c * (1.0 - c));
        self.adam.step(&mut self.raw, gradient);
        self.raw.iter_mut().for_each(|x| *x = x.clamp(-LIMIT, LIMIT));
    }
}

/// Puts colours into a window of an image.
fn stamp(images: &mut Array4<f32>, at: usize, colours: &[f32], (y, x): (usize, usize), side: usize) {
    for (i, &colour) in colours.iter().enumerate() {
        images[[at, i / (side * side), y + i / side % side, x + i % side]] = colour;
    }
}

/// A class's logit less the largest other one.
fn margin(logits: ArrayView1<f32>, class: usize) -> f64 {
    let others = logits.iter().enumerate().filter(|(k, _)| *k != class);
    f64::from(logits[class] - others.map(|(_, &v)| v).fold(f32::NEG_INFINITY, f32::max))
}

fn step(
    live: &mut [&mut Arm],
    images: usize,
    ground: &Ground,
    orders: &[Vec<usize>],
    cx: &Context,
) -> Result<(), Stop> {
    let results: Vec<Result<(), Stop>> = live
        .par_chunks_mut((TILE / images).max(1))
        .map(|tile| {
            cx.check()?;
            step_tile(tile, images, ground, orders)
        })
        .collect();
    results.into_iter().collect()
}

fn step_tile(arms: &mut [&mut Arm], each: usize, ground: &Ground, orders: &[Vec<usize>]) -> Result<(), Stop> {
    let pool = &ground.pool.images;
    let side = ground.windows.side;
    let (_, c, h, w) = pool.dim();
    let mut images = Array4::zeros((arms.len() * each, c, h, w));
    let colours: Vec<Vec<f32>> = arms.iter().map(|a| a.raw.iter().map(|&x| sigmoid(x)).collect()).collect();
    let rows = |arm: usize| arm * each..(arm + 1) * each;
    for (number, (arm, colours)) in arms.iter_mut().zip(&colours).enumerate() {
        let order = &orders[arm.class];
        for at in rows(number) {
            let i = order[arm.at % order.len()];
            arm.at += 1;
            images.index_axis_mut(Axis(0), at).assign(&pool.index_axis(Axis(0), i));
            stamp(&mut images, at, colours, arm.place, side);
        }
    }
    let classes: Vec<usize> = arms.iter().map(|a| a.class).collect();
    // The gradient of each arm's own mean cross-entropy.
    let mut loss = |logits: ndarray::ArrayView2<f32>| {
        let mut gradient = Array2::zeros(logits.raw_dim());
        for (number, &class) in classes.iter().enumerate() {
            let own = Slice::from(rows(number));
            let part = cross_entropy_gradient(logits.slice_axis(Axis(0), own), &vec![class; each]);
            gradient.slice_axis_mut(Axis(0), own).assign(&part);
        }
        gradient
    };
    let (logits, pulls) = ground.model.input_gradient(images.view(), &mut loss).map_err(Stop::failed)?;
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(Stop::failed("the network gives a value that is not a finite number"));
    }
    for (number, (arm, colours)) in arms.iter_mut().zip(&colours).enumerate() {
        let (y, x) = arm.place;
        let mut gradient = vec![0.0; colours.len()];
        let mut sum = 0.0;
        for at in rows(number) {
            sum += margin(logits.row(at), arm.class);
            for (i, g) in gradient.iter_mut().enumerate() {
                *g += pulls[[at, i / (side * side), y + i / side % side, x + i % side]];
            }
        }
        arm.update(sum / each as f64, colours, &mut gradient);
    }
    Ok(())
}

/// The patch of an arm, measured on the images at these positions of the pool.
fn judge(arm: &Arm, judged: &[usize], ground: &Ground) -> Result<Patch, Stop> {
    let patch = arm.patch();
    let pool = &ground.pool.images;
    let (_, c, h, w) = pool.dim();
    let (mut sum, mut hits) = (0.0, 0u32);
    for tile in judged.chunks(TILE) {
        let mut images = Array4::zeros((tile.len(), c, h, w));
        for (at, &i) in tile.iter().enumerate() {
            images.index_axis_mut(Axis(0), at).assign(&pool.index_axis(Axis(0), i));
            stamp(&mut images, at, &patch.colours, patch.place, ground.windows.side);
        }
        let logits = ground.model.logits(images.view()).map_err(Stop::failed)?;
        for row in logits.rows() {
            let own = margin(row, arm.class);
            sum += own;
            hits += u32::from(own > 0.0);
        }
    }
    let n = judged.len().max(1) as f64;
    Ok(Patch { margin: sum / n, success: Some(f64::from(hits) / n), ..patch })
}

/// The mean margin by which the network is sure of images without a patch: the unit that margins are told in.
///
/// # Errors
/// The network fails.
pub fn clean_margin(model: &Model, pool: &Pool) -> Result<f64, Stop> {
    let n = pool.predicted.len().min(CLEAN);
    let logits =
        model.logits(pool.images.slice_axis(Axis(0), Slice::from(0..n)).view()).map_err(Stop::failed)?;
    let own = logits.rows().into_iter().zip(&pool.predicted).map(|(row, &k)| margin(row, k));
    Ok(own.sum::<f64>() / n.max(1) as f64)
}
