//! Writing a graph as an ONNX file (operator set 17), so that others can open what we trained.

use super::proto::{
    AttributeProto, Dim, GraphProto, ModelProto, NodeProto, OperatorSetId, Shape, TensorProto, TensorType,
    TypeProto, ValueInfo,
};
use crate::network::NetworkError;
use crate::network::graph::{Graph, Node, Param, ValueId};
use crate::network::op::{Activation, Arithmetic, Kernel, Op, Operand, View, Window};
use prost::Message;

/// Operator set written.
const OPSET: i64 = 17;

/// The graph as an ONNX file: batch size open, one output. The same graph gives the same bytes.
///
/// # Errors
/// An operator that operator set 17 has no single form for, naming the node.
pub fn write(graph: &Graph) -> Result<Vec<u8>, NetworkError> {
    let mut out = Writer { graph, nodes: Vec::new(), tensors: graph.params.iter().map(stored).collect() };
    for (i, node) in graph.nodes.iter().enumerate() {
        out.node(i + 1, node)?;
    }
    let model = ModelProto {
        ir_version: 8,
        producer_name: "laocoon".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(GraphProto {
            node: out.nodes,
            name: "network".into(),
            initializer: out.tensors,
            input: vec![info(graph.name(0), graph.shape(0))],
            output: vec![info(graph.name(graph.output), graph.shape(graph.output))],
            sparse_initializer: Vec::new(),
        }),
        opset_import: vec![OperatorSetId { domain: String::new(), version: OPSET }],
        functions: Vec::new(),
    };
    Ok(model.encode_to_vec())
}

struct Writer<'a> {
    graph: &'a Graph,
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
}

fn raw(name: &str, dims: Vec<i64>, kind: i32, bytes: Vec<u8>) -> TensorProto {
    TensorProto { name: name.into(), dims, data_type: kind, raw_data: Some(bytes), ..TensorProto::default() }
}

fn floats(name: &str, dims: &[usize], data: impl Iterator<Item = f32>) -> TensorProto {
    let dims = dims.iter().map(|&d| d as i64).collect();
    raw(name, dims, 1, data.flat_map(f32::to_le_bytes).collect())
}

fn stored(p: &Param) -> TensorProto {
    floats(&p.name, p.value.shape(), p.value.iter().copied())
}

fn info(name: &str, shape: &[usize]) -> ValueInfo {
    let batch = Dim { value: None, param: Some("batch".into()) };
    let sizes = shape.iter().map(|&d| Dim { value: Some(d as i64), param: None });
    let shape = Shape { dim: std::iter::once(batch).chain(sizes).collect() };
    let kind = TypeProto { tensor: Some(TensorType { element: 1, shape: Some(shape) }) };
    ValueInfo { name: name.into(), kind: Some(kind) }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, kind: 2, ..AttributeProto::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, kind: 1, ..AttributeProto::default() }
}

fn ints<'n>(name: &str, list: impl IntoIterator<Item = &'n usize>) -> AttributeProto {
    let ints = list.into_iter().map(|&v| v as i64).collect();
    AttributeProto { name: name.into(), ints, kind: 7, ..AttributeProto::default() }
}

fn window(w: &Window) -> Vec<AttributeProto> {
    vec![
        int("ceil_mode", i64::from(w.ceil)),
        ints("kernel_shape", &w.kernel),
        ints("pads", &w.padding),
        ints("strides", &w.stride),
    ]
}

impl Writer<'_> {
    fn emit(&mut self, name: &str, op: &str, input: Vec<String>, attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            input,
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
    }

    fn param(&self, id: usize) -> String {
        self.graph.params[id].name.clone()
    }

    fn node(&mut self, value: ValueId, node: &Node) -> Result<(), NetworkError> {
        let graph = self.graph;
        let name = graph.name(value).to_owned();
        let mut input: Vec<String> = node.inputs.iter().map(|&v| graph.name(v).to_owned()).collect();
        let unsupported = || NetworkError::Unsupported {
            node: name.clone(),
            operator: node.op.name().into(),
            advice: "it cannot be written as ONNX; write safetensors and a network description".into(),
        };
        let constant = |suffix: &str| format!("{name}.{suffix}");
        let (op, attributes) = match &node.op {
            Op::Conv2d(c) => {
                input.push(self.param(c.weight));
                input.extend(c.bias.map(|b| self.param(b)));
                let attributes = vec![
                    ints("dilations", &c.dilation),
                    int("group", c.groups as i64),
                    ints("kernel_shape", &c.kernel),
                    ints("pads", &c.padding),
                    ints("strides", &c.stride),
                ];
                ("Conv", attributes)
            }
            Op::BatchNorm(b) => {
                let (Some(weight), Some(bias)) = (b.weight, b.bias) else { return Err(unsupported()) };
                input.extend([weight, bias, b.mean, b.var].map(|p| self.param(p)));
                ("BatchNormalization", vec![float("epsilon", b.eps), float("momentum", 1.0 - b.momentum)])
            }
            Op::Linear(l) if node.shape.len() == 1 => {
                input.push(self.param(l.weight));
                input.extend(l.bias.map(|b| self.param(b)));
                ("Gemm", vec![int("transB", 1)])
            }
            Op::Activation(a) => match self.activation(&name, *a, &mut input) {
                Some(pair) => pair,
                None => return Err(unsupported()),
            },
            Op::MaxPool(p) => {
                let mut attributes = window(&p.0);
                attributes.insert(1, ints("dilations", &p.0.dilation));
                ("MaxPool", attributes)
            }
            Op::AvgPool(p) => {
                let mut attributes = window(&p.window);
                attributes.insert(1, int("count_include_pad", i64::from(p.count_padding)));
                ("AveragePool", attributes)
            }
            Op::AdaptiveAvgPool(p) if p.size == [1, 1] => ("GlobalAveragePool", Vec::new()),
            Op::Arith(a) => {
                let side = |o: &Operand| match o {
                    Operand::Input(k) => input[*k].clone(),
                    Operand::Constant(id, _) => self.param(*id),
                };
                input = vec![side(&a.left), side(&a.right)];
                let op = match a.kind {
                    Arithmetic::Add => "Add",
                    Arithmetic::Sub => "Sub",
                    Arithmetic::Mul => "Mul",
                    Arithmetic::Div => "Div",
                };
                (op, Vec::new())
            }
            Op::Concat(c) => ("Concat", vec![int("axis", c.axis as i64 + 1)]),
            Op::Softmax(s) => {
                let op = if s.log { "LogSoftmax" } else { "Softmax" };
                (op, vec![int("axis", s.axis as i64 + 1)])
            }
            Op::Transpose(t) => {
                let perm: Vec<usize> = std::iter::once(0).chain(t.order.iter().map(|a| a + 1)).collect();
                ("Transpose", vec![ints("perm", &perm)])
            }
            Op::Pad(p) => {
                let [top, left, bottom, right] = p.amounts.map(|a| a as i64);
                let bytes =
                    [0, 0, top, left, 0, 0, bottom, right].into_iter().flat_map(i64::to_le_bytes).collect();
                self.tensors.push(raw(&constant("pads"), vec![8], 7, bytes));
                self.tensors.push(floats(&constant("value"), &[], std::iter::once(p.value)));
                input.extend([constant("pads"), constant("value")]);
                ("Pad", Vec::new())
            }
            Op::View(View::Flatten) => ("Flatten", vec![int("axis", 1)]),
            Op::View(View::Identity | View::Dropout) => ("Identity", Vec::new()),
            Op::View(View::Reshape(shape)) => {
                let sizes: Vec<i64> = std::iter::once(0).chain(shape.iter().map(|&d| d as i64)).collect();
                let bytes = sizes.iter().flat_map(|d| d.to_le_bytes()).collect();
                self.tensors.push(raw(&constant("shape"), vec![sizes.len() as i64], 7, bytes));
                input.push(constant("shape"));
                ("Reshape", Vec::new())
            }
            Op::MatMul(_) => ("MatMul", Vec::new()),
            Op::Linear(_)
            | Op::PRelu(_)
            | Op::AdaptiveAvgPool(_)
            | Op::LayerNorm(_)
            | Op::Reduce(_)
            | Op::Pick(_)
            | Op::Constant(_) => return Err(unsupported()),
        };
        self.emit(&name, op, input, attributes);
        Ok(())
    }

    fn activation(
        &mut self,
        name: &str,
        a: Activation,
        input: &mut Vec<String>,
    ) -> Option<(&'static str, Vec<AttributeProto>)> {
        Some(match a {
            Activation::Relu => ("Relu", Vec::new()),
            Activation::LeakyRelu(slope) => ("LeakyRelu", vec![float("alpha", slope)]),
            Activation::Elu(alpha) => ("Elu", vec![float("alpha", alpha)]),
            Activation::Selu { alpha, gamma } => ("Selu", vec![float("alpha", alpha), float("gamma", gamma)]),
            Activation::Clip { min, max } => {
                for (suffix, bound) in [("min", min), ("max", max)] {
                    let bound_name = format!("{name}.{suffix}");
                    self.tensors.push(floats(&bound_name, &[], std::iter::once(bound)));
                    input.push(bound_name);
                }
                ("Clip", Vec::new())
            }
            Activation::Sigmoid => ("Sigmoid", Vec::new()),
            Activation::Tanh => ("Tanh", Vec::new()),
            Activation::HardSwish => ("HardSwish", Vec::new()),
            Activation::HardSigmoid { alpha, beta } => {
                ("HardSigmoid", vec![float("alpha", alpha), float("beta", beta)])
            }
            Activation::Silu => {
                let gate = format!("{name}.gate");
                self.emit(&gate, "Sigmoid", input.clone(), Vec::new());
                input.push(gate);
                ("Mul", Vec::new())
            }
            Activation::Softplus => ("Softplus", Vec::new()),
            Activation::Erf => ("Erf", Vec::new()),
            Activation::Exp => ("Exp", Vec::new()),
            Activation::Sqrt => ("Sqrt", Vec::new()),
            Activation::Neg => ("Neg", Vec::new()),
            Activation::Abs => ("Abs", Vec::new()),
            Activation::Gelu { .. } => return None,
        })
    }
}
