//! YAML and JSON as one bounded tree with line numbers. Tags do nothing, aliases are copied within a budget.

use crate::evidence::limits::{Limits, cap};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// A value and where it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Node {
    /// 1-based.
    pub line: usize,
    pub value: Value,
}

/// What a node holds. Numbers and booleans stay text: a diff needs no more.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Default for Value {
    fn default() -> Self {
        Value::Text(String::new())
    }
}

impl Node {
    /// The value of a key; the last one, as most readers take it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().rev().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The value at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The pairs of a map; of anything else, none.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; of anything else, none.
    pub(super) fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The items of a list, or the node itself.
    pub(super) fn each(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { std::slice::from_ref(self) }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The text of the value of a key, empty if there is none.
    pub(super) fn word(&self, key: &str) -> &str {
        self.get(key).and_then(Node::text).unwrap_or_default()
    }

    /// Whether it is a map with the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All scalars below, with their dotted paths.
    pub(super) fn leaves(&self) -> Vec<(String, &str, usize)> {
        let (mut out, mut open) = (Vec::new(), vec![(String::new(), self)]);
        while let Some((path, node)) = open.pop() {
            let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match &node.value {
                Value::Text(text) => out.push((path, text.as_str(), node.line)),
                Value::List(items) => {
                    open.extend(items.iter().enumerate().rev().map(|(i, n)| (join(&i.to_string()), n)));
                }
                Value::Map(entries) => open.extend(entries.iter().rev().map(|(k, n)| (join(k), n))),
            }
        }
        out
    }

    /// All text below in order, apart by blanks.
    pub(super) fn joined(&self) -> String {
        self.leaves().iter().map(|(_, text, _)| *text).collect::<Vec<_>>().join(" ")
    }
}

/// The documents of a YAML or JSON text.
///
/// # Errors
/// No YAML, or beyond the caps; with the line.
pub(super) fn read(text: &str) -> Result<Vec<Node>, String> {
    let mut build = Build::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| e.to_string())?;
        build.take(event, span.start.line())?;
    }
    Ok(build.documents)
}

/// A map or list that is still open.
struct Open {
    node: Node,
    key: Option<String>,
    anchor: usize,
}

#[derive(Default)]
struct Build {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Build {
    fn take(&mut self, event: Event, line: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let text = match style {
                    ScalarStyle::Plain if matches!(&*text, "~" | "null" | "Null" | "NULL") => String::new(),
                    _ => text.into_owned(),
                };
                self.close(Node { line, value: Value::Text(text) }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, _) => self.begin(Value::Map(Vec::new()), line, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = self.open.pop() else { return Ok(()) };
                self.close(done.node, done.anchor)
            }
            Event::Alias(anchor) => {
                let (node, size) = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.count(size, line)?;
                self.close(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, more: usize, line: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(more);
        let limits = Limits::in_force();
        if self.nodes > limits.tree_nodes {
            let cap = cap!(limits, tree_nodes);
            return Err(format!("line {line}: too many nodes, aliases included: {cap}"));
        }
        Ok(())
    }

    fn begin(&mut self, value: Value, line: usize, anchor: usize) -> Result<(), String> {
        let limits = Limits::in_force();
        if self.open.len() >= limits.tree_depth {
            return Err(format!("line {line}: nested too deep: {}", cap!(limits, tree_depth)));
        }
        self.open.push(Open { node: Node { line, value }, key: None, anchor });
        Ok(())
    }

    /// A node is whole: it becomes a key, a value, an item, or a document.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        let line = node.line;
        self.count(1, line)?;
        if anchor > 0 {
            let size = size(&node);
            // The copy kept for aliases counts as well.
            self.count(size, line)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match parent.key.take() {
                None => parent.key = Some(key(node)),
                Some(key) if key == "<<" => {
                    // What is merged gives way to what is written.
                    let merged: Vec<(String, Node)> =
                        node.each().iter().flat_map(|n| n.entries().iter().cloned()).collect();
                    let new: Vec<_> =
                        merged.into_iter().filter(|(k, _)| entries.iter().all(|(has, _)| has != k)).collect();
                    entries.splice(0..0, new);
                }
                Some(key) => entries.push((key, node)),
            },
            Value::Text(_) => {}
        }
        Ok(())
    }
}

fn key(node: Node) -> String {
    match node.value {
        Value::Text(text) => text,
        _ => node.joined(),
    }
}

fn size(node: &Node) -> usize {
    let (mut n, mut open) = (0, vec![node]);
    while let Some(node) = open.pop() {
        n += 1;
        open.extend(node.items());
        open.extend(node.entries().iter().map(|(_, v)| v));
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn yaml_and_json_give_the_same_tree() {
        let yaml = read("a: 1\nb:\n  - x\n  - y: 'on'\n").unwrap();
        let json = read("{\"a\": 1, \"b\": [\"x\", {\"y\": \"on\"}]}").unwrap();
        let plain = |n: &Node| n.leaves().into_iter().map(|(p, t, _)| (p, t.to_owned())).collect::<Vec<_>>();
        assert_eq!(plain(&yaml[0]), plain(&json[0]));
        assert_eq!(yaml[0].get("b").unwrap().items()[1].get("y").unwrap().line, 4);
        assert_eq!(read("--- 1\n--- 2\n").unwrap().len(), 2);
        let tabs = read("{\n\t\"a\": [\n\t\t1\n\t]\n}\n").unwrap();
        assert_eq!(plain(&tabs[0]), [("a.0".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn anchors_are_copied_and_merged_within_a_budget() {
        let doc = read("base: &b {image: x, when: always}\njob:\n  <<: *b\n  image: y\n").unwrap().remove(0);
        assert_eq!(
            (doc.get("job").unwrap().word("image"), doc.get("job").unwrap().word("when")),
            ("y", "always")
        );
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            writeln!(bomb, "a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 10].join(", ")).unwrap();
        }
        assert!(read(&bomb).unwrap_err().contains("aliases included"));
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read("a: [unclosed").is_err());
        assert!(read(&("- ".repeat(5000) + "x")).unwrap_err().contains("nested too deep"));
    }
}
