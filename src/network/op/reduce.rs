//! Averages, sums and maxima along axes.

use super::{Back, Io, Kernel, only};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use laocoon_kernels::Scratch;

/// What is made of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Their average.
    Mean,
    /// Their sum.
    Sum,
    /// The largest; its gradient goes to the first of the largest.
    Max,
}

/// Numbers along axes become one; the axes stay, of length 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduce {
    /// What is made of them.
    pub kind: Reduction,
    /// The axes per image, ascending, without repetition.
    pub axes: Vec<usize>,
}

impl Reduce {
    /// Calls `f(position in the output, position in the input)` for each number of the input, image by image.
    fn each<T>(&self, io: &Io<T>, mut f: impl FnMut(usize, usize)) {
        let shape = io.shapes[0];
        let mut steps = vec![0; shape.len()];
        let mut step = 1;
        for axis in (0..shape.len()).rev() {
            if !self.axes.contains(&axis) {
                steps[axis] = step;
                step *= shape[axis];
            }
        }
        let (size, out): (usize, usize) = (shape.iter().product(), io.out.iter().product());
        let mut index = vec![0; shape.len()];
        for i in 0..io.n {
            index.fill(0);
            let mut to = i * out;
            for from in i * size..(i + 1) * size {
                f(to, from);
                for axis in (0..shape.len()).rev() {
                    index[axis] += 1;
                    to += steps[axis];
                    if index[axis] < shape[axis] {
                        break;
                    }
                    to -= steps[axis] * index[axis];
                    index[axis] = 0;
                }
            }
        }
    }

    /// How many numbers become one.
    fn count<T: Scalar>(&self, io: &Io<T>) -> T {
        T::of(self.axes.iter().map(|&a| io.shapes[0][a]).product::<usize>() as f64)
    }
}

impl Kernel for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            Reduction::Mean => "mean",
            Reduction::Sum => "sum",
            Reduction::Max => "max",
        }
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let mut shape = only(inputs)?.to_vec();
        for &axis in &self.axes {
            *shape.get_mut(axis).ok_or_else(|| format!("axis {axis} does not exist"))? = 1;
        }
        if self.axes.is_empty() || !self.axes.is_sorted_by(|a, b| a < b) {
            return Err(format!("axes {:?} are not ascending", self.axes));
        }
        Ok(shape)
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        let x = io.inputs[0];
        if self.kind == Reduction::Max {
            y.fill(T::neg_infinity());
            return self.each(io, |to, from| y[to] = y[to].max(x[from]));
        }
        y.fill(T::zero());
        self.each(io, |to, from| y[to] += x[from]);
        if self.kind == Reduction::Mean {
            let count = self.count(io);
            for v in y.iter_mut() {
                *v /= count;
            }
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { y, dy, .. }: &Back<T>,
        _: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        match self.kind {
            Reduction::Sum => self.each(io, |to, from| dx[from] += dy[to]),
            Reduction::Mean => {
                let count = self.count(io);
                self.each(io, |to, from| dx[from] += dy[to] / count);
            }
            Reduction::Max => {
                let mut given = vec![false; y.len()];
                self.each(io, |to, from| {
                    if !given[to] && io.inputs[0][from] >= y[to] {
                        given[to] = true;
                        dx[from] += dy[to];
                    }
                });
            }
        }
    }
}
