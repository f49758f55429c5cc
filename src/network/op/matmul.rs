//! Products of two matrices that both depend on the image, for each index of the axes in front (attention).

use super::{Back, Io, Kernel};
use crate::network::graph::Param;
use crate::network::scalar::Scalar;
use laocoon_kernels::{Finish, Level, Matrix, Scratch};

/// `left · right` over the last two axes; the axes in front are the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatMul;

/// Matrices, rows, inner size, columns.
fn sizes<T>(io: &Io<T>) -> [usize; 4] {
    let (left, right) = (io.shapes[0], io.shapes[1]);
    let rank = left.len();
    let front: usize = left[..rank - 2].iter().product();
    [io.n * front, left[rank - 2], left[rank - 1], right[rank - 1]]
}

impl Kernel for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn output_shape(&self, inputs: &[&[usize]], _: &[Param]) -> Result<Vec<usize>, String> {
        let [left, right] = inputs else { return Err(format!("takes two inputs, has {}", inputs.len())) };
        let misfit = || format!("shapes {left:?} and {right:?} do not multiply");
        let ([front @ .., rows, inner], [other @ .., wanted, columns]) = (*left, *right) else {
            return Err(misfit());
        };
        if front != other || inner != wanted {
            return Err(misfit());
        }
        Ok([front, &[*rows, *columns][..]].concat())
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], scratch: &mut Scratch<T>) {
        let [count, rows, inner, columns] = sizes(io);
        for k in 0..count {
            let left = &io.inputs[0][k * rows * inner..][..rows * inner];
            let right = &io.inputs[1][k * inner * columns..][..inner * columns];
            let m = Matrix::new(inner, columns, Level::best(), |i, o| right[i * columns + o]);
            m.multiply(
                rows,
                left,
                &mut y[k * rows * columns..][..rows * columns],
                &Finish::default(),
                scratch,
            );
        }
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        which: usize,
        dx: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let [count, rows, inner, columns] = sizes(io);
        let add = Finish { accumulate: true, ..Finish::default() };
        for k in 0..count {
            let dy = &dy[k * rows * columns..][..rows * columns];
            let left = &io.inputs[0][k * rows * inner..][..rows * inner];
            let right = &io.inputs[1][k * inner * columns..][..inner * columns];
            if which == 0 {
                // dLeft = dY · Rightᵀ.
                let m = Matrix::new(columns, inner, Level::best(), |i, o| right[o * columns + i]);
                m.multiply(rows, dy, &mut dx[k * rows * inner..][..rows * inner], &add, scratch);
            } else {
                // dRight = Leftᵀ · dY.
                let m = Matrix::new(rows, columns, Level::best(), |i, o| dy[i * columns + o]);
                let turned: Vec<T> =
                    (0..inner).flat_map(|i| (0..rows).map(move |r| left[r * inner + i])).collect();
                m.multiply(inner, &turned, &mut dx[k * inner * columns..][..inner * columns], &add, scratch);
            }
        }
    }
}
