//! Looking for the smallest trigger that sends images to one class: the optimisation of Neural Cleanse
//! (Wang et al. 2019), objective and schedule as in the authors' code.

use crate::detect::stamp::{Trigger, pull};
use crate::math::adam::{Adam, AdamSettings};
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::Array4;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Keras' epsilon, which the original parametrisation uses.
const EPSILON: f32 = 1e-7;

/// The schedule. All but the budgets are the original's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Most steps for a class.
    pub steps: u64,
    /// Mini-batches of a step.
    pub mini_batches: u64,
    /// Images of a mini-batch.
    pub batch: usize,
    /// Success a step must reach for its mask to count.
    pub success: f64,
    /// Weight of the mask's L1 once it is switched on.
    pub first_cost: f64,
    /// Factor after `patience` good steps.
    pub up: f64,
    /// Divisor after `patience` bad steps.
    pub down: f64,
    /// Steps in a row that change the weight.
    pub patience: u32,
    /// Steps without a smaller mask, after the weight has gone up and down, that end the search.
    pub idle: u32,
}

impl Schedule {
    /// The original's, with a budget.
    pub fn original(steps: u64, mini_batches: u64) -> Self {
        Self {
            steps,
            mini_batches,
            batch: 32,
            success: 0.99,
            first_cost: 1e-3,
            up: 2.0,
            down: 2.0f64.powf(1.5),
            patience: 5,
            idle: 25,
        }
    }
}

/// The best trigger of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The trigger.
    pub trigger: Trigger,
    /// Sum of its mask.
    pub l1: f64,
    /// Mean success over the mini-batches of the step it comes from.
    pub success: f64,
}

/// The search for one class.
#[derive(Debug)]
pub struct Search {
    /// The target.
    pub class: usize,
    /// Steps done.
    pub steps: u64,
    /// Whether it is over.
    pub over: bool,
    /// Smallest mask among the steps that reached the success asked for.
    pub reached: Option<Best>,
    /// Failing that, the step of highest success (of equals, the smaller mask).
    pub failing: Option<Best>,
    schedule: Schedule,
    images: Vec<usize>,
    at: usize,
    raw: Vec<f32>,
    pixels: usize,
    adam: Adam,
    cost: f64,
    cost_set: u32,
    up: u32,
    down: u32,
    went_up: bool,
    went_down: bool,
    idle: u32,
    idle_best: f64,
    rng: ChaCha8Rng,
}

impl Search {
    /// A search from a random mask and pattern over `images` (positions in the pool) of `channels` × `pixels`.
    pub fn new(
        class: usize,
        images: Vec<usize>,
        channels: usize,
        pixels: usize,
        schedule: Schedule,
        mut rng: ChaCha8Rng,
    ) -> Self {
        // The original draws mask and pattern uniformly and takes the inverse of the tanh parametrisation.
        let raw: Vec<f32> = (0..pixels * (channels + 1))
            .map(|_| ((rng.r#gen::<f32>() - 0.5) * (2.0 - EPSILON)).atanh())
            .collect();
        let settings = AdamSettings { rate: 0.1, betas: (0.5, 0.9), epsilon: EPSILON };
        // Without images there is nothing to pull: the network puts everything in this class already.
        let over = images.is_empty();
        let nothing = || Best {
            trigger: Trigger { mask: vec![0.0; pixels], pattern: vec![0.0; pixels * channels] },
            l1: 0.0,
            success: 1.0,
        };
        Self {
            class,
            steps: 0,
            over,
            reached: over.then(nothing),
            failing: None,
            schedule,
            at: images.len(),
            images,
            adam: Adam::new(raw.len(), settings),
            raw,
            pixels,
            cost: 0.0,
            cost_set: 0,
            up: 0,
            down: 0,
            went_up: false,
            went_down: false,
            idle: 0,
            idle_best: f64::INFINITY,
            rng,
        }
    }

    /// The trigger as it stands.
    pub fn trigger(&self) -> Trigger {
        let unit = |raw: &f32| raw.tanh() / (2.0 - EPSILON) + 0.5;
        Trigger {
            mask: self.raw[..self.pixels].iter().map(unit).collect(),
            pattern: self.raw[self.pixels..].iter().map(unit).collect(),
        }
    }

    /// The best so far: one that reached the success asked for, else the most successful.
    pub fn best(&self) -> Option<&Best> {
        self.reached.as_ref().or(self.failing.as_ref())
    }

    /// One step: `mini_batches` updates, then the schedule.
    ///
    /// # Errors
    /// Cancelled; the network fails.
    pub fn step(&mut self, model: &Model, pool: &Array4<f32>, cx: &Context) -> Result<(), Stop> {
        if self.over {
            return Ok(());
        }
        let (mut success, mut l1) = (0.0, 0.0);
        for _ in 0..self.schedule.mini_batches {
            let batch = self.draw();
            let trigger = self.trigger();
            let pull = pull(model, &trigger, pool, &batch, self.class, &|| cx.check())?;
            success += pull.success;
            l1 += trigger.l1();
            let slope = |unit: f32| {
                let t = (unit - 0.5) * (2.0 - EPSILON);
                (1.0 - t * t) / (2.0 - EPSILON)
            };
            let cost = self.cost as f32;
            let mask = pull.mask.iter().zip(&trigger.mask).map(|(g, &m)| (g + cost) * slope(m));
            let pattern = pull.pattern.iter().zip(&trigger.pattern).map(|(g, &p)| g * slope(p));
            let gradient: Vec<f32> = mask.chain(pattern).collect();
            self.adam.step(&mut self.raw, &gradient);
        }
        let n = self.schedule.mini_batches as f64;
        self.steps += 1;
        self.schedule(success / n, l1 / n);
        Ok(())
    }

    /// The next mini-batch: shuffled images in turn, shuffled again when they run out.
    fn draw(&mut self) -> Vec<usize> {
        let mut batch = Vec::with_capacity(self.schedule.batch);
        while batch.len() < self.schedule.batch.min(self.images.len()) {
            if self.at == self.images.len() {
                self.images.shuffle(&mut self.rng);
                self.at = 0;
            }
            batch.push(self.images[self.at]);
            self.at += 1;
        }
        batch
    }

    /// Bookkeeping after a step of mean `success` and mean mask `l1`, in the order of the authors' code.
    fn schedule(&mut self, success: f64, l1: f64) {
        let s = self.schedule;
        let good = success >= s.success;
        let record = |trigger: Trigger| Best { l1: trigger.l1(), trigger, success };
        if good && self.reached.as_ref().is_none_or(|b| l1 < b.l1) {
            self.reached = Some(Best { l1, ..record(self.trigger()) });
        } else if self.reached.is_none() {
            let better = |b: &Best| success > b.success || (success >= b.success && l1 < b.l1);
            if self.failing.as_ref().is_none_or(better) {
                self.failing = Some(Best { l1, ..record(self.trigger()) });
            }
        }
        if let Some(reached) = &self.reached {
            if reached.l1 >= self.idle_best {
                self.idle += 1;
            } else {
                self.idle = 0;
            }
            self.idle_best = self.idle_best.min(reached.l1);
        }
        if self.steps >= s.steps || (self.went_up && self.went_down && self.idle >= s.idle) {
            self.over = true;
            return;
        }
        if self.cost == 0.0 && good {
            self.cost_set += 1;
            if self.cost_set >= s.patience {
                self.cost = s.first_cost;
                (self.up, self.down, self.went_up, self.went_down) = (0, 0, false, false);
            }
        } else {
            self.cost_set = 0;
        }
        (self.up, self.down) = if good { (self.up + 1, 0) } else { (0, self.down + 1) };
        if self.up >= s.patience {
            self.up = 0;
            self.cost *= s.up;
            self.went_up = true;
        } else if self.down >= s.patience {
            self.down = 0;
            self.cost /= s.down;
            self.went_down = true;
        }
    }
}
