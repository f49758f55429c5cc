//! What must hold of a graph before any node is looked at: names defined once and before use, no cycles.

use super::fault::{Fault, quoted};
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use crate::evidence::Limits;
use crate::evidence::limits::cap;
use prost::Message;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Deepest nesting of sub-graphs that is looked into before it is called hostile.
const MAX_DEPTH: usize = 32;

/// Execution order of a graph's nodes.
#[derive(Debug)]
pub(crate) struct Order {
    /// Indices of nodes.
    pub(crate) nodes: Vec<usize>,
    /// Whether they were in order in the file.
    pub(crate) sorted: bool,
}

/// How a node is named in messages: its own name, or that of its output.
pub(crate) fn label(node: &NodeProto) -> String {
    let own = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    format!("node {} ({})", quoted(own.map_or("", String::as_str)), quoted(&node.op_type).trim_matches('\''))
}

/// Model-local functions are not read; one that calls itself is called by its name.
pub(crate) fn functions(functions: &[FunctionProto]) -> Result<(), Fault> {
    let Some(first) = functions.first() else { return Ok(()) };
    let index: HashMap<&str, usize> =
        functions.iter().enumerate().map(|(i, f)| (f.name.as_str(), i)).collect();
    // Take away functions that call no remaining function; what is left calls itself.
    let calls: Vec<HashSet<usize>> = functions
        .iter()
        .map(|f| f.node.iter().filter_map(|n| index.get(n.op_type.as_str()).copied()).collect())
        .collect();
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); functions.len()];
    let mut open: Vec<usize> = calls.iter().map(HashSet::len).collect();
    for (i, called) in calls.iter().enumerate() {
        for &c in called {
            callers[c].push(i);
        }
    }
    let mut done: Vec<usize> = (0..functions.len()).filter(|&i| open[i] == 0).collect();
    let mut next = 0;
    while let Some(&f) = done.get(next) {
        next += 1;
        for &c in &callers[f] {
            open[c] -= 1;
            if open[c] == 0 {
                done.push(c);
            }
        }
    }
    if let Some(i) = (0..functions.len()).find(|&i| open[i] > 0) {
        return Err(Fault::new(
            format!("function {}", quoted(&functions[i].name)),
            "onnx.function.recursive",
            "calls itself",
        ));
    }
    Err(Fault::new(
        format!("function {}", quoted(&first.name)),
        "onnx.function",
        "functions defined in the file are not read; export the network with standard operators only",
    ))
}

/// Checks single definition and finds an execution order: the file's own where it is one, else sorted with the
/// earliest possible node first.
pub(crate) fn order(graph: &GraphProto, limits: &Limits) -> Result<Order, Fault> {
    caps(graph, limits)?;
    let mut maker: HashMap<&str, Option<usize>> = HashMap::new();
    let mut initial = HashSet::new();
    for t in &graph.initializer {
        if !initial.insert(t.name.as_str()) {
            return Err(Fault::new(
                format!("tensor {}", quoted(&t.name)),
                "onnx.graph.ssa",
                "is defined twice",
            ));
        }
        maker.insert(&t.name, None);
    }
    let mut inputs = HashSet::new();
    for v in &graph.input {
        // Up to IR version 3 initialisers were inputs too.
        if !inputs.insert(v.name.as_str()) {
            return Err(Fault::new(
                format!("input {}", quoted(&v.name)),
                "onnx.graph.ssa",
                "is defined twice",
            ));
        }
        maker.insert(&v.name, None);
    }
    for (i, node) in graph.node.iter().enumerate() {
        depth(node)?;
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            if maker.insert(name, Some(i)).is_some() {
                let reason = format!("writes {}, which is defined already", quoted(name));
                return Err(Fault::new(label(node), "onnx.graph.ssa", reason));
            }
        }
    }
    sort(graph, &maker)
}

fn caps(graph: &GraphProto, limits: &Limits) -> Result<(), Fault> {
    let (nodes, tensors) = (graph.node.len(), graph.initializer.len());
    let fail = |reason| Err(Fault::new("graph", "onnx.limit", reason));
    if nodes > limits.graph_nodes {
        return fail(format!("has {nodes} nodes, {}", cap!(limits, graph_nodes)));
    }
    if tensors > limits.tensors {
        return fail(format!("has {tensors} tensors, {}", cap!(limits, tensors)));
    }
    if graph.sparse_initializer.is_empty() {
        Ok(())
    } else {
        Err(Fault::new(
            "graph",
            "onnx.tensor.sparse",
            "sparse weights are not read; save the model with dense weights",
        ))
    }
}

fn sort(graph: &GraphProto, maker: &HashMap<&str, Option<usize>>) -> Result<Order, Fault> {
    let count = graph.node.len();
    let mut waiting = vec![0usize; count];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (i, node) in graph.node.iter().enumerate() {
        for name in node.input.iter().filter(|n| !n.is_empty()) {
            match maker.get(name.as_str()) {
                None => {
                    let reason = format!("reads {}, which is defined nowhere", quoted(name));
                    return Err(Fault::new(label(node), "onnx.graph.undefined", reason));
                }
                Some(Some(from)) => {
                    readers[*from].push(i);
                    waiting[i] += 1;
                }
                Some(None) => {}
            }
        }
    }
    let mut ready: BinaryHeap<std::cmp::Reverse<usize>> =
        (0..count).filter(|&i| waiting[i] == 0).map(std::cmp::Reverse).collect();
    let mut nodes = Vec::with_capacity(count);
    while let Some(std::cmp::Reverse(i)) = ready.pop() {
        nodes.push(i);
        for &r in &readers[i] {
            waiting[r] -= 1;
            if waiting[r] == 0 {
                ready.push(std::cmp::Reverse(r));
            }
        }
    }
    if let Some(stuck) = (0..count).find(|&i| waiting[i] > 0) {
        let reason = "waits for its own result: the graph has a cycle";
        return Err(Fault::new(label(&graph.node[stuck]), "onnx.graph.cycle", reason));
    }
    let sorted = nodes.is_sorted();
    Ok(Order { nodes, sorted })
}

/// Follows the first sub-graph of the first attribute that has one, level by level.
fn depth(node: &NodeProto) -> Result<(), Fault> {
    let inner =
        |a: &[AttributeProto]| a.iter().find_map(|a| a.g.clone().or_else(|| a.graphs.first().cloned()));
    let mut next = inner(&node.attribute);
    for _ in 0..MAX_DEPTH {
        let Some(bytes) = next else { return Ok(()) };
        let graph = GraphProto::decode(bytes.as_slice())
            .map_err(|e| Fault::new(label(node), "onnx.protobuf", format!("sub-graph: {e}")))?;
        next = graph.node.iter().find_map(|n| inner(&n.attribute));
    }
    match next {
        None => Ok(()),
        Some(_) => Err(Fault::new(
            label(node),
            "onnx.depth",
            format!("sub-graphs nest deeper than {MAX_DEPTH} levels"),
        )),
    }
}
