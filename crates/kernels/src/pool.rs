//! Pooling of interleaved images, one window at a time: `taps` are the positions of the first channels of the pixels
//! under it.

use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::{Clamp, Level};

/// What is done with a window.
enum Kind<'a, T> {
    Maximum { x: &'a [T], y: &'a mut [T] },
    MaximumBack { x: &'a [T], dy: &'a [T], gate: Option<Clamp<T>>, dx: &'a mut [T] },
    Mean { x: &'a [T], weight: T, y: &'a mut [T] },
    MeanBack { dy: &'a [T], weight: T, dx: &'a mut [T] },
}

struct Window<'a, T> {
    taps: &'a [usize],
    kind: Kind<'a, T>,
}

/// The largest of a window per channel, into `y` (the first of equals; one that is not a number wins). Zero taps
/// leave `y` as it is.
pub fn maximum<T: Real>(taps: &[usize], x: &[T], y: &mut [T]) {
    dispatch(Level::best(), Window { taps, kind: Kind::Maximum { x, y } });
}

/// Adds the gradient `dy` of [`maximum`] to where the maximum was; only to numbers that `gate` lets pass.
pub fn maximum_back<T: Real>(taps: &[usize], x: &[T], dy: &[T], gate: Option<Clamp<T>>, dx: &mut [T]) {
    dispatch(Level::best(), Window { taps, kind: Kind::MaximumBack { x, dy, gate, dx } });
}

/// The sum of a window per channel times `weight`, into `y`.
pub fn mean<T: Real>(taps: &[usize], x: &[T], weight: T, y: &mut [T]) {
    dispatch(Level::best(), Window { taps, kind: Kind::Mean { x, weight, y } });
}

/// Adds the gradient `dy` of [`mean`] to each number of the window.
pub fn mean_back<T: Real>(taps: &[usize], dy: &[T], weight: T, dx: &mut [T]) {
    dispatch(Level::best(), Window { taps, kind: Kind::MeanBack { dy, weight, dx } });
}

impl<T: Real> Task<T> for Window<'_, T> {
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "only what is not a number differs from itself")]
    fn run<L: Lanes<T = T>>(self, _: L) {
        let taps = self.taps;
        match self.kind {
            Kind::Maximum { x, y } => {
                let Some((&first, rest)) = taps.split_first() else { return };
                let channels = y.len();
                y.copy_from_slice(&x[first..first + channels]);
                for &tap in rest {
                    for (y, &v) in y.iter_mut().zip(&x[tap..tap + channels]) {
                        *y = if v > *y || v != v { v } else { *y };
                    }
                }
            }
            Kind::MaximumBack { x, dy, gate, dx } => {
                const AT_ONCE: usize = 16;
                for (c, dy) in (0..).step_by(AT_ONCE).zip(dy.chunks(AT_ONCE)) {
                    let mut best = [T::ZERO; AT_ONCE];
                    let mut which = [0u32; AT_ONCE];
                    for (k, &tap) in taps.iter().enumerate() {
                        let x = &x[tap + c..tap + c + dy.len()];
                        for ((b, w), &v) in best.iter_mut().zip(&mut which).zip(x) {
                            let wins = k == 0 || v > *b || v != v;
                            *b = if wins { v } else { *b };
                            *w = if wins { k as u32 } else { *w };
                        }
                    }
                    for (k, &tap) in taps.iter().enumerate() {
                        let dx = &mut dx[tap + c..tap + c + dy.len()];
                        for (((d, &g), &w), &b) in dx.iter_mut().zip(dy).zip(&which).zip(&best) {
                            let passes = w == k as u32 && gate.is_none_or(|clamp| clamp.passes(b));
                            *d += if passes { g } else { T::ZERO };
                        }
                    }
                }
            }
            Kind::Mean { x, weight, y } => {
                let channels = y.len();
                y.fill(T::ZERO);
                for &tap in taps {
                    for (y, &v) in y.iter_mut().zip(&x[tap..tap + channels]) {
                        *y += v;
                    }
                }
                for y in y {
                    *y = *y * weight;
                }
            }
            Kind::MeanBack { dy, weight, dx } => {
                for &tap in taps {
                    for (d, &g) in dx[tap..tap + dy.len()].iter_mut().zip(dy) {
                        *d += g * weight;
                    }
                }
            }
        }
    }
}
