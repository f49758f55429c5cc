use super::*;

fn built(nodes: &str) -> Result<Graph, NetworkError> {
    let text = format!(
        r#"{{"format": "laocoon-network-1", "input": {{"shape": [2, 4, 4]}}, "output": "out", "nodes": [{nodes}]}}"#
    );
    Description::parse(&text)?.build(&Limits::default(), &mut |w| Ok(ArrayD::zeros(w.shape.as_slice())))
}

fn refused(nodes: &str) -> String {
    built(nodes).unwrap_err().to_string()
}

#[test]
fn built_in_architectures_have_the_parameters_of_their_weights_files() {
    let names = |arch: &str, shape| {
        let mut names = Vec::new();
        let description = builtin::describe(arch, shape, 10).unwrap();
        let graph = description
            .build(&Limits::default(), &mut |w| {
                names.push(format!("{} {:?}", w.name, w.shape));
                Ok(ArrayD::zeros(w.shape.as_slice()))
            })
            .unwrap();
        (names, graph.parameter_count())
    };
    let (small, count) = names("smallcnn", [1, 28, 28]);
    assert_eq!(small[0], "conv1.weight [16, 1, 3, 3]");
    assert_eq!(small[4], "fc1.weight [64, 1568]");
    assert_eq!((small.len(), count), (8, 105_866));
    let (residual, count) = names("resnet8", [3, 32, 32]);
    assert!(residual.contains(&"s1b0_short.weight [32, 16, 1, 1]".to_owned()));
    assert!(residual.contains(&"s2b0_shortbn.running_var [64]".to_owned()));
    assert_eq!((residual.len(), count), (47, 78_714));
    assert!(builtin::describe("transformer", [3, 32, 32], 10).is_none());
}

#[test]
fn sizes_are_one_two_or_four_numbers() {
    let conv = |fields: &str| {
        built(&format!(r#"{{"name": "out", "op": "conv2d", "inputs": ["input"], "out_channels": 1, "params": {{"weight": "w"}}, {fields}}}"#))
            .map(|g| g.nodes[0].shape.clone())
    };
    assert_eq!(conv(r#""kernel": 3, "padding": 1"#).unwrap(), [1, 4, 4]);
    assert_eq!(conv(r#""kernel": [3, 1], "padding": [1, 0], "stride": [2, 1]"#).unwrap(), [1, 2, 4]);
    assert_eq!(conv(r#""kernel": [2, 2], "padding": [0, 0, 1, 1]"#).unwrap(), [1, 4, 4]);
    assert!(conv(r#""kernel": [1, 1, 1, 1]"#).unwrap_err().to_string().contains("one or two numbers"));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let node = |fields: &str| format!(r#"{{"name": "out", "inputs": ["input"], {fields}}}"#);
    for (fields, said) in [
        (r#""op": "attention""#, "node 'out': operator 'attention' is not supported"),
        (r#""op": "relu", "groupes": 2"#, "unknown field `groupes`"),
        (r#""op": "conv2d", "kernel": 3"#, "node 'out': 'out_channels' is missing"),
        (r#""op": "conv2d", "out_channels": 1, "kernel": 3"#, "does not name its weight"),
        (
            r#""op": "conv2d", "out_channels": 1, "kernel": 3, "in_channels": 5, "params": {"weight": "w"}"#,
            "Some(5)",
        ),
        (
            r#""op": "conv2d", "out_channels": 1, "kernel": 9, "params": {"weight": "w"}"#,
            "does not fit into 4×4",
        ),
        (
            r#""op": "conv2d", "out_channels": 1, "kernel": 1, "groups": 0, "params": {"weight": "w"}"#,
            "at least 1",
        ),
        (r#""op": "linear", "params": {"weight": "w"}"#, "'out_features' is missing"),
        (r#""op": "add""#, "takes two inputs, has 1"),
        (r#""op": "reshape", "shape": [3, 3]"#, "cannot become [3, 3]"),
    ] {
        // One input where `add` wants two is reported before its constant is asked for.
        let text = refused(&node(fields));
        let fits =
            text.contains(said) || (fields.contains("add") && text.contains("does not name its value"));
        assert!(fits, "{fields}: {text}");
    }
    assert!(
        refused(r#"{"name": "out", "op": "relu", "inputs": ["later"]}"#)
            .contains("'later', which is not defined before it")
    );
    assert!(
        refused(r#"{"name": "other", "op": "relu", "inputs": ["input"]}"#).contains("no node is named 'out'")
    );
    let twice = r#"{"name": "out", "op": "relu", "inputs": ["input"]}"#;
    assert!(refused(&format!("{twice},{twice}")).contains("its name is taken"));
    let parse = |text: &str| Description::parse(text).unwrap_err().to_string();
    assert!(parse("{\n\"format\": 3}").contains("line 2"));
    assert!(
        parse(r#"{"format": "keras", "input": {"shape": [1, 1, 1]}, "output": "", "nodes": []}"#)
            .contains("is 'keras'")
    );
}
