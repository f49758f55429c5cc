//! Which inputs an output sees. A convolution is one phase; its transpose with stride s is s×s of them, each a
//! convolution of stride 1 that makes every s-th row and column of the gradient: no product with a zero, and every
//! number is written once.

use super::Shape;

/// Outputs `first + step · position` along each axis, each the sum over `taps` of the inputs at
/// `position · stride + tap`.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    /// Positions down, right.
    pub(super) positions: [usize; 2],
    /// First output down, right.
    pub(super) first: [usize; 2],
    /// Distance of outputs.
    pub(super) step: [usize; 2],
    /// Distance of inputs between positions.
    pub(super) stride: [usize; 2],
    /// Input offsets of each tap.
    pub(super) taps: Vec<[isize; 2]>,
    /// Index of each tap in the kernel.
    pub(super) index: Vec<usize>,
}

/// The convolution itself.
pub(super) fn forward(shape: &Shape) -> Vec<Phase> {
    let [kh, kw] = shape.kernel;
    let tap = |axis: usize, k: usize| (k * shape.dilation[axis]) as isize - shape.padding[axis] as isize;
    let taps = (0..kh * kw).map(|k| [tap(0, k / kw), tap(1, k % kw)]).collect();
    let positions = [shape.output[1], shape.output[2]];
    let index = (0..kh * kw).collect();
    vec![Phase { positions, first: [0, 0], step: [1, 1], stride: shape.stride, taps, index }]
}

/// Its transpose. Inputs are gradients of the output.
pub(super) fn backward(shape: &Shape) -> Vec<Phase> {
    // Along one axis: of the gradients at r, r + s, …, those taps k of the kernel that reach them, and from where.
    let along = |axis: usize, r: usize| -> Vec<(usize, isize)> {
        let s = shape.stride[axis] as isize;
        (0..shape.kernel[axis])
            .filter_map(|k| {
                let at = (r + shape.padding[axis]) as isize - (k * shape.dilation[axis]) as isize;
                (at.rem_euclid(s) == 0).then_some((k, at.div_euclid(s)))
            })
            .collect()
    };
    let mut phases = Vec::new();
    for ry in 0..shape.stride[0].min(shape.input[1]) {
        for rx in 0..shape.stride[1].min(shape.input[2]) {
            let (mut taps, mut index) = (Vec::new(), Vec::new());
            for (ky, y) in along(0, ry) {
                for (kx, x) in along(1, rx) {
                    taps.push([y, x]);
                    index.push(ky * shape.kernel[1] + kx);
                }
            }
            let count = |axis: usize, r: usize| (shape.input[axis + 1] - r).div_ceil(shape.stride[axis]);
            phases.push(Phase {
                positions: [count(0, ry), count(1, rx)],
                first: [ry, rx],
                step: shape.stride,
                stride: [1, 1],
                taps,
                index,
            });
        }
    }
    phases
}
