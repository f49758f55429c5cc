//! `stages.json`: artefacts in order, with digests, in the forms people write it.

use super::super::tree::Node;

/// One artefact of the chain.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Stage {
    pub name: String,
    /// As written; empty when none is named.
    pub path: String,
    /// 64 hexadecimal digits, or empty.
    pub sha256: String,
    /// Digests of what it says it was made from.
    pub made_from: Vec<String>,
    /// Names or paths of what it says it was made from.
    pub source: Vec<String>,
    /// Network of bare weights.
    pub architecture: String,
    pub bytes: Option<u64>,
    pub line: usize,
}

/// A SHA-256 without its prefix, lower case; `None` if it is none.
pub(super) fn digest(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("sha256:").trim_start_matches("SHA256:").to_ascii_lowercase();
    (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}

const INPUTS: [&str; 18] = [
    "input_sha256",
    "source_sha256",
    "parent_sha256",
    "from_sha256",
    "base_sha256",
    "input_digest",
    "parent_digest",
    "source_digest",
    "input",
    "inputs",
    "parent",
    "parents",
    "source",
    "sources",
    "from",
    "derived_from",
    "made_from",
    "materials",
];

/// The stages of a document.
///
/// # Errors
/// No list of stages in it.
pub(super) fn read(doc: &Node) -> Result<Vec<Stage>, String> {
    let list = ["stages", "artifacts", "artefacts", "chain"].iter().find_map(|k| doc.get(k)).unwrap_or(doc);
    let named: Vec<(String, &Node)> = if list.items().is_empty() {
        list.entries().iter().filter(|(_, v)| !v.entries().is_empty()).map(|(k, v)| (k.clone(), v)).collect()
    } else {
        list.items().iter().map(|n| (String::new(), n)).collect()
    };
    let stages: Vec<Stage> =
        named.into_iter().enumerate().map(|(i, (name, node))| stage(i, &name, node)).collect();
    if stages.is_empty() || stages.iter().all(|s| s.path.is_empty() && s.sha256.is_empty()) {
        return Err("no list of stages with paths or digests".into());
    }
    Ok(stages)
}

fn stage(i: usize, key: &str, node: &Node) -> Stage {
    let word = |names: &[&str]| {
        names.iter().map(|n| node.word(n)).find(|t| !t.is_empty()).unwrap_or_default().to_owned()
    };
    let name = Some(word(&["name", "stage", "kind", "step", "id"]))
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| if key.is_empty() { format!("stage {}", i + 1) } else { key.to_owned() });
    let own = [
        node.get("sha256"),
        node.get("digest"),
        node.get("hash"),
        node.at(&["digests", "sha256"]),
        node.at(&["digest", "sha256"]),
        node.at(&["output", "sha256"]),
    ];
    let sha256 = own.into_iter().flatten().filter_map(Node::text).find_map(digest).unwrap_or_default();
    let (mut made_from, mut source) = (Vec::new(), Vec::new());
    for key in INPUTS {
        for (_, text, _) in node.get(key).map(Node::leaves).unwrap_or_default() {
            match digest(text) {
                Some(d) => made_from.push(d),
                None => source.push(text.to_owned()),
            }
        }
    }
    let path = word(&["path", "file", "artifact", "artefact", "uri", "location"]);
    let path = if path.is_empty() {
        node.get("output")
            .and_then(|o| o.text().or(o.get("path").and_then(Node::text)))
            .unwrap_or_default()
            .to_owned()
    } else {
        path
    };
    Stage {
        name,
        path,
        sha256,
        made_from,
        source,
        architecture: word(&["architecture"]),
        bytes: node
            .get("bytes")
            .or_else(|| node.get("size"))
            .and_then(Node::text)
            .and_then(|t| t.parse().ok()),
        line: node.line,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tree;
    use super::*;

    #[test]
    fn lists_and_maps_of_stages() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let text = format!(
            "{{\"stages\": [{{\"name\": \"weights\", \"path\": \"w.st\", \"sha256\": \"{a}\"}}, {{\"stage\": \"quantised\", \"file\": \"q.onnx\", \"digest\": \"sha256:{b}\", \"inputs\": [{{\"path\": \"w.st\", \"sha256\": \"{a}\"}}]}}]}}"
        );
        let stages = read(&tree::read(&text).unwrap()[0]).unwrap();
        assert_eq!(
            (stages[0].name.as_str(), stages[1].sha256.as_str()),
            ("weights", "b".repeat(64).as_str())
        );
        assert_eq!((&stages[1].made_from, &stages[1].source), (&vec![a.clone()], &vec!["w.st".to_owned()]));
        let text = format!(
            "{{\"weights\": {{\"path\": \"w\", \"sha256\": \"{a}\"}}, \"serving\": {{\"path\": \"s\", \"input_sha256\": \"{a}\"}}}}"
        );
        let stages = read(&tree::read(&text).unwrap()[0]).unwrap();
        assert_eq!((stages[1].name.as_str(), stages[1].made_from.len()), ("serving", 1));
        assert!(read(&tree::read("{\"a\": 1}").unwrap()[0]).is_err());
        assert!(read(&tree::read("[]").unwrap()[0]).is_err());
        assert_eq!(digest("xyz"), None);
    }
}
