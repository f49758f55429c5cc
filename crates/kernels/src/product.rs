//! Matrix products over packed operands: the small kernel that everything large is made of.
//!
//! The left matrix comes in panels of [`rows`] rows; a panel holds blocks of [`BLOCK`] columns, row after row, so that
//! gathering pixels writes whole vectors and the kernel reads at fixed distances. The right matrix (weights) comes in
//! panels of two vectors' width, packed once.

use crate::lanes::{Lanes, Real};

/// Columns of a block of the left matrix.
pub(crate) const BLOCK: usize = 16;

/// Rows of a panel of the left matrix where there are 32 registers, and where there are 16. As many as leave room for the
/// numbers of a column beside the sums: compilers load them all first.
pub(crate) const MANY: usize = 8;
pub(crate) const FEW: usize = 6;
/// As [`FEW`], in the midst of a function that wants registers for itself.
pub(crate) const LEAN: usize = 4;

/// The bounds of a `ReLU`: zero, and an upper one if there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp<T> {
    /// The upper bound.
    pub top: Option<T>,
}

impl<T: Real> Clamp<T> {
    /// The number between the bounds; what is not a number stays.
    pub fn apply(self, v: T) -> T {
        let v = if v < T::ZERO { T::ZERO } else { v };
        match self.top {
            Some(top) if v > top => top,
            _ => v,
        }
    }

    /// Whether a clamped number lies strictly between the bounds.
    pub fn passes(self, y: T) -> bool {
        y > T::ZERO && self.top.is_none_or(|top| y < top)
    }
}

/// What becomes of a sum before it is written to the output.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a, T> {
    /// Added: one number per output channel.
    pub bias: Option<&'a [T]>,
    /// Whether it is added to what the output holds.
    pub accumulate: bool,
    /// Added: numbers laid out as the output.
    pub add: Option<&'a [T]>,
    /// Whether it is clamped: at zero from below, and from above at what is given (`ReLU`, `ReLU6`).
    pub clamp: Option<Clamp<T>>,
    /// Zero is written where these numbers, laid out as the output, are clamped.
    pub gate: Option<(&'a [T], Clamp<T>)>,
}

impl<T> Default for Finish<'_, T> {
    fn default() -> Self {
        Self { bias: None, accumulate: false, add: None, clamp: None, gate: None }
    }
}

impl<T: Real> Finish<'_, T> {
    /// Writes `v` as numbers `at..` of the output, which are of channels `channel..`; `count` of them.
    #[inline(always)]
    pub(crate) fn write<L: Lanes<T = T>>(
        &self,
        lanes: L,
        v: L::V,
        y: &mut [T],
        at: usize,
        channel: usize,
        count: usize,
    ) {
        if count >= L::N {
            let v = self.finish::<L, true>(v, lanes, y, at, channel, L::N);
            lanes.store(&mut y[at..], v);
        } else {
            let v = self.finish::<L, false>(v, lanes, y, at, channel, count);
            lanes.store_part(&mut y[at..at + count], v);
        }
    }

    /// [`Self::write`] of one number.
    pub(crate) fn write_one(&self, v: T, y: &mut [T], at: usize, channel: usize) {
        let mut v = self.bias.map_or(v, |bias| v + bias[channel]);
        if self.accumulate {
            v += y[at];
        }
        if let Some(add) = self.add {
            v += add[at];
        }
        if let Some(clamp) = self.clamp {
            v = clamp.apply(v);
        }
        y[at] = if self.gate.is_none_or(|(gate, clamp)| clamp.passes(gate[at])) { v } else { T::ZERO };
    }

    #[inline(always)]
    fn finish<L: Lanes<T = T>, const WHOLE: bool>(
        &self,
        mut v: L::V,
        lanes: L,
        y: &[T],
        at: usize,
        channel: usize,
        count: usize,
    ) -> L::V {
        if let Some(bias) = self.bias {
            v = lanes.add(v, load::<L, WHOLE>(lanes, bias, channel, count));
        }
        if self.accumulate {
            v = lanes.add(v, load::<L, WHOLE>(lanes, y, at, count));
        }
        if let Some(add) = self.add {
            v = lanes.add(v, load::<L, WHOLE>(lanes, add, at, count));
        }
        if let Some(clamp) = self.clamp {
            v = lanes.relu(v);
            if let Some(top) = clamp.top {
                v = lanes.clamp(v, lanes.splat(top));
            }
        }
        if let Some((gate, clamp)) = self.gate {
            let gate = load::<L, WHOLE>(lanes, gate, at, count);
            v = lanes.gate(gate, v);
            if let Some(top) = clamp.top {
                v = lanes.below(gate, lanes.splat(top), v);
            }
        }
        v
    }
}

/// The numbers `at..` as one vector, or `count` of them.
#[inline(always)]
fn load<L: Lanes, const WHOLE: bool>(lanes: L, from: &[L::T], at: usize, count: usize) -> L::V {
    if WHOLE { lanes.load(&from[at..]) } else { lanes.load_part(&from[at..at + count]) }
}

/// Numbers of a packed right matrix of `depth × columns`.
pub(crate) fn packed_len(depth: usize, columns: usize, width: usize) -> usize {
    columns.div_ceil(width) * width * depth
}

/// Packs a right matrix given by its numbers `f(row, column)`.
pub(crate) fn pack<T: Real>(
    depth: usize,
    columns: usize,
    width: usize,
    to: &mut [T],
    mut f: impl FnMut(usize, usize) -> T,
) {
    for (panel, to) in to.chunks_exact_mut(depth.max(1) * width).enumerate() {
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            for (j, to) in to.iter_mut().enumerate() {
                let column = panel * width + j;
                *to = if column < columns { f(row, column) } else { T::ZERO };
            }
        }
    }
}

/// Blocks of a panel of `depth` columns.
pub(crate) fn blocks(depth: usize) -> usize {
    depth.div_ceil(BLOCK)
}

/// The product of one panel of `R` of its `M` rows with one panel of `NV` vectors' width (of two): `R × NV` vectors.
#[inline(always)]
fn micro<L: Lanes, const M: usize, const R: usize, const NV: usize>(
    lanes: L,
    depth: usize,
    a: &[[[L::T; BLOCK]; M]],
    b: &[L::T],
) -> [[L::V; NV]; R] {
    let mut sum = [[lanes.zero(); NV]; R];
    let (whole, rest) = (depth / BLOCK, depth % BLOCK);
    let b = L::vectors(b);
    for (a, b) in a[..whole].iter().zip(b.chunks_exact(2 * BLOCK)) {
        for p in 0..BLOCK {
            step(lanes, &mut sum, a, p, &b[2 * p..2 * p + 2]);
        }
    }
    if rest > 0 {
        let (a, b) = (&a[whole], &b[2 * BLOCK * whole..]);
        for (p, b) in (0..BLOCK).zip(b.chunks_exact(2)) {
            step(lanes, &mut sum, a, p, b);
        }
    }
    sum
}

/// One column of the left panel times one row of the right.
#[inline(always)]
fn step<L: Lanes, const M: usize, const R: usize, const NV: usize>(
    lanes: L,
    sum: &mut [[L::V; NV]; R],
    a: &[[L::T; BLOCK]; M],
    p: usize,
    b: &[L::V],
) {
    for r in 0..R {
        let x = lanes.splat(a[r][p]);
        for j in 0..NV {
            sum[r][j] = lanes.fma(x, b[j], sum[r][j]);
        }
    }
}

/// The left matrix: panels of `M` rows, one after another.
pub(crate) struct Left<'a, T> {
    pub(crate) numbers: &'a [T],
    pub(crate) rows: usize,
    pub(crate) depth: usize,
}

/// Takes what [`multiply`] computes. (A trait, because a closure cannot be told to become part of its caller.)
pub(crate) trait Sink<L: Lanes> {
    /// Takes `count` numbers at `column..` of a row of the product.
    fn put(&mut self, lanes: L, row: usize, column: usize, count: usize, v: L::V);
}

/// Multiplies `left` with the packed `right` of `columns` columns.
#[inline(always)]
pub(crate) fn multiply<L: Lanes>(
    lanes: L,
    left: &Left<L::T>,
    right: &[L::T],
    columns: usize,
    sink: &mut impl Sink<L>,
) {
    if L::MANY {
        multiply_by::<L, MANY>(lanes, left, right, columns, sink);
    } else {
        multiply_by::<L, FEW>(lanes, left, right, columns, sink);
    }
}

/// [`multiply`], of a left matrix in panels of `M` rows.
#[inline(always)]
pub(crate) fn multiply_by<L: Lanes, const M: usize>(
    lanes: L,
    left: &Left<L::T>,
    right: &[L::T],
    columns: usize,
    sink: &mut impl Sink<L>,
) {
    match M {
        MANY => panels::<L, M, 6, 4>(lanes, left, right, columns, sink),
        FEW => panels::<L, M, 4, 2>(lanes, left, right, columns, sink),
        _ => panels::<L, M, 3, 2>(lanes, left, right, columns, sink),
    }
}

/// Panels of `M` rows; where fewer are left, of `TWO` or `ONE`.
#[inline(always)]
fn panels<L: Lanes, const M: usize, const TWO: usize, const ONE: usize>(
    lanes: L,
    left: &Left<L::T>,
    right: &[L::T],
    columns: usize,
    sink: &mut impl Sink<L>,
) {
    let (depth, width) = (left.depth, 2 * L::N);
    let per = blocks(depth);
    let a = left.numbers.as_chunks::<BLOCK>().0.as_chunks::<M>().0;
    for panel in 0..columns.div_ceil(width) {
        let b = &right[panel * depth * width..(panel + 1) * depth * width];
        let first = panel * width;
        let count = width.min(columns - first);
        for top in (0..left.rows).step_by(M) {
            let a = &a[top / M * per..][..per];
            let rows = left.rows - top;
            let mut out = [[lanes.zero(); 2]; M];
            if count > L::N {
                if rows > TWO {
                    copy(&mut out, micro::<L, M, M, 2>(lanes, depth, a, b));
                } else if rows > ONE {
                    copy(&mut out, micro::<L, M, TWO, 2>(lanes, depth, a, b));
                } else {
                    copy(&mut out, micro::<L, M, ONE, 2>(lanes, depth, a, b));
                }
            } else if rows > ONE {
                copy(&mut out, micro::<L, M, M, 1>(lanes, depth, a, b));
            } else {
                copy(&mut out, micro::<L, M, ONE, 1>(lanes, depth, a, b));
            }
            for (r, out) in out.iter().enumerate().take(rows) {
                sink.put(lanes, top + r, first, count.min(L::N), out[0]);
                if count > L::N {
                    sink.put(lanes, top + r, first + L::N, count - L::N, out[1]);
                }
            }
        }
    }
}

#[inline(always)]
fn copy<V: Copy, const M: usize, const R: usize, const NV: usize>(to: &mut [[V; 2]; M], from: [[V; NV]; R]) {
    for r in 0..R {
        for j in 0..NV {
            to[r][j] = from[r][j];
        }
    }
}
