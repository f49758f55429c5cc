//! A network as text for a person: its layers in order, with shapes and parameters, and what it is made of.

use super::graph::Param;
use super::model::Model;
use super::op::Kernel;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One layer of the listing.
struct Row {
    name: String,
    operator: &'static str,
    inputs: Vec<String>,
    shape: Vec<usize>,
    parameters: usize,
}

fn rows(model: &Model) -> Vec<Row> {
    let graph = model.graph();
    let mut counted = vec![false; graph.params.len()];
    let row = |(i, node): (usize, &super::graph::Node)| {
        // A parameter that several layers share is counted where it is read first.
        let own = node.op.params().into_iter().filter(|&p| !std::mem::replace(&mut counted[p], true));
        let parameters = own.map(|p| graph.params[p].len()).sum();
        let before = |v: &usize| i > 0 && *v == i || i == 0 && *v == 0;
        let inputs = node.inputs.iter().filter(|v| node.inputs.len() > 1 || !before(v));
        Row {
            name: node.name.clone(),
            operator: node.op.name(),
            inputs: inputs.map(|&v| graph.name(v).to_owned()).collect(),
            shape: node.shape.clone(),
            parameters,
        }
    };
    graph.nodes.iter().enumerate().map(row).collect()
}

fn operators(rows: &[Row]) -> BTreeMap<&'static str, usize> {
    let mut all = BTreeMap::new();
    for row in rows {
        *all.entry(row.operator).or_default() += 1;
    }
    all
}

fn shape(s: &[usize]) -> String {
    s.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// Widest column of names.
const NAME: usize = 48;

fn cut(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME {
        return name.to_owned();
    }
    // The end of a long name says more than its beginning.
    format!("…{}", name.chars().skip(count - NAME + 1).collect::<String>())
}

/// The network as lines of text; names are visible text already.
pub fn text(model: &Model) -> String {
    let rows = rows(model);
    let graph = model.graph();
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    for fact in &model.facts {
        line(format_args!("  {}", fact.shown()));
    }
    let input = &model.input;
    line(format_args!(
        "  input '{}' {} per image, pixels become {:?} to {:?}, mean {:?}, std {:?}",
        graph.name(0),
        shape(&graph.input_shape),
        input.range[0],
        input.range[1],
        input.mean,
        input.std
    ));
    line(format_args!(""));
    let width = rows.iter().map(|r| cut(&r.name).chars().count()).max().unwrap_or(4).max(4);
    line(format_args!(
        "{:>5}  {:width$}  {:18} {:>16} {:>12}  reads",
        "#", "name", "operator", "output", "parameters"
    ));
    for (i, row) in rows.iter().enumerate() {
        let parameters = if row.parameters == 0 { String::new() } else { row.parameters.to_string() };
        let reads = row.inputs.iter().map(|n| cut(n)).collect::<Vec<_>>().join(", ");
        let text = format!(
            "{:>5}  {:width$}  {:18} {:>16} {parameters:>12}  {reads}",
            i + 1,
            cut(&row.name),
            row.operator,
            shape(&row.shape)
        );
        line(format_args!("{}", text.trim_end()));
    }
    line(format_args!(""));
    let used: Vec<String> = operators(&rows).into_iter().map(|(op, n)| format!("{op} {n}")).collect();
    line(format_args!("operators: {}", used.join(", ")));
    let trainable: usize = graph.params.iter().filter(|p| p.trainable).map(Param::len).sum();
    line(format_args!("parameters: {} numbers, {trainable} of them trained", graph.parameter_count()));
    let logits = graph.name(model.logits_value());
    line(format_args!(
        "classes: {}, logits from '{logits}', activations before the head from '{}'",
        model.class_count(),
        model.penultimate()
    ));
    line(format_args!("unsupported: nothing; every node that the output needs can be run"));
    out
}

/// The same as JSON.
pub fn json(model: &Model) -> Value {
    let rows = rows(model);
    let graph = model.graph();
    let layers: Vec<Value> = rows
        .iter()
        .map(
            |r| json!({"name": r.name, "operator": r.operator, "shape": r.shape, "parameters": r.parameters}),
        )
        .collect();
    json!({
        "facts": model.facts.iter().map(crate::evidence::Untrusted::shown).collect::<Vec<_>>(),
        "input": {"name": graph.name(0), "shape": graph.input_shape},
        "layers": layers,
        "operators": operators(&rows),
        "parameters": graph.parameter_count(),
        "classes": model.class_count(),
        "closing_softmax": model.closing_softmax(),
        "unsupported": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Limits;
    use crate::network::description::builtin;
    use crate::network::train::initialise;

    #[test]
    fn each_layer_has_a_line_and_the_sums_agree() {
        let description = builtin::describe("resnet8", [3, 16, 16], 5).unwrap();
        let graph = initialise(&description, 1, &Limits::default()).unwrap();
        let model = Model::from_graph(graph, description.input_spec(), vec![]).unwrap();
        let shown = text(&model);
        let nodes = model.graph().nodes.len();
        assert!(shown.lines().any(|l| l.trim_start().starts_with(&format!("{nodes}  fc "))), "{shown}");
        assert!(shown.contains("stem                 conv2d") || shown.contains("stem "), "{shown}");
        assert!(shown.contains("conv2d 9, ") && shown.contains("64×1×1"), "{shown}");
        let rows = rows(&model);
        assert_eq!(rows.iter().map(|r| r.parameters).sum::<usize>(), model.graph().parameter_count());
        // What reads something else than the line above it says so.
        assert!(rows.iter().any(|r| r.operator == "add" && r.inputs.len() == 2));
        assert_eq!(json(&model)["layers"].as_array().unwrap().len(), nodes);
    }
}
