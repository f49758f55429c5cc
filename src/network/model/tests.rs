use super::*;
use crate::evidence::Limits;
use crate::network::check::numbers;
use crate::network::description::Description;
use crate::network::train::initialise;
use crate::network::{description::builtin, save};

fn spec(shape: [usize; 3]) -> InputSpec {
    let (mean, std) = (vec![0.3; shape[0]], vec![0.25; shape[0]]);
    InputSpec { shape, range: [-1.0, 1.0], mean, std }
}

fn model(name: &str, shape: [usize; 3], classes: usize) -> Model {
    let mut graph =
        initialise(&builtin::describe(name, shape, classes).unwrap(), 5, &Limits::default()).unwrap();
    // Statistics as after training, so that folding has something to fold.
    for (i, p) in graph.params.iter_mut().enumerate().filter(|(_, p)| p.value.ndim() == 1) {
        let shift = if p.name.ends_with("var") { 1.2 } else { 0.1 };
        let data = numbers(p.value.len(), &format!("p{i}"));
        p.value.iter_mut().zip(data).for_each(|(v, d)| *v += shift + 0.3 * d as f32);
    }
    Model::from_graph(graph, spec(shape), Vec::new()).unwrap()
}

fn images(n: usize, [c, h, w]: [usize; 3]) -> Array4<f32> {
    let data = numbers(n * c * h * w, "images").into_iter().map(|v| 0.5 + 0.5 * v as f32).collect();
    Array4::from_shape_vec((n, c, h, w), data).unwrap()
}

fn gap(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn a_merged_network_gives_the_same_numbers_as_the_network_as_loaded() {
    let m = model("resnet8", [3, 10, 9], 4);
    assert!(m.fast.nodes.len() < 20 && m.graph.nodes.len() == 31);
    assert!(m.fast.nodes.iter().all(|n| !matches!(n.op, Op::BatchNorm(_))));
    let x = images(19, [3, 10, 9]);
    let fast = m.logits(x.view()).unwrap();
    for layer in m.layers() {
        let (activations, logits) = m.activations(x.view(), &layer.name).unwrap();
        assert_eq!(activations.shape(), [19, layer.shape.iter().product()]);
        assert!(gap(&logits, &fast) < 1e-4, "{}", layer.name);
        let whole =
            m.forward(&m.graph, &m.packs, &m.full_pool, &x.view(), &[m.graph.find(&layer.name).unwrap()]);
        assert!(gap(&activations, &whole[0]) < 1e-4, "{}", layer.name);
    }
    assert_eq!(m.penultimate(), "flat");
    let error = m.activations(x.view(), "nowhere").unwrap_err().to_string();
    assert!(error.contains("no layer 'nowhere'") && error.contains("s0b0_conv1"), "{error}");
}

#[test]
fn the_input_gradient_agrees_with_differences_of_the_loss_in_unit_pixels() {
    let m = model("resnet8", [2, 6, 6], 3);
    let x = images(10, [2, 6, 6]);
    let weights = Array2::from_shape_fn((10, 3), |(i, k)| ((i * 3 + k) as f32).sin());
    let (logits, gradient) = m.input_gradient(x.view(), &mut |_| weights.clone()).unwrap();
    assert_eq!(logits, m.logits(x.view()).unwrap());
    // In f64 over the same merged network.
    let params = crate::network::check::wide(&m.fast);
    let loss = |x: &Array4<f32>, at: usize, d: f64| -> f64 {
        let mut input: Vec<f64> = x.iter().map(|&p| (-1.0 + 2.0 * f64::from(p) - 0.3) / 0.25).collect();
        input[at] += d * 2.0 / 0.25;
        let y = crate::network::check::forward(&m.fast, &params, &input, 10).1;
        y.iter().zip(&weights).map(|(a, &b)| a * f64::from(b)).sum()
    };
    for (at, &g) in gradient.iter().enumerate().step_by(37) {
        let numeric = (loss(&x, at, 1e-6) - loss(&x, at, -1e-6)) / 2e-6;
        assert!((numeric - f64::from(g)).abs() < 1e-3 * (1.0 + numeric.abs()), "{at}: {numeric} and {g}");
    }
    assert!(m.input_gradient(x.view(), &mut |_| Array2::zeros((10, 2))).is_err());
}

#[test]
fn an_image_has_the_same_bits_alone_and_in_a_batch_and_at_any_number_of_threads() {
    let m = model("smallcnn", [1, 12, 12], 5);
    let x = images(37, [1, 12, 12]);
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (logits, gradient) = m.input_gradient(x.view(), &mut |z| z.to_owned()).unwrap();
            (m.logits(x.view()).unwrap(), logits, gradient, m.activations(x.view(), "conv1").unwrap())
        })
    };
    let one = at(1);
    assert_eq!(one, at(2));
    assert_eq!(one, at(3));
    for i in [0, 15, 16, 36] {
        let alone = m.logits(x.slice_axis(Axis(0), (i..=i).into())).unwrap();
        assert_eq!(alone.row(0), one.0.row(i));
    }
    // Another memory layout, and no images at all.
    let other =
        x.clone().permuted_axes([0, 1, 3, 2]).as_standard_layout().into_owned().permuted_axes([0, 1, 3, 2]);
    assert_eq!(m.logits(other.view()).unwrap(), one.0);
    assert_eq!(m.logits(Array4::zeros((0, 1, 12, 12)).view()).unwrap().shape(), [0, 5]);
}

#[test]
fn a_closing_softmax_is_left_out_of_the_logits() {
    let mut description = builtin::describe("smallcnn", [1, 8, 8], 3).unwrap();
    let plain = Model::from_graph(
        initialise(&description, 5, &Limits::default()).unwrap(),
        description.input_spec(),
        Vec::new(),
    )
    .unwrap();
    let mut softmax = description.nodes[6].clone();
    (softmax.name, softmax.op, softmax.inputs) = ("prob".into(), "softmax".into(), vec!["fc2".into()]);
    description.nodes.push(softmax);
    description.output = "prob".into();
    let graph = initialise(&description, 5, &Limits::default()).unwrap();
    let closed = Model::from_graph(graph, description.input_spec(), Vec::new()).unwrap();
    let x = images(3, [1, 8, 8]);
    assert!(closed.closing_softmax() && !plain.closing_softmax());
    assert_eq!(closed.logits(x.view()).unwrap(), plain.logits(x.view()).unwrap());
    assert_eq!(closed.penultimate(), "relu3");
    for row in closed.outputs(x.view()).unwrap().outer_iter() {
        assert!((row.sum() - 1.0).abs() < 1e-6);
    }
    assert_eq!(closed.activations(x.view(), "prob").unwrap().0, closed.outputs(x.view()).unwrap());
}

#[test]
fn what_does_not_fit_is_refused() {
    let graph =
        initialise(&builtin::describe("smallcnn", [1, 8, 8], 3).unwrap(), 5, &Limits::default()).unwrap();
    let said = |input: InputSpec, classes: usize| {
        let classes = (0..classes).map(|k| Untrusted::new(format!("{k}"))).collect();
        Model::from_graph(graph.clone(), input, classes).unwrap_err().to_string()
    };
    assert!(said(spec([3, 8, 8]), 0).contains("[3, 8, 8]"));
    assert!(said(spec([1, 8, 8]), 4).contains("4 class names for 3 outputs"));
    assert!(said(InputSpec { std: vec![0.0], ..spec([1, 8, 8]) }, 0).contains("std"));
    assert!(
        said(InputSpec { mean: vec![0.0; 3], ..spec([1, 8, 8]) }, 0).contains("3 numbers for 1 channels")
    );
    let m = model("smallcnn", [1, 8, 8], 3);
    let error = m.logits(images(2, [1, 8, 9]).view()).unwrap_err().to_string();
    assert!(error.contains("[1, 8, 9]") && error.contains("[1, 8, 8]"), "{error}");
}

#[test]
fn a_network_written_as_onnx_reads_back_as_the_same_network() {
    let text = r#"{"format": "laocoon-network-1", "input": {"name": "image", "shape": [2, 9, 9]}, "output": "prob", "nodes": [
      {"name": "pad", "op": "pad", "inputs": ["image"], "padding": [1, 0, 2, 1]},
      {"name": "c1", "op": "conv2d", "inputs": ["pad"], "out_channels": 4, "kernel": 3, "stride": 2, "groups": 2, "params": {"weight": "c1.w", "bias": "c1.b"}},
      {"name": "bn", "op": "batchnorm2d", "inputs": ["c1"], "params": {"weight": "g", "bias": "h", "running_mean": "m", "running_var": "v"}},
      {"name": "act", "op": "silu", "inputs": ["bn"]},
      {"name": "max", "op": "maxpool2d", "inputs": ["act"], "kernel": 2, "stride": 1, "padding": 1, "ceil_mode": true},
      {"name": "avg", "op": "avgpool2d", "inputs": ["act"], "kernel": 2, "stride": 1, "padding": 1, "count_include_pad": false},
      {"name": "cat", "op": "concat", "inputs": ["max", "avg"]},
      {"name": "six", "op": "relu6", "inputs": ["cat"]},
      {"name": "mul", "op": "mul", "inputs": ["six", "cat"]},
      {"name": "elu", "op": "elu", "inputs": ["mul"], "alpha": 0.5},
      {"name": "gap", "op": "globalavgpool", "inputs": ["elu"]},
      {"name": "flat", "op": "reshape", "inputs": ["gap"], "shape": [8]},
      {"name": "drop", "op": "dropout", "inputs": ["flat"], "p": 0.5},
      {"name": "fc", "op": "linear", "inputs": ["drop"], "out_features": 3, "params": {"weight": "fc.w", "bias": "fc.b"}},
      {"name": "prob", "op": "softmax", "inputs": ["fc"]}]}"#;
    let description = Description::parse(text).unwrap();
    assert_eq!(Description::parse(&description.to_json().unwrap()).unwrap(), description);
    let graph = initialise(&description, 9, &Limits::default()).unwrap();
    let bytes = save::onnx(&graph).unwrap();
    assert_eq!(bytes, save::onnx(&graph).unwrap());
    let read = crate::network::onnx::read("m.onnx".as_ref(), &bytes, None, &Limits::default()).unwrap();
    let build = |g: Graph| Model::from_graph(g, description.input_spec(), Vec::new()).unwrap();
    let (a, b) = (build(graph), build(read.graph));
    let x = images(5, [2, 9, 9]);
    for layer in ["bn", "cat", "flat", "prob"] {
        assert_eq!(
            a.activations(x.view(), layer).unwrap(),
            b.activations(x.view(), layer).unwrap(),
            "{layer}"
        );
    }
    assert_eq!(a.logits(x.view()).unwrap(), b.logits(x.view()).unwrap());
    assert!(read.facts[0].contains("opset 17"));
}
