//! The static graph: nodes in execution order, each with one value; parameters; shapes checked when it is built.
//!
//! Shapes are per image: the batch axis is implied and always first.

use super::NetworkError;
use super::op::{Kernel, Op};
use super::order::Order;
use crate::evidence::{Limits, text::visible};
use laocoon_kernels::Clamp;
use ndarray::ArrayD;
use std::collections::HashMap;

/// A value: 0 is the input, `i + 1` the output of node `i`.
pub type ValueId = usize;

/// Index into [`Graph::params`].
pub type ParamId = usize;

/// A named tensor of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name in the file, as visible text.
    pub name: String,
    /// Its numbers, always in standard (row-major) layout.
    pub value: ArrayD<f32>,
    /// Whether training changes it by its gradient (running statistics are not).
    pub trainable: bool,
}

impl Param {
    /// The numbers in row-major order.
    pub fn data(&self) -> &[f32] {
        self.value.as_slice().unwrap_or_default()
    }

    /// Number of numbers.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }
}

/// One step of the computation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name, unique in the graph, as visible text.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// What it reads; all defined earlier.
    pub inputs: Vec<ValueId>,
    /// Shape of its value, per image.
    pub shape: Vec<usize>,
    /// A value of its shape that is added to what it computes (a sum fused into it by `fold.rs`).
    pub residual: Option<ValueId>,
    /// The bounds its value is clamped to (a `ReLU` or `ReLU6` fused into it by `fold.rs`).
    pub clamp: Option<Clamp<f32>>,
}

impl Node {
    /// The bounds of the `ReLU` that it is or ends in.
    pub(crate) fn clamped(&self) -> Option<Clamp<f32>> {
        match &self.op {
            Op::Activation(a) => a.clamp(),
            _ => self.clamp,
        }
    }
}

/// A network: one image input, one output.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Name of the input, as visible text.
    pub input_name: String,
    /// Shape of the input, per image (C×H×W for an image).
    pub input_shape: Vec<usize>,
    /// Nodes in execution order.
    pub nodes: Vec<Node>,
    /// Parameters.
    pub params: Vec<Param>,
    /// The value that leaves it.
    pub output: ValueId,
    /// For each value the one that holds its numbers: itself, or what it is a view of.
    pub(crate) root: Vec<ValueId>,
    /// For each root value the last node that reads it (as itself or through a view); 0 when none does.
    pub(crate) last_use: Vec<usize>,
    /// For each root value the first node that reads it: the last that adds to its gradient.
    pub(crate) first_use: Vec<usize>,
    /// How the numbers of each value lie.
    pub(crate) order: Vec<Order>,
    /// Numbers of all values of one image together.
    pub(crate) numbers: usize,
    names: HashMap<String, ValueId>,
}

impl Graph {
    /// Shape of a value, per image.
    pub fn shape(&self, value: ValueId) -> &[usize] {
        if value == 0 { &self.input_shape } else { &self.nodes[value - 1].shape }
    }

    /// Numbers of a value per image.
    pub fn size(&self, value: ValueId) -> usize {
        self.shape(value).iter().product()
    }

    /// Name of a value: the input's, or that of the node that makes it.
    pub fn name(&self, value: ValueId) -> &str {
        if value == 0 { &self.input_name } else { &self.nodes[value - 1].name }
    }

    /// The node that makes a value; `None` for the input.
    pub fn maker(&self, value: ValueId) -> Option<&Node> {
        value.checked_sub(1).and_then(|i| self.nodes.get(i))
    }

    /// The bounds of the `ReLU` that made `v`, if node `i` is the one to close its gate: the only read of `v` in that
    /// node, which is the last to add to its gradient.
    pub(crate) fn gate(&self, v: ValueId, i: usize) -> Option<Clamp<f32>> {
        let (root, node) = (self.root[v], &self.nodes[i]);
        let reads = node.inputs.iter().chain(&node.residual).filter(|&&u| self.root[u] == root).count();
        let closes = reads == 1 && self.first_use[root] == i;
        self.maker(root).filter(|_| closes)?.clamped()
    }

    /// The value of a name (of a node, or an alias of it such as the name of its output in the file).
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// Other names of values.
    pub(crate) fn names(&self) -> &HashMap<String, ValueId> {
        &self.names
    }

    /// Number of parameters' numbers.
    pub fn parameter_count(&self) -> usize {
        self.params.iter().map(Param::len).sum()
    }
}

/// Builds a [`Graph`], checking every step.
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    cap_bytes: u64,
    cap_nodes: usize,
    scratch: usize,
}

impl Builder {
    /// A graph with its input and nothing else.
    ///
    /// # Errors
    /// An empty input shape, or one that is larger than [`Limits::activation_bytes`].
    pub fn new(input_name: &str, input_shape: &[usize], limits: &Limits) -> Result<Self, NetworkError> {
        let name = visible(input_name);
        let graph = Graph {
            input_name: name.clone(),
            input_shape: input_shape.to_vec(),
            nodes: Vec::new(),
            params: Vec::new(),
            output: 0,
            root: vec![0],
            last_use: vec![0],
            first_use: vec![usize::MAX],
            order: vec![Order::image(input_shape)],
            numbers: 0,
            names: HashMap::from([(name.clone(), 0)]),
        };
        let mut builder =
            Self { graph, cap_bytes: limits.activation_bytes, cap_nodes: limits.graph_nodes, scratch: 0 };
        if input_shape.is_empty() || input_shape.contains(&0) {
            return Err(NetworkError::malformed(
                format!("input '{name}'"),
                format!("shape {input_shape:?} holds no numbers"),
            ));
        }
        builder.account(&format!("input '{name}'"), input_shape, 0)?;
        Ok(builder)
    }

    /// Adds a parameter under its name in the file.
    pub fn param(&mut self, name: &str, value: ArrayD<f32>, trainable: bool) -> ParamId {
        let value = if value.is_standard_layout() { value } else { value.as_standard_layout().into_owned() };
        self.graph.params.push(Param { name: visible(name), value, trainable });
        self.graph.params.len() - 1
    }

    /// Shape of a value, per image.
    pub fn shape(&self, value: ValueId) -> &[usize] {
        self.graph.shape(value)
    }

    /// Name of a value.
    pub fn name(&self, value: ValueId) -> &str {
        self.graph.name(value)
    }

    /// The parameters so far.
    pub fn params(&self) -> &[Param] {
        &self.graph.params
    }

    /// Adds a node. A name that is taken gets a number behind it.
    ///
    /// # Errors
    /// Names the node: inputs, attributes and parameters that do not fit together, or too much memory.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId, NetworkError> {
        let mut name = visible(name);
        let place = format!("node '{name}' ({})", op.name());
        let fail = |reason: String| NetworkError::malformed(place.clone(), reason);
        if self.graph.nodes.len() >= self.cap_nodes {
            return Err(NetworkError::Limit {
                place,
                what: "graph_nodes",
                needed: self.graph.nodes.len() as u64 + 1,
                cap: self.cap_nodes as u64,
            });
        }
        let id = self.graph.nodes.len() + 1;
        if let Some(bad) = inputs.iter().find(|&&v| v >= id) {
            return Err(fail(format!("reads value {bad}, which is not defined yet")));
        }
        let shapes: Vec<&[usize]> = inputs.iter().map(|&v| self.graph.shape(v)).collect();
        let shape = op.output_shape(&shapes, &self.graph.params).map_err(fail)?;
        if shape.is_empty() || shape.contains(&0) {
            return Err(fail(format!("gives shape {shape:?}, which holds no numbers")));
        }
        let scratch = op.scratch(&shapes, &shape, &self.graph.params);
        let order = if op.is_view() {
            self.graph.order[inputs[0]]
        } else {
            let orders: Vec<Order> = inputs.iter().map(|&v| self.graph.order[v]).collect();
            Order::given(&op, &shapes, &Order::taken(&op, &shapes, &orders, &shape), &shape)
        };
        self.account(&place, &shape, scratch)?;
        if self.graph.names.contains_key(&name) {
            let base = name;
            let mut k = id;
            name = format!("{base}#{k}");
            while self.graph.names.contains_key(&name) {
                k += self.graph.nodes.len() + 1;
                name = format!("{base}#{k}");
            }
        }
        self.graph.order.push(order);
        self.graph.root.push(if op.is_view() { self.graph.root[inputs[0]] } else { id });
        self.graph.last_use.push(0);
        self.graph.first_use.push(usize::MAX);
        for &v in inputs {
            self.reads(v, id - 1);
        }
        self.graph.names.insert(name.clone(), id);
        self.graph.nodes.push(Node { name, op, inputs: inputs.to_vec(), shape, residual: None, clamp: None });
        Ok(id)
    }

    /// Fuses a `ReLU` into the last node pushed.
    pub(crate) fn clamp(&mut self, clamp: Clamp<f32>) {
        if let Some(node) = self.graph.nodes.last_mut() {
            node.clamp = Some(clamp);
        }
    }

    /// Fuses the sum with an earlier value of the same shape into the last node pushed.
    pub(crate) fn residual(&mut self, value: ValueId) {
        if let Some(node) = self.graph.nodes.last_mut() {
            node.residual = Some(value);
            self.reads(value, self.graph.nodes.len() - 1);
        }
    }

    /// Notes that a node reads a value.
    fn reads(&mut self, value: ValueId, node: usize) {
        let root = self.graph.root[value];
        self.graph.last_use[root] = node;
        self.graph.first_use[root] = self.graph.first_use[root].min(node);
    }

    /// Gives a value a second name, unless the name is taken.
    pub fn alias(&mut self, name: &str, value: ValueId) {
        self.graph.names.entry(visible(name)).or_insert(value);
    }

    /// The finished graph.
    ///
    /// # Errors
    /// The output is not a value of the graph.
    pub fn finish(mut self, output: ValueId) -> Result<Graph, NetworkError> {
        if output > self.graph.nodes.len() {
            return Err(NetworkError::malformed("output", format!("value {output} does not exist")));
        }
        self.graph.output = output;
        Ok(self.graph)
    }

    /// Counts the memory of a value against the cap: a gradient keeps every value of an image alive.
    fn account(&mut self, place: &str, shape: &[usize], scratch: usize) -> Result<(), NetworkError> {
        let total = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .and_then(|n| n.checked_add(self.graph.numbers));
        self.scratch = self.scratch.max(scratch);
        let bytes = total
            .and_then(|n| n.checked_add(self.scratch))
            .and_then(|n| (n as u64).checked_mul(size_of::<f32>() as u64));
        match (total, bytes) {
            (Some(total), Some(bytes)) if bytes <= self.cap_bytes => {
                self.graph.numbers = total;
                Ok(())
            }
            _ => Err(NetworkError::Limit {
                place: place.to_owned(),
                what: "activation_bytes",
                needed: bytes.unwrap_or(u64::MAX),
                cap: self.cap_bytes,
            }),
        }
    }
}
