//! Sum, difference, product and quotient of two values, or of a value and a constant, with broadcasting.

use super::{Back, Io, Kernel, Layout};
use crate::network::graph::{Param, ParamId};
use crate::network::scalar::Scalar;
use laocoon_kernels::{Scratch, each};

/// Which of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `left + right`.
    Add,
    /// `left − right`.
    Sub,
    /// `left · right`.
    Mul,
    /// `left / right`.
    Div,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// An input of the node.
    Input(usize),
    /// A constant with its shape as seen by one image (at most three axes). See [`Operand::constant`].
    Constant(ParamId, Vec<usize>),
}

impl Operand {
    /// A constant beside a value of `rank` axes per image; a leading batch axis of 1 is dropped.
    ///
    /// # Errors
    /// A shape that would broadcast over the batch.
    pub fn constant(id: ParamId, param: &Param, rank: usize) -> Result<Self, String> {
        match param.value.shape() {
            [1, rest @ ..] if rest.len() == rank => Ok(Self::Constant(id, rest.to_vec())),
            shape if shape.len() <= rank => Ok(Self::Constant(id, shape.to_vec())),
            shape => Err(format!(
                "constant '{}' of shape {shape:?} does not fit {rank} axes per image",
                param.name
            )),
        }
    }
}

/// `left ∘ right`, broadcasting as numpy does (never over the batch axis).
#[derive(Debug, Clone, PartialEq)]
pub struct Arith {
    /// Which of the four.
    pub kind: Arithmetic,
    /// Left side.
    pub left: Operand,
    /// Right side.
    pub right: Operand,
}

/// A shape of at most three axes, padded with ones in front.
fn three(shape: &[usize]) -> Option<[usize; 3]> {
    match *shape {
        [] => Some([1, 1, 1]),
        [a] => Some([1, 1, a]),
        [a, b] => Some([1, a, b]),
        [a, b, c] => Some([a, b, c]),
        _ => None,
    }
}

/// Numbers of one side: image step, and steps along the three loops (0 where it repeats).
struct Side<'a, T> {
    data: &'a [T],
    image: usize,
    steps: [usize; 3],
}

impl<T: Scalar> Side<'_, T> {
    fn row(&self, i: usize, outer: usize, middle: usize) -> usize {
        i * self.image + outer * self.steps[0] + middle * self.steps[1]
    }
}

/// Zero where a side repeats under an output `out`.
fn repeat(natural: [usize; 3], shape: [usize; 3], out: [usize; 3]) -> [usize; 3] {
    [0, 1, 2].map(|a| if shape[a] == 1 && out[a] != 1 { 0 } else { natural[a] })
}

impl Arith {
    /// Both sides from the node's inputs in order.
    pub fn of_inputs(kind: Arithmetic) -> Self {
        Self { kind, left: Operand::Input(0), right: Operand::Input(1) }
    }

    fn apply<T: Scalar>(&self, a: T, b: T) -> T {
        match self.kind {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
        }
    }

    /// Partial derivative by the left or right side.
    fn partial<T: Scalar>(&self, left: bool, a: T, b: T) -> T {
        match (self.kind, left) {
            (Arithmetic::Add, _) | (Arithmetic::Sub, true) => T::one(),
            (Arithmetic::Sub, false) => -T::one(),
            (Arithmetic::Mul, true) => b,
            (Arithmetic::Mul, false) => a,
            (Arithmetic::Div, true) => T::one() / b,
            (Arithmetic::Div, false) => -a / (b * b),
        }
    }
}

impl Arith {
    /// A side, and with it the order of the loops: channel, row, column; or row, column, channel of interleaved
    /// images; or one long row.
    fn side<'a, T>(&self, operand: &Operand, io: &Io<'a, T>) -> Side<'a, T> {
        let (data, shape, batched) = match operand {
            Operand::Input(k) => (io.inputs[*k], io.shapes[*k], true),
            Operand::Constant(id, shape) => (io.params[*id], shape.as_slice(), false),
        };
        let count: usize = shape.iter().product();
        let layout = self.layout(io.shapes, io.out);
        let steps = match (layout, three(shape), three(io.out)) {
            (Layout::Images, Some(shape), Some(out)) => {
                let natural = if batched {
                    [1, shape[2] * shape[0], shape[0]]
                } else {
                    [shape[1] * shape[2], shape[2], 1]
                };
                let [c, h, w] = repeat(natural, shape, out);
                [h, w, c]
            }
            (Layout::Planar, Some(shape), Some(out)) => {
                repeat([shape[1] * shape[2], shape[2], 1], shape, out)
            }
            _ => [0, 0, usize::from(count > 1)],
        };
        Side { data, image: if batched { count } else { 0 }, steps }
    }

    /// Lengths of the loops of [`Self::side`].
    fn loops<T>(&self, io: &Io<T>) -> [usize; 3] {
        match (self.layout(io.shapes, io.out), three(io.out)) {
            (Layout::Images, Some([c, h, w])) => [h, w, c],
            (Layout::Planar, Some(out)) => out,
            _ => [1, 1, io.out.iter().product()],
        }
    }

    /// Calls `f(left, right, index left, index right, index out)` for every number of the output.
    fn each<T: Scalar>(&self, io: &Io<T>, mut f: impl FnMut(&Side<T>, &Side<T>, usize, usize, usize)) {
        let [outer, middle, inner] = self.loops(io);
        let (left, right) = (self.side(&self.left, io), self.side(&self.right, io));
        let mut o = 0;
        for i in 0..io.n {
            for x in 0..outer {
                for y in 0..middle {
                    let (a, b) = (left.row(i, x, y), right.row(i, x, y));
                    for z in 0..inner {
                        f(&left, &right, a + z * left.steps[2], b + z * right.steps[2], o);
                        o += 1;
                    }
                }
            }
        }
    }

    /// Whether it is the plain sum of two inputs of one shape, so that gradients pass through unchanged.
    pub(crate) fn plain_sum(&self, shapes: &[&[usize]]) -> bool {
        self.kind == Arithmetic::Add
            && matches!((&self.left, &self.right), (Operand::Input(a), Operand::Input(b)) if a != b)
            && matches!(shapes, [a, b] if a == b)
    }
}

impl Kernel for Arith {
    fn name(&self) -> &'static str {
        match self.kind {
            Arithmetic::Add => "add",
            Arithmetic::Sub => "sub",
            Arithmetic::Mul => "mul",
            Arithmetic::Div => "div",
        }
    }

    fn params(&self) -> Vec<ParamId> {
        let id = |o: &Operand| if let Operand::Constant(id, _) = o { Some(*id) } else { None };
        [&self.left, &self.right].into_iter().filter_map(id).collect()
    }

    fn output_shape(&self, inputs: &[&[usize]], params: &[Param]) -> Result<Vec<usize>, String> {
        let shape = |operand: &Operand| match operand {
            Operand::Input(k) => {
                inputs.get(*k).map(|s| s.to_vec()).ok_or_else(|| format!("needs {} inputs", k + 1))
            }
            Operand::Constant(id, shape) if params[*id].len() == shape.iter().product::<usize>() => {
                Ok(shape.clone())
            }
            Operand::Constant(id, shape) => {
                Err(format!("constant '{}' is not of shape {shape:?}", params[*id].name))
            }
        };
        let (left, right) = (shape(&self.left)?, shape(&self.right)?);
        if left == right {
            return Ok(left);
        }
        let both_inputs = matches!((&self.left, &self.right), (Operand::Input(_), Operand::Input(_)));
        let misfit = || format!("shapes {left:?} and {right:?} do not go together");
        if both_inputs && left.len() != right.len() {
            return Err(misfit());
        }
        // One number beside a value of any rank.
        for (one, other) in [(&left, &right), (&right, &left)] {
            if one.iter().product::<usize>() == 1 && one.len() <= other.len() {
                return Ok(other.clone());
            }
        }
        let rank = left.len().max(right.len());
        let (Some(a), Some(b)) = (three(&left), three(&right)) else { return Err(misfit()) };
        let mut out = [1; 3];
        for axis in 0..3 {
            out[axis] = match (a[axis], b[axis]) {
                (x, y) if x == y || y == 1 => x,
                (1, y) => y,
                _ => return Err(misfit()),
            };
        }
        Ok(out[3 - rank.max(1)..].to_vec())
    }

    fn layout(&self, inputs: &[&[usize]], out: &[usize]) -> Layout {
        let mut sides = [&self.left, &self.right].into_iter();
        let same = |operand: &Operand| match operand {
            Operand::Input(k) => inputs.get(*k).is_some_and(|s| *s == out),
            Operand::Constant(_, shape) => shape.iter().product::<usize>() == 1 && shape.len() <= out.len(),
        };
        if sides.all(same) {
            Layout::Same
        } else if out.len() == 3 && inputs.iter().all(|s| s.len() == 3) {
            Layout::Images
        } else {
            Layout::Planar
        }
    }

    fn forward<T: Scalar>(&self, io: &Io<T>, y: &mut [T], _: &mut Scratch<T>) {
        if self.plain_sum(io.shapes) {
            return each::sum(io.inputs[0], io.inputs[1], y);
        }
        self.each(io, |left, right, a, b, o| y[o] = self.apply(left.data[a], right.data[b]));
    }

    fn input_gradient<T: Scalar>(
        &self,
        io: &Io<T>,
        &Back { dy, .. }: &Back<T>,
        which: usize,
        dx: &mut [T],
        _: &mut Scratch<T>,
    ) {
        let (from_left, from_right) =
            (self.left == Operand::Input(which), self.right == Operand::Input(which));
        self.each(io, |left, right, a, b, o| {
            let (x, z) = (left.data[a], right.data[b]);
            if from_left {
                dx[a] += dy[o] * self.partial(true, x, z);
            }
            if from_right {
                dx[b] += dy[o] * self.partial(false, x, z);
            }
        });
    }

    fn param_gradient<T: Scalar>(&self, io: &Io<T>, dy: &[T], grads: &mut [Vec<T>], _: &mut Scratch<T>) {
        self.each(io, |left, right, a, b, o| {
            let (x, z) = (left.data[a], right.data[b]);
            if let Operand::Constant(id, _) = self.left {
                grads[id][a] += dy[o] * self.partial(true, x, z);
            }
            if let Operand::Constant(id, _) = self.right {
                grads[id][b] += dy[o] * self.partial(false, x, z);
            }
        });
    }
}
