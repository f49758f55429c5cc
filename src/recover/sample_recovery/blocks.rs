//! Block matching: how far pictures are displaced against pictures that look like them.

use crate::detect::invert::KNOTS;
use ndarray::{Array2, Array4, ArrayView3, Axis};
use rayon::prelude::*;

/// Farthest displacement tried, in pixels.
pub const REACH: i32 = 3;

/// Displacements (down, then across, [`KNOTS`]² each, in pixels) such that a picture of `own` at u looks like its
/// counterpart in `like` at u + φ(u), over blocks around each knot and summed over all pictures. Displacements are whole
/// pixels made finer by a parabola. `own` and `like` have the same shape, n×C×H×W.
pub fn displacement(own: &Array4<f32>, like: &Array4<f32>) -> Vec<f32> {
    let (_, _, h, w) = own.dim();
    let knots: Vec<(usize, usize)> =
        (0..KNOTS * KNOTS).map(|k| (place(k / KNOTS, h), place(k % KNOTS, w))).collect();
    let half = [(h / (KNOTS - 1)).max(2) / 2 + 1, (w / (KNOTS - 1)).max(2) / 2 + 1];
    let found: Vec<[f32; 2]> = knots.par_iter().map(|&at| best(&costs(own, like, at, half))).collect();
    found.iter().map(|d| d[0]).chain(found.iter().map(|d| d[1])).collect()
}

/// Pixel of a knot along a side.
fn place(knot: usize, side: usize) -> usize {
    knot * side.saturating_sub(1) / (KNOTS - 1)
}

/// Mean squared difference of the blocks for every displacement, (2·REACH+1)².
fn costs(own: &Array4<f32>, like: &Array4<f32>, (y, x): (usize, usize), half: [usize; 2]) -> Array2<f64> {
    let (_, c, h, w) = own.dim();
    let side = (2 * REACH + 1) as usize;
    let (ys, xs) = (
        y.saturating_sub(half[0])..(y + half[0] + 1).min(h),
        x.saturating_sub(half[1])..(x + half[1] + 1).min(w),
    );
    Array2::from_shape_fn((side, side), |(a, b)| {
        let (dy, dx) = (a as i32 - REACH, b as i32 - REACH);
        let held = |v: usize, d: i32, n: usize| (v as i32 + d).clamp(0, n as i32 - 1) as usize;
        let (mut sum, mut n) = (0.0f64, 0usize);
        for (mine, theirs) in own.outer_iter().zip(like.outer_iter()) {
            for k in 0..c {
                for v in ys.clone() {
                    for u in xs.clone() {
                        let d = mine[[k, v, u]] - theirs[[k, held(v, dy, h), held(u, dx, w)]];
                        sum += f64::from(d * d);
                        n += 1;
                    }
                }
            }
        }
        sum / n.max(1) as f64
    })
}

/// The cheapest displacement, made finer by a parabola through its neighbours; none where no displacement is clearly cheaper
/// than standing still.
fn best(costs: &Array2<f64>) -> [f32; 2] {
    let still = costs[[REACH as usize, REACH as usize]];
    let ((y, x), &low) = costs
        .indexed_iter()
        .min_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(&b.0)))
        .unwrap_or(((REACH as usize, REACH as usize), &still));
    if still <= 1e-9 || low > 0.999 * still && (y, x) != (REACH as usize, REACH as usize) {
        return [0.0, 0.0];
    }
    let finer = |before: Option<&f64>, after: Option<&f64>| match (before, after) {
        (Some(a), Some(b)) if a + b - 2.0 * low > 1e-12 => {
            ((a - b) / (2.0 * (a + b - 2.0 * low))).clamp(-0.5, 0.5)
        }
        _ => 0.0,
    };
    let dy = finer(y.checked_sub(1).and_then(|v| costs.get((v, x))), costs.get((y + 1, x)));
    let dx = finer(x.checked_sub(1).and_then(|v| costs.get((y, v))), costs.get((y, x + 1)));
    [(y as f64 - f64::from(REACH) + dy) as f32, (x as f64 - f64::from(REACH) + dx) as f32]
}

/// For each picture of `own` the mean of the `k` pictures of `clean` nearest to it.
pub fn lookalikes(own: &Array4<f32>, clean: &Array4<f32>, k: usize) -> Array4<f32> {
    let mut out = Array4::zeros(own.raw_dim());
    let distance = |a: &ArrayView3<f32>, b: ArrayView3<f32>| {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
    };
    let fill = |(mut to, mine): (ndarray::ArrayViewMut3<f32>, ArrayView3<f32>)| {
        let mut near: Vec<(f32, usize)> =
            clean.outer_iter().enumerate().map(|(i, other)| (distance(&mine, other), i)).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(k.max(1));
        let share = 1.0 / near.len().max(1) as f32;
        for (_, i) in near {
            to.zip_mut_with(&clean.index_axis(Axis(0), i), |t, &v| *t += share * v);
        }
    };
    let pairs: Vec<_> = out.outer_iter_mut().zip(own.outer_iter()).collect();
    pairs.into_par_iter().for_each(fill);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::invert::Form;
    use rand::Rng;

    #[test]
    fn a_known_displacement_is_measured() {
        let mut rng = crate::math::rng::seeded(5, "t", "blocks");
        // Smooth random pictures: noise after two passes of a box.
        let raw = Array4::from_shape_simple_fn((6, 1, 28, 28), || rng.gen_range(0.0..1.0f32));
        let smooth = Array4::from_shape_fn(raw.raw_dim(), |(n, c, y, x)| {
            let at = |d: usize, s: usize| (s + d).saturating_sub(2).min(27);
            (0..25).map(|k| raw[[n, c, at(k / 5, y), at(k % 5, x)]]).sum::<f32>() / 25.0
        });
        let mut knots = vec![0.0f32; 2 * KNOTS * KNOTS];
        knots[..KNOTS * KNOTS].fill(1.5);
        knots[KNOTS * KNOTS..].fill(-1.0);
        let field = Form::Flow.field(&knots, [1, 28, 28]);
        let mut moved = smooth.clone();
        for (mut to, from) in moved.outer_iter_mut().zip(smooth.outer_iter()) {
            Form::Flow.apply(&field, from, to.view_mut());
        }
        let got = displacement(&moved, &smooth);
        // Knots at the edge see repeated pixels; the inner ones must be right.
        for k in (0..KNOTS * KNOTS).filter(|k| (1..4).contains(&(k / KNOTS)) && (1..4).contains(&(k % KNOTS)))
        {
            assert!((got[k] - 1.5).abs() < 0.35, "{} at {k}", got[k]);
            assert!((got[KNOTS * KNOTS + k] + 1.0).abs() < 0.35, "{} at {k}", got[KNOTS * KNOTS + k]);
        }
        assert!(displacement(&smooth, &smooth).iter().all(|d| d.abs() < 1e-6));
        let same = lookalikes(&smooth, &smooth, 1);
        assert_eq!(same, smooth, "the nearest is itself");
    }
}
