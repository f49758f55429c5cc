use super::proto::{
    AttributeProto, Dim, Entry, FunctionProto, GraphProto, NodeProto, OperatorSetId, Shape, TensorProto,
    TensorType, TypeProto, ValueInfo,
};
use super::*;
use crate::network::check::{forward, numbers, wide};

fn info(name: &str, dims: &[i64]) -> ValueInfo {
    let dim =
        dims.iter().map(|&d| Dim { value: (d >= 0).then_some(d), param: (d < 0).then(|| "batch".into()) });
    let tensor = Some(TensorType { element: 1, shape: Some(Shape { dim: dim.collect() }) });
    ValueInfo { name: name.into(), kind: Some(TypeProto { tensor }) }
}

fn ints(name: &str, list: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: list.to_vec(), kind: 7, ..AttributeProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, kind: 2, ..AttributeProto::default() }
}

fn node(op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        op_type: op.into(),
        attribute,
        ..NodeProto::default()
    }
}

fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>() as usize;
    let float_data = numbers(count, name).into_iter().map(|v| v as f32).collect();
    TensorProto { name: name.into(), dims: dims.to_vec(), data_type: 1, float_data, ..TensorProto::default() }
}

fn whole(name: &str, data: &[i64]) -> TensorProto {
    let dims = vec![data.len() as i64];
    TensorProto { name: name.into(), dims, data_type: 7, int64_data: data.to_vec(), ..TensorProto::default() }
}

fn model(input: &[i64], node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    ModelProto {
        ir_version: 8,
        graph: Some(GraphProto {
            node,
            initializer,
            input: vec![info("x", input)],
            output: vec![info("y", &[])],
            ..GraphProto::default()
        }),
        opset_import: vec![OperatorSetId { domain: String::new(), version: 17 }],
        ..ModelProto::default()
    }
}

fn open(model: &ModelProto) -> Result<Read, EvidenceError> {
    read(Path::new("suspect.onnx"), &model.encode_to_vec(), None, &Limits::default())
}

fn refused(model: &ModelProto) -> (&'static str, String) {
    let error = open(model).unwrap_err();
    (error.code, error.to_string())
}

/// Output of the graph for two images of fixed numbers.
fn run(graph: &Graph) -> Vec<f64> {
    let x = numbers(2 * graph.size(0), "x");
    forward(graph, &wide(graph), &x, 2).1
}

#[test]
fn a_flatten_written_as_arithmetic_on_shapes_is_a_reshape() {
    let chain = |last: Vec<NodeProto>, data: Vec<TensorProto>| {
        let mut nodes = vec![node("Relu", &["x"], "r", vec![])];
        nodes.extend(last);
        model(&[-1, 2, 3, 4], nodes, data)
    };
    let constant = |name: &str, data: &[i64]| {
        let t = Some(whole("", data));
        node(
            "Constant",
            &[],
            name,
            vec![AttributeProto { name: "value".into(), t, ..AttributeProto::default() }],
        )
    };
    let plain = chain(vec![node("Flatten", &["r"], "y", vec![])], vec![]);
    let wanted = run(&open(&plain).unwrap().graph);
    let gathered = chain(
        vec![
            node("Shape", &["r"], "s", vec![]),
            constant("zero", &[0]),
            node("Gather", &["s", "zero"], "n", vec![int("axis", 0)]),
            constant("minus", &[-1]),
            node("Concat", &["n", "minus"], "to", vec![int("axis", 0)]),
            node("Reshape", &["r", "to"], "y", vec![]),
        ],
        vec![],
    );
    let multiplied = chain(
        vec![
            node("Shape", &["r"], "s", vec![]),
            node("Slice", &["s", "from", "until"], "rest", vec![]),
            node("ReduceProd", &["rest"], "size", vec![]),
            node("Unsqueeze", &["size", "from0"], "size1", vec![]),
            node("Concat", &["batch", "size1"], "to", vec![int("axis", 0)]),
            node("Reshape", &["r", "to"], "y", vec![]),
        ],
        vec![whole("from", &[1]), whole("until", &[i64::MAX]), whole("from0", &[0]), whole("batch", &[-1])],
    );
    for m in [gathered, multiplied] {
        let read = open(&m).unwrap();
        assert_eq!(read.graph.nodes.len(), 2);
        assert_eq!(read.graph.shape(read.graph.output), [24]);
        assert_eq!(run(&read.graph), wanted);
    }
    let merges = chain(vec![node("Reshape", &["r", "to"], "y", vec![])], vec![whole("to", &[6, -1])]);
    let (code, text) = refused(&merges);
    assert!(code == "onnx.graph.shape" && text.contains("cannot become [6, -1]"), "{text}");
}

#[test]
fn a_head_of_matmul_add_and_mean_is_linear() {
    let m = model(
        &[1, 3, 4, 4],
        vec![
            node("ReduceMean", &["x"], "m", vec![ints("axes", &[-1, -2]), int("keepdims", 0)]),
            node("MatMul", &["m", "w"], "z", vec![]),
            node("Add", &["b", "z"], "y", vec![]),
        ],
        vec![weights("w", &[3, 5]), weights("b", &[5])],
    );
    let graph = open(&m).unwrap().graph;
    let x = numbers(2 * 48, "x");
    let (w, b) = (weights("w", &[3, 5]).float_data, weights("b", &[5]).float_data);
    let by_hand = x.chunks(48).flat_map(|x| {
        let mean: Vec<f64> = x.chunks(16).map(|c| c.iter().sum::<f64>() / 16.0).collect();
        (0..5)
            .map(|k| f64::from(b[k]) + (0..3).map(|i| mean[i] * f64::from(w[i * 5 + k])).sum::<f64>())
            .collect::<Vec<f64>>()
    });
    for (a, b) in run(&graph).into_iter().zip(by_hand) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
    assert!(graph.find("z").is_some() && graph.find("m").is_some());
}

#[test]
fn weights_of_other_types_are_converted_and_said_so() {
    let raw = |kind: i32, bytes: Vec<u8>| TensorProto {
        name: "c".into(),
        dims: vec![1],
        data_type: kind,
        raw_data: Some(bytes),
        ..TensorProto::default()
    };
    for (t, name) in [
        (raw(1, 1.5f32.to_le_bytes().to_vec()), None),
        (raw(10, vec![0x00, 0x3e]), Some("f16")),
        (raw(16, vec![0xc0, 0x3f]), Some("bf16")),
        (raw(11, 1.5f64.to_le_bytes().to_vec()), Some("f64")),
    ] {
        let read = open(&model(&[1, 1, 1, 2], vec![node("Mul", &["x", "c"], "y", vec![])], vec![t])).unwrap();
        assert_eq!(read.graph.params[0].data(), [1.5]);
        let said = read.facts.iter().find(|f| f.contains("converted"));
        assert_eq!(
            said.map(String::as_str),
            name.map(|n| format!("weights stored as {n} were converted to f32")).as_deref()
        );
    }
}

#[test]
fn nodes_out_of_order_are_sorted_and_idle_ones_left_out() {
    let m = model(
        &[1, 1, 2, 2],
        vec![
            node("Tanh", &["r"], "y", vec![]),
            node("NonMaxSuppression", &["x"], "idle", vec![]),
            node("Relu", &["x"], "r", vec![]),
        ],
        vec![weights("nobody", &[3])],
    );
    let read = open(&m).unwrap();
    assert_eq!(read.graph.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["r", "y"]);
    for said in ["out of order", "1 nodes do not contribute", "1 stored tensors are used by no node"] {
        assert!(read.facts.iter().any(|f| f.contains(said)), "{said}: {:?}", read.facts);
    }
}

#[test]
fn same_padding_follows_the_size() {
    let conv = |pad: &str, size: i64| {
        let auto =
            AttributeProto { name: "auto_pad".into(), s: pad.into(), kind: 3, ..AttributeProto::default() };
        let m = model(
            &[1, 1, size, size],
            vec![node("Conv", &["x", "w"], "y", vec![auto, ints("strides", &[2, 2])])],
            vec![weights("w", &[1, 1, 2, 2])],
        );
        let graph = open(&m).unwrap().graph;
        let crate::network::op::Op::Conv2d(c) = &graph.nodes[0].op else { panic!("a convolution") };
        (c.padding, graph.nodes[0].shape.clone())
    };
    assert_eq!(conv("SAME_UPPER", 5), ([0, 0, 1, 1], vec![1, 3, 3]));
    assert_eq!(conv("SAME_LOWER", 5), ([1, 1, 0, 0], vec![1, 3, 3]));
    assert_eq!(conv("SAME_UPPER", 4), ([0, 0, 0, 0], vec![1, 2, 2]));
    assert_eq!(conv("VALID", 5), ([0; 4], vec![1, 2, 2]));
}

#[test]
fn an_unsupported_operator_is_named_with_its_node_and_what_could_be_done() {
    let mut odd = node("GridSample", &["x"], "y", vec![]);
    odd.name = "warp\u{1b}[2J".into();
    let (code, text) = refused(&model(&[1, 1, 2, 2], vec![odd.clone()], vec![]));
    assert_eq!(code, "onnx.op.unknown");
    assert_eq!(
        text,
        "suspect.onnx: node 'warp\\u{1b}[2J' (GridSample): operator 'GridSample' is not supported; export the network \
         up to its logits with standard layers in evaluation mode, or give its weights as safetensors with a network \
         description"
    );
    odd.domain = "com.evil".into();
    assert!(refused(&model(&[1, 1, 2, 2], vec![odd], vec![])).1.contains("of domain 'com.evil'"));
    let graphs = AttributeProto { name: "body".into(), g: Some(vec![]), ..AttributeProto::default() };
    let (_, text) = refused(&model(&[1, 1, 2, 2], vec![node("Loop", &["x"], "y", vec![graphs])], vec![]));
    assert!(text.contains("with control flow"), "{text}");
}

#[test]
fn what_is_wrong_has_a_stable_code() {
    let relu = |from: &str, to: &str| node("Relu", &[from], to, vec![]);
    let with = |t: TensorProto| model(&[1, 1, 2, 2], vec![node("Mul", &["x", "w"], "y", vec![])], vec![t]);
    let raw = |dims: &[i64], kind: i32, bytes: usize| TensorProto {
        name: "w".into(),
        dims: dims.to_vec(),
        data_type: kind,
        raw_data: Some(vec![0; bytes]),
        ..TensorProto::default()
    };
    let outside = |key: &str, value: &str| {
        let mut t = raw(&[1], 1, 0);
        t.data_location = 1;
        t.external_data = vec![Entry { key: key.into(), value: value.into() }];
        with(t)
    };
    let mut both = raw(&[1], 1, 4);
    both.float_data = vec![0.0];
    let mut old = with(raw(&[1], 1, 4));
    old.opset_import[0].version = 7;
    let mut recursive = with(raw(&[1], 1, 4));
    let calls = |name: &str, other: &str| FunctionProto {
        name: name.into(),
        node: vec![node(other, &[], "", vec![])],
    };
    recursive.functions = vec![calls("a", "b"), calls("b", "a")];
    let mut deep = Vec::new();
    for _ in 0..100 {
        let g = Some(deep);
        let attribute = vec![AttributeProto { name: "then".into(), g, ..AttributeProto::default() }];
        deep = GraphProto { node: vec![node("If", &[], "", attribute)], ..GraphProto::default() }
            .encode_to_vec();
    }
    let deep = AttributeProto { name: "then".into(), g: Some(deep), ..AttributeProto::default() };
    let conv = |name: &str, list: &[i64]| {
        let nodes = vec![node("Conv", &["x", "w"], "y", vec![ints(name, list)])];
        model(&[1, 1, 4, 4], nodes, vec![weights("w", &[1, 1, 2, 2])])
    };
    let list: Vec<(&str, ModelProto)> = vec![
        ("onnx.graph.cycle", model(&[1, 1, 2, 2], vec![relu("y", "a"), relu("a", "y")], vec![])),
        ("onnx.graph.undefined", model(&[1, 1, 2, 2], vec![relu("nothing", "y")], vec![])),
        ("onnx.graph.undefined", model(&[1, 1, 2, 2], vec![relu("x", "z")], vec![])),
        ("onnx.graph.ssa", model(&[1, 1, 2, 2], vec![relu("x", "y"), relu("x", "y")], vec![])),
        ("onnx.graph.ssa", model(&[1, 1, 2, 2], vec![relu("x", "x")], vec![])),
        ("onnx.graph.shape", with(raw(&[3, 1, 1, 1], 1, 12))),
        ("onnx.graph.shape", model(&[1, 1, 2, -1], vec![relu("x", "y")], vec![])),
        ("onnx.tensor.dims", with(raw(&[-1], 1, 4))),
        ("onnx.tensor.dims", with(raw(&[1; 9], 1, 4))),
        ("onnx.tensor.size", with(raw(&[1 << 33, 1 << 33], 1, 4))),
        ("onnx.tensor.size", with(raw(&[1], 1, 3))),
        ("onnx.tensor.dtype", with(raw(&[1], 0, 4))),
        ("onnx.tensor.dtype", with(raw(&[1], 8, 4))),
        ("onnx.tensor.ambiguous", with(both)),
        ("onnx.external.traversal", outside("location", "../../etc/passwd")),
        ("onnx.external.traversal", outside("location", "C:\\w.bin")),
        ("onnx.external.special", outside("location", "https://example.invalid/w")),
        ("onnx.external.missing", outside("location", "w.bin")),
        ("onnx.external.keys", outside("mode", "w")),
        ("onnx.external.range", outside("offset", "-1")),
        ("onnx.version", old),
        ("onnx.function.recursive", recursive),
        ("onnx.depth", model(&[1, 1, 2, 2], vec![node("If", &["x"], "y", vec![deep])], vec![])),
        ("onnx.op.attr", conv("strides", &[0, 1])),
        ("onnx.op.attr", conv("pads", &[-1, 0, 0, 0])),
        ("onnx.op.attr", conv("dilations", &[1])),
        ("onnx.limit", conv("pads", &[1 << 30, 0, 0, 1 << 30])),
    ];
    for (code, m) in list {
        let (found, text) = refused(&m);
        assert_eq!(found, code, "{text}");
        assert!(text.starts_with("suspect.onnx: "), "{text}");
    }
    let whole = with(raw(&[1], 1, 4)).encode_to_vec();
    let open = |data: &[u8]| read(Path::new("t.onnx"), data, None, &Limits::default());
    assert!(open(&whole).is_ok());
    assert_eq!(open(&[]).unwrap_err().code, "format.mismatch");
    for cut in 1..whole.len() {
        // Never a panic; a cut message may still be one by chance, but then holds no graph.
        assert!(open(&whole[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn heads_are_split_alike_wherever_the_batch_axis_goes() {
    let mut plain = vec![
        node("Reshape", &["x", "heads"], "h", vec![]),
        node("Transpose", &["h"], "t", vec![ints("perm", &[0, 2, 1, 3])]),
        node("Flatten", &["t"], "y", vec![]),
    ];
    let tensors = || {
        vec![
            whole("heads", &[0, 4, 2, 3]),
            whole("two", &[2]),
            whole("zero", &[0]),
            whole("four", &[4]),
            whole("three", &[3]),
        ]
    };
    let wanted = run(&open(&model(&[-1, 4, 6], plain.clone(), tensors())).unwrap().graph);
    // As PyTorch's attention is exported: sequence first, then batch and heads as one axis, and apart again.
    let moved = |order: [&str; 3]| {
        vec![
            node("Shape", &["x"], "s", vec![]),
            node("Gather", &["s", "zero"], "n", vec![]),
            node("Mul", &["n", "two"], "nh", vec![]),
            node("Transpose", &["x"], "l", vec![ints("perm", &[1, 0, 2])]),
            node("Concat", &["four", "nh", "three"], "to", vec![int("axis", 0)]),
            node("Reshape", &["l", "to"], "lh", vec![]),
            node("Transpose", &["lh"], "hl", vec![ints("perm", &[1, 0, 2])]),
            node("Concat", &[order[0], "two", order[1], order[2]], "back", vec![int("axis", 0)]),
            node("Reshape", &["hl", "back"], "t", vec![]),
            node("Flatten", &["t"], "y", vec![]),
        ]
    };
    let read = open(&model(&[-1, 4, 6], moved(["n", "four", "three"]), tensors())).unwrap();
    assert_eq!(run(&read.graph), wanted);
    // And back to the sequence, as rows of all images: the batch is the inner of two axes that are one.
    plain.truncate(2);
    plain.extend([
        node("Transpose", &["t"], "u", vec![ints("perm", &[2, 0, 1, 3])]),
        node("Reshape", &["u", "rows"], "r", vec![]),
        node("MatMul", &["r", "w"], "m", vec![]),
        node("Shape", &["x"], "s", vec![]),
        node("Gather", &["s", "zero"], "n", vec![]),
        node("Concat", &["four", "n", "five"], "apart", vec![int("axis", 0)]),
        node("Reshape", &["m", "apart"], "a", vec![]),
        node("Transpose", &["a"], "b", vec![ints("perm", &[1, 0, 2])]),
        node("Flatten", &["b"], "y", vec![]),
    ]);
    let more =
        [tensors(), vec![whole("rows", &[-1, 6]), whole("five", &[5]), weights("w", &[6, 5])]].concat();
    let read = open(&model(&[-1, 4, 6], plain, more)).unwrap();
    // The same linear layer over the rows of each image as they came.
    let direct = vec![node("MatMul", &["x", "w"], "m", vec![]), node("Flatten", &["m"], "y", vec![])];
    let direct = open(&model(&[-1, 4, 6], direct, vec![weights("w", &[6, 5])])).unwrap();
    let (a, b) = (run(&read.graph), run(&direct.graph));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
}

#[test]
fn a_split_has_several_outputs_and_slices_run_backwards() {
    let nodes = vec![
        node("Split", &["x", "parts"], "a", vec![int("axis", 1)]),
        node("Slice", &["b", "from", "until", "along", "by"], "r", vec![]),
        node("Concat", &["r", "a"], "c", vec![int("axis", 1)]),
        node("Flatten", &["c"], "y", vec![]),
    ];
    let mut m = model(
        &[-1, 3, 2, 2],
        nodes,
        vec![
            whole("parts", &[1, 2]),
            whole("from", &[-1]),
            whole("until", &[i64::MIN]),
            whole("along", &[1]),
            whole("by", &[-1]),
        ],
    );
    m.graph.as_mut().unwrap().node[0].output.push("b".into());
    let graph = open(&m).unwrap().graph;
    let x = numbers(2 * 12, "x");
    let by_hand: Vec<f64> = x.chunks(12).flat_map(|x| [&x[8..12], &x[4..8], &x[0..4]].concat()).collect();
    assert_eq!(run(&graph), by_hand);
}

#[test]
fn eight_bit_weights_get_their_scale() {
    let stored = TensorProto {
        name: "q".into(),
        dims: vec![2, 3],
        data_type: 3,
        raw_data: Some(vec![1, 2, 3, 0xff, 0, 4]),
        ..TensorProto::default()
    };
    let scale = TensorProto {
        name: "s".into(),
        dims: vec![2],
        data_type: 1,
        float_data: vec![0.5, 2.0],
        ..TensorProto::default()
    };
    let nodes = vec![
        node("DequantizeLinear", &["q", "s"], "w", vec![int("axis", 0)]),
        node("MatMul", &["x", "w"], "y", vec![]),
    ];
    let graph = open(&model(&[-1, 2], nodes, vec![stored, scale])).unwrap().graph;
    assert_eq!(graph.params[0].data(), [0.5, -2.0, 1.0, 0.0, 1.5, 8.0]);
}

#[test]
fn weights_in_a_second_file_are_read_only_when_asked_for_and_only_beside_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    let entry = |key: &str, value: &str| Entry { key: key.into(), value: value.into() };
    let inline = weights("w", &[2, 3]);
    let raw: Vec<u8> = inline.float_data.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(dir.path().join("w.bin"), [&[9; 8][..], &raw].concat()).unwrap();
    std::os::unix::fs::symlink("w.bin", dir.path().join("link.bin")).unwrap();
    let outside = |location: &str, offset: &str, length: &str| {
        let tensor = TensorProto {
            float_data: Vec::new(),
            data_location: 1,
            external_data: vec![
                entry("location", location),
                entry("offset", offset),
                entry("length", length),
            ],
            ..weights("w", &[2, 3])
        };
        model(&[-1, 2], vec![node("MatMul", &["x", "w"], "y", vec![])], vec![tensor]).encode_to_vec()
    };
    let open = |data: &[u8]| read_with_external(&path, data, None, &Limits::default());
    let whole = outside("w.bin", "8", "24");
    let graph = open(&whole).unwrap();
    assert!(graph.facts.iter().any(|f| f.contains("'w.bin'") && f.contains("SHA-256")), "{:?}", graph.facts);
    let plain = model(&[-1, 2], vec![node("MatMul", &["x", "w"], "y", vec![])], vec![inline]);
    assert_eq!(
        graph.graph.params,
        read(&path, &plain.encode_to_vec(), None, &Limits::default()).unwrap().graph.params
    );
    assert_eq!(read(&path, &whole, None, &Limits::default()).unwrap_err().code, "onnx.external.missing");
    for (location, offset, length, code) in [
        ("link.bin", "8", "24", "onnx.external.missing"),
        ("none.bin", "8", "24", "onnx.external.missing"),
        ("w.bin", "9", "24", "onnx.external.range"),
        ("w.bin", "8", "20", "onnx.external.range"),
        ("w.bin", "18446744073709551615", "24", "onnx.external.range"),
        ("sub/w.bin", "8", "24", "onnx.external.traversal"),
        ("../w.bin", "8", "24", "onnx.external.traversal"),
    ] {
        assert_eq!(open(&outside(location, offset, length)).unwrap_err().code, code, "{location}");
    }
}

mod foreign {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_damaged_file_never_panics(at in 0usize..10_000, byte in any::<u8>(), cut in 0usize..40) {
            let nodes = vec![
                node("Conv", &["x", "w"], "c", vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 1])]),
                node("MaxPool", &["c"], "p", vec![ints("kernel_shape", &[2, 2])]),
                node("Reshape", &["p", "to"], "f", vec![]),
                node("MatMul", &["f", "fc"], "y", vec![]),
            ];
            let tensors = vec![weights("w", &[2, 1, 3, 3]), whole("to", &[0, -1]), weights("fc", &[6, 3])];
            let mut data = model(&[-1, 1, 3, 4], nodes, tensors).encode_to_vec();
            let whole = open(&ModelProto::decode(data.as_slice()).unwrap()).unwrap();
            prop_assert_eq!(whole.graph.shape(whole.graph.output), &[3]);
            let at = at % data.len();
            data[at] = byte;
            data.truncate(data.len() - cut % 3 * 7);
            let limits = Limits { activation_bytes: 1 << 20, ..Limits::default() };
            if let Ok(read) = read(Path::new("d.onnx"), &data, Some([1, 3, 4]), &limits)
                && read.graph.numbers < 100_000
            {
                run(&read.graph);
            }
        }
    }
}
