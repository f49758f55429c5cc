//! All classes at once, from several random starts: the sizes that procedures compare.

use super::gap::smallness;
use super::{Aim, Arm, Found, Settings, step, twin};
use crate::detect::images::Pool;
use crate::network::Model;
use crate::procedure::{Context, Stop};
use ndarray::Array4;

/// Effort of a scheduled search, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Steps of an arm.
    pub steps: u32,
    /// Random starts.
    pub restarts: u32,
}

/// An arm dies at a checkpoint (half and three quarters of the steps) when its change is this many times the size of the last one that
/// could still matter.
const HOPELESS: f64 = 2.5;
/// Arms that could still matter: those a gap may set apart, the one below the gap, and one more.
const MATTER: usize = super::gap::MOST + 2;

/// What was found for one target.
#[derive(Debug, Clone)]
pub struct Size {
    /// Geometric mean of the sizes from all starts.
    pub size: f64,
    /// Largest size over smallest, of the starts.
    pub spread: f64,
    /// Smallest and largest size of the starts.
    pub range: [f64; 2],
    /// The smallest change of all starts.
    pub found: Found,
    /// Whether every start reached the success asked for.
    pub reached: bool,
    /// Steps of all starts together.
    pub steps: u64,
}

impl Size {
    /// Where −ln size of the single starts lies when that of their mean is shown as `value`, lowest first; sizes below
    /// `floor` count as that much. `None` of one start.
    pub fn around(&self, value: f64, floor: f64) -> Option<[f64; 2]> {
        around(value, self.size, self.range, floor)
    }
}

/// See [`Size::around`].
pub fn around(value: f64, size: f64, [low, high]: [f64; 2], floor: f64) -> Option<[f64; 2]> {
    let ln = |s: f64| s.max(floor).ln();
    let several = low < high && [value, size, low, high].iter().all(|v| v.is_finite());
    several.then(|| [value + ln(size) - ln(high), value + ln(size) - ln(low)])
}

/// Hears of every round: its number and the arms that go on.
pub type Tell<'a> = dyn FnMut(u64, &[Arm], &mut Context) -> Result<(), Stop> + 'a;

/// Searches for every one of `aims`. `tell` is given the number of arm steps done, of
/// `budget.steps · budget.restarts · aims.len()` at most, and the arms as they stand.
///
/// # Errors
/// Cancelled; the network fails.
pub fn run(
    model: &Model,
    pool: &Array4<f32>,
    aims: &[Aim],
    settings: &Settings,
    budget: Budget,
    cx: &mut Context,
    tell: &mut Tell,
) -> Result<Vec<Size>, Stop> {
    let (_, c, h, w) = pool.dim();
    let mut all: Vec<Vec<Arm>> = Vec::new();
    let each = u64::from(budget.steps) * aims.len() as u64;
    for start in 0..budget.restarts {
        let arm = |(i, aim): (usize, &Aim)| {
            Arm::new(aim.clone(), [c, h, w], settings, cx.rng(&format!("start{start}/arm{i}")))
        };
        let mut arms: Vec<Arm> = aims.iter().enumerate().map(arm).collect();
        for done in 0..budget.steps {
            tell(u64::from(start) * each + u64::from(done) * aims.len() as u64, &arms, cx)?;
            step(&mut arms, settings, model, pool, cx)?;
            if done + 1 == budget.steps / 2 || done + 1 == budget.steps / 4 * 3 {
                cull(&mut arms);
            }
        }
        all.push(arms);
    }
    Ok((0..aims.len()).filter_map(|i| summary(&all, i)).collect())
}

/// One aim per class: all images that the network does not put there by itself.
pub fn every_class(model: &Model, pool: &Pool) -> Vec<Aim> {
    (0..model.class_count()).map(|k| Aim::class(k, pool.not_predicted(k))).collect()
}

/// Sizes of all aims, and how small they are once a clean twin's are taken into account.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What was found, in the order of the aims.
    pub found: Vec<Size>,
    /// −ln size, less what the twin explains (see [`twin::explain`]).
    pub smallness: Vec<f64>,
    /// Share of the twin's profile that was taken off; `None` without a twin.
    pub explained: Option<f64>,
}

/// Units of [`compare`] for so many aims: those of [`run`], and with a twin of its training and of one search in it.
pub fn units(aims: usize, budget: Budget, images: usize, with_twin: bool) -> u64 {
    let search = u64::from(budget.steps) * aims as u64;
    let own = search * u64::from(budget.restarts);
    if with_twin { own + search + twin::units(images) } else { own }
}

/// [`run`], then the same once in a twin. Sizes below `floor` count as that much. `tell` as for [`run`], with units of [`units`].
///
/// # Errors
/// Cancelled; the network fails.
pub fn compare(
    model: &Model,
    pool: &Pool,
    aims: &[Aim],
    (settings, budget): (&Settings, Budget),
    (floor, with_twin): (f64, bool),
    cx: &mut Context,
    tell: &mut Tell,
) -> Result<Compared, Stop> {
    let found = run(model, &pool.images, aims, settings, budget, cx, tell)?;
    let own = smallness(found.iter().map(|f| f.size), floor);
    if !with_twin {
        return Ok(Compared { found, smallness: own, explained: None });
    }
    let before = units(aims.len(), budget, 0, false);
    let twin = twin::grow(model, pool, cx, &mut |done, cx| tell(before + done, &[], cx))?;
    let before = before + twin::units(pool.images.len_of(ndarray::Axis(0)));
    let once = Budget { restarts: 1, ..budget };
    let natural =
        run(&twin, &pool.images, aims, settings, once, cx, &mut |done, _, cx| tell(before + done, &[], cx))?;
    let (smallness, explained) = twin::explain(&own, &smallness(natural.iter().map(|f| f.size), floor));
    Ok(Compared { found, smallness, explained: Some(explained) })
}

/// Ends the arms that are too far behind to matter.
fn cull(arms: &mut [Arm]) {
    let mut sizes: Vec<f64> = arms.iter().map(Arm::size).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(&bar) = sizes.get(MATTER - 1) else { return };
    for arm in arms {
        arm.live &= arm.size() <= HOPELESS * bar;
    }
}

fn summary(all: &[Vec<Arm>], i: usize) -> Option<Size> {
    let arms: Vec<&Arm> = all.iter().filter_map(|start| start.get(i)).collect();
    let sizes: Vec<f64> = arms.iter().map(|a| a.size().max(f64::MIN_POSITIVE)).collect();
    let best = arms.iter().min_by(|a, b| {
        // One that reached the success asked for comes first.
        (a.best.is_none(), a.size())
            .partial_cmp(&(b.best.is_none(), b.size()))
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let (low, high) = sizes.iter().fold((f64::INFINITY, 0.0f64), |(l, h), &s| (l.min(s), h.max(s)));
    Some(Size {
        size: (sizes.iter().map(|s| s.ln()).sum::<f64>() / sizes.len() as f64).exp(),
        spread: high / low,
        range: [low, high],
        found: best.found(),
        reached: arms.iter().all(|a| a.best.is_some()),
        steps: arms.iter().map(|a| u64::from(a.steps)).sum(),
    })
}
