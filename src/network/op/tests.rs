use super::*;
use crate::network::check::{builder, forward, gradients, graph, numbers, tensor, wide};
use crate::network::graph::{Builder, Graph};
use proptest::prelude::*;

fn conv(
    shape: [usize; 3],
    out: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    groups: usize,
) -> Option<Graph> {
    let mut b = builder(&shape);
    let weight = b.param("w", tensor(&[out, shape[0] / groups, kernel[0], kernel[1]], "w"), true);
    let bias = Some(b.param("b", tensor(&[out], "b"), true));
    let op = Op::Conv2d(Conv2d { weight, bias, kernel, stride, padding, dilation, groups });
    let v = b.push("conv", op, &[0]).ok()?;
    b.finish(v).ok()
}

/// The definition, number by number.
fn conv_by_hand(g: &Graph, x: &[f64], n: usize) -> Vec<f64> {
    let Op::Conv2d(c) = &g.nodes[0].op else { panic!("a convolution") };
    let ([ci, h, w], [co, oh, ow]) = (chw(g.shape(0)), chw(g.shape(1)));
    let params = wide(g);
    let (per_in, per_out) = (ci / c.groups, co / c.groups);
    let mut y = Vec::new();
    for i in 0..n {
        for o in 0..co {
            for (oy, ox) in (0..oh).flat_map(|a| (0..ow).map(move |b| (a, b))) {
                let mut sum = params[c.bias.unwrap()][o];
                for k in 0..per_in {
                    for (ky, kx) in (0..c.kernel[0]).flat_map(|a| (0..c.kernel[1]).map(move |b| (a, b))) {
                        let iy = (oy * c.stride[0] + ky * c.dilation[0]).checked_sub(c.padding[0]);
                        let ix = (ox * c.stride[1] + kx * c.dilation[1]).checked_sub(c.padding[1]);
                        if let (Some(iy), Some(ix)) = (iy.filter(|&v| v < h), ix.filter(|&v| v < w)) {
                            let channel = o / per_out * per_in + k;
                            sum += x[((i * ci + channel) * h + iy) * w + ix]
                                * params[c.weight][((o * per_in + k) * c.kernel[0] + ky) * c.kernel[1] + kx];
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

fn near(a: &[f64], b: &[f64], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{what}: number {i}: {a} and {b}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolution_is_its_definition_and_so_are_its_gradients(
        (groups, per_in, per_out) in (1usize..4, 1usize..4, 1usize..4),
        (h, w) in (1usize..9, 1usize..9),
        kernel in [1usize..4, 1usize..5],
        stride in [1usize..4, 1usize..3],
        padding in [0usize..3, 0usize..3, 0usize..3, 0usize..3],
        dilation in [1usize..3, 1usize..3],
        n in 1usize..4,
    ) {
        let shape = [groups * per_in, h, w];
        if let Some(g) = conv(shape, groups * per_out, kernel, stride, padding, dilation, groups) {
            let x = numbers(n * g.size(0), "x");
            near(&forward(&g, &wide(&g), &x, n).1, &conv_by_hand(&g, &x, n), "forward");
            gradients(&g, n, "conv");
        }
    }

    #[test]
    fn pooling_gradients(
        (h, w) in (2usize..9, 2usize..9),
        kernel in [1usize..4, 1usize..4],
        stride in [1usize..4, 1usize..4],
        padding in [0usize..2, 0usize..2, 0usize..2, 0usize..2],
        dilation in [1usize..3, 1usize..3],
        (ceil, count) in (any::<bool>(), any::<bool>()),
    ) {
        let window = Window { kernel, stride, padding, dilation, ceil };
        let max = Op::MaxPool(MaxPool(window.clone()));
        let avg = Op::AvgPool(AvgPool { window: Window { dilation: [1, 1], ..window }, count_padding: count });
        for op in [max, avg] {
            let mut b = builder(&[2, h, w]);
            if let Ok(v) = b.push("pool", op, &[0]) {
                gradients(&b.finish(v).unwrap(), 2, "pool");
            }
        }
    }
}

#[test]
fn large_planes_are_cut_into_tiles_and_small_ones_joined() {
    // 70×70 pixels, 18 channels: several tiles an image; 3×3 pixels: several images a tile; 1×1: no im2col.
    for (shape, kernel, padding) in
        [([18, 70, 70], [3, 3], [1; 4]), ([4, 3, 3], [3, 3], [1; 4]), ([3, 9, 9], [1, 1], [0; 4])]
    {
        let g = conv(shape, 5, kernel, [1, 1], padding, [1, 1], 1).unwrap();
        let n = 5;
        let x = numbers(n * g.size(0), "x");
        near(&forward(&g, &wide(&g), &x, n).1, &conv_by_hand(&g, &x, n), "forward");
        gradients(&g, 2, "conv");
    }
}

/// A graph of one operator, with parameters of the given shapes.
fn one(shape: &[usize], params: &[&[usize]], op: impl FnOnce(&[usize]) -> Op) -> Graph {
    graph(shape, |b| {
        let ids: Vec<usize> =
            params.iter().enumerate().map(|(i, s)| b.param("p", tensor(s, &format!("p{i}")), true)).collect();
        b.push("op", op(&ids), &[0]).unwrap()
    })
}

#[test]
fn activations() {
    for a in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(0.7),
        Activation::Selu { alpha: 1.6733, gamma: 1.0507 },
        Activation::Clip { min: -0.5, max: 0.5 },
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::HardSwish,
        Activation::HardSigmoid { alpha: 0.9, beta: 0.5 },
        Activation::Silu,
        Activation::Gelu { tanh: false },
        Activation::Gelu { tanh: true },
        Activation::Softplus,
        Activation::Erf,
        Activation::Exp,
        Activation::Neg,
        Activation::Abs,
    ] {
        // Fanned out, so that gradients also arrive where some are already.
        let g = graph(&[2, 3, 4], |b| {
            let v = b.push("op", Op::Activation(a), &[0]).unwrap();
            b.push("sum", Op::Arith(Arith::of_inputs(Arithmetic::Add)), &[0, v]).unwrap()
        });
        gradients(&g, 2, a.name());
    }
    let positive = graph(&[6], |b| {
        let e = b.push("e", Op::Activation(Activation::Exp), &[0]).unwrap();
        b.push("root", Op::Activation(Activation::Sqrt), &[e]).unwrap()
    });
    gradients(&positive, 2, "sqrt");
}

#[test]
fn activation_values() {
    let of = |a: Activation, x: f64| a.apply(x);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "{a} {b}");
    close(of(Activation::Sigmoid, -800.0), 0.0);
    close(of(Activation::Sigmoid, 1.0), 0.731_058_578_6);
    close(of(Activation::Gelu { tanh: false }, 1.0), 0.841_344_746_1);
    close(of(Activation::Gelu { tanh: true }, 1.0), 0.841_191_990_6);
    close(of(Activation::Silu, -1.0), -0.268_941_421_4);
    close(of(Activation::HardSwish, 1.0), 2.0 / 3.0);
    close(of(Activation::Softplus, 800.0), 800.0);
    close(of(Activation::Elu(1.0), -1.0), -0.632_120_558_8);
    assert!(Activation::Relu.apply(f32::NAN).is_nan());
}

#[test]
fn layers_with_parameters() {
    let c: &[usize] = &[3];
    gradients(&one(&[3, 2, 4], &[c], |p| Op::PRelu(PRelu { slope: p[0] })), 2, "prelu per channel");
    gradients(&one(&[3, 2, 4], &[&[1]], |p| Op::PRelu(PRelu { slope: p[0] })), 2, "prelu shared");
    gradients(
        &one(&[5], &[&[3, 5], c], |p| Op::Linear(Linear { weight: p[0], bias: Some(p[1]) })),
        4,
        "linear",
    );
    gradients(
        &one(&[2, 5], &[&[3, 5]], |p| Op::Linear(Linear { weight: p[0], bias: None })),
        2,
        "linear of rows",
    );
    let norm = graph(&[3, 2, 2], |b| {
        let weight = Some(b.param("w", tensor(c, "w"), true));
        let bias = Some(b.param("b", tensor(c, "b"), true));
        let mean = b.param("m", tensor(c, "m"), false);
        let var = b.param("v", tensor(c, "v").mapv(f32::abs), false);
        let op = BatchNorm { weight, bias, mean, var, eps: 1e-3, momentum: 0.1 };
        b.push("bn", Op::BatchNorm(op), &[0]).unwrap()
    });
    gradients(&norm, 2, "batchnorm2d");
}

#[test]
fn arithmetic_broadcasts_as_numpy_does() {
    for kind in [Arithmetic::Add, Arithmetic::Sub, Arithmetic::Mul, Arithmetic::Div] {
        for shape in [vec![], vec![1], vec![4], vec![3, 1], vec![2, 1, 1], vec![1, 2, 1, 1], vec![2, 3, 4]] {
            for left in [true, false] {
                let g = graph(&[2, 3, 4], |b| {
                    let id = b.param("c", tensor(&shape, "c"), true);
                    let constant = Operand::constant(id, &b.params()[id], 3).unwrap();
                    let (l, r) =
                        if left { (constant, Operand::Input(0)) } else { (Operand::Input(0), constant) };
                    // Away from zero, so that quotients stay tame.
                    let e = b.push("e", Op::Activation(Activation::Exp), &[0]).unwrap();
                    b.push("op", Op::Arith(Arith { kind, left: l, right: r }), &[e]).unwrap()
                });
                gradients(&g, 2, &format!("{kind:?} {shape:?}"));
            }
        }
        let gate = graph(&[2, 3, 4], |b| {
            let e = b.push("e", Op::Activation(Activation::Exp), &[0]).unwrap();
            let mean = b.push("gap", Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [1, 1] }), &[e]).unwrap();
            b.push("op", Op::Arith(Arith::of_inputs(kind)), &[0, mean]).unwrap()
        });
        gradients(&gate, 2, "gate");
        let square = graph(&[4], |b| b.push("op", Op::Arith(Arith::of_inputs(kind)), &[0, 0]).unwrap());
        gradients(&square, 2, "with itself");
    }
    let mut b = builder(&[2, 3, 4]);
    let id = b.param("c", tensor(&[5, 2, 3, 4], "c"), true);
    assert!(Operand::constant(id, &b.params()[id], 3).unwrap_err().contains("[5, 2, 3, 4]"));
    let small = b.push("gap", Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [2, 3] }), &[0]).unwrap();
    let error =
        b.push("bad", Op::Arith(Arith::of_inputs(Arithmetic::Add)), &[0, small]).unwrap_err().to_string();
    assert!(error.contains("node 'bad' (add)") && error.contains("[2, 2, 3]"), "{error}");
}

#[test]
fn shapes_and_softmax() {
    for size in [[1, 1], [2, 3], [3, 5]] {
        gradients(&one(&[2, 5, 7], &[], |_| Op::AdaptiveAvgPool(AdaptiveAvgPool { size })), 2, "adaptive");
    }
    gradients(&one(&[2, 3, 4], &[], |_| Op::Pad(Pad { amounts: [1, 0, 2, 3], value: 0.5 })), 2, "pad");
    for order in [vec![2, 0, 1], vec![0, 2, 1], vec![0, 1, 2]] {
        gradients(&one(&[2, 3, 4], &[], |_| Op::Transpose(Transpose { order })), 2, "transpose");
    }
    for (axis, log) in [(0, false), (1, true), (2, false), (0, true)] {
        gradients(&one(&[3, 4, 2], &[], |_| Op::Softmax(Softmax { axis, log })), 2, "softmax");
    }
    for axis in 0..3 {
        let g = graph(&[2, 3, 4], |b: &mut Builder| {
            let t = b.push("t", Op::Activation(Activation::Tanh), &[0]).unwrap();
            b.push("cat", Op::Concat(Concat { axis }), &[t, 0, t]).unwrap()
        });
        gradients(&g, 2, "concat");
    }
    let views = graph(&[2, 3, 4], |b| {
        let flat = b.push("flat", Op::View(View::Flatten), &[0]).unwrap();
        let tanh = b.push("tanh", Op::Activation(Activation::Tanh), &[flat]).unwrap();
        let back = b.push("back", Op::View(View::Reshape(vec![2, 3, 4])), &[tanh]).unwrap();
        let sum = b.push("sum", Op::Arith(Arith::of_inputs(Arithmetic::Add)), &[0, back]).unwrap();
        b.push("drop", Op::View(View::Dropout), &[sum]).unwrap()
    });
    gradients(&views, 2, "views");
}

#[test]
fn transpose_and_concat_put_numbers_where_they_belong() {
    let t = one(&[2, 3], &[], |_| Op::Transpose(Transpose { order: vec![1, 0] }));
    assert_eq!(forward(&t, &[], &[1., 2., 3., 4., 5., 6.], 1).1, [1., 4., 2., 5., 3., 6.]);
    let c = graph(&[1, 2, 1], |b| b.push("c", Op::Concat(Concat { axis: 0 }), &[0, 0]).unwrap());
    assert_eq!(forward(&c, &[], &[1., 2., 3., 4.], 2).1, [1., 2., 1., 2., 3., 4., 3., 4.]);
}

#[test]
fn average_pooling_counts_as_the_toolkits_do() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let pool = |count_padding, ceil, padding| {
        let window = Window { padding, ceil, ..Window::new([2, 2], [2, 2]) };
        one(&[1, 3, 3], &[], |_| Op::AvgPool(AvgPool { window, count_padding }))
    };
    let run = |g: &Graph| forward(g, &[], &x, 1).1;
    assert_eq!(run(&pool(true, false, [0; 4])), [3.0]);
    assert_eq!(run(&pool(true, true, [0; 4])), [3.0, 4.5, 7.5, 9.0]);
    assert_eq!(run(&pool(true, false, [1; 4])), [0.25, 1.25, 2.75, 7.0]);
    assert_eq!(run(&pool(false, false, [1; 4])), [1.0, 2.5, 5.5, 7.0]);
}

#[test]
fn what_does_not_fit_is_refused_with_the_name_of_the_node() {
    let mut b = builder(&[3, 8, 8]);
    let weight = b.param("conv.weight", tensor(&[4, 2, 3, 3], "w"), true);
    let odd = Conv2d {
        weight,
        bias: None,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
    };
    let refused = |b: &mut Builder, op: Op| b.push("odd\u{1b}", op, &[0]).unwrap_err().to_string();
    let text = refused(&mut b, Op::Conv2d(odd.clone()));
    assert!(text.contains("node 'odd\\u{1b}' (conv2d)") && text.contains("'conv.weight'"), "{text}");
    assert!(refused(&mut b, Op::Conv2d(Conv2d { groups: 0, ..odd.clone() })).contains("at least 1"));
    assert!(refused(&mut b, Op::Conv2d(Conv2d { stride: [0, 1], ..odd })).contains("at least 1"));
    let window = Window::new([9, 9], [1, 1]);
    assert!(refused(&mut b, Op::MaxPool(MaxPool(window))).contains("does not fit into 8×8"));
    let huge = Pad { amounts: [1 << 20, 0, 0, 1 << 20], value: 0.0 };
    assert!(refused(&mut b, Op::Pad(huge)).contains("activation_bytes"));
    let endless = Pad { amounts: [usize::MAX, 0, 0, 0], value: 0.0 };
    assert!(refused(&mut b, Op::Pad(endless)).contains("too large"));
}

#[test]
fn gradients_of_the_operators_of_transformers() {
    let case = |name: &str, shape: &[usize], build: &dyn Fn(&mut Builder) -> usize| {
        gradients(&graph(shape, build), 2, name);
    };
    case("matmul", &[2, 3, 4], &|b| {
        let turned = b.push("t", Op::Transpose(Transpose { order: vec![0, 2, 1] }), &[0]).unwrap();
        b.push("m", Op::MatMul(MatMul), &[0, turned]).unwrap()
    });
    case("layer norm", &[3, 5], &|b| {
        let weight = Some(b.param("w", tensor(&[5], "w"), true));
        let bias = Some(b.param("b", tensor(&[5], "b"), true));
        b.push("n", Op::LayerNorm(LayerNorm { axes: 1, weight, bias, eps: 1e-5 }), &[0]).unwrap()
    });
    case("layer norm over two axes, bare", &[2, 3, 4], &|b| {
        b.push("n", Op::LayerNorm(LayerNorm { axes: 2, weight: None, bias: None, eps: 1e-5 }), &[0]).unwrap()
    });
    for kind in [Reduction::Mean, Reduction::Sum, Reduction::Max] {
        for axes in [vec![0], vec![1], vec![0, 2]] {
            case("reduce", &[2, 3, 4], &|b| {
                b.push("r", Op::Reduce(Reduce { kind, axes: axes.clone() }), &[0]).unwrap()
            });
        }
    }
    for (shape, axis) in
        [(&[4, 3][..], 0), (&[4, 2, 3], 0), (&[2, 4, 3], 1), (&[2, 3, 4], 2), (&[2, 2, 4, 2], 2)]
    {
        case("slice", shape, &|b| {
            b.push("p", Op::Pick(Pick { axis, indices: vec![3, 1, 1] }), &[0]).unwrap()
        });
    }
    case("constant token", &[2, 3], &|b| {
        let value = b.param("token", tensor(&[1, 3], "t"), true);
        let token = b.push("token", Op::Constant(Constant { value, shape: vec![1, 3] }), &[]).unwrap();
        b.push("c", Op::Concat(Concat { axis: 0 }), &[token, 0]).unwrap()
    });
    case("softmax over heads", &[2, 3, 4], &|b| {
        b.push("s", Op::Softmax(Softmax { axis: 2, log: false }), &[0]).unwrap()
    });
}

#[test]
fn parts_and_averages_are_the_numbers_they_say() {
    let run = |shape: &[usize], op: Op| {
        let g = graph(shape, |b| b.push("o", op.clone(), &[0]).unwrap());
        let x: Vec<f64> = (0..g.size(0)).map(|i| i as f64).collect();
        forward(&g, &wide(&g), &x, 1).1
    };
    assert_eq!(
        run(&[2, 2, 3], Op::Pick(Pick { axis: 2, indices: vec![2, 0] })),
        [2., 0., 5., 3., 8., 6., 11., 9.]
    );
    assert_eq!(run(&[3, 1, 2], Op::Pick(Pick { axis: 0, indices: vec![2] })), [4., 5.]);
    let reduce = |kind, axes: &[usize]| Op::Reduce(Reduce { kind, axes: axes.to_vec() });
    assert_eq!(run(&[2, 3], reduce(Reduction::Mean, &[1])), [1., 4.]);
    assert_eq!(run(&[2, 3], reduce(Reduction::Sum, &[0])), [3., 5., 7.]);
    assert_eq!(run(&[2, 2, 2], reduce(Reduction::Max, &[0, 2])), [5., 7.]);
    let g = graph(&[2, 2], |b| b.push("m", Op::MatMul(MatMul), &[0, 0]).unwrap());
    assert_eq!(forward(&g, &wide(&g), &[1., 2., 3., 4.], 1).1, [7., 10., 15., 22.]);
}
