//! From a description to a graph.

use super::{Description, NodeDescription, Size};
use crate::evidence::{Limits, text::visible};
use crate::network::graph::{Builder, Graph, ParamId, ValueId};
use crate::network::op::{
    Activation, AdaptiveAvgPool, Arith, Arithmetic, AvgPool, BatchNorm, Concat, Conv2d, Linear, MaxPool, Op,
    Operand, PRelu, Pad, Softmax, View, Window,
};
use crate::network::{NetworkError, graph::Param};
use ndarray::ArrayD;
use std::collections::HashMap;

/// What a parameter is for; decides how it starts when a network is trained from nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Weights of a convolution or a linear layer.
    Weight,
    /// Added after it.
    Bias,
    /// Scale of a normalisation.
    Scale,
    /// Shift of a normalisation.
    Shift,
    /// Running mean.
    Mean,
    /// Running variance.
    Variance,
    /// Slope of a `PReLU`.
    Slope,
    /// A constant of arithmetic: has no shape of its own.
    Constant,
}

/// A parameter that a description asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the weights file.
    pub name: String,
    /// The node that asks, as visible text.
    pub node: String,
    /// What for.
    pub kind: ParamKind,
    /// The shape it must have; empty for [`ParamKind::Constant`], which may have any.
    pub shape: Vec<usize>,
}

type Weights<'a> = &'a mut dyn FnMut(&Wanted) -> Result<ArrayD<f32>, NetworkError>;

struct Step<'a, 'w> {
    node: &'a NodeDescription,
    place: String,
    builder: &'a mut Builder,
    weights: &'a mut Weights<'w>,
    inputs: Vec<ValueId>,
}

pub(super) fn build(
    description: &Description,
    limits: &Limits,
    mut weights: Weights,
) -> Result<Graph, NetworkError> {
    let input = &description.input;
    let mut builder = Builder::new(&input.name, &input.shape, limits)?;
    let mut values: HashMap<&str, ValueId> = HashMap::from([(input.name.as_str(), 0)]);
    for node in &description.nodes {
        let place = format!("node '{}'", visible(&node.name));
        let find = |name: &String| {
            values.get(name.as_str()).copied().ok_or_else(|| {
                let reason = format!("reads '{}', which is not defined before it", visible(name));
                NetworkError::malformed(place.clone(), reason)
            })
        };
        let inputs: Vec<ValueId> = node.inputs.iter().map(find).collect::<Result<_, _>>()?;
        if inputs.is_empty() {
            return Err(NetworkError::malformed(place, "reads nothing"));
        }
        let mut step = Step { node, place, builder: &mut builder, weights: &mut weights, inputs };
        let op = step.op()?;
        let Step { place, inputs, .. } = step;
        let value = builder.push(&node.name, op, &inputs)?;
        if values.insert(&node.name, value).is_some() {
            return Err(NetworkError::malformed(place, "its name is taken"));
        }
    }
    let output = values.get(description.output.as_str()).copied();
    let output = output.ok_or_else(|| {
        NetworkError::malformed("output", format!("no node is named '{}'", visible(&description.output)))
    })?;
    let graph = builder.finish(output)?;
    match (description.num_classes, graph.shape(output)) {
        (Some(k), &[found]) if k != found => {
            Err(NetworkError::malformed("num_classes", format!("is {k}, the output has {found} numbers")))
        }
        _ => Ok(graph),
    }
}

fn two(size: Size) -> Option<[usize; 2]> {
    match size {
        Size::One(s) => Some([s, s]),
        Size::Two(s) => Some(s),
        Size::Four(_) => None,
    }
}

fn four(size: Option<Size>) -> [usize; 4] {
    match size {
        None => [0; 4],
        Some(Size::One(s)) => [s; 4],
        Some(Size::Two([h, w])) => [h, w, h, w],
        Some(Size::Four(s)) => s,
    }
}

impl Step<'_, '_> {
    fn fail(&self, reason: impl Into<String>) -> NetworkError {
        NetworkError::malformed(self.place.clone(), reason)
    }

    fn pair(
        &self,
        name: &str,
        size: Option<Size>,
        default: Option<[usize; 2]>,
    ) -> Result<[usize; 2], NetworkError> {
        match (size.and_then(two), size, default) {
            (Some(pair), ..) => Ok(pair),
            (None, None, Some(default)) => Ok(default),
            (None, None, None) => Err(self.fail(format!("'{name}' is missing"))),
            (None, Some(_), _) => Err(self.fail(format!("'{name}' takes one or two numbers"))),
        }
    }

    fn shape(&self) -> &[usize] {
        self.builder.shape(self.inputs[0])
    }

    /// A size of the input along an axis, checked against what the description says.
    fn size(&self, axis: usize, said: Option<usize>) -> Result<usize, NetworkError> {
        let shape = self.shape();
        match (shape.get(axis), said) {
            (Some(&size), None) => Ok(size),
            (Some(&size), Some(said)) if size == said => Ok(size),
            (_, said) => {
                Err(self.fail(format!("its input has shape {shape:?}, which does not fit {said:?}")))
            }
        }
    }

    fn param(&mut self, role: &str, kind: ParamKind, shape: Vec<usize>) -> Result<ParamId, NetworkError> {
        let name = self
            .node
            .params
            .get(role)
            .ok_or_else(|| self.fail(format!("'params' does not name its {role}")))?;
        let wanted = Wanted { name: name.clone(), node: visible(&self.node.name), kind, shape };
        let value = (self.weights)(&wanted)?;
        if kind != ParamKind::Constant && value.shape() != wanted.shape {
            let (name, found) = (visible(name), value.shape());
            return Err(self.fail(format!("tensor '{name}' has shape {found:?}, needs {:?}", wanted.shape)));
        }
        let trainable = !matches!(kind, ParamKind::Mean | ParamKind::Variance);
        Ok(self.builder.param(name, value, trainable))
    }

    fn bias(&mut self, outputs: usize) -> Result<Option<ParamId>, NetworkError> {
        let named = self.node.params.contains_key("bias");
        if self.node.bias.unwrap_or(named) {
            return self.param("bias", ParamKind::Bias, vec![outputs]).map(Some);
        }
        if named { Err(self.fail("has 'bias': false and names one")) } else { Ok(None) }
    }

    fn op(&mut self) -> Result<Op, NetworkError> {
        let node = self.node;
        let activation = |a: Activation| Ok(Op::Activation(a));
        match node.op.as_str() {
            "conv2d" => self.conv(),
            "linear" => {
                let last = self.shape().len() - 1;
                let inputs = self.size(last, node.in_features)?;
                let outputs = node.out_features.ok_or_else(|| self.fail("'out_features' is missing"))?;
                let weight = self.param("weight", ParamKind::Weight, vec![outputs, inputs])?;
                Ok(Op::Linear(Linear { weight, bias: self.bias(outputs)? }))
            }
            "batchnorm2d" => {
                let shape = vec![self.size(0, node.channels)?];
                Ok(Op::BatchNorm(BatchNorm {
                    weight: Some(self.param("weight", ParamKind::Scale, shape.clone())?),
                    bias: Some(self.param("bias", ParamKind::Shift, shape.clone())?),
                    mean: self.param("running_mean", ParamKind::Mean, shape.clone())?,
                    var: self.param("running_var", ParamKind::Variance, shape)?,
                    eps: node.eps.unwrap_or(1e-5),
                    momentum: node.momentum.unwrap_or(0.1),
                }))
            }
            "relu" => activation(Activation::Relu),
            "leakyrelu" => activation(Activation::LeakyRelu(node.alpha.unwrap_or(0.01))),
            "elu" => activation(Activation::Elu(node.alpha.unwrap_or(1.0))),
            "selu" => activation(Activation::Selu { alpha: 1.673_263_2, gamma: 1.050_701 }),
            "relu6" => activation(Activation::Clip { min: 0.0, max: 6.0 }),
            "clip" => activation(Activation::Clip {
                min: node.min.unwrap_or(f32::MIN),
                max: node.max.unwrap_or(f32::MAX),
            }),
            "sigmoid" => activation(Activation::Sigmoid),
            "tanh" => activation(Activation::Tanh),
            "hardswish" => activation(Activation::HardSwish),
            "hardsigmoid" => activation(Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
            "silu" => activation(Activation::Silu),
            "gelu" => activation(Activation::Gelu { tanh: false }),
            "softplus" => activation(Activation::Softplus),
            "prelu" => {
                let shape = vec![self.size(0, node.channels)?];
                Ok(Op::PRelu(PRelu { slope: self.param("weight", ParamKind::Slope, shape)? }))
            }
            "maxpool2d" => Ok(Op::MaxPool(MaxPool(self.window()?))),
            "avgpool2d" => Ok(Op::AvgPool(AvgPool {
                window: self.window()?,
                count_padding: node.count_include_pad.unwrap_or(true),
            })),
            "globalavgpool" => Ok(Op::AdaptiveAvgPool(AdaptiveAvgPool { size: [1, 1] })),
            "adaptiveavgpool2d" => Ok(Op::AdaptiveAvgPool(AdaptiveAvgPool {
                size: self.pair("output_size", node.output_size, None)?,
            })),
            "add" => self.arithmetic(Arithmetic::Add),
            "sub" => self.arithmetic(Arithmetic::Sub),
            "mul" => self.arithmetic(Arithmetic::Mul),
            "div" => self.arithmetic(Arithmetic::Div),
            "concat" => Ok(Op::Concat(Concat { axis: node.axis.unwrap_or(0) })),
            "softmax" => Ok(Op::Softmax(Softmax { axis: node.axis.unwrap_or(0), log: false })),
            "logsoftmax" => Ok(Op::Softmax(Softmax { axis: node.axis.unwrap_or(0), log: true })),
            "pad" => Ok(Op::Pad(Pad { amounts: four(node.padding), value: node.value.unwrap_or(0.0) })),
            "flatten" => Ok(Op::View(View::Flatten)),
            "identity" => Ok(Op::View(View::Identity)),
            "dropout" => Ok(Op::View(View::Dropout)),
            "reshape" => {
                let shape = node.shape.clone().ok_or_else(|| self.fail("'shape' is missing"))?;
                Ok(Op::View(View::Reshape(shape)))
            }
            other => Err(NetworkError::Unsupported {
                node: visible(&node.name),
                operator: visible(other),
                advice: "write it with the operators of a network description, or give the model as ONNX"
                    .into(),
            }),
        }
    }

    fn conv(&mut self) -> Result<Op, NetworkError> {
        let node = self.node;
        let channels = self.size(0, node.in_channels)?;
        let out = node.out_channels.ok_or_else(|| self.fail("'out_channels' is missing"))?;
        let kernel = self.pair("kernel", node.kernel, None)?;
        let groups = node.groups.unwrap_or(1);
        let per_group =
            channels.checked_div(groups).ok_or_else(|| self.fail("'groups' must be at least 1"))?;
        let weight = self.param("weight", ParamKind::Weight, vec![out, per_group, kernel[0], kernel[1]])?;
        Ok(Op::Conv2d(Conv2d {
            weight,
            bias: self.bias(out)?,
            kernel,
            stride: self.pair("stride", node.stride, Some([1, 1]))?,
            padding: four(node.padding),
            dilation: self.pair("dilation", node.dilation, Some([1, 1]))?,
            groups,
        }))
    }

    fn window(&self) -> Result<Window, NetworkError> {
        let kernel = self.pair("kernel", self.node.kernel, None)?;
        Ok(Window {
            kernel,
            stride: self.pair("stride", self.node.stride, Some(kernel))?,
            padding: four(self.node.padding),
            dilation: self.pair("dilation", self.node.dilation, Some([1, 1]))?,
            ceil: self.node.ceil_mode.unwrap_or(false),
        })
    }

    fn arithmetic(&mut self, kind: Arithmetic) -> Result<Op, NetworkError> {
        if self.inputs.len() == 2 && self.node.params.is_empty() {
            return Ok(Op::Arith(Arith::of_inputs(kind)));
        }
        if self.inputs.len() != 1 {
            return Err(self.fail(format!("takes two inputs, has {}", self.inputs.len())));
        }
        let rank = self.shape().len();
        let id = self.param("value", ParamKind::Constant, Vec::new())?;
        let param: &Param = &self.builder.params()[id];
        let right = Operand::constant(id, param, rank).map_err(|reason| self.fail(reason))?;
        Ok(Op::Arith(Arith { kind, left: Operand::Input(0), right }))
    }
}
