//! What a trigger is held against: something of the same size that is not it.

use crate::detect::invert::{Form, KNOTS};
use crate::detect::stamp::Trigger;
use crate::recover::stamping::Stamp;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Makes a control of a trigger for images of a shape.
pub(super) type Make = fn(&Stamp, [usize; 3], &mut ChaCha8Rng) -> Stamp;

/// The same mask moved round the picture to a random place, with random colours; a random field of the same norm; a random
/// smooth warp of the same size.
pub(super) fn elsewhere(stamp: &Stamp, [c, h, w]: [usize; 3], rng: &mut ChaCha8Rng) -> Stamp {
    match stamp {
        Stamp::Blend(t) => {
            let (down, right) = (rng.gen_range(0..h), rng.gen_range(0..w));
            let moved = |i: usize| {
                let (plane, at) = (i / (h * w) * h * w, i % (h * w));
                t.mask[plane + (at / w + down) % h * w + (at % w + right) % w]
            };
            let mask = (0..t.mask.len()).map(moved).collect();
            Stamp::Blend(Trigger { mask, pattern: (0..c * h * w).map(|_| rng.r#gen()).collect() })
        }
        Stamp::Add(field) => {
            Stamp::Add(scaled((0..field.len()).map(|_| rng.gen_range(-1.0..1.0)).collect(), field))
        }
        Stamp::Warp(field) => {
            let knots: Vec<f32> = (0..2 * KNOTS * KNOTS).map(|_| rng.gen_range(-1.0..1.0)).collect();
            Stamp::Warp(scaled(Form::Flow.field(&knots, [c, h, w]), field))
        }
    }
}

/// The same mask in the same place with its pixels in random order; a field with its pixels in random order; a warp with its
/// displacements turned round by a random angle.
pub(super) fn shuffled(stamp: &Stamp, [_, h, w]: [usize; 3], rng: &mut ChaCha8Rng) -> Stamp {
    let reorder = |values: &[f32], places: &[usize], rng: &mut ChaCha8Rng| {
        let mut to = places.to_vec();
        to.shuffle(rng);
        let mut out = values.to_vec();
        for plane in (0..values.len()).step_by(h * w) {
            for (&a, &b) in places.iter().zip(&to) {
                if let (Some(&v), Some(o)) = (values.get(plane + a), out.get_mut(plane + b)) {
                    *o = v;
                }
            }
        }
        out
    };
    match stamp {
        Stamp::Blend(t) => {
            let covered: Vec<usize> =
                (0..h * w).filter(|&i| t.mask.iter().skip(i).step_by(h * w).any(|&m| m > 0.05)).collect();
            Stamp::Blend(Trigger { mask: t.mask.clone(), pattern: reorder(&t.pattern, &covered, rng) })
        }
        Stamp::Add(field) => Stamp::Add(reorder(field, &(0..h * w).collect::<Vec<_>>(), rng)),
        Stamp::Warp(field) => {
            // Between a quarter and three quarters of a turn.
            let (sin, cos) = (std::f32::consts::TAU * rng.gen_range(0.25..0.75f32)).sin_cos();
            let (down, across) = field.split_at(h * w);
            let turned = down.iter().zip(across).map(|(d, a)| cos * d - sin * a);
            let other = down.iter().zip(across).map(|(d, a)| sin * d + cos * a);
            Stamp::Warp(turned.chain(other).collect())
        }
    }
}

/// `values` with the Euclidean norm of `like`.
fn scaled(mut values: Vec<f32>, like: &[f32]) -> Vec<f32> {
    let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let factor = (norm(like) / norm(&values).max(1e-12)) as f32;
    for v in &mut values {
        *v *= factor;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> ChaCha8Rng {
        crate::math::rng::seeded(1, "probe", "control")
    }

    #[test]
    fn the_control_has_the_same_mask_elsewhere() {
        let mut mask = vec![0.0; 20];
        (mask[0], mask[1], mask[5]) = (1.0, 0.5, 0.25);
        let trigger = Stamp::Blend(Trigger { mask: mask.clone(), pattern: vec![0.0; 60] });
        let (mut rng, mut moved) = (rng(), 0);
        for _ in 0..20 {
            let Stamp::Blend(control) = elsewhere(&trigger, [3, 4, 5], &mut rng) else { panic!() };
            let sorted = |m: &[f32]| {
                let mut m = m.to_vec();
                m.sort_by(f32::total_cmp);
                m
            };
            assert_eq!(sorted(&control.mask), sorted(&mask));
            let at = control.mask.iter().position(|&m| m > 0.9).unwrap();
            assert!(
                (control.mask[at / 5 * 5 + (at + 1) % 5] - 0.5).abs() < 1e-6,
                "its right neighbour comes along"
            );
            assert!((control.mask[(at + 5) % 20] - 0.25).abs() < 1e-6, "and the one below");
            moved += usize::from(at != 0);
            assert!(control.pattern.iter().all(|p| (0.0..1.0).contains(p)));
        }
        assert!(moved > 10);
    }

    #[test]
    fn shuffling_keeps_place_and_colours() {
        let mut mask = vec![0.0; 20];
        mask[3..9].fill(1.0);
        let pattern: Vec<f32> = (0..60).map(|i| i as f32 / 60.0).collect();
        let Stamp::Blend(got) = shuffled(
            &Stamp::Blend(Trigger { mask: mask.clone(), pattern: pattern.clone() }),
            [3, 4, 5],
            &mut rng(),
        ) else {
            panic!()
        };
        assert_eq!(got.mask, mask);
        assert_ne!(got.pattern, pattern);
        for i in (0..20).filter(|&i| mask[i] == 0.0) {
            assert_eq!(got.pattern[i], pattern[i]);
        }
        for i in 3..9 {
            let from = pattern[..20].iter().position(|&v| v == got.pattern[i]).unwrap();
            assert_eq!(got.pattern[20 + i], pattern[20 + from], "channels move together");
        }
    }

    #[test]
    fn fields_and_warps_keep_their_size() {
        let field: Vec<f32> = (0..50).map(|i| (i as f32 / 9.0).sin()).collect();
        let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        for make in [elsewhere as Make, shuffled as Make] {
            let Stamp::Add(got) = make(&Stamp::Add(field.clone()), [2, 5, 5], &mut rng()) else { panic!() };
            assert!((norm(&got) - norm(&field)).abs() < 1e-3 && got != field);
            let Stamp::Warp(got) = make(&Stamp::Warp(field.clone()), [1, 5, 5], &mut rng()) else { panic!() };
            assert!((norm(&got) - norm(&field)).abs() < 1e-3 && got != field);
        }
    }
}
