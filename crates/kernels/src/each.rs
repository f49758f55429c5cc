//! What is done number by number, or channel by channel of interleaved images: plain loops, compiled for each level.

use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::{Clamp, Level};

/// A loop that the compiler turns into vectors of the level.
struct Loop<F>(F);

impl<T: Real, F: FnOnce()> Task<T> for Loop<F> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, _: L) {
        (self.0)();
    }
}

/// `to += a · b`.
pub(crate) struct MulAdd<'a, T> {
    pub(crate) to: &'a mut [T],
    pub(crate) a: &'a [T],
    pub(crate) b: &'a [T],
}

impl<T: Real> Task<T> for MulAdd<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        let n = L::N;
        let each = self.to.chunks_mut(n).zip(self.a.chunks(n)).zip(self.b.chunks(n));
        for ((to, a), b) in each {
            let v = lanes.fma(lanes.load_part(a), lanes.load_part(b), lanes.load_part(to));
            lanes.store_part(to, v);
        }
    }
}

pub(crate) fn go<T: Real>(f: impl FnOnce()) {
    dispatch::<T>(Level::best(), Loop(f));
}

/// Clamps numbers.
pub fn clamp<T: Real>(clamp: Clamp<T>, y: &mut [T]) {
    go::<T>(|| match clamp.top {
        None => y.iter_mut().for_each(|v| *v = Clamp { top: None }.apply(*v)),
        Some(top) => y.iter_mut().for_each(|v| *v = Clamp { top: Some(top) }.apply(*v)),
    });
}

/// Zero in `g` where `y` is clamped.
pub fn gate<T: Real>(clamp: Clamp<T>, y: &[T], g: &mut [T]) {
    go::<T>(|| {
        let each = g.iter_mut().zip(y);
        match clamp.top {
            None => each.for_each(|(g, &y)| *g = if y > T::ZERO { *g } else { T::ZERO }),
            Some(top) => each.for_each(|(g, &y)| *g = if y > T::ZERO && y < top { *g } else { T::ZERO }),
        }
    });
}

/// `to += from`.
pub fn add<T: Real>(to: &mut [T], from: &[T]) {
    go::<T>(|| {
        for (t, &f) in to.iter_mut().zip(from) {
            *t += f;
        }
    });
}

/// `y = a + b`.
pub fn sum<T: Real>(a: &[T], b: &[T], y: &mut [T]) {
    go::<T>(|| {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    });
}

/// `y = x · scale + shift` with one scale and shift per channel.
pub fn affine<T: Real>(scale: &[T], shift: &[T], x: &[T], y: &mut [T]) {
    let channels = scale.len();
    go::<T>(|| {
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for (((y, &x), &a), &b) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = x * a + b;
            }
        }
    });
}

/// `g = g · gain + x · slope + level` with one of each per channel.
pub fn combine<T: Real>([gain, slope, level]: [&[T]; 3], x: &[T], g: &mut [T]) {
    let channels = gain.len();
    go::<T>(|| {
        for (g, x) in g.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            let each = g.iter_mut().zip(x).zip(gain).zip(slope).zip(level);
            for ((((g, &x), &a), &b), &c) in each {
                *g = a * *g + b * x + c;
            }
        }
    });
}

/// Adds to `sums`, per channel, the numbers of `x`.
pub fn sums<T: Real>(x: &[T], sums: &mut [f64]) {
    go::<T>(|| {
        for x in x.chunks_exact(sums.len()) {
            for (s, &x) in sums.iter_mut().zip(x) {
                *s += x.to_f64();
            }
        }
    });
}

/// Adds to `sums`, per channel, the squares of the distances of `x` from `mean`.
pub fn squares<T: Real>(x: &[T], mean: &[f64], sums: &mut [f64]) {
    go::<T>(|| {
        for x in x.chunks_exact(sums.len()) {
            for ((s, &x), &m) in sums.iter_mut().zip(x).zip(mean) {
                let d = x.to_f64() - m;
                *s += d * d;
            }
        }
    });
}

/// Adds to `sums`, per channel, the products of `dy` and the distances of `x` from `mean`.
pub fn products<T: Real>(dy: &[T], x: &[T], mean: &[f64], sums: &mut [f64]) {
    let channels = sums.len();
    go::<T>(|| {
        for (dy, x) in dy.chunks_exact(channels).zip(x.chunks_exact(channels)) {
            for (((s, &d), &x), &m) in sums.iter_mut().zip(dy).zip(x).zip(mean) {
                *s += d.to_f64() * (x.to_f64() - m);
            }
        }
    });
}

/// Adds to `to`, per channel, the numbers of `x`.
pub fn channel_sums<T: Real>(x: &[T], to: &mut [T]) {
    let channels = to.len();
    go::<T>(|| {
        for x in x.chunks_exact(channels) {
            for (t, &x) in to.iter_mut().zip(x) {
                *t += x;
            }
        }
    });
}
