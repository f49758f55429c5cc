//! Every kernel on every level of instructions against its definition.

use laocoon_kernels::conv::{Shape, weight_gradient};
use laocoon_kernels::{Clamp, Conv, Finish, Level, Matrix, Real, Scratch, outer_products};
use proptest::prelude::*;

/// Numbers in −1..1 without pattern.
fn numbers<T: Real>(count: usize, seed: u64) -> Vec<T> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            T::real((s >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        })
        .collect()
}

fn size(s: [usize; 3]) -> usize {
    s.iter().product()
}

/// Calls `f(output number, input number, weight)` for every product of a convolution.
fn each(shape: &Shape, n: usize, mut f: impl FnMut(usize, usize, usize)) {
    let ([ci, h, w], [co, oh, ow]) = (shape.input, shape.output);
    let (per_in, per_out) = (ci / shape.groups, co / shape.groups);
    let [kh, kw] = shape.kernel;
    for i in 0..n {
        for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            for (ky, kx) in (0..kh).flat_map(|y| (0..kw).map(move |x| (y, x))) {
                let iy = (oy * shape.stride[0] + ky * shape.dilation[0]).checked_sub(shape.padding[0]);
                let ix = (ox * shape.stride[1] + kx * shape.dilation[1]).checked_sub(shape.padding[1]);
                let (Some(iy), Some(ix)) = (iy.filter(|&y| y < h), ix.filter(|&x| x < w)) else { continue };
                for o in 0..co {
                    for c in 0..per_in {
                        let from = ((i * h + iy) * w + ix) * ci + o / per_out * per_in + c;
                        f(((i * oh + oy) * ow + ox) * co + o, from, ((o * per_in + c) * kh + ky) * kw + kx);
                    }
                }
            }
        }
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1.0f64, |m, v| m.max(v.abs()))
}

fn near<T: Real>(got: &[T], want: &[f64], tolerance: f64, what: &str) {
    near_of(got, want, largest(want), tolerance, what);
}

/// Sums are as exact as their largest: `top` is that before anything was cut off.
fn near_of<T: Real>(got: &[T], want: &[f64], top: f64, tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (g.to_f64() - w).abs() / top;
        assert!(error <= tolerance, "{what}: number {i}: {g:?} and {w}");
    }
}

fn wide<T: Real>(v: &[T]) -> Vec<f64> {
    v.iter().map(|v| v.to_f64()).collect()
}

/// All three passes of a convolution.
fn check<T: Real>(shape: &Shape, n: usize, level: Level, tolerance: f64) {
    let what = format!("{level:?} {shape:?} n={n}");
    let [per_in, taps] = [shape.input[0] / shape.groups, shape.kernel[0] * shape.kernel[1]];
    let x: Vec<T> = numbers(n * size(shape.input), 1);
    let w: Vec<T> = numbers(shape.output[0] * per_in * taps, 2);
    let dy: Vec<T> = numbers(n * size(shape.output), 3);
    let bias: Vec<T> = numbers(shape.output[0], 4);
    let add: Vec<T> = numbers(dy.len(), 5);
    let (x64, w64, dy64) = (wide(&x), wide(&w), wide(&dy));
    let mut scratch = Scratch::default();

    let mut want = vec![0.0; dy.len()];
    each(shape, n, |o, i, k| want[o] += x64[i] * w64[k]);
    let conv = Conv::forward(shape, &w, level);
    let method = conv.method();
    let mut y: Vec<T> = numbers(dy.len(), 6);
    conv.run(n, &x, &mut y, &Finish::default(), &mut scratch);
    near(&y, &want, tolerance, &format!("{method} {what}"));
    let sums = largest(&want);
    let finish =
        Finish { bias: Some(&bias), add: Some(&add), clamp: Some(Clamp { top: None }), ..Finish::default() };
    conv.run(n, &x, &mut y, &finish, &mut scratch);
    for (i, v) in want.iter_mut().enumerate() {
        *v = (*v + bias[i % bias.len()].to_f64() + add[i].to_f64()).max(0.0);
    }
    near_of(&y, &want, sums, tolerance, &format!("{method} finished {what}"));
    let top = 0.25;
    let clamp = Some(Clamp { top: Some(T::real(top)) });
    conv.run(n, &x, &mut y, &Finish { clamp, ..finish }, &mut scratch);
    let clamped: Vec<f64> = want.iter().map(|v| v.min(top)).collect();
    near_of(&y, &clamped, sums, tolerance, &format!("{method} clamped {what}"));

    let mut want = vec![0.0; x.len()];
    each(shape, n, |o, i, k| want[i] += dy64[o] * w64[k]);
    let sums = largest(&want);
    let back = Conv::backward(shape, &w, level);
    let method = back.method();
    let mut dx: Vec<T> = numbers(x.len(), 7);
    let before = wide(&dx);
    let gate = Some((x.as_slice(), Clamp { top: Some(T::real(top)) }));
    back.run(n, &dy, &mut dx, &Finish { accumulate: true, gate, ..Finish::default() }, &mut scratch);
    for (i, v) in want.iter_mut().enumerate() {
        *v = if x64[i] > 0.0 && x64[i] < top { *v + before[i] } else { 0.0 };
    }
    near_of(&dx, &want, sums, tolerance, &format!("back {method} {what}"));

    let mut dw: Vec<T> = numbers(w.len(), 8);
    let mut want = wide(&dw);
    each(shape, n, |o, i, k| want[k] += dy64[o] * x64[i]);
    weight_gradient(shape, n, &x, &dy, &mut dw, level, &mut scratch);
    near(&dw, &want, tolerance, &format!("weights {what}"));
}

fn both(shape: &Shape, n: usize) {
    for level in Level::available() {
        check::<f32>(shape, n, level, 2e-5);
        check::<f64>(shape, n, level, 1e-12);
    }
}

/// A shape with its output worked out; `None` when the kernel does not fit.
fn shape(
    channels: [usize; 2],
    plane: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
) -> Option<Shape> {
    let along = |a: usize| {
        let reach = (kernel[a] - 1) * dilation[a] + 1;
        Some((plane[a] + padding[a] + padding[a + 2]).checked_sub(reach)? / stride[a] + 1)
    };
    Some(Shape {
        input: [channels[0] * groups, plane[0], plane[1]],
        output: [channels[1] * groups, along(0)?, along(1)?],
        kernel,
        stride,
        padding: [padding[0], padding[1]],
        dilation,
        groups,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions(
        channels in [1usize..40, 1usize..40],
        plane in [1usize..12, 1usize..12],
        kernel in [1usize..4, 1usize..5],
        stride in [1usize..4, 1usize..3],
        padding in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
        dilation in [1usize..3, 1usize..3],
        groups in 1usize..4,
        n in 1usize..4,
    ) {
        if let Some(s) = shape(channels, plane, kernel, stride, padding, dilation, groups) {
            both(&s, n);
        }
    }

    #[test]
    fn winograd(
        channels in [8usize..70, 8usize..70],
        plane in [3usize..18, 3usize..18],
        padding in [0usize..4, 0usize..4, 0usize..3, 0usize..3],
        n in 1usize..3,
    ) {
        if let Some(s) = shape(channels, plane, [3, 3], [1, 1], padding, [1, 1], 1) {
            both(&s, n);
        }
    }

    #[test]
    fn depthwise(
        groups in 1usize..70,
        plane in [1usize..14, 1usize..14],
        kernel in [1usize..6, 1usize..6],
        stride in [1usize..3, 1usize..3],
        padding in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
        n in 1usize..3,
    ) {
        if let Some(s) = shape([1, 1], plane, kernel, stride, padding, [1, 1], groups) {
            both(&s, n);
        }
    }

    #[test]
    fn matrices(rows in 1usize..110, depth in 1usize..80, columns in 1usize..80) {
        matrix(rows, depth, columns);
    }
}

fn matrix(rows: usize, depth: usize, columns: usize) {
    let x: Vec<f32> = numbers(rows * depth, 1);
    let w: Vec<f32> = numbers(depth * columns, 2);
    let bias: Vec<f32> = numbers(columns, 3);
    let dy: Vec<f32> = numbers(rows * columns, 4);
    let mut scratch = Scratch::default();
    let mut want = vec![0.0; rows * columns];
    let mut outer = vec![1.0; depth * columns];
    for r in 0..rows {
        for c in 0..columns {
            want[r * columns + c] = f64::from(bias[c]);
            for d in 0..depth {
                want[r * columns + c] += f64::from(x[r * depth + d]) * f64::from(w[d * columns + c]);
                outer[c * depth + d] += f64::from(dy[r * columns + c]) * f64::from(x[r * depth + d]);
            }
        }
    }
    for level in Level::available() {
        let what = format!("{level:?} {rows}×{depth}×{columns}");
        let m = Matrix::new(depth, columns, level, |r, c| w[r * columns + c]);
        let mut y = vec![0.0f32; rows * columns];
        m.multiply(rows, &x, &mut y, &Finish { bias: Some(&bias), ..Finish::default() }, &mut scratch);
        near(&y, &want, 1e-5, &what);
        let mut dw = vec![1.0f32; depth * columns];
        outer_products(rows, &dy, &x, [columns, depth], &mut dw, level, &mut scratch);
        near(&dw, &outer, 1e-5, &what);
    }
}

#[test]
fn deep_products_are_cut_into_slices() {
    matrix(7, 2500, 33);
    matrix(300, 20, 5);
}

#[test]
fn every_level_with_fused_multiply_add_gives_the_same_bits() {
    let shape = shape([24, 40], [11, 13], [3, 3], [1, 1], [1; 4], [1, 1], 1).unwrap();
    let strided = Shape { stride: [2, 2], output: [40, 6, 7], ..shape };
    let thin = Shape { groups: 24, output: [24, 11, 13], ..shape };
    for shape in [shape, strided, thin] {
        let x: Vec<f32> = numbers(2 * size(shape.input), 1);
        let w: Vec<f32> = numbers(40 * 24 * 9, 2);
        let dy: Vec<f32> = numbers(2 * size(shape.output), 3);
        let run = |level| {
            let mut scratch = Scratch::default();
            let mut y = vec![0.0f32; dy.len()];
            Conv::forward(&shape, &w, level).run(2, &x, &mut y, &Finish::default(), &mut scratch);
            let mut dx = vec![0.0f32; x.len()];
            Conv::backward(&shape, &w, level).run(2, &dy, &mut dx, &Finish::default(), &mut scratch);
            (y, dx)
        };
        let fused: Vec<Level> = Level::available().into_iter().filter(|&l| l != Level::Portable).collect();
        for pair in fused.windows(2) {
            assert_eq!(run(pair[0]), run(pair[1]), "{pair:?}");
        }
    }
}
