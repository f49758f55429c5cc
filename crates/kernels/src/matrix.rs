//! Products with a matrix of weights (fully connected layers), and sums of outer products (their gradients).

use crate::lanes::{Lanes, Real, Task, dispatch};
use crate::product::{BLOCK, Left, Sink, blocks, multiply, pack, packed_len};
use crate::{Finish, Level, Scratch};

/// Depth of a slice: its panel of weights stays in the second-level cache while all rows use it.
const SLICE: usize = 1024;

/// Rows multiplied at a time.
const ROWS: usize = 96;

/// A matrix of weights, packed.
#[derive(Debug, Clone)]
pub struct Matrix<T> {
    depth: usize,
    columns: usize,
    level: Level,
    slices: Vec<Vec<T>>,
}

impl<T: Real> Matrix<T> {
    /// The matrix `depth × columns` of numbers `f(row, column)`.
    pub fn new(depth: usize, columns: usize, level: Level, f: impl Fn(usize, usize) -> T) -> Self {
        let width = level.width::<T>();
        let slice = |first: usize| {
            let count = SLICE.min(depth - first);
            let mut to = vec![T::ZERO; packed_len(count, columns, width)];
            pack(count, columns, width, &mut to, |row, column| f(first + row, column));
            to
        };
        Self { depth, columns, level, slices: (0..depth).step_by(SLICE).map(slice).collect() }
    }

    /// Writes `x` (rows × depth) times the matrix to `y` (rows × columns).
    ///
    /// # Panics
    /// When a slice is shorter than that.
    pub fn multiply(&self, rows: usize, x: &[T], y: &mut [T], finish: &Finish<T>, scratch: &mut Scratch<T>) {
        for top in (0..rows).step_by(ROWS) {
            let count = ROWS.min(rows - top);
            for (s, right) in self.slices.iter().enumerate() {
                let first = s * SLICE;
                let depth = SLICE.min(self.depth - first);
                fill(self.level, &x[top * self.depth + first..], count, depth, self.depth, &mut scratch.left);
                let last = s + 1 == self.slices.len();
                let partial = Finish { accumulate: s > 0 || finish.accumulate, ..Finish::default() };
                let finish =
                    if last { Finish { accumulate: s > 0 || finish.accumulate, ..*finish } } else { partial };
                let left = Left { numbers: &scratch.left, rows: count, depth };
                let columns = self.columns;
                dispatch(self.level, Product { left, right, columns, top, y: &mut *y, finish });
            }
        }
    }
}

struct Product<'a, T> {
    left: Left<'a, T>,
    right: &'a [T],
    columns: usize,
    top: usize,
    y: &'a mut [T],
    finish: Finish<'a, T>,
}

impl<T: Real> Task<T> for Product<'_, T> {
    #[inline(always)]
    fn run<L: Lanes<T = T>>(self, lanes: L) {
        let Self { left, right, columns, top, y, finish } = self;
        multiply(lanes, &left, right, columns, &mut Rows { y, finish, columns, top });
    }
}

struct Rows<'a, T> {
    y: &'a mut [T],
    finish: Finish<'a, T>,
    columns: usize,
    top: usize,
}

impl<L: Lanes> Sink<L> for Rows<'_, L::T> {
    #[inline(always)]
    fn put(&mut self, lanes: L, row: usize, column: usize, count: usize, v: L::V) {
        self.finish.write(lanes, v, self.y, (self.top + row) * self.columns + column, column, count);
    }
}

/// Writes rows of `depth` numbers, `apart` from each other, as panels of a left matrix.
pub(crate) fn fill<T: Real>(level: Level, x: &[T], rows: usize, depth: usize, apart: usize, to: &mut Vec<T>) {
    let m = level.rows();
    let per = blocks(depth);
    let len = rows.div_ceil(m) * per * m * BLOCK;
    if to.len() < len {
        to.resize(len, T::ZERO);
    }
    let to = to.as_chunks_mut::<BLOCK>().0;
    for row in 0..rows {
        let x = &x[row * apart..row * apart + depth];
        let (whole, rest) = x.as_chunks::<BLOCK>();
        let first = (row / m * per) * m + row % m;
        for (b, x) in whole.iter().enumerate() {
            to[first + b * m] = *x;
        }
        if !rest.is_empty() {
            to[first + whole.len() * m][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// A sum of outer products of rows: `Σ left[r]ᵀ · right[r]`.
#[derive(Debug)]
pub(crate) struct Outer {
    level: Level,
    rows: usize,
    columns: usize,
    /// Places for rows to be summed over.
    room: usize,
    depth: usize,
}

impl Outer {
    /// For left rows of `rows` and right rows of `columns` numbers, at most `room` at a time (a multiple of 16).
    pub(crate) fn new(level: Level, rows: usize, columns: usize, room: usize) -> Self {
        Self { level, rows, columns, room, depth: 0 }
    }

    /// Makes room for `count` rows.
    pub(crate) fn start<T: Real>(&mut self, count: usize, scratch: &mut Scratch<T>) {
        let (m, width) = (self.level.rows(), self.level.width::<T>());
        let left = self.rows.div_ceil(m) * blocks(self.room) * m * BLOCK;
        let right = packed_len(self.room, self.columns, width);
        if scratch.left.len() < left {
            scratch.left.resize(left, T::ZERO);
        }
        if scratch.right.len() < right {
            scratch.right.resize(right, T::ZERO);
        }
        self.depth = count;
    }

    /// Row `row` of the left.
    pub(crate) fn left<T: Real>(&self, row: usize, from: &[T], scratch: &mut Scratch<T>) {
        let m = self.level.rows();
        let per = blocks(self.depth) * m * BLOCK;
        for (panel, from) in from.chunks(m).enumerate() {
            let to = &mut scratch.left[panel * per + row / BLOCK * m * BLOCK + row % BLOCK..];
            for (to, &v) in to.iter_mut().step_by(BLOCK).zip(from) {
                *to = v;
            }
        }
    }

    /// Numbers `first..` of row `row` of the right; zeros when there are none.
    pub(crate) fn right<T: Real>(
        &self,
        row: usize,
        first: usize,
        count: usize,
        from: Option<&[T]>,
        scratch: &mut Scratch<T>,
    ) {
        let width = self.level.width::<T>();
        let mut done = 0;
        while done < count {
            let column = first + done;
            let len = (width - column % width).min(count - done);
            let at = (column / width * self.depth + row) * width + column % width;
            let to = &mut scratch.right[at..at + len];
            match from {
                Some(from) => to.copy_from_slice(&from[done..done + len]),
                None => to.fill(T::ZERO),
            }
            done += len;
        }
    }

    /// Adds the sum over the rows to `to` (left numbers × right numbers).
    pub(crate) fn add<T: Real>(&self, scratch: &Scratch<T>, to: &mut [T]) {
        let left = Left { numbers: &scratch.left, rows: self.rows, depth: self.depth };
        let finish = Finish { accumulate: true, ..Finish::default() };
        let right = &scratch.right;
        dispatch(self.level, Product { left, right, columns: self.columns, top: 0, y: to, finish });
    }
}

/// Adds `Σ dy[r]ᵀ · x[r]` over `rows` rows to `dw` (dy's numbers × x's numbers): the gradient of a fully connected
/// layer's weights.
///
/// # Panics
/// When a slice is shorter than that.
pub fn outer_products<T: Real>(
    rows: usize,
    dy: &[T],
    x: &[T],
    [outputs, inputs]: [usize; 2],
    dw: &mut [T],
    level: Level,
    scratch: &mut Scratch<T>,
) {
    for top in (0..rows).step_by(256) {
        let count = 256.min(rows - top);
        let mut outer = Outer::new(level, outputs, inputs, count.next_multiple_of(BLOCK));
        outer.start(count, scratch);
        for row in 0..count {
            outer.left(row, &dy[(top + row) * outputs..][..outputs], scratch);
            outer.right(row, 0, inputs, Some(&x[(top + row) * inputs..][..inputs]), scratch);
        }
        outer.add(scratch, dw);
    }
}
