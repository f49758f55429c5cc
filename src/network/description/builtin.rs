//! Architectures known by name.

use super::{Description, FORMAT, InputDescription, NodeDescription, Size};
use std::collections::BTreeMap;

/// The names.
pub const NAMES: [&str; 2] = ["smallcnn", "resnet8"];

/// The description of a built-in architecture for images of `shape` (channels, height, width) and `classes` classes;
/// `None` for any other name.
///
/// - `smallcnn`: two 3×3 convolutions (16, 32 channels), each with `ReLU` and 2×2 max pooling, a hidden layer of 64.
/// - `resnet8`: a residual network of three blocks (16, 32, 64 channels) with batch normalisation.
pub fn describe(name: &str, shape: [usize; 3], classes: usize) -> Option<Description> {
    let mut list = List { nodes: Vec::new() };
    match name {
        "smallcnn" => smallcnn(&mut list, classes),
        "resnet8" => resnet8(&mut list, classes),
        _ => return None,
    }
    let input = InputDescription {
        name: "input".into(),
        shape,
        layout: None,
        range: [0.0, 1.0],
        mean: Vec::new(),
        std: Vec::new(),
    };
    Some(Description {
        format: FORMAT.into(),
        arch: Some(name.into()),
        num_classes: Some(classes),
        class_names: Vec::new(),
        input,
        output: list.nodes.last().map(|n| n.name.clone()).unwrap_or_default(),
        nodes: list.nodes,
    })
}

struct List {
    nodes: Vec<NodeDescription>,
}

impl List {
    fn push(&mut self, name: &str, op: &str, inputs: &[&str]) -> &mut NodeDescription {
        let at = self.nodes.len();
        self.nodes.push(NodeDescription {
            name: name.into(),
            op: op.into(),
            inputs: inputs.iter().map(ToString::to_string).collect(),
            ..NodeDescription::default()
        });
        &mut self.nodes[at]
    }

    fn conv(
        &mut self,
        name: &str,
        input: &str,
        out: usize,
        [kernel, stride, padding]: [usize; 3],
        bias: bool,
    ) {
        let node = self.push(name, "conv2d", &[input]);
        node.out_channels = Some(out);
        node.kernel = Some(Size::Two([kernel; 2]));
        node.stride = Some(Size::Two([stride; 2]));
        node.padding = Some(Size::Two([padding; 2]));
        node.bias = Some(bias);
        node.params = params(name, if bias { &["weight", "bias"] } else { &["weight"] });
    }

    fn norm(&mut self, name: &str, input: &str) {
        self.push(name, "batchnorm2d", &[input]).params =
            params(name, &["weight", "bias", "running_mean", "running_var"]);
    }

    fn linear(&mut self, name: &str, input: &str, out: usize) {
        let node = self.push(name, "linear", &[input]);
        node.out_features = Some(out);
        node.params = params(name, &["weight", "bias"]);
    }
}

fn params(node: &str, roles: &[&str]) -> BTreeMap<String, String> {
    roles.iter().map(|&r| (r.to_owned(), format!("{node}.{r}"))).collect()
}

fn smallcnn(list: &mut List, classes: usize) {
    let mut from = "input".to_owned();
    for (k, out) in [(1, 16), (2, 32)] {
        list.conv(&format!("conv{k}"), &from, out, [3, 1, 1], true);
        list.push(&format!("relu{k}"), "relu", &[&format!("conv{k}")]);
        from = format!("pool{k}");
        list.push(&from, "maxpool2d", &[&format!("relu{k}")]).kernel = Some(Size::Two([2, 2]));
    }
    list.push("flat", "flatten", &["pool2"]);
    list.linear("fc1", "flat", 64);
    list.push("relu3", "relu", &["fc1"]);
    list.linear("fc2", "relu3", classes);
}

fn resnet8(list: &mut List, classes: usize) {
    list.conv("stem", "input", 16, [3, 1, 1], false);
    list.norm("stem_bn", "stem");
    list.push("stem_relu", "relu", &["stem_bn"]);
    let mut from = "stem_relu".to_owned();
    for (s, out) in [16, 32, 64].into_iter().enumerate() {
        let stride = if s == 0 { 1 } else { 2 };
        let name = |part: &str| format!("s{s}b0_{part}");
        list.conv(&name("conv1"), &from, out, [3, stride, 1], false);
        list.norm(&name("bn1"), &name("conv1"));
        list.push(&name("relu1"), "relu", &[&name("bn1")]);
        list.conv(&name("conv2"), &name("relu1"), out, [3, 1, 1], false);
        list.norm(&name("bn2"), &name("conv2"));
        let around = if stride == 1 {
            from
        } else {
            list.conv(&name("short"), &from, out, [1, stride, 0], false);
            list.norm(&name("shortbn"), &name("short"));
            name("shortbn")
        };
        list.push(&name("add"), "add", &[&name("bn2"), &around]);
        from = name("relu2");
        list.push(&from, "relu", &[&name("add")]);
    }
    list.push("gap", "globalavgpool", &[&from]);
    list.push("flat", "flatten", &["gap"]);
    list.linear("fc", "flat", classes);
}
